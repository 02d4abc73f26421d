"""Servers behind ``udp:`` addresses: they are told, and never asked.

What is written leaves in a datagram and nothing is waited for, so nobody knows what has become of
it; whatever would need an answer is refused.  So it is over there.

Knows how to send; which commands there are is the operations' business, as ever.
"""

from __future__ import annotations

import socket
from itertools import count

from mcproto import NO_REPLY, Command, Flight, classic, udp
from mcproto._binary_command import BinaryCommand, QuietCommand

from ._errors import Code
from ._session import Session, Trouble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..operations import Operation
    from ._behaviors import Behaviors
    from ._wires import Wire

__all__ = ["DatagramSession"]


class DatagramSession(Session):
    """A `Session` whose servers are told and not asked. Its results are all None."""

    __slots__ = ("_addresses", "_ids", "_sockets")

    def __init__(self, behaviors: Behaviors, wire: Wire) -> None:
        # As over there, and so it says.
        behaviors.apply({"_noreply": True})
        self._ids = count()
        self._addresses: dict[int, tuple[socket.AddressFamily, Any]] = {}
        self._sockets: dict[socket.AddressFamily, socket.socket] = {}
        super().__init__(behaviors, wire)

    def close(self) -> None:
        super().close()
        sockets, self._sockets = self._sockets, {}
        for sock in sockets.values():
            sock.close()
        self._addresses.clear()

    def __del__(self) -> None:
        for sock in getattr(self, "_sockets", {}).values():
            sock.close()

    def ask(self, server: int, command: Command[Any]) -> Operation[Any]:
        self._tell(server, command)
        return None
        yield  # an operation, though one that asks for nothing

    def ask_all(self, commands: Mapping[int, Command[Any]]) -> Operation[dict[int, Any]]:
        outcomes: dict[int, Any] = {}
        for server, command in commands.items():
            try:
                if isinstance(command, Flight):
                    for each in command.commands:
                        self._tell(server, each)
                    outcomes[server] = (NO_REPLY,) * len(command.commands)
                else:
                    self._tell(server, command)
                    outcomes[server] = None
            except Trouble as trouble:
                outcomes[server] = trouble
        return outcomes
        yield

    def _tell(self, server: int, command: Command[Any]) -> None:
        request = _unanswered(command)
        datagram = udp.Datagram(next(self._ids) & 0xFFFF, request).encode()
        try:
            family, address = self._address_of(server)
        except OSError as error:
            raise Trouble(Code.HOST_LOOKUP, self._place_of(server)) from error
        sock = self._sockets.get(family)
        if sock is None:
            sock = self._sockets[family] = socket.socket(family, socket.SOCK_DGRAM)
            sock.setblocking(False)
        try:
            sock.sendto(datagram, address)
        except OSError as error:  # too long, most of the time
            raise Trouble(Code.WRITE, self._place_of(server)) from error

    def _address_of(self, server: int) -> tuple[socket.AddressFamily, Any]:
        if server not in self._addresses:
            known = self._behaviors.placement.servers[server]
            family, _, _, _, address = socket.getaddrinfo(
                known.host, known.port, type=socket.SOCK_DGRAM
            )[0]
            self._addresses[server] = family, address
        return self._addresses[server]


def _unanswered(command: Any) -> bytes:
    """The request, in the form to which the server keeps silent.

    Raises:
        Trouble: there is no such form, or what is wanted is the answer.
    """
    if command.is_read or isinstance(command, (classic.Touch, classic.Stats)):
        raise Trouble(Code.NOT_SUPPORTED)
    if isinstance(command, BinaryCommand):
        if not isinstance(command, QuietCommand):
            raise Trouble(Code.NOT_SUPPORTED)
        command.quiet = True
        command.complete()
    else:
        command.noreply = True
    request: bytes = command.encode()
    return request
