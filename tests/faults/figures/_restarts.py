"""F11: a memcached that is killed and started again all the time, under many callers."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from random import Random
from time import monotonic

from mcclient import AsyncClient, Client, MemcacheError, PooledClient
from mcclient.testing import settled_descriptors
from tests.faults.figures._size import Size
from tests.servers import RealMemcached

SECONDS = {"short": 0.6, "full": 10.0, "long": 600.0}
THREADS, TASKS = 8, 64
KEYS = [f"key{number}" for number in range(50)]
GROSS = 10.0  # seconds until all callers are served again; one is what we want


class Score:
    """What the callers saw.

    Attributes:
        over: set when the server stays up.
        recovered: the seconds after that until each caller had a right answer.
    """

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.wrong: list[object] = []
        self.over = threading.Event()
        self.up_since = 0.0
        self.recovered: list[float] = []

    def judge(self, key: str, value: object) -> None:
        self.outcomes["fine"] += 1
        if value not in (None, key):
            self.wrong.append((key, value))


def restarts(size: Size) -> str:
    """Threads with a pool, and tasks that share a client, at once."""
    before = settled_descriptors(set())
    score = Score()
    with RealMemcached() as server:
        pooled = PooledClient(Client(server.address), THREADS)
        callers = [
            threading.Thread(target=_in_thread, args=(pooled, score, seed), daemon=True)
            for seed in range(THREADS)
        ]
        loop = threading.Thread(target=_in_tasks, args=(server.address, score), daemon=True)
        for thread in [*callers, loop]:
            thread.start()
        until, count = monotonic() + SECONDS[size], 0
        pause = threading.Event()
        while monotonic() < until:
            server.restart()
            count += 1
            pause.wait(0.1)
        server.restart()
        score.up_since = monotonic()
        score.over.set()
        for thread in [*callers, loop]:
            thread.join(GROSS * 2)
            assert not thread.is_alive(), "a caller hangs"
        assert pooled.pool.full(), pooled
        pooled.close()
    left = settled_descriptors(before) - before
    assert not score.wrong, score.wrong[:3]
    assert not left, f"{len(left)} descriptors are left"
    assert len(score.recovered) == THREADS + TASKS
    slowest = max(score.recovered)
    assert slowest < GROSS, f"{slowest:.1f} s until all callers were served again"
    failed = score.outcomes.total() - score.outcomes["fine"]
    return (
        f"0 wrong, 0 hung, descriptors +0 in {SECONDS[size]:g} s, {count} restarts, "
        f"{score.outcomes.total():,} calls ({failed:,} failed); "
        f"all served again {slowest:.2f} s after the last"
    )


def _in_thread(mc: PooledClient, score: Score, seed: int) -> None:
    random = Random(seed)
    while True:
        over = score.over.is_set()
        key = random.choice(KEYS)
        try:
            mc.set(key, key)
            score.judge(key, mc.get(key))
            if over:
                score.recovered.append(monotonic() - score.up_since)
                return
        except MemcacheError as error:
            score.outcomes[type(error).__name__] += 1
            _breathe.wait(0.001)


_breathe = threading.Event()


def _in_tasks(address: str, score: Score) -> None:
    async def one(mc: AsyncClient, seed: int) -> None:
        random = Random(seed)
        while True:
            over = score.over.is_set()
            key = random.choice(KEYS)
            try:
                await mc.set(key, key)
                score.judge(key, await mc.get(key))
                if over:
                    score.recovered.append(monotonic() - score.up_since)
                    return
            except MemcacheError as error:
                score.outcomes[type(error).__name__] += 1
            await asyncio.sleep(0.001)

    async def main() -> None:
        mc = AsyncClient(address)
        async with asyncio.TaskGroup() as group:
            for seed in range(TASKS):
                group.create_task(one(mc, seed))
        await mc.aclose()

    asyncio.run(main())
