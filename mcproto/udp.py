"""The protocol over UDP: requests and replies in datagrams, and replies put together again.

Before every datagram stands a frame of 8 bytes: request id, sequence number, number of datagrams,
and two bytes of zeros (protocol.txt, "UDP protocol").  What follows is the same as on a stream,
text or binary.  A request is one datagram; a reply may be several.

::

    exchange = udp.ClientExchange(meta.Get("key", v=True, O="a7"), request_id=choose_one())
    sock.send(exchange.request)
    while (reply := exchange.next_event()) is NEED_DATA:
        exchange.receive_datagram(sock.recv(65536))
    result = exchange.command.result(reply)

Knows no sockets, no clock and no chance: whoever waits decides for how long, and a request id that
nobody can guess is the caller's to choose (``secrets.randbelow(65536)``).  Datagrams get lost, and
nobody says so: an exchange that does not end is given up, and whether a write was done is not
known.  So ask what may be asked again.
"""

from __future__ import annotations

from collections import deque

from ._command import Command
from ._connection import ClientConnection
from ._errors import InvalidArgument, LimitExceeded, LocalProtocolError
from ._record import Record
from ._replies import CLOSED, NEED_DATA, BadRequest
from ._server_connection import ServerConnection
from ._tokens import checked_int
from .classic import GatMany, GetMany, GetsMany

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from ._replies import Closed, NeedData, NoReply, Reply

__all__ = [
    "MAX_DATAGRAM",
    "MAX_DATAGRAMS",
    "ClientExchange",
    "Datagram",
    "ServerExchange",
    "datagrams",
]

MAX_DATAGRAM = 1400
"""The longest datagram of a reply, its frame included, in bytes: what memcached sends."""

MAX_DATAGRAMS = 64
"""How many datagrams of one reply are taken."""

_FRAME = 8
_U16 = 65535
_LONGEST = 65507  # what IPv4 and UDP leave of 64 KiB


class Datagram(Record):
    """One datagram: its frame, and what it carries.

    Attributes:
        request_id: chosen by the client; a reply has that of its request.
        sequence: which of the datagrams of one message this is, from 0.
        total: how many datagrams the message has. (0: memcached's answer to ``quit``.)
        payload: bytes of a request or of a reply.
    """

    __slots__ = ("payload", "request_id", "sequence", "total")
    __match_args__ = ("request_id", "payload", "sequence", "total")

    def __init__(self, request_id: int, payload: bytes, sequence: int = 0, total: int = 1) -> None:
        self.request_id = checked_int("request_id", request_id, 0, _U16)
        self.payload = payload
        self.sequence = checked_int("sequence", sequence, 0, _U16)
        self.total = checked_int("total", total, 0, _U16)

    def encode(self) -> bytes:
        """The datagram as it goes over the wire."""
        frame = (self.request_id << 48) | (self.sequence << 32) | (self.total << 16)
        return frame.to_bytes(_FRAME, "big") + self.payload

    @classmethod
    def parse(cls, data: bytes) -> Datagram | None:
        """What was received; None if it is shorter than a frame. The last two bytes are not read.

        So does memcached, which drops what is shorter without a word.
        """
        if len(data) < _FRAME:
            return None
        frame = int.from_bytes(data[:6], "big")
        return cls(frame >> 32, bytes(data[_FRAME:]), (frame >> 16) & _U16, frame & _U16)


def datagrams(request_id: int, message: bytes, *, size: int = MAX_DATAGRAM) -> list[bytes]:
    """A message cut into datagrams of *size* bytes at most, frames included; one at least.

    Raises:
        InvalidArgument: it would be more than 65535 of them, or *size* leaves no room.
    """
    room = checked_int("size", size, _FRAME + 1, _U16) - _FRAME
    total = max(1, -(-len(message) // room))
    if total > _U16:
        raise InvalidArgument(f"message of {len(message)} bytes is more than {_U16} datagrams")
    return [
        Datagram(request_id, message[n * room : (n + 1) * room], n, total).encode()
        for n in range(total)
    ]


class ClientExchange:
    """One request of a client and its reply.

    The reply ends by the grammar of the command's replies, not by the number of datagrams: since
    1.6.0 memcached numbers every part of a reply on its own, so that an item and the ``END``
    behind it are two messages of one datagram.  What has another request's id, or has come
    already, is dropped without a word.

    Args:
        command: a question that is answered by one reply. Not several keys in one line: parts of
            two items that are put together from different messages would look like one.
        request_id: 0 to 65535; best not to be guessed, and of no other exchange on this socket.
        max_datagrams: how many datagrams of the reply are taken.

    Attributes:
        request: the datagram to send, as bytes.

    Raises:
        LocalProtocolError: *command* is none whose reply can be put together: several keys,
            several commands, or one that may not be answered.
    """

    __slots__ = ("_connection", "_messages", "_room", "_seen", "command", "request", "request_id")

    def __init__(
        self,
        command: Command[object],
        request_id: int,
        *,
        max_datagrams: int = MAX_DATAGRAMS,
    ) -> None:
        if command.noreply or command.quiet or command.is_last:
            raise LocalProtocolError(f"{type(command).__name__} may be left without an answer")
        if command.is_flight or command.is_alone:
            raise LocalProtocolError(f"{type(command).__name__} has more answers than one")
        if isinstance(command, (GetMany, GetsMany, GatMany)) and len(command.keys) > 1:
            raise LocalProtocolError("several keys in one datagram: ask for one at a time")
        self._room = checked_int("max_datagrams", max_datagrams, 1, _U16)
        self.command = command
        self._connection = ClientConnection(command.protocol)
        payload = self._connection.send(command)
        self.request_id = checked_int("request_id", request_id, 0, _U16)
        if len(payload) > _LONGEST - _FRAME:
            raise LocalProtocolError(f"a request of {len(payload)} bytes does not fit a datagram")
        self.request = Datagram(request_id, payload).encode()
        # What has come of messages that are not whole, by how many datagrams they have.
        self._messages: dict[int, dict[int, bytes]] = {}
        self._seen: set[Datagram] = set()

    def receive_datagram(self, data: bytes) -> None:
        """Take one datagram, whoever sent it. Never raises."""
        datagram = Datagram.parse(data)
        if (
            datagram is None
            or datagram.request_id != self.request_id
            or datagram.sequence >= datagram.total
            or datagram in self._seen
            or not self._connection.owed
            or len(self._seen) > self._room
        ):
            return
        self._seen.add(datagram)
        parts = self._messages.setdefault(datagram.total, {})
        parts.setdefault(datagram.sequence, datagram.payload)
        if len(parts) == datagram.total:
            del self._messages[datagram.total]
            message = b"".join([parts[n] for n in range(datagram.total)])
            if message:  # (nothing would say that a stream has ended)
                self._connection.receive_data(message)

    def next_event(self) -> Reply | NoReply | NeedData | Closed:
        """The reply, or NEED_DATA if it is not whole yet, or has been given.

        Raises:
            RemoteProtocolError: the datagrams are no reply to the command, or too many; likewise
                from then on.
        """
        event = self._connection.next_event()
        if event is NEED_DATA and len(self._seen) > self._room:
            raise LimitExceeded(f"more than {self._room} datagrams of one reply")
        return event


class ServerExchange:
    """One datagram of a client, and the datagrams that answer it.

    Every datagram is a conversation of its own: what it asks for must be in it whole.  (memcached
    lets a data block reach into the next datagrams, of whichever client.)

    ::

        exchange = udp.ServerExchange(data)
        while (event := exchange.next_event()) is not CLOSED:
            reply = event.reply if isinstance(event, BadRequest) else answer_to(event)
            for datagram in exchange.send(reply):
                sock.sendto(datagram, peer)

    Args:
        data: the datagram as received. One that memcached drops (shorter than 9 bytes, or one of
            several) asks for nothing.
        protocol, like: as with `ServerConnection`; ``"auto"`` goes by the first byte.
        max_value: the largest value that is read, in bytes.
        max_reply: how many bytes may be sent in answer to each byte that was received; None: no
            limit.  Nobody knows who has sent a datagram, so an answer a thousand times as long
            as the question is a weapon.  What would pass the limit is not sent.
    """

    __slots__ = ("_connection", "_left", "_unanswered", "request_id")

    def __init__(
        self,
        data: bytes,
        *,
        protocol: Literal["auto", "text", "binary"] = "auto",
        like: str = "1.6.45",
        max_value: int = 1 << 20,
        max_reply: int | None = 10,
    ) -> None:
        self._connection = ServerConnection(protocol, like=like, max_value=max_value)
        datagram = Datagram.parse(data)
        self.request_id = 0
        self._unanswered: deque[Command[object] | BadRequest] = deque()
        self._left = None if max_reply is None else max_reply * len(data)
        if datagram is not None and datagram.total == 1:
            self.request_id = datagram.request_id
            if datagram.payload:
                self._connection.receive_data(datagram.payload)
        self._connection.receive_data(b"")

    def next_event(self) -> Command[object] | BadRequest | Closed:
        """The next request in the datagram; CLOSED if there is no other. Never raises."""
        event = self._connection.next_event()
        if event is NEED_DATA or event is CLOSED:
            return CLOSED
        self._unanswered.append(event)
        return event

    def send(self, reply: Reply | NoReply) -> list[bytes]:
        """The datagrams that answer the oldest request; none where the protocol is silent.

        A message for each request, since 1.6.0; before, one for all. ``quit`` is answered too, by
        an empty frame: send anything.

        Raises:
            LocalProtocolError: everything has been answered, or this answers another command.
        """
        message = self._connection.send(reply)
        asked = self._unanswered.popleft()
        if isinstance(asked, Command) and asked.is_last and not message:
            answer = [Datagram(self.request_id, b"", total=0).encode()]
        elif message:
            answer = datagrams(self.request_id, message)
        else:
            return []
        if self._left is not None:
            self._left -= sum(map(len, answer))
            if self._left < 0:
                return []
        return answer
