"""Fixtures for pytest: a memcached for tests of whatever talks to one.

Knows which server ``--memcached`` names, and how long each lives.  It is a server, so any client
library can be tested with it.  Loaded by pytest wherever this distribution is installed, it imports
nothing but pytest until a fixture is used.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._client import Client
    from ._outside_server import OutsideServer
    from .embedded import MemoryServer

__all__: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("memcached", "memcached, from mcclient")
    what = (
        "what the fixture memcached_server is: 'embedded' (a server in this process), 'real' (the"
        " memcached binary, started for the tests), or the HOST:PORT of one that is running;"
        " all its items will be lost"
    )
    group.addoption("--memcached", metavar="SERVER", help=what)
    parser.addini("memcached", f"{what} (default: embedded)", default="embedded")


def pytest_report_header(config: pytest.Config) -> list[str]:
    chosen = _chosen(config)
    return [] if chosen == "embedded" else [f"memcached: {chosen}"]


def pytest_runtest_teardown(item: pytest.Item) -> None:
    # What one test has ordered to go wrong must not go wrong for the next.
    server = getattr(item, "funcargs", {}).get("memcached_server")
    if server is not None:
        server.clear_failures()


@pytest.fixture(scope="session")
def memcached_server(pytestconfig: pytest.Config) -> Iterator[MemoryServer | OutsideServer]:
    """A memcached for the whole session; what it is, ``--memcached`` says.

    By default a `mcclient.embedded.MemoryServer` on a free loopback port. Give its ``address``
    (``"host:port"``), or its ``host`` and ``port``, to your client. Tests share it: empty it by
    ``flush()``, or ask for the fixture ``memcached``, which does.

    A real one has the same names. ``advance``, ``fail_next`` and ``commands`` are the embedded
    server's alone: with another, a test that uses them is skipped, and says why.
    """
    chosen = _chosen(pytestconfig)
    if chosen == "embedded":
        from .embedded import MemoryServer

        with MemoryServer() as server:
            yield server
    elif chosen == "real":
        from ._outside_server import OutsideServer
        from ._real_memcached import MissingMemcached, RealMemcached

        try:
            process = RealMemcached()
        except MissingMemcached as missing:
            raise pytest.UsageError(f"--memcached=real: {missing}") from None
        with process:
            yield OutsideServer(process.address, process)
    else:
        from . import MemcacheError
        from ._outside_server import OutsideServer

        try:
            outside = OutsideServer(chosen)
            outside.flush()
        except (ValueError, MemcacheError) as error:
            raise pytest.UsageError(f"--memcached={chosen}: {error}") from None
        yield outside


@pytest.fixture
def memcached(memcached_server: MemoryServer | OutsideServer) -> Iterator[Client]:
    """A `mcclient.Client` on `memcached_server`, which is emptied first. Closed after the test."""
    from . import Client

    memcached_server.flush()
    with Client(memcached_server.address) as client:
        yield client


@pytest.fixture(scope="session")
def memcached_factory() -> Iterator[Callable[..., MemoryServer]]:
    """Makes more embedded servers, for rings and failures: ``memcached_factory(like="1.6.18")``.

    It takes what `mcclient.embedded.MemoryServer` takes and returns one that listens. All are
    closed when the session ends; one that a test closes before that stays closed.
    """
    from .embedded import MemoryServer

    servers: list[MemoryServer] = []

    def factory(*args: object, **options: object) -> MemoryServer:
        server = MemoryServer(*args, **options)  # type: ignore[arg-type]
        server.start()
        servers.append(server)
        return server

    yield factory
    for server in servers:
        server.close()


@pytest.fixture(scope="session")
def memcached_real() -> Iterator[OutsideServer]:
    """The real memcached, in a process of its own, whatever ``--memcached`` says.

    Where the binary is missing the test is skipped; with ``CI`` in the environment it fails.
    """
    from ._outside_server import OutsideServer
    from ._real_memcached import MissingMemcached, RealMemcached

    try:
        process = RealMemcached()
    except MissingMemcached as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))
    with process:
        yield OutsideServer(process.address, process)


def _chosen(config: pytest.Config) -> str:
    option: str | None = config.getoption("--memcached")
    chosen: str = config.getini("memcached") if option is None else option
    return chosen
