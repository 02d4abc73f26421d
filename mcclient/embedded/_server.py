"""A memcached in this process: a store, a clock that can be moved, and failures to order.

Knows the address, the thread and the lock; the bytes are `_loop`'s business, what is answered is
`_answers`', and what commands do is `_store`'s.
"""

from __future__ import annotations

import threading
from collections import deque
from functools import partial

from mcproto import NO_REPLY, BadRequest, InvalidArgument, Stats, binary, classic, meta

from ._answers import Answers
from ._clock import Clock
from ._failures import Failures, checked_seconds
from ._listeners import Listeners
from ._loop import Loop
from ._options import Options
from ._store import Store
from ._users import Users

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Literal, Self

    from mcproto import Command, Reply
    from mcproto._replies import NoReply

    from ._failures import Failure
    from ._options import TlsContext
    from ._peer import Peer

__all__ = ["MemoryServer"]

# How much of what was asked is remembered: so many commands, with so many bytes of values.
_MOST_COMMANDS = 10_000
_MOST_REMEMBERED = 64 << 20

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
        udp_port: answer datagrams on this port too; 0: a free one; None: on none.
        udp_max_reply: how many bytes may answer each byte of a datagram; None: no limit, as
            memcached has none. Nobody knows who has sent a datagram.
        max_connections: how many there may be at once, from 1.
        reserved_connections: how many of those are never had: memcached's limit is one of file
            descriptors, some of which it needs itself.
        rejects: whether others are told so and closed; else they wait until there is room.
        idle_timeout: after so many seconds, by the server's clock, without a word a connection is
            closed; 0: never.
        send_timeout: after so many seconds, by the real clock, in which a client has read nothing
            of its answers it is cut off; until then, or with `math.inf` always, its answers wait.
        protocol: ``"text"``, ``"binary"``, or ``"auto"``: as a connection's first byte says.
        users: who may come in, by password; None: everybody.
        sasl: *users* come in by SASL, mechanism PLAIN, over binary connections; else by the first
            ``set`` of a text connection. There is no other protocol then, and no UDP.
        ssl_context: the connections are TLS; a context for servers, or what makes one and is asked
            again by ``refresh_certs``.
        cas: whether items have cas uniques.
        evictions: whether items give way; else nothing more is stored once all is full.
        flush_all: whether that command is obeyed.
        dumps: whether lists of items can be had: ``lru_crawler metadump``, ``stats cachedump``.
        watch: whether a connection may become a log.
        shutdown: whether a client may end the server. It then is as if closed.
        debugtime: whether a client may move the clock, by ``debugtime``.
        track_sizes: whether ``stats sizes`` is answered.
        detail: whether ``stats detail`` is on from the beginning.
        prefix_delimiter: what ends a prefix there; one character.
        crawler: whether the crawler of ``lru_crawler`` runs from the beginning.
        chunk_max: the largest chunk that memory is divided into, in bytes.

    Raises:
        InvalidArgument: one of them is out of range, or two contradict each other.

    Attributes:
        host: as given; ``""`` with a unix socket.
        port: the port, once it has been started; 0 with a unix socket.
        udp_port: that of datagrams, once it has been started; 0: there is none.
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
        udp_port: int | None = None,
        udp_max_reply: int | None = None,
        max_connections: int = 1024,
        reserved_connections: int = 0,
        rejects: bool = True,
        idle_timeout: float = 0,
        send_timeout: float = 60,
        protocol: Literal["auto", "text", "binary"] = "auto",
        users: Mapping[str, str] | None = None,
        sasl: bool = False,
        ssl_context: TlsContext | None = None,
        cas: bool = True,
        evictions: bool = True,
        flush_all: bool = True,
        dumps: bool = True,
        watch: bool = True,
        shutdown: bool = False,
        debugtime: bool = False,
        track_sizes: bool = False,
        detail: bool = False,
        prefix_delimiter: str = ":",
        crawler: bool = True,
        chunk_max: int = 1 << 19,
    ) -> None:
        for name, number in (("port", port), ("udp_port", udp_port or 0)):
            if not 0 <= number <= 65535:
                raise InvalidArgument(f"{name} must be from 0 to 65535, not {number}")
        if udp_port is not None and (path is not None or users is not None):
            raise InvalidArgument("udp_port goes with neither a path nor users")
        if sasl and users is None:
            raise InvalidArgument("sasl needs users")
        self.host = host if path is None else ""
        self.port = port if path is None else 0
        self.udp_port: int = udp_port or 0
        self.like = like
        self._path = path
        self._has_udp = udp_port is not None
        self._udp_max_reply = udp_max_reply
        self._options = Options(
            like=like,
            item_size=item_size,
            protocol=protocol,
            auth=None if users is None else "sasl" if sasl else "text",
            ssl_context=ssl_context,
            max_connections=max_connections,
            reserved_connections=reserved_connections,
            rejects=rejects,
            idle_timeout=idle_timeout,
            send_timeout=send_timeout,
        )
        new_store = partial(
            Store,
            memory,
            item_size,
            like=like,
            cas=cas,
            evictions=evictions,
            flush_all=flush_all,
            dumps=dumps,
            track_sizes=track_sizes,
            detail=detail,
            prefix_delimiter=prefix_delimiter,
            crawler=crawler,
            chunk_max=chunk_max,
        )
        self._clock = Clock()
        self._answers = Answers(
            new_store,
            self._options,
            self._clock,
            None if users is None else Users(users),
            watch=watch,
            shutdown=shutdown,
            debugtime=debugtime,
        )
        self._lifecycle = threading.Lock()  # of all that starts and ends
        self._lock = threading.Lock()  # of all that answers commands
        self._commands: deque[Command[object]] = deque()
        self._remembered = 0  # bytes of values in them
        self._failures = Failures()
        self._listeners: Listeners | None = None
        self._loop: Loop | None = None
        self._thread: threading.Thread | None = None
        self._has_ended = threading.Event()

    def __repr__(self) -> str:
        state = "listening" if self._is_listening else "stopped"
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
        """The address as a URL: ``"memcached://..."``, or ``"memcaches://..."`` under TLS."""
        scheme = "memcaches" if self._options.is_secure else "memcached"
        return f"{scheme}://{self.address}"

    # ----------------------------------------------------------------------------- start, close

    def start(self) -> None:
        """Listen. When this returns, a client can connect.

        Raises:
            OSError: that address cannot be listened on.
            RuntimeError: it is listening already.
        """
        with self._lifecycle:
            if self._is_listening:
                raise RuntimeError("the server has been started")
            self._stop()
            udp_port = self.udp_port if self._has_udp else None
            self._listeners = Listeners(self.host, self.port, self._path, udp_port)
            if self._path is None:
                self.port = self._listeners.port
            self.udp_port = self._listeners.udp_port
            self._answers.place = {
                "tcpport": str(self.port),
                "udpport": str(self.udp_port),
                "inter": self.host or "NULL",
                "domain_socket": self._path or "NULL",
            }
            self._has_ended.clear()
            self._run()

    def close(self) -> None:
        """Close every connection, stop listening, forget every item. Again: nothing happens."""
        with self._lifecycle:
            self._stop()

    def restart(self) -> None:
        """What clients see of a crash and a quick restart: no connections, no items, same address.

        Nothing is left of the failures that were ordered. The clock goes on.
        """
        with self._lifecycle:
            if self._is_listening:
                self._halt()
                self._forget()
                self._run()
            else:
                self._stop()
                self._forget()

    def wait(self, timeout: float | None = None) -> bool:
        """Until it no longer listens: it was closed, or a client has ended it. Whether that is so.

        Args:
            timeout: how long at most, in seconds; None: as long as it takes.
        """
        return self._has_ended.wait(timeout)

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

    @property
    def _is_listening(self) -> bool:
        # A client may have ended it, and then nobody has tidied up yet.
        return self._listeners is not None and not self._has_ended.is_set()

    def _stop(self) -> None:
        if self._listeners is not None:
            self._halt()
            self._listeners.close()
            self._listeners = None
            self._forget()
            self._has_ended.set()

    def _run(self) -> None:
        assert self._listeners is not None
        listeners, answers, options = self._listeners, self._answers, self._options
        datagrams = None
        if listeners.datagrams is not None:
            from ._datagrams import Datagrams

            datagrams = Datagrams(
                listeners.datagrams, self._answer, options, answers.traffic, self._udp_max_reply
            )
        self._loop = Loop(
            listeners.stream,
            datagrams,
            self._answer,
            self._refuses,
            options,
            self._clock,
            answers.traffic,
            answers.logs,
        )
        answers.connections = self._loop.connections
        # A daemon: who forgets to close it can still end.
        self._thread = threading.Thread(
            target=self._serve,
            args=(self._loop, listeners),
            name=f"MemoryServer {self.address}",
            daemon=True,
        )
        self._thread.start()

    def _serve(self, loop: Loop, listeners: Listeners) -> None:
        loop.run()
        if self._answers.has_ended:
            listeners.close()
            self._has_ended.set()

    def _halt(self) -> None:
        assert self._loop is not None
        assert self._thread is not None
        self._loop.stop()
        self._thread.join()
        self._answers.connections = None
        self._loop = self._thread = None

    def _forget(self) -> None:
        with self._lock:
            self._answers.forget()
            self._failures.clear()

    # ----------------------------------------------------------------------------- what is asked

    def handle(self, command: Command[object] | BadRequest) -> Reply:
        """The reply to *command*, as if it had come over a connection, but without any.

        Raises:
            ConnectionResetError: a failure was ordered that closes the connection; or the server
                has ended, as it was asked.
            TimeoutError: a failure was ordered that delays the reply; here nothing waits.
        """
        reply, failure = self._answer(command, None)
        if failure is not None and failure.kind == "delay":
            raise TimeoutError("the reply is held back")
        if failure is not None or reply is NO_REPLY:
            raise ConnectionResetError("the connection is closed instead of an answer")
        if self._answers.logs.watchers and self._loop is not None:
            self._loop.wake()
        return reply

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
            reply = self._answers.reply(classic.Stats(), None)
        assert isinstance(reply, Stats)
        return reply.entries

    def _answer(
        self, asked: Command[object] | BadRequest, peer: Peer | None
    ) -> tuple[Reply | NoReply, Failure | None]:
        with self._lock:
            if isinstance(asked, BadRequest):
                return self._answers.reply(asked, peer), None
            self._remember(asked)
            failure = None
            if self._failures.are_due and not isinstance(asked, _GREETINGS):
                failure = self._failures.next()
                if failure.reply is not None:
                    return failure.reply, None
            reply = self._answers.reply(asked, peer)
        if reply is NO_REPLY and self._loop is not None:
            self._loop.stop()
        return reply, failure

    def _refuses(self) -> bool:
        with self._lock:
            return self._failures.refuses()

    def _remember(self, command: Command[object]) -> None:
        self._commands.append(command)
        self._remembered += command.value_size
        while len(self._commands) > _MOST_COMMANDS or self._remembered > _MOST_REMEMBERED:
            self._remembered -= self._commands.popleft().value_size

    # ---------------------------------------------------------------------------- time and trouble

    def advance(self, seconds: float) -> None:
        """Move the server's clock forward: what it stores gets older at once."""
        checked_seconds(seconds)
        with self._lock:
            self._clock.move(seconds)
        if self._loop is not None:
            self._loop.wake()

    def flush(self) -> None:
        """Forget every item, at once. Connections and statistics stay."""
        with self._lock:
            self._answers.store.items.clear()

    def clear_failures(self) -> None:
        """Forget all that `fail_next` has ordered and has not happened yet."""
        with self._lock:
            self._failures.clear()

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
