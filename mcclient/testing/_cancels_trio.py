"""`CancelAt` under trio: an instrument that counts the steps of a call's tasks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from ._cancels import CancelAt

T = TypeVar("T")

__all__ = ["TrioCancelAt"]


class TrioCancelAt(CancelAt, trio.abc.Instrument):
    """Cancels a scope around the call."""

    async def __call__(self, call: Callable[[], Awaitable[T]]) -> T | None:
        """See `CancelAt`."""
        root = trio.lowlevel.current_root_task()
        assert root is not None
        me = trio.lowlevel.current_task()
        self._others = set(_tree(root)) - {me}
        result = None
        with trio.CancelScope() as self._scope:
            trio.lowlevel.add_instrument(self)
            try:
                result = await call()
            finally:
                trio.lowlevel.remove_instrument(self)
        return result

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        # The threads of a name look-up and the like are tasks of the system.
        if task.parent_nursery is None:
            self._others.add(task)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if self.due and task not in self._others and self.suspensions == self.k:
            self._strike()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if task in self._others:
            return
        self.suspensions += 1
        if not self.due and self.suspensions == self.k:
            self._strike()

    def _strike(self) -> None:
        if not self.struck:
            self.struck = True
            self._scope.cancel()


def _tree(task: trio.lowlevel.Task) -> list[trio.lowlevel.Task]:
    tasks = [task]
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            tasks += _tree(child)
    return tasks
