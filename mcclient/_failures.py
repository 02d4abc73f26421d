"""From what adapters and connections raise to what clients raise: the one place.

Also who may try again.  Knows no sockets; decides by what happened and what was asked.
"""

from __future__ import annotations

from mcproto import ErrorReplied, LocalProtocolError, ProtocolDesync, RemoteProtocolError

from ._errors import (
    BadCommand,
    CommandFailed,
    CommandUnknown,
    ConnectFailed,
    ConnectionLost,
    MemcacheError,
    OperationTimeout,
    OutOfMemory,
    ServerFault,
    ValueTooLarge,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mcproto import Command, ErrorReply

    from ._errors import Step

__all__ = ["command_failed", "connect_failed", "exchange_failed", "may_try_again"]


def command_failed(reply: ErrorReply, server: str, key: bytes | None) -> CommandFailed:
    """The error for an error line."""
    kind: type[CommandFailed] = {
        "ERROR": CommandUnknown,
        "CLIENT_ERROR": BadCommand,
        "SERVER_ERROR": ServerFault,
    }[reply.kind]
    # By prefix: the rest of the text differs between versions, as do the capitals.
    message = reply.message.lower()
    if kind is ServerFault and message.startswith("object too large"):
        kind = ValueTooLarge
    elif kind is ServerFault and message.startswith("out of memory"):
        kind = OutOfMemory
    text = f"{reply.kind} {reply.message}".rstrip()
    return kind(f"{server}: {text}", reply=reply, server=server, key=key)


def exchange_failed(
    error: Exception, server: str, command: Command[object], written: bool
) -> MemcacheError:
    """The error for an exchange that did not come to a result.

    Args:
        error: what ended it.
        written: whether a byte of the command may have gone out.

    Raises:
        LocalProtocolError: it was one; your own mistakes come out unchanged.
    """
    key: bytes | None = getattr(command, "key", None)
    if isinstance(error, ErrorReplied):
        failed: MemcacheError = command_failed(error.reply, server, key)
    elif isinstance(error, MemcacheError):
        return error
    elif isinstance(error, LocalProtocolError):
        raise error
    else:
        name = type(command).__name__.lower()
        maybe = written and not command.is_read
        kind: type[ConnectionLost | OperationTimeout]
        if isinstance(error, (TimeoutError, BlockingIOError)):
            kind, text = OperationTimeout, f"no answer to {name} within the deadline"
        elif isinstance(error, RemoteProtocolError):
            kind, text = ConnectionLost, f"{name} got no proper answer: {error}"
        else:
            kind, text = ConnectionLost, f"the connection was lost during {name}: {error}"
        if maybe:
            text += " (it may have been applied)"
        failed = kind(f"{server}: {text}", server=server, key=key, maybe_applied=maybe)
    failed.__cause__ = error
    return failed


def connect_failed(
    error: Exception, server: str, dialect: str, greeted: bool, in_time: bool
) -> MemcacheError:
    """The error for a connection that did not come to its first proper answer.

    Args:
        error: what ended it.
        dialect: what was to be spoken.
        greeted: whether the connection stood and the first question was on its way.
        in_time: whether the operation's own deadline has not passed.
    """
    if isinstance(error, TimeoutError) and not in_time:
        step = "at its first exchange" if greeted else "while connecting"
        failed: MemcacheError = OperationTimeout(
            f"{server}: the deadline passed {step}", server=server
        )
    else:
        where, text = _reason(error, dialect) if greeted else _no_connection(error)
        failed = ConnectFailed(f"{server}: {text}", step=where, server=server)
    failed.__cause__ = error
    return failed


def _no_connection(error: Exception) -> tuple[Step, str]:
    if type(error).__name__ in ("gaierror", "herror"):
        return "dns", f"the name cannot be resolved: {error}"
    if isinstance(error, TimeoutError):
        return "tcp", "no connection within connect_timeout"
    return "tcp", f"cannot connect: {error}"


def _reason(error: Exception, dialect: str) -> tuple[Step, str]:
    """Why the first question has had no proper answer."""
    if isinstance(error, ErrorReplied):
        text = f"the server's first words are {str(error)!r}"
        if "connections" in error.reply.message:
            return "protocol", text
    elif isinstance(error, RemoteProtocolError):
        return "protocol", f"this is no memcached server: {error}"
    elif isinstance(error, TimeoutError):
        return "protocol", "connected, but no answer within connect_timeout"
    else:
        return "protocol", f"connected, but then: {error}"
    if dialect == "meta":
        text += " (if it does not know meta commands, use protocol='classic')"
    return "protocol", text


def may_try_again(error: Exception, command: Command[object], reused: bool, heard: bool) -> bool:
    """Whether the same command may go to a fresh connection, once, within the deadline.

    Only a read, and only if its connection had been idle and died, or proved to be out of step,
    before a byte of the reply: then it was the connection that was stale, not the server that is
    lost.  A deadline that has passed leaves no time to try again.
    """
    if not (reused and command.is_read):
        return False
    if isinstance(error, ProtocolDesync):
        return True
    return (
        isinstance(error, OSError)
        and not heard
        and not isinstance(error, (TimeoutError, BlockingIOError))
    )
