"""The whole conversation on one connection, for callers who block. Shared by the adapters."""

from __future__ import annotations

from math import inf

from .. import CLOSED, NEED_DATA, ErrorReplied, ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from .. import ClientConnection, Command
    from . import Transport

    R = TypeVar("R")

# What ends one exchange and says nothing of the others'. All else that is raised is a bug.
FAILURES = (OSError, ProtocolError, ErrorReplied)


def exchange(
    transport: Transport, connection: ClientConnection, command: Command[R], deadline: float = inf
) -> R:
    """Send the command, read its reply, and give back what it means."""
    transport.send_all(connection.send(command), deadline)
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
        if not data:
            raise ConnectionResetError("the server has closed the connection")
        connection.receive_data(data)
    assert event is not CLOSED  # since something is owed
    return command.result(event)
