"""Interrupted or cancelled in a look-up or a handshake, a client gives right answers ever after.

The sweeps of tests/contract go through everything else; here connections are cold, to a name, and
over TLS. Every value is its own key.
"""

from __future__ import annotations

import gc
from time import monotonic

import pytest

from mcclient.testing import (
    Interrupted,
    Peer,
    ScriptedServer,
    Watch,
    cancel_sweep,
    interrupt_sweep,
    settled_descriptors,
)
from mcproto.transports._resolve import resolving
from mcproto.transports._sockets import drive
from tests.certificates import AUTHORITY
from tests.contract.rigs import ASYNCIO, BLOCKING, SELECTOR, TRIO, on, scenario
from tests.contract.test_interruption import CONNECTING

KEYS = ["key0", "key1", "key2"]


def echoing(peer: Peer) -> None:
    """Every key is there, and its own value."""
    peer.greet()
    while True:
        request = peer.request()
        if request.words[0] == b"get":
            items = [b"VALUE %b 0 %d\r\n%b\r\n" % (k, len(k), k) for k in request.words[1:]]
            peer.send(b"".join(items) + b"END\r\n")
        else:
            key = request.words[1]
            peer.send(request.fill(b"VA %d f0 O<O>\r\n<K>\r\n" % len(key)))


def master_of(rig, *servers: ScriptedServer):
    addresses = [f"memcaches://localhost:{server.place[1]}" for server in servers]
    return rig.client(addresses, ssl_context=AUTHORITY.client(), ring="modula", timeout=20)


# There are a thousand points and more, of some 20 ms each: the quick sweep takes every so many.
@pytest.mark.parametrize(
    ("rig", "name", "stride"),
    [
        (BLOCKING, "get", 17),
        (SELECTOR, "get_multi", 31),
        *[
            pytest.param(rig, name, 1, marks=[pytest.mark.slow, pytest.mark.timeout(600)])
            for rig in (BLOCKING, SELECTOR)
            for name in ("get", "get_multi")
        ],
    ],
    ids=lambda argument: repr(argument).strip("'"),
)
def test_an_interrupt_at_any_line(rig, name, stride):
    calls = {"get": lambda mc: mc.get("key0"), "get_multi": lambda mc: mc.get_multi(KEYS)}
    points = 0
    with (
        ScriptedServer(echoing, tls=AUTHORITY.server()) as one,
        ScriptedServer(echoing, tls=AUTHORITY.server()) as two,
    ):
        master = master_of(rig, one, two)
        for strike in interrupt_sweep(stride=stride):
            mc = master.clone()
            with Watch() as watch:
                try:
                    with strike:
                        calls[name](mc)
                except Interrupted:
                    assert [mc.get(key) for key in KEYS] == [key.encode() for key in KEYS]
                assert mc.get_multi(KEYS) == {key: key.encode() for key in KEYS}, strike.where
                mc.close()
                watch.thorough = strike.where is not None and strike.where[0] in CONNECTING
            if watch.seen:
                assert strike.where is not None
                assert strike.where[0] in CONNECTING, (strike.where, watch.seen)
            for server in one, two:
                server.forget()
            points += strike.struck
    print(f"{points} points")
    assert points * stride > 500


def test_an_interrupt_at_any_line_of_a_look_up():
    """All callers share it, so that whoever is struck must leave it good for the next one."""
    points = 0
    for strike in interrupt_sweep():
        with Watch():
            try:
                with strike:
                    drive(resolving("localhost", 1, monotonic() + 20))
            except Interrupted:
                pass
            since = monotonic()
            assert drive(resolving("localhost", 1, monotonic() + 20))
            assert monotonic() - since < 10
        points += strike.struck
    print(f"{points} points")
    assert points > 30
    gc.collect()


@on([TRIO, ASYNCIO])
@scenario
async def test_a_cancel_at_any_suspension(rig):
    points = 0
    with (
        ScriptedServer(echoing, tls=AUTHORITY.server()) as one,
        ScriptedServer(echoing, tls=AUTHORITY.server()) as two,
    ):
        master = master_of(rig, one, two)
        before = settled_descriptors(set())
        for call in lambda mc: mc.get("key0"), lambda mc: mc.get_multi(KEYS):
            for cancel in cancel_sweep():
                mc = master.clone()
                await cancel(lambda mc=mc, call=call: call(mc))
                assert [await mc.get(key) for key in KEYS] == [key.encode() for key in KEYS]
                await mc.aclose()
                points += cancel.struck
    print(f"{points} points")
    assert points > 30
    assert len(settled_descriptors(before)) <= len(before)
