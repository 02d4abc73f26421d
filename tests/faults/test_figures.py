"""Figures: what connecting leaves behind, and how long a call takes at most. ``-s`` prints them.

A time is printed and judged by several times its bound only, since machines have slow phases.
"""

from __future__ import annotations

import gc
import threading
import tracemalloc
import warnings
from time import monotonic

import pytest

from mcclient import ConnectFailed, OperationTimeout, TLSError
from tests.certificates import AUTHORITY, STRANGER
from tests.contract.rigs import SOCKET_RIGS, Rig, do, on
from tests.contract.scripted import (
    NOBODY,
    Peer,
    Script,
    ScriptedServer,
    always,
    polite_silence,
    resetting,
    silence,
)
from tests.contract.sweeps import settled_descriptors
from tests.faults.test_deadlines import DeadHost

VALUE = b"VA 1 f0 O<O>\r\nv\r\n"


# ------------------------------------------------------------------------- connect and close, often

CYCLES = {
    "served": (always(VALUE), None, None),
    "served over TLS": (always(VALUE), AUTHORITY, None),
    "refused": (None, None, ConnectFailed),
    "reset": (resetting, None, ConnectFailed),
    "refused by us over TLS": (always(VALUE), STRANGER, TLSError),
}


@on(SOCKET_RIGS)
@pytest.mark.parametrize("kind", CYCLES)
@pytest.mark.parametrize(
    "count", [100, pytest.param(2500, marks=[pytest.mark.slow, pytest.mark.timeout(600)])]
)
def test_connecting_and_closing_leaves_nothing_behind(rig, kind, count):
    """(The tests' server is in this process too: its descriptors count as well.)"""
    script, authority, failure = CYCLES[kind]
    options = {} if authority is None else {"ssl_context": AUTHORITY.client()}

    async def cycles(address: str, count: int) -> None:
        for _ in range(count):
            mc = rig.client(address, timeout=20, **options)
            if failure is None:
                assert await do(mc.get("k")) == b"v"
            else:
                with pytest.raises(failure):
                    await do(mc.get("k"))
            await rig.close(mc)

    def all_of_them(address: str, server: Forgetful | None = None) -> None:
        def left() -> int:
            if server is not None:
                server.forget()
            return len(settled_descriptors(set()))

        rig.run(lambda: cycles(address, 20))  # what is made once has been made
        before = left()
        tracemalloc.start()
        rig.run(lambda: cycles(address, count))
        gc.collect()
        grown, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        more = left() - before
        print(
            f"{kind}, {rig}: {count} cycles, descriptors {more:+d}, memory {grown / 1024:+.0f} KiB"
        )
        assert more == 0
        assert grown < 1 << 20

    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        if script is None:
            all_of_them(NOBODY)
            return
        server_side = None if authority is None else authority.server()
        with Forgetful(script, tls=server_side) as server:
            all_of_them(server.address, server)


class Forgetful(ScriptedServer):
    """One that does not remember the connections there have been."""

    def _play(self, script: Script, peer: Peer) -> None:
        super()._play(script, peer)
        peer._socket.close()
        self.peers.remove(peer)
        self._threads.remove(threading.current_thread())

    def forget(self) -> None:
        """Return when the last connection has gone."""
        for thread in self._threads[1:]:
            thread.join(20)


# ------------------------------------------------------------------------------ the longest call


def took(rig: Rig, address: object, **options: object) -> float:
    """The seconds that a get takes, which fails."""

    async def story() -> float:
        mc = rig.client(address, **options)
        since = monotonic()
        with pytest.raises((OperationTimeout, ConnectFailed)):
            await do(mc.get("k"))
        seconds = monotonic() - since
        await rig.close(mc)
        return seconds

    return rig.run(story)


def side_by_side(calls: dict[str, tuple[Rig, object, dict[str, object]]]) -> dict[str, float]:
    """How long each takes, all at once, in threads: they do nothing but wait."""
    found: dict[str, float] = {}

    def one(name: str) -> None:
        rig, address, options = calls[name]
        found[name] = took(rig, address, **options)

    threads = [threading.Thread(target=one, args=(name,)) for name in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert set(found) == set(calls), "a call hangs or has failed otherwise"
    return found


def dribbling(peer: Peer) -> None:
    peer.greet()
    peer.dribble(peer.request().fill(b"VA 1000 f0 O<O>\r\n" + bytes(1000)), 0.02)


def test_with_all_defaults_no_call_takes_longer_than_its_second():
    with (
        ScriptedServer(silence) as silent,
        ScriptedServer(polite_silence) as polite,
        DeadHost() as dead,
    ):
        places = {"silent": silent.address, "says hello": polite.address, "SYN dropped": dead}
        found = side_by_side(
            {
                f"{what}, {rig}": (rig, place, {})
                for what, place in places.items()
                for rig in SOCKET_RIGS
            }
        )
    for name, seconds in found.items():
        print(f"{name}: {seconds:.3f} s")
        assert 0.9 <= seconds < 4
    print(f"longest: {max(found.values()):.3f} s")


def test_a_server_that_dribbles_stretches_no_deadline():
    with ScriptedServer(dribbling) as server:
        calls = {str(rig): (rig, server.address, {"timeout": 0.4}) for rig in SOCKET_RIGS}
        found = side_by_side(calls)
    for name, seconds in found.items():
        print(f"{name}: {seconds - 0.4:+.3f} s beyond 0.4 s")
        assert 0.38 <= seconds < 2
