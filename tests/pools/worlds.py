"""Two ways to run tasks, under one face, so that each story about tasks is told once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import trio
import trio.testing

from tests.pools.clients import AsyncioClient, TrioClient

CANCELLED = "cancelled"


class TrioTask:
    def __init__(self, act: Callable[[], Awaitable[object]]) -> None:
        self._act = act
        self._scope = trio.CancelScope()
        self._done = trio.Event()
        self._outcome: object = CANCELLED

    async def run(self) -> None:
        with self._scope:
            try:
                self._outcome = await self._act()
            except Exception as error:
                self._outcome = error
        self._done.set()

    def cancel(self) -> None:
        self._scope.cancel()

    async def outcome(self) -> object:
        await self._done.wait()
        return self._outcome


class TrioWorld:
    """Tasks of trio."""

    Client = TrioClient

    def run(self, story: Callable[..., Awaitable[None]]) -> None:
        async def main() -> None:
            async with trio.open_nursery() as self._nursery:
                await story(self)

        trio.run(main)

    def start(self, act: Callable[[], Awaitable[object]]) -> TrioTask:
        task = TrioTask(act)
        self._nursery.start_soon(task.run)
        return task

    async def rest(self) -> None:
        """Let the others do all that they can."""
        await trio.testing.wait_all_tasks_blocked()

    async def tick(self) -> None:
        await trio.lowlevel.checkpoint()


class AsyncioTask:
    def __init__(self, act: Callable[[], Awaitable[object]]) -> None:
        self._task = asyncio.ensure_future(act())
        self.cancel = self._task.cancel

    async def outcome(self) -> object:
        await asyncio.wait([self._task])
        if self._task.cancelled():
            return CANCELLED
        return self._task.exception() or self._task.result()


class AsyncioWorld:
    """Tasks of asyncio."""

    Client = AsyncioClient
    start = AsyncioTask

    def run(self, story: Callable[..., Awaitable[None]]) -> None:
        asyncio.run(story(self))

    async def rest(self) -> None:
        """Let the others do all that they can (if that takes them no more than 20 ticks)."""
        for _ in range(20):
            await asyncio.sleep(0)

    async def tick(self) -> None:
        await asyncio.sleep(0)
