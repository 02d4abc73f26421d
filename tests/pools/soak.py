"""All faults at once, for as long as you like: what is wrong, and what grows, is counted.

    python -m tests.pools.soak --seconds 120
    python -m tests.pools.soak --seconds 900 --every 30          # and what it holds meanwhile
    python -m tests.pools.soak --seconds 300 --every 60 --trace  # and which lines have what grows

Eight threads and eight asyncio tasks call through pools of every kind, on two servers that answer,
now and then, whatever is wrong (see `Chaos`), and on one that is sound. Meanwhile threads are
interrupted, tasks are cancelled, pools are drained and resized, and short-lived threads come and
go. Every value is its own key. The exit status is 1 if an answer was wrong, if something hangs,
or if there are more descriptors, threads or objects than before; memory is printed, since it says
as much about malloc as about us: what grows for good shows in the objects, or in ``--trace``.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import resource
import sys
import threading
import tracemalloc
from collections.abc import Callable
from math import inf
from random import Random
from time import monotonic, sleep

from mcclient import (
    AsyncClient,
    AsyncPooledClient,
    Client,
    ClientPool,
    MemcacheError,
    PooledClient,
    TaskMappedPool,
    ThreadMappedPool,
)
from mcclient.embedded import MemoryServer
from mcclient.testing import ScriptedServer
from tests.contract.test_chaos import KEYS, Chaos
from tests.pools.test_under_fire import strike


class Score:
    def __init__(self) -> None:
        self.calls = 0
        self.failed = 0
        self.struck = 0
        self.wrong: list[object] = []

    def judge(self, got: object, *allowed: object) -> None:
        self.calls += 1
        if got not in allowed:
            self.wrong.append(got)


class Stage:
    """The servers, the pools, and when to stop."""

    def __init__(self, sound: MemoryServer, chaotic: list[str], until: float) -> None:
        self.until = until
        self.score = Score()
        options = {"ring": "modula", "timeout": 0.1}
        self.master = Client(chaotic, **options)
        self.pool = ClientPool(self.master, 4, max_idle=0.5, max_lifetime=2.0, timed=True)
        self.pooled = PooledClient(Client(chaotic, **options), 3)
        self.mapped = ThreadMappedPool(self.master)
        self.steady = PooledClient(Client(sound.address, timeout=5), 3)
        self.async_master = AsyncClient(chaotic, **options)

    @property
    def goes_on(self) -> bool:
        return monotonic() < self.until and not self.score.wrong

    def call(self, random: Random) -> None:
        key = random.choice(KEYS)
        match random.randrange(5):
            case 0:
                with self.pool.reserve(block=True, timeout=5) as mc:
                    self.score.judge(mc.get(key), None, key, key.encode())
            case 1:
                some = random.sample(KEYS, 4)
                found = self.pooled.get_multi(some)
                self.score.judge(all(found[key] in (key, key.encode()) for key in found), True)
            case 2:
                with self.mapped.reserve() as mc:
                    self.score.judge(mc.get(key), None, key, key.encode())
            case 3:
                self.score.judge(self.steady.get(key), key)
            case _:
                self.score.judge(self.pooled.get(key), None, key, key.encode())

    def work(self, seed: int) -> None:
        random = Random(seed)
        while self.goes_on:
            try:
                while self.goes_on:
                    try:
                        self.call(random)
                    except MemcacheError:
                        self.score.failed += 1
            except KeyboardInterrupt:
                self.score.struck += 1

    async def tasks(self) -> None:
        pooled = AsyncPooledClient(self.async_master, 3)
        mapped = TaskMappedPool(self.async_master)
        chance = Random(77)

        async def use() -> None:
            while self.goes_on:
                key = chance.choice(KEYS)
                try:
                    if chance.randrange(2):
                        self.score.judge(await pooled.get(key), None, key, key.encode())
                    else:
                        with mapped.reserve() as mc:
                            self.score.judge(await mc.get(key), None, key, key.encode())
                except MemcacheError:
                    self.score.failed += 1

        running = [asyncio.create_task(use()) for _ in range(8)]
        while self.goes_on:
            await asyncio.sleep(chance.random() * 0.05)
            victim = running.pop(chance.randrange(8))
            victim.cancel()
            await asyncio.wait([victim], timeout=10)
            assert victim.done(), "a cancelled task goes on"
            self.score.struck += 1
            running.append(asyncio.create_task(use()))
        for task in running:
            task.cancel()
        await asyncio.wait(running)
        assert pooled.pool.full()
        await pooled.aclose()
        await mapped.aclose()

    def disturb(self, threads: list[threading.Thread], servers: list[ScriptedServer]) -> None:
        chance = Random(99)
        # Those who work go on for longer: where one has ended, a strike would hit somebody else.
        while self.goes_on and monotonic() < self.until - 0.5:
            for server in servers:
                # They remember every connection, all that came over it, and who has answered.
                del server.peers[:-100]
                for thread in server._playing[:-100]:
                    if not thread.is_alive():
                        server._playing.remove(thread)
            sleep(chance.random() * 0.02)
            match chance.randrange(40):
                case 0:
                    self.pool.drain()
                case 1:
                    self.pool.resize(chance.randrange(2, 7))
                case 2 | 3 | 4:
                    thread = threading.Thread(target=self.visit, args=(chance.random(),))
                    thread.start()
                    thread.join()
                case _:
                    strike(chance.choice(threads))

    def visit(self, seed: float) -> None:
        try:
            self.call(Random(seed))
        except MemcacheError:
            self.score.failed += 1


def run_tasks(stage: Stage) -> None:
    asyncio.run(stage.tasks())


class Usage:
    def __init__(self) -> None:
        gc.collect()
        self.objects = len(gc.get_objects())
        self.descriptors = len(os.listdir("/proc/self/fd"))
        self.threads = threading.active_count()
        with open("/proc/self/statm") as file:
            self.memory = int(file.read().split()[1]) * resource.getpagesize()

    def has_grown_since(self, before: Usage) -> bool:
        """In anything that is not malloc's to say."""
        return (
            self.descriptors > before.descriptors
            or self.threads > before.threads
            or self.objects > before.objects + 1000
        )

    def __str__(self) -> str:
        return (
            f"{self.descriptors} descriptors, {self.threads} threads, {self.objects} objects,"
            f" {self.memory / 2**20:.1f} MiB"
        )


class Curve(threading.Thread):
    """Prints what there is, again and again; with tracemalloc on, where it was made as well."""

    def __init__(self, every: float, calls: Callable[[], int]) -> None:
        super().__init__(name="curve")
        self._every = every
        self._calls = calls
        self._over = threading.Event()
        self._began = monotonic()
        self._first: tracemalloc.Snapshot | None = None

    def stop(self) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        while not self._over.wait(self._every):
            print(f"{monotonic() - self._began:6.0f} s  {self._calls():9} calls  {Usage()}")
            if tracemalloc.is_tracing():
                self._print_growth()
            sys.stdout.flush()

    def _print_growth(self) -> None:
        snapshot = tracemalloc.take_snapshot().filter_traces(
            [tracemalloc.Filter(False, tracemalloc.__file__)]
        )
        if self._first is None:
            self._first = snapshot
            return
        for growth in snapshot.compare_to(self._first, "lineno")[:12]:
            print(f"          {growth}")


def play(seconds: float, every: float = inf) -> Score:
    before = threading.active_count()
    with (
        MemoryServer() as sound,
        ScriptedServer(Chaos(1)) as one,
        ScriptedServer(Chaos(2)) as two,
    ):
        with Client(sound.address) as mc:
            mc.set_multi({key: key for key in KEYS})
        stage = Stage(sound, [one.address, two.address], monotonic() + seconds)
        score = stage.score
        curve = Curve(every, lambda: score.calls)
        if every < seconds:
            curve.start()
        threads = [threading.Thread(target=stage.work, args=(seed,)) for seed in range(8)]
        loop = threading.Thread(target=run_tasks, args=(stage,))
        for thread in [*threads, loop]:
            thread.start()
        stage.disturb(threads, [one, two])
        if curve.is_alive():
            curve.stop()
        for thread in [*threads, loop]:
            thread.join(30)
            assert not thread.is_alive(), "a thread hangs"
        assert stage.pool.qsize() == stage.pool.stats().size, stage.pool
        assert stage.pooled.pool.full(), stage.pooled
        assert stage.steady.pool.full(), stage.steady
        for owner in stage.pool, stage.pooled, stage.steady, stage.mapped, stage.master:
            owner.close()
        del stage, threads, loop, owner, thread, mc, curve
    # The scripts' own threads end when their peers are gone.
    for _ in range(200):
        if threading.active_count() <= before:
            break
        sleep(0.01)
    return score


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--every", type=float, default=inf, help="seconds between two looks")
    parser.add_argument("--trace", action="store_true", help="with tracemalloc, at half the speed")
    # What strikes a finalizer goes no further than this.
    sys.unraisablehook = lambda unraisable: None
    options = parser.parse_args()
    if options.trace:
        tracemalloc.start(1)
    play(min(5.0, options.seconds / 4))  # caches fill up
    before = Usage()
    score = play(options.seconds, options.every)
    after = Usage()
    print(
        f"{score.calls} calls, {score.failed} failed as they should, struck {score.struck} times,"
        f" {len(score.wrong)} wrong: {score.wrong[:3]}"
    )
    print(f"before {before}\nafter  {after}")
    return 1 if score.wrong or after.has_grown_since(before) else 0


if __name__ == "__main__":
    sys.exit(main())
