"""Non-blocking sockets, and one loop that serves many of them at once.

`exchange_all` writes to and reads from all servers as each is ready, in one thread, under one
deadline.  It reads while it writes, so a server that answers before it has read everything
cannot lock up with it, whatever the size of the request.
"""

from __future__ import annotations

import selectors
import socket
from math import inf
from time import monotonic

from .. import CLOSED, NEED_DATA
from . import RECEIVE_SIZE
from ._deadline import left
from ._exchange import FAILURES
from ._sockets import connected, has_input

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Generic, TypeVar

    from .. import ClientConnection, Command
    from . import Address, Data

    R = TypeVar("R")
else:
    from .._typing import Generic

    R = object

__all__ = ["SelectorBackend", "SelectorTransport"]

_READ = selectors.EVENT_READ
_WRITE = selectors.EVENT_WRITE


class SelectorTransport:
    """A non-blocking socket. See `mcproto.transports.Transport` for what the methods promise."""

    __slots__ = ("_selector", "_socket")

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock
        # For the calls that wait alone. Made when first wanted: it may cost a descriptor.
        self._selector: selectors.BaseSelector | None = None

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
        view = memoryview(data)
        while True:
            left(deadline)
            view = view[self.send_now(view) :]
            if not view:
                return
            self._wait_for(_WRITE, deadline)

    def receive_some(self, max_bytes: int = RECEIVE_SIZE, deadline: float = inf) -> bytes:
        while True:
            self._wait_for(_READ, deadline)
            data = self.receive_now(max_bytes)
            if data is not None:
                return data

    def direct(
        self, timeout: float | None
    ) -> tuple[Callable[[bytes], int], Callable[[int], bytes]]:
        def deadline() -> float:
            return inf if timeout is None else monotonic() + timeout

        def send(data: bytes) -> int:
            self.send_all(data, deadline())
            return len(data)

        def receive(max_bytes: int) -> bytes:
            return self.receive_some(max_bytes, deadline())

        return send, receive

    def has_input(self) -> bool:
        return has_input(self._socket)

    def abort(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has ended already

    def close(self) -> None:
        if self._selector is not None:
            self._selector.close()
            self._selector = None
        self._socket.close()

    def __del__(self) -> None:
        # Dropped on the way by an interruption: nobody is left to close it, and nobody to warn.
        try:
            self.close()
        except AttributeError:
            pass  # that was in `__init__`

    def _wait_for(self, events: int, deadline: float) -> None:
        if self._selector is None:
            self._selector = selectors.DefaultSelector()
            self._selector.register(self._socket, events)
        elif self._selector.get_key(self._socket).events != events:
            self._selector.modify(self._socket, events)
        while not self._selector.select(left(deadline)):
            pass


class SelectorBackend:
    """Non-blocking sockets: TCP, and unix sockets where the address is a path."""

    def connect(self, address: Address, deadline: float = inf) -> SelectorTransport:
        return SelectorTransport(connected(address, deadline))

    def exchange_all(
        self,
        jobs: Sequence[tuple[SelectorTransport, ClientConnection, Command[R]]],
        deadline: float = inf,
    ) -> list[R | Exception]:
        """All at once. At the deadline those that are not through come out as TimeoutError."""
        exchanges = [_Exchange(*job) for job in jobs]
        with selectors.DefaultSelector() as selector:
            for exchange in exchanges:
                exchange.start()
                if exchange.wants:
                    selector.register(exchange.transport, exchange.wants, exchange)
            while selector.get_map():
                try:
                    ready = selector.select(left(deadline))
                except TimeoutError:
                    break
                for key, events in ready:
                    exchange = key.data
                    before = exchange.wants
                    exchange.go_on(events)
                    if not exchange.wants:
                        selector.unregister(exchange.transport)
                    elif exchange.wants != before:
                        selector.modify(exchange.transport, exchange.wants, exchange)
        return [exchange.outcome for exchange in exchanges]


class _Exchange(Generic[R]):
    """One command on its way there and back.

    Attributes:
        wants: the events to wait for; 0 when there is an outcome.
        outcome: what came of it; until then, that there was no answer in time.
    """

    __slots__ = ("_command", "_connection", "_unsent", "outcome", "transport", "wants")

    def __init__(
        self, transport: SelectorTransport, connection: ClientConnection, command: Command[R]
    ) -> None:
        self.transport = transport
        self.outcome: R | Exception = TimeoutError("the server does not answer")
        self.wants = 0
        self._connection = connection
        self._command = command
        self._unsent = memoryview(b"")

    def start(self) -> None:
        try:
            self._unsent = memoryview(self._connection.send(self._command))
            self._write()
        except FAILURES as error:
            self._end(error)

    def go_on(self, events: int) -> None:
        try:
            if events & _WRITE:
                self._write()
            if events & _READ:
                self._read()
        except FAILURES as error:
            self._end(error)

    def _write(self) -> None:
        self._unsent = self._unsent[self.transport.send_now(self._unsent) :]
        self.wants = _READ | _WRITE if self._unsent else _READ

    def _read(self) -> None:
        data = self.transport.receive_now()
        if data is None:
            return
        if not data:
            raise ConnectionResetError("the server has closed the connection")
        self._connection.receive_data(data)
        event = self._connection.next_event()
        if event is not NEED_DATA:
            assert event is not CLOSED  # since something is owed
            if self._unsent:
                # The server would read the rest of this request with the next one, or as one. So
                # this connection has come to its end.
                self._connection.receive_data(b"")
            self._end(self._command.result(event))

    def _end(self, outcome: R | Exception) -> None:
        self.outcome = outcome
        self.wants = 0
