"""Who gets which client next, held against a model that knows it exactly.

One thread, one step after the other: what happens between the steps is the business of
test_interleavings.py.
"""

from __future__ import annotations

from collections import deque
from functools import partial

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mcclient import PoolClosed
from mcclient.pools._lender import Lender, Slot, Ticket
from tests.pools.clients import BlockingClient, Book


class Waiter:
    """Somebody who waits, or whose turn has come: then *got* is a client's number, or SLOT."""

    def __init__(self) -> None:
        self.got: int | str | None = None
        self.calls: list[None] = []
        self.ticket: Ticket[BlockingClient] = Ticket(partial(self.calls.append, None))

    @property
    def woken(self) -> bool:
        return bool(self.calls)


SLOT = "the right to make one"


class LenderMachine(RuleBasedStateMachine):
    """The model: a stack of idle clients, so many unopened slots, and a line of those who wait."""

    def __init__(self) -> None:
        super().__init__()
        self.lender: Lender[BlockingClient] = Lender()
        self.book = Book()
        self.slots = 0
        self.unopened = 0
        self.idle: list[int] = []
        self.line: list[Waiter] = []
        self.served: list[Waiter] = []
        self.out: list[BlockingClient] = []

    # ---- what the model expects

    def comes_free(self, thing: int | str) -> None:
        if self.line:
            waiter = self.line.pop(0)
            waiter.got = thing
            self.served.append(waiter)
        elif thing is SLOT:
            self.unopened += 1
        else:
            self.idle.append(thing)

    def expect(self, client: BlockingClient | None, number: int | None) -> None:
        assert (client and client.number) == number
        if client is not None:
            self.out.append(client)

    def expect_to_open(self, act, fails: bool) -> None:
        """*act* uses up a slot that has been taken out of the model."""
        self.book.failure = OSError("no more descriptors") if fails else None
        if fails:
            with pytest.raises(OSError, match="no more descriptors"):
                act()
            self.comes_free(SLOT)
        else:
            number = self.book.made + 1
            self.expect(act(), number)

    # ---- what can happen

    @rule(number=st.integers(0, 2))
    def add_slots(self, number: int) -> None:
        self.lender.add_slots(BlockingClient(self.book), number)
        self.slots += number
        for _ in range(number):
            self.comes_free(SLOT)

    @rule()
    def adopt(self) -> None:
        self.book.made += 1
        client = BlockingClient(self.book, self.book.made)
        assert not self.lender.owns(client)
        self.lender.adopt(client, BlockingClient(self.book))
        self.slots += 1
        self.out.append(client)

    @rule(fails=st.booleans())
    def take(self, fails: bool) -> None:
        if self.line:
            self.expect(self.lender.take(), None)
        elif self.idle:
            self.expect(self.lender.take(), self.idle.pop())
        elif self.unopened:
            self.unopened -= 1
            self.expect_to_open(self.lender.take, fails)
        else:
            self.expect(self.lender.take(), None)

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        client = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        self.comes_free(client.number)
        self.lender.give_back(client)

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        self.comes_free(SLOT)
        # The only reference there is, as when its borrower has been struck down.
        del self.out[data.draw(st.integers(0, len(self.out) - 1))]

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
        if self.line or not (self.idle or self.unopened):
            self.line.append(waiter)
        else:
            if self.idle:
                waiter.got = self.idle.pop()
            else:
                self.unopened -= 1
                waiter.got = SLOT
            self.served.append(waiter)
        self.lender.queue_up(waiter.ticket)

    @precondition(lambda self: self.served)
    @rule(data=st.data(), fails=st.booleans())
    def redeem(self, data: st.DataObject, fails: bool) -> None:
        waiter = self.served.pop(data.draw(st.integers(0, len(self.served) - 1)))
        if waiter.got is SLOT:
            self.expect_to_open(lambda: self.lender.redeem(waiter.ticket), fails)
        else:
            self.expect(self.lender.redeem(waiter.ticket), waiter.got)

    @precondition(lambda self: self.served)
    @rule(data=st.data())
    def abandon_when_the_turn_has_come(self, data: st.DataObject) -> None:
        waiter = self.served.pop(data.draw(st.integers(0, len(self.served) - 1)))
        self.comes_free(waiter.got)
        self.lender.abandon(waiter.ticket)

    @precondition(lambda self: self.line)
    @rule(data=st.data(), wants_it=st.booleans())
    def stop_waiting(self, data: st.DataObject, wants_it: bool) -> None:
        waiter = self.line.pop(data.draw(st.integers(0, len(self.line) - 1)))
        if wants_it:
            assert self.lender.redeem(waiter.ticket) is None
        else:
            self.lender.abandon(waiter.ticket)
        assert not waiter.woken

    # ---- what always holds

    @invariant()
    def nobody_waits_while_something_is_free(self) -> None:
        assert not (self.lender.queue and (self.lender.idle or self.lender.unopened))

    @invariant()
    def everything_is_in_the_place_where_the_model_has_it(self) -> None:
        assert [client.number for client in self.lender.idle] == self.idle
        assert len(self.lender.unopened) == self.unopened
        assert list(self.lender.queue) == [waiter.ticket for waiter in self.line]
        assert not any(waiter.woken or waiter.ticket.decision for waiter in self.line)
        for waiter in self.served:
            assert waiter.woken
            thing = waiter.ticket.collect()
            assert (SLOT if isinstance(thing, Slot) else thing.number) == waiter.got

    @invariant()
    def there_are_as_many_clients_and_slots_as_there_should_be(self) -> None:
        in_their_hands = len(self.out) + len(self.served)
        assert self.unopened + len(self.idle) + in_their_hands == self.slots
        clients = [waiter for waiter in self.served if waiter.got is not SLOT]
        assert len(self.lender._living) == len(self.idle) + len(self.out) + len(clients)

    def teardown(self) -> None:
        """Close it, in whatever state it is."""
        owned = [*self.idle, *(client.number for client in self.out)]
        owned += [waiter.got for waiter in self.served if waiter.got is not SLOT]
        self.book.failure = None
        for client in self.lender.close():
            client.close()
        assert self.book.closed == self.idle[::-1]
        for waiter in self.line:
            assert waiter.woken
            assert self.lender.redeem(waiter.ticket) is None
        for waiter in self.served:
            if (client := self.lender.redeem(waiter.ticket)) is not None:
                self.out.append(client)
        for client in self.out:
            self.lender.give_back(client)
        with pytest.raises(PoolClosed):
            self.lender.take()
        late = Waiter()
        self.lender.queue_up(late.ticket)
        assert late.woken
        assert self.lender.redeem(late.ticket) is None
        assert not self.lender.idle
        assert not self.lender.unopened
        assert set(self.book.closed) >= set(owned)
        assert len(self.book.closed) == len(set(self.book.closed))


class TidyMachine(LenderMachine):
    """The same, where nobody loses anything: so nothing is ever made twice."""

    lose = None

    @invariant()
    def no_more_has_been_made_than_there_are_slots(self) -> None:
        assert self.book.made <= self.slots


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
