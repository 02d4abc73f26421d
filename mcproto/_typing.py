"""The few names of `typing` that are needed at run time, without importing it.

`typing` costs more to import than all the rest of mcproto together.  Checkers see the real thing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Generic as Generic
    from typing import TypeVar

    R_co = TypeVar("R_co", covariant=True)
    """What a command's reply means to the caller."""
else:
    R_co = object

    class Generic:
        __slots__ = ()

        def __class_getitem__(cls, _: object) -> type:
            return cls
