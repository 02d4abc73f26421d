"""Consistent hashing as libmemcached does it under its weighted ketama distribution.

Every server has points on a circle of 32 bits, and a key belongs to the first point at or after
its own hash.  So a server that joins or leaves moves only the keys that it wins or had.

Knows where points lie.  What `Ring` adds for the caller is not its business.
"""

from __future__ import annotations

from bisect import bisect_left
from struct import Struct

from ._hashes import md5_32, md5_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._servers import Server

__all__ = ["ketama", "point_counts"]

_POINTS_PER_SERVER = 160
_POINTS_PER_DIGEST = 4

_single = Struct("f")


def ketama(servers: Sequence[Server]) -> Callable[[bytes], int]:
    """Places keys by MD5, in proportion to the servers' weights."""
    continuum = sorted(
        (point, index)
        for index, (server, count) in enumerate(
            zip(servers, point_counts([server.weight for server in servers]), strict=True)
        )
        for number in range(count // _POINTS_PER_DIGEST)
        for point in md5_words(f"{server.ring_label}-{number}".encode())
    )
    # Where two points coincide the lower index comes first, and bisect_left finds it.
    points = [point for point, _ in continuum]
    owners = [index for _, index in continuum]
    owners.append(owners[0])  # past the last point the circle begins anew

    def server_for(key: bytes) -> int:
        return owners[bisect_left(points, md5_32(key))]

    return server_for


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
