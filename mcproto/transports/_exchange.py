"""The whole conversation on one connection, for callers who block. Shared by the adapters."""

from __future__ import annotations

from math import inf
from time import monotonic

from .. import CLOSED, NEED_DATA, ErrorReplied, ProtocolError
from .._parts import LARGE
from . import RECEIVE_SIZE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from typing import Protocol, TypeGuard, TypeVar

    from .. import ClientConnection, Command
    from . import AsyncTransport, Data, LargeAsyncTransport, Transport, Wait

    R = TypeVar("R")

    class Ready(Protocol):
        """A transport that can also be asked to do only what needs no waiting."""

        @property
        def has_unsent(self) -> bool:
            """Whether something that `send_now` has taken is still here."""
            ...

        def fileno(self) -> int: ...
        def send_now(self, data: Data) -> int:
            """Write what can be written without waiting; how many bytes have been taken."""
            ...

        def receive_now(self) -> bytes | None:
            """What has come, ``b""`` for the end, or None if that is nothing yet."""
            ...


__all__ = [
    "FAILURES",
    "READ",
    "WRITE",
    "continuing",
    "exchange",
    "exchanging",
    "is_ready",
    "plain_door",
    "receive",
]

# What ends one exchange and says nothing of the others'. All else that is raised is a bug.
FAILURES = (OSError, ProtocolError, ErrorReplied)

# What can be waited for: the numbers that `selectors` has for it.
READ = 1
WRITE = 2


def is_ready(transport: object) -> TypeGuard[Ready]:
    """Whether it can be asked to do only what needs no waiting."""
    return hasattr(transport, "send_now")


def hears_while_sending(transport: AsyncTransport) -> TypeGuard[LargeAsyncTransport]:
    """Whether it has the better way for large requests."""
    return hasattr(transport, "send_parts")


def exchange(
    transport: Transport, connection: ClientConnection, command: Command[R], deadline: float = inf
) -> R:
    """Send the command, read its reply, and give back what it means.

    Whatever is too long for the sockets' buffers goes by `send_parts`, where the transport has
    that: uncopied, and with an ear for a server that answers before it has read everything.
    """
    parts = connection.send_parts(command)
    if len(parts) == 1 and len(parts[0]) < LARGE:
        transport.send_all(parts[0], deadline)
    else:
        send_parts = getattr(transport, "send_parts", None)
        if send_parts is None:
            transport.send_all(b"".join(parts), deadline)
        else:
            send_parts(parts, deadline, connection.receive_data)
    return receive(transport, connection, command, deadline)


def receive(
    transport: Transport, connection: ClientConnection, command: Command[R], deadline: float = inf
) -> R:
    """Read the reply to the one command that is owed.

    Raises:
        ErrorReplied, RemoteProtocolError: as the command and the connection do.
        OSError: as the transport does; ConnectionError if the peer has closed.
    """
    while (event := connection.next_event()) is NEED_DATA:
        data = transport.receive_some(deadline=deadline)
        if not data and not command.may_close:
            raise ConnectionResetError("the server has closed the connection")
        connection.receive_data(data)
    assert event is not CLOSED  # since something is owed
    return command.result(event)


def exchanging(
    transport: Ready, connection: ClientConnection, command: Command[R], deadline: float
) -> Generator[Wait, None, R]:
    """The same in steps, reading while it writes. Raises as `exchange` does."""
    parts = connection.send_parts(command)
    return (yield from continuing(transport, connection, command, parts, deadline))


def continuing(
    transport: Ready,
    connection: ClientConnection,
    command: Command[R],
    parts: Sequence[bytes],
    deadline: float,
) -> Generator[Wait, None, R]:
    """From where the command is owed, and *parts* of it have not been written."""
    unsent = [memoryview(part) for part in reversed(parts)]
    while True:
        while unsent and (taken := transport.send_now(unsent[-1])):
            rest = unsent.pop()[taken:]
            if rest:
                unsent.append(rest)
        if transport.has_unsent:
            transport.send_now(b"")
        is_writing = unsent or transport.has_unsent
        yield transport, READ | WRITE if is_writing else READ, deadline
        while (data := transport.receive_now()) is not None:
            if not data and not command.may_close:
                raise ConnectionResetError("the server has closed the connection")
            connection.receive_data(data)
            event = connection.next_event()
            if event is not NEED_DATA:
                assert event is not CLOSED  # since something is owed
                if unsent or transport.has_unsent:
                    # The server would read the rest of this request with the next one, or as one.
                    # So this connection has come to its end.
                    connection.receive_data(b"")
                return command.result(event)
            if len(data) < RECEIVE_SIZE:
                break  # most likely there is no more; to ask would cost an exception


def plain_door(
    transport: Transport, timeout: float | None
) -> tuple[Callable[[bytes], int], Callable[[int], bytes]]:
    """The two calls of `Transport.direct`, for a transport that has no cheaper ones."""

    def deadline() -> float:
        return inf if timeout is None else monotonic() + timeout

    def send(data: bytes) -> int:
        transport.send_all(data, deadline())
        return len(data)

    def receive(max_bytes: int) -> bytes:
        return transport.receive_some(max_bytes, deadline())

    return send, receive
