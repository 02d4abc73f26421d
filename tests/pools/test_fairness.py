"""A thousand threads on ten clients: who came first is served first, and nobody starves.

The verdict is about order, which is counted. How long they wait is printed (``-s`` shows it), and
only a gross miss fails: machines have their moods.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from time import monotonic, sleep

import pytest

from mcclient import Client, ClientPool, ConnectionLost
from mcclient.pools._lender import Ticket
from mcclient.testing import Peer, ScriptedServer
from tests.pools.clients import BlockingClient
from tests.pools.test_client_pool import Thread, wait_until_waiting


class Witnessed(deque[Ticket[BlockingClient]]):
    """A queue that knows in what order tickets came, and in what order they left."""

    def __init__(self, tickets: Iterable[Ticket[BlockingClient]] = ()) -> None:
        super().__init__(tickets)
        self.came: list[Ticket[BlockingClient]] = []
        self.left: list[Ticket[BlockingClient]] = []
        self._lock = threading.Lock()

    def append(self, ticket: Ticket[BlockingClient]) -> None:
        with self._lock:
            super().append(ticket)
            self.came.append(ticket)

    def remove(self, ticket: Ticket[BlockingClient]) -> None:
        with self._lock:
            super().remove(ticket)
            self.left.append(ticket)


def crowd(threads: int, slots: int, rounds: int, seconds: float) -> tuple[int, list[float]]:
    """Everybody takes his turns: the violations of order, and the waits of all but each's first."""
    pool = ClientPool(BlockingClient(), slots)
    queue = pool.lender.queue = Witnessed()
    waits: list[float] = []
    everybody = threading.Barrier(threads)

    def work() -> None:
        everybody.wait(60)
        for turn in range(rounds):
            began = monotonic()
            with pool.reserve(block=True, timeout=60):
                waited = monotonic() - began
                sleep(seconds)  # what is lent is used
            if turn:
                waits.append(waited)

    stack = threading.stack_size(256 * 1024)
    try:
        crew = [Thread(work) for _ in range(threads)]
    finally:
        threading.stack_size(stack)
    for thread in crew:
        thread.join(120)
        assert thread.outcome is None
    assert pool.full()
    assert pool.stats().requests == threads * rounds
    assert len(queue.came) == len(queue.left) == pool.stats().waited
    violations = sum([came is not left for came, left in zip(queue.came, queue.left, strict=True)])
    return violations, sorted(waits)


def thousand_threads(rounds: int) -> str:
    """A thousand threads on ten slots, a millisecond each time. How it went, in a sentence."""
    violations, waits = crowd(1000, 10, rounds, 0.001)
    p50, p99 = waits[len(waits) // 2], waits[len(waits) * 99 // 100]
    told = (
        f"{len(waits)} waits: {violations} out of order, p50 {p50 * 1e3:.1f} ms,"
        f" p99 {p99 * 1e3:.1f} ms, p99/p50 {p99 / p50:.2f}, longest {waits[-1] * 1e3:.1f} ms"
    )
    assert violations == 0, told
    assert p99 / p50 < 1.5 * 4, told
    return told


def test_a_thousand_threads_on_ten_slots_are_served_in_their_order() -> None:
    print(f"\n{thousand_threads(4)}")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_they_are_for_as_long_as_you_like() -> None:
    print(f"\n{thousand_threads(1000)}")


def test_who_waits_is_served_before_the_block_of_a_holder_whose_connection_died_is_left() -> None:
    woken = woken_after()
    print(f"\nwoken {woken * 1e3:.2f} ms after the connection died")
    assert woken < 0.05 * 20


def woken_after() -> float:
    """How long after the holder's connection has died who waits has the client, in seconds."""

    def dies(peer: Peer) -> None:
        peer.greet()
        peer.request()
        peer.reset()

    with ScriptedServer(dies, dies) as server:
        pool = ClientPool(Client(server.address), 1)
        reservation = pool.reserve()
        client = reservation.__enter__()
        waiter = Thread(lambda: (pool.get(), monotonic())[1])
        wait_until_waiting(pool, 1)
        (ticket,) = pool.lender.queue
        with pytest.raises(ConnectionLost):
            client.set("k", "v")
        died = monotonic()
        reservation.__exit__(None, None, None)
        assert ticket.decision
        woken: float = waiter.outcome
        pool.close()
    return woken - died
