"""Whatever the order in which threads take their steps: nothing is lost, and nobody waits in vain.

Threads change places at chosen lines, or instructions, of the pool (see interleaving.py), since
test_lender.py cannot see what happens between two steps, and a stress test seldom does.
"""

from __future__ import annotations

import itertools
import queue

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mcclient import ClientPool, PoolClosed, PoolEmpty
from mcclient.pools import _closing, _lender, _reservations, _waiting, client_pool
from mcclient.pools._lender import Ticket
from tests.pools.clients import BlockingClient
from tests.pools.interleaving import Interleaving

FILES = {module.__file__ for module in (_closing, _lender, _reservations, _waiting, client_pool)}


class Scene:
    """A pool, and all that a thread may do with it."""

    def __init__(self, slots: int, opened: int) -> None:
        self.master = BlockingClient()
        self.book = self.master.book
        self.pool = ClientPool()
        self.pool.fill(self.master, slots)
        self.lender = self.pool._lender
        self.slots = slots
        for client in [self.pool.get() for _ in range(opened)]:
            self.pool.put(client)
        self.in_use: set[int] = set()
        self.lost: set[int] = set()
        self.has_shrunk = False
        self.steps: Interleaving

    def play(self, *acts: str, switches: list[tuple[int, int]], instructions: bool) -> None:
        jobs = [getattr(self, act) for act in acts]
        self.steps = Interleaving(jobs, FILES, switches, instructions=instructions)
        self.pool.mutex = self.steps.lock()
        self.steps.run()
        self.look_around()

    def use(self, client: BlockingClient) -> None:
        """What its borrower does: for so long, nobody else may have it."""
        assert client.number not in self.in_use
        self.in_use.add(client.number)
        assert self.lender.owns(client) or self.lender.closed
        self.in_use.discard(client.number)

    def look_around(self) -> None:
        """What must be true when all have finished."""
        lender = self.lender
        if lender.closed:
            assert not lender.idle
            assert self.pool.empty()
            closed_or_lost = {*self.book.closed, *self.lost}
            assert sorted(closed_or_lost) == list(range(1, self.book.made + 1))
            assert len(self.book.closed) == len(set(self.book.closed))
            return
        if not self.has_shrunk:
            assert len(lender.rights) == self.slots
        slots = len(lender.rights)
        # What is looked through one by one may be looked through once more: then it is all here.
        lender.hand_on()
        assert self.pool.qsize() == slots
        clients = [self.pool.get_nowait() for _ in range(slots)]
        assert len({client.number for client in clients}) == slots
        assert not {client.number for client in clients} & set(self.book.closed)
        assert self.pool.empty()
        assert len(self.book.closed) == len(set(self.book.closed))

    # ---- the acts

    def borrow(self) -> None:
        newcomer = Newcomer(self)
        try:
            with self.pool.reserve() as client:
                newcomer.looks_whether_it_may_have_one()
                self.use(client)
        except (PoolEmpty, PoolClosed):
            pass

    def borrow_twice(self) -> None:
        self.borrow()
        self.borrow()

    def borrow_by_hand(self) -> None:
        newcomer = Newcomer(self)
        try:
            client = self.pool.get_nowait()
        except (PoolEmpty, PoolClosed):
            return
        newcomer.looks_whether_it_may_have_one()
        self.use(client)
        self.pool.put(client)

    def lose(self) -> None:
        try:
            client = self.pool.get_nowait()
        except (PoolEmpty, PoolClosed):
            return
        self.use(client)
        self.lost.add(client.number)

    def wait(self) -> None:
        """What `wait_in_thread` does, with a wait that leaves the stage to others."""
        calls: list[None] = []
        ticket: Ticket[BlockingClient] = Ticket(calls.append)
        self.lender.queue_up(ticket)
        self.steps.wait_until(lambda: bool(calls))
        client = self.redeem(ticket)
        if client is None:
            assert self.lender.closed
        else:
            self.use(client)
            self.lender.give_back(client)

    def redeem(self, ticket: Ticket[BlockingClient]) -> BlockingClient | None:
        try:
            return self.lender.redeem(ticket)
        except PoolClosed:  # it had the right to make one
            assert self.lender.closed
            return None

    def stop_waiting(self) -> None:
        ticket: Ticket[BlockingClient] = Ticket(bool)
        self.lender.queue_up(ticket)
        client = self.redeem(ticket)
        if client is not None:
            self.use(client)
            self.lender.give_back(client)

    def be_cancelled(self) -> None:
        ticket: Ticket[BlockingClient] = Ticket(bool)
        self.lender.queue_up(ticket)
        self.lender.abandon(ticket)

    def fill(self) -> None:
        try:
            self.pool.fill(self.master, 1)
        except PoolClosed:
            return
        except queue.Full:
            assert self.has_shrunk
            return
        self.slots += 1

    def close(self) -> None:
        self.pool.close()

    def shut_down(self) -> None:
        self.pool.shutdown()

    def drain(self) -> None:
        self.pool.drain()

    def shrink(self) -> None:
        """One slot less, and none if there is none."""
        size = len(self.lender.rights)
        self.has_shrunk = True
        try:
            self.pool.resize(max(1, size - 1))
        except PoolClosed:
            return

    def look(self) -> None:
        stats = self.pool.stats()
        assert stats.lost <= self.book.made
        assert repr(self.pool)


class Newcomer:
    """Somebody who does not wait: made before it asks for a client."""

    def __init__(self, scene: Scene) -> None:
        self._was_closed = scene.lender.closed
        self._waiting = [ticket for ticket in scene.lender.queue if not ticket.decision]

    def looks_whether_it_may_have_one(self) -> None:
        assert not self._was_closed
        assert all(ticket.decision for ticket in self._waiting), "it has overtaken somebody"


ACTS = [
    "borrow",
    "borrow_twice",
    "borrow_by_hand",
    "lose",
    "wait",
    "stop_waiting",
    "be_cancelled",
    "fill",
    "close",
    "shut_down",
    "drain",
    "shrink",
    "look",
]


@settings(max_examples=4 * settings.default.max_examples)
@given(
    opened=st.integers(0, 2),
    unopened=st.integers(0, 1),
    acts=st.lists(st.sampled_from(ACTS), min_size=2, max_size=4),
    switches=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2)), max_size=20),
    instructions=st.booleans(),
)
# Closed just as a slot is to go that is nowhere to be seen.
@example(2, 1, ["shrink", "shrink", "close"], [(20, 0), (30, 0), (0, 0), (7, 0)], False)
def test_nothing_is_lost_and_nobody_waits_in_vain(
    opened: int,
    unopened: int,
    acts: list[str],
    switches: list[tuple[int, int]],
    instructions: bool,
) -> None:
    Scene(opened + unopened or 1, opened).play(*acts, switches=switches, instructions=instructions)


@pytest.mark.parametrize("other", ACTS)
@pytest.mark.parametrize("act", ACTS)
def test_one_may_do_everything_between_any_two_steps_of_another(act: str, other: str) -> None:
    for step in itertools.count():
        scene = Scene(1, 1)
        scene.play(act, other, switches=[(step, 0)], instructions=False)
        if scene.steps.is_through:
            break


@pytest.mark.parametrize("what", ["the last slot", "the same client"])
def test_two_cannot_take_the_room_of_one(what: str) -> None:
    for step in itertools.count():
        pool: ClientPool[BlockingClient] = ClientPool(n_slots=1 if what == "the last slot" else 2)
        client = BlockingClient()
        refused: list[Exception] = []

        def join(pool=pool, client=client, refused=refused) -> None:
            try:
                if what == "the last slot":
                    pool.fill(client, 1)
                else:
                    pool.put(client)
            except (queue.Full, ValueError) as error:
                refused.append(error)

        steps = Interleaving([join, join], FILES, [(step, 0)])
        pool.mutex = steps.lock()
        steps.run()
        assert pool.qsize() == len(refused) == 1
        if steps.is_through:
            break
