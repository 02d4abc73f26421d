"""A blocking socket, one exchange at a time.

For the moment that an answer nearly always takes, the waiting is left to the kernel
(`SO_RCVTIMEO`, `SO_SNDTIMEO`): with `settimeout` Python polls before every call, which costs a
tenth of a whole exchange (benchmarks/get.py).  Who has to wait longer than a moment polls, for the
time that is left, so that the kernel's limit never decides about a deadline.  (It is one for each
call, and begins anew when a signal's handler has returned.)

Where the kernel has no such limit (its form differs between systems) `settimeout` serves.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections import deque
from itertools import islice
from math import inf
from time import monotonic

from .._columns import WHOLE
from .._parts import LARGE
from . import RECEIVE_SIZE
from ._deadline import left
from ._exchange import FAILURES, READ, WRITE, continuing, is_ready, receive
from ._sockets import drive, has_input, is_private, opening, wait_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Generator, Iterator, Mapping, Sequence
    from typing import TypeVar

    from .. import ClientConnection, Command
    from . import Address, Context, Data, Transport, Wait

    R = TypeVar("R")

__all__ = ["BlockingBackend", "BlockingTransport"]

# A struct timeval of two longs: so it is on 64-bit Linux, whatever the C library.
_KERNEL_WAITS = sys.platform == "linux" and sys.maxsize > 1 << 32

MOMENT = 0.001
"""How long one call may wait in the kernel, in seconds.

Linux makes that one tick of its clock.  So it runs out at a tick even if a signal's handler returns
every millisecond and it begins anew each time: the next tick is the next tick."""

# What a call says that has waited for a moment in vain.
NOT_YET = (BlockingIOError, TimeoutError)

# How many pieces the system takes at a time (IOV_MAX).
_MOST_PARTS = 1024

# How long after the deadline the answers are read that have come in time, in seconds.
_GRACE = 0.05


class BlockingTransport:
    """A connected socket. See `mcproto.transports.Transport` for what the methods promise."""

    __slots__ = ("_socket",)

    has_unsent = False

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        sock.settimeout(None)
        # (gevent's sockets wait by themselves: the descriptor below never blocks.)
        if _KERNEL_WAITS and os.get_blocking(sock.fileno()):
            packed = struct.pack("ll", 0, int(MOMENT * 1e6))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, packed)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, packed)
        else:
            sock.settimeout(MOMENT)

    def fileno(self) -> int:
        return self._socket.fileno()

    def send_now(self, data: Data) -> int:
        try:
            return self._socket.send(data, socket.MSG_DONTWAIT)
        except NOT_YET:
            return 0

    def receive_now(self) -> bytes | None:
        try:
            return self._socket.recv(RECEIVE_SIZE, socket.MSG_DONTWAIT)
        except NOT_YET:
            return None

    def send_all(self, data: Data, deadline: float = inf) -> None:
        self._check(WRITE, deadline)
        view = memoryview(data)
        while True:
            try:
                view = view[self._socket.send(view) :]
            except NOT_YET:
                pass
            if not view:
                return
            wait_for(self._socket, WRITE, deadline)

    def send_parts(
        self, parts: Sequence[Data], deadline: float, hear: Callable[[bytes], object]
    ) -> None:
        self._check(WRITE, deadline)
        unsent = deque([memoryview(part) for part in parts])
        flags = 0
        events = READ | WRITE
        while True:
            try:
                sent = self._socket.sendmsg(list(islice(unsent, _MOST_PARTS)), (), flags)
            except NOT_YET:
                sent = 0
            while unsent and sent >= len(unsent[0]):
                sent -= len(unsent.popleft())
            if not unsent:
                return
            unsent[0] = unsent[0][sent:]
            # From here on nothing waits in a call: the server may not read on before it is heard.
            flags = socket.MSG_DONTWAIT
            wait_for(self._socket, events, deadline)
            if events & READ and (data := self.receive_now()) is not None:
                hear(data)
                if not data:
                    events = WRITE  # that was the end; whether it still reads will show

    def receive_some(self, max_bytes: int = RECEIVE_SIZE, deadline: float = inf) -> bytes:
        self._check(READ, deadline)
        while True:
            try:
                return self._socket.recv(max_bytes)
            except NOT_YET:
                pass
            wait_for(self._socket, READ, deadline)

    def direct(
        self, timeout: float | None
    ) -> tuple[Callable[[bytes], int], Callable[[int], bytes]]:
        return self._socket.send, self._socket.recv

    @property
    def is_private(self) -> bool:
        return is_private(self._socket)

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

    def _check(self, events: int, deadline: float) -> None:
        """Wait here if the deadline is nearer than a moment, so that the kernel need not."""
        seconds = left(deadline)
        if seconds is not None and seconds < MOMENT:
            wait_for(self._socket, events, deadline)


class BlockingBackend:
    """Blocking sockets: TCP, TLS, and unix sockets where the address is a path."""

    tells_steps = True

    def connect(
        self,
        address: Address,
        deadline: float = inf,
        *,
        tls: Context | None = None,
        began: Callable[[str], object] = str,
    ) -> Transport:
        return drive(opening(BlockingTransport, address, deadline, tls, began))

    def exchange_all(
        self,
        jobs: Sequence[tuple[Transport, ClientConnection, Command[R]]],
        deadline: float = inf,
    ) -> list[R | Exception]:
        """All are sent before the first reply is read, so the slowest server decides.

        Replies are read in order: waiting for one costs nothing while the others arrive, nor
        does waiting in vain, for what is here at the deadline is still read.  If a request may not
        fit into the sockets' buffers, all go on as they can instead, reading while they write.
        """
        if all(isinstance(job[2], WHOLE) for job in jobs) and deadline > monotonic() + 10 * MOMENT:
            requests = [command.encode() for _, _, command in jobs]
            if max(map(len, requests), default=0) < LARGE:
                return [*_exchanged_whole(jobs, requests, deadline)]
        outcomes: dict[int, R | Exception] = {}
        # What may be too long to be written at once, of transports that can be asked not to wait.
        unsent: dict[int, tuple[bytes, ...]] = {}
        for number, (transport, connection, command) in enumerate(jobs):
            try:
                parts = connection.send_parts(command)
                if len(parts) == 1 and len(parts[0]) < LARGE:
                    transport.send_all(parts[0], deadline)
                elif is_ready(transport):
                    unsent[number] = parts
                else:
                    transport.send_all(b"".join(parts), deadline)
            except FAILURES as error:
                outcomes[number] = error
        if unsent:
            outcomes |= _together(jobs, outcomes, unsent, deadline)
        return [
            outcomes[number] if number in outcomes else _received(*job, deadline)
            for number, job in enumerate(jobs)
        ]


def _exchanged_whole(
    jobs: Sequence[tuple[Transport, ClientConnection, Command[R]]],
    requests: Sequence[bytes],
    deadline: float,
) -> Iterator[R | Exception]:
    """`exchange_all` for commands that can tell that a reply is whole: by the direct door."""
    doors = [transport.direct(None) for transport, _, _ in jobs]
    sent: list[int | OSError] = []
    for (send, _), request, (_, connection, _) in zip(doors, requests, jobs, strict=True):
        connection.owed = 1
        try:
            sent.append(send(request))
        except NOT_YET:
            sent.append(0)
        except OSError as error:
            sent.append(error)
    for (_, recv), request, count, job in zip(doors, requests, sent, jobs, strict=True):
        if not isinstance(count, int):
            yield count
            continue
        transport, connection, command = job
        received = b""
        try:
            if count == len(request):
                try:
                    received = recv(RECEIVE_SIZE)
                    if not received:
                        raise ConnectionResetError("the server has closed the connection")
                    result = command.whole(received)  # type: ignore[attr-defined]
                    if result is not None:
                        connection.owed = 0
                        yield result
                        continue
                except NOT_YET:
                    pass
            else:
                transport.send_all(request[count:], deadline)
            connection.resume(command, received)
        except FAILURES as error:
            yield error
        else:
            yield _received(transport, connection, command, deadline)


def _together(
    jobs: Sequence[tuple[Transport, ClientConnection, Command[R]]],
    ended: Container[int],
    unsent: Mapping[int, tuple[bytes, ...]],
    deadline: float,
) -> dict[int, R | Exception]:
    """The outcomes, by their numbers, of the jobs that have to be written yet, and of the others.

    Not of those that have *ended*, or whose transport can only wait.
    """
    from ._together import run_all

    steps: dict[int, Generator[Wait, None, R]] = {}
    for number, (transport, connection, command) in enumerate(jobs):
        if number not in ended and is_ready(transport):
            parts = unsent.get(number, ())
            steps[number] = continuing(transport, connection, command, parts, deadline)
    return dict(zip(steps, run_all(steps.values()), strict=True))


def _received(
    transport: Transport,
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
