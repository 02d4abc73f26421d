"""The names, the constants, what a client looks like from outside; and standing in for pylibmc."""

from __future__ import annotations

import copy
import gc
import pickle
import subprocess
import sys
import weakref
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from mcclient import pylibmc
from mcclient.pylibmc import _pylibmc, consts
from mcclient.pylibmc.client import translate_server_spec, translate_server_specs
from tests.servers import RealMemcached

ROOT = Path(__file__).parents[2]

CODES = {
    "Failure": 1, "HostLookupError": 2, "ConnectionError": 3, "ConnectionBindError": 4,
    "WriteError": 5, "ReadError": 6, "UnknownReadFailure": 7, "ProtocolError": 8, "ClientError": 9,
    "ServerError": 10, "SocketCreateError": 11, "DataExists": 12, "DataDoesNotExist": 13,
    "NotFound": 16, "AllocationError": 17, "SomeErrors": 19, "NoServers": 20, "UnixSocketError": 27,
    "NotSupportedError": 28, "FetchNotFinished": 30, "BadKeyProvided": 33,
    "InvalidHostProtocolError": 34, "ServerDead": 35, "ServerDown": 47, "TooBig": 37,
    "UnknownStatKey": 36,
}  # fmt: skip


class Overridden(pylibmc.Client):
    def serialize(self, value: object, /) -> tuple[bytes, int]:
        return super().serialize(value)

    def deserialize(self, bytestring: bytes, flags: int, /) -> object:
        return super().deserialize(bytestring, flags)


def run(source: str) -> str:
    """What a program of its own prints."""
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_all_names_of_the_real_one_are_here(real_pylibmc: Any) -> None:
    import _pylibmc as real_lower  # type: ignore[import-not-found]

    def public(module: Any) -> set[str]:
        return {name for name in module.__all__ if not name.startswith("__")} | {"__version__"}

    assert public(real_pylibmc) - set(dir(pylibmc)) == set()
    lower = {name for name in dir(real_lower) if not name.startswith("__")}
    assert lower - set(dir(_pylibmc)) == set()
    for part in ("client", "consts", "pools", "autoconf", "test"):
        real_names = {name for name in dir(import_module(f"pylibmc.{part}")) if name[0] != "_"}
        ours = set(dir(import_module(f"mcclient.pylibmc.{part}")))
        # What it imports, or leaves lying about, is nobody's interface.
        left = {"_pylibmc", "sys", "name", "key", "value", "exc", "modpkg", "modself", "Queue"}
        assert real_names - ours - left - {"contextmanager", "pylibmc", "dedent"} == set()


def test_constants_are_the_real_ones(real_pylibmc: Any) -> None:
    for name in dir(real_pylibmc):
        value = getattr(real_pylibmc, name)
        if isinstance(value, (int, str, list, dict)) and name[:2] != "__" and name != "exceptions":
            assert getattr(pylibmc, name) == value, name
    assert pylibmc.build_info() == real_pylibmc.build_info()
    assert pylibmc.__version__ == real_pylibmc.__version__ == "1.6.3"


def test_versions_are_those_of_the_newest_libmemcached() -> None:
    assert pylibmc.libmemcached_version == "1.1.4"
    assert pylibmc.libmemcached_version_hex == 0x01001004
    assert pylibmc.build_info().startswith("pylibmc 1.6.3 for libmemcached 1.1.4 (")


def test_exceptions_have_their_codes_and_one_base() -> None:
    assert len(pylibmc.exceptions) == 28
    assert {name: kind.retcode for name, kind in pylibmc.exceptions if name in CODES} == CODES
    for name, kind in pylibmc.exceptions:
        assert getattr(pylibmc, name) is getattr(_pylibmc, name) is kind
        assert name == "Error" or kind.__bases__ == (pylibmc.Error,)
        assert not issubclass(kind, OSError)
    assert not hasattr(pylibmc.Error, "retcode")
    assert not hasattr(pylibmc.CacheMiss, "retcode")
    assert pylibmc.MemcachedError is pylibmc.Error
    assert consts.errors == tuple(kind for _, kind in pylibmc.exceptions)


@pytest.mark.parametrize(
    ("spec", "server"),
    [
        ("127.0.0.1", (1, "127.0.0.1", 11211, 1)),
        ("127.0.0.1:22122", (1, "127.0.0.1", 22122, 1)),
        ("127.0.0.1:1234:2", (1, "127.0.0.1", 1234, 2)),
        ("[::1]", (1, "::1", 11211, 1)),
        ("[::1]:22122", (1, "::1", 22122, 1)),
        ("[::1]:22122:3", (1, "::1", 22122, 3)),
        ("udp:127.0.0.1:5", (2, "127.0.0.1", 5, 1)),
        ("/a.sock", (4, "/a.sock", 0, 1)),
        ("/a.sock:2", (4, "/a.sock:2", 0, 1)),
        ("", (1, "", 11211, 1)),
    ],
)
def test_addresses_are_read_as_there(spec: str, server: tuple[Any, ...]) -> None:
    assert translate_server_spec(spec) == server


def test_an_address_may_leave_port_and_weight_to_the_caller() -> None:
    assert translate_server_spec("h", port=1, weight=2) == (1, "h", 1, 2)
    assert translate_server_spec("/p", weight=2) == (4, "/p", 0, 2)
    assert translate_server_specs([(1, "h", 5), "g"]) == [(1, "h", 5), (1, "g", 11211, 1)]


@pytest.mark.parametrize("spec", ["::1", "host:abc", "[::1", "h:1:", "[::1]x"])
def test_what_is_no_address_is_a_value_error(spec: str) -> None:
    with pytest.raises(ValueError, match=r"invalid literal for int|^\[::1"):
        translate_server_spec(spec)


@pytest.mark.parametrize(
    ("servers", "error"),
    [
        ([], pylibmc.Error),
        (iter(["a"]), pylibmc.Error),
        (None, TypeError),
        ([("a", 1)], AttributeError),
        ([(1, "a", 1, 2)], AttributeError),
        ([b"a"], TypeError),
        ([None], AttributeError),
        (["a", "udp:b"], ValueError),
        (["a", "/b"], ValueError),
        ([(9, "a", 1)], ValueError),
    ],
)
def test_servers_that_cannot_be_are_refused_as_there(servers: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        pylibmc.Client(servers)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"binary": None}, TypeError, "integer"),
        ({"username": "u"}, TypeError, "SASL requires both username and password"),
        ({"username": "u", "password": "p"}, TypeError, "SASL requires the memcached binary"),
        ({"username": b"u", "password": "p", "binary": True}, TypeError, "username must be str"),
    ],
)
def test_options_that_cannot_be_are_refused_as_there(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        pylibmc.Client(["a"], **options)


def test_a_client_shows_its_addresses() -> None:
    mc = pylibmc.Client(["127.0.0.1:11211"])
    assert repr(mc) == "Client(['127.0.0.1:11211'], binary=False)"
    assert str(mc) == "<Client for 127.0.0.1:11211, binary=False>"
    assert (mc.addresses, mc.binary) == (["127.0.0.1:11211"], False)
    assert pylibmc.Client("abc").addresses == ["a", "b", "c"]


def test_a_client_is_no_container_and_no_value() -> None:
    mc = pylibmc.Client(["a"])
    assert bool(mc)
    for attribute in ("__len__", "__iter__", "close", "__enter__"):
        assert not hasattr(mc, attribute)
    for attempt in (iter, copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            list(attempt(mc))  # type: ignore[operator]
    assert weakref.ref(mc)() is mc
    with pytest.raises(AttributeError, match="nobody uses british spellings"):
        mc.behaviours  # noqa: B018


@pytest.mark.memcached
def test_a_client_that_has_failed_is_gone_at_once_too(real_memcached: RealMemcached) -> None:
    failing: list[Callable[[pylibmc.Client], object]] = [
        lambda mc: mc.get_stats("bogus"),
        lambda mc: mc.set_multi({"key": b"x" * (2 << 20)}),
        lambda mc: mc.incr("text"),
        lambda mc: mc.set("key", b"x" * (2 << 20)),
        lambda mc: mc.set_behaviors({"failure_limit": 0}),
    ]
    gc.disable()
    try:
        for fail in failing:
            mc = pylibmc.Client([real_memcached.address], binary=True)
            mc.set("text", "no number")
            gone = weakref.ref(mc._client__session)  # type: ignore[attr-defined]
            with pytest.raises(pylibmc.Error):
                fail(mc)
            del mc
            assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("kind", [pylibmc.Client, Overridden])
def test_a_dropped_client_and_its_connections_are_gone_at_once(
    kind: type[pylibmc.Client], real_memcached: RealMemcached
) -> None:
    mc = kind([real_memcached.address])
    mc.set("key", "value")
    gone = weakref.ref(mc), weakref.ref(mc._client__session)  # type: ignore[attr-defined]
    gc.disable()  # nothing may wait for it
    try:
        del mc
        assert [each() for each in gone] == [None, None]
    finally:
        gc.enable()


def test_the_module_is_loaded_on_demand_only() -> None:
    assert run("import sys, mcclient; print('mcclient.pylibmc' in sys.modules)") == "False"
    assert run("from mcclient import pylibmc; print(pylibmc.__name__)") == "mcclient.pylibmc"


def test_install_puts_it_in_pylibmcs_place() -> None:
    program = """
from mcclient import pylibmc as ours
ours.install()
import pylibmc, _pylibmc, pylibmc.client, pylibmc.pools, pylibmc.test
from pylibmc.consts import BehaviorDict
from pylibmc import ClientPool, NotFound
from pylibmc.autoconf import elasticache
assert pylibmc is ours and issubclass(pylibmc.Client, _pylibmc.client)
assert pylibmc.client.Client is ours.Client
ours.install()
print("installed")
"""
    assert run(program) == "installed"


def test_install_sets_defaults_for_every_client() -> None:
    program = """
from mcclient import pylibmc as ours
ours.install(pickle="refuse")
import pylibmc
try:
    pylibmc.Client(["127.0.0.1:1"]).set("key", [])
except TypeError as error:
    print(error)
pylibmc.Client(["127.0.0.1:1"], pickle="allow").serialize([])
try:
    ours.install(pickle="signed")
except ValueError as error:
    print(error)
"""
    first, second = run(program).splitlines()
    assert first.startswith("value must be bytes, str, int or bool with pickle='refuse'")
    assert second == "pickle_keys must be given with pickle='signed'"


@pytest.mark.parametrize("name", ["pylibmc", "_pylibmc"])
def test_install_refuses_to_push_the_real_one_out(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.py").write_text("")
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import {name} as real
from mcclient import pylibmc as ours
try:
    ours.install()
except ImportError as error:
    print(error)
assert sys.modules[{name!r}] is real and "pylibmc.client" not in sys.modules
"""
    assert run(program).startswith(f"the real {name} is loaded already")
