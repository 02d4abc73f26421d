"""What it costs to borrow a client and bring it back, in one thread, while nobody waits.

No sockets and no gates: the pools alone, beside pools made of what the standard library has.
"""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from _harness import CannotMeasure, Comparison, Cost, Report, cost_since, held, now, run

from mcclient import Client, ClientPool, ThreadMappedPool

SLOTS = 4
TIMES = range(2000)

RESERVE = "with ClientPool.reserve()"
GET_PUT = "ClientPool: get, put"
MAPPED = "with ThreadMappedPool.reserve()"
QUEUE = "queue.Queue, @contextmanager"
SIMPLE = "SimpleQueue, @contextmanager"
DEQUE = "deque: pop, try, finally append"


class QueuePool:
    """A pool as one writes it with a queue and a generator."""

    def __init__(self, clients: queue.Queue[Client] | queue.SimpleQueue[Client]) -> None:
        self.clients = clients
        for _ in range(SLOTS):
            clients.put(Client("nowhere"))

    @contextmanager
    def reserve(self) -> Iterator[Client]:
        client = self.clients.get(block=False)
        try:
            yield client
        finally:
            self.clients.put(client)


def measured(borrow: Callable[[], Client], idle: Callable[[], int], slots: int) -> Cost:
    """What *borrow* costs, which does it all of TIMES and gives back the client it had last."""
    began = now()
    client = borrow()
    cost = cost_since(began, len(TIMES))
    if type(client) is not Client or idle() != slots:
        raise CannotMeasure(f"{client!r} was lent, and {idle()} of {slots} are here afterwards")
    return cost


def reserving(reserve: Callable[[], AbstractContextManager[Client]]) -> Callable[[], Client]:
    def borrow() -> Client:
        for _ in TIMES:
            with reserve() as client:
                pass
        return client

    return borrow


def getting(get: Callable[[], Client], put: Callable[[Client], object]) -> Callable[[], Client]:
    def borrow() -> Client:
        for _ in TIMES:
            client = get()
            try:
                pass
            finally:
                put(client)
        return client

    return borrow


def measure(seconds: float) -> Report:
    pool, by_hand = ClientPool(Client("nowhere"), SLOTS), ClientPool(Client("nowhere"), SLOTS)
    mapped = ThreadMappedPool(Client("nowhere"))
    queued, simple = QueuePool(queue.Queue()), QueuePool(queue.SimpleQueue())
    bare = deque(Client("nowhere") for _ in range(SLOTS))
    borrows = {
        RESERVE: (reserving(pool.reserve), pool.qsize, SLOTS),
        GET_PUT: (getting(by_hand.get, by_hand.put), by_hand.qsize, SLOTS),
        MAPPED: (reserving(mapped.reserve), mapped.__len__, 1),
        QUEUE: (reserving(queued.reserve), queued.clients.qsize, SLOTS),
        SIMPLE: (reserving(simple.reserve), simple.clients.qsize, SLOTS),
        DEQUE: (getting(bare.pop, bare.append), bare.__len__, SLOTS),
    }
    slices = {way: partial(measured, *borrow) for way, borrow in borrows.items()}
    contest = held("Borrowing a client and bringing it back", slices, "cpu", seconds)
    return Report(
        [contest],
        [Comparison(contest, way, RESERVE, "cpu") for way in (QUEUE, SIMPLE, DEQUE)],
        [],
    )


if __name__ == "__main__":
    run(__doc__, measure)
