"""The connections that the tasks of one client share: one to each server.

Knows who opens one while others wait for it, and when one is not used any more.  What goes on
over a connection is the backend's business, and what an error means to the caller the client's.
"""

from __future__ import annotations

from collections import deque
from itertools import chain
from math import inf
from weakref import WeakMethod

from mcproto.transports._calls import Call
from mcproto.transports._exchange import FAILURES

from ._errors import ClientClosed, ConnectFailed, ConnectionLost, OperationTimeout, ServerDown
from ._failures import exchange_failed, may_try_again

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import Any, TypeGuard, TypeVar

    from mcproto import Command
    from mcproto.transports import AsyncBackend, AsyncEvent, AsyncTransport
    from mcproto.transports._shared import Shared, SharingBackend

    from ._gate import Gate
    from ._link import AsyncLink
    from ._timeline import Spent, Timeline

    R = TypeVar("R")
    AT = TypeVar("AT", bound=AsyncTransport)

__all__ = ["Attempt", "SharedLinks", "shares"]

WINDOW = 100
"""So many keys are asked for at a time, that others get their turns in between."""

# The first; once more where that is allowed; and so often again where nothing had been written.
_MOST_ATTEMPTS = 4


def shares(backend: AsyncBackend[AT]) -> TypeGuard[SharingBackend[AT]]:
    """Whether tasks share what it connects."""
    return bool(getattr(backend, "multiplexed", False))


class SharedLinks:
    """One open connection for each server, and those that are being opened.

    Args:
        backend: what shares connections.
        open_link: a client's method that opens one for a server, by a deadline; what it raises is
            a client's error. Held weakly: the client has what is made here.
        servers: their names.
        gates: their gates.

    Attributes:
        links: by server. One may have come to its end; `acquire` sees to that.
    """

    __slots__ = (
        "_backend",
        "_closed",
        "_failed",
        "_gates",
        "_open_link",
        "_opening",
        "_retired",
        "_servers",
        "links",
    )

    def __init__(
        self,
        backend: SharingBackend[AsyncTransport],
        open_link: Callable[[int, float], Awaitable[AsyncLink]],
        servers: tuple[str, ...],
        gates: Mapping[int, Gate],
    ) -> None:
        self._backend = backend
        self._open_link = WeakMethod(open_link)
        self._servers = servers
        self._gates = gates
        # When a call to a server has last failed, on the framework's clock.
        self._failed: dict[int, float] = {}
        self._opening: dict[int, _Opening] = {}
        self._retired: list[Shared] = []  # those that still have callers
        self._closed = False
        self.links: dict[int, Shared] = {}

    async def acquire(self, server: int, deadline: float) -> tuple[Shared, Timeline | None]:
        """A connection that takes calls; and how it was opened, if that was for this caller.

        One task opens it, and the others wait. If that one is cancelled, or has less time than
        they have, one of them goes on in its place.

        Raises:
            ClientClosed: there are none any more.
            ServerUnavailable: it could not be opened.
        """
        while True:
            if self._closed:
                raise ClientClosed("the client has been closed")
            link = self.links.get(server)
            if link is not None:
                if link.ready() is None and link.is_open:
                    await link.look()
                if link.is_open:
                    return link, None
                if self.links.get(server) is link:
                    del self.links[server]
                    self._retired = [one for one in (*self._retired, link) if not one.is_over]
                continue
            opening = self._opening.get(server)
            if opening is None:
                return await self._open(server, deadline)
            await self._wait_for(opening, server, deadline)
            if opening.failure is not None:
                raise _like(opening.failure)

    async def exchange(
        self, server: int, command: Command[R], deadline: float, attempt: Attempt | None = None
    ) -> R:
        """Send the command, and give back what its reply means.

        What has not been written when its connection ends goes to another one.  What has been is
        asked again once, under the rules of `may_try_again`.

        Args:
            attempt: the first one, which has come to its end already.

        Raises:
            MemcacheError: what became of it.
        """
        spent: Spent = ()
        was_written = False
        attempts = 0
        while True:
            if attempt is None:
                attempt = await self._attempt(server, command, deadline)
            call = attempt.call
            try:
                result: R = attempt.result()
                self._gates[server].answered()
                return result
            except FAILURES as error:
                failure = error
            spent += attempt.spent(self._backend.now())
            attempts += 1
            if self._closed:
                raise ClientClosed("the client has been closed") from failure
            is_over = attempts == _MOST_ATTEMPTS or isinstance(failure, TimeoutError)
            if call.is_written and not is_over:
                reused = attempt.timeline is None
                is_over = was_written or not may_try_again(failure, command, reused, call.is_heard)
                was_written = True
            if is_over:
                name = self._servers[server]
                written = was_written or call.is_written
                failed = exchange_failed(failure, name, command, written=written, spent=spent)
                now = self._backend.now()
                # What was under way when a failure became known has failed by the same one.
                if attempt.began >= self._failed.get(server, -inf):
                    self._gates[server].failed(failure, failed, now)
                    self._failed[server] = now
                raise failed
            attempt = None

    async def _attempt(self, server: int, command: Command[R], deadline: float) -> Attempt:
        link, timeline = await self.acquire(server, deadline)
        now = self._backend.now()
        keys: tuple[bytes, ...] = getattr(command, "keys", ())
        if len(keys) > WINDOW and command.is_read:
            attempt = await _in_windows(link, command, keys, deadline, now)
            attempt.timeline = timeline
            return attempt
        call = link.call(command, deadline, now)
        await link.wait(call)
        return Attempt(call, now, timeline)

    def end(self, server: int, error: Exception) -> None:
        """Close the connection to this server, if there is one. Whoever uses it gets *error*."""
        link = self.links.pop(server, None)
        if link is not None:
            link.end(error)

    def close(self) -> None:
        """Close all. Whoever uses one, or waits for one, is told at once."""
        self._closed = True
        self._retired += self.links.values()
        self.links = {}
        while self._retired:
            self._retired.pop().end(ConnectionAbortedError("closed during the call"))
        while self._opening:
            self._opening.popitem()[1].event.set()

    def __del__(self) -> None:
        # Dropped with its client: the loop would keep the connections for ever.
        for link in (*self._retired, *self.links.values()):
            link.end(ConnectionAbortedError("the client has been dropped"))

    async def _open(self, server: int, deadline: float) -> tuple[Shared, Timeline | None]:
        opening = self._opening[server] = _Opening(self._backend.new_event())
        try:
            open_link = self._open_link()
            assert open_link is not None  # since its client's caller is here
            link = await open_link(server, deadline)
            if self._closed:
                link.close()
                raise ClientClosed("the client has been closed")
            try:
                shared = self._backend.share(link.transport, link.connection)
            except OSError as error:
                name = self._servers[server]
                text = f"{name}: the connection was lost as soon as it was there: {error}"
                raise ConnectionLost(text, server=name) from error
            self.links[server] = shared
            link.is_open = False  # here; it goes on as the other one
            return shared, link.timeline
        except (ConnectFailed, ServerDown) as error:
            opening.failure = error
            raise
        finally:
            if self._opening.get(server) is opening:
                del self._opening[server]
            opening.event.set()

    async def _wait_for(self, opening: _Opening, server: int, deadline: float) -> None:
        left = None if deadline == inf else deadline - self._backend.now()
        try:
            await self._backend.within(left, opening.event.wait)
        except TimeoutError as error:
            name = self._servers[server]
            text = f"{name}: the deadline passed while another task was connecting"
            raise OperationTimeout(text, server=name) from error


async def _in_windows(
    link: Shared, command: Command[Any], keys: tuple[bytes, ...], deadline: float, now: float
) -> Attempt:
    """A long list of keys in short ones, between which others get their turns."""
    starts = deque(range(0, len(keys), WINDOW))
    calls: deque[Call[Any]] = deque()
    found: list[Any] = []
    try:
        while True:
            # One is on its way while another one is being answered; more would be a long queue.
            while starts and len(calls) < 2:
                if not link.is_open:
                    call: Call[Any] = Call(command, (), deadline)
                    call.error = ConnectionAbortedError("the connection takes no more requests")
                    return Attempt(call, now)
                start = starts.popleft()
                part = _part(command, keys, start, start + WINDOW)
                calls.append(link.call(part, deadline, now))
            call = calls.popleft()
            await link.wait(call)
            if call.error is not None:
                return Attempt(call, now)
            found.append(call.result())
            if not (starts or calls):
                return Attempt(call, now, found=_joined(found))
    finally:
        while calls:
            link.abandon(calls.pop())


def _part(command: Command[Any], keys: tuple[bytes, ...], start: int, stop: int) -> Command[Any]:
    """The same command with some of its keys, and their names if it has names for them."""
    columns = (keys, getattr(command, "names", None))
    make: Callable[..., Command[Any]] = type(command)
    return make(*[column[start:stop] for column in columns if column is not None])


def _joined(results: list[Any]) -> Any:
    """What several commands have found, as one would have given it: a dict, or columns."""
    if isinstance(results[0], dict):
        return {key: item for result in results for key, item in result.items()}
    return tuple([list(chain.from_iterable(column)) for column in zip(*results, strict=True)])


class Attempt:
    """A call that has come to its end, and when and how it began.

    Attributes:
        began: when, on the framework's clock.
        timeline: how its connection was opened, if that was for this call.
    """

    __slots__ = ("_found", "began", "call", "timeline")

    def __init__(
        self,
        call: Call[Any],
        began: float,
        timeline: Timeline | None = None,
        found: Any = None,
    ) -> None:
        self.call = call
        self.began = began
        self._found = found
        self.timeline = timeline

    def result(self) -> Any:
        """What has come of it; raises what there was instead."""
        result = self.call.result()
        return result if self._found is None else self._found

    def spent(self, now: float) -> Spent:
        """Where its time has gone."""
        if self.timeline is None:
            return (("exchange", now - self.began),)
        return self.timeline.spent()


class _Opening:
    """One attempt to open a connection, and those who wait for what comes of it."""

    __slots__ = ("event", "failure")

    def __init__(self, event: AsyncEvent) -> None:
        self.event = event
        self.failure: ConnectFailed | ServerDown | None = None


def _like(error: ConnectFailed | ServerDown) -> ConnectFailed | ServerDown:
    """The same failure for somebody else: what is raised in many places gathers their frames."""
    like: Any = type(error).__new__(type(error))
    like.args = error.args
    like.__dict__.update(error.__dict__)
    like.__cause__ = error.__cause__
    return like  # type: ignore[no-any-return]
