"""Where one request ends, and one reply: as much of the protocol as it takes to tell that.

Written apart from `mcproto`, so that a test of a client does not share the mistakes of its parser.
For well-formed text and binary; knows nothing of sockets.
"""

from __future__ import annotations

from struct import unpack_from

__all__ = ["reply_size", "request_size"]

_STORAGE = (b"set", b"add", b"replace", b"append", b"prepend", b"cas")
_HEADER = 24

# One line of several, up to an END.
_LISTED = (b"VALUE", b"STAT", b"ITEM")


def request_size(received: bytes | bytearray) -> int | None:
    """How many bytes the first request in *received* has; None if it is not whole yet."""
    if received[:1] == b"\x80":
        return _frame_size(received)
    end = _line_end(received, 0)
    if end is None:
        return None
    words = bytes(received[:end]).split()
    if words[:1] == [b"ms"]:
        return _enough(received, end + int(words[2]) + 2)
    if words and words[0] in _STORAGE:
        return _enough(received, end + int(words[4]) + 2)
    return end


def reply_size(received: bytes | bytearray) -> int | None:
    """How many bytes the first reply in *received* has; None if it is not whole yet."""
    if received[:1] == b"\x81":
        return _frame_size(received)
    at = 0
    while True:
        end = _line_end(received, at)
        if end is None:
            return None
        words = bytes(received[at:end]).split()
        if words[:1] == [b"VA"]:
            return _enough(received, end + int(words[1]) + 2)
        if not words or words[0] not in _LISTED:
            return end
        at = end + int(words[3]) + 2 if words[0] == b"VALUE" else end


def _frame_size(received: bytes | bytearray) -> int | None:
    if len(received) < _HEADER:
        return None
    body: int = unpack_from(">I", received, 8)[0]
    return _enough(received, _HEADER + body)


def _line_end(received: bytes | bytearray, start: int) -> int | None:
    end = received.find(b"\r\n", start)
    return None if end < 0 else end + 2


def _enough(received: bytes | bytearray, size: int) -> int | None:
    return size if len(received) >= size else None
