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
    """A queue of bytes that gives out lines, blocks, and bytes by number.

    A block can be had in somebody's own memory (`fill`), to which its bytes then go as they come,
    without a stop here.

    Args:
        max_line: the longest line, in bytes without its ending.
    """

    __slots__ = (
        "_filled",
        "_head",
        "_later",
        "_length",
        "_need",
        "_position",
        "_scratch",
        "_target",
        "_wanted",
        "max_line",
    )

    def __init__(self, max_line: int) -> None:
        self.max_line = max_line
        self._head = b""  # parsed up to _position
        self._position = 0
        self._later: deque[bytes | bytearray] = deque()  # what came after _head
        self._length = 0  # of all that is unused
        # What the last call asked for in vain: a line, or (0) nothing.
        self._need = 0
        self._target: memoryview | None = None  # where the next block goes, if it fits,
        self._wanted = 0  # how long it is, once it has been asked for,
        self._filled = 0  # and how much of it is there
        self._scratch: bytearray | None = None  # where bytes come in that go nowhere else

    def __len__(self) -> int:
        """The number of bytes received and not yet given out."""
        return self._length

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Append *data*. The buffer keeps no reference to a mutable one."""
        if self._filled < self._wanted:
            data = self._fill(data)
            if not data:
                return
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

    def loose_line(self) -> bytes | None:
        """Like `line`, but LF alone ends it as well."""
        if self._need or not self._length:
            return None
        start = self._position
        end = self._head.find(b"\n", start)
        if end < 0 and self._later:
            self._join()
            start = 0
            end = self._head.find(b"\n")
        if end < 0 or (end > start and self._head[end - 1] == 13):
            return self.line()
        if end - start > self.max_line:
            raise LimitExceeded(f"a line of more than {self.max_line} bytes")
        self._advance(end + 1)
        return self._head[start:end]

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
        start = self._position
        end = start + size
        if self._target is not None and size <= len(self._target):
            block = self._in_target(size, 2)
            if block is None:
                return None
            ending = self.take(2)
        elif self._length < size + 2:
            return None
        elif end + 2 <= len(self._head):
            block = self._head[start:end]
            ending = self._head[end : end + 2]
            self._advance(end + 2)
        else:
            block = self._gather(size)
            ending = self._gather(2)
        if ending != b"\r\n":
            raise RemoteProtocolError(f"a block of {size} bytes is followed by {ending!r}")
        return block

    def value(self, size: int) -> bytes | None:
        """The next *size* bytes, or None if they are not here yet; a block that nothing ends."""
        if self._target is not None and size <= len(self._target):
            return self._in_target(size, 0)
        return self.take(size) if size <= self._length else None

    def only_piece(self) -> bytes:
        """All that is here, if that is one piece; else nothing. It stays."""
        if self._later or self._target is not None:
            return b""
        return self._head[self._position :] if self._position else self._head

    def clear(self) -> None:
        """Drop all that is here."""
        self._head = b""
        self._later.clear()
        self._position = self._length = self._need = 0

    def peek(self, size: int) -> bytes:
        """The next *size* bytes, or as many as are here. They stay."""
        end = self._position + size
        if end > len(self._head) and self._later:
            self._join()
            end = size
        return self._head[self._position : end]

    def take(self, size: int) -> bytes:
        """The next *size* bytes, all of which are here."""
        end = self._position + size
        if end > len(self._head):
            return self._gather(size)
        data = self._head[self._position : end]
        self._advance(end)
        return data

    def skip(self, size: int) -> int:
        """Drop the next bytes, *size* at most; how many that were."""
        size = left = min(size, self._length)
        while left:
            here = min(left, len(self._head) - self._position)
            self._position += here
            left -= here
            if left:
                self._head = bytes(self._later.popleft())
                self._position = 0
        self._length -= size
        return size

    # ---------------------------------------------------------------------- blocks in other memory

    def fill(self, target: memoryview | None) -> None:
        """Put the next block that is asked for into *target*, if it fits. None: as ever."""
        self._target = target

    def get_buffer(self) -> memoryview:
        """Where the next bytes may be received: in the target, if a block is due there."""
        if self._filled < self._wanted:
            assert self._target is not None
            return self._target[self._filled : self._wanted]
        if self._scratch is None:
            self._scratch = bytearray(_GATHERED)
        return memoryview(self._scratch)

    def buffer_updated(self, count: int) -> None:
        """So many bytes have come to where `get_buffer` has said."""
        if self._filled < self._wanted:
            self._filled += count
        else:
            assert self._scratch is not None
            self.feed(memoryview(self._scratch)[:count])

    def _fill(self, data: bytes | bytearray | memoryview) -> bytes | bytearray | memoryview:
        """Put into the target what belongs there; the rest of *data*."""
        assert self._target is not None
        count = min(self._wanted - self._filled, len(data))
        self._target[self._filled : self._filled + count] = data[:count]
        self._filled += count
        return data[count:]

    def _in_target(self, size: int, behind: int) -> bytes | None:
        """The next *size* bytes, once they and so many behind them are here."""
        target = self._target
        assert target is not None
        if not self._wanted:
            self._wanted = size
            while self._filled < size and self._length:
                self._fill(self.take(min(size - self._filled, self._length, _GATHERED)))
        if self._filled < size or self._length < behind:
            return None
        self._target = None
        self._wanted = self._filled = 0
        return target[:size]  # type: ignore[return-value]  # memory was asked for, not bytes

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
