"""asyncio: a connection that many tasks share, fed by the loop's own callbacks.

What becomes ready in one turn of the loop leaves in one write.  One timer serves all deadlines.
"""

from __future__ import annotations

import asyncio
from math import inf

from . import RECEIVE_SIZE
from ._shared import STALE_AFTER, Shared

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from .. import ClientConnection
    from ._calls import Call
    from ._tls import Session

    class Inner(Protocol):
        """A transport of asyncio's that can be handed over."""

        def hand_over(
            self, protocol: asyncio.BufferedProtocol
        ) -> tuple[asyncio.Transport, bytes]: ...
        def has_input(self) -> bool: ...
        def close(self) -> None: ...


__all__ = ["AsyncioShared"]


class AsyncioShared(Shared, asyncio.BufferedProtocol):
    """A connected stream that has been handed over. It is its own protocol in asyncio's sense.

    Args:
        transport: connected, with nothing under way. From here on nobody else may use it.
        session: the TLS that is spoken over it, if it is.
        connection: what has been spoken over it; idle.
    """

    def __init__(
        self, transport: Inner, session: Session | None, connection: ClientConnection
    ) -> None:
        self._loop = asyncio.get_running_loop()
        super().__init__(connection, session, self._loop.time())
        self._inner = transport
        self._received = memoryview(bytearray(RECEIVE_SIZE))
        self._flush_is_due = False
        self._full = False  # the peer has stopped us
        self._armed = inf  # when the timer strikes
        self._timer: asyncio.TimerHandle | None = None
        self._transport, pending = transport.hand_over(self)
        if pending:
            self._incoming(pending)

    # ------------------------------------------------------------------------------ the callers

    def ready(self) -> float | None:
        multiplexer = self.multiplexer
        if not multiplexer.is_open or asyncio._get_running_loop() is not self._loop:
            return None
        now = self._loop.time()
        if now - self.since >= STALE_AFTER and multiplexer.is_idle:
            return None
        return now

    async def look(self) -> None:
        if self._session is not None or self._inner.has_input():
            # In its next turn the loop gets round to it, and in the one after that to us.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        if self.multiplexer.is_idle:
            self.since = self._loop.time()

    async def wait(self, call: Call[Any]) -> None:
        if call.is_done:
            return
        call.waiter = self._loop.create_future()
        try:
            await call.waiter
        except BaseException:
            self.abandon(call)
            raise

    def abandon(self, call: Call[Any]) -> None:
        call.waiter = None
        if call.is_done:
            return
        self._settle(self.multiplexer.abandon(call, self._loop.time()))
        if call.is_written and call.deadline < self._armed:
            self._arm(call.deadline)

    def _begin(self, call: Call[Any]) -> None:
        if call.deadline < self._armed:
            self._arm(call.deadline)
        if self._flush_is_due:
            return
        if not self.multiplexer.owed:
            self._flush()
        else:
            self._flush_is_due = True
            self._loop.call_soon(self._flush)

    def _wake(self, settled: list[Call[Any]]) -> None:
        try:
            for call in settled:
                waiter, call.waiter = call.waiter, None
                if waiter is not None and not waiter.done():
                    waiter.set_result(None)
        except RuntimeError:
            pass  # the loop has ended, and all who waited in it

    def _flush(self) -> None:
        self._flush_is_due = False
        if self._full or self.multiplexer.failure is not None:
            return
        pieces = self._outgoing()
        for piece in pieces:
            self._transport.write(piece)

    def _close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._inner.close()

    # ----------------------------------------------------------------------------------- the time

    def _arm(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._armed = deadline
        if deadline < inf:
            self._timer = self._loop.call_at(deadline, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        self._settle(self.multiplexer.expire(self._loop.time()))
        self._arm(self.multiplexer.next_deadline() if not self.multiplexer.is_over else inf)

    # ---------------------------------------------------------------- what the loop calls

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._received

    def buffer_updated(self, nbytes: int) -> None:
        self._incoming(bytes(self._received[:nbytes]))
        if self.multiplexer.has_waiting and not self._flush_is_due:
            # There is room again. Together with what those say who have just been woken.
            self._flush_is_due = True
            self._loop.call_soon(self._flush)

    def eof_received(self) -> bool:
        self._incoming(b"")
        return False

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self.end(exc or ConnectionResetError("the connection was lost"))
