"""A cancel at every suspension of a call, one after the other, under trio or asyncio.

What cancels is the framework's own; the two modules beside this one know how.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

__all__ = ["CancelAt", "cancel_sweep"]


class CancelAt(ABC):
    """Awaits a call, and cancels it at its k-th suspension, wherever in its tasks that is.

    Made by `cancel_sweep`.

    Attributes:
        k: which suspension, from 1 on, counted over all the tasks that the call has.
        due: whether it is cancelled not while it waits, but when the wake-up has come and the task
            has not yet run.
        suspensions: how many there have been.
        struck: whether there were so many.
    """

    def __init__(self, k: int, due: bool) -> None:
        self.k = k
        self.due = due
        self.suspensions = 0
        self.struck = False

    @abstractmethod
    async def __call__(self, call: Callable[[], Awaitable[T]]) -> T | None:
        """What ``await call()`` gives; None if it was cancelled. What it raises is raised."""

    def __repr__(self) -> str:
        when = "when it is due to go on" if self.due else "in its wait"
        return f"<cancelled at suspension {self.k}, {when}>"


def cancel_sweep(*, due: bool | None = None) -> Iterator[CancelAt]:
    """Cancels, each one suspension later than the one before; the last one comes to none.

    ::

        for cancel in cancel_sweep():
            async with client.clone() as mc:
                await cancel(lambda: mc.get("k"))
                assert await mc.get("k") == "v", cancel

    Each turn plays one call from the beginning, so the call must go the same way each time.  It is
    gone through twice: cancelled in the wait, and cancelled when the wake-up has come and the task
    has not yet run.  Works under trio and asyncio, whichever runs this code.

    Args:
        due: only one of them: False for the first, True for the second.

    Raises:
        RuntimeError: neither is running.
    """
    kind = _kind_here()
    for when in (False, True) if due is None else (due,):
        k = 1
        while True:
            cancel = kind(k, when)
            yield cancel
            if not cancel.struck:
                break
            k += 1


def _kind_here() -> Callable[[int, bool], CancelAt]:
    trio = sys.modules.get("trio")
    if trio is not None:
        try:
            trio.lowlevel.current_task()
        except RuntimeError:
            pass
        else:
            from ._cancels_trio import TrioCancelAt

            return TrioCancelAt
    from ._cancels_asyncio import AsyncioCancelAt

    return AsyncioCancelAt
