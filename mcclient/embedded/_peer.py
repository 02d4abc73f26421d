"""One connection, but for its socket: bytes in, bytes out, and what goes wrong on their way.

Knows the order of things on a connection, and nothing of what commands do: who answers is an
argument.
"""

from __future__ import annotations

from collections import deque
from time import monotonic

from mcproto import CLOSED, NEED_DATA, StreamLine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from mcproto import BadRequest, Command, Reply, ServerConnection
    from mcproto._replies import NoReply

    from ._failures import Failure

    # The reply to what was asked, and what goes wrong on its way. None: nobody in particular asks.
    Answer: TypeAlias = Callable[
        [Command[object] | BadRequest, "Peer | None"], tuple[Reply | NoReply, Failure | None]
    ]

__all__ = ["Peer"]

# With more than this unsent a peer is neither answered nor read from until it has read itself.
_MOST_UNSENT = 256 * 1024


class Peer:
    """One connection.

    Args:
        connection: a new one.
        answer: who answers.
        now: when it began.
        number: what logs and statistics call it.

    Attributes:
        unsent: what is still to be written, in pieces.
        unsent_size: how many bytes that is.
        resumes: until then, by the monotonic clock, it is left alone; 0: it is not.
        is_ending: nothing more is answered; it is closed once all is written.
        heard: when it last asked for something, by the server's clock.
    """

    __slots__ = (
        "_answer",
        "_held",
        "connection",
        "heard",
        "is_ending",
        "number",
        "resumes",
        "unsent",
        "unsent_size",
    )

    def __init__(
        self, connection: ServerConnection, answer: Answer, now: float, number: int = 0
    ) -> None:
        self.connection = connection
        self._answer = answer
        self.heard = now
        self.number = number
        self.unsent: deque[bytes | memoryview] = deque()
        self.unsent_size = 0
        self.resumes = 0.0
        self._held = b""
        self.is_ending = False

    def resume(self) -> None:
        """It is no longer left alone: it gets what was held back."""
        self.resumes = 0.0
        self.put(self._held)

    def put(self, data: bytes) -> None:
        if data:
            self.unsent.append(data)
            self.unsent_size += len(data)

    def take(self) -> bytes | memoryview:
        """All that is unsent, in one piece; `has_sent` tells how it went."""
        if len(self.unsent) > 1:
            # One system call for the replies to a pipeline.
            self.unsent = deque([b"".join(self.unsent)])
        return self.unsent[0]

    def has_sent(self, size: int) -> None:
        """So much of what `take` gave has been written."""
        self.unsent_size -= size
        data = self.unsent.popleft()
        if size < len(data):
            self.unsent.appendleft(memoryview(data)[size:])

    def log(self, line: bytes) -> None:
        """A line, to somebody who watches."""
        self.put(self.connection.send(StreamLine(line)))

    @property
    def is_finished(self) -> bool:
        return not (self.unsent or self.resumes) and (self.is_ending or self.connection.must_close)

    @property
    def is_full(self) -> bool:
        return self.unsent_size >= _MOST_UNSENT

    def answer_some(self) -> bool:
        """Answer until enough is unsent. Whether there may be more to answer."""
        connection, answer = self.connection, self._answer
        while self.unsent_size < _MOST_UNSENT:
            if self.resumes or self.is_ending:
                return False
            event = connection.next_event()
            if event is NEED_DATA or event is CLOSED:
                return False
            reply, failure = answer(event, self)
            data = connection.send(reply)
            if failure is None:
                self.put(data)
            elif failure.kind == "delay":
                self._held = data
                self.resumes = monotonic() + failure.seconds
            else:
                self.is_ending = True
                if failure.kind == "cut":
                    self.put(data[: len(data) // 2])
        return True
