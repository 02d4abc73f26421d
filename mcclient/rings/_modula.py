"""Placement by remainder: the hash of the key, modulo the number of servers.

Knows a number and a hash.  A server more or less moves nearly every key.
"""

from __future__ import annotations

from ._hashes import one_at_a_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._servers import Server

__all__ = ["modula"]


def modula(servers: Sequence[Server]) -> Callable[[bytes], int]:
    """Places keys by the one-at-a-time hash; only the order of *servers* counts."""
    number = len(servers)

    def server_for(key: bytes) -> int:
        return one_at_a_time(key) % number

    return server_for
