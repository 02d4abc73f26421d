"""What a client can be told, checked once. Shared by a client and its clones; never changes."""

from __future__ import annotations

from math import isfinite

from mcproto import InvalidArgument, checked_key

from . import rings, values
from ._servers import parse_server, parse_servers
from .operations import Classic, Meta, Routes, Setup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from ._servers import Servers
    from .operations import Dialect
    from .values import Codec

    T = TypeVar("T")

__all__ = ["Options", "check_backend"]

_DIALECTS: dict[str, type[Dialect]] = {"meta": Meta, "classic": Classic}
_POLICIES = {"raise": False, "miss": True}


class Options:
    """A client's options.

    Attributes:
        setup: what the operations need of them.
        timeout: seconds for an operation, or None.
        connect_timeout: seconds for connecting within it, or None.
        zero_is_bytes: whether flags 0 is the codec's word for the bytes as they are.

    Raises:
        InvalidArgument, TypeError: and the message names the option.
    """

    __slots__ = ("connect_timeout", "setup", "timeout", "zero_is_bytes")

    def __init__(
        self,
        *,
        servers: Servers,
        protocol: str,
        ring: str,
        codec: str | Codec,
        key_prefix: str | bytes,
        timeout: float | None,
        connect_timeout: float | None,
        on_unavailable: str,
    ) -> None:
        parsed = parse_servers(servers)
        self.setup = Setup(
            parsed,
            Routes(rings.build(ring, parsed), _checked_prefix(key_prefix)),
            _chosen("protocol", protocol, _DIALECTS)(),
            values.build(codec),
            _chosen("on_unavailable", on_unavailable, _POLICIES),
        )
        self.timeout = _checked_seconds("timeout", timeout)
        self.connect_timeout = _checked_seconds("connect_timeout", connect_timeout)
        self.zero_is_bytes = isinstance(codec, str)

    def server_named(self, server: str | tuple[str, int] | None) -> int | None:
        """The number of a server that is given as an address.

        Raises:
            InvalidArgument: it is none of ours.
        """
        if server is None:
            return None
        address = parse_server(server).address
        for number, known in enumerate(self.setup.servers):
            if known.address == address:
                return number
        ours = ", ".join([known.name for known in self.setup.servers])
        raise InvalidArgument(f"server must be one of the client's ({ours}), not {server!r}")


def check_backend(backend: object, method: str, kind: str) -> None:
    """Raise TypeError if this is no backend of the kind that has such a method."""
    if isinstance(backend, type):
        name = backend.__name__
        raise TypeError(f"backend must be an object, not a class: {name}()?")
    if not hasattr(backend, method):
        raise TypeError(f"backend must be {kind} one, not {type(backend).__name__}")


def _chosen(name: str, choice: str, known: dict[str, T]) -> T:
    if not isinstance(choice, str):
        raise TypeError(f"{name} must be a str, not {type(choice).__name__}")
    if choice not in known:
        raise InvalidArgument(f"{name} must be {' or '.join(map(repr, known))}, not {choice!r}")
    return known[choice]


def _checked_prefix(prefix: str | bytes) -> bytes:
    if isinstance(prefix, (str, bytes)) and not prefix:
        return b""
    try:
        return checked_key(prefix)
    except (ValueError, TypeError) as error:
        message = str(error).replace("key ", "key_prefix ", 1)
        raise (TypeError if isinstance(error, TypeError) else InvalidArgument)(message) from None


def _checked_seconds(name: str, seconds: float | None) -> float | None:
    if seconds is None:
        return None
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool):
        raise TypeError(f"{name} must be a number of seconds or None, not {type(seconds).__name__}")
    if not isfinite(seconds) or seconds <= 0:
        raise InvalidArgument(f"{name} must be more than 0 seconds, not {seconds!r}")
    return float(seconds)
