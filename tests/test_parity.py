"""The two clients are twins: the same methods, with the same parameters, results and promises."""

from __future__ import annotations

import inspect

import pytest

from mcclient import AsyncClient, Client

# What only one of them has, and why.
BLOCKING_ONLY = {"close", "__enter__", "__exit__"} | {
    "__getitem__", "__setitem__", "__delitem__", "__contains__",  # none of which can be awaited
}  # fmt: skip
ASYNC_ONLY = {"aclose", "__aenter__", "__aexit__", "new_event"}


def methods(client: type) -> dict[str, object]:
    return {
        name: thing
        for name, thing in vars(client).items()
        if inspect.isfunction(thing) and (not name.startswith("_") or name.startswith("__"))
    }


SHARED = sorted(methods(Client).keys() & methods(AsyncClient).keys())


def test_they_have_the_same_methods():
    assert methods(Client).keys() - methods(AsyncClient).keys() == BLOCKING_ONLY
    assert methods(AsyncClient).keys() - methods(Client).keys() == ASYNC_ONLY
    assert {"get", "set_multi", "execute", "clone", "stats"} <= set(SHARED)


@pytest.mark.parametrize("name", SHARED)
def test_a_method_takes_and_gives_the_same_in_both(name: str):
    blocking, awaited = (inspect.signature(getattr(c, name)) for c in (Client, AsyncClient))
    ours, theirs = dict(blocking.parameters), dict(awaited.parameters)
    if name == "__init__":
        assert ours["backend"].annotation == "Backend[Any] | None"
        assert theirs["backend"].annotation == "AsyncBackend[Any] | None"
        assert ours["credentials"].annotation == "Credentials | None"
        assert theirs["credentials"].annotation == "AsyncCredentials | None"
        for name in "backend", "credentials":
            del ours[name], theirs[name]
    assert ours == theirs
    if name == "quiet":
        assert (blocking.return_annotation, awaited.return_annotation) == ("Quiet", "AsyncQuiet")
    else:
        assert blocking.return_annotation == awaited.return_annotation


@pytest.mark.parametrize("name", SHARED)
def test_a_method_promises_the_same_in_both(name: str):
    first_lines = [
        (getattr(c, name).__doc__ or "").partition("\n")[0] for c in (Client, AsyncClient)
    ]
    assert first_lines[0] == first_lines[1]
    assert first_lines[0] or name.startswith("__")


@pytest.mark.parametrize("name", SHARED)
def test_what_does_io_is_awaited(name: str):
    at_once = {"__init__", "__repr__", "clone", "forget_connections", "hurry", "quiet"}
    assert inspect.iscoroutinefunction(getattr(AsyncClient, name)) == (name not in at_once)
