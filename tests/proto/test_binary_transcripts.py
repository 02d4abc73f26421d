"""What memcached has said in binary, and what our client makes of it.

What was answered is read as one event for each command, with all that was in it.  (What our server
answers is in tests/embedded/test_transcripts.py.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from mcproto import (
    CLOSED,
    NEED_DATA,
    NO_REPLY,
    BadRequest,
    ClientConnection,
    Command,
    LocalProtocolError,
    ServerConnection,
    binary,
)
from mcproto._binary_frames import HEADER
from tests.transcripts import CUTS, Cut, Record, Step, load, recorded
from tests.transcripts import table as table_of


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
    client_out = Counter(map(left_out_of_the_client, NOT_READ))
    rows = [
        ("binary, client's part", len(READ), client_out),
    ]
    with capsys.disabled():
        print("\n" + table_of(rows))
    assert len(READ) == 99
