"""A connection under TLS, seen as a socket that does not block."""

from __future__ import annotations

import ssl

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

__all__ = ["TlsSocket"]


class TlsSocket:
    """One accepted connection; shaking hands is done as bytes come.

    Args:
        sock: connected, not blocking. It is this object's from now on.
        context: of a server.
    """

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self._sock = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)

    def fileno(self) -> int:
        return self._sock.fileno()

    def getpeername(self) -> object:
        return self._sock.getpeername()

    def recv(self, size: int) -> bytes:
        """As a socket's. What is not here yet, encrypted or not, is a BlockingIOError.

        With a size from 16 KiB, which a record of TLS may have, nothing stays behind that no
        selector knows of.
        """
        try:
            return self._sock.recv(size)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None
        except ssl.SSLEOFError:
            return b""

    def send(self, data: bytes | memoryview) -> int:
        """As a socket's."""
        try:
            return self._sock.send(data)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise BlockingIOError from None

    def close(self) -> None:
        self._sock.close()
