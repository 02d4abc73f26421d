"""Interrupted at any point, a client gives right answers ever after, and loses nothing.

Every value is its own key, so a reply that went to the wrong caller shows.
"""

from __future__ import annotations

import signal
from random import Random

import pytest

from mcclient import Client, MemcacheError, ServerUnavailable
from mcclient.testing import (
    InterruptAt,
    Interrupted,
    Watch,
    descriptors,
    interrupt_sweep,
    settled_descriptors,
)
from tests.contract.nobody import NOBODY
from tests.contract.rigs import BLOCKING, MEMORY, SELECTOR, MemoryRig, Rig, keys_on

KEYS = ["key0", "key1", "key2"]  # modula puts two of them on the first of two servers
MAPPING = {key: key for key in KEYS}

CALLS = {
    "get": lambda mc: mc.get("key0"),
    "set": lambda mc: mc.set("key0", "key0"),
    "set_large": lambda mc: mc.set("large", b"large" * 20_000),
    "get_multi": lambda mc: mc.get_multi(KEYS),
    "set_multi": lambda mc: mc.set_multi(MAPPING),
    "incr": lambda mc: mc.incr("number"),
}

# A new socket in the hands of the few lines that connect it has nobody else to close it: it closes
# itself, with a warning. No other code may lose one.
CONNECTING = {
    "_resolve.py:call_at_end",
    "_resolve.py:do_not_call",
    "_resolve.py:resolving",
    "_sockets.py:_connecting",
    "_sockets.py:connecting",
    "_sockets.py:opening",
    "blocking.py:__init__",
    "selector.py:__init__",
}


def is_right(mc, keys=KEYS) -> bool:
    """Three right answers, and one of all servers."""
    return (
        [mc.get(key) for key in keys[:3]] == keys[:3]
        and mc.get_multi(keys) == {key: key for key in keys}
        and mc.get("nothing") is None
    )


class Sweep:
    """A call on a client, struck at every point.

    Args:
        master: whose clones are struck, each once.
        call: what they are doing.
        prepare: done before it.
        keys: that are right afterwards.
        every_instruction, stride: see `interrupt_sweep`.

    Attributes:
        points: how many there were.
    """

    def __init__(self, master, call, prepare, keys=KEYS, every_instruction=False, stride=1) -> None:
        self.points = 0
        self._master = master
        self._call = call
        self._prepare = prepare
        self._keys = keys
        self._every_instruction = every_instruction
        self._stride = stride

    def run(self) -> int:
        before = descriptors()
        for strike in interrupt_sweep(
            every_instruction=self._every_instruction, stride=self._stride
        ):
            self._attempt(strike)
            self.points += strike.struck
            assert settled_descriptors(before) == before, strike.where
        print(f"{self.points} points")
        return self.points

    def _attempt(self, strike: InterruptAt) -> None:
        mc = self._master.clone()
        self._prepare(mc)
        with Watch() as watch:
            try:
                with strike:
                    self._call(mc)
            except Interrupted as struck:
                # While the exception is handled, and all its frames are alive ...
                self._check(mc, struck)
            # ... and when they are gone.
            assert mc.get(self._keys[0]) == self._keys[0], strike.where
            mc.close()
            watch.thorough = strike.where is not None and strike.where[0] in CONNECTING
        if watch.seen:
            assert strike.where is not None
            assert strike.where[0] in CONNECTING, (strike.where, watch.seen)
            assert len(watch.seen) == 1
            assert "unclosed <socket" in watch.seen[0]

    def _check(self, mc, struck: Interrupted) -> None:
        try:
            right = is_right(mc, self._keys)
        except MemcacheError as error:
            raise AssertionError(f"it is not usable any more: {error!r}") from struck
        if not right:
            raise AssertionError("its answers are wrong") from struck


def cold(mc) -> None:
    """As it was made: nothing is connected."""


def warm(mc) -> None:
    """All is connected."""
    assert mc.get_multi(KEYS) == MAPPING


def stale(mc) -> None:
    """All has been connected, and all connections have died."""
    warm(mc)
    for link in mc._links.values():
        link.transport.abort()


def master_on(rig, request, servers: int, **options) -> Client:
    if isinstance(rig, MemoryRig):
        addresses = rig.start_anew()
    else:
        names = ["real_memcached", "real_memcached_unix"]
        addresses = [request.getfixturevalue(name).address for name in names]
    return master_of(rig, addresses[:servers], **options)


def master_of(rig, addresses: list[str], **options) -> Client:
    """A client of these servers, to be cloned, whose values are there. Each has some."""
    master = rig.client(addresses, ring="modula", timeout=10, **options)
    assert all(keys_on(master, number) for number in range(len(addresses)))
    with master.clone() as mc:
        mc.set_multi(MAPPING)
        mc.delete("nothing")
        mc.set("number", 5)
    return master


# What is always done: on blocking sockets one of each kind. The rest is for those with time.
QUICK = {
    BLOCKING: [
        ("get", cold, 1, "meta"),
        ("get", warm, 1, "meta"),
        ("get", warm, 1, "classic"),
        ("get", stale, 1, "meta"),
        ("set", warm, 1, "meta"),
        ("set_large", warm, 1, "meta"),
        ("incr", warm, 1, "meta"),
        ("get_multi", cold, 2, "classic"),
        ("get_multi", warm, 2, "meta"),
        ("get_multi", stale, 2, "meta"),
        ("set_multi", warm, 2, "meta"),
    ],
    SELECTOR: [
        ("get", cold, 1, "meta"),
        ("get_multi", warm, 2, "classic"),
    ],
    MEMORY: [
        ("get", cold, 1, "meta"),
        ("set_multi", warm, 2, "meta"),
    ],
}
CASES = [
    (name, prepare, servers, protocol)
    for name in CALLS
    for prepare in (cold, warm, stale)
    for servers in (1, 2)
    for protocol in ("meta", "classic")
    # A write on a connection that has died is an error: see the test of its own.
    if prepare is not stale or name.startswith("get")
]


def id_of(argument) -> str | None:
    if isinstance(argument, Rig):
        return repr(argument)
    return argument.__name__ if callable(argument) else None


SLOW = [
    (rig, *case) for rig in (BLOCKING, SELECTOR, MEMORY) for case in CASES if case not in QUICK[rig]
]
SWEPT = [
    *[(rig, *case) for rig, cases in QUICK.items() for case in cases],
    *[pytest.param(*case, marks=pytest.mark.slow) for case in SLOW],
]


@pytest.mark.memcached
@pytest.mark.parametrize(("rig", "name", "prepare", "servers", "protocol"), SWEPT, ids=id_of)
def test_an_interrupt_at_any_line(rig, name, prepare, servers, protocol, request):
    master = master_on(rig, request, servers, protocol=protocol)
    Sweep(master, CALLS[name], prepare).run()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.memcached
@pytest.mark.parametrize("rig", QUICK, ids=repr)
@pytest.mark.parametrize(("name", "prepare", "servers", "protocol"), QUICK[BLOCKING], ids=id_of)
def test_an_interrupt_at_any_instruction(rig, name, prepare, servers, protocol, request):
    master = master_on(rig, request, servers, protocol=protocol)
    Sweep(master, CALLS[name], prepare, every_instruction=True).run()


@pytest.mark.memcached
@pytest.mark.parametrize(
    ("rig", "prepare"),
    [
        (BLOCKING, cold),
        *[
            pytest.param(*case, marks=pytest.mark.slow)
            for case in [(BLOCKING, warm), (SELECTOR, cold), (SELECTOR, warm)]
        ],
    ],
    ids=id_of,
)
def test_an_interrupt_while_another_server_is_down(rig, prepare, real_memcached):
    """Exceptions are being handled then, and others may come in their place."""
    options = {"ring": "modula", "timeout": 10, "on_unavailable": "miss"}
    master = rig.client([real_memcached.address, NOBODY], **options)
    here = keys_on(master, 0, 4)
    keys = [*here, *keys_on(master, 1, 2)]
    with master.clone() as mc:
        for key in here:
            mc.set(key, key)

    def prepared(mc) -> None:
        if prepare is warm:
            assert is_right(mc, here)

    Sweep(master, lambda mc: mc.get_multi(keys), prepared, here).run()


@pytest.mark.memcached
@pytest.mark.parametrize(
    ("rig", "name"),
    [
        (BLOCKING, "set"),
        (BLOCKING, "set_multi"),
        pytest.param(SELECTOR, "set", marks=pytest.mark.slow),
        pytest.param(SELECTOR, "set_multi", marks=pytest.mark.slow),
    ],
    ids=id_of,
)
def test_an_interrupt_while_a_write_fails(rig, name, request):
    master = master_on(rig, request, 2)

    def failing(mc) -> None:
        with pytest.raises(ServerUnavailable):
            CALLS[name](mc)

    Sweep(master, failing, stale).run()


# ------------------------------------------------------------------------------- real signals


@pytest.mark.memcached
@pytest.mark.parametrize("rig", [BLOCKING, SELECTOR], ids=repr)
def test_signals_that_raise_at_any_time(rig, request):
    """As a worker's time limit does; between two bytecodes, in a system call, anywhere."""
    master = master_on(rig, request, 2)
    random = Random(1)
    struck = calls = 0

    def handler(number, frame):
        raise Interrupted

    # (A function of its own: what a handler raises where a loop jumps back passes by the `except`
    # of the block that the loop stands in, in CPython 3.13.)
    def play(key) -> None:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, 4e-4))
        for _ in range(10):
            assert mc.get(key) == key
            assert mc.set(key, key)
            assert mc.get_multi(KEYS) == MAPPING
        signal.setitimer(signal.ITIMER_REAL, 0)

    before = descriptors()
    mc = master.clone()
    previous = signal.signal(signal.SIGALRM, handler)
    try:
        with Watch():
            while struck < 500:
                calls += 1
                key = random.choice(KEYS)
                try:
                    play(key)
                except Interrupted:
                    struck += 1
                # The timer is off: it strikes once.
                assert mc.get(key) == key
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert is_right(mc)
    mc.close()
    assert settled_descriptors(before) == before
    print(f"{struck} signals in {calls} rounds")
