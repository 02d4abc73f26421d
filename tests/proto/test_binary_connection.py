"""A binary connection, the client's half: whose reply is whose, and what is not to be believed."""

from __future__ import annotations

import pytest

from mcproto import (
    CLOSED,
    NEED_DATA,
    NO_REPLY,
    BinaryReply,
    ClientConnection,
    Command,
    Flight,
    InvalidArgument,
    ItemTooLarge,
    LimitExceeded,
    LocalProtocolError,
    ProtocolDesync,
    RemoteProtocolError,
    Replies,
    Stats,
    binary,
    classic,
    meta,
    sasl,
)
from tests.proto.binary_strategies import frame
from tests.proto.test_binary_properties import events

FLAGS = b"\0\0\0\5"
GET = binary.Get("k", opaque=1)
NOOP = binary.Noop(opaque=0xFF)
NOOP_DONE = frame(0x0A, opaque=0xFF)
DONE = BinaryReply()


def hit(value: bytes = b"v", *, key: bytes = b"") -> BinaryReply:
    return BinaryReply(cas=7, extras=FLAGS, key=key, value=value)


def hit_frame(opcode: int, value: bytes = b"v", *, opaque: int = 0, key: bytes = b"") -> bytes:
    return frame(opcode, opaque=opaque, cas=7, extras=FLAGS, key=key, value=value)


def bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def seen(commands: list[Command[object]], received: bytes, **limits: int) -> list[object]:
    """The events, which are the same byte by byte."""
    whole = events(commands, [received], **limits)
    assert events(commands, bytewise(received), **limits) == whole
    return whole


# -------------------------------------------------------------------------------------- in general


def test_a_command_and_its_reply() -> None:
    connection = ClientConnection("binary")
    assert connection.is_idle
    assert connection.send(GET) == GET.encode()
    assert connection.owed == 1
    wire = hit_frame(0x00, opaque=1)
    for at, byte in enumerate(bytewise(wire)):
        assert connection.next_event() is NEED_DATA
        assert connection.in_reply == (at > 0)
        connection.receive_data(byte)
    assert connection.next_event() == hit()
    assert connection.is_idle
    assert connection.next_event() is NEED_DATA


def test_replies_come_in_the_order_of_the_commands() -> None:
    received = hit_frame(0, opaque=1) + frame(0x01, cas=8) + NOOP_DONE
    stored = BinaryReply(cas=8)
    assert seen([GET, binary.Set("k", b""), NOOP], received) == [hit(), stored, DONE, CLOSED]


def test_one_connection_speaks_one_protocol() -> None:
    flights: list[Command[object]] = [Flight([classic.Get("k")]), Flight([GET])]
    for protocol, foreign in (
        ("text", [GET, sasl.List(), flights[1]]),
        ("binary", [classic.Get("k"), meta.Noop(), flights[0]]),
    ):
        for command in foreign:
            connection = ClientConnection(protocol)  # type: ignore[arg-type]
            with pytest.raises(LocalProtocolError, match=f"not for a {protocol} connection"):
                connection.send(command)
            assert connection.is_idle
            connection.owed = 1
            with pytest.raises(LocalProtocolError, match=f"not for a {protocol} connection"):
                connection.resume(command, b"x")
            connection.owed = 0
            assert connection.is_idle
    with pytest.raises(InvalidArgument, match="protocol must be 'text' or 'binary'"):
        ClientConnection("auto")  # type: ignore[arg-type]


def test_the_direct_door_leads_to_the_events() -> None:
    connection = ClientConnection("binary")
    connection.owed = 1
    wire = hit_frame(0, opaque=1)
    connection.resume(GET, wire[:27])
    assert connection.next_event() is NEED_DATA
    connection.receive_data(wire[27:])
    assert connection.next_event() == hit()
    assert connection.is_idle


def test_a_value_too_large_is_not_sent() -> None:
    connection = ClientConnection("binary", max_value=5)
    for make in (binary.Set, binary.Append):
        with pytest.raises(ItemTooLarge):
            connection.send(make("k", b"123456"))
    assert connection.is_idle


def test_quit_is_the_last_word() -> None:
    connection = ClientConnection("binary")
    connection.send(binary.Quit())
    with pytest.raises(LocalProtocolError, match="closed"):
        connection.send(NOOP)
    connection.receive_data(frame(0x07))
    assert connection.next_event() == DONE
    assert not connection.is_idle
    connection.receive_data(b"")
    assert connection.next_event() is CLOSED
    # The quiet one is not answered.
    assert seen([binary.Quit(quiet=True)], b"") == [NO_REPLY, CLOSED]


# --------------------------------------------------------------------------- what is nobody's reply


@pytest.mark.parametrize(
    ("received", "error"),
    [
        (hit_frame(0x00), ProtocolDesync),  # another opaque
        (hit_frame(0x0C, opaque=1), ProtocolDesync),  # another opcode
        (hit_frame(0x00, opaque=1, key=b"k"), ProtocolDesync),  # a key that was not asked for
        (frame(0x00, opaque=1, value=b"v"), ProtocolDesync),  # no flags
        (frame(0x00, opaque=1, extras=b"\0" * 5), ProtocolDesync),
        (frame(0x00, opaque=1, status=1, extras=FLAGS), ProtocolDesync),
        (hit_frame(0x00, opaque=1)[:-1] + b"", RemoteProtocolError),  # the end
        (b"\x80" + hit_frame(0x00, opaque=1)[1:], ProtocolDesync),  # a request
        (b"VALUE k 0 1\r\n", ProtocolDesync),
        (b"\0" * 30, ProtocolDesync),
        (hit_frame(0x00, opaque=1) + b"\x81", None),  # surplus
    ],
)
def test_what_does_not_answer_is_never_returned(
    received: bytes, error: type[RemoteProtocolError] | None
) -> None:
    if error is None:
        assert seen([GET], received) == [hit(), ProtocolDesync]
    else:
        assert seen([GET], received) == [error]


def test_a_mismatch_is_found_out_before_its_body_has_come() -> None:
    connection = ClientConnection("binary")
    connection.send(GET)
    connection.receive_data(frame(0x00, opaque=2, value=b"x" * 100)[:24])
    with pytest.raises(ProtocolDesync, match="opaque 0x1, answered with 0x00, 0x2"):
        connection.next_event()


def test_lengths_that_contradict_each_other_are_an_error() -> None:
    for sizes in ("0003 00 0000 0000 00000002", "0000 04 0000 0000 00000003"):
        assert seen([GET], bytes.fromhex(f"8100{sizes}".replace(" ", "")) + b"\0" * 12) == [
            RemoteProtocolError
        ]


def test_a_reply_larger_than_the_limits_is_refused_at_its_header() -> None:
    connection = ClientConnection("binary", max_value=1000, max_line=64)
    connection.send(GET)
    connection.receive_data(hit_frame(0, b"x" * 1001, opaque=1)[:24])
    with pytest.raises(LimitExceeded, match="a value of 1001 bytes; 1000 are allowed"):
        connection.next_event()
    limits = {"max_value": 1000, "max_line": 64}
    long = b"x" * 65
    assert seen([GET], hit_frame(0, b"x" * 1000, opaque=1), **limits)[1:] == [CLOSED]
    named = binary.Get("kkk", with_key=True)
    for size, end in ((1000, CLOSED), (1001, LimitExceeded)):
        received = hit_frame(0x0C, b"x" * size, key=b"kkk")
        assert seen([named], received, **limits)[-1] is end
    assert seen([GET], frame(0, opaque=1, status=4, value=long), **limits) == [LimitExceeded]
    assert seen([binary.Version()], frame(0x0B, value=long), **limits) == [LimitExceeded]
    assert seen([sasl.Auth("X")], frame(0x21, status=0x21, value=long), **limits) == [LimitExceeded]


@pytest.mark.parametrize(
    "line", [b"ERROR Too many open connections", b"ERROR", b"CLIENT_ERROR x", b"SERVER_ERROR x"]
)
def test_an_error_line_is_shown_though_it_is_no_binary(line: bytes) -> None:
    connection = ClientConnection("binary")
    connection.send(GET)
    for byte in bytewise(line + b"\r\n"):
        assert connection.next_event() is NEED_DATA
        connection.receive_data(byte)
    with pytest.raises(RemoteProtocolError, match=line.decode()):
        connection.next_event()
    assert connection.is_broken


def test_what_begins_as_an_error_line_and_is_none() -> None:
    for received in (b"ERRATA\r\n", b"EX", b"ERROR and no end", b"ERROR\n"):
        assert issubclass(seen([GET], received)[0], RemoteProtocolError)  # type: ignore[arg-type]
    assert seen([GET], b"ERROR " + b"x" * 100, max_line=64) == [LimitExceeded]


# ------------------------------------------------------------------------------------------- quiet


def gets(*keys: str, with_key: bool = False, named: bool = True) -> list[Command[object]]:
    return [
        binary.Get(key, quiet=True, with_key=with_key, opaque=number if named else 0)
        for number, key in enumerate(keys, 1)
    ]


def test_a_quiet_command_is_silent_once_a_later_one_is_answered() -> None:
    assert seen([*gets("a"), NOOP], NOOP_DONE) == [NO_REPLY, DONE, CLOSED]
    connection = ClientConnection("binary")
    for command in gets("a", "b"):
        connection.send(command)
    connection.receive_data(hit_frame(0x09, opaque=2))
    assert connection.next_event() is NO_REPLY
    assert connection.next_event() == hit()
    # A reply says whose it is, so nothing can be outstanding.
    assert connection.is_idle


def test_a_quiet_command_alone_is_settled_by_its_own_reply_only() -> None:
    connection = ClientConnection("binary")
    connection.send(binary.Set("k", b"", quiet=True))
    assert connection.next_event() is NEED_DATA
    assert not connection.is_idle
    connection.receive_data(frame(0x11, status=3, value=b"Too large."))
    assert connection.next_event() == BinaryReply(3, value=b"Too large.")
    assert connection.is_idle


def test_hits_are_placed_by_their_opaques() -> None:
    received = hit_frame(0x09, b"B", opaque=2) + hit_frame(0x09, b"D", opaque=4) + NOOP_DONE
    assert seen([*gets("a", "b", "c", "d", "e"), NOOP], received) == [
        NO_REPLY,
        hit(b"B"),
        NO_REPLY,
        hit(b"D"),
        NO_REPLY,
        DONE,
        CLOSED,
    ]


def test_hits_are_placed_by_their_keys_where_opaques_are_alike() -> None:
    commands = gets("a", "bb", "a", "ccc", with_key=True, named=False)
    hits = [("bb", b"B"), ("a", b"A2"), ("ccc", b"")]
    received = b"".join(hit_frame(0x0D, value, key=key.encode()) for key, value in hits)
    assert seen([*commands, NOOP], received + NOOP_DONE) == [
        NO_REPLY,
        *[hit(value, key=key.encode()) for key, value in hits],
        DONE,
        CLOSED,
    ]


def test_any_command_that_is_certain_to_be_answered_closes_quiet_ones() -> None:
    quiet = [*gets("a", "b"), binary.Delete("c", quiet=True, opaque=9)]
    closing: list[tuple[Command[object], bytes, object]] = [
        (GET, hit_frame(0x00, opaque=1), hit()),
        (binary.Set("k", b""), frame(0x01), DONE),
        (binary.Stat(), frame(0x10, key=b"a", value=b"1") + frame(0x10), Stats({"a": "1"})),
        (binary.Stat("x"), frame(0x10, status=1), BinaryReply(1)),
    ]
    for command, received, event in closing:
        assert seen([*quiet, command], received) == [NO_REPLY, NO_REPLY, NO_REPLY, event, CLOSED]
        answered = hit_frame(0x09, opaque=1) + received
        assert seen([*quiet, command], answered) == [hit(), NO_REPLY, NO_REPLY, event, CLOSED]


def test_a_failure_is_placed_by_opcode_and_opaque() -> None:
    quiet: list[Command[object]] = [
        binary.Set("k", b"", quiet=True, opaque=1),
        binary.Add("k", b"", quiet=True, opaque=1),
        binary.Delete("k", quiet=True, opaque=1),
    ]
    received = frame(0x12, opaque=1, status=2) + NOOP_DONE
    assert seen([*quiet, NOOP], received) == [
        NO_REPLY,
        BinaryReply(2),
        NO_REPLY,
        DONE,
        CLOSED,
    ]


def test_a_failure_that_could_be_one_of_several_s_is_nobody_s() -> None:
    quiet: list[Command[object]] = [binary.Delete(key, quiet=True) for key in "ab"]
    received = frame(0x14, status=1) + NOOP_DONE
    assert seen([*quiet, NOOP], received) == [ProtocolDesync]
    # One alone needs no name.
    assert seen([quiet[0], NOOP], received) == [BinaryReply(1), DONE, CLOSED]


def test_an_item_that_could_be_one_of_several_s_is_nobody_s() -> None:
    assert seen([*gets("a", "b", named=False), NOOP], hit_frame(0x09)) == [ProtocolDesync]
    # One alone needs no name.
    assert seen([*gets("a", named=False), NOOP], hit_frame(0x09) + NOOP_DONE) == [
        hit(),
        DONE,
        CLOSED,
    ]


@pytest.mark.parametrize(
    "received",
    [
        hit_frame(0x09, opaque=3),  # no opaque of ours
        hit_frame(0x0D, opaque=1, key=b"a"),  # no opcode of ours
        frame(0x09, opaque=1, status=1, value=b"Not found"),  # what it keeps to itself
        frame(0x09, opaque=1, value=b"no flags"),
        frame(0x00, opaque=1),
        b"END\r\n",
    ],
)
def test_noise_among_quiet_commands_is_an_error(received: bytes) -> None:
    assert seen([*gets("a", "b"), NOOP], received) == [ProtocolDesync]


def test_another_key_is_not_believed_either() -> None:
    received = hit_frame(0x0D, opaque=1, key=b"z")
    assert seen([*gets("a", with_key=True), NOOP], received) == [ProtocolDesync]
    certain = binary.Get("a", with_key=True)
    assert seen([certain], hit_frame(0x0C, key=b"z")) == [ProtocolDesync]


def test_a_success_that_a_quiet_command_keeps_to_itself_is_no_answer() -> None:
    quiet = binary.Set("k", b"", quiet=True, opaque=1)
    assert seen([quiet, NOOP], frame(0x11, opaque=1) + NOOP_DONE) == [ProtocolDesync]


def test_quiet_commands_beyond_a_closing_one_are_not_answered_before_it() -> None:
    commands = [*gets("a"), NOOP, *[binary.Get("z", quiet=True, opaque=9)]]
    assert seen(commands, hit_frame(0x09, opaque=9)) == [ProtocolDesync]


# ------------------------------------------------------------------------------------------ flights


def test_a_flight_of_quiet_commands_is_closed_by_a_noop() -> None:
    flight = Flight(gets("a", "b", "c"))
    assert flight.protocol == "binary"
    assert flight.is_barrier
    assert flight.is_read
    assert flight.encode() == b"".join(c.encode() for c in (*gets("a", "b", "c"), binary.Noop()))
    received = hit_frame(0x09, opaque=2) + frame(0x0A)
    replies = Replies([NO_REPLY, hit(), NO_REPLY])
    assert seen([flight], received) == [replies, CLOSED]
    assert flight.decode(received) == replies.replies
    assert flight.decode(received[:-1]) is NEED_DATA


def test_a_flight_of_commands_that_are_answered_needs_no_noop() -> None:
    flight = Flight([GET, binary.Delete("k")])
    assert flight.encode() == GET.encode() + binary.Delete("k").encode()
    assert flight.is_barrier
    received = hit_frame(0, opaque=1) + frame(0x04, status=1)
    assert seen([flight, flight], received * 2) == [Replies([hit(), BinaryReply(1)])] * 2 + [CLOSED]


def test_a_flight_is_closed_by_no_word_of_another_protocol() -> None:
    assert seen([Flight(gets("a"))], b"MN\r\n") == [ProtocolDesync]


def test_a_noop_that_is_refused_closes_nothing_that_was_silent() -> None:
    refused = frame(0x0A, status=0x81, value=b"Unknown command")
    assert seen([Flight(gets("a"))], refused) == [ProtocolDesync]
    received = hit_frame(0x09, opaque=1) + refused
    assert seen([Flight(gets("a"))], received) == [Replies([hit()]), CLOSED]


def test_a_flight_behind_quiet_commands_waits_until_they_are_settled() -> None:
    connection = ClientConnection("binary")
    connection.send(binary.Get("k", quiet=True))
    with pytest.raises(LocalProtocolError, match="send a barrier"):
        connection.send(Flight([GET]))
    connection.receive_data(hit_frame(0x09))
    assert connection.next_event() == hit()
    connection.send(Flight([GET]))
    connection.send(binary.Get("k", quiet=True))
    connection.send(NOOP)
    connection.send(Flight(gets("a")))
    connection.receive_data(hit_frame(0x00, opaque=1) + NOOP_DONE + frame(0x0A))
    for event in (Replies([hit()]), NO_REPLY, DONE, Replies([NO_REPLY])):
        assert connection.next_event() == event
    assert connection.is_idle


def test_a_flight_is_of_one_protocol_and_holds_no_quit() -> None:
    with pytest.raises(InvalidArgument, match="text and binary"):
        Flight([GET, classic.Get("k")])
    with pytest.raises(InvalidArgument, match="Quit"):
        Flight([GET, binary.Quit()])


# --------------------------------------------------------------------------------------- statistics

STAT = binary.Stat(opaque=3)


def stat(name: bytes, value: bytes = b"1", **parts: int) -> bytes:
    return frame(0x10, opaque=3, key=name, value=value, **parts)


END = frame(0x10, opaque=3)


def test_statistics_are_one_event() -> None:
    received = stat(b"a") + stat(b"b", b"") + stat(b"\xff", b"x y") + END
    assert seen([STAT, NOOP], received + NOOP_DONE) == [
        Stats({"a": "1", "b": "", "\\xff": "x y"}),
        DONE,
        CLOSED,
    ]
    assert seen([STAT], END) == [Stats(), CLOSED]
    assert STAT.decode(received[:-1]) is NEED_DATA


def test_an_unknown_group_is_an_error_and_not_empty() -> None:
    refused = frame(0x10, opaque=3, status=1, value=b"Not found")
    assert seen([STAT], refused) == [BinaryReply(1, value=b"Not found"), CLOSED]


@pytest.mark.parametrize(
    "second",
    [
        frame(0x10, opaque=4),
        frame(0x11, opaque=3),
        frame(0x10, opaque=3, status=1),
        frame(0x10, opaque=3, value=b"of no name"),
        frame(0x10, opaque=3, extras=b"\0", key=b"a"),
    ],
)
def test_what_is_no_statistic_ends_no_statistics(second: bytes) -> None:
    assert seen([STAT], stat(b"a") + second) == [ProtocolDesync]


def test_statistics_are_bounded() -> None:
    limits = {"max_items": 2, "max_value": 10}
    assert seen([STAT], stat(b"a") + stat(b"b") + END, **limits)[1:] == [CLOSED]
    assert seen([STAT], stat(b"a") * 3, **limits) == [LimitExceeded]
    assert seen([STAT], stat(b"a", b"x" * 5) + stat(b"b", b"x" * 3) + END, **limits)[1:] == [CLOSED]
    assert seen([STAT], stat(b"a", b"x" * 5) + stat(b"b", b"x" * 4), **limits) == [LimitExceeded]
    assert seen([STAT], stat(b"a", b"x" * 11), **limits) == [LimitExceeded]


# ------------------------------------------------------------------------------------ large values


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_a_value_gets_into_memory_that_was_set_aside_for_it(size: int) -> None:
    value = bytes(range(256)) * 20
    quiet = binary.Get("k", quiet=True, with_key=True, opaque=1)
    for commands, received in (
        ([GET, NOOP], hit_frame(0x00, value, opaque=1) + NOOP_DONE),
        ([*gets("a"), quiet, NOOP], hit_frame(0x0D, value, opaque=1, key=b"k") + NOOP_DONE),
    ):
        connection = ClientConnection("binary")
        for command in commands:
            connection.send(command)
        memory = bytearray(10_000)
        connection.receive_value_into(memory)
        found: list[object] = []
        left = memoryview(received)
        while left:
            place = connection.get_buffer()
            count = min(len(place), len(left), size)
            place[:count] = left[:count]
            connection.buffer_updated(count)
            left = left[count:]
            while (event := connection.next_event()) is not NEED_DATA:
                found.append(event)
        *_, reply, done = found
        assert done == DONE
        assert isinstance(reply, BinaryReply)
        assert isinstance(reply.value, memoryview)
        assert reply.value == value == memory[: len(value)]
        assert commands[-2].result(reply).value is reply.value  # type: ignore[attr-defined]
        assert connection.is_idle


def test_the_words_of_a_refusal_are_no_value() -> None:
    connection = ClientConnection("binary")
    connection.send(GET)
    connection.receive_value_into(bytearray(100))
    connection.receive_data(frame(0x00, opaque=1, status=0x82, value=b"Out of memory"))
    assert connection.next_event() == BinaryReply(0x82, value=b"Out of memory")


def test_a_value_that_does_not_fit_comes_as_bytes() -> None:
    connection = ClientConnection("binary")
    connection.send(GET)
    connection.receive_value_into(bytearray(4))
    wire = hit_frame(0x00, b"hello", opaque=1)
    for at in range(len(wire)):
        assert connection.next_event() is NEED_DATA
        connection.receive_data(wire[at : at + 1])
    assert connection.next_event() == hit(b"hello")
