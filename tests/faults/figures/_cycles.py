"""F12: what is left of connections that have been opened and closed, or refused."""

from __future__ import annotations

import gc
import tracemalloc
import warnings
from typing import Any

import pytest

from mcclient import AuthError, ConnectFailed, TLSError
from mcclient.testing import ScriptedServer, settled_descriptors
from mcclient.testing.scripts import always, resetting
from tests.certificates import AUTHORITY, STRANGER
from tests.contract.guarded import USERNAME, Guard
from tests.contract.nobody import NOBODY
from tests.contract.rigs import SOCKET_RIGS, Rig, do
from tests.faults.figures._size import Size

VALUE = b"VA 1 f0 O<O>\r\nv\r\n"
KINDS: dict[str, tuple[Any, Any, type[Exception] | None]] = {
    "served": (always(VALUE), None, None),
    "served over TLS": (always(VALUE), AUTHORITY, None),
    "refused": (None, None, ConnectFailed),
    "reset": (resetting, None, ConnectFailed),
    "refused by us over TLS": (always(VALUE), STRANGER, TLSError),
    "refused for a wrong password": (Guard(), None, AuthError),
}
COUNT = {"short": 25, "full": 500, "long": 2500}  # of each kind, for each of four rigs


def cycles(size: Size) -> str:
    """(The server is in this process too, so that its descriptors count as well.)"""
    # Looking at each piece of memory takes three times as long, so that is not done every time.
    weighed = size != "full"
    most = max(
        connect_and_close(rig, kind, COUNT[size], weighed) for kind in KINDS for rig in SOCKET_RIGS
    )
    memory = f", memory {most / 1024:+.0f} KiB at most" if weighed else ""
    return (
        f"{COUNT[size] * len(SOCKET_RIGS):,} each of {len(KINDS)} kinds, descriptors +0, "
        f"no ResourceWarning{memory}"
    )


def connect_and_close(rig: Rig, kind: str, count: int, weighed: bool = True) -> int:
    """So many new clients, one after the other; by how many bytes the memory has grown.

    0 if that is not *weighed*.
    """
    script, authority, failure = KINDS[kind]
    options: dict[str, Any] = {"ssl_context": AUTHORITY.client()} if authority else {}
    if failure is AuthError:
        options |= {"username": USERNAME, "password": "Plugh-2"}

    async def story(address: str, count: int) -> None:
        for _ in range(count):
            mc = rig.client(address, timeout=20, **options)
            if failure is None:
                assert await do(mc.get("k")) == b"v"
            else:
                with pytest.raises(failure):
                    await do(mc.get("k"))
            await rig.close(mc)

    def all_of_them(address: str, server: ScriptedServer | None = None) -> int:
        def left() -> int:
            if server is not None:
                server.forget()
            if isinstance(script, Guard):
                script.heard.clear()
            return len(settled_descriptors(set()))

        rig.run(lambda: story(address, 20))  # what is made once has been made
        before = left()
        if weighed:
            tracemalloc.start()
        rig.run(lambda: story(address, count))
        more = left() - before
        gc.collect()
        grown, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert more == 0, f"{kind}, {rig}: {more:+d} descriptors"
        assert grown < 1 << 20, f"{kind}, {rig}: {grown:+,} bytes"
        return grown

    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        if script is None:
            return all_of_them(NOBODY)
        server_side = None if authority is None else authority.server()
        with ScriptedServer(script, tls=server_side) as server:
            return all_of_them(server.address, server)
