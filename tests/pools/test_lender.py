"""Who gets which client next, held against a model that knows it exactly.

One thread, one step after the other: what happens between the steps is the business of
test_interleavings.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mcclient import Client, ClientPool, PoolClosed, PooledClient, TooManyWaiting
from mcclient.pools._lender import Lender, Slot, Ticket
from tests.pools.clients import BlockingClient, Book

MAX_WAITING = 3


class Right(int):
    """In the model, a slot without a client: the number of its right."""


class Waiter:
    """Somebody who waits, or whose turn has come: then *got* is a client's number, or a Right."""

    def __init__(self) -> None:
        self.got: int | Right | None = None
        self.calls: list[None] = []
        self.ticket: Ticket[BlockingClient] = Ticket(self.calls.append)

    @property
    def woken(self) -> bool:
        return bool(self.calls)


class LenderMachine(RuleBasedStateMachine):
    """The model: stacks of idle clients and of unopened slots, and a line of those who wait.

    Every slot is a right, by its number; and every client has one, which may have ended.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lender: Lender[BlockingClient] = Lender(MAX_WAITING)
        self.book = Book()
        self.rights: list[int] = []
        self.right_of: dict[int, int] = {}  # of each client that has ever been
        self.given = 0  # rights so far
        self.unopened: list[Right] = []
        self.idle: list[int] = []
        self.leaving: set[int] = set()
        self.line: list[Waiter] = []
        self.served: list[Waiter] = []
        self.out: list[BlockingClient] = []
        self.dead: list[int] = []

    # ---- what the model expects

    def new_right(self) -> Right:
        right = Right(self.given)
        self.given += 1
        self.rights.append(right)
        return right

    def match(self) -> None:
        while self.line and (self.idle or self.unopened):
            waiter = self.line.pop(0)
            waiter.got = self.idle.pop() if self.idle else self.unopened.pop()
            self.served.append(waiter)

    def comes_free(self, thing: int | Right) -> None:
        if isinstance(thing, Right):
            if thing not in self.rights:
                return
        elif thing in self.leaving:
            self.is_closed(thing)
            return
        if self.line:
            waiter = self.line.pop(0)
            waiter.got = thing
            self.served.append(waiter)
        elif isinstance(thing, Right):
            self.unopened.append(thing)
        else:
            self.idle.append(thing)

    def is_closed(self, number: int) -> None:
        assert number in self.book.closed
        self.ends(number)

    def ends(self, number: int) -> None:
        self.leaving.discard(number)
        self.dead.append(number)
        self.comes_free(Right(self.right_of[number]))

    def expect(self, client: BlockingClient | None, number: int | None) -> None:
        assert (client and client.number) == number
        if client is not None:
            self.out.append(client)

    def expect_to_open(self, act, right: Right, fails: bool) -> None:
        """*act* uses up a slot that has been taken out of the model."""
        self.book.failure = OSError("no more descriptors") if fails else None
        if fails:
            with pytest.raises(OSError, match="no more descriptors"):
                act()
            self.comes_free(right)
        else:
            number = self.book.made + 1
            self.expect(act(), number)
            self.is_made(number, right)

    def is_made(self, number: int, right: Right) -> None:
        self.right_of[number] = right
        if right not in self.rights:
            self.leaving.add(number)

    def some_of_the_out(self, data: st.DataObject) -> BlockingClient:
        return self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))

    # ---- what can happen

    @rule(number=st.integers(0, 2))
    def add_slots(self, number: int) -> None:
        self.lender.add_slots(BlockingClient(self.book), number)
        self.unopened += [self.new_right() for _ in range(number)]
        self.match()

    @rule()
    def adopt(self) -> None:
        self.book.made += 1
        client = BlockingClient(self.book, self.book.made)
        assert not self.lender.owns(client)
        self.lender.adopt(client, BlockingClient(self.book))
        self.is_made(client.number, self.new_right())
        self.out.append(client)

    @rule(fails=st.booleans())
    def take(self, fails: bool) -> None:
        if self.line:
            self.expect(self.lender.take(), None)
        elif self.idle:
            self.expect(self.lender.take(), self.idle.pop())
        elif self.unopened:
            self.expect_to_open(self.lender.take, self.unopened.pop(), fails)
        else:
            self.expect(self.lender.take(), None)

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        client = self.some_of_the_out(data)
        self.lender.give_back(client)
        self.comes_free(client.number)

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def put_coldest(self, data: st.DataObject) -> None:
        client = self.some_of_the_out(data)
        self.lender.put_coldest(client)
        if self.line or client.number in self.leaving:
            self.comes_free(client.number)
        else:
            self.idle.insert(0, client.number)

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def dismiss(self, data: st.DataObject) -> None:
        client = self.some_of_the_out(data)
        self.lender.dismiss(client, "check")
        self.is_closed(client.number)
        self.lender.dismiss(client, "check")
        assert self.book.closed.count(client.number) == 1

    @precondition(lambda self: self.out)
    @rule(data=st.data(), fails=st.booleans())
    def renew(self, data: st.DataObject, fails: bool) -> None:
        client = self.some_of_the_out(data)
        right = Right(self.right_of[client.number])
        self.expect_to_open(lambda: self.lender.renew(client, "lifetime"), right, fails)
        assert client.number in self.book.closed
        self.leaving.discard(client.number)
        self.dead.append(client.number)

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(self.out) - 1))
        number = self.out[place].number
        # The only reference there is, as when its borrower has been struck down.
        del self.out[place]
        self.ends(number)

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def borrow_by_hand(self, data: st.DataObject) -> None:
        client = self.out[data.draw(st.integers(0, len(self.out) - 1))]
        assert not self.lender.take_back(client)
        self.lender.lend_by_hand(client)
        assert self.lender.take_back(client)
        assert not self.lender.take_back(client)

    @rule()
    def queue_up(self) -> None:
        waiter = Waiter()
        if len(self.line) == MAX_WAITING:
            with pytest.raises(TooManyWaiting):
                self.lender.queue_up(waiter.ticket)
            self.lender.abandon(waiter.ticket)
            assert not waiter.woken
            return
        self.line.append(waiter)
        self.match()
        self.lender.queue_up(waiter.ticket)

    @precondition(lambda self: self.served)
    @rule(data=st.data(), fails=st.booleans())
    def redeem(self, data: st.DataObject, fails: bool) -> None:
        waiter = self.served.pop(data.draw(st.integers(0, len(self.served) - 1)))
        if isinstance(waiter.got, Right):
            self.expect_to_open(lambda: self.lender.redeem(waiter.ticket), waiter.got, fails)
        else:
            self.expect(self.lender.redeem(waiter.ticket), waiter.got)

    @precondition(lambda self: self.served)
    @rule(data=st.data())
    def abandon_when_the_turn_has_come(self, data: st.DataObject) -> None:
        waiter = self.served.pop(data.draw(st.integers(0, len(self.served) - 1)))
        self.lender.abandon(waiter.ticket)
        self.comes_free(waiter.got)

    @precondition(lambda self: self.line)
    @rule(data=st.data(), wants_it=st.booleans())
    def stop_waiting(self, data: st.DataObject, wants_it: bool) -> None:
        waiter = self.line.pop(data.draw(st.integers(0, len(self.line) - 1)))
        if wants_it:
            assert self.lender.redeem(waiter.ticket) is None
        else:
            self.lender.abandon(waiter.ticket)
        assert not waiter.woken

    # (Not the lender's own: of the dead, an entry stays until their identity is another's, and when
    # that is depends on the memory.)
    @precondition(lambda self: not self.leaving)
    @rule(number=st.integers(0, 3))
    def warm(self, number: int) -> None:
        self.book.failure = None
        made = []
        while not self.line and len(self.idle) < number and self.unopened:
            made.append(self.book.made + len(made) + 1)
            self.is_made(made[-1], self.unopened.pop())
            self.idle.insert(0, made[-1])
        self.lender.warm(number)

    @rule(number=st.integers(0, 4))
    def shrink_to(self, number: int) -> None:
        self.lender.shrink_to(number)
        on_tickets = [waiter.got for waiter in self.served]
        while len(self.rights) > number:
            if self.unopened:
                self.rights.remove(self.unopened.pop())
            elif self.idle:
                coldest = self.idle.pop(0)
                self.rights.remove(self.right_of[coldest])
                self.is_closed(coldest)
            else:
                lent = [client.number for client in self.out]
                lent += [thing for thing in on_tickets if not isinstance(thing, Right)]
                for client in sorted(lent):
                    if self.right_of[client] in self.rights:
                        self.rights.remove(self.right_of[client])
                        self.leaving.add(client)
                        break
                else:
                    self.rights.pop()

    @rule()
    def drain(self) -> None:
        self.lender.drain()
        lent = [client.number for client in self.out]
        lent += [waiter.got for waiter in self.served if not isinstance(waiter.got, Right)]
        self.leaving.update(lent)
        idle, self.idle = self.idle, []
        for number in idle:
            self.is_closed(number)

    @rule()
    def fork(self) -> None:
        """We are the child now: what waits, or was served, has stayed behind."""
        lender = self.lender
        lender.start_anew()
        # They still exist, in memory: the threads do not, that would drop them.
        for waiter in self.line + self.served:
            waiter.ticket.decide(None)
        stays = {*self.unopened, *(self.right_of[number] for number in self.idle)}
        gone = [right for right in self.rights if right not in stays]
        self.leaving.update(client.number for client in self.out)
        for right in gone:
            self.rights.remove(right)
            self.unopened.append(self.new_right())
        self.line.clear()
        self.served.clear()
        # Their clients die.
        assert not lender.queue

    # ---- what always holds

    @invariant()
    def nobody_waits_while_something_is_free(self) -> None:
        assert not (self.lender.queue and (self.lender.idle or self.lender.unopened))

    @invariant()
    def everything_is_in_the_place_where_the_model_has_it(self) -> None:
        assert [client.number for client in self.lender.idle] == self.idle
        unopened = [Right(slot[2]) for slot in self.lender.unopened]
        assert sorted(unopened) == sorted(self.unopened)
        self.unopened = unopened  # one is as good as the other
        assert list(self.lender.queue) == [waiter.ticket for waiter in self.line]
        assert self.lender.waiting == len(self.line)
        assert not any(waiter.woken or waiter.ticket.decision for waiter in self.line)
        for waiter in self.served:
            assert waiter.woken
            thing = waiter.ticket.collect()
            assert (Right(thing[2]) if isinstance(thing, Slot) else thing.number) == waiter.got

    @invariant()
    def there_are_as_many_clients_and_slots_as_there_should_be(self) -> None:
        assert sorted(self.lender.rights) == sorted(self.rights)
        clients = [waiter for waiter in self.served if not isinstance(waiter.got, Right)]
        assert self.lender.living == len(self.idle) + len(self.out) + len(clients)
        assert self.lender.counts.opened.value == len(self.right_of)

    @invariant()
    def no_right_is_in_two_places(self) -> None:
        held = [*self.unopened, *(self.right_of[number] for number in self.idle)]
        held += [self.right_of[client.number] for client in self.out]
        held += [
            waiter.got if isinstance(waiter.got, Right) else self.right_of[waiter.got]
            for waiter in self.served
        ]
        assert len(held) == len(set(held))
        assert set(held) >= set(self.rights)

    @invariant()
    def nobody_is_lent_again_who_is_leaving(self) -> None:
        assert not self.leaving & set(self.idle)

    def teardown(self) -> None:
        """Close it, in whatever state it is."""
        lent = [client.number for client in self.out]
        lent += [waiter.got for waiter in self.served if not isinstance(waiter.got, Right)]
        at_once = bool(len(lent) % 2)
        before = list(self.book.closed)
        self.book.failure = None
        for client in self.lender.close(lent=at_once):
            client.close()
        now = self.book.closed[len(before) :]
        assert now[: len(self.idle)] == self.idle[::-1]
        assert sorted(now[len(self.idle) :]) == sorted(lent if at_once else [])
        for waiter in self.line:
            assert waiter.woken
            assert self.lender.redeem(waiter.ticket) is None
        for waiter in self.served:
            if isinstance(waiter.got, Right):
                with pytest.raises(PoolClosed):
                    self.lender.redeem(waiter.ticket)
                lent.append(self.book.made)
            else:
                client = self.lender.redeem(waiter.ticket)
                assert client is not None
                self.out.append(client)
        for client in self.out:
            assert self.lender.has_closed(client) == at_once
            self.lender.give_back(client)
        with pytest.raises(PoolClosed):
            self.lender.take()
        late = Waiter()
        self.lender.queue_up(late.ticket)
        assert late.woken
        assert self.lender.redeem(late.ticket) is None
        assert not self.lender.idle
        assert not self.lender.unopened
        assert not self.lender.rights
        assert set(self.book.closed) >= {*self.idle, *lent}
        assert len(self.book.closed) == len(set(self.book.closed))


class TidyMachine(LenderMachine):
    """The same, where nobody loses or replaces anything: so nothing is ever made twice."""

    lose = None
    dismiss = None
    renew = None
    drain = None
    shrink_to = None
    fork = None

    @invariant()
    def no_more_has_been_made_than_there_are_slots(self) -> None:
        assert self.book.made <= len(self.rights)


# A story needs room: that of a queue takes a dozen steps before it is interesting.
TestLender = LenderMachine.TestCase
TestLender.settings = settings(stateful_step_count=50)
TestTidyLender = TidyMachine.TestCase
TestTidyLender.settings = settings(stateful_step_count=50)


def test_a_newcomer_does_not_snatch_what_comes_in_just_as_it_looks() -> None:
    class JustComing(deque[BlockingClient]):
        """Whoever asks first is too early."""

        asked = False

        def pop(self) -> BlockingClient:
            if self.asked:
                return super().pop()
            self.asked = True
            raise IndexError

    lender: Lender[BlockingClient] = Lender()
    waiter = Waiter()
    lender.queue_up(waiter.ticket)
    # Put down by somebody who has not yet come to looking at the queue.
    lender.idle = JustComing([BlockingClient()])
    assert lender.take() is None
    lender.hand_on()
    assert waiter.woken


class SomebodyComes(deque[BlockingClient]):
    """While a client is put down, somebody queues up who has looked a moment before."""

    def __init__(self, lender: Lender[BlockingClient], waiter: Waiter) -> None:
        super().__init__()
        self._lender = lender
        self._waiter = waiter

    def append(self, client: BlockingClient) -> None:
        super().append(client)
        self._lender.queue.append(self._waiter.ticket)

    def appendleft(self, client: BlockingClient) -> None:
        self.append(client)


def by_reservation(pool: ClientPool[BlockingClient]) -> Callable[[], None]:
    reservation = pool.reserve()
    reservation.__enter__()
    return lambda: reservation.__exit__(None, None, None)


def by_hand(pool: ClientPool[BlockingClient]) -> Callable[[], None]:
    client = pool.get()
    return lambda: pool.put(client)


def to_the_other_end(pool: ClientPool[BlockingClient]) -> Callable[[], None]:
    client = pool.get()
    return lambda: pool.lender.put_coldest(client)


def by_pooled_client(pool: ClientPool[BlockingClient]) -> Callable[[], None]:
    pooled = PooledClient(pool)
    client = pooled._borrow()
    return lambda: pooled._bring_back(client)


@pytest.mark.parametrize("way", [by_reservation, by_hand, to_the_other_end, by_pooled_client])
def test_who_brings_back_looks_at_the_queue_again_afterwards(way) -> None:
    master = Client("nowhere") if way is by_pooled_client else BlockingClient()
    pool = ClientPool(master, 1)
    bring_back = way(pool)
    waiter = Waiter()
    pool.lender.idle = SomebodyComes(pool.lender, waiter)
    bring_back()
    assert waiter.woken
    assert pool.lender.redeem(waiter.ticket) is not None
    assert not pool.lender.queue


def test_a_client_that_cannot_be_closed_frees_its_slot_while_the_error_is_looked_at() -> None:
    class Unclosable(BlockingClient):
        def close(self) -> None:
            raise OSError("no")

    lender: Lender[BlockingClient] = Lender()
    lender.add_slots(Unclosable(), 1)
    client = lender.take()
    assert client is not None
    with pytest.raises(OSError, match="no") as caught:
        lender.renew(client, "lifetime")
    assert caught.tb is not None  # and all that the frames have in hand
    assert len(lender.unopened) == 1
