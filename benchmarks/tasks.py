"""What a get costs where many tasks want one: one client for all of them, or one for each.

Clients over TCP, on one CPU with a real memcached; asyncio and, where it is installed, trio.  With
64 tasks at once, with one alone, and with get_multi.  Under asyncio the other clients that are
installed join in; gates are ratios to them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from _harness import (
    KEYS,
    REPLIES,
    REQUESTS,
    SIZE,
    VALUE,
    Comparison,
    Contest,
    Cost,
    Report,
    beside,
    check,
    connected,
    cost_since,
    installed,
    memcached,
    now,
    run,
    stats,
)

from mcclient import AsyncClient
from tests.servers import RealMemcached

TASKS = 64
ROUNDS = 8
MANY = KEYS[:100]

SHARED = "one client, shared"
EACH = "a client each, one connection each"
RAW = "ready bytes: all of a round in one write"
PLAIN = "one client, not shared"

Jobs = Sequence[Callable[[], Coroutine[Any, Any, None]]]
Together = Callable[[Jobs], Awaitable[None]]


class Ways(NamedTuple):
    """What a client does.

    Attributes:
        key: what it takes for one of KEYS.
        all_of: what its `get_multi` has found, as a dict of KEYS.
    """

    get: Callable[[Any], Awaitable[object]]
    get_multi: Callable[[list[Any]], Awaitable[Any]]
    close: Callable[[], Awaitable[object]]
    key: Callable[[str], str | bytes] = str.encode
    all_of: Callable[[Any], dict[str, object]] = dict


def ours(client: AsyncClient) -> Ways:
    return Ways(client.get, client.get_multi, client.aclose, key=str)  # type: ignore[arg-type]


async def emcache(module: Any, server: RealMemcached, batching: bool = False) -> Ways:
    address = module.MemcachedHostAddress(server.host, server.port)
    # (A timeout for each call costs it as much again; ours has one, at no such cost.)
    client = await module.create_client(
        [address], autobatching=batching, max_connections=2, timeout=60.0
    )

    async def get(key: bytes) -> object:
        return (await client.get(key)).value

    def all_of(found: Any) -> dict[str, object]:
        return {key.decode(): item.value for key, item in found.items()}

    return Ways(get, client.get_many, client.close, all_of=all_of)


async def emcache_batching(module: Any, server: RealMemcached) -> Ways:
    return await emcache(module, server, batching=True)


async def aiomcache(module: Any, server: RealMemcached) -> Ways:
    client = module.Client(server.host, server.port)

    async def get_multi(keys: list[bytes]) -> object:
        return await client.multi_get(*keys)

    def all_of(found: Any) -> dict[str, object]:
        return dict(zip(MANY, found, strict=True))

    return Ways(client.get, get_multi, client.close, all_of=all_of)


async def memcachio(module: Any, server: RealMemcached) -> Ways:
    client = module.Client((server.host, server.port))

    async def get(key: bytes) -> object:
        return (await client.get(key))[key].value

    async def get_multi(keys: list[bytes]) -> object:
        return await client.get(*keys)

    def all_of(found: Any) -> dict[str, object]:
        return {key.decode(): item.value for key, item in found.items()}

    async def close() -> None:
        client.connection_pool.close()

    return Ways(get, get_multi, close, all_of=all_of)


PEERS: dict[str, tuple[str, Callable[[Any, RealMemcached], Awaitable[Ways]]]] = {
    "emcache": ("emcache", emcache),
    "emcache, autobatching": ("emcache", emcache_batching),
    "aiomcache": ("aiomcache", aiomcache),
    "memcachio": ("memcachio", memcachio),
}

# How many times what ours costs they have to cost at least, under asyncio.
CROWD_GATES = {"emcache": 6.0, "aiomcache": 6.0, "memcachio": 10.0, "emcache, autobatching": 1.1}
ALONE_GATES = {"emcache": 1.4, "aiomcache": 1.35, "memcachio": 2.5, "emcache, autobatching": 2.2}
MANY_GATES = {"emcache": 1.6, "aiomcache": 4.4, "memcachio": 4.5}


async def crowd(together: Together, clients: Sequence[Ways]) -> Cost:
    """A slice: so many tasks, each with so many gets."""
    found: dict[int, list[object]] = {}
    keys = [clients[0].key(key) for key in KEYS]

    async def task(number: int) -> None:
        get = clients[number % len(clients)].get
        found[number] = [await get(keys[number]) for _ in range(ROUNDS)]

    jobs = [partial(task, number) for number in range(TASKS)]
    # Clients look at connections that have been idle while the others had their turns.
    for client in clients:
        await client.get(keys[0])
    began = now()
    await together(jobs)
    cost = cost_since(began, TASKS * ROUNDS)
    check([found[number] for number in range(TASKS)], [[VALUE] * ROUNDS] * TASKS)
    return cost


async def alone(client: Ways) -> Cost:
    keys = [client.key(key) for key in KEYS]
    get = client.get
    await get(keys[0])
    began = now()
    got = [await get(key) for key in keys]
    cost = cost_since(began, len(KEYS))
    check(got, [VALUE] * len(KEYS))
    return cost


async def many(client: Ways) -> Cost:
    keys = [client.key(key) for key in MANY]
    await client.get(keys[0])
    began = now()
    got = [await client.get_multi(keys) for _ in range(10)]
    cost = cost_since(began, 10)
    check([client.all_of(found) for found in got], [dict.fromkeys(MANY, VALUE)] * 10)
    return cost


def raw(server: RealMemcached) -> Callable[[], Cost]:
    """The least that so many gets cost: their requests together, and their replies."""
    sock = connected(server)
    request, reply = b"".join(REQUESTS[:TASKS]), b"".join(REPLIES[:TASKS])

    def take() -> Cost:
        got: list[bytes] = []
        began = now()
        for _ in range(ROUNDS):
            sock.sendall(request)
            received = b""
            while len(received) < len(reply):
                received += sock.recv(SIZE)
            got.append(received)
        cost = cost_since(began, TASKS * ROUNDS)
        check(got, [reply] * ROUNDS)
        return cost

    return take


async def contests(
    name: str,
    together: Together,
    backend: Callable[..., Any],
    server: RealMemcached,
    seconds: float,
    peers: Mapping[str, Ways],
) -> list[Contest]:
    shared = AsyncClient(server.address, backend=backend(multiplexed=True), timeout=60)
    plain = AsyncClient(server.address, backend=backend(multiplexed=False), timeout=60)
    each = [plain.clone() for _ in range(TASKS)]
    floor = raw(server)
    clients = {SHARED: ours(shared), PLAIN: ours(plain), **peers}

    at_once = Contest(f"A get, {TASKS} tasks at once, {name}", [SHARED, EACH, RAW, *peers], "cpu")
    for way in at_once.turns(seconds):
        if way == RAW:
            at_once.note(way, floor())
        else:
            crew = list(map(ours, each)) if way == EACH else [clients[way]]
            at_once.note(way, await crowd(together, crew))

    one = Contest(f"A get, one task, {name}", [SHARED, PLAIN, *peers], "cpu")
    for way in one.turns(seconds / 2):
        one.note(way, await alone(clients[way]))

    multi = Contest(f"A get_multi of {len(MANY)}, one task, {name}", [SHARED, PLAIN, *peers], "cpu")
    for way in multi.turns(seconds / 2):
        multi.note(way, await many(clients[way]))

    for client in (shared, plain, *each):
        await client.aclose()
    for peer in peers.values():
        await peer.close()
    return [at_once, one, multi]


async def under_asyncio(server: RealMemcached, seconds: float) -> list[Contest]:
    from mcproto.transports.asyncio import AsyncioBackend

    async def together(jobs: Jobs) -> None:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(job())

    peers = {
        name: await open_client(installed(module), server)
        for name, (module, open_client) in PEERS.items()
        if installed(module) is not None
    }
    return await contests("asyncio", together, AsyncioBackend, server, seconds, peers)


async def under_trio(server: RealMemcached, seconds: float) -> list[Contest]:
    import trio

    from mcproto.transports.trio import TrioBackend

    async def together(jobs: Jobs) -> None:
        async with trio.open_nursery() as nursery:
            for job in jobs:
                nursery.start_soon(job)

    return await contests("trio", together, TrioBackend, server, seconds, {})


def measure(seconds: float) -> Report:
    report = Report([], [], [])

    def compare(found: list[Contest]) -> None:
        at_once, one, multi = found
        report.contests.extend(found)
        report.comparisons.append(Comparison(at_once, SHARED, EACH, "cpu"))
        report.comparisons.append(Comparison(at_once, SHARED, EACH, "wall"))
        report.comparisons.append(Comparison(at_once, SHARED, RAW, "cpu"))
        report.comparisons.append(Comparison(one, SHARED, PLAIN, "cpu"))
        report.comparisons.append(Comparison(multi, SHARED, PLAIN, "cpu"))
        names = {name: name for name in PEERS}
        for row, contest, gates in (
            (f"asyncio: get, {TASKS} tasks at once", at_once, CROWD_GATES),
            ("asyncio: get, one task", one, ALONE_GATES),
            (f"asyncio: get_multi of {len(MANY)}", multi, MANY_GATES),
        ):
            report.comparisons.extend(beside(row, contest, SHARED, names, gates))

    with memcached() as server, connected(server) as sock:
        version = stats(sock)["version"]
        compare(asyncio.run(under_asyncio(server, seconds)))
        try:
            import trio
        except ImportError:
            report.notes.append("trio is not installed, and left out")
        else:
            compare(trio.run(under_trio, server, seconds))
    report.notes.append(f"memcached {version}, one thread, on the same CPU; {ROUNDS} gets a task")
    return report


if __name__ == "__main__":
    run(__doc__, measure)
