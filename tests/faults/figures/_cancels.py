"""F7: calls of asynchronous clients, cancelled at every suspension."""

from __future__ import annotations

from itertools import product

from tests.contract.rigs import TRIO
from tests.contract.test_cancellation import (
    RIGS,
    cold,
    master_of,
    sweep_calls,
    sweep_loans,
    sweep_with_a_server_down,
    warm,
)
from tests.faults.figures._size import Size, two_servers

DIALECTS = ["meta", "classic", "binary"]
AT_LEAST = {"short": 50, "full": 10_000, "long": 200_000}


def cancels(size: Size) -> str:
    """After each: right answers, the descriptors and the pool's client as before."""
    points = 0
    with two_servers() as addresses:
        while points < AT_LEAST[size]:
            points += _round(size, addresses)
            if size == "short":
                break
    assert points >= AT_LEAST[size], f"only {points:,} points"
    return f"0 in {points:,} points"


def _round(size: Size, addresses: list[str]) -> int:
    points = 0
    rigs = [TRIO] if size == "short" else RIGS
    for rig, prepare in product(rigs, (warm,) if size == "short" else (cold, warm)):
        plans = [("meta", addresses)]
        if size == "full":
            plans += [("classic", addresses[:1]), ("binary", addresses[:1])]
        elif size == "long":
            plans = [(dialect, addresses[:n]) for dialect in DIALECTS for n in (1, 2)]

        async def story(rig=rig, prepare=prepare, plans=plans) -> int:
            count = 0
            for dialect, there in plans:
                master = await master_of(rig, there, dialect)
                count += await sweep_calls(rig, master, prepare)
                if dialect == "meta" and len(there) == 2 and size != "short":
                    for way in ("reserve",) if size == "full" else ("reserve", "aget"):
                        count += await sweep_loans(rig, master, prepare, way)
            if size == "long":
                name = addresses[0].replace("127.0.0.1", "localhost")
                count += await sweep_with_a_server_down(rig, name, prepare)
            return count

        points += rig.run(story)
    return points
