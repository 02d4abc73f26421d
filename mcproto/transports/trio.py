"""trio: a raw socket and `trio.lowlevel`'s waiting.

trio's own streams cost half as much CPU again for one small question and answer
(benchmarks/exchange.py); nothing of what they add is needed here.
"""

from __future__ import annotations

import os
import socket

import trio

from . import RECEIVE_SIZE
from ._sockets import has_input

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from typing import TypeVar

    from . import Address, Data

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

    async def receive_some(self, max_bytes: int = RECEIVE_SIZE) -> bytes:
        while True:
            await _unless_closed(trio.lowlevel.wait_readable, self._socket)
            try:
                return self._socket.recv(max_bytes)
            except BlockingIOError:
                pass  # it was a false alarm

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
    """What a client needs of trio."""

    async def connect(self, address: Address) -> TrioTransport:
        if isinstance(address, str):
            return TrioTransport(await _connected(socket.AF_UNIX, address))
        failure: OSError | None = None
        found = await trio.socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
        try:
            for family, _, _, _, to in found:
                try:
                    return TrioTransport(await _connected(family, to))
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
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        try:
            sock.connect(address)  # type: ignore[arg-type]  # of the family's own form
        except BlockingIOError:
            await trio.lowlevel.wait_writable(sock)
            status = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if status:
                raise OSError(status, os.strerror(status)) from None
    except BaseException:
        sock.close()
        raise
    return sock
