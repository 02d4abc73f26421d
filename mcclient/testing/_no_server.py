"""Addresses at which nobody answers: where one is refused, and where nothing comes back at all."""

from __future__ import annotations

import socket
from types import TracebackType

__all__ = ["NoServer"]


class NoServer:
    """A port of this machine where there is no server, for as long as the ``with`` block runs.

    ::

        with NoServer(drops=True) as address:
            mcclient.Client(address).get("k")  # its deadline passes

    The block's value is ``("127.0.0.1", port)``, which clients and transports both take.

    Args:
        drops: nothing comes back, as from a host that is dead: the queue of who wants to connect is
            full, and the first packet of whoever comes is dropped. Else connecting is refused.
    """

    def __init__(self, *, drops: bool = False) -> None:
        self._drops = drops
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> tuple[str, int]:
        if not self._drops:
            taken = socket.socket()
            self._sockets.append(taken)
            taken.bind(("127.0.0.1", 0))
            refuses: tuple[str, int] = taken.getsockname()
            return refuses
        listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self._sockets.append(listener)
        place: tuple[str, int] = listener.getsockname()
        for _ in range(8):
            sock = socket.socket()
            self._sockets.append(sock)
            sock.setblocking(False)
            sock.connect_ex(place)
        return place

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for sock in self._sockets:
            sock.close()
        self._sockets.clear()
