"""bytes, str and int, told apart by the flags that other Python clients use too.

Knows three types and refuses the rest, rather than guess what a caller meant.
"""

from __future__ import annotations

from mcproto import InvalidArgument

from .._errors import ValueUnreadable

__all__ = ["FLAG_INT", "FLAG_JSON", "FLAG_TEXT", "PlainCodec"]

FLAG_TEXT = 16
FLAG_INT = 2
_FLAG_LONG = 4  # what pylibmc stores ints as
FLAG_JSON = 64  # ours: the bits below are taken, by pickle, int, long, zlib, text and marshal

# Python's own limit, kept where it has been lifted: int() takes quadratic time, so that a planted
# value could stall its reader.
_MAX_DIGITS = 4300

_ELSEWHERE = (
    (1, "a pickle, which could run code and is never read"),
    (8, "compressed by zlib, which is not read"),
    (FLAG_JSON, 'JSON, which codec="json" reads'),
)


class PlainCodec:
    """Stores bytes (flags 0), str as UTF-8 (16) and int as decimal digits (2), and nothing else.

    Subclasses are stored, and come back, as their base; bool is not taken for an int.  Reads the
    ints of other clients too (4), and counters, which memcached pads with spaces at the end.
    """

    __slots__ = ()

    def serialize(self, value: object) -> tuple[bytes, int]:
        """The bytes and flags to store for *value*.

        Raises:
            TypeError: neither bytes, str nor int.
            InvalidArgument: a str that UTF-8 cannot encode, or an int of more than 4300 digits.
        """
        if isinstance(value, bytes):
            return bytes(value), 0
        if isinstance(value, str):
            return encoded(value), FLAG_TEXT
        if isinstance(value, int) and not isinstance(value, bool):
            return _decimal(value), FLAG_INT
        raise TypeError(
            'value must be bytes, str or int with codec="plain",'
            f' not {type(value).__name__}; codec="json" takes more'
        )

    def deserialize(self, data: bytes, flags: int) -> bytes | str | int:
        """The value that was stored as *data* with *flags*.

        Raises:
            ValueUnreadable: flags of another kind, or bytes that are not what the flags say.
        """
        if flags == 0:
            return data
        if flags == FLAG_TEXT:
            return decoded(data)
        if flags in (FLAG_INT, _FLAG_LONG):
            return _int(data)
        raise ValueUnreadable(_unknown(flags))


def encoded(text: str) -> bytes:
    """*text* as UTF-8."""
    try:
        return str.encode(text)  # a subclass may have another idea of encode
    except UnicodeEncodeError as error:
        raise InvalidArgument(f"value: UTF-8 has no bytes for it ({error.reason})") from error


def decoded(data: bytes) -> str:
    """The text that *data* is in UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ValueUnreadable(
            f"the flags say text, but this is not UTF-8 ({error.reason})"
        ) from error


def _decimal(number: int) -> bytes:
    try:
        digits = int.__repr__(number)  # an enum's own would be its name
    except ValueError as error:
        raise InvalidArgument(f"value: {error}") from error
    if len(digits.removeprefix("-")) > _MAX_DIGITS:
        raise InvalidArgument(f"value: an int of more than {_MAX_DIGITS} digits")
    return digits.encode()


def _int(data: bytes) -> int:
    # Stricter than int(): that takes "+1", "1_000" and any white space as well.
    number = data.rstrip(b" ")
    digits = number.removeprefix(b"-")
    if digits.isdigit() and len(digits) <= _MAX_DIGITS:
        try:
            return int(number)
        except ValueError as error:  # the interpreter was told of a lower limit
            raise ValueUnreadable(f"the flags say int, but: {error}") from error
    raise ValueUnreadable(f"the flags say int, but this is no decimal number ({len(data)} bytes)")


def _unknown(flags: int) -> str:
    meant = [f"{bit} means {meaning}" for bit, meaning in _ELSEWHERE if flags & bit]
    return f"flags {flags} are not known to this codec" + "".join(f"; {each}" for each in meant)
