"""`CancelAt` under asyncio: a call's tasks are driven by hand, and counted step by step."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, TypeVar

from ._cancels import CancelAt

T = TypeVar("T")

__all__ = ["AsyncioCancelAt"]


class AsyncioCancelAt(CancelAt):
    """Cancels the task that the call is played in. The loop's task factory is lost by it."""

    async def __call__(self, call: Callable[[], Awaitable[T]]) -> T | None:
        """See `CancelAt`."""
        loop = asyncio.get_running_loop()
        loop.set_task_factory(self._new_task)
        self._main = loop.create_task(_awaited(call))
        try:
            return await self._main
        except asyncio.CancelledError:
            return None
        finally:
            loop.set_task_factory(None)

    def _new_task(self, loop: Any, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        return asyncio.Task(_Counted(coroutine, self).run(), loop=loop, **options)

    def suspended(self, future: Any) -> None:
        """A task waits for *future*, or lets others go first if that is None."""
        self.suspensions += 1
        if self.suspensions == self.k:
            self.struck = True
            if self.due and future is not None:
                # Ahead of the task's own wake-up, which is not among the callbacks yet.
                future.add_done_callback(self._cancel)
            else:
                asyncio.get_running_loop().call_soon(self._main.cancel)

    def _cancel(self, _: object) -> None:
        self._main.cancel()


async def _awaited(call: Callable[[], Awaitable[T]]) -> T:
    return await call()


class _Counted:
    """A coroutine, step by step."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], counter: AsyncioCancelAt) -> None:
        self._coroutine = coroutine
        self._counter = counter

    async def run(self) -> Any:
        return await self

    def __await__(self) -> Generator[Any, Any, Any]:
        step: Callable[[], Any] = lambda: self._coroutine.send(None)  # noqa: E731
        while True:
            try:
                future = step()
            except StopIteration as stop:
                return stop.value
            self._counter.suspended(future)
            try:
                yield future
            except BaseException as error:
                thrown = error
                step = lambda: self._coroutine.throw(thrown)  # noqa: B023, E731
            else:
                step = lambda: self._coroutine.send(None)  # noqa: E731
