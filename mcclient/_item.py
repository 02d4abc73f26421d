"""What `gets` gives."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    class CasItem(NamedTuple):
        """A found item with what `Client.cas` needs.

        Attributes:
            key: as the caller wrote it.
            value: as the codec reads it.
            flags: the 32 bits stored beside the value.
            cas: the item's unique; pass it to `Client.cas`.
        """

        key: str | bytes
        value: object
        flags: int
        cas: int

else:
    # typing.NamedTuple costs more to import than all of this package.
    from collections import namedtuple

    CasItem = namedtuple("CasItem", ("key", "value", "flags", "cas"))
    CasItem.__doc__ = "A found item with what `Client.cas` needs: key, value, flags, cas."

__all__ = ["CasItem"]
