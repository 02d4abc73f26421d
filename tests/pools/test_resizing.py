"""Pools that grow, shrink and are drained; queues with an end; and what the numbers say."""

from __future__ import annotations

import gc
import queue

import pytest

from mcclient import ClientPool, PoolClosed, PoolEmpty, PoolTimeout, TooManyWaiting
from mcproto import InvalidArgument
from tests.pools.clients import AsyncioClient, BlockingClient
from tests.pools.test_client_pool import Thread, pool_of, wait_until_waiting
from tests.pools.test_tasks import World, in_both_worlds

# ---------------------------------------------------------------- resize


def test_a_pool_can_grow_and_who_waits_is_served_by_it() -> None:
    pool, book = pool_of(1)
    client = pool.get()
    waiter = Thread(pool.get)
    wait_until_waiting(pool, 1)
    pool.resize(2)
    assert waiter.outcome.number == 2
    assert (pool.maxsize, pool.stats().size, pool.qsize()) == (2, 2, 0)
    pool.put(client)
    assert pool.qsize() == 1
    assert book.made == 2


def test_a_pool_shrinks_by_what_is_not_made_first_then_by_what_is_coldest() -> None:
    pool, book = pool_of(5)
    clients = [pool.get() for _ in range(3)]
    for client in clients:
        pool.put(client)
    pool.resize(2)
    assert book.closed == [1]
    assert pool.full()
    assert [pool.get().number for _ in range(2)] == [3, 2]
    assert pool.stats().closed == {"resize": 1}


def test_what_is_lent_goes_as_it_comes_back() -> None:
    pool, book = pool_of(3)
    by_hand = pool.get()
    with pool.reserve() as one, pool.reserve() as other:
        pool.resize(1)
        assert (pool.stats().size, pool.qsize(), book.closed) == (1, 0, [])
        with pytest.raises(PoolEmpty):
            pool.get_nowait()
    pool.put(by_hand)
    assert len(book.closed) == 2
    assert pool.full()
    assert not pool.lender.leaving
    kept = pool.get()
    assert kept in (by_hand, one, other)
    assert kept.number not in book.closed


def test_resized_to_nothing_it_lends_nothing_until_it_is_filled() -> None:
    pool, book = pool_of(2)
    pool.put(pool.get())
    pool.resize(0)
    assert book.closed == [1]
    with pytest.raises(PoolEmpty):
        pool.get_nowait()
    pool.fill(BlockingClient(), 3)
    assert pool.qsize() == 3


def test_a_pool_without_a_master_changes_its_bound() -> None:
    pool: ClientPool[BlockingClient] = ClientPool(n_slots=1)
    pool.resize(2)
    pool.fill(BlockingClient(), 2)
    with pytest.raises(queue.Full):
        pool.fill(BlockingClient(), 1)


def test_a_size_is_a_number_and_a_closed_pool_has_none() -> None:
    pool, _ = pool_of(2)
    with pytest.raises(TypeError, match="n_slots"):
        pool.resize("3")
    with pytest.raises(InvalidArgument, match="n_slots"):
        pool.resize(-1)
    pool.close()
    with pytest.raises(PoolClosed):
        pool.resize(3)


# ---------------------------------------------------------------- drain


def test_a_drained_pool_has_new_clients() -> None:
    pool, book = pool_of(3)
    lent, idle = pool.get(), pool.get()
    pool.put(idle)
    pool.drain()
    assert book.closed == [idle.number]
    assert pool.qsize() == 2
    pool.put(lent)
    assert sorted(book.closed) == [1, 2]
    assert pool.full()
    assert not pool.lender.leaving
    with pool.reserve() as client:
        assert client.number == 3
    assert pool.stats().closed == {"drain": 2}


def test_a_large_pool_is_drained_without_ado() -> None:
    pool, book = pool_of(3000)
    for client in [pool.get() for _ in range(3000)]:
        pool.put(client)
    pool.drain()
    assert len(book.closed) == 3000
    assert pool.full()
    pool.resize(1)
    assert pool.full()


def test_who_waits_gets_a_new_client_when_a_drained_one_comes_back() -> None:
    pool, book = pool_of(1)
    client = pool.get()
    waiter = Thread(lambda: pool.get().number)
    wait_until_waiting(pool, 1)
    pool.drain()
    pool.put(client)
    assert waiter.outcome == 2
    assert book.closed == [1]


@in_both_worlds
async def test_pools_of_tasks_are_drained_and_resized_too(world: World) -> None:
    master = world.Client()
    pool = ClientPool(master, 3)
    async with pool.reserve() as lent:
        idle = pool.get()
        pool.put(idle)
        pool.drain()
        assert master.book.closed == [idle.number]
        pool.resize(1)
    assert sorted(master.book.closed) == [lent.number, idle.number]
    assert pool.stats().size == 1
    assert (await pool.aget()).number == 3


# ---------------------------------------------------------------- max_waiting


def test_a_queue_that_is_full_takes_nobody() -> None:
    pool = ClientPool(BlockingClient(), 1, max_waiting=2)
    client = pool.get()
    waiters = []
    for number in range(2):
        waiters.append(Thread(pool.get))
        wait_until_waiting(pool, number + 1)
    for attempt in (
        pool.get,
        lambda: pool.get(timeout=10),
        pool.reserve(block=True).__enter__,
    ):
        with pytest.raises(TooManyWaiting, match="2"):
            attempt()
    with pytest.raises(PoolEmpty):
        pool.get_nowait()
    assert pool.stats().waiting == 2
    pool.put(client)
    assert waiters[0].outcome is client
    pool.put(client)
    assert waiters[1].outcome is client
    pool.put(client)
    assert pool.get() is client
    assert pool.stats().errors == {"TooManyWaiting": 3, "PoolEmpty": 1}


def test_where_nobody_may_wait_nobody_does() -> None:
    pool = ClientPool(BlockingClient(), 1, max_waiting=0)
    with pool.reserve(block=True):
        with pytest.raises(TooManyWaiting):
            pool.get()
    assert pool.get().number == 1


@in_both_worlds
async def test_for_tasks_the_queue_has_an_end_too(world: World) -> None:
    pool = ClientPool(world.Client(), 1, max_waiting=1)
    client = await pool.aget()
    task = world.start(pool.aget)
    await world.rest()
    with pytest.raises(TooManyWaiting):
        await pool.aget()
    with pytest.raises(TooManyWaiting):
        async with pool.reserve(block=True):
            pass
    pool.put(client)
    assert await task.outcome() is client


# ---------------------------------------------------------------- what the numbers say


def test_the_numbers_tell_what_has_happened() -> None:
    pool, book = pool_of(2)
    assert pool.stats()[:4] == (2, 2, 0, 0)
    with pool.reserve(), pool.reserve():
        with pytest.raises(PoolEmpty):
            pool.get_nowait()
        with pytest.raises(PoolTimeout):
            pool.get(timeout=0.01)
        stats = pool.stats()
        assert (stats.size, stats.available, stats.waiting) == (2, 0, 0)
        assert (stats.requests, stats.waited) == (4, 1)
        assert stats.wait_time >= 0.01
    book.failure = OSError("no more descriptors")
    pool.lender.dismiss(pool.get(), "check")
    with pool.reserve(), pytest.raises(OSError, match="descriptors"), pool.reserve():
        pass
    book.failure = None
    dropped = [pool.get() for _ in range(2)]
    dropped[0].closed = True
    pool.put(dropped[0])
    del dropped
    gc.collect()
    stats = pool.stats()
    assert stats.requests == 9
    assert stats.errors == {"PoolEmpty": 1, "PoolTimeout": 1, "OSError": 1}
    assert (stats.opened, stats.lost, stats.closed) == (3, 3, {})
    assert (stats.use_time, stats.timed) == (0.0, False)
    assert pool.full()


def test_every_way_of_asking_counts_once() -> None:
    pool, _ = pool_of(1)
    for ask in (
        lambda: pool.reserve().__enter__(),
        lambda: pool.reserve(block=True).__enter__(),
        pool.get,
        pool.get_nowait,
    ):
        before = pool.stats().requests
        ask()
        assert pool.stats().requests == before + 1
    asked = pool.stats().requests
    tended: ClientPool[BlockingClient] = ClientPool(BlockingClient(), 1, timed=True)
    with tended.reserve():
        pass
    tended.put(tended.get())
    assert tended.stats().requests == 2
    assert pool.stats().requests == asked


@in_both_worlds
async def test_asking_counts_once_for_tasks(world: World) -> None:
    for options in {}, {"timed": True}:
        pool = ClientPool(world.Client(), 1, **options)
        async with pool.reserve():
            pass
        pool.put(await pool.aget())
        pool.put(pool.get())
        assert pool.stats().requests == 3


def test_a_pool_tells_how_it_is() -> None:
    pool, _ = pool_of(1)
    client = pool.get()
    waiter = Thread(pool.get)
    wait_until_waiting(pool, 1)
    assert repr(pool) == "<ClientPool: 0 of 1 to be lent, 1 waiting>"
    pool.put(client)
    assert waiter.outcome is client


def test_a_foreign_client_cannot_be_given_back_to_a_full_pool() -> None:
    pool, _ = pool_of(1)
    with pytest.raises(queue.Full):
        pool.put(BlockingClient())
    assert pool.full()
    of_tasks = ClientPool(AsyncioClient(), 1)
    with pytest.raises(TypeError, match="both"):
        of_tasks.put(BlockingClient())
