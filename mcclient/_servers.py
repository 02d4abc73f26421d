"""Turns what a user writes into servers.

Knows every form of an address, and which of them name the same one.  Refuses to know whether
anybody answers there: names are not resolved, and no socket module is imported.
"""

from __future__ import annotations

from mcproto import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final, TypeAlias, TypeGuard

    # What a client takes as its `servers`: one address, or several in an order.
    Servers: TypeAlias = str | tuple[str, int] | Iterable[str | tuple[str, int]]

__all__ = ["DEFAULT_PORT", "Server", "parse_server", "parse_servers"]

DEFAULT_PORT: Final = 11211
_MAX_PORT: Final = 65535
_MAX_WEIGHT: Final = 65535  # as many bits as pylibmc has for it; enough to be exact in a float
_FORMS: Final = '"host", "host:port", "host:port:weight", "[::1]:port" or "/path"'
_SCHEMES: Final = {"memcached": False, "memcaches": True}
_NO_LISTS: tuple[type[object], ...] = (bytes, bytearray, memoryview, set, frozenset, dict)


class Server:
    """One memcached server: where it is, and how much of the ring it gets.

    A value: equal, and of equal hash, to another with the same address and weight.

    Attributes:
        host: name or address, an IPv6 one without brackets; ``""`` for a unix socket.
        port: 1 to 65535; 0 for a unix socket.
        path: the unix socket's path; None for TCP.
        weight: its share of the keys, relative to the other servers' weights.
        tls: whether to speak TLS; None: the address does not say.
        name: the address as text, as in `Client.servers` and in errors: ``"host:port"``,
            ``"[::1]:port"`` or ``"/path"``; the first two behind ``memcaches://`` if that was said.
        address: what a transport connects to: ``(host, port)``, or the path.
        ring_label: what consistent hashing calls the server.  This is libmemcached's spelling,
            where the default port is left out; another one would move keys.
    """

    __slots__ = ("address", "host", "name", "path", "port", "ring_label", "tls", "weight")

    def __init__(
        self,
        host: str,
        port: int,
        path: str | None = None,
        weight: int = 1,
        tls: bool | None = None,
    ) -> None:
        self.host: Final = host
        self.port: Final = port
        self.path: Final = path
        self.weight: Final = weight
        self.tls: Final = tls if path is None else False
        self.address: Final[tuple[str, int] | str] = (host, port) if path is None else path
        if path is not None:
            name, label = path, f"{path}:0"
        else:
            name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            label = host if port == DEFAULT_PORT else f"{host}:{port}"
            if tls:
                name = f"memcaches://{name}"
        self.name: Final = name
        self.ring_label: Final = label

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Server):
            return NotImplemented
        return self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @property
    def _identity(self) -> object:
        return self.address, self.weight, bool(self.tls)

    def __repr__(self) -> str:
        weight = "" if self.weight == 1 else f", weight={self.weight}"
        return f"<Server {self.name}{weight}>"


def parse_servers(servers: Servers) -> tuple[Server, ...]:
    """The servers that a client is made with, in the order given.

    *servers* is one address (a str, or a ``(host, port)`` tuple) or an iterable of them.

    Raises:
        InvalidArgument: there is none, one is there twice, or one is not an address.
        TypeError: neither an address nor an iterable of addresses; sets and mappings are refused
            since some rings go by the position of a server in the list.
    """
    if isinstance(servers, str) or _is_pair(servers):
        return (parse_server(servers),)
    if isinstance(servers, _NO_LISTS) or not hasattr(servers, "__iter__"):
        raise TypeError(
            "servers must be an address or a list of addresses (their order counts),"
            f" not {type(servers).__name__}"
        )
    parsed = tuple(map(parse_server, servers))
    if not parsed:
        raise InvalidArgument("servers: there must be at least one")
    seen: set[str] = set()
    for server in parsed:
        # Names of hosts do not depend on case; paths do. With or without TLS it is one place.
        place = server.path or f"{server.host}:{server.port}".lower()
        if place in seen:
            raise InvalidArgument(f"servers: {server.name!r} is there twice")
        seen.add(place)
    return parsed


def parse_server(spec: object) -> Server:
    """The server that *spec* names: text in one of the forms, or a ``(host, port)`` tuple.

    The forms are ``"host"`` (port 11211), ``"host:port"``, ``"host:port:weight"``, the same with
    an IPv6 address in brackets, and ``"/path"`` for a unix socket; each may follow
    ``memcached://``, and all but the path ``memcaches://``, which is TLS.  Host names are ASCII
    (others have an ``xn--`` form).

    Raises:
        InvalidArgument: no address; the message shows *spec*, without credentials if it has any.
        TypeError: neither a str nor a tuple of a str and an int.
    """
    if isinstance(spec, str):
        return _parse_text(spec)
    if not _is_pair(spec) or isinstance(spec[1], bool):
        what = "another tuple" if isinstance(spec, tuple) else type(spec).__name__
        raise TypeError(f"servers: an address is a str or a tuple (str, int), not {what}")
    host, port = spec
    if not (_is_ipv6(host) if ":" in host else _is_name(host)):
        raise _refused(spec, "this is not the name or address of a host")
    if not 1 <= port <= _MAX_PORT:
        raise _refused(spec, f"the port must be a number from 1 to {_MAX_PORT}")
    return Server(host, port)


def _parse_text(spec: str) -> Server:
    text = spec
    tls: bool | None = None
    scheme, is_url, rest = spec.partition("://")
    if is_url and not spec.startswith("/"):
        tls = _SCHEMES.get(scheme.lower())
        if tls is None:
            raise _refused(
                spec, "unsupported scheme; there are memcached:// and memcaches:// (TLS)"
            )
        text = rest
    if text.startswith("/"):
        if tls:
            raise _refused(spec, "memcached speaks no TLS over a unix socket")
        if not text.isprintable():
            raise _refused(spec, "a path must not contain characters that do not print")
        return Server("", 0, text)
    if "@" in text:
        raise _refused(spec, "credentials do not belong here, but into username= and password=")

    if text.startswith("["):
        host, bracket, tail = text[1:].partition("]")
        empty, *numbers = tail.split(":")
        is_host = bracket != "" and empty == "" and _is_ipv6(host)
    else:
        host, *numbers = text.split(":")
        is_host = _is_name(host)
    if host.isdigit():
        raise _refused(
            spec, "a number is no host; if it is a port, give (host, port) as (str, int)"
        )
    if not is_host or len(numbers) > 2:
        raise _refused(spec, f"an address looks like {_FORMS}")
    port, weight = DEFAULT_PORT, 1
    if numbers:
        port = _number(numbers[0])
        if not 1 <= port <= _MAX_PORT:
            raise _refused(spec, f"the port must be a number from 1 to {_MAX_PORT}")
    if len(numbers) == 2:
        weight = _number(numbers[1])
        if not 1 <= weight <= _MAX_WEIGHT:
            raise _refused(spec, f"the weight must be a number from 1 to {_MAX_WEIGHT}")
    return Server(host, port, weight=weight, tls=tls)


def _is_pair(spec: object) -> TypeGuard[tuple[str, int]]:
    match spec:
        case tuple((str(), int())):
            return True
        case _:
            return False


def _number(text: str) -> int:
    """The number that *text* spells in at most five ASCII digits, else 0: never one we take."""
    return int(text) if len(text) <= 5 and text.isascii() and text.isdigit() else 0


def _is_name(host: str) -> bool:
    # A resolver meets an empty or overlong label with a UnicodeError, which nobody expects of it.
    labels = host.removesuffix(".").split(".")
    return host.isascii() and all(
        len(label) <= 63 and label.replace("-", "").replace("_", "").isalnum() for label in labels
    )


def _is_ipv6(host: str) -> bool:
    from ipaddress import IPv6Address  # at first use: few lists have one

    address, has_zone, zone = host.partition("%")
    try:
        IPv6Address(address)
    except ValueError:
        return False
    return not has_zone or _is_name(zone)


def _refused(spec: str | tuple[str, int], why: str) -> InvalidArgument:
    shown = spec
    if isinstance(spec, str) and "@" in spec:
        shown = "...@" + spec.rpartition("@")[2]  # what stands before it may be a password
    return InvalidArgument(f"servers: {shown!r}: {why}")
