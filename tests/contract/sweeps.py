"""Strikes at every point of a call, one after the other: interrupts for threads, cancels for tasks.

A sweep plays one call again and again, and strikes at its first point, then at its second, until
the call comes through unharmed.  What must hold afterwards is for the caller to check.
"""

from __future__ import annotations

import asyncio
import dis
import gc
import os
import sys
import warnings
from collections.abc import Callable, Coroutine, Generator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import trio

import mcclient
import mcproto

LIBRARY = tuple(str(Path(module.__file__).parent) + os.sep for module in (mcclient, mcproto))

NO_POINTS = {dis.opmap["NOP"], dis.opmap["YIELD_VALUE"]}

# Where nothing is struck: finalizers swallow what is raised in them; and the server that a memory
# transport talks to would be another process.
SHELTERS = {"__del__", "_serve"}


class Struck(KeyboardInterrupt):
    """What a handler of SIGINT raises."""


class Strike:
    """Raises at the k-th point of the library's code, in a ``with`` block, in this thread.

    A point is where a line begins or a function returns (so that what it returns is lost); with
    *every_instruction*, it is each instruction of the interpreter.

    Attributes:
        where: file, line and event of the strike; None: there were not so many points.
    """

    def __init__(self, k: int, every_instruction: bool = False) -> None:
        self._left = k
        self._events = ("opcode", "return") if every_instruction else ("line", "return")
        self._opcodes = every_instruction
        self._sheltered = False
        self.where: tuple[str, int, str] | None = None

    def __enter__(self) -> Strike:
        self._before = sys.gettrace()
        sys.settrace(self._enter_frame)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        sys.settrace(self._before)

    def _enter_frame(self, frame: FrameType, event: str, arg: object) -> Any:
        code = frame.f_code
        if self._sheltered or not code.co_filename.startswith(LIBRARY):
            return None
        if code.co_name in SHELTERS:
            self._sheltered = True
            return self._in_shelter
        frame.f_trace_opcodes = self._opcodes
        return self._at_point

    def _in_shelter(self, frame: FrameType, event: str, arg: object) -> Any:
        if event == "return":
            self._sheltered = False
        return self._in_shelter

    def _at_point(self, frame: FrameType, event: str, arg: object) -> Any:
        if event == "exception" and isinstance(arg, tuple) and arg[0] is GeneratorExit:
            self._sheltered = True  # what is raised as a generator is closed is swallowed
            return self._in_shelter
        # A function that is left by an exception "returns" None as well. A strike there is as
        # good as any. A `try:` inside of another is covered by neither (CPython 3.11), but nothing
        # can happen there either: it is no more than a line number. Nor at a `yield`, which is a
        # "return" as well: signals are looked after elsewhere.
        code = frame.f_code.co_code
        if event in self._events and code[frame.f_lasti] not in NO_POINTS:
            self._left -= 1
            if not self._left:
                sys.settrace(None)
                name = frame.f_code.co_filename.rpartition(os.sep)[2]
                self.where = f"{name}:{frame.f_code.co_name}", frame.f_lineno, event
                raise Struck
        return self._at_point


class Watch:
    """Sees in a ``with`` block what is dropped unclosed, and what is raised where nobody catches.

    Attributes:
        seen: the messages.
        thorough: set it, and the garbage is collected at the end.
    """

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.thorough = False

    def __enter__(self) -> Watch:
        self._hook = sys.unraisablehook
        sys.unraisablehook = self._unraisable
        self._catcher = warnings.catch_warnings()
        self._catcher.__enter__()
        warnings.simplefilter("always")
        warnings.showwarning = self._warning
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # What failed on the way may hold frames in a circle, and they what was dropped.
        if self.thorough:
            gc.collect()
        self._catcher.__exit__(kind, error, traceback)
        sys.unraisablehook = self._hook

    def _warning(self, message: Warning | str, *_: object, **__: object) -> None:
        self.seen.append(repr(message)[:120])

    def _unraisable(self, unraisable: Any) -> None:
        self.seen.append(f"{unraisable.exc_value!r} in {unraisable.object!r}"[:120])


def descriptors() -> set[str]:
    """The open ones."""
    return set(os.listdir("/proc/self/fd"))


def settled_descriptors(before: set[str]) -> set[str]:
    """The open ones, after what is only waiting for the garbage collector has gone."""
    now = descriptors()
    if now != before:
        gc.collect()
        now = descriptors()
    return now


# ------------------------------------------------------------------------------------- cancelling


class CancelAt:
    """Cancels at the k-th suspension of a call, wherever in its tasks that is.

    Args:
        k: counted over all the tasks that the call has.
        due: not while it waits, but when the wake-up has come and the task has not yet run.
    """

    def __init__(self, k: int, due: bool) -> None:
        self.k = k
        self.due = due
        self.suspensions = 0
        self.struck = False


class TrioCancelAt(CancelAt, trio.abc.Instrument):
    async def __call__(self, call: Callable[[], Coroutine[Any, Any, object]]) -> object:
        """What *call* gives; None if it was cancelled."""
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


class AsyncioCancelAt(CancelAt):
    async def __call__(self, call: Callable[[], Coroutine[Any, Any, object]]) -> object:
        """What *call* gives; None if it was cancelled."""
        loop = asyncio.get_running_loop()
        loop.set_task_factory(self._new_task)
        self._main = loop.create_task(call())
        loop.set_task_factory(self._new_task)
        try:
            return await self._main
        except asyncio.CancelledError:
            return None
        finally:
            loop.set_task_factory(None)

    def _new_task(self, loop: Any, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        return asyncio.Task(_Counted(coroutine, self).run(), loop=loop, **options)

    def suspended(self, future: Any) -> None:
        self.suspensions += 1
        if self.suspensions == self.k:
            self.struck = True
            if self.due and future is not None:
                # Ahead of the task's own wake-up, which is not among the callbacks yet.
                future.add_done_callback(lambda _: self._main.cancel())
            else:
                asyncio.get_running_loop().call_soon(self._main.cancel)


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
