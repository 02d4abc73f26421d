"""The grammars of replies: bytes -> replies, one function for each form that a reply can have.

The first word of a line never says how a reply goes on: that depends on the command it answers
(protocol.txt; ``END`` may end values, statistics, or nothing).  So there is no table from words to
replies here; a command names the one function that reads *its* reply, and any other form
is an error.

Each function takes the buffer and *progress*, a list which the connection keeps for the reply
that is being read: what the function has understood so far waits there for more bytes, and
nothing is parsed twice.
"""

from __future__ import annotations

from ._errors import LimitExceeded, ProtocolDesync, RemoteProtocolError
from ._replies import (
    NEED_DATA,
    ErrorReply,
    Item,
    MetaReply,
    Number,
    Stats,
    Status,
    Text,
    Values,
)
from ._tokens import U32, U64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any, TypeAlias

    from ._buffer import ReceiveBuffer
    from ._replies import NeedData

    # What a reader keeps between two attempts: finished parts, then perhaps a header that waits
    # for its block. Each reader knows what it has put there, and nobody else looks.
    Progress: TypeAlias = list[Any]

__all__ = ["Limits"]


class Limits:
    """How much of one reply is read before the peer is taken for broken.

    Attributes:
        max_line: bytes in one line.
        max_value: bytes in one value, or in all statistics of one reply.
        max_items: lines of statistics in one reply. (Items are bounded by the keys asked for.)
    """

    __slots__ = ("max_items", "max_line", "max_value")

    def __init__(self, max_line: int, max_value: int, max_items: int) -> None:
        self.max_line = max_line
        self.max_value = max_value
        self.max_items = max_items


def digits(token: bytes, highest: int = U64) -> int:
    """An unsigned decimal number: ASCII digits and nothing else, no longer than *highest* is.

    `int()` alone would take ``+5``, ``5_0`` and a hundred thousand digits as well.
    """
    if token.isdigit() and len(token) <= 20:
        number = int(token)
        if number <= highest:
            return number
    raise RemoteProtocolError(f"not a number up to {highest}: {token[:64]!r}")


ERROR_KINDS = frozenset([b"ERROR", b"CLIENT_ERROR", b"SERVER_ERROR"])


def read_status(
    buffer: ReceiveBuffer, expected: Mapping[bytes, Status], errors: Collection[bytes] = ERROR_KINDS
) -> Status | ErrorReply | NeedData:
    """One of the words that may answer the command. *errors* are the kinds of errors that may."""
    line = buffer.line()
    if line is None:
        return NEED_DATA
    status = expected.get(line)
    return status if status is not None else error_reply(line, errors)


def read_number(buffer: ReceiveBuffer) -> Number | Status | ErrorReply | NeedData:
    """A number, or ``NOT_FOUND``."""
    line = buffer.line()
    if line is None:
        return NEED_DATA
    if line.isdigit():
        return Number(digits(line))
    if line == b"NOT_FOUND":
        return Status.NOT_FOUND
    return error_reply(line)


def read_text(buffer: ReceiveBuffer) -> Text | ErrorReply | NeedData:
    """``VERSION`` and a text."""
    line = buffer.line()
    if line is None:
        return NEED_DATA
    if line.startswith(b"VERSION "):
        return Text(line[8:].decode("utf-8", "replace"))
    return error_reply(line)


def read_values(
    buffer: ReceiveBuffer,
    progress: Progress,
    limits: Limits,
    keys: Collection[bytes],
    with_cas: bool,
) -> Values | ErrorReply | NeedData:
    """``VALUE`` blocks up to ``END``: items under keys that were asked for, no more than those."""
    while True:
        if progress and not isinstance(progress[-1], Item):
            header: tuple[bytes, int, int, int | None] = progress[-1]
        else:
            line = buffer.line()
            if line is None:
                return NEED_DATA
            if line == b"END":
                return Values(progress)
            if not line.startswith(b"VALUE "):
                if progress:
                    raise ProtocolDesync(f"neither an item nor the end of them: {line[:64]!r}")
                return error_reply(line)
            if len(progress) == len(keys):
                raise ProtocolDesync(f"more items than the {len(keys)} keys asked for")
            header = value_header(line, limits, keys, with_cas)
            progress.append(header)
        key, flags, size, cas = header
        value = buffer.block(size)
        if value is None:
            return NEED_DATA
        progress[-1] = Item(key, flags, value, cas)


def value_header(
    line: bytes, limits: Limits, keys: Collection[bytes], with_cas: bool
) -> tuple[bytes, int, int, int | None]:
    words = line.split(b" ")
    if len(words) != (5 if with_cas else 4):
        raise ProtocolDesync(f"not the header of an item: {line[:64]!r}")
    key = words[1]
    if key not in keys:
        raise ProtocolDesync(f"an item under a key that was not asked for: {key!r}")
    size = digits(words[3])
    if size > limits.max_value:
        raise LimitExceeded(f"a value of {size} bytes; {limits.max_value} are allowed")
    return key, digits(words[2], U32), size, digits(words[4]) if with_cas else None


STATS_WORDS: Mapping[bytes, Status] = {b"OK": Status.OK, b"RESET": Status.RESET}


def read_stats(
    buffer: ReceiveBuffer, progress: Progress, limits: Limits
) -> Stats | Status | ErrorReply | NeedData:
    """``STAT name value`` lines up to ``END``; ``RESET`` or ``OK`` where the group is an order.

    ``ITEM`` and ``PREFIX`` lines (``cachedump``, ``detail dump``) are entries as well.
    """
    while True:
        line = buffer.line()
        if line is None:
            return NEED_DATA
        if line == b"END":
            return Stats(progress[1:])
        word, _, rest = line.partition(b" ")
        if word not in (b"STAT", b"ITEM", b"PREFIX"):
            if progress:
                raise ProtocolDesync(f"neither a statistic nor the end of them: {line[:64]!r}")
            status = STATS_WORDS.get(line)
            return status if status is not None else error_reply(line)
        if len(progress) > limits.max_items:
            raise LimitExceeded(f"more than {limits.max_items} lines of statistics")
        if not progress:
            progress.append(0)  # before the entries: how many bytes of lines they were
        progress[0] += len(line)
        if progress[0] > limits.max_value:
            raise LimitExceeded(f"more than {limits.max_value} bytes of statistics")
        name, _, value = rest.partition(b" ")
        progress.append((text_of(name), text_of(value)))


META_CODES = frozenset([b"HD", b"VA", b"EN", b"NF", b"NS", b"EX", b"ME", b"MN"])

# Return flags whose argument is a number, and the highest it can be.  A ttl of -1 (no expiry) is
# the only negative one; it may also be an underflow near 2**32: an item stored as expired.
_NUMBERS = {"c": U64, "f": U32, "h": 1, "l": U64, "s": U64, "t": U64}


def read_meta(
    buffer: ReceiveBuffer, progress: Progress, limits: Limits
) -> MetaReply | ErrorReply | NeedData:
    """A line with a meta code and flags, and the value where the code is ``VA``."""
    if progress:
        reply: MetaReply
        size: int
        reply, size = progress
    else:
        line = buffer.line()
        if line is None:
            return NEED_DATA
        words = line.split(b" ")
        code = words[0]
        if code not in META_CODES:
            return error_reply(line)
        if code == b"ME":
            return _debug_reply(words)
        if code != b"VA":
            return MetaReply(code.decode(), meta_flags(words[1:]))
        if len(words) < 2:
            raise RemoteProtocolError(f"a value of no size: {line[:64]!r}")
        size = digits(words[1])
        if size > limits.max_value:
            raise LimitExceeded(f"a value of {size} bytes; {limits.max_value} are allowed")
        reply = MetaReply("VA", meta_flags(words[2:]))
        progress += (reply, size)
    reply.value = buffer.block(size)
    return NEED_DATA if reply.value is None else reply


def meta_flags(words: list[bytes]) -> list[tuple[str, bytes | None]]:
    flags: list[tuple[str, bytes | None]] = []
    for word in words:
        if not word:
            continue  # servers before 1.6.18 leave a blank behind the last flag
        letter = word[:1].decode("latin-1")
        argument = word[1:] or None
        highest = _NUMBERS.get(letter)
        if highest is not None and word != b"t-1":
            digits(argument or b"", highest)
        flags.append((letter, argument))
    return flags


# The numbers in debug information. Some of them are negative on some servers.
_DEBUG_NUMBERS = frozenset([b"cas", b"cls", b"exp", b"la", b"size"])


def _debug_reply(words: list[bytes]) -> MetaReply:
    if len(words) < 2:
        raise RemoteProtocolError("debug information about no key")
    pairs: list[tuple[str, bytes | None]] = [("k", words[1])]
    for word in words[2:]:
        name, _, value = word.partition(b"=")
        if name in _DEBUG_NUMBERS:
            digits(value.removeprefix(b"-"))
        pairs.append((text_of(name), value))
    return MetaReply("ME", pairs)


def error_reply(line: bytes, errors: Collection[bytes] = ERROR_KINDS) -> ErrorReply:
    """The line as an error reply; what it is if nothing else fitted.

    Raises:
        ProtocolDesync: it is no error line either.
    """
    kind, _, message = line.partition(b" ")
    # Some servers put a colon behind the word ("SERVER_ERROR: shutdown not enabled").
    kind = kind.removesuffix(b":")
    if kind in errors:
        return ErrorReply(kind.decode(), message.decode("utf-8", "replace"))
    raise ProtocolDesync(f"not a reply to what was asked: {line[:64]!r}")


def text_of(data: bytes) -> str:
    """Names and values of statistics as text, whatever bytes a key has brought into them."""
    return data.decode("utf-8", "backslashreplace")


def is_error_line(line: bytes) -> bool:
    return line.split(b" ", 1)[0].removesuffix(b":") in ERROR_KINDS
