"""What some pools do at every loan: look at ages, check, measure, tell.

Knows clocks, limits and observers.  A pool that was asked for none of this lends without its
`Care`, and its shortest way does not even look for one.
"""

from __future__ import annotations

from math import inf
from time import monotonic

from .._errors import MemcacheError, PoolClosed
from .._observers import tell
from ._lender import first
from ._waiting import take_in_task, take_in_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .._observers import Observer
    from ._lender import C, Lender, Life
    from ._waiting import A

__all__ = ["Care", "Reporter"]

# What a check may raise to say that a client is no good. All else is a mistake in the check.
_NO_GOOD = (MemcacheError, OSError)


class Reporter:
    """Tells an observer what happens in the pool of that name."""

    __slots__ = ("_name", "_observer")

    def __init__(self, observer: Observer, name: str) -> None:
        self._observer = observer
        self._name = name

    def waiting(self) -> None:
        tell(self._observer.pool_waiting, self._name)

    def acquired(self, waited: float) -> None:
        tell(self._observer.pool_acquired, self._name, waited)

    def released(self, used: float) -> None:
        tell(self._observer.pool_released, self._name, used)

    def gave_up(self, error: Exception) -> None:
        tell(self._observer.pool_gave_up, self._name, error)

    def created(self) -> None:
        tell(self._observer.pool_created, self._name)

    def closed(self, reason: str) -> None:
        tell(self._observer.pool_closed, self._name, reason)


class Care:
    """How a pool treats its clients beyond lending them.

    Args:
        min_idle: so many may be idle for however long.
        max_idle: seconds without use after which the others are closed.
        max_lifetime: seconds after which a client is replaced, a tenth less at random.
        check: says whether one that has been used before may be lent again.
        timed: whether the time that clients are out is added up.
        chance: a number from 0 to 1, another each time.
        clock: gives seconds.
    """

    __slots__ = ("_chance", "_check", "_max_idle", "_max_lifetime", "_min_idle", "_now", "_timed")

    def __init__(
        self,
        *,
        min_idle: int,
        max_idle: float | None,
        max_lifetime: float | None,
        check: Callable[[Any], object] | None,
        timed: bool,
        chance: Callable[[], float],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._min_idle = min_idle
        self._max_idle = inf if max_idle is None else max_idle
        self._max_lifetime = inf if max_lifetime is None else max_lifetime
        self._check = check
        self._timed = timed
        self._chance = chance
        self._now = clock

    def borrow(self, lender: Lender[C], block: bool, timeout: float | None) -> C:
        """`take_in_thread`, with all that this pool does besides."""
        began = self._now()
        client = take_in_thread(lender, block, timeout)
        try:
            life, reason = self._looked_at(lender, client)
            if reason is None and self._check is not None and life.loans:
                try:
                    verdict = self._check(client)
                except _NO_GOOD:
                    verdict = False
                if hasattr(verdict, "__await__"):
                    raise TypeError("check must not be awaited: the pool's clients are not")
                reason = "check" if verdict is False else None
            return self._lent(lender, client, reason, began)
        except BaseException:
            lender.dismiss(client, "check")
            raise

    async def aborrow(self, lender: Lender[A], block: bool, timeout: float | None) -> A:
        """`borrow` for a task: the same, awaited, and so may the check be."""
        began = self._now()
        client = await take_in_task(lender, block, timeout)
        try:
            life, reason = self._looked_at(lender, client)
            if reason is None and self._check is not None and life.loans:
                try:
                    verdict: Any = self._check(client)
                    if hasattr(verdict, "__await__"):
                        verdict = await verdict
                except _NO_GOOD:
                    verdict = False
                reason = "check" if verdict is False else None
            return self._lent(lender, client, reason, began)
        except BaseException:
            lender.dismiss(client, "check")
            raise

    def bring_back(self, lender: Lender[C], client: C) -> None:
        """`Lender.give_back`, with all that this pool does besides."""
        life = lender.life_of(client)
        if life is None:
            return  # it has been closed with the pool
        now = self._now()
        used = now - life.since
        life.since = now
        if life.ends <= now:
            lender.dismiss(client, "lifetime")
        else:
            lender.give_back(client)
        if self._timed:
            lender.counts.use_time.add(used)
        if lender.reporter is not None:
            lender.reporter.released(used)
        self.tidy(lender, now)

    def tidy(self, lender: Lender[C], now: float) -> None:
        """Close what has been idle for too long."""
        idle = lender.idle
        while len(idle) > self._min_idle:
            client = first(idle)
            if client is None or not self._is_idle_too_long(lender, client, now):
                return
            client = lender.take_coldest()
            if client is None:
                return
            if self._is_idle_too_long(lender, client, now):
                lender.dismiss(client, "idle")
            else:
                lender.put_coldest(client)  # somebody was faster: it is another one

    def christen(self, life: Life[C], now: float) -> None:
        """Say when a client that has just been made will be too old."""
        life.since = now
        life.ends = now + self._max_lifetime * (1 - 0.1 * self._chance())

    def _is_idle_too_long(self, lender: Lender[C], client: C, now: float) -> bool:
        life = lender.life_of(client)
        return life is not None and 0 < life.since < now - self._max_idle

    def _looked_at(self, lender: Lender[C], client: C) -> tuple[Life[C], str | None]:
        """Its life, and why it cannot be lent; None: by its age it can."""
        life = lender.life_of(client)
        if life is None:
            raise PoolClosed("the pool has been closed")
        now = self._now()
        if not life.since:
            self.christen(life, now)
        reason = None
        if life.ends <= now:
            reason = "lifetime"
        elif now - life.since > self._max_idle and len(lender.idle) >= self._min_idle:
            reason = "idle"
        return life, reason

    def _lent(self, lender: Lender[C], client: C, reason: str | None, began: float) -> C:
        if reason is not None:
            client = lender.renew(client, reason)
        now = self._now()
        life = lender.life_of(client)
        if life is not None:
            if not life.since:
                self.christen(life, now)
            life.since = now
            life.loans += 1
        if lender.reporter is not None:
            lender.reporter.acquired(now - began)
        return client
