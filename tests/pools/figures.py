"""The figures that the pools are held to: measured, printed, and judged by the exit status.

    python3 -m tests.pools.figures [NAME...] [--short | --long]

What is counted decides; times are printed beside it, and only one that is missed by far fails. The
short form takes less than a minute in all, the long one hours. The tests play the same programmes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from statistics import median

from fuzz.figures._command import measure_all
from fuzz.figures._size import Size
from mcclient.embedded import MemoryServer
from tests.pools import soak
from tests.pools.test_fairness import thousand_threads, woken_after
from tests.pools.test_processes import EXITS, exit_with
from tests.pools.test_under_fire import (
    cancel_asyncio_tasks,
    cancel_trio_tasks,
    fill,
    interrupt_threads,
    time_out_greenlets,
)
from tests.servers import RealMemcached


def under_fire(times: float) -> str:
    """Interrupts, cancels and time-outs everywhere: whose answers are got."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda unraisable: None
    try:
        with RealMemcached() as server:
            fill(server.address)
            told = [
                interrupt_threads(server.address, round(40_000 * times)),
                cancel_asyncio_tasks(server.address, round(15_000 * times)),
                cancel_trio_tasks(server.address, round(15_000 * times)),
                time_out_greenlets(server.address, round(30_000 * times)),
            ]
    finally:
        sys.unraisablehook = hook
    return "; ".join(told)


def fairness(times: float) -> str:
    """In what order a crowd is served, and how long it waits."""
    return thousand_threads(max(2, round(6 * times)))


def wake_ups(times: float) -> str:
    """How soon a waiter has the client of a holder whose connection has died."""
    woken = sorted(woken_after() for _ in range(round(50 * times)))
    middle, longest = median(woken) * 1e3, woken[-1] * 1e3
    told = f"{len(woken)} wake-ups, median {middle:.2f} ms, longest {longest:.2f} ms"
    assert longest <= 50 * 4, told
    return told


def exits(times: float) -> str:
    """What interpreters say that end with something alive, and how long that takes them."""
    with MemoryServer() as server:
        nothing = min(exit_with("a live pool", server.address) for _ in range(3))
        seconds = [
            exit_with(what, server.address)
            for _ in range(max(1, round(50 / len(EXITS) * times)))
            for what in EXITS
        ]
    longest = max(seconds) - nothing
    told = (
        f"{len(seconds)} exits in {len(EXITS)} situations: 0 hang, 0 say anything; at most"
        f" {longest:.2f} s more than with nothing under way"
    )
    assert longest <= 1 * 4, told
    return told


def soaked(times: float) -> str:
    """What is wrong, and what has grown, after all faults at once."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda unraisable: None
    try:
        soak.play(2.0)
        before = soak.Usage()
        score = soak.play(120 * times)
        after = soak.Usage()
    finally:
        sys.unraisablehook = hook
    told = (
        f"{score.calls} calls, {score.failed} failed as they should, struck {score.struck} times,"
        f" {len(score.wrong)} wrong; before: {before}; after: {after}"
    )
    assert not score.wrong, told
    assert not after.has_grown_since(before), told
    return told


FIGURES: dict[str, tuple[Callable[[float], str], float, float]] = {
    "F9": (under_fire, 0.25, 100),
    "F13": (fairness, 0.5, 300),
    "F25": (wake_ups, 1, 20),
    "F26": (exits, 0.4, 20),
    "F27": (soaked, 1 / 12, 30),
}
"""What measures it, and how many times as much it does in the short form and in the long one."""


def measure(name: str, size: Size) -> str:
    measured, short, long = FIGURES[name]
    return measured({"short": short, "full": 1, "long": long}[size])


def main() -> int:
    return measure_all(
        "python3 -m tests.pools.figures",
        "Measure the figures of the pools.",
        FIGURES,
        measure,
        short="less than a minute in all",
        long="hours",
    )


if __name__ == "__main__":
    sys.exit(main())
