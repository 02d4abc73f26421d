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
from math import inf

from . import RECEIVE_SIZE
from ._resolve import families, literal
from ._sockets import PAUSE, connect_now, is_private, new_socket, prepare

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from typing import TypeVar

    from .. import ClientConnection
    from . import Address, AsyncTransport, Context, Data
    from ._shared import Shared
    from ._tls import AsyncTlsTransport

    R = TypeVar("R")

__all__ = ["AsyncioBackend", "AsyncioTransport"]

# Nobody reads so much without asking for it: the peer is stopped until they do.
_ENOUGH = 1 << 20


class AsyncioTransport(asyncio.BufferedProtocol):
    """A connected stream. See `mcproto.transports.AsyncTransport` for what the methods promise.

    It is its own protocol in asyncio's sense: the loop calls `buffer_updated` and its kin.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._transport: asyncio.Transport | None = None
        # The loop fills it and tells us at once, so what it held is always used up by then.
        self._received = bytearray(RECEIVE_SIZE)
        self._pending = bytearray()
        self._ended = False
        self._error: BaseException | None = None
        self._paused = False  # we have stopped the peer
        self._full = False  # the peer has stopped us
        # Who waits in receive_some and send_all: at most one each. (Tasks that
        # share a connection do so over what it has been handed to.)
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

    async def send_parts(self, parts: Sequence[Data], hear: Callable[[bytes], object]) -> None:
        # What comes meanwhile is kept in any case, so that there is nobody to listen.
        for part in parts:
            await self.send_all(part)

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
        return self._take(max_bytes)

    def receive_now(self) -> bytes | None:
        """What has come, ``b""`` for the end, or None if nothing has reached the loop yet."""
        if self._pending or self._ended:
            return self._take(RECEIVE_SIZE)
        return None

    def _take(self, max_bytes: int) -> bytes:
        data = bytes(self._pending[:max_bytes])
        del self._pending[:max_bytes]
        return data

    def hand_over(self, protocol: asyncio.BufferedProtocol) -> tuple[asyncio.Transport, bytes]:
        """From here on *protocol* is told what comes. The loop's transport, and what has come.

        What remains here is `has_input` and `close`.

        Raises:
            OSError: it is at its end.
        """
        transport = self._connected()
        if self._ended:
            raise ConnectionResetError("the server has closed the connection")
        if self._paused:
            self._paused = False
            transport.resume_reading()
        transport.set_protocol(protocol)
        return transport, self._take(len(self._pending))

    @property
    def is_private(self) -> bool:
        return self._transport is not None and is_private(self._transport.get_extra_info("socket"))

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
        transport, loop = self._transport, self._loop
        if transport is None or loop is None:
            return
        try:
            if asyncio._get_running_loop() is loop:
                transport.abort()
            else:
                # Such as from the garbage collector, which runs in any thread.
                loop.call_soon_threadsafe(transport.abort)
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
        self._loop = asyncio.get_running_loop()
        # (uvloop's has all the methods, and is no `asyncio.Transport`.)
        self._transport = transport  # type: ignore[assignment]

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._received

    def buffer_updated(self, nbytes: int) -> None:
        self._pending += memoryview(self._received)[:nbytes]
        # A peer that we are writing to may not read on before it is heard.
        if len(self._pending) > _ENOUGH and not self._full and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        _wake(self._reader)

    def eof_received(self) -> bool:
        self._ended = True
        _wake(self._reader)
        return True  # we close ourselves

    def pause_writing(self) -> None:
        self._full = True
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

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
    """What a client needs of asyncio, whatever its loop.

    Args:
        multiplexed: whether the tasks that use a client at once share its connections. Else it
            is for one task at a time.
    """

    __slots__ = ("multiplexed",)

    tells_steps = True

    def __init__(self, *, multiplexed: bool = True) -> None:
        self.multiplexed = multiplexed

    def share(self, transport: AsyncTransport, connection: ClientConnection) -> Shared:
        """A connection for many tasks, made of a connected transport."""
        from ._shared import taken_apart

        inner, session = taken_apart(transport)
        if isinstance(inner, AsyncioTransport):
            from ._asyncio_shared import AsyncioShared

            return AsyncioShared(inner, session, connection)
        from ._by_turns import SharedByTurns

        return SharedByTurns(self, transport, connection)

    async def connect(
        self,
        address: Address,
        deadline: float = inf,
        *,
        tls: Context | None = None,
        began: Callable[[str], object] = str,
    ) -> AsyncioTransport | AsyncTlsTransport:
        loop = asyncio.get_running_loop()
        sock = await self._connected(address, deadline, began)
        # From its first step on the transport has the socket, and closes it.
        if isinstance(address, str):
            _, transport = await loop.create_unix_connection(AsyncioTransport, sock=sock)
        else:
            _, transport = await loop.create_connection(AsyncioTransport, sock=sock)
        if tls is None:
            return transport
        from ._tls import async_secured  # and `ssl` with it

        began("tls")
        return await async_secured(transport, tls, address[0])

    async def _connected(
        self, address: Address, deadline: float, began: Callable[[str], object]
    ) -> socket.socket:
        if isinstance(address, str):
            began("tcp")
            return await _connected(socket.AF_UNIX, address)
        found = literal(*address)
        if found is None:
            began("dns")
            loop = asyncio.get_running_loop()
            found = families(await loop.getaddrinfo(*address, type=socket.SOCK_STREAM))
        began("tcp")
        failure: OSError | None = None
        try:
            for number, (family, to) in enumerate(found):
                share = (deadline - self.now()) / (len(found) - number)
                try:
                    async with asyncio.timeout(None if share == inf else share):
                        return await _connected(family, to)
                except OSError as error:
                    failure = failure or error
            raise failure or OSError(f"{address[0]} has no address")
        finally:
            del failure  # or it and this frame would hold each other

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


async def _connected(family: int, address: object) -> socket.socket:
    sock = new_socket(family)
    try:
        prepare(sock)
        sock.setblocking(False)
        if family == socket.AF_UNIX:
            while not connect_now(sock, address):
                await asyncio.sleep(PAUSE)
        else:
            await asyncio.get_running_loop().sock_connect(sock, address)  # type: ignore[arg-type]
    except BaseException:
        sock.close()
        raise
    return sock
