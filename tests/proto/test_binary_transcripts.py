"""What memcached has said in binary, and what both ends of ours make of it.

The server's part: our store behind our connection answers the same bytes.  The client's part: what
was answered is read as one event for each command, with all that was in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from mcclient.embedded._store import Store
from mcproto import (
    CLOSED,
    NEED_DATA,
    NO_REPLY,
    BadRequest,
    BinaryReply,
    ClientConnection,
    Command,
    LocalProtocolError,
    Reply,
    ServerConnection,
    binary,
    sasl,
)
from mcproto._binary_frames import HEADER
from tests.transcripts import CUTS, Captured, Cut, Record, Step, compare, load, recorded, request
from tests.transcripts import table as table_of

NOW = 1_700_000_000.0
SECRETS = {b"alice": b"s3cr", b"bob": b"hunter2"}
RECORDS = [(record, like) for record in load("binary") for like in record.servers]

# The server's part. What is not played is named, with the reason.
LEFT_OUT = {
    "memcached swallows too much behind an unknown opcode": "unk-key verbosity",
    "the mechanism CRAM-MD5": "sasl-cram sasl-cram-bad",
    "1.6.18 counts a body of 2**32-1 bytes as none": "len-huge2/1.6.18",
    "an option that the store has not (-F, -C)": "flush-disabled nocas",
    "statistics that the store has not": "stat-detail stat-slabs stat-slabs-empty",
}
OUT = {name: why for why, names in LEFT_OUT.items() for name in names.split()}


def name_of(played: tuple[Record, str]) -> str:
    record, like = played
    return f"{record.case}/{like}"


def reason(played: tuple[Record, str]) -> str | None:
    return OUT.get(played[0].case) or OUT.get(name_of(played))


PLAYED = [played for played in RECORDS if reason(played) is None]


class Server:
    """A server with these options, for one record."""

    def __init__(self, record: Record, like: str) -> None:
        self.options = record.options.split()
        self.mechanisms = b"PLAIN CRAM-MD5" if record.case == "sasl-list2" else b"PLAIN"
        self.store = Store(like=like)
        self.like = like
        self.now = NOW
        self.connections: dict[int, ServerConnection] = {}

    def connection(self, number: int) -> ServerConnection:
        if number not in self.connections:
            has_sasl = "-S" in self.options
            self.connections[number] = ServerConnection(
                "binary" if has_sasl or "-B" in self.options else "auto",
                like=self.like,
                auth_required=has_sasl,
            )
        return self.connections[number]

    def answers(self, connection: ServerConnection) -> Iterator[bytes]:
        while (event := connection.next_event()) is not NEED_DATA and event is not CLOSED:
            yield connection.send(self.answer(event))

    def answer(self, event: Command[object] | BadRequest) -> Reply:
        if "-S" in self.options:
            match event:
                case sasl.List():
                    return BinaryReply(value=self.mechanisms)
                case sasl.Auth(mechanism="PLAIN", data=data):
                    _, user, password = sasl.parse_plain(data) or (b"", b"", b"")
                    if SECRETS.get(user) == password:
                        return BinaryReply(value=b"Authenticated")
                    return BinaryReply(binary.AUTH_ERROR)
                case sasl.Auth() | sasl.Step():
                    return BinaryReply(binary.AUTH_ERROR)
        return self.store.handle(event, self.now)


def compare_shape(received: bytes, shape: Any) -> None:
    """The same statistics, in the same order, none of them empty where it was not."""
    frames = []
    while received:
        _, opcode, key_size, extras_size, _, status, size, opaque, _ = HEADER.unpack(received[:24])
        frames.append(
            {
                "opcode": opcode,
                "status": status,
                "extlen": extras_size,
                "opaque": opaque,
                "key": received[24 : 24 + key_size].decode(),
                "value_len_nonzero": size > key_size,
            }
        )
        received = received[24 + size :]
    assert frames == shape["frames"]


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("played", PLAYED, ids=name_of)
def test_the_server_answers_the_same_bytes(played: tuple[Record, str], cut: Cut) -> None:
    record, like = played
    play(record, like, cut)


def play(record: Record, like: str, cut: Cut) -> None:
    server = Server(record, like)
    captured: Captured = {}
    for step in record.steps:
        server.now += step.wait
        connection = server.connection(step.conn)
        received = b""
        for piece in cut(request(step.send, captured), step.split):
            connection.receive_data(piece)
            received += b"".join(server.answers(connection))
        if step.shape is None:
            compare(received, step.recv, captured)
        else:
            compare_shape(received, step.shape)
        assert connection.must_close == (step.closed or step.unsent)


def test_what_is_left_out_is_answered_otherwise() -> None:
    """Once one of them is right, it belongs to the others."""
    for played in RECORDS:
        if reason(played) is not None:
            with pytest.raises((AssertionError, KeyError)):
                play(*played, CUTS["whole"])


# ------------------------------------------------------------------------------- the client's part


def is_sent_by_clients(command: Command[object]) -> bool:
    """Whether its constructor makes it: no control characters in its key, say."""
    fields = {name: getattr(command, name) for name in command.__match_args__}
    try:
        return type(command)(**fields) == command
    except LocalProtocolError:
        return False


def exchanges(record: Record) -> Iterator[tuple[list[Command[object]], bytes, bool]]:
    """By the step: what was asked, what has come back, and whether that was the end.

    As far as a client can have asked it.
    """
    connections: dict[int, ServerConnection] = {}
    for step in record.steps:
        if step.unsent or step.shape is not None:
            continue
        connection = connections.setdefault(step.conn, ServerConnection())
        connection.receive_data(recorded(step.send, binary=True))
        commands: list[Command[object]] = []
        while (event := connection.next_event()) is not NEED_DATA:
            if event is CLOSED or isinstance(event, BadRequest):
                return  # behind it there is nothing that a client knows
            if event.protocol == "text":
                break
            if not is_sent_by_clients(event):
                return
            commands.append(event)
        else:
            yield commands, recorded(step.recv, binary=True), step.closed


# Records whose every step is one that a client can send, and others as far as they go.
READ = {
    f"{record.case}/{'+'.join(record.servers)}": steps
    for record in load("binary")
    if (steps := list(exchanges(record)))
}
NOT_READ = [
    record for record in load("binary") if f"{record.case}/{'+'.join(record.servers)}" not in READ
]


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("name", READ)
def test_the_client_reads_what_was_answered(name: str, cut: Cut) -> None:
    connection = ClientConnection("binary")
    for commands, received, ends in READ[name]:
        for command in commands:
            connection.send(command)
        events: list[Any] = []
        for piece in cut(received, ()):
            connection.receive_data(piece)
            events += seen(connection)
        events += seen(connection)
        if connection.owed:
            # What was quiet is settled by the next answer; the record's last step is one.
            assert all(command.quiet for command in commands[len(events) :])
            connection.send(binary.Noop(opaque=0x1234))
            connection.receive_data(HEADER.pack(0x81, 0x0A, 0, 0, 0, 0, 0, 0x1234, 0))
            events += seen(connection)[:-1]
        assert_read(commands, events, received)
        if ends:
            connection.receive_data(b"")
            assert connection.next_event() is CLOSED
            return
        assert connection.is_idle


def seen(connection: ClientConnection) -> list[Any]:
    events: list[Any] = []
    while (event := connection.next_event()) is not NEED_DATA and event is not CLOSED:
        events.append(event)
    return events


def assert_read(commands: list[Command[object]], events: list[Any], received: bytes) -> None:
    """The events hold all that came: written again, they are the same bytes."""
    server = ServerConnection("binary")
    written = b""
    assert len(events) == len(commands)
    for command, event in zip(commands, events, strict=True):
        server.receive_data(command.encode())
        assert server.next_event() == command
        written += server.send(event)
        if event is NO_REPLY:
            assert command.quiet
    assert written == received


# ---------------------------------------------------------------------------------------- figures


def left_out_of_the_client(record: Record) -> str:
    first: Step = record.steps[0]
    if first.shape is not None:
        return "only the shape was recorded"
    server = ServerConnection()
    server.receive_data(recorded(first.send, binary=True))
    while isinstance(event := server.next_event(), Command):
        if event.protocol == "text":
            return "no binary to begin with"
        if not is_sent_by_clients(event):
            return "a request that a client refuses to make"
    return "a request that is malformed, or of an unknown opcode"


def test_so_many_records_were_taken(capsys: pytest.CaptureFixture[str]) -> None:
    server_out = Counter(why for played in RECORDS if (why := reason(played)))
    client_out = Counter(map(left_out_of_the_client, NOT_READ))
    rows = [
        ("binary, server's part, both generations", len(PLAYED), server_out),
        ("binary, client's part", len(READ), client_out),
    ]
    with capsys.disabled():
        print("\n" + table_of(rows))
    assert len(PLAYED) + sum(server_out.values()) == len(RECORDS)
    assert (len(PLAYED), len(READ)) == (259, 99)
