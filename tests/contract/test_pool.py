"""Pools over every transport: threads or tasks, waiting, closing, and clients that heal.

Whose turn it is, and what is lost to whom, is `tests/pools`' business, with clients that talk to
nobody.  Here they talk.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from random import Random

import pytest
import trio

from mcclient import (
    AsyncPooledClient,
    ClientClosed,
    ClientPool,
    OperationTimeout,
    PoolClosed,
    PooledClient,
    PoolEmpty,
    PoolTimeout,
    ServerUnavailable,
    TaskMappedPool,
    ThreadMappedPool,
)
from mcclient.testing import Peer, ScriptedServer
from tests.contract.rigs import ASYNCIO, SOCKET_RIGS, TRIO, do, on, scenario, when_up
from tests.contract.test_wrong_answers import own_answer
from tests.servers import RealMemcached

KEYS = [f"key{number}" for number in range(20)]


@contextlib.asynccontextmanager
async def lent(rig, pool, **options):
    """A client of the pool's, for the length of an ``async with`` block on any rig."""
    if rig.is_async:
        async with pool.reserve(**options) as mc:
            yield mc
    else:
        with pool.reserve(**options) as mc:
            yield mc


async def borrowed(rig, pool, **options):
    """A client of the pool's, by hand."""
    return await do(pool.aget(**options) if rig.is_async else pool.get(**options))


async def rest(rig, seconds: float = 0.001) -> None:
    """Let others go on for a while."""
    if rig is TRIO:
        await trio.sleep(seconds)
    elif rig is ASYNCIO:
        await asyncio.sleep(seconds)
    else:
        threading.Event().wait(seconds)


async def close(rig, pool) -> None:
    await do(pool.aclose() if rig.is_async else pool.close())


async def is_right(mc) -> bool:
    return all([await do(mc.get(key)) == key for key in KEYS[:3]])


@pytest.fixture
def protocol() -> str:
    """One is as good as the other here."""
    return "meta"


async def filled(world, n_slots: int) -> ClientPool:
    master = world.client(2, timeout=10)
    await do(master.set_multi({key: key for key in KEYS}))
    return ClientPool(master, n_slots)


@scenario
async def test_a_client_is_lent_and_comes_back(world):
    pool = await filled(world, 2)
    assert (pool.qsize(), pool.full(), pool.empty()) == (2, True, False)
    async with lent(world.rig, pool) as mc:
        assert pool.qsize() == 1
        assert await is_right(mc)
        async with lent(world.rig, pool) as other:
            assert other is not mc
            assert await is_right(other)
            assert pool.empty()
    assert pool.full()
    async with lent(world.rig, pool) as again:
        assert again is mc, "the one that came back last, whose connections are warm"
    await close(world.rig, pool)


@scenario
async def test_exhaustion_is_an_answer(world):
    pool = await filled(world, 1)
    async with lent(world.rig, pool) as mc:
        with pytest.raises(queue.Empty) as caught:
            async with lent(world.rig, pool, block=False):
                pass
        assert type(caught.value) is PoolEmpty
        with pytest.raises(PoolTimeout):
            async with lent(world.rig, pool, block=True, timeout=0.01):
                pass
        with pytest.raises(PoolTimeout):
            await borrowed(world.rig, pool, timeout=0.01)
        with pytest.raises(PoolEmpty):
            await borrowed(world.rig, pool, block=False)
        assert await is_right(mc)
    assert pool.full()
    await close(world.rig, pool)


@scenario
async def test_clients_can_be_borrowed_and_brought_back_by_hand(world):
    pool = await filled(world, 1)
    mc = await borrowed(world.rig, pool)
    try:
        assert await is_right(mc)
    finally:
        pool.put(mc)
    assert pool.full()
    with pytest.raises(ValueError, match="already"):
        pool.put(mc)
    del mc
    dropped = await borrowed(world.rig, pool)
    assert pool.empty()
    await world.rig.close(dropped)
    del dropped
    assert pool.full(), "a slot whose client has been dropped is free"
    async with lent(world.rig, pool) as mc:
        assert await is_right(mc)
    await close(world.rig, pool)


@scenario
async def test_many_callers_take_turns_with_few_clients(world):
    pool = await filled(world, 3)
    seen = set()

    def caller(seed: int):
        random = Random(seed)

        async def call():
            for _ in range(30):
                key = random.choice(KEYS)
                async with lent(world.rig, pool, block=True, timeout=30) as mc:
                    seen.add(id(mc))
                    assert await do(mc.get(key)) == key
                    assert await do(mc.set(key, key))
                    some = random.sample(KEYS, 5)
                    assert await do(mc.get_multi(some)) == {key: key for key in some}

        return call

    assert await world.rig.together(*map(caller, range(10))) == [None] * 10
    assert len(seen) <= 3
    assert pool.qsize() == 3
    await close(world.rig, pool)


@scenario
async def test_whoever_waits_gets_the_client_that_comes_back(world):
    pool = await filled(world, 1)
    order = []

    async def holder():
        async with lent(world.rig, pool) as mc:
            taken.set()
            while not pool._lender.queue:
                assert await is_right(mc)
            order.append("holder")

    async def waiter():
        await world.rig.reach(taken)
        async with lent(world.rig, pool, block=True, timeout=30) as mc:
            order.append("waiter")
            assert await is_right(mc)

    taken = threading.Event()
    assert await world.rig.together(holder, waiter) == [None, None]
    assert order == ["holder", "waiter"]
    await close(world.rig, pool)


@scenario
async def test_however_a_block_ends_the_client_comes_back(world):
    pool = await filled(world, 1)
    for error in RuntimeError, KeyError, ServerUnavailable:
        with pytest.raises(error):
            async with lent(world.rig, pool) as mc:
                assert await is_right(mc)
                raise error
        assert pool.full()
    async with lent(world.rig, pool) as mc:
        assert await is_right(mc)
    await close(world.rig, pool)


@scenario
async def test_closing_closes_every_client_here_or_lent(world):
    pool = await filled(world, 3)
    idle = await borrowed(world.rig, pool)
    assert await is_right(idle)
    by_hand = await borrowed(world.rig, pool)
    async with lent(world.rig, pool) as mc:
        pool.put(idle)
        await close(world.rig, pool)
        for closed in idle, by_hand, mc:
            with pytest.raises(ClientClosed):
                await do(closed.get("key0"))
    pool.put(by_hand)
    assert pool.qsize() == 0
    for attempt in lambda: lent(world.rig, pool), lambda: lent(world.rig, pool, block=True):
        with pytest.raises(PoolClosed):
            async with attempt():
                pass
    await close(world.rig, pool)


@scenario
async def test_closing_sends_away_whoever_waits(world):
    pool = await filled(world, 1)

    async def waiter():
        async with lent(world.rig, pool, block=True):
            raise AssertionError("there was nothing to be had")

    async def closer():
        while len(pool._lender.queue) < 3:
            assert await is_right(mc)
        await close(world.rig, pool)

    async with lent(world.rig, pool) as mc:
        *waiters, closed = await world.rig.together(waiter, waiter, waiter, closer)
        assert closed is None
        assert [type(outcome) for outcome in waiters] == [PoolClosed] * 3


@scenario
async def test_two_masters_fill_one_pool(world):
    pool = await filled(world, 1)
    pool = ClientPool()
    masters = [world.client(2), world.client(2, codec="json")]
    for master in masters:
        pool.fill(master, 1)
    async with lent(world.rig, pool) as one, lent(world.rig, pool) as two:
        for mc in one, two:
            assert await do(mc.set("k", "text"))
            assert await do(mc.get("k")) == "text"
    await close(world.rig, pool)


@scenario
async def test_each_thread_has_a_client_of_its_own(world):
    """Over async clients as well: each thread has its loop."""
    master = world.client(2, timeout=10)
    await do(master.set_multi({key: key for key in KEYS}))
    pool = ThreadMappedPool(master)
    clients = []
    everybody = threading.Barrier(4, timeout=30)

    async def work():
        with pool.reserve() as mc:
            clients.append(mc)
            with pool.reserve() as nested:
                assert nested is not mc
                assert await is_right(nested)
                if world.rig.is_async:
                    await nested.aclose()
            assert await is_right(mc)
        with pool.reserve() as again:
            assert again is mc
            assert await is_right(again)
            everybody.wait()
        relinquished = pool.relinquish()
        assert relinquished is mc
        assert pool.relinquish() is None
        await world.rig.close(relinquished)

    failures = []

    def thread():
        try:
            world.rig.run(work)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=thread) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert failures == []
    assert len(set(map(id, clients))) == 4
    assert not pool


# ------------------------------------------------------------------------------------ what breaks


@on(SOCKET_RIGS)
@pytest.mark.memcached
@scenario
async def test_pooled_clients_heal_when_their_server_comes_back(rig):
    with RealMemcached(unix=True) as server:
        pool = ClientPool(rig.client([server.address], timeout=10), 3)
        clients = [await borrowed(rig, pool) for _ in range(3)]
        for mc in clients:
            await do(mc.set("k", "v"))
        for mc in clients:
            pool.put(mc)
        server.kill()
        for _ in range(6):
            with pytest.raises(ServerUnavailable):
                async with lent(rig, pool) as mc:
                    await do(mc.get("k"))
            assert pool.full()
        server.start()
        async with lent(rig, pool) as mc:
            assert await when_up(lambda: mc.set("k", "w"))
        clients = [await borrowed(rig, pool) for _ in range(3)]
        for mc in clients:
            assert await do(mc.get("k")) == "w"
            pool.put(mc)
        assert pool.full()
        await close(rig, pool)


@on(SOCKET_RIGS)
@scenario
async def test_a_reply_that_comes_too_late_is_not_the_next_borrower_s(rig):
    """The first borrower's deadline has passed; the client that he brings back is no longer its."""

    def late(peer: Peer) -> None:
        peer.greet()
        request = peer.request()
        timed_out.wait(20)
        peer.send(own_answer(request))
        sent.set()
        peer.swallow()

    def prompt(peer: Peer) -> None:
        peer.greet()
        while True:
            peer.send(own_answer(peer.request()))

    timed_out, sent = threading.Event(), threading.Event()
    with ScriptedServer(late, prompt) as server:
        pool = ClientPool(rig.client([server.address], timeout=0.2), 1)
        with pytest.raises(OperationTimeout):
            async with lent(rig, pool) as mc:
                await do(mc.get("key1"))
        timed_out.set()
        # Whether that reply is here already or not.
        for number in range(2, 5):
            async with lent(rig, pool) as mc:
                assert await do(mc.get(f"key{number}")) == f"key{number}".encode()
        assert len(server.peers) == 2
        await close(rig, pool)


@on(SOCKET_RIGS)
@pytest.mark.memcached
@scenario
async def test_a_pool_opens_no_more_connections_than_it_has_clients(rig):
    with RealMemcached() as server:
        master = rig.client([server.address], timeout=10)
        await do(master.set("k", "v"))

        async def opened() -> int:
            stats = await do(master.stats())
            return int(stats[server.address]["total_connections"])

        before = await opened()
        pool = ClientPool(master, 4)

        async def call():
            for _ in range(20):
                async with lent(rig, pool, block=True, timeout=30) as mc:
                    assert await do(mc.get("k")) == "v"

        assert await rig.together(*[call] * 12) == [None] * 12
        assert await opened() - before <= 4
        await close(rig, pool)
        await rig.close(master)


# -------------------------------------------------------------------------------- pooled clients


def pooled(rig, master, n_slots: int = 8, **options):
    """A pooled client of the kind that the rig needs."""
    kind = AsyncPooledClient if rig.is_async else PooledClient
    return kind(master, n_slots, **options)


@scenario
async def test_many_callers_share_one_pooled_client(world):
    pool = await filled(world, 1)
    mc = pooled(world.rig, pool.lender.master.clone(), 3)

    def caller(seed: int):
        random = Random(seed)

        async def call():
            for _ in range(30):
                key = random.choice(KEYS)
                assert await do(mc.get(key)) == key
                assert await do(mc.set(key, key))
                some = random.sample(KEYS, 5)
                assert await do(mc.get_multi(some)) == {key: key for key in some}

        return call

    assert await world.rig.together(*map(caller, range(10))) == [None] * 10
    stats = mc.pool.stats()
    assert (stats.size, stats.available, stats.requests) == (3, 3, 900)
    assert 1 <= stats.opened <= 3
    await world.rig.close(mc)
    await world.rig.close(pool)
    with pytest.raises(ClientClosed):
        await do(mc.get("key0"))


@scenario
async def test_a_pooled_client_does_all_that_a_client_does(world):
    mc = pooled(world.rig, world.client(2, timeout=10), 2)
    assert await do(mc.set("k", "v"))
    assert await do(mc.get("k")) == "v"
    assert await do(mc.gat("k", 100)) == "v"
    item = await do(mc.gets("k"))
    assert await do(mc.cas("k", "w", item.cas))
    assert not await do(mc.add("k", "v"))
    assert await do(mc.replace("k", "b"))
    assert await do(mc.append("k", "c"))
    assert await do(mc.prepend("k", "a"))
    assert await do(mc.get_multi(["k", "nothing"])) == {"k": "abc"}
    assert await do(mc.set_multi({"x": 1, "y": 2})) == []
    assert await do(mc.incr("x", 2)) == 3
    assert await do(mc.decr("n", initial=7)) == 7
    assert await do(mc.touch("k", 100))
    assert await do(mc.delete("k"))
    assert await do(mc.delete_multi(["x", "y"]))
    assert set(await do(mc.version())) == set(mc.servers)
    assert set(await do(mc.stats())) == set(mc.servers)
    other = mc.clone()
    assert other.pool is not mc.pool
    assert await do(other.set("z", 1))
    assert await do(mc.get("z")) == 1
    for each in mc, other:
        await world.rig.close(each)
        assert each.closed


@on(SOCKET_RIGS)
@scenario
async def test_closing_ends_calls_in_progress_at_once(rig):
    """Whoever closes the pool; the server would not answer for an hour."""

    def silent(peer: Peer) -> None:
        peer.greet()
        peer.request()
        asked.release()
        peer.swallow()

    for make in (
        lambda master: pooled(rig, master, 2),
        lambda master: ClientPool(master, 2),
    ):
        asked = threading.Semaphore(0)
        with ScriptedServer(silent, silent) as server:
            owner = make(rig.client([server.address], timeout=3600))

            async def call(owner=owner):
                if isinstance(owner, ClientPool):
                    async with lent(rig, owner) as mc:
                        await do(mc.get("key1"))
                else:
                    await do(owner.get("key1"))

            async def closer(owner=owner, asked=asked):
                for _ in range(2):
                    await rig.reach(asked)
                await rig.close(owner)

            *calls, closed = await rig.together(call, call, closer)
            assert closed is None
            assert [type(outcome) for outcome in calls] == [ClientClosed] * 2


@on(SOCKET_RIGS)
@scenario
async def test_a_pooled_client_s_deadline_covers_the_wait(rig):
    """Who has waited for a client has so much less time to be answered in."""

    def silent(peer: Peer) -> None:
        peer.greet()
        peer.request()
        peer.swallow()

    with ScriptedServer(silent, silent) as server:
        mc = pooled(rig, rig.client([server.address], timeout=0.6), 1)
        limits = []
        client = await borrowed(rig, mc.pool)
        hurry = type(client).hurry

        async def holder():
            while not mc.pool.stats().waiting:
                await rest(rig)
            await rest(rig, 0.1)
            mc.pool.put(client)

        async def call():
            with watched_hurry(type(client), limits):
                with pytest.raises(OperationTimeout):
                    await do(mc.get("key1"))

        assert await rig.together(call, holder) == [None, None]
        left, restored = limits
        assert 0 < left <= 0.5
        assert restored is None
        assert type(client).hurry is hurry
        with pytest.raises(PoolTimeout):
            client = await borrowed(rig, mc.pool)
            await do(mc.get("key1"))
        mc.pool.put(client)
        await rig.close(mc)


@contextlib.contextmanager
def watched_hurry(kind, limits):
    """Notes what clients of that kind are told of the time that is left."""
    hurry = kind.hurry

    def noting(self, seconds):
        limits.append(seconds)
        hurry(self, seconds)

    kind.hurry = noting
    try:
        yield
    finally:
        kind.hurry = hurry


# ------------------------------------------------------------------------------ a client each task


@scenario
async def test_each_task_has_a_client_of_its_own_which_ends_with_it(world):
    """On blocking rigs the tasks are threads."""
    master = world.client(2, timeout=10)
    await do(master.set_multi({key: key for key in KEYS}))
    pool = (TaskMappedPool if world.rig.is_async else ThreadMappedPool)(master)
    clients = []

    async def work():
        with pool.reserve() as mc:
            clients.append(mc)
            assert await is_right(mc)
            with pool.reserve() as nested:
                assert nested is not mc
                assert await is_right(nested)
                clients.append(nested)
        with pool.reserve() as again:
            assert again is mc
            assert await is_right(again)

    assert await world.rig.together(work, work, work) == [None] * 3
    await rest(world.rig)
    assert len(set(map(id, clients))) == 6
    assert pool == {}
    assert all(mc.closed for mc in clients)
    await world.rig.close(pool)
    with pytest.raises(PoolClosed), pool.reserve():
        pass
