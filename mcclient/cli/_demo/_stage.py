"""What every act of the demo uses: the servers, the screen, and a tally that misses nothing."""

from __future__ import annotations

from threading import Lock
from time import perf_counter

from .._screen import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from ...embedded import MemoryServer
    from .._screen import Screen

    T = TypeVar("T")

__all__ = ["PATIENCE", "Stage", "Tally", "timed"]

# Seconds; far more than anything here takes, so that a busy machine changes the times and no more.
PATIENCE = 10.0

_MOST_SHOWN = 5
_LABEL = 40


class Tally:
    """Counts operations, and compares answers. For any number of threads.

    Attributes:
        operations: how many there were; a call with many keys counts for each of them.
        wrong: how many answers were not what they had to be.
        complaints: what was wrong with the first of them.
        seconds: how long it all took.
    """

    def __init__(self) -> None:
        self.operations = 0
        self.wrong = 0
        self.complaints: list[str] = []
        self.seconds = 0.0
        self._lock = Lock()

    def count(self, operations: int) -> None:
        """So many operations that have no answer to be compared."""
        with self._lock:
            self.operations += operations

    def check(self, answer: T, expected: T, operations: int = 1) -> T:
        """The *answer* of so many operations, once it has been compared with the *expected* one."""
        with self._lock:
            self.operations += operations
        if answer != expected:
            self.fail(f"expected {_brief(expected)}, got {_brief(answer)}")
        return answer

    def fail(self, complaint: str) -> None:
        """Something went wrong."""
        with self._lock:
            self.wrong += 1
            if len(self.complaints) < _MOST_SHOWN:
                self.complaints.append(complaint)


class Stage:
    """Where an act is played.

    Attributes:
        screen: what people see.
        servers: the embedded servers; an act may close one, and puts another in its place.
        tally: the running act's.
    """

    def __init__(self, screen: Screen, servers: list[MemoryServer]) -> None:
        self.screen = screen
        self.servers = servers
        self.tally = Tally()

    @property
    def addresses(self) -> list[str]:
        return [server.address for server in self.servers]

    def say(self, label: str, text: str = "") -> None:
        """A line of a report: what was done, and what came of it."""
        self.screen.lines(f"   {label:{_LABEL}} {text}".rstrip())

    def show(self, label: str, answer: T, expected: T, operations: int = 1) -> T:
        """`say` what so many operations have answered, and check it."""
        self.say(label, _brief(answer))
        return self.tally.check(answer, expected, operations)

    def bar(self, label: str, share: float, text: str, width: int = 30) -> None:
        """A line with a bar: *share* (0 to 1) of *width* columns."""
        self.screen.lines(f"   {label:17} {self.screen.bar(share, width)} {text}".rstrip())


def timed(call: Callable[[], T]) -> tuple[T, str]:
    """What *call* gives, and how long it took, in words."""
    since = perf_counter()
    result = call()
    return result, duration(perf_counter() - since)


def _brief(thing: object) -> str:
    text = repr(thing)
    return text if len(text) <= 60 else f"{text[:57]}..."
