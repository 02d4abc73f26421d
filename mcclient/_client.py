"""The blocking client: signatures, contracts, and a runner for the operations.

What an operation does is in `operations`, how one exchange goes in `_link`, what an error is
called in `_failures`.  `get` and `set` have a direct way beside the plain one: one look-up, one
link, one exchange, no objects.  Whenever that does not come to a plain end, the operation takes
over, with what has happened so far as its first outcome.
"""

from __future__ import annotations

from math import inf
from time import monotonic
from weakref import ref

from mcproto import NO_REPLY, Item, RemoteProtocolError
from mcproto._columns import GetColumns
from mcproto._command import MAX_VALUE
from mcproto.transports._exchange import FAILURES
from mcproto.transports.blocking import BlockingBackend

from . import operations
from ._errors import ClientBusy, ClientClosed, CommandFailed, MemcacheError, ServerUnavailable
from ._expiry import exptime_of
from ._failures import exchange_failed, may_try_again
from ._fork import tell_after_fork
from ._gate import gates_for
from ._link import STALE_AFTER, ClosedLinks, Link
from ._opening import Opening, runs_jobs
from ._options import Options, check_backend

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping
    from types import TracebackType
    from typing import Any, Literal, Self, TypeVar

    from mcproto import Command
    from mcproto.transports import Backend, Context, JobBackend, Transport, Wait

    from ._auth import Credentials
    from ._expiry import Expire
    from ._gate import Gate
    from ._item import CasItem
    from ._observers import Observer
    from ._quiet import Quiet
    from ._servers import Servers
    from ._timeline import Spent
    from .operations import Effect, Operation
    from .rings._pylibmc import Profile
    from .values import Codec

    K = TypeVar("K", bound="str | bytes")
    R = TypeVar("R")

__all__ = ["Client"]

_MISSING = object()


class Client:
    """Speaks to a list of servers, one connection to each, opened when first wanted.

    For one thread at a time: a second one gets `ClientBusy`. Give each its own, from a
    `ClientPool`, a `ThreadMappedPool` or `clone`.

    Keys are str (as UTF-8) or bytes, 250 bytes at most with the prefix, without blanks and control
    characters: `mcproto.InvalidKey` otherwise.  *expire* is in seconds, a `timedelta` or a
    `datetime`; 0 and None are never, what is negative or past is at once.  Your own mistakes raise
    a ValueError or a TypeError, and nothing has been sent.

    Every operation has one deadline over everything it does. It raises

    * `ServerUnavailable` (`ConnectFailed`, `ConnectionLost`, `OperationTimeout`, `ServerDown`) if
      there was no answer; `maybe_applied` says whether a write may have happened. An operation on
      several keys or all servers raises `PartialFailure` where some servers gave none, with what
      was had. With ``on_unavailable="miss"`` reads never do: lost keys are misses;
    * `CommandFailed` if the server answered with an error line;
    * `ClientClosed` after `close`.

    A server that cannot be reached, or has failed three times in a row, is down: calls that would
    need a new connection to it raise `ServerDown` at once, but for one now and then that tries it.
    Clones, and so pools, share what is known of it.

    A read whose idle connection proves dead or out of step is asked once more, on a new connection,
    within the deadline. After any error, and however else a call is left, the client is good for
    the next one.

    Args:
        servers: an address or several: ``"host"``, ``"host:port"``, ``"host:port:weight"``,
            ``"[::1]:port"``, ``"/path"``, ``"memcached://host:port"``, ``"memcaches://host:port"``
            (TLS) or ``(host, port)``.
        protocol: the commands to use: ``"meta"``; ``"classic"`` for servers and proxies without
            it; or ``"binary"``, for those that speak nothing else.
        backend: how to move bytes: a `mcproto.transports.Backend`; blocking sockets by default.
        ring: which server a key lives on: ``"ketama"``, ``"modula"``, or what
            `mcclient.rings.pylibmc` gives.
        codec: how values are stored: ``"plain"`` (bytes, str and int), ``"json"``, or an object
            with ``serialize(value) -> (bytes, flags)`` and ``deserialize(data, flags)``.
        key_prefix: put before every key on the wire. The ring does not see it.
        timeout: seconds for a whole operation, None: no limit.
        connect_timeout: seconds for connecting, within that.
        on_unavailable: ``"raise"``, or ``"miss"``: to reads, a lost server's keys are misses.
        username, password: who the client is, for servers that want to know: by text
            authentication, or in binary by SASL PLAIN. Said at every connection, to nobody else,
            and shown nowhere. What cannot be done is an `AuthError`.
        credentials: a function that gives them instead, as a tuple; asked at every connection at
            which they are wanted.
        allow_cleartext_auth: say them also where others can read them: not over TLS, over a unix
            socket or to the loopback interface.
        observer: is told what happens, here and in clones: see `Observer`. Then `get` and `set`
            do without their short way.
        ssl_context: how to speak TLS: an `ssl.SSLContext` (see `tls_context`), or a function that
            gives one and is called at every connection, so that new certificates are taken up.
            With it, TLS is spoken to all servers but unix sockets and those given as
            ``memcached://``. Without, to ``memcaches://`` only, with the system's authorities and
            no certificate of ours. The server's must be valid and name its host.

    Attributes:
        servers: the servers as text, in the order given.
        closed: whether `close` has been called. (A pool replaces a closed client.)
    """

    __slots__ = (
        "__weakref__",
        "_as_is",
        "_backend",
        "_door_closes",
        "_gates",
        "_links",
        "_observer",
        "_opened",
        "_options",
        "_routes",
        "_setup",
        "_timeout",
        "closed",
        "servers",
    )

    def __init__(
        self,
        servers: Servers,
        *,
        protocol: Literal["meta", "classic", "binary"] = "meta",
        backend: Backend[Any] | None = None,
        ring: Literal["ketama", "modula", "pylibmc"] | Profile = "ketama",
        codec: Literal["plain", "json"] | Codec = "plain",
        key_prefix: str | bytes = "",
        timeout: float | None = 1.0,
        connect_timeout: float | None = 1.0,
        on_unavailable: Literal["raise", "miss"] = "raise",
        username: str | bytes | None = None,
        password: str | bytes | None = None,
        credentials: Credentials | None = None,
        allow_cleartext_auth: bool = False,
        observer: Observer | None = None,
        ssl_context: Context | None = None,
    ) -> None:
        if backend is None:
            backend = BlockingBackend()
        else:
            check_backend(backend, "exchange_all", "a blocking")
        options = Options(
            servers=servers,
            protocol=protocol,
            ring=ring,
            codec=codec,
            key_prefix=key_prefix,
            timeout=timeout,
            connect_timeout=connect_timeout,
            on_unavailable=on_unavailable,
            observer=observer,
            username=username,
            password=password,
            credentials=credentials,
            allow_cleartext_auth=allow_cleartext_auth,
            ssl_context=ssl_context,
        )
        options.check_tls(backend)
        self._start(options, backend, gates_for(options.setup.servers, options.observer))

    def _start(
        self, options: Options, backend: Backend[Any], gates: dict[int, Gate] | None = None
    ) -> None:
        setup = options.setup
        self.servers = tuple([server.name for server in setup.servers])
        self.closed = False
        self._options = options
        self._setup = setup
        self._observer = options.observer
        # Seconds of idleness after which a link is not used by its direct door. An observer would
        # see nothing there, and a call in a hurry has a limit of its own: for them it is shut.
        self._door_closes = STALE_AFTER if options.observer is None else -1.0
        self._routes = setup.routes
        self._backend: Backend[Transport] = backend
        self._timeout = inf if options.timeout is None else options.timeout
        # The flags under which the direct way may hand out a value as it came: with a codec of
        # the user's own, none.
        self._as_is = 0 if options.zero_is_bytes else -1
        # Who may open a link to which server; clones have the same. No gate: whoever wants to.
        self._gates = gates or {}
        # The idle links, by server. One that is in use is not here.
        self._links: dict[int, Link] = {}
        # The newest link to each server, wherever it is. Asked only where none is idle.
        self._opened: dict[int, ref[Link]] = {}
        tell_after_fork(self.forget_connections)

    # ------------------------------------------------------------------------------- reading

    def get(self, key: str | bytes, default: object = None) -> object:
        """The value under *key*, or *default* if there is none.

        Raises:
            ValueUnreadable: the item is there, but the codec cannot read it.
        """
        server, wire = self._routes[key]
        link = self._take(server)
        if link is None:
            return self._run(operations.get(self._setup, key, default))
        try:
            found = link.fetch(wire)
        except FAILURES as error:
            return self._run(operations.get(self._setup, key, default), (server, link, error))
        except BaseException:
            link.close()
            raise
        self._links[server] = link
        if found is None:
            return default
        value, flags = found
        if flags == self._as_is:
            return value
        return operations.value_of(self._setup, server, Item(wire, flags, value))

    def gets(self, key: str | bytes) -> CasItem | None:
        """The item under *key* with what `cas` needs (``.value``, ``.cas``), or None.

        Raises:
            ValueUnreadable: the item is there, but the codec cannot read it.
        """
        return self._run(operations.gets(self._setup, key))

    def gat(self, key: str | bytes, expire: Expire, default: object = None) -> object:
        """Get and touch: the value under *key*, which gets a new expiry, or *default*.

        Raises:
            ValueUnreadable: the item is there, but the codec cannot read it.
        """
        return self._run(operations.gat(self._setup, key, exptime_of(expire), default))

    def get_multi(self, keys: Iterable[K]) -> dict[K, object]:
        """The values of those of the *keys* that are there, under the keys as given.

        Raises:
            PartialFailure: some servers gave no answer; `result` has the others' hits.
            ValueUnreadable: an item is there, but the codec cannot read it.
        """
        setup = self._setup
        # (`isinstance` would have pyright lose what kind of keys they are.)
        if len(self.servers) > 1 or issubclass(type(keys), (str, bytes)):
            return self._run(operations.get_multi(setup, keys))
        names = list(keys)
        wires = [wire for _, wire in map(self._routes.__getitem__, names)]
        link = self._take(0) if 0 < len(wires) <= operations.MOST_KEYS else None
        if link is None:
            return self._run(operations.get_multi(setup, names))
        try:
            columns = link.exchange(GetColumns(wires, names), link.since + self._timeout)
        except FAILURES as error:
            return self._run(operations.get_multi(setup, names), (0, link, error))
        except BaseException:
            link.close()
            raise
        self._links[0] = link
        return dict(zip(columns[0], operations.values_of(setup, 0, columns), strict=True))

    # ------------------------------------------------------------------------------- storing

    def set(self, key: str | bytes, value: object, expire: Expire = 0) -> bool:
        """Store *value*, whatever was there. False: the server did not.

        Raises:
            ValueTooLarge: for the server. What was there before is gone.
            ItemTooLarge: for the protocol; nothing was sent.
            TypeError: the codec does not take such a value.
        """
        server, wire = self._routes[key]
        exptime = 0 if expire == 0 else exptime_of(expire)
        if type(value) is bytes and not self._as_is:
            data, flags = value, 0
        else:
            data, flags = self._setup.serialize(value)
        link = self._take(server) if len(data) <= MAX_VALUE else None
        if link is None:
            operation = operations.store_data(self._setup, key, data, flags, exptime)
            return self._run(operation, name="set")
        try:
            stored = link.store(wire, data, flags, exptime)
        except FAILURES as error:
            operation = operations.store_data(self._setup, key, data, flags, exptime)
            return self._run(operation, (server, link, error))
        except BaseException:
            link.close()
            raise
        self._links[server] = link
        return stored

    def add(self, key: str | bytes, value: object, expire: Expire = 0) -> bool:
        """Store *value* if nothing is there. False: something is. Raises as `set` does."""
        operation = operations.store(self._setup, "add", key, value, exptime_of(expire))
        return self._run(operation, name="add")

    def replace(self, key: str | bytes, value: object, expire: Expire = 0) -> bool:
        """Store *value* if something is there. False: nothing is. Raises as `set` does."""
        operation = operations.store(self._setup, "replace", key, value, exptime_of(expire))
        return self._run(operation, name="replace")

    def append(self, key: str | bytes, value: object) -> bool:
        """Put *value* behind what is there. False: nothing is. Raises as `set` does.

        The item keeps its flags and expiry: append what is of the same kind.
        """
        return self._run(operations.join(self._setup, "append", key, value), name="append")

    def prepend(self, key: str | bytes, value: object) -> bool:
        """Put *value* before what is there. False: nothing is. Raises as `set` does.

        The item keeps its flags and expiry: prepend what is of the same kind.
        """
        return self._run(operations.join(self._setup, "prepend", key, value), name="prepend")

    def cas(self, key: str | bytes, value: object, cas: int, expire: Expire = 0) -> bool:
        """Store *value* if the item is still the one that `gets` gave with this *cas*.

        False: it has been changed, or is gone. Raises as `set` does.
        """
        return self._run(operations.cas(self._setup, key, value, cas, exptime_of(expire)))

    def set_multi(self, mapping: Mapping[K, object], expire: Expire = 0) -> list[K]:
        """Store many values; give back the keys that were not stored, [] if all were.

        Every value is serialized before the first is sent.

        Raises:
            PartialFailure: some servers gave no answer; `failed_keys` may be stored or not,
                `result` has the keys that the others did not store.
            TypeError: the codec does not take such a value; nothing was sent.
        """
        setup, exptime = self._setup, exptime_of(expire)
        stores = operations.stores_of(setup, mapping)
        link = self._take(0) if len(self.servers) == 1 and stores else None
        if link is None:
            return self._run(operations.store_all(setup, stores, exptime), name="set_multi")
        try:
            flight = operations.first_flight(setup, stores[0], exptime)
            replies = link.exchange(flight, link.since + self._timeout)
        except FAILURES as error:
            operation = operations.store_all(setup, stores, exptime)
            return self._run(operation, (0, link, error), "set_multi")
        except BaseException:
            link.close()
            raise
        self._links[0] = link
        if replies.count(NO_REPLY) == len(stores[0][0]):
            return []
        operation = operations.store_all(setup, stores, exptime, {0: replies})
        return self._run(operation, name="set_multi")

    # ---------------------------------------------------------------------- changing what is there

    def delete(self, key: str | bytes) -> bool:
        """Delete the item. False: there was none."""
        return self._run(operations.delete(self._setup, key))

    def delete_multi(self, keys: Iterable[str | bytes]) -> bool:
        """Delete many items. True: every one of them was there.

        Raises:
            PartialFailure: some servers gave no answer; `failed_keys` may be deleted or not.
        """
        return self._run(operations.delete_multi(self._setup, keys))

    def incr(
        self,
        key: str | bytes,
        delta: int = 1,
        *,
        initial: int | None = None,
        expire: Expire = 0,
    ) -> int | None:
        """Count up; the new number, or None: no such key.

        Numbers have 64 bits; beyond that they start from 0 again.

        Args:
            delta: how much, 0 or more.
            initial: where there is nothing, store this (and give it back) instead. The server
                makes such an item, with flags 0, so `get` gives its digits as bytes.
            expire: what an item so made gets. One that is there keeps its own.

        Raises:
            BadCommand: the item is no number.
        """
        exptime = exptime_of(expire)
        operation = operations.arithmetic(self._setup, key, True, delta, initial, exptime)
        return self._run(operation, name="incr")

    def decr(
        self,
        key: str | bytes,
        delta: int = 1,
        *,
        initial: int | None = None,
        expire: Expire = 0,
    ) -> int | None:
        """Count down, to 0 and no further; the new number, or None: no such key.

        As `incr` in all else.
        """
        exptime = exptime_of(expire)
        operation = operations.arithmetic(self._setup, key, False, delta, initial, exptime)
        return self._run(operation, name="decr")

    def touch(self, key: str | bytes, expire: Expire) -> bool:
        """Give the item a new expiry. False: there is none."""
        return self._run(operations.touch(self._setup, key, exptime_of(expire)))

    # --------------------------------------------------------------------------------- servers

    def flush_all(self, delay: int = 0) -> bool:
        """Make all that is stored now, on all servers, invisible *delay* seconds from now.

        The server's clock ticks once a second.

        Raises:
            PartialFailure: some servers gave no answer.
        """
        return self._run(operations.flush_all(self._setup, delay))

    def stats(self, group: str | None = None) -> dict[str, dict[str, str]]:
        """The statistics of every server, by its name; of a group (``"items"``) if named.

        Raises:
            PartialFailure: some servers gave no answer; `result` has the others'.
        """
        return self._run(operations.stats(self._setup, group))

    def version(self) -> dict[str, str]:
        """The version of every server, by its name.

        Raises:
            PartialFailure: some servers gave no answer; `result` has the others'.
        """
        return self._run(operations.version(self._setup))

    def execute(self, command: Command[R], *, server: str | tuple[str, int] | None = None) -> R:
        """Send any command of mcproto and give back ``command.result(reply)``.

        Keys go out as they stand in the command, without *key_prefix*. A silent command
        (noreply, quiet) is followed by a barrier that is waited for.

        Args:
            server: one of the client's; by default the one where the command's key lives.

        Raises:
            InvalidArgument: *server* is needed, or is none of the client's.
        """
        number = self._options.server_named(server)
        return self._run(operations.execute(self._setup, command, number))

    def quiet(self) -> Quiet:
        """A block whose writes are gathered, leave in flights, and are answered if they fail.

        See `Quiet`.
        """
        from ._quiet import Quiet

        return Quiet(self._setup, not self._as_is, self._run)

    # ---------------------------------------------------------------------------- as a mapping

    def __getitem__(self, key: str | bytes) -> object:
        value = self.get(key, _MISSING)
        if value is _MISSING:
            raise KeyError(key)
        return value

    def __setitem__(self, key: str | bytes, value: object) -> None:
        if not self.set(key, value):
            raise KeyError(key)

    def __delitem__(self, key: str | bytes) -> None:
        if not self.delete(key):
            raise KeyError(key)

    def __contains__(self, key: str | bytes) -> bool:
        return self._run(operations.contains(self._setup, key))

    # ------------------------------------------------------------------------------ the client

    @property
    def timeout(self) -> float | None:
        """Seconds for a whole operation; None: no limit."""
        return self._options.timeout

    @property
    def observer(self) -> Observer | None:
        """Who is told what happens."""
        return self._observer

    def clone(self) -> Self:
        """Another client with the same options, and connections of its own. Connects nothing."""
        clone = type(self).__new__(type(self))
        clone._start(self._options, self._backend, self._gates)
        return clone

    def close(self) -> None:
        """Close all connections. Calls in other threads end with `ClientClosed`, at once."""
        self.closed = True
        idle, self._links = self._links, ClosedLinks()
        while idle:
            idle.popitem()[1].close()
        for reference in list(self._opened.values()):
            link = reference()
            if link is not None and link.is_open:
                link.abort()

    def forget_connections(self) -> None:
        """Start anew with fresh connections. What a child process does after a fork, by itself."""
        self._opened = {}
        if not self.closed:
            idle, self._links = self._links, {}
            for link in idle.values():
                link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def hurry(self, seconds: float | None) -> None:
        """Give the next calls less time than *timeout*: what waiting for a client has left of it.

        None: all of it again.
        """
        self._timeout = seconds if seconds is not None else self._options.timeout or inf
        shut = seconds is not None or self._observer is not None
        self._door_closes = -1.0 if shut else STALE_AFTER

    def __repr__(self) -> str:
        state = ", closed" if self.closed else ""
        return f"{type(self).__name__}({list(self.servers)!r}{state})"

    # ------------------------------------------------------------------------------ the runner

    def _run(
        self,
        operation: Operation[R],
        failed: tuple[int, Link, Exception] | None = None,
        name: str | None = None,
    ) -> R:
        """Do what the operation asks for, and give back its result.

        Args:
            failed: the first exchange has been tried already, and this came of it.
            name: what an observer calls it; None: the operation's own name.
        """
        if self._observer is not None:
            operation = operations.watched(self._setup, operation, self._observer, name, monotonic)
        since = monotonic() if failed is None else failed[1].since
        deadline = since + self._timeout
        effect: Effect | None = None
        try:
            effect = next(operation)
            while True:
                try:
                    outcome = self._perform(effect, deadline, failed)
                except MemcacheError as error:
                    effect = operation.throw(error)
                else:
                    effect = operation.send(outcome)
                failed = None
        except StopIteration as stop:
            result: R = stop.value
            return result
        except RemoteProtocolError as error:
            # A proper reply, so the link is idle, but not one to what was asked.
            assert isinstance(effect, operations.Exchange)
            link = self._links.pop(effect.server, None)
            if link is not None:
                link.close()
            raise exchange_failed(
                error, self.servers[effect.server], effect.command, written=True
            ) from error

    def _perform(
        self,
        effect: Effect,
        deadline: float,
        failed: tuple[int, Link, Exception] | None = None,
    ) -> object:
        if isinstance(effect, operations.Exchange):
            if failed is not None:
                return self._recover(*failed, effect.command, deadline, reused=True)
            return self._exchange(effect.server, effect.command, deadline)
        if len(effect.commands) > 1:
            return self._fan_out(effect.commands, deadline)
        outcomes: dict[int, object] = {}
        for server, command in effect.commands.items():
            outcomes[server] = self._outcome(server, command, deadline, failed)
        return outcomes

    def _outcome(
        self,
        server: int,
        command: Command[object],
        deadline: float,
        failed: tuple[int, Link, Exception] | None,
    ) -> object:
        # In a frame of its own, or what is kept of the errors and the frame that keeps it would
        # hold each other, and the connection of a dropped client with them.
        try:
            if failed is not None:
                return self._recover(*failed, command, deadline, reused=True)
            return self._exchange(server, command, deadline)
        except (ServerUnavailable, CommandFailed) as error:
            return error

    def _exchange(self, server: int, command: Command[R], deadline: float) -> R:
        link, reused = self._acquire(server, deadline, deadline)
        try:
            result = link.exchange(command, deadline)
        except FAILURES as error:
            return self._recover(server, link, error, command, deadline, reused)
        except BaseException:
            link.close()
            raise
        self._put_back(server, link)
        return result

    def _recover(
        self,
        server: int,
        link: Link,
        error: Exception,
        command: Command[R],
        deadline: float,
        reused: bool,
    ) -> R:
        """An exchange has failed: try again where that is right, else say what happened."""
        again = may_try_again(error, command, reused, link.connection.in_reply)
        spent = link.spent(monotonic(), reused)
        self._put_back(server, link)
        if again and monotonic() < deadline:
            fresh, _ = self._acquire(server, deadline, deadline)
            try:
                result = fresh.exchange(command, deadline)
            except FAILURES as second:
                spent += fresh.spent(monotonic(), reused=False)
                self._put_back(server, fresh)
                error = second
            except BaseException:
                fresh.close()
                raise
            else:
                self._put_back(server, fresh)
                return result
        if self.closed:
            raise ClientClosed("the client has been closed") from error
        raise self._failed(server, command, error, spent)

    def _failed(
        self, server: int, command: Command[object], error: Exception, spent: Spent
    ) -> MemcacheError:
        """The error for an exchange that has failed. The server's gate hears of it, too."""
        failed = exchange_failed(error, self.servers[server], command, written=True, spent=spent)
        gate = self._gates.get(server)
        if gate is not None:
            gate.failed(error, failed, monotonic())
        return failed

    def _fan_out(
        self, commands: Mapping[int, Command[object]], deadline: float
    ) -> dict[int, object]:
        """One exchange with each of several servers: what came of each."""
        backend = self._backend
        if runs_jobs(backend):
            found = backend.run_all(
                [self._job(backend, *asked, deadline) for asked in commands.items()],
                (ServerUnavailable, CommandFailed),
            )
            return dict(zip(commands, found, strict=True))
        outcomes: dict[int, object] = {}
        taken: dict[int, tuple[Link, bool]] = {}
        try:
            for number, server in enumerate(commands):
                # A server that does not even connect must leave time for the others.
                now = monotonic()
                share = now + (deadline - now) / (len(commands) - number + 1)
                try:
                    taken[server] = self._acquire(server, deadline, share)
                except ServerUnavailable as error:
                    outcomes[server] = error
            jobs = [
                (link.transport, link.connection, commands[server])
                for server, (link, _) in taken.items()
            ]
            results = self._backend.exchange_all(jobs, deadline)
            for (server, (link, reused)), result in zip(list(taken.items()), results, strict=True):
                if not isinstance(result, Exception):
                    self._put_back(server, link)
                    outcomes[server] = result
                else:
                    try:
                        outcomes[server] = self._recover(
                            server, link, result, commands[server], deadline, reused
                        )
                    except (ServerUnavailable, CommandFailed) as error:
                        outcomes[server] = error
                del taken[server]
        finally:
            # Whatever has ended it, for the next call none of them is in use.
            for server, (link, _) in taken.items():
                self._put_back(server, link)
        return outcomes

    # The same as jobs, for a backend that can run many: `_exchange` and `_open` in steps.

    def _job(
        self, backend: JobBackend[Transport], server: int, command: Command[R], deadline: float
    ) -> Generator[Wait, None, R]:
        link = self._take_idle(server)
        reused = link is not None
        if link is None:
            link = yield from self._opening(backend, server, deadline)
        failure: Exception | None = None
        try:
            try:
                return (yield from self._exchanging(backend, server, link, command, deadline))
            except FAILURES as error:
                failure = error
            spent = link.spent(monotonic(), reused)
            if may_try_again(failure, command, reused, link.connection.in_reply):
                link = yield from self._opening(backend, server, deadline)
                try:
                    return (yield from self._exchanging(backend, server, link, command, deadline))
                except FAILURES as error:
                    failure = error
                spent += link.spent(monotonic(), reused=False)
            if self.closed:
                raise ClientClosed("the client has been closed") from failure
            raise self._failed(server, command, failure, spent)
        finally:
            del failure  # or it and this frame would hold each other

    def _opening(
        self, backend: JobBackend[Transport], server: int, deadline: float
    ) -> Generator[Wait, None, Link]:
        gate = self._gates.get(server)
        opening = Opening(self, self._options, server, monotonic, deadline, gate)
        try:
            opening.enter()
            connect_by = opening.by(deadline)
            how = opening.how(backend)
            address = self._setup.servers[server].address
            link = self._new_link((yield from backend.connecting(address, connect_by, **how)))
            self._opened[server] = ref(link)
            opening.connected(link)
            yield from self._greeting(backend, link, opening, connect_by)
            opening.done(link)
        except BaseException as error:
            opening.failed(error)
            raise
        return link

    def _greeting(
        self, backend: JobBackend[Transport], link: Link, opening: Opening, deadline: float
    ) -> Generator[Wait, None, None]:
        greeting = opening.greeting()
        came: Any = None
        try:
            step = next(greeting)
            while True:
                try:
                    if callable(step):
                        came = step()
                    else:
                        came = yield from link.exchanging(backend, step, deadline)
                except Exception as error:
                    step = greeting.throw(error)
                else:
                    try:
                        step = greeting.send(came)
                    finally:
                        came = None  # it may have been a password
        except StopIteration:
            link.has_door = self._setup.dialect.name == "meta"

    def _exchanging(
        self,
        backend: JobBackend[Transport],
        server: int,
        link: Link,
        command: Command[R],
        deadline: float,
    ) -> Generator[Wait, None, R]:
        try:
            return (yield from link.exchanging(backend, command, deadline))
        finally:
            # Whatever has ended it, an interruption of the others too.
            self._put_back(server, link)

    # ----------------------------------------------------------------------------------- links

    def _take(self, server: int) -> Link | None:
        """The idle link if it has a direct door and was used a moment ago; else see `_acquire`."""
        link = self._links.pop(server, None)
        if link is not None:
            now = monotonic()
            if now - link.since < self._door_closes and link.has_door:
                link.since = now
                return link
            self._links[server] = link
        return None

    def _acquire(self, server: int, deadline: float, connect_by: float) -> tuple[Link, bool]:
        """A link that is idle, and whether it has been used before. It leaves the idle ones.

        Raises:
            ClientBusy: another thread has it.
            ClientClosed: there are none any more.
            ServerUnavailable: there was none, and it could not be opened.
        """
        link = self._take_idle(server)
        if link is not None:
            return link, True
        return self._open(server, deadline, connect_by), False

    def _take_idle(self, server: int) -> Link | None:
        """The idle link, if there is one that can be used. Raises as `_acquire`."""
        link = self._links.pop(server, None)
        if link is not None:
            now = monotonic()
            if link.is_usable(now):
                link.since = now
                return link
            link.close()
        else:
            reference = self._opened.get(server)
            used = reference() if reference is not None else None
            # One that was lost in an interruption is closed, or gone, or idle: not in use.
            if used is not None and used.is_open and not used.connection.is_idle:
                raise ClientBusy("one client, two callers at a time; see ClientPool")
        return None

    def _open(self, server: int, deadline: float, connect_by: float) -> Link:
        """A new link, on which the server has answered its first question."""
        gate = self._gates.get(server)
        opening = Opening(self, self._options, server, monotonic, deadline, gate)
        try:
            opening.enter()
            connect_by = opening.by(connect_by)
            how = opening.how(self._backend)
            address = self._setup.servers[server].address
            link = self._new_link(self._backend.connect(address, connect_by, **how))
            self._opened[server] = ref(link)
            opening.connected(link)
            self._greet(link, opening, connect_by)
            opening.done(link)
        except BaseException as error:
            opening.failed(error)
            raise
        return link

    # What the first words are, and over what, is what `mcclient.pylibmc` has its own ideas of.

    def _new_link(self, transport: Transport) -> Link:
        return Link(transport, self._options.timeout, self._setup.dialect.protocol)

    def _greet(self, link: Link, opening: Opening, deadline: float) -> None:
        """Say who is there, where that is asked, and hear that the server speaks the dialect."""
        greeting = opening.greeting()
        came: Any = None
        try:
            step = next(greeting)
            while True:
                try:
                    came = step() if callable(step) else link.exchange(step, deadline)
                except Exception as error:
                    step = greeting.throw(error)
                else:
                    try:
                        step = greeting.send(came)
                    finally:
                        came = None  # it may have been a password
        except StopIteration:
            link.has_door = self._setup.dialect.name == "meta"

    def _put_back(self, server: int, link: Link) -> None:
        """Among the idle ones if it is idle; closed if it is not."""
        if link.is_open and link.connection.is_idle:
            self._links[server] = link
            gate = self._gates.get(server)
            if gate is not None:
                gate.answered()
        else:
            link.close()
