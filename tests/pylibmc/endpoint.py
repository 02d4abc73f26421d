"""A server that says the same to whoever connects, or follows a rule, in pieces of a size."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from types import TracebackType


class Endpoint:
    """Listens on the loopback interface, and answers every line that ends a request.

    Args:
        answer: what is said, or a function from the request's line to it. ``b""`` closes the
            connection, None is silence.
        size: how many bytes are sent at a time.

    Attributes:
        address: ``"host:port"``.
        requests: the lines that have come, in order.
    """

    def __init__(
        self, answer: bytes | Callable[[bytes], bytes | None] | None, size: int = 1 << 20
    ) -> None:
        self._answer = answer
        self._size = size
        self.requests: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        host, port = self._socket.getsockname()
        self.address = f"{host}:{port}"
        self._connections: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            received = b""
            while data := connection.recv(65536):
                received += data
                while b"\r\n" in received:
                    line, _, received = received.partition(b"\r\n")
                    words = line.split()
                    if words and words[0] in (b"set", b"add", b"cas", b"append"):
                        size = int(words[4]) + 2
                        while len(received) < size:
                            received += connection.recv(65536)
                        received = received[size:]
                    self.requests.append(line)
                    answer = self._answer(line) if callable(self._answer) else self._answer
                    if answer == b"":
                        connection.close()
                        return
                    for at in range(0, len(answer or b""), self._size):
                        connection.sendall((answer or b"")[at : at + self._size])
        except OSError:
            pass  # the client has gone

    def close(self) -> None:
        self._socket.close()
        for connection in self._connections:
            connection.close()

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
