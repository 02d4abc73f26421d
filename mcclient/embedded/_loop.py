"""The sockets of a server: one loop in one thread, any number of connections.

Knows when bytes can be read and written; what they mean is `_peer`'s business, and who answers is
an argument.  Nothing here waits but the selector, and nothing that a peer does, or fails to do,
takes more than its own connection down.
"""

from __future__ import annotations

import selectors
import socket
import sys
from time import monotonic

from mcproto._record import Record

from ._peer import Peer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator
    from typing import Any

    from mcproto import ServerConnection

    from ._clock import Clock
    from ._datagrams import Datagrams
    from ._logs import Logs
    from ._options import Options
    from ._peer import Answer
    from ._tls import TlsSocket

__all__ = ["Loop", "Seen"]

_RECEIVE_SIZE = 65536
# How long nobody is accepted, in seconds, once we are out of file descriptors.
_PAUSE = 0.05
# How often it is looked, in seconds, who is idle or does not read.
_ROUND = 0.25

_TOO_MANY = b"ERROR Too many open connections\r\n"


class Seen(Record):
    """A socket, as statistics show it.

    Attributes:
        number: of its file descriptor.
        address: where it listens, or where the peer is.
        listener: where the peer came in; ``""``: it is none.
        state: memcached's word for what it does.
        idle: for how many seconds nothing has been asked.
    """

    __slots__ = ("address", "idle", "listener", "number", "state")
    __match_args__ = ("number", "address", "listener", "state", "idle")

    def __init__(self, number: int, address: str, listener: str, state: str, idle: int = 0) -> None:
        self.number = number
        self.address = address
        self.listener = listener
        self.state = state
        self.idle = idle


class _Link(Peer):
    """A connection with its socket.

    Attributes:
        sock: not blocking.
        interest: the events that the selector looks for.
        blocked: since when it has not read what it was sent, by the monotonic clock; 0: it reads.
        place: where it comes from, as statistics show it.
    """

    __slots__ = ("blocked", "interest", "place", "sock")

    def __init__(
        self,
        sock: socket.socket | TlsSocket,
        connection: ServerConnection,
        answer: Answer,
        now: float,
        place: str,
    ) -> None:
        super().__init__(connection, answer, now, sock.fileno())
        self.sock = sock
        self.interest = 0
        self.blocked = 0.0
        self.place = place


class Loop:
    """Serves whoever connects, until it is stopped.

    Args:
        listener: a listening socket. It stays open when the loop ends.
        datagrams: what is received beside it, or None.
        answer: who answers.
        refuses: asked at every new connection: whether to close it at once.
        options: of the server.
        clock: the server's.
        traffic: where connections and bytes are counted, by their names in ``stats``.
        logs: what is told of connections, and to whom.
    """

    def __init__(
        self,
        listener: socket.socket,
        datagrams: Datagrams | None,
        answer: Answer,
        refuses: Callable[[], bool],
        options: Options,
        clock: Clock,
        traffic: Counter[str],
        logs: Logs,
    ) -> None:
        self._listener = listener
        self._datagrams = datagrams
        self._answer = answer
        self._refuses = refuses
        self._options = options
        self._clock = clock
        self._traffic = traffic
        self._logs = logs
        self._links: set[_Link] = set()
        self._paused: set[_Link] = set()
        self._accepts_at: float | None = None  # None: it does now, or waits for somebody to leave
        self._is_full = False
        self._next_round = 0.0
        self._is_stopped = False
        self._is_local = listener.family not in (socket.AF_INET, socket.AF_INET6)
        self._place = ("unix:" if self._is_local else "tcp:") + _place(listener.getsockname())
        self._selector = selectors.DefaultSelector()
        self._waker, self._alarm = socket.socketpair()
        self._alarm.setblocking(False)
        self._waker.setblocking(False)
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ)
        if datagrams is not None:
            self._selector.register(datagrams.sock, selectors.EVENT_READ)
        self._selector.register(self._alarm, selectors.EVENT_READ)

    def stop(self) -> None:
        """Make `run` end. From any thread."""
        self._is_stopped = True
        self.wake()

    def wake(self) -> None:
        """Make it look whether there is something to do. From any thread."""
        try:
            self._waker.send(b"\0")
        except OSError:
            pass  # it is awake, or has ended

    def run(self) -> None:
        """Serve until `stop`, then close every connection."""
        try:
            while not self._is_stopped:
                for key, events in self._selector.select(self._patience()):
                    if isinstance(key.data, _Link):
                        self._attend(key.data, events)
                    elif key.fileobj is self._listener:
                        self._accept()
                    elif key.fileobj is self._alarm:
                        self._alarm.recv(_RECEIVE_SIZE)
                    else:
                        self._receive()
                if self._logs.watchers:
                    self._deliver()
                if self._paused or self._accepts_at is not None:
                    self._wake_up(monotonic())
                if self._next_round:
                    self._look_round(monotonic())
        finally:
            for link in [*self._links]:
                self._drop(link, "")
            self._selector.close()
            self._waker.close()
            self._alarm.close()

    def connections(self) -> Iterator[Seen]:
        """What there is to say of each socket. From any thread."""
        yield Seen(self._listener.fileno(), self._place, "", "conn_listening")
        if self._datagrams is not None:
            sock = self._datagrams.sock
            yield Seen(sock.fileno(), "udp:" + _place(sock.getsockname()), "", "conn_read")
        now = self._clock.now
        for link in [*self._links]:
            state = "conn_watch" if link in self._logs.watchers else "conn_parse_cmd"
            yield Seen(link.number, link.place, self._place, state, int(now - link.heard))

    # ------------------------------------------------------------------------------------- time

    def _patience(self) -> float | None:
        moments = [link.resumes for link in self._paused]
        if self._accepts_at is not None:
            moments.append(self._accepts_at)
        if self._next_round:
            moments.append(self._next_round)
        return max(min(moments) - monotonic(), 0) if moments else None

    def _wake_up(self, now: float) -> None:
        if self._accepts_at is not None and self._accepts_at <= now:
            self._accepts_at = None
            self._selector.register(self._listener, selectors.EVENT_READ)
        for link in [link for link in self._paused if link.resumes <= now]:
            self._paused.discard(link)
            link.resume()
            self._attend(link, 0)

    def _look_round(self, now: float) -> None:
        """Drop who is idle for too long, and who does not read what he was sent."""
        if now < self._next_round:
            return
        idle_timeout = self._options.idle_timeout
        moment = self._clock.now - idle_timeout
        for link in [*self._links]:
            if link.blocked and link.blocked <= now - self._options.send_timeout:
                self._drop(link, "write_timeout")
            elif idle_timeout and link.heard <= moment and link not in self._logs.watchers:
                self._traffic["idle_kicks"] += 1
                self._drop(link, "idle_timeout")
        goes_on = self._links and (idle_timeout or any(link.blocked for link in self._links))
        self._next_round = now + _ROUND if goes_on else 0.0

    # ------------------------------------------------------------------------------ connections

    def _accept(self) -> None:
        while True:
            is_full = len(self._links) >= self._options.most_connections
            if is_full and not self._options.rejects:
                # Who wants to connect waits until somebody leaves.
                self._selector.unregister(self._listener)
                self._is_full = True
                self._traffic["listen_disabled_num"] += 1
                return
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
            elif is_full:
                self._traffic["rejected_connections"] += 1
                self._send_away(sock)
            else:
                self._welcome(sock)

    def _send_away(self, sock: socket.socket) -> None:
        with sock:
            try:
                sock.setblocking(False)
                sock.send(_TOO_MANY)
                # What he has said already would make a reset of the end, and take this along.
                sock.shutdown(socket.SHUT_WR)
                sock.recv(_RECEIVE_SIZE)
            except OSError:
                pass

    def _welcome(self, sock: socket.socket) -> None:
        try:
            sock.setblocking(False)
            if not self._is_local:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            options = self._options
            place = self._place if self._is_local else "tcp:" + _place(sock.getpeername())
            stream = options.secured(sock)
            link = _Link(stream, options.new_connection(), self._answer, self._clock.now, place)
        except OSError:
            sock.close()  # he has gone already
            return
        self._links.add(link)
        self._traffic["curr_connections"] += 1
        self._look_for(link, selectors.EVENT_READ)
        if options.idle_timeout:
            self._next_round = self._next_round or monotonic() + _ROUND
        if self._logs.watchers:
            self._tell(link, b"conn_new", b"")

    def _drop(self, link: _Link, why: str) -> None:
        self._look_for(link, 0)
        self._links.discard(link)
        self._paused.discard(link)
        self._logs.forget(link)
        self._traffic["curr_connections"] -= 1
        link.sock.close()
        if self._is_full:
            self._is_full = False
            self._selector.register(self._listener, selectors.EVENT_READ)
        if self._logs.watchers:
            self._tell(link, b"conn_close", b" reason=%b" % why.encode())

    def _tell(self, link: _Link, what: bytes, why: bytes) -> None:
        rip, _, rport = link.place.partition(":")[2].rpartition(":")
        address = (what, rip.encode(), int(rport) if rport.isdigit() else 0)
        transport = link.place.partition(":")[0].encode()
        self._logs.write(
            "connevents",
            b"type=%b rip=%b rport=%d" % address
            + b" transport=%b%b cfd=%d" % (transport, why, link.number),
        )

    def _look_for(self, link: _Link, interest: int) -> None:
        if interest == link.interest:
            return
        if not interest:
            self._selector.unregister(link.sock)
        elif not link.interest:
            self._selector.register(link.sock, interest, link)
        else:
            self._selector.modify(link.sock, interest, link)
        link.interest = interest

    # ------------------------------------------------------------------------------------ bytes

    def _attend(self, link: _Link, events: int) -> None:
        """Do for a peer what can be done, and say what to wait for."""
        try:
            if events & selectors.EVENT_READ:
                self._read(link)
            self._serve(link)
        except OSError:
            self._drop(link, "error")
            return
        except Exception as error:
            # A mistake of ours, or memory that a request was too large for. The others go on.
            sys.excepthook(type(error), error, error.__traceback__)
            self._drop(link, "error")
            return
        if link.is_finished:
            self._drop(link, "error" if link.connection.is_broken else "normal")
        else:
            reads = not (
                link.resumes or link.is_full or link.is_ending or link.connection.must_close
            )
            self._look_for(
                link,
                (selectors.EVENT_READ if reads else 0)
                | (selectors.EVENT_WRITE if link.unsent else 0),
            )

    def _read(self, link: _Link) -> None:
        try:
            data = link.sock.recv(_RECEIVE_SIZE)
        except BlockingIOError:
            return
        self._traffic["bytes_read"] += len(data)
        link.heard = self._clock.now
        link.connection.receive_data(data)

    def _serve(self, link: _Link) -> None:
        """Answer and write in turn, until there is nothing to answer or the peer does not read."""
        while True:
            goes_on = link.answer_some()
            if link.resumes:
                self._paused.add(link)
            if link.unsent:
                self._write(link)
            if link.is_full or not goes_on:
                return

    def _write(self, link: _Link) -> None:
        try:
            while link.unsent:
                sent = link.sock.send(link.take())
                self._traffic["bytes_written"] += sent
                link.has_sent(sent)
                link.blocked = 0.0
        except BlockingIOError:
            link.blocked = link.blocked or monotonic()
            self._next_round = self._next_round or monotonic() + _ROUND

    def _receive(self) -> None:
        assert self._datagrams is not None
        try:
            self._datagrams.attend()
        except Exception as error:
            sys.excepthook(type(error), error, error.__traceback__)

    def _deliver(self) -> None:
        """Bring the logs to those who watch them."""
        for peer in self._logs.deliver():
            if isinstance(peer, _Link) and peer in self._links:
                self._attend(peer, 0)


def _place(address: Any) -> str:
    """A socket's address as memcached shows it."""
    if isinstance(address, str):
        return address
    host, port = str(address[0]), int(address[1])
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
