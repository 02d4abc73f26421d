"""Our blocking client beside every other one that is installed: CPU time of the same calls.

On one CPU with real memcached servers, over TCP.  The gates are ratios to pylibmc, libmc and
pymemcache. Every answer is looked at; what has to be there is there, and what is stored is stored.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count

from _clients import OURS, PEERS, Ways, opened
from _harness import (
    KEYS,
    VALUE,
    CannotMeasure,
    Cost,
    Report,
    beside,
    check,
    connected,
    cost_since,
    held,
    installed,
    memcached,
    now,
    run,
    stats,
)

from tests.servers import RealMemcached

TEXT = VALUE.decode()

# So many keys in turn are new each time: more than any client here remembers.
FRESH = 40_000

GATED = ("pylibmc", "libmc", "pymemcache")

# workload -> what it is called in the table; and how many times what ours costs pylibmc, libmc
# and pymemcache have to cost at least.
WORKLOADS: dict[str, tuple[str, tuple[float, float, float] | None]] = {
    "hit": ("get, 100 bytes", (0.97, 1.00, 1.17)),
    "fresh": ("get, keys never seen", (0.92, 0.98, 1.05)),
    "miss": ("get, a miss", None),
    "set": ("set, 100 bytes", (0.97, 1.10, 1.18)),
    "get_multi": ("get_multi of 100", (1.00, 0.95, 4.5)),
    "half": ("get_multi of 100, half missing", (0.95, 0.90, 4.4)),
    "text": ("get_multi of 100 str", (1.00, 1.15, 4.4)),
    "set_multi": ("set_multi of 100", (20.0, 1.55, 6.5)),
    "get_100k": ("get, 100 KiB", (1.25, 1.10, 4.0)),
    "get_1m": ("get, 1 MiB", (1.5, 10.0, 6.0)),
    "set_100k": ("set, 100 KiB", (1.4, 1.00, 1.25)),
    "set_1m": ("set, 1 MiB", (4.5, 1.00, 1.45)),
    "cluster": ("get_multi of 200 on 4 servers", (0.95, 0.95, 38.0)),
    "cluster_hit": ("get, 4 servers", (0.96, 1.02, 3.5)),
    "cluster_fresh": ("get, 4 servers, keys never seen", (0.80, 0.85, 2.9)),
}


def calls(
    call: Callable[..., object], keys: Callable[[], list[str]], wanted: object, *rest: object
) -> Callable[[], Cost]:
    """A slice of calls with one key each.

    Args:
        keys: gives those of the next slice.
        wanted: each answer.
        rest: further arguments of each call.
    """
    warm = keys()[0]

    def take() -> Cost:
        each = keys()
        # A client looks at a connection that has been idle while the others had their turns.
        call(warm, *rest)
        if rest:
            (value,) = rest
            began = now()
            got = [call(key, value) for key in each]
        else:
            began = now()
            got = [call(key) for key in each]
        cost = cost_since(began, len(each))
        check(got, [wanted] * len(each))
        return cost

    return take


def repeated(
    call: Callable[[], object], wanted: object, times: int, warm: Callable[[], object]
) -> Callable[[], Cost]:
    """A slice of one call, several times. Each answer is looked at, and dropped, in between."""

    def take() -> Cost:
        warm()
        wall = cpu = 0.0
        got: object = None
        for _ in range(times):
            began = now()
            got = call()
            cost = cost_since(began, times)
            if got != wanted:
                raise CannotMeasure(f"{got!r:.100} instead of {wanted!r:.100}")
            wall += cost.wall
            cpu += cost.cpu
        return Cost(wall, cpu)

    return take


def new_keys(start: str, most: int | None = None) -> Callable[[], list[str]]:
    """Gives keys that have not been for long, or, without *most*, never."""
    numbers = count()

    def keys() -> list[str]:
        turn = [next(numbers) for _ in KEYS]
        return [f"{start}:{number if most is None else number % most}" for number in turn]

    return keys


class Missing(Exception):
    """A client that does not do this."""


def slice_for(workload: str, name: str, ways: Ways) -> Callable[[], Cost]:
    """What a client does at a workload.

    Each has its own keys: what another one stores may have flags that cost more to read.

    Raises:
        Missing: it does not do this.
    """
    own = [f"{name}:{number}" for number in range(200)]

    def put(keys: Sequence[str], value: object) -> None:
        check([bool(ways.set(key, value)) for key in keys], [True] * len(keys))

    def multi(keys: list[str], wanted: object) -> Callable[[], Cost]:
        return repeated(partial(ways.get_multi, keys), wanted, 10, partial(ways.get, own[0]))

    match workload:
        case "hit" | "cluster_hit":
            put(own, VALUE)
            return calls(ways.get, lambda: own, VALUE)
        case "fresh" | "cluster_fresh":
            return calls(ways.get, new_keys("fresh", FRESH), ways.plain(VALUE))
        case "miss":
            return calls(ways.get, new_keys(f"{name}:none"), None)
        case "set":
            return calls(ways.set, lambda: own, ways.set(own[0], VALUE), VALUE)
        case "get_multi" | "half" | "text":
            value: object = TEXT if workload == "text" else VALUE
            there = own[:100:2] if workload == "half" else own[:100]
            put(there, value)
            if workload == "half":
                keys = [key if key in there else f"none:{key}" for key in own[:100]]
            else:
                keys = own[:100]
            return multi(keys, dict.fromkeys(there, value))
        case "cluster":
            put(own, VALUE)
            return multi(own, dict.fromkeys(own, VALUE))
        case "set_multi":
            if ways.set_multi is None:
                raise Missing
            many: dict[str, object] = dict.fromkeys(own[:100], VALUE)
            put(own[:1], VALUE)
            call = partial(ways.set_multi, many)
            return repeated(call, ways.stored, 10, partial(ways.get, own[0]))
    verb, _, size = workload.partition("_")
    value = b"x" * (102_400 if size == "100k" else 1 << 20)
    put(own[:1], value)
    call = partial(ways.get, own[0]) if verb == "get" else partial(ways.set, own[0], value)
    times = 20 if size == "100k" else 5
    return repeated(call, value if verb == "get" else True, times, partial(ways.get, "none"))


@contextmanager
def cluster() -> Iterator[list[RealMemcached]]:
    """Four servers, on our CPU, and every one of the fresh keys on each."""
    with ExitStack() as stack:
        servers = [stack.enter_context(memcached("-I", "2m")) for _ in range(4)]
        for server in servers:
            with connected(server) as sock:
                fill(sock)
        yield servers


def fill(sock: socket.socket) -> None:
    """Store the keys that nobody has seen, without flags."""
    for start in range(0, FRESH, 500):
        sets = [
            b"ms fresh:%d %d q\r\n%b\r\n" % (number, len(VALUE), VALUE)
            for number in range(start, start + 500)
        ]
        sock.sendall(b"".join(sets) + b"mn\r\n")
        check([sock.recv(64)], [b"MN\r\n"])


def measure(seconds: float, chosen: Sequence[str]) -> Report:
    report = Report([], [], [])
    with cluster() as servers:
        with connected(servers[0]) as sock:
            version = stats(sock)["version"]
        for workload in chosen:
            row, gates = WORKLOADS[workload]
            slices = {}
            for name, ways in opened(servers if workload.startswith("cluster") else servers[:1]):
                try:
                    slices[name] = slice_for(workload, name, ways)
                except Missing:
                    report.notes.append(f"{name} has no {workload}")
            contest = held(row, slices, "cpu", seconds)
            report.contests.append(contest)
            limits = {} if gates is None else dict(zip(GATED, gates, strict=True))
            peers = {name: name for name in PEERS}
            report.comparisons.extend(beside(row, contest, OURS, peers, limits))
    missing = [name for name, (module, _) in PEERS.items() if installed(module) is None]
    if missing:
        report.notes.append(f"not installed, so not compared with: {', '.join(missing)}")
    report.notes.append(f"memcached {version}, one thread each, on the same CPU")
    return report


if __name__ == "__main__":
    run(__doc__, measure, tuple(WORKLOADS))
