"""memcached's protocol, without the I/O.

Bytes in, meaning out: `ClientConnection` and `ServerConnection` are the two halves of a
conversation, `classic` and `meta` the commands that one sends and the other receives.  What
moves the bytes is yours, or one of `mcproto.transports`; nothing here imports a socket, a clock
or a thread.
"""

from __future__ import annotations

from . import classic, meta
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
    ErrorReply,
    Item,
    MetaReply,
    Number,
    Replies,
    Reply,
    Stats,
    Status,
    Text,
    Values,
)
from ._server_connection import ServerConnection
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
    "ClientConnection",
    "Command",
    "ErrorReplied",
    "ErrorReply",
    "Flight",
    "InvalidArgument",
    "InvalidKey",
    "Item",
    "ItemTooLarge",
    "LimitExceeded",
    "LocalProtocolError",
    "MetaReply",
    "Number",
    "ProtocolDesync",
    "ProtocolError",
    "RemoteProtocolError",
    "Replies",
    "Reply",
    "ServerConnection",
    "Stats",
    "Status",
    "Text",
    "Values",
    "checked_key",
    "classic",
    "meta",
]
