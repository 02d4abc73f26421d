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

Steps.  Connecting has up to three: a look-up (``"dns"``), a connection (``"tcp"``, a unix socket's
too) and, where it is asked for, TLS (``"tls"``).  A backend whose `tells_steps` is true tells them
as they begin, so that an error can say where the time has gone; another one keeps to itself what
takes how long, and is asked for no TLS.

Privacy.  A transport whose `is_private` is true carries what nobody else can read: over TLS, over a
unix socket or the loopback interface, or within the process.  Of one that does not say so that is
not assumed, and a client sends no password over it unless told to.

After any exception it is unknown how many bytes have gone out; `ClientConnection` knows that
a reply is owed.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
    from ssl import SSLContext
    from typing import Protocol, TypeAlias, TypeVar

    from .. import ClientConnection, Command

    Address: TypeAlias = tuple[str, int] | str
    """(host, port), or the path of a unix socket."""

    Data: TypeAlias = bytes | bytearray | memoryview

    Context: TypeAlias = SSLContext | Callable[[], SSLContext]
    """A client's context for TLS, or what gives one and is asked at every connection."""

    R = TypeVar("R")

    class Transport(Protocol):
        """One connected byte stream, for a caller who may block."""

        def send_all(self, data: Data, deadline: float = ...) -> None:
            """Write all of *data*.

            Raises:
                TimeoutError: the deadline has passed; any part of *data* may have gone out.
                OSError: as the system says; likewise.
            """
            ...

        def receive_some(self, max_bytes: int = ..., deadline: float = ...) -> bytes:
            """What has come, at least a byte; ``b""`` if the peer has closed its side.

            Raises:
                TimeoutError: the deadline has passed; nothing has been taken.
                OSError: as the system says.
            """
            ...

        def direct(
            self, timeout: float | None
        ) -> tuple[Callable[[bytes], int], Callable[[int], bytes]]:
            """The two calls that cost least: send (part of) some bytes, receive some.

            Each by itself waits *timeout* seconds at most (None: without limit), and perhaps only
            a moment of them; then it raises BlockingIOError or TimeoutError: nothing has been
            sent, or come, *yet*.  They are good as long as the transport is.
            """
            ...

        def has_input(self) -> bool:
            """Whether a byte or the end has come already, or it has been closed.

            Does not wait, and takes nothing.
            """
            ...

        def abort(self) -> None:
            """Wake whoever is waiting here, in another thread: for him the stream has ended.

            Never raises.
            """
            ...

        def close(self) -> None:
            """Close at once, without waiting for anything. Again is harmless. Never raises."""
            ...

    class LargeTransport(Transport, Protocol):
        """One that has a better way for what is longer than the sockets' buffers."""

        def send_parts(
            self, parts: Sequence[Data], deadline: float, hear: Callable[[bytes], object]
        ) -> None:
            """Write all *parts*, uncopied where that can be.

            A peer that does not read on before it is heard is heard: *hear* gets what comes
            meanwhile, ``b""`` for the end.
            """
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

    class TellingBackend(Backend[T], Protocol[T]):
        """One that can do TLS, and tells the steps of connecting.

        Attributes:
            tells_steps: true.
        """

        tells_steps: bool

        def connect(
            self,
            address: Address,
            deadline: float = ...,
            *,
            tls: Context | None = ...,
            began: Callable[[str], object] = ...,
        ) -> T:
            """A connected transport.

            Args:
                tls: speak TLS, with this context. The certificate must name *address*'s host.
                began: told each step as it begins.

            Raises:
                ssl.SSLError: the two sides cannot agree, or the certificate is not good.
                socket.gaierror, TimeoutError, OSError: as `Backend.connect`.
            """
            ...

    class HasDescriptor(Protocol):
        """What can be waited for, such as a socket."""

        def fileno(self) -> int: ...

    Wait: TypeAlias = tuple[HasDescriptor | None, int, float]
    """What a job waits for, `selectors.EVENT_READ` or `EVENT_WRITE` or both, and its deadline.

    None and 0: for the deadline alone.  When that passes the job gets a TimeoutError thrown in.
    """

    class JobBackend(TellingBackend[T], Protocol[T]):
        """One that can do many things at once, each a *job*: a generator that yields its waits."""

        def connecting(
            self,
            address: Address,
            deadline: float = ...,
            *,
            tls: Context | None = ...,
            began: Callable[[str], object] = ...,
        ) -> Generator[Wait, None, T]:
            """`connect` as a job."""
            ...

        def exchanging(
            self,
            transport: T,
            connection: ClientConnection,
            command: Command[R],
            deadline: float = ...,
        ) -> Generator[Wait, None, R]:
            """One exchange as a job: the result, or raises what has ended it."""
            ...

        def run_all(
            self,
            jobs: Iterable[Generator[Wait, None, R]],
            failures: tuple[type[Exception], ...] = ...,
        ) -> list[R | Exception]:
            """Run jobs side by side, each to its end; what has come of each, in their order.

            Args:
                failures: what may end one of them and is then its outcome. All else is raised, and
                    the others are given up.
            """
            ...

    class AsyncTransport(Protocol):
        """One connected byte stream, for a task."""

        async def send_all(self, data: Data) -> None:
            """Write all of *data*. If this is cancelled, any part of it may have gone out.

            Raises:
                OSError: as the system says, or the framework.
            """
            ...

        async def receive_some(self, max_bytes: int = ...) -> bytes:
            """What has come, at least a byte; ``b""`` if the peer has closed its side.

            If this is cancelled, nothing has been taken.

            Raises:
                OSError: as the system says, or the framework.
            """
            ...

        def has_input(self) -> bool:
            """Whether a byte or the end has come already, or it has been closed. Takes nothing."""
            ...

        def close(self) -> None:
            """Close at once, without waiting for anything. Again is harmless. Never raises."""
            ...

    class LargeAsyncTransport(AsyncTransport, Protocol):
        """One that has a better way for what is longer than the sockets' buffers."""

        async def send_parts(self, parts: Sequence[Data], hear: Callable[[bytes], object]) -> None:
            """Write all *parts*. See `LargeTransport.send_parts`."""
            ...

    class PrivateTransport(Protocol):
        """One, for whichever caller, that knows whether others can read what passes.

        Attributes:
            is_private: true if they cannot.
        """

        @property
        def is_private(self) -> bool: ...

    AT_co = TypeVar("AT_co", bound=AsyncTransport, covariant=True)

    class AsyncEvent(Protocol):
        """Something to wait for that happens once."""

        def set(self) -> object:
            """It has happened: whoever waits goes on. Again is harmless."""
            ...

        async def wait(self) -> object:
            """Return once it has happened, at once if it has already."""
            ...

    class AsyncBackend(Protocol[AT_co]):
        """How a framework connects, waits, and does things side by side."""

        async def connect(self, address: Address) -> AT_co:
            """A connected transport. Raises as `Backend.connect` does."""
            ...

        def new_event(self) -> AsyncEvent:
            """An event that has not happened yet."""
            ...

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
            """Do all of them at once, and wait for all of them.

            If one of them raises, or this is cancelled, the others are cancelled.
            """
            ...

    class TellingAsyncBackend(AsyncBackend[AT_co], Protocol[AT_co]):
        """One that can do TLS, and tells the steps of connecting. See `TellingBackend`."""

        tells_steps: bool

        async def connect(
            self,
            address: Address,
            deadline: float = ...,
            *,
            tls: Context | None = ...,
            began: Callable[[str], object] = ...,
        ) -> AT_co:
            """A connected transport.

            *deadline*, on the clock of `now`, is not kept here (`within` does that): it says what
            there is to be shared out among the addresses of a name.
            """
            ...


RECEIVE_SIZE = 65536
"""How much is asked for at a time, in bytes.

From 128 KiB on, malloc maps and unmaps fresh pages for each call: three times the cost of the
whole exchange.
"""
