"""Plain values with named fields: equal when alike, and telling when printed.

A `Record` names its fields once, in ``__match_args__`` (so that ``match`` understands it too).
What `dataclasses` would give, at a fifth of its import time and without its cost at creation.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Record"]


_LONG = 80
_MANY = 10
_BYTES = (bytes, bytearray, memoryview, str)
_SEVERAL = (tuple,)


class Record:
    """Base of replies and commands: equality, hash and repr by field."""

    __slots__ = ()
    __match_args__: tuple[str, ...] = ()

    def _fields(self) -> tuple[object, ...]:
        return tuple([getattr(self, name) for name in self.__match_args__])

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        assert isinstance(other, Record)
        return self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash((type(self), self._fields()))

    def __repr__(self) -> str:
        # None and False are what an option is that was not given: a meta command has a dozen.
        fields = zip(self.__match_args__, self._fields(), strict=True)
        said = [
            f"{name}={shown(field)}"
            for name, field in fields
            if field is not None and field is not False
        ]
        return f"{type(self).__name__}({', '.join(said)})"


def shown(field: Any) -> str:
    """A field for people. Of what is long, the beginning: a value may have 64 MiB."""
    if type(field) in _BYTES:
        start = field[:_LONG] if type(field) is not memoryview else bytes(field[:_LONG])
        return f"{start!r}... ({len(field)} in all)" if len(field) > _LONG else repr(start)
    if type(field) in _SEVERAL:
        said = [shown(part) for part in field[:_MANY]]
        if len(field) > _MANY:
            said.append(f"... ({len(field)} in all)")
        return f"({', '.join(said)}{',' if len(field) == 1 else ''})"
    return repr(field)
