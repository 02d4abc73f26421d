"""Where pylibmc places keys, whatever its behaviors were set to, and in whatever order.

There placement is what is left behind by a sequence of events: a hash, a distribution, whether
weights count, and points that are laid anew by some of the events and not by others.  `Placement`
is that state; a pylibmc client moves it, and `Profile` makes the one that a constructor would.

Knows what each event does to keys.  Which behaviors there are beside these, what their values may
be and what else they do is for `mcclient.pylibmc` to know.
"""

from __future__ import annotations

from mcproto import InvalidArgument

from ._ketama import on_circle, plain_points, weighted_points
from ._libmemcached import HASHES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Final

    from .._servers import Server

__all__ = ["BEHAVIORS", "DISTRIBUTIONS", "Placement", "Profile"]

DISTRIBUTIONS: Final = (
    "modula",
    "consistent",
    "consistent ketama",
    "random",
    "consistent ketama spy",
    "consistent weighted",
    "virtual bucket",
)
BEHAVIORS: Final = tuple(
    "no_block tcp_nodelay tcp_keepalive hash ketama_hash ketama ketama_weighted distribution cas "
    "buffer_requests verify_keys connect_timeout send_timeout receive_timeout num_replicas "
    "auto_eject retry_timeout remove_failed failure_limit _io_msg_watermark _io_bytes_watermark "
    "_io_key_prefetch _hash_with_prefix_key _noreply _sort_hosts _poll_timeout _socket_send_size "
    "_socket_recv_size dead_timeout pickle_protocol".split()
)
"""Every behavior, in the order in which those of one dict take effect."""

_PLACING = ("hash", "ketama", "ketama_weighted", "distribution", "_sort_hosts")

_LONGEST_HASHED: Final = 250

_SPY = "consistent ketama spy"
# Setting one of these forgets that weights counted; setting the spy's does not.
_WITHOUT_WEIGHTS = ("consistent", "consistent ketama")
_CONSISTENT = (*_WITHOUT_WEIGHTS, _SPY, "consistent weighted")


class Placement:
    """The state by which libmemcached finds a key's server, and the events that change it.

    Attributes:
        servers: in the order that `server_for` counts in.
        hash: the name of the hash that keys go by.
        distribution: its name.
        sorts: whether servers are sorted whenever points are laid.
        ejected: the servers, by number, that get no keys under a consistent distribution.
        prefix: what is put before keys when they are hashed.
        server_for: called with a key, gives the number of its server; 0 if there is no more
            than one. Another function after every event.
    """

    __slots__ = (
        "_points",
        "_weighted",
        "distribution",
        "ejected",
        "hash",
        "prefix",
        "server_for",
        "servers",
        "sorts",
    )

    def __init__(self) -> None:
        self.servers: list[Server] = []
        self.hash = "default"
        self.distribution = "modula"
        self.sorts = False
        self.ejected: frozenset[int] = frozenset()
        self.prefix = b""
        self._weighted = False
        self._points: list[tuple[int, int]] = []
        self.server_for: Callable[[bytes], int] = _the_first
        self._lay_points()

    @property
    def is_consistent(self) -> bool:
        """Whether the distribution uses points."""
        return self.distribution in _CONSISTENT

    @property
    def is_weighted(self) -> bool:
        """Whether weights count wherever points are laid."""
        return self._weighted

    def points_of(self, number: int) -> int:
        """How many points a server has; 0 under a distribution that uses none."""
        if not self.is_consistent:
            return 0
        return sum(owner == number for _, owner in self._points)

    # ---------------------------------------------------------------------------- events

    def apply(self, behaviors: Mapping[str, object]) -> None:
        """Those of *behaviors* that place keys take effect, in pylibmc's order, not the dict's.

        Hashes and distributions are names, all else is a truth.
        """
        for name in _PLACING:
            if name not in behaviors:
                continue
            value = behaviors[name]
            if name == "hash":
                self.set_hash(str(value))
            elif name == "distribution":
                self.set_distribution(str(value))
            elif name == "ketama":
                self.set_distribution("consistent ketama" if value else "modula")
            elif name == "ketama_weighted":
                if value:
                    self.set_hash("md5")
                self.set_distribution("consistent weighted" if value else "consistent ketama")
            else:
                self.sorts = bool(value)
                self._lay_points()

    def set_hash(self, name: str) -> None:
        """Keys go by another hash at once, while the points stay where they are."""
        self.hash = name
        self._choose()

    def set_distribution(self, name: str) -> None:
        """Another distribution; its points are laid now, by the hash of now."""
        if name in _WITHOUT_WEIGHTS:
            self._weighted = False
        elif name == "consistent weighted":
            self._weighted = True
        self.distribution = name
        self._lay_points()

    def add(self, servers: Iterable[Server]) -> None:
        """More servers. A weight above 1 counts from now on, but only if points are in use."""
        servers = list(servers)
        if self.is_consistent and any(server.weight > 1 for server in servers):
            self._weighted = True
        self.servers += servers
        self._lay_points()

    def set_prefix(self, prefix: bytes) -> None:
        """Keys are hashed with *prefix* before them, while the points stay where they are."""
        self.prefix = prefix
        self._choose()

    def eject(self, numbers: Iterable[int]) -> None:
        """These servers, and no others, get no keys from now on, if points are in use."""
        self.ejected = frozenset(numbers)
        self._lay_points()

    def clone(self) -> Placement:
        """What a clone makes of this: it counts weights if there are any, and only then.

        So a master that was told to count equal weights, which have 160 points a server, has
        clones that do not, with 100: they look for half of the keys elsewhere.
        """
        clone = Placement()
        clone.hash = self.hash
        clone.distribution = self.distribution
        clone.sorts = self.sorts
        clone.prefix = self.prefix
        clone.servers = list(self.servers)
        clone._weighted = any(server.weight > 1 for server in self.servers)
        clone._lay_points()
        return clone

    # ----------------------------------------------------------------------- what follows

    def _lay_points(self) -> None:
        if self.sorts:
            self.servers.sort(key=lambda server: (_host(server).encode(), server.port))
        if self.is_consistent:
            label = _spy_label if self.distribution == _SPY else _label
            labels = [
                (index, label(server), server.weight)
                for index, server in enumerate(self.servers)
                if index not in self.ejected
            ]
            if self._weighted:
                self._points = weighted_points(labels)
            else:
                self._points = plain_points(labels, HASHES[self.hash])
        self._choose()

    def _choose(self) -> None:
        number = len(self.servers)
        key_hash = HASHES[self.hash]
        if self.prefix:
            key_hash = _with_prefix(self.prefix, key_hash)
        if number < 2 or self.distribution == "virtual bucket":
            self.server_for = _the_first
        elif self.distribution == "modula":
            self.server_for = lambda key: key_hash(key) % number
        elif self.distribution == "random":
            self.server_for = _one_of(number)
        elif self._points:
            self.server_for = on_circle(self._points, key_hash)
        else:  # all have been ejected
            self.server_for = _the_first


class Profile:
    """Places keys as a pylibmc client with these behaviors does: a `ring` for a client.

    See `mcclient.rings.pylibmc`.
    """

    __slots__ = ("_behaviors", "_clone", "_prefix")

    def __init__(self, behaviors: Mapping[str, object], clone: bool) -> None:
        self._behaviors = dict(behaviors)
        self._clone = clone
        for name in self._behaviors:
            if name not in (*BEHAVIORS, "_retry_timeout", "namespace"):
                raise InvalidArgument(f"behaviors: there is no {name!r}")
        self._check_name("hash", tuple(HASHES))
        self._check_name("distribution", DISTRIBUTIONS)
        prefix = self._behaviors.get("namespace", b"")
        if not isinstance(prefix, bytes):
            raise TypeError(f"behaviors: namespace must be bytes, not {type(prefix).__name__}")
        self._prefix = prefix if self._behaviors.get("_hash_with_prefix_key") else b""

    def _check_name(self, name: str, known: tuple[str, ...]) -> None:
        choice = self._behaviors.get(name, known[0])
        if choice not in known:
            raise InvalidArgument(
                f"behaviors: {name} must be one of {', '.join(known)}, not {choice!r}"
            )

    @property
    def is_fixed(self) -> bool:
        """Whether a key is always at the same server."""
        return self.placement(()).distribution != "random"

    def placement(self, servers: Sequence[Server]) -> Placement:
        """The state of such a client of *servers*."""
        placement = Placement()
        placement.apply(self._behaviors)
        placement.set_prefix(self._prefix)
        placement.add(servers)
        return placement.clone() if self._clone else placement

    def place(self, servers: Sequence[Server]) -> Callable[[bytes], int]:
        """The function that gives the position in *servers* of a key's server."""
        placement = self.placement(servers)
        if not placement.sorts:
            return placement.server_for
        # It counts in sorted order; the caller counts in his own.
        server_for = placement.server_for
        positions = [_position(servers, server) for server in placement.servers]
        return lambda key: positions[server_for(key)]

    def __repr__(self) -> str:
        clone = ", clone=True" if self._clone else ""
        return f"pylibmc({self._behaviors!r}{clone})"


def _position(servers: Sequence[Server], wanted: Server) -> int:
    return next(number for number, server in enumerate(servers) if server is wanted)


def _one_of(number: int) -> Callable[[bytes], int]:
    """Gives one of so many for whatever key, each as often as the others, in no visible order."""
    state = 0

    def server_for(key: bytes) -> int:
        nonlocal state
        # Knuth's linear congruential generator. It is to spread load, not to be hard to guess.
        state = (state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
        return (state >> 33) % number

    return server_for


def _with_prefix(prefix: bytes, key_hash: Callable[[bytes], int]) -> Callable[[bytes], int]:
    def hash_of_both(key: bytes) -> int:
        # libmemcached's buffer for the two together has room for so much; else it says 0.
        whole = prefix + key
        return key_hash(whole) if len(whole) <= _LONGEST_HASHED else 0

    return hash_of_both


def _host(server: Server) -> str:
    return server.host if server.path is None else server.path


def _label(server: Server) -> str:
    return server.ring_label


def _spy_label(server: Server) -> str:
    return f"/{_host(server)}:{server.port}"


def _the_first(key: bytes) -> int:
    return 0
