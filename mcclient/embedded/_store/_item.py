"""One item: what is stored under a key, when it ends, and what number it is.

Knows no other items, and no clock: every moment is an argument, in seconds since 1970.
"""

from __future__ import annotations

from math import ceil, inf

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._slabs import SlabClass

__all__ = ["U64", "StoredItem", "expiry", "number_in"]

U32 = (1 << 32) - 1
U64 = (1 << 64) - 1

_MONTH = 30 * 24 * 3600
# What memcached needs besides key and value: the structure, the cas unique, and three bytes that
# end key and value.
_OVERHEAD = 48 + 8 + 3
_FLAGS = 4
# Two moments as floats are no nearer to each other than this, however they were computed.
_MOMENT = 1e-6
_BLANKS = b" \t\n\v\f\r"
_BEHIND_A_NUMBER = _BLANKS + b"\0"
_DIGITS = b"0123456789"


def expiry(exptime: int, now: float) -> float:
    """The moment at which an item expires that is stored with this expiry now; inf: never."""
    if exptime == 0:
        return inf
    if exptime < 0:
        return now - 1
    return now + exptime if exptime <= _MONTH else float(exptime)


def number_in(value: bytes) -> int | None:
    """The number that a value is to ``incr``; None if it is none.

    Blanks and a plus before it are skipped, and whatever stands behind a blank or a NUL after it.
    """
    text = value.lstrip(_BLANKS).removeprefix(b"+")
    rest = text.lstrip(_DIGITS)
    digits = text[: len(text) - len(rest)]
    if not digits or (rest and rest[0] not in _BEHIND_A_NUMBER):
        return None
    digits = digits.lstrip(b"0") or b"0"
    if len(digits) > 20:
        return None
    number = int(digits)
    return number if number <= U64 else None


class StoredItem:
    """What is stored under a key.

    Attributes:
        key: decoded, if it came as base64.
        is_base64: it did, with ``ms``, and is shown so. (Any other way to make an item forgets it.)
        value: bytes.
        flags: the client's 32 bits.
        expires: when, or inf.
        cas: its unique; given when it is linked.
        used: when it was last asked for.
        slab: the class that it is kept in; given when it is linked.
        fetched: it has been asked for since it was stored.
        stale: it was invalidated, and may be shown until it is stored anew.
        won: somebody has been told to store it anew.
    """

    __slots__ = (
        "cas",
        "expires",
        "fetched",
        "flags",
        "is_base64",
        "key",
        "slab",
        "stale",
        "used",
        "value",
        "won",
    )

    def __init__(
        self,
        key: bytes,
        value: bytes,
        *,
        flags: int = 0,
        expires: float = inf,
        is_base64: bool = False,
    ) -> None:
        self.key = key
        self.value = value
        self.flags = flags
        self.expires = expires
        self.is_base64 = is_base64
        self.cas = 0
        self.used = 0.0
        self.slab: SlabClass
        self.fetched = False
        self.stale = False
        self.won = False

    @property
    def size(self) -> int:
        """The bytes it takes in memcached, which its limits count."""
        flags = _FLAGS if self.flags else 0
        return _OVERHEAD + flags + len(self.key) + len(self.value)

    def ttl(self, now: float) -> int:
        """The seconds it has left, rounded up; -1: no end.

        One that is expired has very many: memcached takes the negative number for an unsigned one.
        """
        return -1 if self.expires == inf else ceil(self.expires - now - _MOMENT) & U32

    def idle(self, now: float) -> int:
        """The whole seconds since it was used."""
        return int(now - self.used + _MOMENT)
