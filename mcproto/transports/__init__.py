"""What a transport is. The adapters live in the submodules: import the one you need.

A transport moves bytes and understands none of them; the core of mcproto understands bytes and
moves none.  An adapter knows how to connect, send all, receive some and close; its *backend*
adds what that way of doing I/O can do with several connections at once.  Adapters know nothing
of servers, rings or policies, and let `OSError` and `ProtocolError` through.

Deadlines.  A blocking adapter is told the one point in time, on the clock of `time.monotonic`,
by which the caller wants an answer (`math.inf`: whenever), and bounds everything by it: a peer
that sends a byte now and then cannot stretch it.  When it passes, the adapter raises
`TimeoutError`.  Under trio and asyncio the framework's own cancel scopes do this (`within`), and
the caller's work as everywhere else.

After any exception it is unknown how many bytes have gone out; `ClientConnection` knows that
a reply is owed.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from typing import Protocol, TypeAlias, TypeVar

    from .. import ClientConnection, Command

    Address: TypeAlias = tuple[str, int] | str
    """(host, port), or the path of a unix socket."""

    Data: TypeAlias = bytes | bytearray | memoryview

    R = TypeVar("R")

    class Transport(Protocol):
        """One connected byte stream, for a caller who may block."""

        def send_all(self, data: Data, deadline: float = ...) -> None:
            """Write all of *data*."""
            ...

        def receive_some(self, max_bytes: int = ..., deadline: float = ...) -> bytes:
            """What has come, at least a byte; ``b""`` if the peer has closed its side."""
            ...

        def direct(
            self, timeout: float | None
        ) -> tuple[Callable[[bytes], int], Callable[[int], bytes]]:
            """The two calls that cost least: send (part of) some bytes, receive some.

            Each by itself waits *timeout* seconds at most (None: without limit), then raises
            an `OSError`.  They are good until `send_all` or `receive_some` is called.
            """
            ...

        def has_input(self) -> bool:
            """Whether a byte or the end has come already. Does not wait, and takes nothing."""
            ...

        def abort(self) -> None:
            """Wake whoever is waiting here, in another thread: the stream ends. Never raises."""
            ...

        def close(self) -> None:
            """Close at once, without waiting for anything. Again is harmless. Never raises."""
            ...

    T = TypeVar("T", bound=Transport)

    class Backend(Protocol[T]):
        """How to get a transport, and what to do with several of them."""

        def connect(self, address: Address, deadline: float = ...) -> T:
            """A connected transport.

            Raises:
                socket.gaierror: the name cannot be resolved.
                TimeoutError: not before the deadline.
                OSError: as the system says.
            """
            ...

        def exchange_all(
            self,
            jobs: Sequence[tuple[T, ClientConnection, Command[R]]],
            deadline: float = ...,
        ) -> list[R | Exception]:
            """Send each its command, read each its reply, and give back what came of each.

            An outcome is the result, or the exception that ended this exchange alone:
            `ErrorReplied`, `RemoteProtocolError`, `LocalProtocolError` or `OSError`.
            """
            ...

    class AsyncTransport(Protocol):
        """One connected byte stream, for a task."""

        async def send_all(self, data: Data) -> None:
            """Write all of *data*. If this is cancelled, any part of it may have gone out."""
            ...

        async def receive_some(self, max_bytes: int = ...) -> bytes:
            """What has come, at least a byte; ``b""`` if the peer has closed its side.

            If this is cancelled, nothing has been taken.
            """
            ...

        def has_input(self) -> bool:
            """Whether a byte or the end has come already. Takes nothing."""
            ...

        def close(self) -> None:
            """Close at once, without waiting for anything. Again is harmless. Never raises."""
            ...

    AT_co = TypeVar("AT_co", bound=AsyncTransport, covariant=True)

    class AsyncEvent(Protocol):
        """Something to wait for that happens once."""

        def set(self) -> object: ...
        async def wait(self) -> object: ...

    class AsyncBackend(Protocol[AT_co]):
        """How a framework connects, waits, and does things side by side."""

        async def connect(self, address: Address) -> AT_co:
            """A connected transport. Raises as `Backend.connect` does."""
            ...

        def new_event(self) -> AsyncEvent: ...

        def home(self) -> object:
            """The loop or run that is running this code, to which its transports are bound.

            Raises:
                RuntimeError: there is none of this framework.
            """
            ...

        def now(self) -> float:
            """The time on the framework's clock, in seconds from some point on."""
            ...

        async def within(self, seconds: float | None, do: Callable[[], Awaitable[R]]) -> R:
            """What ``await do()`` gives.

            Raises:
                TimeoutError: it took longer than *seconds*, and has been cancelled.
            """
            ...

        async def side_by_side(self, jobs: Iterable[Callable[[], Awaitable[None]]]) -> None:
            """Do all of them at once, and wait for all of them."""
            ...


RECEIVE_SIZE = 65536
"""How much is asked for at a time, in bytes.

From 128 KiB on, malloc maps and unmaps fresh pages for each call: three times the cost of the
whole exchange.
"""
