"""Connecting sockets and waiting for them, for callers who block. Shared by their adapters.

Whatever may have to wait is a generator: it yields for what and until when, a `Wait`, and goes on
when that has happened, or gets a `TimeoutError` thrown in.  So the same steps serve who waits for
one socket (`drive`) and who waits for many (`Together`).
"""

from __future__ import annotations

import errno
import os
import select
import socket
from time import monotonic

from ._deadline import left
from ._exchange import READ, WRITE
from ._resolve import literal, resolving

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import TypeVar

    from . import Address, Context, HasDescriptor, Wait
    from ._tls import Inner, TlsTransport

    R = TypeVar("R")
    T = TypeVar("T", bound=Inner)

__all__ = [
    "PAUSE",
    "check_connected",
    "connect_now",
    "connecting",
    "drive",
    "has_input",
    "is_private",
    "new_socket",
    "opening",
    "prepare",
    "wait_for",
]

# So long a connection is silent before the system asks whether the other end is still there; how
# often it asks, and how many times.  Sooner than most firewalls forget what has been idle.
_KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))


_Socket = socket.socket


class _Own(_Socket):
    """A socket that closes itself when it is dropped, and does not warn of it.

    Struck while it connects, nobody has it yet; and in a cycle of garbage, as errors with their
    tracebacks make them, its own finalizer may come before that of its transport.
    """

    __slots__ = ()

    # The system's own, in which no line of Python can be struck.
    __del__ = socket.SocketType.close


def new_socket(family: int) -> socket.socket:
    """A socket for a stream."""
    # (gevent puts a class of its own into the module, sooner or later.)
    make = _Own if socket.socket is _Socket else socket.socket
    return make(family, socket.SOCK_STREAM)


def prepare(sock: socket.socket) -> None:
    """Set what every connection wants: requests leave at once, and a dead peer is found out."""
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, setting in _KEEPALIVE:
            option = getattr(socket, name, None)
            if option is not None:
                sock.setsockopt(socket.IPPROTO_TCP, option, setting)


def opening(
    make: Callable[[socket.socket], T],
    address: Address,
    deadline: float,
    tls: Context | None,
    began: Callable[[str], object],
) -> Generator[Wait, None, T | TlsTransport]:
    """A connected transport that *make* has made, with TLS over it if that is asked for.

    Args:
        began: told ``"dns"`` (if *address* has a name), ``"tcp"`` and ``"tls"`` as these begin.

    Raises:
        ssl.SSLError: the two sides do not agree, or the certificate is not good.
        OSError: as `connecting` does.
    """
    transport = make((yield from connecting(address, deadline, began)))
    if tls is None:
        return transport
    from ._tls import securing  # and `ssl` with it

    began("tls")
    return (yield from securing(transport, tls, address[0], deadline))


def connecting(
    address: Address, deadline: float, began: Callable[[str], object]
) -> Generator[Wait, None, socket.socket]:
    """A connected socket that does not block.

    A name's addresses are tried in turn, each within its share of the time that is left.

    Args:
        began: told ``"dns"`` (if *address* has a name) and ``"tcp"`` as these steps begin.

    Raises:
        socket.gaierror: the name cannot be resolved.
        TimeoutError: not before the deadline.
        OSError: as the system says, of the first address that failed.
    """
    if isinstance(address, str):
        began("tcp")
        return (yield from _connecting(socket.AF_UNIX, address, deadline))
    found = literal(*address)
    if found is None:
        began("dns")
        found = yield from resolving(*address, deadline)
    began("tcp")
    failure: OSError | None = None
    try:
        for number, (family, to) in enumerate(found):
            now = monotonic()
            share = now + (deadline - now) / (len(found) - number)
            try:
                return (yield from _connecting(family, to, share))
            except OSError as error:
                failure = failure or error
        left(deadline)
        raise failure or OSError(f"{address[0]} has no address")
    finally:
        # Its traceback holds this frame; together they would wait for the garbage collector, and
        # the client with them.
        del failure


def _connecting(
    family: int, address: object, deadline: float
) -> Generator[Wait, None, socket.socket]:
    sock = new_socket(family)
    try:
        prepare(sock)
        sock.setblocking(False)
        left(deadline)
        while not connect_now(sock, address):
            if family == socket.AF_UNIX:
                yield from _pausing(deadline)
            else:
                yield sock, WRITE, deadline
                check_connected(sock)
                break
    except BaseException:
        sock.close()
        raise
    return sock


def connect_now(sock: socket.socket, address: object) -> bool:
    """Begin to connect. False: it is on the way, or, over a unix socket, to be tried again soon.

    There, it is the queue of the server that is full, and nobody says when it is not.
    """
    try:
        sock.connect(address)  # type: ignore[arg-type]  # of the family's own form
    except BlockingIOError:
        return False
    return True


def check_connected(sock: socket.socket) -> None:
    """Raise what has become of connecting, unless it is a connection."""
    status = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if status:
        raise OSError(status, os.strerror(status))


PAUSE = 0.005
"""Seconds between two attempts at a unix socket whose queue is full."""


def _pausing(deadline: float) -> Generator[Wait, None, None]:
    try:
        yield None, 0, min(deadline, monotonic() + PAUSE)
    except TimeoutError:
        left(deadline)


def drive(steps: Generator[Wait, None, R]) -> R:
    """Take all the steps, waiting as they say; what they come to."""
    try:
        wait = next(steps)
        while True:
            try:
                wait_for(*wait)
            except TimeoutError as error:
                wait = steps.throw(error)
            else:
                wait = next(steps)
    except StopIteration as stop:
        result: R = stop.value
        return result
    finally:
        # If this has been interrupted, they must not be left half-way.
        steps.close()


def wait_for(what: HasDescriptor | None, events: int, deadline: float) -> None:
    """Return when *what* is ready for one of the *events*, or has come to an end.

    (The system's `poll` is asked again after a signal's handler, for the time that is left.)

    Raises:
        TimeoutError: it was not by the deadline.
    """
    poll = select.poll()
    if what is not None:
        descriptor = what.fileno()
        if descriptor < 0:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        asked = (select.POLLIN if events & READ else 0) | (select.POLLOUT if events & WRITE else 0)
        poll.register(descriptor, asked)
    while True:
        seconds = left(deadline)
        if poll.poll(None if seconds is None else seconds * 1000):
            return


def is_private(sock: socket.socket) -> bool:
    """Whether it leads nowhere out of this machine: over a unix socket, or the loopback interface.

    Judged by the address of the other end.
    """
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return sock.family == socket.AF_UNIX
    try:
        host: str = sock.getpeername()[0]
    except OSError:
        return False  # not connected any more
    return host == "::1" or host.removeprefix("::ffff:").startswith("127.")


def has_input(sock: socket.socket) -> bool:
    """Whether a byte, the end or an error is waiting."""
    try:
        sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
