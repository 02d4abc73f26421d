"""`ThreadMappedPool`: a client for each thread, in a dict."""

from __future__ import annotations

import threading

import pytest

from mcclient import ThreadMappedPool
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

    def use(clients: list[BlockingClient]) -> None:
        with pool.reserve() as client:
            ready.wait(10)
            clients.append(client)
        with pool.reserve() as again:
            assert again is client
            ready.wait(10)

    clients: list[BlockingClient] = []
    threads = [threading.Thread(target=use, args=(clients,)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(client.number for client in clients) == [1, 2, 3, 4, 5]
    assert len(pool) == 5


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


def test_reservations_inside_one_another_have_each_their_own_and_the_outermost_is_kept() -> None:
    pool = ThreadMappedPool(BlockingClient())
    with pool.reserve() as outer:
        with pool.reserve() as inner:
            with pool.reserve() as innermost:
                assert len({outer, inner, innermost}) == 3
            assert pool.master.book.closed == []
        assert pool.master.book.closed == [innermost.number]
        with pool.reserve() as again:
            assert again is inner
    assert list(pool.values()) == [outer]
    assert pool.master.book.closed == [innermost.number, inner.number]


@pytest.mark.parametrize("kind", [AsyncioClient, Unclosable])
def test_a_surplus_client_that_cannot_be_closed_is_let_go_of(kind: type) -> None:
    pool = ThreadMappedPool(kind())
    with pool.reserve() as outer, pool.reserve():
        pass
    assert list(pool.values()) == [outer]


def test_one_reservation_entered_twice_closes_nothing_that_is_kept() -> None:
    pool = ThreadMappedPool(BlockingClient())
    reservation = pool.reserve()
    with reservation:
        with reservation as inner:
            pass
    assert list(pool.values()) == [inner]
    assert pool.master.book.closed == []


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
