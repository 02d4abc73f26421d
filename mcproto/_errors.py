"""What can go wrong between two ends of a memcached connection, and whose fault it was.

::

    ProtocolError
    ├── LocalProtocolError      your mistake; nothing was sent, nothing has changed
    │   ├── InvalidKey          (a ValueError)
    │   ├── InvalidArgument     (a ValueError)
    │   └── ItemTooLarge
    └── RemoteProtocolError     their mistake; the connection is of no further use
        ├── ProtocolDesync      well-formed perhaps, but not an answer to what was asked
        └── LimitExceeded       longer or more than the limits allow
    ErrorReplied                not a violation: the server answered with an error line

Knows no command and no reply; imports nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._replies import ErrorReply

__all__ = [
    "ErrorReplied",
    "InvalidArgument",
    "InvalidKey",
    "ItemTooLarge",
    "LimitExceeded",
    "LocalProtocolError",
    "ProtocolDesync",
    "ProtocolError",
    "RemoteProtocolError",
]


class ProtocolError(Exception):
    """The memcached protocol was, or would have been, broken. The two subclasses say by whom."""


class LocalProtocolError(ProtocolError):
    """You asked for something the protocol cannot carry. No byte was made, no state has changed."""


class InvalidKey(LocalProtocolError, ValueError):
    """Not a key that every server takes as one key: see `mcproto.checked_key` for the rule."""


class InvalidArgument(LocalProtocolError, ValueError):
    """A value out of the range that the protocol has for it; the message names the argument."""


class ItemTooLarge(LocalProtocolError):
    """The value is longer than the connection's *max_value*."""


class RemoteProtocolError(ProtocolError):
    """The peer sent bytes that are no memcached reply (or command). Close the connection."""


class ProtocolDesync(RemoteProtocolError):
    """The peer's bytes do not answer what was asked: one end has lost count. Close the connection.

    Another key, another opaque token, another kind of reply, or bytes that nobody asked for.
    """


class LimitExceeded(RemoteProtocolError):
    """The peer sent a longer line, a larger value or more items than the connection allows."""


class ErrorReplied(Exception):
    """The server answered a command with an error line. The connection stays in step.

    Attributes:
        reply: the `ErrorReply`, with ``kind`` (``"CLIENT_ERROR"``) and ``message``.
    """

    def __init__(self, reply: ErrorReply) -> None:
        super().__init__(reply)
        self.reply = reply

    def __str__(self) -> str:
        return f"{self.reply.kind} {self.reply.message}".rstrip()


# Tracebacks and pickles name them as they are imported.
for _name in __all__:
    globals()[_name].__module__ = "mcproto"
