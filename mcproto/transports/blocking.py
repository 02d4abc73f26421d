"""A blocking socket, one exchange at a time.

Waiting is left to the kernel (`SO_RCVTIMEO`, `SO_SNDTIMEO`): with `settimeout` Python polls before
every call, which costs a tenth of a whole exchange (benchmarks/get.py).  The kernel's limit is
one for each call, so it is set anew, to what is left, whenever a reply needs a second call.
Where the kernel has no such limit (its form differs between systems) `settimeout` serves.

The kernel counts anew when a signal's handler has returned in mid-wait, since Python then repeats
the call: a timer that goes off again and again puts a silent server's deadline off as often.  The
`selector` adapter keeps to the deadline even so.
"""

from __future__ import annotations

import socket
import struct
import sys
from math import inf
from time import monotonic

from . import RECEIVE_SIZE
from ._deadline import LONGEST, left
from ._exchange import FAILURES, receive
from ._sockets import connected, has_input

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    from .. import ClientConnection, Command
    from . import Address, Data

    R = TypeVar("R")

__all__ = ["BlockingBackend", "BlockingTransport"]

# A struct timeval of two longs: so it is on 64-bit Linux, whatever the C library.
_KERNEL_WAITS = sys.platform == "linux" and sys.maxsize > 1 << 32

# How long after the deadline the answers are read that have come in time, in seconds.
_GRACE = 0.05


class BlockingTransport:
    """A connected socket. See `mcproto.transports.Transport` for what the methods promise."""

    __slots__ = ("_limit", "_socket")

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        # What the kernel has been told, in seconds; None: no limit.
        self._limit: float | None = None
        sock.settimeout(None)

    def send_all(self, data: Data, deadline: float = inf) -> None:
        self._wait_at_most(left(deadline))
        view = memoryview(data)
        while True:
            try:
                view = view[self._socket.send(view) :]
            except BlockingIOError:
                raise TimeoutError("the server does not read") from None
            if not view:
                return
            self._wait_at_most(left(deadline))

    def receive_some(self, max_bytes: int = RECEIVE_SIZE, deadline: float = inf) -> bytes:
        self._wait_at_most(left(deadline))
        try:
            return self._socket.recv(max_bytes)
        except BlockingIOError:
            raise TimeoutError("the server does not answer") from None

    def direct(
        self, timeout: float | None
    ) -> tuple[Callable[[bytes], int], Callable[[int], bytes]]:
        self._wait_at_most(None if timeout is None else min(timeout, LONGEST))
        return self._socket.send, self._socket.recv

    def has_input(self) -> bool:
        return has_input(self._socket)

    def abort(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has ended already

    def close(self) -> None:
        self._socket.close()

    def __del__(self) -> None:
        # Dropped on the way by an interruption: nobody is left to close it, and nobody to warn.
        try:
            self.close()
        except AttributeError:
            pass  # that was in `__init__`

    def _wait_at_most(self, seconds: float | None) -> None:
        limit = self._limit
        if seconds == limit:
            return
        # A limit that is longer by next to nothing spares two system calls: so it nearly always
        # is when an exchange begins, since a moment of its deadline has passed already.
        if seconds and limit and seconds < limit < seconds * 1.01:
            return
        # Unknown until it is done: an interruption in between must not leave a wrong idea.
        self._limit = -1.0
        if _KERNEL_WAITS:
            # Zero would mean no limit.
            micro = 0 if seconds is None else max(1, int(seconds * 1e6))
            packed = struct.pack("ll", *divmod(micro, 1_000_000))
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, packed)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, packed)
        else:
            self._socket.settimeout(seconds)
        self._limit = seconds


class BlockingBackend:
    """Blocking sockets: TCP, and unix sockets where the address is a path."""

    def connect(self, address: Address, deadline: float = inf) -> BlockingTransport:
        return BlockingTransport(connected(address, deadline))

    def exchange_all(
        self,
        jobs: Sequence[tuple[BlockingTransport, ClientConnection, Command[R]]],
        deadline: float = inf,
    ) -> list[R | Exception]:
        """All are sent before the first reply is read, so the slowest server decides.

        Replies are read in order: waiting for one costs nothing while the others arrive, nor
        does waiting in vain, for what is here at the deadline is still read.
        """
        outcomes: list[R | Exception | None] = []
        for transport, connection, command in jobs:
            try:
                transport.send_all(connection.send(command), deadline)
            except FAILURES as error:
                outcomes.append(error)
            else:
                outcomes.append(None)
        return [
            _received(*job, deadline) if outcome is None else outcome
            for job, outcome in zip(jobs, outcomes, strict=True)
        ]


def _received(
    transport: BlockingTransport,
    connection: ClientConnection,
    command: Command[R],
    deadline: float,
) -> R | Exception:
    if monotonic() >= deadline and transport.has_input():
        deadline += _GRACE
    try:
        return receive(transport, connection, command, deadline)
    except FAILURES as error:
        return error
