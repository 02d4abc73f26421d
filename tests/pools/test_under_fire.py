"""Random interruptions and cancels under load: every answer is the caller's own, nothing is lost.

Every value is its own key, so an answer that went to somebody else shows. ``-m slow`` does twenty
times as much; how many calls were made and struck is printed (``-s`` shows it).
``python3 -m tests.pools.figures F9`` plays the same.
"""

from __future__ import annotations

import asyncio
import ctypes
import subprocess
import sys
import threading
from pathlib import Path
from random import Random

import pytest
import trio

from mcclient import AsyncClient, AsyncPooledClient, Client, PooledClient
from tests.servers import RealMemcached

ROOT = Path(__file__).parents[2]
KEYS = [f"key{number}" for number in range(200)]
OFTEN = 20  # how many times as much the longer programmes do

short_and_long = pytest.mark.parametrize(
    "times",
    [1, pytest.param(OFTEN, marks=[pytest.mark.slow, pytest.mark.timeout(900)], id="long")],
)


@pytest.fixture
def address(real_memcached: RealMemcached) -> str:
    real_memcached.flush()
    fill(real_memcached.address)
    return real_memcached.address


def fill(address: str) -> None:
    """Have each key say its own name."""
    with Client(address) as mc:
        mc.set_multi({key: key for key in KEYS})


def strike(thread: threading.Thread) -> None:
    """Have KeyboardInterrupt raised in *thread*, wherever it is."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread.ident or 0), ctypes.py_object(KeyboardInterrupt)
    )


@short_and_long
def test_threads_interrupted_anywhere_get_their_own_answers(
    address: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What strikes a finalizer, or a callback, is told to this hook and goes no further.
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: None)
    print(f"\n{interrupt_threads(address, 40_000 * times)}")


def interrupt_threads(address: str, calls: int) -> str:
    """So many calls of four threads, struck all the time. What there was, in a sentence."""
    mc = PooledClient(Client(address, timeout=20), 3)
    done = [0] * 4
    struck = [0] * 4
    wrong: list[object] = []
    stop = threading.Event()
    # Nobody is struck behind his last call: it would be the thread's own end that is struck.
    is_through = [False] * 4

    def play(number: int, random: Random) -> None:
        # (A function of its own: what strikes where a loop jumps back passes by the `except` of the
        # block that the loop stands in, in CPython 3.13.)
        while done[number] < calls / 4:
            key, some = random.choice(KEYS), random.sample(KEYS, 3)
            match random.randrange(8):
                case 0:
                    good = mc.get_multi(some) == {key: key for key in some}
                case 1:
                    good = mc.set(key, key)
                case 2:
                    with mc.pool.reserve(block=True, timeout=20) as client:
                        good = client.get(key) == key
                case _:
                    good = mc.get(key) == key
            done[number] += 1
            if not good:
                wrong.append(key)
        is_through[number] = True

    def work(number: int) -> None:
        random = Random(number)
        while not (is_through[number] or stop.is_set()):
            try:
                attempt(number, random)
            except KeyboardInterrupt:
                pass  # in the midst of the handler of another one

    def attempt(number: int, random: Random) -> None:
        while not (is_through[number] or stop.is_set()):
            try:
                play(number, random)
            except KeyboardInterrupt:
                struck[number] += 1
            except BaseException as error:
                wrong.append(error)
                is_through[number] = True

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    chance = Random(0)
    pause = threading.Event()
    while any(thread.is_alive() for thread in threads) and not wrong:
        pause.wait(chance.random() * 0.002)
        number = chance.randrange(4)
        if not is_through[number]:
            strike(threads[number])
    stop.set()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert wrong == []
    assert sum(struck) > 100
    assert mc.pool.full()
    assert not mc.pool.lender.queue
    assert all(mc.get(key) == key for key in KEYS)
    mc.close()
    return f"{sum(done)} calls of threads, struck {sum(struck)} times, 0 wrong"


async def use(mc: AsyncPooledClient, random: Random, score: list[int]) -> None:
    """Calls without end: right ones, and wrong ones."""
    while True:
        key, some = random.choice(KEYS), random.sample(KEYS, 3)
        match random.randrange(6):
            case 0:
                good = await mc.get_multi(some) == {key: key for key in some}
            case 1:
                async with mc.pool.reserve(block=True) as client:
                    good = await client.get(key) == key
            case _:
                good = await mc.get(key) == key
        score[good] += 1


@short_and_long
def test_asyncio_tasks_cancelled_anywhere_get_their_own_answers(address: str, times: int) -> None:
    print(f"\n{cancel_asyncio_tasks(address, 15_000 * times)}")


def cancel_asyncio_tasks(address: str, calls: int) -> str:
    """So many calls of eight tasks, which are cancelled all the time, and followed by others."""

    async def main() -> str:
        mc = AsyncPooledClient(AsyncClient(address, timeout=20), 3)
        chance, score, cancelled = Random(1), [0, 0], 0
        tasks = [asyncio.create_task(use(mc, chance, score)) for _ in range(8)]
        while sum(score) < calls:
            for _ in range(chance.randrange(30)):
                await asyncio.sleep(0)
            victim = tasks.pop(chance.randrange(8))
            victim.cancel()
            await asyncio.wait([victim])
            assert victim.cancelled(), victim.exception()
            cancelled += 1
            tasks.append(asyncio.create_task(use(mc, chance, score)))
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert score[0] == 0
        assert cancelled > 100
        assert mc.pool.full()
        await mc.aclose()
        return f"{score[1]} calls of asyncio's tasks, {cancelled} cancels, 0 wrong"

    return asyncio.run(main())


@short_and_long
def test_trio_tasks_cancelled_anywhere_get_their_own_answers(address: str, times: int) -> None:
    print(f"\n{cancel_trio_tasks(address, 15_000 * times)}")


def cancel_trio_tasks(address: str, calls: int) -> str:
    """`cancel_asyncio_tasks`, with trio's."""

    async def main() -> str:
        mc = AsyncPooledClient(AsyncClient(address, timeout=20), 3)
        chance, score, cancelled = Random(2), [0, 0], 0

        async def scoped(scope: trio.CancelScope) -> None:
            with scope:
                await use(mc, chance, score)

        async with trio.open_nursery() as nursery:
            scopes: list[trio.CancelScope] = []
            while sum(score) < calls:
                while len(scopes) < 8:
                    scopes.append(trio.CancelScope())
                    nursery.start_soon(scoped, scopes[-1])
                for _ in range(chance.randrange(30)):
                    await trio.lowlevel.checkpoint()
                scopes.pop(chance.randrange(8)).cancel()
                cancelled += 1
            nursery.cancel_scope.cancel()
        assert score[0] == 0
        assert cancelled > 100
        assert mc.pool.full()
        await mc.aclose()
        return f"{score[1]} calls of trio's tasks, {cancelled} cancels, 0 wrong"

    return trio.run(main)


GREENLETS = """
from gevent import monkey
monkey.patch_all()
import random, sys
import gevent
import mcclient

address, calls = sys.argv[1], int(sys.argv[2])
KEYS = [f"key{number}" for number in range(200)]
mc = mcclient.PooledClient(mcclient.Client(address, timeout=20), 3)
done = struck = 0

def work(seed):
    global done, struck
    chance = random.Random(seed)
    while done < calls:
        try:
            with gevent.Timeout(chance.random() * 0.02):
                while done < calls:
                    key = chance.choice(KEYS)
                    if chance.randrange(4):
                        assert mc.get(key) == key
                    else:
                        with mc.pool.reserve(block=True) as client:
                            assert client.get(key) == key
                    done += 1
        except gevent.Timeout:
            struck += 1

gevent.joinall([gevent.spawn(work, seed) for seed in range(8)], raise_error=True)
assert mc.pool.full(), mc.pool
assert all(mc.get(key) == key for key in KEYS)
assert struck > 100, struck
print(f"{done} calls of greenlets, {struck} timeouts, 0 wrong", end="")
"""


@short_and_long
def test_greenlets_timed_out_anywhere_get_their_own_answers(address: str, times: int) -> None:
    print(f"\n{time_out_greenlets(address, 30_000 * times)}")


def time_out_greenlets(address: str, calls: int) -> str:
    """So many calls of eight greenlets, which a `gevent.Timeout` strikes all the time."""
    ended = subprocess.run(
        [sys.executable, "-c", GREENLETS, address, str(calls)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50 * max(1, calls / 30_000),
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout
