"""asyncio and trio, as far as the demo needs them, under the same names.

Each does it in its own way: clients are to be seen in their usual surroundings, so there is no
layer of ours in between.
"""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable
    from typing import TypeAlias

    Job: TypeAlias = "Callable[[], Coroutine[Any, Any, None]]"

__all__ = ["Framework", "frameworks"]

T = TypeVar("T")


class Framework(Protocol):
    """How tasks are run."""

    name: str

    def run(self, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run *main* in a loop of its own."""
        ...

    async def side_by_side(self, jobs: Iterable[Job]) -> None:
        """Run each of the *jobs* in a task of its own, until all have ended."""

    async def ends_within(self, seconds: float, job: Job) -> bool:
        """Run *job*, and cancel it when its time is up. False: it was cancelled."""
        ...


class Asyncio:
    name = "asyncio"

    def run(self, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return asyncio.run(main())

    async def side_by_side(self, jobs: Iterable[Job]) -> None:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(job())

    async def ends_within(self, seconds: float, job: Job) -> bool:
        scope = asyncio.timeout(seconds)
        try:
            async with scope:
                await job()
        except TimeoutError:
            if not scope.expired():
                raise
            return False
        return True


class Trio:
    name = "trio"

    def run(self, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
        import trio

        return trio.run(main)

    async def side_by_side(self, jobs: Iterable[Job]) -> None:
        import trio

        async with trio.open_nursery() as nursery:
            for job in jobs:
                nursery.start_soon(job)

    async def ends_within(self, seconds: float, job: Job) -> bool:
        import trio

        with trio.move_on_after(seconds) as scope:
            await job()
        return not scope.cancelled_caught


def frameworks() -> list[Framework]:
    """Those that are here: asyncio always is, trio if it is installed."""
    return [Asyncio(), Trio()] if find_spec("trio") else [Asyncio()]
