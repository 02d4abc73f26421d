"""`ClientPool`: a number of clients for many threads, or many tasks, to take turns with.

Knows what may be asked of a pool, and checks it. Who gets which client is `_lender`'s business,
waiting is `_waiting`'s, and what a client does with its connections is the client's own.
"""

from __future__ import annotations

import queue
from math import inf
from threading import Lock
from time import monotonic

from mcproto import InvalidArgument

from .._errors import MemcacheError, PoolClosed
from .._fork import tell_after_fork
from .._observers import Observer
from ._care import Care, Reporter
from ._closing import aclose_all, close_all
from ._counts import PoolStats, counted
from ._lender import C, Lender
from ._reservations import AsyncReservation, CarefulReservation, Reservation, not_async
from ._waiting import take_in_task, take_in_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypedDict, overload

    from ._waiting import A, B

    class PoolOptions(TypedDict, total=False):
        """What `ClientPool` takes besides a master and a number."""

        max_waiting: int
        min_idle: int
        max_idle: float | None
        max_lifetime: float | None
        check: Callable[[Any], object] | None
        timed: bool
        observer: Observer | None
        name: str | None


__all__ = ["ClientPool", "pool_of"]

# Why a client is gone that nobody meant to be.
_LOST = ("closed", "check")


class ClientPool(queue.Queue["C"]):
    """So many clients, lent to whoever asks: a `queue.Queue` that remembers whom it has lent.

    Over blocking clients it is for threads, and they borrow by ``with pool.reserve() as mc:``.
    Over async ones it is for the tasks of one event loop, and it is ``async with``.

    A clone is made only when one is wanted and all that were made before are lent out; until then
    its slot counts as a client that can be lent. The client that came back last is lent first,
    for its connections are warm. Those who wait are served in the order in which they came, and
    nobody overtakes them. A client that its borrower has dropped has left: its slot is free again.

    A pool has no thread of its own: what is too old is closed when somebody borrows or brings
    back. In a forked child the pool is whole and its clients connect anew; nobody waits there, and
    what the parent's other threads had borrowed is theirs.

    Clients are no tasks: `join` returns at once, and `task_done` raises ValueError.

    Args:
        mc: the master. It is cloned, and never lent itself.
        n_slots: how many clones to lend, and the most clients that the pool will ever have. 0: none
            for now, and no such bound; `fill` adds some.
        max_waiting: how many may wait at once; who comes then gets `TooManyWaiting`.
        min_idle: so many clients are made when the pool is filled, and connected if they block
            (else: `awarm_up`); as many are spared by *max_idle*.
        max_idle: seconds without use after which a client is closed. None: it is kept.
        max_lifetime: seconds after which a client is replaced, when it is not lent out; up to a
            tenth less, at random, lest all of them go at once. None: never.
        check: is called with every client that has been used before, when it is to be lent again
            (over async clients it may be a coroutine function). If it gives False, or raises a
            `MemcacheError` or an OSError, a new client takes that one's place. It need not look
            whether connections are alive: clients do.
        timed: add up how long clients are out, for `stats`; two looks at the clock for each loan.
        observer: is told what happens; by default *mc*'s.
        name: what the observer knows the pool by.

    Attributes:
        name: it, or a number.

    Raises:
        TypeError: *mc* has no ``clone()``, or another argument has the wrong type.
        InvalidArgument: a number is negative.
    """

    def __init__(
        self,
        mc: C | None = None,
        n_slots: int = 0,
        *,
        max_waiting: int = 10_000,
        min_idle: int = 0,
        max_idle: float | None = None,
        max_lifetime: float | None = None,
        check: Callable[[C], object] | None = None,
        timed: bool = False,
        observer: Observer | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(checked_number("n_slots", n_slots))
        # Whoever changes the number of slots. (The queues that gevent puts in have no such lock.)
        self.mutex = Lock()
        self._bound = n_slots  # `maxsize` is None there, where there is no bound
        self.name = str(id(self)) if name is None else name
        self._min_idle = checked_number("min_idle", min_idle)
        self._lender: Lender[C] = Lender(checked_number("max_waiting", max_waiting))
        self._is_async = False
        self._door: type[Reservation[C]] | type[AsyncReservation[C]] = Reservation
        for limit, seconds in ("max_idle", max_idle), ("max_lifetime", max_lifetime):
            if seconds is not None:
                checked_seconds(limit, seconds)
        if check is not None and not callable(check):
            raise TypeError(f"check must be callable, not {type(check).__name__}")
        if observer is not None and not isinstance(observer, Observer):
            raise TypeError(f"observer must be an Observer, not {type(observer).__name__}")
        self._has_care = bool(timed or check) or not max_idle is max_lifetime is None
        self._care = Care(
            min_idle=min_idle,
            max_idle=max_idle,
            max_lifetime=max_lifetime,
            check=check,
            timed=timed,
            chance=_chance if max_lifetime is None else _random(),
        )
        self._timed = timed
        self._observe(observer)
        tell_after_fork(self._start_anew)
        if mc is not None:
            self.fill(mc, n_slots)

    def fill(self, mc: C, n_slots: int) -> None:
        """Lend *n_slots* clones of *mc* more.

        Raises:
            queue.Full: they would be more than `maxsize`. None has been added.
            TypeError: *mc* has no ``clone()``, or is async where the others are blocking (or the
                other way round), or *n_slots* is no int.
            InvalidArgument: *n_slots* is negative.
            PoolClosed: the pool has been closed.
        """
        checked_number("n_slots", n_slots)
        with self.mutex:
            self._make_room(mc, n_slots)
            self._lender.add_slots(mc, n_slots)
        if self._min_idle:
            self._lender.warm(self._min_idle)
            if not self._is_async:
                self._connect_idle()

    def resize(self, n_slots: int) -> None:
        """Have *n_slots* slots from now on, and no more (0: none, and no bound).

        New ones are filled by clones of the master that came last. Where there are too many, those
        go that are not lent, the coldest first; of the others, as they come back.

        Raises:
            TypeError: *n_slots* is no int.
            InvalidArgument: *n_slots* is negative.
            PoolClosed: the pool has been closed.
        """
        checked_number("n_slots", n_slots)
        lender = self._lender
        with self.mutex:
            if lender.closed:
                raise PoolClosed("the pool has been closed")
            self.maxsize = self._bound = n_slots
            lender.shrink_to(n_slots)
            if lender.master is not None:
                lender.add_slots(lender.master, n_slots - len(lender.rights))

    def drain(self) -> None:
        """Replace every client by a new one: idle ones now, lent ones when they come back.

        For when the world has changed: credentials, an address, a certificate.
        """
        self._lender.drain()

    async def awarm_up(self: ClientPool[A]) -> int:
        """Connect the *min_idle* clients of a pool of async clients; how many could be.

        What fails is for the client's next user to see; the rest is not tried any more.
        """
        lender = self._lender
        clients: list[A] = []
        try:
            while len(clients) < self._min_idle:
                client = lender.take()
                if client is None:
                    break
                clients.append(client)
                connect = getattr(client, "version", None)
                if connect is not None:
                    try:
                        await connect()
                    except (MemcacheError, OSError):
                        return len(clients) - 1
            return len(clients)
        finally:
            while clients:
                lender.give_back(clients.pop())

    if TYPE_CHECKING:
        # Checkers reject the wrong `with` by this.

        @overload
        def reserve(
            self: ClientPool[B], block: bool = ..., timeout: float | None = ...
        ) -> Reservation[B]: ...
        @overload
        def reserve(
            self: ClientPool[A], block: bool = ..., timeout: float | None = ...
        ) -> AsyncReservation[A]: ...

    def reserve(
        self, block: bool = False, timeout: float | None = None
    ) -> Reservation[Any] | AsyncReservation[Any]:
        """Borrow a client for the length of a ``with`` block (over async clients: ``async with``).

        However the block ends, the client comes back. It need not be left tidy.

        Args:
            block: wait for one if all are lent out.
            timeout: wait so many seconds at most; None: without limit. It matters only if *block*.

        Raises (as the block is entered):
            PoolEmpty: all are lent out, or others wait already, and *block* is false.
            PoolTimeout: none came free within *timeout* seconds.
            TooManyWaiting: *max_waiting* others wait already.
            PoolClosed: the pool has been closed, perhaps while you waited.
            TypeError: it was the other kind of ``with``.

        Raises (at once):
            InvalidArgument: *timeout* is negative.
        """
        reservation = self._door()
        reservation.lender = self._lender
        reservation.block = block
        reservation.timeout = timeout if timeout is None else checked_seconds("timeout", timeout)
        return reservation

    def get(self, block: bool = True, timeout: float | None = None) -> C:
        """Borrow a client by hand; `put` brings it back.

        Args:
            block: wait for one if all are lent out.
            timeout: wait so many seconds at most; None: without limit. It matters only if *block*.

        Raises:
            PoolEmpty: all are lent out, or others wait already, and *block* is false.
            PoolTimeout: none came free within *timeout* seconds.
            TooManyWaiting: *max_waiting* others wait already.
            PoolClosed: the pool has been closed, perhaps while you waited.
            TypeError: it would have to wait, and the clients are async: `aget` can.
            InvalidArgument: *timeout* is negative.
        """
        if timeout is not None:
            checked_seconds("timeout", timeout)
        lender = self._lender
        if block and self._is_async and self.empty() and not lender.closed:
            raise TypeError("over async clients get() cannot wait: it is `await pool.aget()`")
        next(lender.requests)
        # A task that does not wait can take what there is, as a thread does.
        block = block and not self._is_async
        if lender.care is None:
            client = take_in_thread(lender, block, timeout)
        else:
            client = lender.care.borrow(lender, block, timeout)
        return lender.lend_by_hand(client)

    async def aget(self: ClientPool[A], block: bool = True, timeout: float | None = None) -> A:
        """`get` for pools of async clients: the same, awaited.

        Raises:
            TypeError: the clients block: `get` is for those.
        """
        if timeout is not None:
            checked_seconds("timeout", timeout)
        if not self._is_async:
            raise not_async(self._lender, "over blocking clients it is `pool.get()`")
        lender = self._lender
        next(lender.requests)
        if lender.care is None:
            client = await take_in_task(lender, block, timeout)
        else:
            client = await lender.care.aborrow(lender, block, timeout)
        return lender.lend_by_hand(client)

    # A queue calls it `item`, but a pool's items have a name.
    def put(self, client: C, block: bool = True, timeout: float | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Bring back a client that `get` has lent; or let a new one join.

        It never waits: *block* and *timeout* are there because any queue has them. What comes back
        to a pool that `shutdown` has closed is closed.

        Raises:
            queue.Full: it is new, and the pool has `maxsize` clients, here or lent out.
            ValueError: it is here already, or in a ``with`` block that is going to bring it back.
            TypeError: it is new, and has no ``clone()``, or is async where the others are blocking
                (or the other way round).
            PoolClosed: it is new, and the pool has been closed.
        """
        lender = self._lender
        if lender.take_back(client):
            if lender.care is None:
                lender.give_back(client)
            else:
                lender.care.bring_back(lender, client)
        elif lender.owns(client):
            raise ValueError("the client is in the pool already, or reserved by a `with` block")
        elif not lender.has_closed(client):
            self._let_join(client)
            lender.give_back(client)

    def qsize(self) -> int:
        """How many clients can be lent at this moment, those not made yet among them."""
        return len(self._lender.idle) + len(self._lender.unopened)

    def empty(self) -> bool:
        """Whether there is none to be lent at this moment."""
        return self.qsize() == 0

    def full(self) -> bool:
        """Whether there are `maxsize` to be lent. Never, if the pool has no bound."""
        return 0 < self._bound <= self.qsize()

    def stats(self) -> PoolStats:
        """What the pool has, and what has happened in it so far.

        A look at a moving thing: while others borrow, the numbers are of slightly different
        moments.
        """
        lender = self._lender
        counts = lender.counts
        closed = counts.closed.values_by_name()
        meant = {why: number for why, number in closed.items() if why not in _LOST}
        opened = counts.opened.value
        return PoolStats(
            size=len(lender.rights),
            available=self.qsize(),
            waiting=lender.waiting,
            requests=counted(counts.requests),
            waited=counts.waited.value,
            wait_time=counts.wait_time.value,
            use_time=counts.use_time.value,
            opened=opened,
            # Who has been dropped cannot say so: it is missing.
            lost=max(0, opened - lender.living - sum(meant.values())),
            closed=meant,
            errors=counts.errors.values_by_name(),
            timed=self._timed,
        )

    def close(self: ClientPool[B]) -> None:
        """Lend nothing from now on, and close every client, here or lent out.

        Whoever waits, or comes later, gets PoolClosed. Calls in progress end at once, with
        `ClientClosed`. (To let them end in their own time: `shutdown`.) To close a closed pool does
        nothing.

        Raises:
            TypeError: the clients are async: `aclose` is for those.
            Exception: what the first client raised whose ``close()`` did; all have been called.
        """
        self._close(lent=True)

    async def aclose(self: ClientPool[A]) -> None:
        """`close` for pools of async clients: the same, awaited. Cancelled, it still closes all.

        Raises:
            TypeError: the clients block: `close` is for those.
        """
        if not self._is_async and self._lender.master is not None:
            raise TypeError("over blocking clients it is `pool.close()`")
        await aclose_all(self._lender.close())

    def shutdown(self: ClientPool[B], immediate: bool = False) -> None:
        """Lend nothing from now on, and close every client: lent ones as they come back.

        What queues have under this name from Python 3.13 on.

        Args:
            immediate: close the lent ones now, as `close` does.

        Raises:
            TypeError: the clients are async: `aclose` is for those.
        """
        self._close(lent=immediate)

    @property
    def lender(self) -> Lender[C]:
        """Who gets which client next: for what is built on a pool."""
        return self._lender

    def __repr__(self) -> str:
        lender = self._lender
        if lender.closed:
            state = "closed"
        else:
            state = f"{self.qsize()} of {len(lender.rights)} to be lent"
            if lender.waiting:
                state += f", {lender.waiting} waiting"
        return f"<{type(self).__name__}: {state}>"

    def _close(self: ClientPool[B], lent: bool) -> None:
        if self._is_async:
            raise TypeError("over async clients it is `await pool.aclose()`")
        close_all(self._lender.close(lent))

    def _observe(self, observer: Observer | None) -> None:
        lender = self._lender
        if observer is not None:
            lender.reporter = Reporter(observer, self.name)
            self._has_care = True
        if self._has_care:
            lender.care = self._care

    def _make_room(self, mc: C, number: int) -> None:
        # The caller holds `mutex`.
        is_async = is_awaited(mc)
        lender = self._lender
        if lender.closed:
            raise PoolClosed("the pool has been closed")
        if lender.master is not None and is_async is not self._is_async:
            raise TypeError("a pool cannot have both blocking and async clients")
        size = len(lender.rights)
        if 0 < self._bound < size + number:
            raise queue.Full(f"{number} more than {size} clients, where {self._bound} may be")
        observer = getattr(mc, "observer", None)
        if lender.reporter is None and isinstance(observer, Observer):
            self._observe(observer)
        self._is_async = is_async
        if is_async:
            self._door = AsyncReservation
        elif self._has_care:
            self._door = CarefulReservation
        lender.master = mc

    def _let_join(self, client: C) -> None:
        is_awaited(client)
        # Should it be lost, this is cloned in its stead.
        master = client.clone()
        with self.mutex:
            if self._lender.owns(client):
                raise ValueError("the client is in the pool already")
            self._make_room(master, 1)
            self._lender.adopt(client, master)

    def _connect_idle(self) -> None:
        """Connect the idle clients, until one of them cannot be."""
        lender = self._lender
        clients: list[C] = []
        try:
            while len(clients) < self._min_idle:
                client = lender.take()
                if client is None:
                    return
                clients.append(client)
                connect = getattr(client, "version", None)
                if connect is not None:
                    try:
                        connect()
                    except (MemcacheError, OSError):
                        return
        finally:
            now = monotonic()
            while clients:
                client = clients.pop()
                life = lender.life_of(client)
                if life is not None:
                    self._care.christen(life, now)
                lender.give_back(client)

    def _start_anew(self) -> None:
        # In a forked child. Another thread of the parent's may have held the lock.
        super().__init__(self._bound)
        self.mutex = Lock()
        self._lender.start_anew()


def pool_of(
    mc: C | ClientPool[C], n_slots: int, options: PoolOptions, kind: type[C], manner: str
) -> ClientPool[C]:
    """The pool of a pooled client, from what it has been given.

    Raises:
        TypeError: *mc* is neither of that *kind* nor a pool of such.
        InvalidArgument: it would never have a client to lend.
    """
    if isinstance(mc, ClientPool):
        if options:
            raise TypeError(f"a pool has its options already: {', '.join(options)}")
        master = mc.lender.master
        if master is None:
            raise InvalidArgument("mc must be a pool that has been filled")
        if not isinstance(master, kind):
            raise TypeError(f"mc must be a pool of {manner} clients, of {kind.__name__}")
        return mc
    if not isinstance(mc, kind):
        article = "an" if kind.__name__[0] in "AEIOU" else "a"
        what = f"{article} {kind.__name__} or a pool of such"
        raise TypeError(f"mc must be {what}, not {type(mc).__name__}")
    if checked_number("n_slots", n_slots) < 1:
        raise InvalidArgument("n_slots must be 1 or more")
    return ClientPool(mc, n_slots, **options)


def is_awaited(client: object) -> bool:
    """Whether it is an async client; TypeError if it is none at all."""
    if not callable(getattr(client, "clone", None)):
        raise TypeError(f"mc must be a client, with clone(), not {type(client).__name__}")
    if isinstance(client, type):
        raise TypeError(f"mc must be a client, not a class: {client.__name__}(servers)?")
    return hasattr(client, "aclose") and not hasattr(client, "close")


def checked_number(name: str, number: int) -> int:
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError(f"{name} must be an int, not {type(number).__name__}")
    if number < 0:
        raise InvalidArgument(f"{name} must not be negative: {number}")
    return number


def checked_seconds(name: str, seconds: float) -> float:
    if not isinstance(seconds, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {type(seconds).__name__}")
    if not 0 <= seconds <= inf:  # NaN too
        raise InvalidArgument(f"{name} must not be negative: {seconds}")
    return seconds


def _chance() -> float:
    return 0.0


def _random() -> Callable[[], float]:
    import random

    return random.random
