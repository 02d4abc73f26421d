"""The hashes that libmemcached has and pylibmc names, equal to the last bit.

Knows bytes in, 32 bits out, under pylibmc's names.  Where libmemcached reads bytes as C's signed
char, as it is on x86, so do these: a byte from 0x80 on counts as a negative number.
"""

from __future__ import annotations

from zlib import crc32

from ._hashes import md5_32, one_at_a_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HASHES"]

_U32 = (1 << 32) - 1
_U64 = (1 << 64) - 1

_FNV32_OFFSET, _FNV32_PRIME = 2166136261, 16777619
_FNV64_OFFSET, _FNV64_PRIME = 0xCBF29CE484222325, 0x100000001B3


def _crc(data: bytes) -> int:
    return crc32(data) >> 16 & 0x7FFF


def _fnv1(data: bytes, offset: int, prime: int, mask: int) -> int:
    value = offset
    for byte in memoryview(data).cast("b"):
        value = (value * prime & mask) ^ (byte & mask)
    return value & _U32


def _fnv1a(data: bytes, offset: int, prime: int, mask: int) -> int:
    value = offset
    for byte in memoryview(data).cast("b"):
        value = (value ^ (byte & mask)) * prime & mask
    return value & _U32


def _fnv1_32(data: bytes) -> int:
    return _fnv1(data, _FNV32_OFFSET, _FNV32_PRIME, _U32)


def _fnv1a_32(data: bytes) -> int:
    return _fnv1a(data, _FNV32_OFFSET, _FNV32_PRIME, _U32)


def _fnv1_64(data: bytes) -> int:
    return _fnv1(data, _FNV64_OFFSET, _FNV64_PRIME, _U64)


def _fnv1a_64(data: bytes) -> int:
    # libmemcached computes this one in 32 bits from the start.
    return _fnv1a(data, _FNV64_OFFSET & _U32, _FNV64_PRIME & _U32, _U32)


def _murmur(data: bytes) -> int:
    """MurmurHash2, seeded with a multiple of the length."""
    multiplier = 0x5BD1E995
    size = len(data)
    value = (0xDEADBEEF * size & _U32) ^ size
    whole = size & ~3
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * multiplier & _U32
        word = (word ^ word >> 24) * multiplier & _U32
        value = (value * multiplier & _U32) ^ word
    if whole < size:
        value = (value ^ int.from_bytes(data[whole:], "little")) * multiplier & _U32
    value = (value ^ value >> 13) * multiplier & _U32
    return value ^ value >> 15


def _rotated(value: int, bits: int) -> int:
    return (value << bits | value >> 32 - bits) & _U32


def _jenkins(data: bytes) -> int:
    """Bob Jenkins' lookup3 (hashlittle) from 13."""
    a = b = c = (0xDEADBEEF + len(data) + 13) & _U32
    while len(data) > 12:
        a = a + int.from_bytes(data[0:4], "little") & _U32
        b = b + int.from_bytes(data[4:8], "little") & _U32
        c = c + int.from_bytes(data[8:12], "little") & _U32
        data = data[12:]
        a = (a - c & _U32) ^ _rotated(c, 4)
        c = c + b & _U32
        b = (b - a & _U32) ^ _rotated(a, 6)
        a = a + c & _U32
        c = (c - b & _U32) ^ _rotated(b, 8)
        b = b + a & _U32
        a = (a - c & _U32) ^ _rotated(c, 16)
        c = c + b & _U32
        b = (b - a & _U32) ^ _rotated(a, 19)
        a = a + c & _U32
        c = (c - b & _U32) ^ _rotated(b, 4)
        b = b + a & _U32
    if not data:
        return c
    a = a + int.from_bytes(data[0:4], "little") & _U32
    b = b + int.from_bytes(data[4:8], "little") & _U32
    c = c + int.from_bytes(data[8:12], "little") & _U32
    c = (c ^ b) - _rotated(b, 14) & _U32
    a = (a ^ c) - _rotated(c, 11) & _U32
    b = (b ^ a) - _rotated(a, 25) & _U32
    c = (c ^ b) - _rotated(b, 16) & _U32
    a = (a ^ c) - _rotated(c, 4) & _U32
    b = (b ^ a) - _rotated(a, 14) & _U32
    return (c ^ b) - _rotated(b, 24) & _U32


HASHES: dict[str, Callable[[bytes], int]] = {
    "default": one_at_a_time,
    "md5": md5_32,
    "crc": _crc,
    "fnv1_64": _fnv1_64,
    "fnv1a_64": _fnv1a_64,
    "fnv1_32": _fnv1_32,
    "fnv1a_32": _fnv1a_32,
    "murmur": _murmur,
    "jenkins": _jenkins,
}
"""pylibmc's name -> the hash. ``hsieh`` is missing: no build of libmemcached has it compiled in."""
