"""Where a server listens: TCP or a unix socket, and UDP."""

from __future__ import annotations

import os
import socket
import stat

__all__ = ["Listeners"]

_BACKLOG = 1024


class Listeners:
    """The sockets that others connect to and send to.

    Args:
        host, port: where to listen; 0: a free port.
        path: listen on a unix socket here, and on no port. A socket that is there is replaced.
        udp_port: receive datagrams here; 0: a free port; None: none are received.

    Attributes:
        stream: the listening socket.
        datagrams: the other one, or None.

    Raises:
        OSError: one of them cannot be had. Then nothing is open.
    """

    def __init__(self, host: str, port: int, path: str | None, udp_port: int | None) -> None:
        self._path = path
        self.datagrams: socket.socket | None = None
        self.stream = _listening(host, port) if path is None else _listening_at(path)
        if udp_port is not None:
            try:
                self.datagrams = _receiving(host, udp_port)
            except BaseException:
                self.close()
                raise

    @property
    def port(self) -> int:
        return _port(self.stream)

    @property
    def udp_port(self) -> int:
        """The port of datagrams; 0: there is none."""
        return 0 if self.datagrams is None else _port(self.datagrams)

    def close(self) -> None:
        """Listen no more. Again: nothing happens."""
        if self.stream.fileno() < 0:
            return
        self.stream.close()
        if self.datagrams is not None:
            self.datagrams.close()
        if self._path is not None and os.path.exists(self._path):
            os.unlink(self._path)


def _port(sock: socket.socket) -> int:
    port: int = sock.getsockname()[1]
    return port


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _listening(host: str, port: int) -> socket.socket:
    return socket.create_server((host, port), family=_family(host), backlog=_BACKLOG)


def _listening_at(path: str) -> socket.socket:
    # As memcached does: the socket of one that did not end well must not be in the way.
    if os.path.exists(path) and stat.S_ISSOCK(os.stat(path).st_mode):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(path)
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _receiving(host: str, port: int) -> socket.socket:
    sock = socket.socket(_family(host), socket.SOCK_DGRAM)
    try:
        sock.bind((host, port))
    except BaseException:
        sock.close()
        raise
    return sock
