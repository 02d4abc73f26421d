"""Non-blocking sockets, and one loop that serves many of them at once.

From one thread, under one deadline, everything goes on that can: names are looked up, connections
are made and secured, requests written and replies read, of all servers side by side.  It reads
while it writes, so a server that answers before it has read everything cannot lock up with it,
whatever the size of the request.

The loop may be another program's: see `Together`.
"""

from __future__ import annotations

import socket
from math import inf

from . import RECEIVE_SIZE
from ._deadline import left
from ._exchange import FAILURES, READ, WRITE, exchanging, plain_door
from ._sockets import drive, has_input, is_private, opening, wait_for
from ._together import Together, run_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from typing import TypeVar

    from .. import ClientConnection, Command
    from . import Address, Context, Data, Wait
    from ._exchange import Ready
    from ._tls import TlsTransport

    R = TypeVar("R")

__all__ = ["SelectorBackend", "SelectorTransport", "Together"]


class SelectorTransport:
    """A non-blocking socket. See `mcproto.transports.Transport` for what the methods promise."""

    __slots__ = ("_socket",)

    has_unsent = False

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock

    def fileno(self) -> int:
        return self._socket.fileno()

    def send_now(self, data: Data) -> int:
        """Write what can be written without waiting; how many bytes that was."""
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0

    def receive_now(self, max_bytes: int = RECEIVE_SIZE) -> bytes | None:
        """What has come, ``b""`` for the end, or None if that is nothing yet."""
        try:
            return self._socket.recv(max_bytes)
        except BlockingIOError:
            return None

    def send_all(self, data: Data, deadline: float = inf) -> None:
        left(deadline)
        view = memoryview(data)
        while True:
            view = view[self.send_now(view) :]
            if not view:
                return
            wait_for(self._socket, WRITE, deadline)

    def send_parts(
        self, parts: Sequence[Data], deadline: float, hear: Callable[[bytes], object]
    ) -> None:
        left(deadline)
        events = READ | WRITE
        for part in parts:
            view = memoryview(part)
            while True:
                view = view[self.send_now(view) :]
                if not view:
                    break
                wait_for(self._socket, events, deadline)
                if events & READ and (data := self.receive_now()) is not None:
                    hear(data)
                    if not data:
                        events = WRITE  # that was the end; whether it still reads will show

    def receive_some(self, max_bytes: int = RECEIVE_SIZE, deadline: float = inf) -> bytes:
        while True:
            wait_for(self._socket, READ, deadline)
            data = self.receive_now(max_bytes)
            if data is not None:
                return data

    def direct(
        self, timeout: float | None
    ) -> tuple[Callable[[bytes], int], Callable[[int], bytes]]:
        return plain_door(self, timeout)

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


class SelectorBackend:
    """Non-blocking sockets: TCP, TLS, and unix sockets where the address is a path."""

    tells_steps = True

    def connect(
        self,
        address: Address,
        deadline: float = inf,
        *,
        tls: Context | None = None,
        began: Callable[[str], object] = str,
    ) -> SelectorTransport | TlsTransport:
        return drive(self.connecting(address, deadline, tls=tls, began=began))

    def exchange_all(
        self,
        jobs: Sequence[tuple[Ready, ClientConnection, Command[R]]],
        deadline: float = inf,
    ) -> list[R | Exception]:
        """All at once. At the deadline those that are not through come out as TimeoutError."""
        return self.run_all([self.exchanging(*job, deadline) for job in jobs])

    # The same as jobs, which do not wait themselves but say for what. Whoever runs them, `run_all`
    # or a `Together`, runs any generator that is made of them.

    def connecting(
        self,
        address: Address,
        deadline: float = inf,
        *,
        tls: Context | None = None,
        began: Callable[[str], object] = str,
    ) -> Generator[Wait, None, SelectorTransport | TlsTransport]:
        """`connect` as a job."""
        return opening(SelectorTransport, address, deadline, tls, began)

    def exchanging(
        self,
        transport: Ready,
        connection: ClientConnection,
        command: Command[R],
        deadline: float = inf,
    ) -> Generator[Wait, None, R]:
        """One exchange as a job: the result, or raises what has ended it."""
        return exchanging(transport, connection, command, deadline)

    def run_all(
        self,
        jobs: Iterable[Generator[Wait, None, R]],
        failures: tuple[type[Exception], ...] = FAILURES,
    ) -> list[R | Exception]:
        """Run jobs side by side, each to its end; what has come of each.

        Args:
            failures: what may end one of them and is then its outcome. All else is raised.
        """
        return run_all(jobs, failures)
