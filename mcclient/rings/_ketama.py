"""Consistent hashing as libmemcached does it: points on a circle of 32 bits.

Every server has points, and a key belongs to the first point at or after its own hash.  So a
server that joins or leaves moves only the keys that it wins or had.

Knows where points lie.  What `Ring` adds for the caller is not its business, nor is what pylibmc's
behaviors make of all this: that is in `_pylibmc`.
"""

from __future__ import annotations

from bisect import bisect_left
from struct import Struct

from ._hashes import md5_32, md5_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import TypeAlias

    from .._servers import Server

    Points: TypeAlias = list[tuple[int, int]]  # (where, which server), in order

__all__ = ["ketama", "on_circle", "plain_points", "point_counts", "weighted_points"]

_PLAIN_POINTS_PER_SERVER = 100
_POINTS_PER_SERVER = 160
_POINTS_PER_DIGEST = 4

_single = Struct("f")


def ketama(servers: Sequence[Server]) -> Callable[[bytes], int]:
    """Places keys by MD5, in proportion to the servers' weights."""
    labels = [(index, server.ring_label, server.weight) for index, server in enumerate(servers)]
    return on_circle(weighted_points(labels), md5_32)


def on_circle(points: Points, key_hash: Callable[[bytes], int]) -> Callable[[bytes], int]:
    """Places keys by *key_hash* on a circle with these *points*, of which there is one at least."""
    places = [place for place, _ in points]
    owners = [index for _, index in points]
    owners.append(owners[0])  # past the last point the circle begins anew

    def server_for(key: bytes) -> int:
        # Where two points coincide the lower index comes first, and bisect_left finds it.
        return owners[bisect_left(places, key_hash(key))]

    return server_for


def weighted_points(labels: Iterable[tuple[int, str, int]]) -> Points:
    """The points of servers, given as (index, label, weight): four from each of some MD5 digests.

    So it is whatever hash the keys go by.
    """
    labels = list(labels)
    counts = point_counts([weight for _, _, weight in labels])
    return sorted(
        (point, index)
        for (index, label, _), count in zip(labels, counts, strict=True)
        for number in range(count // _POINTS_PER_DIGEST)
        for point in md5_words(f"{label}-{number}".encode())
    )


def plain_points(
    labels: Iterable[tuple[int, str, int]], key_hash: Callable[[bytes], int]
) -> Points:
    """The points of servers without weights: 100 each, by the hash that the keys go by too."""
    return sorted(
        (key_hash(f"{label}-{number}".encode()), index)
        for index, label, _ in labels
        for number in range(_PLAIN_POINTS_PER_SERVER)
    )


def point_counts(weights: Sequence[int]) -> list[int]:
    """How many points servers of these *weights* get: 160 each if equal, or nearly so.

    Rounded down after computing in single precision, as libmemcached does, or keys would move:
    25 equal servers get 156 points each, and one of weight 1 beside one of 100 gets none.
    """
    total = _f32(sum(weights))
    counts: list[int] = []
    for weight in weights:
        digests = _f32(_f32(weight) / total)
        digests = _f32(_f32(digests * _POINTS_PER_SERVER) / _POINTS_PER_DIGEST)
        # libmemcached adds 1e-10 to this, which single precision swallows.
        digests = _f32(digests * len(weights))
        counts.append(int(digests) * _POINTS_PER_DIGEST)
    return counts


def _f32(number: float) -> float:
    """*number*, rounded to single precision.

    After each single operation this is what the operation itself gives in single precision.
    """
    rounded: float = _single.unpack(_single.pack(number))[0]
    return rounded
