"""Many keys in one command: asked for and answered with a few operations on all of them.

pylibmc's `get_multi` is C, and its `set_multi` a round trip for each key.  These two commands are
what a hundred keys cost no more than that with: no object for each key, either way.  The plain
versions are `mcproto.classic.GetMany` and a `mcproto.Flight` of single commands, and the tests
compare the two.
"""

from __future__ import annotations

# The quick ways go through the doors of a link, past its methods: a call less for each.
# pyright: reportPrivateUsage=false
from itertools import chain

from mcproto import (
    NEED_DATA,
    Command,
    ErrorReplied,
    ErrorReply,
    MetaReply,
    ProtocolDesync,
    RemoteProtocolError,
)
from mcproto._bulk import MOST_PER_VALUE, split_values
from mcproto._read_replies import digits, read_meta, read_values
from mcproto._tokens import U32
from mcproto.transports import RECEIVE_SIZE

from .._link import NOT_YET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, TypeAlias

    from mcproto._buffer import ReceiveBuffer
    from mcproto._read_replies import Limits, Progress

    from .._link import Link

    # Keys, flags and values of items, in one order.
    Columns: TypeAlias = tuple[Sequence[bytes], Sequence[int], Sequence[bytes]]

__all__ = ["GetColumns", "SetAll", "by_direct_door"]

_BETWEEN = b"\r\nVALUE "
_LAST = b"\r\nEND\r\n"

# A key of 250 bytes and three numbers of 20 digits.
_LONGEST_HEADER = 330


class GetColumns(Command["Columns"]):
    """``get`` with several keys: keys, flags and values of what is there."""

    __slots__ = ("keys",)
    __match_args__ = ("keys",)

    is_read = True

    def __init__(self, keys: Sequence[bytes]) -> None:
        self.keys = keys

    def encode(self) -> bytes:
        return b"get %b\r\n" % b" ".join(self.keys)

    def read(self, buffer: ReceiveBuffer, progress: Progress, limits: Limits) -> Any:
        members = frozenset(self.keys)
        if not progress and limits.max_line >= _LONGEST_HEADER:
            received = buffer.only_piece()
            most = min(MOST_PER_VALUE * len(members), limits.max_value)
            if len(received) <= most and received.endswith(b"END\r\n"):
                columns = split_values(received, members, False)
                if columns is not None and len(columns[0]) <= len(self.keys):
                    buffer.clear()
                    return columns
        reply = read_values(buffer, progress, limits, _Asked(self.keys), False)
        if reply is NEED_DATA or isinstance(reply, ErrorReply):
            return reply
        items = reply.items
        return (
            [item.key for item in items],
            [item.flags for item in items],
            [item.value for item in items],
        )

    def result(self, reply: Any) -> Columns:
        if isinstance(reply, ErrorReply):
            raise ErrorReplied(reply)
        columns: Columns = reply
        return columns

    def whole(self, received: bytes) -> Columns | None:
        """The result, if *received* is all of it: every key, all with the same flags and length.

        Then it takes half of the time. (None: the plain way decides.)
        """
        keys = self.keys
        if not received.startswith(b"VALUE ") or not received.endswith(_LAST):
            return None
        items = received[6 : -len(_LAST)].split(_BETWEEN)
        words = items[0].partition(b"\r\n")[0].split(b" ")
        if len(items) != len(keys) or len(words) != 3:
            return None
        try:
            flags, size = digits(words[1], U32), digits(words[2])
        except RemoteProtocolError:
            return None
        behind_key = b" %b %b\r\n" % (words[1], words[2])
        datas = list(map(bytes.removeprefix, items, [key + behind_key for key in keys]))
        # Every value is as long as it must be, and so is the whole: none has kept its header.
        length = sum(map(len, keys)) + len(keys) * (len(behind_key) + size + len(_BETWEEN))
        if {*map(len, datas)} != {size} or len(received) != 6 + length - len(_BETWEEN) + len(_LAST):
            return None
        return keys, [flags] * len(keys), datas


class _Asked(tuple[bytes, ...]):
    """Keys, as many as were given, but looked up by hash."""

    _members: frozenset[bytes] | None = None

    def __contains__(self, key: object) -> bool:
        if self._members is None:
            self._members = frozenset(self)
        return key in self._members


_NONE: frozenset[bytes] = frozenset()


class SetAll(Command["frozenset[bytes]"]):
    """``ms`` for every item, quietly, and ``mn`` behind them: the keys that were not stored.

    For servers that speak meta.

    Raises (from `result`):
        ErrorReplied: the server has failed over one of them; the others have been tried.
    """

    __slots__ = ("_datas", "_exptime", "_flags", "_keys")

    def __init__(
        self, keys: Sequence[bytes], datas: Sequence[bytes], flags: int, exptime: int
    ) -> None:
        self._keys = keys
        self._datas = datas
        self._flags = flags
        self._exptime = exptime

    @property
    def value_size(self) -> int:
        return max(map(len, self._datas))

    def encode(self) -> bytes:
        words = b"k q"
        if self._flags:
            words = b"F%d %b" % (self._flags, words)
        if self._exptime:
            words = b"T%d %b" % (self._exptime, words)
        keys, datas = self._keys, self._datas
        sizes = {*map(len, datas)}
        if len(sizes) == 1:  # half of the time
            (size,) = sizes
            behind_key = b" %d %b\r\n" % (size, words)
            items = b"\r\nms ".join(map(behind_key.join, zip(keys, datas, strict=True)))
            return b"ms %b\r\nmn\r\n" % items
        form = b"ms %%b %%d %b\r\n%%b\r\n" % words
        fields = chain.from_iterable(zip(keys, map(len, datas), datas, strict=True))
        return form * len(datas) % tuple(fields) + b"mn\r\n"

    def whole(self, received: bytes) -> frozenset[bytes] | None:
        """The result, if *received* is all of it, and says that all were stored."""
        return _NONE if received == b"MN\r\n" else None

    def read(self, buffer: ReceiveBuffer, progress: Progress, limits: Limits) -> Any:
        # What was not stored, and the first error.
        while True:
            reply = read_meta(buffer, [], limits)
            if reply is NEED_DATA:
                return NEED_DATA
            if isinstance(reply, MetaReply):
                if reply.code == "MN":
                    return tuple(progress)
                if reply.code not in ("NS", "NF", "EX"):
                    raise ProtocolDesync(f"a quiet set answered by {reply!r}")
            progress.append(reply)

    def result(self, reply: Any) -> frozenset[bytes]:
        refused: list[bytes] = []
        for each in reply:
            if isinstance(each, ErrorReply):
                raise ErrorReplied(each)
            key: bytes | None = dict(each.flags).get("k")
            if key is None or key not in self._keys:
                raise ProtocolDesync(f"a quiet set of another key: {each!r}")
            refused.append(key)
        return frozenset(refused)


def by_direct_door(link: Link, command: GetColumns | SetAll, request: bytes) -> Any:
    """One exchange, as `Link.fetch` has it. Raises as `Link.exchange` does."""
    connection = link.connection
    sent, received = 0, None
    connection.owed = 1
    try:
        try:
            sent = link._send(request)
            if sent == len(request):
                received = link._receive(RECEIVE_SIZE)
        except NOT_YET:
            pass
        if received:
            result = command.whole(received)
            if result is not None:
                connection.owed = 0
                return result
        return link._go_on(command, request[sent:], received)
    except BaseException:
        link._end()
        raise
