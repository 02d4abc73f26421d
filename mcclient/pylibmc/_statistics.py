"""The 22 statistics that pylibmc knows, whatever a server has to say."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._servers import Server

__all__ = ["pylibmc_stats", "stats_name"]

# What each is if the server does not say.
_NOTHING = {
    "pid": b"-1",
    "uptime": b"0",
    "time": b"0",
    "version": b"",
    "pointer_size": b"0",
    "rusage_user": b"0.0",
    "rusage_system": b"0.0",
    "curr_items": b"0",
    "total_items": b"0",
    "bytes": b"0",
    "curr_connections": b"0",
    "total_connections": b"0",
    "connection_structures": b"0",
    "cmd_get": b"0",
    "cmd_set": b"0",
    "get_hits": b"0",
    "get_misses": b"0",
    "evictions": b"0",
    "bytes_read": b"0",
    "bytes_written": b"0",
    "limit_maxbytes": b"0",
    "threads": b"0",
}


def pylibmc_stats(entries: Mapping[str, str]) -> dict[str, bytes]:
    """What pylibmc makes of a server's statistics."""
    return _NOTHING | {name: entries[name].encode() for name in _NOTHING if name in entries}


def stats_name(server: Server, number: int) -> bytes:
    """What pylibmc calls a server among its statistics."""
    host, port = (server.host, server.port) if server.path is None else (server.path, 0)
    return f"{host}:{port} ({number})".encode()
