"""The embedded server, asked in binary: the semantics that only this protocol has, and limits."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from mcclient.embedded import MemoryServer
from mcclient.embedded._store import Store
from mcproto import (
    NEED_DATA,
    BinaryReply,
    ClientConnection,
    Command,
    ErrorReplied,
    Flight,
    Item,
    RemoteProtocolError,
    Stats,
    Status,
    binary,
    classic,
    sasl,
)
from mcproto.transports.blocking import BlockingBackend
from mcproto.transports.memory import MemoryBackend

NOW = 1_700_000_000.0
DONE = BinaryReply()


class Asked:
    """A store and its clock."""

    def __init__(self, memory: int = 64 << 20, item_size: int = 1 << 20) -> None:
        self.store = Store(memory, item_size)
        self.now = NOW

    def __call__(self, command: Command[object]) -> object:
        return command.result(self.store.handle(command, self.now))


@pytest.fixture
def ask() -> Asked:
    return Asked()


def test_an_add_with_a_cas_is_a_store_with_a_cas(ask: Asked) -> None:
    assert ask(binary.Add("k", b"1", cas=7)) is Status.NOT_FOUND
    assert ask(binary.Add("k", b"1")) is Status.STORED
    assert ask(binary.Add("k", b"2")) is Status.EXISTS
    assert ask(binary.Add("k", b"2", cas=99)) is Status.EXISTS
    item = ask(binary.Get("k"))
    assert isinstance(item, Item)
    assert item.cas is not None
    assert ask(binary.Add("k", b"2", cas=item.cas)) is Status.STORED
    assert ask(binary.Get("k")) == Item(b"k", 0, b"2", item.cas + 1)


def test_a_store_shows_the_cas_that_the_item_has(ask: Asked) -> None:
    stored = ask.store.handle(binary.Set("k", b"1"), NOW)
    appended = ask.store.handle(binary.Append("k", b"2"), NOW)
    counted = ask.store.handle(binary.Incr("k", 1), NOW)
    touched = ask.store.handle(binary.Touch("k", 0), NOW)
    uniques = [reply.cas for reply in (stored, appended, counted, touched)]  # type: ignore[union-attr]
    assert uniques == [uniques[0], uniques[0] + 1, uniques[0] + 2, uniques[0] + 2]
    assert ask(binary.Get("k")) == Item(b"k", 0, b"13", uniques[-1])


def test_a_counter_is_created_where_that_was_asked_for(ask: Asked) -> None:
    assert ask(binary.Incr("n")) is None
    assert ask(binary.Decr("n")) is None
    assert ask(binary.Get("n")) is None
    assert ask(binary.Incr("n", 5, initial=100, exptime=60)) == 100
    assert ask(binary.Incr("n", 5, initial=100)) == 105
    ask.now += 61
    assert ask(binary.Get("n")) is None
    assert ask(binary.Decr("n", initial=7)) == 7
    assert ask(binary.Decr("n", 9)) == 0


@pytest.mark.parametrize("kind", [binary.Set, binary.Add, binary.Replace])
def test_a_value_too_large_is_refused_and_a_set_leaves_nothing(
    kind: Callable[[str, bytes], Command[object]],
) -> None:
    ask = Asked(item_size=1024)
    ask(binary.Set("k", b"old"))
    with pytest.raises(ErrorReplied) as caught:
        ask(kind("k", b"x" * 1024))
    assert caught.value.reply.status == binary.TOO_LARGE
    assert (ask(binary.Get("k")) is None) == (kind is binary.Set)


def test_an_addition_too_large_is_refused_by_itself_or_in_sum() -> None:
    ask = Asked(item_size=1024)
    ask(binary.Set("k", b"x" * 600))
    with pytest.raises(ErrorReplied) as caught:
        ask(binary.Append("k", b"x" * 1024))
    assert caught.value.reply.status == binary.TOO_LARGE
    assert ask(binary.Prepend("k", b"x" * 600)) is Status.NOT_STORED
    assert ask(binary.Append("k", b"x")) is Status.STORED


def test_what_no_memory_can_hold_is_refused_as_that() -> None:
    ask = Asked(memory=1024)
    with pytest.raises(ErrorReplied, match="Out of memory") as caught:
        ask(binary.Set("k", b"x" * 1024))
    assert caught.value.reply.status == binary.OUT_OF_MEMORY


def test_statistics_come_in_frames_where_there_are_such(ask: Asked) -> None:
    ask(binary.Set("k", b"v"))
    general = ask(binary.Stat())
    assert isinstance(general, dict)
    assert general["curr_items"] == "1"
    assert general["cmd_set"] == "1"
    assert isinstance(ask.store.handle(binary.Stat("items"), NOW), Stats)
    assert ask(binary.Stat("reset")) == {}
    for group in ("nothing", "cachedump 1 0", "conns"):
        with pytest.raises(ErrorReplied, match="Not found"):
            ask(binary.Stat(group))


def test_a_server_that_authenticates_nobody_does_not_know_how(ask: Asked) -> None:
    for command in (sasl.List(), sasl.plain("alice", "s3cr"), sasl.Step("X")):
        with pytest.raises(ErrorReplied) as caught:
            ask(command)
        assert caught.value.reply.kind == "ERROR"


def test_both_protocols_see_the_same_items(ask: Asked) -> None:
    ask(binary.Set("k", b"v", flags=5))
    assert ask(classic.Get("k")) == Item(b"k", 5, b"v")
    ask(classic.Set("l", b"w", flags=6))
    item = ask(binary.Get("l"))
    assert isinstance(item, Item)
    assert (item.flags, item.value) == (6, b"w")
    ask(binary.Flush(10))
    assert ask(classic.Get("k"))
    ask.now += 10
    assert ask(binary.Get("k")) is None


# ----------------------------------------------------------------------------------- over a socket


@contextmanager
def connected(server: MemoryServer) -> Iterator[Callable[[Command[object]], object]]:
    transport = BlockingBackend().connect((server.host, server.port))
    connection = ClientConnection("binary")

    def exchange(command: Command[object]) -> object:
        transport.send_all(connection.send(command))
        while not (events := seen(connection)):
            connection.receive_data(transport.receive_some())
        return command.result(events[0])

    try:
        yield exchange
    finally:
        transport.close()


def seen(connection: ClientConnection) -> list[Any]:
    event = connection.next_event()
    return [] if event is NEED_DATA else [event]


def test_a_memory_server_speaks_binary_to_whom_begins_so() -> None:
    with MemoryServer() as server, connected(server) as ask:
        assert ask(binary.Set("k", b"v" * 100_000)) is Status.STORED
        flight = Flight([binary.Get(k, quiet=True, opaque=n) for n, k in enumerate("jkl", 1)])
        replies = ask(flight)
        assert isinstance(replies, tuple)
        values = [c.result(r) for c, r in zip(flight.commands, replies, strict=True)]
        assert [value and value.value for value in values] == [None, b"v" * 100_000, None]  # type: ignore[attr-defined]
        assert server.commands[0] == binary.Set("k", b"v" * 100_000)
        stats = ask(binary.Stat())
        assert isinstance(stats, dict)
        assert stats["curr_connections"] == "1"
        assert int(stats["bytes_read"]) > 100_000
        ask(binary.Stat("reset"))
        stats = ask(binary.Stat())
        assert isinstance(stats, dict)
        assert int(stats["bytes_read"]) < 1000
        assert ask(binary.Quit()) is None


def test_failures_can_be_ordered_for_binary_commands() -> None:
    with MemoryServer() as server, connected(server) as ask:
        server.fail_next("SERVER_ERROR out of memory storing object")
        assert ask(binary.Noop()) is Status.OK
        assert ask(binary.Version())
        with pytest.raises(ErrorReplied, match="SERVER_ERROR out of memory") as caught:
            ask(binary.Set("k", b""))
        assert caught.value.reply.status == binary.OUT_OF_MEMORY
        assert ask(binary.Get("k")) is None


def test_at_the_limit_of_connections_the_line_is_shown() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        with closing(BlockingBackend().connect(address)) as transport, listener.accept()[0] as peer:
            peer.sendall(b"ERROR Too many open connections\r\n")
            connection = ClientConnection("binary")
            connection.send(binary.Noop())
            connection.receive_data(transport.receive_some())
            with pytest.raises(RemoteProtocolError, match="Too many open connections"):
                connection.next_event()


def test_it_needs_no_socket() -> None:
    transport = MemoryBackend(MemoryServer(), chop=3).connect(("", 0))
    connection = ClientConnection("binary")
    transport.send_all(connection.send(binary.Set("k", b"v")))
    transport.send_all(connection.send(binary.Quit()))
    events: list[Any] = []
    while len(events) < 2:
        events += seen(connection)
        if len(events) < 2:
            connection.receive_data(transport.receive_some())
    assert events[1] == DONE
