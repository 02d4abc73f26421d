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
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from .._servers import Server
    from ._pylibmc import Profile

__all__ = ["Ring", "build", "pylibmc"]


class Ring:
    """Where every key belongs.

    Attributes:
        server_for: called with a key, gives the index of its server.
        is_fixed: whether it always gives the same for the same key, so that it may be remembered.
    """

    __slots__ = ("is_fixed", "server_for")

    def __init__(self, server_for: Callable[[bytes], int], is_fixed: bool = True) -> None:
        # A function in a slot, not a method: it finds what it needs in its closure.
        self.server_for = server_for
        self.is_fixed = is_fixed

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


def build(ring: str | Profile, servers: Sequence[Server]) -> Ring:
    """The ring of this name over *servers*, of which there is at least one.

    ``"ketama"`` places every key where a pylibmc client (not a clone of one) with the behavior
    ``ketama_weighted`` does, and ``"modula"``, alias ``"pylibmc"``, where one without behaviors
    does.  What `pylibmc` gives places them as one with other behaviors.  A single server gets
    every key, and no key is hashed.

    Raises:
        InvalidArgument: no ring of that name.
        TypeError: *ring* is neither a str nor what `pylibmc` gives.
    """
    if isinstance(ring, str):
        place = _PLACEMENTS.get(ring)
        if place is None:
            known = ", ".join(map(repr, _PLACEMENTS))
            raise InvalidArgument(f"ring: there is no {ring!r}, only {known}")
        is_fixed = True
    else:
        from ._pylibmc import Profile

        if not isinstance(ring, Profile):
            raise TypeError(
                f"ring must be a str, or what rings.pylibmc() gives, not {type(ring).__name__}"
            )
        place, is_fixed = ring.place, ring.is_fixed
    if len(servers) == 1:
        return Ring(_the_only_server)
    return Ring(place(servers), is_fixed)


def pylibmc(behaviors: Mapping[str, object] | None = None, clone: bool = False) -> Profile:
    """A ring that places keys as a pylibmc client whose constructor was given these *behaviors*.

    Those that do not place keys are let pass, so that a whole dict of pylibmc's will do.  Keys are
    spread over the servers in the client's order, with the weights of their addresses.

    Args:
        behaviors: pylibmc's names and values, such as ``{"ketama": True, "hash": "md5"}``.
        clone: place them as a clone of that client does, and so as every client from a pool. Under
            ``ketama_weighted`` (or the distribution ``consistent weighted``) with weights of 1
            that is elsewhere for half of the keys.

    Raises:
        InvalidArgument: pylibmc has no such behavior, hash or distribution.
    """
    from ._pylibmc import Profile  # imported when somebody wants it: few do

    return Profile({} if behaviors is None else behaviors, clone)


def _the_only_server(key: bytes) -> int:
    return 0
