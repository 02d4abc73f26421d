"""Taking a client, and if need be waiting for it: in a thread, or in a task.

Who gets which client is `_lender`'s business. Here is what waits, and what is said to whoever
gets none.
"""

from __future__ import annotations

import queue
from threading import TIMEOUT_MAX
from time import monotonic

from .._errors import PoolClosed, PoolEmpty, PoolTimeout
from ._lender import Ticket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol, TypeVar

    from ._lender import C, Cloneable, Lender

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

__all__ = ["nothing_to_lend", "take_in_task", "take_in_thread"]


def take_in_thread(lender: Lender[C], block: bool, timeout: float | None) -> C:
    """A client of *lender*; if there is none and *block*, when this thread's turn comes.

    Raises:
        PoolEmpty, PoolTimeout, TooManyWaiting, PoolClosed: see `ClientPool.reserve`.
        Exception: whatever `clone` raises.
    """
    try:
        # Where there is a queue already, its end is the only place to go to.
        client = None if block and lender.queue else lender.take()
        if client is None:
            client = _wait_in_thread(lender, block, timeout)
    except Exception as error:
        lender.gave_up(error)
        raise
    return client


async def take_in_task(lender: Lender[A], block: bool, timeout: float | None) -> A:
    """`take_in_thread` for a task: the same, awaited."""
    try:
        client = None if block and lender.queue else lender.take()
        if client is None:
            client = await _wait_in_task(lender, block, timeout)
    except Exception as error:
        lender.gave_up(error)
        raise
    return client


def nothing_to_lend(lender: Lender[C]) -> str:
    """Why there is none."""
    if lender.master is None:
        return "the pool has no clients: ClientPool(mc, n_slots), or fill(mc, n_slots)"
    return "every client is lent out"


def _wait_in_thread(lender: Lender[C], block: bool, timeout: float | None) -> C:
    if not block:
        raise PoolEmpty(nothing_to_lend(lender))
    # Of all that a thread can wait on, this takes no lock of its own when it is set: the waker may
    # be a finalizer that runs in the midst of another waker.
    bell: queue.SimpleQueue[None] = queue.SimpleQueue()
    ticket: Ticket[C] = Ticket(bell.put)
    began = monotonic()
    try:
        lender.queue_up(ticket)
        lender.waits()
        try:
            bell.get(True, timeout if timeout is None or timeout < TIMEOUT_MAX else TIMEOUT_MAX)
        except queue.Empty:
            pass  # whether it came too late is for the ticket to say
        finally:
            lender.counts.wait_time.add(monotonic() - began)
    except BaseException:
        lender.abandon(ticket)
        raise
    return _redeemed(lender, ticket, timeout)


async def _wait_in_task(lender: Lender[A], block: bool, timeout: float | None) -> A:
    if not block:
        raise PoolEmpty(nothing_to_lend(lender))
    assert lender.master is not None
    event = lender.master.new_event()
    ticket: Ticket[A] = Ticket(lambda _: event.set())
    began = monotonic()
    try:
        lender.queue_up(ticket)
        lender.waits()
        try:
            await event.wait(timeout)
        finally:
            lender.counts.wait_time.add(monotonic() - began)
    except BaseException:
        # Cancelled, perhaps when the turn had come already.
        lender.abandon(ticket)
        raise
    return _redeemed(lender, ticket, timeout)


def _redeemed(lender: Lender[C], ticket: Ticket[C], timeout: float | None) -> C:
    """The client that has come for *ticket* while its holder waited."""
    client = lender.redeem(ticket)
    if client is not None:
        return client
    if lender.closed:
        raise PoolClosed("the pool has been closed")
    raise PoolTimeout(f"no client came free within {timeout} seconds")
