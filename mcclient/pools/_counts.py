"""What has happened in a pool so far, in numbers.

Knows how to add up without a lock, whoever adds: threads, finalizers, what is interrupted.
"""

from __future__ import annotations

from itertools import count
from threading import get_ident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NamedTuple

    class PoolStats(NamedTuple):
        """A pool's state and history, as `ClientPool.stats` gives them.

        Attributes:
            size: the slots there are: how many clients can be out at once.
            available: how many can be lent at this moment, those not made yet among them.
            waiting: how many wait for one at this moment.
            requests: how often somebody has asked for a client.
            waited: how many of them had to wait.
            wait_time: how long they have waited, in seconds, all together.
            use_time: how long clients have been lent out and brought back again, in seconds, all
                together; 0.0 unless `timed`.
            opened: the clients made (or joined) so far.
            lost: those that are gone without the pool's doing: dropped, closed by their borrower,
                or found bad by its *check*.
            closed: the others that are gone, by why: "idle", "lifetime", "resize", "drain",
                "fork", "close".
            errors: the requests that got no client, by the error's name.
            timed: whether the pool measures `use_time`.
        """

        size: int
        available: int
        waiting: int
        requests: int
        waited: int
        wait_time: float
        use_time: float
        opened: int
        lost: int
        closed: Mapping[str, int]
        errors: Mapping[str, int]
        timed: bool

else:
    # typing.NamedTuple costs more to import than all that a pool needs.
    from collections import namedtuple

    PoolStats = namedtuple(
        "PoolStats",
        "size available waiting requests waited wait_time use_time opened lost closed errors timed",
    )
    PoolStats.__doc__ = "A pool's state and history, as `ClientPool.stats` gives them."

__all__ = ["Count", "Counts", "CountsByName", "PoolStats", "Sum", "counted"]


def counted(counter: count[int]) -> int:
    """How often ``next`` has been called on *counter*, which began with 0."""
    # There is no other way to ask: what copies it is to leave Python.
    return int(repr(counter)[6:-1])


class Count:
    """Counts. One more is atomic, since it is a single call of C."""

    __slots__ = ("_counter", "add")

    def __init__(self) -> None:
        self._counter = count()
        self.add = self._counter.__next__

    @property
    def value(self) -> int:
        return counted(self._counter)


class CountsByName(dict[str, Count]):
    """A count for each name that has ever come up."""

    __slots__ = ()

    def add(self, name: str) -> None:
        self.setdefault(name, Count()).add()

    def values_by_name(self) -> dict[str, int]:
        return {name: counter.value for name, counter in self.copy().items()}


class Sum(dict[int, float]):
    """Adds up seconds. Each thread has a part of its own, so none needs a lock."""

    __slots__ = ()

    def add(self, seconds: float) -> None:
        me = get_ident()
        self[me] = self.get(me, 0.0) + seconds

    @property
    def value(self) -> float:
        return sum(self.copy().values(), 0.0)


class Counts:
    """All that a pool counts.

    Attributes:
        requests: for ``next``: see `Lender.requests`.
    """

    __slots__ = ("closed", "errors", "opened", "requests", "use_time", "wait_time", "waited")

    def __init__(self) -> None:
        self.requests: count[int] = count()
        self.waited = Count()
        self.wait_time = Sum()
        self.use_time = Sum()
        self.opened = Count()
        self.closed = CountsByName()
        self.errors = CountsByName()
