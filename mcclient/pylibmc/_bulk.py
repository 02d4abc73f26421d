"""Many keys in one command: stored with a few operations on all of them, and by the direct door.

pylibmc's `get_multi` is C, and its `set_multi` a round trip for each key.  `SetAll`, and for
reading `mcproto._columns.GetColumns`, are what a hundred keys cost no more than that with: no
object for each key, either way.  The plain version is a `mcproto.Flight` of single commands, and
the tests compare the two.
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
)
from mcproto._read_replies import read_meta
from mcproto.transports import RECEIVE_SIZE

from .._link import NOT_YET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from mcproto._buffer import ReceiveBuffer
    from mcproto._columns import GetColumns
    from mcproto._read_replies import Limits, Progress

    from .._link import Link

__all__ = ["SetAll", "by_direct_door"]

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
