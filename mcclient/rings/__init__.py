"""From key to server.

Knows where each key belongs, and nothing of whether that server answers: a ring never changes,
so that clones and threads share it.  Servers are their positions in the client's list.

The key that counts here is the caller's, as bytes, *without* a client's `key_prefix`: pylibmc
leaves its namespace out as well, and a prefix should not move keys.
"""

from __future__ import annotations

from mcproto import InvalidArgument

from ._ketama import ketama
from ._modula import modula

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .._servers import Server

__all__ = ["Ring", "build"]


class Ring:
    """Where every key belongs.

    Attributes:
        server_for: called with a key, gives the index of its server.
    """

    __slots__ = ("server_for",)

    def __init__(self, server_for: Callable[[bytes], int]) -> None:
        # A function in a slot, not a method: it finds what it needs in its closure.
        self.server_for = server_for

    def partition(self, keys: Iterable[bytes]) -> dict[int, list[bytes]]:
        """The *keys* of each server that has any, by its index, in the order given."""
        server_for = self.server_for
        parts: dict[int, list[bytes]] = {}
        for key in keys:
            server = server_for(key)
            if server in parts:
                parts[server].append(key)
            else:
                parts[server] = [key]
        return parts


_PLACEMENTS: dict[str, Callable[[Sequence[Server]], Callable[[bytes], int]]] = {
    "ketama": ketama,
    "modula": modula,
    "pylibmc": modula,
}


def build(ring: str, servers: Sequence[Server]) -> Ring:
    """The ring of this name over *servers*, of which there is at least one.

    ``"ketama"`` places every key where a pylibmc client (not a clone of one) with the behavior
    ``ketama_weighted`` does, and ``"modula"``, alias ``"pylibmc"``, where one without behaviors
    does.  A single server gets every key, and no key is hashed.

    Raises:
        InvalidArgument: no ring of that name.
        TypeError: *ring* is not a str.
    """
    if not isinstance(ring, str):
        raise TypeError(f"ring must be a str, not {type(ring).__name__}")
    place = _PLACEMENTS.get(ring)
    if place is None:
        known = ", ".join(map(repr, _PLACEMENTS))
        raise InvalidArgument(f"ring: there is no {ring!r}, only {known}")
    return Ring(_the_only_server if len(servers) == 1 else place(servers))


def _the_only_server(key: bytes) -> int:
    return 0
