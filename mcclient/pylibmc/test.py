"""pylibmc's helper for tests: a client of the server that the environment names."""

from __future__ import annotations

import os
import socket

from . import _pylibmc
from .client import Client

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeAlias

    Place: TypeAlias = tuple[int, str, int]

__all__ = ["NotAliveError", "get_version", "is_alive", "make_test_client"]

_TIMEOUT = 5.0


class NotAliveError(Exception):
    """There is no memcached at the address; MEMCACHED_HOST and MEMCACHED_PORT name another."""

    def __init__(self, svr: Place) -> None:
        super().__init__(svr)
        self.server_type, self.address, self.port = svr

    def __str__(self) -> str:
        return (
            f"no memcached at {self.address}:{self.port}; "
            "set MEMCACHED_HOST and MEMCACHED_PORT to where one is"
        )


def get_version(addr: Place) -> bytes:
    """The version of the server.

    Raises:
        ValueError: it is no TCP address, or what answers there is no memcached.
        OSError: it cannot be reached.
    """
    kind, host, port = addr
    if kind != _pylibmc.server_type_tcp:
        raise ValueError("only servers on TCP can be asked")
    with socket.create_connection((host, port), _TIMEOUT) as sock:
        sock.sendall(b"version\r\n")
        answer = sock.recv(4096)
    if not answer.startswith(b"VERSION ") or not answer.endswith(b"\r\n"):
        raise ValueError(f"unexpected version return: {answer!r}")
    return answer[8:-2]


def is_alive(addr: Place) -> tuple[bool, bytes | None]:
    """Whether there is a memcached, and its version."""
    try:
        version = get_version(addr)
    except (ValueError, OSError):
        return False, None
    return True, version


def make_test_client(
    cls: Callable[..., Any] = Client,
    env: Mapping[str, str] | None = None,
    server_type: str = "tcp",
    host: str = "127.0.0.1",
    port: int = 11211,
    **kwds: Any,
) -> Any:
    """A client of the server that MEMCACHED_TYPE, _HOST and _PORT name in *env*, else of this one.

    Raises:
        NotAliveError: there is none.
    """
    env = os.environ if env is None else env
    kinds = {
        "tcp": _pylibmc.server_type_tcp,
        "udp": _pylibmc.server_type_udp,
        "unix": _pylibmc.server_type_unix,
    }
    kind = kinds[env.get("MEMCACHED_TYPE", server_type)]
    place = (kind, env.get("MEMCACHED_HOST", host), int(env.get("MEMCACHED_PORT", port)))
    if not is_alive(place)[0]:
        raise NotAliveError(place)
    return cls([place], **kwds)
