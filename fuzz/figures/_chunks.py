"""F2: however the bytes are cut on their way, both ends see the same events."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from random import Random

from fuzz import binary, targets
from fuzz.catalog import CATALOG
from fuzz.figures._size import Size
from fuzz.targets import LIMITS, events, pieces

RANDOM_CUTS = {"short": 5_000, "full": 20_000, "long": 1_000_000}
# What would have more cuts in two is cut at every so-manieth byte.
LONGEST = 5000

Hear = Callable[[Iterable[bytes]], list[object]]


def _of_a_client(data: bytes) -> tuple[Hear, bytes]:
    sent, stream = targets.understood(data)
    return lambda received: events(sent, received, **LIMITS), stream


def _of_a_binary_client(data: bytes) -> tuple[Hear, bytes]:
    sent, stream = binary.understood(data)
    return lambda received: events(sent, received, protocol="binary", **LIMITS), stream


def _of_a_server(data: bytes) -> tuple[Hear, bytes]:
    return lambda received: list(targets.heard(received)), data


def _of_a_binary_server(data: bytes) -> tuple[Hear, bytes]:
    return lambda received: list(binary.heard(received)), data


ENDS: dict[str, Callable[[bytes], tuple[Hear, bytes]]] = {
    "replies": _of_a_client,
    "commands": _of_a_server,
    "binary_replies": _of_a_binary_client,
    "binary_commands": _of_a_binary_server,
}


def _cut(random: Random, stream: bytes) -> list[bytes]:
    cuts = sorted(random.randrange(len(stream) + 1) for _ in range(random.randint(1, 6)))
    ends = [0, *cuts, len(stream)]
    return [stream[a:b] for a, b in pairwise(ends) if a < b]


def chunk_invariance(size: Size) -> str:
    """Each seed cut in two everywhere, and byte by byte; changed seeds, cut anywhere."""
    in_two = by_byte = 0
    for name, end in ENDS.items():
        for seed in CATALOG[name].seeds():
            hear, stream = end(seed)
            whole = hear([stream] if stream else [])
            for cut in range(1, len(stream), max(1, len(stream) // LONGEST)):
                assert hear([stream[:cut], stream[cut:]]) == whole, (name, seed, cut)
                in_two += 1
            assert hear(pieces(stream, 1)) == whole, (name, seed)
            by_byte += 1
    random = Random(f"chunks {size}")
    mutators = {name: CATALOG[name].mutator() for name in ENDS}
    for _ in range(RANDOM_CUTS[size]):
        name = random.choice(list(ENDS))
        data = mutators[name].input(random)
        hear, stream = ENDS[name](data)
        if stream:
            cut_up = _cut(random, stream)
            assert hear(cut_up) == hear([stream]), (name, data, cut_up)
    return (
        f"chunk invariance: {in_two:,} cuts in two, {by_byte} seeds byte by byte, "
        f"{RANDOM_CUTS[size]:,} random cuts: the same events"
    )
