"""`ThreadMappedPool`: a client for each thread, in a dict."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

import pytest

from mcclient import PoolClosed, ThreadMappedPool
from tests.pools.clients import AsyncioClient, BlockingClient


class Unclosable:
    """A client that can be cloned, and nothing else."""

    def clone(self) -> Unclosable:
        return Unclosable()


def in_another_thread(act) -> object:
    outcome = []
    thread = threading.Thread(target=lambda: outcome.append(act()))
    thread.start()
    thread.join()
    return outcome[0]


def test_it_is_a_dict_of_the_clients_that_are_not_in_use() -> None:
    master = BlockingClient()
    pool = ThreadMappedPool(master)
    assert isinstance(pool, dict)
    assert pool.master is master
    assert len(pool) == 0
    with pool.reserve() as client:
        assert client is not master
        assert pool == {}
    assert pool == {threading.get_ident(): client}
    assert pool.current_key == threading.get_ident() == threading.current_thread().ident


def test_a_thread_gets_its_own_client_again() -> None:
    pool = ThreadMappedPool(BlockingClient())
    with pool.reserve() as first:
        pass
    with pool.reserve() as again:
        assert again is first
    assert pool.master.book.made == 1


def test_threads_do_not_share_clients() -> None:
    pool = ThreadMappedPool(BlockingClient())
    ready = threading.Barrier(5)

    sizes: list[int] = []

    def use(clients: list[BlockingClient]) -> None:
        with pool.reserve() as client:
            ready.wait(10)
            clients.append(client)
        with pool.reserve() as again:
            assert again is client
            ready.wait(10)
        ready.wait(10)
        sizes.append(len(pool))
        ready.wait(10)

    clients: list[BlockingClient] = []
    threads = [threading.Thread(target=use, args=(clients,)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(client.number for client in clients) == [1, 2, 3, 4, 5]
    assert sizes == [5] * 5


def test_the_client_comes_back_when_the_block_fails() -> None:
    pool = ThreadMappedPool(BlockingClient())
    with pytest.raises(ZeroDivisionError):
        with pool.reserve() as client:
            raise ZeroDivisionError
    assert list(pool.values()) == [client]


def test_a_failure_to_make_a_client_changes_nothing() -> None:
    pool = ThreadMappedPool(BlockingClient())
    pool.master.book.failure = OSError("too many open files")
    with pytest.raises(OSError, match="too many open files"):
        with pool.reserve():
            pass
    assert pool == {}


def test_who_leaves_takes_its_client_along() -> None:
    pool = ThreadMappedPool(BlockingClient())
    assert pool.relinquish() is None
    with pool.reserve() as client:
        assert pool.relinquish() is None
    assert in_another_thread(pool.relinquish) is None
    assert pool.relinquish() is client
    assert pool == {}


def test_reservations_inside_one_another_have_each_their_own_and_all_are_kept() -> None:
    pool = ThreadMappedPool(BlockingClient())
    for _ in range(3):
        with pool.reserve() as outer:
            with pool.reserve() as inner:
                with pool.reserve() as innermost:
                    assert {outer.number, inner.number, innermost.number} == {1, 2, 3}
                with pool.reserve() as again:
                    assert again is innermost
        assert list(pool.values()) == [outer]
    assert pool.master.book.made == 3
    assert pool.master.book.closed == []


def test_who_leaves_takes_one_client_along_and_what_nested_reservations_used_is_closed() -> None:
    pool = ThreadMappedPool(BlockingClient())
    with pool.reserve() as outer, pool.reserve() as inner:
        pass
    assert pool.relinquish() is outer
    assert pool.master.book.closed == [inner.number]
    assert pool.relinquish() is None


@pytest.mark.parametrize("kind", [AsyncioClient, Unclosable])
def test_of_a_client_that_cannot_be_closed_at_once_no_more_is_asked(kind: type) -> None:
    pool = ThreadMappedPool(kind())
    with pool.reserve() as outer, pool.reserve():
        pass
    assert pool.relinquish() is outer


# ---------------------------------------------------------------- the ends of threads


def test_when_a_thread_ends_its_clients_are_closed_and_forgotten_by_themselves() -> None:
    pool = ThreadMappedPool(BlockingClient())

    def use() -> list[int]:
        with pool.reserve() as outer, pool.reserve() as inner:
            pass
        assert pool[threading.get_ident()] is outer
        return [outer.number, inner.number]

    used = in_another_thread(use)
    assert pool == {}
    assert sorted(pool.master.book.closed) == used
    with pool.reserve() as mine:
        pass
    assert in_another_thread(use) != used
    assert list(pool.values()) == [mine]
    assert mine.number not in pool.master.book.closed


def test_what_a_thread_has_taken_along_is_not_closed_when_it_ends() -> None:
    pool = ThreadMappedPool(BlockingClient())

    def use() -> BlockingClient:
        with pool.reserve():
            pass
        return pool.relinquish()

    taken = in_another_thread(use)
    assert taken.number == 1
    assert pool.master.book.closed == []


def test_a_pool_that_is_gone_before_its_threads_leaves_nothing_to_do() -> None:
    pools = [ThreadMappedPool(BlockingClient())]
    book = pools[0].master.book

    def use() -> None:
        with pools[0].reserve():
            pass
        pools.clear()

    in_another_thread(use)
    assert book.made == 1


# ---------------------------------------------------------------- closing


def test_a_closed_pool_has_closed_every_client_and_makes_none() -> None:
    pool = ThreadMappedPool(BlockingClient())
    with pool.reserve() as lent, pool.reserve() as nested:
        pass
    with pool.reserve() as again:
        assert again is lent
        pool.close()
        assert sorted(pool.master.book.closed) == [lent.number, nested.number]
        with pytest.raises(PoolClosed), pool.reserve():
            pass
    assert pool.closed
    assert pool == {}
    pool.close()
    assert pool.relinquish() is None
    with pytest.raises(PoolClosed), pool.reserve():
        pass


def test_a_pool_of_async_clients_is_closed_by_awaiting() -> None:
    async def main() -> None:
        pool = ThreadMappedPool(AsyncioClient())
        with pool.reserve() as client:
            pass
        with pytest.raises(TypeError, match="aclose"):
            pool.close()
        await pool.aclose()
        assert client.book.closed == [client.number]
        with pytest.raises(TypeError, match="close"):
            await ThreadMappedPool(BlockingClient()).aclose()

    asyncio.run(main())


def test_every_client_is_closed_even_if_one_of_them_fails() -> None:
    class Failing(BlockingClient):
        def close(self) -> None:
            super().close()
            raise OSError(self.number)

    pool = ThreadMappedPool(Failing())
    with pool.reserve(), pool.reserve():
        pass
    with pytest.raises(OSError, match=r"[12]") as caught:
        pool.close()
    assert sorted(pool.master.book.closed) == [1, 2]
    assert caught.value.args == (pool.master.book.closed[0],)


def test_every_async_client_is_closed_even_if_one_of_them_fails() -> None:
    class Failing(AsyncioClient):
        async def aclose(self) -> None:
            await super().aclose()
            raise OSError(self.number)

    async def main() -> None:
        pool = ThreadMappedPool(Failing())
        with pool.reserve(), pool.reserve():
            pass
        with pytest.raises(OSError, match=r"[12]") as caught:
            await pool.aclose()
        assert sorted(pool.master.book.closed) == [1, 2]
        assert caught.value.args == (pool.master.book.closed[0],)

    asyncio.run(main())


def test_one_reservation_entered_twice_closes_nothing_that_is_kept() -> None:
    pool = ThreadMappedPool(BlockingClient())
    reservation = pool.reserve()
    with reservation:
        with reservation as inner:
            pass
    assert list(pool.values()) == [inner]
    assert pool.master.book.closed == []


def test_a_reservation_is_for_one_block() -> None:
    pool = ThreadMappedPool(BlockingClient())
    reservation = pool.reserve()
    with reservation as client:
        pass
    with pytest.raises(RuntimeError, match="one `with` block"), reservation:
        pass
    assert list(pool.values()) == [client]
    pool.close()
    for _ in range(2):  # a block that could not be entered leaves nothing behind
        with pytest.raises(PoolClosed), pool.reserve():
            pass


def test_two_reservations_made_before_either_block_have_each_their_own_client() -> None:
    pool = ThreadMappedPool(BlockingClient())
    one, other = pool.reserve(), pool.reserve()
    first, second = one.__enter__(), other.__enter__()
    assert first is not second
    one.__exit__(None, None, None)
    with pool.reserve() as again:
        assert again is first
    other.__exit__(None, None, None)
    assert pool.master.book.made == 2
    assert pool.master.book.closed == []


def test_a_block_may_be_left_in_another_thread() -> None:
    """As generators do that a thread pool drives on."""
    pool = ThreadMappedPool(BlockingClient())
    reservation = pool.reserve()
    client = reservation.__enter__()
    with pool.reserve() as mine:
        assert in_another_thread(lambda: reservation.__exit__(None, None, None)) is None
        assert mine is not client
        assert list(pool.values()) == [client]
        with pool.reserve() as third:
            assert third is client
    assert pool.master.book.made == 2


def test_a_pool_that_nobody_has_any_more_is_gone_at_once() -> None:
    pool = ThreadMappedPool(BlockingClient())
    with pool.reserve() as client, pool.reserve():
        pass
    gone = [weakref.ref(pool), weakref.ref(client)]
    gc.disable()
    try:
        del pool, client
        assert [reference() for reference in gone] == [None, None]
    finally:
        gc.enable()


def test_the_key_can_be_something_else_than_the_thread() -> None:
    class RoomMappedPool(ThreadMappedPool):
        room = "kitchen"

        @property
        def current_key(self) -> str:
            return self.room

    pool = RoomMappedPool(BlockingClient())
    with pool.reserve() as client:
        pool.room = "cellar"
        # It comes back to where it was taken.
    assert pool == {"kitchen": client}
    assert pool.relinquish() is None


def test_what_cannot_be_cloned_cannot_be_a_master() -> None:
    for nothing in (None, "127.0.0.1"):
        with pytest.raises(TypeError, match="master"):
            ThreadMappedPool(nothing)
