"""What ``mcclient bench`` measures: the daily calls, one kind after the other.

Every answer is compared with what it must be, and the time for that is included.  Knows nothing of
how it is reported.
"""

from __future__ import annotations

import asyncio
import os
from array import array
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from mcproto import InvalidArgument

from .. import AsyncClient, Client, ClientPool
from ._arguments import UsageError, without_name

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from ._screen import Screen

__all__ = ["VALUE_SIZE", "Result", "measured"]

VALUE_SIZE = 100
_THREADS = 4
_KEYS = [f"key:{number}" for number in range(100)]
_VALUES = [f"value {number} ".encode().ljust(VALUE_SIZE, b".") for number in range(100)]
_ROWS: dict[str | bytes, object] = dict(zip(_KEYS, _VALUES, strict=True))
# Seconds that the rows outlive the run, should it be struck down before it can clean up.
_LINGER = 60


class Samples(NamedTuple):
    """What came of many calls of one kind.

    Attributes:
        times: how long each took, in seconds.
        wrong: how many answers were.
    """

    times: Sequence[float]
    wrong: int


class Result(NamedTuple):
    """What is reported about one kind of call; the names are those of ``--json``."""

    name: str
    operations: int
    seconds: float
    per_second: float
    median_us: float
    p99_us: float
    wrong: int


def measured(servers: list[str], seconds: float, progress: Screen) -> list[Result]:
    """Each kind of call, for its share of the *seconds*. What was stored is deleted again."""
    prefix = f"bench:{os.urandom(4).hex()}:"  # two runs are not to meet
    try:
        master = Client(servers, key_prefix=prefix)
        async_master = AsyncClient(servers, key_prefix=prefix)
    except InvalidArgument as error:
        raise UsageError(f"argument -s: {without_name(error)}") from None
    results: list[Result] = []
    with master:
        master.set_multi(_ROWS, int(seconds) + _LINGER)
        kinds = _kinds(master, async_master, int(seconds) + _LINGER)
        try:
            for number, (name, measure) in enumerate(kinds, 1):
                progress.progress(f"measuring {number} of {len(kinds)}: {name}")
                since = perf_counter()
                samples = measure(seconds / len(kinds))
                results.append(_result(name, samples, perf_counter() - since))
        finally:
            progress.erase()
        master.delete_multi([*_KEYS, "counter"])
    return results


def _kinds(
    mc: Client, async_mc: AsyncClient, expire: int
) -> list[tuple[str, Callable[[float], Samples]]]:
    """What is measured: names, and how to do it for so many seconds.

    A call is told how many of its kind there were before, and says whether its answer was right.
    """
    pool = ClientPool(mc, _THREADS)

    def get_hit(turn: int) -> bool:
        return mc.get(_KEYS[turn % 100]) == _VALUES[turn % 100]

    def get_miss(turn: int) -> bool:
        return mc.get("nobody") is None

    def set_(turn: int) -> bool:
        return mc.set(_KEYS[turn % 100], _VALUES[turn % 100], expire)

    def get_multi(turn: int) -> bool:
        return mc.get_multi(_KEYS) == _ROWS

    def set_multi(turn: int) -> bool:
        return mc.set_multi(_ROWS, expire) == []

    def incr(turn: int) -> bool:
        return mc.incr("counter", initial=0, expire=expire) == turn

    def pooled_get(turn: int) -> bool:
        with pool.reserve(block=True) as mc:
            return mc.get(_KEYS[turn % 100]) == _VALUES[turn % 100]

    async def async_get(turn: int) -> bool:
        return await async_mc.get(_KEYS[turn % 100]) == _VALUES[turn % 100]

    def in_threads(seconds: float) -> Samples:
        with ThreadPoolExecutor(_THREADS) as executor:
            try:
                parts = list(executor.map(_repeated, [pooled_get] * _THREADS, [seconds] * _THREADS))
            finally:
                pool.close()  # which ends the threads, too, should we be interrupted
        return Samples([t for part in parts for t in part.times], sum(p.wrong for p in parts))

    async def in_a_task(seconds: float) -> Samples:
        async with async_mc:
            return await _repeated_async(async_get, seconds)

    alone = (
        ("get, a hit", get_hit),
        ("get, a miss", get_miss),
        ("set", set_),
        (f"get_multi of {len(_KEYS)}", get_multi),
        (f"set_multi of {len(_KEYS)}", set_multi),
        ("incr", incr),
    )
    return [
        *[(name, partial(_repeated, call)) for name, call in alone],
        (f"pooled get, {_THREADS} threads", in_threads),
        ("async get, one task", lambda seconds: asyncio.run(in_a_task(seconds))),
    ]


def _repeated(call: Callable[[int], bool], seconds: float) -> Samples:
    """Call again and again. The first call is not timed: it connects."""
    wrong = int(not call(0))
    times = array("d")
    now = perf_counter()
    end = now + seconds
    while now < end:
        since = now
        if not call(len(times) + 1):
            wrong += 1
        now = perf_counter()
        times.append(now - since)
    return Samples(times, wrong)


async def _repeated_async(
    call: Callable[[int], Coroutine[object, object, bool]], seconds: float
) -> Samples:
    """`_repeated`, awaited."""
    wrong = int(not await call(0))
    times = array("d")
    now = perf_counter()
    end = now + seconds
    while now < end:
        since = now
        if not await call(len(times) + 1):
            wrong += 1
        now = perf_counter()
        times.append(now - since)
    return Samples(times, wrong)


def _result(name: str, samples: Samples, seconds: float) -> Result:
    times = sorted(samples.times)
    return Result(
        name=name,
        operations=len(times),
        seconds=round(seconds, 3),
        per_second=round(len(times) / seconds, 1),
        median_us=round(times[len(times) // 2] * 1e6, 1),
        p99_us=round(times[len(times) * 99 // 100] * 1e6, 1),
        wrong=samples.wrong,
    )
