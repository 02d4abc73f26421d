"""The programmes that pylibmc's pools are known by, in native names, on a real memcached.

A master, a pool for everybody, a client for each thread; by hand; exhausted; sized and watched.
Then the same over trio's and asyncio's tasks.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from queue import Empty, Queue

import pytest
import trio

import mcclient
from tests.servers import RealMemcached


@pytest.fixture
def master(real_memcached: RealMemcached):
    real_memcached.flush()
    with mcclient.Client([real_memcached.address]) as master:
        yield master


def in_threads(number: int, work: Callable[[int], object]) -> list[object]:
    """What *work* gives in each of so many threads at once; what it raises comes out."""
    results: list[object] = [None] * number

    def run(index: int) -> None:
        try:
            results[index] = work(index)
        except BaseException as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


def test_a_shared_pool_filled_after_it_was_made(master: mcclient.Client):
    pool = mcclient.ClientPool()
    pool.fill(master, 10)

    def handle_request() -> object:
        try:
            with pool.reserve(block=False) as client:
                client.set("request:123", "data")
                return client.get("request:123")
        except Empty:
            return None

    assert in_threads(10, lambda _: handle_request()) == ["data"] * 10

    borrowed = [pool.get(block=False) for _ in range(10)]
    assert handle_request() is None  # exhaustion is an answer, not a crash
    for client in borrowed:
        pool.put(client)
    assert handle_request() == "data"
    pool.close()


def test_a_client_borrowed_by_hand(master: mcclient.Client):
    pool = mcclient.ClientPool(master, 10)
    client = pool.get(block=True)
    try:
        client.set("manual", "value")
        assert client.get("manual") == "value"
    finally:
        pool.put(client)
    assert pool.qsize() == 10
    pool.close()


def test_a_client_for_each_thread(master: mcclient.Client):
    mapped = mcclient.ThreadMappedPool(master)
    given_up: Queue[mcclient.Client | None] = Queue()

    def worker(number: int) -> None:
        try:
            with mapped.reserve() as client:
                client.set(f"thread:{number}", f"data from {number}")
                assert client.get(f"thread:{number}") == f"data from {number}"
        finally:
            given_up.put(mapped.relinquish())

    in_threads(5, worker)
    clients = [given_up.get_nowait() for _ in range(5)]
    assert len({id(client) for client in clients}) == 5
    assert len(mapped) == 0
    for client in clients:
        assert client is not None
        client.close()


def test_the_two_side_by_side(master: mcclient.Client):
    shared = mcclient.ClientPool()
    shared.fill(master, 5)
    own = mcclient.ThreadMappedPool(master)
    all_inside = threading.Barrier(5)  # so many have a client at the same time

    def with_shared(_: int) -> object:
        with shared.reserve(block=True) as client:
            client.set("test", "value")
            all_inside.wait(10)
            return client.get("test")

    def with_own(_: int) -> object:
        with own.reserve() as client:
            client.set("test", "value")
            all_inside.wait(10)
            value = client.get("test")
        gone = own.relinquish()
        assert gone is client
        gone.close()
        return value

    assert in_threads(10, with_shared) == ["value"] * 10  # five wait for the others
    assert in_threads(5, with_own) == ["value"] * 5
    shared.close()


def test_sized_for_the_load_watched_and_safe(master: mcclient.Client, real_memcached):
    sized = mcclient.ClientPool(master, 20)

    def usage() -> dict[str, object]:
        return {
            "pool_size": sized.qsize(),
            "clients_available": not sized.empty(),
            "pool_full": sized.full(),
        }

    def safe(pool: mcclient.ClientPool[mcclient.Client], key: str, value: object = None) -> object:
        try:
            with pool.reserve(block=False) as client:
                return client.get(key) if value is None else client.set(key, value)
        except Empty:
            return None
        except mcclient.MemcacheError:
            return None

    assert usage() == {"pool_size": 20, "clients_available": True, "pool_full": True}
    with sized.reserve():
        assert usage() == {"pool_size": 19, "clients_available": True, "pool_full": False}
    assert safe(sized, "k", "v") is True
    assert safe(sized, "k") == "v"
    borrowed = [sized.get() for _ in range(20)]
    assert usage()["clients_available"] is False
    assert safe(sized, "k") is None
    for client in borrowed:
        sized.put(client)
    sized.close()

    with RealMemcached() as doomed:
        address = doomed.address
    lonely = mcclient.ClientPool(mcclient.Client(address), 1)
    assert safe(lonely, "k") is None  # and the client came back
    assert lonely.qsize() == 1


# ------------------------------------------------------------------------------------- in tasks


def run_trio(main: Callable[..., Awaitable[None]], *args: object) -> None:
    trio.run(main, *args)


def run_asyncio(main: Callable[..., Awaitable[None]], *args: object) -> None:
    asyncio.run(main(*args))  # type: ignore[arg-type]


async def side_by_side(works: list[Callable[[], Awaitable[None]]]) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        async with trio.open_nursery() as nursery:
            for work in works:
                nursery.start_soon(work)
    else:
        await asyncio.gather(*(work() for work in works))


async def programmes(address: str) -> None:
    async with mcclient.AsyncClient([address]) as master:
        pool = mcclient.ClientPool()
        pool.fill(master, 10)

        async def handle_request() -> object:
            try:
                async with pool.reserve(block=False) as client:
                    await client.set("request:123", "data")
                    return await client.get("request:123")
            except Empty:
                return None

        assert await handle_request() == "data"

        client = await pool.aget(block=True)
        try:
            await client.set("manual", "value")
            assert await client.get("manual") == "value"
        finally:
            pool.put(client)

        borrowed = [await pool.aget(block=False) for _ in range(10)]
        assert pool.empty()
        assert await handle_request() is None
        for client in borrowed:
            pool.put(client)
        assert pool.qsize() == 10

        few = mcclient.ClientPool(master, 3)
        answers: list[object] = []

        def visitor(number: int) -> Callable[[], Awaitable[None]]:
            async def visit() -> None:
                async with few.reserve(block=True, timeout=10) as client:
                    await client.set(f"task:{number}", f"data from {number}")
                    answers.append((number, await client.get(f"task:{number}")))

            return visit

        await side_by_side([visitor(number) for number in range(30)])
        assert sorted(answers) == [(number, f"data from {number}") for number in range(30)]

        mapped = mcclient.ThreadMappedPool(master)  # here all tasks are of one thread
        with mapped.reserve() as client:
            await client.set("own", "client")
            assert await client.get("own") == "client"
        own = mapped.relinquish()
        assert own is client
        await own.aclose()
        await few.aclose()
        await pool.aclose()


@pytest.mark.parametrize("run", [run_trio, run_asyncio])
def test_the_same_over_tasks(run, real_memcached: RealMemcached):
    real_memcached.flush()
    run(programmes, real_memcached.address)
