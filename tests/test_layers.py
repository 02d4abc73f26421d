"""Who may import whom, and who may touch the world outside.

Reads every import in the sources, wherever it stands, and holds it against one table. What an
import loads in turn is the business of tests/test_purity.py.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("mcproto", "mcclient")


class Row(NamedTuple):
    """What the modules of a layer may import beside each other.

    `ours` names rows, `world` what of WORLD; "*" is everything.
    """

    ours: str = ""
    world: str = ""


# What waits, chooses at random, tells the time, or reaches out of the process. A module that may
# import none of it is pure.
WORLD = set(
    "_thread asyncio concurrent ctypes multiprocessing os pathlib random sched secrets select "
    "selectors shutil signal socket socketserver ssl subprocess tempfile threading time trio "
    "urllib uuid".split()
)

# The core imports no more than this of the standard library, pure or not. (binascii: at the first
# base64 key.)
CORE = set("binascii collections enum itertools struct".split())

INTERFACES = "mcproto mcproto.transports.__init__ "
HELPERS = INTERFACES + "mcproto.transports "
NAMES = HELPERS + "mcproto.transports._resolve "
SOCKETS = NAMES + "mcproto.transports._sockets mcproto.transports._tls "
SHARED = HELPERS + "mcproto.transports._shared "
ADAPTERS = "mcproto.transports.asyncio mcproto.transports.blocking mcproto.transports.trio "
LOGIC = (
    "mcproto mcclient._errors mcclient._failures mcclient._item mcclient._servers mcclient.rings "
    "mcclient.values mcclient.operations mcclient._observers "
)

# A module belongs to the row with the longest name that it lies in, so that a new one has the
# rights of its package, and no more.
TABLE = {
    "mcproto": Row(),
    # One adapter for each way of moving bytes. None knows another; what they share is beside them.
    "mcproto.transports.__init__": Row("mcproto"),
    "mcproto.transports": Row(INTERFACES, "time"),
    "mcproto.transports._resolve": Row(HELPERS, "os socket threading time"),
    "mcproto.transports._sockets": Row(NAMES + "mcproto.transports._tls ", "os select socket time"),
    "mcproto.transports._tls": Row(HELPERS, "ssl"),
    "mcproto.transports._together": Row(HELPERS, "selectors time"),
    "mcproto.transports._shared": Row(HELPERS + "mcproto.transports._tls "),
    "mcproto.transports._by_turns": Row(SHARED),
    "mcproto.transports._asyncio_shared": Row(SHARED + "mcproto.transports._tls ", "asyncio"),
    "mcproto.transports._trio_shared": Row(SHARED + "mcproto.transports._tls ", "trio"),
    "mcproto.transports.asyncio": Row(
        SOCKETS + SHARED + "mcproto.transports._asyncio_shared mcproto.transports._by_turns ",
        "asyncio select socket",
    ),
    "mcproto.transports.blocking": Row(SOCKETS + "mcproto.transports._together ", "os socket time"),
    "mcproto.transports.memory": Row(HELPERS),
    "mcproto.transports.selector": Row(SOCKETS + "mcproto.transports._together ", "socket"),
    "mcproto.transports.udp": Row(SOCKETS, "secrets socket time"),
    "mcproto.transports.trio": Row(
        SOCKETS + SHARED + "mcproto.transports._trio_shared mcproto.transports._by_turns ",
        "socket trio",
    ),
    # For tests, and only asked for by them.
    "mcproto.testing": Row(INTERFACES, "hypothesis os socket threading time"),
    # Everything with an opinion and without I/O.
    "mcclient._errors": Row("mcproto mcclient._timeline"),
    "mcclient._auth": Row("mcproto mcclient._errors"),
    "mcclient._failures": Row("mcproto mcclient._auth mcclient._errors mcclient._timeline"),
    "mcclient._health": Row(),
    "mcclient._item": Row(),
    "mcclient._logs": Row(),
    "mcclient._observers": Row("mcproto mcclient._errors mcclient._logs"),
    "mcclient._servers": Row("mcproto mcclient._errors"),
    "mcclient.rings": Row("mcproto mcclient._errors mcclient._servers"),
    "mcclient.values": Row("mcproto mcclient._errors"),
    "mcclient.operations": Row(LOGIC),
    # The clients: they have the clock and choose the backend; moving bytes is the backend's.
    "mcclient": Row(
        SHARED
        + ADAPTERS
        + LOGIC
        + "mcclient._auth mcclient._fork mcclient._gate mcclient._timeline mcclient._tls ",
        "time",
    ),
    "mcclient._fork": Row("", "os"),
    "mcclient._gate": Row(
        LOGIC + "mcclient._fork mcclient._health mcclient._logs ", "random threading"
    ),
    "mcclient._timeline": Row(),
    "mcclient._tls": Row("", "ssl"),
    # Pools know clients as something with `clone()`; the pooled client has their methods.
    "mcclient.pools._counts": Row("", "threading"),
    "mcclient.pools._closing": Row(""),
    "mcclient.pools._lender": Row(
        "mcproto mcclient._errors mcclient._logs mcclient.pools._closing mcclient.pools._counts"
    ),
    "mcclient.pools": Row(
        LOGIC + INTERFACES + "mcclient mcclient._fork mcclient.pools._closing "
        "mcclient.pools._counts mcclient.pools._lender",
        "random threading time",
    ),
    "mcclient.__init__": Row(LOGIC + "mcclient mcclient._tls mcclient.pools"),
    # A client and pools of another make, over the same links.
    "mcclient.pylibmc": Row(HELPERS + ADAPTERS + LOGIC + "mcclient", "os socket threading time"),
    # The server: the protocol's other half, and nothing of the clients.
    "mcclient.embedded._store": Row("mcproto"),
    "mcclient.embedded._tls": Row("", "ssl"),
    "mcclient.embedded": Row(
        "mcproto mcclient.embedded._store mcclient.embedded._tls",
        "os selectors socket threading time",
    ),
    # Other people's test suites.
    "mcclient._real_memcached": Row(
        "", "contextlib os pathlib shutil socket subprocess tempfile time types"
    ),
    "mcclient._outside_server": Row("mcclient.__init__ mcclient._real_memcached", "pytest typing"),
    "mcclient.pytest_plugin": Row(
        "mcclient mcclient.__init__ mcclient.embedded mcclient._real_memcached "
        "mcclient._outside_server",
        "os pytest typing",
    ),
    # Other people's servers.
    "mcclient.conformance": Row(
        "mcproto mcclient.__init__", "base64 re secrets socket time typing"
    ),
    # For tests, and only asked for by them. Knows nothing of the rest, to share no mistake with it.
    "mcclient.testing": Row("", "asyncio os random socket ssl threading trio"),
    # Programs.
    "mcclient.cli": Row("*", "*"),
    "mcclient.__main__": Row("mcclient.cli"),
}


def name_of(path: Path) -> str:
    """``mcclient/rings/__init__.py`` -> ``mcclient.rings.__init__``"""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


SOURCES = {name_of(path): path for ours in OURS for path in sorted((ROOT / ours).rglob("*.py"))}


def row_of(module: str) -> str:
    while module not in TABLE:
        module = module.rpartition(".")[0]
    return module


def is_type_checking(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


class Import(NamedTuple):
    line: int
    target: str  # with the imported name as the last part, where there is one
    for_types: bool  # under `if TYPE_CHECKING`


def imports(module: str, tree: ast.AST, for_types: bool = False) -> Iterator[Import]:
    """Every import in *tree*, in functions too."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name, for_types)
        elif isinstance(node, ast.ImportFrom):
            # Relative to the package, which for `a.b` and for `a.__init__` is `a`.
            package = module.rsplit(".", node.level)[0] if node.level else ""
            origin = ".".join(filter(None, (package, node.module)))
            for alias in node.names:
                yield Import(node.lineno, f"{origin}.{alias.name}", for_types)
        elif is_type_checking(node):
            assert isinstance(node, ast.If)
            yield from imports(module, ast.Module(node.body, []), True)
            yield from imports(module, ast.Module(node.orelse, []), for_types)
        else:
            yield from imports(module, node, for_types)


def module_of(target: str) -> str:
    """The module of ours that holds *target*, which is a module or a name in one."""
    for module in (target, target.rpartition(".")[0]):
        for known in (module, f"{module}.__init__"):
            if known in SOURCES:
                return known
    return target


def complaints(module: str, source: str) -> list[str]:
    """What in *source* the table does not allow to *module*."""
    found = []
    own = row_of(module)
    ours = {own, *TABLE[own].ours.split()}
    world = TABLE[own].world.split()
    for line, target, for_types in imports(module, ast.parse(source)):
        top = target.partition(".")[0]
        if top in OURS:
            allowed = "*" in ours or row_of(module_of(target)) in ours
        elif for_types or top == "__future__":
            allowed = True  # it is never executed
        elif top in WORLD or top not in sys.stdlib_module_names:
            allowed = "*" in world or any(f"{target}.".startswith(f"{name}.") for name in world)
        else:
            allowed = own != "mcproto" or top in CORE
        if not allowed:
            found.append(f"{module}:{line} may not import {target}")
    return found


@pytest.mark.parametrize("module", SOURCES)
def test_a_module_imports_only_what_its_layer_may(module: str) -> None:
    assert complaints(module, SOURCES[module].read_text(encoding="utf-8")) == []


def test_the_arrows_between_layers_never_lead_back() -> None:
    uses = {row: set(TABLE[row].ours.split()) - {row, "*"} for row in TABLE}
    assert set(TopologicalSorter(uses).static_order()) == set(TABLE)


def test_every_row_is_about_modules_that_exist() -> None:
    dead = [row for row in TABLE if not any(f"{name}.".startswith(f"{row}.") for name in SOURCES)]
    assert dead == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("mcproto._buffer", "import socket"),
        ("mcproto._buffer", "def late():\n    import time"),
        ("mcproto._buffer", "import functools"),
        ("mcproto._buffer", "from . import transports"),
        ("mcproto._buffer", "from .transports.trio import TrioBackend"),
        ("mcproto._buffer", "if TYPE_CHECKING:\n    from mcclient import Client"),
        ("mcproto._buffer", "if TYPE_CHECKING:\n    pass\nelse:\n    import typing"),
        ("mcproto.transports.trio", "import asyncio"),
        ("mcproto.transports.trio", "from .asyncio import AsyncioBackend"),
        ("mcproto.transports.brand_new", "import mcclient"),
        ("mcclient.rings.brand_new", "import random"),
        ("mcclient.rings.brand_new", "from ..values import PlainCodec"),
        ("mcclient.operations._read", "from .. import _client"),
        ("mcclient.operations._read", "from mcclient import Client"),
        ("mcclient._client", "import attrs"),
        ("mcclient._client", "from .pools import ClientPool"),
        ("mcclient.pools._lender", "import threading"),
        ("mcclient.pools._lender", "from threading import Event"),
        ("mcclient.embedded.brand_new", "from .._client import Client"),
    ],
)
def test_what_is_forbidden_is_found(module: str, source: str) -> None:
    assert len(complaints(module, source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("mcproto._buffer", "from __future__ import annotations"),
        ("mcproto._buffer", "from collections import deque\nfrom ._errors import LimitExceeded"),
        ("mcproto._buffer", "if TYPE_CHECKING:\n    from socket import socket"),
        ("mcproto.transports.trio", "import trio\nfrom mcproto import ProtocolError"),
        ("mcproto.transports.trio", "import trio.lowlevel\nfrom trio import socket"),
        ("mcclient.rings.brand_new", "import hashlib\nfrom .._servers import Server"),
        ("mcclient.cli", "import asyncio, trio\nfrom mcclient.embedded import MemoryServer"),
    ],
)
def test_what_is_allowed_is_let_pass(module: str, source: str) -> None:
    assert complaints(module, source) == []
