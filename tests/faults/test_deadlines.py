"""One deadline over everything, and nothing stretches it.

The verdict rests on what can be counted; where it is a time, only a gross miss fails.
"""

from __future__ import annotations

import signal
import socket
import threading
from time import monotonic

import pytest

from mcclient import Client, ConnectFailed, ConnectionLost, OperationTimeout
from mcclient.testing import NoServer, Peer, ScriptedServer
from mcclient.testing.scripts import always, polite_silence, silence, then_close
from mcproto import classic
from mcproto.transports import _resolve
from mcproto.transports.blocking import BlockingBackend
from mcproto.transports.selector import SelectorBackend
from tests.contract.nobody import NOBODY
from tests.contract.rigs import ASYNCIO, BLOCKING, SELECTOR, TRIO, do, forgive, on, scenario

SOON = 0.2
MUCH_LATER = 2.0
VALUE = b"VA 1 f0 O<O>\r\nv\r\n"


class Names:
    """What names stand for in these tests; whoever else is asked for is an address already.

    Attributes:
        asked: the names that were looked up, in order.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self._answers: dict[str, object] = {}
        self._real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self._getaddrinfo)

    def stand_for(self, name: str, *places: tuple[str, int]) -> None:
        self._answers[name] = places

    def hang(self, name: str, until: threading.Event, *places: tuple[str, int]) -> None:
        self._answers[name] = until, places

    def _getaddrinfo(self, host, port, family=0, type=0, proto=0, flags=0):
        host = host.decode() if isinstance(host, bytes) else host
        if flags & socket.AI_NUMERICHOST or host not in self._answers:
            return self._real(host, port, family, type, proto, flags)
        self.asked.append(host)
        places = self._answers[host]
        if isinstance(places[0], threading.Event):
            places[0].wait(20)
            places = places[1]
        return [
            (socket.AF_INET6 if ":" in to[0] else socket.AF_INET, type, 6, "", to) for to in places
        ]


@pytest.fixture
def names(monkeypatch):
    return Names(monkeypatch)


@pytest.fixture
def dead_host():
    with NoServer(drops=True) as place:
        yield place


def nobody() -> tuple[str, int]:
    host, port = NOBODY.split(":")
    return host, int(port)


# ------------------------------------------------------------------------------------------ names


@scenario
async def test_names_are_looked_up_at_every_connection_and_addresses_never(rig, names):
    with ScriptedServer(then_close(VALUE)) as old, ScriptedServer(then_close(VALUE)) as new:
        names.stand_for("cache.example", old.place)
        mc = rig.client(f"cache.example:{old.place[1]}", timeout=20)
        assert await do(mc.get("k")) == b"v"
        names.stand_for("cache.example", new.place)
        assert await do(mc.get("k")) == b"v"
        assert names.asked == ["cache.example"] * 2
        assert len(old.peers) == len(new.peers) == 1
        await rig.close(mc)
        for address in new.address, f"127.0.0.1:{new.place[1]}":
            mc = rig.client(address, timeout=20)
            assert await do(mc.get("k")) == b"v"
            await rig.close(mc)
        assert len(names.asked) == 2


@on([BLOCKING, SELECTOR])
def test_a_look_up_that_hangs_ends_by_the_deadline_and_costs_one_thread(rig, names):
    answer = threading.Event()
    with ScriptedServer(always(VALUE)) as server:
        names.hang("slow.example", answer, server.place)
        before = threading.active_count()
        with rig.client("slow.example", timeout=SOON / 4, connect_timeout=20) as mc:
            for _ in range(5):
                forgive(mc)
                since = monotonic()
                with pytest.raises(OperationTimeout) as caught:
                    mc.get("k")
                assert SOON / 5 <= monotonic() - since < MUCH_LATER
                assert caught.value.step == "dns"
                assert [step for step, _ in caught.value.timeline] == ["dns"]
        with rig.client("slow.example", timeout=20, connect_timeout=SOON / 4) as mc:
            with pytest.raises(ConnectFailed) as caught:
                mc.get("k")
            assert caught.value.step == "dns"
        assert names.asked == ["slow.example"], "who asks again joins in"
        assert threading.active_count() == before + 1
        # Whoever waits when the answer comes gets it.
        with rig.client("slow.example", timeout=20) as mc:
            threading.Timer(0.02, answer.set).start()
            assert mc.get("k") == b"v"
        assert names.asked == ["slow.example"]
        with rig.client("slow.example", timeout=20) as mc:
            assert mc.get("k") == b"v"
        assert names.asked == ["slow.example"] * 2
    assert _resolve._in_progress == {}


# (Blocking sockets connect one after the other, each within its share of the time.)
@on([SELECTOR, TRIO, ASYNCIO])
@scenario
async def test_a_hanging_name_costs_the_other_servers_nothing(rig, names):
    answer = threading.Event()
    with ScriptedServer(always(b"VALUE a 0 1\r\nv\r\nEND\r\n")) as server:
        names.hang("slow.example", answer, server.place)
        servers = ["slow.example", server.address]
        mc = rig.client(servers, ring="modula", timeout=SOON, on_unavailable="miss")
        keys = ["a"] + [f"k{n}" for n in range(8)]
        if mc._setup.routes["a"][0] == 0:
            servers.reverse()
            await rig.close(mc)
            mc = rig.client(servers, ring="modula", timeout=SOON, on_unavailable="miss")
        try:
            assert await do(mc.get_multi(keys)) == {"a": b"v"}
        finally:
            answer.set()
        await rig.close(mc)


# -------------------------------------------------------------------------------- several addresses


@scenario
async def test_the_addresses_of_a_name_are_tried_in_turn(rig, names):
    with ScriptedServer(always(VALUE)) as server:
        names.stand_for("cache.example", nobody(), nobody(), server.place)
        mc = rig.client("cache.example", timeout=20)
        assert await do(mc.get("k")) == b"v"
        await rig.close(mc)


@scenario
async def test_an_address_where_nobody_answers_leaves_time_for_the_next(rig, names, dead_host):
    with ScriptedServer(always(VALUE)) as server:
        names.stand_for("cache.example", dead_host, server.place)
        mc = rig.client("cache.example", timeout=1.0, connect_timeout=0.5)
        since = monotonic()
        assert await do(mc.get("k")) == b"v"
        assert monotonic() - since >= 0.2, "it has tried the first"
        await rig.close(mc)


@scenario
async def test_if_no_address_answers_the_first_reason_is_told(rig, names):
    names.stand_for("cache.example", nobody(), ("127.0.0.1", 1))
    mc = rig.client("cache.example", timeout=20)
    with pytest.raises(ConnectFailed) as caught:
        await do(mc.get("k"))
    assert caught.value.step == "tcp"
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
    assert [step for step, _ in caught.value.timeline] == ["dns", "tcp"]
    await rig.close(mc)


@scenario
async def test_ipv6(rig):
    with ScriptedServer(always(VALUE), host="::1") as server:
        mc = rig.client(server.address, timeout=20)
        assert await do(mc.get("k")) == b"v"
        assert mc.servers == (server.address,)
        await rig.close(mc)


@scenario
async def test_connections_are_kept_alive_and_send_at_once(rig):
    with ScriptedServer(silence) as server:
        transport = await rig.connect(server.place)
        sock = transport._socket if hasattr(transport, "_socket") else None
        if sock is None:
            sock = transport._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) <= 60
        transport.close()


# ------------------------------------------------------------------------------------- the timeline


@scenario
async def test_an_error_says_where_the_time_has_gone(rig, names):
    with ScriptedServer(polite_silence) as server:
        names.stand_for("cache.example", server.place)
        mc = rig.client("cache.example", timeout=SOON)
        for steps in ["dns", "tcp", "protocol", "exchange"], ["dns", "tcp", "protocol", "exchange"]:
            since = monotonic()
            with pytest.raises(OperationTimeout) as caught:
                await do(mc.get("k"))
            took = monotonic() - since
            error = caught.value
            assert error.step is None
            assert [step for step, _ in error.timeline] == steps
            assert all(seconds >= 0 for _, seconds in error.timeline)
            assert SOON * 0.8 <= sum(seconds for _, seconds in error.timeline) <= took
            assert all(f"{step} 0." in str(error) for step in steps)
        await rig.close(mc)


@scenario
async def test_a_warm_connection_has_no_part_in_the_time_of_its_opening(rig):
    def once(peer: Peer) -> None:
        peer.greet()
        peer.send(peer.request().fill(VALUE))
        peer.request()

    with ScriptedServer(once) as server:
        mc = rig.client(server.address, timeout=20)
        assert await do(mc.get("k")) == b"v"
        with pytest.raises(ConnectionLost) as caught:
            await do(mc.set("k", "v"))
        assert [step for step, _ in caught.value.timeline] == ["exchange"]
        assert "[exchange 0." in str(caught.value)
        await rig.close(mc)


@scenario
async def test_a_second_attempt_stands_in_the_timeline_too(rig):
    def first(peer: Peer) -> None:
        peer.greet()
        peer.send(peer.request().fill(VALUE))
        peer.request()

    def second(peer: Peer) -> None:
        peer.greet()
        peer.request()

    with ScriptedServer(first, second) as server:
        mc = rig.client(server.address, timeout=20)
        assert await do(mc.get("k")) == b"v"
        with pytest.raises(ConnectionLost) as caught:
            await do(mc.get("k"))
        steps = [step for step, _ in caught.value.timeline]
        assert steps == ["exchange", "tcp", "protocol", "exchange"]
        await rig.close(mc)


# ----------------------------------------------------------------------------------------- signals


class Ticking:
    """A timer whose handler returns: again and again, as profilers and watchdogs have them."""

    def __init__(self, period: float) -> None:
        self._period = period
        self.ticks = 0

    def __enter__(self) -> Ticking:
        self._before = signal.signal(signal.SIGALRM, self._tick)
        signal.setitimer(signal.ITIMER_REAL, self._period, self._period)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)

    def _tick(self, *_: object) -> None:
        self.ticks += 1
        assert self.ticks < 2000, "nothing ends this"


@pytest.mark.parametrize(
    ("call", "period"),
    [
        *[(call, 0.02) for call in ("get", "set", "gets", "get_multi", "set_large")],
        *[("get", period) for period in (0.007, 0.003, 0.001)],
    ],
)
@on([BLOCKING, SELECTOR])
def test_handlers_that_return_put_no_deadline_off(rig, call, period):
    calls = {
        "get": lambda mc: mc.get("k"),
        "set": lambda mc: mc.set("k", "v"),
        "gets": lambda mc: mc.gets("k"),
        "get_multi": lambda mc: mc.execute(classic.GetMany(["k", "l"]), server=mc.servers[0]),
        "set_large": lambda mc: mc.set("k", bytes(32 << 20)),
    }

    def deaf(peer: Peer) -> None:
        peer.greet()
        peer.send(peer.request().fill(VALUE))
        peer.hold()

    with ScriptedServer(deaf) as server, rig.client(server.address, timeout=SOON) as mc:
        assert mc.get("k") == b"v"
        with Ticking(period) as timer:
            since = monotonic()
            with pytest.raises(OperationTimeout):
                calls[call](mc)
            took = monotonic() - since
        assert SOON * 0.9 <= took < MUCH_LATER
        assert timer.ticks < 4 * SOON / period
        print(f"{took:.3f} s of {SOON} s, {timer.ticks} ticks")


@pytest.mark.parametrize("backend", [BlockingBackend, SelectorBackend])
def test_handlers_that_return_put_no_connecting_off(backend, dead_host):
    with Client(dead_host, backend=backend(), timeout=SOON, connect_timeout=None) as mc:
        with Ticking(0.02):
            since = monotonic()
            with pytest.raises(OperationTimeout) as caught:
                mc.get("k")
            assert SOON * 0.9 <= monotonic() - since < MUCH_LATER
        assert caught.value.step == "tcp"
