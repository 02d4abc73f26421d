"""What it costs to borrow a client and bring it back, and what eight threads get through a pool.

First the pools alone, in one thread, while nobody waits, beside pools made of what the standard
library has and beside those of pylibmc and libmc where they are installed. Then eight threads that
get values through one of eight clients, and through one of four, on a real memcached: CPU time of
the client's process. pymemcache's own pool joins in where it is installed. Gates are ratios to the
peers; where half of the threads have to wait there is none, for ours serve them in their order and
pylibmc's lets newcomers overtake.
"""

from __future__ import annotations

import importlib
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from _harness import (
    KEYS,
    VALUE,
    CannotMeasure,
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

from mcclient import Client, ClientPool, PooledClient, ThreadMappedPool

SLOTS = 4
THREADS = 8
TIMES = range(2000)

RESERVE = "with ClientPool.reserve()"
GET_PUT = "ClientPool: get, put"
MAPPED = "with ThreadMappedPool.reserve()"
TIMED = "with ClientPool(timed=True).reserve()"
QUEUE = "queue.Queue, @contextmanager"
SIMPLE = "SimpleQueue, @contextmanager"
DEQUE = "deque: pop, try, finally append"
PYLIBMC = "pylibmc.ClientPool.reserve()"
PYLIBMC_MAPPED = "pylibmc.ThreadMappedPool.reserve()"
LIBMC = "libmc.ClientPool.client()"

POOL_GET = "with ClientPool.reserve(): get"
POOLED = "PooledClient.get"
PYLIBMC_GET = "with pylibmc.ClientPool.reserve(): get"
PYMEMCACHE_GET = "pymemcache.PooledClient.get"


class QueuePool:
    """A pool as one writes it with a queue and a generator."""

    def __init__(self, clients: queue.Queue[Client] | queue.SimpleQueue[Client]) -> None:
        self.clients = clients
        for _ in range(SLOTS):
            clients.put(Client("nowhere"))

    @contextmanager
    def reserve(self) -> Iterator[Client]:
        client = self.clients.get(block=False)
        try:
            yield client
        finally:
            self.clients.put(client)


def installed(name: str) -> Any:
    """The module, or None."""
    path = sys.path
    # In this folder there is a benchmark by the name of one of them.
    sys.path = [place for place in path if Path(place) != Path(__file__).parent]
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
    finally:
        sys.path = path


def measured(borrow: Callable[[], object], idle: Callable[[], int], slots: int) -> Cost:
    """What *borrow* costs, which does it all of TIMES and gives back the client it had last."""
    began = now()
    client = borrow()
    cost = cost_since(began, len(TIMES))
    if "lient" not in type(client).__name__ or idle() != slots:
        raise CannotMeasure(f"{client!r} was lent, and {idle()} of {slots} are here afterwards")
    return cost


def reserving(reserve: Callable[[], AbstractContextManager[object]]) -> Callable[[], object]:
    def borrow() -> object:
        for _ in TIMES:
            with reserve() as client:
                pass
        return client

    return borrow


def getting(get: Callable[[], Client], put: Callable[[Client], object]) -> Callable[[], Client]:
    def borrow() -> Client:
        for _ in TIMES:
            client = get()
            try:
                pass
            finally:
                put(client)
        return client

    return borrow


def borrowing(seconds: float) -> tuple[Contest, list[Comparison]]:
    pool, by_hand = ClientPool(Client("nowhere"), SLOTS), ClientPool(Client("nowhere"), SLOTS)
    timed = ClientPool(Client("nowhere"), SLOTS, timed=True)
    mapped = ThreadMappedPool(Client("nowhere"))
    queued, simple = QueuePool(queue.Queue()), QueuePool(queue.SimpleQueue())
    bare = deque(Client("nowhere") for _ in range(SLOTS))
    borrows: dict[str, tuple[Callable[[], object], Callable[[], int], int]] = {
        RESERVE: (reserving(pool.reserve), pool.qsize, SLOTS),
        GET_PUT: (getting(by_hand.get, by_hand.put), by_hand.qsize, SLOTS),
        TIMED: (reserving(timed.reserve), timed.qsize, SLOTS),
        MAPPED: (reserving(mapped.reserve), mapped.__len__, 1),
        QUEUE: (reserving(queued.reserve), queued.clients.qsize, SLOTS),
        SIMPLE: (reserving(simple.reserve), simple.clients.qsize, SLOTS),
        DEQUE: (getting(bare.pop, bare.append), bare.__len__, SLOTS),
    }
    pylibmc, libmc = installed("pylibmc"), installed("libmc")
    # Ours may cost so much of theirs.
    gates: dict[tuple[str, str], float | None] = dict.fromkeys(
        [(RESERVE, QUEUE), (RESERVE, SIMPLE), (RESERVE, DEQUE)]
    )
    if pylibmc is not None:
        master = pylibmc.Client(["127.0.0.1:1"])
        theirs, theirs_mapped = pylibmc.ClientPool(master, SLOTS), pylibmc.ThreadMappedPool(master)
        borrows[PYLIBMC] = (reserving(theirs.reserve), theirs.qsize, SLOTS)
        borrows[PYLIBMC_MAPPED] = (reserving(theirs_mapped.reserve), theirs_mapped.__len__, 1)
        gates[RESERVE, PYLIBMC] = 1 / 5.5
        gates[MAPPED, PYLIBMC_MAPPED] = 1 / 5
    if libmc is not None:
        slots = libmc.ClientPool(["127.0.0.1:1"])
        borrows[LIBMC] = (reserving(slots.client), lambda: SLOTS, SLOTS)
        gates[RESERVE, LIBMC] = 1 / 2.8
    slices = {way: partial(measured, *borrow) for way, borrow in borrows.items()}
    contest = held("Borrowing a client and bringing it back", slices, "cpu", seconds)
    return contest, [
        Comparison(contest, way, base, "cpu", gate) for (way, base), gate in gates.items()
    ]


class Crew:
    """Eight threads that wait for work."""

    def __init__(self) -> None:
        self._gate = threading.Barrier(THREADS + 1)
        self._get: Callable[[str], object] = str
        self._got: list[object] = []
        for number in range(THREADS):
            threading.Thread(target=self._work, args=(number,), daemon=True).start()

    def slice(self, get: Callable[[str], object]) -> Cost:
        """Every thread gets an eighth of KEYS."""
        get(KEYS[0])
        self._get = get
        self._got = []
        began = now()
        self._gate.wait()
        self._gate.wait()
        cost = cost_since(began, len(KEYS))
        check(self._got, [VALUE] * len(KEYS))
        return cost

    def _work(self, number: int) -> None:
        while True:
            self._gate.wait()
            get = self._get
            try:
                self._got += [get(key) for key in KEYS[number::THREADS]]
            except Exception as error:
                self._got.append(error)
            self._gate.wait()


def crowding(
    host: str, port: int, n_slots: int, seconds: float
) -> tuple[Contest, list[Comparison]]:
    address = f"{host}:{port}"
    nobody_waits = n_slots >= THREADS
    pool = ClientPool(Client(address), n_slots)

    def from_pool(key: str) -> object:
        with pool.reserve(block=True) as mc:
            return mc.get(key)

    ways: dict[str, Callable[[str], object]] = {
        POOLED: PooledClient(Client(address), n_slots).get,
        POOL_GET: from_pool,
    }
    gates: dict[tuple[str, str], float | None] = {}
    pylibmc, pymemcache = installed("pylibmc"), installed("pymemcache.client.base")
    if pylibmc is not None:
        master = pylibmc.Client([address], behaviors={"tcp_nodelay": True})
        theirs = pylibmc.ClientPool(master, n_slots)

        def from_theirs(key: str) -> object:
            with theirs.reserve(block=True) as mc:
                return mc.get(key)

        ways[PYLIBMC_GET] = from_theirs
        gates[POOLED, PYLIBMC_GET] = 1 / 1.25 if nobody_waits else None
    # It has no queue: who finds all in use gets an error.
    if pymemcache is not None and nobody_waits:
        theirs_pooled = pymemcache.PooledClient((host, port), max_pool_size=n_slots, no_delay=True)
        ways[PYMEMCACHE_GET] = theirs_pooled.get
        gates[POOLED, PYMEMCACHE_GET] = 1 / 1.45
    crew = Crew()
    slices: Mapping[str, Callable[[], Cost]] = {
        way: partial(crew.slice, get) for way, get in ways.items()
    }
    title = f"{THREADS} threads get values through one pool of {n_slots}"
    contest = held(title, slices, "cpu", seconds)
    return contest, [
        Comparison(contest, way, base, "cpu", gate) for (way, base), gate in gates.items()
    ]


def measure(seconds: float) -> Report:
    contest, comparisons = borrowing(seconds)
    with memcached() as server:
        crowds = [
            crowding(server.host, server.port, n_slots, seconds) for n_slots in (THREADS, SLOTS)
        ]
    missing = [name for name in ("pylibmc", "libmc", "pymemcache") if installed(name) is None]
    notes = [f"not installed, so not compared with: {', '.join(missing)}"] if missing else []
    return Report(
        [contest, *[crowd for crowd, _ in crowds]],
        [*comparisons, *[comparison for _, compared in crowds for comparison in compared]],
        notes,
    )


if __name__ == "__main__":
    run(__doc__, measure)
