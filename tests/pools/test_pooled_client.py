"""`PooledClient` and `AsyncPooledClient`: a client's face, and a pool behind it."""

from __future__ import annotations

import asyncio
import inspect
import threading
from math import inf
from typing import ClassVar

import pytest

from mcclient import (
    AsyncClient,
    AsyncPooledClient,
    Client,
    ClientClosed,
    ClientPool,
    PooledClient,
    PoolTimeout,
)
from mcclient.embedded import MemoryServer
from mcproto import InvalidArgument, InvalidKey, classic
from mcproto.transports.memory import MemoryBackend
from tests.pools.clients import BlockingClient
from tests.pools.test_client_pool import Thread, wait_until_waiting
from tests.test_parity import methods

# What only the single one has, and why.
OF_ONE = {"__init__", "hurry", "new_event"}  # what a pool needs of it


def client(**options) -> Client:
    return Client("memory", backend=MemoryBackend(MemoryServer()), **options)


# ---------------------------------------------------------------- parity


@pytest.mark.parametrize(
    ("single", "pooled"), [(Client, PooledClient), (AsyncClient, AsyncPooledClient)]
)
def test_it_has_all_the_methods_with_the_same_parameters_results_and_promises(
    single: type, pooled: type
) -> None:
    theirs, ours = methods(single), methods(pooled)
    assert theirs.keys() - OF_ONE == ours.keys() - {"__init__"}
    for name in theirs.keys() - OF_ONE:
        wanted, given = getattr(single, name), getattr(pooled, name)
        assert inspect.signature(given) == inspect.signature(wanted), name
        assert inspect.iscoroutinefunction(given) == inspect.iscoroutinefunction(wanted), name
        first_line = (wanted.__doc__ or "").partition("\n")[0]
        assert (given.__doc__ or "").partition("\n")[0] == first_line, name


def test_the_two_kinds_have_the_same_attributes() -> None:
    for name in "servers", "closed", "timeout":
        for kind in Client, AsyncClient, PooledClient, AsyncPooledClient:
            assert hasattr(kind, name), (kind, name)


# ---------------------------------------------------------------- what it stands on


def test_it_makes_a_pool_of_copies_or_takes_one() -> None:
    master = client()
    with PooledClient(master, 3, max_waiting=7) as mc:
        assert mc.pool.stats().size == 3
        assert mc.pool.lender.max_waiting == 7
        assert mc.servers == master.servers
        assert mc.timeout == master.timeout
        assert mc.set("k", 1)
    assert not master.closed
    pool = ClientPool(master, 2)
    with PooledClient(pool) as mc:
        assert mc.pool is pool
        assert mc.get("k") == 1
    assert PooledClient(master).pool.stats().size == 8


def test_what_it_cannot_stand_on_it_says() -> None:
    for nothing in None, "127.0.0.1", AsyncClient("nowhere"), BlockingClient(), Client:
        with pytest.raises(TypeError, match="mc must be"):
            PooledClient(nothing)
    for nothing in None, client(), ClientPool(client(), 1):
        with pytest.raises(TypeError, match="mc must be"):
            AsyncPooledClient(nothing)
    with pytest.raises(InvalidArgument, match="filled"):
        PooledClient(ClientPool())
    with pytest.raises(InvalidArgument, match="n_slots"):
        PooledClient(client(), 0)
    with pytest.raises(TypeError, match="n_slots"):
        PooledClient(client(), 1.5)
    with pytest.raises(TypeError, match="max_idle"):
        PooledClient(ClientPool(client(), 1), max_idle=3)


def test_it_says_what_it_is() -> None:
    mc = PooledClient(client(), 3)
    assert repr(mc) == "PooledClient(['memory:11211'], <ClientPool: 3 of 3 to be lent>)"
    mc.close()
    assert mc.closed
    assert repr(mc) == "PooledClient(['memory:11211'], <ClientPool: closed>)"


# ---------------------------------------------------------------- its calls


def test_it_is_a_mapping_as_a_client_is() -> None:
    mc = PooledClient(client(), 2)
    mc["k"] = "v"
    assert "k" in mc
    assert mc["k"] == "v"
    del mc["k"]
    assert "k" not in mc
    with pytest.raises(KeyError):
        mc["k"]
    with pytest.raises(KeyError):
        del mc["k"]


@pytest.mark.parametrize("options", [{}, {"timed": True}])
def test_whatever_a_call_raises_its_client_comes_back(options) -> None:
    mc = PooledClient(client(), 1, **options)
    for _ in range(3):
        with pytest.raises(InvalidKey):
            mc.get("a key with blanks")
        with pytest.raises(TypeError):
            mc.set("k", object())
    assert mc.set("k", "v")
    assert mc.pool.full()
    assert mc.pool.stats().requests == 7
    assert mc.pool.stats().opened == 1


def test_a_client_closed_meanwhile_is_replaced() -> None:
    mc = PooledClient(client(), 1)
    assert mc.set("k", "v")
    closed = mc.pool.get()
    mc.pool.put(closed)
    closed.close()
    with pytest.raises(ClientClosed):
        mc.get("k")
    assert mc.get("k") == "v"
    assert mc.pool.full()


def test_all_in_use_it_waits_no_longer_than_its_deadline() -> None:
    mc = PooledClient(client(timeout=0.02), 1)
    with mc.pool.reserve():
        with pytest.raises(PoolTimeout):
            mc.get("k")
    assert mc.get("k") is None
    assert not mc.pool.lender.queue


def test_a_client_that_was_hurried_has_all_its_time_again() -> None:
    single = client(timeout=2.0)
    single.set("k", "v")
    single.hurry(0.5)
    assert single.get("k") == "v"
    assert single._timeout == 0.5
    single.hurry(None)
    assert single._timeout == 2.0
    unlimited = client(timeout=None)
    unlimited.hurry(None)
    assert unlimited._timeout == inf


def test_a_closed_one_says_so_in_every_call() -> None:
    mc = PooledClient(client(), 1)
    mc.close()
    for call in (
        lambda: mc.get("k"),
        lambda: mc.set("k", "v"),
        lambda: mc.get_multi(["k"]),
        lambda: "k" in mc,
    ):
        with pytest.raises(ClientClosed):
            call()
    mc.close()


def test_a_copy_has_a_pool_of_its_own_and_the_same_options() -> None:
    mc = PooledClient(client(), 3, max_waiting=5)
    copy = mc.clone()
    assert copy.pool is not mc.pool
    assert copy.pool.stats().size == 3
    assert copy.pool.lender.max_waiting == 5
    mc.close()
    assert copy.get("k") is None


def test_it_forgets_connections_as_a_client_does() -> None:
    mc = PooledClient(client(), 2)
    mc.set("k", "v")
    mc.forget_connections()
    assert mc.get("k") == "v"
    assert mc.pool.stats().opened == 2


# ---------------------------------------------------------------- all of them


CALLS = {
    "set": ("k", "v"),
    "get": ("k",),
    "gets": ("k",),
    "gat": ("k", 100),
    "get_multi": (["k", "x"],),
    "add": ("k", "v"),
    "replace": ("k", "w"),
    "append": ("k", "x"),
    "prepend": ("k", "u"),
    "cas": ("k", "v", 1),
    "set_multi": ({"x": 1, "y": 2},),
    "incr": ("x", 2),
    "decr": ("x", 1),
    "touch": ("k", 100),
    "delete_multi": (["x", "y"],),
    "delete": ("k",),
    "execute": (classic.Touch(b"k", 100),),
    "version": (),
    "flush_all": (),
    "stats": (),
}
NOT_CALLED = {"__init__", "clone", "close", "aclose", "forget_connections", "quiet"}


def plain(name: str, result: object) -> object:
    """What two servers agree about."""
    return None if name == "stats" else result


def test_each_method_does_what_the_single_client_does() -> None:
    single, pooled = client(), PooledClient(client(), 2)
    public = {name for name in methods(PooledClient) if not name.startswith("__")}
    assert public - NOT_CALLED <= set(CALLS)
    for name, arguments in CALLS.items():
        wanted = getattr(single, name)(*arguments)
        assert plain(name, getattr(pooled, name)(*arguments)) == plain(name, wanted), name
        assert pooled.pool.full(), name
    assert pooled.pool.stats().requests == len(CALLS)
    assert pooled.pool.stats().opened == 1


def test_so_does_each_method_of_an_async_one() -> None:
    async def main() -> None:
        with MemoryServer() as one, MemoryServer() as other:
            single = AsyncClient(one.address)
            pooled = AsyncPooledClient(AsyncClient(other.address), 2)
            public = {name for name in methods(AsyncPooledClient) if not name.startswith("__")}
            assert public - NOT_CALLED <= set(CALLS)
            for name, arguments in CALLS.items():
                wanted = await getattr(single, name)(*arguments)
                got = await getattr(pooled, name)(*arguments)
                if name != "version":  # by server
                    assert plain(name, got) == plain(name, wanted), name
                assert pooled.pool.full(), name
            assert pooled.pool.stats().requests == len(CALLS)
            assert pooled.pool.stats().opened == 1
            copy = pooled.clone()
            assert copy.pool is not pooled.pool
            assert await copy.get("k") is None
            pooled.forget_connections()
            assert await pooled.get("k") is None
            assert pooled.pool.stats().opened == 2
            assert pooled.servers == (other.address,)
            assert pooled.timeout == 1.0
            assert repr(pooled).startswith("AsyncPooledClient([")
            for mc in single, copy:
                await mc.aclose()
            async with pooled:
                assert not pooled.closed
            assert pooled.closed
            with pytest.raises(ClientClosed):
                await pooled.get("k")

    asyncio.run(main())


def test_all_in_use_an_async_one_waits_no_longer_than_its_deadline() -> None:
    async def main() -> None:
        with MemoryServer() as server:
            async with AsyncPooledClient(AsyncClient(server.address, timeout=0.02), 1) as mc:
                async with mc.pool.reserve():
                    with pytest.raises(PoolTimeout):
                        await mc.get("k")
                assert mc.pool.full()
            async with AsyncPooledClient(AsyncClient(server.address), 1, timed=True) as mc:
                assert await mc.get("k") is None
                assert mc.pool.stats().requests == 1
                assert mc.pool.stats().use_time > 0

    asyncio.run(main())


class AsyncNoting(AsyncClient):
    """Notes how much time it has been given."""

    given: ClassVar[list[float | None]] = []

    def hurry(self, seconds: float | None) -> None:
        self.given.append(seconds)
        super().hurry(seconds)


@pytest.mark.parametrize(("timeout", "is_hurried"), [(2.0, True), (None, False)])
def test_a_task_that_has_waited_has_so_much_less_time(
    timeout: float | None, is_hurried: bool
) -> None:
    async def main() -> None:
        AsyncNoting.given.clear()
        with MemoryServer() as server:
            async with AsyncPooledClient(AsyncNoting(server.address, timeout=timeout), 1) as mc:
                held = await mc.pool.aget()
                waiter = asyncio.create_task(mc.set("k", "v"))
                await asyncio.sleep(0.05)  # more than a hundredth of the deadline
                mc.pool.put(held)
                assert await waiter
                if is_hurried:
                    left, restored = AsyncNoting.given
                    assert left is not None
                    assert 1.0 < left < 1.96
                    assert restored is None
                else:
                    assert AsyncNoting.given == []
                assert await mc.get("k") == "v"

    asyncio.run(main())


class Noting(Client):
    """Notes how much time it has been given."""

    given: ClassVar[list[float | None]] = []

    def hurry(self, seconds: float | None) -> None:
        self.given.append(seconds)
        super().hurry(seconds)


@pytest.mark.parametrize(("timeout", "is_hurried"), [(2.0, True), (None, False)])
def test_who_has_waited_has_so_much_less_time(timeout: float | None, is_hurried: bool) -> None:
    Noting.given = []
    master = Noting("memory", backend=MemoryBackend(MemoryServer()), timeout=timeout)
    mc = PooledClient(master, 1)
    held = mc.pool.get()
    waiter = Thread(lambda: mc.set("k", "v"))
    wait_until_waiting(mc.pool, 1)
    threading.Event().wait(0.05)  # more than a hundredth of the deadline
    mc.pool.put(held)
    assert waiter.outcome is True
    if is_hurried:
        left, restored = Noting.given
        assert left is not None
        assert 1.0 < left < 1.96
        assert restored is None
    else:
        assert Noting.given == []
    assert mc.get("k") == "v"
    assert mc._hurried == {}
