"""A server that does as it is told, byte for byte: silent, slow, rude, or plainly wrong.

Real sockets and threads, so that every transport meets the same thing.  Knows as much of the
protocol as it takes to tell where one request ends, and nothing of mcproto and mcclient, so that
it cannot share their mistakes.
"""

from __future__ import annotations

import atexit
import contextlib
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterable
from types import TracebackType

Script = Callable[["Peer"], object]

# Far above what anything here takes, far below a test's time-out.
PATIENCE = 20.0


class Gone(Exception):
    """The client has closed the connection, or the server is closing. Ends a script."""


class Request:
    """One request as it came.

    Attributes:
        line: without its line end.
        words: of the line.
        value: of a storage command, else None.
        data: all of it.
    """

    def __init__(self, line: bytes, value: bytes | None) -> None:
        self.line = line
        self.words = line.split()
        self.value = value
        self.data = line + b"\r\n" + (b"" if value is None else value + b"\r\n")

    @property
    def opaque(self) -> bytes:
        """The argument of a meta request's O flag."""
        return next((word[1:] for word in self.words[2:] if word[:1] == b"O"), b"")

    def fill(self, reply: bytes) -> bytes:
        """*reply* with this request's opaque for ``<O>`` and its key for ``<K>``."""
        key = self.words[1] if len(self.words) > 1 else b""
        return reply.replace(b"<O>", self.opaque).replace(b"<K>", key)


class Peer:
    """A connection, seen from the server."""

    def __init__(self, sock: socket.socket, ending: threading.Event) -> None:
        self._socket = sock
        self._ending = ending
        self._unread = bytearray()
        self.received = bytearray()

    def request(self) -> Request:
        """The next request. Raises Gone if there will be none."""
        line = self._line()
        words = line.split()
        value = None
        if words[:1] == [b"ms"]:
            value = self._block(int(words[2]))
        elif words and words[0] in (b"set", b"add", b"replace", b"append", b"prepend", b"cas"):
            value = self._block(int(words[4]))
        return Request(line, value)

    def greet(self) -> None:
        """Answer the question that a client opens with as a memcached would."""
        self.answer_hello(self.request())

    def answer_hello(self, request: Request) -> None:
        self.send({b"mn": b"MN\r\n", b"version": b"VERSION 1.6.45\r\n"}[request.line])

    def send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError:
            raise Gone from None

    def dribble(self, data: bytes, pause: float) -> None:
        """One byte at a time, with *pause* seconds before each."""
        for start in range(len(data)):
            if self._ending.wait(pause):
                raise Gone
            self.send(data[start : start + 1])

    def swallow(self) -> None:
        """Read, and never answer."""
        with contextlib.suppress(Gone):
            while True:
                self._receive()

    def hold(self) -> None:
        """Neither read nor answer, until the server is closed."""
        self._ending.wait(PATIENCE)

    def farewell(self) -> None:
        """Over TLS, announce the end, as well-behaved servers do before they close."""
        if isinstance(self._socket, ssl.SSLSocket):
            # It would wait for the client's, who says none.
            with contextlib.suppress(OSError, ValueError):
                self._socket.settimeout(0.01)
                self._socket.unwrap()

    def finish(self) -> None:
        """Send the end of file, and read on. (Over TLS that end cannot be told from a cut.)"""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            raise Gone from None

    def reset(self) -> None:
        """End the connection by a reset, not an orderly close."""
        linger = struct.pack("ii", 1, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._socket.close()

    def close(self) -> None:
        """End the connection. What has not been read makes it a reset."""
        self._socket.close()

    def _line(self) -> bytes:
        looked_at = 0
        while (end := self._unread.find(b"\r\n", looked_at)) < 0:
            looked_at = max(0, len(self._unread) - 1)
            self._receive()
        line = bytes(self._unread[:end])
        del self._unread[: end + 2]
        return line

    def _block(self, size: int) -> bytes:
        while len(self._unread) < size + 2:
            self._receive()
        block = bytes(self._unread[:size])
        del self._unread[: size + 2]
        return block

    def _receive(self) -> None:
        try:
            data = self._socket.recv(65536)
        except OSError:
            raise Gone from None
        if not data:
            raise Gone
        self._unread += data
        self.received += data


class ScriptedServer:
    """Plays a script for each connection: the first for the first; the last one, for the rest too.

    Args:
        scripts: called with a `Peer`, each in a thread of its own. When it returns, the connection
            is closed.
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
        self._scripts = scripts
        self._ending = threading.Event()
        self._threads: list[threading.Thread] = []
        self._failures: list[BaseException] = []
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
        self._start(self._accept)

    def received(self) -> bytes:
        """All bytes from all connections, in the order of the connections."""
        return b"".join([bytes(peer.received) for peer in self.peers])

    def close(self) -> None:
        """End all connections. Raises what a script has raised."""
        self._ending.set()
        # Closing alone would not wake who waits in accept() or recv().
        for sock in [self._listener, *[peer._socket for peer in self.peers]]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        self._listener.close()
        for failure in self._failures:
            raise failure

    def __enter__(self) -> ScriptedServer:
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
            script = self._scripts[min(len(self.peers), len(self._scripts) - 1)]
            self.peers.append(peer)
            if self._ending.is_set():
                sock.close()
                return
            self._start(self._play, script, peer)

    def _play(self, script: Script, peer: Peer) -> None:
        with peer._socket as sock:
            if self._tls is not None:
                secured = self._tls.wrap_socket(
                    sock, server_side=True, do_handshake_on_connect=False
                )
                # From here on `close` can end it.
                peer._socket = secured
                try:
                    secured.do_handshake()
                except (OSError, ValueError):
                    self.refused += 1
                    secured.close()
                    return
            with peer._socket:
                if self._ending.is_set():
                    return
                try:
                    script(peer)
                    peer.farewell()
                except Gone:
                    pass
                except BaseException as failure:
                    self._failures.append(failure)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()


# ---------------------------------------------------------------------------------------- scripts


def replies(*answers: bytes, hello: bool = True) -> Script:
    """Answers each request in turn, then nothing more. See `Request.fill` for what they may hold.

    ``b""`` is no answer. With *hello*, the opening question is answered first as it should be.
    """
    return saying(lambda: iter(answers), hello)


def always(answer: bytes, hello: bool = True) -> Script:
    """Answers every request alike."""
    return saying(lambda: iter(lambda: answer, None), hello)


def saying(answers: Callable[[], Iterable[bytes]], hello: bool = True) -> Script:
    def script(peer: Peer) -> None:
        if hello:
            peer.greet()
        for answer in answers():
            peer.send(peer.request().fill(answer))
        peer.swallow()

    return script


def then_close(*answers: bytes, hello: bool = True) -> Script:
    """Answers each request in turn, and with the last answer comes the end."""

    def script(peer: Peer) -> None:
        if hello:
            peer.greet()
        for answer in answers:
            peer.send(peer.request().fill(answer))

    return script


def silence(peer: Peer) -> None:
    """Reads, and says nothing, not even hello."""
    peer.swallow()


def polite_silence(peer: Peer) -> None:
    """Says hello, and nothing more."""
    peer.greet()
    peer.swallow()


def closing(peer: Peer) -> None:
    """Closes as soon as it has accepted."""


def resetting(peer: Peer) -> None:
    """Resets as soon as it has accepted."""
    peer.reset()


def saying_first(data: bytes) -> Script:
    """Speaks before it is asked, then closes."""

    def script(peer: Peer) -> None:
        peer.send(data)
        # In order: bytes that are left unread would turn the end into a reset.
        peer.finish()
        peer.swallow()

    return script


def _bound() -> socket.socket:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    atexit.register(sock.close)
    return sock


# Ports that are taken and not listened at: whoever connects there is refused.
_TAKEN = [_bound() for _ in range(2)]
NOBODY, NOBODY_ELSE = (f"127.0.0.1:{sock.getsockname()[1]}" for sock in _TAKEN)


class Prompted:
    """A script that answers what it has been told to, whichever connection asks.

    Attributes:
        asked: the requests there have been, but for the opening questions.
    """

    def __init__(self) -> None:
        self._answers: deque[bytes] = deque()
        self.asked: list[Request] = []

    def say(self, *answers: bytes) -> None:
        """The answers to the next requests."""
        assert not self._answers, f"unasked so far: {self._answers}"
        self._answers.extend(answers)

    def __call__(self, peer: Peer) -> None:
        peer.greet()
        while True:
            request = peer.request()
            self.asked.append(request)
            peer.send(request.fill(self._answers.popleft()))
