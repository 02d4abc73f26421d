"""JSON for what is neither bytes, str nor int.

Knows how to be exact with a format that is not: what JSON would quietly turn into something else
is refused, but for tuples, which come back as lists.
"""

from __future__ import annotations

from mcproto import InvalidArgument

from .._errors import ValueUnreadable
from ._plain import FLAG_JSON, PlainCodec, decoded, encoded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeAlias, TypeGuard

    Container: TypeAlias = dict[object, object] | list[object] | tuple[object, ...]

__all__ = ["JsonCodec"]


class JsonCodec:
    """Stores bytes, str and int as `PlainCodec` does, and all else as compact JSON (flags 64).

    That is None, bool, float, and lists, tuples and dicts of them, of str and of int.  A tuple
    comes back as a list, a subclass as its base, everything else as it was.
    """

    __slots__ = ("_decode", "_encode", "_plain")

    def __init__(self) -> None:
        import json  # not before somebody wants it: it brings re along

        # An encoder and a decoder of our own: json.dumps makes one for each call.
        self._encode = json.JSONEncoder(
            ensure_ascii=False, allow_nan=False, separators=(",", ":")
        ).encode
        self._decode = json.JSONDecoder(parse_constant=_refuse_constant).decode
        self._plain = PlainCodec()

    def serialize(self, value: object) -> tuple[bytes, int]:
        """The bytes and flags to store for *value*.

        Raises:
            TypeError: of a type that JSON does not have, or a dict with keys other than str.
            InvalidArgument: NaN, an infinity, an object that contains itself or nests too deeply,
                a str that UTF-8 cannot encode, an int of more than 4300 digits.
        """
        if isinstance(value, (bytes, str, int)) and not isinstance(value, bool):
            return self._plain.serialize(value)
        try:
            text = self._encode(value)
        except (ValueError, RecursionError) as error:
            raise InvalidArgument(f"value: {error}") from error
        except TypeError as error:
            raise TypeError(f'value: codec="json" does not take it: {error}') from error
        _check_keys(value)
        return encoded(text), FLAG_JSON

    def deserialize(self, data: bytes, flags: int) -> object:
        """The value that was stored as *data* with *flags*.

        Raises:
            ValueUnreadable: flags of another kind, or bytes that are not what the flags say.
        """
        if flags != FLAG_JSON:
            return self._plain.deserialize(data, flags)
        text = decoded(data)
        try:
            value: object = self._decode(text)
        except (ValueError, RecursionError) as error:
            raise ValueUnreadable(f"the flags say JSON, but: {error}") from error
        return value


def _check_keys(value: object) -> None:
    """Refuse dict keys that JSON would turn into str.

    Call it once *value* has been encoded: then it is known not to contain itself.
    """
    unchecked = [value] if _is_container(value) else []
    while unchecked:
        container = unchecked.pop()
        children: Iterable[object] = container
        if isinstance(container, dict):
            for key in container:
                if not isinstance(key, str):
                    raise TypeError(
                        'value: codec="json" takes dicts with str keys only,'
                        f" not {type(key).__name__}"
                    )
            children = container.values()
        unchecked += filter(_is_container, children)


def _is_container(value: object) -> TypeGuard[Container]:
    return isinstance(value, (dict, list, tuple))


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
