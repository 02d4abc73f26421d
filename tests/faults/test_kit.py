"""mcclient.testing: each fault is what it says, and each sweep finds what it is meant to find."""

from __future__ import annotations

import asyncio
import socket
import threading
from time import monotonic

import pytest
import trio

from mcclient import Client, MemcacheError, OperationTimeout, ServerFault, ServerUnavailable
from mcclient.embedded import MemoryServer
from mcclient.testing import (
    FaultProxy,
    Interrupted,
    NoServer,
    Peer,
    ScriptedServer,
    cancel_sweep,
    faults,
    interrupt_sweep,
    scripts,
)
from tests.contract.rigs import CLIENT_RIGS, do, on, scenario
from tests.faults.careless import Slots

SET = b"ms k 1\r\nv\r\n"
GET = b"mg k v O7\r\n"
HIT = b"VA 1 O7\r\nv\r\n"
MISS = b"EN O7\r\n"


@pytest.fixture
def proxy():
    with MemoryServer() as server, FaultProxy(server.address) as proxy:
        yield proxy


def say(sock: socket.socket, question: bytes, enough: int = 1 << 20, seconds: float = 0.3) -> bytes:
    """What comes back: until the end, a silence, or so many bytes. ``b"RST"`` is a reset."""
    sock.settimeout(seconds)
    received = b""
    try:
        sock.sendall(question)
        while len(received) < enough and (data := sock.recv(65536)):
            received += data
    except TimeoutError:
        return received
    except ConnectionError:
        return received + b"RST"
    return received + (b"" if len(received) >= enough else b"END OF FILE")


def connected(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection(proxy.place, 20)


# What is done to a reply, and what the client gets of it.
REPLIES = {
    "swallow": (faults.swallow, b""),
    "silence": (faults.silence, b""),
    "cut": (faults.cut(5), HIT[:5] + b"END OF FILE"),
    "cut by a reset": (faults.cut(5, by_reset=True), HIT[:5] + b"RST"),
    "close": (faults.close, b"END OF FILE"),
    "reset": (faults.reset, b"RST"),
    "pieces": (faults.pieces(3), HIT),
    "dribble": (faults.dribble(0.001), HIT),
    "split": (faults.split(4), HIT),
    "delay": (faults.delay(0.01, jitter=0.01), HIT),
    "half_close": (faults.half_close, HIT + b"END OF FILE"),
    "double": (faults.double, HIT + HIT),
    "append": (faults.append(b"x"), HIT + b"x"),
    "replace": (faults.replace(b"\x81\x00"), b"\x81\x00"),
    "alter": (faults.alter(bytes.lower), HIT.lower()),
    "wrong_opaque": (faults.wrong_opaque, b"VA 1 O7z\r\nv\r\n"),
    "claim": (faults.claim(1 << 40), b"VA 1099511627776 O7\r\nv\r\n"),
    "claim no number": (faults.claim(b"-1"), b"VA -1 O7\r\nv\r\n"),
}


@pytest.mark.parametrize("what", REPLIES)
def test_a_fault_of_a_reply_is_what_it_says(proxy, what):
    fault, seen = REPLIES[what]
    with connected(proxy) as sock:
        assert say(sock, SET, 4) == b"HD\r\n"
        proxy.on_reply(fault)
        assert say(sock, GET, seconds=0.1) == seen
    with connected(proxy) as sock:
        assert say(sock, GET, len(HIT)) == HIT, "it is used up"


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        (faults.close, b"END OF FILE"),
        (faults.reset, b"RST"),
        (faults.silence, b""),
        (faults.deaf, b""),
        (faults.say_first(b"ERROR Too many open connections\r\n"), b"ERROR Too many open conn"),
        (faults.delay(0.01), MISS),
    ],
)
def test_a_fault_of_a_connection_is_what_it_says(proxy, fault, seen):
    proxy.on_connection(fault)
    try:
        with connected(proxy) as sock:
            got = say(sock, GET, max(len(seen), 1), seconds=0.1)
    except ConnectionResetError:  # so soon that connecting has seen it
        got = b"RST"
    assert got[: len(seen)] == seen
    assert bool(got) == bool(seen)
    with connected(proxy) as sock:
        assert say(sock, GET, len(MISS)) == MISS


def test_a_fault_of_a_request_is_what_it_says(proxy):
    with connected(proxy) as sock:
        proxy.on_request(faults.swallow)
        assert say(sock, SET, seconds=0.05) == b""
        assert say(sock, GET, len(MISS)) == MISS
        proxy.on_request(faults.answer(b"SERVER_ERROR busy with <K> O<O>\r\n"))
        assert say(sock, GET, 29) == b"SERVER_ERROR busy with k O7\r\n"
        proxy.on_request(faults.half_close)
        assert say(sock, GET) == MISS + b"END OF FILE", "the server has seen the end"
    with connected(proxy) as sock:
        proxy.on_request(faults.deaf)
        assert say(sock, GET, seconds=0.05) == b""
        with pytest.raises(TimeoutError):
            sock.sendall(b"ms k 99999999\r\n" + bytes(99_999_999))


def test_a_reply_that_is_held_lets_requests_pass_and_comes_when_it_is_released(proxy):
    held = faults.Hold()
    proxy.on_reply(held)
    with connected(proxy) as sock:
        assert say(sock, GET, seconds=0.02) == b""
        assert held.arrived.wait(20)
        assert say(sock, b"mn\r\n", seconds=0.02) == b""
        held.release()
        assert say(sock, b"", 11) == MISS + b"MN\r\n"


def test_replies_that_are_swapped(proxy):
    with connected(proxy) as sock:
        proxy.on_reply(faults.swap(), times=2)
        assert say(sock, GET + b"mn\r\n", 11) == b"MN\r\n" + MISS


def test_lines_without_end_go_on_until_the_client_has_had_enough(proxy):
    with connected(proxy) as sock:
        proxy.on_reply(faults.endless(b"STAT a b\r\n"))
        assert len(say(sock, b"stats\r\n", 3 << 20, seconds=20)) >= 3 << 20


def test_the_proxy_knows_where_binary_messages_end_too(proxy):
    request = bytes.fromhex("800a0000000000000000000000000009") + bytes(8)
    with connected(proxy) as sock:
        proxy.on_reply(faults.wrong_opaque)
        reply = say(sock, request, 24)
        assert reply[:1] == b"\x81"
        assert reply[12:16] == b"\0\0\0\x08"


def test_a_server_that_dies_and_one_that_comes_back(proxy):
    with Client(proxy.address, timeout=20) as mc:
        assert mc.set("k", "v")
        proxy.refuse()
        proxy.sever()
        with pytest.raises(ServerUnavailable):
            mc.set("k", "w")
    proxy.serve_again()
    with Client(proxy.address, timeout=20) as mc:
        assert mc.get("k") == "v"
        proxy.inject(b"x")
        assert mc.get("k") == "v"
    assert proxy.connections == 3


@on(CLIENT_RIGS)
@scenario
async def test_whatever_is_done_to_a_reply_no_client_takes_another_one_for_it(rig):
    with MemoryServer() as server, FaultProxy(server.address) as proxy:
        with Client(server.address) as mc:
            mc.set_multi({"one": "one", "two": "two"})
        for protocol in "meta", "classic", "binary":
            for name, (fault, _) in REPLIES.items():
                mc = rig.client(proxy.address, timeout=0.05, protocol=protocol)
                await soon(lambda mc=mc: mc.get("one"))
                proxy.on_reply(fault)
                for key in "one", "two", "one":
                    try:
                        assert await do(mc.get(key)) == key, (name, protocol)
                    except MemcacheError:
                        pass
                proxy.calm()
                assert await soon(lambda mc=mc: mc.get("two")) == "two", (name, protocol)
                await rig.close(mc)


async def soon(call):
    """What it gives. (On a slow machine the first answers may be too late.)"""
    give_up = monotonic() + 20
    while True:
        try:
            return await do(call())
        except MemcacheError:
            if monotonic() > give_up:
                raise


def test_what_a_script_or_a_fault_raises_is_told_in_the_end():
    def mistaken(_: object) -> None:
        raise ZeroDivisionError

    server = ScriptedServer(mistaken)
    with socket.create_connection(server.place) as sock:
        assert sock.recv(1) == b""
    with pytest.raises(ZeroDivisionError):
        server.close()
    with MemoryServer() as behind:
        proxy = FaultProxy(behind.address)
        proxy.on_request(mistaken)
        with connected(proxy) as sock:
            assert say(sock, GET) == b"END OF FILE"
        with pytest.raises(ZeroDivisionError):
            proxy.close()


def test_a_scripted_server_knows_its_requests():
    asked: list[object] = []

    def script(peer: Peer) -> None:
        for _ in range(3):
            request = peer.request()
            asked.append((request.words[0], request.value, request.opaque))
            peer.send(request.fill(b"<K> <O>\r\n"))

    with ScriptedServer(script) as server, socket.create_connection(server.place) as sock:
        say(sock, b"set k 0 0 2\r\nab\r\n", 4)
        say(sock, b"ms key 0 O9\r\n\r\n", 7)
        assert say(sock, b"mg k v O9\r\n", 5) == b"k 9\r\n"
        assert say(sock, b"") == b"END OF FILE"
        server.forget()
        assert server.peers == []
    assert asked == [(b"set", b"ab", b""), (b"ms", b"", b"9"), (b"mg", None, b"9")]


def test_a_script_s_error_line_reaches_the_client_typed():
    with ScriptedServer(scripts.always(b"SERVER_ERROR full\r\n")) as server:
        with Client(server.address, timeout=20) as mc, pytest.raises(ServerFault, match="full"):
            mc.set("k", "v")


def test_where_nobody_is_one_is_refused_or_waits():
    with NoServer() as place, pytest.raises(ConnectionRefusedError):
        socket.create_connection(place, 20)
    with NoServer(drops=True) as place, Client(place, timeout=0.1) as mc:
        since = monotonic()
        with pytest.raises(OperationTimeout):
            mc.get("k")
        assert monotonic() - since >= 0.09


# ----------------------------------------------------------------------------------------- sweeps


@pytest.mark.parametrize("every_instruction", [False, True])
def test_an_interrupt_sweep_finds_a_slot_that_is_lost(every_instruction):
    lost, points = [], 0
    for strike in interrupt_sweep(
        packages=("tests.faults.careless",), every_instruction=every_instruction
    ):
        slots = Slots()
        try:
            with strike:
                slots.use(lambda: None)
        except Interrupted:
            points += 1
        if slots.free != 1:
            lost.append(strike.where)
    assert points > 3
    assert 0 < len(lost) < points
    assert not strike.struck


def test_an_interrupt_sweep_may_take_every_so_many_and_knows_its_packages():
    taken = [
        strike.k
        for strike in interrupt_sweep(packages=("tests.faults.careless",), stride=2)
        if not _struck(strike)
    ]
    assert len(taken) == 1
    with pytest.raises(ValueError, match="packages"):
        next(interrupt_sweep(packages=("no_such_package",)))


def _struck(strike) -> bool:
    try:
        with strike:
            Slots().use(lambda: None)
    except Interrupted:
        return True
    return False


async def swept(method: str, pause) -> tuple[list[str], int]:
    """Where a slot was lost; and how many cancels there were."""
    lost, points = [], 0

    async def work() -> None:
        await pause()
        await pause()

    for cancel in cancel_sweep():
        slots = Slots()
        await cancel(lambda slots=slots: getattr(slots, method)(work))
        points += cancel.struck
        if slots.free != 1:
            lost.append(repr(cancel))
    return lost, points


@pytest.mark.parametrize("framework", ["trio", "asyncio"])
def test_a_cancel_sweep_finds_a_slot_that_is_lost_and_nothing_where_none_is(framework):
    async def story() -> None:
        pauses = {
            "trio": trio.lowlevel.checkpoint,
            "asyncio": lambda: asyncio.sleep(0.001),
        }
        lost, points = await swept("use_in_task", pauses[framework])
        assert points >= 4
        assert lost
        assert "suspension 1" in lost[0]
        assert await swept("use_with_care", pauses[framework]) == ([], points)

    trio.run(story) if framework == "trio" else asyncio.run(story())


def test_nobody_waits_for_a_thread_of_the_kit_in_the_end():
    before = threading.active_count()
    with MemoryServer() as server:
        held = faults.Hold()
        with FaultProxy(server.address) as proxy:
            proxy.on_reply(held)
            sock = connected(proxy)
            sock.sendall(GET)
            assert held.arrived.wait(20)
        sock.close()
    assert threading.active_count() <= before
