"""Tasks and their pool, under asyncio and, where it is installed, trio.

First many of them at once, then many that are cut short: the answer to a call that was cancelled
must never be taken for the answer to the next.
"""

from __future__ import annotations

from functools import partial
from random import uniform
from time import perf_counter
from typing import TYPE_CHECKING

from ... import AsyncClient, ClientPool
from .._screen import duration
from ._frameworks import frameworks
from ._stage import PATIENCE, Stage

if TYPE_CHECKING:
    from ._frameworks import Framework

__all__ = ["cancelled_calls", "tasks_over_a_pool"]

_TASKS = 40
_CLIENTS = 4
_TURNS = 10

# Of those that are cut short: fewer tasks, or most of the cuts would fall into the queue.
_CUT_TASKS = 10
_KEYS = [f"cut:{number}" for number in range(100)]


def tasks_over_a_pool(stage: Stage) -> None:
    """One class of clients and one class of pools, whatever runs the tasks."""
    here = frameworks()
    for framework in here:
        seconds = framework.run(partial(_take_turns, stage, framework))
        calls = _TASKS * _TURNS * 2
        stage.say(
            f"{framework.name}: {_TASKS} tasks share {_CLIENTS} clients",
            f"{calls} calls in {duration(seconds)}",
        )
    if len(here) == 1:
        stage.say("trio", "not installed, so left out")


async def _take_turns(stage: Stage, framework: Framework) -> float:
    """Every task has its turns. How long that took, in seconds."""
    check = stage.tally.check
    async with AsyncClient(stage.addresses, timeout=PATIENCE) as master:
        pool = ClientPool(master, _CLIENTS)

        async def work(task: int) -> None:
            key = f"{framework.name}:{task}"
            for turn in range(_TURNS):
                async with pool.reserve(block=True, timeout=PATIENCE) as mc:
                    check(await mc.set(key, turn), True)
                    check(await mc.get(key), turn)

        since = perf_counter()
        await framework.side_by_side([partial(work, task) for task in range(_TASKS)])
        seconds = perf_counter() - since
        await pool.aclose()
    return seconds


class Outcomes:
    """What became of calls that were cancelled at any moment.

    A call is counted where it is; so those that stay in a place have been cancelled there.

    Attributes:
        queueing: waiting for a client of the pool.
        calling: in mid-call.
        answered: at the end.
        mixed_up: at the end, with an answer that was meant for another one.
    """

    def __init__(self) -> None:
        self.queueing = 0
        self.calling = 0
        self.answered = 0
        self.mixed_up = 0


def cancelled_calls(stage: Stage) -> None:
    """Cancel calls wherever they happen to be, and look at the answers of all the others."""
    for number, framework in enumerate(frameworks()):
        if number:
            stage.screen.lines("")
        framework.run(partial(_cut_short, stage, framework))


async def _cut_short(stage: Stage, framework: Framework) -> None:
    async with AsyncClient(stage.addresses, timeout=PATIENCE) as master:
        pool = ClientPool(master, _CLIENTS)
        calls = _CUT_TASKS * len(_KEYS)
        stored = await master.set_multi({key: f"value of {key}" for key in _KEYS})
        stage.tally.check(stored, [], operations=len(_KEYS))

        async def look_up(key: str, outcomes: Outcomes) -> None:
            outcomes.queueing += 1
            async with pool.reserve(block=True, timeout=PATIENCE) as mc:
                outcomes.queueing -= 1
                outcomes.calling += 1
                value = await mc.get(key)
                outcomes.calling -= 1
                outcomes.answered += 1
                outcomes.mixed_up += value != f"value of {key}"
                stage.tally.check(value, f"value of {key}", operations=0)

        async def work(limit: float, outcomes: Outcomes) -> None:
            for key in _KEYS:
                job = partial(look_up, key, outcomes)
                await framework.ends_within(uniform(0, limit), job)

        async def all_at_work(limit: float) -> Outcomes:
            outcomes = Outcomes()
            await framework.side_by_side([partial(work, limit, outcomes)] * _CUT_TASKS)
            stage.tally.count(calls)
            return outcomes

        async def connections() -> int:
            stats = await master.stats()
            return sum(int(entries["total_connections"]) for entries in stats.values())

        since = perf_counter()
        undisturbed = await all_at_work(PATIENCE * calls)
        typical = (perf_counter() - since) / len(_KEYS)
        before = await connections()
        outcomes = await all_at_work(2 * typical)
        opened = await connections() - before

        stage.screen.lines(
            f"   {framework.name}: {_CUT_TASKS} tasks with {_CLIENTS} clients make {calls} calls."
            " Each is cancelled at a",
            f"   random moment, {duration(2 * typical)} from its start at the latest (a call takes"
            f" {duration(typical)}).",
        )
        for place, count in (
            ("answered", outcomes.answered),
            ("cut in the queue", outcomes.queueing),
            ("cut in mid-call", outcomes.calling),
        ):
            stage.bar(place, count / calls, f"{count:5} calls")
        stage.say("answers that were another call's", f"{outcomes.mixed_up}")
        stage.say("connections given up and replaced", f"{opened}")
        stage.show("clients in the pool afterwards", pool.qsize(), _CLIENTS)
        cut = outcomes.queueing + outcomes.calling
        stage.tally.check((undisturbed.answered, outcomes.answered + cut), (calls, calls), 0)
        await pool.aclose()
