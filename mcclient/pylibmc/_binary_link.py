"""A connection that speaks binary, with a direct door for a get and a set.

pylibmc is often told to speak binary, and is C: the plain way costs six times as much
(benchmarks/pylibmc.py).  `Link.exchange` with `binary.Get` and `binary.Set` is the plain version,
and takes over where a reply is anything but the usual one.
"""

from __future__ import annotations

from time import monotonic

from mcproto import Status, binary
from mcproto._direct_binary import (
    FLAGS_AT,
    GET_HEADS,
    SET_EXTRAS,
    SET_FRONTS,
    SET_HEAD,
    STORED_SIZE,
    get_frames,
    set_frames,
)
from mcproto.transports import RECEIVE_SIZE

from .._link import NOT_YET, Link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from mcproto import Command
    from mcproto.transports import Transport

    R = TypeVar("R")

__all__ = ["BinaryLink"]

_VALUE_AT = FLAGS_AT.stop


class BinaryLink(Link):
    """A `Link` whose `fetch` and `store` speak binary.

    They set `since` themselves.
    """

    __slots__ = ("_next_get_frame", "_next_set_frame")

    def __init__(self, transport: Transport, timeout: float | None) -> None:
        super().__init__(transport, timeout, "binary")
        self._next_get_frame = get_frames().__next__
        self._next_set_frame = set_frames().__next__

    def fetch(self, key: bytes) -> tuple[bytes, int] | None:
        """(value, flags) of an item, None if it is not there. Raises as `exchange` does."""
        middle, miss, sizes = self._next_get_frame()
        request = b"".join((GET_HEADS[len(key)], middle, key))
        connection = self.connection
        connection.owed = 1
        sent, received = 0, None
        try:
            sent = self._send(request)
            received = self._receive(RECEIVE_SIZE)
            if len(received) == sizes[received[:16]]:
                connection.owed = 0
                return received[_VALUE_AT:], int.from_bytes(received[FLAGS_AT])
            if received == miss:
                connection.owed = 0
                return None
        except NOT_YET:
            pass
        except BaseException:
            self._fail()
            raise
        command = binary.Get.received(key=key, quiet=False, with_key=False, opaque=sizes.opaque)
        item = self._finish(command, request[sent:], received)
        return None if item is None else (item.value, item.flags)

    def store(self, key: bytes, value: bytes, flags: int, exptime: int) -> bool:
        """Whether the item has been stored. Raises as `exchange` does."""
        middle, stored, opaque = self._next_set_frame()
        size = len(key)
        body_size = SET_EXTRAS + size + len(value)
        head = SET_HEAD(SET_FRONTS[size], body_size, middle, flags, exptime)
        request = b"".join((head, key, value))
        connection = self.connection
        connection.owed = 1
        sent, received = 0, None
        try:
            sent = self._send(request)
            received = self._receive(RECEIVE_SIZE)
            if received[:16] == stored and len(received) == STORED_SIZE:
                connection.owed = 0
                return True
        except NOT_YET:
            pass
        except BaseException:
            self._fail()
            raise
        command = binary.Set.received(
            key=key, value=value, flags=flags, exptime=exptime, cas=0, quiet=False, opaque=opaque
        )
        return self._finish(command, request[sent:], received) is Status.STORED

    def _finish(self, command: Command[R], unsent: bytes, received: bytes | None) -> R:
        """From where the reply was not the usual one, or not whole yet."""
        self.since = monotonic()
        try:
            return self._go_on(command, unsent, received)
        except BaseException:
            self._end()
            raise

    def _fail(self) -> None:
        self.since = monotonic()
        self._end()
