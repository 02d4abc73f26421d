"""A binary connection, the server's half: what is heard, what is refused, when it hangs up."""

from __future__ import annotations

import tracemalloc
from itertools import product
from typing import Any

import pytest

from mcproto import (
    CLOSED,
    NEED_DATA,
    BadRequest,
    BinaryReply,
    Command,
    ErrorReply,
    InvalidArgument,
    LocalProtocolError,
    ServerConnection,
    Stats,
    Status,
    Values,
    binary,
    classic,
    sasl,
)
from tests.proto.binary_strategies import frame

NOOP = frame(0x0A, magic=0x80, opaque=9)
NOOP_DONE = frame(0x0A, opaque=9)
INVALID = ErrorReply("CLIENT_ERROR", "Invalid arguments")
UNKNOWN = ErrorReply("ERROR", "Unknown command")
AUTH = ErrorReply("CLIENT_ERROR", "Auth failure.")
TOO_LARGE = ErrorReply("SERVER_ERROR", "Too large.")


def asked(opcode: int, **parts: Any) -> bytes:
    return frame(opcode, magic=0x80, **parts)


def connected(received: bytes, **options: Any) -> ServerConnection:
    connection = ServerConnection(**options)
    connection.receive_data(received)
    return connection


def heard(received: bytes, **options: Any) -> list[Any]:
    """What is heard, which is the same byte by byte."""
    found = []
    for size in (len(received), 1):
        connection = ServerConnection(**options)
        events: list[Any] = []
        for at in range(0, len(received), size):
            connection.receive_data(received[at : at + size])
            while (event := connection.next_event()) is not NEED_DATA and event is not CLOSED:
                events.append(event)
        found.append([*events, event])
    assert found[0] == found[1]
    return found[0]


# ------------------------------------------------------------------------------ choosing a protocol


def test_the_first_byte_chooses_for_good() -> None:
    assert heard(NOOP) == [binary.Noop(opaque=9), NEED_DATA]
    assert heard(b"get k\r\n") == [classic.Get("k"), NEED_DATA]
    connection = connected(NOOP + b"version\r\n" * 3)
    assert connection.next_event() == binary.Noop(opaque=9)
    assert connection.next_event() is CLOSED
    assert connection.is_broken
    connection = connected(b"get k\r\n\x80 and no line")
    assert connection.next_event() == classic.Get("k")
    assert connection.next_event() is NEED_DATA  # a word that begins with 0x80


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_the_first_piece_may_be_any_kind_of_bytes(kind: type[Any]) -> None:
    assert connected(kind(NOOP)).next_event() == binary.Noop(opaque=9)


def test_a_port_may_be_for_one_protocol() -> None:
    assert heard(b"\x80\x80\r\n", protocol="text") == [BadRequest(ErrorReply("ERROR")), NEED_DATA]
    text = b"version\r\n" * 3
    assert heard(text[:23], protocol="binary") == [NEED_DATA]
    connection = connected(text, protocol="binary")
    assert connection.next_event() is CLOSED
    assert connection.must_close
    assert connection.is_broken
    with pytest.raises(InvalidArgument, match="protocol must be 'auto', 'text' or 'binary'"):
        ServerConnection("udp")  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------ what is heard


def test_a_key_may_hold_any_byte() -> None:
    key = bytes(range(250))
    (command, _) = heard(asked(0x00, key=key))
    assert command.key == key
    assert heard(command.encode())[0] == command


def test_what_a_request_says_beside_the_point_is_ignored() -> None:
    # Data type, vbucket, and the cas of a GET.
    wire = bytes.fromhex("8000 0001 00 ff abcd 00000001 00000007 0000000000000005 6b")
    assert heard(wire) == [binary.Get("k", opaque=7), NEED_DATA]


def test_a_counter_that_is_not_created_has_no_initial() -> None:
    extras = bytes.fromhex("0000000000000001 0000000000000007 ffffffff")
    assert heard(asked(0x05, extras=extras, key=b"k"))[0] == binary.Incr("k")


def test_a_group_may_hold_any_byte() -> None:
    (command, _) = heard(asked(0x10, key=b"\xff a"))
    assert heard(command.encode())[0] == command


CLOSING = [
    ("extras", asked(0x00, extras=b"\0\0\0\0", key=b"k"), INVALID),
    ("extras of a quiet one", asked(0x09, extras=b"\0\0\0\0", key=b"k"), INVALID),
    ("no extras", asked(0x01, key=b"k", value=b"v"), INVALID),
    ("half the extras", asked(0x01, extras=b"\0\0\0\0", key=b"k"), INVALID),
    ("no key", asked(0x00), INVALID),
    ("no key but a value", asked(0x01, extras=b"\0" * 8, value=b"v"), INVALID),
    ("a value", asked(0x00, key=b"k", value=b"v"), INVALID),
    ("a value to delete", asked(0x04, key=b"k", value=b"v"), INVALID),
    ("a value to count", asked(0x05, extras=b"\0" * 20, key=b"k", value=b"v"), INVALID),
    ("a key of 251", asked(0x00, key=b"k" * 251), INVALID),
    ("a key of 251, opcode unknown", asked(0x7F, key=b"k" * 251), INVALID),
    ("a key", asked(0x0A, key=b"k"), INVALID),
    ("a key to flush", asked(0x08, key=b"k"), INVALID),
    ("extras to flush", asked(0x08, extras=b"\0\0"), INVALID),
    ("a body", asked(0x07, value=b"v"), INVALID),
    ("extras to touch", asked(0x1C, key=b"k"), INVALID),
    ("extras to stat", asked(0x10, extras=b"\0\0\0\0", key=b"items"), INVALID),
    ("no mechanism", asked(0x21, value=b"x"), INVALID),
    ("extras to authenticate", asked(0x21, extras=b"\0\0\0\0", key=b"PLAIN"), INVALID),
    ("key beyond the body", bytes.fromhex("800000030000000000000001" + "00" * 12), UNKNOWN),
    ("extras beyond the body", bytes.fromhex("800100030800000000000009" + "00" * 12), UNKNOWN),
    ("over 1 GiB", bytes.fromhex("800100030800000040000001" + "00" * 12), INVALID),
]


@pytest.mark.parametrize(("why", "wire", "reply"), CLOSING, ids=[why for why, _, _ in CLOSING])
def test_a_malformed_request_is_refused_and_the_connection_closed(
    why: str, wire: bytes, reply: ErrorReply
) -> None:
    wire = wire[:12] + b"\0\0\0\x07" + wire[16:]
    connection = connected(wire + NOOP)
    event = connection.next_event()
    assert isinstance(event, BadRequest)
    assert event.reply == reply
    assert event.closes
    assert connection.next_event() is CLOSED
    assert not connection.must_close
    status = {INVALID: 0x04, UNKNOWN: 0x81}[reply]
    refused = frame(wire[1], opaque=7, status=status, value=reply.message.encode())
    assert connection.send(event.reply) == refused
    assert connection.must_close
    assert not connection.is_broken


# By the opcode: the lengths of extras; whether there is a key, and a value. None: there may be.
SHAPES: dict[int, tuple[set[int], bool | None, bool | None]] = {
    **dict.fromkeys([0x00, 0x09, 0x0C, 0x0D], ({0}, True, False)),
    **dict.fromkeys([0x01, 0x11, 0x02, 0x12, 0x03, 0x13], ({8}, True, None)),
    **dict.fromkeys([0x0E, 0x19, 0x0F, 0x1A], ({0}, True, None)),
    **dict.fromkeys([0x04, 0x14], ({0}, True, False)),
    **dict.fromkeys([0x05, 0x15, 0x06, 0x16], ({20}, True, False)),
    **dict.fromkeys([0x07, 0x17, 0x0A, 0x0B, 0x20], ({0}, False, False)),
    **dict.fromkeys([0x08, 0x18], ({0, 4}, False, False)),
    0x10: ({0}, None, None),
    **dict.fromkeys([0x1C, 0x1D, 0x1E, 0x23, 0x24], ({4}, True, None)),
    **dict.fromkeys([0x21, 0x22], ({0}, True, None)),
}


@pytest.mark.parametrize("opcode", SHAPES, ids=hex)
def test_a_request_is_heard_if_its_parts_are_such_as_it_has(opcode: int) -> None:
    extras, has_key, has_value = SHAPES[opcode]
    for size, key, value in product((0, 1, 4, 8, 20, 255), (b"", b"k"), (b"", b"v")):
        (event, *_) = heard(asked(opcode, extras=b"\0" * size, key=key, value=value))
        fits = (
            size in extras and has_key in (None, key != b"") and has_value in (None, value != b"")
        )
        assert isinstance(event, BadRequest) != fits, (size, key, value)


def test_bad_requests_are_told_apart() -> None:
    one, other = (connected(asked(0x7F, opaque=n)).next_event() for n in (1, 2))
    assert one != other
    assert one == connected(asked(0x7F, opaque=1)).next_event()


def test_a_body_over_1_gib_is_swallowed_by_older_servers() -> None:
    wire = bytes.fromhex("800100030800000080000000" + "00" * 12)
    assert heard(wire + b"\0" * 100, like="1.6.18") == [NEED_DATA]
    exactly = bytes.fromhex("800100030800000040000000" + "00" * 12)
    assert heard(exactly + b"\0" * 100) == [NEED_DATA]


@pytest.mark.parametrize("magic", [0x00, 0x81, 0x67])
def test_a_bad_magic_is_the_end_without_a_word(magic: int) -> None:
    connection = connected(NOOP + frame(0x0A, magic=magic) + NOOP)
    assert connection.next_event() == binary.Noop(opaque=9)
    assert connection.next_event() is CLOSED
    assert connection.send(BinaryReply()) == NOOP_DONE
    assert connection.must_close
    assert connection.is_broken


def test_a_key_that_fits_no_read_buffer_is_the_end_without_a_word() -> None:
    (event, _) = heard(asked(0x00, extras=b"\0\0\0\0", key=b"k" * 16356))
    assert event.reply == INVALID
    connection = connected(asked(0x00, extras=b"\0\0\0\0", key=b"k" * 16357))
    assert connection.next_event() is CLOSED
    assert connection.is_broken


@pytest.mark.parametrize("opcode", [0x1B, 0x25, 0x30, 0x7F, 0xFF])
@pytest.mark.parametrize(
    "parts", [{}, {"key": b"abcd"}, {"extras": b"\0\0\0\0"}, {"value": b"v" * 100}]
)
def test_an_unknown_opcode_is_refused_and_its_body_swallowed(
    opcode: int, parts: dict[str, Any]
) -> None:
    wire = asked(opcode, opaque=7, **parts)
    event, noop, _ = heard(wire + NOOP)
    assert event.reply == UNKNOWN
    assert not event.closes
    assert noop == binary.Noop(opaque=9)
    connection = connected(wire)
    bad = connection.next_event()
    assert isinstance(bad, BadRequest)
    text = b"Unknown command"
    assert connection.send(bad.reply) == frame(opcode, opaque=7, status=0x81, value=text)
    assert not connection.must_close


def test_what_stands_behind_a_touch_is_the_next_request() -> None:
    for opcode in (0x1C, 0x1D, 0x1E, 0x23, 0x24):
        wire = asked(opcode, extras=b"\0\0\0\1", key=b"k", value=NOOP)
        command, noop, _ = heard(wire)
        assert command.key == b"k"
        assert noop == binary.Noop(opaque=9)


def test_a_mechanism_of_33_bytes_is_refused_and_its_response_swallowed() -> None:
    for opcode in (0x21, 0x22):
        event, noop, _ = heard(asked(opcode, key=b"M" * 33, value=b"x" * 100) + NOOP)
        assert event.reply == INVALID
        assert not event.closes
        assert noop == binary.Noop(opaque=9)


@pytest.mark.parametrize("opcode", [0x01, 0x11, 0x02, 0x12, 0x03, 0x13, 0x0E, 0x19, 0x0F, 0x1A])
def test_a_value_too_large_is_refused_once_it_has_been_swallowed(opcode: int) -> None:
    extras = b"" if opcode in (0x0E, 0x19, 0x0F, 0x1A) else b"\0" * 8
    wire = asked(opcode, opaque=7, extras=extras, key=b"k", value=b"x" * 101)
    event, noop, _ = heard(wire + NOOP, max_value=100)
    assert event.reply == TOO_LARGE
    # A SET that fails leaves nothing behind.
    assert event.removes == (b"k" if opcode in (0x01, 0x11) else None)
    assert not event.closes
    assert noop == binary.Noop(opaque=9)
    connection = connected(wire[:-50], max_value=100)
    assert connection.next_event() is NEED_DATA
    connection.receive_data(wire[-50:] + NOOP)
    assert isinstance(connection.next_event(), BadRequest)
    assert connection.next_event() == noop
    refused = frame(opcode, opaque=7, status=3, value=b"Too large.")
    assert connection.send(event.reply) == refused
    allowed = asked(opcode, extras=extras, key=b"k", value=b"x" * 100)
    assert heard(allowed, max_value=100)[0].value == b"x" * 100


def test_what_is_swallowed_is_not_kept() -> None:
    connection = ServerConnection(max_value=100)
    wire = asked(0x01, extras=b"\0" * 8, key=b"k", value=b"x" * (1 << 22))
    pieces = [wire[at : at + 65536] for at in range(0, len(wire), 65536)]
    del wire
    tracemalloc.start()
    try:
        for piece in pieces[:-1]:
            connection.receive_data(bytearray(piece))
            assert connection.next_event() is NEED_DATA
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


# ---------------------------------------------------------------------------------------- answering


def test_an_answer_is_a_frame_with_the_request_s_opcode_and_opaque() -> None:
    connection = connected(asked(0x0C, opaque=7, key=b"k") + asked(0x10, opaque=8))
    connection.next_event()
    connection.next_event()
    hit = BinaryReply(cas=5, extras=b"\0\0\0\1", key=b"k", value=b"v")
    assert connection.send(hit) == frame(
        0x0C, opaque=7, cas=5, extras=b"\0\0\0\1", key=b"k", value=b"v"
    )
    assert connection.send(Stats({"a": "1", "ä": "x y"})) == (
        frame(0x10, opaque=8, key=b"a", value=b"1")
        + frame(0x10, opaque=8, key="ä".encode(), value=b"x y")
        + frame(0x10, opaque=8)
    )


def answered(command: Command[object], reply: Any) -> bytes:
    connection = connected(command.encode())
    assert connection.next_event() == command
    return connection.send(reply)


def test_a_refusal_has_words_where_it_is_given_none() -> None:
    get = binary.Get("k")
    assert answered(get, BinaryReply(1)) == frame(0x00, status=1, value=b"Not found")
    assert answered(get, BinaryReply(1, value=b"no")) == frame(0x00, status=1, value=b"no")
    assert answered(get, BinaryReply(0x99)) == frame(0x00, status=0x99)
    with_key = binary.Get("k", with_key=True)
    assert answered(with_key, BinaryReply(1, key=b"k")) == frame(0x0C, status=1, key=b"k")


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (ErrorReply("ERROR"), 0x81, b"Unknown command"),
        (ErrorReply("CLIENT_ERROR", "bad"), 0x04, b"bad"),
        (ErrorReply("SERVER_ERROR", "out of order"), 0x84, b"out of order"),
        (ErrorReply("SERVER_ERROR", "object too large for cache"), 0x03, None),
        (ErrorReply("SERVER_ERROR", "out of memory storing object"), 0x82, None),
        (
            ErrorReply("CLIENT_ERROR", "cannot increment or decrement non-numeric value"),
            0x06,
            None,
        ),
        (ErrorReply("SERVER_ERROR", "Busy", status=0x85), 0x85, b"Busy"),
    ],
)
def test_an_error_of_another_dialect_is_said_in_binary(
    error: ErrorReply, status: int, text: bytes | None
) -> None:
    words = error.message.encode() if text is None else text
    assert answered(binary.Noop(), error) == frame(0x0A, status=status, value=words)


MISS = BinaryReply(1)
HIT = BinaryReply(extras=b"\0\0\0\0")
HIDDEN: list[tuple[Command[object], BinaryReply, list[BinaryReply]]] = [
    (binary.Get("k", quiet=True), MISS, [HIT, BinaryReply(0x82)]),
    (binary.Gat("k", 1, quiet=True), MISS, [HIT]),
    (binary.Set("k", b"", quiet=True), BinaryReply(cas=1), [MISS, BinaryReply(2)]),
    (binary.Append("k", b"", quiet=True), BinaryReply(), [BinaryReply(5)]),
    (binary.Delete("k", quiet=True), BinaryReply(), [MISS]),
    (binary.Incr("k", quiet=True), BinaryReply(value=b"\0" * 8), [MISS, BinaryReply(6)]),
    (binary.Flush(quiet=True), BinaryReply(), [BinaryReply(0x20)]),
]


@pytest.mark.parametrize(("command", "hidden", "shown"), HIDDEN)
def test_a_quiet_command_is_told_only_what_is_not_usual(
    command: Command[object], hidden: BinaryReply, shown: list[BinaryReply]
) -> None:
    assert answered(command, hidden) == b""
    for reply in shown:
        assert answered(command, reply)[:1] == b"\x81"
    assert answered(command, ErrorReply("ERROR"))[:1] == b"\x81"


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        (binary.Get("k"), Values()),
        (binary.Get("k"), BinaryReply(value=b"v")),
        (binary.Get("k"), BinaryReply(4, extras=b"\0")),
        (binary.Get("k", with_key=True), BinaryReply(1, key=b"l")),
        (binary.Set("k", b""), Status.STORED),
        (binary.Set("k", b""), Stats()),
        (binary.Stat(), BinaryReply()),
        (classic.Get("k"), BinaryReply()),
    ],
)
def test_an_answer_that_no_client_could_take_is_refused(
    command: Command[object], reply: Any
) -> None:
    connection = connected(command.encode())
    connection.next_event()
    for _ in range(2):
        with pytest.raises(LocalProtocolError):
            connection.send(reply)
    assert connection.send(ErrorReply("ERROR"))  # it is still to be answered


def test_a_number_that_does_not_fit_is_refused() -> None:
    for name, reply in (
        ("status", BinaryReply(1 << 16)),
        ("cas", BinaryReply(cas=1 << 64)),
    ):
        with pytest.raises(InvalidArgument, match=name):
            answered(binary.Set("k", b""), reply)
    assert answered(binary.Set("k", b""), BinaryReply(0xFFFF, cas=(1 << 64) - 1))
    assert answered(binary.Stat(), Stats({"x" * 65535: "1"}))
    for name in ("", "x" * 65536):
        with pytest.raises(InvalidArgument, match="name of a statistic"):
            answered(binary.Stat(), Stats({name: "1"}))


def test_a_bad_request_is_answered_by_its_error_only() -> None:
    connection = connected(asked(0x7F))
    connection.next_event()
    with pytest.raises(LocalProtocolError, match="answered by its error"):
        connection.send(BinaryReply())


def test_quit_is_answered_and_then_it_is_the_end() -> None:
    connection = connected(asked(0x07) + NOOP)
    assert connection.next_event() == binary.Quit()
    assert connection.next_event() is CLOSED
    assert not connection.must_close
    assert connection.send(BinaryReply()) == frame(0x07)
    assert connection.must_close


def test_the_quiet_quit_is_the_end_without_a_word() -> None:
    connection = connected(NOOP + asked(0x17))
    assert connection.next_event() == binary.Noop(opaque=9)
    assert connection.next_event() == binary.Quit(quiet=True)
    assert not connection.must_close
    assert connection.send(BinaryReply()) == NOOP_DONE
    assert connection.must_close
    assert connection.send(BinaryReply()) == b""


# ----------------------------------------------------------------------------------- authentication

LOGIN = sasl.plain("alice", "s3cr")
DONE = BinaryReply(value=b"Authenticated")
FAILED = BinaryReply(binary.AUTH_ERROR)


def locked(received: bytes, **options: Any) -> ServerConnection:
    return connected(received, auth_required=True, **options)


@pytest.mark.parametrize(
    "wire",
    [
        asked(0x00, key=b"k"),
        asked(0x09, key=b"k"),
        NOOP,
        asked(0x07),
        asked(0x17),
        asked(0x7F, value=b"x"),
        asked(0x00),
    ],
)
def test_a_stranger_is_refused_and_the_connection_closed(wire: bytes) -> None:
    connection = locked(wire + NOOP)
    event = connection.next_event()
    assert isinstance(event, BadRequest)
    assert event.reply == AUTH
    assert connection.next_event() is CLOSED
    assert connection.send(event.reply)[6:8] == b"\0\x20"
    assert connection.must_close
    assert not connection.is_authenticated


def test_a_stranger_may_ask_for_the_version_and_the_mechanisms() -> None:
    connection = locked(asked(0x0B) + asked(0x20))
    assert connection.next_event() == binary.Version()
    connection.send(BinaryReply(value=b"1.6.45"))
    assert connection.next_event() == sasl.List()
    connection.send(BinaryReply(value=b"PLAIN"))
    assert not connection.is_authenticated


@pytest.mark.parametrize("protocol", ["auto", "binary"])
def test_who_has_been_let_in_is_heard(protocol: str) -> None:
    connection = locked(LOGIN.encode() + NOOP, protocol=protocol)
    assert connection.next_event() == LOGIN
    # What comes behind depends on the answer.
    assert connection.next_event() is NEED_DATA
    assert not connection.must_close
    connection.send(DONE)
    assert connection.is_authenticated
    assert connection.next_event() == binary.Noop(opaque=9)


def test_the_end_of_file_behind_an_authentication_waits_for_its_answer() -> None:
    connection = locked(LOGIN.encode() + NOOP)
    connection.receive_data(b"")
    connection.next_event()
    assert connection.next_event() is NEED_DATA
    connection.send(DONE)
    assert connection.next_event() == binary.Noop(opaque=9)
    assert connection.next_event() is CLOSED


@pytest.mark.parametrize("refusal", [FAILED, ErrorReply("ERROR"), BinaryReply(0x21, value=b"?")])
def test_who_has_not_been_let_in_may_try_again_and_nothing_else(refusal: Any) -> None:
    connection = locked(LOGIN.encode() * 2 + NOOP)
    connection.next_event()
    connection.send(refusal)
    assert not connection.is_authenticated
    assert connection.next_event() == LOGIN
    connection.send(refusal)
    assert isinstance(connection.next_event(), BadRequest)


def test_a_conversation_ends_with_the_last_step() -> None:
    step = sasl.Step("CRAM-MD5", b"alice 0123")
    connection = locked(sasl.Auth("CRAM-MD5").encode() + step.encode() + NOOP)
    connection.next_event()
    connection.send(BinaryReply(binary.AUTH_CONTINUE, value=b"<challenge>"))
    assert connection.next_event() == step
    connection.send(DONE)
    assert connection.next_event() == binary.Noop(opaque=9)


@pytest.mark.parametrize(
    ("command", "reply"),
    [(sasl.List(), BinaryReply(value=b"PLAIN")), (LOGIN, FAILED)],
    ids=["list", "failed"],
)
def test_who_was_let_in_can_be_a_stranger_again(
    command: Command[object], reply: BinaryReply
) -> None:
    connection = locked(LOGIN.encode() + command.encode() + NOOP)
    connection.next_event()
    connection.send(DONE)
    assert connection.next_event() == command
    connection.send(reply)
    assert not connection.is_authenticated
    assert isinstance(connection.next_event(), BadRequest)


def test_where_nobody_must_say_who_he_is_authentication_changes_nothing() -> None:
    connection = connected(LOGIN.encode() + NOOP + sasl.List().encode())
    assert connection.is_authenticated
    assert connection.next_event() == LOGIN
    assert connection.next_event() == binary.Noop(opaque=9)
    connection.send(ErrorReply("ERROR"))
    assert connection.is_authenticated
    with pytest.raises(TypeError, match="auth_required"):
        ServerConnection(auth_required="yes")  # type: ignore[arg-type]
