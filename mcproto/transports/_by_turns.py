"""A connection that many tasks share, over a transport that somebody else has written.

Nothing is known of it but the interface, so one task at a time uses it, for all: it writes what has
gathered, reads, and wakes whose reply has come; when its own has, another one goes on.  What
gathers while it reads is written when it has read.  Works under any framework.
"""

from __future__ import annotations

from math import inf

from ._exchange import hears_while_sending
from ._shared import STALE_AFTER, Shared

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from .. import ClientConnection
    from . import AsyncBackend, AsyncTransport
    from ._calls import Call

__all__ = ["SharedByTurns"]


class SharedByTurns(Shared):
    """A transport in use by turns.

    Args:
        backend: whose clock, events and time limits these are.
        transport: connected, with nothing under way. From here on nobody else may use it.
        connection: what has been spoken over it; idle.
    """

    __slots__ = ("_armed", "_backend", "_home", "_is_led", "_transport")

    def __init__(
        self, backend: AsyncBackend[Any], transport: AsyncTransport, connection: ClientConnection
    ) -> None:
        super().__init__(connection, None, backend.now())
        self._backend = backend
        self._home = backend.home()
        self._transport = transport
        self._is_led = False
        self._armed = inf  # when whoever leads is to look at the time, at the latest

    def ready(self) -> float | None:
        try:
            home = self._backend.home()
        except RuntimeError:
            return None
        if home is not self._home or not self.multiplexer.is_open:
            return None
        now = self._backend.now()
        if now >= self._armed or (now - self.since >= STALE_AFTER and not self._is_led):
            return None
        return now

    async def look(self) -> None:
        now = self._backend.now()
        if not self._is_led:
            self._sweep(now)
            if self.multiplexer.is_idle and self._transport.has_input():
                self.end(ConnectionResetError("out of step, or at its end"))
        self.since = now

    async def wait(self, call: Call[Any]) -> None:
        try:
            while not call.is_done:
                if self._is_led:
                    call.waiter = self._backend.new_event()
                    await call.waiter.wait()
                else:
                    await self._lead(call)
        except BaseException:
            self.abandon(call)
            raise
        finally:
            self._find_a_leader()

    def abandon(self, call: Call[Any]) -> None:
        call.waiter = None
        if call.is_done:
            return
        self._settle(self.multiplexer.abandon(call, self._backend.now()))
        if call.is_written:
            self._armed = min(self._armed, call.deadline)

    def _begin(self, call: Call[Any]) -> None:
        self._armed = min(self._armed, call.deadline)

    def _wake(self, settled: list[Call[Any]]) -> None:
        for call in settled:
            waiter, call.waiter = call.waiter, None
            if waiter is not None:
                waiter.set()

    def _close(self) -> None:
        self._transport.close()

    # --------------------------------------------------------------------------------- the leader

    async def _lead(self, call: Call[Any]) -> None:
        """Write and read for all, until the call is settled."""
        self._is_led = True
        try:
            while not call.is_done:
                pieces = self._outgoing()
                if pieces:
                    is_written = False
                    try:
                        is_written = await self._within_time(lambda: self._send(pieces))  # noqa: B023
                    finally:
                        if not is_written:
                            # Nobody knows how much of it has gone out.
                            self.end(ConnectionAbortedError("given up in the middle of a request"))
                if not call.is_done:
                    await self._within_time(self._receive)
        except OSError as error:
            self.end(error)
        finally:
            self._is_led = False

    async def _within_time(self, do: Callable[[], Awaitable[bool]]) -> bool:
        """Whether it has been done. If there was no time for it, the late ones have been told."""
        seconds = None if self._armed == inf else self._armed - self._backend.now()
        try:
            return await self._backend.within(seconds, do)
        except TimeoutError:
            self._sweep(self._backend.now())
            return False

    async def _send(self, pieces: tuple[bytes, ...]) -> bool:
        transport = self._transport
        if hears_while_sending(transport):
            await transport.send_parts(pieces, self._incoming)
        else:
            await transport.send_all(b"".join(pieces))
        return True

    async def _receive(self) -> bool:
        self._incoming(await self._transport.receive_some())
        return True

    def _sweep(self, now: float) -> None:
        if now >= self._armed:
            self._settle(self.multiplexer.expire(now))
            self._armed = self.multiplexer.next_deadline()

    def _find_a_leader(self) -> None:
        """If nobody leads, and somebody waits to be told something, it is for him to find out."""
        if not self._is_led:
            for call in self.multiplexer.unsettled():
                if call.waiter is not None:
                    self._wake([call])
                    return
