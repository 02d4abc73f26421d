"""The promises about UDP: whatever comes in datagrams, to either end.

An input is a line of letters, each of them a command that is asked in an exchange of its own, and
behind it datagrams, each with its length before it in two bytes.  To a server the letters mean
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from string import ascii_letters
from struct import pack

from mcproto import (
    CLOSED,
    NEED_DATA,
    BadRequest,
    Command,
    ErrorReplied,
    ErrorReply,
    LocalProtocolError,
    RemoteProtocolError,
    binary,
    classic,
    meta,
    udp,
)

__all__ = ["COMMANDS", "WORDS", "datagram_replies", "datagram_requests", "packed", "unpacked"]

REQUEST_ID = 258

_SENT: list[Command[object]] = [
    classic.Get("k"),
    classic.Gets("k"),
    classic.Set("k", b"value"),
    classic.Incr("k"),
    classic.Version(),
    classic.Stats(),
    meta.Get("k", v=True, O="1"),
    meta.Get("k", v=True, k=True),
    meta.Noop(),
    binary.Get("k", opaque=1),
    binary.Set("k", b"value"),
    binary.Stat(),
]
COMMANDS = dict(zip(ascii_letters, _SENT, strict=False))


def packed(datagrams: list[bytes]) -> bytes:
    """Datagrams as they stand in an input."""
    return b"".join([pack(">H", len(datagram)) + datagram for datagram in datagrams])


def unpacked(stream: bytes) -> Iterator[bytes]:
    """The datagrams of an input; the last may be shorter than it says."""
    while len(stream) >= 2:
        size = 2 + int.from_bytes(stream[:2], "big")
        yield stream[2:size]
        stream = stream[size:]


WORDS = [
    pack(">HHHHH", 8 + len(payload), request_id, sequence, total, 0) + payload
    for payload in (
        b"",
        b"END\r\n",
        b"VALUE k 0 2\r\nhi\r\n",
        b"VALUE k 0 2\r\n",
        b"hi\r\nEND\r\n",
        b"VA 2 O1\r\nhi\r\n",
        b"SERVER_ERROR x\r\n",
        b"\x81\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x06\x00\x00\x00\x01" + bytes(12) + b"hi",
        b"get k\r\n",
        b"stats\r\n",
        b"quit\r\n",
        b"set k 0 0 2\r\nhi\r\n",
        b"mg k v q\r\nmn\r\n",
        b"\x80\x0a" + bytes(22),
    )
    for request_id, sequence, total in (
        (REQUEST_ID, 0, 1),
        (REQUEST_ID, 0, 2),
        (REQUEST_ID, 1, 2),
        (REQUEST_ID, 0, 0),
        (REQUEST_ID, 65535, 65535),
        (7, 0, 1),
    )
]


def datagram_replies(data: bytes) -> None:
    """Whatever comes, the exchange gives one reply to its command or a RemoteProtocolError."""
    letters, _, stream = data.partition(b"\n")
    received = list(unpacked(stream))
    for letter in letters.decode("latin-1")[:4]:
        command = COMMANDS.get(letter)
        if command is not None:
            outcome = _outcome(command, received)
            # Strangers and what has come already make no difference.
            strangers = [b"", b"short", pack(">HHHH", 7, 0, 1, 0) + b"END\r\n"]
            twice = [each for datagram in received for each in (datagram, *strangers, datagram)]
            assert _outcome(command, twice) == outcome


def _outcome(command: Command[object], received: list[bytes]) -> object:
    exchange = udp.ClientExchange(command, REQUEST_ID, max_datagrams=6)
    assert exchange.request.endswith(command.encode())
    outcome: object = NEED_DATA
    for datagram in received:
        exchange.receive_datagram(datagram)
        try:
            while (event := exchange.next_event()) is not NEED_DATA:
                assert outcome is NEED_DATA, "a second reply"
                outcome = _meaning(command, event)
        except RemoteProtocolError as error:
            _must_stay_broken(exchange, datagram, type(error))
            return type(error)
    return outcome


def _meaning(command: Command[object], event: object) -> object:
    try:
        command.result(event)  # type: ignore[arg-type]
    except ErrorReplied as error:
        return error.reply
    return event


def _must_stay_broken(
    exchange: udp.ClientExchange, datagram: bytes, kind: type[RemoteProtocolError]
) -> None:
    exchange.receive_datagram(datagram)
    try:
        event = exchange.next_event()
    except kind:
        return
    raise AssertionError(f"a broken exchange gives {event!r}")


def datagram_requests(data: bytes) -> None:
    """Every datagram is a conversation of its own, and answered by no more than it may be."""
    for datagram in unpacked(data.partition(b"\n")[2]):
        exchange = udp.ServerExchange(datagram, max_value=4096, max_reply=10)
        sent: list[bytes] = []
        while (event := exchange.next_event()) is not CLOSED:
            if isinstance(event, BadRequest):
                sent += exchange.send(event.reply)
            else:
                sent += exchange.send(ErrorReply("SERVER_ERROR", "no memory"))
        assert sum(map(len, sent)) <= 10 * len(datagram)
        for answer in sent:
            parsed = udp.Datagram.parse(answer)
            assert parsed is not None
            assert parsed.request_id == exchange.request_id
        try:
            exchange.send(ErrorReply("ERROR"))
        except LocalProtocolError:
            continue
        raise AssertionError("more answers than questions")
