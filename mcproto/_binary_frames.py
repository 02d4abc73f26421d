"""The frames of the binary protocol: a header of 24 bytes, extras, key, value.

Knows how long a frame is, and what its numbers say that are the same for every command: statuses
and their words.  Knows no command; requests are read in `_read_binary_commands`.
"""

from __future__ import annotations

from struct import Struct

from ._errors import ProtocolDesync, RemoteProtocolError
from ._replies import NEED_DATA, BinaryReply, ErrorReply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, TypeAlias

    from ._buffer import ReceiveBuffer
    from ._read_replies import Progress
    from ._replies import NeedData

    # magic, opcode, key's size, extras' size, data type, status (of a request: vbucket), body's
    # size, opaque, cas
    Header: TypeAlias = tuple[int, int, int, int, int, int, int, int, int]

HEADER: Final = Struct(">BBHBBHIIQ")
REQUEST: Final = 0x80
REPLY: Final = 0x81

# Statuses, by the names that memcached's protocol_binary.h has for them.
SUCCESS: Final = 0x00
KEY_NOT_FOUND: Final = 0x01
KEY_EXISTS: Final = 0x02
TOO_LARGE: Final = 0x03
INVALID_ARGUMENTS: Final = 0x04
NOT_STORED: Final = 0x05
NON_NUMERIC: Final = 0x06
WRONG_VBUCKET: Final = 0x07
AUTH_ERROR: Final = 0x20
AUTH_CONTINUE: Final = 0x21
UNKNOWN_COMMAND: Final = 0x81
OUT_OF_MEMORY: Final = 0x82
NOT_SUPPORTED: Final = 0x83
INTERNAL_ERROR: Final = 0x84
BUSY: Final = 0x85
TEMPORARY_FAILURE: Final = 0x86

# What memcached writes beside them. (Those from 0x83 on, and 0x07, it never sends.)
_TEXTS: Final = {
    KEY_NOT_FOUND: "Not found",
    KEY_EXISTS: "Data exists for key.",
    TOO_LARGE: "Too large.",
    INVALID_ARGUMENTS: "Invalid arguments",
    NOT_STORED: "Not stored.",
    NON_NUMERIC: "Non-numeric server-side value for incr or decr",
    WRONG_VBUCKET: "Not my vbucket",
    AUTH_ERROR: "Auth failure.",
    UNKNOWN_COMMAND: "Unknown command",
    OUT_OF_MEMORY: "Out of memory",
    NOT_SUPPORTED: "Not supported",
    INTERNAL_ERROR: "Internal error",
    BUSY: "Busy",
    TEMPORARY_FAILURE: "Temporary failure",
}

# The kind of error line that a status would be in the text protocol. All others are the server's.
_KINDS: Final = {
    KEY_NOT_FOUND: "CLIENT_ERROR",
    KEY_EXISTS: "CLIENT_ERROR",
    INVALID_ARGUMENTS: "CLIENT_ERROR",
    NOT_STORED: "CLIENT_ERROR",
    NON_NUMERIC: "CLIENT_ERROR",
    AUTH_ERROR: "CLIENT_ERROR",
    AUTH_CONTINUE: "CLIENT_ERROR",
    UNKNOWN_COMMAND: "ERROR",
    NOT_SUPPORTED: "ERROR",
}

# The other way round: the error lines that have a status of their own, and what the kinds say.
_STATUSES_OF_LINES: Final = {
    "object too large for cache": TOO_LARGE,
    "out of memory storing object": OUT_OF_MEMORY,
    "cannot increment or decrement non-numeric value": NON_NUMERIC,
}
_STATUSES_OF_KINDS: Final = {"ERROR": UNKNOWN_COMMAND, "CLIENT_ERROR": INVALID_ARGUMENTS}

# A peer that was not asked in its own language, or has no room for us, says so in text.
_TEXT_ERRORS: Final = (b"ERROR", b"CLIENT_ERROR", b"SERVER_ERROR")


def text_of_status(status: int) -> bytes:
    """What stands in the body of a reply that has nothing else to say."""
    return _TEXTS.get(status, "").encode()


def error_of(reply: BinaryReply) -> ErrorReply:
    """A refusal as the error that it would be in any dialect."""
    status = reply.status
    message = reply.value.decode("utf-8", "replace") or _TEXTS.get(status) or f"status {status:#x}"
    return ErrorReply(_KINDS.get(status, "SERVER_ERROR"), message, status=status)


def reply_of(error: ErrorReply) -> BinaryReply:
    """An error of any dialect as a refusal, with its own words where it has some."""
    status = error.status
    if status is None:
        status = _STATUSES_OF_LINES.get(error.message)
    if status is None:
        status = _STATUSES_OF_KINDS.get(error.kind, INTERNAL_ERROR)
    return BinaryReply(status, value=error.message.encode("utf-8", "backslashreplace"))


def read_header(buffer: ReceiveBuffer) -> Header | NeedData:
    """The header of the next reply.

    Raises:
        RemoteProtocolError: it is none, or its lengths contradict each other.
    """
    head = buffer.peek(HEADER.size)
    if len(head) < HEADER.size or head[0] != REPLY:
        return _no_header(buffer, head)
    header: Header = HEADER.unpack(buffer.take(HEADER.size))
    _, opcode, key_size, extras_size, _, _, body_size, _, _ = header
    if key_size + extras_size > body_size:
        raise RemoteProtocolError(
            f"a reply to opcode {opcode:#04x} with a key of {key_size} bytes and extras of "
            f"{extras_size} in a body of {body_size}"
        )
    return header


def _no_header(buffer: ReceiveBuffer, head: bytes) -> NeedData:
    if not head or head[0] == REPLY:
        return NEED_DATA
    if any(word.startswith(head[: len(word)]) for word in _TEXT_ERRORS):
        line = buffer.line()
        if line is None:
            return NEED_DATA
        raise RemoteProtocolError(f"the peer does not speak binary: {line[:200]!r}")
    raise ProtocolDesync(f"no binary reply begins with {head!r}")


def read_body(
    buffer: ReceiveBuffer, progress: Progress, *, has_item: bool = False
) -> BinaryReply | NeedData:
    """The reply whose header is in *progress*.

    Where it has an item, the value goes to memory that the caller may have set aside for it.
    """
    _, _, key_size, extras_size, _, status, body_size, _, cas = progress[0]
    is_item = has_item and status == SUCCESS
    value_size = body_size - extras_size - key_size
    if len(progress) == 1:
        if len(buffer) < (body_size - value_size if is_item else body_size):
            return NEED_DATA
        progress += (buffer.take(extras_size), buffer.take(key_size))
    value = buffer.value(value_size) if is_item else buffer.take(value_size)
    if value is None:
        return NEED_DATA
    _, extras, key = progress
    return BinaryReply(status, cas=cas, extras=extras, key=key, value=value)
