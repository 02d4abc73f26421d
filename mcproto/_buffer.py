"""Received bytes, until somebody makes sense of them.

Knows lines and blocks and nothing of commands or replies.  Each byte is looked at and copied a
few times and no more, however it was cut on its way: `feed` searches what is new and nothing
else, and who has asked for a line in vain is not served again before the answer can have changed.
"""

from __future__ import annotations

from collections import deque

from ._errors import LimitExceeded, RemoteProtocolError

__all__ = ["ReceiveBuffer"]

# Pieces shorter than this are gathered into a bytearray: a list of 1-byte pieces would cost
# fifty times the bytes it holds.
_SMALL = 4096
_GATHERED = 65536
_A_LINE = -1


class ReceiveBuffer:
    """A queue of bytes that gives out lines and blocks.

    Args:
        max_line: the longest line, in bytes without its ending.
    """

    __slots__ = ("_head", "_later", "_length", "_need", "_position", "max_line")

    def __init__(self, max_line: int) -> None:
        self.max_line = max_line
        self._head = b""  # parsed up to _position
        self._position = 0
        self._later: deque[bytes | bytearray] = deque()  # what came after _head
        self._length = 0  # of all that is unused
        # What the last call asked for in vain: a line, or (0) nothing.
        self._need = 0

    def __len__(self) -> int:
        """The number of bytes received and not yet given out."""
        return self._length

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Append *data*. The buffer keeps no reference to a mutable one."""
        if type(data) is not bytes:
            data = bytes(data)
        self._length += len(data)
        if not self._later and self._position == len(self._head):
            self._head = data
            self._position = 0
        elif len(data) >= _SMALL:
            self._later.append(data)
        else:
            last = self._later[-1] if self._later else None
            if type(last) is bytearray and len(last) < _GATHERED:
                last += data
            else:
                self._later.append(bytearray(data))
        # Beyond the limit the answer changes without an end too: it is an error then.
        if self._need and (b"\n" in data or self._length > self.max_line + 1):
            self._need = 0

    def line(self) -> bytes | None:
        """The next line without its CR LF, or None if it is not here yet.

        Raises:
            LimitExceeded: it is longer than `max_line`.
            RemoteProtocolError: it ends in LF alone.
        """
        if self._need or not self._length:
            return None
        start = self._position
        end = self._head.find(b"\n", start)
        if end < 0 and self._later:
            self._join()
            start = 0
            end = self._head.find(b"\n")
        if end < 0:
            if self._length > self.max_line + 1:
                raise LimitExceeded(f"a line of more than {self.max_line} bytes")
            self._need = _A_LINE
            return None
        if end - start > self.max_line + 1:
            raise LimitExceeded(f"a line of more than {self.max_line} bytes")
        if end == start or self._head[end - 1] != 13:
            raise RemoteProtocolError(f"a line without CR: {self._head[start:end][:64]!r}")
        self._advance(end + 1)
        return self._head[start : end - 1]

    def peek_line(self) -> bytes | None:
        """Like `line`, but the line stays."""
        line = self.line()
        if line is not None:
            # It is in one piece by now, and that piece is still there.
            self._position -= len(line) + 2
            self._length += len(line) + 2
        return line

    def block(self, size: int) -> bytes | None:
        """The next *size* bytes, or None if they and the CR LF behind them are not here yet.

        Raises:
            RemoteProtocolError: what follows them is not CR LF.
        """
        if self._length < size + 2:
            return None
        start = self._position
        end = start + size
        if end + 2 <= len(self._head):
            block = self._head[start:end]
            ending = self._head[end : end + 2]
            self._advance(end + 2)
        else:
            block = self._gather(size)
            ending = self._gather(2)
        if ending != b"\r\n":
            raise RemoteProtocolError(f"a block of {size} bytes is followed by {ending!r}")
        return block

    def _advance(self, position: int) -> None:
        self._length -= position - self._position
        self._position = position

    def _join(self) -> None:
        self._head = b"".join([self._head[self._position :], *self._later])
        self._position = 0
        self._later.clear()

    def _gather(self, size: int) -> bytes:
        """Take *size* bytes that are here but in several pieces, joining them once."""
        pieces: list[bytes | bytearray] = [self._head[self._position : self._position + size]]
        left = size - len(pieces[0])
        self._position += len(pieces[0])
        while left:
            piece = self._later.popleft()
            if len(piece) > left:
                self._head = bytes(piece)
                self._position = left
                piece = self._head[:left]
            pieces.append(piece)
            left -= len(piece)
        self._length -= size
        return b"".join(pieces)
