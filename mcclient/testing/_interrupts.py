"""An interrupt at every point of blocking code, one after the other.

By `sys.settrace`: what a handler of a signal may raise between two lines is raised there, on
purpose.  Knows nothing of clients.
"""

from __future__ import annotations

import dis
import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["InterruptAt", "Interrupted", "interrupt_sweep"]

_NO_POINTS = {dis.opmap["NOP"], dis.opmap["YIELD_VALUE"]}

# Where nothing is struck: finalizers swallow what is raised in them; and the server that a memory
# transport talks to would be another process.
_SHELTERS = {"__del__", "_serve"}

_OURS = ("mcclient", "mcproto")


class Interrupted(KeyboardInterrupt):
    """What an `InterruptAt` raises, as a handler of SIGINT would."""


class InterruptAt:
    """Raises `Interrupted` at the k-th point of the code in a ``with`` block, in this thread.

    A point is where a line begins or a function returns (so that what it returns is lost), in the
    packages that are looked at.  The exception goes on as it would have without this: catch it.

    Args:
        k: which point, from 1 on.
        every_instruction: not lines, but the instructions of the interpreter are points.
        packages: whose code has points; other code is passed over.

    Attributes:
        where: file and function, line, and event of the point that was struck; None: there were
            fewer points.
    """

    def __init__(
        self, k: int, *, every_instruction: bool = False, packages: tuple[str, ...] = _OURS
    ) -> None:
        self.k = k
        self.where: tuple[str, int, str] | None = None
        self._left = k
        self._events = ("opcode", "return") if every_instruction else ("line", "return")
        self._opcodes = every_instruction
        self._folders = _folders(packages)
        self._sheltered = False

    @property
    def struck(self) -> bool:
        """Whether the point was reached."""
        return self.where is not None

    def __enter__(self) -> Self:
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
        if self._sheltered or not code.co_filename.startswith(self._folders):
            return None
        if code.co_name in _SHELTERS:
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
        if event in self._events and code[frame.f_lasti] not in _NO_POINTS:
            self._left -= 1
            if not self._left:
                sys.settrace(None)
                name = frame.f_code.co_filename.rpartition(os.sep)[2]
                self.where = f"{name}:{frame.f_code.co_name}", frame.f_lineno, event
                raise Interrupted
        return self._at_point


def interrupt_sweep(
    *,
    every_instruction: bool = False,
    packages: tuple[str, ...] = _OURS,
    stride: int = 1,
) -> Iterator[InterruptAt]:
    """Strikes, each one point later than the one before; the last one comes to no point.

    ::

        for strike in interrupt_sweep():
            with client.clone() as mc:
                try:
                    with strike:
                        mc.get("k")
                except Interrupted:
                    pass
                assert mc.get("k") == "v", strike.where

    Each turn plays one call from the beginning, so the call must go the same way each time.

    Args:
        every_instruction, packages: as of `InterruptAt`.
        stride: take one point in so many: there may be thousands of them.
    """
    k = 1
    while True:
        strike = InterruptAt(k, every_instruction=every_instruction, packages=packages)
        yield strike
        if not strike.struck:
            return
        k += stride


def _folders(packages: tuple[str, ...]) -> tuple[str, ...]:
    """Where the code of these packages is."""
    folders: list[str] = []
    for name in packages:
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise ValueError(f"packages: there is no {name!r} with Python code")
        places = spec.submodule_search_locations
        folders += [spec.origin] if places is None else [f"{place}{os.sep}" for place in places]
    return tuple(folders)
