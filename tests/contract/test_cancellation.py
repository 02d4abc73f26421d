"""Cancelled at any suspension, a client gives right answers ever after, and loses nothing.

Every value is its own key, so a reply that went to the wrong caller shows.
"""

from __future__ import annotations

import asyncio
import gc

import pytest
import trio

from mcclient import ClientPool
from mcclient.testing import cancel_sweep, descriptors
from tests.contract.nobody import NOBODY
from tests.contract.rigs import (
    ASYNCIO,
    SHARED_RIGS,
    TRIO,
    TURNS_RIGS,
    TrioRig,
    keys_on,
    scenario,
)

pytestmark = pytest.mark.memcached

KEYS = ["key0", "key1", "key2"]  # modula puts two of them on the first of two servers
MAPPING = {key: key for key in KEYS}

CALLS = {
    "get": lambda mc: mc.get("key0"),
    "gets": lambda mc: mc.gets("key0"),
    "gat": lambda mc: mc.gat("key0", 0),
    "set": lambda mc: mc.set("key0", "key0"),
    "set_large": lambda mc: mc.set("large", b"large" * 150_000),
    "get_large": lambda mc: mc.get("large"),
    "add": lambda mc: mc.add("key0", "key0"),
    "cas": lambda mc: mc.cas("key0", "key0", 1),
    "touch": lambda mc: mc.touch("key0", 0),
    "delete": lambda mc: mc.delete("nothing"),
    "incr": lambda mc: mc.incr("number"),
    "get_multi": lambda mc: mc.get_multi(KEYS),
    "set_multi": lambda mc: mc.set_multi(MAPPING),
    "delete_multi": lambda mc: mc.delete_multi(["nothing", "neither"]),
    "version": lambda mc: mc.version(),
}

RIGS = [TRIO, ASYNCIO, *SHARED_RIGS, *TURNS_RIGS]


async def is_right(mc) -> bool:
    return (
        [await mc.get(key) for key in KEYS] == KEYS
        and await mc.get_multi(KEYS) == MAPPING
        and await mc.get("nothing") is None
    )


async def breathe(rig) -> None:
    """Let the framework finish what it has put off, such as the closing of sockets."""
    await (trio.lowlevel.checkpoint() if isinstance(rig, TrioRig) else asyncio.sleep(0))


async def settled(rig, expected: set[str] | None = None) -> set[str]:
    """The open descriptors; if others than expected, after the garbage has been collected."""
    for _ in range(3):
        await breathe(rig)
    if expected is not None and descriptors() != expected:
        gc.collect()
        await breathe(rig)
    return descriptors()


async def cold(mc) -> None:
    """As it was made: nothing is connected."""


async def warm(mc) -> None:
    """All is connected."""
    assert await mc.get_multi(KEYS) == MAPPING


async def sweep(rig, attempt) -> int:
    """Play *attempt* with a cancel at each suspension in turn; how many there were."""
    points = 0
    for cancel in cancel_sweep():
        before = await settled(rig)
        await attempt(cancel)
        assert await settled(rig, before) == before, ("descriptors", cancel)
        points += cancel.struck
    return points


async def master_of(rig, addresses, protocol: str):
    """A client of these servers, to be cloned, whose values are there."""
    master = rig.client(addresses, ring="modula", timeout=10, protocol=protocol)
    assert all(keys_on(master, number) for number in range(len(addresses)))
    async with master.clone() as mc:
        await mc.set_multi(MAPPING)
        await mc.delete_multi(["nothing", "neither"])
        await mc.set("number", 5)
        await mc.set("large", b"large" * 150_000)
    return master


async def master_on(rig, request, servers: int, protocol: str):
    names = ["real_memcached", "real_memcached_unix"]
    addresses = [request.getfixturevalue(name).address for name in names][:servers]
    return await master_of(rig, addresses, protocol)


async def sweep_calls(rig, master, prepare) -> int:
    """Every call, cancelled at every suspension; how many there were."""
    points = 0
    for name, call in CALLS.items():

        async def attempt(cancel, call=call, name=name):
            async with master.clone() as mc:
                await prepare(mc)
                open_before = len(await settled(rig))
                await cancel(lambda: call(mc))
                assert await is_right(mc), (name, cancel)
                if prepare is warm:
                    now_open = len(await settled(rig))
                    assert now_open == open_before, (name, cancel)

        points += await sweep(rig, attempt)
    return points


async def sweep_loans(rig, master, prepare, way: str) -> int:
    """From a pool of one client, free or lent to somebody who brings it back meanwhile."""
    points = 0

    async def through_pool(pool, name):
        if way == "reserve":
            async with pool.reserve(block=True) as mc:
                return await CALLS[name](mc)
        mc = await pool.aget()
        try:
            return await CALLS[name](mc)
        finally:
            pool.put(mc)

    for name in "get", "set", "get_multi", "set_multi":
        for taken in False, True:

            async def attempt(cancel, name=name, taken=taken):
                where = name, taken, cancel
                pool = ClientPool(master, 1)
                async with pool.reserve() as mc:
                    await prepare(mc)
                if taken:
                    other = await pool.aget()

                    async def bring_back():
                        await breathe(rig)
                        pool.put(other)

                    await rig.together(lambda: cancel(lambda: through_pool(pool, name)), bring_back)
                else:
                    await cancel(lambda: through_pool(pool, name))
                assert pool.qsize() == 1, where
                async with pool.reserve() as mc:
                    assert await is_right(mc), where
                assert pool.qsize() == 1, where
                await pool.aclose()

            points += await sweep(rig, attempt)
    return points


async def sweep_with_a_server_down(rig, address: str, prepare) -> int:
    """*address* is up, and perhaps a name that has to be looked up; another server is down."""
    options = {"ring": "modula", "timeout": 10, "on_unavailable": "miss"}
    master = rig.client([address, NOBODY], **options)
    here = keys_on(master, 0, 4)
    keys = [*here, *keys_on(master, 1, 2)]
    async with master.clone() as mc:
        for key in here:
            await mc.set(key, key)
    points = 0
    for call in lambda mc: mc.get(here[0]), lambda mc: mc.get_multi(keys):

        async def attempt(cancel, call=call):
            async with master.clone() as mc:
                if prepare is warm:
                    await mc.get(here[1])
                await cancel(lambda: call(mc))
                assert [await mc.get(key) for key in here] == here, cancel
                assert await mc.get_multi(keys) == {key: key for key in here}

        points += await sweep(rig, attempt)
    return points


@pytest.mark.parametrize("rig", RIGS, ids=repr)
@pytest.mark.parametrize("protocol", ["meta", "classic"])
@pytest.mark.parametrize("servers", [1, 2])
@pytest.mark.parametrize("prepare", [cold, warm], ids=lambda function: function.__name__)
@scenario
async def test_a_cancel_at_any_suspension_of_a_call(rig, prepare, servers, protocol, request):
    master = await master_on(rig, request, servers, protocol)
    print(f"{await sweep_calls(rig, master, prepare)} points")


@pytest.mark.parametrize("rig", RIGS, ids=repr)
@pytest.mark.parametrize("prepare", [cold, warm], ids=lambda function: function.__name__)
@scenario
async def test_a_cancel_while_a_name_is_looked_up_or_another_server_is_down(
    rig, prepare, real_memcached
):
    name = f"localhost:{real_memcached.port}"
    print(f"{await sweep_with_a_server_down(rig, name, prepare)} points")


@pytest.mark.parametrize("rig", RIGS, ids=repr)
@pytest.mark.parametrize("way", ["reserve", "aget"])
@pytest.mark.parametrize("prepare", [cold, warm], ids=lambda function: function.__name__)
@scenario
async def test_a_cancel_at_any_suspension_of_a_loan(rig, way, prepare, request):
    master = await master_on(rig, request, 2, "meta")
    print(f"{await sweep_loans(rig, master, prepare, way)} points")
