"""From what adapters and connections raise to what clients raise: the one place.

Also who may try again, and what a failure says of the server.  Knows no sockets; decides by what
happened and what was asked.
"""

from __future__ import annotations

from errno import EMFILE, ENFILE

from mcproto import ErrorReplied, LocalProtocolError, ProtocolDesync, RemoteProtocolError

from ._auth import wants_login
from ._errors import (
    AuthError,
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
    from typing import Literal

    from mcproto import Command, ErrorReply

    from ._errors import Step
    from ._timeline import Spent, Timeline

__all__ = [
    "auth_failed",
    "command_failed",
    "connect_failed",
    "exchange_failed",
    "fault_of",
    "may_try_again",
]


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
    # (A binary reply has a number for it, with words of the server's own.)
    message = reply.message.lower()
    if kind is ServerFault and (message.startswith("object too large") or reply.status == 0x03):
        kind = ValueTooLarge
    elif kind is ServerFault and (message.startswith("out of memory") or reply.status == 0x82):
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
    error: Exception,
    server: str,
    dialect: str,
    timeline: Timeline,
    in_time: bool,
    has_login: bool = False,
) -> MemcacheError:
    """The error for a connection that did not come to its first proper answer.

    Args:
        error: what ended it.
        dialect: what was to be spoken.
        timeline: the steps, up to the one that failed; ``"protocol"`` is the first question.
        in_time: whether the operation's own deadline has not passed.
        has_login: whether the client can say who it is.
    """
    spent = timeline.spent()
    step = _step(error, timeline)
    if isinstance(error, TimeoutError) and not in_time:
        text = f"the deadline passed {_WHERE[step]}"
        if step == "protocol":
            text += _hint(dialect, timeline, has_login)
        text += _in_brackets(spent)
        timeout = OperationTimeout(f"{server}: {text}", server=server)
        timeout.step = step
        failed: MemcacheError = timeout
    else:
        text = _reason(error, step, dialect, timeline, has_login) + _in_brackets(spent)
        failed = _KINDS.get(step, ConnectFailed)(f"{server}: {text}", step=step, server=server)
    failed.timeline = spent
    failed.__cause__ = error
    return failed


def auth_failed(why: str, server: str, timeline: Timeline) -> AuthError:
    """The error for an authentication that did not come so far that the server refused it."""
    spent = timeline.spent()
    failed = AuthError(f"{server}: {why}{_in_brackets(spent)}", server=server)
    failed.timeline = spent
    return failed


_KINDS: dict[Step, type[ConnectFailed]] = {"tls": TLSError, "auth": AuthError}

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
    if isinstance(error, ErrorReplied) and wants_login(error.reply):
        return "auth"
    for step in _WHERE:
        if step == timeline.step:
            return step
    return "tcp"


def _reason(error: Exception, step: Step, dialect: str, timeline: Timeline, has_login: bool) -> str:
    hint = _hint(dialect, timeline, has_login)
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
    if step == "auth" and timeline.step != "auth":
        return f"it wants to know who is there: give username and password ({error})"
    if step == "auth":
        return f"authentication failed: {error}"
    if isinstance(error, ErrorReplied):
        text = f"the server's first words are {str(error)!r}"
        return text if "connections" in error.reply.message else text + hint
    if isinstance(error, RemoteProtocolError):
        # (0x15 0x03 begins an alert of TLS.)
        is_clear = "\\x15\\x03" in str(error) or "does not speak binary" in str(error)
        return f"this is no memcached server: {error}{hint if is_clear else ''}"
    if isinstance(error, ConnectionError) and not has_login:
        # Newer servers say nothing at all to a short line of somebody whom they do not know.
        hint += " (if it wants to know who is there, give username and password)"
    return f"connected, but then: {error}{hint}"


def _hint(dialect: str, timeline: Timeline, has_login: bool) -> str:
    """What it may be if there is no proper answer to the first question."""
    hints: list[str] = []
    if dialect == "meta":
        hints.append("if it does not know meta commands, use protocol='classic'")
    if dialect == "binary":
        hints.append("if it does not speak binary, use protocol='meta'")
    elif has_login:
        hints.append("if it wants SASL, use protocol='binary'")
    if not timeline.has("tls"):
        hints.append("if it speaks TLS, use memcaches://")
    return f" ({'; '.join(hints)})" if hints else ""


def _plainly(error: Exception) -> str:
    """What an ``ssl.SSLError`` says, without the line of the source that says it."""
    text = str(error.args[-1] if error.args else error)
    return text.rpartition(" (_ssl.c")[0] or text


def _in_brackets(spent: Spent) -> str:
    return f" [{in_words(spent)}]" if spent else ""


def fault_of(error: Exception, opening: bool) -> Literal["hard", "soft"] | None:
    """What a failure says of the server.

    Args:
        opening: of a connection, up to the answer to its first question; else of an exchange.

    Returns:
        "hard": it cannot be reached. "soft": something is wrong with it, or was at that moment.
        None: nothing. The fault is ours, or it has answered with an error line.
    """
    if isinstance(error, AuthError):
        return "soft"  # or a wrong password would be tried again at every call
    if isinstance(error, ErrorReplied):
        # But for the one line that means that nobody is let in.
        return "hard" if opening and _is_full(error) else None
    if isinstance(error, LocalProtocolError):
        return None
    if isinstance(error, OSError) and error.errno in (EMFILE, ENFILE):
        return None
    if isinstance(error, (TimeoutError, BlockingIOError, RemoteProtocolError)) or not opening:
        return "soft"
    return "hard"


def _is_full(error: ErrorReplied) -> bool:
    return "connections" in error.reply.message  # "Too many open connections"


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
