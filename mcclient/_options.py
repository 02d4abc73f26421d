"""What a client can be told, checked once. Shared by a client and its clones; never changes."""

from __future__ import annotations

from math import isfinite

from mcproto import InvalidArgument, checked_key

from . import rings, values
from ._auth import checked_login
from ._observers import Observer
from ._servers import parse_server, parse_servers
from ._tls import tls_context
from .operations import Classic, Meta, Routes, Setup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from mcproto.transports import Context

    from ._auth import AsyncCredentials, Word
    from ._servers import Server, Servers
    from .operations import Dialect
    from .rings._pylibmc import Profile
    from .values import Codec

    T = TypeVar("T")

__all__ = ["Options", "check_backend"]


def _binary() -> Dialect:
    from .operations._binary import Binary  # few want it

    return Binary()


_DIALECTS: dict[str, Callable[[], Dialect]] = {
    "meta": Meta,
    "classic": Classic,
    "binary": _binary,
}
_POLICIES = {"raise": False, "miss": True}


class Options:
    """A client's options.

    Attributes:
        setup: what the operations need of them.
        timeout: seconds for an operation, or None.
        connect_timeout: seconds for connecting within it, or None.
        login: who the client is to its servers, if anybody.
        observer: who is told what happens, if anybody.
        zero_is_bytes: whether flags 0 is the codec's word for the bytes as they are.

    Raises:
        InvalidArgument, TypeError: and the message names the option.
    """

    __slots__ = (
        "_context",
        "_is_context_given",
        "connect_timeout",
        "login",
        "observer",
        "setup",
        "timeout",
        "zero_is_bytes",
    )

    def __init__(
        self,
        *,
        servers: Servers,
        protocol: str,
        ring: str | Profile,
        codec: str | Codec,
        key_prefix: str | bytes,
        timeout: float | None,
        connect_timeout: float | None,
        on_unavailable: str,
        observer: Observer | None = None,
        username: Word | None = None,
        password: Word | None = None,
        credentials: AsyncCredentials | None = None,
        allow_cleartext_auth: bool = False,
        ssl_context: Context | None = None,
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
        self.observer = _checked_observer(observer)
        self.login = checked_login(protocol, username, password, credentials, allow_cleartext_auth)
        self._context = _checked_context(ssl_context, parsed)
        self._is_context_given = ssl_context is not None

    @classmethod
    def checked(cls, setup: Setup, timeout: float | None, connect_timeout: float | None) -> Options:
        """Options that somebody has checked by other rules."""
        options = cls.__new__(cls)
        options.setup = setup
        options.timeout = timeout
        options.connect_timeout = connect_timeout
        options.zero_is_bytes = True
        options.observer = options.login = None
        options._context = None
        options._is_context_given = False
        return options

    def _wants_tls(self, server: Server) -> bool:
        return self._is_context_given if server.tls is None else server.tls

    def tls_of(self, server: Server) -> Context | None:
        """How to speak TLS to *server*, None if it is spoken to in the clear."""
        if not self._wants_tls(server):
            return None
        if self._context is None:
            # The system's authorities are read from files: at first use, and once.
            self._context = tls_context()
        return self._context

    def check_tls(self, backend: object) -> None:
        """Raise InvalidArgument if a server wants TLS, and *backend* does none."""
        if getattr(backend, "tells_steps", False):
            return
        for server in self.setup.servers:
            if self._wants_tls(server):
                kind = type(backend).__name__
                raise InvalidArgument(f"servers: {server.name} wants TLS, and {kind} does none")

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


def _checked_context(context: Context | None, servers: tuple[Server, ...]) -> Context | None:
    if context is None:
        return None
    if not (callable(context) or hasattr(context, "wrap_bio")):
        kind = type(context).__name__
        raise TypeError(f"ssl_context must be an ssl.SSLContext or give one, not {kind}")
    if all(server.tls is False for server in servers):
        raise InvalidArgument("ssl_context is of no use: no server is spoken to over TLS")
    return context


def _checked_observer(observer: Observer | None) -> Observer | None:
    if isinstance(observer, type):
        raise TypeError(f"observer must be an object, not a class: {observer.__name__}()?")
    if observer is not None and not isinstance(observer, Observer):
        raise TypeError(f"observer must be an Observer, not {type(observer).__name__}")
    return observer


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
