"""Whole replies read at once are what the plain grammar reads, or are left to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcproto import (
    NEED_DATA,
    NO_REPLY,
    ClientConnection,
    Flight,
    Item,
    ProtocolDesync,
    RemoteProtocolError,
    Status,
    Values,
    classic,
    meta,
)
from mcproto._buffer import ReceiveBuffer
from mcproto._bulk import split_values, split_words
from mcproto._command import DEFAULT_LIMITS
from mcproto._read_replies import read_values

KEYS = (b"a", b"bb", b"VALUE", b"END", b"5")

items = st.builds(
    Item,
    st.sampled_from(KEYS),
    st.sampled_from([0, 0, 1, 16, 2**32 - 1]),
    st.binary(max_size=12) | st.sampled_from([b"\r\n", b"x\r\nEND", b"END\r\n", b"\r", b" \r "]),
)


def wire(found: list[Item], with_cas: bool) -> bytes:
    parts = []
    for item in found:
        unique = b" %d" % (item.flags + 7) if with_cas else b""
        head = b"VALUE %b %d %d%b\r\n" % (item.key, item.flags, len(item.value), unique)
        parts.append(head + item.value + b"\r\n")
    return b"".join(parts) + b"END\r\n"


def plain(received: bytes, keys: tuple[bytes, ...], with_cas: bool) -> Values | None:
    buffer = ReceiveBuffer(8192)
    buffer.feed(received)
    try:
        reply = read_values(buffer, [], DEFAULT_LIMITS, keys, with_cas)
    except RemoteProtocolError:
        return None
    return reply if isinstance(reply, Values) and not buffer else None


def at_once(received: bytes, keys: tuple[bytes, ...], with_cas: bool) -> Values | None:
    columns = split_values(received, frozenset(keys), with_cas)
    if columns is None or len(columns[0]) > len(keys):
        return None
    return Values(map(Item, *columns))


@given(st.lists(items, max_size=5), st.booleans())
def test_items_are_the_same_as_by_the_plain_grammar(found: list[Item], with_cas: bool) -> None:
    received = wire(found, with_cas)
    expected = plain(received, KEYS, with_cas)
    reply = at_once(received, KEYS, with_cas)
    if any(b"\r\n" in item.value for item in found):
        assert reply in (None, expected)
    else:
        assert reply == expected


MESS = [b"\r\n", b" ", b"\r", b"VALUE", b"END", b"0", b"5", b" \r ", b"END\r\n", b"-1", b"a", b""]


@given(st.lists(items, max_size=4), st.booleans(), st.booleans(), st.data())
def test_what_is_no_reply_is_left_to_the_plain_grammar(
    found: list[Item], sent_cas: bool, with_cas: bool, data: st.DataObject
) -> None:
    received = wire(found, sent_cas)
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(received)))
        stop = data.draw(st.integers(start, min(len(received), start + 8)))
        received = received[:start] + data.draw(st.sampled_from(MESS)) + received[stop:]
    reply = at_once(received, KEYS, with_cas)
    assert reply is None or reply == plain(received, KEYS, with_cas)


@pytest.mark.parametrize(
    "received",
    [
        b"VALUE a 0\r\n5 \r\n5 VALUE bb 0 0\r\n\r\nEND\r\n",  # two headers of one too few and many
        b"VALUE a 0 1\r\nx\r\nVALUE q 0 1\r\nx\r\nEND\r\n",  # nobody asked for q
        b"VALUE a 0 1\r\nxx\r\nEND\r\n",
        b"VALUE a 0 +1\r\nx\r\nEND\r\n",
        b"VALUE a -1 1\r\nx\r\nEND\r\n",
        b"VALUE a 0 1\r\nx\r\nEND",
        b"VALUE a 0 1\r\nx\r\nEND\r\n\r\n",
        b"VALUE  0 1\r\nx\r\nEND\r\n",
        b"EDN\r\n",
        b"",
    ],
)
def test_a_reply_that_is_none_is_not_read_at_once(received: bytes) -> None:
    assert at_once(received, KEYS, False) is None


def test_a_header_cannot_be_made_up_of_two_where_a_key_is_a_carriage_return() -> None:
    received = b"VALUE\r\n\r\n0 5 \r VALUE a 0 0\r\n\r\nEND\r\n"
    assert at_once(received, (b"\r", b"a"), False) is None


def test_more_items_than_keys_are_a_desync_at_once_too() -> None:
    received = b"VALUE a 0 1\r\nx\r\n" * 3 + b"END\r\n"
    with pytest.raises(ProtocolDesync, match="more items than the 2 keys"):
        classic.GetMany(["a", "bb"]).decode(received)


def test_a_small_limit_on_lines_holds_at_once_too() -> None:
    connection = ClientConnection(max_line=64)
    key = "k" * 100
    connection.send(classic.GetMany([key]))
    connection.receive_data(b"VALUE %b 0 1\r\nx\r\nEND\r\n" % key.encode())
    with pytest.raises(RemoteProtocolError, match="64"):
        connection.next_event()


def test_a_small_limit_on_values_holds_at_once_too() -> None:
    connection = ClientConnection(max_value=10)
    connection.send(classic.GetMany(["a"]))
    connection.receive_data(b"VALUE a 0 11\r\n12345678901\r\nEND\r\n")
    with pytest.raises(RemoteProtocolError, match="10 are allowed"):
        connection.next_event()


words = st.sampled_from([b"STORED\r\n", b"NOT_STORED\r\n", b"ERROR\r\n", b"STORED", b"\r\n"])


@given(st.lists(words, max_size=6), st.integers(1, 6))
def test_words_are_the_same_as_by_the_plain_grammar(lines: list[bytes], count: int) -> None:
    received = b"".join(lines)
    at_once = split_words(received, count, classic.Set.words)
    if at_once is None:
        assert len(lines) != count or not set(lines) <= {b"STORED\r\n", b"NOT_STORED\r\n"}
        return
    connection = ClientConnection()
    for _ in range(count):
        connection.send(classic.Set("k", b""))
    connection.receive_data(received)
    assert at_once == tuple(connection.next_event() for _ in range(count))
    assert connection.is_idle


def test_a_flight_of_words_is_read_at_once_and_by_pieces_alike() -> None:
    flight = Flight([classic.Set("k", b""), classic.Set("l", b"")])
    received = b"STORED\r\nNOT_STORED\r\n"
    expected = (Status.STORED, Status.NOT_STORED)
    assert flight.decode(received) == expected
    connection = ClientConnection()
    connection.send(flight)
    for byte in received:
        assert connection.next_event() is NEED_DATA
        connection.receive_data(bytes([byte]))
    assert flight.result(connection.next_event()) == expected  # type: ignore[arg-type]


def test_the_barrier_alone_says_that_all_of_a_quiet_flight_are_silent() -> None:
    flight = Flight([meta.Set(key, b"v", q=True) for key in "abc"])
    assert flight.decode(b"MN\r\n") == (NO_REPLY, NO_REPLY, NO_REPLY)


def test_the_barrier_alone_is_no_answer_where_one_command_must_be_answered() -> None:
    flight = Flight([meta.Set("a", b"v", q=True), meta.Set("b", b"v")])
    with pytest.raises(ProtocolDesync):
        flight.decode(b"MN\r\n")


def test_flags_that_never_repeat_are_not_remembered_without_end() -> None:
    from mcproto import _bulk

    for flags in range(2000, 2000 + 1100):
        reply = wire([Item(b"a", flags, b"x"), Item(b"bb", flags + 1, b"y")], False)
        assert at_once(reply, KEYS, False) == plain(reply, KEYS, False)
    memory = _bulk._number.__self__  # type: ignore[attr-defined]
    assert len(memory) == 1024
