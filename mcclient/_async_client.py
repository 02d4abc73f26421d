"""The async client, for trio and asyncio alike: signatures, contracts, and a runner.

What an operation does is in `operations`, how one exchange goes in `_link`, what an error is
called in `_failures`: all as with the blocking client, whose twin this is, method for method
(a test holds them together).
"""

from __future__ import annotations

import sys
from math import inf
from time import monotonic
from weakref import ref

from mcproto import Item, RemoteProtocolError
from mcproto._parts import LARGE
from mcproto.transports._calls import can_share
from mcproto.transports._exchange import FAILURES

from . import operations
from ._errors import (
    ClientBusy,
    ClientClosed,
    CommandFailed,
    MemcacheError,
    ServerDown,
    ServerUnavailable,
)
from ._expiry import exptime_of
from ._failures import exchange_failed, may_try_again
from ._fork import tell_after_fork
from ._gate import gates_for
from ._link import AsyncLink, ClosedLinks
from ._opening import Opening
from ._options import Options, check_backend
from ._shared import Attempt, SharedLinks, shares

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Any, Literal, Self, TypeVar

    from mcproto import Command
    from mcproto.transports import AsyncBackend, AsyncEvent, AsyncTransport, Context

    from ._auth import AsyncCredentials
    from ._expiry import Expire
    from ._gate import Gate
    from ._item import CasItem
    from ._observers import Observer
    from ._quiet import AsyncQuiet
    from ._servers import Servers
    from .operations import Effect, Operation
    from .rings._pylibmc import Profile
    from .values import Codec

    K = TypeVar("K", bound="str | bytes")
    R = TypeVar("R")

__all__ = ["AsyncClient"]


class AsyncClient:
    """Speaks to a list of servers, one connection to each, opened when first wanted.

    Under trio or asyncio, whichever it is used in. Any number of tasks may use it at once: they
    share its connections, requests that become ready together leave together, and each task gets
    the replies to its own. Where the backend was made with ``multiplexed=False``, or cannot share,
    the client is for one task at a time, and a second one gets `ClientBusy`: give each its own,
    from a `ClientPool` or `clone`.

    A call may be cancelled at any point, by the framework's own means, and the client is good for
    the next one, and for the others: what is still owed to the call is dropped when it comes, in
    its turn and within limits, or else its connection takes no more calls. After a call's
    deadline has passed, later calls go over a fresh connection.

    Options, keys, expiry, deadlines and errors are those of `Client`, but for

    Args:
        backend: a `mcproto.transports.AsyncBackend`; by default the one for the framework that
            the client finds itself in when it is first used, multiplexed.
        credentials: the function may be an async one as well.
    """

    __slots__ = (
        "__weakref__",
        "_as_is",
        "_backend",
        "_busy",
        "_gates",
        "_has_door",
        "_home",
        "_is_given",
        "_links",
        "_observer",
        "_opened",
        "_options",
        "_setup",
        "_shared",
        "_timeout",
        "closed",
        "servers",
    )

    def __init__(
        self,
        servers: Servers,
        *,
        protocol: Literal["meta", "classic", "binary"] = "meta",
        backend: AsyncBackend[Any] | None = None,
        ring: Literal["ketama", "modula", "pylibmc"] | Profile = "ketama",
        codec: Literal["plain", "json"] | Codec = "plain",
        key_prefix: str | bytes = "",
        timeout: float | None = 1.0,
        connect_timeout: float | None = 1.0,
        on_unavailable: Literal["raise", "miss"] = "raise",
        username: str | bytes | None = None,
        password: str | bytes | None = None,
        credentials: AsyncCredentials | None = None,
        allow_cleartext_auth: bool = False,
        observer: Observer | None = None,
        ssl_context: Context | None = None,
    ) -> None:
        if backend is not None:
            check_backend(backend, "side_by_side", "an async")
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
        if backend is not None:
            options.check_tls(backend)
        self._start(options, backend, gates_for(options.setup.servers, options.observer))

    def _start(
        self, options: Options, backend: AsyncBackend[Any] | None, gates: dict[int, Gate]
    ) -> None:
        setup = options.setup
        self.servers = tuple([server.name for server in setup.servers])
        self.closed = False
        self._options = options
        self._setup = setup
        self._observer = options.observer
        # Where none was given, the one for where it was used last.
        self._backend: AsyncBackend[AsyncTransport] | None = backend
        self._is_given = backend is not None
        self._timeout = inf if options.timeout is None else options.timeout
        # Whether there is a direct way: the servers speak meta, and no observer is to see it.
        self._has_door = setup.dialect.name == "meta" and options.observer is None
        # The flags under which it may hand out a value as it came: with a user's codec, none.
        self._as_is = 0 if options.zero_is_bytes else -1
        self._busy = False
        # Who may open a link to which server; clones have the same.
        self._gates = gates
        # The connections that all tasks share; None: one task at a time, each with those below.
        self._shared: SharedLinks | None = None
        # The idle links, by server. One that is in use is not here.
        self._links: dict[int, AsyncLink] = {}
        # The newest link to each server, wherever it is. Asked by `aclose` only.
        self._opened: dict[int, ref[AsyncLink]] = {}
        # The loop, or trio's run, that the links belong to.
        self._home: object = None
        tell_after_fork(self.forget_connections)

    # ------------------------------------------------------------------------------- reading

    async def get(self, key: str | bytes, default: object = None) -> object:
        """The value under *key*, or *default* if there is none.

        Raises:
            ValueUnreadable: the item is there, but the codec cannot read it.
        """
        shared = self._shared
        server, wire = self._setup.routes[key]
        link = shared.links.get(server) if shared is not None and self._has_door else None
        now = link.ready() if link is not None else None
        if link is None or now is None:
            return await self._run(operations.get(self._setup, key, default))
        call = link.fetch(wire, now + self._timeout, now)
        await link.wait(call)
        if call.error is not None:
            operation = operations.get(self._setup, key, default)
            return await self._run(operation, attempt=Attempt(call, now))
        found = call.result()
        if found is None:
            return default
        value, flags = found
        if flags == self._as_is:
            return value
        return operations.value_of(self._setup, server, Item(wire, flags, value))

    async def gets(self, key: str | bytes) -> CasItem | None:
        """The item under *key* with what `cas` needs (``.value``, ``.cas``), or None.

        Raises:
            ValueUnreadable: the item is there, but the codec cannot read it.
        """
        return await self._run(operations.gets(self._setup, key))

    async def gat(self, key: str | bytes, expire: Expire, default: object = None) -> object:
        """Get and touch: the value under *key*, which gets a new expiry, or *default*.

        Raises:
            ValueUnreadable: the item is there, but the codec cannot read it.
        """
        return await self._run(operations.gat(self._setup, key, exptime_of(expire), default))

    async def get_multi(self, keys: Iterable[K]) -> dict[K, object]:
        """The values of those of the *keys* that are there, under the keys as given.

        Raises:
            PartialFailure: some servers gave no answer; `result` has the others' hits.
            ValueUnreadable: an item is there, but the codec cannot read it.
        """
        return await self._run(operations.get_multi(self._setup, keys))

    # ------------------------------------------------------------------------------- storing

    async def set(self, key: str | bytes, value: object, expire: Expire = 0) -> bool:
        """Store *value*, whatever was there. False: the server did not.

        Raises:
            ValueTooLarge: for the server. What was there before is gone.
            ItemTooLarge: for the protocol; nothing was sent.
            TypeError: the codec does not take such a value.
        """
        setup, shared = self._setup, self._shared
        server, wire = setup.routes[key]
        exptime = 0 if expire == 0 else exptime_of(expire)
        data, flags = setup.serialize(value)
        link = shared.links.get(server) if shared is not None and self._has_door else None
        now = link.ready() if link is not None and len(data) <= LARGE else None
        if link is None or now is None:
            operation = operations.store_data(setup, key, data, flags, exptime)
            return await self._run(operation, "set")
        call = link.store(wire, data, flags, exptime, now + self._timeout, now)
        await link.wait(call)
        if call.error is not None:
            operation = operations.store_data(setup, key, data, flags, exptime)
            return await self._run(operation, "set", Attempt(call, now))
        return call.result()

    async def add(self, key: str | bytes, value: object, expire: Expire = 0) -> bool:
        """Store *value* if nothing is there. False: something is. Raises as `set` does."""
        operation = operations.store(self._setup, "add", key, value, exptime_of(expire))
        return await self._run(operation, "add")

    async def replace(self, key: str | bytes, value: object, expire: Expire = 0) -> bool:
        """Store *value* if something is there. False: nothing is. Raises as `set` does."""
        operation = operations.store(self._setup, "replace", key, value, exptime_of(expire))
        return await self._run(operation, "replace")

    async def append(self, key: str | bytes, value: object) -> bool:
        """Put *value* behind what is there. False: nothing is. Raises as `set` does.

        The item keeps its flags and expiry: append what is of the same kind.
        """
        return await self._run(operations.join(self._setup, "append", key, value), "append")

    async def prepend(self, key: str | bytes, value: object) -> bool:
        """Put *value* before what is there. False: nothing is. Raises as `set` does.

        The item keeps its flags and expiry: prepend what is of the same kind.
        """
        return await self._run(operations.join(self._setup, "prepend", key, value), "prepend")

    async def cas(self, key: str | bytes, value: object, cas: int, expire: Expire = 0) -> bool:
        """Store *value* if the item is still the one that `gets` gave with this *cas*.

        False: it has been changed, or is gone. Raises as `set` does.
        """
        return await self._run(operations.cas(self._setup, key, value, cas, exptime_of(expire)))

    async def set_multi(self, mapping: Mapping[K, object], expire: Expire = 0) -> list[K]:
        """Store many values; give back the keys that were not stored, [] if all were.

        Every value is serialized before the first is sent.

        Raises:
            PartialFailure: some servers gave no answer; `failed_keys` may be stored or not,
                `result` has the keys that the others did not store.
            TypeError: the codec does not take such a value; nothing was sent.
        """
        return await self._run(operations.set_multi(self._setup, mapping, exptime_of(expire)))

    # ---------------------------------------------------------------------- changing what is there

    async def delete(self, key: str | bytes) -> bool:
        """Delete the item. False: there was none."""
        return await self._run(operations.delete(self._setup, key))

    async def delete_multi(self, keys: Iterable[str | bytes]) -> bool:
        """Delete many items. True: every one of them was there.

        Raises:
            PartialFailure: some servers gave no answer; `failed_keys` may be deleted or not.
        """
        return await self._run(operations.delete_multi(self._setup, keys))

    async def incr(
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
        return await self._run(operation, "incr")

    async def decr(
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
        return await self._run(operation, "decr")

    async def touch(self, key: str | bytes, expire: Expire) -> bool:
        """Give the item a new expiry. False: there is none."""
        return await self._run(operations.touch(self._setup, key, exptime_of(expire)))

    # --------------------------------------------------------------------------------- servers

    async def flush_all(self, delay: int = 0) -> bool:
        """Make all that is stored now, on all servers, invisible *delay* seconds from now.

        The server's clock ticks once a second.

        Raises:
            PartialFailure: some servers gave no answer.
        """
        return await self._run(operations.flush_all(self._setup, delay))

    async def stats(self, group: str | None = None) -> dict[str, dict[str, str]]:
        """The statistics of every server, by its name; of a group (``"items"``) if named.

        Raises:
            PartialFailure: some servers gave no answer; `result` has the others'.
        """
        return await self._run(operations.stats(self._setup, group))

    async def version(self) -> dict[str, str]:
        """The version of every server, by its name.

        Raises:
            PartialFailure: some servers gave no answer; `result` has the others'.
        """
        return await self._run(operations.version(self._setup))

    async def execute(
        self, command: Command[R], *, server: str | tuple[str, int] | None = None
    ) -> R:
        """Send any command of mcproto and give back ``command.result(reply)``.

        Keys go out as they stand in the command, without *key_prefix*. A silent command
        (noreply, quiet) is followed by a barrier that is waited for.

        Args:
            server: one of the client's; by default the one where the command's key lives.

        Raises:
            InvalidArgument: *server* is needed, or is none of the client's.
        """
        number = self._options.server_named(server)
        return await self._run(operations.execute(self._setup, command, number))

    def quiet(self) -> AsyncQuiet:
        """A block whose writes are gathered, leave in flights, and are answered if they fail.

        See `AsyncQuiet`.
        """
        from ._quiet import AsyncQuiet

        return AsyncQuiet(self._setup, not self._as_is, self._run)

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
        clone._start(self._options, self._backend if self._is_given else None, self._gates)
        return clone

    async def aclose(self) -> None:
        """Close all connections. Calls in other tasks end with `ClientClosed`, at once."""
        self.closed = True
        idle, self._links = self._links, ClosedLinks()
        while idle:
            idle.popitem()[1].close()
        if self._shared is not None:
            self._shared.close()
        for reference in list(self._opened.values()):
            link = reference()
            if link is not None and link.is_open:
                link.close()

    def forget_connections(self) -> None:
        """Start anew with fresh connections. What a child process does after a fork, by itself."""
        if not self.closed:
            # Not closed: the parent's loop watches them with what the child has inherited.
            _ORPHANS.append((self._links, self._shared))
            self._links = {}
            self._home = self._shared = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def hurry(self, seconds: float | None) -> None:
        """Give the next calls less time than *timeout*: what waiting for a client has left of it.

        None: all of it again.
        """
        self._timeout = seconds if seconds is not None else self._options.timeout or inf

    def __repr__(self) -> str:
        state = ", closed" if self.closed else ""
        return f"{type(self).__name__}({list(self.servers)!r}{state})"

    def new_event(self) -> Event:
        """Something for a task to wait for; what a pool wakes its waiters with."""
        return Event(self._current_backend())

    # ------------------------------------------------------------------------------ the runner

    def _current_backend(self) -> AsyncBackend[AsyncTransport]:
        """The backend for here and now; what belongs to a loop that has ended is forgotten."""
        backend = self._backend
        try:
            home = None if backend is None else backend.home()
        except RuntimeError:
            if self._is_given:
                raise
            home = None  # it was another framework's
        if home is not None and home is self._home:
            assert backend is not None
            return backend
        if not self._is_given:
            backend = self._backend = _backend_here()
        assert backend is not None
        self._home = backend.home()
        if not self.closed:
            self._links = {}
            self._shared = None
            if shares(backend):
                self._shared = SharedLinks(backend, self._open, self.servers, self._gates)
        return backend

    async def _run(
        self, operation: Operation[R], name: str | None = None, attempt: Attempt | None = None
    ) -> R:
        """Do what the operation asks for, and give back its result.

        Args:
            name: what an observer calls it; None: the operation's own name.
            attempt: at its first exchange, which has failed by the direct way.
        """
        if self._observer is not None:
            operation = operations.watched(self._setup, operation, self._observer, name, monotonic)
        deadline = self._current_backend().now() + self._timeout
        if self._shared is not None:
            if attempt is not None:
                deadline = attempt.began + self._timeout
            return await self._play(operation, deadline, attempt)
        if self._busy:
            raise ClientBusy("one client, two callers at a time; see ClientPool")
        self._busy = True
        try:
            return await self._play(operation, deadline)
        finally:
            self._busy = False

    async def _play(
        self, operation: Operation[R], deadline: float, attempt: Attempt | None = None
    ) -> R:
        effect: Effect | None = None
        try:
            effect = next(operation)
            while True:
                first, attempt = attempt, None
                try:
                    outcome = await self._perform(effect, deadline, first)
                except MemcacheError as error:
                    effect = operation.throw(error)
                else:
                    effect = operation.send(outcome)
        except StopIteration as stop:
            result: R = stop.value
            return result
        except RemoteProtocolError as error:
            # A proper reply, so the link is idle, but not one to what was asked.
            assert isinstance(effect, operations.Exchange)
            link = self._links.pop(effect.server, None)
            if link is not None:
                link.close()
            if self._shared is not None:
                self._shared.end(effect.server, error)
            raise exchange_failed(
                error, self.servers[effect.server], effect.command, written=True
            ) from error

    async def _perform(
        self, effect: Effect, deadline: float, attempt: Attempt | None = None
    ) -> object:
        if isinstance(effect, operations.Exchange):
            return await self._exchange(effect.server, effect.command, deadline, attempt)
        return await self._fan_out(effect.commands, deadline)

    async def _fan_out(
        self, commands: Mapping[int, Command[object]], deadline: float
    ) -> dict[int, object]:
        """One exchange with each of several servers: what came of each."""
        outcomes: dict[int, object] = {}
        mistakes: list[Exception] = []

        async def job(server: int, command: Command[object]) -> None:
            try:
                outcomes[server] = await self._exchange(server, command, deadline)
            except (ServerUnavailable, CommandFailed) as error:
                outcomes[server] = error
            except Exception as error:  # not of one server, so not its outcome
                mistakes.append(error)

        if len(commands) == 1:
            for server, command in commands.items():
                await job(server, command)
        else:
            await self._current_backend().side_by_side(
                [_Call(job, server, command) for server, command in commands.items()]
            )
        if mistakes:
            raise mistakes[0]
        return outcomes

    async def _exchange(
        self,
        server: int,
        command: Command[R],
        deadline: float,
        attempt: Attempt | None = None,
    ) -> R:
        shared = self._shared
        if shared is not None and can_share(command):
            return await shared.exchange(server, command, deadline, attempt)
        link, reused = await self._acquire(server, deadline)
        try:
            return await self._exchange_on(server, link, command, deadline)
        except FAILURES as error:
            failure = error
        now = self._current_backend().now
        spent = link.spent(now(), reused)
        if may_try_again(failure, command, reused, link.connection.in_reply):
            link, _ = await self._acquire(server, deadline)
            try:
                return await self._exchange_on(server, link, command, deadline)
            except FAILURES as error:
                failure = error
            spent += link.spent(now(), reused=False)
        if self.closed:
            raise ClientClosed("the client has been closed") from failure
        failed = exchange_failed(failure, self.servers[server], command, written=True, spent=spent)
        self._gates[server].failed(failure, failed, now())
        raise failed

    async def _exchange_on(
        self, server: int, link: AsyncLink, command: Command[R], deadline: float
    ) -> R:
        backend = self._current_backend()
        try:
            return await backend.within(
                _left(deadline, backend.now()), _Call(link.exchange, command)
            )
        finally:
            # Among the idle ones if it is idle; it has closed itself if it is not.
            if link.is_open:
                self._gates[server].answered()
                if self._shared is not None:
                    link.close()  # it was for a command that cannot share
                else:
                    self._links[server] = link

    # ----------------------------------------------------------------------------------- links

    async def _acquire(self, server: int, deadline: float) -> tuple[AsyncLink, bool]:
        """A link that is idle, and whether it has been used before. It leaves the idle ones.

        Raises:
            ClientClosed: there are none any more.
            ServerUnavailable: there was none, and it could not be opened.
        """
        link = self._links.pop(server, None)
        if link is not None:
            now = self._current_backend().now()
            if link.is_usable(now):
                link.since = now
                return link, True
            link.close()
        return await self._open(server, deadline), False

    async def _open(self, server: int, deadline: float) -> AsyncLink:
        """A new link, on which the server has answered its first question."""
        backend = self._current_backend()
        gate = self._gates[server]
        opening = Opening(self, self._options, server, backend.now, deadline, gate)
        try:
            opening.enter()
            connect_by = opening.by(deadline)
            how = opening.how(backend)
            if how:
                how["deadline"] = connect_by

            async def connect_and_greet() -> AsyncLink:
                transport = await backend.connect(self._setup.servers[server].address, **how)
                link = AsyncLink(transport, backend.now(), self._setup.dialect.protocol)
                self._opened[server] = ref(link)
                opening.connected(link)
                await _greet(link, opening)
                opening.done(link)
                return link

            return await backend.within(_left(connect_by, backend.now()), connect_and_greet)
        except ServerDown:
            # Who asks again and again, as fast as it can, lets others have their turns.
            await Event(backend).wait(0.0)
            raise
        except BaseException as error:
            opening.failed(error)
            raise


async def _greet(link: AsyncLink, opening: Opening) -> None:
    """Say who is there, where that is asked, and hear that the server speaks the dialect."""
    greeting = opening.greeting()
    came: Any = None
    try:
        step = next(greeting)
        while True:
            try:
                if callable(step):
                    came = step()
                    if hasattr(came, "__await__"):
                        came = await came
                else:
                    came = await link.exchange(step)
            except Exception as error:
                step = greeting.throw(error)
            else:
                try:
                    step = greeting.send(came)
                finally:
                    came = None  # it may have been a password
    except StopIteration:
        pass


# In a child process, the connections of its parent.
_ORPHANS: list[tuple[dict[int, AsyncLink], SharedLinks | None]] = []


class Event:
    """Happens once; tasks can wait for it."""

    __slots__ = ("_backend", "_event")

    def __init__(self, backend: AsyncBackend[AsyncTransport]) -> None:
        self._backend = backend
        self._event: AsyncEvent = backend.new_event()

    def set(self) -> None:
        """Let it happen. An ordinary call: never waits."""
        self._event.set()

    async def wait(self, timeout: float | None = None) -> None:
        """Return when it has happened, at the latest after *timeout* seconds (None: whenever)."""
        try:
            await self._backend.within(timeout, self._event.wait)
        except TimeoutError:
            pass


class _Call:
    """A function with its arguments, to be awaited. (functools.partial is a dear import.)"""

    __slots__ = ("_arguments", "_function")

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self._function = function
        self._arguments = arguments

    def __call__(self) -> Any:
        return self._function(*self._arguments)


def _left(deadline: float, now: float) -> float | None:
    return None if deadline == inf else deadline - now


def _backend_here() -> AsyncBackend[Any]:
    """The backend for the framework that is running this code."""
    trio = sys.modules.get("trio")
    if trio is not None:
        try:
            trio.lowlevel.current_task()
        except RuntimeError:
            pass
        else:
            from mcproto.transports.trio import TrioBackend

            return TrioBackend()
    if "asyncio" in sys.modules:
        from mcproto.transports.asyncio import AsyncioBackend

        return AsyncioBackend()
    raise RuntimeError("an AsyncClient works under trio or asyncio only, or with a backend given")
