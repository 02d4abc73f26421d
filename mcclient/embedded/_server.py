"""A memcached in this process: a store, a clock that can be moved, and failures to order.

Knows the address, the thread and the lock; the bytes are `_loop`'s business and what commands do
is `_store`'s.
"""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections import Counter, deque
from time import monotonic, time

from mcproto import BadRequest, ErrorReply, InvalidArgument, Stats, Values, binary, classic, meta

from ._failures import Failures, checked_seconds
from ._loop import Loop
from ._store import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from mcproto import Command, Reply

    from ._failures import Failure

__all__ = ["MemoryServer"]

# How much of what was asked is remembered: so many commands, with so many bytes of values.
_MOST_COMMANDS = 10_000
_MOST_REMEMBERED = 64 << 20

# A reply is made in one piece, so there must be an end to how often one key is asked for in a line.
_LARGEST_REPLY = 256 << 20
_REPLY_TOO_LARGE = ErrorReply("SERVER_ERROR", "out of memory writing get response")

# What clients begin with, or close a flight with.
_GREETINGS = (meta.Noop, classic.Version, binary.Noop, binary.Version)


class MemoryServer:
    """A memcached over TCP or a unix socket, in a thread of its own.

    ::

        with MemoryServer() as server:
            client = mcclient.Client(server.address)

    It speaks classic, meta and binary commands, as memcached does, and forgets everything when it
    is closed.  It listens between `start` and `close`, which ``with`` calls; `handle`, and all
    that is about time and items, works without.  Every method may be called from any thread.

    Args:
        host: where to listen; a name or an address.
        port: where to listen; 0: a free port, which it keeps when it is started again.
        path: listen on a unix socket here and on no port. A socket that is there is replaced.
        like: the memcached to imitate where releases differ: ``"1.6.18"`` (as before the parser of
            1.6.40) or ``"1.6.45"``.
        memory: what all items may take, in bytes; from 1024. The least recently used give way.
        item_size: what one item may take, key and header included, in bytes; from 1024.

    Attributes:
        host: as given; ``""`` with a unix socket.
        port: the port, once it has been started; 0 with a unix socket.
        like: as given.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        path: str | None = None,
        like: str = "1.6.45",
        memory: int = 64 << 20,
        item_size: int = 1 << 20,
    ) -> None:
        if not 0 <= port <= 65535:
            raise InvalidArgument(f"port must be from 0 to 65535, not {port}")
        self.host = host if path is None else ""
        self.port = port if path is None else 0
        self._path = path
        self.like = like
        self._limits = (memory, item_size)
        self._store = Store(memory, item_size, like=like)
        self._lifecycle = threading.Lock()  # of all that starts and ends
        self._lock = threading.Lock()  # of all that answers commands
        self._ahead = time() - monotonic()  # of the monotonic clock
        self._started = self._now
        self._commands: deque[Command[object]] = deque()
        self._remembered = 0  # bytes of values in them
        self._failures = Failures()
        self._traffic: Counter[str] = Counter()
        self._listener: socket.socket | None = None
        self._loop: Loop | None = None
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        state = "stopped" if self._listener is None else "listening"
        return f"<MemoryServer {self.address} {state}>"

    # ---------------------------------------------------------------------------------- address

    @property
    def address(self) -> str:
        """What a client is given: ``"host:port"``, ``"[::1]:port"``, or the path."""
        if self._path is not None:
            return self._path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The address as a URL: ``"memcached://..."``."""
        return f"memcached://{self.address}"

    # ----------------------------------------------------------------------------- start, close

    def start(self) -> None:
        """Listen. When this returns, a client can connect.

        Raises:
            OSError: that address cannot be listened on.
            RuntimeError: it is listening already.
        """
        with self._lifecycle:
            if self._listener is not None:
                raise RuntimeError("the server has been started")
            self._listener = self._listen()
            if self._path is None:
                self.port = self._listener.getsockname()[1]
            self._run()

    def close(self) -> None:
        """Close every connection, stop listening, forget every item. Again: nothing happens."""
        with self._lifecycle:
            if self._listener is None:
                return
            self._halt()
            self._listener.close()
            self._listener = None
            if self._path is not None and os.path.exists(self._path):
                os.unlink(self._path)
            self._forget()

    def restart(self) -> None:
        """What clients see of a crash and a quick restart: no connections, no items, same address.

        Nothing is left of the failures that were ordered. The clock goes on.
        """
        with self._lifecycle:
            if self._listener is None:
                self._forget()
            else:
                self._halt()
                self._forget()
                self._run()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _listen(self) -> socket.socket:
        if self._path is None:
            family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
            return socket.create_server((self.host, self.port), family=family, backlog=1024)
        # As memcached does: the socket of one that did not end well must not be in the way.
        if os.path.exists(self._path) and stat.S_ISSOCK(os.stat(self._path).st_mode):
            os.unlink(self._path)
        listener = socket.socket(socket.AF_UNIX)
        try:
            listener.bind(self._path)
            listener.listen(1024)
        except BaseException:
            listener.close()
            raise
        return listener

    def _run(self) -> None:
        assert self._listener is not None
        _, item_size = self._limits
        self._loop = Loop(
            self._listener, self._answer, self._refuses, item_size, self._traffic, self.like
        )
        # A daemon: who forgets to close it can still end.
        self._thread = threading.Thread(
            target=self._loop.run, name=f"MemoryServer {self.address}", daemon=True
        )
        self._thread.start()

    def _halt(self) -> None:
        assert self._loop is not None
        assert self._thread is not None
        self._loop.stop()
        self._thread.join()
        self._loop = self._thread = None

    def _forget(self) -> None:
        with self._lock:
            self._store = Store(*self._limits, like=self.like)
            self._failures.clear()
            self._traffic.clear()

    # ----------------------------------------------------------------------------- what is asked

    def handle(self, command: Command[object] | BadRequest) -> Reply:
        """The reply to *command*, as if it had come over a connection, but without any.

        Raises:
            ConnectionResetError: a failure was ordered that closes the connection.
            TimeoutError: a failure was ordered that delays the reply; here nothing waits.
        """
        reply, failure = self._answer(command)
        if failure is None:
            return reply
        if failure.kind == "delay":
            raise TimeoutError("the reply is held back")
        raise ConnectionResetError("the connection is closed instead of an answer")

    @property
    def commands(self) -> list[Command[object]]:
        """What was asked, by whomever, oldest first: the last ten thousand commands at most.

        (Fewer, if there are more than 64 MB of values in them.)
        """
        with self._lock:
            return [*self._commands]

    @property
    def stats(self) -> dict[str, str]:
        """What ``stats`` answers, as if nobody had asked."""
        with self._lock:
            reply = self._reply(classic.Stats())
        assert isinstance(reply, Stats)
        return reply.entries

    def _answer(self, asked: Command[object] | BadRequest) -> tuple[Reply, Failure | None]:
        with self._lock:
            if isinstance(asked, BadRequest):
                return self._reply(asked), None
            self._remember(asked)
            does_nothing = isinstance(asked, _GREETINGS)
            failure = None if does_nothing else self._failures.next()
            if failure is not None and failure.reply is not None:
                return failure.reply, None
            return self._reply(asked), failure

    def _refuses(self) -> bool:
        with self._lock:
            return self._failures.refuses()

    def _remember(self, command: Command[object]) -> None:
        self._commands.append(command)
        self._remembered += command.value_size
        while len(self._commands) > _MOST_COMMANDS or self._remembered > _MOST_REMEMBERED:
            self._remembered -= self._commands.popleft().value_size

    def _reply(self, asked: Command[object] | BadRequest) -> Reply:
        reply = self._store.handle(asked, self._now)
        if isinstance(reply, Values):
            if sum([len(item.value) for item in reply.items]) > _LARGEST_REPLY:
                return _REPLY_TOO_LARGE
        elif isinstance(asked, (classic.Stats, binary.Stat)):
            if isinstance(reply, Stats):
                self._fill_in(reply.entries)
            if (asked.group or "").split(" ")[0] == "reset":
                connected = self._traffic["curr_connections"]
                self._traffic.clear()
                self._traffic["curr_connections"] = connected
        return reply

    def _fill_in(self, entries: dict[str, str]) -> None:
        """What of the statistics is not the store's to know."""
        known: dict[str, int | str] = {
            "pid": os.getpid(),
            "uptime": int(self._now - self._started),
            "tcpport": self.port,
            "inter": self.host or "NULL",
            "domain_socket": self._path or "NULL",
            **self._traffic,
        }
        entries |= {name: str(value) for name, value in known.items() if name in entries}

    # ---------------------------------------------------------------------------- time and trouble

    @property
    def _now(self) -> float:
        return monotonic() + self._ahead

    def advance(self, seconds: float) -> None:
        """Move the server's clock forward: what it stores gets older at once."""
        checked_seconds(seconds)
        with self._lock:
            self._ahead += seconds

    def flush(self) -> None:
        """Forget every item, at once. Connections and statistics stay."""
        with self._lock:
            self._store.items.clear()

    def fail_next(self, kind: str, times: int = 1, *, seconds: float = 1.0) -> None:
        """Let something go wrong with the next command, whoever sends it, or the next connection.

        What clients greet with or close a flight with (``mn``, ``version``) is passed over.

        Args:
            kind: what goes wrong.

                - ``"close"``: the command is obeyed, and the connection closed without an answer.
                - ``"cut"``: likewise, but after the first half of the answer's bytes.
                - ``"refuse"``: the connection is accepted and closed at once.
                - ``"delay"``: the command is obeyed, and its answer held back for *seconds*, with
                  all that would follow it on that connection.
                - an error line, such as ``"SERVER_ERROR out of memory storing object"``: it is
                  the answer, and the command is not obeyed.
            times: how many commands or connections in a row. Further calls come after that.
            seconds: how long a ``"delay"`` is, by the real clock.

        Raises:
            InvalidArgument: *kind* is none of these, *times* is less than 1, or *seconds* negative.
        """
        with self._lock:
            self._failures.order(kind, times, seconds)
