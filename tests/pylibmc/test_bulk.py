"""What is done to many keys at once, against the same done to one after the other."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcclient import pylibmc
from mcclient.pylibmc._bulk import SetAll
from mcproto import (
    NEED_DATA,
    ClientConnection,
    ErrorReplied,
    MetaReply,
    RemoteProtocolError,
    ServerConnection,
    classic,
    meta,
)
from mcproto._columns import GetColumns
from tests.servers import RealMemcached

KEYS = [b"a", b"bb", b"ccc", b"dddd"]
ITEMS = st.lists(
    st.tuples(st.sampled_from(KEYS), st.sampled_from([0, 4, 16]), st.binary(max_size=30)),
    unique_by=lambda item: item[0],
)


def values(items: list[tuple[bytes, int, bytes]]) -> bytes:
    return b"".join(
        b"VALUE %b %d %d\r\n%b\r\n" % (key, flags, len(data), data) for key, flags, data in items
    )


def outcome(command: Any, received: bytes, size: int) -> Any:
    """What the command makes of an answer that comes in pieces of a size."""
    connection = ClientConnection()
    connection.send(command)
    try:
        for at in range(0, len(received), size):
            connection.receive_data(received[at : at + size])
            event = connection.next_event()
            if event is not NEED_DATA:
                if not connection.is_idle:
                    return "more than was asked for"
                return command.result(event)
        return NEED_DATA
    except (ErrorReplied, RemoteProtocolError) as error:
        return type(error).__name__


@given(ITEMS, st.sampled_from([1, 3, 10_000]))
def test_columns_are_the_items_of_a_plain_get(
    items: list[tuple[bytes, int, bytes]], size: int
) -> None:
    received = values(items) + b"END\r\n"
    plain = outcome(classic.GetMany(KEYS), received, size)
    keys, flags, datas = outcome(GetColumns(KEYS), received, size)
    assert [(i.key, i.flags, i.value) for i in plain.values()] == list(
        zip(keys, flags, datas, strict=True)
    )


@given(
    st.one_of(
        st.binary(max_size=60),
        st.sampled_from(
            [
                b"ERROR\r\n",
                b"SERVER_ERROR x\r\n",
                b"VALUE other 0 1\r\nx\r\nEND\r\n",
                b"VALUE a 0 1\r\nxx\r\nEND\r\n",
                b"VALUE a 0 1\r\nx\r\nVALUE a 0 1\r\nx\r\nVALUE a 0 1\r\nx\r\nVALUE a 0 1\r\nx\r\n"
                b"VALUE a 0 1\r\nx\r\nEND\r\n",
                b"END\r\nEND\r\n",
            ]
        ),
    ),
    st.sampled_from([1, 10_000]),
)
def test_what_is_no_answer_is_one_to_neither(received: bytes, size: int) -> None:
    plain = outcome(classic.GetMany(KEYS), received, size)
    columns = outcome(GetColumns(KEYS), received, size)
    if isinstance(plain, dict):
        plain = ([i.key for i in plain.values()], [i.flags for i in plain.values()],
                 [i.value for i in plain.values()])  # fmt: skip
        columns = tuple(map(list, columns))
    assert columns == plain


@given(
    st.lists(st.tuples(st.sampled_from(KEYS), st.binary(max_size=30)), min_size=1),
    st.sampled_from([0, 16]),
    st.sampled_from([0, 60, -1]),
)
def test_sets_are_written_as_single_ones(
    items: list[tuple[bytes, bytes]], flags: int, exptime: int
) -> None:
    keys, datas = zip(*items, strict=True)
    server = ServerConnection("text")
    server.receive_data(SetAll(keys, datas, flags, exptime).encode())
    heard = []
    while (event := server.next_event()) is not NEED_DATA:
        heard.append(event)
        server.send(MetaReply("MN" if isinstance(event, meta.Noop) else "HD"))
    singles = [
        meta.Set(key, data, F=flags or None, T=exptime or None, k=True, q=True)
        for key, data in items
    ]
    assert heard == [*singles, meta.Noop()]


@given(
    st.lists(st.binary(max_size=12), min_size=4, max_size=4),
    st.lists(st.sampled_from([0, 16]), min_size=4, max_size=4),
    st.permutations(KEYS),
    st.booleans(),
    st.integers(0, 60),
    st.binary(max_size=3),
)
def test_what_is_taken_for_whole_is_what_the_plain_way_reads(
    datas: list[bytes],
    flags: list[int],
    keys: list[bytes],
    uniform: bool,
    at: int,
    splinter: bytes,
) -> None:
    if uniform:  # the form that is looked for
        datas = [data.ljust(12, b"x") for data in datas]
        flags, keys = [16] * 4, KEYS
    received = values(list(zip(keys, flags, datas, strict=True))) + b"END\r\n"
    if splinter:
        received = received[:at] + splinter + received[at + len(splinter) :]
    whole = GetColumns(KEYS).whole(received)
    assert whole is not None or splinter or not uniform
    if whole is not None:
        plain = outcome(GetColumns(KEYS), received, 10_000)
        assert tuple(map(list, whole)) == tuple(map(list, plain))


def test_a_value_that_looks_like_another_item_is_not_split() -> None:
    hidden = b"\r\nVALUE b 0 4\r\nxxxx"
    received = values([(b"a", 0, hidden), (b"b", 0, b"y" * len(hidden))]) + b"END\r\n"
    assert GetColumns([b"a", b"b"]).whole(received) is None
    assert outcome(GetColumns([b"a", b"b"]), received, 10_000)[2] == [hidden, b"y" * len(hidden)]


def test_a_header_that_was_kept_does_not_pass_for_a_value() -> None:
    # The second item, header and all, is as long as the first one's value.
    data = b"x" * 20
    second = b"b 0 10\r\n"
    short = b"y" * (20 - len(second))
    received = b"VALUE a 0 20\r\n%b\r\nVALUE %b%b\r\nEND\r\n" % (data, second, short)
    assert GetColumns([b"a", b"b"]).whole(received) is None


@pytest.mark.parametrize(
    ("received", "result"),
    [
        (b"MN\r\n", frozenset()),
        (b"NS ka\r\nNS kccc\r\nMN\r\n", {b"a", b"ccc"}),
        (b"SERVER_ERROR out of memory\r\nNS ka\r\nMN\r\n", "ErrorReplied"),
        (b"NS kother\r\nMN\r\n", "ProtocolDesync"),
        (b"NS\r\nMN\r\n", "ProtocolDesync"),
        (b"HD ka\r\nMN\r\n", "ProtocolDesync"),
        (b"STORED\r\nMN\r\n", "ProtocolDesync"),
        (b"MN\r\nMN\r\n", "more than was asked for"),
        (b"NS ka\r\n", NEED_DATA),
    ],
)
def test_quiet_sets_report_what_was_not_stored(received: bytes, result: object) -> None:
    command = SetAll(KEYS, [b""] * 4, 0, 0)
    for size in (1, 5, 10_000):
        if received.endswith(b"MN\r\nMN\r\n") and size < 10_000:
            continue  # what comes after the end is the next exchange's to find
        assert outcome(command, received, size) == result


@pytest.mark.parametrize("number", [1, 2, 255, 256, 257, 1000])
@pytest.mark.parametrize("kind", ["bytes", "str", "mixed"])
def test_any_number_of_values_is_stored_and_found(
    number: int, kind: str, five_servers: list[RealMemcached]
) -> None:
    for server in five_servers:
        server.flush()
    mc = pylibmc.Client([server.address for server in five_servers], {"ketama": True})
    one = pylibmc.Client([five_servers[0].address])
    values: dict[Any, Any] = {
        f"key:{n}": {"bytes": b"%d" % n, "str": str(n), "mixed": n if n % 2 else str(n)}[kind]
        for n in range(number)
    }
    for client in (mc, one):
        for _ in range(2):  # the first time nobody knows yet what the servers speak
            assert client.set_multi(values) == []
            assert client.get_multi(list(values)) == values
            assert client.get_multi([*values, "none"], "") == values
        assert client.delete_multi(values.keys())
        assert client.get_multi(list(values)) == {}


def test_large_values_go_in_several_flights(mc: pylibmc.Client) -> None:
    mc.get("key")
    values = {f"key:{n}": bytes(500_000) for n in range(10)}
    assert mc.set_multi(values) == []
    assert mc.get_multi(list(values)) == values
