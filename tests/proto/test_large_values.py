"""Values in memory of the caller's, and values that are sent without being copied."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcproto import (
    CLOSED,
    NEED_DATA,
    BinaryReply,
    ClientConnection,
    Command,
    Flight,
    Item,
    LocalProtocolError,
    MetaReply,
    RemoteProtocolError,
    Reply,
    ServerConnection,
    Status,
    Values,
    binary,
    classic,
    meta,
)
from mcproto._parts import LARGE, gathered

VALUE = bytes(range(256)) * 3


def value_of(reply: object) -> bytes | memoryview:
    if isinstance(reply, Values):
        return reply.items[0].value
    assert isinstance(reply, MetaReply)
    assert reply.value is not None
    return reply.value


def receive(conn: ClientConnection, wire: bytes, cuts: list[tuple[int, bool]]) -> object:
    """The event that *wire* makes, received in pieces, some of them in place."""
    left = memoryview(wire)
    while (event := conn.next_event()) is NEED_DATA:
        size, in_place = cuts.pop() if cuts else (len(left), True)
        if in_place:
            buffer = conn.get_buffer()
            size = min(size, len(buffer), len(left))
            buffer[:size] = left[:size]
            conn.buffer_updated(size)
        else:
            conn.receive_data(left[:size])
        left = left[size:]
    assert not left
    return event


CUTS = st.lists(st.tuples(st.integers(1, 300), st.booleans()), max_size=12)


@given(CUTS, st.sampled_from([0, 1, 2, 255, len(VALUE)]), st.booleans())
def test_a_value_gets_where_it_is_wanted_however_it_is_cut(
    cuts: list[tuple[int, bool]], size: int, is_meta: bool
) -> None:
    conn = ClientConnection()
    if is_meta:
        conn.send(meta.Get("k", v=True))
        head = b"VA %d\r\n" % size
        end = b"\r\n"
    else:
        conn.send(classic.Get("k"))
        head = b"VALUE k 0 %d\r\n" % size
        end = b"\r\nEND\r\n"
    memory = bytearray(len(VALUE))
    conn.receive_value_into(memory)
    value = value_of(receive(conn, head + VALUE[:size] + end, cuts))
    assert value == VALUE[:size]
    assert isinstance(value, memoryview)
    assert value.obj is memory
    assert memory[:size] == VALUE[:size]
    assert conn.is_idle


@given(CUTS)
def test_a_value_that_does_not_fit_comes_as_bytes(cuts: list[tuple[int, bool]]) -> None:
    conn = ClientConnection()
    conn.send(meta.Get("k", v=True))
    memory = bytearray(len(VALUE) - 1)
    conn.receive_value_into(memory)
    value = value_of(receive(conn, b"VA %d\r\n%b\r\n" % (len(VALUE), VALUE), cuts))
    assert value == VALUE
    assert isinstance(value, bytes)
    assert not any(memory)


@given(CUTS)
def test_the_replies_behind_it_are_read_as_ever(cuts: list[tuple[int, bool]]) -> None:
    conn = ClientConnection()
    conn.send(meta.Get("k", v=True))
    conn.send(meta.Get("l", v=True))
    conn.receive_value_into(bytearray(10))
    first = value_of(receive_first(conn, b"VA 3\r\nabc\r\nVA 4\r\ndefg\r\n", cuts))
    second = value_of(conn.next_event())
    assert (bytes(first), second) == (b"abc", b"defg")
    assert isinstance(second, bytes)
    assert conn.is_idle


def receive_first(conn: ClientConnection, wire: bytes, cuts: list[tuple[int, bool]]) -> object:
    """As `receive`, with all of *wire* received before the first event is taken."""
    left = wire
    while left:
        size, in_place = cuts.pop() if cuts else (len(left), False)
        if in_place:
            buffer = conn.get_buffer()
            size = min(size, len(buffer), len(left))
            buffer[:size] = left[:size]
            conn.buffer_updated(size)
        else:
            conn.receive_data(left[:size])
        left = left[size:]
    return conn.next_event()


def test_a_multi_key_get_puts_its_first_item_there_and_the_others_beside_it() -> None:
    conn = ClientConnection()
    command = classic.GetMany(["k", "l"])
    conn.send(command)
    conn.receive_value_into(bytearray(10))
    conn.receive_data(b"VALUE k 0 1\r\na\r\nVALUE l 0 1\r\nb\r\nEND\r\n")
    reply = conn.next_event()
    assert isinstance(reply, Values)
    assert [type(item.value) for item in reply.items] == [memoryview, bytes]
    assert [bytes(item.value) for item in reply.items] == [b"a", b"b"]


def test_a_large_value_is_received_in_place_with_no_byte_to_spare() -> None:
    conn = ClientConnection()
    conn.send(meta.Get("k", v=True))
    memory = bytearray(1 << 20)
    conn.receive_value_into(memory)
    conn.receive_data(b"VA 1048576\r\nabc")
    assert conn.next_event() is NEED_DATA
    room = conn.get_buffer()
    assert room.obj is memory
    assert len(room) == (1 << 20) - 3
    room[:] = bytes(len(room))
    conn.buffer_updated(len(room))
    assert conn.next_event() is NEED_DATA
    assert conn.get_buffer().obj is not memory
    conn.receive_data(b"\r\n")
    assert bytes(value_of(conn.next_event())[:4]) == b"abc\0"


@pytest.mark.parametrize("first", [b"EN\r\n", b"CLIENT_ERROR no\r\n"])
def test_a_buffer_is_for_one_reply_and_no_other(first: bytes) -> None:
    conn = ClientConnection()
    conn.send(meta.Get("k", v=True))
    conn.send(meta.Get("l", v=True))
    conn.receive_value_into(bytearray(10))
    conn.receive_data(first + b"VA 3\r\nabc\r\n")
    conn.next_event()
    assert isinstance(value_of(conn.next_event()), bytes)


def test_what_follows_the_value_must_be_its_ending() -> None:
    conn = ClientConnection()
    conn.send(meta.Get("k", v=True))
    conn.receive_value_into(bytearray(3))
    conn.receive_data(b"VA 3\r\nabcd\r\n")
    with pytest.raises(RemoteProtocolError, match="block of 3 bytes"):
        conn.next_event()
    assert conn.is_broken
    conn.buffer_updated(len(conn.get_buffer()))  # and nothing more is taken in
    with pytest.raises(RemoteProtocolError):
        conn.next_event()


def test_an_end_in_mid_value_is_an_error() -> None:
    conn = ClientConnection()
    conn.send(meta.Get("k", v=True))
    conn.receive_value_into(bytearray(3))
    conn.receive_data(b"VA 3\r\nab")
    assert conn.next_event() is NEED_DATA
    conn.get_buffer()
    conn.buffer_updated(0)
    with pytest.raises(RemoteProtocolError, match="closed"):
        conn.next_event()


def test_an_end_when_nothing_is_owed_is_no_error() -> None:
    conn = ClientConnection()
    conn.get_buffer()
    conn.buffer_updated(0)
    assert conn.next_event() is CLOSED


def test_bytes_that_nobody_asked_for_break_the_connection_in_place_too() -> None:
    conn = ClientConnection()
    conn.get_buffer()[:2] = b"hi"
    conn.buffer_updated(2)
    assert conn.is_broken


def test_a_buffer_is_given_between_sending_and_receiving() -> None:
    conn = ClientConnection()
    with pytest.raises(LocalProtocolError, match="between"):
        conn.receive_value_into(bytearray(1))
    conn.send(meta.Get("k", v=True))
    conn.receive_data(b"VA")
    with pytest.raises(LocalProtocolError, match="between"):
        conn.receive_value_into(bytearray(1))


@pytest.mark.parametrize("buffer", [b"bytes", memoryview(bytearray(8))[::2], "text"])
def test_a_buffer_is_writable_and_in_one_piece(buffer: memoryview) -> None:
    conn = ClientConnection()
    conn.send(meta.Get("k", v=True))
    with pytest.raises(TypeError):
        conn.receive_value_into(buffer)
    assert conn.next_event() is NEED_DATA


LARGE_VALUE = bytes(LARGE)


@pytest.mark.parametrize(
    "command",
    [
        classic.Set("k", LARGE_VALUE),
        classic.Add("k", LARGE_VALUE, flags=3, exptime=9, noreply=True),
        classic.Cas("k", LARGE_VALUE, 7),
        meta.Set("k", LARGE_VALUE, T=30),
        Flight([classic.Set("k", LARGE_VALUE), classic.Get("k"), classic.Set("l", LARGE_VALUE)]),
        Flight([meta.Set("k", LARGE_VALUE, q=True)]),
    ],
    ids=lambda command: type(command).__name__,
)
def test_a_large_value_is_sent_itself(command: Command[object]) -> None:
    conn = ClientConnection()
    parts = conn.send_parts(command)
    assert b"".join(parts) == command.encode()
    assert any(part is LARGE_VALUE for part in parts)
    assert len(parts) <= 5
    assert conn.owed == 1


@pytest.mark.parametrize(
    "command", [classic.Set("k", b"v"), classic.Get("k"), meta.Set("k", bytes(LARGE - 1))]
)
def test_a_short_request_is_one_piece(command: Command[object]) -> None:
    assert ClientConnection().send_parts(command) == (command.encode(),)


def test_a_request_that_cannot_be_sent_owes_nothing() -> None:
    conn = ClientConnection(max_value=1)
    with pytest.raises(LocalProtocolError):
        conn.send_parts(classic.Set("k", b"vv"))
    assert conn.is_idle


@given(st.lists(st.sampled_from([b"", b"short", LARGE_VALUE, bytes(LARGE - 1)]), max_size=8))
def test_pieces_are_joined_but_for_large_ones(parts: list[bytes]) -> None:
    pieces = gathered(parts)
    assert b"".join(pieces) == b"".join(parts)
    assert sum(piece is LARGE_VALUE for piece in pieces) == parts.count(LARGE_VALUE)
    assert len(pieces) <= 2 * parts.count(LARGE_VALUE) + 1


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (b"get k\r\n", Values([Item(b"k", 0, LARGE_VALUE)])),
        (b"get k l\r\n", Values([Item(b"k", 0, b"v"), Item(b"l", 1, LARGE_VALUE)])),
        (b"mg k v\r\n", MetaReply("VA", value=LARGE_VALUE)),
        (binary.Get("k").encode(), BinaryReply(extras=bytes(4), value=LARGE_VALUE)),
    ],
    ids=["get", "get of two", "mg", "binary get"],
)
def test_a_large_value_is_answered_itself(request_: bytes, reply: Reply) -> None:
    whole, apart = ServerConnection(), ServerConnection()
    for conn in (whole, apart):
        conn.receive_data(request_)
        conn.next_event()
    parts = apart.send_parts(reply)
    assert b"".join(parts) == whole.send(reply)
    assert any(part is LARGE_VALUE for part in parts)
    assert len(parts) <= 3
    with pytest.raises(LocalProtocolError):
        apart.send_parts(reply)


def test_silence_is_no_piece() -> None:
    conn = ServerConnection()
    conn.receive_data(b"mg k q\r\nset k 0 0 1 noreply\r\nv\r\n")
    conn.next_event()
    conn.next_event()
    assert conn.send_parts(MetaReply("EN")) == ()
    assert conn.send_parts(Status.STORED) == ()
