"""Threads that run one at a time, and change places exactly where they are told to.

Every step of the code under test (a line, or an instruction) is a point where another thread may
go on. A schedule says where that happens, so that a race is found by search, and found again.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from types import FrameType


class Deadlock(AssertionError):
    """Those that have not finished all wait for one another."""


class Interleaving:
    """Runs *jobs* to their ends, each in a thread of its own, but never two at once.

    Args:
        jobs: what to run.
        files: which sources are looked into; steps elsewhere do not count.
        switches: after how many steps another one goes on, and which of those that can; as often
            as there are any. Afterwards each goes on as far as it can.
        instructions: a step is an instruction, not a line.
    """

    def __init__(
        self,
        jobs: Sequence[Callable[[], None]],
        files: set[str],
        switches: Iterable[tuple[int, int]],
        *,
        instructions: bool = False,
    ) -> None:
        self._files = files
        self._switches = iter(switches)
        self._steps, self._whither = next(self._switches, (-1, 0))
        self._event = "opcode" if instructions else "line"
        self._jobs = jobs
        self._turns = [threading.Semaphore(0) for _ in jobs]
        self._finished = threading.Semaphore(0)
        self._ready = set(range(len(jobs)))
        self._waiting: dict[int, Callable[[], bool]] = {}
        self._current = 0
        self._failures: list[BaseException] = []

    @property
    def is_through(self) -> bool:
        """Whether it came to an end before all the switches were made."""
        return self._steps >= 0

    def run(self) -> None:
        """Returns when all have finished; raises what the first of them raised.

        Raises:
            Deadlock: nobody can go on.
        """
        threads = [
            threading.Thread(target=self._work, args=(number,), daemon=True)
            for number in range(len(self._jobs))
        ]
        for thread in threads:
            thread.start()
        # Finalizers of what happened to be garbage before are no part of this.
        gc.disable()
        try:
            self._turns[0].release()
            self._finished.acquire()
        finally:
            gc.enable()
        if self._failures:
            raise self._failures[0]
        for thread in threads:
            thread.join()

    def lock(self) -> Lock:
        """A lock for the code under test: whoever finds it taken lets others go on."""
        return Lock(self)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """To be called by a job: let others go on until *condition* holds."""
        while not condition():
            me = self._current
            self._ready.discard(me)
            self._waiting[me] = condition
            self._switch_to(self._next())

    def _work(self, number: int) -> None:
        self._turns[number].acquire()
        sys.settrace(self._trace)
        try:
            self._jobs[number]()
        except BaseException as failure:
            self._failures.append(failure)
        finally:
            sys.settrace(None)
            self._ready.discard(number)
            try:
                if self._failures or not (self._ready or self._waiting):
                    self._finished.release()
                else:
                    self._current = self._next()
                    self._turns[self._current].release()
            except Deadlock as failure:
                self._failures.append(failure)
                self._finished.release()

    def _trace(self, frame: FrameType, event: str, arg: object):
        if frame.f_code.co_filename not in self._files:
            return None
        if self._event == "opcode":
            frame.f_trace_opcodes = True
        if event == self._event:
            if self._steps == 0:
                whither = self._whither
                self._steps, self._whither = next(self._switches, (-1, 0))
                if others := sorted(self._able() - {self._current}):
                    self._switch_to(others[whither % len(others)])
            else:
                self._steps -= 1
        return self._trace

    def _able(self) -> set[int]:
        for who, holds in list(self._waiting.items()):
            if holds():
                del self._waiting[who]
                self._ready.add(who)
        return self._ready

    def _next(self) -> int:
        if able := self._able():
            return min(able)
        raise Deadlock(f"{len(self._waiting)} wait for something that nobody will do")

    def _switch_to(self, chosen: int) -> None:
        me, self._current = self._current, chosen
        if me != chosen:
            self._turns[chosen].release()
            self._turns[me].acquire()


class Lock:
    def __init__(self, steps: Interleaving) -> None:
        self._steps = steps
        self._taken = False

    def __enter__(self) -> None:
        self._steps.wait_until(lambda: not self._taken)
        self._taken = True

    def __exit__(self, *exc: object) -> None:
        self._taken = False
