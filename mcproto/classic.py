"""The classic commands: their bytes, the grammar of their replies, and what those mean.

As in memcached's protocol.txt.  Knows nothing of connections; meta commands are in `meta`, and
both may be mixed on one text connection.

A *key* is str (as UTF-8) or bytes: see `mcproto.checked_key`.  A *value* is bytes, or any buffer,
which is copied.  *flags* are 32 bits for the client, which come back with the item.  An *exptime*
of 0 is never; up to 30 days (2592000) are seconds from now, more is a Unix time, less is at once.
What is out of its range raises `InvalidKey` or `InvalidArgument`, and of another type a TypeError.

A command with ``noreply`` has the result None: the server says nothing, so nobody knows.
"""

from __future__ import annotations

from ._bulk import MOST_PER_VALUE, split_values
from ._command import COUNTING_ERRORS, STORING_ERRORS, Command
from ._errors import InvalidArgument, InvalidKey
from ._parts import in_parts
from ._read_replies import STATS_WORDS, read_number, read_stats, read_status, read_text, read_values
from ._replies import NO_REPLY, Item, Number, Status, Text, Values
from ._replies import Stats as StatsReply
from ._streams import LineForm
from ._tokens import (
    I32,
    U32,
    U64,
    checked_bool,
    checked_int,
    checked_key,
    checked_value,
    checked_words,
)
from ._typing import R_co

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ._buffer import ReceiveBuffer
    from ._read_replies import Limits, Progress
    from ._replies import ErrorReply, NeedData, NoReply, Reply

__all__ = [
    "Add",
    "Append",
    "Cas",
    "Decr",
    "Delete",
    "FlushAll",
    "Gat",
    "GatMany",
    "Gats",
    "GatsMany",
    "Get",
    "GetMany",
    "Gets",
    "GetsMany",
    "Incr",
    "Prepend",
    "Quit",
    "Replace",
    "Set",
    "Stats",
    "Touch",
    "Verbosity",
    "Version",
]


def checked_exptime(exptime: int) -> int:
    """An expiry as the server reads it: 31 bits and a sign.

    0 is never; up to 30 days (2592000) seconds from now; above that a Unix time; negative is
    at once.  Longer numbers are refused: servers wrap them silently (some to "never").
    """
    return checked_int("exptime", exptime, -I32 - 1, I32)


# ------------------------------------------------------------------------------------- retrieval


class _Retrieval(Command[R_co]):
    """``get`` and its kin."""

    __slots__ = ()

    verb: bytes


class _RetrievalOfOne(_Retrieval["Item | None"]):
    __slots__ = ("key",)
    __match_args__: tuple[str, ...] = ("key",)

    is_read = True

    def __init__(self, key: str | bytes) -> None:
        self.key = checked_key(key)

    def encode(self) -> bytes:
        return b"%b %b\r\n" % (self.verb, self.key)

    def read(
        self, buffer: ReceiveBuffer, progress: Progress, limits: Limits
    ) -> Values | ErrorReply | NeedData:
        return read_values(buffer, progress, limits, (self.key,), self.with_cas)

    def result(self, reply: Reply | NoReply) -> Item | None:
        if isinstance(reply, Values):
            if not reply.items:
                return None
            if len(reply.items) == 1 and reply.items[0].key == self.key:
                return reply.items[0]
        raise self._unexpected(reply)


class Get(_RetrievalOfOne):
    """``get``: the item under a key, or None."""

    __slots__ = ()
    verb = b"get"


class Gets(_RetrievalOfOne):
    """``gets``: the item under a key with its cas unique, or None."""

    __slots__ = ()
    verb = b"gets"
    with_cas = True


class _RetrievalOfMany(_Retrieval["dict[bytes, Item]"]):
    __slots__ = ("_key_set", "keys")
    __match_args__: tuple[str, ...] = ("keys",)

    is_read = True

    def __init__(self, keys: Iterable[str | bytes]) -> None:
        if isinstance(keys, (str, bytes)):
            raise TypeError("keys must be several keys, not one")
        self.keys = tuple(map(checked_key, keys))
        if not self.keys:
            raise InvalidArgument("keys is empty: servers differ in what they answer to that")
        self.complete()

    def complete(self) -> None:
        # Whose items may come back. The tuple itself would be searched once an item.
        self._key_set: _KeySet | None = None

    def encode(self) -> bytes:
        return b"%b %b\r\n" % (self.verb, b" ".join(self.keys))

    def read(
        self, buffer: ReceiveBuffer, progress: Progress, limits: Limits
    ) -> Values | ErrorReply | NeedData:
        keys = self._key_set
        if keys is None:
            self._key_set = keys = _KeySet(self.keys)
        if not progress and limits.max_line >= _LONGEST_HEADER:
            received = buffer.only_piece()
            most = min(MOST_PER_VALUE * len(keys), limits.max_value)
            if len(received) <= most and received.endswith(b"END\r\n"):
                columns = split_values(received, keys.members, self.with_cas)
                if columns is not None and len(columns[0]) <= len(keys):
                    buffer.clear()
                    return Values(map(Item, *columns))
        return read_values(buffer, progress, limits, keys, self.with_cas)

    def result(self, reply: Reply | NoReply) -> dict[bytes, Item]:
        if isinstance(reply, Values):
            return {item.key: item for item in reply.items}
        raise self._unexpected(reply)


# A key of 250 bytes and three numbers of 20 digits.
_LONGEST_HEADER = 330


class _KeySet(tuple[bytes, ...]):
    """Keys in order, as many as were given, but looked up by hash."""

    members: frozenset[bytes]

    def __new__(cls, keys: tuple[bytes, ...]) -> _KeySet:
        self = super().__new__(cls, keys)
        self.members = frozenset(keys)
        return self

    def __contains__(self, key: object) -> bool:
        return key in self.members


class GetMany(_RetrievalOfMany):
    """``get`` with several keys: the items that are there, by key.

    A line may be as long as you like for memcached; other servers take 16 KB or 1024 keys.
    """

    __slots__ = ()
    verb = b"get"


class GetsMany(_RetrievalOfMany):
    """``gets`` with several keys: the items that are there, with their cas uniques."""

    __slots__ = ()
    verb = b"gets"
    with_cas = True


class Gat(_RetrievalOfOne):
    """``gat``: the item under a key, which gets a new expiry."""

    __slots__ = ("exptime",)
    __match_args__ = ("key", "exptime")
    verb = b"gat"
    is_read = False

    def __init__(self, key: str | bytes, exptime: int) -> None:
        super().__init__(key)
        self.exptime = checked_exptime(exptime)

    def encode(self) -> bytes:
        return b"%b %d %b\r\n" % (self.verb, self.exptime, self.key)


class Gats(Gat):
    """``gats``: as `Gat`, with the cas unique."""

    __slots__ = ()
    verb = b"gats"
    with_cas = True


class GatMany(_RetrievalOfMany):
    """``gat`` with several keys: the items that are there, which all get a new expiry."""

    __slots__ = ("exptime",)
    __match_args__ = ("keys", "exptime")
    verb = b"gat"
    is_read = False

    def __init__(self, keys: Iterable[str | bytes], exptime: int) -> None:
        super().__init__(keys)
        self.exptime = checked_exptime(exptime)

    def encode(self) -> bytes:
        return b"%b %d %b\r\n" % (self.verb, self.exptime, b" ".join(self.keys))


class GatsMany(GatMany):
    """``gats`` with several keys: as `GatMany`, with the cas uniques."""

    __slots__ = ()
    verb = b"gats"
    with_cas = True


# -------------------------------------------------------------------------- commands of one word


class _Worded(Command[R_co]):
    """A command that is answered by one of a few words, or by silence where it asked for that."""

    __slots__ = ("noreply",)

    # All of this kind have some.
    words: Mapping[bytes, Status]  # pyright: ignore[reportIncompatibleVariableOverride]

    def read(
        self, buffer: ReceiveBuffer, progress: Progress, limits: Limits
    ) -> Reply | NoReply | NeedData:
        return NO_REPLY if self.noreply else read_status(buffer, self.words)

    @property
    def _ending(self) -> bytes:
        return b" noreply\r\n" if self.noreply else b"\r\n"


def _by_word(*statuses: Status) -> dict[bytes, Status]:
    return {status.value: status for status in statuses}


class _YesOrNo(_Worded["bool | None"]):
    """One word for yes, perhaps one for no. After noreply it is None: nobody knows."""

    __slots__ = ()
    yes: Status

    def result(self, reply: Reply | NoReply) -> bool | None:
        if reply is self.yes:
            return True
        if isinstance(reply, Status) and reply.value in self.words:
            return False
        if reply is NO_REPLY and self.noreply:
            return None
        raise self._unexpected(reply)


class _Storage(_YesOrNo):
    __slots__ = ("exptime", "flags", "key", "value")
    __match_args__ = ("key", "value", "flags", "exptime", "noreply")

    verb: bytes
    yes = Status.STORED
    words = _by_word(Status.STORED, Status.NOT_STORED)
    has_block = True
    own_errors = STORING_ERRORS

    def __init__(
        self,
        key: str | bytes,
        value: bytes,
        *,
        flags: int = 0,
        exptime: int = 0,
        noreply: bool = False,
    ) -> None:
        self.key = checked_key(key)
        self.value = checked_value(value)
        self.flags = checked_int("flags", flags, 0, U32)
        self.exptime = checked_exptime(exptime)
        self.noreply = checked_bool("noreply", noreply)

    @property
    def value_size(self) -> int:
        return len(self.value)

    def _head(self) -> bytes:
        head = (self.verb, self.key, self.flags, self.exptime, len(self.value), self._ending)
        return b"%b %b %d %d %d%b" % head

    def encode(self) -> bytes:
        return b"%b%b\r\n" % (self._head(), self.value)

    def encode_parts(self) -> tuple[bytes, ...]:
        return in_parts(self._head(), self.value)


class Set(_Storage):
    """``set``: store, whatever was there. True: stored."""

    __slots__ = ()
    verb = b"set"


class Add(_Storage):
    """``add``: store if nothing is there. False: something is."""

    __slots__ = ()
    verb = b"add"


class Replace(_Storage):
    """``replace``: store if something is there. False: nothing is."""

    __slots__ = ()
    verb = b"replace"


class Append(_Storage):
    """``append``: put behind what is there. False: nothing is. The item keeps flags and expiry."""

    __slots__ = ()
    verb = b"append"


class Prepend(_Storage):
    """``prepend``: put before what is there. False: nothing is. The item keeps flags and expiry."""

    __slots__ = ()
    verb = b"prepend"


class Cas(_Worded["Status | None"]):
    """``cas``: store if the item is still the one with this unique.

    The result is a `Status`: ``STORED``, ``EXISTS`` (changed since) or ``NOT_FOUND`` (gone).
    """

    __slots__ = ("cas", "exptime", "flags", "key", "value")
    __match_args__ = ("key", "value", "cas", "flags", "exptime", "noreply")

    words = _by_word(Status.STORED, Status.EXISTS, Status.NOT_FOUND, Status.NOT_STORED)
    has_block = True
    own_errors = STORING_ERRORS

    def __init__(
        self,
        key: str | bytes,
        value: bytes,
        cas: int,
        *,
        flags: int = 0,
        exptime: int = 0,
        noreply: bool = False,
    ) -> None:
        self.key = checked_key(key)
        self.value = checked_value(value)
        self.cas = checked_int("cas", cas, 0, U64)
        self.flags = checked_int("flags", flags, 0, U32)
        self.exptime = checked_exptime(exptime)
        self.noreply = checked_bool("noreply", noreply)

    @property
    def value_size(self) -> int:
        return len(self.value)

    def _head(self) -> bytes:
        head = (self.key, self.flags, self.exptime, len(self.value), self.cas, self._ending)
        return b"cas %b %d %d %d %d%b" % head

    def encode(self) -> bytes:
        return b"%b%b\r\n" % (self._head(), self.value)

    def encode_parts(self) -> tuple[bytes, ...]:
        return in_parts(self._head(), self.value)

    def result(self, reply: Reply | NoReply) -> Status | None:
        if isinstance(reply, Status) and reply.value in self.words:
            return reply
        if reply is NO_REPLY and self.noreply:
            return None
        raise self._unexpected(reply)


class _KeyedWorded(_YesOrNo):
    __slots__ = ("key",)

    def __init__(self, key: str | bytes, noreply: bool) -> None:
        self.key = checked_key(key)
        self.noreply = checked_bool("noreply", noreply)


class Delete(_KeyedWorded):
    """``delete``. False: it was not there."""

    __slots__ = ()
    __match_args__ = ("key", "noreply")

    yes = Status.DELETED
    words = _by_word(Status.DELETED, Status.NOT_FOUND)

    def __init__(self, key: str | bytes, *, noreply: bool = False) -> None:
        super().__init__(key, noreply)
        if self.key == b"noreply":
            # As the last word of the line it may be taken for the option (1.6.40 and later).
            raise InvalidKey("a key named 'noreply' can be deleted by meta.Delete only")

    def encode(self) -> bytes:
        return b"delete %b%b" % (self.key, self._ending)


class Touch(_KeyedWorded):
    """``touch``: a new expiry. False: nothing is there."""

    __slots__ = ("exptime",)
    __match_args__ = ("key", "exptime", "noreply")

    yes = Status.TOUCHED
    words = _by_word(Status.TOUCHED, Status.NOT_FOUND)

    def __init__(self, key: str | bytes, exptime: int, *, noreply: bool = False) -> None:
        super().__init__(key, noreply)
        self.exptime = checked_exptime(exptime)

    def encode(self) -> bytes:
        return b"touch %b %d%b" % (self.key, self.exptime, self._ending)


# ------------------------------------------------------------------------------------ arithmetic


class _Arithmetic(Command["int | None"]):
    __slots__ = ("delta", "key", "noreply")
    __match_args__ = ("key", "delta", "noreply")

    verb: bytes
    own_errors = COUNTING_ERRORS

    def __init__(self, key: str | bytes, delta: int = 1, *, noreply: bool = False) -> None:
        self.key = checked_key(key)
        self.delta = checked_int("delta", delta, 0, U64)
        self.noreply = checked_bool("noreply", noreply)

    def encode(self) -> bytes:
        ending = b" noreply\r\n" if self.noreply else b"\r\n"
        return b"%b %b %d%b" % (self.verb, self.key, self.delta, ending)

    def read(
        self, buffer: ReceiveBuffer, progress: Progress, limits: Limits
    ) -> Reply | NoReply | NeedData:
        return NO_REPLY if self.noreply else read_number(buffer)

    def result(self, reply: Reply | NoReply) -> int | None:
        if isinstance(reply, Number):
            return reply.value
        if reply is Status.NOT_FOUND or (reply is NO_REPLY and self.noreply):
            return None
        raise self._unexpected(reply)


class Incr(_Arithmetic):
    """``incr``: the new number, wrapped at 2**64, or None: nothing is there (or noreply)."""

    __slots__ = ()
    verb = b"incr"


class Decr(_Arithmetic):
    """``decr``: the new number, never below 0, or None: nothing is there (or noreply).

    A number that gets shorter is stored with blanks behind it: ``10`` minus 1 is ``9`` and a
    blank to whoever gets it.
    """

    __slots__ = ()
    verb = b"decr"


# --------------------------------------------------------------------------------- the server's


class FlushAll(_YesOrNo):
    """``flush_all``: what is stored now becomes invisible, *delay* seconds from now."""

    __slots__ = ("delay",)
    __match_args__ = ("delay", "noreply")

    yes = Status.OK
    words = _by_word(Status.OK)

    def __init__(self, delay: int = 0, *, noreply: bool = False) -> None:
        self.delay = checked_int("delay", delay, 0, I32)
        self.noreply = checked_bool("noreply", noreply)

    def encode(self) -> bytes:
        # Some servers know the form without a delay only.
        delay = b" %d" % self.delay if self.delay else b""
        return b"flush_all%b%b" % (delay, self._ending)


class Verbosity(_YesOrNo):
    """``verbosity``: how much the server writes to its log."""

    __slots__ = ("level",)
    __match_args__ = ("level", "noreply")

    yes = Status.OK
    words = _by_word(Status.OK)

    def __init__(self, level: int, *, noreply: bool = False) -> None:
        self.level = checked_int("level", level, 0, U32)
        self.noreply = checked_bool("noreply", noreply)

    def encode(self) -> bytes:
        return b"verbosity %d%b" % (self.level, self._ending)


class Version(Command[str]):
    """``version``: the server's version as text. The cheapest question every server answers."""

    __slots__ = ()

    is_read = True
    is_barrier = True

    def encode(self) -> bytes:
        return b"version\r\n"

    def read(
        self, buffer: ReceiveBuffer, progress: Progress, limits: Limits
    ) -> Text | ErrorReply | NeedData:
        return read_text(buffer)

    def result(self, reply: Reply | NoReply) -> str:
        if isinstance(reply, Text):
            return reply.text
        raise self._unexpected(reply)


class Stats(Command["dict[str, str]"]):
    """``stats``: the server's statistics, or those of a group (``items``, ``settings``, ...).

    A group that is an order (``reset``, ``detail on``) has an empty result.  In a `Stream` the
    statistics come one by one.
    """

    __slots__ = ("group", "is_read")
    __match_args__ = ("group",)

    line_form = LineForm((b"STAT ", b"ITEM ", b"PREFIX "), instead=STATS_WORDS)

    def __init__(self, group: str | None = None) -> None:
        self.group = None if group is None else checked_words("group", group)
        self.complete()

    def complete(self) -> None:
        self.is_read = self.group is None or self.group.split(" ")[0] not in ("reset", "detail")

    @property
    def word(self) -> str:
        """What the lines of the answer begin with."""
        words = () if self.group is None else tuple(self.group.split(" "))
        if words[:1] == ("cachedump",):
            return "ITEM"
        return "PREFIX" if words[:2] == ("detail", "dump") else "STAT"

    def encode(self) -> bytes:
        return b"stats\r\n" if self.group is None else b"stats %b\r\n" % self.group.encode()

    def read(self, buffer: ReceiveBuffer, progress: Progress, limits: Limits) -> Reply | NeedData:
        return read_stats(buffer, progress, limits)

    def result(self, reply: Reply | NoReply) -> dict[str, str]:
        if isinstance(reply, StatsReply):
            return reply.entries
        if reply is Status.RESET or reply is Status.OK:
            return {}
        raise self._unexpected(reply)


class Quit(Command[None]):
    """``quit``: the server closes the connection, without a word."""

    __slots__ = ()
    noreply = True
    is_last = True

    def encode(self) -> bytes:
        return b"quit\r\n"

    def read(self, buffer: ReceiveBuffer, progress: Progress, limits: Limits) -> NoReply | NeedData:
        return NO_REPLY

    def result(self, reply: Reply | NoReply) -> None:
        if reply is not NO_REPLY:
            raise self._unexpected(reply)
