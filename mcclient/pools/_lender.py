"""Who gets which client next.

Knows slots, clients and tickets.  Refuses to know sockets, threads and tasks, and never waits:
that is `client_pool`'s business.  Every method may be called from any thread, from a signal
handler, and from the garbage collector in the middle of another one.

There is no lock.  Finalizers would have to take it too, perhaps in the midst of its own holder; a
holder that is struck down could leave it locked; and it would cost more than all the rest of a
reservation.  These rules stand in its place:

**Each thing is in one place, and goes to the next by one `pop` and one `append`.**  Things are
clients (idle, on a ticket, or with a borrower) and slots (unopened, on a ticket, or filled by a
client).  `pop` and `append` of a deque are atomic, by the interpreter's lock or, where there is
none, by the deque's own.  So nothing is ever in two hands.

**A ticket is decided once**, by `dict.setdefault`, which is atomic as well: by somebody who has
something for it, by the closing of the pool, or by its holder, who will not wait any longer.
The second to come learns what the first has done.  So when a holder gives up just as a client
comes in for it, one of the two knows, and the client goes to the next.

**Look at the queue before the pop, and again after the append.**  A newcomer that finds somebody
waiting takes nothing; so nobody is overtaken.  To give something back is to append it, and then
to look whether somebody waits; to queue up is to append a ticket, and then to look whether
something is free.  Both write before they read, so in whatever order their steps fall, at least one
of them sees the other, and brings the two together.  (Without the interpreter's lock, the write has
to be seen before the read is done: letting go of a deque's own lock is such a barrier.)

**What dies leaves a free slot behind.**  An exception can strike between any two instructions
(KeyboardInterrupt, a worker's time limit), and no `finally` covers the gap between a `pop` and the
place where its result is kept.  What was in hand then dies with the frame that held it, and
`Slot.__del__` puts a new slot in its place.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from weakref import ref

from .._errors import PoolClosed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Generic as Generic
    from typing import Protocol, Self, TypeVar

    class Cloneable(Protocol):
        """What can be pooled. (One must also be able to refer to it weakly.)"""

        def clone(self) -> Self: ...

    C = TypeVar("C", bound=Cloneable)
    T = TypeVar("T")
else:
    # typing would cost more to import than all that a pool needs.
    class Generic:
        __slots__ = ()

        def __class_getitem__(cls, _: object) -> type:
            return cls

    C = object

__all__ = ["Lender", "Slot", "Ticket", "retire"]


class Slot(tuple["C", "ref[Lender[C]]"]):
    """The right to have one client. Whoever holds one without a client may clone its master.

    (A tuple, so that it is born whole: its `__del__` needs both.)
    """

    __slots__ = ()

    def __del__(self) -> None:
        master, reference = self
        lender = reference()
        if lender is not None and not lender.closed:
            lender.hand_on(lender.slot_for(master))


class Ticket(Generic[C]):
    """A place in the queue, and what becomes of it.

    Attributes:
        wake: called when somebody else than the holder has decided it; perhaps more than once.
        decision: empty, or with one entry: what it gets, in a tuple.
    """

    __slots__ = ("wake", "decision")

    def __init__(self, wake: Callable[[], object]) -> None:
        self.wake = wake
        self.decision: dict[str, tuple[C | Slot[C] | None]] = {}

    def decide(self, thing: C | Slot[C] | None) -> bool:
        """Let it get *thing* (None: nothing). False: it has been decided before."""
        # A new tuple, because the thing alone does not tell: a client may have been handed to this
        # ticket, come back, and be offered to it again before it has left the queue.
        decision = (thing,)
        return self.decision.setdefault("", decision) is decision

    def collect(self) -> C | Slot[C] | None:
        """What it has got. From now on it gets nothing."""
        self.decide(None)
        return self.decision[""][0]


class Lender(Generic[C]):
    """Lends a client for each slot: the one used last to the one that came first.

    Attributes:
        idle: the clients that nobody has, the one used last at the end.
        unopened: the slots without a client: none has been made yet, or it is lost.
        queue: the tickets of those who wait, and of some who have just stopped to.
        master: one of those that are cloned; None before there is any. It knows how to wait.
        closed: nothing is lent any more.

    While the queue is empty and it is not closed, anybody may pop from `idle`, and may append to it
    if both are looked at again afterwards.
    """

    def __init__(self) -> None:
        self.idle: deque[C] = deque()
        self.unopened: deque[Slot[C]] = deque()
        self.queue: deque[Ticket[C]] = deque()
        self.master: C | None = None
        self.closed = False
        # Every client that is alive, by its identity (it need not be hashable), with a reference
        # that sees it die, its slot, and a list that is not empty while it is lent by hand.
        self._living: dict[int, tuple[ref[C], Slot[C], list[bool]]] = {}

    def slot_for(self, master: C) -> Slot[C]:
        """A new slot, to be filled by clones of *master*."""
        return Slot((master, ref(self)))

    def add_slots(self, master: C, number: int) -> None:
        """Lend *number* clones of *master* more, made when they are first wanted."""
        self.unopened.extend([self.slot_for(master) for _ in range(number)])
        self.hand_on()

    def adopt(self, client: C, master: C) -> None:
        """Count *client* as lent to the caller. Should it be lost, *master* is cloned instead."""
        self._move_in(client, self.slot_for(master))

    def owns(self, client: C) -> bool:
        """Whether *client* is one of those that are lent, here or out."""
        # Who has died is not in there any more, so the identity is that of a living one.
        return id(client) in self._living

    def take(self) -> C | None:
        """A client, if there is one that nobody waits for.

        Raises:
            PoolClosed: it is closed.
            Exception: whatever `clone` raises.
        """
        if self.queue:
            # Some may have stopped waiting, and whoever should have served the rest may have been
            # struck down.
            self.hand_on()
        if self.closed:
            raise PoolClosed("the pool has been closed")
        if self.queue:
            return None
        client = popped(self.idle)
        if client is not None:
            return client
        slot = popped(self.unopened)
        return None if slot is None else self._open(slot)

    def forget(self, client: C) -> None:
        """*client* is of no further use to anybody: its slot is free for another."""
        # With the entry goes the slot, and `Slot.__del__` makes a new one.
        self._living.pop(id(client), None)

    def give_back(self, client: C) -> None:
        """*client* goes to whoever has waited longest. If nobody waits, it is taken next."""
        if getattr(client, "closed", False):
            self.forget(client)
        elif self.queue:
            # From hand to hand, lest an interruption leave it lying beside somebody who waits.
            self.hand_on(client)
        else:
            self.idle.append(client)
            if self.queue or self.closed:
                self.hand_on()

    def lend_by_hand(self, client: C) -> C:
        """*client* has been taken; `take_back` will know it."""
        self._living[id(client)][2].append(True)
        return client

    def take_back(self, client: C) -> bool:
        """True, but only once, if *client* was lent by hand: the caller may give it back."""
        try:
            was_lent = self._living[id(client)][2].pop()
        except (KeyError, IndexError):
            was_lent = False
        return was_lent

    def queue_up(self, ticket: Ticket[C]) -> None:
        """Wait for a turn. The holder must come back for good: to `redeem`, or to `abandon`."""
        self.queue.append(ticket)
        self.hand_on()

    def redeem(self, ticket: Ticket[C]) -> C | None:
        """The holder has stopped waiting and wants its client. None: there is none for it.

        Raises:
            Exception: whatever `clone` raises. The turn has passed to the next.
        """
        thing = ticket.collect()
        if thing is None:
            discard(self.queue, ticket)
        return self._open(thing) if isinstance(thing, Slot) else thing

    def abandon(self, ticket: Ticket[C]) -> None:
        """The holder has stopped waiting and wants nothing. If its turn has come, it passes."""
        thing = ticket.collect()
        discard(self.queue, ticket)
        if thing is not None:
            self.hand_on(thing)

    def hand_on(self, thing: C | Slot[C] | None = None) -> None:
        """Bring together who waits and what is free: first *thing*, which the caller has taken."""
        queue = self.queue
        while not self.closed:
            ticket = first(queue)
            if ticket is None:
                if thing is None:
                    return
                # And look again.
                self._put_down(thing)
                thing = None
                continue
            if thing is None and not ticket.decision:
                thing = self._something_free()
                if thing is None:
                    return
            try:
                if thing is not None and ticket.decide(thing):
                    thing = None
            finally:
                # Whoever has decided it may have been struck down before saying so. So may we
                # (hence `finally`); and while it is in the queue, the next to come sees to it.
                if ticket.decision:
                    ticket.wake()
            discard(queue, ticket)
        self._turn_away(thing)

    def close(self) -> list[C]:
        """Lend nothing from now on. Returns the idle clients, which are the caller's to close."""
        self.closed = True
        idle: list[C] = []
        while (client := popped(self.idle)) is not None:
            idle.append(client)
        self.hand_on()
        return idle

    def _open(self, slot: Slot[C]) -> C:
        try:
            master, _ = slot
            client = master.clone()
            self._move_in(client, slot)
        except BaseException:
            # Now, not when the traceback and all its frames are gone.
            self.hand_on(slot)
            raise
        return client

    def _move_in(self, client: C, slot: Slot[C]) -> None:
        key = id(client)
        # When the client dies, its entry is popped, and thereby the slot dies too. (The callback
        # calls `pop(key, dead)`, which nothing can interrupt.)
        self._living[key] = (ref(client, partial(self._living.pop, key)), slot, [])

    def _something_free(self) -> C | Slot[C] | None:
        client = popped(self.idle)
        return popped(self.unopened) if client is None else client

    def _put_down(self, thing: C | Slot[C]) -> None:
        if isinstance(thing, Slot):
            self.unopened.append(thing)
        else:
            self.idle.append(thing)

    def _turn_away(self, thing: C | Slot[C] | None) -> None:
        # It is closed: everybody hears of it, and what is here by now has come too late.
        for ticket in self.queue.copy():
            ticket.decide(None)
            ticket.wake()
        self.unopened.clear()
        if thing is not None and not isinstance(thing, Slot):
            retire(thing)
        while (client := popped(self.idle)) is not None:
            retire(client)


def retire(client: Cloneable) -> None:
    """Close a client that nobody will need again, if that needs no `await`."""
    close = getattr(client, "close", None)
    if close is not None:
        close()


# These try instead of looking first, which would prove nothing: another thread may be faster.


def popped(things: deque[T]) -> T | None:
    """The last of *things*; None: there is none."""
    try:
        thing = things.pop()
    except IndexError:
        thing = None
    return thing


def first(queue: deque[T]) -> T | None:
    """The first in *queue*; None: nobody is in it."""
    try:
        ticket = queue[0]
    except IndexError:
        ticket = None
    return ticket


def discard(queue: deque[T], ticket: T) -> bool:
    """Take *ticket* out of *queue*. False: somebody has done so before."""
    try:
        queue.remove(ticket)
        found = True
    except ValueError:
        found = False
    return found
