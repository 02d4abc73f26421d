"""A client's values: what is stored for them, and what is made of what is found.

Knows the order of things: serialize, compress, sign; and back.  How each is done is in
`mcclient.values`; a subclass of the client may serialize in a way of its own.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, cast

from .._errors import ValueUnreadable
from ..values._pylibmc import (
    TEXT,
    ZLIB,
    compressed,
    deserialized,
    inflated,
    is_pickle,
    quick_readers,
    serialized,
)
from ._arguments import U32
from ._errors import CacheMiss, Error, PickleRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeAlias

    from ..values._pickles import Pickles
    from ._behaviors import Behaviors

    # Methods of a subclass, not bound: bound ones would be a cycle, and connections wait for no
    # garbage collector.
    Serialize: TypeAlias = Callable[[Any, object], object]
    Deserialize: TypeAlias = Callable[[Any, bytes, int], object]

__all__ = ["Values"]

_BYTES = {0}
_TEXT = {TEXT}


class Values:
    """How the values of a client are stored.

    Args:
        own_serialize, own_deserialize: a subclass' methods, None where it has none.

    Attributes:
        dumps: what makes pickles, if that is all that is done to them; else None.
        readers: `read` for those flags for which it is no more than this.
    """

    __slots__ = ("_behaviors", "_pickles", "dumps", "own_deserialize", "own_serialize", "readers")

    def __init__(
        self,
        pickles: Pickles,
        behaviors: Behaviors,
        own_serialize: Serialize | None,
        own_deserialize: Deserialize | None,
    ) -> None:
        self._pickles = pickles
        self._behaviors = behaviors
        self.own_serialize = own_serialize
        self.own_deserialize = own_deserialize
        is_plain = pickles.are_allowed() and own_serialize is None
        self.dumps = pickle.dumps if is_plain else None
        self.readers = quick_readers(pickles) if own_deserialize is None else {}

    def serialize(self, value: object) -> tuple[bytes, int]:
        """Bytes and flags, as pylibmc has them."""
        return serialized(value, self._pickles, self._behaviors["pickle_protocol"])

    def deserialize(self, data: bytes, flags: int) -> object:
        """The value, as pylibmc has it."""
        try:
            return deserialized(data, flags, self._pickles)
        except ValueUnreadable as error:
            raise (PickleRefused if is_pickle(flags) else Error)(str(error)) from error

    def packed(
        self, owner: object, wire: bytes, value: object, shortest: int, level: int
    ) -> tuple[bytes, int]:
        """What is stored for *value* under the key *wire*.

        Args:
            owner: the client.
            shortest, level: of what length on it is compressed (0: never), and how well.
        """
        if self.own_serialize is None:
            data, flags = self.serialize(value)
        else:
            data, flags = _checked(self.own_serialize(owner, value))
        if shortest and level and len(data) >= shortest:
            data, flags = compressed(data, flags, level)
        if is_pickle(flags):
            data = self._pickles.seal(wire, flags, data)
        return data, flags

    def read(self, owner: object, wire: bytes, data: bytes, flags: int) -> object:
        """The value of what was stored under the key *wire*.

        Raises:
            CacheMiss: a subclass says that it is as good as not there.
        """
        if is_pickle(flags):
            if not data:
                raise TypeError("a bytes-like object is required, not 'NoneType'")
            try:
                data = self._pickles.unseal(wire, flags, data)
            except ValueUnreadable as error:
                raise PickleRefused(str(error)) from error
        if flags & ZLIB:
            try:
                data = inflated(data)
            except ValueUnreadable as error:
                raise Error(str(error)) from error
        if self.own_deserialize is not None:
            return self.own_deserialize(owner, data, flags)
        return self.deserialize(data, flags)

    def read_all(
        self,
        owner: object,
        result: dict[Any, object],
        name_of: Callable[[bytes], Any],
        keys: Sequence[bytes],
        flags: Sequence[int],
        datas: Sequence[bytes],
    ) -> None:
        """The values of many items, into *result*."""
        kinds: object = {*flags} if self.own_deserialize is None else None
        if kinds == _BYTES:
            result.update(zip(map(name_of, keys), datas, strict=True))
        elif kinds == _TEXT:
            result.update(zip(map(name_of, keys), map(bytes.decode, datas), strict=True))
        else:
            for key, kind, data in zip(keys, flags, datas, strict=True):
                try:
                    result[name_of(key)] = self.read(owner, key, data, kind)
                except CacheMiss:
                    pass


def _checked(result: object) -> tuple[bytes, int]:
    """What a subclass' `serialize` has given."""
    if not isinstance(result, tuple) or len(cast("tuple[object, ...]", result)) != 2:
        raise ValueError("serialize() must return (bytes, flags)")
    data, flags = cast("tuple[object, object]", result)
    if not isinstance(flags, int):
        raise ValueError("serialize() must return (bytes, flags)")
    if not isinstance(data, bytes):
        raise TypeError(f"expected bytes, {type(data).__name__} found")
    return bytes(data), int(flags) & U32
