"""One connection to one server: its transport and the state of what is spoken over it.

A link in a client's hands is idle.  Whoever uses it takes it out, and puts it back when it is
idle again; what happens in between, however it ends, leaves nothing to be put back.  So there is
nothing to clean up for correctness; closing at once only saves the descriptor.
"""

from __future__ import annotations

from math import inf
from time import monotonic

from mcproto import CLOSED, NEED_DATA, ClientConnection, ProtocolDesync, meta
from mcproto._direct import get_forms, set_forms
from mcproto._typing import Generic
from mcproto.transports import RECEIVE_SIZE
from mcproto.transports._exchange import exchange, receive

from ._errors import ClientClosed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn, TypeVar

    from mcproto import Command
    from mcproto.transports import AsyncTransport, Transport

    AnyTransport = TypeVar("AnyTransport", Transport, AsyncTransport)
    L = TypeVar("L", bound="Link | AsyncLink")
    R = TypeVar("R")
else:
    AnyTransport = object

__all__ = ["STALE_AFTER", "AsyncLink", "ClosedLinks", "Link"]

STALE_AFTER = 0.05
"""Seconds of idleness after which a link is looked at before it is used again.

Sooner than that, a stray reply is caught by what must match; the look costs a system call."""


class _AnyLink(Generic[AnyTransport]):
    """What a link is, whoever waits for its bytes.

    Attributes:
        connection: the protocol's state.
        since: when the last exchange began, on the client's clock.
        is_open: whether it has not been closed.
    """

    __slots__ = ("__weakref__", "connection", "is_open", "since", "transport")

    def __init__(self, transport: AnyTransport, now: float) -> None:
        self.transport: AnyTransport = transport
        self.connection = ClientConnection()
        self.since = now
        self.is_open = True

    def is_usable(self, now: float) -> bool:
        """Whether the next exchange may start: idle, and nothing has come in the meantime."""
        return self.connection.is_idle and (
            now - self.since < STALE_AFTER or not self.transport.has_input()
        )

    def check(self) -> None:
        """Raise RemoteProtocolError if more has come than the last reply."""
        if self.connection.is_broken:
            self.connection.next_event()

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
    """

    __slots__ = ("_next_get", "_next_set", "_receive", "_send", "_timeout")

    def __init__(self, transport: Transport, timeout: float | None) -> None:
        super().__init__(transport, monotonic())
        self._timeout = timeout
        self._next_get = get_forms().__next__
        self._next_set = set_forms().__next__
        self.rearm()

    def exchange(self, command: Command[R], deadline: float) -> R:
        """Send the command and give back what its reply means.

        Raises:
            ErrorReplied: the server answered with an error line; the link is idle.
            ProtocolError, OSError: there was no such reply; the link is of no further use.
        """
        try:
            return exchange(self.transport, self.connection, command, deadline)
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
        try:
            sent = self._send(request)
            received = b""
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
            command = meta.Get(key, f=True, O=heads.token, v=True)
            reply = self._go_on(command, request[sent:], received)
        except BaseException:
            self._end()
            raise
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
        if flags or exptime:
            request = full % (key, len(value), flags, exptime, value)
        else:
            request = plain % (key, len(value), value)
        connection.owed = 1
        try:
            sent = self._send(request)
            received = b""
            if sent == len(request):
                received = self._receive(RECEIVE_SIZE)
                if received == stored:
                    connection.owed = 0
                    return True
            command = meta.Set(key, value, F=flags or None, O=token, T=exptime or None)
            return self._go_on(command, request[sent:], received).code == "HD"
        except BaseException:
            self._end()
            raise

    def _go_on(self, command: Command[R], unsent: bytes, received: bytes) -> R:
        """From the direct door to the plain way: go on with what is not whole yet."""
        if not received and not unsent:
            raise ConnectionResetError("the server has closed the connection")
        deadline = inf if self._timeout is None else self.since + self._timeout
        if unsent:
            self.transport.send_all(unsent, deadline)
        self.connection.resume(command, received)
        try:
            return receive(self.transport, self.connection, command, deadline)
        finally:
            if self.connection.is_idle:
                self.rearm()

    def rearm(self) -> None:
        """Make the direct door good again after the plain way has been used."""
        self._send, self._receive = self.transport.direct(self._timeout)

    def abort(self) -> None:
        """End it under the hands of the thread that is using it."""
        self.is_open = False
        self.transport.abort()


class AsyncLink(_AnyLink["AsyncTransport"]):
    """A connection for a task. Its clock is the framework's."""

    __slots__ = ()

    async def exchange(self, command: Command[R]) -> R:
        """Send the command and give back what its reply means. Raises as `Link.exchange`."""
        connection, transport = self.connection, self.transport
        try:
            await transport.send_all(connection.send(command))
            while (event := connection.next_event()) is NEED_DATA:
                data = await transport.receive_some()
                if not data:
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
