# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""What type checkers make of the pools. Never run: scripts/check has mypy and pyright read it.

A line that must be refused says so in a comment, which is itself an error where it is not needed:
``type: ignore`` if both must refuse it, ``pyright: ignore`` if mypy cannot (it does not hold the
receiver of a method against the bound of its `self`).
"""

from __future__ import annotations

import queue
from typing import assert_type

from mcclient import (
    AsyncClient,
    AsyncPooledClient,
    Client,
    ClientPool,
    Observer,
    PooledClient,
    PoolStats,
    TaskMappedPool,
    ThreadMappedPool,
)


class Blocking:
    """Somebody else's blocking client."""

    def clone(self) -> Blocking:
        return Blocking()

    def close(self) -> None: ...


class Bare:
    """Something that cannot be closed."""

    def clone(self) -> Bare:
        return Bare()


def threads(mc: Client) -> bytes:
    pool = ClientPool(mc, 3)
    assert_type(pool, ClientPool[Client])
    as_a_queue: queue.Queue[Client] = pool
    with pool.reserve() as client:
        assert_type(client, Client)
    with pool.reserve(block=True, timeout=0.5) as client:
        assert_type(client, Client)
    assert_type(pool.get(), Client)
    assert_type(pool.get_nowait(), Client)
    assert_type(as_a_queue.get(), Client)
    pool.put(mc)
    pool.fill(mc, 3)
    pool.close()
    with pool.reserve() as client:
        # No `return` after the block: it swallows no exceptions.
        return b""


async def tasks(mc: AsyncClient) -> bytes:
    pool = ClientPool(mc, 3)
    assert_type(pool, ClientPool[AsyncClient])
    async with pool.reserve() as client:
        assert_type(client, AsyncClient)
    async with pool.reserve(block=True, timeout=0.5) as client:
        assert_type(client, AsyncClient)
    assert_type(await pool.aget(timeout=0.5), AsyncClient)
    assert_type(pool.get_nowait(), AsyncClient)
    pool.put(mc)
    await pool.aclose()
    async with pool.reserve() as client:
        return b""


def filled_later(mc: Client) -> None:
    pool: ClientPool[Client] = ClientPool()
    pool.fill(mc, 3)
    with pool.reserve() as client:
        assert_type(client, Client)


def anybodys(mc: Blocking) -> None:
    with ClientPool(mc, 3).reserve() as client:
        assert_type(client, Blocking)


async def the_wrong_door_to_threads(pool: ClientPool[Client]) -> None:
    async with pool.reserve():  # type: ignore[attr-defined]
        pass
    await pool.aget()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    await pool.aclose()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


async def the_wrong_door_to_tasks(pool: ClientPool[AsyncClient]) -> None:
    with pool.reserve():  # type: ignore[attr-defined]
        pass
    pool.close()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    pool.shutdown()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


def the_wrong_things(mc: Client, amc: AsyncClient) -> None:
    ClientPool("127.0.0.1:11211", 3)  # type: ignore[arg-type]
    ClientPool(Bare(), 3).reserve()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    ClientPool(mc, "3")  # type: ignore[arg-type]
    pool = ClientPool(mc, 3)
    pool.fill(amc, 3)  # type: ignore[arg-type]
    pool.put(amc)  # type: ignore[arg-type]
    pool.reserve(timeout="1")  # type: ignore[arg-type]
    ThreadMappedPool("127.0.0.1:11211")  # type: ignore[type-var]
    ThreadMappedPool()  # type: ignore[call-arg]


def mapped(mc: Client) -> None:
    pool = ThreadMappedPool(mc)
    assert_type(pool, ThreadMappedPool[Client])
    with pool.reserve() as client:
        assert_type(client, Client)
    assert_type(pool.relinquish(), Client | None)
    assert_type(pool.master, Client)


def mapped_over_async_clients(mc: AsyncClient) -> None:
    with ThreadMappedPool(mc).reserve() as client:
        assert_type(client, AsyncClient)


async def the_wrong_door_to_a_map(pool: ThreadMappedPool[AsyncClient]) -> None:
    async with pool.reserve():  # type: ignore[attr-defined]
        pass


def mapped_by_task(mc: AsyncClient) -> None:
    pool = TaskMappedPool(mc)
    with pool.reserve() as client:
        assert_type(client, AsyncClient)
    assert_type(pool.relinquish(), AsyncClient | None)


async def closing_maps(
    threads: ThreadMappedPool[Client], tasks: TaskMappedPool[AsyncClient]
) -> None:
    threads.close()
    await tasks.aclose()
    await threads.aclose()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    tasks.close()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


def options(mc: Client) -> None:
    def checked(client: Client) -> bool:
        return bool(client.version())

    pool = ClientPool(
        mc,
        3,
        max_waiting=10,
        min_idle=1,
        max_idle=60.0,
        max_lifetime=3600,
        check=checked,
        timed=True,
        observer=Observer(),
        name="main",
    )
    assert_type(pool.stats(), PoolStats)
    pool.resize(5)
    pool.drain()
    ClientPool(mc, 3, max_waiting="10")  # type: ignore[arg-type]
    ClientPool(mc, 3, check=1)  # type: ignore[arg-type]
    ClientPool(mc, 3, observer=Observer)  # type: ignore[arg-type]


def pooled(mc: Client, amc: AsyncClient, pool: ClientPool[Client]) -> None:
    one = PooledClient(mc, 8, max_waiting=10, timed=True)
    assert_type(one.get("k"), object)
    assert_type(one.incr("k"), int | None)
    assert_type(one.clone(), PooledClient)
    assert_type(one.pool, ClientPool[Client])
    with PooledClient(pool) as same:
        assert_type(same, PooledClient)
    PooledClient(amc)  # type: ignore[arg-type]
    PooledClient(mc, n_slots="8")  # type: ignore[arg-type]
    PooledClient(mc, max_idle="8")  # type: ignore[arg-type]
    PooledClient(mc, no_such_option=1)  # type: ignore[call-arg]


async def async_pooled(mc: Client, amc: AsyncClient) -> None:
    one = AsyncPooledClient(amc, 8)
    assert_type(await one.get("k"), object)
    assert_type(one.clone(), AsyncPooledClient)
    async with one as same:
        assert_type(same, AsyncPooledClient)
    with one:  # type: ignore[attr-defined]
        pass
    AsyncPooledClient(mc)  # type: ignore[arg-type]
