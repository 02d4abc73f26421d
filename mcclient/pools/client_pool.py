"""`ClientPool`: a number of clients for many threads, or many tasks, to take turns with.

Knows how to wait, for threads and for tasks.  Who gets which client is `_lender`'s business, and
what a client does with its connections is the client's own: a pool opens, checks and mends none.
"""

from __future__ import annotations

import queue
from functools import partial
from threading import TIMEOUT_MAX

from mcproto import InvalidArgument

from .._errors import PoolClosed, PoolEmpty, PoolTimeout
from ._lender import C, Generic, Lender, Ticket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Protocol, TypeVar, overload

    from ._lender import Cloneable

    class Blocking(Cloneable, Protocol):
        """A client whose methods block. It is reserved by ``with``."""

        def close(self) -> None: ...

    class AsyncEvent(Protocol):
        """What a task waits on until another one sets it."""

        def set(self) -> object: ...
        async def wait(self, timeout: float | None = None) -> object:
            """Return as soon as it is set, at the latest after *timeout* seconds."""

    class Awaiting(Cloneable, Protocol):
        """A client whose methods are awaited. It is reserved by ``async with``."""

        async def aclose(self) -> None: ...
        def new_event(self) -> AsyncEvent: ...

    B = TypeVar("B", bound=Blocking)
    A = TypeVar("A", bound=Awaiting)

__all__ = ["AsyncReservation", "ClientPool", "Reservation"]


class ClientPool(queue.Queue["C"]):
    """So many clients, lent to whoever asks: a `queue.Queue` that remembers whom it has lent.

    Over blocking clients it is for threads, and they borrow by ``with pool.reserve() as mc:``.
    Over async ones it is for the tasks of one event loop, and it is ``async with``.

    A clone is made only when one is wanted and all that were made before are lent out; until then
    its slot counts as a client that can be lent. The client that came back last is lent first,
    for its connections are warm. Those who wait are served in the order in which they came, and
    nobody overtakes them. A client that its borrower has dropped has left: its slot is free again.

    Clients are no tasks: `join` returns at once, and `task_done` raises ValueError.

    Args:
        mc: the master. It is cloned, and never lent itself.
        n_slots: how many clones to lend, and the most clients that the pool will ever have. 0: none
            for now, and no such bound; `fill` adds some.

    Raises:
        TypeError: *mc* has no ``clone()``, or *n_slots* is no int.
        InvalidArgument: *n_slots* is negative.
    """

    def __init__(self, mc: C | None = None, n_slots: int = 0) -> None:
        super().__init__(checked_number(n_slots))
        self._lender: Lender[C] = Lender()
        self._slots = 0
        self._door: type[Reservation[C]] | type[AsyncReservation[C]] = Reservation
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
        checked_number(n_slots)
        with self.mutex:
            self._make_room(mc, n_slots)
        self._lender.add_slots(mc, n_slots)

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
            PoolClosed: the pool has been closed, perhaps while you waited.
            TypeError: it was the other kind of ``with``.

        Raises (at once):
            InvalidArgument: *timeout* is negative.
        """
        # No `__init__`: it would add a sixth to the cost of a reservation.
        reservation = self._door()
        reservation.lender = self._lender
        reservation.block = block
        reservation.timeout = timeout if timeout is None else checked_timeout(timeout)
        reservation.client = None
        return reservation

    def get(self, block: bool = True, timeout: float | None = None) -> C:
        """Borrow a client by hand; `put` brings it back.

        Args:
            block: wait for one if all are lent out.
            timeout: wait so many seconds at most; None: without limit. It matters only if *block*.

        Raises:
            PoolEmpty: all are lent out, or others wait already, and *block* is false.
            PoolTimeout: none came free within *timeout* seconds.
            PoolClosed: the pool has been closed, perhaps while you waited.
            TypeError: it would have to wait, and the clients are async: `aget` can.
            InvalidArgument: *timeout* is negative.
        """
        if timeout is not None:
            checked_timeout(timeout)
        lender = self._lender
        client = lender.take()
        if client is None:
            if block and self._door is AsyncReservation:
                raise TypeError("over async clients get() cannot wait: it is `await pool.aget()`")
            client = wait_in_thread(lender, block, timeout)
        return lender.lend_by_hand(client)

    async def aget(self: ClientPool[A], block: bool = True, timeout: float | None = None) -> A:
        """`get` for pools of async clients: the same, awaited.

        Raises:
            TypeError: the clients block: `get` is for those.
        """
        if timeout is not None:
            checked_timeout(timeout)
        if self._door is Reservation:
            raise not_async(self._lender, "over blocking clients it is `pool.get()`")
        lender = self._lender
        client = lender.take()
        if client is None:
            client = await wait_in_task(lender, block, timeout)
        return lender.lend_by_hand(client)

    # A queue calls it `item`, but a pool's items have a name.
    def put(self, client: C, block: bool = True, timeout: float | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Bring back a client that `get` has lent; or let a new one join.

        It never waits: *block* and *timeout* are there because any queue has them. What comes back
        to a closed pool is closed (an async client is only let go of, since that would be to wait).

        Raises:
            queue.Full: it is new, and the pool has `maxsize` clients, here or lent out.
            ValueError: it is here already, or in a ``with`` block that is going to bring it back.
            TypeError: it is new, and has no ``clone()``, or is async where the others are blocking
                (or the other way round).
            PoolClosed: it is new, and the pool has been closed.
        """
        lender = self._lender
        if not lender.owns(client):
            self._let_join(client)
        elif not lender.take_back(client):
            raise ValueError("the client is in the pool already, or reserved by a `with` block")
        lender.give_back(client)

    def qsize(self) -> int:
        """How many clients can be lent at this moment, those not made yet among them."""
        return len(self._lender.idle) + len(self._lender.unopened)

    def empty(self) -> bool:
        """Whether there is none to be lent at this moment."""
        return self.qsize() == 0

    def full(self) -> bool:
        """Whether there are `maxsize` to be lent. Never, if the pool has no bound."""
        return 0 < self.maxsize <= self.qsize()

    def close(self: ClientPool[B]) -> None:
        """Lend nothing from now on, and close every client: idle ones now, lent ones on return.

        Whoever waits, or comes later, gets PoolClosed. To close a closed pool does nothing.

        Raises:
            TypeError: the clients are async: `aclose` is for those.
            Exception: what the first client raised whose ``close()`` did; all have been called.
        """
        if self._door is AsyncReservation:
            raise TypeError("over async clients it is `await pool.aclose()`")
        failure: BaseException | None = None
        for client in self._lender.close():
            try:
                client.close()
            except BaseException as error:
                failure = error if failure is None else failure
        if failure is not None:
            raise failure

    async def aclose(self: ClientPool[A]) -> None:
        """`close` for pools of async clients: the same, awaited. Cancelled, it still closes all.

        Raises:
            TypeError: the clients block: `close` is for those.
        """
        if self._door is Reservation and self._lender.master is not None:
            raise TypeError("over blocking clients it is `pool.close()`")
        failure: BaseException | None = None
        for client in self._lender.close():
            try:
                await client.aclose()
            except BaseException as error:
                failure = error if failure is None else failure
        if failure is not None:
            raise failure

    def shutdown(self: ClientPool[B], immediate: bool = False) -> None:
        """`close`, by the name that queues have for it from Python 3.13 on."""
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._lender.closed else f"{self.qsize()} of {self._slots} to be lent"
        return f"<{type(self).__name__}: {state}>"

    def _make_room(self, mc: C, number: int) -> None:
        # The caller holds `mutex`.
        door = door_for(mc)
        lender = self._lender
        if lender.closed:
            raise PoolClosed("the pool has been closed")
        if lender.master is not None and door is not self._door:
            raise TypeError("a pool cannot have both blocking and async clients")
        if 0 < self.maxsize < self._slots + number:
            raise queue.Full(
                f"{number} more than {self._slots} clients, where {self.maxsize} may be"
            )
        self._slots += number
        self._door = door
        lender.master = mc

    def _let_join(self, client: C) -> None:
        door_for(client)
        # Should it be lost, this is cloned in its stead.
        master = client.clone()
        with self.mutex:
            if self._lender.owns(client):
                raise ValueError("the client is in the pool already")
            self._make_room(master, 1)
            self._lender.adopt(client, master)


class Reservation(Generic[C]):
    """A client for the length of a ``with`` block. `ClientPool.reserve` makes it."""

    __slots__ = ("lender", "block", "timeout", "client")

    lender: Lender[C]
    block: bool
    timeout: float | None
    client: C | None

    # While nobody waits, these two do by themselves what the lender's `take` and `give_back` do:
    # two calls would be a quarter of what a reservation costs.

    def __enter__(self) -> C:
        lender = self.lender
        client = None
        if not lender.queue and not lender.closed:
            try:
                client = lender.idle.pop()
            except IndexError:
                client = None
        if client is None:
            client = lender.take()
            if client is None:
                client = wait_in_thread(lender, self.block, self.timeout)
        self.client = client
        return client

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        client = self.client
        if client is not None:
            # Before all else: what is given back twice is lent twice.
            self.client = None
            lender = self.lender
            if lender.queue or getattr(client, "closed", False):
                lender.give_back(client)
            else:
                lender.idle.append(client)
                if lender.queue or lender.closed:
                    lender.hand_on()

    if not TYPE_CHECKING:
        # Nothing that a checker should know of: they are there to explain.

        def __aenter__(self):
            raise not_async(self.lender, "over blocking clients it is `with pool.reserve()`")

        def __aexit__(self, kind, error, traceback):
            pass


class AsyncReservation(Generic[C]):
    """A client for the length of an ``async with`` block. `ClientPool.reserve` makes it."""

    __slots__ = ("lender", "block", "timeout", "client")

    lender: Lender[C]
    block: bool
    timeout: float | None
    client: C | None

    async def __aenter__(self: AsyncReservation[A]) -> A:
        lender = self.lender
        client = lender.take()
        if client is None:
            client = await wait_in_task(lender, self.block, self.timeout)
        self.client = client
        return client

    async def __aexit__(
        self: AsyncReservation[A],
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        client = self.client
        if client is not None:
            self.client = None
            if self.lender.closed:
                await client.aclose()
            else:
                self.lender.give_back(client)

    if not TYPE_CHECKING:

        def __enter__(self):
            raise TypeError("over async clients it is `async with pool.reserve()`")

        def __exit__(self, kind, error, traceback):
            pass


def nothing_to_lend(lender: Lender[C]) -> str:
    if lender.master is None:
        return "the pool has no clients: ClientPool(mc, n_slots), or fill(mc, n_slots)"
    return "every client is lent out"


def wait_in_thread(lender: Lender[C], block: bool, timeout: float | None) -> C:
    """A client of *lender*, when this thread's turn comes."""
    if not block:
        raise PoolEmpty(nothing_to_lend(lender))
    # Of all that a thread can wait on, this takes no lock of its own when it is set: the waker may
    # be a finalizer that runs in the midst of another waker.
    bell: queue.SimpleQueue[None] = queue.SimpleQueue()
    ticket: Ticket[C] = Ticket(partial(bell.put, None))
    try:
        lender.queue_up(ticket)
        bell.get(timeout=None if timeout is None else min(timeout, TIMEOUT_MAX))
    except BaseException as error:
        # Whether a timeout came too late is for the ticket to say.
        if not isinstance(error, queue.Empty):
            lender.abandon(ticket)
            raise
    return redeemed(lender, ticket, timeout)


async def wait_in_task(lender: Lender[A], block: bool, timeout: float | None) -> A:
    """A client of *lender*, when this task's turn comes."""
    if not block:
        raise PoolEmpty(nothing_to_lend(lender))
    assert lender.master is not None
    event = lender.master.new_event()
    ticket: Ticket[A] = Ticket(event.set)
    try:
        lender.queue_up(ticket)
        await event.wait(timeout)
    except BaseException:
        # Cancelled, perhaps when the turn had come already.
        lender.abandon(ticket)
        raise
    return redeemed(lender, ticket, timeout)


def redeemed(lender: Lender[C], ticket: Ticket[C], timeout: float | None) -> C:
    """The client that has come for *ticket* while its holder waited."""
    client = lender.redeem(ticket)
    if client is not None:
        return client
    if lender.closed:
        raise PoolClosed("the pool has been closed")
    raise PoolTimeout(f"no client came free within {timeout} seconds")


def door_for(client: C) -> type[Reservation[C]] | type[AsyncReservation[C]]:
    """How clients of this kind are reserved."""
    if not callable(getattr(client, "clone", None)):
        raise TypeError(f"mc must be a client, with clone(), not {type(client).__name__}")
    if isinstance(client, type):
        raise TypeError(f"mc must be a client, not a class: {client.__name__}(servers)?")
    if hasattr(client, "aclose") and not hasattr(client, "close"):
        return AsyncReservation
    return Reservation


def not_async(lender: Lender[C], advice: str) -> Exception:
    """What to say to somebody who awaits a pool that has no async clients."""
    if lender.master is None:
        return PoolEmpty("nobody has filled the pool yet")
    return TypeError(advice)


def checked_number(n_slots: int) -> int:
    if not isinstance(n_slots, int):
        raise TypeError(f"n_slots must be an int, not {type(n_slots).__name__}")
    if n_slots < 0:
        raise InvalidArgument(f"n_slots must not be negative: {n_slots}")
    return n_slots


def checked_timeout(timeout: float) -> float:
    if not isinstance(timeout, (int, float)):
        raise TypeError(f"timeout must be a number of seconds, not {type(timeout).__name__}")
    if not timeout >= 0:  # NaN too
        raise InvalidArgument(f"timeout must not be negative: {timeout}")
    return timeout
