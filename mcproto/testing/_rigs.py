"""One adapter and the memcached at its other end, for the stories of `_stories`.

What differs between an adapter that blocks and one for tasks stands here and nowhere else.
"""

from __future__ import annotations

import os
from time import monotonic, sleep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any, TypeVar

    from ..transports import Address, Data

    R = TypeVar("R")

__all__ = ["AsyncRig", "Rig", "check"]


class Rig:
    """An adapter that blocks: its deadlines are arguments.

    Attributes:
        key: what the keys begin with that are used on the server.
        patience: far above what any exchange here takes, in seconds.
        soon: a deadline that ought to pass.
        much_later: a gross overrun of it: machines have slow phases.
    """

    patience = 20.0
    soon = 0.1
    much_later = 5.0

    def __init__(self, backend: Any, address: Address) -> None:
        self.backend = backend
        self.address = address
        self.key = f"mcproto.testing:{os.getpid()}"
        self.opened: list[Any] = []

    async def connect(self, address: Address | None = None) -> Any:
        transport = await self._connected(address or self.address)
        self.opened.append(transport)
        return transport

    async def _connected(self, address: Address) -> Any:
        return self.backend.connect(address, deadline=monotonic() + self.patience)

    def close_all(self) -> None:
        """Leave nothing open, however a story has ended."""
        for transport in self.opened:
            try:
                transport.close()
            except Exception:
                pass  # that has been told
        self.opened.clear()

    async def send(self, transport: Any, data: Data) -> None:
        transport.send_all(data, deadline=monotonic() + self.patience)

    async def receive(
        self, transport: Any, max_bytes: int = 65536, seconds: float | None = None
    ) -> bytes:
        deadline = monotonic() + (self.patience if seconds is None else seconds)
        data: bytes = transport.receive_some(max_bytes, deadline=deadline)
        return data

    async def pause(self) -> None:
        sleep(0.001)

    # What the stories are made of.

    async def exactly(self, transport: Any, size: int, max_bytes: int = 65536) -> bytes:
        """The next *size* bytes."""
        received = bytearray()
        while len(received) < size:
            some = await self.receive(transport, min(max_bytes, size - len(received)))
            check(some, f"receive_some gave {some!r} while {size - len(received)} bytes are due")
            check(type(some) is bytes, f"receive_some gave a {type(some).__name__}, not bytes")
            received += some
        return bytes(received)

    async def version(
        self, transport: Any, max_bytes: int = 65536, question: Data = b"version\r\n"
    ) -> bytes:
        """Ask the cheapest question; the whole reply."""
        await self.send(transport, question)
        reply = bytearray()
        while not reply.endswith(b"\r\n"):
            some = await self.receive(transport, max_bytes)
            check(some, "receive_some gave b'' though the server has not closed")
            check(
                len(some) <= max_bytes,
                f"receive_some({max_bytes}) gave {len(some)} bytes: no more than was asked for",
            )
            reply += some
        check(reply.startswith(b"VERSION "), f"'version' was answered by {bytes(reply)!r:.80}")
        return bytes(reply)

    async def ask(self, transport: Any, request: bytes, reply: bytes) -> None:
        """Send, and hold what comes against *reply*."""
        await self.send(transport, request)
        got = await self.exactly(transport, len(reply))
        check(got == reply, f"{request!r:.60} was answered by {got!r:.80}, not {reply!r:.80}")


class AsyncRig(Rig):
    """An adapter for tasks: its deadlines are scopes around the calls."""

    async def _connected(self, address: Address) -> Any:
        return await self._in_time(lambda: self.backend.connect(address))

    async def send(self, transport: Any, data: Data) -> None:
        await self._in_time(lambda: transport.send_all(data))

    async def receive(
        self, transport: Any, max_bytes: int = 65536, seconds: float | None = None
    ) -> bytes:
        data: bytes = await self._in_time(lambda: transport.receive_some(max_bytes), seconds)
        return data

    async def pause(self) -> None:
        try:
            await self._in_time(self.backend.new_event().wait, 0.001)
        except TimeoutError:
            pass

    async def _in_time(self, do: Callable[[], Awaitable[R]], seconds: float | None = None) -> R:
        outcome: R = await self.backend.within(self.patience if seconds is None else seconds, do)
        return outcome


def check(holds: object, otherwise: str) -> None:
    """Raise AssertionError with these words, unless it holds."""
    if not holds:
        raise AssertionError(otherwise)
