"""Several commands as one: written at once, answered as a list."""

from __future__ import annotations

from ._bulk import MOST_PER_VALUE, split_words
from ._command import Command
from ._errors import InvalidArgument, ProtocolDesync
from ._fifo import fifo_for
from ._meta_bulk import LONGEST_HEADER, split_hits
from ._parts import gathered
from ._replies import NEED_DATA, NO_REPLY, BinaryReply, ErrorReply, Replies
from .classic import Version
from .meta import Noop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._buffer import ReceiveBuffer
    from ._fifo import Fifo
    from ._read_replies import Limits, Progress
    from ._replies import NeedData, NoReply, Reply

__all__ = ["EncodedFlight", "Flight"]


class Flight(Command["tuple[Reply | NoReply, ...]"]):
    """Commands that leave in one write. If any of them may be silent, a barrier closes them.

    The result has the reply to each command, in order, and NO_REPLY where there was none; pass it
    to the command's own `result`, which raises if the reply is an error line.  An error line
    does not say which quiet command it answers, nor does a refusal without key and opaque: if
    several can have got it, each of them is given it, as an `UnplacedError` or `UnplacedReply`.
    (Binary replies say whose they are; one that does not breaks the connection.)

    Nothing reads while a flight is written, so keep it short: its replies must fit into the
    sockets' buffers (a thousand words do).

    Args:
        commands: one at least; binary ones, or text ones, of one dialect or of several.
    """

    __slots__ = ("_barrier", "_commands", "_words", "is_barrier", "is_read", "protocol")
    __match_args__ = ("commands",)

    is_flight = True

    def __init__(self, commands: Iterable[Command[object]]) -> None:
        self._commands = tuple(commands)
        if not self.commands:
            raise InvalidArgument("commands is empty")
        for command in self.commands:
            if not isinstance(command, Command):
                raise TypeError(f"commands must be Commands, not {command!r:.80}")
        if any(command.is_flight or command.is_last for command in self.commands):
            raise InvalidArgument("commands must not hold a Flight or Quit: no barrier closes them")
        if any(command.is_stream or command.is_alone for command in self.commands):
            raise InvalidArgument("commands must not hold a Stream, a dump or a log")
        self.protocol = self.commands[0].protocol
        if any(command.protocol != self.protocol for command in self.commands):
            raise InvalidArgument("commands must not be text and binary: no connection speaks both")
        self._barrier: Command[object] | None = None
        if any(command.quiet or command.noreply for command in self.commands):
            self._barrier = self._closing()
        # The last of them is certain to be answered; in binary that alone proves it.
        self.is_barrier = self._barrier is not None or self.protocol == "binary"
        self.is_read = all(command.is_read for command in self.commands)
        # The words that answer each of them, if they are all of one kind.
        is_alike = self._barrier is None and len({type(command) for command in self.commands}) == 1
        self._words = self.commands[0].words if is_alike else None

    @property
    def commands(self) -> tuple[Command[object], ...]:
        """Them, in order."""
        return self._commands

    def _closing(self) -> Command[object]:
        if self.protocol == "binary":
            from . import binary

            return binary.Noop()
        # Servers without meta commands know no `mn`; but then they were sent no quiet ones.
        has_meta = any(command.quiet for command in self.commands)
        return Noop() if has_meta else Version()

    @property
    def value_size(self) -> int:
        return max([command.value_size for command in self.commands])

    def encode(self) -> bytes:
        parts = [command.encode() for command in self.commands]
        if self._barrier is not None:
            parts.append(self._barrier.encode())
        return b"".join(parts)

    def encode_parts(self) -> tuple[bytes, ...]:
        commands = (*self.commands, *(() if self._barrier is None else (self._barrier,)))
        return gathered(part for command in commands for part in command.encode_parts())

    def read(self, buffer: ReceiveBuffer, progress: Progress, limits: Limits) -> Replies | NeedData:
        if not progress:
            if not buffer:
                return NEED_DATA  # and nothing in progress: not a byte has come
            received = buffer.only_piece()
            replies_at_once = self._read_at_once(received)
            if replies_at_once is None and received.endswith(b"\r\nMN\r\n"):
                replies_at_once = self._hits_at_once(received, limits)
            if replies_at_once is not None:
                buffer.clear()
                return Replies(replies_at_once)
            barrier = () if self._barrier is None else (self._barrier,)
            progress += (fifo_for(self.protocol, (*self.commands, *barrier)), [])
        fifo: Fifo
        replies: list[Reply | NoReply]
        fifo, replies = progress
        while fifo.commands:
            reply = fifo.next_reply(buffer, limits)
            if reply is NEED_DATA:
                return NEED_DATA
            replies.append(reply)
        if self._barrier is not None:
            closing = replies.pop()
            # Where nothing was silent, a refused barrier is a reply like the others: so answers
            # a server without meta commands.
            if _is_refusal(closing) and NO_REPLY in replies:
                raise ProtocolDesync(f"the barrier of a flight was answered by {closing!r}")
        return Replies(replies)

    def _read_at_once(self, received: bytes) -> tuple[Reply | NoReply, ...] | None:
        """The replies, if *received* is all of them and has one of the usual forms."""
        if self._words is not None:
            return split_words(received, len(self.commands), self._words)
        if received == b"MN\r\n" and isinstance(self._barrier, Noop):
            replies: list[Reply | NoReply] = [NO_REPLY for c in self.commands if c.quiet]
            return tuple(replies) if len(replies) == len(self.commands) else None
        return None

    def _hits_at_once(self, received: bytes, limits: Limits) -> tuple[Reply | NoReply, ...] | None:
        """The replies, if they are hits of quiet ``mg`` of short values, and no other."""
        most = min(MOST_PER_VALUE * len(self.commands), limits.max_value)
        if len(received) > most or limits.max_line < LONGEST_HEADER:
            return None
        return split_hits(received, self.commands)

    def result(self, reply: Reply | NoReply) -> tuple[Reply | NoReply, ...]:
        if isinstance(reply, Replies):
            return reply.replies
        raise self._unexpected(reply)


class EncodedFlight(Flight):
    """A `Flight` of quiet meta commands that are bytes already, and objects only if need be.

    To make an object of each costs several times what sending it costs, and nearly always no
    more than the barrier is answered.  What it is equal to, and reads like, is the plain one.

    Args:
        request: all of the commands, as they are encoded.
        count: how many they are.
        make: gives the commands; called once at most.
    """

    __slots__ = ("_count", "_make", "_request")

    ending = b"MN\r\n"  # of the usual reply

    def __init__(
        self, request: bytes, count: int, make: Callable[[], Iterable[Command[object]]]
    ) -> None:
        self._request = request
        self._count = count
        self._make = make
        self._commands = ()
        self._barrier = Noop()
        self._words = None
        self.protocol = "text"
        self.is_barrier = True
        self.is_read = False

    @property
    def commands(self) -> tuple[Command[object], ...]:
        if not self._commands:
            self._commands = tuple(self._make())
        return self._commands

    @property
    def value_size(self) -> int:
        return len(self._request)  # which is more than any value in it

    def encode(self) -> bytes:
        return self._request + b"mn\r\n"

    def encode_parts(self) -> tuple[bytes, ...]:
        return gathered((self._request, b"mn\r\n"))

    def whole(self, received: bytes) -> tuple[Reply | NoReply, ...] | None:
        """The result, if *received* is all of the reply and says that nothing has failed."""
        silence: tuple[Reply | NoReply, ...] = (NO_REPLY,)
        return silence * self._count if received == b"MN\r\n" else None

    def _read_at_once(self, received: bytes) -> tuple[Reply | NoReply, ...] | None:
        replies = self.whole(received)
        return replies if replies is not None else super()._read_at_once(received)


def _is_refusal(reply: Reply | NoReply) -> bool:
    if isinstance(reply, BinaryReply):
        return reply.status != 0
    return isinstance(reply, ErrorReply)
