"""Items in columns are the items that the plain commands read and write."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcproto import (
    NEED_DATA,
    NO_REPLY,
    ClientConnection,
    Command,
    ErrorReplied,
    Flight,
    ProtocolDesync,
    RemoteProtocolError,
    classic,
    meta,
)
from mcproto._columns import GetColumns, quiet_sets
from mcproto._flight import EncodedFlight

KEYS = [b"a", b"bb", b"VALUE", b"END", b"5"]
NAMES = ["A", "B", "C", "D", "E"]

values = st.binary(max_size=12) | st.sampled_from(
    [b"\r\n", b"x\r\nEND\r\n", b"y\r\nVALUE bb 0 1\r\nx", b"\r", b"z" * 1000, b"same", b"same"]
)
flags = st.sampled_from([0, 0, 0, 16, 2**32 - 1])
found = st.lists(st.tuples(st.sampled_from(KEYS), flags, values), max_size=5)


def wire(items: list[tuple[bytes, int, bytes]]) -> bytes:
    parts = [b"VALUE %b %d %d\r\n%b\r\n" % (k, f, len(v), v) for k, f, v in items]
    return b"".join(parts) + b"END\r\n"


def read(command: Command[Any], received: bytes, size: int, max_value: int = 1 << 20) -> object:
    """The result, or the kind of the error, of a reply that comes in pieces of that size."""
    connection = ClientConnection(max_value=max_value)
    connection.send(command)
    try:
        for start in range(0, len(received), size):
            connection.receive_data(received[start : start + size])
            reply = connection.next_event()
            if reply is not NEED_DATA:
                result = command.result(reply)
                return result if connection.is_idle else "more has come"
    except (RemoteProtocolError, ErrorReplied) as error:
        return type(error)
    return NEED_DATA


def as_columns(result: object) -> object:
    """What `GetMany` gives, as `GetColumns` would."""
    if not isinstance(result, dict):
        return result
    items = [(NAMES[KEYS.index(i.key)], i.flags, i.value) for i in result.values()]
    return {name: (f, v) for name, f, v in items}


def as_dict(result: object) -> object:
    if not isinstance(result, tuple):
        return result
    return {name: (f, v) for name, f, v in zip(*result, strict=True)}


@given(found, st.sampled_from([1, 3, 7, 1 << 20]))
def test_what_is_found_is_what_the_plain_command_finds(
    items: list[tuple[bytes, int, bytes]], size: int
) -> None:
    received = wire(items)
    plain = as_columns(read(classic.GetMany(KEYS), received, size))
    assert as_dict(read(GetColumns(KEYS, NAMES), received, size)) == plain


@given(st.lists(values, min_size=5, max_size=5), flags)
def test_all_of_them_in_order_are_read_at_once(datas: list[bytes], number: int) -> None:
    items = [(key, number, data) for key, data in zip(KEYS, datas, strict=True)]
    command = GetColumns(KEYS, NAMES)
    command.encode()
    columns = command.whole(wire(items))
    if columns is not None:
        assert [list(column) for column in columns] == [NAMES, [number] * 5, datas]
    elif all(b"\r\n" not in data for data in datas):
        assert sum(map(len, datas)) > 1000  # where splitting does not pay


MESS = [b"\r\n", b" ", b"\r", b"VALUE", b"END", b"0", b"5", b" \r ", b"END\r\n", b"-1", b"a", b""]


@given(found, st.sampled_from([2, 1 << 20]), st.data())
def test_what_is_no_reply_is_none_to_either(
    items: list[tuple[bytes, int, bytes]], size: int, data: st.DataObject
) -> None:
    received = wire(items)
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(received)))
        stop = data.draw(st.integers(start, min(len(received), start + 8)))
        received = received[:start] + data.draw(st.sampled_from(MESS)) + received[stop:]
    plain = as_columns(read(classic.GetMany(KEYS), received, size))
    assert as_dict(read(GetColumns(KEYS, NAMES), received, size)) == plain


@given(st.lists(st.integers(0, 4), min_size=1, max_size=4), st.integers(0, 8), st.data())
def test_all_alike_but_for_a_byte_is_read_as_the_plain_command_reads_it(
    numbers: list[int], size: int, data: st.DataObject
) -> None:
    keys = [KEYS[number] for number in numbers]
    received = bytearray(wire([(key, 0, b"v" * size) for key in keys]))
    received[data.draw(st.integers(0, len(received) - 1))] = data.draw(st.sampled_from(b"v 0\r\nE"))
    plain = read(classic.GetMany(keys), bytes(received), 1 << 20)
    columns = read(GetColumns(keys), bytes(received), 1 << 20)
    if isinstance(plain, dict):
        plain = {item.key: (item.flags, item.value) for item in plain.values()}
    assert as_dict(columns) == plain


@pytest.mark.parametrize("size", [1, 1 << 20])
def test_one_key_under_two_names_is_found_under_both(size: int) -> None:
    command = GetColumns([b"k", b"l", b"k"], ["k", "l", b"k"])
    received = b"VALUE k 0 1\r\nv\r\nVALUE k 0 1\r\nv\r\nEND\r\n"
    assert read(command, received, size) == (["k", b"k"], [0, 0], [b"v", b"v"])


def test_limits_hold() -> None:
    received = wire([(b"a", 0, b"12345678901")])
    assert issubclass(read(GetColumns(KEYS), received, 5, max_value=10), RemoteProtocolError)  # type: ignore[arg-type]
    assert read(GetColumns(KEYS), b"SERVER_ERROR out of memory\r\n", 5) is ErrorReplied


items_to_store = st.lists(
    st.tuples(st.sampled_from(KEYS), st.binary(max_size=20), flags), min_size=1, max_size=5
)


@given(items_to_store, st.sampled_from([0, 60, -1]))
def test_sets_are_written_as_plain_ones_are(
    items: list[tuple[bytes, bytes, int]], exptime: int
) -> None:
    flight = quiet_sets(*[list(column) for column in zip(*items, strict=True)], exptime)  # type: ignore[arg-type]
    plain = Flight(
        [meta.Set(k, v, F=f or None, k=True, q=True, T=exptime or None) for k, v, f in items]
    )
    assert isinstance(flight, EncodedFlight)
    assert flight.encode() == plain.encode()
    assert flight.commands == plain.commands
    assert flight.whole(b"MN\r\n") == (NO_REPLY,) * len(items)
    assert flight.whole(b"NS k%b\r\nMN\r\n" % items[0][0]) is None


def test_large_values_are_not_copied() -> None:
    value = b"x" * 20_000
    flight = quiet_sets([b"k"], [value], [0], 0)
    assert any(part is value for part in flight.encode_parts())


def test_nothing_is_read_before_a_byte_has_come() -> None:
    connection = ClientConnection()
    connection.send(GetColumns(KEYS, NAMES))
    assert connection.next_event() is NEED_DATA
    assert not connection.in_reply


@pytest.mark.parametrize("size", [1, 1000])
def test_short_limits_are_kept(size: int) -> None:
    """The quick ways look at whole replies: where a limit could be passed, the plain one reads."""
    connection = ClientConnection(max_line=64, max_value=5)
    command = GetColumns(KEYS, NAMES)
    connection.send(command)
    received = wire([(b"a", 7, b"x"), (b"bb", 0, b"12345")])
    for start in range(0, len(received), size):
        connection.receive_data(received[start : start + size])
    assert command.result(connection.next_event()) == (["A", "B"], [7, 0], [b"x", b"12345"])


@pytest.mark.parametrize("size", [1, 1000])
def test_more_items_than_keys_are_refused(size: int) -> None:
    received = wire([(b"a", 0, b"x")] * (len(KEYS) + 1))
    assert read(GetColumns(KEYS, NAMES), received, size) is ProtocolDesync


def test_what_is_remembered_of_sizes_flags_and_headers_is_bounded() -> None:
    """And beyond the bounds it is as right as before."""
    for flags in range(70):
        flight = quiet_sets([b"k"], [b"v"], [flags], 0)
        word = b"F%d " % flags if flags else b""
        assert flight.encode() == b"ms k 1 %bk q\r\nv\r\nmn\r\n" % word
    sizes = [*range(1100), 5]
    flight = quiet_sets([b"k"] * len(sizes), [bytes(n) for n in sizes], [0] * len(sizes), 0)
    sets = [b"ms k %d k q\r\n%b\r\n" % (n, bytes(n)) for n in sizes]
    assert flight.encode() == b"".join(sets) + b"mn\r\n"
    for flags in (*range(1100), 5):
        received = wire([(b"a", flags, b"x"), (b"bb", flags + 1, b"yy")])
        assert read(GetColumns(KEYS, NAMES), received, 1000) == (
            ["A", "B"],
            [flags, flags + 1],
            [b"x", b"yy"],
        )


@pytest.mark.parametrize("numbers", [b"x 1", b"0 x", b"-1 1", b"4294967296 1", b"0  1", b"0"])
def test_a_header_with_wrong_numbers_is_refused(numbers: bytes) -> None:
    received = b"VALUE a %b\r\nx\r\nVALUE bb 0 1\r\ny\r\nEND\r\n" % numbers
    plain = read(classic.GetMany(KEYS), received, 1000)
    assert isinstance(plain, type)
    assert issubclass(plain, RemoteProtocolError)
    assert read(GetColumns(KEYS, NAMES), received, 1000) is plain
