"""A plain connection to a server, for tests that look at the bytes."""

from __future__ import annotations

import socket
from collections.abc import Callable
from time import monotonic

from mcclient.embedded import MemoryServer

PATIENCE = 10.0


class Wire:
    """A plain connection to a server."""

    def __init__(self, server: MemoryServer) -> None:
        self.sock: socket.socket
        if server.port:
            self.sock = socket.create_connection((server.host, server.port), PATIENCE)
        else:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(PATIENCE)
            self.sock.connect(server.address)

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def read(self, size: int) -> bytes:
        """So many bytes, or all until the end."""
        data = b""
        while len(data) < size:
            try:
                piece = self.sock.recv(min(size - len(data), 1 << 20))
            except ConnectionResetError:
                break
            if not piece:
                break
            data += piece
        return data

    def line(self) -> bytes:
        """All until the next line end, with it."""
        data = b""
        while not data.endswith(b"\n"):
            data += self.read(1)
        return data

    def ask(self, request: bytes, reply: bytes) -> None:
        """Send a request, and expect exactly this reply to it."""
        self.send(request)
        assert self.read(len(reply)) == reply

    def is_closed(self) -> bool:
        """Whether the server has closed, with nothing left to read. Waits for that."""
        return self.read(1) == b""


def until(happens: Callable[[], object]) -> None:
    """Wait for what the server's thread is about to do."""
    give_up = monotonic() + PATIENCE
    while not happens():
        assert monotonic() < give_up
