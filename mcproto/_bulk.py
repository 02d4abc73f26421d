"""Replies of many parts, read with a few operations on all of them instead of a few on each.

Each function takes a whole reply and reads one form of it, the usual one; anything else is None,
and the plain grammar decides what it is (`_read_replies`, which is also what the tests compare
these with).  benchmarks/parse.py shows what they save.
"""

from __future__ import annotations

from ._errors import RemoteProtocolError
from ._read_replies import digits
from ._tokens import U32, U64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    from ._replies import Status

    # Keys, flags, values, and uniques where there are any: of the items in the reply's order.
    Columns: TypeAlias = (
        tuple[list[bytes], list[int], list[bytes]]
        | tuple[list[bytes], list[int], list[bytes], list[int]]
    )

__all__ = ["MOST_PER_VALUE", "split_alike", "split_columns", "split_values", "split_words"]

MOST_PER_VALUE = 400
"""Above so many bytes an item, splitting looks for line ends in too many bytes of values."""


class _Numbers(dict[bytes, int]):
    """Digits -> the number; flags and lengths are few and come again and again. Bounded."""

    __slots__ = ()

    def __missing__(self, token: bytes) -> int:
        number = digits(token, U32)
        if len(self) < 1024:
            self[token] = number
        return number


_number = _Numbers().__getitem__


def split_values(received: bytes, keys: frozenset[bytes], with_cas: bool) -> Columns | None:
    """``VALUE`` blocks of these keys and the ``END`` behind them, if *received* is no more.

    Splitting at every CR LF is right although values may hold one: the first header ends at the
    first CR LF; its value, up to the next one, is as long as announced, so that the next header
    begins where it must; and so on.
    """
    columns = split_columns(received, with_cas)
    if columns is None or not keys.issuperset(columns[0]) or b"\rVALUE" in keys:
        return None
    return columns


def split_columns(received: bytes, with_cas: bool = False) -> Columns | None:
    """The same, under whatever keys. That of none begins with a CR is for the caller to know."""
    parts = received.split(b"\r\n")
    if len(parts) < 2 or len(parts) % 2 or parts[-1] or parts[-2] != b"END":
        return None
    if len(parts) == 2:
        return ([], [], [], []) if with_cas else ([], [], [])
    values = parts[1:-2:2]
    count = len(values)
    # A header cannot lend words to its neighbour: where one begins is marked by a CR, which can
    # be in no other word of it.
    width = 5 if with_cas else 4
    words = b" \r".join(parts[:-2:2]).split(b" ")
    if (
        len(words) != width * count
        or words[0] != b"VALUE"
        or words[width::width].count(b"\rVALUE") != count - 1
    ):
        return None
    try:
        if _numbers(words[3::width]) != list(map(len, values)):
            return None
        flags = _numbers(words[2::width])
        if not with_cas:
            return words[1::width], flags, values
        uniques = [digits(word, U64) for word in words[4::width]]
        return words[1::width], flags, values, uniques
    except RemoteProtocolError:
        return None


class _Tails(dict[bytes, tuple[int, int]]):
    """What stands behind the key in a header -> flags and size. Bounded; (-1, -1): no header's."""

    __slots__ = ()

    def __missing__(self, tail: bytes) -> tuple[int, int]:
        meaning = -1, -1
        words = tail.split(b" ")
        if len(words) == 3 and not words[0]:
            try:
                meaning = digits(words[1], U32), digits(words[2])
            except RemoteProtocolError:
                pass
        if len(self) < 1024:
            self[tail] = meaning
        return meaning


_meaning = _Tails().__getitem__


def split_alike(
    received: bytes, keys: Sequence[bytes], length: int
) -> tuple[int, list[bytes]] | None:
    """The flags, and the values of these keys, if all are there and alike in flags and size.

    Two thirds of what `split_values` takes, and next to nothing where they are not alike: then the
    whole is not as long as that would make it.

    Args:
        length: of all the keys together.
    """
    count = len(keys)
    head = received[6 : received.find(b"\r\n")]
    tail = head[len(keys[0]) :]
    flags, size = _meaning(tail)
    each = len(tail) + 2 + size + 8
    if len(received) != 6 + length + count * each - 8 + 7:
        return None
    items = received[6:-7].split(b"\r\nVALUE ")
    if (
        len(items) != count
        or size < 0
        or not received.startswith(b"VALUE ")
        or not received.endswith(b"\r\nEND\r\n")
    ):
        return None
    tail += b"\r\n"
    values = list(map(bytes.removeprefix, items, [key + tail for key in keys]))
    # All are as long as they must be, and so is the whole: so each has lost its own header.
    return (flags, values) if {*map(len, values)} == {size} else None


def _numbers(words: list[bytes]) -> list[int]:
    first = words[0]
    if words.count(first) == len(words):
        return [_number(first)] * len(words)
    return list(map(_number, words))


def split_words(
    received: bytes, count: int, words: Mapping[bytes, Status]
) -> tuple[Status, ...] | None:
    """*count* lines of one of the *words* each, if *received* is that and no more."""
    end = received.find(b"\r\n")
    if end < 0:
        return None
    first = words.get(received[:end])
    if first is not None and received == received[: end + 2] * count:
        return (first,) * count
    lines = received.split(b"\r\n")
    if len(lines) != count + 1 or lines.pop():
        return None
    try:
        return tuple(map(words.__getitem__, lines))
    except KeyError:
        return None
