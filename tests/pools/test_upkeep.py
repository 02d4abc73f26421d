"""What some pools do at every loan: ages, checks, warming up. The clock is the test's."""

from __future__ import annotations

import asyncio

import pytest

from mcclient import ClientClosed, ClientPool, ConnectionLost, PoolClosed
from mcclient.pools._care import Care
from mcproto import InvalidArgument
from tests.pools.clients import AsyncioClient, BlockingClient, Book
from tests.pools.test_client_pool import Thread, wait_until_waiting


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


def tended(clock: Clock, slots: int, *, chance: float = 0.0, kind=BlockingClient, **options):
    """A pool with such options, whose time is *clock*'s; and its clients' book."""
    master = kind()
    pool = ClientPool(master, slots, timed=True, **options)
    wanted = {"min_idle": 0, "max_idle": None, "max_lifetime": None, "check": None} | options
    pool.lender.care = Care(**wanted, timed=True, chance=lambda: chance, clock=clock)
    return pool, master.book


def used(pool: ClientPool[BlockingClient]) -> int:
    with pool.reserve() as client:
        return client.number


# ---------------------------------------------------------------- max_idle


def test_a_client_idle_for_too_long_is_replaced_when_it_is_wanted() -> None:
    clock = Clock()
    pool, book = tended(clock, 2, max_idle=60)
    assert used(pool) == 1
    clock.time += 60
    assert used(pool) == 1, "not a moment before"
    clock.time += 60.5
    assert used(pool) == 2
    assert book.closed == [1]
    assert pool.stats().closed == {"idle": 1}
    assert pool.stats().lost == 0
    assert pool.full()


def test_the_coldest_ones_are_closed_when_somebody_brings_one_back() -> None:
    clock = Clock()
    pool, book = tended(clock, 3, max_idle=60)
    with pool.reserve(), pool.reserve(), pool.reserve():
        pass
    for _ in range(4):
        clock.time += 25
        warm = used(pool)
    assert sorted([*book.closed, warm]) == [1, 2, 3]
    assert pool.qsize() == 3
    assert book.made == 3


def test_so_many_as_are_wanted_stay_however_long_they_are_idle() -> None:
    clock = Clock()
    pool, book = tended(clock, 4, max_idle=60, min_idle=2)
    with pool.reserve(), pool.reserve(), pool.reserve():
        pass
    clock.time += 100
    used(pool)
    assert len(book.closed) == 1 or book.made == 4
    clock.time += 100
    assert len(pool.lender.idle) == 2
    before = book.made
    used(pool)
    assert book.made == before
    assert len(pool.lender.idle) == 2


def test_by_hand_it_is_the_same() -> None:
    clock = Clock()
    pool, book = tended(clock, 2, max_idle=60)
    pool.put(pool.get())
    clock.time += 61
    client = pool.get()
    assert client.number == 2
    assert book.closed == [1]
    pool.put(client)
    assert pool.full()


# ---------------------------------------------------------------- max_lifetime


def test_a_client_too_old_is_replaced_but_never_while_it_is_lent() -> None:
    clock = Clock()
    pool, book = tended(clock, 1, max_lifetime=100)
    with pool.reserve() as client:
        clock.time += 1000
        assert book.closed == []
    assert book.closed == [client.number]
    assert used(pool) == 2
    clock.time += 99
    assert used(pool) == 2
    clock.time += 1
    assert used(pool) == 3
    assert pool.stats().closed == {"lifetime": 2}


@pytest.mark.parametrize(("chance", "age"), [(0.0, 100), (0.5, 95), (1.0, 90)])
def test_of_its_lifetime_up_to_a_tenth_is_taken_by_chance(chance: float, age: float) -> None:
    clock = Clock()
    pool, _ = tended(clock, 1, max_lifetime=100, chance=chance)
    assert used(pool) == 1
    clock.time += age - 0.5
    assert used(pool) == 1
    clock.time += 0.5
    assert used(pool) == 2


def test_clients_of_one_moment_do_not_end_in_one_moment() -> None:
    pool = ClientPool(BlockingClient(), 50, max_lifetime=1000)
    clients = [pool.get() for _ in range(50)]
    ends = [
        pool.lender.life_of(client).ends - pool.lender.life_of(client).since for client in clients
    ]
    assert all(899 < left <= 1000 for left in ends)
    assert len(set(ends)) > 40


# ---------------------------------------------------------------- check


def test_a_client_that_fails_the_check_is_replaced_and_the_turn_is_kept() -> None:
    seen: list[int] = []

    def check(client: BlockingClient) -> bool:
        seen.append(client.number)
        return client.number != 2

    pool, book = tended(Clock(), 1, check=check)
    assert [used(pool), used(pool)] == [1, 1]
    pool.lender.dismiss(pool.lender.idle[-1], "idle")
    pool.lender.idle.clear()
    assert used(pool) == 2, "a new one has not been used: it is not checked"
    assert used(pool) == 3
    assert seen == [1, 2]
    assert book.closed == [1, 2]
    assert pool.stats().lost == 1
    assert pool.full()


@pytest.mark.parametrize("failure", [ConnectionLost, ClientClosed, OSError])
def test_a_check_may_say_so_by_failing(failure: type[Exception]) -> None:
    def check(client: BlockingClient) -> None:
        raise failure

    pool, book = tended(Clock(), 1, check=check)
    assert [used(pool), used(pool)] == [1, 2]
    assert book.closed == [1]


@pytest.mark.parametrize("answer", [None, True, 0, {}])
def test_only_false_is_a_no(answer: object) -> None:
    pool, _ = tended(Clock(), 1, check=lambda client: answer)
    assert [used(pool), used(pool)] == [1, 1]


@pytest.mark.parametrize("mistake", [ZeroDivisionError, KeyboardInterrupt])
def test_a_mistake_in_a_check_comes_out_and_costs_no_slot(mistake: type[BaseException]) -> None:
    def check(client: BlockingClient) -> None:
        raise mistake

    pool, book = tended(Clock(), 1, check=check)
    used(pool)
    with pytest.raises(mistake) as kept:
        used(pool)
    assert book.closed == [1]
    assert pool.full()
    assert used(pool) == 2
    # The frames that are kept hold nothing of the slot: lost again, it is free again.
    pool.lender.dismiss(pool.lender.idle.pop(), "idle")
    pool.get()
    assert pool.full()
    assert kept.tb is not None


def test_a_check_must_not_be_awaited_where_nobody_can() -> None:
    async def check(client: BlockingClient) -> bool:
        return True

    class Awaited:
        def __await__(self):
            yield

    pool, _ = tended(Clock(), 1, check=lambda client: Awaited())
    used(pool)
    with pytest.raises(TypeError, match="check"):
        used(pool)
    assert pool.full()


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("good", [False, True])
def test_over_async_clients_a_check_may_be_awaited(is_async: bool, good: bool) -> None:
    async def awaited(client: AsyncioClient) -> bool:
        await asyncio.sleep(0)
        return good

    async def main() -> None:
        check = awaited if is_async else lambda client: good
        pool, book = tended(Clock(), 1, kind=AsyncioClient, check=check)
        async with pool.reserve() as first:
            pass
        client = await pool.aget()
        assert (client is first) == good
        assert book.closed == ([] if good else [1])
        pool.put(client)
        assert pool.full()

    asyncio.run(main())


def test_a_task_cancelled_in_the_check_costs_no_slot() -> None:
    async def check(client: AsyncioClient) -> bool:
        waiting.set()
        await asyncio.sleep(3600)
        return True

    waiting = asyncio.Event()

    async def main() -> None:
        pool, book = tended(Clock(), 1, kind=AsyncioClient, check=check)
        pool.put(await pool.aget())
        task = asyncio.create_task(pool.aget())
        await waiting.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        assert pool.full()
        assert book.closed == [1]

    asyncio.run(main())


def test_a_check_that_closes_the_pool_gets_what_it_deserves() -> None:
    pool, book = tended(Clock(), 1, check=lambda client: pool.close() or False)
    used(pool)
    with pytest.raises(PoolClosed):
        used(pool)
    assert book.closed == [1]


# ---------------------------------------------------------------- min_idle


class Connecting(BlockingClient):
    """Notes whom it has connected; can be refused."""

    refused = False

    def version(self) -> dict[str, str]:
        if self.refused:
            raise ConnectionRefusedError
        self.book.connected = [*getattr(self.book, "connected", []), self.number]
        return {}


def test_so_many_are_made_and_connected_at_once() -> None:
    master = Connecting()
    pool = ClientPool(master, 5, min_idle=2)
    assert master.book.made == 2
    assert sorted(master.book.connected) == [1, 2]
    assert (pool.qsize(), len(pool.lender.idle)) == (5, 2)
    assert pool.stats().opened == 2


def test_no_more_than_there_are_slots() -> None:
    assert ClientPool(Connecting(), 1, min_idle=3).stats().opened == 1


def test_a_server_that_is_not_there_is_the_next_user_s_to_see() -> None:
    class Refused(Connecting):
        refused = True

    pool = ClientPool(Refused(), 3, min_idle=3)
    assert pool.full()


def test_over_async_clients_they_are_made_at_once_and_connected_when_asked() -> None:
    class Client(AsyncioClient):
        refused = False

        async def version(self) -> None:
            if self.refused:
                raise ConnectionLost
            await asyncio.sleep(0)

    async def main() -> None:
        master = Client()
        pool = ClientPool(master, 5, min_idle=2)
        assert master.book.made == 2
        assert await pool.awarm_up() == 2
        assert master.book.made == 2
        assert pool.full()
        Client.refused = True
        assert await pool.awarm_up() == 0
        assert pool.full()

    asyncio.run(main())


# ---------------------------------------------------------------- timed


def test_how_long_clients_are_out_is_added_up_where_asked() -> None:
    clock = Clock()
    pool, _ = tended(clock, 2)
    with pool.reserve():
        clock.time += 2
    client = pool.get()
    clock.time += 3
    pool.put(client)
    clock.time += 100
    assert pool.stats().use_time == 5
    assert pool.stats().timed


# ---------------------------------------------------------------- mistakes


@pytest.mark.parametrize("name", ["max_idle", "max_lifetime"])
def test_limits_are_seconds(name: str) -> None:
    with pytest.raises(TypeError, match=name):
        ClientPool(BlockingClient(), 1, **{name: "1"})
    for nonsense in -1, float("nan"):
        with pytest.raises(InvalidArgument, match=name):
            ClientPool(BlockingClient(), 1, **{name: nonsense})


@pytest.mark.parametrize("name", ["min_idle", "max_waiting"])
def test_numbers_are_whole_and_not_negative(name: str) -> None:
    for nonsense in 1.5, None, True:
        with pytest.raises(TypeError, match=name):
            ClientPool(BlockingClient(), 1, **{name: nonsense})
    with pytest.raises(InvalidArgument, match=name):
        ClientPool(BlockingClient(), 1, **{name: -1})


def test_a_check_is_to_be_called() -> None:
    with pytest.raises(TypeError, match="check"):
        ClientPool(BlockingClient(), 1, check="PING")


def test_without_any_of_this_a_pool_takes_the_shortest_way() -> None:
    plain = ClientPool(BlockingClient(), 1)
    assert plain.lender.care is None
    assert type(plain.reserve()) is not type(ClientPool(BlockingClient(), 1, timed=True).reserve())
    assert Book().made == 0


def test_an_async_check_may_say_so_by_failing() -> None:
    async def check(client: AsyncioClient) -> None:
        await asyncio.sleep(0)
        raise ConnectionLost

    async def main() -> None:
        pool, book = tended(Clock(), 1, kind=AsyncioClient, check=check)
        for number in (1, 2, 3):
            async with pool.reserve() as client:
                assert client.number == number
        assert book.closed == [1, 2]

    asyncio.run(main())


def test_what_is_made_at_once_is_as_old_as_it_is() -> None:
    pool = ClientPool(Connecting(), 2, min_idle=2, max_lifetime=1000)
    for client in pool.lender.idle:
        life = pool.lender.life_of(client)
        assert 899 < life.ends - life.since <= 1000
    assert pool.stats().closed == {}


def test_who_waits_while_another_warms_up_is_served() -> None:
    class Slow(Connecting):
        def version(self) -> dict[str, str]:
            waiting = Thread(pools[0].get) if pools else None
            if waiting:
                wait_until_waiting(pools[0], 1)
                waiters.append(waiting)
            return super().version()

    pools: list[ClientPool[Slow]] = []
    waiters: list[Thread] = []
    pool = ClientPool(Slow(), 0, min_idle=1)
    pools.append(pool)
    pool.fill(Slow(), 1)
    assert waiters[0].outcome.number == 1
