"""Several commands as one: written at once, answered as a list."""

from __future__ import annotations

from ._command import Command
from ._errors import InvalidArgument, ProtocolDesync
from ._fifo import Fifo
from ._replies import NEED_DATA, NO_REPLY, ErrorReply, Replies
from .classic import Version
from .meta import Noop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._buffer import ReceiveBuffer
    from ._read_replies import Limits, Progress
    from ._replies import NeedData, NoReply, Reply

__all__ = ["Flight"]


class Flight(Command["tuple[Reply | NoReply, ...]"]):
    """Commands that leave in one write. If any of them may be silent, a barrier closes them.

    The result has the reply to each command, in order, and NO_REPLY where there was none; pass it
    to the command's own `result`, which raises if the reply is an error line.  An error line
    does not say which quiet command it answers: the oldest that can have got it is given it.

    Nothing reads while a flight is written, so keep it short: its replies must fit into the
    sockets' buffers (a thousand words do).

    Args:
        commands: one at least, of one dialect or of several.
    """

    __slots__ = ("_barrier", "commands", "is_barrier", "is_read")
    __match_args__ = ("commands",)

    is_flight = True

    def __init__(self, commands: Iterable[Command[object]]) -> None:
        self.commands = tuple(commands)
        if not self.commands:
            raise InvalidArgument("commands is empty")
        if any(command.is_flight or command.is_last for command in self.commands):
            raise InvalidArgument("commands must not hold a Flight or Quit: no barrier closes them")
        self._barrier: Noop | Version | None = None
        if any(command.quiet or command.noreply for command in self.commands):
            # Servers without meta commands know no `mn`; but then they were sent no quiet ones.
            has_meta = any(command.quiet for command in self.commands)
            self._barrier = Noop() if has_meta else Version()
        self.is_barrier = self._barrier is not None
        self.is_read = all(command.is_read for command in self.commands)

    @property
    def value_size(self) -> int:
        return max([command.value_size for command in self.commands])

    def encode(self) -> bytes:
        parts = [command.encode() for command in self.commands]
        if self._barrier is not None:
            parts.append(self._barrier.encode())
        return b"".join(parts)

    def read(self, buffer: ReceiveBuffer, progress: Progress, limits: Limits) -> Replies | NeedData:
        if not progress:
            if not buffer:
                return NEED_DATA  # and nothing in progress: not a byte has come
            barrier = () if self._barrier is None else (self._barrier,)
            progress += (Fifo((*self.commands, *barrier)), [])
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
            if isinstance(closing, ErrorReply) and NO_REPLY in replies:
                raise ProtocolDesync(f"the barrier of a flight was answered by {closing!r}")
        return Replies(replies)

    def result(self, reply: Reply | NoReply) -> tuple[Reply | NoReply, ...]:
        if isinstance(reply, Replies):
            return reply.replies
        raise self._unexpected(reply)
