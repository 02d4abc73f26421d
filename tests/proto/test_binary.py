"""Binary commands: their bytes, their replies, and what those mean."""

from __future__ import annotations

from typing import Any

import pytest

from mcproto import (
    NEED_DATA,
    NO_REPLY,
    BinaryReply,
    Command,
    ErrorReplied,
    ErrorReply,
    InvalidArgument,
    InvalidKey,
    Item,
    ProtocolDesync,
    RemoteProtocolError,
    ServerConnection,
    Stats,
    Status,
    Values,
    binary,
    sasl,
)
from tests.proto.binary_strategies import frame

U32 = (1 << 32) - 1
U64 = (1 << 64) - 1

# ------------------------------------------------------------------------------- command <-> bytes

KEYED = {"key": b"k"}
STORED = {"extras": bytes.fromhex("0000000500000064"), "key": b"k", "value": b"v"}
COUNTED = bytes.fromhex("0000000000000005 0000000000000064 0000003c")
NOT_CREATED = bytes.fromhex("0000000000000001 0000000000000000 ffffffff")

COMMANDS: list[tuple[Command[object], int, dict[str, Any]]] = [
    (binary.Get("k"), 0x00, KEYED),
    (binary.Get("k", quiet=True), 0x09, KEYED),
    (binary.Get("k", with_key=True, opaque=7), 0x0C, {**KEYED, "opaque": 7}),
    (binary.Get("k", quiet=True, with_key=True), 0x0D, KEYED),
    (binary.Gat("k", 60), 0x1D, {"extras": b"\0\0\0\x3c", **KEYED}),
    (binary.Gat("k", 60, quiet=True), 0x1E, {"extras": b"\0\0\0\x3c", **KEYED}),
    (binary.Gat("k", 60, with_key=True), 0x23, {"extras": b"\0\0\0\x3c", **KEYED}),
    (binary.Gat("k", 60, quiet=True, with_key=True), 0x24, {"extras": b"\0\0\0\x3c", **KEYED}),
    (binary.Set("k", b"v", flags=5, exptime=100), 0x01, STORED),
    (binary.Set("k", b"v", flags=5, exptime=100, quiet=True), 0x11, STORED),
    (binary.Add("k", b"v", flags=5, exptime=100), 0x02, STORED),
    (binary.Add("k", b"v", flags=5, exptime=100, quiet=True), 0x12, STORED),
    (binary.Replace("k", b"v", flags=5, exptime=100), 0x03, STORED),
    (
        binary.Replace("k", b"v", flags=5, exptime=100, cas=9, quiet=True),
        0x13,
        {**STORED, "cas": 9},
    ),
    (binary.Append("k", b"v"), 0x0E, {**KEYED, "value": b"v"}),
    (binary.Append("k", b"v", quiet=True), 0x19, {**KEYED, "value": b"v"}),
    (binary.Prepend("k", b"v", cas=U64), 0x0F, {**KEYED, "value": b"v", "cas": U64}),
    (binary.Prepend("k", b"v", quiet=True), 0x1A, {**KEYED, "value": b"v"}),
    (binary.Delete("k", cas=3), 0x04, {**KEYED, "cas": 3}),
    (binary.Delete("k", quiet=True), 0x14, KEYED),
    (binary.Incr("k", 5, initial=100, exptime=60), 0x05, {"extras": COUNTED, **KEYED}),
    (binary.Incr("k", quiet=True), 0x15, {"extras": NOT_CREATED, **KEYED}),
    (binary.Decr("k", cas=2), 0x06, {"extras": NOT_CREATED, **KEYED, "cas": 2}),
    (binary.Decr("k", quiet=True), 0x16, {"extras": NOT_CREATED, **KEYED}),
    (binary.Touch("k", 60), 0x1C, {"extras": b"\0\0\0\x3c", **KEYED}),
    (binary.Flush(), 0x08, {}),
    (binary.Flush(10, quiet=True), 0x18, {"extras": b"\0\0\0\x0a"}),
    (binary.Noop(opaque=0xFFFFFFFF), 0x0A, {"opaque": 0xFFFFFFFF}),
    (binary.Version(), 0x0B, {}),
    (binary.Stat(), 0x10, {}),
    (binary.Stat("items"), 0x10, {"key": b"items"}),
    (binary.Quit(), 0x07, {}),
    (binary.Quit(quiet=True), 0x17, {}),
    (sasl.List(), 0x20, {}),
    (sasl.Auth("PLAIN", b"\0u\0p"), 0x21, {"key": b"PLAIN", "value": b"\0u\0p"}),
    (sasl.Step("PLAIN", b"more"), 0x22, {"key": b"PLAIN", "value": b"more"}),
]


@pytest.mark.parametrize(("command", "opcode", "parts"), COMMANDS, ids=lambda it: repr(it)[:60])
def test_a_command_is_these_bytes_and_heard_as_it_was_said(
    command: Command[object], opcode: int, parts: dict[str, Any]
) -> None:
    wire = frame(opcode, magic=0x80, **parts)
    assert command.encode() == wire
    assert command.protocol == "binary"
    for protocol in ("auto", "binary"):
        server = ServerConnection(protocol)  # type: ignore[arg-type]
        server.receive_data(wire)
        assert server.next_event() == command


def test_a_large_value_is_a_piece_by_itself_and_not_a_copy() -> None:
    value = b"x" * 100_000
    for command in (binary.Set("k", value), binary.Append("k", value)):
        parts = command.encode_parts()
        assert any(part is value for part in parts)
        assert b"".join(parts) == command.encode()
        assert command.value_size == len(value)


def test_what_a_command_is() -> None:
    reads = [binary.Get("k"), binary.Noop(), binary.Version(), binary.Stat(), binary.Stat("items")]
    writes = [binary.Gat("k", 1), binary.Set("k", b""), binary.Stat("reset"), binary.Flush()]
    assert all(command.is_read for command in reads)
    assert not any(command.is_read for command in writes)
    # Whatever is certain to be answered shows that all before it has been.
    assert all(command.is_barrier for command in (*reads, *writes))
    assert not binary.Get("k", quiet=True).is_barrier
    assert binary.Quit().is_last
    assert binary.Quit(quiet=True).noreply
    assert not binary.Quit().noreply
    assert binary.Get("k").with_cas


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("opaque", lambda: binary.Noop(opaque=1 << 32)),
        ("cas", lambda: binary.Set("k", b"", cas=-1)),
        ("flags", lambda: binary.Set("k", b"", flags=1 << 32)),
        ("exptime", lambda: binary.Set("k", b"", exptime=-1)),
        ("exptime", lambda: binary.Gat("k", 1 << 32)),
        ("exptime", lambda: binary.Touch("k", -1)),
        ("exptime", lambda: binary.Incr("k", initial=0, exptime=0xFFFFFFFF)),
        ("exptime goes with initial", lambda: binary.Incr("k", exptime=60)),
        ("delta", lambda: binary.Incr("k", -1)),
        ("initial", lambda: binary.Decr("k", initial=1 << 64)),
        ("delay", lambda: binary.Flush(-1)),
        ("group", lambda: binary.Stat("a  b")),
        ("mechanism", lambda: sasl.Auth("")),
        ("mechanism", lambda: sasl.Auth("X" * 33)),
        ("mechanism", lambda: sasl.Auth("A B")),
    ],
)
def test_a_value_out_of_range_is_refused_by_its_name(name: str, make: Any) -> None:
    with pytest.raises(InvalidArgument, match=name):
        make()


def test_numbers_may_be_as_small_and_as_large_as_their_places() -> None:
    for small, large in (
        (binary.Touch("k", 0), binary.Touch("k", U32)),
        (binary.Gat("k", 0), binary.Gat("k", U32)),
        (binary.Set("k", b""), binary.Set("k", b"", flags=U32, exptime=U32, cas=U64, opaque=U32)),
        (
            binary.Incr("k", 0, initial=0, exptime=0),
            binary.Incr("k", U64, initial=U64, exptime=U32 - 1, cas=U64),
        ),
        (binary.Flush(0), binary.Flush(U32)),
        (binary.Append("k", b""), binary.Append("k", b"", cas=U64)),
    ):
        for command in (small, large):
            server = ServerConnection()
            server.receive_data(command.encode())
            assert server.next_event() == command


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("quiet", lambda: binary.Get("k", quiet=1)),
        ("with_key", lambda: binary.Get("k", with_key="yes")),
        ("value", lambda: binary.Set("k", "text")),
        ("opaque", lambda: binary.Noop(opaque=True)),
        ("value", lambda: sasl.Auth("PLAIN", "text")),
    ],
)
def test_a_value_of_another_type_is_refused_by_its_name(name: str, make: Any) -> None:
    with pytest.raises(TypeError, match=name):
        make()


@pytest.mark.parametrize("key", [b"", b"a b", b"k\r\n", b"\0", b"k" * 251, "\ud800"])
def test_a_key_is_one_that_every_dialect_can_say(key: str | bytes) -> None:
    for make in (
        binary.Get,
        binary.Delete,
        binary.Incr,
        lambda key: binary.Set(key, b""),
        lambda key: binary.Append(key, b""),
        lambda key: binary.Touch(key, 1),
    ):
        with pytest.raises(InvalidKey):
            make(key)


# ----------------------------------------------------------------------------------------- results

MISS = BinaryReply(1, value=b"Not found")
HIT = BinaryReply(cas=7, extras=b"\0\0\0\5", value=b"v")

RESULTS: list[tuple[Command[object], Any, object]] = [
    (binary.Get("k"), HIT, Item(b"k", 5, b"v", 7)),
    (binary.Get("k"), MISS, None),
    (binary.Get("k", quiet=True), NO_REPLY, None),
    (
        binary.Get("k", with_key=True),
        BinaryReply(cas=7, extras=b"\0\0\0\0", key=b"k"),
        Item(b"k", 0, b"", 7),
    ),
    (binary.Get("k", with_key=True), BinaryReply(1, key=b"k"), None),
    (binary.Get("k", with_key=True), MISS, None),
    (binary.Gat("k", 1), HIT, Item(b"k", 5, b"v", 7)),
    (binary.Set("k", b""), BinaryReply(cas=7), Status.STORED),
    (binary.Set("k", b"", cas=1), MISS, Status.NOT_FOUND),
    (binary.Set("k", b"", cas=1), BinaryReply(2), Status.EXISTS),
    (binary.Set("k", b"", quiet=True), NO_REPLY, None),
    (binary.Add("k", b""), BinaryReply(2), Status.EXISTS),
    (binary.Replace("k", b""), MISS, Status.NOT_FOUND),
    (binary.Append("k", b""), BinaryReply(5), Status.NOT_STORED),
    (binary.Prepend("k", b""), BinaryReply(), Status.STORED),
    (binary.Delete("k"), BinaryReply(), Status.DELETED),
    (binary.Delete("k"), MISS, Status.NOT_FOUND),
    (binary.Delete("k", cas=1), BinaryReply(2), Status.EXISTS),
    (binary.Delete("k", quiet=True), NO_REPLY, None),
    (binary.Incr("k"), BinaryReply(cas=1, value=b"\xff" * 8), U64),
    (binary.Decr("k"), MISS, None),
    (binary.Decr("k", quiet=True), NO_REPLY, None),
    (binary.Touch("k", 1), BinaryReply(extras=b"\0\0\0\5"), True),
    (binary.Touch("k", 1), BinaryReply(), True),
    (binary.Touch("k", 1), MISS, False),
    (binary.Flush(), BinaryReply(), True),
    (binary.Flush(quiet=True), NO_REPLY, None),
    (binary.Noop(), BinaryReply(), Status.OK),
    (binary.Version(), BinaryReply(value=b"1.6.45"), "1.6.45"),
    (binary.Stat(), Stats({"a": "1"}), {"a": "1"}),
    (binary.Quit(), BinaryReply(), None),
    (binary.Quit(quiet=True), NO_REPLY, None),
    (sasl.List(), BinaryReply(value=b"PLAIN CRAM-MD5"), ("PLAIN", "CRAM-MD5")),
    (sasl.Auth("PLAIN"), BinaryReply(value=b"Authenticated"), None),
    (sasl.Auth("CRAM-MD5"), BinaryReply(0x21, value=b"<1@host>"), b"<1@host>"),
    (sasl.Step("CRAM-MD5", b"x"), BinaryReply(), None),
]


@pytest.mark.parametrize(("command", "reply", "result"), RESULTS)
def test_what_a_reply_means(command: Command[object], reply: Any, result: object) -> None:
    assert command.result(reply) == result


KINDS = {
    0x03: ("SERVER_ERROR", "Too large."),
    0x04: ("CLIENT_ERROR", "Invalid arguments"),
    0x06: ("CLIENT_ERROR", "Non-numeric server-side value for incr or decr"),
    0x07: ("SERVER_ERROR", "Not my vbucket"),
    0x20: ("CLIENT_ERROR", "Auth failure."),
    0x81: ("ERROR", "Unknown command"),
    0x82: ("SERVER_ERROR", "Out of memory"),
    0x83: ("ERROR", "Not supported"),
    0x84: ("SERVER_ERROR", "Internal error"),
    0x85: ("SERVER_ERROR", "Busy"),
    0x86: ("SERVER_ERROR", "Temporary failure"),
    0x99: ("SERVER_ERROR", "status 0x99"),
}
EVERY = [command for command, _, _ in COMMANDS if not command.noreply]


@pytest.mark.parametrize("command", EVERY, ids=lambda it: repr(it)[:60])
@pytest.mark.parametrize("status", KINDS)
def test_a_refusal_is_an_error_in_the_words_of_every_dialect(
    command: Command[object], status: int
) -> None:
    for text in (b"", b"in its own words"):
        with pytest.raises(ErrorReplied) as caught:
            command.result(BinaryReply(status, value=text))
        kind, message = KINDS[status]
        assert caught.value.reply == ErrorReply(kind, text.decode() or message)
        assert caught.value.reply.status == status


def test_another_cas_is_no_missing_counter() -> None:
    with pytest.raises(ErrorReplied, match="CLIENT_ERROR Data exists for key") as caught:
        binary.Incr("k", cas=1).result(BinaryReply(binary.KEY_EXISTS))
    assert caught.value.reply.status == binary.KEY_EXISTS


@pytest.mark.parametrize("command", EVERY, ids=lambda it: repr(it)[:60])
def test_an_error_line_is_an_error_here_too(command: Command[object]) -> None:
    with pytest.raises(ErrorReplied, match="SERVER_ERROR out of order"):
        command.result(ErrorReply("SERVER_ERROR", "out of order"))


IMPOSSIBLE: list[tuple[Command[object], Any]] = [
    (binary.Get("k"), NO_REPLY),
    (binary.Get("k"), Values()),
    (binary.Get("k"), BinaryReply(value=b"v")),
    (binary.Get("k"), BinaryReply(extras=b"\0\0\0\0", key=b"k")),
    (binary.Get("k", with_key=True), BinaryReply(extras=b"\0\0\0\0", value=b"v")),
    (binary.Get("k", with_key=True), BinaryReply(extras=b"\0\0\0\0", key=b"l")),
    (binary.Get("k", with_key=True), BinaryReply(1, key=b"l")),
    (binary.Get("k"), BinaryReply(1, key=b"k")),
    (binary.Get("k"), BinaryReply(4, extras=b"\0\0\0\0")),
    (binary.Set("k", b""), BinaryReply(value=b"v")),
    (binary.Set("k", b""), Status.STORED),
    (binary.Set("k", b""), NO_REPLY),
    (binary.Incr("k"), BinaryReply(value=b"7")),
    (binary.Touch("k", 1), NO_REPLY),
    (binary.Touch("k", 1), BinaryReply(extras=b"\0")),
    (binary.Flush(), NO_REPLY),
    (binary.Quit(), NO_REPLY),
    (binary.Noop(), BinaryReply(extras=b"\0")),
    (binary.Version(), BinaryReply(key=b"k")),
    (binary.Stat(), BinaryReply()),
    (binary.Stat(), Status.RESET),
    (sasl.Auth("PLAIN"), NO_REPLY),
]


@pytest.mark.parametrize(("command", "reply"), IMPOSSIBLE)
def test_what_a_command_cannot_get_is_a_desync(command: Command[object], reply: Any) -> None:
    with pytest.raises(ProtocolDesync):
        command.result(reply)


# ------------------------------------------------------------------------------------ direct door


def test_the_direct_door_reads_one_whole_reply() -> None:
    wire = frame(0x00, extras=b"\0\0\0\5", value=b"hello", cas=7)
    for cut in range(len(wire)):
        assert binary.Get("k").decode(wire[:cut]) is NEED_DATA
    assert binary.Get("k").decode(wire) == Item(b"k", 5, b"hello", 7)
    with pytest.raises(RemoteProtocolError, match="1 bytes behind"):
        binary.Get("k").decode(wire + b"\x81")
    with pytest.raises(ErrorReplied, match="SERVER_ERROR Too large"):
        binary.Set("k", b"").decode(frame(0x01, status=3, value=b"Too large."))
    assert binary.Quit(quiet=True).decode(b"") is None


def test_a_bad_reply_is_found_out_at_the_direct_door_too() -> None:
    for wire in (
        frame(0x01, extras=b"\0\0\0\0"),
        frame(0x00, extras=b"\0\0\0\0", opaque=1),
        b"VALUE k 0 1\r\n",
    ):
        with pytest.raises(ProtocolDesync):
            binary.Get("k").decode(wire)
