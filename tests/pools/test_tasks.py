"""`ClientPool` over async clients: tasks of trio and of asyncio, waiting and being cancelled."""

from __future__ import annotations

import queue
import random
from collections.abc import Awaitable, Callable

import pytest

from mcclient import ClientPool, PoolClosed, PoolEmpty, PoolTimeout
from mcproto import InvalidArgument
from tests.pools.clients import BlockingClient
from tests.pools.worlds import CANCELLED, AsyncioTask, AsyncioWorld, TrioTask, TrioWorld

World = TrioWorld | AsyncioWorld
Story = Callable[[World], Awaitable[None]]


def in_both_worlds(story: Story) -> Callable[[type[World]], None]:
    """A test that plays *story* with tasks of trio, and of asyncio."""

    @pytest.mark.parametrize("world", [TrioWorld, AsyncioWorld])
    def test(world: type[World]) -> None:
        world().run(story)

    test.__name__ = story.__name__
    return test


@in_both_worlds
async def test_a_task_borrows_and_brings_back(world: World) -> None:
    pool = ClientPool(world.Client(), 2)
    async with pool.reserve() as first:
        assert pool.qsize() == 1
    with pytest.raises(ZeroDivisionError):
        async with pool.reserve() as second:
            assert second is first
            raise ZeroDivisionError
    assert pool.full()
    client = await pool.aget()
    assert pool.qsize() == 1
    pool.put(client)
    assert pool.full()


@in_both_worlds
async def test_when_all_are_out_a_task_that_does_not_wait_gets_queue_empty(world: World) -> None:
    pool = ClientPool(world.Client(), 1)
    async with pool.reserve():
        with pytest.raises(queue.Empty):
            async with pool.reserve():
                pass
        with pytest.raises(PoolEmpty):
            await pool.aget(block=False)
        with pytest.raises(PoolEmpty):
            pool.get_nowait()


@in_both_worlds
async def test_get_is_good_for_all_but_waiting(world: World) -> None:
    pool = ClientPool(world.Client(), 1)
    client = pool.get()
    with pytest.raises(TypeError, match="aget"):
        pool.get()
    with pytest.raises(TypeError, match="aget"):
        pool.get(timeout=0.1)
    pool.put(client)
    assert pool.get_nowait() is client


@in_both_worlds
async def test_the_wrong_with_is_a_type_error_that_names_the_right_one(world: World) -> None:
    of_tasks = ClientPool(world.Client(), 1)
    with pytest.raises(TypeError, match="async with"):
        with of_tasks.reserve():
            pass
    with pytest.raises(TypeError, match="aclose"):
        of_tasks.close()
    of_threads = ClientPool(BlockingClient(), 1)
    with pytest.raises(TypeError, match="with pool"):
        async with of_threads.reserve():
            pass
    with pytest.raises(TypeError, match="get"):
        await of_threads.aget()
    with pytest.raises(TypeError, match="close"):
        await of_threads.aclose()
    assert of_tasks.full()
    assert of_threads.full()


@in_both_worlds
async def test_a_pool_that_nobody_has_filled_is_empty_through_any_door(world: World) -> None:
    pool = ClientPool()
    for block in (False, True):
        with pytest.raises(PoolEmpty):
            async with pool.reserve(block):
                pass
        with pytest.raises(PoolEmpty):
            await pool.aget(block)
    await pool.aclose()


@in_both_worlds
async def test_tasks_that_wait_are_served_in_their_order(world: World) -> None:
    pool = ClientPool(world.Client(), 1)
    order = []

    async def work(number: int) -> None:
        async with pool.reserve(block=True):
            order.append(number)
            with pytest.raises(PoolEmpty):
                pool.get_nowait()
            await world.tick()

    async with pool.reserve() as client:
        tasks = []
        for number in range(5):
            tasks.append(world.start(lambda number=number: work(number)))
            await world.rest()
    for task in tasks:
        assert await task.outcome() is None
    assert order == [0, 1, 2, 3, 4]
    assert client.book.made == 1


@in_both_worlds
async def test_a_task_that_waits_is_served_when_a_client_is_lost(world: World) -> None:
    pool = ClientPool(world.Client(), 1)
    client = pool.get()
    task = world.start(pool.aget)
    await world.rest()
    del client
    assert (await task.outcome()).number == 2


@in_both_worlds
async def test_a_pool_filled_by_put_alone_knows_how_to_wait(world: World) -> None:
    pool = ClientPool()
    pool.put(world.Client())
    client = pool.get()
    task = world.start(pool.aget)
    await world.rest()
    pool.put(client)
    assert await task.outcome() is client


@in_both_worlds
async def test_a_task_waits_no_longer_than_its_timeout(world: World) -> None:
    pool = ClientPool(world.Client(), 1)
    async with pool.reserve():
        for timeout in (0, 0.01):
            with pytest.raises(PoolTimeout):
                await pool.aget(timeout=timeout)
            with pytest.raises(PoolTimeout):
                async with pool.reserve(block=True, timeout=timeout):
                    pass
        with pytest.raises(InvalidArgument, match="timeout"):
            await pool.aget(timeout=-1)
        assert not pool._lender.queue
    assert pool.full()


@in_both_worlds
async def test_a_client_that_comes_in_just_after_the_timeout_is_not_refused(world: World) -> None:
    class Late:
        """A wait that times out; and before the task is told of it, a client comes back."""

        def set(self) -> None:
            pass

        async def wait(self, timeout: float | None = None) -> None:
            pool.put(client)

    class Client(world.Client):
        new_event = Late

    pool = ClientPool(Client(), 1)
    client = pool.get()
    assert await pool.aget(timeout=1) is client
    pool.put(client)
    assert pool.full()


# ---------------------------------------------------------------- cancelling


@in_both_worlds
async def test_a_cancelled_waiter_leaves_the_queue(world: World) -> None:
    pool = ClientPool(world.Client(), 1)
    client = pool.get()
    first, second = world.start(pool.aget), world.start(pool.aget)
    await world.rest()
    first.cancel()
    assert await first.outcome() == CANCELLED
    pool.put(client)
    assert await second.outcome() is client


@in_both_worlds
async def test_one_cancelled_in_the_tick_in_which_its_turn_came_passes_the_client_on(
    world: World,
) -> None:
    pool = ClientPool(world.Client(), 1)
    users = []

    async def work() -> None:
        async with pool.reserve(block=True) as client:
            # Where cancelling comes too late to keep it from being served, it comes here.
            await world.tick()
            users.append(client.number)

    async def two_waiting() -> list[TrioTask | AsyncioTask]:
        tasks = []
        for _ in range(2):
            tasks.append(world.start(work))
            await world.rest()
        return tasks

    client = pool.get()
    first, second = await two_waiting()
    pool.put(client)
    first.cancel()
    assert [await first.outcome(), await second.outcome()] == [CANCELLED, None]

    client = pool.get()
    first, second = await two_waiting()
    first.cancel()
    pool.put(client)
    assert [await first.outcome(), await second.outcome()] == [CANCELLED, None]
    assert users == [1, 1]

    # Not a client this time, but the right to make one.
    client = pool.get()
    first, second = await two_waiting()
    first.cancel()
    del client
    assert [await first.outcome(), await second.outcome()] == [CANCELLED, None]
    assert users == [1, 1, 2]
    assert pool.full()


@in_both_worlds
async def test_a_client_comes_back_from_a_cancelled_block(world: World) -> None:
    pool = ClientPool(world.Client(), 1)

    async def hold() -> None:
        async with pool.reserve():
            while True:
                await world.tick()

    task = world.start(hold)
    while pool.full():
        await world.tick()
    task.cancel()
    assert await task.outcome() == CANCELLED
    assert pool.full()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("world", [TrioWorld, AsyncioWorld])
def test_twelve_tasks_on_three_clients_are_cancelled_at_random(
    world: type[World], seed: int
) -> None:
    chance = random.Random(seed)

    async def story(world: World) -> None:
        master = world.Client()
        pool = ClientPool(master, 3)
        in_use: set[int] = set()
        cancelled = 0

        async def work() -> None:
            for _ in range(3):
                async with pool.reserve(block=True, timeout=chance.choice((None, 0, 10))) as client:
                    assert client.number not in in_use
                    in_use.add(client.number)
                    try:
                        for _ in range(chance.randrange(3)):
                            await world.tick()
                    finally:
                        in_use.discard(client.number)

        tasks = []
        for _ in range(400):
            tasks = [task for task in tasks if chance.random() < 0.99]
            while len(tasks) < 12:
                tasks.append(world.start(work))
            for _ in range(chance.randrange(3)):
                await world.tick()
            victim = tasks.pop(chance.randrange(len(tasks)))
            victim.cancel()
            outcome = await victim.outcome()
            assert outcome in (None, CANCELLED) or isinstance(outcome, PoolTimeout)
            cancelled += outcome == CANCELLED
        await world.rest()
        for task in tasks:
            outcome = await task.outcome()
            assert outcome is None or isinstance(outcome, PoolTimeout)
        assert cancelled > 10
        assert pool.full()
        assert not pool._lender.queue
        assert master.book.made == 3

    world().run(story)


# ---------------------------------------------------------------- closing


@in_both_worlds
async def test_a_closed_pool_lends_nothing_and_has_closed_its_clients(world: World) -> None:
    master = world.Client()
    pool = ClientPool(master, 4)
    by_hand, idle = pool.get(), pool.get()
    pool.put(idle)
    async with pool.reserve(), pool.reserve():
        await pool.aclose()
        assert sorted(master.book.closed) == [1, 2, 3]
        with pytest.raises(PoolClosed):
            await pool.aget()
        with pytest.raises(PoolClosed):
            async with pool.reserve(block=True):
                pass
    pool.put(by_hand)
    assert sorted(master.book.closed) == [1, 2, 3]
    assert pool.qsize() == 0
    await pool.aclose()


@in_both_worlds
async def test_tasks_that_wait_hear_that_the_pool_is_closed(world: World) -> None:
    pool = ClientPool(world.Client(), 1)
    async with pool.reserve():
        tasks = [world.start(pool.aget) for _ in range(3)]
        await world.rest()
        await pool.aclose()
        for task in tasks:
            assert isinstance(await task.outcome(), PoolClosed)


@in_both_worlds
async def test_a_cancelled_aclose_closes_every_client(world: World) -> None:
    master = world.Client()
    pool = ClientPool(master, 3)
    for client in [pool.get() for _ in range(3)]:
        pool.put(client)
    task = world.start(pool.aclose)
    while not pool._lender.closed:
        await world.tick()
    task.cancel()
    assert await task.outcome() == CANCELLED
    assert master.book.closed == [3, 2, 1]
