"""Connecting sockets for callers who block, by a deadline. Shared by `blocking` and `selector`."""

from __future__ import annotations

import socket

from ._deadline import left

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import Address


def connected(address: Address, deadline: float) -> socket.socket:
    """A connected socket. A host name's addresses are tried in turn, within the one deadline.

    The look-up of a name is the system's, and cannot be interrupted: only what comes after
    it keeps to the deadline.
    """
    if isinstance(address, str):
        return _connect(socket.AF_UNIX, address, deadline)
    failure: OSError | None = None
    try:
        for family, _, _, _, to in socket.getaddrinfo(*address, type=socket.SOCK_STREAM):
            try:
                return _connect(family, to, deadline)
            except TimeoutError:
                raise
            except OSError as error:
                failure = failure or error
        raise failure or OSError(f"{address[0]} has no address")
    finally:
        # Its traceback holds this frame; together they would wait for the garbage collector, and
        # the client with them.
        del failure


def _connect(family: int, address: object, deadline: float) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(left(deadline))
        sock.connect(address)  # type: ignore[arg-type]  # of the family's own form
    except BaseException:
        sock.close()
        raise
    return sock


def has_input(sock: socket.socket) -> bool:
    """Whether a byte, the end or an error is waiting."""
    try:
        sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
