"""What many cost beside few: keys in a call, servers of a client, tasks on a connection.

CPU time for each of them, on one CPU with real memcached servers. Gates: a key of 100,000 costs at
most one and a half times what one of 1000 does, a server of 64 no more than one and a half of 4,
and a get of 10,000 tasks no more than one and a half of 64. What memory it takes stands below.
"""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from _harness import (
    VALUE,
    Comparison,
    Contest,
    Cost,
    Report,
    check,
    cost_since,
    held,
    memcached,
    now,
    run,
)

from mcclient import AsyncClient, Client, ClientPool
from tests.servers import RealMemcached

MOST = 1.5


def many_keys(client: Client, count: int) -> Callable[[], Cost]:
    keys = [f"many:{number}" for number in range(count)]
    wanted = dict.fromkeys(keys, VALUE)
    times = max(1, 1000 // count)

    def take() -> Cost:
        client.get(keys[0])
        began = now()
        for _ in range(times):
            got = client.get_multi(keys)
        cost = cost_since(began, times * count)
        check([got], [wanted])
        return cost

    return take


def by_keys(server: RealMemcached, seconds: float, most: int) -> tuple[Contest, str]:
    counts = [count for count in (10, 100, 1000, 10_000, 100_000) if count <= most]
    with Client(server.address, timeout=60) as client:
        check([client.set_multi({f"many:{n}": VALUE for n in range(counts[-1])})], [[]])
        # Each with a client of its own, which remembers its keys, if they are not too many.
        slices = {
            f"{count:,} keys": many_keys(Client(server.address, timeout=60), count)
            for count in counts
        }
        contest = held("A key of a get_multi", slices, "cpu", seconds)
        # What stands beside the result, when most does.
        keys = [f"many:{number}" for number in range(counts[-1])]
        tracemalloc.start()
        found = client.get_multi(keys)
        kept, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(found) == len(keys)
    note = (
        f"a get_multi of {counts[-1]:,} keys takes {kept / 1e6:.1f} MB for its result, and no more"
        f" than {(peak - kept) / 1e6:.1f} MB beside it"
    )
    return contest, note


def many_servers(client: Client, servers: int) -> Callable[[], Cost]:
    keys = [f"key:{number}" for number in range(servers * 10)]
    client.set_multi(dict.fromkeys(keys, VALUE))
    wanted = dict.fromkeys(keys, VALUE)

    def take() -> Cost:
        client.get_multi(keys)
        began = now()
        got = [client.get_multi(keys) for _ in range(10)]
        cost = cost_since(began, 10 * servers)
        check(got, [wanted] * 10)
        return cost

    return take


def by_servers(seconds: float, most: int) -> Contest:
    with ExitStack() as stack:
        servers = [stack.enter_context(memcached("-m", "8")) for _ in range(most)]
        addresses = [server.address for server in servers]
        slices = {}
        for count in (1, 4, 16, 64):
            if count <= most:
                client = stack.enter_context(Client(addresses[:count], timeout=60))
                slices[f"{count} servers"] = many_servers(client, count)
        return held("A server of a get_multi, ten keys on each", slices, "cpu", seconds)


async def crowd(client: AsyncClient, tasks: int) -> Cost:
    await client.get("key")
    rounds = 4

    async def task() -> list[object]:
        return [await client.get("key") for _ in range(rounds)]

    began = now()
    got = await asyncio.gather(*[task() for _ in range(tasks)])
    cost = cost_since(began, tasks * rounds)
    check(got, [[VALUE] * rounds] * tasks)
    return cost


async def by_tasks(server: RealMemcached, seconds: float, most: int) -> Contest:
    async with AsyncClient(server.address, timeout=60) as client:
        await client.set("key", VALUE)
        counts = [count for count in (64, 1000, 10_000) if count <= most]
        contest = Contest(
            "A get of many tasks on one connection, asyncio",
            [f"{n:,} tasks" for n in counts],
            "cpu",
        )
        ways = dict(zip(contest.ways, counts, strict=True))
        for way in contest.turns(seconds):
            contest.note(way, await crowd(client, ways[way]))
    return contest


def idle_client() -> float:
    """What a client takes that is in a pool and has never been used, in bytes."""
    master = Client("127.0.0.1")
    ClientPool(master, 1)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    pool = ClientPool(master, 100)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert pool.qsize() == 100
    return (after - before) / 100


def measure(seconds: float) -> Report:
    is_quick = seconds < 1
    with memcached("-m", "256") as server:
        keys, note = by_keys(server, seconds, 1000 if is_quick else 100_000)
        tasks = asyncio.run(by_tasks(server, seconds, 1000 if is_quick else 10_000))
    servers = by_servers(seconds, 4 if is_quick else 64)
    compare = partial(Comparison, figure="cpu", at_most=MOST)
    return Report(
        [keys, servers, tasks],
        [
            compare(keys, keys.ways[-1], "1,000 keys"),
            compare(servers, servers.ways[-1], "4 servers"),
            compare(tasks, tasks.ways[-1], "64 tasks"),
        ],
        [note, f"an idle client in a pool takes {idle_client():,.0f} bytes"],
    )


if __name__ == "__main__":
    run(__doc__, measure)
