"""All faults at once, for as long as you like: what is wrong, and what grows, is counted.

    python -m tests.pools.soak --seconds 120

Eight threads and eight asyncio tasks call through pools of every kind, on two servers that answer,
now and then, whatever is wrong (see `Chaos`), and on one that is sound. Meanwhile threads are
interrupted, tasks are cancelled, pools are drained and resized, and short-lived threads come and
go. Every value is its own key. The exit status is 1 if an answer was wrong, if something hangs,
or if there are more descriptors, threads or objects than before; memory is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import resource
import sys
import threading
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
from tests.contract.scripted import ScriptedServer
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
        while self.goes_on:
            for server in servers:
                # They remember every connection, and all that came over it.
                del server.peers[:-100]
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

    def __str__(self) -> str:
        return (
            f"{self.descriptors} descriptors, {self.threads} threads, {self.objects} objects,"
            f" {self.memory / 2**20:.1f} MiB"
        )


def play(seconds: float) -> Score:
    before = threading.active_count()
    with (
        MemoryServer() as sound,
        ScriptedServer(Chaos(1)) as one,
        ScriptedServer(Chaos(2)) as two,
    ):
        with Client(sound.address) as mc:
            mc.set_multi({key: key for key in KEYS})
        stage = Stage(sound, [one.address, two.address], monotonic() + seconds)
        threads = [threading.Thread(target=stage.work, args=(seed,)) for seed in range(8)]
        loop = threading.Thread(target=run_tasks, args=(stage,))
        for thread in [*threads, loop]:
            thread.start()
        stage.disturb(threads, [one, two])
        for thread in [*threads, loop]:
            thread.join(30)
            assert not thread.is_alive(), "a thread hangs"
        assert stage.pool.qsize() == stage.pool.stats().size, stage.pool
        assert stage.pooled.pool.full(), stage.pooled
        assert stage.steady.pool.full(), stage.steady
        print(stage.pool.stats())
        for owner in stage.pool, stage.pooled, stage.steady, stage.mapped, stage.master:
            owner.close()
        score = stage.score
        del stage, threads, loop, owner, thread, mc
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
    # What strikes a finalizer goes no further than this.
    sys.unraisablehook = lambda unraisable: None
    seconds = parser.parse_args().seconds
    play(min(5.0, seconds / 4))  # caches fill up
    before = Usage()
    score = play(seconds)
    after = Usage()
    print(
        f"{score.calls} calls, {score.failed} failed as they should, struck {score.struck} times,"
        f" {len(score.wrong)} wrong: {score.wrong[:3]}"
    )
    print(f"before {before}\nafter  {after}")
    grown = (
        after.descriptors > before.descriptors
        or after.threads > before.threads
        or after.objects > before.objects + 1000
    )
    return 1 if score.wrong or grown else 0


if __name__ == "__main__":
    sys.exit(main())
