"""Hashes of keys, equal to libmemcached's to the last bit.

Knows bytes in, 32 bits out.  Which hash serves which ring is the rings' business.
"""

from __future__ import annotations

from struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hashlib import md5
else:
    try:
        # Half of what OpenSSL's wrapper costs on something as short as a key.
        from _md5 import md5
    except ImportError:  # an interpreter built without it
        import hashlib

        def md5(data):
            return hashlib.md5(data, usedforsecurity=False)  # or a FIPS build refuses


__all__ = ["md5_32", "md5_words", "one_at_a_time"]

_first_word = Struct("<I").unpack_from
_four_words = Struct("<4I").unpack


def md5_32(data: bytes) -> int:
    """The first four bytes of the MD5 digest, little-endian."""
    word: int = _first_word(md5(data).digest())[0]
    return word


def md5_words(data: bytes) -> tuple[int, int, int, int]:
    """The whole MD5 digest, as four little-endian words."""
    words: tuple[int, int, int, int] = _four_words(md5(data).digest())
    return words


def one_at_a_time(data: bytes) -> int:
    """Bob Jenkins' one-at-a-time hash from 0, of *signed* bytes.

    Signed since that is what C's char is on x86: bytes from 0x80 count as negative numbers.
    """
    value = 0
    for byte in memoryview(data).cast("b"):
        # Times 1025 is `value += value << 10`; below, 9 and 32769 are shifts by 3 and 15.
        value = (value + byte) * 1025 & 0xFFFFFFFF
        value ^= value >> 6
    value = value * 9 & 0xFFFFFFFF
    value ^= value >> 11
    return value * 32769 & 0xFFFFFFFF
