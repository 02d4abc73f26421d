"""`Client`: the low-level client with names for behaviors, addresses as text, and a mapping's face.

Knows how pylibmc writes a server's address; what is asked of servers is in `_client`.
"""

from __future__ import annotations

from ._client import client
from ._constants import (
    all_behaviors,
    all_callbacks,
    distributions,
    distributions_rvs,
    hashers,
    hashers_rvs,
    server_type_tcp,
    server_type_udp,
    server_type_unix,
)
from ._defaults import DEFAULTS
from .consts import BehaviorDict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, NoReturn, Self, TypeAlias

    from ..values._pickles import Policy

    Key: TypeAlias = str | bytes
    Address: TypeAlias = str | tuple[int, str, int]

__all__ = ["Client", "server_type_map", "translate_server_spec", "translate_server_specs"]

server_type_map: dict[str, int] = {
    "tcp": server_type_tcp,
    "udp": server_type_udp,
    "unix": server_type_unix,
}

_KNOWN = {*all_behaviors, *all_callbacks}
_MISS = object()


def translate_server_spec(
    server: str, port: int = 11211, weight: int = 1
) -> tuple[int, str, int, int]:
    """(type, host, port, weight) of an address, with *port* and *weight* where it names none.

    ``host``, ``host:port``, ``host:port:weight``, the same with an IPv6 address in brackets, any of
    them after ``udp:``; or ``/path``.

    Raises:
        ValueError: no such address.
    """
    if server.startswith("/"):
        return server_type_unix, server, 0, int(weight)
    kind = server_type_tcp
    if server.startswith("udp:"):
        kind, server = server_type_udp, server[4:]
    if server.startswith("["):
        host, bracket, tail = server[1:].partition("]")
        if not bracket or (tail and not tail.startswith(":")):
            raise ValueError(server)
        numbers = tail[1:].split(":", 1) if tail else []
    else:
        host, *rest = server.split(":", 1)
        numbers = rest[0].split(":", 1) if rest else []
    return (
        kind,
        host,
        int(numbers[0]) if numbers else int(port),
        int(numbers[1]) if len(numbers) > 1 else int(weight),
    )


def translate_server_specs(servers: Iterable[Address]) -> list[tuple[Any, ...]]:
    """The same for several; tuples of three are passed through."""
    return [
        server if isinstance(server, tuple) and len(server) == 3 else translate_server_spec(server)
        for server in servers
    ]


class Client(client):
    """pylibmc's client: `mcclient.pylibmc.client` with symbolic names and ``[ ]``.

    Args:
        servers: addresses as `translate_server_spec` reads them.
        behaviors: names and values, such as ``{"ketama": True, "hash": "md5"}``.
        binary: speak the binary protocol.
        username, password: for SASL, which only the binary protocol has.
        pickle, pickle_classes, pickle_keys: what is done with pickles: see the base class.

    Attributes:
        addresses: the servers as given.
        binary: as given.

    Raises:
        Error: there are no servers, or libmemcached would refuse a behavior.
        ValueError, TypeError, KeyError: an argument is not what it must be.
    """

    def __init__(
        self,
        servers: Iterable[Address],
        behaviors: Mapping[str, Any] | None = None,
        binary: bool = False,
        username: str | None = None,
        password: str | None = None,
        *,
        pickle: Policy | None = None,
        pickle_classes: Iterable[type] | None = None,
        pickle_keys: bytes | Iterable[bytes] | None = None,
    ) -> None:
        self.binary = binary
        self.addresses = list(servers)
        options: dict[str, Any] = dict(DEFAULTS)
        if pickle is not None:
            options = {"pickle": pickle}
        if pickle_classes is not None:
            options["pickle_classes"] = pickle_classes
        if pickle_keys is not None:
            options["pickle_keys"] = pickle_keys
        super().__init__(
            # A second time on purpose: an iterator has nothing left, as over there.
            translate_server_specs(servers),
            binary,
            username,
            password,
            _numeric(behaviors),
            **options,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.addresses!r}, binary={self.binary!r})"

    def __str__(self) -> str:
        addresses = ", ".join(map(str, self.addresses))
        return f"<{type(self).__name__} for {addresses}, binary={self.binary!r}>"

    def __getitem__(self, key: Key) -> object:
        value = self.get(key, _MISS)
        if value is _MISS:
            raise KeyError(key)
        return value

    def __setitem__(self, key: Key, value: object) -> None:
        if not self.set(key, value):
            raise KeyError(f"failed setting {key!r}")

    def __delitem__(self, key: Key) -> None:
        if not self.delete(key):
            raise KeyError(key)

    def __contains__(self, key: Key) -> bool:
        return self.get(key, _MISS) is not _MISS

    def get_behaviors(self) -> BehaviorDict:
        """All behaviors by name, hashes and distributions by theirs: a snapshot that can be set."""
        behaviors = super().get_behaviors()
        behaviors["hash"] = hashers_rvs[behaviors["hash"]]
        behaviors["distribution"] = distributions_rvs[behaviors["distribution"]]
        return BehaviorDict(self, behaviors)

    def set_behaviors(self, behaviors: Mapping[str, Any] | None) -> None:
        """Set those of *behaviors*, in a fixed order; the others stay as they are."""
        super().set_behaviors(_numeric(behaviors) or {})

    @property
    def behaviors(self) -> BehaviorDict:
        """All behaviors by name; may be assigned to and changed."""
        return self.get_behaviors()

    @behaviors.setter
    def behaviors(self, behaviors: Mapping[str, Any] | None) -> None:
        self.set_behaviors(behaviors)

    @property
    def behaviours(self) -> NoReturn:
        """There are none."""
        raise AttributeError("nobody uses british spellings")

    def clone(self) -> Self:
        """A client like this one with connections of its own. No constructor is called.

        Attributes of a subclass' own are not copied. Under the behavior ``ketama_weighted`` it
        looks for half of the keys elsewhere, as over there.
        """
        clone = super().clone()
        clone.addresses = list(self.addresses)
        clone.binary = self.binary
        return clone


def _numeric(behaviors: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Behaviors with numbers where *behaviors* has names.

    Raises:
        ValueError: there is no such behavior.
        KeyError: there is no such hash or distribution.
    """
    if not behaviors:
        return None
    if not hasattr(behaviors, "keys"):
        raise AttributeError(f"{type(behaviors).__name__!r} object has no attribute 'copy'")
    numeric = dict(behaviors)
    if "_retry_timeout" in numeric:
        numeric.setdefault("retry_timeout", numeric.pop("_retry_timeout"))
    unknown = set(numeric) - _KNOWN
    if unknown:
        raise ValueError(f"unknown behavior names: {', '.join(map(str, sorted(unknown)))}")
    if numeric.get("hash") is not None:
        numeric["hash"] = hashers[numeric["hash"]]
    if numeric.get("ketama_hash") in hashers:
        numeric["ketama_hash"] = hashers[numeric["ketama_hash"]]
    if numeric.get("distribution") is not None:
        numeric["distribution"] = distributions[numeric["distribution"]]
    return numeric
