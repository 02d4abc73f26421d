"""The binary commands: their bytes, the grammar of their replies, and what those mean.

As in memcached's protocol_binary.txt; memcached has called the protocol deprecated since 1.6.0,
and still speaks it.  A binary connection carries nothing else.

A quiet command hears only what is not the usual outcome: of retrievals the hits, of all others the
failures.  Replies say whose they are by the *opaque* (and the key, with *with_key*), so quiet
commands that are on their way together need opaques of their own: a reply that could answer
several of them breaks the connection, since neither an item nor a failure is given by guess.

Where the result is a `Status`, it is the reply's status by its name: ``STORED`` or ``DELETED``,
``NOT_FOUND``, ``EXISTS`` (another cas; of `Add` also: something is there), ``NOT_STORED``. All
other statuses raise `ErrorReplied`, whose reply has the number as ``status``.

Keys are checked as in the other dialects, so that an item can be had in each of them.  An *exptime*
is unsigned here: 0 is never, up to 30 days (2592000) are seconds from now, and more is a Unix
time, so what must expire at once is given one in the past, such as 2592001.
"""

from __future__ import annotations

from struct import Struct

from ._binary_command import BinaryCommand, QuietCommand
from ._binary_frames import (
    AUTH_CONTINUE,
    AUTH_ERROR,
    BUSY,
    INTERNAL_ERROR,
    INVALID_ARGUMENTS,
    KEY_EXISTS,
    KEY_NOT_FOUND,
    NON_NUMERIC,
    NOT_STORED,
    NOT_SUPPORTED,
    OUT_OF_MEMORY,
    SUCCESS,
    TEMPORARY_FAILURE,
    TOO_LARGE,
    UNKNOWN_COMMAND,
    WRONG_VBUCKET,
    read_body,
    read_header,
)
from ._errors import InvalidArgument, LimitExceeded, ProtocolDesync
from ._parts import gathered
from ._read_replies import text_of
from ._replies import NEED_DATA, NO_REPLY, BinaryReply, Item, Status
from ._replies import Stats as StatsReply
from ._tokens import (
    U32,
    U64,
    checked_bool,
    checked_int,
    checked_key,
    checked_value,
    checked_words,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._binary_frames import Header
    from ._buffer import ReceiveBuffer
    from ._read_replies import Limits, Progress
    from ._replies import NeedData, NoReply, Reply

__all__ = [
    "AUTH_CONTINUE",
    "AUTH_ERROR",
    "BUSY",
    "INTERNAL_ERROR",
    "INVALID_ARGUMENTS",
    "KEY_EXISTS",
    "KEY_NOT_FOUND",
    "NON_NUMERIC",
    "NOT_STORED",
    "NOT_SUPPORTED",
    "OUT_OF_MEMORY",
    "SUCCESS",
    "TEMPORARY_FAILURE",
    "TOO_LARGE",
    "UNKNOWN_COMMAND",
    "WRONG_VBUCKET",
    "Add",
    "Append",
    "Decr",
    "Delete",
    "Flush",
    "Gat",
    "Get",
    "Incr",
    "Noop",
    "Prepend",
    "Quit",
    "Replace",
    "Set",
    "Stat",
    "Touch",
    "Version",
]

_U32 = Struct(">I")
_STORING = Struct(">II")
_COUNTING = Struct(">QQI")

NO_CREATION = U32
"""The exptime that keeps a counter from being created."""


# ------------------------------------------------------------------------------------- retrieval


class Get(QuietCommand["Item | None"]):
    """GET: the item under a key with its cas unique, or None.

    Args:
        key: str (as UTF-8) or bytes.
        quiet: a miss is not answered.
        with_key: the reply has the key, a miss too.
        opaque: 32 bits that come back with the reply.
    """

    __slots__ = ("key", "shown_key", "with_key")
    __match_args__: tuple[str, ...] = ("key", "quiet", "with_key", "opaque")

    opcodes = (0x00, 0x09, 0x0C, 0x0D)
    extras_sizes = (4,)
    value_sizes = None
    has_item = True
    hidden = KEY_NOT_FOUND

    is_read = True
    with_cas = True

    def __init__(
        self, key: str | bytes, *, quiet: bool = False, with_key: bool = False, opaque: int = 0
    ) -> None:
        self.key = checked_key(key)
        self.with_key = checked_bool("with_key", with_key)
        super().__init__(quiet=quiet, opaque=opaque)

    def complete(self) -> None:
        super().complete()
        self.opcode = self.opcodes[self.quiet + 2 * self.with_key]
        self.shown_key = self.key if self.with_key else b""

    def encode(self) -> bytes:
        return self.frame(key=self.key)

    def result(self, reply: Reply | NoReply) -> Item | None:
        if self.is_silence(reply):
            return None
        answer = self.accepted(reply, KEY_NOT_FOUND)
        if answer.status != SUCCESS:
            return None
        flags = int.from_bytes(answer.extras, "big")
        return Item(self.key, flags, answer.value, answer.cas)


class Gat(Get):
    """GAT: the item under a key, which gets a new expiry."""

    __slots__ = ("exptime",)
    __match_args__ = ("key", "exptime", "quiet", "with_key", "opaque")

    opcodes = (0x1D, 0x1E, 0x23, 0x24)
    is_read = False

    def __init__(
        self,
        key: str | bytes,
        exptime: int,
        *,
        quiet: bool = False,
        with_key: bool = False,
        opaque: int = 0,
    ) -> None:
        self.exptime = checked_int("exptime", exptime, 0, U32)
        super().__init__(key, quiet=quiet, with_key=with_key, opaque=opaque)

    def encode(self) -> bytes:
        return self.frame(extras=_U32.pack(self.exptime), key=self.key)


# ----------------------------------------------------------------- commands that end with a status


_FAILURES = {
    KEY_NOT_FOUND: Status.NOT_FOUND,
    KEY_EXISTS: Status.EXISTS,
    NOT_STORED: Status.NOT_STORED,
}


class _Stating(QuietCommand["Status | None"]):
    """A command whose result is a status; None if it is quiet and nothing came."""

    __slots__ = ("cas", "key")

    done = Status.STORED

    def __init__(self, key: str | bytes, *, cas: int, quiet: bool, opaque: int) -> None:
        self.key = checked_key(key)
        self.cas = checked_int("cas", cas, 0, U64)
        super().__init__(quiet=quiet, opaque=opaque)

    def result(self, reply: Reply | NoReply) -> Status | None:
        if self.is_silence(reply):
            return None
        answer = self.accepted(reply, *_FAILURES)
        return self.done if answer.status == SUCCESS else _FAILURES[answer.status]


class _Valued(_Stating):
    """One that carries a value."""

    __slots__ = ("value",)
    __match_args__: tuple[str, ...] = ("key", "value", "cas", "quiet", "opaque")

    def __init__(
        self,
        key: str | bytes,
        value: bytes,
        *,
        cas: int = 0,
        quiet: bool = False,
        opaque: int = 0,
    ) -> None:
        self.value = checked_value(value)
        super().__init__(key, cas=cas, quiet=quiet, opaque=opaque)

    def extras(self) -> bytes:
        return b""

    def head(self) -> bytes:
        """The request, but for the value."""
        size = len(self.value)
        return self.frame(cas=self.cas, extras=self.extras(), key=self.key, value_size=size)

    @property
    def value_size(self) -> int:
        return len(self.value)

    def encode(self) -> bytes:
        return self.head() + self.value

    def encode_parts(self) -> tuple[bytes, ...]:
        return gathered((self.head(), self.value))


class _Storage(_Valued):
    __slots__ = ("exptime", "flags")
    __match_args__ = ("key", "value", "flags", "exptime", "cas", "quiet", "opaque")

    def __init__(
        self,
        key: str | bytes,
        value: bytes,
        *,
        flags: int = 0,
        exptime: int = 0,
        cas: int = 0,
        quiet: bool = False,
        opaque: int = 0,
    ) -> None:
        self.flags = checked_int("flags", flags, 0, U32)
        self.exptime = checked_int("exptime", exptime, 0, U32)
        super().__init__(key, value, cas=cas, quiet=quiet, opaque=opaque)

    def extras(self) -> bytes:
        return _STORING.pack(self.flags, self.exptime)


class Set(_Storage):
    """SET: store, whatever was there; with a *cas*, only if the item is still that one."""

    __slots__ = ()
    opcodes = (0x01, 0x11)


class Add(_Storage):
    """ADD: store if nothing is there, else ``EXISTS``.

    With a *cas* memcached takes it for a SET with one: nothing there is ``NOT_FOUND``.
    """

    __slots__ = ()
    opcodes = (0x02, 0x12)


class Replace(_Storage):
    """REPLACE: store if something is there (with a *cas*: that one), else ``NOT_FOUND``."""

    __slots__ = ()
    opcodes = (0x03, 0x13)


class Append(_Valued):
    """APPEND: put behind what is there, else ``NOT_STORED``. The item keeps flags and expiry."""

    __slots__ = ()
    opcodes = (0x0E, 0x19)


class Prepend(_Valued):
    """PREPEND: put before what is there, else ``NOT_STORED``. The item keeps flags and expiry."""

    __slots__ = ()
    opcodes = (0x0F, 0x1A)


class Delete(_Stating):
    """DELETE: ``DELETED``, ``NOT_FOUND``, or ``EXISTS``, since its cas is not the one given."""

    __slots__ = ()
    __match_args__ = ("key", "cas", "quiet", "opaque")

    opcodes = (0x04, 0x14)
    done = Status.DELETED

    def __init__(
        self, key: str | bytes, *, cas: int = 0, quiet: bool = False, opaque: int = 0
    ) -> None:
        super().__init__(key, cas=cas, quiet=quiet, opaque=opaque)

    def encode(self) -> bytes:
        return self.frame(cas=self.cas, key=self.key)


# ------------------------------------------------------------------------------------ arithmetic


class _Arithmetic(QuietCommand["int | None"]):
    """Counting.

    Args:
        key: str (as UTF-8) or bytes.
        delta: by how much.
        initial: what the counter is if nothing is there yet, *delta* not applied; None: it is
            not created.
        exptime: the expiry of one that is created; none other gets it.
        cas: count only if the item is still the one with this unique; 0: any.
        quiet: success is not answered.
        opaque: 32 bits that come back with the reply.

    Raises (from `result`):
        ErrorReplied: also if the item has another cas unique (`KEY_EXISTS`).
    """

    __slots__ = ("cas", "delta", "exptime", "initial", "key")
    __match_args__ = ("key", "delta", "initial", "exptime", "cas", "quiet", "opaque")

    value_sizes = (8,)

    def __init__(
        self,
        key: str | bytes,
        delta: int = 1,
        *,
        initial: int | None = None,
        exptime: int = 0,
        cas: int = 0,
        quiet: bool = False,
        opaque: int = 0,
    ) -> None:
        self.key = checked_key(key)
        self.delta = checked_int("delta", delta, 0, U64)
        self.initial = None if initial is None else checked_int("initial", initial, 0, U64)
        self.exptime = checked_int("exptime", exptime, 0, NO_CREATION - 1)
        if initial is None and exptime:
            raise InvalidArgument("exptime goes with initial: only a new counter gets it")
        self.cas = checked_int("cas", cas, 0, U64)
        super().__init__(quiet=quiet, opaque=opaque)

    def encode(self) -> bytes:
        if self.initial is None:
            extras = _COUNTING.pack(self.delta, 0, NO_CREATION)
        else:
            extras = _COUNTING.pack(self.delta, self.initial, self.exptime)
        return self.frame(cas=self.cas, extras=extras, key=self.key)

    def result(self, reply: Reply | NoReply) -> int | None:
        if self.is_silence(reply):
            return None
        answer = self.accepted(reply, KEY_NOT_FOUND)
        return int.from_bytes(answer.value, "big") if answer.status == SUCCESS else None


class Incr(_Arithmetic):
    """INCREMENT: the new number, wrapped at 2**64; None: nothing is there (or quiet, and done)."""

    __slots__ = ()
    opcodes = (0x05, 0x15)


class Decr(_Arithmetic):
    """DECREMENT: the new number, never below 0; None: nothing is there (or quiet, and done)."""

    __slots__ = ()
    opcodes = (0x06, 0x16)


# ------------------------------------------------------------------------------------ yes, or no


class Touch(BinaryCommand[bool]):
    """TOUCH: a new expiry. False: nothing is there."""

    __slots__ = ("exptime", "key")
    __match_args__ = ("key", "exptime", "opaque")

    opcodes = (0x1C,)
    extras_sizes = (4, 0)  # memcached shows the flags, without the specification's asking

    def __init__(self, key: str | bytes, exptime: int, *, opaque: int = 0) -> None:
        self.key = checked_key(key)
        self.exptime = checked_int("exptime", exptime, 0, U32)
        super().__init__(opaque=opaque)

    def encode(self) -> bytes:
        return self.frame(extras=_U32.pack(self.exptime), key=self.key)

    def result(self, reply: Reply | NoReply) -> bool:
        return self.accepted(reply, KEY_NOT_FOUND).status == SUCCESS


class Flush(QuietCommand["bool | None"]):
    """FLUSH: what is stored now becomes invisible, *delay* seconds from now. None: quiet, and done.

    A server that has it switched off refuses it with `AUTH_ERROR`.
    """

    __slots__ = ("delay",)
    __match_args__ = ("delay", "quiet", "opaque")

    opcodes = (0x08, 0x18)

    def __init__(self, delay: int = 0, *, quiet: bool = False, opaque: int = 0) -> None:
        self.delay = checked_int("delay", delay, 0, U32)
        super().__init__(quiet=quiet, opaque=opaque)

    def encode(self) -> bytes:
        return self.frame(extras=_U32.pack(self.delay) if self.delay else b"")

    def result(self, reply: Reply | NoReply) -> bool | None:
        return None if self.is_silence(reply) else self.accepted(reply).status == SUCCESS


class Quit(QuietCommand[None]):
    """QUIT: the server answers and closes the connection; if *quiet*, without the answer."""

    __slots__ = ("noreply",)
    __match_args__ = ("quiet", "opaque")

    opcodes = (0x07, 0x17)
    is_last = True

    def complete(self) -> None:
        super().complete()
        self.noreply = self.quiet

    def read(
        self, buffer: ReceiveBuffer, progress: Progress, limits: Limits
    ) -> Reply | NoReply | NeedData:
        return NO_REPLY if self.quiet else super().read(buffer, progress, limits)

    def result(self, reply: Reply | NoReply) -> None:
        if not self.is_silence(reply):
            self.accepted(reply)


class Noop(BinaryCommand[Status]):
    """NOOP: ``OK``; whatever was sent before it has been answered by then."""

    __slots__ = ()
    __match_args__ = ("opaque",)

    opcodes = (0x0A,)
    is_read = True

    def result(self, reply: Reply | NoReply) -> Status:
        self.accepted(reply)
        return Status.OK


# ------------------------------------------------------------------------------------------ words


class Version(BinaryCommand[str]):
    """VERSION: the server's version as text. It is answered before authentication, too."""

    __slots__ = ()
    __match_args__ = ("opaque",)

    opcodes = (0x0B,)
    value_sizes = None
    is_read = True

    def result(self, reply: Reply | NoReply) -> str:
        return self.accepted(reply).value.decode("utf-8", "replace")


class Stat(BinaryCommand["dict[str, str]"]):
    """STAT: the server's statistics, or those of a group (``items``, ``settings``, ...).

    A group that is an order (``reset``) has an empty result, one that is unknown is an error.
    """

    __slots__ = ("group", "is_read")
    __match_args__ = ("group", "opaque")

    opcodes = (0x10,)
    has_item = True  # a statistic may be as long as a value; and so may all of them together

    def __init__(self, group: str | None = None, *, opaque: int = 0) -> None:
        self.group = None if group is None else checked_words("group", group)
        super().__init__(opaque=opaque)

    def complete(self) -> None:
        super().complete()
        self.is_read = self.group is None or self.group.split(" ")[0] not in ("reset", "detail")

    def encode(self) -> bytes:
        # What a server has heard may be no UTF-8.
        return self.frame(key=(self.group or "").encode("utf-8", "surrogateescape"))

    def is_answered_by(self, header: Header) -> bool:
        return header[1] == self.opcode and header[7] == self.opaque

    def fits(self, status: int, extras_size: int, key_size: int, value_size: int) -> bool:
        if status == SUCCESS:
            return not extras_size and (key_size > 0 or not value_size)
        return super().fits(status, extras_size, key_size, value_size)

    def can_get(self, reply: BinaryReply) -> bool:
        # One that was obeyed is `Stats`, however few they are.
        return reply.status != SUCCESS and super().can_get(reply)

    def read(
        self, buffer: ReceiveBuffer, progress: Progress, limits: Limits
    ) -> Reply | NoReply | NeedData:
        # The header of a frame that is not whole, or None; then the size of all statistics; then
        # the statistics.
        while True:
            header: Header | None = progress[0] if progress else None
            if header is None:
                begun = read_header(buffer)
                if begun is NEED_DATA:
                    return NEED_DATA
                self.check(begun, limits)
                progress[:1] = [begun]
                header = begun
            frame = read_body(buffer, [header])
            if frame is NEED_DATA:
                return NEED_DATA
            progress[0] = None
            if len(progress) == 1:
                if frame.status != SUCCESS:
                    return frame
                progress.append(0)
            elif frame.status != SUCCESS:
                raise ProtocolDesync(f"neither a statistic nor the end of them: {frame!r}")
            if not frame.key:
                return StatsReply(progress[2:])
            if len(progress) == limits.max_items + 2:
                raise LimitExceeded(f"more than {limits.max_items} statistics")
            progress[1] += len(frame.key) + len(frame.value)
            if progress[1] > limits.max_value:
                raise LimitExceeded(f"more than {limits.max_value} bytes of statistics")
            progress.append((text_of(frame.key), text_of(frame.value)))

    def result(self, reply: Reply | NoReply) -> dict[str, str]:
        if isinstance(reply, StatsReply):
            return reply.entries
        raise self._unexpected(reply)
