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
    TLSError,
    ValueTooLarge,
)
from ._timeline import in_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mcproto import Command, ErrorReply

    from ._errors import Step
    from ._timeline import Spent, Timeline

__all__ = ["command_failed", "connect_failed", "exchange_failed", "may_try_again"]


def command_failed(reply: ErrorReply, server: str, key: bytes | None) -> CommandFailed:
    """The error for an error line."""
    kinds: dict[str, type[CommandFailed]] = {
        "ERROR": CommandUnknown,
        "CLIENT_ERROR": BadCommand,
        "SERVER_ERROR": ServerFault,
    }
    # (Some commands of `mcproto.admin` have words of their own.)
    kind = kinds.get(reply.kind, CommandFailed)
    # By prefix: the rest of the text differs between versions, as do the capitals.
    message = reply.message.lower()
    if kind is ServerFault and message.startswith("object too large"):
        kind = ValueTooLarge
    elif kind is ServerFault and message.startswith("out of memory"):
        kind = OutOfMemory
    text = f"{reply.kind} {reply.message}".rstrip()
    return kind(f"{server}: {text}", reply=reply, server=server, key=key)


def exchange_failed(
    error: Exception,
    server: str,
    command: Command[object],
    written: bool,
    spent: Spent = (),
) -> MemcacheError:
    """The error for an exchange that did not come to a result.

    Args:
        error: what ended it.
        written: whether a byte of the command may have gone out.
        spent: where the time has gone.

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
        text += _in_brackets(spent)
        failed = kind(f"{server}: {text}", server=server, key=key, maybe_applied=maybe)
        failed.timeline = spent
    failed.__cause__ = error
    return failed


def connect_failed(
    error: Exception, server: str, dialect: str, timeline: Timeline, in_time: bool
) -> MemcacheError:
    """The error for a connection that did not come to its first proper answer.

    Args:
        error: what ended it.
        dialect: what was to be spoken.
        timeline: the steps, up to the one that failed; ``"protocol"`` is the first question.
        in_time: whether the operation's own deadline has not passed.
    """
    spent = timeline.spent()
    step = _step(error, timeline)
    if isinstance(error, TimeoutError) and not in_time:
        text = f"the deadline passed {_WHERE[step]}"
        if step == "protocol":
            text += _hint(dialect, timeline)
        text += _in_brackets(spent)
        timeout = OperationTimeout(f"{server}: {text}", server=server)
        timeout.step = step
        failed: MemcacheError = timeout
    else:
        text = _reason(error, step, dialect, timeline) + _in_brackets(spent)
        kind = TLSError if step == "tls" else ConnectFailed
        failed = kind(f"{server}: {text}", step=step, server=server)
    failed.timeline = spent
    failed.__cause__ = error
    return failed


_WHERE: dict[Step, str] = {
    "dns": "while its name was looked up",
    "tcp": "while connecting",
    "tls": "in the TLS handshake",
    "auth": "while authenticating",
    "protocol": "at its first exchange",
}


def _step(error: Exception, timeline: Timeline) -> Step:
    """Where it failed."""
    kind = type(error)
    if kind.__name__ in ("gaierror", "herror"):
        return "dns"  # also where nobody has told the steps
    if kind.__module__ == "ssl":
        return "tls"
    if timeline.step == "protocol" and timeline.has("tls") and isinstance(error, ConnectionError):
        # A server that does not like our certificate says so when for us the handshake is over,
        # and what it says may be lost as it closes.
        return "tls"
    for step in _WHERE:
        if step == timeline.step:
            return step
    return "tcp"


def _reason(error: Exception, step: Step, dialect: str, timeline: Timeline) -> str:
    hint = _hint(dialect, timeline)
    if isinstance(error, TimeoutError):
        if step == "protocol":
            return f"connected, but no answer within connect_timeout{hint}"
        return f"no connection within connect_timeout: it passed {_WHERE[step]}"
    if step == "dns":
        return f"the name cannot be resolved: {error}"
    if step == "tcp":
        return f"cannot connect: {error}"
    if step == "tls" and timeline.step == "protocol":
        return f"TLS failed: does it want a certificate of ours, or another? {_plainly(error)}"
    if step == "tls":
        return f"TLS failed: {_plainly(error)}"
    if isinstance(error, ErrorReplied):
        text = f"the server's first words are {str(error)!r}"
        return text if "connections" in error.reply.message else text + hint
    if isinstance(error, RemoteProtocolError):
        # (0x15 0x03 begins an alert of TLS.)
        tls = hint if "\\x15\\x03" in str(error) else ""
        return f"this is no memcached server: {error}{tls}"
    return f"connected, but then: {error}{hint}"


def _hint(dialect: str, timeline: Timeline) -> str:
    """What it may be if there is no proper answer to the first question."""
    hints: list[str] = []
    if dialect == "meta":
        hints.append("if it does not know meta commands, use protocol='classic'")
    if not timeline.has("tls"):
        hints.append("if it speaks TLS, use memcaches://")
    return f" ({'; '.join(hints)})" if hints else ""


def _plainly(error: Exception) -> str:
    """What an ``ssl.SSLError`` says, without the line of the source that says it."""
    text = str(error.args[-1] if error.args else error)
    return text.rpartition(" (_ssl.c")[0] or text


def _in_brackets(spent: Spent) -> str:
    return f" [{in_words(spent)}]" if spent else ""


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
