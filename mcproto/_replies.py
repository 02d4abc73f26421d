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
    "BinaryReply",
    "Closed",
    "ErrorReply",
    "Item",
    "Lines",
    "MetaReply",
    "NeedData",
    "NoReply",
    "Number",
    "Replies",
    "Reply",
    "Stats",
    "Status",
    "StreamLine",
    "Text",
    "UnplacedError",
    "UnplacedReply",
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
else:
    # For annotations that are looked at when the program runs.
    NeedData = NoReply = Closed = Marker


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
    END = b"END"

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


class StreamLine(Record):
    """One line of an answer that comes line by line: to a `Stream`, or an `admin.Watch`.

    Attributes:
        line: the whole line, but for its ending.
    """

    __slots__ = ("line",)
    __match_args__ = ("line",)

    def __init__(self, line: bytes) -> None:
        self.line = line


class Lines(Record):
    """The answer to a dump: all its lines, each without its ending."""

    __slots__ = ("lines",)
    __match_args__ = ("lines",)

    def __init__(self, lines: Iterable[bytes] = ()) -> None:
        self.lines = tuple(lines)


class ErrorReply(Record):
    """An error line.

    Attributes:
        kind: its first word: ``"ERROR"``, ``"CLIENT_ERROR"`` or ``"SERVER_ERROR"``; some
            commands of `admin` have more, such as ``"BUSY"``.
        message: what follows, possibly nothing.
        status: of a binary reply, its number; of a line, None. (Not compared.)
    """

    __slots__ = ("kind", "message", "status")
    __match_args__ = ("kind", "message")

    def __init__(self, kind: str, message: str = "", *, status: int | None = None) -> None:
        self.kind = kind
        self.message = message
        self.status = status


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


class BinaryReply(Record):
    """The answer to a binary command, but for a `binary.Stat` that was obeyed.

    Opcode and opaque are not here: they are those of the command, or it would be no answer to it.
    So a reply that has come from one server can be given to whoever has asked another.

    Attributes:
        status: 0 done, 1 no such key, ...: see the names in `binary`.
        cas: the item's unique (64 bit); 0 where the command has none to show.
        extras: what stands before the key: an item's flags, as four bytes.
        key: the item's key, where it was asked for.
        value: the item's value; the new number, as eight bytes; the words for an error.
    """

    __slots__ = ("cas", "extras", "key", "status", "value")
    __match_args__ = ("status", "cas", "extras", "key", "value")

    def __init__(
        self,
        status: int = 0,
        *,
        cas: int = 0,
        extras: bytes = b"",
        key: bytes = b"",
        value: bytes = b"",
    ) -> None:
        self.status = status
        self.cas = cas
        self.extras = extras
        self.key = key
        self.value = value


class UnplacedError(ErrorReply):
    """An error line that may be this command's, or another's that is given it too.

    Error lines carry neither key nor opaque token.  One that several quiet commands can have got is
    given to each of them: some of them have failed, and the others are done.
    """

    __slots__ = ()


class UnplacedReply(MetaReply):
    """A refusal that may be this command's, or another's that is given it too.

    So it is with quiet commands that ask neither for their key (``k``) nor for an opaque token
    (``O``): some of them were refused, and the others are done.
    """

    __slots__ = ()


class LoudReply(MetaReply):
    """An answer that is sent though its code is one that the command's quiet form does not send.

    For servers that imitate one that does so: `mcproto.ServerConnection` sends it.
    """

    __slots__ = ()


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
        closes: it is the last request that is read: close once it has been answered.
    """

    __slots__ = ("closes", "noreply", "removes", "reply")
    __match_args__ = ("reply",)

    def __init__(
        self,
        reply: ErrorReply,
        *,
        noreply: bool = False,
        removes: bytes | None = None,
        closes: bool = False,
    ) -> None:
        self.reply = reply
        self.noreply = noreply
        self.removes = removes
        self.closes = closes


Reply: TypeAlias = (
    Values
    | Status
    | Number
    | Text
    | Stats
    | StreamLine
    | Lines
    | ErrorReply
    | MetaReply
    | BinaryReply
    | Replies
)
