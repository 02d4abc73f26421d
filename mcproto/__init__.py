"""memcached's protocol, without the I/O.

Bytes in, meaning out: `ClientConnection` and `ServerConnection` are the two halves of a
conversation, the commands of `classic`, `meta` and `binary` what one sends and the other receives.
What moves the bytes is yours, or one of `mcproto.transports`; nothing here imports a socket, a
clock or a thread.

Every name loads when it is first used: who speaks one dialect, in one role, does not pay for the
others (benchmarks/imports.py).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import admin, binary, classic, meta, sasl, udp
    from ._command import MAX_ITEMS, MAX_LINE, MAX_VALUE, Command
    from ._connection import ClientConnection
    from ._errors import (
        ErrorReplied,
        InvalidArgument,
        InvalidKey,
        ItemTooLarge,
        LimitExceeded,
        LocalProtocolError,
        ProtocolDesync,
        ProtocolError,
        RemoteProtocolError,
    )
    from ._flight import Flight
    from ._read_commands import MAX_REQUEST
    from ._replies import (
        CLOSED,
        NEED_DATA,
        NO_REPLY,
        BadRequest,
        BinaryReply,
        Closed,
        ErrorReply,
        Item,
        Lines,
        MetaReply,
        NeedData,
        NoReply,
        Number,
        Replies,
        Reply,
        Stats,
        Status,
        StreamLine,
        Text,
        UnplacedError,
        UnplacedReply,
        Values,
    )
    from ._server_connection import ServerConnection
    from ._streams import Stream
    from ._tokens import MAX_KEY, checked_key

__all__ = [
    "CLOSED",
    "MAX_ITEMS",
    "MAX_KEY",
    "MAX_LINE",
    "MAX_REQUEST",
    "MAX_VALUE",
    "NEED_DATA",
    "NO_REPLY",
    "BadRequest",
    "BinaryReply",
    "ClientConnection",
    "Closed",
    "Command",
    "ErrorReplied",
    "ErrorReply",
    "Flight",
    "InvalidArgument",
    "InvalidKey",
    "Item",
    "ItemTooLarge",
    "LimitExceeded",
    "Lines",
    "LocalProtocolError",
    "MetaReply",
    "NeedData",
    "NoReply",
    "Number",
    "ProtocolDesync",
    "ProtocolError",
    "RemoteProtocolError",
    "Replies",
    "Reply",
    "ServerConnection",
    "Stats",
    "Status",
    "Stream",
    "StreamLine",
    "Text",
    "UnplacedError",
    "UnplacedReply",
    "Values",
    "admin",
    "binary",
    "checked_key",
    "classic",
    "meta",
    "sasl",
    "udp",
]

# Where each name is at home; the dialects are modules of their own.
_DIALECTS = ("admin", "binary", "classic", "meta", "sasl", "udp")
_HOMES = {
    "_command": "MAX_ITEMS MAX_LINE MAX_VALUE Command",
    "_connection": "ClientConnection",
    "_errors": """
        ErrorReplied InvalidArgument InvalidKey ItemTooLarge LimitExceeded
        LocalProtocolError ProtocolDesync ProtocolError RemoteProtocolError
    """,
    "_flight": "Flight",
    "_read_commands": "MAX_REQUEST",
    "_replies": """
        CLOSED NEED_DATA NO_REPLY BadRequest BinaryReply Closed ErrorReply Item Lines MetaReply
        NeedData NoReply Number Replies Reply Stats Status StreamLine Text UnplacedError
        UnplacedReply Values
    """,
    "_server_connection": "ServerConnection",
    "_streams": "Stream",
    "_tokens": "MAX_KEY checked_key",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}


if not TYPE_CHECKING:  # checkers would take it that every name is here

    def __getattr__(name: str) -> object:
        # (importlib would be an import of its own.)
        found: object
        if name in _DIALECTS:
            found = __import__(f"{__name__}.{name}", fromlist=["*"])
        elif name in _HOME_OF:
            found = getattr(__import__(f"{__name__}.{_HOME_OF[name]}", fromlist=["*"]), name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
