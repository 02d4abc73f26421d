"""What every command is, whatever its dialect.

A command is one request: its bytes, the grammar of its reply, and what that reply means.  It
holds no state of any conversation; `ClientConnection` does.
"""

from __future__ import annotations

from ._buffer import ReceiveBuffer
from ._errors import ErrorReplied, ProtocolDesync
from ._read_replies import ERROR_KINDS, Limits
from ._record import Record
from ._replies import NEED_DATA, NO_REPLY, ErrorReply, Status, StreamLine
from ._tokens import checked_received
from ._typing import Generic, R_co

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal, Self

    from ._read_replies import Progress
    from ._replies import MetaReply, NeedData, NoReply, Reply
    from ._streams import LineForm

__all__ = ["MAX_ITEMS", "MAX_LINE", "MAX_VALUE", "Command"]

MAX_LINE = 8192
"""The longest reply line that is read, in bytes. memcached's own lines stay below 1024."""

MAX_VALUE = 64 << 20
"""The largest value that is sent or read, in bytes."""

MAX_ITEMS = 100_000
"""The most lines of statistics, or of a dump, that are read in one reply."""

DEFAULT_LIMITS = Limits(MAX_LINE, MAX_VALUE, MAX_ITEMS)

# Error texts that say what they answer. All others may answer anything.
STORING_ERRORS = frozenset(
    ["object too large for cache", "out of memory storing object", "bad data chunk"]
)
COUNTING_ERRORS = frozenset(["cannot increment or decrement non-numeric value"])
VAGUE_FLAG_ERRORS = frozenset(["invalid or duplicate flag"])
_SPEAKING_ERRORS = STORING_ERRORS | COUNTING_ERRORS | VAGUE_FLAG_ERRORS


class Command(Record, Generic[R_co]):
    """One request, and what its reply means.

    Every token is checked at construction, so an object that exists can be sent.  Commands are
    values: equal when alike, and not to be changed once made.

    Attributes:
        is_read: it changes nothing on the server, so it may be asked twice.
        protocol: the protocol of the connection that it is for: ``"text"`` or ``"binary"``.
        is_barrier: once it is answered, nothing can be outstanding from before.
        noreply: the server answers nothing, not even that it failed (most of the time).
        quiet: the server answers only what is not the usual outcome.
        with_cas: the items that answer it come with their cas uniques.
        is_flight: it is several commands, which must not be mixed up with what was sent before.
        is_stream: its reply comes as several events.
        is_alone: servers want nothing before it that is not answered, and may lose what is sent
            behind it before it is answered itself.
        is_watch: once it is answered with OK, nothing is sent any more, and what comes is a log.
        authenticates: it says who is there, and is always answered. (In text it is a set, which
            stores nothing.)
        may_close: the server may close the connection instead of an answer, and has then obeyed.
        error_kinds: the first words of the error lines that may answer it.
        line_form: how the lines look that it is answered by, if it is answered so.
        is_last: the server closes the connection after it, so nothing can be sent behind it.
        words: all lines that may answer it but error lines, if each is one fixed word.
        has_block: it carries a data block, which a server that refuses it may read as lines.
        own_errors: the texts of errors that only commands of its kind can get.
    """

    __slots__ = ()

    protocol: Literal["text", "binary"] = "text"
    is_read: bool = False
    is_barrier: bool = False
    noreply: bool = False
    quiet: bool = False
    with_cas: bool = False
    is_flight: bool = False
    is_stream: bool = False
    is_alone: bool = False
    is_watch: bool = False
    authenticates: bool = False
    may_close: bool = False
    error_kinds: frozenset[bytes] = ERROR_KINDS
    line_form: LineForm | None = None
    is_last: bool = False
    words: Mapping[bytes, Status] | None = None
    has_block: bool = False
    own_errors: frozenset[str] = frozenset()

    @classmethod
    def received(cls, **fields: object) -> Self:
        """For the server's ear: a command as it stood in a request, past the constructor.

        Servers take more than a client should send: control characters in keys, say.  Whoever
        has read the *fields* has checked them, as servers do.
        """
        command = cls.__new__(cls)
        for name, field in fields.items():
            setattr(command, name, field)
        command.complete()
        return command

    def complete(self) -> None:
        """Set what follows from the fields."""

    def lets_in(self, reply: Reply | NoReply) -> bool:
        """Of a command that authenticates: whether a server that answers so has let us in."""
        return reply is Status.STORED

    def hides(self, reply: Reply) -> bool:
        """Whether the server keeps this reply to itself, since the command is quiet."""
        return False

    @property
    def value_size(self) -> int:
        """The length of the data block it carries, in bytes; 0 if it carries none."""
        return 0

    def encode(self) -> bytes:
        """The request as it goes over the wire."""
        raise AssertionError(f"{type(self).__name__} does not encode itself")

    def encode_parts(self) -> tuple[bytes, ...]:
        """The same bytes in pieces; a large value is one of them, itself and not a copy."""
        return (self.encode(),)

    def result(self, reply: Reply | NoReply) -> R_co:
        """What the reply means.

        Raises:
            ErrorReplied: the server answered with an error line; the connection stays in step.
            ProtocolDesync: the reply is none that this command can get.
        """
        raise self._unexpected(reply)

    def decode(self, received: bytes) -> R_co | NeedData:
        """The direct door: the result of one whole reply, or NEED_DATA if it is not whole yet.

        Keeps nothing: ask again with all the bytes, from the first on.  For replies that arrive
        in many pieces `ClientConnection` is the cheaper way.

        Raises:
            ErrorReplied: as `result` does.
            RemoteProtocolError: *received* is no reply to this command, or more than one.
        """
        checked_received(received)
        buffer = ReceiveBuffer(MAX_LINE)
        buffer.feed(received)
        progress: Progress = []
        reply = self.read(buffer, progress, DEFAULT_LIMITS)
        while isinstance(reply, StreamLine):
            reply = self.read(buffer, progress, DEFAULT_LIMITS)
        if reply is NEED_DATA:
            return NEED_DATA
        if buffer:
            raise ProtocolDesync(f"{len(buffer)} bytes behind the reply")
        return self.result(reply)

    def read(
        self, buffer: ReceiveBuffer, progress: Progress, limits: Limits
    ) -> Reply | NoReply | NeedData:
        """Read this command's reply, by the grammar of this command's replies.

        For connections.  *progress* is an empty list at first; after NEED_DATA pass it again.

        Raises:
            RemoteProtocolError: the bytes are no reply to this command.
        """
        raise AssertionError(f"{type(self).__name__} does not read its reply")

    def may_get(self, reply: MetaReply) -> bool:
        """Whether a meta reply can answer this command."""
        return False

    def may_fail(self, error: ErrorReply) -> bool:
        """Whether an error line can answer this command, which is well formed: by its text."""
        return error.message not in _SPEAKING_ERRORS or error.message in self.own_errors

    @property
    def is_named(self) -> bool:
        """Whether a reply to it says that it answers this command and no other."""
        return False

    def _unexpected(self, reply: Reply | NoReply) -> Exception:
        if isinstance(reply, ErrorReply):
            return ErrorReplied(reply)
        if reply is NO_REPLY:
            return ProtocolDesync(f"{type(self).__name__} was not answered")
        return ProtocolDesync(f"{type(self).__name__} answered by {reply!r}")
