"""F8: calls of blocking clients, interrupted at every line, or every instruction."""

from __future__ import annotations

from itertools import product

from tests.contract.rigs import BLOCKING, SELECTOR
from tests.contract.test_interruption import CALLS, Sweep, cold, master_of, stale, warm
from tests.faults.figures._size import Size, two_servers

MORE_CALLS = {
    "gets": lambda mc: mc.gets("key0"),
    "gat": lambda mc: mc.gat("key0", 0),
    "add": lambda mc: mc.add("key0", "key0"),
    "replace": lambda mc: mc.replace("key0", "key0"),
    "append": lambda mc: mc.append("nothing", b""),
    "cas": lambda mc: mc.cas("key0", "key0", 0),
    "touch": lambda mc: mc.touch("key0", 0),
    "delete": lambda mc: mc.delete("nothing"),
    "delete_multi": lambda mc: mc.delete_multi(["nothing", "neither"]),
    "decr": lambda mc: mc.decr("number"),
    "version": lambda mc: mc.version(),
    "stats": lambda mc: mc.stats(),
}
ALL_CALLS = CALLS | MORE_CALLS


def interrupts(size: Size) -> str:
    """After each: right answers, the descriptors as before, nothing dropped unclosed."""
    points = 0
    with two_servers() as addresses:
        for rig, protocol, count, prepare, name in _plan(size):
            master = master_of(rig, addresses[:count], protocol=protocol)
            sweep = Sweep(master, ALL_CALLS[name], prepare, every_instruction=size == "long")
            points += sweep.run()
    of = "instructions" if size == "long" else "lines"
    return f"0 in {points:,} {of}"


def _plan(size: Size):
    if size == "short":
        yield BLOCKING, "meta", 1, warm, "get"
        return
    for rig in BLOCKING, SELECTOR:
        yield from product([rig], ["meta"], [1], [warm], ALL_CALLS)
        yield from product([rig], ["classic", "binary"], [2], [warm], ["get_multi"])
        yield from product([rig], ["meta"], [1], [cold, stale], ["get"])
        if size == "long":
            yield from product([rig], ["classic", "binary"], [1, 2], [cold, warm], ALL_CALLS)
