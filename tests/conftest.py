"""What every test may use: real memcached servers, and hypothesis' profiles.

A test that wants a memcached to itself (to kill it, say) makes a `tests.servers.RealMemcached` of
its own and says ``@pytest.mark.memcached``; one that uses a fixture of here is marked by that.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import hypothesis
import pytest

from tests.servers import MissingMemcached, RealMemcached

# No deadlines: they measure the machine. Chosen with --hypothesis-profile; in CI a run is the same
# every time, so that a red one says something about the change.
hypothesis.settings.register_profile("default", deadline=None, max_examples=100)
hypothesis.settings.register_profile("ci", deadline=None, max_examples=100, derandomize=True)
hypothesis.settings.register_profile("long", deadline=None, max_examples=5000)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not {"real_memcached", "real_memcached_unix"}.isdisjoint(
            getattr(item, "fixturenames", ())
        ):
            item.add_marker(pytest.mark.memcached)


def started(*, unix: bool) -> RealMemcached:
    # Never a skip: what was not compared with the real thing has not been tested.
    try:
        return RealMemcached(unix=unix)
    except MissingMemcached as missing:
        pytest.fail(str(missing), pytrace=False)


@pytest.fixture(scope="session")
def real_memcached() -> Iterator[RealMemcached]:
    """A real memcached on a free port, shared by the session; `flush()` empties it."""
    with started(unix=False) as server:
        yield server


@pytest.fixture(scope="session")
def real_memcached_unix() -> Iterator[RealMemcached]:
    """A real memcached on a unix socket, shared by the session; `flush()` empties it."""
    with started(unix=True) as server:
        yield server


@pytest.fixture(scope="module", autouse=True)
def old_objects_rest() -> None:
    """What earlier modules have left is not looked through again by every `gc.collect()`.

    The sweeps collect after each of thousands of strikes: at the end of a long run each would take
    a tenth of a second, without this.
    """
    gc.collect()
    gc.freeze()
