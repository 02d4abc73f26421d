"""A proxy between a client and a memcached that does to what passes what it is told.

Real sockets and threads.  It knows where requests and replies end, in text and in binary, and
otherwise lets them pass as they are; nothing here knows `mcproto` and the clients.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Literal, Self, TypeAlias

from ._framing import reply_size, request_size
from ._scripted import PATIENCE, Gone, reset

__all__ = ["Fault", "FaultProxy", "Passing"]

_Kind: TypeAlias = Literal["connection", "request", "reply"]


class Passing:
    """A request or a reply on its way through a `FaultProxy`, or a connection that has come.

    It is what a fault is given.  A message that it does not `forward` goes no further.

    Attributes:
        kind: ``"connection"``, ``"request"`` or ``"reply"``.
        data: all of the message, untouched; of a connection ``b""``.
    """

    def __init__(self, wire: _Wire, kind: _Kind, data: bytes) -> None:
        self._wire = wire
        self.kind: _Kind = kind
        self.data = data

    def forward(self, data: bytes | None = None) -> None:
        """Send on the message, or *data* in its place. Raises `Gone` if nobody is there.

        (Of a connection there is nothing to be sent.)
        """
        if self.kind == "connection":
            return
        to_client = self.kind == "reply"
        self._wire.send(self.data if data is None else data, to_client)

    def answer(self, data: bytes) -> None:
        """Send *data* to the client, whichever way the message goes. Raises `Gone` likewise."""
        self._wire.send(data, to_client=True)

    def wait(self, seconds: float) -> None:
        """Let so much time pass. Raises `Gone` if the connection or the proxy ends meanwhile."""
        if self._wire.over.wait(seconds):
            raise Gone

    def drain(self) -> None:
        """Read what comes in this direction, and forward none of it, until it ends."""
        self._wire.drain(from_client=self.kind != "reply")
        raise Gone

    def finish(self) -> None:
        """Send the end of file in the direction of the message, and go on with the other one."""
        self._wire.finish(to_client=self.kind == "reply")

    def close(self) -> None:
        """End the connection on both sides in an orderly way, and the fault with it."""
        self._wire.end()
        raise Gone

    def reset(self) -> None:
        """End the connection by a reset on the client's side, and the fault with it."""
        self._wire.end(by_reset=True)
        raise Gone


Fault: TypeAlias = Callable[[Passing], object]
"""What is done to one message or connection. `faults` has those that are needed again and again.

It may block: what comes after in the same direction waits, the other direction goes on.
"""


class FaultProxy:
    """Lets everything pass between clients and a server, but for what it is told to disturb.

    ::

        with MemoryServer() as server, FaultProxy(server.address) as proxy:
            mc = mcclient.Client(proxy.address)
            mc.set("k", "v")
            proxy.on_reply(faults.cut(5))
            mc.get("k")  # asked once more, on a new connection

    Each fault is used up by the next connection, request or reply, whichever it is for; several
    are taken in the order in which they were told.  It listens from the start; `close`, or the end
    of a ``with`` block, ends everything.

    Args:
        server: where the memcached listens: ``"host:port"``, ``("host", port)`` or a path.
        raw: do not look where requests and replies end: what comes at once is one. So it is with
            TLS, which passes through as it is, since nothing here can read it.

    Attributes:
        address: what a client is given: ``"127.0.0.1:port"``.
        place: the same for a transport: ``("127.0.0.1", port)``.
        connections: how many connections have come.
        requests, replies: how many have come in.
    """

    def __init__(self, server: str | tuple[str, int], *, raw: bool = False) -> None:
        self._server = _place_of(server)
        self._size_of = (_all_of_it, _all_of_it) if raw else (request_size, reply_size)
        self._told: dict[_Kind, deque[tuple[Fault, int | None]]] = {
            "connection": deque(),
            "request": deque(),
            "reply": deque(),
        }
        self._counts: dict[_Kind, int] = {"connection": 0, "request": 0, "reply": 0}
        self._lock = threading.Lock()
        self._wires: list[_Wire] = []
        self._failures: list[BaseException] = []
        self._serving: list[threading.Thread] = []
        self._listener: socket.socket | None = None
        port = self._listen(0)
        self.place: tuple[str, int] = "127.0.0.1", port
        self.address = f"127.0.0.1:{port}"

    @property
    def connections(self) -> int:
        return self._counts["connection"]

    @property
    def requests(self) -> int:
        return self._counts["request"]

    @property
    def replies(self) -> int:
        return self._counts["reply"]

    # ------------------------------------------------------------------------------ what to do

    def on_connection(self, fault: Fault, times: int | None = 1) -> None:
        """Do this to the next connections, before anything passes. *times*: None is for ever.

        If the fault leaves the connection as it is, it is served then.
        """
        self._told["connection"].append((fault, times))

    def on_request(self, fault: Fault, times: int | None = 1) -> None:
        """Do this to the next requests, of whichever connection. *times*: None is for ever."""
        self._told["request"].append((fault, times))

    def on_reply(self, fault: Fault, times: int | None = 1) -> None:
        """Do this to the next replies, of whichever connection. *times*: None is for ever."""
        self._told["reply"].append((fault, times))

    def calm(self) -> None:
        """Forget all faults that have not been used up."""
        for told in self._told.values():
            told.clear()

    def inject(self, data: bytes) -> None:
        """Send *data* to all clients that are connected, unasked, between two replies."""
        for wire in self._wires[:]:
            with contextlib.suppress(Gone):
                wire.send(data, to_client=True)

    def sever(self, *, by_reset: bool = True) -> None:
        """End all connections, as the end of a server's process does; who comes next is served."""
        for wire in self._wires[:]:
            wire.end(by_reset)

    def refuse(self) -> None:
        """From now on nobody listens here: who connects is refused. See `serve_again`."""
        with self._lock:
            listener, self._listener = self._listener, None
        if listener is not None:
            # Closing alone would not wake who waits in accept().
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            self._accepting.join(PATIENCE)
            listener.close()

    def serve_again(self) -> None:
        """Listen again, at the same address."""
        if self._listener is None:
            self._listen(self.place[1])

    def close(self) -> None:
        """End everything. Raises what a fault has raised, if it was not `Gone`."""
        self.refuse()
        self.sever(by_reset=False)
        for thread in self._serving:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a fault does not end"
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

    # ---------------------------------------------------------------------------- how it is done

    def _listen(self, port: int) -> int:
        listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self._listener = listener
        self._accepting = threading.Thread(target=self._accept, args=(listener,), daemon=True)
        self._accepting.start()
        chosen: int = listener.getsockname()[1]
        return chosen

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wire = _Wire(sock)
            with self._lock:
                if self._listener is not listener:
                    wire.end()
                    return
                self._wires.append(wire)
                self._serving = [thread for thread in self._serving if thread.is_alive()]
                thread = threading.Thread(target=self._serve, args=(wire,), daemon=True)
                self._serving.append(thread)
                thread.start()

    def _serve(self, wire: _Wire) -> None:
        try:
            self._do(wire, "connection", b"")
            if isinstance(self._server, str):
                server = socket.socket(socket.AF_UNIX)
            else:
                server = socket.socket(_family(self._server[0]))
                server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wire.server = server
            server.settimeout(PATIENCE)
            server.connect(self._server)
            server.settimeout(None)
            back = threading.Thread(
                target=self._pump, args=(wire, "reply", server, self._size_of[1]), daemon=True
            )
            back.start()
            self._pump(wire, "request", wire.client, self._size_of[0])
            back.join()
        except (Gone, OSError):
            pass
        except BaseException as failure:
            self._failures.append(failure)
        finally:
            wire.end()
            with self._lock:
                self._wires.remove(wire)

    def _pump(
        self,
        wire: _Wire,
        kind: _Kind,
        source: socket.socket,
        size_of: Callable[[bytearray], int | None],
    ) -> None:
        """Everything that comes from *source*, one message after the other, until it ends."""
        unread = bytearray()
        try:
            while True:
                size = size_of(unread)
                if size is not None:
                    data = bytes(unread[:size])
                    del unread[:size]
                    self._do(wire, kind, data)
                    continue
                data = source.recv(65536)
                if not data:
                    break
                unread += data
            if unread:
                wire.send(bytes(unread), to_client=kind == "reply")
            wire.finish(to_client=kind == "reply")
        except (Gone, OSError):
            wire.end()
        except BaseException as failure:
            self._failures.append(failure)
            wire.end()

    def _do(self, wire: _Wire, kind: _Kind, data: bytes) -> None:
        passing = Passing(wire, kind, data)
        fault = self._next(kind)
        if fault is not None:
            fault(passing)
        elif data:
            passing.forward()

    def _next(self, kind: _Kind) -> Fault | None:
        with self._lock:
            self._counts[kind] += 1
            told = self._told[kind]
            if not told:
                return None
            fault, times = told[0]
            if times is not None:
                if times > 1:
                    told[0] = fault, times - 1
                else:
                    told.popleft()
            return fault


class _Wire:
    """A client's connection and the one to the server that belongs to it.

    Attributes:
        over: set when it is at its end.
    """

    def __init__(self, client: socket.socket) -> None:
        self.client = client
        self.server: socket.socket | None = None
        self.over = threading.Event()
        self._sending = threading.Lock()
        self._ending = threading.Lock()

    def send(self, data: bytes, to_client: bool) -> None:
        sock = self.client if to_client else self.server
        if sock is None or self.over.is_set():
            raise Gone
        try:
            if to_client:
                with self._sending:
                    sock.sendall(data)
            else:
                sock.sendall(data)
        except OSError:
            raise Gone from None

    def drain(self, from_client: bool) -> None:
        sock = self.client if from_client else self.server
        try:
            while sock is not None and sock.recv(65536):
                pass
        except OSError:
            pass

    def finish(self, to_client: bool) -> None:
        sock = self.client if to_client else self.server
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_WR)

    def end(self, by_reset: bool = False) -> None:
        with self._ending:
            if self.over.is_set():
                return
            self.over.set()
            for sock in [self.client, self.server]:
                if sock is None:
                    continue
                # To wake who is reading here: as long as he does, closing has no effect.
                how = socket.SHUT_RD if by_reset else socket.SHUT_RDWR
                with contextlib.suppress(OSError):
                    sock.shutdown(how)
                if by_reset:
                    reset(sock)
                else:
                    sock.close()


def _all_of_it(received: bytes | bytearray) -> int | None:
    return len(received) or None


def _place_of(server: str | tuple[str, int]) -> str | tuple[str, int]:
    if isinstance(server, str) and "/" not in server:
        host, _, port = server.rpartition(":")
        return host.strip("[]"), int(port)
    return server


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
