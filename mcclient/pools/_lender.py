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
`Slot.__del__` puts a new slot in its place, as long as the right that it stood for has not ended.

**How many there are is said by the rights, not by the slots.**  A pool that shrinks ends rights, at
once, wherever their slots are; a client whose right has ended is closed as it comes back.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from itertools import count
from math import inf
from weakref import ref

from mcproto._typing import Generic

from .._errors import PoolClosed, TooManyWaiting
from .._logs import log
from ._closing import is_closed, retire
from ._counts import Counts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol, Self, TypeVar

    class Cloneable(Protocol):
        """What can be pooled. (One must also be able to refer to it weakly.)"""

        def clone(self) -> Self: ...

    class Reporter(Protocol):
        """Who is told what happens here."""

        def waiting(self) -> None: ...
        def acquired(self, waited: float) -> None: ...
        def released(self, used: float) -> None: ...
        def gave_up(self, error: Exception) -> None: ...
        def created(self) -> None: ...
        def closed(self, reason: str) -> None: ...

    class Keeper(Protocol):
        """What is done at every loan beside lending: `_care.Care`."""

        def borrow(self, lender: Lender[C], block: bool, timeout: float | None) -> C: ...
        async def aborrow(self, lender: Lender[Any], block: bool, timeout: float | None) -> Any: ...
        def bring_back(self, lender: Lender[C], client: C) -> None: ...

    C = TypeVar("C", bound=Cloneable)
    T = TypeVar("T")
else:
    C = object

__all__ = ["Lender", "Life", "Slot", "Ticket"]

# What stands in `Lender.leaving` where everybody is: no object has this identity.
EVERYBODY = 0


class Slot(tuple["C", "ref[Lender[C]]", int]):
    """The right to have one client. Whoever holds one without a client may clone its master.

    (A tuple, so that it is born whole: its `__del__` needs all three.)
    """

    __slots__ = ()

    def __del__(self) -> None:
        _, reference, right = self
        lender = reference()
        if lender is not None and right in lender.rights and not lender.closed:
            lender.hand_on(Slot(self))


class Life(Generic[C]):
    """A client's, from its making to its end; changed only by whoever has the client in hand.

    Attributes:
        reference: sees it die.
        slot: what it fills.
        by_hand: not empty while it is lent by hand.
        ends: when it is too old to be lent, on the pool's clock.
        since: when it was lent or brought back last.
        loans: how many there have been, where anybody counts them.
    """

    __slots__ = ("by_hand", "ends", "loans", "reference", "since", "slot")

    def __init__(self, reference: ref[C], slot: Slot[C]) -> None:
        self.reference = reference
        self.slot = slot
        self.by_hand: list[bool] = []
        self.ends = inf
        self.since = 0.0
        self.loans = 0


class Ticket(Generic[C]):
    """A place in the queue, and what becomes of it.

    Attributes:
        wake: called, with None, when somebody else than the holder has decided it; perhaps more
            than once.
        decision: empty, or with one entry: what it gets, in a tuple.
    """

    __slots__ = ("wake", "decision")

    def __init__(self, wake: Callable[[None], object]) -> None:
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
        if not self.decision:
            self.decide(None)
        return self.decision[""][0]


class Lender(Generic[C]):
    """Lends a client for each slot: the one used last to the one that came first.

    Args:
        max_waiting: how many may be in the queue.

    Attributes:
        idle: the clients that nobody has, the one used last at the end.
        unopened: the slots without a client: none has been made yet, or it is lost.
        queue: the tickets of those who wait, and of some who have just stopped to.
        rights: for each slot that there is, what is cloned to fill it.
        leaving: why a client, by its identity, will not be lent again. Mostly there is none.
        master: one of those that are cloned; None before there is any. It knows how to wait.
        closed: nothing is lent any more. Then everybody is leaving.
        counts: what has happened so far.
        requests: for ``next``, by whoever asks for a client: the count on the shortest way.
        reporter: who is told of it, if anybody.
        care: what is done at every loan beside lending, if anything. Not the lender's business.

    While the queue is empty and nobody is leaving, anybody may pop from `idle`, and may append to
    it if both are looked at again afterwards.
    """

    def __init__(self, max_waiting: float = inf) -> None:
        self.idle: deque[C] = deque()
        self.unopened: deque[Slot[C]] = deque()
        self.queue: deque[Ticket[C]] = deque()
        self.rights: dict[int, C] = {}
        self.leaving: dict[int, str] = {}
        self.master: C | None = None
        self.closed = False
        self.max_waiting = max_waiting
        self.counts = Counts()
        self.requests = self.counts.requests
        self.reporter: Reporter | None = None
        self.care: Keeper | None = None
        self._numbers = count()
        # Every client that is alive, by its identity (it need not be hashable).
        self._living: dict[int, Life[C]] = {}
        # Those that were lent when the pool was closed, and closed with it.
        self._ended: dict[int, Life[C]] = {}

    def slot_for(self, master: C) -> Slot[C]:
        """A new slot, to be filled by clones of *master*."""
        right = next(self._numbers)
        slot = Slot((master, ref(self), right))
        self.rights[right] = master
        return slot

    def add_slots(self, master: C, number: int) -> None:
        """Lend *number* clones of *master* more, made when they are first wanted."""
        for _ in range(number):
            self.unopened.append(self.slot_for(master))
        self.hand_on()

    def adopt(self, client: C, master: C) -> None:
        """Count *client* as lent to the caller. Should it be lost, *master* is cloned instead."""
        self._move_in(client, self.slot_for(master))
        self._has_opened()

    def owns(self, client: C) -> bool:
        """Whether *client* is one of those that are lent, here or out."""
        # Who has died is not in there any more, so the identity is that of a living one.
        return id(client) in self._living

    def has_closed(self, client: C) -> bool:
        """Whether *client* was lent when the pool was closed, and closed with it."""
        life = self._ended.get(id(client))
        return life is not None and life.reference() is client

    def life_of(self, client: C) -> Life[C] | None:
        """The life of *client*; None: it is not, or no longer, one of those that are lent."""
        return self._living.get(id(client))

    @property
    def living(self) -> int:
        """How many clients there are, here or out."""
        return len(self._living)

    @property
    def waiting(self) -> int:
        """How many wait at this moment."""
        return sum([not ticket.decision for ticket in self.queue.copy()])

    def take(self) -> C | None:
        """A client, if there is one that nobody waits for.

        Raises:
            PoolClosed: it is closed.
            Exception: whatever `clone` raises.
        """
        if self.queue or self.leaving:
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

    def warm(self, number: int) -> None:
        """Make clients until so many are idle, as far as there are slots for them.

        Raises:
            Exception: whatever `clone` raises.
        """
        if self.leaving:
            self.hand_on()  # of those who were to leave, some may have died since
        while len(self.idle) < number and not (self.queue or self.leaving):
            slot = popped(self.unopened)
            if slot is None:
                return
            self.put_coldest(self._open(slot))

    def take_coldest(self) -> C | None:
        """The idle client that has not been used for longest, if there is one."""
        return coldest(self.idle)

    def put_coldest(self, client: C) -> None:
        """`give_back`, but if nobody waits it is taken last."""
        self.idle.appendleft(client)
        if self.queue or self.leaving:
            self.hand_on()

    def dismiss(self, client: C, reason: str) -> None:
        """*client* is of no further use to anybody: it is closed, its slot is free for another."""
        slot = self._slot_of(client)
        if slot is not None:
            self.hand_on(slot)
            del slot
            self._end(client, reason)

    def renew(self, client: C, reason: str) -> C:
        """Another one in the place of *client*, which is closed. The turn stays the caller's.

        Raises:
            PoolClosed: it has been closed in the meantime.
            Exception: whatever `clone` raises. The turn has passed to the next.
        """
        slot = self._slot_of(client)
        if slot is None:
            raise PoolClosed("the pool has been closed")
        try:
            self._end(client, reason)
        except BaseException:
            self.hand_on(slot)
            raise
        return self._open(slot)

    def give_back(self, client: C) -> None:
        """*client* goes to whoever has waited longest. If nobody waits, it is taken next."""
        if is_closed(client):
            self.dismiss(client, "closed")
        elif self.queue or self.leaving:
            # From hand to hand, lest an interruption leave it lying beside somebody who waits.
            self.hand_on(client)
        else:
            self.idle.append(client)
            if self.queue or self.leaving:
                self.hand_on()

    def lend_by_hand(self, client: C) -> C:
        """*client* has been taken; `take_back` will know it."""
        life = self._living.get(id(client))
        if life is not None:  # or it has been closed with the pool
            life.by_hand.append(True)
        return client

    def take_back(self, client: C) -> bool:
        """True, but only once, if *client* was lent by hand: the caller may give it back."""
        try:
            was_lent = self._living[id(client)].by_hand.pop()
        except (KeyError, IndexError):
            was_lent = False
        return was_lent

    def queue_up(self, ticket: Ticket[C]) -> None:
        """Wait for a turn. The holder must come back for good: to `redeem`, or to `abandon`.

        Raises:
            TooManyWaiting: `max_waiting` are in the queue. The ticket has to be abandoned.
        """
        self.queue.append(ticket)
        self.hand_on()
        if len(self.queue) > self.max_waiting and not ticket.decision:
            # Several may have come at once: then it is the place in the queue that decides.
            try:
                place = self.queue.index(ticket)
            except ValueError:
                return
            if place >= self.max_waiting:
                raise TooManyWaiting(f"{self.max_waiting} wait for a client already")

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
        if isinstance(thing, Slot) and not self._may_stay(thing):
            thing = None
        while not self.closed:
            if self.leaving:
                self._weed()
                if thing is not None and not self._may_stay(thing):
                    thing = None
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
                    ticket.wake(None)
            discard(queue, ticket)
        self._turn_away(thing)

    def shrink_to(self, number: int) -> None:
        """End rights until so many are left: of what is not lent first, the longest unused first.

        A client whose right ends while it is lent is closed as it comes back. To be called by one
        at a time.
        """
        while len(self.rights) > number:
            slot = popped(self.unopened)
            if slot is not None:
                self.rights.pop(slot[2], None)
                continue
            client = self.take_coldest()
            if client is not None:
                self.dismiss(client, "resize")  # and its slot is unopened
                continue
            for key, life in list(self._living.items()):
                if life.slot[2] in self.rights:
                    # First the mark: struck here, it is replaced, and the pool as large as before.
                    self.leaving[key] = "resize"
                    self.rights.pop(life.slot[2], None)
                    break
            else:
                # On a ticket, or in the hands of somebody who is about to fill it. (Or nowhere: the
                # pool may have been closed in the meantime.)
                for right in list(self.rights)[-1:]:
                    self.rights.pop(right, None)
        self.hand_on()

    def drain(self) -> None:
        """Replace every client: idle ones now, lent ones as they come back."""
        for key in list(self._living):
            self.leaving[key] = "drain"
        self.hand_on()

    def close(self, lent: bool = True) -> list[C]:
        """Lend nothing from now on. Returns the clients, which are the caller's to close.

        Args:
            lent: those that are lent as well. If not, they are closed as they come back.
        """
        # In this order: whoever finds it closed must not take the shortest way.
        self.leaving[EVERYBODY] = "close"
        self.closed = True
        self.rights.clear()
        clients: list[C] = []
        while (client := popped(self.idle)) is not None:
            if self._living.pop(id(client), None) is not None:
                self._has_closed("close")
                clients.append(client)
        self.hand_on()
        for key, life in list(self._living.items()) if lent else ():
            client = life.reference()
            if client is not None:
                # Before it is ours: whoever brings it back has to find it in one of the two.
                self._ended[key] = life
                if self._living.pop(key, None) is not None:
                    self._has_closed("close")
                    clients.append(client)
        return clients

    def start_anew(self) -> None:
        """In a child process: whoever waited or had borrowed has stayed with the parent.

        Those rights are the child's to use. What its only thread has borrowed itself is closed when
        it comes back.
        """
        self.queue.clear()
        gone = dict(self.rights)
        for slot in self.unopened:
            gone.pop(slot[2], None)
        here = {id(client) for client in self.idle}
        for key, life in self._living.items():
            if key in here:
                gone.pop(life.slot[2], None)
            else:
                self.leaving[key] = "fork"
        for right, master in gone.items():
            self.unopened.append(self.slot_for(master))
            self.rights.pop(right, None)

    def _open(self, slot: Slot[C]) -> C:
        try:
            client = slot[0].clone()
            self._move_in(client, slot)
        except BaseException:
            # Now, not when the traceback and all its frames are gone.
            self.hand_on(slot)
            raise
        self._has_opened()
        if self.closed:
            # Too late for whoever has closed it to see.
            self.dismiss(client, "close")
            raise PoolClosed("the pool has been closed")
        return client

    def _move_in(self, client: C, slot: Slot[C]) -> None:
        key = id(client)
        self.leaving.pop(key, None)  # somebody else's, who has died
        # When the client dies, its entry is popped, and thereby the slot dies too. (The callback
        # calls `pop(key, dead)`, which nothing can interrupt.)
        self._living[key] = Life(ref(client, partial(self._living.pop, key)), slot)
        if slot[2] not in self.rights:
            self.leaving[key] = "resize"

    def _slot_of(self, client: C) -> Slot[C] | None:
        """The slot that *client* has filled. None: somebody else has got it before."""
        # Who gets the entry closes the client: so nobody does it twice.
        life = self._living.pop(id(client), None)
        if life is None:
            return None
        # Not left to `Slot.__del__`: a traceback may keep the entry alive.
        slot = life.slot
        del life.slot
        return slot

    def _end(self, client: C, reason: str) -> None:
        # Its entry is gone.
        self.leaving.pop(id(client), None)
        self._has_closed(reason)
        if not is_closed(client):
            retire(client)

    # What has happened is counted, and told to whoever wants to know.

    def waits(self) -> None:
        """Somebody has queued up."""
        self.counts.waited.add()
        if self.reporter is not None:
            self.reporter.waiting()

    def gave_up(self, error: Exception) -> None:
        """Somebody has got *error*, and no client."""
        self.counts.errors.add(type(error).__name__)
        if self.reporter is not None:
            self.reporter.gave_up(error)

    def _has_opened(self) -> None:
        self.counts.opened.add()
        log("DEBUG", "mcclient.pool", "a client has been made, of %d slots", len(self.rights))
        if self.reporter is not None:
            self.reporter.created()

    def _has_closed(self, reason: str) -> None:
        self.counts.closed.add(reason)
        log("DEBUG", "mcclient.pool", "a client has been closed: %s", reason)
        if self.reporter is not None:
            self.reporter.closed(reason)

    def _may_stay(self, thing: C | Slot[C]) -> bool:
        """Whether it may be lent again; if not, it is gone."""
        if isinstance(thing, Slot):
            return thing[2] in self.rights
        reason = self.leaving.get(id(thing))
        if reason is None:
            return True
        self.dismiss(thing, reason)
        return False

    def _weed(self) -> None:
        """Take out of what is free all that may not be lent again."""
        for key in list(self.leaving):
            if key != EVERYBODY and key not in self._living:
                self.leaving.pop(key, None)
        # One by one, each to the other end: their order is the same when all have had their turn.
        if any(id(client) in self.leaving for client in self.idle.copy()):
            leavers: list[C] = []
            for _ in range(len(self.idle)):
                client = coldest(self.idle)
                if client is not None:
                    (leavers if id(client) in self.leaving else self.idle).append(client)
            for client in leavers:
                reason = self.leaving.get(id(client), "drain")
                slot = self._slot_of(client)
                if slot is not None:
                    # Whoever weeds looks at the queue next.
                    self.unopened.append(slot)
                    del slot
                    self._end(client, reason)
        if any(slot[2] not in self.rights for slot in self.unopened.copy()):
            for _ in range(len(self.unopened)):
                slot = coldest(self.unopened)
                if slot is not None and self._may_stay(slot):
                    self.unopened.append(slot)

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
            ticket.wake(None)
        self.unopened.clear()
        if thing is not None and not isinstance(thing, Slot):
            self.dismiss(thing, "close")
        while (client := popped(self.idle)) is not None:
            self.dismiss(client, "close")


# They look first because an exception costs more than all the rest, and try all the same, because
# another thread may be faster.


def popped(things: deque[T]) -> T | None:
    """The last of *things*; None: there is none."""
    try:
        thing = things.pop() if things else None
    except IndexError:
        thing = None
    return thing


def coldest(things: deque[T]) -> T | None:
    """The first of *things*; None: there is none."""
    try:
        thing = things.popleft() if things else None
    except IndexError:
        thing = None
    return thing


def first(queue: deque[T]) -> T | None:
    """The first in *queue*; None: nobody is in it."""
    try:
        ticket = queue[0] if queue else None
    except IndexError:
        ticket = None
    return ticket


def discard(queue: deque[T], ticket: T) -> None:
    """Take *ticket* out of *queue*, if nobody has done so before."""
    try:
        queue.remove(ticket)
    except ValueError:
        pass
