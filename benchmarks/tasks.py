"""What a get costs where many tasks want one: one client for all of them, or one for each.

Clients over TCP, on one CPU with a real memcached; asyncio and, where it is installed, trio.  With
64 tasks at once, with one alone, and with get_multi.  No gates.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any

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
    check,
    connected,
    cost_since,
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


async def crowd(together: Together, clients: list[AsyncClient]) -> Cost:
    """A slice: so many tasks, each with so many gets."""
    found: dict[int, list[object]] = {}

    async def task(number: int) -> None:
        get = clients[number % len(clients)].get
        found[number] = [await get(KEYS[number]) for _ in range(ROUNDS)]

    jobs = [partial(task, number) for number in range(TASKS)]
    # Clients look at connections that have been idle while the others had their turns.
    for client in clients:
        await client.get(KEYS[0])
    began = now()
    await together(jobs)
    cost = cost_since(began, TASKS * ROUNDS)
    check([found[number] for number in range(TASKS)], [[VALUE] * ROUNDS] * TASKS)
    return cost


async def alone(client: AsyncClient) -> Cost:
    await client.get(KEYS[0])
    began = now()
    got = [await client.get(key) for key in KEYS]
    cost = cost_since(began, len(KEYS))
    check(got, [VALUE] * len(KEYS))
    return cost


async def many(client: AsyncClient) -> Cost:
    await client.get(KEYS[0])
    began = now()
    got = [await client.get_multi(MANY) for _ in range(10)]
    cost = cost_since(began, 10)
    check(got, [dict.fromkeys(MANY, VALUE)] * 10)
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
) -> list[Contest]:
    shared = AsyncClient(server.address, backend=backend(multiplexed=True), timeout=60)
    plain = AsyncClient(server.address, backend=backend(multiplexed=False), timeout=60)
    each = [plain.clone() for _ in range(TASKS)]
    floor = raw(server)

    at_once = Contest(f"A get, {TASKS} tasks at once, {name}", [SHARED, EACH, RAW], "cpu")
    for way in at_once.turns(seconds):
        if way == RAW:
            at_once.note(way, floor())
        else:
            at_once.note(way, await crowd(together, [shared] if way == SHARED else each))

    one = Contest(f"A get, one task, {name}", [SHARED, PLAIN], "cpu")
    for way in one.turns(seconds / 2):
        one.note(way, await alone(shared if way == SHARED else plain))

    multi = Contest(f"A get_multi of {len(MANY)}, one task, {name}", [SHARED, PLAIN], "cpu")
    for way in multi.turns(seconds / 2):
        multi.note(way, await many(shared if way == SHARED else plain))

    for client in (shared, plain, *each):
        await client.aclose()
    return [at_once, one, multi]


async def under_asyncio(server: RealMemcached, seconds: float) -> list[Contest]:
    from mcproto.transports.asyncio import AsyncioBackend

    async def together(jobs: Jobs) -> None:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(job())

    return await contests("asyncio", together, AsyncioBackend, server, seconds)


async def under_trio(server: RealMemcached, seconds: float) -> list[Contest]:
    import trio

    from mcproto.transports.trio import TrioBackend

    async def together(jobs: Jobs) -> None:
        async with trio.open_nursery() as nursery:
            for job in jobs:
                nursery.start_soon(job)

    return await contests("trio", together, TrioBackend, server, seconds)


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
