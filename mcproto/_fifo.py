"""Commands that were sent and not settled, in order, and which reply answers which.

memcached answers in the order of the requests, always.  That alone places every reply, as long
as each command is answered.  A quiet one is answered only sometimes; then the reply itself must
say whose it is.  An error line says little (memcached gives it neither key nor opaque), and so does
a refusal whose command asked for neither: they are held until a later reply shows how many
commands there were for how many lines.  Where that leaves one command, the line is its; where
it leaves several, each of them is told so (`UnplacedError`, `UnplacedReply`).  About data there is
no guess at all: what cannot be told is an error.

Knows no limits of its own, no end of file and no brokenness: `ClientConnection` does.
"""

from __future__ import annotations

from collections import deque
from itertools import islice

from ._errors import ProtocolDesync
from ._read_replies import META_CODES, is_error_line, read_meta
from ._replies import (
    NEED_DATA,
    NO_REPLY,
    ErrorReply,
    MetaReply,
    StreamLine,
    UnplacedError,
    UnplacedReply,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ._buffer import ReceiveBuffer
    from ._command import Command
    from ._read_replies import Limits, Progress
    from ._replies import NeedData, NoReply, Reply

__all__ = ["Fifo", "fifo_for"]


# What all but a few lines begin with that answer quiet commands.
_META_STARTS = frozenset([code + b" " for code in META_CODES])


class _Held:
    """A line that is not placed yet.

    Attributes:
        reply: what it says.
        first: the index of the first command that it can answer.
        sent: how many had been sent when it came.
        is_odd: an error whose text is about none of them, so that it may be anybody's.
    """

    __slots__ = ("first", "is_odd", "reply", "sent")

    def __init__(self, reply: ErrorReply | MetaReply, first: int, sent: int, is_odd: bool) -> None:
        self.reply = reply
        self.first = first
        self.sent = sent
        self.is_odd = is_odd

    def may_answer(self, command: Command[object]) -> bool:
        return self.is_odd or _can_get(command, self.reply)


class Fifo:
    """What is owed, oldest first."""

    __slots__ = (
        "_ahead",
        "_closing",
        "_found",
        "_held",
        "_has_noreply",
        "_next",
        "_outcomes",
        "_progress",
        "_silent",
        "_tainted",
        "commands",
    )

    def __init__(self, commands: Iterable[Command[object]] = ()) -> None:
        self.commands: deque[Command[object]] = deque(commands)
        self._progress: Progress = []  # of the reply that is being read
        # How many of the oldest are known to be silent, and the reply that has shown it, which
        # answers the one behind them. (None: that command will read it for itself.)
        self._silent = 0
        self._found: Reply | None = None
        # See `_certain`: that command, and how many that need not be answered are before it.
        self._closing: Command[object] | None = None
        self._ahead = 0
        # Lines that are not placed yet, and the first command that the next one can answer.
        self._held: list[_Held] = []
        self._next = 0
        self._outcomes: deque[Reply | NoReply] = deque()  # what has become of the oldest
        # Since the last barrier: there was silence asked for in the classic way; and a data block
        # was refused so that the server may have read it as commands.
        self._has_noreply = False
        self._tainted = False

    @property
    def in_reply(self) -> bool:
        """Whether the reply that is being read has been understood in part."""
        return bool(self._progress)

    def next_reply(self, buffer: ReceiveBuffer, limits: Limits) -> Reply | NoReply | NeedData:
        """Settle the oldest command: its reply, NO_REPLY if it is silent, or NEED_DATA.

        A `StreamLine` is a part of its reply, and settles nothing.

        There must be one.

        Raises:
            RemoteProtocolError: the bytes are no reply to it, or cannot be placed.
        """
        reply = self._read(buffer, limits)
        if reply is NEED_DATA or isinstance(reply, StreamLine):
            return reply
        command = self.commands.popleft()
        if self._ahead:
            self._ahead -= 1
        elif command is self._closing:
            self._closing = None
        if command.is_barrier:
            self._has_noreply = self._tainted = False
        elif command.noreply:
            self._has_noreply = True
        return reply

    def _read(self, buffer: ReceiveBuffer, limits: Limits) -> Reply | NoReply | NeedData:
        if self._outcomes:
            return self._outcomes.popleft()
        if self._silent:
            self._silent -= 1
            return NO_REPLY
        if self._found is not None:
            found, self._found = self._found, None
            return found
        oldest = self.commands[0]
        if oldest.noreply:
            return NO_REPLY
        if oldest.quiet:
            return self._read_until_settled(buffer, limits)
        reply = oldest.read(buffer, self._progress, limits)
        if reply is not NEED_DATA and not isinstance(reply, StreamLine):
            self._progress.clear()
        return reply

    def _read_until_settled(
        self, buffer: ReceiveBuffer, limits: Limits
    ) -> Reply | NoReply | NeedData:
        """The outcome of the oldest command, which is quiet."""
        while True:
            if not self._progress and buffer.peek(3) not in _META_STARTS:
                line = buffer.peek_line()
                if line is None:
                    return NEED_DATA
                if line.split(b" ", 1)[0] not in META_CODES and not is_error_line(line):
                    # The reply to a classic command further on, which reads it for itself.
                    if self._certain() is None:
                        raise ProtocolDesync(f"not a reply to what was asked: {line[:64]!r}")
                    self._settle(self._ahead)
                    return self._read(buffer, limits)
            reply = read_meta(buffer, self._progress, limits)
            if reply is NEED_DATA:
                return NEED_DATA
            self._progress.clear()
            settled = self._hold(reply) if isinstance(reply, ErrorReply) else self._place(reply)
            if settled:
                return self._read(buffer, limits)

    def _certain(self) -> Command[object] | None:
        """The first command that is certain to be answered, if it has been sent already."""
        if self._closing is None:
            # Remembered, or a thousand refusals in a flight would look a thousand times.
            for command in islice(self.commands, self._ahead, None):
                if not (command.quiet or command.noreply):
                    self._closing = command
                    break
                self._ahead += 1
                self._has_noreply |= command.noreply
        return self._closing

    def _place(self, reply: MetaReply) -> bool:
        """Find out whose a reply is. Whether the oldest command is settled now."""
        if not self._held and self.commands[0].is_named and self.commands[0].may_get(reply):
            # By far the commonest, and what the search below would come to.
            if self._tainted and reply.value is not None:
                raise ProtocolDesync(f"{reply!r} behind a data block that may have been obeyed")
            self._found = reply
            return True
        certain = self._certain()
        candidates = self._candidates(self._next)
        place, found = next((c for c in candidates if c[1].may_get(reply)), (0, None))
        if found is None:
            raise ProtocolDesync(f"{reply!r} answers none of {len(self.commands)} commands")
        if found is not certain and not found.is_named:
            has_rivals = any(c.may_get(reply) for _, c in candidates)
            if has_rivals and reply.code in ("HD", "VA"):
                raise ProtocolDesync(f"{reply!r} may answer several commands")
            if has_rivals:
                return self._hold(reply)
        self._settle(place)
        if self._tainted and reply.value is not None:
            raise ProtocolDesync(f"{reply!r} behind a data block that may have been obeyed")
        self._found = reply
        return True

    def _hold(self, reply: ErrorReply | MetaReply) -> bool:
        """Keep a line that may be one of several quiet commands'. Whether that settles them."""
        certain = self._certain()
        if self._has_noreply and isinstance(reply, ErrorReply):
            raise ProtocolDesync(f"{reply!r} may answer a noreply command")
        is_certains = certain is not None and _can_get(certain, reply)
        candidates = self._candidates(self._next)
        place = next((p for p, c in candidates if c is not certain and _can_get(c, reply)), None)
        is_odd = place is None and not is_certains and isinstance(reply, ErrorReply)
        if is_odd:
            # Its text is about none of them. It is an error all the same, as proxies have theirs.
            is_certains = certain is not None and not certain.is_barrier
            place = self._next if self._next < self._ahead else None
        if place is None:
            if not is_certains:
                raise ProtocolDesync(f"{reply!r} answers none of {len(self.commands)} commands")
            self._settle(self._ahead)
            self._found = reply
            return True
        # A barrier that is refused is behind more refusals than there are commands before it.
        if is_certains and certain is not None and not certain.is_barrier:
            raise ProtocolDesync(f"{reply!r} may answer several commands")
        self._held.append(_Held(reply, place, len(self.commands), is_odd))
        self._next = place + 1
        if len(self._held) < self._ahead:
            return False
        self._settle(self._ahead)
        return True

    def _settle(self, place: int) -> None:
        """The commands before that index have had all that they will get."""
        held = self._held
        if not held:
            self._silent = place
            return
        commands = [*islice(self.commands, place)]
        # The first command that each line can answer is known; now the last one is.
        last: list[int] = []
        end = place
        for line in reversed(held):
            end = min(end, line.sent) - 1
            while end > line.first and not line.may_answer(commands[end]):
                end -= 1
            last.append(end)
        last.reverse()
        self._held = []
        self._next = 0
        at = 0
        for index, command in enumerate(commands):
            while at < len(held) and last[at] < index:
                at += 1
            outcome = _outcome(command, index, held, last, at)
            if command.has_block and isinstance(outcome, ErrorReply):
                self._tainted |= outcome.kind != "SERVER_ERROR"
            self._outcomes.append(outcome)

    def _candidates(self, start: int = 0) -> Iterator[tuple[int, Command[object]]]:
        """Whom the next reply can answer: the quiet commands up to the first that is certain."""
        # (By index: an iterator would have to walk up to the start each time.)
        for place in range(start, len(self.commands)):
            command = self.commands[place]
            if not command.noreply:
                yield place, command
                if not command.quiet:
                    return


def _can_get(command: Command[object], reply: ErrorReply | MetaReply) -> bool:
    if isinstance(reply, MetaReply):
        return command.may_get(reply)
    return command.may_fail(reply)


def _outcome(
    command: Command[object],
    index: int,
    held: list[_Held],
    last: list[int],
    start: int,
) -> ErrorReply | MetaReply | NoReply:
    """What a quiet command has got of the lines that are held, of which *start* is the first."""
    for at in range(start, len(held)):
        line = held[at]
        if line.first > index:
            break
        if line.may_answer(command):
            reply = line.reply
            if line.first == last[at]:
                return reply
            if isinstance(reply, MetaReply):
                return UnplacedReply(reply.code, reply.flags)
            return UnplacedError(reply.kind, reply.message)
    return NO_REPLY


def fifo_for(protocol: str, commands: Iterable[Command[object]] = ()) -> Fifo:
    """An order of *commands* that fits the protocol in which they are sent."""
    if protocol == "text":
        return Fifo(commands)
    # Who has sent a binary command has imported it all.
    from ._binary_fifo import BinaryFifo

    return BinaryFifo(commands)
