"""Quiet blocks: what is gathered is done, what is not done is told by key, and nothing is lost."""

from __future__ import annotations

import inspect
import tracemalloc
from contextlib import asynccontextmanager

import pytest

from mcclient import (
    AsyncPooledClient,
    AsyncQuiet,
    BadCommand,
    Client,
    CommandFailed,
    ConnectFailed,
    ConnectionLost,
    MemcacheError,
    Observer,
    OperationTimeout,
    PartialFailure,
    PooledClient,
    PoolTimeout,
    Quiet,
    ServerUnavailable,
    ValueTooLarge,
)
from mcclient.embedded import MemoryServer
from mcclient.operations._quiet import WINDOW
from mcclient.testing import (
    Interrupted,
    Peer,
    ScriptedServer,
    cancel_sweep,
    interrupt_sweep,
)
from mcproto import InvalidArgument, InvalidKey, ItemTooLarge, Status
from tests.contract.nobody import NOBODY
from tests.contract.rigs import (
    ASYNCIO,
    ASYNCIO_SHARED,
    BLOCKING,
    CLIENT_RIGS,
    SELECTOR,
    TRIO,
    TRIO_SHARED,
    World,
    do,
    keys_on,
    on,
    scenario,
)
from tests.servers import RealMemcached


@pytest.fixture(params=["meta", "classic", "binary"])
def protocol(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture(params=CLIENT_RIGS, ids=repr)
def stage(request: pytest.FixtureRequest) -> World:
    """A world without servers, where meta is spoken."""
    return World(request.param, "meta", [])


@asynccontextmanager
async def quietly(mc):
    """The block of either kind of client."""
    q = mc.quiet()
    if hasattr(q, "__aenter__"):
        async with q:
            yield q
    else:
        with q:
            yield q


# ---------------------------------------------------------------------------- twins


def methods(kind: type) -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(thing)
        for name, thing in vars(kind).items()
        if inspect.isfunction(thing) and not name.startswith("_")
    }


def test_both_kinds_have_the_same_methods_which_are_the_client_s_that_write() -> None:
    ours, theirs = methods(Quiet), methods(AsyncQuiet)
    assert ours.keys() == theirs.keys()
    for name, signature in ours.items():
        assert signature.parameters == theirs[name].parameters, name
        assert signature.return_annotation == "None"
        is_awaited = inspect.iscoroutinefunction(getattr(AsyncQuiet, name))
        assert theirs[name].return_annotation == ("None" if is_awaited else "Awaitable[None]")
        lines = [(getattr(k, name).__doc__ or "").partition("\n")[0] for k in (Quiet, AsyncQuiet)]
        assert lines[0] == lines[1] != ""
        if name != "flush":
            assert signature.parameters == inspect.signature(getattr(Client, name)).parameters


# ---------------------------------------------------------------------------- what is done


@scenario
async def test_all_that_is_asked_for_is_done_and_each_call_gives_none(world):
    mc = world.client(2)
    await do(mc.set_multi({"n": 5, "m": 5, "old": "old", "ends": "b", "gone": 1, "also": 1}))
    item = await do(mc.gets("old"))
    async with quietly(mc) as q:
        answers = [
            q.set("a", b"bytes"),
            q.set("text", "text", 60),
            q.set("number", 7, expire=60),
            q.set(b"raw", b"", 0),
            q.add("new", "new"),
            q.replace("old", "newer"),
            q.append("ends", "c"),
            q.prepend("ends", "a"),
            q.set_multi({"x": b"1", "y": "2"}, expire=60),
            q.delete("gone"),
            q.delete_multi(["also"]),
            q.incr("n"),
            q.incr("n", 10),
            q.decr("m", 2),
            q.touch("a", 60),
        ]
        assert [await do(answer) for answer in answers] == [None] * len(answers)
        await do(q.flush())
        assert q.failed == {}
        await do(q.cas("old", "lost", item.cas))
    assert q.failed == {"old": Status.EXISTS}
    wanted = {"a": b"bytes", "text": "text", "number": 7, b"raw": b"", "new": "new"}
    wanted |= {"old": "newer", "ends": "abc", "x": b"1", "y": "2", "n": 16, "m": 3}
    assert await do(mc.get_multi([*wanted, "gone", "also"])) == wanted


@scenario
async def test_what_was_not_done_is_told_by_key(world):
    mc = world.client(2)
    await do(mc.set_multi({"there": "1", "word": "word", "b": "old"}))
    mine = await do(mc.gets("there"))
    large = bytes(world.rig.item_size)
    async with quietly(mc) as q:
        for call in [
            q.set("a", b"1"),
            q.add("there", "2"),
            q.set("b", large),
            q.set("c", b"1"),
            q.append("nothing1", "x"),
            q.prepend("nothing2", "x"),
            q.replace("nothing3", "x"),
            q.cas("nothing4", "x", 5),
            q.cas("c", "x", mine.cas + 1_000_000),
            q.delete("nothing5"),
            q.touch("nothing6", 5),
            q.incr("nothing7"),
            q.incr("word"),
            q.decr("nothing8"),
            q.set("d", b"1"),
        ]:
            await do(call)
    failed = dict(q.failed)
    too_large, no_number = failed.pop("b"), failed.pop("word")
    assert failed == {
        "there": Status.NOT_STORED,
        "nothing1": Status.NOT_STORED,
        "nothing2": Status.NOT_STORED,
        "nothing3": Status.NOT_STORED,
        "nothing4": Status.NOT_FOUND,
        "c": Status.EXISTS,
        "nothing5": Status.NOT_FOUND,
        "nothing6": Status.NOT_FOUND,
        "nothing7": Status.NOT_FOUND,
        "nothing8": Status.NOT_FOUND,
    }
    assert isinstance(too_large, ValueTooLarge)
    assert isinstance(no_number, BadCommand)
    assert not too_large.maybe_applied
    assert not no_number.maybe_applied
    assert too_large.key == world.wire("b")
    keys = ["a", "b", "c", "d", "there", "word"]
    found = {"a": b"1", "c": b"1", "d": b"1", "there": "1", "word": "word"}
    assert await do(mc.get_multi(keys)) == found


@pytest.mark.memcached
@on([BLOCKING, ASYNCIO_SHARED])
@scenario
async def test_an_error_line_that_may_be_anybody_s_is_placed_by_asking(rig):
    """Of values that leave together, the ones that are too large for this server's taste."""
    with RealMemcached("-I", "16k", "-o", "slab_chunk_max=8192") as server:
        mc = rig.client(server.address)
        await do(mc.set("word", "word"))
        sizes = {f"k{n}": 20_000 if n in (3, 4, 9) else 10 for n in range(12)}
        async with quietly(mc) as q:
            for key, size in sizes.items():
                await do(q.set(key, bytes(size)))
                await do(q.incr("word" if key in ("k2", "k7") else f"n{key}", initial=1))
        failed = q.failed
        assert set(failed) == {"k3", "k4", "k9", "word"}
        assert all(isinstance(why, CommandFailed) for why in failed.values())
        assert not any(why.maybe_applied for why in failed.values())
        assert set(await do(mc.get_multi(sizes))) == sizes.keys() - failed.keys()
        await rig.close(mc)


@scenario
async def test_a_counter_can_be_made_quietly_but_in_classic(world):
    mc = world.client()
    async with quietly(mc) as q:
        if world.protocol == "classic":
            with pytest.raises(InvalidArgument, match="initial"):
                await do(q.incr("n", initial=5))
            return
        for _ in range(3):
            await do(q.incr("n", 2, initial=5, expire=60))
        await do(q.decr("m", initial=7))
    assert q.failed == {}
    assert await do(mc.get_multi(["n", "m"])) == {"n": 9, "m": 7} or (
        await do(mc.get_multi(["n", "m"])) == {"n": b"9", "m": b"7"}
    )


@scenario
async def test_commands_for_one_key_are_obeyed_in_their_order_however_many_flights_it_takes(world):
    mc = world.client(2)
    # Some leave by themselves, some have a flight of their own, and some are left for the end.
    size = world.rig.item_size // 10
    keys = keys_on(mc, 0, 2) + keys_on(mc, 1, 2)
    async with quietly(mc) as q:
        for number in range(8):
            for key in keys:
                await do(q.delete(key))
                await do(q.set(key, b"%d" % number * size))
                await do(q.append(key, b"!"))
    assert set(q.failed.values()) <= {Status.NOT_FOUND}  # what was deleted first
    found = await do(mc.get_multi(keys))
    assert found == dict.fromkeys(keys, b"7" * size + b"!")


@scenario
async def test_what_has_not_left_is_not_seen_by_others_and_after_flush_it_is(world):
    mc = world.client()
    async with quietly(mc) as q:
        await do(q.set("k", "v"))
        assert await do(mc.get("k")) is None
        await do(q.flush())
        assert await do(mc.get("k")) == "v"
        await do(q.flush())  # with nothing to send
        await do(q.delete("k"))
    assert await do(mc.get("k")) is None


@pytest.mark.memcached
def test_a_hundred_thousand_sets_hold_no_more_than_a_window(real_memcached) -> None:
    with Client(real_memcached.address, timeout=20) as mc, mc.quiet() as q:
        tracemalloc.start()
        try:
            for number in range(100_000):
                q.set(b"%d" % number, bytes(100))
            q.flush()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert q.failed == {}
        found = mc.get_multi([b"0", b"50000", b"99999"])
        assert list(found.values()) == [bytes(100)] * 3
    real_memcached.flush()  # others look at all that there is
    # Values, keys and what is around them, once gathered and once joined; and the keys that the
    # client remembers for later, 32768 at most.
    assert peak < 12 * WINDOW + 32768 * 300


# ---------------------------------------------------------------------------- mistakes


@scenario
async def test_a_mistake_is_raised_at_once_and_gathers_nothing(world):
    mc = world.client()
    async with quietly(mc) as q:
        await do(q.set("before", 1))
        for wrong, call in [
            (InvalidKey, lambda: q.set("a key", 1)),
            (InvalidKey, lambda: q.delete("")),
            (TypeError, lambda: q.set("k", object())),
            (TypeError, lambda: q.add("k", 1, expire="soon")),
            (InvalidArgument, lambda: q.incr("k", -1)),
            (TypeError, lambda: q.cas("k", 1, "1")),
            (TypeError, lambda: q.set_multi(["k"])),
            (TypeError, lambda: q.delete_multi("k")),
            (ItemTooLarge, lambda: q.set("k", bytes((64 << 20) + 1))),
        ]:
            with pytest.raises(wrong):
                await do(call())
        await do(q.set("behind", 2))
    assert q.failed == {}
    assert await do(mc.get_multi(["before", "behind", "k"])) == {"before": 1, "behind": 2}


@scenario
async def test_it_is_for_a_block(world):
    mc = world.client()
    q = mc.quiet()
    with pytest.raises(RuntimeError, match="block"):
        await do(q.set("k", b"v"))
    async with quietly(mc) as q:
        pass
    with pytest.raises(RuntimeError, match="block"):
        await do(q.delete("k"))


# ---------------------------------------------------------------------------- left in the midst


@scenario
async def test_a_block_that_is_left_by_an_exception_sends_no_more(world):
    mc = world.client(2)
    keys = keys_on(mc, 0, 2) + keys_on(mc, 1, 2)
    with pytest.raises(ZeroDivisionError):
        async with quietly(mc) as q:
            await do(q.set(keys[0], "sent"))
            await do(q.flush())
            for key in keys[1:]:
                await do(q.set(key, "unsent"))
            raise ZeroDivisionError
    assert q.failed.keys() == set(keys[1:])
    for why in q.failed.values():
        assert isinstance(why, MemcacheError)
        assert not why.maybe_applied
    assert await do(mc.get_multi(keys)) == {keys[0]: "sent"}


def swallowing(requests: list[int]):
    """Reads all, counts connections, and never answers but for hello."""

    def script(peer: Peer) -> None:
        peer.greet()
        requests.append(0)
        peer.swallow()
        requests.append(1)  # the client has closed

    return script


@scenario
async def test_a_flight_that_gets_no_answer_closes_its_connection_and_is_in_doubt(stage):
    seen: list[int] = []
    with ScriptedServer(swallowing(seen)) as server:
        mc = stage.client([server.address], timeout=0.1)
        with pytest.raises(OperationTimeout) as caught:
            async with quietly(mc) as q:
                await do(q.set("k", "v"))
                await do(q.delete("d"))
        assert q.failed == {"k": caught.value, "d": caught.value}
        assert caught.value.maybe_applied
        with pytest.raises(OperationTimeout):
            await do(mc.set("k", "v"))  # over another connection
        await stage.rig.close(mc)
    assert seen.count(0) == 2 == seen.count(1)


# ---------------------------------------------------------------------------- lost servers


@scenario
async def test_a_lost_server_is_told_of_at_the_end_and_the_other_one_has_its_commands(stage):
    with MemoryServer() as server:
        mc = stage.client([server.address, NOBODY], ring="modula")
        here, there = keys_on(mc, 0, 50), keys_on(mc, 1, 50)
        with pytest.raises(PartialFailure) as caught:
            async with quietly(mc) as q:
                for pair in zip(here, there, strict=True):
                    for key in pair:
                        await do(q.set(key, b"x" * 5000))  # several windows
        assert caught.value.failed_keys == there
        assert list(caught.value.errors) == [NOBODY]
        assert q.failed.keys() == set(there)
        assert isinstance(q.failed[there[0]], ConnectFailed)
        for why in q.failed.values():
            assert isinstance(why, ServerUnavailable)
            assert not why.maybe_applied
        assert len(await do(mc.get_multi(here))) == 50


def closing_at_the_first_flight(connections: list[Peer]):
    def script(peer: Peer) -> None:
        peer.greet()
        connections.append(peer)
        peer.request()

    return script


@scenario
async def test_a_lost_server_is_not_tried_again_before_flush_has_told_of_it(stage):
    connections: list[Peer] = []
    with ScriptedServer(closing_at_the_first_flight(connections)) as server:
        mc = stage.client([server.address])
        async with quietly(mc) as q:
            for number in range(5):
                await do(q.set(f"k{number}", bytes(WINDOW // 2)))
            assert len(connections) == 1
            with pytest.raises(ConnectionLost) as caught:
                await do(q.flush())
            assert caught.value.maybe_applied
            # Under way, or not sent at all.
            assert [q.failed[f"k{number}"].maybe_applied for number in range(5)] == [
                True, True, False, False, False,
            ]  # fmt: skip
            await do(q.set("again", b""))
            with pytest.raises(ServerUnavailable):
                await do(q.flush())
            assert len(connections) == 2


# ---------------------------------------------------------------------------- through pools


@pytest.mark.memcached
@on([BLOCKING, TRIO, ASYNCIO])
@scenario
async def test_a_pooled_client_reserves_one_for_the_block(rig, real_memcached):
    kind = AsyncPooledClient if rig.is_async else PooledClient
    mc = kind(rig.client(real_memcached.address, timeout=0.05, key_prefix="pooled"), 1)
    for _ in range(2):
        async with quietly(mc) as q:
            await do(q.set("k", "v"))
            assert mc.pool.stats().available == 0
            with pytest.raises(PoolTimeout):
                async with quietly(mc):
                    pass
        assert mc.pool.stats().available == 1
        assert q.failed == {}
        assert await do(mc.get("k")) == "v"
        with pytest.raises(ZeroDivisionError):
            async with quietly(mc) as q:
                await do(q.delete("k"))
                raise ZeroDivisionError
        assert q.failed.keys() == {"k"}
        assert mc.pool.stats().available == 1
    await rig.close(mc)
    with pytest.raises(MemcacheError, match="closed"):
        async with quietly(mc):
            pass


def test_an_observer_is_told_of_each_flight() -> None:
    class Told(Observer):
        def __init__(self) -> None:
            self.operations: list[tuple[str, int, int]] = []

        def operation(self, operation) -> None:
            self.operations.append((operation.name, operation.keys, operation.size))

    told = Told()
    with MemoryServer() as server, Client(server.address, observer=told) as mc:
        with mc.quiet() as q:
            q.set("a", b"1")
            q.set("b", b"22", 60)
            q.delete("c")
    assert told.operations == [("quiet", 3, 3)]


# ---------------------------------------------------------------------------- struck

KEYS = [f"key{number}" for number in range(6)]


async def stored_quietly(mc, q_of: list, values: dict[str, bytes], asked: list[str]) -> None:
    """A flight because it is time, one by `flush`, one at the end."""
    async with quietly(mc) as q:
        q_of.append(q)
        for number, (key, value) in enumerate(values.items()):
            await do(q.set(key, value))
            asked.append(key)
            if number == 4:
                await do(q.flush())


def is_told(q, asked: list[str], found: dict[str, bytes], values: dict[str, bytes]) -> bool:
    """What was asked for is done, or told of; what is told of as not done is not."""
    return all(
        (found.get(key) == values[key])
        if key not in q.failed
        else q.failed[key].maybe_applied or found.get(key) != values[key]
        for key in asked
    )


@pytest.mark.memcached
@on([BLOCKING, pytest.param(SELECTOR, marks=pytest.mark.slow)])
def test_an_interrupt_at_any_line_of_a_block_leaves_nothing_untold(rig, request):
    servers = [
        request.getfixturevalue(n).address for n in ("real_memcached", "real_memcached_unix")
    ]
    master = rig.client(servers, ring="modula", timeout=10, key_prefix="struck")
    points = 0
    for strike in interrupt_sweep(stride=3):
        values = {key: b"%d" % strike.k + bytes(40_000) for key in KEYS}
        mc, qs, asked = master.clone(), [], []
        mc.get_multi(KEYS)
        try:
            with strike:
                rig.run(lambda: stored_quietly(mc, qs, values, asked))  # noqa: B023
        except Interrupted:
            pass
        found = mc.get_multi(KEYS)
        if qs:
            assert is_told(qs[0], asked, found, values), strike.where
        assert mc.set(KEYS[0], b"right")
        assert mc.get(KEYS[0]) == b"right", strike.where
        mc.close()
        points += strike.struck
    print(f"{points} points")


@pytest.mark.memcached
@on([TRIO, ASYNCIO, TRIO_SHARED, ASYNCIO_SHARED])
@scenario
async def test_a_cancel_at_any_suspension_of_a_block_leaves_nothing_untold(rig, request):
    servers = [
        request.getfixturevalue(n).address for n in ("real_memcached", "real_memcached_unix")
    ]
    master = rig.client(servers, ring="modula", timeout=10, key_prefix="struck")
    points = 0
    for cancel in cancel_sweep():
        values = {key: b"%d %d" % (cancel.k, cancel.due) + bytes(40_000) for key in KEYS}
        qs, asked = [], []
        async with master.clone() as mc:
            await cancel(lambda: stored_quietly(mc, qs, values, asked))  # noqa: B023
            found = await mc.get_multi(KEYS)
            if qs:
                assert is_told(qs[0], asked, found, values), cancel
            assert await mc.set(KEYS[0], b"right")
            assert await mc.get(KEYS[0]) == b"right", cancel
        points += cancel.struck
    print(f"{points} points")
    assert points > 5


@pytest.mark.memcached
@on([TRIO_SHARED, ASYNCIO_SHARED])
@scenario
async def test_other_tasks_get_their_own_answers_beside_a_block(rig, real_memcached):
    mc = rig.client(real_memcached.address, key_prefix="beside", timeout=10)
    keys = [f"key{number}" for number in range(20)]
    await mc.set_multi({key: key for key in keys})

    async def asking():
        for _ in range(20):
            for key in keys:
                assert await mc.get(key) == key
        return True

    async def storing(part):
        async with mc.quiet() as q:
            for number in range(3000):
                await q.set(f"{part}{number}", b"x" * 100)
                await q.add("key0", "other")
        return q.failed

    failed = {"key0": Status.NOT_STORED}
    outcomes = await rig.together(asking, lambda: storing("a"), asking, lambda: storing("b"))
    assert outcomes == [True, failed, True, failed]
    await rig.close(mc)
