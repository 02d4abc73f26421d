"""F18: many threads, on what they may share, and on what they may not."""

from __future__ import annotations

import sys
import threading
from random import Random

from mcclient import Client, ClientBusy, PooledClient
from tests.faults.figures._size import Size
from tests.servers import RealMemcached

THREADS = 8
CALLS = {"short": 2000, "full": 200_000, "long": 10_000_000}
KEYS = [f"key{number}" for number in range(100)]


def threads(size: Size) -> str:
    """They change places as often as they can: by default after 5 ms, here after a microsecond."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with RealMemcached() as server:
            with Client(server.address) as mc:
                mc.set_multi({key: key for key in KEYS})
            with PooledClient(Client(server.address, timeout=60), 4) as pooled:
                busy, errors = _all_of_them(pooled, CALLS[size])
                assert pooled.pool.full()
            assert errors == [], errors[:3]
            assert not busy, f"{busy} times two threads have had one client"
            with Client(server.address, timeout=60) as mc:
                busy, errors = _all_of_them(mc, CALLS[size])
                assert all(mc.get(key) == key for key in KEYS)
            assert errors == [], errors[:3]
            assert busy, "no two threads have met"
    finally:
        sys.setswitchinterval(before)
    build = "with" if getattr(sys, "_is_gil_enabled", lambda: True)() else "without"
    return (
        f"PooledClient: 0 wrong, 0 errors in {CALLS[size]:,} calls; "
        f"Client: 0 wrong in {CALLS[size]:,}, {busy:,} times ClientBusy ({build} the GIL)"
    )


def _all_of_them(mc: Client | PooledClient, calls: int) -> tuple[int, list[object]]:
    """How often a thread found the client busy; and what else has gone wrong."""
    errors: list[object] = []
    busy = [0] * THREADS
    together = threading.Barrier(THREADS)

    def work(number: int) -> None:
        random = Random(number)
        together.wait()
        for _ in range(calls // THREADS):
            try:
                complaint = _call(mc, random)
            except ClientBusy:
                busy[number] += 1
            except Exception as error:
                errors.append(error)
            else:
                if complaint:
                    errors.append(complaint)
            if len(errors) > 10:
                return

    workers = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(busy), errors


def _call(mc: Client | PooledClient, random: Random) -> object:
    """One call; what is wrong with its answer, or None."""
    key = random.choice(KEYS)
    match random.randrange(8):
        case 0:
            return None if mc.set(key, key) is True else "not stored"
        case 1:
            some = random.sample(KEYS, 3)
            found = mc.get_multi(some)
            return None if found == {key: key for key in some} else (some, found)
        case 2:
            item = mc.gets(key)
            return None if item is not None and item.value == key else (key, item)
        case _:
            value = mc.get(key)
            return None if value == key else (key, value)
