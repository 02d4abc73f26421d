"""F15 and F16: how long a call takes at most, whatever the server does."""

from __future__ import annotations

import threading
from time import monotonic
from typing import Any

import pytest

from mcclient import ConnectFailed, OperationTimeout
from mcclient.testing import NoServer, Peer, ScriptedServer
from mcclient.testing.scripts import polite_silence, silence
from tests.contract.rigs import SOCKET_RIGS, Rig, do
from tests.faults.figures._size import Size

TIMEOUT = 0.4


def took(rig: Rig, address: object, **options: Any) -> float:
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
    """A byte now and then."""
    peer.greet()
    peer.dribble(peer.request().fill(b"VA 1000 f0 O<O>\r\n" + bytes(1000)), 0.02)


def longest_call(size: Size) -> str:
    """With all defaults, of servers that say nothing, or hello only, or not even that."""
    with (
        ScriptedServer(silence) as silent,
        ScriptedServer(polite_silence) as polite,
        NoServer(drops=True) as dead,
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
        assert 0.9 <= seconds < 4, f"{name}: {seconds:.3f} s"
    return f"longest of {len(found)}: {max(found.values()):.3f} s"


def overrun(size: Size) -> str:
    """Of a deadline, by a server that sends a byte every 20 ms."""
    with ScriptedServer(dribbling) as server:
        calls = {str(rig): (rig, server.address, {"timeout": TIMEOUT}) for rig in SOCKET_RIGS}
        found = side_by_side(calls)
    for name, seconds in found.items():
        assert TIMEOUT - 0.02 <= seconds < 2, f"{name}: {seconds:.3f} s"
    return f"{(max(found.values()) - TIMEOUT) * 1000:+.0f} ms at most, on {len(found)} transports"
