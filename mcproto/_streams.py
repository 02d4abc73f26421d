"""Replies that are a run of lines: how one looks, and how to have its lines as they come.

Statistics and dumps may be larger than anybody wants to hold, and a log never ends.  What such a
reply is made of is a `LineForm`, which the command names; who reads or writes one needs no more.
Knows no command in particular, and nothing of what the lines say.
"""

from __future__ import annotations

from ._command import Command
from ._errors import InvalidArgument, LimitExceeded, ProtocolDesync
from ._read_replies import ERROR_KINDS, error_reply
from ._replies import NEED_DATA, Lines, Status, StreamLine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ._buffer import ReceiveBuffer
    from ._read_replies import Limits, Progress
    from ._replies import ErrorReply, NeedData, NoReply, Reply

__all__ = ["Stream"]


class LineForm:
    """The grammar of a reply that is a run of lines.

    Attributes:
        words: what a line may begin with; all else is no line of it.
        last: the line behind the last one.
        ending: what ends each of them: CR LF, or (dumps and logs for people) LF alone.
        opening: what some servers say before the first one; ``b""``: nothing.
        instead: what the whole reply may be instead, by the word on the wire.
        errors: the first words of the error lines that it may be instead.
    """

    __slots__ = ("ending", "errors", "instead", "last", "opening", "words")

    def __init__(
        self,
        words: tuple[bytes, ...],
        *,
        last: bytes = b"END",
        ending: bytes = b"\r\n",
        opening: bytes = b"",
        instead: Mapping[bytes, Status] | None = None,
        errors: frozenset[bytes] = ERROR_KINDS,
    ) -> None:
        self.words = words
        self.last = last
        self.ending = ending
        self.opening = opening
        self.instead = instead or {}
        self.errors = errors

    def read_line(
        self, buffer: ReceiveBuffer, progress: Progress
    ) -> StreamLine | Status | ErrorReply | NeedData:
        """The next line, or what ends them: ``Status.END``, or what has come instead of them all.

        *progress* is empty exactly until something has been understood.
        """
        while True:
            line = buffer.line() if self.ending == b"\r\n" else buffer.loose_line()
            if line is None:
                return NEED_DATA
            if line.startswith(self.words):
                if not progress:
                    progress.append(None)
                return StreamLine(line)
            if line == self.last:
                return Status.END
            if progress:
                raise ProtocolDesync(f"neither a line nor the end of them: {line[:64]!r}")
            if not self.opening or line != self.opening:
                instead = self.instead.get(line)
                return error_reply(line, self.errors) if instead is None else instead
            progress.append(None)

    def read_lines(
        self, buffer: ReceiveBuffer, progress: Progress, limits: Limits
    ) -> Lines | Status | ErrorReply | NeedData:
        """All of them at once."""
        if not progress:
            if not buffer:
                return NEED_DATA  # and nothing in progress: not a byte has come
            progress += ([], 0)  # what `read_line` keeps, and how many bytes have come
        while True:
            line = self.read_line(buffer, progress[0])
            if not isinstance(line, StreamLine):
                return Lines(progress[2:]) if line is Status.END else line
            progress[1] += len(line.line)
            if len(progress) - 2 == limits.max_items:
                raise LimitExceeded(f"more than {limits.max_items} lines")
            if progress[1] > limits.max_value:
                raise LimitExceeded(f"more than {limits.max_value} bytes of lines")
            progress.append(line.line)

    def write_lines(self, lines: Iterable[bytes]) -> bytes:
        """Lines of it, as they go over the wire.

        Raises:
            InvalidArgument: one of them is no line of it, or several.
        """
        parts: list[bytes] = []
        for line in lines:
            if not line.startswith(self.words) or b"\n" in line or line.endswith(b"\r"):
                raise InvalidArgument(f"line must be one of this reply's, not {line[:80]!r}")
            parts += (line, self.ending)
        return b"".join(parts)


class Stream(Command[None]):
    """The same request, but of its reply `next_event` gives one line after the other.

    ::

        connection.send(Stream(admin.Metadump()))

    Each line is a `StreamLine`.  The event behind the last one is what settles the command:
    ``Status.END``, or what has come instead of any line, an error say.  A line may be as long as
    the connection's *max_line*; there is no limit to how many they are, since none is kept.

    The result is None, once the last line has come.

    Args:
        command: one that is answered by lines: statistics or a dump. (A log is a stream already.)
    """

    __slots__ = ("_form", "command", "is_alone", "is_read")
    __match_args__ = ("command",)

    is_stream = True

    def __init__(self, command: Command[object]) -> None:
        form = command.line_form
        if form is None or command.is_watch:
            raise InvalidArgument(f"command is not answered by lines that end: {command!r}")
        self.command = command
        self.is_read = command.is_read
        self.is_alone = command.is_alone
        self._form = form

    def encode(self) -> bytes:
        return self.command.encode()

    def read(
        self, buffer: ReceiveBuffer, progress: Progress, limits: Limits
    ) -> StreamLine | Status | ErrorReply | NeedData:
        return self._form.read_line(buffer, progress)

    def result(self, reply: Reply | NoReply) -> None:
        if reply is not Status.END and reply not in self._form.instead.values():
            raise self._unexpected(reply)
