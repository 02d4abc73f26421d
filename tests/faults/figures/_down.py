"""F14: a server that is down, and callers that do not stop to ask."""

from __future__ import annotations

import threading
from time import monotonic, perf_counter

from mcclient import Client, MemcacheError, PooledClient, ServerDown
from mcclient.testing import FaultProxy, faults
from tests.faults.figures._size import Size
from tests.servers import RealMemcached

CALLERS = 8
SECONDS = {"short": 2.0, "full": 4.0, "long": 60.0}
PER_SECOND = 10


def callers_of_one_that_is_down(size: Size) -> str:
    """Connects are counted where they come in: at a proxy that resets every one of them."""
    with RealMemcached() as server, FaultProxy(server.address) as proxy:
        proxy.on_connection(faults.reset, times=None)
        mc = PooledClient(Client(proxy.address), CALLERS)
        took: list[float] = []
        over, back = threading.Event(), threading.Event()
        served: list[float] = []
        pause = threading.Event()

        def caller() -> None:
            while not over.is_set():
                since = perf_counter()
                try:
                    mc.get("k")
                except ServerDown:
                    took.append(perf_counter() - since)
                except MemcacheError:
                    pass  # it was this one's turn to try
                pause.wait(0.0005)
            back.wait(60)
            while True:
                try:
                    mc.get("k")
                    served.append(monotonic())
                    return
                except MemcacheError:
                    pause.wait(0.001)

        threads = [threading.Thread(target=caller, daemon=True) for _ in range(CALLERS)]
        for thread in threads:
            thread.start()
        pause.wait(SECONDS[size])
        over.set()
        tried = proxy.connections
        proxy.calm()
        since = monotonic()
        back.set()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive(), "a caller hangs"
        again = proxy.connections - tried
        mc.close()
    took.sort()
    # (The pauses begin with 50 ms, so that the first second has the most.)
    assert tried <= PER_SECOND * max(1.0, SECONDS[size]), f"{tried} connects"
    assert again <= CALLERS, f"{again} connects on the return"
    median, high = took[len(took) // 2], took[len(took) * 99 // 100]
    assert median < 0.005, f"a call fails in {median * 1000:.2f} ms"
    return (
        f"{tried} connects in {SECONDS[size]:g} s; {len(took):,} calls fail in "
        f"{median * 1000:.3f} ms (99 %: {high * 1000:.2f} ms); on its return {again} connects, "
        f"all served after {max(served) - since:.2f} s"
    )
