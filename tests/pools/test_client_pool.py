"""`ClientPool` as threads see it: a queue of clients, by type and by interface."""

from __future__ import annotations

import gc
import queue
import sys
import threading
from collections.abc import Callable

import pytest

from mcclient import ClientPool, MemcacheError, PoolClosed, PoolEmpty, PoolTimeout
from mcproto import InvalidArgument
from tests.pools.clients import AsyncioClient, BlockingClient, Book

PATIENCE = 10.0  # far more than any of these waits takes


def pool_of(slots: int) -> tuple[ClientPool[BlockingClient], Book]:
    master = BlockingClient()
    return ClientPool(master, slots), master.book


class Thread(threading.Thread):
    """Runs *act*; `outcome` waits for what it returned, or for the error that it raised."""

    def __init__(self, act: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._act = act
        self._outcome: object = None
        self.start()

    def run(self) -> None:
        try:
            self._outcome = self._act()
        except Exception as error:
            self._outcome = error

    @property
    def outcome(self) -> object:
        self.join(PATIENCE)
        assert not self.is_alive()
        return self._outcome


def wait_until_waiting(pool: ClientPool[BlockingClient], waiting: int) -> None:
    """Returns when so many threads wait for a client."""
    pause = threading.Event()
    while len(pool._lender.queue) < waiting:
        pause.wait(0.001)


# ---------------------------------------------------------------- as pylibmc has it


def filled() -> ClientPool[BlockingClient]:
    pool: ClientPool[BlockingClient] = ClientPool()
    pool.fill(BlockingClient(), 2)
    return pool


@pytest.mark.parametrize(
    ("make", "size", "bound", "empty", "full"),
    [
        (lambda: ClientPool(), 0, 0, True, False),
        (lambda: ClientPool(BlockingClient()), 0, 0, True, False),
        (lambda: ClientPool(BlockingClient(), 0), 0, 0, True, False),
        (lambda: ClientPool(BlockingClient(), 10), 10, 10, False, True),
        (lambda: ClientPool(n_slots=3), 0, 3, True, False),
        (filled, 2, 0, False, False),
    ],
)
def test_a_pool_is_a_queue_with_as_many_clients_as_it_has_slots(
    make: Callable[[], ClientPool[BlockingClient]], size: int, bound: int, empty: bool, full: bool
) -> None:
    pool = make()
    assert isinstance(pool, queue.Queue)
    assert (pool.qsize(), pool.maxsize, pool.empty(), pool.full()) == (size, bound, empty, full)


def test_what_is_reserved_counts_as_out_and_comes_back() -> None:
    pool, _ = pool_of(2)
    with pool.reserve():
        assert (pool.qsize(), pool.empty(), pool.full()) == (1, False, False)
        with pool.reserve():
            assert (pool.qsize(), pool.empty(), pool.full()) == (0, True, False)
    assert (pool.qsize(), pool.empty(), pool.full()) == (2, False, True)


def test_when_all_are_out_one_who_does_not_wait_gets_queue_empty() -> None:
    pool, _ = pool_of(1)
    with pool.reserve():
        with pytest.raises(queue.Empty):
            with pool.reserve():
                pass
        with pytest.raises(queue.Empty):
            pool.get(block=False)
        with pytest.raises(queue.Empty):
            pool.get_nowait()


def test_an_empty_pool_is_empty_not_broken() -> None:
    pool: ClientPool[BlockingClient] = ClientPool()
    with pytest.raises(PoolEmpty):
        with pool.reserve():
            pass


def test_the_master_is_never_lent() -> None:
    master = BlockingClient()
    pool = ClientPool(master, 3)
    assert master not in [pool.get() for _ in range(3)]


def test_the_client_comes_back_when_the_block_fails() -> None:
    pool, _ = pool_of(1)
    with pytest.raises(ZeroDivisionError):
        with pool.reserve() as failed:
            raise ZeroDivisionError
    with pool.reserve() as next_one:
        assert next_one is failed


def test_a_reservation_brings_its_client_back_once_and_can_be_used_again() -> None:
    pool, _ = pool_of(2)
    reservation = pool.reserve()
    with reservation as client:
        pass
    reservation.__exit__(None, None, None)
    assert pool.qsize() == 2
    with reservation as again:
        assert again is client
        assert pool.get() is not client


def test_fill_beyond_the_bound_adds_nothing() -> None:
    pool: ClientPool[BlockingClient] = ClientPool(n_slots=3)
    pool.fill(BlockingClient(), 2)
    with pytest.raises(queue.Full):
        pool.fill(BlockingClient(), 2)
    assert pool.qsize() == 2
    pool.fill(BlockingClient(), 1)
    assert pool.full()


def test_fill_counts_those_that_are_out() -> None:
    pool, _ = pool_of(2)
    with pool.reserve():
        with pytest.raises(queue.Full):
            pool.fill(BlockingClient(), 1)


def test_nothing_is_ever_to_be_joined() -> None:
    pool, _ = pool_of(2)
    pool.put(pool.get())
    pool.join()
    with pytest.raises(ValueError, match="task_done"):
        pool.task_done()


# ---------------------------------------------------------------- making and reusing clients


def test_no_client_is_made_before_it_is_wanted() -> None:
    pool, book = pool_of(10)
    assert book.made == 0
    for _ in range(3):
        with pool.reserve():
            pass
    assert book.made == 1
    with pool.reserve(), pool.reserve():
        assert book.made == 2


def test_the_one_used_last_is_lent_first() -> None:
    pool, _ = pool_of(3)
    first, second, third = (pool.get() for _ in range(3))
    pool.put(second)
    pool.put(third)
    pool.put(first)
    assert [pool.get() for _ in range(3)] == [first, third, second]


def test_a_failure_to_make_a_client_costs_no_slot() -> None:
    pool, book = pool_of(1)
    book.failure = OSError("too many open files")
    with pytest.raises(OSError, match="too many open files") as kept:
        with pool.reserve():
            pass
    with pytest.raises(OSError, match="too many open files"):
        pool.get()
    assert pool.qsize() == 1
    book.failure = None
    with pool.reserve() as client:
        assert client.number == 1
    assert kept.tb is not None  # its frames have been alive all the while


def test_a_client_that_is_dropped_leaves_its_slot_free() -> None:
    pool, _ = pool_of(1)
    assert pool.get().number == 1
    assert pool.qsize() == 1
    assert pool.get().number == 2


def test_a_client_dropped_in_a_cycle_leaves_its_slot_free_when_it_is_collected() -> None:
    pool, _ = pool_of(1)
    client = pool.get()
    client.itself = client
    del client
    gc.collect()
    assert pool.qsize() == 1


def test_a_slot_is_filled_again_from_its_own_master() -> None:
    pool: ClientPool[BlockingClient] = ClientPool()
    one, other = BlockingClient(), BlockingClient()
    pool.fill(one, 1)
    pool.fill(other, 1)
    for _ in range(3):
        clients = [pool.get(), pool.get()]
        assert {client.book for client in clients} == {one.book, other.book}
        del clients


def test_a_client_that_joined_is_replaced_by_its_clone_when_it_is_lost() -> None:
    pool: ClientPool[BlockingClient] = ClientPool(n_slots=1)
    pool.put(BlockingClient())
    book = pool.get().book
    with pool.reserve() as client:
        assert client.book is book


def test_a_pool_that_nobody_needs_is_gone_at_once_and_takes_its_clients_along() -> None:
    gc.collect()
    gc.disable()
    try:
        pool, book = pool_of(3)
        pool.put(pool.get())
        lender = pool._lender
        alive = lender._living
        del pool, lender
        assert not alive
        assert book.made == 1
    finally:
        gc.enable()


def test_clients_need_not_be_hashable_nor_are_equal_ones_mistaken_for_each_other() -> None:
    class Twin(BlockingClient):
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = None

    pool = ClientPool(Twin(), 2)
    first, second = pool.get(), pool.get()
    pool.put(second)
    with pytest.raises(ValueError, match="already"):
        pool.put(second)
    pool.put(first)
    assert pool.full()


# ---------------------------------------------------------------- by hand


def test_what_was_got_is_put_back() -> None:
    pool, _ = pool_of(1)
    client = pool.get()
    assert pool.empty()
    pool.put(client)
    assert pool.get_nowait() is client
    pool.put_nowait(client)
    assert pool.full()


def test_a_client_that_is_in_cannot_be_put_in_again() -> None:
    pool, _ = pool_of(2)
    client = pool.get()
    pool.put(client)
    with pytest.raises(ValueError, match="already"):
        pool.put(client)
    assert pool.qsize() == 2


def test_a_reserved_client_is_brought_back_by_its_block_and_by_nobody_else() -> None:
    pool, _ = pool_of(2)
    with pool.reserve() as client:
        with pytest.raises(ValueError, match="reserved"):
            pool.put(client)
    clients = [pool.get(), pool.get()]
    assert clients[0] is not clients[1]


def test_a_new_client_joins_where_there_is_room() -> None:
    pool: ClientPool[BlockingClient] = ClientPool(n_slots=1)
    client = BlockingClient()
    pool.put(client)
    assert pool.full()
    with pytest.raises(queue.Full):
        pool.put(BlockingClient())
    with pytest.raises(queue.Full):
        pool.put_nowait(BlockingClient())
    with pytest.raises(ValueError, match="already"):
        pool.put(client)
    with pool.reserve() as reserved:
        assert reserved is client
        with pytest.raises(queue.Full):
            pool.put(BlockingClient())


def test_an_unbounded_pool_has_always_room() -> None:
    pool: ClientPool[BlockingClient] = ClientPool()
    for _ in range(5):
        pool.put(BlockingClient())
    assert pool.qsize() == 5
    assert not pool.full()


# ---------------------------------------------------------------- waiting


def test_who_waits_gets_the_client_that_comes_back() -> None:
    pool, book = pool_of(1)
    client = pool.get()
    waiter = Thread(pool.get)
    wait_until_waiting(pool, 1)
    pool.put(client)
    assert waiter.outcome is client
    assert book.made == 1


def test_those_who_wait_are_served_in_their_order_and_nobody_overtakes_them() -> None:
    pool, _ = pool_of(1)
    order = []

    def work(number: int) -> None:
        with pool.reserve(block=True):
            order.append(number)
            with pytest.raises(PoolEmpty):
                pool.get_nowait()

    with pool.reserve():
        threads = []
        for number in range(5):
            threads.append(Thread(lambda number=number: work(number)))
            wait_until_waiting(pool, number + 1)
    for thread in threads:
        assert thread.outcome is None
    assert order == [0, 1, 2, 3, 4]


def test_who_waits_is_served_when_a_client_is_lost() -> None:
    pool, _ = pool_of(1)
    client = pool.get()
    waiter = Thread(lambda: pool.get().number)
    wait_until_waiting(pool, 1)
    del client
    assert waiter.outcome == 2


def test_who_waits_is_served_when_the_pool_is_filled() -> None:
    pool: ClientPool[BlockingClient] = ClientPool()
    waiter = Thread(lambda: pool.get().number)
    wait_until_waiting(pool, 1)
    pool.fill(BlockingClient(), 1)
    assert waiter.outcome == 1


def test_when_a_waiter_cannot_make_a_client_the_next_one_may_try() -> None:
    pool, book = pool_of(1)
    client = pool.get()
    book.failure = OSError("refused")
    waiters = []
    for number in range(3):
        waiters.append(Thread(lambda: pool.get().number))
        wait_until_waiting(pool, number + 1)
    del client
    assert [type(waiter.outcome) for waiter in waiters] == [OSError] * 3
    assert pool.full()


@pytest.mark.parametrize("timeout", [0, 0.01])
def test_waiting_ends_with_the_timeout(timeout: float) -> None:
    pool, _ = pool_of(1)
    with pool.reserve():
        for wait in (
            lambda: pool.get(timeout=timeout),
            lambda: pool.reserve(block=True, timeout=timeout).__enter__(),
        ):
            with pytest.raises(PoolTimeout) as caught:
                wait()
            assert isinstance(caught.value, (queue.Empty, TimeoutError))
            assert isinstance(caught.value, MemcacheError)
        assert not pool._lender.queue
    assert pool.qsize() == 1


def test_a_timeout_beyond_all_clocks_is_no_timeout() -> None:
    pool, _ = pool_of(1)
    client = pool.get()
    for timeout in (1e300, float("inf")):
        waiter = Thread(lambda timeout=timeout: pool.get(timeout=timeout))
        wait_until_waiting(pool, 1)
        pool.put(client)
        assert waiter.outcome is client


def test_without_waiting_there_is_no_timeout() -> None:
    pool, _ = pool_of(1)
    with pool.reserve():
        with pytest.raises(PoolEmpty) as caught:
            pool.get(block=False, timeout=1e9)
        assert not isinstance(caught.value, PoolTimeout)


# ---------------------------------------------------------------- closing


def test_a_closed_pool_has_closed_every_client_here_or_lent() -> None:
    pool, book = pool_of(3)
    lent, idle = pool.get(), pool.get()
    pool.put(idle)
    with pool.reserve() as reserved:
        pool.close()
        assert sorted(book.closed) == [1, 2]
        assert (pool.qsize(), pool.stats().size) == (0, 0)
    pool.put(lent)
    assert reserved is idle
    assert len(book.closed) == 2
    assert pool.stats().closed == {"close": 2}
    assert pool.stats().lost == 0
    with pytest.raises(PoolClosed):
        pool.get()


def test_a_pool_that_is_shut_down_lends_nothing_and_closes_lent_clients_as_they_come_back() -> None:
    pool, book = pool_of(3)
    lent, idle = pool.get(), pool.get()
    pool.put(idle)
    with pool.reserve() as reserved:
        assert reserved is idle
        idle = pool.get()
        pool.put(idle)
        pool.shutdown()
        assert book.closed == [idle.number]
        assert (pool.qsize(), pool.empty(), pool.full()) == (0, True, False)
        for refused in (
            pool.get,
            pool.get_nowait,
            pool.reserve().__enter__,
            lambda: pool.put(BlockingClient()),
            lambda: pool.fill(BlockingClient(), 1),
        ):
            with pytest.raises(PoolClosed):
                refused()
    assert book.closed == [idle.number, reserved.number]
    pool.put(lent)
    assert book.closed == [idle.number, reserved.number, lent.number]
    pool.close()
    assert len(book.closed) == 3
    del lent, idle, reserved
    assert pool.qsize() == 0


def test_who_waits_hears_that_the_pool_is_closed() -> None:
    pool, _ = pool_of(1)
    with pool.reserve():
        waiters = [Thread(pool.get) for _ in range(3)]
        wait_until_waiting(pool, 3)
        pool.close()
        assert [type(waiter.outcome) for waiter in waiters] == [PoolClosed] * 3
    assert not pool._lender.queue


def test_every_client_is_closed_even_if_one_of_them_fails() -> None:
    class Failing(BlockingClient):
        def close(self) -> None:
            super().close()
            raise OSError(self.number)

    master = Failing()
    pool = ClientPool(master, 3)
    for client in [pool.get() for _ in range(3)]:
        pool.put(client)
    with pytest.raises(OSError, match="3"):
        pool.close()
    assert master.book.closed == [3, 2, 1]


def test_shutdown_may_be_immediate_as_with_queues() -> None:
    pool, book = pool_of(1)
    client = pool.get()
    pool.shutdown()
    assert book.closed == []
    pool.shutdown(immediate=True)
    assert book.closed == [client.number]


# ---------------------------------------------------------------- mistakes


@pytest.mark.parametrize("not_a_number", [1.0, "1", None])
def test_a_number_of_slots_is_an_int(not_a_number: object) -> None:
    with pytest.raises(TypeError, match="n_slots"):
        ClientPool(BlockingClient(), not_a_number)
    with pytest.raises(TypeError, match="n_slots"):
        ClientPool().fill(BlockingClient(), not_a_number)


def test_a_number_of_slots_is_not_negative() -> None:
    for mistake in (
        lambda: ClientPool(BlockingClient(), -1),
        lambda: ClientPool(n_slots=-1),
        lambda: ClientPool().fill(BlockingClient(), -1),
    ):
        with pytest.raises(InvalidArgument, match="n_slots"):
            mistake()


@pytest.mark.parametrize("not_a_client", [None, "127.0.0.1", object()])
def test_what_cannot_be_cloned_cannot_be_pooled(not_a_client: object) -> None:
    pool: ClientPool[BlockingClient] = ClientPool()
    with pytest.raises(TypeError, match=r"clone\(\)"):
        pool.fill(not_a_client, 1)
    with pytest.raises(TypeError, match=r"clone\(\)"):
        pool.put(not_a_client)
    assert pool.empty()


@pytest.mark.parametrize("not_a_time", ["1", [1]])
def test_a_timeout_is_a_number(not_a_time: object) -> None:
    pool, _ = pool_of(1)
    with pytest.raises(TypeError, match="timeout"):
        pool.get(timeout=not_a_time)
    with pytest.raises(TypeError, match="timeout"):
        pool.reserve(block=True, timeout=not_a_time)


@pytest.mark.parametrize("no_time", [-1, -0.001, float("nan")])
def test_a_timeout_is_not_negative(no_time: float) -> None:
    pool, _ = pool_of(1)
    with pytest.raises(InvalidArgument, match="timeout"):
        pool.get(timeout=no_time)
    with pytest.raises(InvalidArgument, match="timeout"):
        pool.reserve(block=True, timeout=no_time)


def test_a_pool_is_for_blocking_clients_or_for_async_ones() -> None:
    for first, second in ((BlockingClient, AsyncioClient), (AsyncioClient, BlockingClient)):
        pool = ClientPool(first())
        with pytest.raises(TypeError, match="both blocking and async"):
            pool.fill(second(), 1)
        with pytest.raises(TypeError, match="both blocking and async"):
            pool.put(second())
        assert pool.empty()


def test_a_pool_says_what_it_has() -> None:
    pool, _ = pool_of(3)
    with pool.reserve():
        assert repr(pool) == "<ClientPool: 2 of 3 to be lent>"
    pool.close()
    assert repr(pool) == "<ClientPool: closed>"


# ---------------------------------------------------------------- under stress


def test_eight_threads_on_three_clients_never_share_one() -> None:
    pool, book = pool_of(3)
    in_use: set[int] = set()

    def use(client: BlockingClient) -> None:
        assert client.number not in in_use
        in_use.add(client.number)
        in_use.discard(client.number)

    def work() -> None:
        for turn in range(200):
            with pool.reserve(block=True, timeout=PATIENCE) as client:
                use(client)
            client = pool.get(timeout=PATIENCE)
            use(client)
            pool.put(client)
            try:
                with pool.reserve(block=turn % 2 > 0, timeout=1e-5) as client:
                    use(client)
            except PoolEmpty:
                pass

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [Thread(work) for _ in range(8)]
        assert [thread.outcome for thread in threads] == [None] * 8
    finally:
        sys.setswitchinterval(interval)
    assert book.made <= 3
    assert pool.full()
