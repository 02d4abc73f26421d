"""No network at all: client and server are joined in memory.

Whatever the client writes is read by a `ServerConnection`, answered by the server at once, and
waits to be received.  For tests, which may have the bytes chopped as small as they like.
"""

from __future__ import annotations

from math import inf

from .. import CLOSED, NEED_DATA, BadRequest, ServerConnection
from . import RECEIVE_SIZE
from ._deadline import left
from ._exchange import FAILURES, exchange, plain_door

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol, TypeVar

    from .. import ClientConnection, Command, Reply
    from . import Address, Data

    R = TypeVar("R")

    class Server(Protocol):
        """Who answers, such as `mcclient.embedded.MemoryServer`."""

        def handle(self, command: Command[object]) -> Reply: ...


__all__ = ["MemoryBackend", "MemoryTransport"]


class MemoryTransport:
    """One connection to a server in this process. See `mcproto.transports.Transport`.

    Nothing waits here: a reply that is not here already never comes, and that is a TimeoutError.

    Args:
        server: who answers.
        chop: the most bytes that pass at a time, in either direction. None: no limit.
    """

    __slots__ = ("_chop", "_closed", "_connection", "_replies", "_server")

    is_private = True

    def __init__(self, server: Server, chop: int | None = None) -> None:
        self._server = server
        self._chop = chop
        # A server that imitates an older one reads as that one does.
        self._connection = ServerConnection(like=getattr(server, "like", "1.6.45"))
        self._replies = bytearray()
        self._closed = False  # by either side

    def send_all(self, data: Data, deadline: float = inf) -> None:
        left(deadline)
        if self._closed:
            raise BrokenPipeError("the connection is closed")
        data = bytes(data)
        step = self._chop or len(data) or 1
        for start in range(0, len(data), step):
            self._serve(data[start : start + step])

    def receive_some(self, max_bytes: int = RECEIVE_SIZE, deadline: float = inf) -> bytes:
        left(deadline)
        if not self._replies and not self._closed:
            raise TimeoutError("the server has answered all it was asked")
        size = min(max_bytes, self._chop or max_bytes)
        data = bytes(self._replies[:size])
        del self._replies[:size]
        return data

    def direct(
        self, timeout: float | None
    ) -> tuple[Callable[[bytes], int], Callable[[int], bytes]]:
        return plain_door(self, timeout)

    def has_input(self) -> bool:
        return bool(self._replies) or self._closed

    def abort(self) -> None:
        self._closed = True

    def close(self) -> None:
        self._closed = True
        self._replies.clear()

    def _serve(self, data: bytes) -> None:
        connection = self._connection
        connection.receive_data(data)
        while not connection.must_close:
            event = connection.next_event()
            if event is NEED_DATA or event is CLOSED:
                return
            reply = event.reply if isinstance(event, BadRequest) else self._server.handle(event)
            self._replies += connection.send(reply)
        self._closed = True


class MemoryBackend:
    """Connections to one server in this process, whatever the address says.

    Args:
        server: anything with ``handle(command) -> reply``.
        chop: the most bytes that pass at a time, in either direction. None: no limit.
    """

    def __init__(self, server: Server, *, chop: int | None = None) -> None:
        self._server = server
        self._chop = chop

    def connect(self, address: Address, deadline: float = inf) -> MemoryTransport:
        return MemoryTransport(self._server, self._chop)

    def exchange_all(
        self,
        jobs: Sequence[tuple[MemoryTransport, ClientConnection, Command[R]]],
        deadline: float = inf,
    ) -> list[R | Exception]:
        """One after the other: there is nothing to wait for."""
        return [_exchanged(*job) for job in jobs]


def _exchanged(
    transport: MemoryTransport, connection: ClientConnection, command: Command[R]
) -> R | Exception:
    try:
        return exchange(transport, connection, command)
    except FAILURES as error:
        return error
