"""A client for the length of a block: ``with`` for threads, ``async with`` for tasks.

Knows the shortest way to a client, and when it cannot be taken.
"""

from __future__ import annotations

from mcproto._typing import Generic

from .._errors import PoolEmpty
from ._lender import C
from ._waiting import take_in_task, take_in_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from ._lender import Lender
    from ._waiting import A

__all__ = ["AsyncReservation", "CarefulReservation", "Reservation", "not_async"]


class Reservation(Generic[C]):
    """A client for the length of a ``with`` block. `ClientPool.reserve` makes it."""

    # No `__init__`: it would add a sixth to the cost of a reservation.
    __slots__ = ("lender", "block", "timeout", "client")

    lender: Lender[C]
    block: bool
    timeout: float | None
    client: C | None

    # While nobody waits, these two do by themselves what the lender's `take` and `give_back` do:
    # two calls would be a quarter of what a reservation costs.

    def __enter__(self) -> C:
        lender = self.lender
        next(lender.requests)
        if lender.queue or lender.leaving:
            client = None
        else:
            try:
                client = lender.idle.pop()
            except IndexError:
                client = None
        if client is None:
            client = take_in_thread(lender, self.block, self.timeout)
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
            try:
                # `getattr` costs three times as much where there is one, as with ours.
                closed = client.closed  # type: ignore[attr-defined]
            except AttributeError:
                closed = False
            if closed or lender.queue or lender.leaving:
                lender.give_back(client)
            else:
                lender.idle.append(client)
                if lender.queue or lender.leaving:
                    lender.hand_on()

    if not TYPE_CHECKING:
        # Nothing that a checker should know of: they are there to explain.

        def __aenter__(self):
            raise not_async(self.lender, "over blocking clients it is `with pool.reserve()`")

        def __aexit__(self, kind, error, traceback):
            pass


class CarefulReservation(Reservation[C]):
    """The same, from a pool that has more to do at every loan."""

    __slots__ = ()

    def __enter__(self) -> C:
        lender = self.lender
        next(lender.requests)
        assert lender.care is not None
        client = self.client = lender.care.borrow(lender, self.block, self.timeout)
        return client

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        client = self.client
        if client is not None:
            self.client = None
            assert self.lender.care is not None
            self.lender.care.bring_back(self.lender, client)


class AsyncReservation(Generic[C]):
    """A client for the length of an ``async with`` block. `ClientPool.reserve` makes it."""

    __slots__ = ("lender", "block", "timeout", "client")

    lender: Lender[C]
    block: bool
    timeout: float | None
    client: C | None

    async def __aenter__(self: AsyncReservation[A]) -> A:
        lender = self.lender
        next(lender.requests)
        if lender.care is None:
            client = await take_in_task(lender, self.block, self.timeout)
        else:
            client = await lender.care.aborrow(lender, self.block, self.timeout)
        self.client = client
        return client

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        client = self.client
        if client is not None:
            self.client = None
            lender = self.lender
            if lender.care is None:
                lender.give_back(client)
            else:
                lender.care.bring_back(lender, client)

    if not TYPE_CHECKING:

        def __enter__(self):
            raise TypeError("over async clients it is `async with pool.reserve()`")

        def __exit__(self, kind, error, traceback):
            pass


def not_async(lender: Lender[C], advice: str) -> Exception:
    """What to say to somebody who awaits a pool that has no async clients."""
    if lender.master is None:
        return PoolEmpty("nobody has filled the pool yet")
    return TypeError(advice)
