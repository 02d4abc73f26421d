"""A memcached outside this process, under the names that the embedded one has.

Knows how to empty and restart it.  What only a server of our own can do skips the test that asks
for it: this is for `pytest_plugin`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest

from . import Client

if TYPE_CHECKING:
    from ._real_memcached import RealMemcached

__all__ = ["OutsideServer"]


class OutsideServer:
    """A running memcached, seen as a `mcclient.embedded.MemoryServer`.

    Args:
        address: ``"host:port"``, or a URL.
        process: if it may be restarted.

    Attributes:
        address: as text, with the port.
        host: what is before the port.
        port: as a number.

    Raises:
        ValueError: that is no address of one server, or a unix socket's.
    """

    def __init__(self, address: str, process: RealMemcached | None = None) -> None:
        with Client(address) as client:
            (self.address,) = client.servers
        host, colon, port = self.address.rpartition(":")
        if not colon or not port.isdigit():
            raise ValueError(f"expected HOST:PORT, not {address!r}")
        self.host = host.rpartition("//")[2].strip("[]")
        self.port = int(port)
        self._process = process

    def __repr__(self) -> str:
        return f"<OutsideServer {self.address}>"

    @property
    def url(self) -> str:
        """The address as a URL."""
        return self.address if "//" in self.address else f"memcached://{self.address}"

    @property
    def stats(self) -> dict[str, str]:
        """What ``stats`` answers."""
        with self._connected() as client:
            (entries,) = client.stats().values()
        return entries

    def flush(self) -> None:
        """Forget every item, at once."""
        with self._connected() as client:
            client.flush_all()

    def restart(self) -> None:
        """Kill it and start it again, empty, at the same address; or skip: it is not ours."""
        if self._process is None:
            pytest.skip(f"{self.address} is not the tests' own server: it cannot be restarted")
        self._process.restart()

    @property
    def commands(self) -> NoReturn:
        """Skips the test."""
        self._only_embedded("commands")

    def advance(self, seconds: float) -> NoReturn:
        """Skips the test."""
        self._only_embedded("advance()")

    def clear_failures(self) -> None:
        """There are none."""

    def fail_next(self, kind: str, times: int = 1, *, seconds: float = 1.0) -> NoReturn:
        """Skips the test."""
        self._only_embedded("fail_next()")

    def _connected(self) -> Client:
        # A new one each time: it may have been restarted, by whomever.
        return Client(self.address, timeout=10.0, connect_timeout=10.0)

    def _only_embedded(self, what: str) -> NoReturn:
        pytest.skip(f"{what} needs the embedded server, and this is {self.address}")
