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
    from collections.abc import Mapping
    from typing import TypeAlias

    from ._replies import Status

    # Keys, flags, values, and uniques where there are any: of the items in the reply's order.
    Columns: TypeAlias = (
        tuple[list[bytes], list[int], list[bytes]]
        | tuple[list[bytes], list[int], list[bytes], list[int]]
    )

__all__ = ["MOST_PER_VALUE", "split_values", "split_words"]

MOST_PER_VALUE = 300
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
    found = words[1::width]
    if (
        len(words) != width * count
        or words[0] != b"VALUE"
        or words[width::width].count(b"\rVALUE") != count - 1
        or not keys.issuperset(found)
        or b"\rVALUE" in keys
    ):
        return None
    try:
        if _numbers(words[3::width]) != list(map(len, values)):
            return None
        flags = _numbers(words[2::width])
        if not with_cas:
            return found, flags, values
        return found, flags, values, [digits(word, U64) for word in words[4::width]]
    except RemoteProtocolError:
        return None


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
