"""Threads and their pools: who waits, for how long, and what one hears who does not want to."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier
from time import perf_counter
from typing import NamedTuple

from ... import Client, ClientPool, PoolEmpty, PoolTimeout, ThreadMappedPool
from .._screen import duration
from ._stage import PATIENCE, Stage, timed

__all__ = ["client_pool", "thread_mapped_pool"]

_THREADS = 6
_CLIENTS = 3
_TURNS = 40
_TIMEOUT = 0.05


class Waiting(NamedTuple):
    """How long a thread has waited for its turns, in seconds."""

    total: float
    longest: float


def client_pool(stage: Stage) -> None:
    """More threads than clients, and then a pool that has none left."""
    with Client(stage.addresses, timeout=PATIENCE) as master:
        pool = ClientPool(master, _CLIENTS)
        try:
            _take_turns(stage, pool)
            _ask_in_vain(stage, pool)
        finally:
            pool.close()


def _take_turns(stage: Stage, pool: ClientPool[Client]) -> None:
    check = stage.tally.check
    together = Barrier(_THREADS)

    def work(thread: int) -> Waiting:
        waits: list[float] = []
        together.wait(PATIENCE)
        for turn in range(_TURNS):
            since = perf_counter()
            with pool.reserve(block=True, timeout=PATIENCE) as mc:
                waits.append(perf_counter() - since)
                check(mc.set(f"thread:{thread}", turn), True)
                check(mc.get(f"thread:{thread}"), turn)
                mc.incr("turns", initial=1)
        stage.tally.count(_TURNS)
        return Waiting(sum(waits), max(waits))

    stage.screen.lines(
        f"   {_THREADS} threads, {_CLIENTS} clients, {_TURNS} turns each."
        " This long they have waited for a client:",
    )
    with ThreadPoolExecutor(_THREADS) as executor:
        waitings = list(executor.map(work, range(1, _THREADS + 1)))
    most = max(waiting.total for waiting in waitings)
    for thread, (total, longest) in enumerate(waitings, 1):
        text = f"{duration(total):>7}, {duration(longest)} at most"
        stage.bar(f"thread {thread}", total / most, text)
    stage.screen.lines("")
    with pool.reserve() as mc:
        counted = mc.incr("turns", 0)
    stage.show("incr in every turn has come to", counted, _THREADS * _TURNS)


def _ask_in_vain(stage: Stage, pool: ClientPool[Client]) -> None:
    def answer(*, block: bool) -> str:
        try:
            with pool.reserve(block=block, timeout=_TIMEOUT):
                return "a client"
        except PoolEmpty as error:
            return type(error).__name__

    with ExitStack() as lent:
        for _ in range(_CLIENTS):
            lent.enter_context(pool.reserve())
        told, took = timed(lambda: answer(block=False))
        stage.say(f"all {_CLIENTS} lent out: reserve()", f"{told} in {took}")
        stage.tally.check(told, PoolEmpty.__name__)
        told, took = timed(lambda: answer(block=True))
        stage.say(f"reserve(block=True, timeout={_TIMEOUT})", f"{told} in {took}")
        stage.tally.check(told, PoolTimeout.__name__)
    stage.show("all of them back: qsize()", pool.qsize(), _CLIENTS)


def thread_mapped_pool(stage: Stage) -> None:
    """Nobody waits, since every thread has its own."""
    check = stage.tally.check
    together = Barrier(_THREADS)

    with Client(stage.addresses, timeout=PATIENCE) as master:
        pool = ThreadMappedPool(master)

        def work(thread: int) -> int:
            used: set[int] = set()
            together.wait(PATIENCE)  # all at once, or one thread could do the work of several
            for turn in range(_TURNS):
                with pool.reserve() as mc:
                    used.add(id(mc))
                    check(mc.set(f"own:{thread}", turn), True)
                    check(mc.get(f"own:{thread}"), turn)
            together.wait(PATIENCE)
            return len(used)

        def leave(_: int) -> bool:
            together.wait(PATIENCE)
            client = pool.relinquish()
            if client is not None:
                client.close()
            return client is not None

        with ThreadPoolExecutor(_THREADS) as executor:
            used, took = timed(lambda: list(executor.map(work, range(_THREADS))))
            stage.say(
                f"{_THREADS} threads, {_TURNS} turns each",
                f"{_THREADS * _TURNS * 2} calls in {took}",
            )
            stage.show("different clients that each thread met", used, [1] * _THREADS)
            stage.show("clients in the pool", len(pool), _THREADS)
            left = list(executor.map(leave, range(_THREADS)))
            stage.tally.check(left, [True] * _THREADS)
        stage.show("and after relinquish() in every thread", len(pool), 0)
