"""One connection to one server: its transport and the state of what is spoken over it.

A link in a client's hands is idle.  Whoever uses it takes it out, and puts it back when it is
idle again; what happens in between, however it ends, leaves nothing to be put back.  So there is
nothing to clean up for correctness; closing at once only saves the descriptor.
"""

from __future__ import annotations

from math import inf
from time import monotonic

from mcproto import CLOSED, NEED_DATA, ClientConnection, ProtocolDesync, meta
from mcproto._columns import WHOLE
from mcproto._command import MAX_VALUE
from mcproto._direct import get_forms, set_forms
from mcproto._parts import LARGE
from mcproto._typing import Generic
from mcproto.transports import RECEIVE_SIZE
from mcproto.transports._exchange import exchange, hears_while_sending, receive

from ._errors import ClientClosed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any, Literal, NoReturn, TypeVar

    from mcproto import Command
    from mcproto._columns import GetColumns
    from mcproto._direct import Heads
    from mcproto._flight import EncodedFlight
    from mcproto.transports import (
        AsyncTransport,
        JobBackend,
        Transport,
        Wait,
    )

    from ._timeline import Spent, Timeline

    AnyTransport = TypeVar("AnyTransport", Transport, AsyncTransport)
    L = TypeVar("L", bound="Link | AsyncLink")
    R = TypeVar("R")
else:
    AnyTransport = object

__all__ = ["DIRECT_SIZE", "NOT_YET", "STALE_AFTER", "AsyncLink", "ClosedLinks", "Link"]

STALE_AFTER = 0.05
"""Seconds of idleness after which a link is looked at before it is used again.

Sooner than that, a stray reply is caught by what must match; the look costs a system call."""

# What the direct door says when a moment was not enough.
NOT_YET = (BlockingIOError, TimeoutError)

DIRECT_SIZE = 16384
"""The largest value or request for the direct door: more may not fit into the socket's buffer."""

# Longer replies than this, in bytes, are read piece by piece.
_MOST_WHOLE = 4 * RECEIVE_SIZE

# A call with less time than this, in seconds, does without the door's moments.
A_WHILE = 0.01


class _AnyLink(Generic[AnyTransport]):
    """What a link is, whoever waits for its bytes.

    Attributes:
        connection: the protocol's state.
        since: when the last exchange began, on the client's clock.
        is_open: whether it has not been closed.
        timeline: how it was opened, and the first exchange on it.
    """

    __slots__ = ("__weakref__", "connection", "is_open", "since", "timeline", "transport")

    def __init__(
        self, transport: AnyTransport, now: float, protocol: Literal["text", "binary"] = "text"
    ) -> None:
        self.transport: AnyTransport = transport
        self.connection = ClientConnection(protocol)
        self.since = now
        self.is_open = True
        self.timeline: Timeline | None = None

    def is_usable(self, now: float) -> bool:
        """Whether the next exchange may start: idle, and nothing has come in the meantime."""
        return self.connection.is_idle and (
            now - self.since < STALE_AFTER or not self.transport.has_input()
        )

    def check(self) -> None:
        """Raise RemoteProtocolError if more has come than the last reply."""
        if self.connection.is_broken:
            self.connection.next_event()

    def spent(self, now: float, reused: bool) -> Spent:
        """Where the time of the exchange has gone that has just failed, and of opening for it."""
        if reused or self.timeline is None:
            return (("exchange", now - self.since),)
        return self.timeline.spent()

    def close(self) -> None:
        self.is_open = False
        self.transport.close()

    def _end(self) -> None:
        if not self.connection.is_idle:
            self.close()


class Link(_AnyLink["Transport"]):
    """A blocking connection. Its clock is `time.monotonic`.

    Args:
        timeout: seconds that an exchange through the direct door may take.
        protocol: what is spoken over it: ``"text"`` or ``"binary"``.

    Attributes:
        has_door: whether the direct door may be used: the server speaks meta.
    """

    __slots__ = ("_next_get", "_next_set", "_receive", "_send", "_timeout", "has_door")

    def __init__(
        self,
        transport: Transport,
        timeout: float | None,
        protocol: Literal["text", "binary"] = "text",
    ) -> None:
        super().__init__(transport, monotonic(), protocol)
        self.has_door = False
        self._timeout = timeout
        self._next_get = get_forms().__next__
        self._next_set = set_forms().__next__
        self._send, self._receive = transport.direct(timeout)

    def exchange(self, command: Command[R], deadline: float) -> R:
        """Send the command and give back what its reply means.

        Raises:
            ErrorReplied: the server answered with an error line; the link is idle.
            ProtocolError, OSError: there was no such reply; the link is of no further use.
        """
        asked: object = command
        if self.has_door and isinstance(asked, WHOLE) and deadline > self.since + A_WHILE:
            request = asked.encode()
            if len(request) < LARGE:
                result: R = self._exchange_whole(asked, request, deadline)
                return result
        try:
            return exchange(self.transport, self.connection, command, deadline)
        except BaseException:
            self._end()
            raise

    def _exchange_whole(
        self, command: GetColumns | EncodedFlight, request: bytes, deadline: float
    ) -> Any:
        """`exchange` by the direct door, where a reply is nearly always here at once."""
        connection = self.connection
        connection.owed = 1
        sent, received = 0, None
        try:
            try:
                sent = self._send(request)
                if sent == len(request):
                    received = self._receive(RECEIVE_SIZE)
                    # In a few pieces, one after the other, it is still cheaper as a whole.
                    while len(received) >= LARGE and not received.endswith(command.ending):
                        piece = self._receive(RECEIVE_SIZE)
                        received += piece
                        if not piece or len(received) > _MOST_WHOLE:
                            break
                    result = command.whole(received)
                    if result is not None:
                        connection.owed = 0
                        return result
            except NOT_YET:
                pass
            return self._go_on(command, request[sent:], received, deadline)
        except BaseException:
            self._end()
            raise

    def exchanging(
        self, backend: JobBackend[Transport], command: Command[R], deadline: float
    ) -> Generator[Wait, None, R]:
        """`exchange` as a job for *backend*."""
        try:
            return (
                yield from backend.exchanging(self.transport, self.connection, command, deadline)
            )
        except BaseException:
            self._end()
            raise

    # The direct door, for servers that speak meta.  `exchange` with `meta.Get` and `meta.Set` is
    # the plain version of both, and takes over where a reply is anything but the usual one.
    # `since` has been set to the time of the call: the deadline counts from there.

    def fetch(self, key: bytes) -> tuple[bytes, int] | None:
        """(value, flags) of an item, None if it is not there. Raises as `exchange` does."""
        form, miss, heads = self._next_get()
        request = form % key
        connection = self.connection
        connection.owed = 1
        sent, received = 0, None
        try:
            try:
                sent = self._send(request)
                if sent == len(request):
                    received = self._receive(RECEIVE_SIZE)
                    head, _, rest = received.partition(b"\r\n")
                    size, flags = heads[head]
                    if rest[size:] == b"\r\n":  # so long it is, and no longer
                        connection.owed = 0
                        return rest[:size], flags
                    if received == miss:
                        connection.owed = 0
                        return None
                    if size > len(rest) and size <= MAX_VALUE:
                        return self._fetch_large(key, heads, received, rest, size, flags)
            except NOT_YET:
                pass
            return self.finish_fetch(key, heads, request[sent:], received)
        except BaseException:
            self._end()
            raise

    def _fetch_large(
        self, key: bytes, heads: Heads, received: bytes, rest: bytes, size: int, flags: int
    ) -> tuple[bytes, int] | None:
        """`fetch` of a value that comes in many pieces: they are joined once, to the value itself.

        (benchmarks/blocking.py: half of what the plain way takes at 100 KiB.)
        """
        pieces = [rest]
        missing = size + 2 - len(rest)
        latest = inf if self._timeout is None else self.since + self._timeout
        try:
            while missing > 0 and monotonic() < latest:
                piece = self._receive(RECEIVE_SIZE)
                if not piece:
                    break
                pieces.append(piece)
                missing -= len(piece)
        except NOT_YET:
            pass
        if not missing:
            ending = pieces.pop()
            if len(ending) < 2:
                ending = pieces.pop() + ending
            if ending.endswith(b"\r\n"):
                pieces.append(ending[:-2])
                self.connection.owed = 0
                return b"".join(pieces), flags
            pieces.append(ending)
        # The plain way decides, from where this one has come to.
        head = received[: len(received) - len(rest)]
        return self.finish_fetch(key, heads, b"", head + b"".join(pieces))

    def finish_fetch(
        self, key: bytes, heads: Heads, unsent: bytes, received: bytes | None
    ) -> tuple[bytes, int] | None:
        """`fetch`, from where a reply was anything but the usual one, or not whole yet."""
        command = meta.Get(key, f=True, O=heads.token, v=True)
        reply = self._go_on(command, unsent, received)
        if reply is None:
            return None
        numbers = reply.number("f")
        if reply.value is None or numbers is None:
            raise ProtocolDesync(f"a hit without what was asked for: {reply!r}")
        return reply.value, numbers

    def store(self, key: bytes, value: bytes, flags: int, exptime: int) -> bool:
        """Whether the item has been stored. Raises as `exchange` does."""
        connection = self.connection
        plain, full, stored, token = self._next_set()
        if len(value) >= LARGE:
            return self._store_large(key, value, flags, exptime, stored, token)
        if flags or exptime:
            request = full % (key, len(value), flags, exptime, value)
        else:
            request = plain % (key, len(value), value)
        connection.owed = 1
        sent, received = 0, None
        try:
            try:
                sent = self._send(request)
                if sent == len(request):
                    received = self._receive(RECEIVE_SIZE)
                    if received == stored:
                        connection.owed = 0
                        return True
            except NOT_YET:
                pass
            command = meta.Set(key, value, F=flags or None, O=token, T=exptime or None)
            return self.finish_store(command, request[sent:], received)
        except BaseException:
            self._end()
            raise

    def _store_large(
        self, key: bytes, value: bytes, flags: int, exptime: int, stored: bytes, token: bytes
    ) -> bool:
        """`store` of a value that is not copied to stand behind its header."""
        command = meta.Set(key, value, F=flags or None, O=token, T=exptime or None)
        parts = command.encode_parts()
        deadline = inf if self._timeout is None else self.since + self._timeout
        heard: list[bytes] = []
        received = None
        connection = self.connection
        connection.owed = 1
        try:
            send_parts = getattr(self.transport, "send_parts", None)
            if send_parts is None:
                self.transport.send_all(b"".join(parts), deadline)
            else:
                send_parts(parts, deadline, heard.append)
            try:
                received = b"".join(heard) if heard else self._receive(RECEIVE_SIZE)
                if received == stored:
                    connection.owed = 0
                    return True
            except NOT_YET:
                pass
            return self.finish_store(command, b"", received)
        except BaseException:
            self._end()
            raise

    def finish_store(self, command: meta.Set, unsent: bytes, received: bytes | None) -> bool:
        """`store`, from where the reply was not the usual one, or not whole yet."""
        return self._go_on(command, unsent, received).code == "HD"

    def _go_on(
        self,
        command: Command[R],
        unsent: bytes,
        received: bytes | None,
        deadline: float | None = None,
    ) -> R:
        """From the direct door to the plain way: go on with what is not whole yet.

        Args:
            received: what has come; None: nothing yet.
            deadline: None: the link's own, from when the call began.
        """
        if received == b"":
            raise ConnectionResetError("the server has closed the connection")
        if deadline is None:
            deadline = inf if self._timeout is None else self.since + self._timeout
        if unsent:
            if monotonic() >= deadline:
                raise TimeoutError("the server does not read")
            self.transport.send_all(unsent, deadline)
        self.connection.resume(command, received or b"")
        return receive(self.transport, self.connection, command, deadline)

    def abort(self) -> None:
        """End it under the hands of the thread that is using it."""
        self.is_open = False
        self.transport.abort()


class AsyncLink(_AnyLink["AsyncTransport"]):
    """A connection for a task. Its clock is the framework's."""

    __slots__ = ()

    def __del__(self) -> None:
        # Dropped with its client, or on the way: the loop would keep the connection for ever.
        if getattr(self, "is_open", False):
            self.close()

    async def exchange(self, command: Command[R]) -> R:
        """Send the command and give back what its reply means. Raises as `Link.exchange`."""
        connection, transport = self.connection, self.transport
        try:
            parts = connection.send_parts(command)
            if len(parts) == 1 and len(parts[0]) < LARGE:
                await transport.send_all(parts[0])
            elif hears_while_sending(transport):
                await transport.send_parts(parts, connection.receive_data)
            else:
                await transport.send_all(b"".join(parts))
            while (event := connection.next_event()) is NEED_DATA:
                data = await transport.receive_some()
                if not data and not command.may_close:
                    raise ConnectionResetError("the server has closed the connection")
                connection.receive_data(data)
            assert event is not CLOSED  # since something is owed
            return command.result(event)
        except BaseException:
            self._end()
            raise


class ClosedLinks(dict[int, "L"]):
    """The links of a closed client: there are none, and what is put here is closed."""

    def pop(self, server: int, default: object = None) -> NoReturn:
        raise ClientClosed("the client has been closed")

    def __setitem__(self, server: int, link: L) -> None:
        link.close()
