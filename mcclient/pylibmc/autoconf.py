"""Finding servers by asking one of them, as Amazon's ElastiCache has it.

Knows the question and how its answer is written.
"""

from __future__ import annotations

import socket

from .client import Client

__all__ = ["NoAutoconfFound", "UnsupportedAutoconfMethod", "elasticache"]

# Far above what a configuration takes: a line for each node.
_LONGEST = 1 << 20


class UnsupportedAutoconfMethod(Exception):
    """The server does not know ``config get``."""


class NoAutoconfFound(Exception):
    """There is no configuration to be had from the server."""


def elasticache(
    address: str = "127.0.0.1:11211",
    config_key: bytes | str = b"cluster",
    mc_key: str = "AmazonElastiCache:cluster",
    timeout: float = 5.0,
) -> Client:
    """A client of the nodes that the configuration endpoint *address* names.

    Asks ``config get`` and, of servers that are too old for it, for the value under *mc_key*.

    Args:
        timeout: seconds for each step with the server.

    Raises:
        NoAutoconfFound: there is no configuration.
        OSError: the server cannot be reached, or closes the connection in the midst.
        ValueError: what it says is no configuration.
    """
    try:
        config = _config_get(address, config_key, timeout)
    except UnsupportedAutoconfMethod:
        value = Client([address]).get(mc_key)
        if value is None:
            raise NoAutoconfFound from None
        config = value if isinstance(value, bytes) else str(value).encode()
    return Client(_nodes(config))


def _config_get(address: str, config_key: bytes | str, timeout: float) -> bytes:
    host, _, port = address.rpartition(":")
    key = config_key.encode() if isinstance(config_key, str) else config_key
    with socket.create_connection((host, int(port)), timeout) as sock:
        sock.sendall(b"config get %b\r\n" % key)
        received = b""
        while not _is_whole(received):
            chunk = sock.recv(65536)
            if not chunk:
                raise ConnectionResetError("the server has closed the connection")
            received += chunk
            if len(received) > _LONGEST:
                raise ValueError("the configuration is longer than 1 MB")
    head, _, rest = received.partition(b"\r\n")
    if head.split(b" ", 1)[0].upper() in (b"ERROR", b"CLIENT_ERROR", b"SERVER_ERROR"):
        raise UnsupportedAutoconfMethod
    if head == b"END":
        raise NoAutoconfFound
    return rest[: int(head.split()[-1])]


def _is_whole(received: bytes) -> bool:
    head, line_end, rest = received.partition(b"\r\n")
    if not line_end:
        return False
    words = head.split()
    if len(words) != 4 or words[0] != b"CONFIG":
        return True  # one line, and that is all
    return rest[int(words[3]) :].endswith(b"END\r\n")


def _nodes(config: bytes) -> list[str]:
    """``version``, and behind a line end ``name|address|port`` for each node."""
    version, _, nodes = config.partition(b"\n")
    int(version)
    found: list[str] = []
    for node in nodes.split():
        name, address, port = node.decode().split("|")
        found.append(f"{address or name}:{int(port)}")
    if not found:
        raise ValueError("a configuration without nodes")
    return found
