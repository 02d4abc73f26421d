"""From Python values to bytes and flags, and back.

Knows what may be stored, and what the flags of an item say about its bytes.  Refuses to execute
anything that it reads: whoever can write to a memcached server can plant what he likes there.
"""

from __future__ import annotations

from mcproto import InvalidArgument

from ._json import JsonCodec
from ._plain import PlainCodec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object  # typing is dear to import, and no use at run time

__all__ = ["Codec", "JsonCodec", "PlainCodec", "build"]


class Codec(Protocol):
    """Turns values into what memcached stores, and back.

    Any object with these two methods serves; there is nothing to inherit.  With the two codecs
    that come with the library, flags 0 means "the bytes as they are": a client may hand those
    out without asking the codec.  A codec of your own is asked about every item.
    """

    def serialize(self, value: object) -> tuple[bytes, int]:
        """The bytes to store for *value*, and the item's flags (0 to 2**32 - 1).

        Raises:
            TypeError: not a type that this codec takes.
            ValueError: such a value cannot be stored.
        """
        ...

    def deserialize(self, data: bytes, flags: int) -> object:
        """The value that was stored as *data* with *flags*.

        Raises:
            ValueUnreadable: this codec does not know the flags, or the bytes do not fit them.
        """


def build(codec: str | Codec) -> Codec:
    """The codec of this name (``"plain"`` or ``"json"``), or *codec* itself if it is one.

    Raises:
        InvalidArgument: no codec of that name.
        TypeError: neither a name nor an object with `serialize` and `deserialize`.
    """
    if isinstance(codec, str):
        if codec == "plain":
            return PlainCodec()
        if codec == "json":
            return JsonCodec()
        raise InvalidArgument(f"codec: there is no {codec!r}, only 'plain', 'json'")
    if isinstance(codec, type):
        raise TypeError(f"codec must be an object, not a class: {codec.__name__}()?")
    methods = (getattr(codec, "serialize", None), getattr(codec, "deserialize", None))
    if not all(map(callable, methods)):
        raise TypeError(
            "codec must be 'plain', 'json' or an object with serialize() and deserialize(),"
            f" not {type(codec).__name__}"
        )
    return codec
