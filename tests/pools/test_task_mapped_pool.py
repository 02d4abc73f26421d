"""`TaskMappedPool`: a client for each task, which ends with it."""

from __future__ import annotations

import asyncio
import gc
from weakref import ref

import pytest
import trio

from mcclient import PoolClosed, TaskMappedPool, ThreadMappedPool
from tests.pools.test_tasks import World, in_both_worlds
from tests.pools.worlds import AsyncioWorld


@in_both_worlds
async def test_it_is_a_dict_of_the_clients_that_are_not_in_use_by_task(world: World) -> None:
    pool = TaskMappedPool(world.Client())
    assert isinstance(pool, ThreadMappedPool)
    with pool.reserve() as client:
        assert pool == {}
        await world.tick()
    me = asyncio.current_task() if world_is_asyncio(world) else trio.lowlevel.current_task()
    assert pool == {me: client}
    assert pool.current_key is me
    with pool.reserve() as again:
        assert again is client
    assert pool.relinquish() is client
    assert pool.relinquish() is None


def world_is_asyncio(world: World) -> bool:
    return isinstance(world, AsyncioWorld)


@in_both_worlds
async def test_tasks_do_not_share_clients_and_each_one_s_is_closed_when_it_ends(
    world: World,
) -> None:
    master = world.Client()
    pool = TaskMappedPool(master)
    used: dict[int, list[int]] = {}

    async def work(number: int) -> None:
        for _ in range(3):
            with pool.reserve() as outer:
                await world.tick()
                with pool.reserve() as inner:
                    await world.tick()
                    used.setdefault(number, []).extend((outer.number, inner.number))

    tasks = [world.start(lambda number=number: work(number)) for number in range(5)]
    assert [await task.outcome() for task in tasks] == [None] * 5
    await world.rest()
    assert [len(set(numbers)) for numbers in used.values()] == [2] * 5
    assert len({number for numbers in used.values() for number in numbers}) == 10
    assert sorted(master.book.closed) == list(range(1, 11))
    assert pool == {}


@in_both_worlds
async def test_a_cancelled_task_s_client_is_closed_too(world: World) -> None:
    master = world.Client()
    pool = TaskMappedPool(master)

    async def work() -> None:
        with pool.reserve():
            while True:
                await world.tick()

    task = world.start(work)
    while not master.book.made:
        await world.tick()
    task.cancel()
    await task.outcome()
    await world.rest()
    assert pool == {}
    assert master.book.closed == [1]


@in_both_worlds
async def test_a_closed_pool_has_closed_every_task_s_client(world: World) -> None:
    master = world.Client()
    pool = TaskMappedPool(master)
    with pool.reserve(), pool.reserve():
        await pool.aclose()
        assert sorted(master.book.closed) == [1, 2]
    assert pool == {}
    with pytest.raises(PoolClosed), pool.reserve():
        pass
    with pytest.raises(TypeError, match="aclose"):
        pool.close()
    await pool.aclose()
    assert len(master.book.closed) == 2


def test_a_pool_is_good_for_one_run_after_the_other() -> None:
    for world in AsyncioWorld, AsyncioWorld:
        pool = TaskMappedPool(world.Client())

        async def use(world: World, pool=pool) -> None:
            with pool.reserve():
                await world.tick()

        for _ in range(3):
            world().run(use)
            assert pool == {}
        assert len(pool.master.book.closed) == 3


def test_it_is_gone_when_nobody_needs_it() -> None:
    async def main() -> None:
        pool = TaskMappedPool(AsyncioWorld.Client())
        reference = ref(pool)
        with pool.reserve():
            pass
        task = asyncio.create_task(asyncio.sleep(0))
        await task
        pool.relinquish()
        del pool
        gc.collect()
        # (The task that has used it still has its callback.)
        assert reference() is not None

    asyncio.run(main())
    gc.collect()


def test_where_no_task_is_running_there_is_no_client() -> None:
    pool = TaskMappedPool(AsyncioWorld.Client())
    with pytest.raises(RuntimeError, match="task"), pool.reserve():
        pass

    async def main() -> None:
        failures: list[BaseException] = []

        def outside_of_any_task() -> None:
            try:
                pool.reserve().__enter__()
            except RuntimeError as error:
                failures.append(error)

        asyncio.get_running_loop().call_soon(outside_of_any_task)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(failures) == 1

    asyncio.run(main())
