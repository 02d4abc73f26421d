"""Commands of administrators, streams and authentication, on real memcached servers.

What is asked is what servers of either generation answer alike, or what the test tells apart by
the version that the server says it has.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mcclient import AsyncClient, Client, ServerUnavailable
from mcproto import (
    CLOSED,
    NEED_DATA,
    NO_REPLY,
    ClientConnection,
    Command,
    ErrorReplied,
    ErrorReply,
    Flight,
    MetaReply,
    Status,
    Stream,
    StreamLine,
    admin,
    classic,
    meta,
)
from mcproto.transports.blocking import BlockingBackend
from mcproto.transports.selector import SelectorBackend
from tests.servers import RealMemcached

pytestmark = pytest.mark.memcached


class Talk:
    """One connection: commands out, events in."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.connection = ClientConnection()

    def send(self, command: Command[object]) -> None:
        self.sock.sendall(self.connection.send(command))

    def event(self) -> object:
        while (event := self.connection.next_event()) is NEED_DATA:
            self.connection.receive_data(self.sock.recv(4096))
        return event

    def ask(self, command: Command[object]) -> object:
        self.send(command)
        event = self.event()
        assert self.connection.is_idle
        return event

    def lines(self, command: Command[object]) -> list[bytes]:
        self.send(Stream(command))
        lines: list[bytes] = []
        while isinstance(event := self.event(), StreamLine):
            lines.append(event.line)
        assert event is Status.END
        assert self.connection.is_idle
        return lines

    def version(self) -> tuple[int, ...]:
        self.send(classic.Version())
        text = classic.Version().result(self.event())  # type: ignore[arg-type]
        return tuple(map(int, text.split(".")))


@pytest.fixture(scope="module")
def server() -> Iterator[RealMemcached]:
    with RealMemcached(unix=True) as server:
        yield server


@pytest.fixture
def talk(server: RealMemcached) -> Iterator[Talk]:
    with closing(server.connect()) as sock:
        yield Talk(sock)


def test_a_dump_has_every_item() -> None:
    with RealMemcached(unix=True) as server, closing(server.connect()) as sock:
        talk = Talk(sock)
        keys = {b"k%d%%\xff" % number for number in range(200)}
        for key in keys:
            talk.ask(classic.Set(key, b"x" * 50, exptime=1000))
        items = [admin.DumpedItem.of(line) for line in talk.lines(admin.Metadump("hash"))]
        slab_class = items[0].slab_class
        assert {item.key for item in items} == keys
        assert {item.slab_class for item in items} == {slab_class}
        assert all(item.expires > item.used > 1_500_000_000 for item in items)
        assert all(item.size > 50 + len(item.key) for item in items)
        assert not any(item.is_fetched for item in items)
        whole = admin.Metadump("hash")
        talk.send(whole)
        lines = whole.result(talk.event())  # type: ignore[arg-type]
        assert {admin.DumpedItem.of(line).key for line in lines} == keys
        # By classes, a dump may miss what is moved meanwhile.
        for classes in ("all", [slab_class]):
            some = talk.lines(admin.Metadump(classes))
            assert some
            assert {admin.DumpedItem.of(line).key for line in some} <= keys
        assert talk.lines(admin.Metadump([slab_class + 1])) == []
        if talk.version() >= (1, 6, 19):
            assert {admin.dumped_key(line) for line in talk.lines(admin.Mgdump("hash"))} == keys


def test_statistics_come_line_by_line_or_at_once(talk: Talk) -> None:
    talk.ask(classic.Set("foo", b"hello"))
    assert talk.lines(classic.Stats("conns"))
    for group in (None, "items", "slabs", "settings", "sizes", "extstore"):
        command = classic.Stats(group)
        talk.send(command)
        whole = command.result(talk.event())  # type: ignore[arg-type]
        names = [line.split(b" ")[1].decode() for line in talk.lines(command)]
        assert names == list(whole)
    assert talk.ask(Stream(classic.Stats("reset"))) is Status.RESET
    assert talk.ask(classic.Stats("detail on")) is Status.OK
    talk.ask(classic.Get("foo:bar"))
    assert talk.lines(classic.Stats("detail dump")) == [b"PREFIX foo get 1 hit 0 set 0 del 0"]
    assert talk.ask(Stream(classic.Stats("detail off"))) is Status.OK
    refused = talk.ask(Stream(classic.Stats("detail")))
    assert refused == ErrorReply("CLIENT_ERROR", "usage: stats detail on|off|dump")


def test_a_log_tells_what_others_do(server: RealMemcached, talk: Talk) -> None:
    with closing(server.connect()) as sock:
        watcher = Talk(sock)
        watcher.send(admin.Watch(["fetchers", "mutations"]))
        assert watcher.event() is Status.OK
        assert not watcher.connection.is_idle
        talk.ask(classic.Set("a%b", b"v"))
        pairs: dict[str, str] = {}
        while pairs.get("type") != "item_store":
            line = watcher.event()
            assert isinstance(line, StreamLine)
            pairs = dict(admin.log_pairs(line.line))
        assert pairs["key"] == "a%25b"
        assert pairs["status"] == "stored"


def test_a_log_ends_with_the_server() -> None:
    with RealMemcached(unix=True) as server, closing(server.connect()) as sock:
        watcher = Talk(sock)
        watcher.send(admin.Watch())
        assert watcher.event() is Status.OK
        server.kill()
        assert watcher.event() is CLOSED


def test_twenty_may_watch(server: RealMemcached) -> None:
    talks = [Talk(server.connect()) for _ in range(25)]
    for talk in talks:
        talk.send(admin.Watch(["evictions"]))
    events = [talk.event() for talk in talks]
    assert Status.OK in events
    refused = events.index(ErrorReply("WATCHER_TOO_MANY", "log watcher limit reached"))
    assert talks[refused].ask(meta.Noop()) == MetaReply("MN")
    for talk in talks:
        talk.sock.close()


ORDERS: list[Command[object]] = [
    admin.SlabsAutomove(1),
    admin.SlabsAutomoveRatio(0.8),
    admin.LruTune(10, 25, 0.1, 2.0),
    admin.LruMode("segmented"),
    admin.LruTempTtl(-1),
    admin.LruCrawlerSleep(100),
    admin.LruCrawlerTocrawl(0),
    admin.LruCrawlerCrawl(),
    admin.CacheMemlimit(64),
]


@pytest.mark.parametrize("command", ORDERS)
def test_an_order_is_obeyed(talk: Talk, command: Command[object]) -> None:
    assert talk.ask(command) is Status.OK


@pytest.mark.parametrize(
    "command",
    [
        admin.SlabsAutomove(1, noreply=True),
        admin.SlabsAutomoveRatio(0.8, noreply=True),
        admin.LruTune(10, 25, 0.1, 2.0, noreply=True),
        admin.LruMode("segmented", noreply=True),
        admin.LruTempTtl(-1, noreply=True),
        admin.CacheMemlimit(64, noreply=True),
    ],
)
def test_an_order_is_obeyed_in_silence(talk: Talk, command: Command[object]) -> None:
    flight = Flight([command, classic.Get("k")])
    talk.send(flight)
    assert flight.result(talk.event())[0] is NO_REPLY  # type: ignore[arg-type]
    assert talk.connection.is_idle


REFUSED: list[tuple[Command[object], set[str]]] = [
    (admin.SlabsReassign(1, 1), {"SAME", "BUSY"}),
    (admin.SlabsReassign(1, 63), {"BADCLASS", "BUSY"}),
    (admin.SlabsReassign(5, 6), {"NOSPARE", "BUSY"}),
    (admin.LruCrawlerEnable(), {"ERROR"}),
    (admin.Shutdown(), {"ERROR", "SERVER_ERROR"}),
    (admin.RefreshCerts(), {"Error"}),
    (admin.Debugtime("p"), {"ERROR"}),
]


@pytest.mark.parametrize(("command", "kinds"), REFUSED)
def test_a_refusal_leaves_the_connection_in_step(
    talk: Talk, command: Command[object], kinds: set[str]
) -> None:
    reply = talk.ask(command)
    assert isinstance(reply, ErrorReply)
    assert reply.kind in kinds
    with pytest.raises(ErrorReplied):
        command.result(reply)
    talk.ask(meta.Noop())


@pytest.mark.parametrize("mode", [None, "graceful"])
def test_a_server_is_shut_down(mode: None) -> None:
    with RealMemcached("-A", unix=True) as server, closing(server.connect()) as sock:
        talk = Talk(sock)
        talk.send(admin.Shutdown(mode))
        assert talk.event() is NO_REPLY
        assert talk.event() is CLOSED


@pytest.mark.parametrize("backend", [BlockingBackend, SelectorBackend])
def test_a_client_shuts_a_server_down(backend: type[BlockingBackend | SelectorBackend]) -> None:
    with (
        RealMemcached("-A", unix=True) as server,
        # It looks once a second whether it should end.
        Client(server.address, backend=backend(), timeout=20.0) as client,
    ):
        client.set("k", b"v")
        items = [admin.DumpedItem.of(line) for line in client.execute(admin.Metadump("hash"))]
        assert [item.key for item in items] == [b"k"]
        assert client.execute(admin.Shutdown()) is None
        server.wait()
        with pytest.raises(ServerUnavailable):
            client.get("k")


def test_a_task_shuts_a_server_down() -> None:
    async def shut_down(address: str) -> None:
        async with AsyncClient(address, timeout=20.0) as client:
            await client.set("k", b"v")
            (line,) = await client.execute(admin.Metadump("hash"))
            assert admin.DumpedItem.of(line).key == b"k"
            assert await client.execute(admin.Shutdown()) is None

    with RealMemcached("-A", unix=True) as server:
        asyncio.run(shut_down(server.address))


def test_who_is_there_is_said_first(tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text("alice:s3cr\nbob:hunter2\n")
    with RealMemcached("-Y", str(users), unix=True) as server, closing(server.connect()) as sock:
        talk = Talk(sock)
        unauthenticated = ErrorReply("CLIENT_ERROR", "unauthenticated")
        assert talk.ask(classic.Get("foo")) == unauthenticated
        failure = ErrorReply("CLIENT_ERROR", "authentication failure")
        assert talk.ask(admin.Authenticate("alice", "hunter2")) == failure
        talk.send(admin.Authenticate("alice", "s3cr"))
        talk.send(classic.Set("foo", b"hello"))
        assert talk.event() is Status.STORED
        assert talk.event() is Status.STORED
        # From here on it would be a set; and nobody will ever get what it has set.
        assert talk.ask(admin.Authenticate("alice", "s3cr")) is Status.STORED
        assert classic.Get("auth").result(talk.ask(classic.Get("auth"))) is None  # type: ignore[arg-type]
