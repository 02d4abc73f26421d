"""Many callers on one connection: who is written when, and which reply is whose.

Pure: no loop, no clock, no I/O.  Bytes go in and out, times are arguments, and whoever is to be
woken is given back as a list.  The servers answer in the order of the requests, so the order
in which requests are handed out is all there is to know; a caller that has gone away leaves its
place in it, and what comes for that place is read and dropped.

Three states.  *Open*: it takes calls.  *Retired*: it takes no more, and those whose requests are
out still get their replies; that is how a connection ends on which something is overdue, so that
nobody is queued up behind a reply that may never come.  *Failed*: everybody has been told.
"""

from __future__ import annotations

from collections import deque
from math import inf

from .. import NEED_DATA, ErrorReply, ProtocolDesync, RemoteProtocolError
from ._calls import Call, can_share, may_have_been_read_on, refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, TypeVar

    from .. import ClientConnection, Command

    R = TypeVar("R")

__all__ = ["MOST_ABANDONED", "Multiplexer"]

MOST_CALLS = 1024
"""So many replies may be owed; the requests beyond wait their turn."""

MOST_BYTES = 1 << 20
"""So many bytes of requests may be owed a reply. (A single longer one goes alone.)"""

MOST_ABANDONED = 128
"""So many replies may be owed to callers that have gone away."""

MOST_DROPPED = 4 << 20
"""So many bytes may be dropped with nothing in between that anybody wants."""

PATIENCE = 1.0
"""So many seconds an abandoned call's reply may take, if its deadline does not come first."""


class Multiplexer:
    """The queue of one connection.

    Every method that settles calls gives them back, for the adapter to wake.  A call is settled
    once, and never after it has been abandoned.

    Args:
        connection: an idle one. From here on nobody else may use it.
        most_calls, most_bytes, most_abandoned, most_dropped, patience: the limits above.

    Attributes:
        is_open: whether it takes calls.
        failure: what has ended it, None if nothing has.
    """

    __slots__ = (
        "_abandoned",
        "_bytes",
        "_connection",
        "_dropped",
        "_in_events",
        "_most_abandoned",
        "_most_bytes",
        "_most_calls",
        "_most_dropped",
        "_owed",
        "_patience",
        "_waiting",
        "failure",
        "is_open",
    )

    def __init__(
        self,
        connection: ClientConnection,
        *,
        most_calls: int = MOST_CALLS,
        most_bytes: int = MOST_BYTES,
        most_abandoned: int = MOST_ABANDONED,
        most_dropped: int = MOST_DROPPED,
        patience: float = PATIENCE,
    ) -> None:
        self._connection = connection
        self._waiting: deque[Call[Any]] = deque()  # whose requests are still here
        self._owed: deque[Call[Any]] = deque()  # and are not; abandoned ones too
        self._bytes = 0  # of the requests of those
        self._abandoned = 0  # how many of them nobody waits for
        self._dropped = 0  # bytes that nobody wanted, in a row
        self._in_events = False  # the oldest reply is being read by the connection's events
        self._most_calls = most_calls
        self._most_bytes = most_bytes
        self._most_abandoned = most_abandoned
        self._most_dropped = most_dropped
        self._patience = patience
        self.is_open = True
        self.failure: Exception | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is owed and nothing is waiting to be written."""
        return not (self._owed or self._waiting)

    @property
    def has_waiting(self) -> bool:
        """Whether there are requests that have not been handed out."""
        return bool(self._waiting)

    @property
    def is_over(self) -> bool:
        """Whether the connection is of no use to anybody any more: close it."""
        if self.is_open:
            return False
        return self.failure is not None or len(self._owed) == self._abandoned

    @property
    def owed(self) -> int:
        """How many replies are owed, wanted or not."""
        return len(self._owed)

    @property
    def abandoned(self) -> int:
        """How many of them nobody wants."""
        return self._abandoned

    # ------------------------------------------------------------------------------- the callers

    def call(self, command: Command[R], deadline: float) -> Call[R]:
        """Queue a command up. The bytes come with the next `outgoing` for which there is room.

        Raises:
            LocalProtocolError: it cannot share a connection, or is of the other protocol.
            ItemTooLarge: its value is longer than the connection takes.
        """
        if not can_share(command):
            raise refusal(command)
        self._connection.check(command)
        call = Call(command, command.encode_parts(), deadline)
        self.add(call)
        return call

    def add(self, call: Call[Any]) -> None:
        """Queue up a call that has been made elsewhere. It must be open."""
        assert self.is_open
        self._waiting.append(call)

    def abandon(self, call: Call[Any], now: float) -> list[Call[Any]]:
        """Nobody waits for this one any more. If it is settled already nothing changes.

        Not yet written, it is gone as if it had never been.  Written, it keeps its place.
        """
        if call.is_done:
            return []
        call.is_done = True
        if not call.is_written:
            self._waiting.remove(call)
            return []
        self._abandoned += 1
        call.deadline = min(call.deadline, now + self._patience)
        return self.retire() if self._abandoned > self._most_abandoned else []

    def unsettled(self) -> Iterator[Call[Any]]:
        """Those that somebody waits for, in the order in which they will be settled."""
        for call in self._owed:
            if not call.is_done:
                yield call
        yield from self._waiting

    # --------------------------------------------------------------------------------- the bytes

    def outgoing(self) -> list[bytes]:
        """What is to be written now, in pieces. From here on its replies are owed."""
        pieces: list[bytes] = []
        waiting, owed = self._waiting, self._owed
        while waiting:
            call = waiting[0]
            if owed and (
                len(owed) >= self._most_calls or self._bytes + call.size > self._most_bytes
            ):
                break
            # Who is interrupted in between leaves a connection that owes too much, not too little.
            self._connection.owed += 1
            call.is_written = True
            owed.append(call)
            waiting.popleft()
            self._bytes += call.size
            pieces += call.parts
        return pieces

    def received(self, data: bytes) -> list[Call[Any]]:
        """Take what has come, ``b""`` for the end; the calls that it settles, in their order."""
        if self.failure is not None:
            return []
        if not data:
            return self.fail(ConnectionResetError("the server has closed the connection"))
        settled: list[Call[Any]] = []
        try:
            while data:
                if not self._in_events:
                    data = self._read_directly(data, settled)
                else:
                    data = self._read_by_events(data, settled)
        except RemoteProtocolError as error:
            settled += self.fail(error)
            return settled
        if self._dropped > self._most_dropped and self.is_open:
            settled += self.retire()
        return settled

    def _read_directly(self, data: bytes, settled: list[Call[Any]]) -> bytes:
        """Read replies in their usual form, as many as there are; what is left for the events."""
        owed, connection = self._owed, self._connection
        at, length = 0, len(data)
        while owed and at < length:
            call = owed[0]
            end = call.read_at(data, at)
            if end < 0:
                # The plain grammar begins, with nothing behind it if it is not whole yet.
                connection.resume(call.command, b"")
                self._in_events = True
                return data[at:]
            connection.owed -= 1
            if call.is_done:
                self._settle_oldest(end - at, settled)
            else:
                # As that does it, without the call: this is on the shortest way there is.
                owed.popleft()
                self._bytes -= call.size
                self._dropped = 0
                call.is_done = True
                settled.append(call)
            at = end
        if at < length:
            connection.receive_data(data[at:])
            connection.next_event()  # which raises, since nobody has asked for it
        return b""

    def _read_by_events(self, data: bytes, settled: list[Call[Any]]) -> bytes:
        """Let the connection read the oldest reply; what is left if it has been read."""
        connection = self._connection
        connection.receive_data(data)
        call = self._owed[0]
        event = connection.next_event()
        if event is NEED_DATA:
            if call.is_done:
                self._dropped += len(data)
            return b""
        call.take(event)  # type: ignore[arg-type]  # something is owed: it is not CLOSED
        rest = connection.leave() if connection.owed else b""
        self._in_events = False
        self._settle_oldest(len(data) - len(rest), settled)
        if connection.is_broken:
            connection.next_event()  # raises
        is_refused = isinstance(event, ErrorReply) and may_have_been_read_on(call.command, event)
        if is_refused and self._owed:
            raise ProtocolDesync(f"what follows {event!r} may answer what was in a data block")
        return rest

    def _settle_oldest(self, size: int, settled: list[Call[Any]]) -> None:
        call = self._owed.popleft()
        self._bytes -= call.size
        if call.is_done:
            self._abandoned -= 1
            self._dropped += size
        else:
            call.is_done = True
            self._dropped = 0
            settled.append(call)

    # ----------------------------------------------------------------------------------- the ends

    def next_deadline(self) -> float:
        """When `expire` is to be called, at the latest; `math.inf`: there is no need."""
        deadlines = [call.deadline for call in self._owed]
        deadlines += [call.deadline for call in self._waiting]
        return min(deadlines, default=inf)

    def expire(self, now: float) -> list[Call[Any]]:
        """Settle by a TimeoutError the calls whose time has passed.

        If one of them is owed a reply, or an abandoned call's reply is overdue, this retires.
        """
        settled: list[Call[Any]] = []
        overdue = False
        for call in self._owed:
            if call.deadline > now:
                continue
            overdue = True
            if not call.is_done:
                self._abandoned += 1
                self._end(call, TimeoutError("the deadline has passed"), settled)
            call.deadline = inf  # it has had its effect
        for call in [call for call in self._waiting if call.deadline <= now]:
            self._waiting.remove(call)
            self._end(call, TimeoutError("the deadline has passed"), settled)
        if overdue:
            settled += self.retire()
        return settled

    def retire(self) -> list[Call[Any]]:
        """Take no more calls. Those not written are settled, and may be made elsewhere."""
        settled: list[Call[Any]] = []
        self.is_open = False
        while self._waiting:
            error = ConnectionAbortedError("the connection takes no more requests")
            self._end(self._waiting.popleft(), error, settled)
        return settled

    def fail(self, error: Exception) -> list[Call[Any]]:
        """End it: every call is settled by *error*."""
        if self.failure is not None:
            return []
        self.failure = error
        self.is_open = False
        settled: list[Call[Any]] = []
        is_heard = self._in_events and self._connection.in_reply
        self._connection.receive_data(b"")
        for call in (*self._owed, *self._waiting):
            if not call.is_done:
                call.is_heard = is_heard
                # Each its own: what is raised in many places at once would gather all their frames.
                self._end(call, _like(error), settled)
            is_heard = False
        self._waiting.clear()
        self._owed.clear()
        self._abandoned = 0
        return settled

    def _end(self, call: Call[Any], error: Exception, settled: list[Call[Any]]) -> None:
        call.is_done = True
        call.error = error
        settled.append(call)


def _like(error: Exception) -> Exception:
    return type(error)(*error.args)
