"""Commands that were sent and not settled, in order, and which reply answers which.

memcached answers in the order of the requests, always.  That alone places every reply, as long
as each command is answered.  A quiet one is answered only sometimes; then the reply itself must
say whose it is, and what cannot be told is an error, not a guess about data.

Knows no limits of its own, no end of file and no brokenness: `ClientConnection` does.
"""

from __future__ import annotations

from collections import deque

from ._errors import ProtocolDesync
from ._read_replies import META_CODES, is_error_line, read_meta
from ._replies import NEED_DATA, NO_REPLY, ErrorReply, MetaReply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._buffer import ReceiveBuffer
    from ._command import Command
    from ._read_replies import Limits, Progress
    from ._replies import NeedData, NoReply, Reply

__all__ = ["Fifo"]


class Fifo:
    """What is owed, oldest first."""

    __slots__ = ("_placed", "_progress", "commands")

    def __init__(self, commands: Iterable[Command[object]] = ()) -> None:
        self.commands: deque[Command[object]] = deque(commands)
        self._progress: Progress = []  # of the reply that is being read
        # A reply that answers a later command than the oldest: (how many are silent, the reply).
        self._placed: tuple[int, Reply] | None = None

    @property
    def in_reply(self) -> bool:
        """Whether the reply that is being read has been understood in part."""
        return bool(self._progress)

    def next_reply(self, buffer: ReceiveBuffer, limits: Limits) -> Reply | NoReply | NeedData:
        """Settle the oldest command: its reply, NO_REPLY if it is silent, or NEED_DATA.

        There must be one.

        Raises:
            RemoteProtocolError: the bytes are no reply to it, or cannot be placed.
        """
        reply = self._read(buffer, limits)
        if reply is not NEED_DATA:
            self.commands.popleft()
        return reply

    def _read(self, buffer: ReceiveBuffer, limits: Limits) -> Reply | NoReply | NeedData:
        if self._placed is not None:
            silent, placed = self._placed
            self._placed = (silent - 1, placed) if silent else None
            return NO_REPLY if silent else placed
        oldest = self.commands[0]
        if oldest.noreply:
            return NO_REPLY
        if not oldest.quiet:
            reply = oldest.read(buffer, self._progress, limits)
            if reply is not NEED_DATA:
                self._progress.clear()
            return reply
        if not self._progress:
            line = buffer.peek_line()
            if line is None:
                return NEED_DATA
            if line.split(b" ", 1)[0] not in META_CODES and not is_error_line(line):
                # The reply to a classic command further on: up to there all are silent.
                if self._closing() is None:
                    raise ProtocolDesync(f"not a reply to what was asked: {line[:64]!r}")
                return NO_REPLY
        found = read_meta(buffer, self._progress, limits)
        if found is NEED_DATA:
            return NEED_DATA
        self._progress.clear()
        silent = self._place(found)
        if not silent:
            return found
        self._placed = (silent - 1, found)
        return NO_REPLY

    def _closing(self) -> Command[object] | None:
        """The first command that will certainly be answered."""
        for command in self.commands:
            if not (command.quiet or command.noreply):
                return command
        return None

    def _place(self, reply: MetaReply | ErrorReply) -> int:
        """The index of the command that *reply* answers; the ones before it are silent.

        Error lines carry neither opaque nor key. One of several quiet commands that could have
        got it, is given it: the oldest. The same holds for the refusal of a quiet command that
        asked for neither. But a value that could be another's is nobody's.
        """
        fitting: Command[object] | None = None
        place = 0
        for index, command in enumerate(self.commands):
            if command.noreply:
                continue
            closing = not command.quiet
            if closing and fitting is not None and command.is_barrier:
                break  # errors before a barrier are not the barrier's
            if isinstance(reply, ErrorReply) or command.may_get(reply):
                if fitting is None:
                    if command.is_named and isinstance(reply, MetaReply):
                        return index
                    fitting, place = command, index
                elif closing or (command.is_read and not command.is_named):
                    raise ProtocolDesync(f"{reply!r} may answer several commands")
            if closing:
                break
        if fitting is None:
            raise ProtocolDesync(f"{reply!r} answers none of {len(self.commands)} commands")
        return place
