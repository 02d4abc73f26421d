"""Everything that a client raises.

::

    MemcacheError                          catch this one
    ├── ServerUnavailable                  no answer to be had from that server
    │   ├── ConnectFailed                  DNS, TCP, TLS, auth or the first exchange: see `step`
    │   │   ├── AuthError                  no credentials, wrong ones, or nobody must hear them
    │   │   └── TLSError                   TLS: no agreement, or a certificate that is not good
    │   ├── ConnectionLost                 it went away, or answered something else
    │   ├── OperationTimeout               (a TimeoutError) the deadline has passed
    │   ├── ServerDown                     it has failed before, and was not even asked
    │   └── PartialFailure                 a multi-key call: some servers gave no answer
    ├── CommandFailed                      the server answered, with an error line
    │   ├── CommandUnknown                 ERROR: it does not know the command
    │   ├── BadCommand                     CLIENT_ERROR: it does not like what was asked
    │   └── ServerFault                    SERVER_ERROR: it could not do it
    │       ├── ValueTooLarge
    │       └── OutOfMemory
    ├── ValueUnreadable                    found, but it cannot be deserialized
    ├── PoolError
    │   ├── PoolEmpty                      (a queue.Empty) all clients are lent out
    │   │   └── PoolTimeout                (a TimeoutError) waited in vain
    │   ├── TooManyWaiting                 there is no room even to wait
    │   └── PoolClosed
    ├── ClientBusy                         one client, two callers
    └── ClientClosed                       it has been closed

Your own mistakes are not in this tree: an illegal key, value or argument raises mcproto's
`InvalidKey` or `InvalidArgument` (both a ValueError) or a TypeError, before any byte is sent.
"""

from __future__ import annotations

import queue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Literal

    from mcproto import ErrorReply

    from ._timeline import Spent

    Step = Literal["dns", "tcp", "tls", "auth", "protocol"]

__all__ = [
    "AuthError",
    "BadCommand",
    "ClientBusy",
    "ClientClosed",
    "CommandFailed",
    "CommandUnknown",
    "ConnectFailed",
    "ConnectionLost",
    "MemcacheError",
    "OperationTimeout",
    "OutOfMemory",
    "PartialFailure",
    "PoolClosed",
    "PoolEmpty",
    "PoolError",
    "PoolTimeout",
    "ServerDown",
    "ServerFault",
    "ServerUnavailable",
    "TLSError",
    "TooManyWaiting",
    "ValueTooLarge",
    "ValueUnreadable",
]


class MemcacheError(Exception):
    """Anything that went wrong between you and memcached.

    Attributes:
        server: the server in question, as text, or None where there is no single one.
        key: the key in question, as it went over the wire, or None.
        maybe_applied: True if a write may have taken effect although it failed.
        timeline: where the time went: (step, seconds) pairs in their order, such as ``(("dns",
            0.012), ("tcp", 0.2), ("exchange", 0.788))``. Empty where no server was waited for.
    """

    timeline: Spent = ()

    def __init__(
        self,
        message: str = "",
        *,
        server: str | None = None,
        key: bytes | None = None,
        maybe_applied: bool = False,
    ) -> None:
        super().__init__(message)
        self.server = server
        self.key = key
        self.maybe_applied = maybe_applied


class ServerUnavailable(MemcacheError):
    """No answer was to be had from a server. The subclasses say why."""


class ConnectFailed(ServerUnavailable):
    """The server could not be reached, or is not one we can talk to. Nothing of yours was sent.

    Attributes:
        step: where it failed: ``"dns"``, ``"tcp"``, ``"tls"``, ``"auth"`` or ``"protocol"`` (the
            first exchange).
    """

    def __init__(
        self,
        message: str = "",
        *,
        step: Step = "tcp",
        server: str | None = None,
        key: bytes | None = None,
    ) -> None:
        super().__init__(message, server=server, key=key)
        self.step = step


class TLSError(ConnectFailed):
    """There is no TLS to be had with the server, or its certificate is not good for its name.

    The cause says why, where it is an `ssl.SSLError`. (Or the server refuses *your* certificate.)
    """

    def __init__(
        self,
        message: str = "",
        *,
        step: Step = "tls",
        server: str | None = None,
        key: bytes | None = None,
    ) -> None:
        super().__init__(message, step=step, server=server, key=key)


class AuthError(ConnectFailed):
    """The server wants to know who is there, and authentication came to nothing.

    Wrong credentials, or none; credentials that a function did not give; or a connection on which
    others could read the password, and so it was not sent (`Client`'s *allow_cleartext_auth*).
    """

    def __init__(
        self,
        message: str = "",
        *,
        step: Step = "auth",
        server: str | None = None,
        key: bytes | None = None,
    ) -> None:
        super().__init__(message, step=step, server=server, key=key)


class ConnectionLost(ServerUnavailable):
    """The connection broke in mid-call. `maybe_applied` says whether a write may have happened."""


class OperationTimeout(ServerUnavailable, TimeoutError):
    """The operation's deadline passed. `maybe_applied` says whether a write may have happened.

    Attributes:
        step: the step of connecting that it passed in, as with `ConnectFailed`; None: there was a
            connection, and no answer.
    """

    step: Step | None = None


class ServerDown(ServerUnavailable):
    """The server has failed, and it is too soon to try it again: nothing has been sent.

    Attributes:
        down_for: for how many seconds it has been down.
        retry_in: in how many seconds somebody may try it again; 0.0: somebody does already.
    """

    def __init__(
        self,
        message: str = "",
        *,
        server: str | None = None,
        key: bytes | None = None,
        down_for: float = 0.0,
        retry_in: float = 0.0,
    ) -> None:
        super().__init__(message, server=server, key=key)
        self.down_for = down_for
        self.retry_in = retry_in


class PartialFailure(ServerUnavailable):
    """Some servers of a call with many keys gave no answer.

    Attributes:
        result: what the servers that did answer gave, in the form of the call's result.
        failed_keys: the keys whose fate is unknown or bad, as the caller wrote them.
        errors: server (as text) -> the error that it came to.
    """

    def __init__(
        self,
        message: str = "",
        *,
        result: object = None,
        failed_keys: Collection[str | bytes] = (),
        errors: Mapping[str, MemcacheError] | None = None,
    ) -> None:
        self.errors: dict[str, MemcacheError] = dict(errors or {})
        servers = list(self.errors)
        super().__init__(
            message,
            server=servers[0] if len(servers) == 1 else None,
            maybe_applied=any(error.maybe_applied for error in self.errors.values()),
        )
        self.result = result
        self.failed_keys = list(failed_keys)


class CommandFailed(MemcacheError):
    """The server answered with an error line. The connection stays in use.

    Attributes:
        reply: the error line, an `mcproto.ErrorReply`.
    """

    def __init__(
        self,
        message: str = "",
        *,
        reply: ErrorReply | None = None,
        server: str | None = None,
        key: bytes | None = None,
    ) -> None:
        super().__init__(message, server=server, key=key)
        self.reply = reply


class CommandUnknown(CommandFailed):
    """``ERROR``: the server does not know the command."""


class BadCommand(CommandFailed):
    """``CLIENT_ERROR``: the server does not like what it was asked."""


class ServerFault(CommandFailed):
    """``SERVER_ERROR``: the server could not do what it was asked."""


class ValueTooLarge(ServerFault):
    """The item is larger than the server stores. A `set` has also removed the old value."""


class OutOfMemory(ServerFault):
    """The server has no memory for the item and does not evict."""


class ValueUnreadable(MemcacheError):
    """The item is there, but its bytes and flags cannot be turned into a value."""


class PoolError(MemcacheError):
    """The pool could not lend a client."""


class PoolEmpty(PoolError, queue.Empty):
    """Every client is lent out, and you asked not to wait."""


class PoolTimeout(PoolEmpty, TimeoutError):
    """Every client was lent out for as long as you were ready to wait."""


class TooManyWaiting(PoolError):
    """Every client is lent out, and as many wait as the pool allows: you were not made to wait."""


class PoolClosed(PoolError):
    """The pool has been closed."""


class ClientBusy(MemcacheError):
    """Two threads used one client at once, or two tasks one that tasks cannot share.

    Give each its own: see `ClientPool`.
    """


class ClientClosed(MemcacheError):
    """The client has been closed; make another one."""


# Tracebacks and pickles name them as they are imported.
for _name in __all__:
    globals()[_name].__module__ = "mcclient"
