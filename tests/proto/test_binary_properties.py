"""Laws of the binary protocol, for whatever is said in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mcproto import (
    CLOSED,
    NEED_DATA,
    NO_REPLY,
    BadRequest,
    ClientConnection,
    Command,
    ErrorReplied,
    Flight,
    LocalProtocolError,
    RemoteProtocolError,
    Replies,
    ServerConnection,
    binary,
)
from mcproto.testing import pieces_of
from tests.proto.binary_strategies import (
    Said,
    binary_answers,
    binary_commands,
    opcode_of,
    quiet_conversations,
)

LIMITS = {"max_line": 512, "max_value": 4096, "max_items": 8}


def events(
    commands: Iterable[Command[object]], received: Iterable[bytes], **limits: int
) -> list[Any]:
    """What a connection says that has sent *commands*, is given *received*, and then the end."""
    connection = ClientConnection("binary", **limits)
    for command in commands:
        connection.send(command)
    seen: list[Any] = []
    try:
        for data in (*received, b""):
            connection.receive_data(data)
            while (event := connection.next_event()) is not NEED_DATA and event is not CLOSED:
                seen.append(event)
    except RemoteProtocolError as error:
        assert connection.is_broken
        assert not connection.is_idle
        return [*seen, type(error)]
    return [*seen, event]


def heard(received: Iterable[bytes], **options: Any) -> list[Any]:
    connection = ServerConnection(**options)
    seen: list[Any] = []
    for data in (*received, b""):
        connection.receive_data(data)
        while (event := connection.next_event()) is not NEED_DATA and event is not CLOSED:
            seen.append(event)
    return seen


@given(st.lists(binary_commands(), min_size=1, max_size=5), st.data())
def test_what_a_client_says_a_server_hears(
    commands: list[Command[object]], data: st.DataObject
) -> None:
    ends = [command.is_last for command in commands]
    spoken = commands[: ends.index(True) + 1] if True in ends else commands
    stream = b"".join(command.encode() for command in commands)
    assert heard([stream]) == heard(data.draw(pieces_of(stream)), protocol="binary") == spoken


@given(binary_commands())
def test_a_request_says_what_it_is(command: Command[object]) -> None:
    wire = command.encode()
    assert wire[:2] == bytes([0x80, opcode_of(command)])
    assert int.from_bytes(wire[8:12], "big") == len(wire) - 24
    assert b"".join(command.encode_parts()) == wire


@given(binary_answers(), st.data())
def test_an_answer_is_one_event_however_it_is_cut(said: Said, data: st.DataObject) -> None:
    command, wire, event = said
    end = data.draw(pieces_of(wire))
    assert events([command], [wire]) == events([command], end) == [event, CLOSED]


@given(binary_answers())
def test_what_a_server_answers_is_what_the_client_gets(said: Said) -> None:
    server = ServerConnection()
    server.receive_data(said.command.encode())
    assert server.next_event() == said.command
    answer = server.send(said.event)  # type: ignore[arg-type]
    assert server.must_close == said.command.is_last
    if said.event.__class__.__name__ != "Stats" and not (said.event.value or said.event.key):  # type: ignore[attr-defined]
        assert answer.startswith(said.wire[:8])  # an error has words, even if it was given none
    else:
        assert answer == said.wire


@given(binary_answers(), st.data())
def test_both_doors_agree(said: Said, data: st.DataObject) -> None:
    command, wire, event = said
    cut = data.draw(st.integers(0, len(wire) - 1))
    assert command.decode(wire[:cut]) is NEED_DATA
    results = []
    for door in (lambda: command.decode(wire), lambda: command.result(event)):  # type: ignore[arg-type]
        try:
            results.append(door())
        except ErrorReplied as error:
            results.append((error.reply, error.reply.status))
    assert results[0] == results[1]


@given(quiet_conversations(), st.data())
def test_every_answer_is_placed(conversation: list[Said], data: st.DataObject) -> None:
    commands = [said.command for said in conversation]
    stream = b"".join(said.wire for said in conversation)
    expected = [NO_REPLY if said.event is None else said.event for said in conversation]
    assert events(commands, data.draw(pieces_of(stream))) == [*expected, CLOSED]
    flight = Flight(commands)
    if any(command.quiet for command in commands):
        stream += binary.Noop().encode().replace(b"\x80", b"\x81", 1)
    assert events([flight], data.draw(pieces_of(stream))) == [Replies(expected), CLOSED]


@given(quiet_conversations(), st.data())
def test_a_conversation_that_was_tampered_with_gives_events_or_a_protocol_error(
    conversation: list[Said], data: st.DataObject
) -> None:
    commands = [said.command for said in conversation]
    stream = b"".join(said.wire for said in conversation)
    start = data.draw(st.integers(0, len(stream)))
    end = data.draw(st.integers(start, min(len(stream), start + 10)))
    tampered = stream[:start] + data.draw(st.binary(max_size=10)) + stream[end:]
    limits = LIMITS | {"max_value": 1 << 14}
    whole = events(commands, [tampered], **limits)
    assert whole[-1] is CLOSED or issubclass(whole[-1], RemoteProtocolError)
    assert events(commands, data.draw(pieces_of(tampered)), **limits) == whole


headers = st.builds(
    lambda *parts: bytes(parts),
    st.sampled_from([0x81, 0x81, 0x81, 0x80, 0x45]),
    st.integers(0, 0x26),
    *[st.sampled_from([0, 0, 0, 1, 3, 4, 255]) for _ in range(22)],
)
garbage = st.lists(headers | st.binary(max_size=30), max_size=4).map(b"".join)


@given(st.lists(binary_commands(), min_size=1, max_size=4), garbage, st.data())
def test_garbage_from_a_server_gives_events_or_a_protocol_error(
    commands: list[Command[object]], stream: bytes, data: st.DataObject
) -> None:
    sent: list[Command[object]] = []
    connection = ClientConnection("binary", **LIMITS)
    for command in commands:
        try:
            connection.send(command)
        except LocalProtocolError:
            continue  # behind a quit, or too large
        sent.append(command)
    whole = events(sent, [stream], **LIMITS)
    assert whole[-1] is CLOSED or issubclass(whole[-1], RemoteProtocolError)
    assert events(sent, data.draw(pieces_of(stream)), **LIMITS) == whole


@given(
    st.lists(
        headers.map(lambda header: b"\x80" + header[1:])
        | st.binary(max_size=30)
        | binary_commands().map(lambda command: command.encode()),
        max_size=4,
    ).map(b"".join),
    st.sampled_from(["auto", "binary"]),
    st.sampled_from(["1.6.18", "1.6.45"]),
    st.booleans(),
    st.data(),
)
def test_garbage_from_a_client_is_heard_the_same_however_it_is_cut(
    stream: bytes, protocol: str, like: str, auth_required: bool, data: st.DataObject
) -> None:
    options: dict[str, Any] = {
        "protocol": protocol,
        "like": like,
        "auth_required": auth_required,
        "max_value": LIMITS["max_value"],
    }
    whole = heard([stream], **options)
    assert heard(data.draw(pieces_of(stream)), **options) == whole
    for event in whole:
        if not isinstance(event, BadRequest) and event.protocol == "binary":
            assert heard([event.encode()], protocol="binary") == [event]
