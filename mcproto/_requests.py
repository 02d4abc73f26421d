"""What a request line turns out to be, and what servers say where it is none.

Shared by the readers of classic and meta commands.  Knows no command.
"""

from __future__ import annotations

from ._replies import BadRequest, ErrorReply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from ._command import Command
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
    """

    __slots__ = ("make", "refusal", "size")

    def __init__(
        self,
        size: int,
        refusal: BadRequest,
        make: Callable[[bytes], Command[object]] | None = None,
    ) -> None:
        self.size = size
        self.refusal = refusal
        self.make = make


if TYPE_CHECKING:
    Request: TypeAlias = Command[object] | BadRequest | Announced | Closed


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
