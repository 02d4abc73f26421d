"""What a request line turns out to be, and what servers say where it is none.

Shared by the readers of classic and meta commands.  Knows no command.
"""

from __future__ import annotations

from ._replies import BadRequest, ErrorReply
from ._tokens import U32, U64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from ._command import Command
    from ._generations import Generation
    from ._replies import Closed

UNKNOWN = ErrorReply("ERROR")
BAD_LINE = ErrorReply("CLIENT_ERROR", "bad command line format")
BAD_CHUNK = ErrorReply("CLIENT_ERROR", "bad data chunk")
BAD_EXPTIME = ErrorReply("CLIENT_ERROR", "invalid exptime argument")
BAD_DELTA = ErrorReply("CLIENT_ERROR", "invalid numeric delta argument")
TOO_LARGE = ErrorReply("SERVER_ERROR", "object too large for cache")

MAX_BLOCK = (1 << 31) - 3
"""The largest data block that can be announced, in bytes: with its ending it fits 31 bits."""


class Announced:
    """A request whose data block follows.

    Attributes:
        size: the length of the block, in bytes.
        make: the command out of the block; None if the line was bad.
        refusal: what becomes of the request if the block is not wanted.
        bad_end: what is said if the block does not end in CR LF.
    """

    __slots__ = ("bad_end", "make", "refusal", "size")

    def __init__(
        self,
        size: int,
        refusal: BadRequest,
        make: Callable[[bytes], Command[object] | BadRequest] | None = None,
        bad_end: ErrorReply = BAD_CHUNK,
    ) -> None:
        self.size = size
        self.refusal = refusal
        self.make = make
        self.bad_end = bad_end


if TYPE_CHECKING:
    Request: TypeAlias = Command[object] | BadRequest | Announced | Closed

    Reader: TypeAlias = Callable[[list[bytes], Generation], Request]
    """What a line asks for: its words, the command's first, and the server that is imitated."""


def block_size(word: bytes, like: Generation) -> int | None:
    """The length of a data block, as it is announced; None if that is none."""
    size = like.unsigned(word, U32)
    return None if size is None or size > MAX_BLOCK else size


def unsigned(word: bytes, highest: int) -> int | None:
    """Decimal digits and nothing else; None if that is not what it is. Leading zeros are fine."""
    if not word.isdigit():
        return None
    number = int(word)
    return number if number <= highest else None


def signed(word: bytes, highest: int) -> int | None:
    """The same, perhaps with a minus: from -*highest* - 1 to *highest*."""
    if not word.startswith(b"-"):
        return unsigned(word, highest)
    number = unsigned(word[1:], highest + 1)
    return None if number is None else -number


def c_unsigned(word: bytes, highest: int) -> int | None:
    """As ``strtoull`` reads it, and an assignment cuts it to the bits of *highest*."""
    number = _c_number(word)
    if number is None or not -U64 <= number <= U64:
        return None
    if number < 0:
        # A minus is taken for a sign only if the number looks negative.
        number += U64 + 1
        if number >> 63:
            return None
    return number & highest


def c_signed(word: bytes, highest: int) -> int | None:
    """As ``strtoll`` reads it, and an assignment cuts it to the bits of *highest*, and a sign."""
    number = _c_number(word)
    if number is None or not -(1 << 63) <= number < 1 << 63:
        return None
    return ((number + highest + 1) & (2 * highest + 1)) - highest - 1


_C_BLANKS = b" \t\n\v\f\r"


def _c_number(word: bytes) -> int | None:
    text = word.lstrip(_C_BLANKS)
    is_negative = text[:1] == b"-"
    if text[:1] in (b"-", b"+"):
        text = text[1:]
    rest = text.lstrip(b"0123456789")
    digits = text[: len(text) - len(rest)].lstrip(b"0")
    if len(rest) == len(text) or len(digits) > 20 or (rest and rest[0] not in _C_BLANKS):
        return None
    number = int(digits or b"0")
    return -number if is_negative else number
