"""A connection that many tasks share: what is the same under asyncio and trio.

The multiplexer decides; the frameworks' adapters move bytes, keep time and wake.  Between the two
stands this: calls begin, bytes pass through TLS where there is any, and whatever goes wrong ends
the connection for everybody, at once.
"""

from __future__ import annotations

import sys

from .._direct import get_forms, set_forms
from .._parts import gathered
from . import RECEIVE_SIZE
from ._calls import Fetch, Store
from ._multiplexer import Multiplexer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol, TypeVar

    from .. import ClientConnection, Command
    from . import AsyncBackend, AsyncTransport
    from ._calls import Call
    from ._tls import Session

    R = TypeVar("R")
    AT = TypeVar("AT", bound=AsyncTransport)

    class SharingBackend(AsyncBackend[AT], Protocol[AT]):
        """One whose connections tasks can share.

        Attributes:
            multiplexed: whether they shall.
        """

        multiplexed: bool

        def share(self, transport: AT, connection: ClientConnection) -> Shared:
            """A connection made of a transport, and of what has been spoken over it so far.

            Both are idle, and from here on nobody else's.

            Raises:
                OSError: it is at its end.
            """
            ...


__all__ = ["STALE_AFTER", "Shared", "taken_apart"]

STALE_AFTER = 0.05
"""Seconds of idleness after which a connection is looked at before it is used again."""


def taken_apart(transport: AsyncTransport) -> tuple[AsyncTransport, Session | None]:
    """What a transport is made of: one without TLS, and the TLS over it, if there is any."""
    if "ssl" in sys.modules:  # else there is none; and it is a dear import
        from ._tls import AsyncTlsTransport

        if isinstance(transport, AsyncTlsTransport):
            return transport.hand_over()
    return transport, None


class Shared:
    """A connection for many tasks at once. Each has its own calls, and gets its own replies.

    A call that is cancelled, or whose deadline passes, ends for its task alone: what comes for it
    is dropped in its turn.  A connection on which a reply is overdue takes no more calls.

    A call is begun by `call`, `fetch` or `store`, while `is_open`; the same task waits for it, at
    once; `Call.result` has what came of it.  Times are on the framework's clock.

    Args:
        connection: an idle one, whose transport has been handed over.
        session: what TLS there is on it.
        now: the time.

    Attributes:
        since: when the last call began.
    """

    __slots__ = ("_next_get", "_next_set", "_session", "multiplexer", "since")

    def __init__(self, connection: ClientConnection, session: Session | None, now: float) -> None:
        self.multiplexer = Multiplexer(connection)
        self._session = session
        self._next_get = get_forms().__next__
        self._next_set = set_forms().__next__
        self.since = now

    @property
    def is_open(self) -> bool:
        """Whether it takes calls."""
        return self.multiplexer.is_open

    @property
    def is_over(self) -> bool:
        """Whether nobody can want anything of it any more."""
        return self.multiplexer.is_over

    def call(self, command: Command[R], deadline: float, now: float) -> Call[R]:
        """Begin a call.

        Raises:
            LocalProtocolError: the command cannot share a connection (`can_share`).
            ItemTooLarge: its value is longer than the connection takes.
        """
        call = self.multiplexer.call(command, deadline)
        self.since = now
        self._begin(call)
        return call

    def fetch(self, key: bytes, deadline: float, now: float) -> Call[tuple[bytes, int] | None]:
        """``mg``, for a server that speaks meta: (value, flags), None if nothing is there."""
        call = Fetch(key, self._next_get(), deadline)
        self.multiplexer.add(call)
        self.since = now
        self._begin(call)
        return call

    def store(
        self, key: bytes, value: bytes, flags: int, exptime: int, deadline: float, now: float
    ) -> Call[bool]:
        """``ms`` of a short value, for a server that speaks meta: whether it was stored."""
        call = Store(key, value, flags, exptime, self._next_set(), deadline)
        self.multiplexer.add(call)
        self.since = now
        self._begin(call)
        return call

    def end(self, error: Exception) -> None:
        """Close it at once; whoever waits gets such an *error*. Again is harmless. Never raises."""
        settled = self.multiplexer.fail(error)
        self._close()
        self._wake(settled)

    # ------------------------------------------------------------------- what an adapter is about

    def ready(self) -> float | None:
        """The time, if a call may begin right away, here; else None.

        None: it is used up, or belongs to another loop, or has been idle so long that it is to be
        looked at.
        """
        raise AssertionError(f"{type(self).__name__} does not know when it is")

    async def look(self) -> None:
        """See what has come while nobody used it: it may be out of step, or at its end."""
        raise AssertionError(f"{type(self).__name__} does not look")

    async def wait(self, call: Call[Any]) -> None:
        """Return when the call is settled. If this is cancelled, it is abandoned."""
        raise AssertionError(f"{type(self).__name__} does not wait")

    def abandon(self, call: Call[Any]) -> None:
        """Nobody will wait for this one. If it is settled already nothing changes."""
        raise AssertionError(f"{type(self).__name__} does not abandon")

    def _begin(self, call: Call[Any]) -> None:
        """A call has been queued up: see that it is written soon, and until when it waits."""
        raise AssertionError(f"{type(self).__name__} does not begin")

    def _wake(self, settled: list[Call[Any]]) -> None:
        """Let those go on who wait for these."""
        raise AssertionError(f"{type(self).__name__} does not wake")

    def _close(self) -> None:
        """Close what there is below. Again is harmless. Never raises."""
        raise AssertionError(f"{type(self).__name__} does not close")

    def _outgoing(self) -> tuple[bytes, ...]:
        """What is to be written now, as it goes over the wire."""
        pieces = self.multiplexer.outgoing()
        session = self._session
        if session is None:
            return tuple(pieces) if len(pieces) < 2 else gathered(pieces)
        session.encrypt_all(pieces)
        data = session.outgoing()
        return (data,) if data else ()

    def _incoming(self, data: bytes) -> None:
        """What has come over the wire, ``b""`` for the end."""
        session = self._session
        if session is None:
            self._settle(self.multiplexer.received(data))
            return
        try:
            session.feed(data)
            while (plain := session.decrypt(RECEIVE_SIZE)) is not None:
                self._settle(self.multiplexer.received(plain))
                if not plain:
                    return
        except OSError as error:
            self.end(error)

    def _settle(self, settled: list[Call[Any]]) -> None:
        """Wake these; and close if that was all."""
        if self.multiplexer.is_over:
            self._close()
        self._wake(settled)
