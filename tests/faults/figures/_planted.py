"""F22: what somebody else has put into memcached, and what reading it makes happen."""

from __future__ import annotations

import datetime
import itertools
import pickle
import random
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from mcclient import Client, MemcacheError, pylibmc
from mcclient.values._pylibmc import MAX_INFLATED
from tests.faults.figures._size import Size
from tests.servers import RealMemcached

EXECUTED: list[str] = []

MUTATIONS = {"short": 10, "full": 1_000, "long": 50_000}

# What a planted value may make its reader hold: the largest that is inflated, while it is joined.
MOST_MEMORY = 3 * MAX_INFLATED


def note(what: str) -> str:
    EXECUTED.append(what)
    return what


class Called:
    """Whoever unpickles it calls `note`."""

    def __reduce__(self) -> tuple[Any, ...]:
        return note, ("called",)


class Built:
    """Whoever unpickles it calls its `__setstate__`."""

    def __getstate__(self) -> str:
        return "built"

    def __setstate__(self, state: str) -> None:
        note(state)


NAME = f"{__name__}\nnote\n".encode()

PICKLES: list[bytes] = [
    *(pickle.dumps(Called(), protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)),
    *(pickle.dumps([1, {"x": Built()}], protocol) for protocol in (0, 2, 5)),
    b"c" + NAME + b"(S'called'\ntR.",  # GLOBAL, REDUCE
    b"(S'called'\ni" + NAME + b".",  # INST
    b"(c" + NAME + b"S'called'\no.",  # OBJ
    b"cbuiltins\neval\n(S'__import__(\"os\").getpid()'\ntR.",
    b"\x80\x04\x8c\x08builtins\x8c\x07getattr\x93\x8c\x02os\x8c\x06system\x86R.",
    b"\x80\x02\x82\x01.",  # an extension
    b"Pname\n.",  # a persistent name
    b"\x80\x05\x97.",  # a buffer from outside
    b"N\x72\xff\xff\xff\x7f.",  # a memo of two billion
    b"Np99999999999\n.",
    b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",  # bytes as long as it says
    b"",
    b"garbage",
]

OTHERS: list[tuple[bytes, int]] = [
    (zlib.compress(bytes(MAX_INFLATED + 1), 9), 8),
    (zlib.compress(zlib.compress(bytes(1 << 20)), 9)[:-4], 8),
    (b"9" * 100_000, 2),
    (b"9" * 100_000, 4),
    (b"[" * 100_000, 64),
    (b'{"__class__": "os.system"}', 64),
    (b"\xff\xfe", 16),
    *((b"1", flags) for flags in (3, 5, 6, 7, 32, 128, 1 << 31)),
]


class Reader(NamedTuple):
    """A client, and the calls with which it reads the key."""

    client: Any
    calls: list[Callable[[Any], object]]
    errors: tuple[type[Exception], ...]


CALLS: list[Callable[[Any], object]] = [
    lambda mc: mc.get("key"),
    lambda mc: mc.gets("key"),
    lambda mc: mc.get_multi(["key"]),
]
# Text and ints that cannot be read are what they are in pylibmc, and so are empty pickles.
PYLIBMCS = (pylibmc.Error, ValueError, TypeError)


def readers(address: str) -> Iterator[Reader]:
    for protocol, codec in itertools.product(["meta", "classic", "binary"], ["plain", "json"]):
        native: Any = Client([address], protocol=protocol, codec=codec, timeout=10)  # type: ignore[arg-type]
        yield Reader(native, CALLS, (MemcacheError,))
    policies: list[dict[str, Any]] = [
        {"pickle": "refuse"},
        {"pickle": "restricted", "pickle_classes": [datetime.date]},
        {"pickle": "signed", "pickle_keys": b"a secret of 32 bytes, or nearly so"},
    ]
    for binary, policy in itertools.product([False, True], policies):
        mc = pylibmc.Client([address], {"cas": True}, binary=binary, **policy)
        yield Reader(mc, [*CALLS, lambda mc: mc["key"]], PYLIBMCS)


def planted(size: Size) -> Iterator[tuple[bytes, int]]:
    for data in PICKLES:
        for flags in (1, 1 | 64, 1 | 1 << 31):
            yield data, flags
            yield data + bytes(32), flags  # where a signature would be
            yield zlib.compress(data), flags | 8
    yield from OTHERS
    chance = random.Random(22)
    for _ in range(MUTATIONS[size]):
        data = bytearray(chance.choice(PICKLES) or b"N.")
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        yield bytes(data), chance.choice([1, 1, 9, 65])


def planted_values(size: Size) -> str:
    """Read by the native API, and by the pylibmc module with each policy but ``allow``."""
    EXECUTED.clear()
    _check_that_they_would_run()
    attempts = refused = 0
    worst = 0
    with RealMemcached() as server:
        everybody = list(readers(server.address))
        for data, flags in planted(size):
            with server.connect() as sock:
                sock.sendall(b"set key %d 0 %d\r\n%b\r\n" % (flags, len(data), data))
                assert sock.recv(64) == b"STORED\r\n"
            is_bomb = (data, flags) in OTHERS
            if is_bomb:
                tracemalloc.start()
            for client, calls, errors in everybody:
                # (Inflating 64 MiB by every call takes seconds.)
                for call in calls[:1] if is_bomb and size == "short" else calls:
                    attempts += 1
                    try:
                        call(client)
                    except errors:
                        refused += 1
            if is_bomb:
                worst = max(worst, tracemalloc.get_traced_memory()[1])
                tracemalloc.stop()
        for client, _, _ in everybody:
            if isinstance(client, Client):
                client.close()
    assert not EXECUTED, f"executed: {EXECUTED}"
    assert worst <= MOST_MEMORY, f"{worst} bytes held"
    return (
        f"executed 0, limits passed 0, in {attempts} reads of planted values, of which {refused} "
        f"were refused; most memory held {worst / (1 << 20):.0f} MiB"
    )


def _check_that_they_would_run() -> None:
    for data in PICKLES[:12]:
        pickle.loads(data)
    assert len(EXECUTED) == 12, EXECUTED
    EXECUTED.clear()
