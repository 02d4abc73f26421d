"""Datagrams get lost, come twice, late, out of order, and from strangers; answers stay right."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from time import monotonic

import pytest

from mcclient import Client, ConnectFailed, OperationTimeout, PartialFailure
from mcclient.embedded import MemoryServer
from mcproto import (
    CLOSED,
    BadRequest,
    ClientConnection,
    InvalidArgument,
    LocalProtocolError,
    classic,
    udp,
)
from mcproto.transports.udp import UdpBackend
from tests.servers import RealMemcached

# What is done with the datagrams that answer one request, in the end a list of what is sent.
Weather = Callable[[list[bytes]], list[bytes]]


def fair(answer: list[bytes]) -> list[bytes]:
    return answer


class UdpServer:
    """An embedded server's answers as datagrams, in some weather.

    Attributes:
        requests: how many datagrams have come.
    """

    def __init__(self, weather: Weather = fair) -> None:
        self.server = MemoryServer()
        self.requests = 0
        self.weather = weather
        self._socket = socket.socket(type=socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.place: tuple[str, int] = self._socket.getsockname()
        self._is_closing = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            data, peer = self._socket.recvfrom(65536)
            if self._is_closing:
                return
            self.requests += 1
            exchange = udp.ServerExchange(data, max_reply=None)
            answer: list[bytes] = []
            while (event := exchange.next_event()) is not CLOSED:
                reply = event.reply if isinstance(event, BadRequest) else self.server.handle(event)
                answer += exchange.send(reply)
            for datagram in self.weather(answer):
                self._socket.sendto(datagram, peer)

    def client(self, **options: object) -> Client:
        return Client(self.place, **({"backend": UdpBackend(), "timeout": 20.0} | options))

    def close(self) -> None:
        self._is_closing = True
        with socket.socket(type=socket.SOCK_DGRAM) as bell:
            bell.sendto(b"", self.place)
        self._thread.join(20)
        self._socket.close()

    def __enter__(self) -> UdpServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


VALUES = {f"k{n}": bytes([n]) * n * 37 for n in range(1, 120)}


def fill(server: MemoryServer) -> None:
    for key, value in VALUES.items():
        server.handle(classic.Set(key, value))


@pytest.fixture(params=["meta", "classic"])
def protocol(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


def is_right(mc: Client) -> bool:
    return (
        [mc.get(key) for key in ("k1", "k50", "k119")]
        == [VALUES[key] for key in ("k1", "k50", "k119")]
        and mc.get("nothing") is None
        and mc.get_multi([*VALUES, "nothing", "neither"]) == VALUES
    )


def test_what_is_read_is_right(protocol):
    with UdpServer() as server, server.client(protocol=protocol) as mc:
        fill(server.server)
        assert is_right(mc)
        assert mc.gets("k7").value == VALUES["k7"]
        assert list(mc.version().values()) == ["1.6.45"]
        assert "k7" in mc


@pytest.mark.memcached
def test_a_real_memcached(protocol):
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    with RealMemcached("-U", str(port)) as server, Client(server.address) as writer:
        writer.set_multi(VALUES)
        writer.set("large", bytes(60_000))
        place = "127.0.0.1", port
        with Client(place, backend=UdpBackend(), protocol=protocol, timeout=20) as mc:
            assert is_right(mc)
            assert mc.get("large") == bytes(60_000)
            assert len(next(iter(mc.stats().values()))) > 50


def shuffled(seed: int) -> Weather:
    chance = random.Random(seed)

    def weather(answer: list[bytes]) -> list[bytes]:
        return chance.sample(answer, len(answer))

    return weather


def doubled(answer: list[bytes]) -> list[bytes]:
    return [*answer, *answer]


def with_strangers(answer: list[bytes]) -> list[bytes]:
    """Before each a datagram with another id, and some that are no datagrams."""
    strange = [udp.Datagram(n, b"VALUE k1 0 5\r\nwrong\r\nEND\r\n").encode() for n in range(4)]
    return [b"", b"x", *strange, *answer, *strange]


@pytest.mark.parametrize("weather", [shuffled(1), shuffled(2), doubled, with_strangers])
def test_order_doubles_and_strangers_change_nothing(protocol, weather):
    with UdpServer(weather) as server, server.client(protocol=protocol) as mc:
        fill(server.server)
        for _ in range(3):
            assert is_right(mc)


def test_what_is_lost_once_is_asked_once_more(protocol):
    lost = [0]

    def first_lost(answer: list[bytes]) -> list[bytes]:
        if server.requests % 2:
            lost[0] += 1
            return []
        return answer

    with UdpServer(first_lost) as server:
        fill(server.server)
        with server.client(protocol=protocol, timeout=0.4, connect_timeout=0.4) as mc:
            for key in "k1", "k2":
                assert mc.get(key) == VALUES[key]
        assert lost[0] == 3, "hello, and two gets"
        assert server.requests == 6


def test_what_is_lost_again_is_a_timeout_and_the_next_answer_is_right(protocol):
    with UdpServer() as server:
        fill(server.server)
        with server.client(protocol=protocol, timeout=0.2) as mc:
            assert mc.get("k1") == VALUES["k1"]
            held: list[bytes] = []

            def holding(answer: list[bytes]) -> list[bytes]:
                held.extend(answer)
                return []

            server.weather = holding
            with pytest.raises(OperationTimeout) as caught:
                mc.get("k2")
            assert not caught.value.maybe_applied
            # Now they come, ahead of every answer.
            server.weather = lambda answer: [*held, *answer]
            for key in "k3", "k4", "k5":
                assert mc.get(key) == VALUES[key]


def test_half_a_reply_is_no_reply():
    def half(answer: list[bytes]) -> list[bytes]:
        return answer[:1] if len(answer) > 1 else answer

    with UdpServer(half) as server, server.client(timeout=0.2) as mc:
        fill(server.server)
        assert mc.get("k1") == VALUES["k1"]
        with pytest.raises(OperationTimeout):
            mc.get("k119")


@pytest.mark.parametrize(
    "call",
    [
        lambda mc: mc.set("k", "v"),
        lambda mc: mc.add("k", "v"),
        lambda mc: mc.delete("k1"),
        lambda mc: mc.incr("k"),
        lambda mc: mc.gat("k1", 9),
        lambda mc: mc.touch("k1", 9),
        lambda mc: mc.flush_all(),
        lambda mc: mc.set_multi({"k": "v", "l": "w"}),
    ],
)
def test_what_is_no_read_is_never_sent(protocol, call):
    with UdpServer() as server, server.client(protocol=protocol) as mc:
        fill(server.server)
        assert mc.get("k1") == VALUES["k1"]
        commands = len(server.server.commands)
        with pytest.raises((LocalProtocolError, PartialFailure)):
            call(mc)
        assert [
            c for c in server.server.commands[commands:] if not (c.is_read or c.is_barrier)
        ] == []
        assert is_right(mc)


def test_nobody_is_there():
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        place = sock.getsockname()
        with Client(place, backend=UdpBackend(), timeout=0.1) as mc:
            with pytest.raises(OperationTimeout):
                mc.get("k")
    with Client(place, backend=UdpBackend(), timeout=20) as mc:
        with pytest.raises(ConnectFailed):
            mc.get("k")


def test_several_servers_are_asked_at_once_and_fail_each_for_itself():
    backend = UdpBackend()
    with UdpServer() as one, UdpServer(lambda answer: []) as two:
        fill(one.server)
        jobs = [
            (backend.connect(server.place), ClientConnection(), classic.Get("k9"))
            for server in (one, two, one)
        ]
        first, second, third = backend.exchange_all(jobs, monotonic() + 0.3)
        assert first.value == third.value == VALUES["k9"]
        assert isinstance(second, TimeoutError)
        for transport, _, _ in jobs:
            transport.close()


def test_there_are_neither_unix_sockets_nor_tls():
    with pytest.raises(OSError, match="unix"):
        UdpBackend().connect("/path")
    with pytest.raises(InvalidArgument, match="UdpBackend does none"):
        Client("memcaches://a", backend=UdpBackend())


def test_request_ids_cannot_be_told_beforehand():
    """They come from where secrets come from, and never twice at a time."""
    seen: list[int] = []
    with UdpServer() as server, server.client() as mc:
        fill(server.server)
        weather = server.weather

        def noting(answer: list[bytes]) -> list[bytes]:
            seen.append(int.from_bytes(answer[0][:2], "big"))
            return weather(answer)

        server.weather = noting
        assert is_right(mc)
    assert len(seen) > 100
    assert len({b - a for a, b in pairwise(seen)}) > 50


@pytest.fixture(autouse=True)
def soundness() -> Iterator[None]:
    """No thread of a server is left."""
    before = threading.active_count()
    yield
    assert threading.active_count() <= before
