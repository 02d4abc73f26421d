"""Datagrams: questions that may be asked again, to a server that may not hear them.

The client speaks to a `ServerConnection` here as if that were the server; every command that it
reads is asked over the network as an exchange of its own (`mcproto.udp.ClientExchange`), and the
reply is written back to the client.  So several commands, or several keys, are as many datagrams
there and back, some of them on their way at once.

Only reads: a datagram that is lost looks like one that was not answered, and nobody would know
whether a write was done.  A question without an answer is put once more, within the deadline.
Request ids cannot be guessed, the socket takes nothing from others than the server, and what does
not answer a question that is open is dropped.
"""

from __future__ import annotations

import socket
from math import inf
from secrets import randbelow
from time import monotonic

from .. import (
    CLOSED,
    NEED_DATA,
    NO_REPLY,
    BadRequest,
    ErrorReply,
    LocalProtocolError,
    ServerConnection,
    Values,
)
from ..classic import GetMany, GetsMany
from ..udp import ClientExchange
from . import RECEIVE_SIZE
from ._deadline import left
from ._exchange import FAILURES, READ, plain_door, receive
from ._resolve import literal, resolving
from ._sockets import drive, is_private, wait_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    from .. import ClientConnection, Command, Item, Reply
    from . import Address, Data

    R = TypeVar("R")

__all__ = ["UdpBackend", "UdpTransport"]

# How many questions are on their way at once: their answers have to fit into the socket's buffer.
_AT_ONCE = 8

# How much room the kernel is asked for, in bytes, for answers that nobody has come to read yet. It
# gives less where its own limit is lower; what finds no room is lost.
_ROOM = 4 << 20

# After how many seconds a question is put once more, if half the time that is left is not sooner.
_PATIENCE = 0.2


class UdpTransport:
    """A connected socket for datagrams. See `mcproto.transports.Transport`.

    `send_all` takes whole commands only, and raises `LocalProtocolError` for what is no read.
    """

    __slots__ = ("_asked", "_connection", "_ended", "_replies", "_socket")

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._connection = ServerConnection("auto")
        # What each command that the client waits for comes to, the oldest first.
        self._asked: list[list[_Question]] = []
        self._replies = bytearray()
        self._ended = False

    def send_all(self, data: Data, deadline: float = inf) -> None:
        left(deadline)
        if self._ended:
            raise BrokenPipeError("the connection is closed")
        self._connection.receive_data(bytes(data))
        while (event := self._connection.next_event()) is not NEED_DATA:
            if event is CLOSED or isinstance(event, BadRequest):
                raise LocalProtocolError("over UDP, whole and proper commands only")
            if not (event.is_read or event.is_barrier):
                name = type(event).__name__
                raise LocalProtocolError(f"{name} is no read: a lost datagram would hide its fate")
            self._asked.append([_Question(part) for part in _parts(event)])
        self._ask(deadline)

    def receive_some(self, max_bytes: int = RECEIVE_SIZE, deadline: float = inf) -> bytes:
        # What is here has come in time, even if nobody has looked until now.
        self._hear()
        while not self._settle() and not self._ended:
            left(deadline)
            self._ask(deadline)
            ask_again = min([q.ask_again for q in self._open()], default=inf)
            try:
                wait_for(self._socket, READ, min(deadline, ask_again))
            except TimeoutError:
                left(deadline)
            self._hear()
        data = bytes(self._replies[:max_bytes])
        del self._replies[:max_bytes]
        return data

    def direct(
        self, timeout: float | None
    ) -> tuple[Callable[[bytes], int], Callable[[int], bytes]]:
        return plain_door(self, timeout)

    @property
    def is_private(self) -> bool:
        return is_private(self._socket)

    def has_input(self) -> bool:
        """What comes unasked is no input: it is dropped when it is met."""
        return self._ended

    def abort(self) -> None:
        self._ended = True
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has ended already

    def close(self) -> None:
        self._ended = True
        self._socket.close()

    def __del__(self) -> None:
        # Dropped on the way by an interruption: nobody is left to close it, and nobody to warn.
        try:
            self.close()
        except AttributeError:
            pass  # that was in `__init__`

    def _open(self) -> list[_Question]:
        """The questions without an answer, the oldest first."""
        return [q for questions in self._asked for q in questions if q.reply is None]

    def _ask(self, deadline: float) -> None:
        """Put as many questions as may be on their way at once; late ones a second time."""
        now = monotonic()
        for question in self._open()[:_AT_ONCE]:
            if question.ask_again <= now:
                taken = {q.exchange.request_id for q in self._open() if q.exchange is not None}
                try:
                    self._socket.send(question.ask(taken, now, deadline))
                except BlockingIOError:
                    pass  # as good as lost

    def _hear(self) -> None:
        """Take all datagrams that have come."""
        while True:
            try:
                data = self._socket.recv(RECEIVE_SIZE)
            except BlockingIOError:
                return
            if not data and self._ended:
                return
            for question in self._open():
                question.hear(data)

    def _settle(self) -> bool:
        """Write the client the replies that are whole, in their order; whether it has any."""
        while self._asked:
            questions = self._asked[0]
            replies = [question.reply for question in questions if question.reply is not None]
            if len(replies) < len(questions):
                break
            del self._asked[0]
            self._replies += self._connection.send(_joined(replies))
        return bool(self._replies)


class _Question:
    """One command on its way to the server.

    Attributes:
        reply: what it has been answered, or None.
        ask_again: when to put it (again), on the clock of `monotonic`.
        exchange: the latest attempt.
    """

    __slots__ = ("_attempts", "_command", "ask_again", "exchange", "reply")

    def __init__(self, command: Command[object]) -> None:
        self._command = command
        self._attempts: list[ClientExchange] = []
        self.exchange: ClientExchange | None = None
        self.reply: Reply | None = None
        self.ask_again = -inf

    def ask(self, taken: set[int], now: float, deadline: float) -> bytes:
        """The datagram to send, with an id that is none of those *taken*."""
        request_id = randbelow(65536)
        while request_id in taken:
            request_id = randbelow(65536)
        self.ask_again = inf
        if not self._attempts:
            self.ask_again = now + min(_PATIENCE, (deadline - now) / 2)
        self.exchange = ClientExchange(self._command, request_id)
        self._attempts.append(self.exchange)
        return self.exchange.request

    def hear(self, data: bytes) -> None:
        """Take a datagram, if it is an answer to this. Raises as `ClientExchange.next_event`."""
        for exchange in self._attempts:
            exchange.receive_datagram(data)
            event = exchange.next_event()
            if event is not NEED_DATA and event is not CLOSED and event is not NO_REPLY:
                self.reply = event


class UdpBackend:
    """Datagrams, for reads. Names are looked up as for other connections; there is nothing else
    to connect, so whether there is a server shows at the first question."""

    def connect(self, address: Address, deadline: float = inf) -> UdpTransport:
        if isinstance(address, str):
            raise OSError("memcached takes no datagrams over a unix socket")
        found = literal(*address)
        if found is None:
            found = drive(resolving(*address, deadline))
        failure: OSError | None = None
        try:
            for family, to in found:
                sock = socket.socket(family, socket.SOCK_DGRAM)
                try:
                    _make_room(sock)
                    sock.connect(to)  # type: ignore[arg-type]  # of the family's own form
                    return UdpTransport(sock)
                except OSError as error:
                    sock.close()
                    failure = failure or error
            raise failure or OSError(f"{address[0]} has no address")
        finally:
            del failure  # or it and this frame would hold each other

    def exchange_all(
        self,
        jobs: Sequence[tuple[UdpTransport, ClientConnection, Command[R]]],
        deadline: float = inf,
    ) -> list[R | Exception]:
        """All are asked before the first answer is waited for."""
        outcomes: dict[int, R | Exception] = {}
        for number, (transport, connection, command) in enumerate(jobs):
            try:
                transport.send_all(connection.send(command), deadline)
            except FAILURES as error:
                outcomes[number] = error
        for number, job in enumerate(jobs):
            if number not in outcomes:
                try:
                    outcomes[number] = receive(*job, deadline)
                except FAILURES as error:
                    outcomes[number] = error
        return [outcomes[number] for number in range(len(jobs))]


def _make_room(sock: socket.socket) -> None:
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
    except OSError:
        pass  # some systems refuse what others cut down: it stays as it was


def _parts(command: Command[object]) -> list[Command[object]]:
    """The same as questions of which each has one answer: for each key one."""
    if isinstance(command, (GetMany, GetsMany)):
        return [type(command)([key]) for key in command.keys]
    return [command]


def _joined(replies: list[Reply]) -> Reply:
    """The reply to a command from those to its parts."""
    if len(replies) == 1:
        return replies[0]
    items: list[Item] = []
    for reply in replies:
        if isinstance(reply, ErrorReply):
            return reply
        assert isinstance(reply, Values)
        items += reply.items
    return Values(items)
