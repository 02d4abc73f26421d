"""F26: interpreters that end while pools, threads and loops are alive."""

from __future__ import annotations

from time import perf_counter

from mcclient.embedded import MemoryServer
from tests.faults.figures._size import Size
from tests.pools.test_processes import EXITS, exit_with

TIMES = {"short": 0, "full": 5, "long": 100}
GROSS = 10.0  # seconds; one is what we want


def exits(size: Size) -> str:
    """Each with every warning as an error, and in development mode. Not a word may be said."""
    kinds = list(EXITS)[:1] if size == "short" else list(EXITS)
    took: list[float] = []
    with MemoryServer() as server:
        for kind in kinds * max(1, TIMES[size]):
            since = perf_counter()
            exit_with(kind, server.address)
            took.append(perf_counter() - since)
    assert max(took) < GROSS, f"{max(took):.1f} s"
    return (
        f"0 hangs, 0 tracebacks in {len(took)} exits of {len(kinds)} kinds, each {max(took):.2f} s "
        "at most from start to end"
    )
