"""Many conversations at once, in one thread, on one selector: its own or anybody's.

A job is a generator that yields what it waits for: see `_sockets`.  Each has its own deadlines, and
comes to its own end; none waits for another.
"""

from __future__ import annotations

import selectors
from time import monotonic

from ._deadline import LONGEST
from ._exchange import FAILURES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from typing import Generic, TypeVar

    from . import HasDescriptor, Wait

    R = TypeVar("R")
else:
    from .._typing import Generic

    R = object

__all__ = ["Together", "run_all"]


class Together(Generic[R]):
    """Jobs that go on as their sockets are ready, on a selector that may have others' on it.

    ::

        with Together(selector, jobs) as together:
            while not together.is_done:
                together.go_on(selector.select(together.timeout()))
            print(together.outcomes())

    All begin with the first `go_on`, which never waits.  What it is given of others' keys it leaves
    alone, so that a program may hand it all that its own loop has selected.

    Args:
        selector: where the jobs' sockets are registered while they wait.
        jobs: such as `SelectorBackend.connecting` and `SelectorBackend.exchanging` give, or
            generators of yours that ``yield from`` those.
        failures: what may end one job and is then its outcome. All else is raised by `go_on`.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        jobs: Iterable[Generator[Wait, None, R]],
        failures: tuple[type[Exception], ...] = FAILURES,
    ) -> None:
        self._selector = selector
        self._failures = failures
        self._outcomes: dict[int, R | Exception] = {}
        waiting = [_Job(number, steps) for number, steps in enumerate(jobs)]
        self._count = len(waiting)
        # By their ids, since what others have on their keys may be anything.
        self._waiting = {id(job): job for job in waiting}
        # None has begun: an interruption on the way out of here would leave them to nobody.
        self._has_begun = False

    @property
    def is_done(self) -> bool:
        """Whether all have come to their ends."""
        return not self._waiting

    def timeout(self) -> float | None:
        """The seconds until `go_on` must be called, whatever is ready; None: no limit."""
        earliest = min([job.deadline for job in self._waiting.values()], default=0.0)  # 0: begin
        seconds = earliest - monotonic()
        return None if seconds > LONGEST else max(0.0, seconds)

    def go_on(self, ready: Iterable[tuple[selectors.SelectorKey, int]] = ()) -> None:
        """Take all steps that need no waiting, and end what is out of time.

        Args:
            ready: what the selector's `select` has given.
        """
        try:
            if not self._has_begun:
                self._has_begun = True
                for job in list(self._waiting.values()):
                    self._step(job)
            for key, _ in ready:
                ready_one = self._waiting.get(id(key.data))
                if ready_one is not None:
                    self._step(ready_one)
            now = monotonic()
            for job in [job for job in self._waiting.values() if job.deadline <= now]:
                self._step(job, TimeoutError("the deadline has passed"))
        except BaseException:
            self.close()
            raise

    def outcomes(self) -> list[R | Exception]:
        """What has come of each, in the order of the jobs: a result, or what ended it. Once.

        Raises:
            RuntimeError: not all have come to their ends, or they have been asked for already.
        """
        if len(self._outcomes) < self._count:
            raise RuntimeError("not all jobs have come to their ends")
        # Handed over: errors hold the frames that they came through, and those this object.
        return [self._outcomes.pop(number) for number in range(self._count)]

    def close(self) -> None:
        """Give up what has not come to its end. Its connections are not idle, or closed."""
        while self._waiting:
            _, job = self._waiting.popitem()
            self._look_for(job, None, 0)
            job.steps.close()

    def __enter__(self) -> Together[R]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _step(self, job: _Job[R], late: TimeoutError | None = None) -> None:
        try:
            what, events, deadline = next(job.steps) if late is None else job.steps.throw(late)
        except StopIteration as stop:
            self._outcomes[job.number] = stop.value
        except self._failures as error:
            self._outcomes[job.number] = error
        else:
            job.deadline = deadline
            self._look_for(job, what, events)
            return
        self._look_for(job, None, 0)
        del self._waiting[id(job)]

    def _look_for(self, job: _Job[R], what: HasDescriptor | None, events: int) -> None:
        # By the object, not by its descriptor: what has been closed in between may have left its
        # number to another.
        if job.what is what and job.events == events:
            return
        before, job.what = job.what, what
        job.events = events
        if before is not None and before is what:
            self._selector.modify(before, events, job)
            return
        if before is not None:
            try:
                self._selector.unregister(before)
            except (KeyError, ValueError):
                pass  # an interruption was faster
        if what is not None:
            self._selector.register(what, events, job)


class _Job(Generic[R]):
    __slots__ = ("deadline", "events", "number", "steps", "what")

    def __init__(self, number: int, steps: Generator[Wait, None, R]) -> None:
        self.number = number
        self.steps = steps
        self.deadline = 0.0
        self.what: HasDescriptor | None = None
        self.events = 0


def run_all(
    jobs: Iterable[Generator[Wait, None, R]], failures: tuple[type[Exception], ...] = FAILURES
) -> list[R | Exception]:
    """All of them at once, to their ends; what has come of each."""
    with (
        selectors.DefaultSelector() as selector,
        Together(selector, jobs, failures) as together,
    ):
        _run(together, selector)
        return together.outcomes()


def _run(together: Together[R], selector: selectors.BaseSelector) -> None:
    # Not in the `with` itself: what a signal handler raises where a loop jumps back passes by the
    # ends of the blocks that the loop stands in (CPython 3.13).
    while not together.is_done:
        together.go_on(selector.select(together.timeout()))
