"""trio: a raw socket and `trio.lowlevel`'s waiting.

trio's own streams cost half as much CPU again for one small question and answer
(benchmarks/exchange.py); nothing of what they add is needed here.
"""

from __future__ import annotations

import socket
from math import inf

import trio

from . import RECEIVE_SIZE
from ._resolve import families, literal
from ._sockets import (
    PAUSE,
    check_connected,
    connect_now,
    has_input,
    is_private,
    new_socket,
    prepare,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from typing import TypeVar

    from .. import ClientConnection
    from . import Address, AsyncTransport, Context, Data
    from ._shared import Shared
    from ._tls import AsyncTlsTransport

    R = TypeVar("R")

__all__ = ["TrioBackend", "TrioTransport"]


class TrioTransport:
    """A connected socket. See `mcproto.transports.AsyncTransport` for the promises.

    `receive_some` is always a checkpoint, `send_all` only where it has to wait.
    """

    __slots__ = ("_socket",)

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    async def send_all(self, data: Data) -> None:
        view = memoryview(data)
        while True:
            try:
                view = view[self._socket.send(view) :]
            except BlockingIOError:
                pass
            if not view:
                return
            await _unless_closed(trio.lowlevel.wait_writable, self._socket)

    async def send_parts(self, parts: Sequence[Data], hear: Callable[[bytes], object]) -> None:
        for number, part in enumerate(parts):
            try:
                sent = self._socket.send(part)
            except BlockingIOError:
                sent = 0
            if sent < len(part):
                # It does not go at once; so somebody has to listen.
                rest = (memoryview(part)[sent:], *parts[number + 1 :])
                await self._send_and_hear(rest, hear)
                return

    async def _send_and_hear(self, parts: Sequence[Data], hear: Callable[[bytes], object]) -> None:
        failure: OSError | None = None
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._hear, hear)
                try:
                    for part in parts:
                        await self.send_all(part)
                except OSError as error:
                    failure = error  # outside of the nursery it stays what it is
                nursery.cancel_scope.cancel()
            if failure is not None:
                raise failure
        finally:
            del failure  # or it and this frame would hold each other

    async def _hear(self, hear: Callable[[bytes], object]) -> None:
        try:
            while data := await self.receive_some():
                hear(data)
            hear(b"")
        except OSError:
            pass  # whoever writes will see it, or reads next

    async def receive_some(self, max_bytes: int = RECEIVE_SIZE) -> bytes:
        while True:
            await _unless_closed(trio.lowlevel.wait_readable, self._socket)
            try:
                return self._socket.recv(max_bytes)
            except BlockingIOError:
                pass  # it was a false alarm

    def receive_now(self) -> bytes | None:
        """What has come, ``b""`` for the end, or None if that is nothing yet."""
        try:
            return self._socket.recv(RECEIVE_SIZE)
        except BlockingIOError:
            return None

    def hand_over(self) -> socket.socket:
        """The socket, which does not block. From here on only `close` may be used of this."""
        return self._socket

    @property
    def is_private(self) -> bool:
        return is_private(self._socket)

    def has_input(self) -> bool:
        return has_input(self._socket)

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            try:
                trio.lowlevel.notify_closing(self._socket)
            except RuntimeError:
                pass  # outside of trio nobody waits
            self._socket.close()


class TrioBackend:
    """What a client needs of trio.

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
        if isinstance(inner, TrioTransport):
            from ._trio_shared import TrioShared

            return TrioShared(inner, session, connection)
        from ._by_turns import SharedByTurns

        return SharedByTurns(self, transport, connection)

    async def connect(
        self,
        address: Address,
        deadline: float = inf,
        *,
        tls: Context | None = None,
        began: Callable[[str], object] = str,
    ) -> TrioTransport | AsyncTlsTransport:
        transport = TrioTransport(await self._connected(address, deadline, began))
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
            found = families(await trio.socket.getaddrinfo(*address, type=socket.SOCK_STREAM))
        began("tcp")
        failure: OSError | None = None
        try:
            for number, (family, to) in enumerate(found):
                share = (deadline - self.now()) / (len(found) - number)
                try:
                    with trio.fail_after(max(0.0, share)):
                        return await _connected(family, to)
                except trio.TooSlowError:
                    failure = failure or TimeoutError("no connection within its share of the time")
                except OSError as error:
                    failure = failure or error
            raise failure or OSError(f"{address[0]} has no address")
        finally:
            del failure  # or it and this frame would hold each other

    def new_event(self) -> trio.Event:
        return trio.Event()

    def home(self) -> object:
        return trio.lowlevel.current_trio_token()

    def now(self) -> float:
        return trio.current_time()

    async def within(self, seconds: float | None, do: Callable[[], Awaitable[R]]) -> R:
        if seconds is None:
            return await do()
        with trio.move_on_after(max(seconds, 0)) as scope:
            return await do()
        assert scope.cancelled_caught
        raise TimeoutError("the deadline has passed")

    async def side_by_side(self, jobs: Iterable[Callable[[], Awaitable[None]]]) -> None:
        async with trio.open_nursery() as nursery:
            for job in jobs:
                nursery.start_soon(job)


async def _unless_closed(
    wait: Callable[[socket.socket], Awaitable[None]], sock: socket.socket
) -> None:
    try:
        await wait(sock)
    except trio.ClosedResourceError:  # by another task, under our hands
        raise ConnectionResetError("the connection is closed") from None


async def _connected(family: int, address: object) -> socket.socket:
    sock = new_socket(family)
    try:
        prepare(sock)
        sock.setblocking(False)
        while not connect_now(sock, address):
            if family == socket.AF_UNIX:
                await trio.sleep(PAUSE)
            else:
                await trio.lowlevel.wait_writable(sock)
                check_connected(sock)
                break
    except BaseException:
        sock.close()
        raise
    return sock
