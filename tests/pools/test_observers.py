"""What an observer is told: by clients, and by pools."""

from __future__ import annotations

import asyncio
import logging

import pytest

from mcclient import (
    AsyncClient,
    AsyncPooledClient,
    Client,
    ClientPool,
    Observer,
    Operation,
    PooledClient,
    PoolEmpty,
    PoolTimeout,
    ServerUnavailable,
    TooManyWaiting,
)
from mcclient.embedded import MemoryServer
from mcproto import InvalidKey
from mcproto.transports.memory import MemoryBackend
from tests.pools.clients import BlockingClient


class Diary(Observer):
    """Writes down all it is told."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.pool: list[tuple[object, ...]] = []

    def operation(self, done: Operation) -> None:
        self.operations.append(done)

    def pool_waiting(self, pool: str) -> None:
        self.pool.append(("waiting", pool))

    def pool_acquired(self, pool: str, waited: float) -> None:
        assert waited >= 0
        self.pool.append(("acquired", pool))

    def pool_released(self, pool: str, used: float) -> None:
        assert used >= 0
        self.pool.append(("released", pool))

    def pool_gave_up(self, pool: str, error: Exception) -> None:
        self.pool.append(("gave up", pool, type(error)))

    def pool_created(self, pool: str) -> None:
        self.pool.append(("created", pool))

    def pool_closed(self, pool: str, reason: str) -> None:
        self.pool.append(("closed", pool, reason))


class WithKeys(Diary):
    wants_keys = True


@pytest.fixture
def server():
    with MemoryServer() as server:
        yield server


def told(observer: Diary) -> tuple[str, int, int, int, int]:
    """The last operation: name, keys, hits, misses, bytes."""
    done = observer.operations[-1]
    assert done.seconds >= 0
    return done[:5]


CALLS = [
    (lambda mc: mc.set("k", b"12345"), ("set", 1, 0, 0, 5)),
    (lambda mc: mc.get("k"), ("get", 1, 1, 0, 5)),
    (lambda mc: mc.get("nothing"), ("get", 1, 0, 1, 0)),
    (lambda mc: mc.gets("k"), ("gets", 1, 1, 0, 5)),
    (lambda mc: mc.gat("k", 100), ("gat", 1, 1, 0, 5)),
    (lambda mc: mc.get_multi(["k", "a", "b"]), ("get_multi", 3, 1, 2, 5)),
    (lambda mc: mc.add("k", b"1"), ("add", 1, 0, 0, 1)),
    (lambda mc: mc.replace("k", b"12"), ("replace", 1, 0, 0, 2)),
    (lambda mc: mc.append("k", b"3"), ("append", 1, 0, 0, 1)),
    (lambda mc: mc.prepend("k", b"3"), ("prepend", 1, 0, 0, 1)),
    (lambda mc: mc.set_multi({"x": 1, "y": 22}), ("set_multi", 2, 0, 0, 3)),
    (lambda mc: mc.incr("x"), ("incr", 1, 0, 0, 0)),
    (lambda mc: mc.decr("x"), ("decr", 1, 0, 0, 0)),
    (lambda mc: mc.touch("k", 100), ("touch", 1, 0, 0, 0)),
    (lambda mc: mc.delete("k"), ("delete", 1, 0, 0, 0)),
    (lambda mc: mc.delete_multi(["x", "y"]), ("delete_multi", 2, 0, 0, 0)),
    (lambda mc: mc.version(), ("version", 0, 0, 0, 0)),
    (lambda mc: mc.stats(), ("stats", 0, 0, 0, 0)),
    (lambda mc: mc.flush_all(), ("flush_all", 0, 0, 0, 0)),
]


@pytest.mark.parametrize("protocol", ["meta", "classic"])
def test_every_call_is_told_with_what_it_was_about(server: MemoryServer, protocol: str) -> None:
    observer = Diary()
    with Client(server.address, protocol=protocol, observer=observer) as mc:
        assert mc.observer is observer
        for call, expected in CALLS:
            call(mc)
            assert told(observer) == expected
            assert observer.operations[-1].servers == (server.address,)
            assert observer.operations[-1].error is None
            assert observer.operations[-1].key_names == ()
        assert len(observer.operations) == len(CALLS)


def test_an_async_client_tells_the_same(server: MemoryServer) -> None:
    async def main() -> None:
        observer = Diary()
        async with AsyncClient(server.address, observer=observer) as mc:
            for call, expected in CALLS:
                await call(mc)
                assert told(observer) == expected
        assert len(observer.operations) == len(CALLS)

    asyncio.run(main())


def test_keys_are_told_only_to_whoever_wants_them_and_values_to_nobody() -> None:
    observer = WithKeys()
    mc = Client("memory", backend=MemoryBackend(MemoryServer()), observer=observer, key_prefix="p:")
    mc.set("k", "secret")
    mc.get("k")
    mc.get_multi(["k", "x"])
    assert [done.key_names for done in observer.operations] == [
        (b"p:k",),
        (b"p:k",),
        (b"p:k", b"p:x"),
    ]
    assert "secret" not in repr(observer.operations)


def test_a_failure_is_told_with_its_error() -> None:
    observer = Diary()
    mc = Client("127.0.0.1:1", observer=observer)
    for call in lambda: mc.get("k"), lambda: mc.get_multi(["k"]), lambda: mc.set("k", 1):
        with pytest.raises(ServerUnavailable) as caught:
            call()
        assert observer.operations[-1].error is caught.value
        assert observer.operations[-1].hits == 0
    with pytest.raises(InvalidKey):
        mc.gets("a b")
    assert isinstance(observer.operations[-1].error, InvalidKey)


def test_a_pool_tells_the_life_of_its_clients() -> None:
    observer = Diary()
    pool = ClientPool(BlockingClient(), 1, observer=observer, name="p")
    with pool.reserve():
        with pytest.raises(PoolEmpty):
            pool.get_nowait()
        with pytest.raises(PoolTimeout):
            pool.get(timeout=0)
    pool.drain()
    pool.put(pool.get())
    pool.close()
    assert observer.pool == [
        ("created", "p"),
        ("acquired", "p"),
        ("gave up", "p", PoolEmpty),
        ("waiting", "p"),
        ("gave up", "p", PoolTimeout),
        ("released", "p"),
        ("closed", "p", "drain"),
        ("created", "p"),
        ("acquired", "p"),
        ("released", "p"),
        ("closed", "p", "close"),
    ]


def test_a_pool_tells_the_observer_of_its_clients(server: MemoryServer) -> None:
    observer = Diary()
    with PooledClient(Client(server.address, observer=observer), 1, max_waiting=0) as mc:
        mc.set("k", "v")
        with mc.pool.reserve(), pytest.raises(TooManyWaiting):
            mc.get("k")
        assert mc.pool.name
    assert [done.name for done in observer.operations] == ["set"]
    assert [event[0] for event in observer.pool] == [
        "created",
        "acquired",
        "released",
        "acquired",
        "gave up",
        "released",
        "closed",
    ]


def test_an_async_pooled_client_tells_too(server: MemoryServer) -> None:
    async def main() -> None:
        observer = Diary()
        async with AsyncPooledClient(AsyncClient(server.address, observer=observer), 1) as mc:
            await mc.set("k", "v")
        assert [event[0] for event in observer.pool] == [
            "created",
            "acquired",
            "released",
            "closed",
        ]

    asyncio.run(main())


def test_an_observer_that_fails_disturbs_nobody_and_is_logged(caplog) -> None:
    class Failing(Observer):
        def operation(self, done: Operation) -> None:
            raise ZeroDivisionError

        def pool_acquired(self, pool: str, waited: float) -> None:
            raise ZeroDivisionError

    mc = PooledClient(
        Client("memory", backend=MemoryBackend(MemoryServer()), observer=Failing()), 1
    )
    with caplog.at_level(logging.ERROR, logger="mcclient"):
        assert mc.set("k", "v")
    assert mc.pool.full()
    assert len(caplog.records) == 2


def test_with_no_observer_nothing_is_measured() -> None:
    pool = ClientPool(Client("nowhere"), 1)
    assert pool.lender.care is None
    assert pool.lender.reporter is None


def test_an_observer_is_an_object_of_that_class() -> None:
    for nonsense in Diary, object(), "observer":
        with pytest.raises(TypeError, match="observer"):
            Client("nowhere", observer=nonsense)
        with pytest.raises(TypeError, match="observer"):
            ClientPool(BlockingClient(), 1, observer=nonsense)
    other_people_s = BlockingClient()
    other_people_s.observer = "something else"
    assert ClientPool(other_people_s, 1).lender.reporter is None


def test_every_method_of_an_observer_does_nothing_by_itself() -> None:
    observer = Observer()
    mc = Client("memory", backend=MemoryBackend(MemoryServer()), observer=observer)
    pooled = PooledClient(mc, 1, max_waiting=1)
    assert pooled.set("k", "v")
    with pooled.pool.reserve(), pytest.raises(PoolTimeout):
        pooled.pool.get(timeout=0)
    pooled.close()


def test_what_becomes_of_clients_is_logged_for_those_who_look_closely(caplog) -> None:
    pool = ClientPool(BlockingClient(), 1)
    with caplog.at_level(logging.DEBUG, logger="mcclient.pool"):
        with pool.reserve():
            pass
        pool.drain()
    assert [record.name for record in caplog.records] == ["mcclient.pool"] * 2
    assert "made" in caplog.messages[0]
    assert "drain" in caplog.messages[1]
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="mcclient.pool"), pool.reserve():
        pass
    assert caplog.records == []
