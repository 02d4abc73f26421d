"""Python values as pylibmc stores them: its flags, its pickles, its compression.

Knows bytes and flags, equal to pylibmc's.  What may become of a pickle is `_pickles`' to say.

=====  ==========================================================
flags  bytes
=====  ==========================================================
0      bytes as they are
1      a pickle, of whatever is none of the others
2      a bool, as ``1`` or ``0``; it is read as an int
4      an int, in decimal digits
16     a str, in UTF-8
8      in addition: compressed by zlib
=====  ==========================================================
"""

from __future__ import annotations

import pickle
import zlib

from .._errors import ValueUnreadable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._pickles import Pickles

__all__ = [
    "BOOL",
    "INT",
    "MAX_INFLATED",
    "PICKLE",
    "TEXT",
    "ZLIB",
    "compressed",
    "deserialized",
    "inflated",
    "is_pickle",
    "quick_readers",
    "serialized",
]

PICKLE = 1
BOOL = 2
INT = 4
ZLIB = 8
TEXT = 16
_KIND = PICKLE | BOOL | INT | TEXT

MAX_INFLATED = 64 << 20
"""The largest value that is inflated, in bytes: a few KB can claim to be terabytes."""


def serialized(value: object, pickles: Pickles, protocol: int) -> tuple[bytes, int]:
    """The bytes and flags of *value*. Raises what encoding or pickling it raises."""
    if isinstance(value, bytes):
        return bytes(value), 0
    if isinstance(value, str):
        return str.encode(value), TEXT  # a subclass may have another idea of encode
    if isinstance(value, bool):
        return b"1" if value else b"0", BOOL
    if isinstance(value, int):
        return int.__repr__(value).encode(), INT  # an enum's own would be its name
    return pickles.dumps(value, protocol), PICKLE


def deserialized(data: bytes, flags: int, pickles: Pickles) -> object:
    """The value of inflated bytes. Flags above those of the table are ignored.

    Raises:
        ValueUnreadable: there are no such flags, or this pickle must not be read.
        ValueError: no int, or no UTF-8.
        Exception: what a pickle makes of it.
    """
    kind = flags & _KIND
    if kind == TEXT:
        return str(data, "utf-8")
    if kind == 0:
        return data
    if kind in (INT, BOOL):
        return _int(data)
    if kind == PICKLE:
        return pickles.loads(data)
    raise ValueUnreadable(f"unknown memcached key flags {kind}")


def _int(data: bytes) -> int:
    # C's string ends at a zero, and C knows no digits but ASCII's.
    text = str(data, "utf-8").partition("\0")[0]
    if not text.isascii():
        raise ValueError(f"invalid literal for int() with base 10: {text!r}")
    return int(text)


def quick_readers(pickles: Pickles) -> dict[int, Callable[[bytes], object]]:
    """`deserialized` for the flags that are met most: functions in C, instead of three calls.

    For values that are not empty.  A ValueError, other than a pickle's, means that `deserialized`
    is to decide.  (benchmarks/pylibmc.py shows what it saves.)
    """
    readers: dict[int, Callable[[bytes], object]] = {TEXT: bytes.decode, INT: int, BOOL: int}
    if pickles.are_allowed():
        readers[PICKLE] = pickle.loads
    return readers


def is_pickle(flags: int) -> bool:
    """Whether what is stored with these flags would be unpickled."""
    return flags & _KIND == PICKLE


def compressed(data: bytes, flags: int, level: int) -> tuple[bytes, int]:
    """The two, compressed if that makes it shorter. *level*: 1 to 9, or -1 for zlib's own."""
    short = zlib.compress(data, level)
    return (short, flags | ZLIB) if len(short) < len(data) else (data, flags)


def inflated(data: bytes) -> bytes:
    """The bytes of what was compressed. What stands behind them is ignored.

    Raises:
        ValueUnreadable: no zlib stream, or only a part of one, or one of more than 64 MiB.
    """
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(data, MAX_INFLATED + 1)
    except zlib.error as error:
        raise ValueUnreadable(f"Failed to decompress value: inflate ({error})") from error
    if not stream.eof or len(plain) > MAX_INFLATED:
        why = "more than 64 MiB" if len(plain) > MAX_INFLATED else "it ends too early"
        raise ValueUnreadable(f"Failed to decompress value: inflate ({why})")
    return plain
