"""asyncio: a `BufferedProtocol` that receives into one kept buffer.

asyncio's streams receive into a fresh block of 256 KiB each time.  As long as malloc maps and
unmaps that anew, a small exchange over them costs two and a half times the CPU that it costs
here; once the process has freed a block as large, they are about level (benchmarks/exchange.py).
"""

from __future__ import annotations

import asyncio
import select
import socket
import sys

from . import RECEIVE_SIZE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from typing import TypeVar

    from . import Address, Data

    R = TypeVar("R")

__all__ = ["AsyncioBackend", "AsyncioTransport"]

# Nobody reads so much without asking for it: the peer is stopped until they do.
_ENOUGH = 1 << 20


class AsyncioTransport(asyncio.BufferedProtocol):
    """A connected stream. See `mcproto.transports.AsyncTransport` for what the methods promise.

    It is its own protocol in asyncio's sense: the loop calls `buffer_updated` and its kin.
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        # The loop fills it and tells us at once, so what it held is always used up by then.
        self._received = bytearray(RECEIVE_SIZE)
        self._pending = bytearray()
        self._ended = False
        self._error: BaseException | None = None
        self._paused = False  # we have stopped the peer
        self._full = False  # the peer has stopped us
        # Who waits in receive_some and send_all: at most one each, since a client is for one task.
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None

    async def send_all(self, data: Data) -> None:
        transport = self._connected()
        transport.write(data)
        if self._full:
            self._writer = asyncio.get_running_loop().create_future()
            try:
                await self._writer
            finally:
                self._writer = None
            self._connected()

    async def receive_some(self, max_bytes: int = RECEIVE_SIZE) -> bytes:
        while not self._pending:
            if self._ended:
                return b""
            transport = self._connected()
            if self._paused:
                self._paused = False
                transport.resume_reading()
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        data = bytes(self._pending[:max_bytes])
        del self._pending[:max_bytes]
        return data

    def has_input(self) -> bool:
        if self._pending or self._ended or self._transport is None or self._transport.is_closing():
            return True
        # What the loop has not come round to yet.
        sock: socket.socket = self._transport.get_extra_info("socket")
        if sys.platform == "win32":
            return bool(select.select([sock], [], [], 0)[0])
        poll = select.poll()
        poll.register(sock.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        if self._transport is not None:
            try:
                self._transport.abort()
            except RuntimeError:
                pass  # the loop has ended, and all that was in it

    def _connected(self) -> asyncio.Transport:
        if self._error is not None:
            raise self._error
        if self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the connection is closed")
        return self._transport

    # ---------------------------------------------------------------- what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._received

    def buffer_updated(self, nbytes: int) -> None:
        self._pending += memoryview(self._received)[:nbytes]
        if len(self._pending) > _ENOUGH and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        _wake(self._reader)

    def eof_received(self) -> bool:
        self._ended = True
        _wake(self._reader)
        return True  # we close ourselves

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        _wake(self._writer)

    def connection_lost(self, exc: Exception | None) -> None:
        self._error = exc
        self._ended = True
        self._transport = None
        _wake(self._reader)
        _wake(self._writer)


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


class AsyncioBackend:
    """What a client needs of asyncio, whatever its loop."""

    async def connect(self, address: Address) -> AsyncioTransport:
        loop = asyncio.get_running_loop()
        if isinstance(address, str):
            _, transport = await loop.create_unix_connection(AsyncioTransport, address)
        else:
            _, transport = await loop.create_connection(AsyncioTransport, *address)
        return transport

    def new_event(self) -> asyncio.Event:
        return asyncio.Event()

    def home(self) -> object:
        return asyncio.get_running_loop()

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def within(self, seconds: float | None, do: Callable[[], Awaitable[R]]) -> R:
        async with asyncio.timeout(seconds):
            return await do()

    async def side_by_side(self, jobs: Iterable[Callable[[], Awaitable[None]]]) -> None:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(_run(job))


async def _run(job: Callable[[], Awaitable[None]]) -> None:
    await job()
