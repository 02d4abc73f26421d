"""Requests of any size, and servers that do not read on before they are heard: nothing locks up.

Also: several cold servers at once, under one deadline, and what the others gave.
"""

from __future__ import annotations

import selectors
import socket
import threading
from time import monotonic

import pytest

from mcclient import OperationTimeout, PartialFailure
from mcclient.testing import NoServer, Peer, ScriptedServer
from mcclient.testing.scripts import always, silence
from mcproto import ClientConnection, Flight, classic, meta
from mcproto.transports.selector import SelectorBackend, Together
from tests.certificates import AUTHORITY
from tests.contract.nobody import NOBODY
from tests.contract.rigs import (
    BLOCKING,
    SELECTOR,
    SOCKET_RIGS,
    TLS_RIGS,
    do,
    keys_on,
    on,
    over_tls,
    scenario,
)

SOON = 0.3
MUCH_LATER = 3.0
COUNT = 20_000
KEY = "k" * 250
REPLY = b"VALUE %b 0 400\r\n%b\r\nEND\r\n" % (KEY.encode(), bytes(400))


def eager(peer: Peer) -> None:
    """Answers what it has read, and reads on when that has been taken. Keeps little itself."""
    for option in socket.SO_RCVBUF, socket.SO_SNDBUF:
        peer.socket.setsockopt(socket.SOL_SOCKET, option, 1 << 16)
    peer.greet()
    while True:
        peer.receive()
        count = peer.unread.count(b"\n")
        del peer.unread[: peer.unread.rfind(b"\n") + 1]
        peer.received.clear()
        peer.send(REPLY * count)


@pytest.fixture(scope="module")
def flight() -> Flight:
    """So many questions that neither they nor their replies fit into any buffer."""
    return Flight([classic.Get(KEY)] * COUNT)


@pytest.mark.timeout(120)
@on([*SOCKET_RIGS, TLS_RIGS[0], TLS_RIGS[2]])
@scenario
async def test_a_flight_that_is_larger_than_all_buffers_does_not_lock_up(rig, flight):
    with rig.serves(eager) as server:
        mc = rig.client(server.address, timeout=60, **client_options(rig))
        replies = await do(mc.execute(flight, server=mc.servers[0]))
        assert len(replies) == COUNT
        assert replies[0].items[0].value == bytes(400)
        await rig.close(mc)


@pytest.mark.timeout(120)
@on([BLOCKING, SELECTOR, over_tls(BLOCKING), over_tls(SELECTOR)])
def test_flights_to_several_servers_at_once_do_not_lock_up(rig, flight):
    backend = rig.backend()
    with rig.serves(eager) as one, rig.serves(eager) as two:
        jobs = []
        for server, command in ((one, flight), (two, flight), (one, classic.Get(KEY))):
            transport = backend.connect(server.place, **rig.how())
            transport.send_all(b"mn\r\n")
            assert transport.receive_some() == b"MN\r\n"
            jobs.append((transport, ClientConnection(), command))
        first, second, third = backend.exchange_all(jobs, monotonic() + 60)
        assert len(first) == len(second) == COUNT
        assert third.value == bytes(400)
        assert all(connection.is_idle for _, connection, _ in jobs)
        for transport, _, _ in jobs:
            transport.close()


def client_options(rig) -> dict[str, object]:
    how = rig.how()
    return {"ssl_context": how["tls"]} if how else {}


# --------------------------------------------------------------------------- cold servers at once


@on([SELECTOR, *SOCKET_RIGS[2:]])
@scenario
async def test_a_dead_host_costs_the_other_cold_servers_nothing(rig):
    """They are connected side by side: who waits for the dead one has long been answered."""
    with NoServer(drops=True) as dead, ScriptedServer(always(b"END\r\n")) as server:
        mc = rig.client([dead, server.address], ring="modula", timeout=SOON)
        here, there = keys_on(mc, 1)[0], keys_on(mc, 0)[0]
        since = monotonic()
        with pytest.raises(PartialFailure) as caught:
            await do(mc.get_multi([here, there]))
        assert SOON * 0.9 <= monotonic() - since < MUCH_LATER
        assert caught.value.failed_keys == [there]
        (error,) = caught.value.errors.values()
        assert isinstance(error, OperationTimeout)
        assert error.step == "tcp"
        assert len(server.peers) == 1
        await rig.close(mc)


@on([SELECTOR, *SOCKET_RIGS[2:]])
@scenario
async def test_cold_servers_are_all_asked_before_the_first_has_answered(rig):
    """Each waits in its handshake until all have been reached: in turn, nobody came through."""
    count = 5
    barrier = threading.Barrier(count, timeout=20)

    def together(peer: Peer) -> None:
        hello = peer.request()
        barrier.wait()
        peer.answer_hello(hello)
        request = peer.request()
        barrier.wait()
        peer.send(request.fill(b"END\r\n"))
        peer.swallow()

    servers = [ScriptedServer(together) for _ in range(count)]
    try:
        mc = rig.client([server.address for server in servers], ring="modula", timeout=20)
        keys = [keys_on(mc, number)[0] for number in range(count)]
        assert await do(mc.get_multi(keys)) == {}
        await rig.close(mc)
    finally:
        for server in servers:
            server.close()


@scenario
async def test_what_the_others_gave_is_in_the_failure(rig):
    """Refused, silent, closing at once, and good, all of them cold."""
    good = always(b"VALUE <K> 0 1\r\nv\r\nEND\r\n")
    with (
        ScriptedServer(silence) as silent,
        ScriptedServer(lambda peer: None) as closing,
        ScriptedServer(good) as server,
    ):
        addresses = [NOBODY, silent.address, closing.address, server.address]
        mc = rig.client(addresses, ring="modula", timeout=SOON * 2)
        keys = [keys_on(mc, number)[0] for number in range(4)]
        with pytest.raises(PartialFailure) as caught:
            await do(mc.get_multi(keys))
        failure = caught.value
        assert failure.result == {keys[3]: b"v"}
        assert set(failure.failed_keys) == set(keys[:3])
        assert set(failure.errors) == set(mc.servers[:3])
        assert failure.errors[mc.servers[0]].step == "tcp"
        assert failure.errors[mc.servers[2]].step == "protocol"
        await rig.close(mc)


# --------------------------------------------------------------------------- somebody else's loop


def test_jobs_run_on_another_program_s_selector():
    backend = SelectorBackend()

    def asking(place, **how):
        transport = yield from backend.connecting(place, monotonic() + 20, **how)
        try:
            hello = ClientConnection()
            yield from backend.exchanging(transport, hello, meta.Noop(), monotonic() + 20)
            return (
                yield from backend.exchanging(
                    transport, ClientConnection(), classic.Get("k"), monotonic() + 20
                )
            )
        finally:
            transport.close()

    good = always(b"VALUE k 0 1\r\nv\r\nEND\r\n")
    host, _, port = NOBODY.rpartition(":")
    with (
        ScriptedServer(good) as plain,
        ScriptedServer(good, tls=AUTHORITY.server()) as secure,
        selectors.DefaultSelector() as selector,
    ):
        ours, theirs = socket.socketpair()
        selector.register(ours, selectors.EVENT_READ, "not of the library")
        jobs = [
            asking(plain.place),
            asking((host, int(port))),
            asking(secure.place, tls=AUTHORITY.client()),
        ]
        seen = 0
        with Together(selector, jobs) as together:
            theirs.send(b"x")
            while not together.is_done:
                ready = selector.select(together.timeout())
                for key, _ in ready:
                    if key.data == "not of the library":
                        seen += len(ours.recv(1))
                together.go_on(ready)
            first, second, third = together.outcomes()
        assert first.value == third.value == b"v"
        assert isinstance(second, ConnectionRefusedError)
        assert seen == 1
        assert [key.data for key in selector.get_map().values()] == ["not of the library"]
        ours.close()
        theirs.close()


def test_jobs_that_are_given_up_are_closed_and_have_no_outcome():
    backend = SelectorBackend()
    closed = []

    def waiting(place):
        transport = yield from backend.connecting(place, monotonic() + 20)
        try:
            yield from backend.exchanging(
                transport, ClientConnection(), meta.Noop(), monotonic() + 20
            )
        finally:
            transport.close()
            closed.append(1)

    with ScriptedServer(silence) as server, selectors.DefaultSelector() as selector:
        jobs = [waiting(server.place), waiting(server.place)]
        with Together(selector, jobs) as together:
            together.go_on()
            together.go_on(selector.select(together.timeout()))
            while len(server.peers) < 2:
                together.go_on(selector.select(0.01))
            with pytest.raises(RuntimeError, match="not all"):
                together.outcomes()
        assert not selector.get_map()
    assert closed == [1, 1]


def test_a_job_may_go_from_one_socket_to_another_with_the_same_descriptor():
    """As it does where the first address of a name fails."""

    def job():
        ours, theirs = socket.socketpair()
        number = ours.fileno()
        try:
            yield ours, 1, monotonic() + 0.01
        except TimeoutError:
            ours.close()
            theirs.close()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            assert number in (ours.fileno(), theirs.fileno())
            if ours.fileno() != number:
                ours, theirs = theirs, ours
            theirs.send(b"x")
            yield ours, 1, monotonic() + 20
            return ours.recv(1)

    since = monotonic()
    assert SelectorBackend().run_all([job()]) == [b"x"]
    assert monotonic() - since < 10


def test_a_mistake_in_one_job_ends_all_of_them():
    backend = SelectorBackend()

    def mistaken(place):
        transport = yield from backend.connecting(place, monotonic() + 20)
        transport.close()
        raise LookupError("a mistake")

    def waiting(place):
        transport = yield from backend.connecting(place, monotonic() + 20)
        try:
            yield transport, 1, monotonic() + 20
        finally:
            closed.append(transport)
            transport.close()

    closed: list[object] = []
    with ScriptedServer(silence) as server:
        with pytest.raises(LookupError, match="a mistake"):
            backend.run_all([waiting(server.place), mistaken(server.place), waiting(server.place)])
