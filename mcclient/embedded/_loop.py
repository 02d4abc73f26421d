"""The sockets of a server: one loop in one thread, any number of connections.

Knows when bytes can be read and written, and `ServerConnection` what they mean; who answers is an
argument.  Nothing here waits but the selector, and nothing that a peer does, or fails to do, takes
more than its own connection down.
"""

from __future__ import annotations

import selectors
import socket
import sys
from collections import deque
from time import monotonic

from mcproto import CLOSED, NEED_DATA, ServerConnection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable
    from typing import TypeAlias

    from mcproto import BadRequest, Command, Reply

    from ._failures import Failure

    # The reply to what was asked, and what goes wrong on its way.
    Answer: TypeAlias = Callable[[Command[object] | BadRequest], tuple[Reply, Failure | None]]

__all__ = ["Loop"]

MAX_CONNECTIONS = 1024

_RECEIVE_SIZE = 65536
# With more than this unsent a peer is neither answered nor read from until it has read itself.
_MOST_UNSENT = 256 * 1024
# How long nobody is accepted, in seconds, once we are out of file descriptors.
_PAUSE = 0.05


class _Peer:
    """One connection.

    Attributes:
        unsent: what is still to be written, in pieces.
        unsent_size: how many bytes that is.
        resumes: until then, by the monotonic clock, it is left alone; 0: it is not.
        is_ending: nothing more is answered; it is closed once all is written.
        interest: the events that the selector looks for.
    """

    __slots__ = (
        "connection",
        "interest",
        "is_ending",
        "resumes",
        "sock",
        "unsent",
        "unsent_size",
    )

    def __init__(self, sock: socket.socket, max_value: int, like: str) -> None:
        self.sock = sock
        self.connection = ServerConnection(like=like, max_value=max_value)
        self.unsent: deque[bytes | memoryview] = deque()
        self.unsent_size = 0
        self.resumes = 0.0
        self.is_ending = False
        self.interest = 0

    def put(self, data: bytes) -> None:
        if data:
            self.unsent.append(data)
            self.unsent_size += len(data)

    @property
    def is_finished(self) -> bool:
        return not (self.unsent or self.resumes) and (self.is_ending or self.connection.must_close)

    @property
    def is_full(self) -> bool:
        return self.unsent_size >= _MOST_UNSENT


class Loop:
    """Serves whoever connects, until it is stopped.

    Args:
        listener: a listening socket. It stays open when the loop ends.
        answer: who answers.
        refuses: asked at every new connection: whether to close it at once.
        max_value: the largest value that is read, in bytes.
        traffic: where connections and bytes are counted, by their names in ``stats``.
        like: the server to imitate.
    """

    def __init__(
        self,
        listener: socket.socket,
        answer: Answer,
        refuses: Callable[[], bool],
        max_value: int,
        traffic: Counter[str],
        like: str = "1.6.45",
    ) -> None:
        self._listener = listener
        self._answer = answer
        self._refuses = refuses
        self._max_value = max_value
        self._traffic = traffic
        self._like = like
        self._peers: set[_Peer] = set()
        self._paused: set[_Peer] = set()
        self._accepts_at: float | None = None  # None: it does now
        self._is_stopped = False
        self._selector = selectors.DefaultSelector()
        self._waker, self._alarm = socket.socketpair()
        self._alarm.setblocking(False)
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(self._alarm, selectors.EVENT_READ)

    def stop(self) -> None:
        """Make `run` end. From any thread, once."""
        self._is_stopped = True
        try:
            self._waker.send(b"\0")
        except OSError:
            pass  # the loop has seen it by itself, and is gone

    def run(self) -> None:
        """Serve until `stop`, then close every connection."""
        try:
            while not self._is_stopped:
                for key, events in self._selector.select(self._patience()):
                    if isinstance(key.data, _Peer):
                        self._attend(key.data, events)
                    elif key.fileobj is self._listener:
                        self._accept()
                self._wake_up(monotonic())
        finally:
            for peer in [*self._peers]:
                self._drop(peer)
            self._selector.close()
            self._waker.close()
            self._alarm.close()

    # ------------------------------------------------------------------------------------- time

    def _patience(self) -> float | None:
        moments = [peer.resumes for peer in self._paused]
        if self._accepts_at is not None:
            moments.append(self._accepts_at)
        return max(min(moments) - monotonic(), 0) if moments else None

    def _wake_up(self, now: float) -> None:
        if self._accepts_at is not None and self._accepts_at <= now:
            self._accepts_at = None
            self._selector.register(self._listener, selectors.EVENT_READ)
        for peer in [peer for peer in self._paused if peer.resumes <= now]:
            self._paused.discard(peer)
            peer.resumes = 0.0
            self._attend(peer, 0)

    # ------------------------------------------------------------------------------ connections

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:
                # Out of file descriptors, most likely: who wants to connect can wait, but must not
                # keep us from waiting.
                self._selector.unregister(self._listener)
                self._accepts_at = monotonic() + _PAUSE
                return
            self._traffic["total_connections"] += 1
            if self._refuses():
                sock.close()
            elif len(self._peers) >= MAX_CONNECTIONS:
                self._traffic["rejected_connections"] += 1
                with sock:
                    sock.setblocking(False)
                    sock.send(b"ERROR Too many open connections\r\n")
            else:
                self._welcome(sock)

    def _welcome(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        if sock.family != getattr(socket, "AF_UNIX", None):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = _Peer(sock, self._max_value, self._like)
        self._peers.add(peer)
        self._traffic["curr_connections"] += 1
        self._look_for(peer, selectors.EVENT_READ)

    def _drop(self, peer: _Peer) -> None:
        self._look_for(peer, 0)
        self._peers.discard(peer)
        self._paused.discard(peer)
        self._traffic["curr_connections"] -= 1
        peer.sock.close()

    def _look_for(self, peer: _Peer, interest: int) -> None:
        if interest == peer.interest:
            return
        if not interest:
            self._selector.unregister(peer.sock)
        elif not peer.interest:
            self._selector.register(peer.sock, interest, peer)
        else:
            self._selector.modify(peer.sock, interest, peer)
        peer.interest = interest

    # ------------------------------------------------------------------------------------ bytes

    def _attend(self, peer: _Peer, events: int) -> None:
        """Do for a peer what can be done, and say what to wait for."""
        try:
            if events & selectors.EVENT_READ:
                self._read(peer)
            self._serve(peer)
        except OSError:
            self._drop(peer)
            return
        except Exception as error:
            # A mistake of ours, or memory that a request was too large for. The others go on.
            sys.excepthook(type(error), error, error.__traceback__)
            self._drop(peer)
            return
        if peer.is_finished:
            self._drop(peer)
        elif peer.resumes:
            self._look_for(peer, 0)
        else:
            reads = not (peer.is_full or peer.is_ending or peer.connection.must_close)
            self._look_for(
                peer,
                (selectors.EVENT_READ if reads else 0)
                | (selectors.EVENT_WRITE if peer.unsent else 0),
            )

    def _read(self, peer: _Peer) -> None:
        try:
            data = peer.sock.recv(_RECEIVE_SIZE)
        except BlockingIOError:
            return
        self._traffic["bytes_read"] += len(data)
        peer.connection.receive_data(data)

    def _serve(self, peer: _Peer) -> None:
        """Answer and write in turn, until there is nothing to answer or the peer does not read."""
        while True:
            goes_on = self._answer_some(peer)
            self._write(peer)
            if not goes_on or peer.is_full:
                return

    def _answer_some(self, peer: _Peer) -> bool:
        """Answer until enough is unsent. Whether there may be more to answer."""
        connection = peer.connection
        while not peer.is_full:
            if peer.resumes or peer.is_ending:
                return False
            event = connection.next_event()
            if event is NEED_DATA or event is CLOSED:
                return False
            reply, failure = self._answer(event)
            data = connection.send(reply)
            if failure is None:
                peer.put(data)
            elif failure.kind == "delay":
                self._write(peer)
                peer.put(data)
                peer.resumes = monotonic() + failure.seconds
                self._paused.add(peer)
            else:
                peer.is_ending = True
                if failure.kind == "cut":
                    peer.put(data[: len(data) // 2])
        return True

    def _write(self, peer: _Peer) -> None:
        if peer.resumes:
            return
        if len(peer.unsent) > 1:
            # One system call for the replies to a pipeline.
            peer.unsent = deque([b"".join(peer.unsent)])
        while peer.unsent:
            data = peer.unsent[0]
            try:
                sent = peer.sock.send(data)
            except BlockingIOError:
                return
            self._traffic["bytes_written"] += sent
            peer.unsent_size -= sent
            if sent < len(data):
                peer.unsent[0] = memoryview(data)[sent:]
            else:
                peer.unsent.popleft()
