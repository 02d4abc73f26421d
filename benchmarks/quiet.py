"""Sets that nobody waits for, one by one: ours in a quiet block, the others' by their ``noreply``.

On one CPU with a real memcached, over TCP, a thousand sets of 100 bytes at a time.  Each way ends
with a question that is answered when the server has done them all; then a value is looked at.  The
others are not told what has failed, and ours is.  The gates are ratios to pylibmc, libmc and
pymemcache.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

from _harness import (
    CannotMeasure,
    Comparison,
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
)

from mcclient import Client
from tests.servers import RealMemcached

KEYS = [f"quiet:{number}" for number in range(1000)]
LAST = KEYS[-1]

OURS = "mcclient, q.set"
GATES = {"pylibmc": 4.0, "libmc": 9.0, "pymemcache": 11.0}

# A value that nobody has stored before.
_numbers = count()


def value() -> bytes:
    return b"%0100d" % next(_numbers)


Store = Callable[[list[str], bytes], object]


def slice_of(store: Store, close: Callable[[], object], look: Callable[[], object]) -> Cost:
    """A slice of sets.

    Args:
        close: asks something, and returns when all before it has been done.
    """
    close()
    wanted = value()
    began = now()
    store(KEYS, wanted)
    close()
    cost = cost_since(began, len(KEYS))
    check([look()], [wanted])
    return cost


def in_block(mc: Client, **options: Any) -> Store:
    def store(keys: list[str], wanted: bytes) -> None:
        with mc.quiet() as q:
            for key in keys:
                q.set(key, wanted, **options)
        if q.failed:
            raise CannotMeasure(f"not stored: {q.failed}")

    return store


def all_in_block(mc: Client) -> Store:
    def store(keys: list[str], wanted: bytes) -> None:
        with mc.quiet() as q:
            q.set_multi(dict.fromkeys(keys, wanted))

    return store


def one_by_one(set_: Callable[..., object]) -> Store:
    def store(keys: list[str], wanted: bytes) -> None:
        for key in keys:
            set_(key, wanted)

    return store


def by_hand(server: RealMemcached) -> Store:
    """Nothing but the bytes: made one by one, joined, sent at once."""
    sock = connected(server)

    def store(keys: list[str], wanted: bytes) -> None:
        requests = [b"ms %b %d q\r\n%b\r\n" % (key.encode(), len(wanted), wanted) for key in keys]
        sock.sendall(b"".join(requests) + b"mn\r\n")
        check([sock.recv(64)], [b"MN\r\n"])

    return store


def peers(server: RealMemcached) -> dict[str, tuple[Store, Callable[[], object]]]:
    """Name -> how each stores, and how it asks."""
    found: dict[str, tuple[Store, Callable[[], object]]] = {}
    if pylibmc := installed("pylibmc"):
        behaviors = {"_noreply": True, "tcp_nodelay": True}
        for name, more in (("pylibmc", {}), ("pylibmc, buffered", {"buffer_requests": True})):
            mc = pylibmc.Client([server.address], behaviors=behaviors | more)
            found[name] = one_by_one(mc.set), partial(mc.get, LAST)
    if libmc := installed("libmc"):
        mc = libmc.Client([server.address], noreply=True)
        found["libmc"] = one_by_one(mc.set), partial(mc.get, LAST)
    if pymemcache := installed("pymemcache"):
        mc = pymemcache.Client((server.host, server.port), no_delay=True)
        set_quietly = partial(mc.set, noreply=True)
        found["pymemcache"] = one_by_one(set_quietly), partial(mc.get, LAST)
    return found


def measure(seconds: float) -> Report:
    with memcached() as server:
        mc = Client(server.address, timeout=30)
        look = partial(mc.get, LAST)
        slices = {
            OURS: partial(slice_of, in_block(mc), look, look),
            "with an expiry": partial(slice_of, in_block(mc, expire=600), look, look),
            "q.set_multi": partial(slice_of, all_in_block(mc), look, look),
            "mc.set_multi": partial(
                slice_of, lambda keys, v: mc.set_multi(dict.fromkeys(keys, v)), look, look
            ),
            "by hand": partial(slice_of, by_hand(server), look, look),
        }
        others = peers(server)
        for name, (store, close) in others.items():
            slices[name] = partial(slice_of, store, close, look)
        contest = held("A set of 100 bytes that nobody waits for", slices, "cpu", seconds)
        mc.close()
    comparisons = [
        *beside("quiet set, 100 bytes", contest, OURS, {name: name for name in others}, GATES),
        Comparison(contest, OURS, "by hand", "cpu"),
    ]
    return Report([contest], comparisons, [])


if __name__ == "__main__":
    run(__doc__, measure)
