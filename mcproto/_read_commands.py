"""The server's ear: bytes -> commands, as memcached 1.6.45 hears them.

One function for each command reads its line.  What a bad line is answered, whether the data
behind it is read as lines or swallowed, and which errors ``noreply`` silences, all follows from
which check fails first, so the order of the checks is part of the protocol.  Where servers before
1.6.40, whose parser was another, hear something else, a comment says so.

Meta commands are heard in `_read_meta_commands`.  Knows nothing of replies to come;
`ServerConnection` keeps them in order.
"""

from __future__ import annotations

from . import classic
from ._buffer import ReceiveBuffer
from ._errors import LimitExceeded
from ._read_meta_commands import META_READERS
from ._read_replies import text_of
from ._replies import CLOSED, NEED_DATA, BadRequest
from ._requests import (
    BAD_CHUNK,
    BAD_DELTA,
    BAD_EXPTIME,
    BAD_LINE,
    MAX_BLOCK,
    TOO_LARGE,
    UNKNOWN,
    Announced,
    signed,
    unsigned,
)
from ._tokens import I32, MAX_KEY, U32, U64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._command import Command
    from ._replies import Closed, NeedData
    from ._requests import Request

__all__ = ["MAX_REQUEST"]

MAX_REQUEST = 1 << 20
"""The longest ``get`` line that is read, in bytes: room for 4,000 of the longest keys."""

# All other lines. (Servers take longer ones that happen to arrive in one packet; we do not, so
# that nothing depends on packets.)
LINE_LIMIT = 2048
_LINES_OF_KEYS = (b"get ", b"gets ")


class RequestBuffer(ReceiveBuffer):
    """What has been received: lines as clients may end them, and blocks that may be unwanted.

    Args:
        max_line: the longest line of keys, in bytes without its ending.
    """

    __slots__ = ("_longest", "_usual")

    def __init__(self, max_line: int) -> None:
        self._longest = max_line
        self._usual = min(max_line, LINE_LIMIT)
        # `feed` leaves room for a CR, but whether the last byte is one must be looked at.
        super().__init__(self._usual - 1)

    def line(self) -> bytes | None:
        """The next line without its LF and one CR before it, or None if it is not here yet.

        Raises:
            LimitExceeded: it is too long.
        """
        if self._need or not self._length:
            return None
        start = self._position
        end = self._head.find(b"\n", start)
        if end < 0 and self._later:
            self._join()
            start = 0
            end = self._head.find(b"\n")
        stop = end if end >= 0 else len(self._head)
        # A CR at the end of what is here may belong to the line's ending.
        size = stop - start - (stop > start and self._head[stop - 1] == 13)
        if size > self._usual:
            is_of_keys = self._head.startswith(_LINES_OF_KEYS, start)
            if not is_of_keys or size > self._longest:
                raise LimitExceeded(f"a line of more than {size - 1} bytes")
            self.max_line = self._longest - 1
        if end < 0:
            self._need = -1
            return None
        self.max_line = self._usual - 1
        self._advance(end + 1)
        return self._head[start : start + size]

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


class CommandReader:
    """Requests out of bytes, one after the other.

    Args:
        max_line: the longest line of keys, in bytes.
        max_value: the largest value that is kept until it is whole, in bytes. Larger ones are
            refused and swallowed.
    """

    __slots__ = ("_announced", "_buffer", "_max_value", "_unwanted")

    def __init__(self, max_line: int, max_value: int) -> None:
        self._buffer = RequestBuffer(max_line)
        self._max_value = max_value
        self._announced: Announced | None = None  # whose block is not whole yet
        self._unwanted = 0  # bytes of it that are still to be swallowed

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take what the peer has sent. What will be swallowed is not kept."""
        if self._unwanted:
            # Nothing is in the buffer, or it would have been swallowed.
            unwanted = min(self._unwanted, len(data))
            self._unwanted -= unwanted
            if unwanted == len(data):
                return
            data = data[unwanted:]
        self._buffer.feed(data)

    def next(self) -> Command[object] | BadRequest | NeedData | Closed:
        """The next request; CLOSED: the peer speaks another protocol.

        Raises:
            LimitExceeded: a line is too long.
        """
        announced = self._announced
        if announced is None:
            line = self._buffer.line()
            if line is None:
                return NEED_DATA
            request = read_request(line)
            if not isinstance(request, Announced):
                return request
            self._announced = announced = request
            if request.make is None or request.size > self._max_value:
                self._unwanted = request.size + 2
                self._unwanted -= self._buffer.skip(self._unwanted)
        if announced.make is None or announced.size > self._max_value:
            # Whoever waits for the error before he sends the block waits for ever.
            if self._unwanted:
                return NEED_DATA
            self._announced = None
            return announced.refusal
        if len(self._buffer) < announced.size + 2:
            return NEED_DATA
        self._announced = None
        value = self._buffer.take(announced.size)
        if self._buffer.take(2) != b"\r\n":
            return BadRequest(BAD_CHUNK, noreply=announced.refusal.noreply)
        return announced.make(value)


def read_request(line: bytes) -> Request:
    """What a line asks for, or what is wrong with it; CLOSED: the peer speaks another protocol."""
    if len(line) < 2:
        return BadRequest(BAD_LINE)  # (before 1.6.40: ERROR)
    words = [word for word in line.split(b" ") if word]
    if line[:1] == b" ":
        return _unknown(words)  # (before 1.6.40 leading blanks are ignored)
    read = _READERS.get(words[0])
    return _unknown(words) if read is None else read(words)


def _unknown(words: list[bytes]) -> Request:
    if words and words[-1].startswith(b"HTTP/"):
        return CLOSED
    return BadRequest(UNKNOWN, noreply=_wants_silence(words))


def _wants_silence(words: list[bytes]) -> bool:
    return len(words) > 1 and words[-1] == b"noreply"


# ------------------------------------------------------------------------------------- retrieval


def _retrieval(
    one: type[classic.Get | classic.Gets], many: type[classic.GetMany | classic.GetsMany]
) -> Callable[[list[bytes]], Request]:
    def read(words: list[bytes]) -> Request:
        keys = words[1:]
        if not keys or max(map(len, keys)) > MAX_KEY:
            return BadRequest(BAD_LINE)
        if len(keys) == 1:
            return one.received(key=keys[0])
        return many.received(keys=tuple(keys))

    return read


def _touching_retrieval(
    one: type[classic.Gat], many: type[classic.GatMany]
) -> Callable[[list[bytes]], Request]:
    def read(words: list[bytes]) -> Request:
        keys = words[2:]
        if not keys or max(map(len, keys)) > MAX_KEY:
            return BadRequest(BAD_LINE)
        exptime = signed(words[1], I32)
        if exptime is None:
            return BadRequest(BAD_EXPTIME)
        if len(keys) == 1:
            return one.received(key=keys[0], exptime=exptime)
        return many.received(keys=tuple(keys), exptime=exptime)

    return read


# --------------------------------------------------------------------------------------- storage


def _storage(
    kind: type[classic.Set | classic.Add | classic.Replace | classic.Append | classic.Prepend],
) -> Callable[[list[bytes]], Request]:
    def read(words: list[bytes]) -> Request:
        return _stored(words, kind, {})

    return read


def _cas(words: list[bytes]) -> Request:
    unique = unsigned(words[5], U64) if len(words) > 5 else None
    return _stored(words, classic.Cas, {"cas": unique})


def _stored(
    words: list[bytes], kind: type[Command[object]], special: dict[str, int | None]
) -> Request:
    """Without a length there is no telling the block from the next lines, so it is left.

    Whatever else is wrong, the block is swallowed (before 1.6.40 it is left).
    """
    size = unsigned(words[4], MAX_BLOCK) if len(words) > 4 else None
    if size is None:
        return BadRequest(BAD_LINE)
    noreply = _wants_silence(words)
    key = words[1]
    # Here alone numbers may have a plus, and be longer than they are kept.
    flags = unsigned(words[2].removeprefix(b"+"), U64)
    exptime = signed(words[3].removeprefix(b"+"), (1 << 63) - 1)
    if len(key) > MAX_KEY or flags is None or exptime is None or None in special.values():
        return Announced(size, BadRequest(BAD_LINE, noreply=noreply))
    fields = {"flags": flags & U32, "exptime": ((exptime + I32 + 1) & U32) - I32 - 1, **special}

    def make(value: bytes) -> Command[object]:
        return kind.received(key=key, value=value, noreply=noreply, **fields)

    removes = key if kind is classic.Set else None
    return Announced(size, BadRequest(TOO_LARGE, noreply=noreply, removes=removes), make)


# ---------------------------------------------------------------------------- one key, or no key


def _delete(words: list[bytes]) -> Request:
    if len(words) < 2 or len(words[1]) > MAX_KEY:
        return BadRequest(BAD_LINE, noreply=_wants_silence(words))
    # Whatever is behind the key is ignored (before 1.6.40: "0" alone).
    return classic.Delete.received(key=words[1], noreply=_wants_silence(words))


def _touch(words: list[bytes]) -> Request:
    if len(words) < 3:
        return BadRequest(BAD_LINE)
    noreply = _wants_silence(words)
    if len(words[1]) > MAX_KEY:
        return BadRequest(BAD_LINE, noreply=noreply)
    exptime = signed(words[2], I32)
    if exptime is None:
        return BadRequest(BAD_EXPTIME, noreply=noreply)
    return classic.Touch.received(key=words[1], exptime=exptime, noreply=noreply)


def _arithmetic(
    kind: type[classic.Incr | classic.Decr],
) -> Callable[[list[bytes]], Request]:
    def read(words: list[bytes]) -> Request:
        if len(words) < 3:
            return BadRequest(BAD_LINE)
        noreply = _wants_silence(words)
        if len(words[1]) > MAX_KEY:
            return BadRequest(BAD_LINE, noreply=noreply)
        delta = unsigned(words[2], U64)
        if delta is None:
            return BadRequest(BAD_DELTA, noreply=noreply)
        return kind.received(key=words[1], delta=delta, noreply=noreply)

    return read


def _flush_all(words: list[bytes]) -> Request:
    noreply = _wants_silence(words)
    # The option itself is no delay, but only as the last word.
    arguments = words[1:-1] if noreply else words[1:]
    delay = signed(arguments[0], I32) if arguments else 0
    if delay is None:
        return BadRequest(BAD_EXPTIME, noreply=noreply)
    return classic.FlushAll.received(delay=max(delay, 0), noreply=noreply)


def _verbosity(words: list[bytes]) -> Request:
    noreply = _wants_silence(words)
    level = unsigned(words[1], U32) if len(words) > 1 else None
    if level is None:
        return BadRequest(BAD_LINE, noreply=noreply)
    return classic.Verbosity.received(level=level, noreply=noreply)


def _version(words: list[bytes]) -> Request:
    return classic.Version()


def _stats(words: list[bytes]) -> Request:
    return classic.Stats.received(group=text_of(b" ".join(words[1:])) if words[1:] else None)


def _quit(words: list[bytes]) -> Request:
    return classic.Quit()


_READERS: dict[bytes, Callable[[list[bytes]], Request]] = {
    b"get": _retrieval(classic.Get, classic.GetMany),
    b"gets": _retrieval(classic.Gets, classic.GetsMany),
    b"gat": _touching_retrieval(classic.Gat, classic.GatMany),
    b"gats": _touching_retrieval(classic.Gats, classic.GatsMany),
    b"set": _storage(classic.Set),
    b"add": _storage(classic.Add),
    b"replace": _storage(classic.Replace),
    b"append": _storage(classic.Append),
    b"prepend": _storage(classic.Prepend),
    b"cas": _cas,
    b"delete": _delete,
    b"touch": _touch,
    b"incr": _arithmetic(classic.Incr),
    b"decr": _arithmetic(classic.Decr),
    b"flush_all": _flush_all,
    b"verbosity": _verbosity,
    b"version": _version,
    b"stats": _stats,
    b"quit": _quit,
    **META_READERS,
}
