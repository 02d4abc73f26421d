"""Public names come from the package roots: all of them, and nothing else.

Each module says in `__all__` what is meant for others; the root hands on what its private modules
say. What two private modules share between them only is listed here as inner.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("mcproto", "mcclient")

# In a private module's `__all__`, and not for users: for the modules beside it.
INNER = {
    "mcclient._auth": {"Login", "checked_login", "wants_login"},
    "mcclient._expiry": {"exptime_at", "exptime_of"},
    "mcclient._failures": {
        "auth_failed",
        "command_failed",
        "connect_failed",
        "exchange_failed",
        "fault_of",
        "may_try_again",
    },
    "mcclient._fork": {"tell_after_fork"},
    "mcclient._link": {
        "AsyncLink",
        "ClosedLinks",
        "DIRECT_SIZE",
        "Link",
        "NOT_YET",
        "STALE_AFTER",
    },
    "mcclient._gate": {"Gate", "gates_for"},
    "mcclient._health": {
        "FIRST_PAUSE",
        "LONGEST_ABANDONED",
        "LONGEST_PAUSE",
        "MOST_SOFT_FAILURES",
        "Health",
    },
    "mcclient._logs": {"log", "log_exception"},
    "mcclient._observers": {"tell"},
    "mcclient._opening": {"Opening", "runs_jobs"},
    "mcclient._options": {"Options", "check_backend"},
    "mcclient._outside_server": {"OutsideServer"},
    "mcclient._shared": {"Attempt", "SharedLinks", "shares"},
    "mcclient._servers": {"DEFAULT_PORT", "Server", "parse_server", "parse_servers"},
    "mcproto._binary_command": {"BinaryCommand", "QuietCommand"},
    "mcproto._binary_fifo": {"BinaryFifo"},
    "mcclient._timeline": {"Timeline", "in_words"},
    "mcproto._buffer": {"ReceiveBuffer"},
    "mcproto._bulk": {
        "MOST_PER_VALUE",
        "split_alike",
        "split_columns",
        "split_values",
        "split_words",
    },
    "mcproto._columns": {"WHOLE", "GetColumns", "quiet_sets"},
    "mcproto._direct": {"Heads", "SizeWords", "get_forms", "set_forms"},
    "mcproto._direct_binary": {
        "FLAGS_AT",
        "GET_HEADS",
        "SET_EXTRAS",
        "SET_FRONTS",
        "SET_HEAD",
        "STORED_SIZE",
        "Sizes",
        "get_frames",
        "set_frames",
    },
    "mcproto._flight": {"EncodedFlight"},
    "mcproto._meta_bulk": {"LONGEST_HEADER", "split_hits"},
    "mcproto._fifo": {"Fifo", "fifo_for"},
    "mcproto._read_binary_commands": {"BinaryReader"},
    "mcproto._parts": {"Hidden", "LARGE", "gathered", "in_parts"},
    "mcproto._read_replies": {"Limits"},
    "mcproto._record": {"Record"},
}

# Packages whose public names are to be had from the root as well.
HANDED_ON = {
    "mcproto": [],
    "mcclient": ["mcclient.pools"],
}


def modules(package: str) -> list[str]:
    """All of *package*, found on disk, but for what runs when it is imported."""
    names = []
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[-1] != "__main__":
            names.append(".".join(parts).removesuffix(".__init__"))
    return names


def exported(module: str) -> list[str]:
    return getattr(importlib.import_module(module), "__all__", [])


def is_private(module: str) -> bool:
    return module.rpartition(".")[2].startswith("_")


MODULES = [module for package in PACKAGES for module in modules(package)]
PRIVATE = [module for module in MODULES if module.count(".") == 1 and is_private(module)]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_that_it_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").read_bytes() == b""


@pytest.mark.parametrize("module", MODULES)
def test_a_module_opens_by_saying_what_it_knows(module: str) -> None:
    assert importlib.import_module(module).__doc__


@pytest.mark.parametrize("module", MODULES)
def test_what_a_module_exports_is_there_and_documented(module: str) -> None:
    loaded = importlib.import_module(module)
    names = exported(module)
    assert len(set(names)) == len(names)
    assert [name for name in names if not hasattr(loaded, name)] == []
    undocumented = [
        name
        for name in names
        if isinstance(thing := getattr(loaded, name), type) or inspect.isroutine(thing)
        # A class inherits its base's docstring for `inspect`, but not in its own `__doc__`.
        if not thing.__doc__
    ]
    assert undocumented == []


@pytest.mark.parametrize("module", PRIVATE)
def test_what_a_private_module_exports_is_public_or_listed_as_inner(module: str) -> None:
    public = set(exported(module.partition(".")[0]))
    inner = INNER.get(module, set())
    assert set(exported(module)) - public == inner


def test_what_is_listed_as_inner_is_in_a_private_module() -> None:
    assert set(INNER) <= set(PRIVATE)


@pytest.mark.parametrize("package", PACKAGES)
def test_the_root_hands_on_its_packages_names(package: str) -> None:
    for part in HANDED_ON[package]:
        assert set(exported(part)) <= set(exported(package))


@pytest.mark.parametrize("package", PACKAGES)
def test_the_root_exports_nothing_of_its_own(package: str) -> None:
    root = importlib.import_module(package)
    things = {name: getattr(root, name) for name in exported(package)}
    handed_on = {
        name
        for module in MODULES
        if module.startswith(f"{package}.")
        for name in exported(module)
        if getattr(sys.modules[module], name) is things.get(name)
    }
    submodules = {name for name, thing in things.items() if isinstance(thing, ModuleType)}
    assert set(things) - handed_on - submodules == set()


def test_a_name_that_is_not_there_is_missed_as_ever() -> None:
    import mcproto

    with pytest.raises(AttributeError, match="'mcproto' has no attribute 'nothing'"):
        _ = mcproto.nothing


def test_names_that_load_later_are_listed_before() -> None:
    import mcproto

    assert set(mcproto.__all__) <= set(dir(mcproto))
