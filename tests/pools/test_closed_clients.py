"""Whoever closes what was only lent to him spoils nothing for the next."""

from __future__ import annotations

import pytest
import trio

from mcclient import AsyncClient, Client, ClientPool, ThreadMappedPool

NOWHERE = "127.0.0.1:1"  # nothing is connected here


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_client_closed_by_its_borrower_is_replaced(by_hand: bool) -> None:
    pool = ClientPool(Client(NOWHERE), 2)
    if by_hand:
        closed = pool.get()
        closed.close()
        pool.put(closed)
    else:
        with pool.reserve() as closed, closed:
            pass
    assert pool.qsize() == 2
    borrowed = [pool.get(block=False) for _ in range(2)]
    assert closed not in borrowed
    assert not any(client.closed for client in borrowed)


def test_an_async_client_closed_by_its_borrower_is_replaced() -> None:
    async def main() -> None:
        pool = ClientPool(AsyncClient(NOWHERE), 1)
        async with pool.reserve() as closed, closed:
            pass
        assert pool.qsize() == 1
        async with pool.reserve() as client:
            assert not client.closed

    trio.run(main)


def test_a_thread_s_own_client_that_was_closed_is_replaced() -> None:
    pool = ThreadMappedPool(Client(NOWHERE))
    with pool.reserve() as closed:
        closed.close()
    with pool.reserve() as client:
        assert not client.closed


def test_a_pool_without_clients_says_that_it_has_none() -> None:
    with pytest.raises(Exception, match="no clients"), ClientPool(n_slots=3).reserve():
        pass
