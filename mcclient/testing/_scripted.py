"""A server that does as it is told, byte for byte: silent, slow, rude, or plainly wrong.

Real sockets and threads, so that every client meets the same thing.  Knows as much of the protocol
as it takes to tell where one request ends, and nothing of `mcproto` and the clients, so that it
cannot share their mistakes.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeAlias

from ._framing import request_size

__all__ = ["PATIENCE", "Gone", "Peer", "Request", "Script", "ScriptedServer", "reset"]

PATIENCE = 20.0
"""Seconds: far above what anything here takes, far below a test's time-out."""


class Gone(Exception):
    """The client has closed the connection, or the server is closing. It ends a script quietly."""


class Request:
    """One request as it came.

    Args:
        data: all of it, as `Peer.request` cuts it off.

    Attributes:
        data: all of it.
        line: its first line, without the line end. (Of a binary request: the header.)
        words: of the line.
        value: what a storage command brings, else None.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.value: bytes | None = None
        if data[:1] == b"\x80":
            self.line, self.words = data[:24], [data[:24]]
            return
        self.line, _, rest = data.partition(b"\r\n")
        self.words = self.line.split()
        if rest:
            self.value = rest[:-2]

    @property
    def opaque(self) -> bytes:
        """The argument of a meta request's O flag; the four bytes of a binary request's opaque."""
        if self.data[:1] == b"\x80":
            return self.data[12:16]
        return next((word[1:] for word in self.words[2:] if word[:1] == b"O"), b"")

    def fill(self, reply: bytes) -> bytes:
        """*reply* with this request's opaque for ``<O>`` and its key for ``<K>``."""
        if self.data[:1] == b"\x80":
            start = 24 + self.data[4]
            key = self.data[start : start + int.from_bytes(self.data[2:4], "big")]
        else:
            key = self.words[1] if len(self.words) > 1 else b""
        return reply.replace(b"<O>", self.opaque).replace(b"<K>", key)


class Peer:
    """A connection, as a script sees it.

    Attributes:
        socket: the connection itself, for what the methods do not do.
        unread: bytes that have been received, and not yet been given out as a request.
        received: all bytes that have been received.
    """

    def __init__(self, sock: socket.socket, ending: threading.Event) -> None:
        self.socket = sock
        self.unread = bytearray()
        self.received = bytearray()
        self._ending = ending

    def request(self) -> Request:
        """The next request. Raises `Gone` if there will be none."""
        while (size := request_size(self.unread)) is None:
            self.receive()
        data = bytes(self.unread[:size])
        del self.unread[:size]
        return Request(data)

    def receive(self) -> None:
        """Wait for some bytes, and put them to `unread`. Raises `Gone` at the end of them."""
        try:
            data = self.socket.recv(65536)
        except OSError:
            raise Gone from None
        if not data:
            raise Gone
        self.unread += data
        self.received += data

    def greet(self) -> None:
        """Answer the question that a client opens a connection with as a memcached would."""
        self.answer_hello(self.request())

    def answer_hello(self, request: Request) -> None:
        """Answer *request*, which must be such a question: ``mn`` or ``version``."""
        self.send({b"mn": b"MN\r\n", b"version": b"VERSION 1.6.45\r\n"}[request.line])

    def send(self, data: bytes) -> None:
        """Write all of *data*. Raises `Gone` if nobody is there any more."""
        try:
            self.socket.sendall(data)
        except OSError:
            raise Gone from None

    def dribble(self, data: bytes, pause: float) -> None:
        """Write one byte at a time, with *pause* seconds before each."""
        for start in range(len(data)):
            self.wait(pause)
            self.send(data[start : start + 1])

    def wait(self, seconds: float) -> None:
        """Let so much time pass. Raises `Gone` if the server is closed meanwhile."""
        if self._ending.wait(seconds):
            raise Gone

    def swallow(self) -> None:
        """Read, and never answer, until the client has gone."""
        with contextlib.suppress(Gone):
            while True:
                self.receive()

    def hold(self) -> None:
        """Neither read nor answer, until the server is closed."""
        self._ending.wait(PATIENCE)

    def farewell(self) -> None:
        """Over TLS, announce the end, as well-behaved servers do before they close."""
        if isinstance(self.socket, ssl.SSLSocket):
            # It would wait for the client's, who says none.
            with contextlib.suppress(OSError, ValueError):
                self.socket.settimeout(0.01)
                self.socket.unwrap()

    def finish(self) -> None:
        """Send the end of file, and read on. (Over TLS that end cannot be told from a cut.)"""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            raise Gone from None

    def reset(self) -> None:
        """End the connection by a reset, not an orderly close."""
        reset(self.socket)

    def close(self) -> None:
        """End the connection. What has not been read makes it a reset."""
        self.socket.close()


def reset(sock: socket.socket) -> None:
    """Close *sock* by a reset."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


Script: TypeAlias = Callable[[Peer], object]
"""What a server does with one connection. When it returns, the connection is closed."""


class ScriptedServer:
    """Plays a script for each connection: the first for the first; the last one, for the rest too.

    ::

        with ScriptedServer(scripts.then_close(b"VA 10 O<O>\\r\\nhalf")) as server:
            mc = mcclient.Client(server.address)
            ...  # a value that is cut short: ConnectionLost

    It listens from the start; `close`, or the end of a ``with`` block, ends everything.

    Args:
        scripts: called with a `Peer`, each in a thread of its own.
        tls: speak TLS, with this context. A handshake that fails ends the connection, and its
            script is never played.
        host: where to listen.
        path: listen on a unix socket here instead.

    Attributes:
        address: what a client is given: ``"127.0.0.1:port"``, or the path.
        place: the same for a transport: ``("127.0.0.1", port)``, or the path.
        peers: the connections there have been, in order.
        refused: how many handshakes have failed.
    """

    def __init__(
        self,
        *scripts: Script,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        path: str | None = None,
    ) -> None:
        if not scripts:
            raise TypeError("scripts: a server needs one at least")
        self._scripts = scripts
        self._ending = threading.Event()
        self._playing: list[threading.Thread] = []
        self._failures: list[BaseException] = []
        self._count = 0
        self.peers: list[Peer] = []
        self.refused = 0
        self._tls = tls
        self.place: tuple[str, int] | str
        if path is not None:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(path)
            self._listener.listen(64)
            self.place = self.address = path
        else:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._listener = socket.create_server((host, 0), family=family, backlog=64)
            port: int = self._listener.getsockname()[1]
            self.place = host, port
            self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def received(self) -> bytes:
        """All bytes from all connections, in the order of the connections."""
        return b"".join([bytes(peer.received) for peer in self.peers])

    def forget(self) -> None:
        """Wait until the scripts that are being played have ended, and forget their connections."""
        for thread in self._playing[:]:
            thread.join(PATIENCE)
            self._playing.remove(thread)
        self.peers.clear()

    def close(self) -> None:
        """End all connections. Raises what a script has raised, if it was not `Gone`."""
        self._ending.set()
        # Closing alone would not wake who waits in accept() or recv().
        for sock in [self._listener, *[peer.socket for peer in self.peers]]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in [self._accepting, *self._playing]:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a script does not end"
        self._listener.close()
        for failure in self._failures:
            raise failure

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _accept(self) -> None:
        while not self._ending.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            if sock.family != socket.AF_UNIX:
                # Or the pieces of a dribble would be gathered.
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer = Peer(sock, self._ending)
            script = self._scripts[min(self._count, len(self._scripts) - 1)]
            self._count += 1
            self.peers.append(peer)
            if self._ending.is_set():
                sock.close()
                return
            thread = threading.Thread(target=self._play, args=(script, peer), daemon=True)
            self._playing.append(thread)
            thread.start()

    def _play(self, script: Script, peer: Peer) -> None:
        with peer.socket as sock:
            if self._tls is not None:
                secured = self._tls.wrap_socket(
                    sock, server_side=True, do_handshake_on_connect=False
                )
                # From here on `close` can end it.
                peer.socket = secured
                try:
                    secured.do_handshake()
                except (OSError, ValueError):
                    self.refused += 1
                    secured.close()
                    return
            with peer.socket:
                if self._ending.is_set():
                    return
                try:
                    script(peer)
                    peer.farewell()
                except Gone:
                    pass
                except BaseException as failure:
                    self._failures.append(failure)
