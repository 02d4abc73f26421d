"""What every binary command is: whose replies are its own, and how their parts are to be.

A reply is matched by opcode and opaque, its lengths by what the command can get, before a byte of
the body is waited for.  The commands themselves are in `binary` and `sasl`.
"""

from __future__ import annotations

from ._binary_frames import (
    HEADER,
    REQUEST,
    SUCCESS,
    error_of,
    read_body,
    read_header,
)
from ._command import Command
from ._errors import ErrorReplied, LimitExceeded, ProtocolDesync
from ._replies import NEED_DATA, NO_REPLY, BinaryReply
from ._tokens import U32, checked_bool, checked_int
from ._typing import R_co

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._binary_frames import Header
    from ._buffer import ReceiveBuffer
    from ._read_replies import Limits, Progress
    from ._replies import NeedData, NoReply, Reply

__all__ = ["BinaryCommand", "QuietCommand"]


class BinaryCommand(Command[R_co]):
    """A request in one frame.

    Attributes:
        opaque: 32 bits that come back with the reply.
        opcode: what the frame says it is.
    """

    __slots__ = ("is_barrier", "opaque", "opcode")

    protocol = "binary"

    opcodes: tuple[int, ...]
    """By the variant: plain, quiet, and where there are such, with the key, and both."""

    extras_sizes: tuple[int, ...] = (0,)
    """How many bytes of extras the reply may have if the command was obeyed."""

    value_sizes: tuple[int, ...] | None = (0,)
    """How long the value may be then; None: any length."""

    has_item: bool = False
    """Whether that value is an item's; else it is short, as lines are."""

    hidden: int = SUCCESS
    """The status that the quiet form does not send."""

    shown_key: bytes = b""
    """The key as it comes back, if that was asked for."""

    opaque: int
    opcode: int

    def __init__(self, *, opaque: int = 0) -> None:
        self.opaque = checked_int("opaque", opaque, 0, U32)
        self.complete()

    def complete(self) -> None:
        self.opcode = self.opcodes[self.quiet]
        # Every reply says whose it is, so one that is certain to come shows that all before it
        # have come.
        self.is_barrier = not self.quiet

    def frame(
        self, *, cas: int = 0, extras: bytes = b"", key: bytes = b"", value_size: int = 0
    ) -> bytes:
        """The request with these parts, but for the value."""
        key_size, extras_size = len(key), len(extras)
        body_size = extras_size + key_size + value_size
        head = HEADER.pack(
            REQUEST, self.opcode, key_size, extras_size, 0, 0, body_size, self.opaque, cas
        )
        return head + extras + key

    def encode(self) -> bytes:
        return self.frame()

    @property
    def is_named(self) -> bool:
        return bool(self.opaque or self.shown_key)

    def hides(self, reply: Reply) -> bool:
        return self.quiet and isinstance(reply, BinaryReply) and reply.status == self.hidden

    def is_answered_by(self, header: Header) -> bool:
        """Whether a reply that begins so says that it is for this command, or one just like it."""
        _, opcode, key_size, _, _, _, _, opaque, _ = header
        return (
            opcode == self.opcode and opaque == self.opaque and key_size in (0, len(self.shown_key))
        )

    def owns(self, reply: BinaryReply) -> bool:
        """Whether the reply is about this command's key, where it is about one."""
        return not reply.key or reply.key == self.shown_key

    def check(self, header: Header, limits: Limits) -> None:
        """Raise RemoteProtocolError if no reply to this command can begin so."""
        _, opcode, key_size, extras_size, _, status, body_size, opaque, _ = header
        if not self.is_answered_by(header):
            raise ProtocolDesync(
                f"{type(self).__name__}, opcode {self.opcode:#04x} and opaque {self.opaque:#x}, "
                f"answered with {opcode:#04x}, {opaque:#x} and a key of {key_size} bytes"
            )
        value_size = body_size - extras_size - key_size
        is_hidden = self.quiet and status == self.hidden
        if is_hidden or not self.fits(status, extras_size, key_size, value_size):
            raise ProtocolDesync(
                f"{type(self).__name__} answered with status {status:#04x}, {extras_size} bytes "
                f"of extras, {key_size} of key and {value_size} of value"
            )
        limit = limits.max_value if self.has_item and status == SUCCESS else limits.max_line
        if value_size > limit:
            raise LimitExceeded(f"a value of {value_size} bytes; {limit} are allowed")

    def fits(self, status: int, extras_size: int, key_size: int, value_size: int) -> bool:
        """Whether a reply with this status can have parts so long."""
        key_shown = len(self.shown_key)
        if status == SUCCESS:
            return (
                extras_size in self.extras_sizes
                and key_size == key_shown
                and (self.value_sizes is None or value_size in self.value_sizes)
            )
        # Words, or the key instead of them.
        return not extras_size and key_size in (0, key_shown)

    def read(
        self, buffer: ReceiveBuffer, progress: Progress, limits: Limits
    ) -> Reply | NoReply | NeedData:
        if not progress:
            header = read_header(buffer)
            if header is NEED_DATA:
                return NEED_DATA
            self.check(header, limits)
            progress.append(header)
        reply = read_body(buffer, progress, has_item=self.has_item)
        if reply is not NEED_DATA and not self.owns(reply):
            raise ProtocolDesync(f"{type(self).__name__} answered about another key: {reply.key!r}")
        return reply

    def can_get(self, reply: BinaryReply) -> bool:
        """Whether the reply's parts are such as a reply to this command has."""
        sizes = len(reply.extras), len(reply.key), len(reply.value)
        return self.fits(reply.status, *sizes) and self.owns(reply)

    def accepted(self, reply: Reply | NoReply, *also: int) -> BinaryReply:
        """The reply, if its status is 0 or one of these.

        Raises:
            ErrorReplied: its status is another.
            ProtocolDesync: this command cannot get it.
        """
        if (
            isinstance(reply, BinaryReply)
            and reply.status in (SUCCESS, *also)
            and self.can_get(reply)
        ):
            return reply
        raise self._unexpected(reply)

    def _unexpected(self, reply: Reply | NoReply) -> Exception:
        if isinstance(reply, BinaryReply) and reply.status != SUCCESS and self.can_get(reply):
            return ErrorReplied(error_of(reply))
        return super()._unexpected(reply)


class QuietCommand(BinaryCommand[R_co]):
    """A request that has a quiet twin."""

    __slots__ = ("quiet",)

    def __init__(self, *, quiet: bool = False, opaque: int = 0) -> None:
        self.quiet = checked_bool("quiet", quiet)
        super().__init__(opaque=opaque)

    def is_silence(self, reply: Reply | NoReply) -> bool:
        """Whether this is the usual outcome, which the quiet form is not told of."""
        return reply is NO_REPLY and self.quiet
