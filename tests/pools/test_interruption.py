"""A thread struck down in the middle of the pool: nothing is lost for good, nobody waits in vain.

Each story is played again and again, and a KeyboardInterrupt falls at its first step, its second,
and so on to its last. Steps are the lines of the pool, and besides all the points at which the
interpreter looks whether a signal has come.
"""

from __future__ import annotations

import dis
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import pytest

from mcclient import ClientPool, PoolEmpty, PoolTimeout, ThreadMappedPool
from mcclient.pools import (
    _care,
    _closing,
    _lender,
    _reservations,
    _waiting,
    client_pool,
    mapped_pool,
    pooled_client,
)
from mcclient.pools._lender import Ticket
from tests.pools.clients import BlockingClient

FILES = {
    module.__file__
    for module in (
        _care,
        _closing,
        _lender,
        _reservations,
        _waiting,
        client_pool,
        mapped_pool,
        pooled_client,
    )
}

# After these instructions, it looks.
LOOKS = ("CALL", "RESUME", "JUMP_BACKWARD")


class Strike:
    """Raises KeyboardInterrupt at step *number* of what its block runs, and catches it.

    Attributes:
        fell: whether there were so many steps.
    """

    def __init__(self, number: int, steps: str) -> None:
        self.fell = False
        self._left = number
        self._by_line = steps == "lines"
        self._looks: dict[FrameType, bool] = {}

    def __enter__(self) -> Strike:
        self._before = sys.gettrace()
        # Python 3.12 takes notice of a first wish for instructions only when tracing begins.
        sys._getframe().f_trace_opcodes = not self._by_line
        sys.settrace(self._trace)
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        sys.settrace(self._before)
        self._looks.clear()
        return isinstance(error, KeyboardInterrupt)

    def _trace(self, frame: FrameType, event: str, arg: object):
        if frame.f_code.co_filename not in FILES:
            return None
        frame.f_trace_opcodes = not self._by_line
        if self._is_step(frame, event):
            if self._left == 0:
                self.fell = True
                self.where = f"{frame.f_code.co_name}:{frame.f_lineno}"
                raise KeyboardInterrupt
            self._left -= 1
        return self._trace

    def _is_step(self, frame: FrameType, event: str) -> bool:
        if self._by_line:
            return event == "line"
        if event != "opcode":
            return False
        has_looked = self._looks.get(frame, False)
        name = dis.opname[frame.f_code.co_code[frame.f_lasti]]
        self._looks[frame] = name.startswith(LOOKS)
        # (A call that has failed does not look.)
        return has_looked and name != "PUSH_EXC_INFO"


def strikes(steps: str) -> Iterator[Strike]:
    """One strike after the other, each a step later, until one falls behind the end."""
    number = 0
    while True:
        strike = Strike(number, steps)
        yield strike
        if not strike.fell:
            assert number > 2, "this story never gets to the pool"
            return
        number += 1


def pool_with(opened: int) -> ClientPool[BlockingClient]:
    """A pool of two, so many of whom have been made."""
    pool = ClientPool(BlockingClient(), 2)
    for client in [pool.get() for _ in range(opened)]:
        pool.put(client)
    return pool


def look_around(pool: ClientPool[BlockingClient]) -> None:
    """Everything is there, and is lent to one at a time."""
    assert pool.full()
    assert not pool._lender.queue
    clients = [pool.get_nowait() for _ in range(2)]
    assert clients[0] is not clients[1]
    assert pool.empty()


# ---------------------------------------------------------------- those who borrow


def borrow(pool: ClientPool[BlockingClient]) -> None:
    with pool.reserve():
        pass


def borrow_if_need_be_wait(pool: ClientPool[BlockingClient]) -> None:
    with pool.reserve(block=True, timeout=10):
        pass


def borrow_all(pool: ClientPool[BlockingClient]) -> None:
    with pool.reserve(), pool.reserve():
        with pytest.raises(PoolEmpty):
            borrow(pool)


def wait_in_vain(pool: ClientPool[BlockingClient]) -> None:
    with pool.reserve(), pool.reserve():
        with pytest.raises(PoolTimeout):
            pool.get(timeout=0)


def borrow_by_hand(pool: ClientPool[BlockingClient]) -> None:
    pool.put(pool.get())


def fail_to_open(pool: ClientPool[BlockingClient]) -> None:
    pool._lender.master.book.failure = ConnectionError()
    try:
        with pytest.raises(ConnectionError):
            with pool.reserve(), pool.reserve():
                raise ConnectionError
    finally:
        pool._lender.master.book.failure = None


@pytest.mark.parametrize("steps", ["lines", "looks"])
@pytest.mark.parametrize("opened", [0, 1, 2])
@pytest.mark.parametrize(
    "story",
    [borrow, borrow_if_need_be_wait, borrow_all, wait_in_vain, borrow_by_hand, fail_to_open],
)
def test_wherever_it_strikes_no_slot_is_lost_and_nothing_is_lent_twice(
    story: Callable[[ClientPool[BlockingClient]], None], opened: int, steps: str
) -> None:
    for strike in strikes(steps):
        pool = pool_with(opened)
        with strike:
            story(pool)
        look_around(pool)


# ---------------------------------------------------------------- those who wait meanwhile


@pytest.mark.parametrize("steps", ["lines", "looks"])
@pytest.mark.parametrize("by_hand", [False, True])
def test_wherever_it_strikes_those_who_wait_are_served(by_hand: bool, steps: str) -> None:
    for strike in strikes(steps):
        pool = ClientPool(BlockingClient(), 1)
        calls: list[None] = []
        ticket: Ticket[BlockingClient] = Ticket(calls.append)
        reservation = pool.reserve()
        client = pool.get() if by_hand else reservation.__enter__()
        pool._lender.queue_up(ticket)
        with strike:
            if by_hand:
                pool.put(client)
            else:
                reservation.__exit__(None, None, None)
        del client, reservation
        if steps == "lines" and not calls:
            # Between giving and waking there is a line, but nothing that looks for signals. And if
            # something did strike there: the next one to come by wakes whoever has been forgotten.
            assert ticket.decision
            with pytest.raises(PoolEmpty):
                pool.get_nowait()
        assert calls
        served = pool._lender.redeem(ticket)
        assert served is not None
        pool._lender.give_back(served)
        assert pool.full()


def test_a_thread_struck_down_by_a_signal_while_it_waits_leaves_the_queue() -> None:
    pool = ClientPool(BlockingClient(), 1)
    main = threading.get_ident()
    pause = threading.Event()

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    def strike() -> None:
        while not pool._lender.queue:
            pause.wait(0.001)
        signal.pthread_kill(main, signal.SIGUSR1)

    # (Not SIGINT: it is ignored where the tests run in the background of a shell.)
    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pool.reserve():
            thread = threading.Thread(target=strike)
            thread.start()
            with pytest.raises(KeyboardInterrupt):
                pool.get(timeout=10)
            thread.join()
            assert not pool._lender.queue
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert pool.full()


# ---------------------------------------------------------------- a client for each thread


@pytest.mark.parametrize("steps", ["lines", "looks"])
def test_wherever_it_strikes_a_thread_has_one_client_and_one_only(steps: str) -> None:
    for strike in strikes(steps):
        pool = ThreadMappedPool(BlockingClient())
        with strike:
            with pool.reserve():
                pass
            with pool.reserve(), pool.reserve():
                pass
        with pool.reserve() as outer, pool.reserve() as inner:
            assert outer is not inner
        assert list(pool.values()) == [outer]
