"""Replies as values, and the markers that `next_event()` gives beside them.

What a server can say in the text protocol, once it has been read whole.  Knows nothing of bytes
on the wire (`_read_replies` reads them, `_write_replies` writes them), nor which reply answers
which command (each command knows that of itself).
"""

from __future__ import annotations

from enum import Enum

from ._record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Final, Literal, TypeAlias

__all__ = [
    "CLOSED",
    "NEED_DATA",
    "NO_REPLY",
    "BadRequest",
    "ErrorReply",
    "Item",
    "MetaReply",
    "Number",
    "Replies",
    "Reply",
    "Stats",
    "Status",
    "Text",
    "Values",
]


class Marker(Enum):
    """The three things that `next_event()` can say instead of a reply or a command."""

    NEED_DATA = "NEED_DATA"
    NO_REPLY = "NO_REPLY"
    CLOSED = "CLOSED"

    def __repr__(self) -> str:
        return self.value


NEED_DATA: Final = Marker.NEED_DATA
NO_REPLY: Final = Marker.NO_REPLY
CLOSED: Final = Marker.CLOSED

if TYPE_CHECKING:
    NeedData: TypeAlias = Literal[Marker.NEED_DATA]
    NoReply: TypeAlias = Literal[Marker.NO_REPLY]
    Closed: TypeAlias = Literal[Marker.CLOSED]


class Status(Enum):
    """One fixed word, all there is to the reply. The value is the word as it stands on the wire."""

    STORED = b"STORED"
    NOT_STORED = b"NOT_STORED"
    EXISTS = b"EXISTS"
    NOT_FOUND = b"NOT_FOUND"
    DELETED = b"DELETED"
    TOUCHED = b"TOUCHED"
    OK = b"OK"
    RESET = b"RESET"

    def __repr__(self) -> str:
        return f"Status.{self.name}"


class Item(Record):
    """One stored thing, as ``get`` finds it.

    Attributes:
        key: as stored, bytes.
        flags: the 32 bits that the storing client put beside the value.
        value: bytes.
        cas: the item's unique (64 bit), or None where it was not asked for.
    """

    __slots__ = ("cas", "flags", "key", "value")
    __match_args__ = ("key", "flags", "value", "cas")

    def __init__(self, key: bytes, flags: int, value: bytes, cas: int | None = None) -> None:
        self.key = key
        self.flags = flags
        self.value = value
        self.cas = cas


class Values(Record):
    """The answer to ``get`` and its kin: the items that were found, in the server's order."""

    __slots__ = ("items",)
    __match_args__ = ("items",)

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self.items = tuple(items)


class Number(Record):
    """The answer to ``incr`` and ``decr``: what the item holds now (64 bit, unsigned)."""

    __slots__ = ("value",)
    __match_args__ = ("value",)

    def __init__(self, value: int) -> None:
        self.value = value


class Text(Record):
    """The answer to ``version``."""

    __slots__ = ("text",)
    __match_args__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class Stats(Record):
    """The answer to ``stats``: name -> value, both as text, in the server's order."""

    __slots__ = ("entries",)
    __match_args__ = ("entries",)

    def __init__(self, entries: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        self.entries: dict[str, str] = dict(entries)

    __hash__ = None  # type: ignore[assignment]  # holds a dict


class ErrorReply(Record):
    """An error line.

    Attributes:
        kind: its first word: ``"ERROR"``, ``"CLIENT_ERROR"`` or ``"SERVER_ERROR"``.
        message: what follows, possibly nothing.
    """

    __slots__ = ("kind", "message")
    __match_args__ = ("kind", "message")

    def __init__(self, kind: str, message: str = "") -> None:
        self.kind = kind
        self.message = message


class MetaReply(Record):
    """The answer to a meta command.

    Attributes:
        code: two letters: ``HD`` done, ``VA`` a value follows, ``EN`` a miss, ``NF`` not found,
            ``NS`` not stored, ``EX`` cas does not match, ``ME`` debug, ``MN`` no-op.
        flags: (letter, argument or None) pairs in the server's order; arguments are bytes.  Of
            ``ME`` they are its (name, value) pairs, the key first, under the letter ``k``.
        value: the value's bytes where the code is ``VA``, else None.
    """

    __slots__ = ("code", "flags", "value")
    __match_args__ = ("code", "flags", "value")

    def __init__(
        self,
        code: str,
        flags: Iterable[tuple[str, bytes | None]] = (),
        value: bytes | None = None,
    ) -> None:
        self.code = code
        self.flags = tuple(flags)
        self.value = value

    def __contains__(self, letter: str) -> bool:
        """Whether the server gave this flag."""
        return any(name == letter for name, _ in self.flags)

    def argument(self, letter: str) -> bytes | None:
        """The argument of a flag; None where the flag is absent, ``b""`` where it has none."""
        for name, argument in self.flags:
            if name == letter:
                return b"" if argument is None else argument
        return None

    def number(self, letter: str) -> int | None:
        """The argument of a flag as a number; None where the flag is absent.

        The number has been checked when the reply was read.
        """
        argument = self.argument(letter)
        return None if argument is None else int(argument)


class Replies(Record):
    """The answers to a `Flight`, one for each of its commands; NO_REPLY for the silent ones."""

    __slots__ = ("replies",)
    __match_args__ = ("replies",)

    def __init__(self, replies: Iterable[Reply | NoReply]) -> None:
        self.replies = tuple(replies)


class BadRequest(Record):
    """What `ServerConnection` makes of bytes that are no command it knows.

    Attributes:
        reply: the error line to answer with: ``connection.send(bad.reply)``.
        noreply: the request asked for silence, so that `send` makes no bytes of it.
        removes: the key of an item that has to go all the same, or None.  A value too large to
            be read is not stored, but memcached no longer has the old one after it either.
    """

    __slots__ = ("noreply", "removes", "reply")
    __match_args__ = ("reply",)

    def __init__(
        self, reply: ErrorReply, *, noreply: bool = False, removes: bytes | None = None
    ) -> None:
        self.reply = reply
        self.noreply = noreply
        self.removes = removes


Reply: TypeAlias = Values | Status | Number | Text | Stats | ErrorReply | MetaReply | Replies
