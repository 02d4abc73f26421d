"""trio: a connection that many tasks share, without a task of its own.

One of those who wait *leads*: it reads, for all, and wakes whose reply has come.  When its own has,
or it is cancelled, it wakes another one to go on.  So there is a reader exactly as long as there is
somebody who wants something, and whatever becomes of a task is nobody else's loss.

What is said here about others happens without a suspension.  A leader can be cancelled while it
waits for the socket, and then nothing has been taken from it.
"""

from __future__ import annotations

from math import inf

import trio

from . import RECEIVE_SIZE
from ._shared import STALE_AFTER, Shared

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket
    from typing import Any, Protocol

    from .. import ClientConnection
    from ._calls import Call
    from ._tls import Session

    class Inner(Protocol):
        """A transport of trio's that can be handed over."""

        def hand_over(self) -> socket: ...
        def close(self) -> None: ...


__all__ = ["TrioShared"]


class TrioShared(Shared):
    """A connected socket that has been handed over.

    Args:
        transport: connected, with nothing under way. From here on nobody else may use it.
        session: the TLS that is spoken over it, if it is.
        connection: what has been spoken over it; idle.
    """

    __slots__ = (
        "_armed",
        "_flush_is_due",
        "_inner",
        "_is_led",
        "_run",
        "_scope",
        "_socket",
        "_unsent",
    )

    def __init__(
        self, transport: Inner, session: Session | None, connection: ClientConnection
    ) -> None:
        super().__init__(connection, session, trio.current_time())
        self._run = trio.lowlevel.current_trio_token()
        self._inner = transport
        self._socket = transport.hand_over()
        self._unsent: list[memoryview] = []
        self._flush_is_due = False
        self._is_led = False
        self._scope: trio.CancelScope | None = None  # in which the leader waits
        self._armed = inf  # when it is to look at the time, at the latest

    # ------------------------------------------------------------------------------ the callers

    def ready(self) -> float | None:
        try:
            here = trio.lowlevel.current_trio_token()
        except RuntimeError:
            return None
        if here is not self._run or not self.multiplexer.is_open:
            return None
        now = trio.current_time()
        # Where nobody waits, nobody reads either.
        if now >= self._armed or (now - self.since >= STALE_AFTER and not self._is_led):
            return None
        return now

    async def look(self) -> None:
        if not self._is_led:
            self._receive()
            self._sweep()
        self.since = trio.current_time()

    async def wait(self, call: Call[Any]) -> None:
        try:
            if not self._flush_is_due and not call.is_written and not call.is_done:
                # Others may begin calls in this very turn. They leave together.
                self._flush_is_due = True
                try:
                    await trio.lowlevel.cancel_shielded_checkpoint()
                finally:
                    self._flush_is_due = False
                self._flush()
            while not call.is_done:
                if self._is_led:
                    await self._follow(call)
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
        self._settle(self.multiplexer.abandon(call, trio.current_time()))
        if call.is_written:
            self._arm(call.deadline)

    def _begin(self, call: Call[Any]) -> None:
        self._arm(call.deadline)
        if not self.multiplexer.owed:
            self._flush()

    def _wake(self, settled: list[Call[Any]]) -> None:
        for call in settled:
            waiter, call.waiter = call.waiter, None
            if waiter is not None:
                trio.lowlevel.reschedule(waiter)

    def _close(self) -> None:
        self._unsent.clear()
        self._inner.close()

    # --------------------------------------------------------------------------------- the leader

    async def _follow(self, call: Call[Any]) -> None:
        """Wait until the call is settled, or there is nobody to lead."""

        def give_up(_: object) -> trio.lowlevel.Abort:
            call.waiter = None
            return trio.lowlevel.Abort.SUCCEEDED

        call.waiter = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(give_up)

    async def _lead(self, call: Call[Any]) -> None:
        """Read for all, until the call is settled."""
        self._is_led = True
        try:
            while not call.is_done:
                with trio.CancelScope(deadline=self._armed) as self._scope:
                    while not call.is_done:
                        if self._unsent:
                            await self._wait_either_way()
                            self._flush()
                        else:
                            await trio.lowlevel.wait_readable(self._socket)
                        self._receive()
                self._sweep()
        except trio.ClosedResourceError:  # by another task, under our hands
            self.end(ConnectionResetError("the connection is closed"))
        finally:
            self._scope = None
            self._is_led = False

    def _find_a_leader(self) -> None:
        """If nobody leads, and somebody waits to be told something, it is for him to find out."""
        if not self._is_led:
            for call in self.multiplexer.unsettled():
                if call.waiter is not None:
                    self._wake([call])
                    return

    async def _wait_either_way(self) -> None:
        """Until the socket can be read from or written to."""

        async def can_write() -> None:
            try:
                await trio.lowlevel.wait_writable(self._socket)
            except trio.ClosedResourceError:
                pass
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(can_write)
            try:
                await trio.lowlevel.wait_readable(self._socket)
            except trio.ClosedResourceError:
                pass
            nursery.cancel_scope.cancel()

    # ----------------------------------------------------------------------- without a suspension

    @trio.lowlevel.enable_ki_protection
    def _flush(self) -> None:
        """Write what can be written."""
        if self.multiplexer.failure is not None:
            return
        unsent = self._unsent
        try:
            while True:
                if not unsent:
                    unsent += [memoryview(piece) for piece in self._outgoing()]
                    if not unsent:
                        return
                sent = self._socket.send(unsent[0])
                if sent < len(unsent[0]):
                    unsent[0] = unsent[0][sent:]
                else:
                    del unsent[0]
        except BlockingIOError:
            if self._scope is not None:
                self._scope.cancel()  # whoever leads has to wait for this as well
        except OSError as error:
            self.end(error)

    @trio.lowlevel.enable_ki_protection
    def _receive(self) -> None:
        """Take what has come, and give everybody what is his."""
        try:
            data = self._socket.recv(RECEIVE_SIZE)
        except BlockingIOError:
            return  # it was a false alarm
        except OSError as error:
            self.end(error)
            return
        self._incoming(data)
        if self.multiplexer.has_waiting:
            self._flush()  # there is room again

    @trio.lowlevel.enable_ki_protection
    def _sweep(self) -> None:
        """End what is out of time."""
        now = trio.current_time()
        if now >= self._armed:
            self._settle(self.multiplexer.expire(now))
            self._armed = self.multiplexer.next_deadline()

    def _arm(self, deadline: float) -> None:
        if deadline < self._armed:
            self._armed = deadline
            if self._scope is not None:
                self._scope.deadline = deadline
