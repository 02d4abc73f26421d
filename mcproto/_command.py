"""What every command is, whatever its dialect.

A command is one request: its bytes, the grammar of its reply, and what that reply means.  It
holds no state of any conversation; `ClientConnection` does.
"""

from __future__ import annotations

from ._buffer import ReceiveBuffer
from ._errors import ErrorReplied, ProtocolDesync
from ._read_replies import Limits
from ._record import Record
from ._replies import NEED_DATA, NO_REPLY, ErrorReply
from ._typing import Generic, R_co

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from ._read_replies import Progress
    from ._replies import MetaReply, NeedData, NoReply, Reply

__all__ = ["MAX_ITEMS", "MAX_LINE", "MAX_VALUE", "Command"]

MAX_LINE = 8192
"""The longest reply line that is read, in bytes. memcached's own lines stay below 1024."""

MAX_VALUE = 64 << 20
"""The largest value that is sent or read, in bytes."""

MAX_ITEMS = 100_000
"""The most lines of statistics that are read in one reply."""

DEFAULT_LIMITS = Limits(MAX_LINE, MAX_VALUE, MAX_ITEMS)


class Command(Record, Generic[R_co]):
    """One request, and what its reply means.

    Every token is checked at construction, so an object that exists can be sent.  Commands are
    values: equal when alike, and not to be changed once made.

    Attributes:
        is_read: it changes nothing on the server, so it may be asked twice.
        is_barrier: once it is answered, nothing can be outstanding from before.
        noreply: the server answers nothing, not even that it failed (most of the time).
        quiet: the server answers only what is not the usual outcome.
        with_cas: the items that answer it come with their cas uniques.
        is_flight: it is several commands, which must not be mixed up with what was sent before.
        is_last: the server closes the connection after it, so nothing can be sent behind it.
    """

    __slots__ = ()

    is_read: bool = False
    is_barrier: bool = False
    noreply: bool = False
    quiet: bool = False
    with_cas: bool = False
    is_flight: bool = False
    is_last: bool = False

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
        buffer = ReceiveBuffer(MAX_LINE)
        buffer.feed(received)
        reply = self.read(buffer, [], DEFAULT_LIMITS)
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
