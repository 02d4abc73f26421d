"""TLS over any stream of bytes. Imported only where it is asked for: `ssl` is a dear import.

`Session` is TLS without I/O; the two transports put it over another one, for callers who block and
for tasks, so that it is the same on all.  What is trusted, and what is shown to the server, is all
in the context.  No farewell is sent: closing must not wait, and in a child process it would end the
parent's session.
"""

from __future__ import annotations

import ssl
from math import inf

from . import RECEIVE_SIZE
from ._exchange import READ, WRITE, plain_door

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from typing import Protocol

    from . import Context, Data, LargeAsyncTransport, LargeTransport, Wait
    from ._exchange import Ready

    class Inner(LargeTransport, Ready, Protocol):
        """A transport for who blocks, that can be asked not to."""

    class AsyncInner(LargeAsyncTransport, Protocol):
        def receive_now(self) -> bytes | None: ...


__all__ = ["AsyncTlsTransport", "Session", "TlsTransport", "async_secured", "securing"]

# How much is encrypted at a time, in bytes.
_PORTION = 1 << 17


class Session:
    """One side of TLS, without I/O: ciphertext comes in and goes out as bytes.

    Args:
        context: a client's `ssl.SSLContext`, or what gives one.
        host: whom the server's certificate must name.
    """

    __slots__ = ("_ahead", "_incoming", "_object", "_outgoing")

    def __init__(self, context: Context, host: str) -> None:
        self._ahead: bytes | None = None  # what has been decrypted before it was wanted
        if not isinstance(context, ssl.SSLContext):
            context = context()
        if not isinstance(context, ssl.SSLContext):
            raise TypeError(f"ssl_context gave no SSLContext, but a {type(context).__name__}")
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        # Certificates know no zone of an IPv6 address, and no dot at the end of a name.
        name = host.partition("%")[0].rstrip(".")
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)

    def feed(self, data: bytes) -> None:
        """Take what has come from the network; ``b""`` is its end."""
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def outgoing(self) -> bytes:
        """What is to be sent."""
        return self._outgoing.read()

    def shake_hands(self) -> bool:
        """Whether the handshake is complete; else more has to come.

        Raises:
            ssl.SSLError: there will be none. `outgoing` may still say why.
        """
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLEOFError:
            raise ConnectionResetError("the server ended the connection in the handshake") from None
        return True

    def encrypt(self, data: Data) -> None:
        """Turn it into something `outgoing`."""
        self._object.write(data)

    def encrypt_all(self, pieces: Iterable[Data]) -> None:
        """The same for any number of pieces, of any length."""
        for piece in pieces:
            for start in range(0, len(piece), _PORTION):
                self._object.write(memoryview(piece)[start : start + _PORTION])

    def decrypt(self, max_bytes: int) -> bytes | None:
        """What can be read, ``b""`` for the end, None if more has to come.

        Raises:
            ssl.SSLError: it is no TLS, or an alert.
            ConnectionResetError: the end was not announced: somebody may have cut it off.
        """
        if self._ahead is not None:
            data = self._ahead[:max_bytes]
            self._ahead = self._ahead[max_bytes:] or None
            return data
        pieces: list[bytes] = []
        try:
            while max_bytes > 0:
                piece = self._object.read(max_bytes)
                if not piece:
                    break
                pieces.append(piece)
                max_bytes -= len(piece)
        except ssl.SSLWantReadError:
            if not pieces:
                return None
        except ssl.SSLError as error:
            if not pieces:
                if isinstance(error, ssl.SSLEOFError):
                    raise ConnectionResetError("cut off without a farewell") from None
                raise
            # It comes again.
        return b"".join(pieces)

    def has_data(self) -> bool:
        """Whether there is something to be read, or the end. Takes nothing. Raises as `decrypt`."""
        if self._ahead is None:
            self._ahead = self.decrypt(RECEIVE_SIZE)
        return self._ahead is not None


class TlsTransport:
    """A transport that speaks TLS over another. See `mcproto.transports.Transport`."""

    __slots__ = ("_inner", "_session", "_unsent")

    is_private = True

    def __init__(self, inner: Inner, session: Session) -> None:
        self._inner = inner
        self._session = session
        self._unsent = memoryview(b"")

    @property
    def has_unsent(self) -> bool:
        return bool(self._unsent)

    def fileno(self) -> int:
        return self._inner.fileno()

    def send_now(self, data: Data) -> int:
        self._flush()
        if self._unsent or not data:
            return 0
        portion = memoryview(data)[:_PORTION]
        self._session.encrypt(portion)
        self._unsent = memoryview(self._session.outgoing())
        self._flush()
        return len(portion)

    def receive_now(self) -> bytes | None:
        while (data := self._session.decrypt(RECEIVE_SIZE)) is None:
            received = self._inner.receive_now()
            if received is None:
                return None
            self._session.feed(received)
        return data

    def send_all(self, data: Data, deadline: float = inf) -> None:
        view = memoryview(data)
        while True:
            self._session.encrypt(view[:_PORTION])
            self._inner.send_all(self._session.outgoing(), deadline)
            view = view[_PORTION:]
            if not view:
                return

    def send_parts(
        self, parts: Sequence[Data], deadline: float, hear: Callable[[bytes], object]
    ) -> None:
        for part in parts:
            for start in range(0, len(part), _PORTION):
                self._session.encrypt(memoryview(part)[start : start + _PORTION])
                self._inner.send_parts([self._session.outgoing()], deadline, self._session.feed)
                while data := self._session.decrypt(RECEIVE_SIZE):
                    hear(data)

    def receive_some(self, max_bytes: int = RECEIVE_SIZE, deadline: float = inf) -> bytes:
        while (data := self._session.decrypt(max_bytes)) is None:
            self._session.feed(self._inner.receive_some(RECEIVE_SIZE, deadline))
        return data

    def direct(
        self, timeout: float | None
    ) -> tuple[Callable[[bytes], int], Callable[[int], bytes]]:
        return plain_door(self, timeout)

    def has_input(self) -> bool:
        return _has_input(self._session, self._inner)

    def abort(self) -> None:
        self._inner.abort()

    def close(self) -> None:
        self._inner.close()

    def _flush(self) -> None:
        while self._unsent and (sent := self._inner.send_now(self._unsent)):
            self._unsent = self._unsent[sent:]


def securing(
    inner: Inner, context: Context, host: str, deadline: float
) -> Generator[Wait, None, TlsTransport]:
    """TLS over a connection that is new, when both sides have agreed. Otherwise it is closed.

    Raises:
        ssl.SSLError: they have not; of a certificate `ssl.SSLCertVerificationError`.
        OSError: as *inner* does; TimeoutError: not by the deadline.
    """
    try:
        session = Session(context, host)
        transport = TlsTransport(inner, session)
        is_agreed = False
        while not is_agreed:
            try:
                is_agreed = session.shake_hands()
            except ssl.SSLError:
                inner.send_now(session.outgoing())  # says why, if there is room
                raise
            unsent = memoryview(session.outgoing())
            while unsent:
                unsent = unsent[inner.send_now(unsent) :]
                if unsent:
                    yield inner, WRITE, deadline
            if not is_agreed:
                received = inner.receive_now()
                if received is None:
                    yield inner, READ, deadline
                else:
                    session.feed(received)
    except BaseException:
        inner.close()
        raise
    return transport


class AsyncTlsTransport:
    """A transport that speaks TLS over another. See `mcproto.transports.AsyncTransport`."""

    __slots__ = ("_inner", "_session")

    is_private = True

    def __init__(self, inner: AsyncInner, session: Session) -> None:
        self._inner = inner
        self._session = session

    def hand_over(self) -> tuple[AsyncInner, Session]:
        """What it is made of, for who wants to move the bytes himself, and alone."""
        return self._inner, self._session

    async def send_all(self, data: Data) -> None:
        view = memoryview(data)
        while True:
            self._session.encrypt(view[:_PORTION])
            await self._inner.send_all(self._session.outgoing())
            view = view[_PORTION:]
            if not view:
                return

    async def send_parts(self, parts: Sequence[Data], hear: Callable[[bytes], object]) -> None:
        for part in parts:
            for start in range(0, len(part), _PORTION):
                self._session.encrypt(memoryview(part)[start : start + _PORTION])
                await self._inner.send_parts([self._session.outgoing()], self._session.feed)
                while data := self._session.decrypt(RECEIVE_SIZE):
                    hear(data)

    async def receive_some(self, max_bytes: int = RECEIVE_SIZE) -> bytes:
        # What an answer to the server's own needs may be is left to go out with what is sent next:
        # two tasks may write and read at once, but not both write.
        while (data := self._session.decrypt(max_bytes)) is None:
            self._session.feed(await self._inner.receive_some())
        return data

    def has_input(self) -> bool:
        return _has_input(self._session, self._inner)

    def close(self) -> None:
        self._inner.close()


async def async_secured(inner: AsyncInner, context: Context, host: str) -> AsyncTlsTransport:
    """As `securing`, for a task. If this is cancelled, *inner* is closed."""
    try:
        session = Session(context, host)
        is_agreed = False
        while not is_agreed:
            try:
                is_agreed = session.shake_hands()
            except ssl.SSLError:
                await inner.send_all(session.outgoing())  # says why
                raise
            outgoing = session.outgoing()
            if outgoing:
                await inner.send_all(outgoing)
            if not is_agreed:
                session.feed(await inner.receive_some())
    except BaseException:
        inner.close()
        raise
    return AsyncTlsTransport(inner, session)


def _has_input(session: Session, inner: Inner | AsyncInner) -> bool:
    """Whether something has come for the user, or the end. What is TLS's own is taken in."""
    try:
        while inner.has_input():
            received = inner.receive_now()
            if received is None:
                return True  # and what it is cannot be seen from here
            session.feed(received)
            if not received:
                return True
        return session.has_data()
    except OSError:
        return True
