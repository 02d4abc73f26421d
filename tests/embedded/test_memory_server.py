"""The server: a thread, sockets, a clock that can be moved, and failures that can be ordered."""

from __future__ import annotations

import os
import resource
import select
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymemcache.client.base import Client as ForeignClient

from mcclient.embedded import MemoryServer
from mcproto import (
    BadRequest,
    ErrorReply,
    InvalidArgument,
    Item,
    MetaReply,
    Status,
    Text,
    Values,
    classic,
    meta,
)
from mcproto.testing import hostile
from tests.embedded.wire import PATIENCE, Wire, until


@pytest.fixture
def server() -> Iterator[MemoryServer]:
    with MemoryServer() as server:
        yield server


@pytest.fixture
def wire(server: MemoryServer) -> Iterator[Wire]:
    with Wire(server) as wire:
        yield wire


@pytest.fixture
def folder() -> Iterator[Path]:
    # Shorter than pytest's own, which a socket's path would not fit in.
    with tempfile.TemporaryDirectory(prefix="mc-") as name:
        yield Path(name)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


# ------------------------------------------------------------------------------- start and close


def test_a_started_server_answers(server: MemoryServer, wire: Wire) -> None:
    assert server.host == "127.0.0.1"
    assert 0 < server.port < 65536
    assert server.address == f"127.0.0.1:{server.port}"
    assert server.url == f"memcached://127.0.0.1:{server.port}"
    assert repr(server) == f"<MemoryServer {server.address} listening>"
    wire.ask(b"set k 0 0 5\r\nhello\r\n", b"STORED\r\n")
    wire.ask(b"get k\r\n", b"VALUE k 0 5\r\nhello\r\nEND\r\n")


def test_it_can_listen_on_a_unix_socket(folder: Path) -> None:
    path = str(folder / "socket")
    server = MemoryServer(path=path)
    with server:
        assert (server.address, server.url) == (path, f"memcached://{path}")
        assert (server.host, server.port) == ("", 0)
        with Wire(server) as wire:
            wire.ask(b"mn\r\n", b"MN\r\n")
            assert server.stats["curr_connections"] == "1"
    assert not os.path.exists(path)


def test_a_socket_left_behind_is_replaced_and_a_file_is_not(folder: Path) -> None:
    path = folder / "socket"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with MemoryServer(path=str(path)) as server, Wire(server) as wire:
        wire.ask(b"mn\r\n", b"MN\r\n")
    path.write_text("precious")
    with pytest.raises(OSError, match="in use"):
        MemoryServer(path=str(path)).start()
    assert path.read_text() == "precious"


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_it_can_listen_on_ipv6() -> None:
    try:
        server = MemoryServer("::1")
        server.start()
    except OSError:
        pytest.skip("this machine has no ::1")
    with Wire(server) as wire:
        assert server.address == f"[::1]:{server.port}"
        wire.ask(b"mn\r\n", b"MN\r\n")
    server.close()


def test_after_close_there_is_no_thread_no_socket_and_no_item() -> None:
    threads, files = threading.active_count(), descriptors()
    server = MemoryServer()
    for _ in range(3):
        server.start()
        first, second = Wire(server), Wire(server)
        second.ask(b"set k 0 0 1\r\nx\r\n", b"STORED\r\n")
        server.close()
        assert first.is_closed()
        assert second.is_closed()
        first.sock.close()
        second.sock.close()
        assert server.handle(classic.Get("k")) == Values()
        assert (threading.active_count(), descriptors()) == (threads, files)
    server.close()
    assert repr(server).endswith("stopped>")


def test_a_server_keeps_the_port_that_it_once_had() -> None:
    server = MemoryServer()
    with server:
        port = server.port
    assert server.port == port
    with server:
        assert server.port == port
    with MemoryServer(port=port) as other:
        assert other.port == port


def test_an_address_in_use_is_an_error_and_the_server_can_still_be_started() -> None:
    files = descriptors()
    first = MemoryServer()
    first.start()
    second = MemoryServer(port=first.port)
    with pytest.raises(OSError, match="in use"):
        second.start()
    first.close()
    second.start()
    with pytest.raises(RuntimeError, match="started"):
        second.start()
    second.close()
    assert descriptors() == files


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_is_none_is_refused(port: int) -> None:
    with pytest.raises(InvalidArgument, match="port"):
        MemoryServer(port=port)


@pytest.mark.parametrize("limit", ["memory", "item_size"])
def test_a_limit_that_is_none_is_refused(limit: str) -> None:
    with pytest.raises(InvalidArgument, match=limit):
        MemoryServer(**{limit: 100})  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------- conversations


def test_a_client_of_somebody_else_gets_along_with_it(server: MemoryServer) -> None:
    foreign = ForeignClient((server.host, server.port))
    assert foreign.set("k", b"v" * 100_000)
    assert foreign.get("k") == b"v" * 100_000
    assert foreign.set("n", "5")
    assert foreign.incr("n", 3) == 8
    assert foreign.get_many(["k", "n", "x"]) == {"k": b"v" * 100_000, "n": b"8"}
    assert foreign.delete("k", noreply=False)
    _, unique = foreign.gets("n")
    assert foreign.cas("n", b"1", unique)
    assert foreign.cas("n", b"1", unique) is False
    assert foreign.stats()[b"curr_items"] == 1
    foreign.close()


def test_connections_share_the_items(server: MemoryServer) -> None:
    with Wire(server) as first, Wire(server) as second:
        first.ask(b"set k 0 0 1\r\nx\r\n", b"STORED\r\n")
        second.ask(b"delete k\r\n", b"DELETED\r\n")
        first.ask(b"get k\r\n", b"END\r\n")


def test_a_pipeline_is_answered_in_order_and_errors_stand_where_they_belong(wire: Wire) -> None:
    requests = (
        b"ms k 1 q\r\nx\r\n",
        b"set j 0 0 1 noreply\r\ny\r\n",
        b"bogus\r\n",
        b"mg none q v\r\n",
        b"get k j\r\n",
        b"incr k 1\r\n",
        b"mn\r\n",
    )
    wire.ask(
        b"".join(requests),
        b"ERROR\r\nVALUE k 0 1\r\nx\r\nVALUE j 0 1\r\ny\r\nEND\r\n"
        b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\nMN\r\n",
    )


def test_quit_and_everything_else_that_ends_a_connection(server: MemoryServer) -> None:
    for ending in (b"quit\r\nmn\r\n", b"GET / HTTP/1.1\r\n", b"x" * 2049):
        with Wire(server) as wire:
            wire.send(b"mn\r\n" + ending)
            assert wire.read(100) == b"MN\r\n"
    with Wire(server) as wire:
        wire.send(b"mn\r\nset k 0 0 10\r\nabc")
        wire.sock.shutdown(socket.SHUT_WR)
        assert wire.read(100) == b"MN\r\n"
    with Wire(server) as wire:
        wire.ask(b"get k\r\n", b"END\r\n")
        until(lambda: server.stats["curr_connections"] == "1")


def test_an_oversized_value_takes_the_old_one_with_it(wire: Wire) -> None:
    wire.ask(b"set k 0 0 1\r\nx\r\n", b"STORED\r\n")
    wire.ask(
        b"set k 0 0 5000000\r\n" + b"x" * 5_000_000 + b"\r\n",
        b"SERVER_ERROR object too large for cache\r\n",
    )
    wire.ask(b"get k\r\n", b"END\r\n")


@given(st.lists(hostile(role="client") | st.binary(max_size=200), max_size=3))
@settings(max_examples=30)
def test_nothing_that_a_client_sends_takes_the_server_down(conversations: list[bytes]) -> None:
    with MemoryServer() as server:
        with Wire(server) as other:
            for data in conversations:
                with Wire(server) as wire:
                    wire.send(data)
                other.ask(b"mn\r\n", b"MN\r\n")
        assert threading.active_count() > 1


def test_who_goes_away_in_the_middle_takes_nobody_along_and_is_no_complaint(
    server: MemoryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    complaints: list[object] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, traceback: complaints.append(error))
    with Wire(server) as other:
        other.ask(b"set k 0 0 100000\r\n" + b"x" * 100_000 + b"\r\n", b"STORED\r\n")
        for _ in range(20):
            with Wire(server) as wire:
                wire.send(b"get k\r\n" * 100)
                # A reset, not an end of file.
                linger = (1).to_bytes(4, sys.byteorder) + bytes(4)
                wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        other.ask(b"mn\r\n", b"MN\r\n")
    until(lambda: server.stats["curr_connections"] == "0")
    assert complaints == []


def test_a_mistake_while_answering_costs_one_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    complaints: list[object] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, traceback: complaints.append(kind))

    def break_down(*_: object) -> None:
        raise MemoryError

    with MemoryServer() as server, Wire(server) as good:
        monkeypatch.setattr(server._answers.store.items, "get", break_down)
        with Wire(server) as bad:
            bad.send(b"get k\r\n")
            assert bad.is_closed()
        good.ask(b"mn\r\n", b"MN\r\n")
    assert complaints == [MemoryError]


def test_there_is_an_end_to_the_number_of_connections() -> None:
    with MemoryServer(max_connections=3) as server:
        open_ = [Wire(server) for _ in range(3)]
        for wire in open_:
            wire.ask(b"mn\r\n", b"MN\r\n")
        with Wire(server) as late:
            late.send(b"mn\r\n")
            assert late.read(100) == b"ERROR Too many open connections\r\n"
        assert server.stats["rejected_connections"] == "1"
        open_.pop().sock.close()
        until(lambda: server.stats["curr_connections"] == "2")
        with Wire(server) as wire:
            wire.ask(b"mn\r\n", b"MN\r\n")
        for wire in open_:
            wire.sock.close()


def test_or_whoever_is_one_too_many_waits_until_somebody_leaves() -> None:
    with MemoryServer(max_connections=1, rejects=False) as server, Wire(server) as first:
        first.ask(b"mn\r\n", b"MN\r\n")
        with Wire(server) as late:
            late.send(b"mn\r\n")
            until(lambda: server.stats["listen_disabled_num"] == "1")
            assert select.select([late.sock], [], [], 0) == ([], [], [])
            first.sock.close()
            assert late.read(4) == b"MN\r\n"


def test_out_of_file_descriptors_it_waits_and_then_serves_whoever_has_waited(
    server: MemoryServer, wire: Wire
) -> None:
    wire.ask(b"mn\r\n", b"MN\r\n")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as late:
        late.settimeout(PATIENCE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (late.fileno() + 1, limits[1]))
        try:
            late.connect((server.host, server.port))
            late.sendall(b"mn\r\n")
            wire.ask(b"mn\r\n", b"MN\r\n")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert late.recv(100) == b"MN\r\n"
    assert server.stats["total_connections"] == "2"


# -------------------------------------------------------------------------------------- pressure


def test_who_does_not_read_is_not_read_from_and_gets_everything_once_he_does(
    server: MemoryServer,
) -> None:
    size = 200_000
    hit = b"VALUE k 0 %d\r\n%b\r\nEND\r\n" % (size, b"x" * size)
    with Wire(server) as other, Wire(server) as greedy:
        other.ask(b"set k 0 0 %d\r\n%b\r\n" % (size, b"x" * size), b"STORED\r\n")
        greedy.sock.setblocking(False)
        request = memoryview(b"get k\r\n" * 1000)
        asked = 0
        # All the buffers on the way fill up, and then nothing more is taken.
        while select.select([], [greedy.sock], [], 0.3)[1]:
            asked += greedy.sock.send(request[asked % 7 :])
            assert asked < 64 << 20, "the server reads on"
        # Meanwhile others are served, and what is answered is a small part of what was asked.
        other.ask(b"mn\r\n", b"MN\r\n")
        assert int(server.stats["get_hits"]) < 100
        greedy.sock.settimeout(PATIENCE)
        greedy.sock.shutdown(socket.SHUT_WR)
        wanted = min(asked // 7, 300)
        for _ in range(wanted):
            assert greedy.read(len(hit)) == hit


def test_a_pipeline_may_have_more_to_answer_than_is_written_at_once(wire: Wire) -> None:
    value = b"x" * 100_000
    wire.ask(b"set k 0 0 100000\r\n" + value + b"\r\n", b"STORED\r\n")
    wire.ask(b"get k\r\n" * 40, (b"VALUE k 0 100000\r\n" + value + b"\r\nEND\r\n") * 40)


def test_a_reply_that_would_be_too_large_is_refused(wire: Wire) -> None:
    size = 1_000_000
    wire.ask(b"set k 0 0 %d\r\n%b\r\n" % (size, b"x" * size), b"STORED\r\n")
    wire.ask(b"get" + b" k" * 300 + b"\r\n", b"SERVER_ERROR out of memory writing get response\r\n")
    wire.ask(b"mn\r\n", b"MN\r\n")


# ----------------------------------------------------------------------------------- time and items


def test_its_clock_can_be_moved(server: MemoryServer, wire: Wire) -> None:
    wire.ask(b"set k 0 60 1\r\nx\r\n", b"STORED\r\n")
    server.advance(59)
    wire.ask(b"get k\r\n", b"VALUE k 0 1\r\nx\r\nEND\r\n")
    server.advance(1)
    wire.ask(b"get k\r\n", b"END\r\n")
    assert int(server.stats["uptime"]) == 60
    with pytest.raises(InvalidArgument, match="seconds"):
        server.advance(-1)


def test_a_flush_forgets_the_items_and_nothing_else(server: MemoryServer, wire: Wire) -> None:
    wire.ask(b"set k 0 0 1\r\nx\r\n", b"STORED\r\n")
    server.flush()
    wire.ask(b"get k\r\n", b"END\r\n")
    assert server.stats["cmd_set"] == "1"


def test_a_restart_drops_connections_and_items_and_keeps_the_address(
    server: MemoryServer, wire: Wire
) -> None:
    wire.ask(b"set k 0 0 1\r\nx\r\n", b"STORED\r\n")
    address = server.address
    server.fail_next("close")
    server.restart()
    assert wire.is_closed()
    assert server.address == address
    with Wire(server) as anew:
        anew.ask(b"get k\r\n", b"END\r\n")
    assert server.stats["total_connections"] == "1"


def test_without_a_socket_it_works_as_well() -> None:
    server = MemoryServer()
    assert server.handle(classic.Set("k", b"v", exptime=10)) is Status.STORED
    assert server.handle(classic.Gets("k")) == Values([Item(b"k", 0, b"v", 2)])
    assert server.handle(meta.Get("k", v=True)) == MetaReply("VA", [], b"v")
    assert server.stats["curr_items"] == "1"
    server.advance(10)
    assert server.handle(classic.Get("k")) == Values()
    server.handle(classic.Set("k", b"v"))
    too_large = ErrorReply("SERVER_ERROR", "object too large for cache")
    assert server.handle(BadRequest(too_large, removes=b"k")) == too_large
    assert server.handle(classic.Get("k")) == Values()
    server.handle(classic.Set("k", b"v"))
    server.restart()
    assert server.handle(classic.Get("k")) == Values()
    server.close()


def test_many_threads_may_ask_at_once() -> None:
    server = MemoryServer()
    server.handle(classic.Set("n", b"0"))

    def count() -> None:
        for _ in range(500):
            server.handle(classic.Incr("n"))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.handle(classic.Get("n")) == Values([Item(b"n", 0, b"2000")])


# ------------------------------------------------------------------------------------ what it knows


def test_it_knows_what_it_was_asked(server: MemoryServer, wire: Wire) -> None:
    wire.ask(b"get a\r\nbogus\r\nmn\r\n", b"END\r\nERROR\r\nMN\r\n")
    server.handle(classic.Version())
    assert server.commands == [classic.Get("a"), meta.Noop(), classic.Version()]
    server.commands.clear()  # a copy
    assert len(server.commands) == 3


def test_but_not_without_an_end() -> None:
    server = MemoryServer()
    for number in range(10_050):
        server.handle(classic.Get(str(number)))
    assert len(server.commands) == 10_000
    assert server.commands[0] == classic.Get("50")
    for _ in range(100):
        server.handle(classic.Set("k", b"x" * (1 << 20)))
    assert len(server.commands) == 64
    server.handle(classic.Get("k"))
    assert len(server.commands) == 65


def test_its_statistics_are_those_of_the_store_and_of_the_sockets(
    server: MemoryServer, wire: Wire
) -> None:
    wire.ask(b"get a\r\n", b"END\r\n")
    stats = server.stats
    assert stats["pid"] == str(os.getpid())
    assert stats["cmd_get"] == stats["curr_connections"] == stats["total_connections"] == "1"
    assert stats["bytes_read"] == "7"
    until(lambda: server.stats["bytes_written"] == "5")
    wire.ask(b"stats reset\r\n", b"RESET\r\n")
    stats = server.stats
    assert (stats["curr_connections"], stats["total_connections"]) == ("1", "0")
    assert stats["cmd_get"] == "0"
    reply = server.handle(classic.Stats("settings"))
    assert reply.entries["tcpport"] == str(server.port)  # type: ignore[union-attr]
    assert reply.entries["inter"] == "127.0.0.1"  # type: ignore[union-attr]


# ----------------------------------------------------------------------------------------- failures


def test_close_obeys_and_closes_instead_of_answering(server: MemoryServer) -> None:
    server.fail_next("close")
    with Wire(server) as wire:
        wire.send(b"set k 0 0 1\r\nx\r\nmn\r\n")
        assert wire.is_closed()
    with Wire(server) as wire:
        wire.ask(b"get k\r\n", b"VALUE k 0 1\r\nx\r\nEND\r\n")


def test_what_was_answered_before_is_still_sent(server: MemoryServer, wire: Wire) -> None:
    wire.ask(b"version\r\n", b"VERSION 1.6.45\r\n")
    server.fail_next("SERVER_ERROR first")
    server.fail_next("close")
    wire.send(b"get k\r\nget k\r\nget k\r\n")
    assert wire.read(100) == b"SERVER_ERROR first\r\n"


def test_cut_sends_half_of_the_answer(server: MemoryServer) -> None:
    server.handle(classic.Set("k", b"0123456789"))
    server.fail_next("cut", times=2)
    whole = b"VALUE k 0 10\r\n0123456789\r\nEND\r\n"
    for _ in range(2):
        with Wire(server) as wire:
            wire.send(b"get k\r\n")
            assert wire.read(100) == whole[: len(whole) // 2]
    with Wire(server) as wire:
        wire.ask(b"get k\r\n", whole)


def test_refuse_closes_the_next_connections_at_once(server: MemoryServer, wire: Wire) -> None:
    wire.ask(b"mn\r\n", b"MN\r\n")
    server.fail_next("refuse", times=2)
    for _ in range(2):
        with Wire(server) as refused:
            assert refused.is_closed()
    with Wire(server) as accepted:
        accepted.ask(b"mn\r\n", b"MN\r\n")
    wire.ask(b"mn\r\n", b"MN\r\n")


def test_an_error_line_is_the_answer_and_the_command_is_not_obeyed(
    server: MemoryServer, wire: Wire
) -> None:
    server.fail_next("SERVER_ERROR out of memory storing object", times=2)
    server.fail_next("ERROR")
    wire.ask(
        b"set k 0 0 1\r\nx\r\nms k 1 q\r\nx\r\nget k\r\nget k\r\n",
        b"SERVER_ERROR out of memory storing object\r\n" * 2 + b"ERROR\r\nEND\r\n",
    )
    assert len(server.commands) == 4


def test_a_delayed_answer_comes_late_and_what_follows_it_comes_behind_it(
    server: MemoryServer, wire: Wire
) -> None:
    server.fail_next("delay", seconds=0.2)
    start = monotonic()
    wire.send(b"set k 0 0 1\r\nx\r\nget k\r\n")
    assert wire.read(8) == b"STORED\r\n"
    assert monotonic() - start >= 0.2
    wire.ask(b"mn\r\n", b"VALUE k 0 1\r\nx\r\nEND\r\nMN\r\n")


def test_it_holds_up_its_own_connection_and_no_other() -> None:
    with MemoryServer() as server, Wire(server) as wire:
        server.fail_next("delay", seconds=60)
        wire.send(b"set k 0 0 1\r\nx\r\nget k\r\n")
        until(lambda: server.commands)
        with Wire(server) as other:
            other.ask(b"get k\r\n", b"VALUE k 0 1\r\nx\r\nEND\r\n")
        assert select.select([wire.sock], [], [], 0) == ([], [], [])
        assert len(server.commands) == 2


def test_a_server_can_be_closed_while_an_answer_is_held_back() -> None:
    threads = threading.active_count()
    server = MemoryServer()
    server.start()
    server.fail_next("delay", seconds=60)
    with Wire(server) as wire:
        wire.send(b"get k\r\n")
        until(lambda: server.commands)
        server.close()
        assert wire.is_closed()
    assert threading.active_count() == threads


def test_without_a_socket_a_failure_is_an_exception() -> None:
    server = MemoryServer()
    for kind, error in (("close", ConnectionResetError), ("cut", ConnectionResetError)):
        server.fail_next(kind)
        with pytest.raises(error):
            server.handle(classic.Get("k"))
    server.fail_next("delay")
    with pytest.raises(TimeoutError):
        server.handle(classic.Get("k"))
    server.fail_next("CLIENT_ERROR no")
    assert server.handle(classic.Get("k")) == ErrorReply("CLIENT_ERROR", "no")
    assert server.handle(classic.Version()) == Text("1.6.45")


@pytest.mark.parametrize(
    "kind", ["", "open", "END", "ERRORS", "SERVER_ERROR a\r\nb", "VALUE k 0 0", "refused"]
)
def test_a_failure_that_is_none_is_refused(kind: str) -> None:
    with pytest.raises(InvalidArgument, match="kind"):
        MemoryServer().fail_next(kind)


@pytest.mark.parametrize("times", [0, -1])
def test_a_failure_happens_once_at_least(times: int) -> None:
    with pytest.raises(InvalidArgument, match="times"):
        MemoryServer().fail_next("close", times)


@pytest.mark.parametrize("seconds", [-1, float("inf"), float("nan")])
def test_a_time_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(InvalidArgument, match="seconds"):
        MemoryServer().fail_next("delay", seconds=seconds)
    with pytest.raises(InvalidArgument, match="seconds"):
        MemoryServer().advance(seconds)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [((None,), "kind"), (("close", "2"), "times"), (("close", None), "times")],
)
def test_an_argument_of_another_type_is_a_type_error(
    arguments: tuple[str, int], named: str
) -> None:
    with pytest.raises(TypeError, match=named):
        MemoryServer().fail_next(*arguments)
    with pytest.raises(TypeError, match="seconds"):
        MemoryServer().advance("1")  # type: ignore[arg-type]


def test_greetings_and_barriers_do_not_fail(server: MemoryServer, wire: Wire) -> None:
    server.fail_next("SERVER_ERROR no")
    wire.ask(b"mn\r\nversion\r\n", b"MN\r\nVERSION 1.6.45\r\n")
    wire.ask(b"get k\r\n", b"SERVER_ERROR no\r\n")
