"""The smallest things that can be pooled: clients that talk to nobody, and keep books on it."""

from __future__ import annotations

import asyncio
import contextlib
import math

import trio


class Book:
    """What has become of a master and its clones.

    Attributes:
        made: how many clones there have been.
        closed: the numbers of those that have been closed, in that order.
        failure: what `clone` raises; None: it succeeds.
    """

    def __init__(self) -> None:
        self.made = 0
        self.closed: list[int] = []
        self.failure: Exception | None = None


class Client:
    """A master, whose number is 0, or a clone: they are numbered in the order they were made."""

    def __init__(self, book: Book | None = None, number: int = 0) -> None:
        self.book = book or Book()
        self.number = number

    def clone(self):
        if self.book.failure is not None:
            raise self.book.failure
        self.book.made += 1
        return type(self)(self.book, self.book.made)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.number}>"


class BlockingClient(Client):
    def close(self) -> None:
        self.book.closed.append(self.number)


class TrioEvent:
    def __init__(self) -> None:
        self._event = trio.Event()
        self.set = self._event.set

    async def wait(self, timeout: float | None = None) -> None:
        with trio.move_on_after(math.inf if timeout is None else timeout):
            await self._event.wait()


class TrioClient(Client):
    new_event = TrioEvent

    async def aclose(self) -> None:
        self.book.closed.append(self.number)
        await trio.lowlevel.checkpoint()


class AsyncioEvent:
    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.set = self._event.set

    async def wait(self, timeout: float | None = None) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._event.wait()


class AsyncioClient(Client):
    new_event = AsyncioEvent

    async def aclose(self) -> None:
        self.book.closed.append(self.number)
        await asyncio.sleep(0)
