"""The two pools, as they were."""

from __future__ import annotations

import queue
import threading

import pytest

from mcclient import pylibmc


def master() -> pylibmc.Client:
    return pylibmc.Client(["127.0.0.1:1"], {"cas": True})


def test_a_pool_is_a_queue_of_clones() -> None:
    mc = master()
    pool = pylibmc.ClientPool(mc, 3)
    assert isinstance(pool, queue.Queue)
    assert (pool.qsize(), pool.maxsize, pool.full(), pool.empty()) == (3, 3, True, False)
    clients = [pool.get() for _ in range(3)]
    assert mc not in clients
    assert len(set(map(id, clients))) == 3
    assert all(each.behaviors["cas"] == 1 for each in clients)  # type: ignore[attr-defined]
    with pytest.raises(queue.Empty):
        pool.get(timeout=0.001)
    with pytest.raises(queue.Empty):
        pool.get_nowait()


def test_the_client_that_has_been_idle_longest_is_lent_first() -> None:
    pool = pylibmc.ClientPool(master(), 2)
    with pool.reserve() as first:
        pass
    with pool.reserve() as second:
        pass
    with pool.reserve() as third:
        pass
    assert first is third is not second


@pytest.mark.parametrize(
    ("pool", "maxsize"),
    [
        (pylibmc.ClientPool(), 0),
        (pylibmc.ClientPool(master()), 0),
        (pylibmc.ClientPool(n_slots=4), 4),
    ],
)
def test_a_pool_without_clients_has_none_to_lend(pool: pylibmc.ClientPool, maxsize: int) -> None:
    assert pool.maxsize == maxsize
    assert pool.empty()
    with pytest.raises(queue.Empty):
        with pool.reserve():
            pass


def test_a_pool_can_be_filled_later() -> None:
    pool = pylibmc.ClientPool()
    pool.fill(master(), 2)
    pool.fill(master(), 1)
    assert pool.qsize() == 3
    with pool.reserve(), pool.reserve(), pool.reserve():
        assert pool.empty()
    assert pool.qsize() == 3


def test_a_client_comes_back_from_a_block_that_fails() -> None:
    pool = pylibmc.ClientPool(master(), 1)
    with pytest.raises(ZeroDivisionError):
        with pool.reserve():
            1 / 0  # noqa: B018
    assert pool.qsize() == 1


def test_who_blocks_waits_for_a_client() -> None:
    pool = pylibmc.ClientPool(master(), 1)
    lent: list[object] = []

    def wait() -> None:
        with pool.reserve(block=True) as client:
            lent.append(client)

    with pool.reserve() as client:
        thread = threading.Thread(target=wait)
        thread.start()
        assert lent == []
    thread.join(10)
    assert lent == [client]


def test_filling_a_full_pool_waits_for_room() -> None:
    pool = pylibmc.ClientPool(master(), 1)
    thread = threading.Thread(target=pool.fill, args=(master(), 1), daemon=True)
    thread.start()
    pool.get()
    thread.join(10)
    assert not thread.is_alive()
    assert pool.qsize() == 1


def test_a_mapped_pool_is_a_dict_by_thread() -> None:
    mc = master()
    pool = pylibmc.ThreadMappedPool(mc)
    assert isinstance(pool, dict)
    assert pool.master is mc
    assert pool.current_key == threading.get_ident()
    with pool.reserve() as client:
        assert client is not mc
        assert len(pool) == 0
    assert dict(pool) == {threading.get_ident(): client}
    with pool.reserve() as again:
        assert again is client
    assert pool.relinquish() is client
    assert pool.relinquish() is None
    with pytest.raises(TypeError):
        pylibmc.ThreadMappedPool()  # type: ignore[call-arg]


def test_a_mapped_pools_client_comes_back_from_a_block_that_fails() -> None:
    pool = pylibmc.ThreadMappedPool(master())
    with pytest.raises(ZeroDivisionError):
        with pool.reserve() as client:
            1 / 0  # noqa: B018
    assert pool.relinquish() is client


def test_nested_reservations_are_two_and_the_outer_one_stays() -> None:
    pool = pylibmc.ThreadMappedPool(master())
    with pool.reserve() as outer:
        with pool.reserve() as inner:
            assert inner is not outer
        assert dict(pool) == {pool.current_key: inner}
    assert dict(pool) == {pool.current_key: outer}


def test_every_thread_has_a_client_of_its_own() -> None:
    pool = pylibmc.ThreadMappedPool(master())
    together = threading.Barrier(3)
    clients: list[object] = []

    def use() -> None:
        with pool.reserve() as client:
            clients.append(client)
            together.wait(10)
        assert pool.relinquish() is client

    threads = [threading.Thread(target=use) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(set(map(id, clients))) == 3
    assert pool == {}
