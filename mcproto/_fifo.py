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
    from collections.abc import Iterable, Iterator

    from ._buffer import ReceiveBuffer
    from ._command import Command
    from ._read_replies import Limits, Progress
    from ._replies import NeedData, NoReply, Reply

__all__ = ["Fifo"]


class Fifo:
    """What is owed, oldest first."""

    __slots__ = ("_closing", "_found", "_progress", "_silent", "commands")

    def __init__(self, commands: Iterable[Command[object]] = ()) -> None:
        self.commands: deque[Command[object]] = deque(commands)
        self._progress: Progress = []  # of the reply that is being read
        # How many of the oldest are known to be silent, and the reply that has shown it, which
        # answers the one behind them. (None: that command will read it for itself.)
        self._silent = 0
        self._found: Reply | None = None
        self._closing: Command[object] | None = None  # see `_certain`

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
        if reply is not NEED_DATA and self.commands.popleft() is self._closing:
            self._closing = None
        return reply

    def _read(self, buffer: ReceiveBuffer, limits: Limits) -> Reply | NoReply | NeedData:
        if self._silent:
            self._silent -= 1
            return NO_REPLY
        if self._found is not None:
            found, self._found = self._found, None
            return found
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
                certain = self._certain()
                if certain is None:
                    raise ProtocolDesync(f"not a reply to what was asked: {line[:64]!r}")
                self._silent = self.commands.index(certain)
                return self._read(buffer, limits)
        reply = read_meta(buffer, self._progress, limits)
        if reply is NEED_DATA:
            return NEED_DATA
        self._progress.clear()
        self._silent = self._place(reply)
        self._found = reply
        return self._read(buffer, limits)

    def _certain(self) -> Command[object] | None:
        """The first command that is certain to be answered, if it has been sent already."""
        if self._closing is None:
            # Remembered, or a thousand refusals in a flight would look a thousand times.
            self._closing = next((c for c in self.commands if not (c.quiet or c.noreply)), None)
        return self._closing

    def _place(self, reply: MetaReply | ErrorReply) -> int:
        """The index of the command that *reply* answers; the ones before it are silent.

        Error lines carry neither opaque nor key. One of several quiet commands that could have
        got it, is given it: the oldest. The same holds for the refusal of a quiet command that
        asked for neither. But a hit that could be another's is nobody's.
        """
        certain = self._certain()
        if isinstance(reply, ErrorReply):
            # An error before a barrier is not the barrier's.
            if certain is None or certain.is_barrier:
                return 0
            raise ProtocolDesync(f"{reply!r} may answer several commands")
        candidates = self._candidates()
        place, found = next((c for c in candidates if c[1].may_get(reply)), (0, None))
        if found is None:
            raise ProtocolDesync(f"{reply!r} answers none of {len(self.commands)} commands")
        if found is certain or found.is_named:
            return place
        if reply.code in ("HD", "VA"):
            rivals = [command for _, command in candidates]
        else:
            rivals = [] if certain is None else [certain]
        if any(rival.may_get(reply) for rival in rivals):
            raise ProtocolDesync(f"{reply!r} may answer several commands")
        return place

    def _candidates(self) -> Iterator[tuple[int, Command[object]]]:
        """Whom the next reply can answer: the quiet commands up to the first that is certain."""
        for place, command in enumerate(self.commands):
            if not command.noreply:
                yield place, command
                if not command.quiet:
                    return
