"""What a client is made with, as it is checked; and numbers as C reads them."""

from __future__ import annotations

from operator import index

from .._servers import Server
from ._constants import server_type_tcp, server_type_udp, server_type_unix
from ._errors import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeAlias

    ServerTuple: TypeAlias = tuple[int, str] | tuple[int, str, int] | tuple[int, str, int, int]

__all__ = ["I32", "I63", "U32", "U64", "checked_credentials", "checked_level", "parsed_servers"]

U32 = (1 << 32) - 1
U64 = (1 << 64) - 1
I32 = (1 << 31) - 1
I63 = (1 << 63) - 1


def checked_level(level: int) -> int:
    """A level of compression."""
    number = index(level)
    if not -1 <= number <= 9:
        raise ValueError("compress_level must be between 0 and 9 inclusive")
    return number


def checked_credentials(
    username: str | None, password: str | None, is_binary: bool
) -> tuple[str, str] | None:
    """Both, or None if there are none."""
    for name, text in (("username", username), ("password", password)):
        if text is not None and not isinstance(text, str):
            raise TypeError(f"{name} must be str or None, not {type(text).__name__}")
    if username is None and password is None:
        return None
    if username is None or password is None:
        raise TypeError("SASL requires both username and password")
    if not is_binary:
        raise TypeError("SASL requires the memcached binary protocol")
    return username, password


def parsed_servers(servers: Iterable[ServerTuple]) -> tuple[bool, list[Server]]:
    """Whether they are asked over UDP, and the servers."""
    kinds: set[int] = set()
    parsed: list[Server] = []
    for server in servers:
        if not isinstance(server, tuple) or not 2 <= len(server) <= 4:
            raise TypeError("servers must be tuples (type, host[, port[, weight]])")
        kind, host = server[:2]
        numbers = [index(number) for number in server[2:]]
        if not isinstance(host, str):
            raise TypeError(f"host must be str, not {type(host).__name__}")
        if kind not in (server_type_tcp, server_type_udp, server_type_unix):
            raise ValueError(f"bad type: {kind}")
        kinds.add(kind)
        # As C's 16 bits have them; 0 stands for what is usual.
        port = (numbers[0] & 0xFFFF if numbers else 0) or 11211
        weight = (numbers[1] & 0xFFFF if len(numbers) > 1 else 0) or 1
        if kind == server_type_unix:
            parsed.append(Server("", 0, host, weight))
        else:
            parsed.append(Server(host or "localhost", port, None, weight))
    if len(kinds) > 1:
        raise ValueError("can't mix transport types")
    if not parsed:
        raise Error("empty server list")
    return kinds == {server_type_udp}, parsed
