"""Many items asked for and stored in columns: keys, flags, values, and no object for each item.

The plain versions, with which the tests compare these, are `classic.GetMany` and a `Flight` of
`meta.Set`; benchmarks/blocking.py and benchmarks/parse.py show what is saved.
"""

from __future__ import annotations

from ._bulk import MOST_PER_VALUE, split_alike, split_columns
from ._command import Command
from ._errors import ErrorReplied, ProtocolDesync, RemoteProtocolError
from ._flight import EncodedFlight, Flight
from ._parts import LARGE
from ._read_replies import digits, error_reply, value_header
from ._replies import NEED_DATA, ErrorReply
from ._tokens import U32
from .meta import Set

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Any, TypeAlias

    from ._buffer import ReceiveBuffer
    from ._read_replies import Limits, Progress

    # Keys as somebody calls them, flags and values of items, in one order.
    Columns: TypeAlias = tuple[Sequence[Any], Sequence[int], Sequence[bytes]]

__all__ = ["WHOLE", "GetColumns", "quiet_sets"]

# A key of 250 bytes and two numbers of 20 digits.
LONGEST_HEADER = 310


class GetColumns(Command["Columns"]):
    """``get`` with several keys: what is there of them, in columns: names, flags and values.

    Args:
        keys: one at least; as `checked_key` gives them.
        names: what the caller calls them; by default, the same.
    """

    __slots__ = ("_length", "_name_of", "keys", "names")
    __match_args__ = ("keys",)

    is_read = True
    ending = b"END\r\n"  # of the usual reply

    def __init__(self, keys: Sequence[bytes], names: Sequence[Any] | None = None) -> None:
        self.keys = keys
        self.names = keys if names is None else names
        self._length = 0  # of all the keys, once it has been encoded
        self._name_of: dict[bytes, Any] | None = None

    @property
    def name_of(self) -> dict[bytes, Any]:
        """A key's name, the last one of several."""
        if self._name_of is None:
            self._name_of = dict(zip(self.keys, self.names, strict=True))
        return self._name_of

    def encode(self) -> bytes:
        joined = b" ".join(self.keys)
        self._length = len(joined) - len(self.keys) + 1
        return b"get %b\r\n" % joined

    def whole(self, received: bytes) -> Columns | None:
        """The result, if *received* is all of the reply and has one of the usual forms."""
        keys = self.keys
        if len(received) > MOST_PER_VALUE * len(keys) or received[-5:] != b"END\r\n":
            return None
        alike = split_alike(received, keys, self._length)
        if alike is not None:
            flags, values = alike
            return self.names, [flags] * len(keys), values
        columns = split_columns(received)
        if columns is None:
            return None
        found = columns[0]
        if found == keys:
            return self.names, *columns[1:3]
        if len(found) > len(keys) or len(self.name_of) < len(keys):
            return None
        try:
            return list(map(self.name_of.__getitem__, found)), *columns[1:3]
        except KeyError:
            return None  # nobody has asked for that one

    def read(self, buffer: ReceiveBuffer, progress: Progress, limits: Limits) -> Any:
        if not progress:
            if not buffer:
                return NEED_DATA  # and nothing in progress: not a byte has come
            received = buffer.only_piece()
            if len(received) <= limits.max_value and limits.max_line >= LONGEST_HEADER:
                columns = self.whole(received)
                if columns is not None:
                    buffer.clear()
                    return columns
            progress += ([], [], [], None)
        keys, flags, values, header = progress
        while True:
            if header is None:
                if limits.max_line >= LONGEST_HEADER:
                    piece = buffer.only_piece()
                    most = len(self.keys) - len(keys)
                    buffer.skip(_walk(piece, progress, self.name_of, most, limits.max_value))
                line = buffer.line()
                if line is None:
                    return NEED_DATA
                if line == b"END":
                    return self._named(keys), flags, values
                if not line.startswith(b"VALUE "):
                    if keys:
                        raise ProtocolDesync(f"neither an item nor the end of them: {line[:64]!r}")
                    return error_reply(line)
                if len(keys) == len(self.keys):
                    raise ProtocolDesync(f"more items than the {len(keys)} keys asked for")
                header = progress[3] = value_header(line, limits, self.name_of, False)
            value = buffer.block(header[2])
            if value is None:
                return NEED_DATA
            keys.append(header[0])
            flags.append(header[1])
            values.append(value)
            header = progress[3] = None

    def _named(self, found: list[bytes]) -> list[Any]:
        name_of = self.name_of
        if len(name_of) == len(self.keys):
            return [name_of[key] for key in found]
        # Some were asked for twice, and are answered twice: the first answer is for the first name.
        names: dict[bytes, list[Any]] = {}
        for key, name in zip(self.keys, self.names, strict=True):
            names.setdefault(key, []).append(name)
        return [names[key].pop(0) if len(names[key]) > 1 else names[key][0] for key in found]

    def result(self, reply: Any) -> Columns:
        if isinstance(reply, ErrorReply):
            raise ErrorReplied(reply)
        columns: Columns = reply
        return columns


def _walk(
    received: bytes, columns: list[Any], keys: Collection[bytes], most: int, max_value: int
) -> int:
    """Put the items that *received* begins with into the columns; where the last one ends.

    Of what is not whole, or no item, the plain grammar has to decide what it is.
    """
    found, all_flags, values, _ = columns
    find = received.find
    at = 0
    try:
        while most:
            end = find(b"\r\n", at)
            word, key, flags, size = received[at:end].split(b" ")
            start = end + 2
            stop = start + digits(size)
            if (
                word != b"VALUE"
                or end < 0
                or received[stop : stop + 2] != b"\r\n"
                or stop - start > max_value
                or key not in keys
            ):
                break
            number = 0 if flags == b"0" else digits(flags, U32)
            found.append(key)
            all_flags.append(number)
            values.append(received[start:stop])
            at = stop + 2
            most -= 1
    except (ValueError, RemoteProtocolError):
        pass
    return at


WHOLE = (GetColumns, EncodedFlight)
"""Commands that can tell, by ``whole``, that a reply is all here."""


def quiet_sets(
    keys: Sequence[bytes], values: Sequence[bytes], all_flags: Sequence[int], exptime: int
) -> Flight:
    """Quiet ``ms`` of every value under its key, closed by ``mn``.

    Args:
        keys: one at least; as `checked_key` gives them.
    """

    def commands() -> list[Set]:
        return [
            Set(key, value, F=flags or None, k=True, q=True, T=exptime or None)
            for key, value, flags in zip(keys, values, all_flags, strict=True)
        ]

    sizes = list(map(len, values))
    if max(sizes) >= LARGE:
        return Flight(commands())  # which copies no large one
    flags = all_flags[0]
    # One join of all pieces takes half of what it takes to fill a form for each.
    pieces = [b"\r\nms "] * (4 * len(keys))
    pieces[0] = b"ms "
    pieces[1::4] = keys
    if all_flags.count(flags) == len(all_flags):
        pieces[2::4] = map(_heads(flags, exptime).__getitem__, sizes)
    else:
        pieces[2::4] = [_heads(f, exptime)[n] for f, n in zip(all_flags, sizes, strict=True)]
    pieces[3::4] = values
    pieces.append(b"\r\n")
    return EncodedFlight(b"".join(pieces), len(keys), commands)


class _Heads(dict[int, bytes]):
    """The size of a value -> what stands between key and value in a quiet ``ms``. Bounded."""

    __slots__ = ("_words",)

    def __init__(self, flags: int, exptime: int) -> None:
        super().__init__()
        # In the order in which `meta.Set` has them.
        before = b"F%d " % flags if flags else b""
        after = b" T%d" % exptime if exptime else b""
        self._words = b"%bk q%b\r\n" % (before, after)

    def __missing__(self, size: int) -> bytes:
        head = b" %d %b" % (size, self._words)
        if len(self) < 1024:
            self[size] = head
        return head


_HEADS: dict[tuple[int, int], _Heads] = {}


def _heads(flags: int, exptime: int) -> _Heads:
    heads = _HEADS.get((flags, exptime))
    if heads is None:
        if len(_HEADS) >= 64:
            _HEADS.clear()
        heads = _HEADS[flags, exptime] = _Heads(flags, exptime)
    return heads
