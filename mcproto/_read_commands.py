"""The server's ear: bytes -> commands, as memcached hears them.

One function for each command reads its line.  What a bad line is answered, whether the data
behind it is read as lines or swallowed, and which errors ``noreply`` silences, all follows from
which check fails first, so the order of the checks is part of the protocol.  Where generations of
servers hear something else, `Generation` says what it is.

Meta commands are heard in `_read_meta_commands`.  Knows nothing of replies to come;
`ServerConnection` keeps them in order.
"""

from __future__ import annotations

from . import classic
from ._buffer import ReceiveBuffer
from ._errors import LimitExceeded
from ._read_meta_commands import META_READERS
from ._read_replies import text_of
from ._replies import CLOSED, NEED_DATA, BadRequest, ErrorReply
from ._requests import (
    BAD_DELTA,
    BAD_EXPTIME,
    BAD_LINE,
    TOO_LARGE,
    UNKNOWN,
    Announced,
    block_size,
)
from ._tokens import I32, MAX_KEY, U32, U64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._command import Command
    from ._generations import Generation
    from ._replies import Closed, NeedData
    from ._requests import Reader, Request

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
        longest: a line of keys, in bytes without its ending. May be changed between two lines.
    """

    __slots__ = ("_usual", "longest")

    def __init__(self, longest: int) -> None:
        self.longest = longest
        self._usual = min(longest, LINE_LIMIT)
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
            if not is_of_keys or size > self.longest:
                raise LimitExceeded(f"a line of more than {size - 1} bytes")
            self.max_line = self.longest - 1
        if end < 0:
            self._need = -1
            return None
        self.max_line = self._usual - 1
        self._advance(end + 1)
        return self._head[start : start + size]


class CommandReader:
    """Requests out of bytes, one after the other.

    Args:
        max_line: the longest line of keys, in bytes.
        max_value: the largest value that is kept until it is whole, in bytes. Larger ones are
            refused and swallowed.
        like: the server that is imitated.
        is_stranger: nothing is heard but who is there, until `let_in`.
    """

    __slots__ = (
        "_announced",
        "_buffer",
        "_is_stranger",
        "_like",
        "_max_line",
        "_max_value",
        "_unwanted",
    )

    def __init__(
        self, max_line: int, max_value: int, like: Generation, *, is_stranger: bool = False
    ) -> None:
        self._max_line = max_line
        self._is_stranger = is_stranger
        self._buffer = RequestBuffer(min(max_line, LINE_LIMIT) if is_stranger else max_line)
        self._like = like
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
            before = len(self._buffer)
            line = self._buffer.line()
            if line is None:
                return NEED_DATA
            request = self._read(line, before - len(self._buffer))
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
            return BadRequest(announced.bad_end, noreply=announced.refusal.noreply)
        return announced.make(value)

    def _read(self, line: bytes, size: int) -> Request:
        if not self._is_stranger:
            return read_request(line, self._like)
        from ._read_admin_commands import read_stranger

        return read_stranger(line, size, self._like)

    def let_in(self) -> None:
        """From here on any command is heard."""
        self._is_stranger = False
        self._buffer.longest = self._max_line


def read_request(line: bytes, like: Generation) -> Request:
    """What a line asks for, or what is wrong with it; CLOSED: the peer speaks another protocol."""
    if like.ends_lines_at_nul:
        line = line.partition(b"\0")[0]
    if like.skips_blanks:
        line = line.lstrip(b" ")
    if len(line) < 2:
        return BadRequest(UNKNOWN if like.counts_words else BAD_LINE)
    words = [word for word in line.split(b" ") if word]
    if line[:1] == b" ":
        return _unknown(words, like)
    name = words[0]
    read = _READERS.get(name)
    if read is None and name in _ADMIN:
        from ._read_admin_commands import ADMIN_READERS

        read = ADMIN_READERS[name]
    if read is None:
        if not like.has_bget or name != b"bget":
            return _unknown(words, like)
        read = _READERS[b"get"]
    if like.counts_words and len(words) not in _COUNTS.get(name, _ANY_COUNT):
        return BadRequest(UNKNOWN)
    return read(words, like)


# Read elsewhere: few connections ever hear one.
_ADMIN = frozenset(
    b"slabs lru lru_crawler watch cache_memlimit shutdown refresh_certs extstore debugtime".split()
)

# By these, and by two letters of which one is an m, some servers sort words before they look.
_INITIALS = (b"a", b"c", b"d", b"g", b"i", b"s", b"t")


def _unknown(words: list[bytes], like: Generation) -> Request:
    if words and words[-1].startswith(b"HTTP/"):
        name = words[0]
        is_sorted = name.startswith(_INITIALS) or len(name) == 1 + name.startswith(b"m")
        if not (like.sorts_by_initials and is_sorted):
            return CLOSED
    return BadRequest(UNKNOWN, noreply=like.silences_unknown and _wants_silence(words))


def _wants_silence(words: list[bytes]) -> bool:
    return len(words) > 1 and words[-1] == b"noreply"


# ------------------------------------------------------------------------------------- retrieval


def _retrieval(
    one: type[classic.Get | classic.Gets], many: type[classic.GetMany | classic.GetsMany]
) -> Reader:
    def read(words: list[bytes], like: Generation) -> Request:
        keys = words[1:]
        if not keys or max(map(len, keys)) > MAX_KEY:
            return BadRequest(BAD_LINE)
        if len(keys) == 1:
            return one.received(key=keys[0])
        return many.received(keys=tuple(keys))

    return read


def _touching_retrieval(one: type[classic.Gat], many: type[classic.GatMany]) -> Reader:
    def read(words: list[bytes], like: Generation) -> Request:
        keys = words[2:]
        fits = max(map(len, keys)) <= MAX_KEY if keys else like.gets_nothing
        exptime = like.signed(words[1], I32) if len(words) > 1 else None
        # (Where a request for nothing is a good one, the keys are looked at last.)
        if not fits and (exptime is not None or not like.gets_nothing):
            return BadRequest(BAD_LINE)
        if exptime is None:
            return BadRequest(BAD_EXPTIME)
        if len(keys) == 1:
            return one.received(key=keys[0], exptime=exptime)
        return many.received(keys=tuple(keys), exptime=exptime)

    return read


# --------------------------------------------------------------------------------------- storage


def _storage(
    kind: type[classic.Set | classic.Add | classic.Replace | classic.Append | classic.Prepend],
) -> Reader:
    def read(words: list[bytes], like: Generation) -> Request:
        return _stored(words, like, kind, {})

    return read


def _cas(words: list[bytes], like: Generation) -> Request:
    unique = like.unsigned(words[5], U64) if len(words) > 5 else None
    return _stored(words, like, classic.Cas, {"cas": unique})


def _stored(
    words: list[bytes],
    like: Generation,
    kind: type[Command[object]],
    special: dict[str, int | None],
) -> Request:
    """Without a length there is no telling the block from the next lines, so it is left.

    Whatever else is wrong, the block is swallowed, as the generation will have it.
    """
    size = block_size(words[4], like) if len(words) > 4 else None
    noreply = _wants_silence(words)
    if size is None:
        return BadRequest(BAD_LINE, noreply=noreply and like.leaves_blocks)
    key = words[1]
    # Here alone numbers may have a plus, and be longer than they are kept.
    flags = like.unsigned(words[2].removeprefix(b"+"), U64)
    exptime = like.signed(words[3].removeprefix(b"+"), (1 << 63) - 1)
    if len(key) > MAX_KEY or flags is None or exptime is None or None in special.values():
        refusal = BadRequest(BAD_LINE, noreply=noreply)
        return refusal if like.leaves_blocks else Announced(size, refusal)
    fields = {"flags": flags & U32, "exptime": ((exptime + I32 + 1) & U32) - I32 - 1, **special}

    def make(value: bytes) -> Command[object]:
        return kind.received(key=key, value=value, noreply=noreply, **fields)

    removes = key if kind is classic.Set else None
    return Announced(size, BadRequest(TOO_LARGE, noreply=noreply, removes=removes), make)


# ---------------------------------------------------------------------------- one key, or no key

_USAGE_OF_DELETE = ErrorReply(
    "CLIENT_ERROR", "bad command line format.  Usage: delete <key> [noreply]"
)


def _delete(words: list[bytes], like: Generation) -> Request:
    noreply = _wants_silence(words)
    if like.knows_delete_times:
        # The first word behind the command is the key, even if it is "noreply".
        noreply = noreply and len(words) > 2
        if (words[2:-1] if noreply else words[2:]) not in ([], [b"0"]):
            return BadRequest(_USAGE_OF_DELETE, noreply=noreply)
    # Up to three words behind the key have been seen to be ignored. With more of them we follow
    # memccapable, which tests servers, and wants an error.
    if not 2 <= len(words) <= 5 or len(words[1]) > MAX_KEY:
        return BadRequest(BAD_LINE, noreply=noreply)
    return classic.Delete.received(key=words[1], noreply=noreply)


def _touch(words: list[bytes], like: Generation) -> Request:
    if len(words) < 3:
        return BadRequest(BAD_LINE)
    noreply = _wants_silence(words)
    if len(words[1]) > MAX_KEY:
        return BadRequest(BAD_LINE, noreply=noreply)
    exptime = like.signed(words[2], I32)
    if exptime is None:
        return BadRequest(BAD_EXPTIME, noreply=noreply)
    return classic.Touch.received(key=words[1], exptime=exptime, noreply=noreply)


def _arithmetic(
    kind: type[classic.Incr | classic.Decr],
) -> Reader:
    def read(words: list[bytes], like: Generation) -> Request:
        if len(words) < 3:
            return BadRequest(BAD_LINE)
        noreply = _wants_silence(words)
        if len(words[1]) > MAX_KEY:
            return BadRequest(BAD_LINE, noreply=noreply)
        delta = like.unsigned(words[2], U64)
        if delta is None:
            return BadRequest(BAD_DELTA, noreply=noreply)
        return kind.received(key=words[1], delta=delta, noreply=noreply)

    return read


def _flush_all(words: list[bytes], like: Generation) -> Request:
    noreply = _wants_silence(words)
    # The option itself is no delay, but only as the last word.
    arguments = words[1:-1] if noreply else words[1:]
    delay = like.signed(arguments[0], I32) if arguments else 0
    if delay is None:
        return BadRequest(BAD_EXPTIME, noreply=noreply)
    return classic.FlushAll.received(delay=max(delay, 0), noreply=noreply)


def _verbosity(words: list[bytes], like: Generation) -> Request:
    noreply = _wants_silence(words)
    level = like.unsigned(words[1], U32) if len(words) > 1 else None
    if level is None:
        return BadRequest(BAD_LINE, noreply=noreply)
    return classic.Verbosity.received(level=level, noreply=noreply)


def _version(words: list[bytes], like: Generation) -> Request:
    return classic.Version()


def _stats(words: list[bytes], like: Generation) -> Request:
    return classic.Stats.received(group=text_of(b" ".join(words[1:])) if words[1:] else None)


def _quit(words: list[bytes], like: Generation) -> Request:
    return classic.Quit()


_READERS: dict[bytes, Reader] = {
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

# How many words a line may have, where that is looked at first.
_MOST_WORDS = 2050
_ANY_COUNT = range(1, _MOST_WORDS)
_COUNTS = {
    **dict.fromkeys([b"get", b"gets", b"gat", b"gats", b"bget"], range(2, MAX_REQUEST)),
    **dict.fromkeys([b"set", b"add", b"replace", b"append", b"prepend"], range(5, 7)),
    b"cas": range(6, 8),
    b"delete": range(2, 5),
    **dict.fromkeys([b"touch", b"incr", b"decr"], range(3, 5)),
    b"flush_all": range(1, 4),
    b"verbosity": range(2, 4),
    **dict.fromkeys([b"mg", b"ms", b"md", b"ma"], range(2, _MOST_WORDS)),
}
