"""The direct door for binary GET and SET: what `_direct` is for ``mg`` and ``ms``.

Stateless codecs that make no objects.  They read one form of reply each, whole and for this
request; everything else is left to the caller, who turns to `ClientConnection.resume`, where the
plain grammar of `binary.Get` and `binary.Set` decides.  That plain version is also what the tests
compare these with, and benchmarks/pylibmc.py shows what they save.

An exchange is proved to be the caller's by an opaque from a small set that a connection goes
through in turn: few enough that the beginning of a reply is looked up, not parsed.
"""

from __future__ import annotations

from itertools import cycle
from struct import Struct

from ._binary_frames import HEADER, KEY_NOT_FOUND, REPLY, REQUEST, SUCCESS, text_of_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

__all__ = [
    "FLAGS_AT",
    "GET_HEADS",
    "SET_EXTRAS",
    "SET_FRONTS",
    "SET_HEAD",
    "STORED_SIZE",
    "Sizes",
    "get_frames",
    "set_frames",
]

_GET, _SET = 0x00, 0x01
_LONGEST_KEY = 250

# Magic to body's size, of a header: what stands before the opaque.
_FRONT = Struct(">BBHBBHI")
_OPAQUE = Struct(">I")
_FLAGS_SIZE = 4
SET_EXTRAS: Final = 8
"""How many bytes of a set's body are its flags and exptime."""

FLAGS_AT: Final = slice(HEADER.size, HEADER.size + _FLAGS_SIZE)
"""Where a hit has its flags; the value is all that follows."""

STORED_SIZE: Final = HEADER.size
"""How long the reply to a set is that has stored its item."""

SET_HEAD: Final = Struct(">8sI12sII").pack
"""What a set begins with, of (front, body's size, middle, flags, exptime)."""

# No opaque of a get is one of a set, and none is small, as those of plain commands are.
_GETS = range(0x67000000, 0x67000020)
_SETS = range(0x73000000, 0x73000020)


class Sizes(dict[bytes, int]):
    """The first 16 bytes of a hit, for one opaque -> how long it is. Remembered, bounded.

    What is no hit for this opaque is -1 bytes long: nothing is.
    """

    __slots__ = ("opaque",)

    def __init__(self, opaque: int) -> None:
        super().__init__()
        self.opaque = opaque

    def __missing__(self, begin: bytes) -> int:
        if len(begin) == _FRONT.size + _OPAQUE.size:
            *front, body_size = _FRONT.unpack_from(begin)
            is_hit = front == [REPLY, _GET, 0, _FLAGS_SIZE, 0, SUCCESS]
            if is_hit and body_size >= _FLAGS_SIZE and _opaque_of(begin) == self.opaque:
                size: int = HEADER.size + body_size
                if len(self) < 256:
                    self[begin] = size
                return size
        return -1


def _opaque_of(begin: bytes) -> int:
    opaque: int = _OPAQUE.unpack_from(begin, _FRONT.size)[0]
    return opaque


def _miss(opaque: int) -> bytes:
    text = text_of_status(KEY_NOT_FOUND)
    return HEADER.pack(REPLY, _GET, 0, 0, 0, KEY_NOT_FOUND, len(text), opaque, 0) + text


GET_HEADS: Final = [
    _FRONT.pack(REQUEST, _GET, size, 0, 0, 0, size) for size in range(_LONGEST_KEY + 1)
]
"""By the key's length: what a get begins with, up to the opaque."""

SET_FRONTS: Final = [
    _FRONT.pack(REQUEST, _SET, size, SET_EXTRAS, 0, 0, 0)[:8] for size in range(_LONGEST_KEY + 1)
]
"""By the key's length: what a set begins with, up to the body's size."""


def _middle(opaque: int) -> bytes:
    return _OPAQUE.pack(opaque) + bytes(8)  # and the cas: whatever is there


def _stored(opaque: int) -> bytes:
    return _FRONT.pack(REPLY, _SET, 0, 0, 0, SUCCESS, 0) + _OPAQUE.pack(opaque)


_GET_FRAMES = [(_middle(opaque), _miss(opaque), Sizes(opaque)) for opaque in _GETS]
_SET_FRAMES = [(_middle(opaque), _stored(opaque), opaque) for opaque in _SETS]


def get_frames() -> Iterator[tuple[bytes, bytes, Sizes]]:
    """For each get of a connection in turn, without end: (middle, miss, sizes).

    The request is ``GET_HEADS[len(key)] + middle + key``.  The miss is the whole reply if nothing
    is there.  A hit is so long as *sizes* says of its first 16 bytes.
    """
    return cycle(_GET_FRAMES)


def set_frames() -> Iterator[tuple[bytes, bytes, int]]:
    """For each set of a connection in turn, without end: (middle, stored, opaque).

    The request is ``SET_HEAD(SET_FRONTS[len(key)], SET_EXTRAS + len(key) + len(value), middle,
    flags, exptime)``, the key and the value.  If it was stored, the reply begins with *stored*,
    and is `STORED_SIZE` bytes long: the rest is the item's cas.
    """
    return cycle(_SET_FRAMES)
