"""How a server talks to whoever connects: in which protocol, within which limits."""

from __future__ import annotations

from mcproto import InvalidArgument, ServerConnection

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable
    from typing import Literal, TypeAlias

    from ._tls import TlsSocket

    TlsContext: TypeAlias = ssl.SSLContext | Callable[[], ssl.SSLContext]

__all__ = ["Options"]


class Options:
    """What holds for every connection. The arguments are those of `MemoryServer`."""

    __slots__ = (
        "_context",
        "_ssl_context",
        "auth",
        "idle_timeout",
        "item_size",
        "like",
        "max_connections",
        "most_connections",
        "protocol",
        "rejects",
        "send_timeout",
    )

    def __init__(
        self,
        *,
        like: str,
        item_size: int,
        protocol: Literal["auto", "text", "binary"],
        auth: Literal["text", "sasl"] | None,
        ssl_context: TlsContext | None,
        max_connections: int,
        reserved_connections: int,
        rejects: bool,
        idle_timeout: float,
        send_timeout: float,
    ) -> None:
        if max_connections <= reserved_connections:
            raise InvalidArgument(
                f"max_connections must be more than {reserved_connections}, not {max_connections}"
            )
        for name, seconds in (("idle_timeout", idle_timeout), ("send_timeout", send_timeout)):
            if not seconds >= 0:
                raise InvalidArgument(f"{name} must be 0 or more, not {seconds}")
        if auth is not None and protocol not in ("auto", _SPOKEN[auth]):
            raise InvalidArgument(f"protocol must be {_SPOKEN[auth]!r} where users are asked for")
        self.like = like
        self.item_size = item_size
        self.protocol: Literal["auto", "text", "binary"] = (
            protocol if auth is None else _SPOKEN[auth]
        )
        self.auth = auth
        self.max_connections = max_connections
        self.most_connections = max_connections - reserved_connections
        self.rejects = rejects
        self.idle_timeout = idle_timeout
        self.send_timeout = send_timeout
        self._ssl_context = ssl_context
        self._context: ssl.SSLContext | None = None
        self.refresh_certificates()
        self.new_connection()  # whatever is wrong with the others is said at once

    @property
    def is_secure(self) -> bool:
        """Whether it speaks TLS."""
        return self._context is not None

    def refresh_certificates(self) -> None:
        """Ask anew for the context that connections get from now on, if it can be asked for.

        Raises:
            OSError: it cannot be had. The old one stays.
        """
        context = self._ssl_context
        self._context = context() if callable(context) else context

    def settings(self) -> dict[str, str]:
        """What ``stats settings`` shows of all this."""
        return {
            "maxconns": str(self.max_connections),
            "binding_protocol": _SHOWN[self.protocol],
            "auth_enabled_sasl": _yes(self.auth == "sasl"),
            "auth_enabled_ascii": _yes(self.auth == "text"),
            "maxconns_fast": _yes(self.rejects),
            "idle_timeout": f"{self.idle_timeout:g}",
            "ssl_enabled": _yes(self.is_secure),
        }

    def new_connection(self) -> ServerConnection:
        return ServerConnection(
            self.protocol,
            like=self.like,
            max_value=self.item_size,
            auth_required=self.auth is not None,
        )

    def secured(self, sock: socket.socket) -> socket.socket | TlsSocket:
        """The socket, under TLS if that is spoken here."""
        if self._context is None:
            return sock
        from ._tls import TlsSocket

        return TlsSocket(sock, self._context)


def _yes(setting: bool) -> str:
    return "yes" if setting else "no"


_SHOWN = {"auto": "auto-negotiate", "text": "ascii", "binary": "binary"}

# memcached's own rule: SASL is of the binary protocol, and the other way of the text one.
_SPOKEN: dict[str, Literal["text", "binary"]] = {"text": "text", "sasl": "binary"}
