"""The real pylibmc, for what is compared with it, and servers for both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from weakref import WeakSet

import pytest

from mcclient import pylibmc
from mcclient.pylibmc._session import Session
from tests.servers import RealMemcached


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        names = set(getattr(item, "fixturenames", ()))
        if "real_pylibmc" in names:
            item.add_marker(pytest.mark.pylibmc)
        if "five_servers" in names:
            item.add_marker(pytest.mark.memcached)


@pytest.fixture(autouse=True)
def nothing_left_open(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """pylibmc's clients have no `close`, and an error that somebody keeps keeps its client."""
    sessions: WeakSet[Session] = WeakSet()
    plain = Session.__init__

    def listed(session: Session, *arguments: Any) -> None:
        plain(session, *arguments)
        sessions.add(session)

    monkeypatch.setattr(Session, "__init__", listed)
    yield
    for session in list(sessions):
        session.close()


@pytest.fixture(scope="session")
def real_pylibmc() -> Any:
    """The real one. Never a skip: what was not compared with it has not been tested."""
    try:
        import pylibmc as real  # type: ignore[import-untyped]
    except ImportError as error:
        pytest.fail(
            f"this test needs the real pylibmc ({error}). scripts/test installs it, and what it is "
            "compiled against (Debian: apt-get install libmemcached-dev zlib1g-dev); "
            "-m 'not pylibmc' leaves such tests out.",
            pytrace=False,
        )
    assert real.__file__ != pylibmc.__file__
    return real


@pytest.fixture(scope="session")
def five_servers() -> Iterator[list[RealMemcached]]:
    """Five memcacheds; `flush()` empties one."""
    with ExitStack() as stack:
        yield [stack.enter_context(RealMemcached()) for _ in range(5)]


@pytest.fixture
def mc(real_memcached: RealMemcached) -> pylibmc.Client:
    """A client of an empty memcached, in text, with `gets`."""
    real_memcached.flush()
    return pylibmc.Client([real_memcached.address], behaviors={"cas": True})


@pytest.fixture(params=[False, True], ids=["text", "binary"])
def either(request: pytest.FixtureRequest, real_memcached: RealMemcached) -> pylibmc.Client:
    """The same in either protocol."""
    real_memcached.flush()
    return pylibmc.Client([real_memcached.address], {"cas": True}, binary=request.param)
