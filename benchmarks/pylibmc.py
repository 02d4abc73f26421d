"""mcclient.pylibmc beside the real pylibmc, which is C: the client's CPU time for the same calls.

Gates, in the client's CPU time: a get and a set cost at most 1/0.95 of the real one's, a get_multi
of 100 no more, and a set_multi of 100 at most a fifteenth. A get of an int may cost a tenth more, a
get of a pickle a quarter: most of that is what `int` and `pickle.loads` take in an interpreter
whose caches are cold. So may whatever is said in binary, where a reply takes more steps to read.
(Needs the real pylibmc.)
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from _harness import (
    VALUE,
    CannotMeasure,
    Comparison,
    Contest,
    Cost,
    Report,
    cost_since,
    held,
    memcached,
    now,
    run,
)

from mcclient import pylibmc
from tests.servers import RealMemcached

REAL = "pylibmc"
OURS = "mcclient.pylibmc"

TEXT = VALUE.decode()
NUMBER = 1_234_567
PICKLED = {"name": "x" * 40, "numbers": [1, 2, 3], "when": None}
MANY = {f"key:{number}": VALUE for number in range(100)}
NAMES = list(MANY)

Call = Callable[[Any], object]

# What is called, what it must come to, how often in a slice, and what it may cost.
SINGLE: dict[str, tuple[Call, object, int, float]] = {
    "get of 100 bytes": (lambda mc: mc.get("key"), VALUE, 250, 1 / 0.95),
    "get of a str of 100": (lambda mc: mc.get("text"), TEXT, 250, 1 / 0.95),
    "get of an int": (lambda mc: mc.get("number"), NUMBER, 250, 1.1),
    "get of a pickle": (lambda mc: mc.get("pickled"), PICKLED, 250, 1.25),
    "get of nothing": (lambda mc: mc.get("nothing"), None, 250, 1 / 0.95),
    "set of 100 bytes": (lambda mc: mc.set("key", VALUE), True, 250, 1 / 0.95),
    "set of a str of 100": (lambda mc: mc.set("text", TEXT), True, 250, 1 / 0.95),
    "set of a str of 100, for a minute": (lambda mc: mc.set("text", TEXT, 60), True, 250, 1 / 0.95),
    "set of an int": (lambda mc: mc.set("number", NUMBER), True, 250, 1 / 0.95),
    "set of a pickle": (lambda mc: mc.set("pickled", PICKLED), True, 250, 1 / 0.95),
}
CALLS: dict[str, tuple[Call, object, int, float]] = {
    **SINGLE,
    **{f"{what}, in binary": (*call, 1.25) for what, (*call, _) in SINGLE.items()},
    "get_multi of 100": (lambda mc: mc.get_multi(NAMES), MANY, 25, 1.0),
    "set_multi of 100": (lambda mc: mc.set_multi(MANY), [], 10, 1 / 15),
}


def real_pylibmc() -> Any:
    """The real one; this file has its name."""
    here = str(Path(__file__).parent)
    path = sys.path.copy()
    sys.path[:] = [entry for entry in path if entry not in ("", here)]
    try:
        return importlib.import_module("pylibmc")
    except ImportError as error:
        raise CannotMeasure(f"there is no pylibmc here: {error}") from error
    finally:
        sys.path[:] = path


def measured(mc: Any, call: Call, wanted: object, times: int) -> Cost:
    call(mc)  # so that no connection has been idle for long
    began = now()
    for _ in range(times):
        got = call(mc)
    cost = cost_since(began, times)
    if got != wanted:
        raise CannotMeasure(f"{got!r:.200} instead of {wanted!r:.200}")
    return cost


def contest(server: RealMemcached, real: Any, what: str, seconds: float) -> Contest:
    call, wanted, times, _ = CALLS[what]
    slices = {}
    for name, module in ((REAL, real), (OURS, pylibmc)):
        mc = module.Client([server.address], {}, binary=what.endswith("in binary"))
        mc.set_multi({"key": VALUE, "text": TEXT, "number": NUMBER, "pickled": PICKLED, **MANY})
        slices[name] = partial(measured, mc, call, wanted, times)
    return held(f"A {what}, over TCP", slices, "cpu", seconds)


def measure(seconds: float) -> Report:
    real = real_pylibmc()
    with memcached() as server:
        contests = {what: contest(server, real, what, seconds / 3) for what in CALLS}
    return Report(
        list(contests.values()),
        [Comparison(contests[what], OURS, REAL, "cpu", at_most=CALLS[what][3]) for what in CALLS],
        [real.build_info()],
    )


if __name__ == "__main__":
    run(__doc__, measure)
