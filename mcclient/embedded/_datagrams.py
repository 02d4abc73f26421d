"""The protocol over UDP: each datagram is asked and answered by itself.

Knows datagrams, and nothing of what commands do: who answers is an argument.
"""

from __future__ import annotations

from mcproto import CLOSED, InvalidArgument
from mcproto.udp import ServerExchange

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections import Counter

    from ._options import Options
    from ._peer import Answer

__all__ = ["Datagrams"]

_LONGEST = 65536
# How many are answered before others have their turn.
_AT_ONCE = 64


class Datagrams:
    """A socket that datagrams come to.

    Args:
        sock: bound. It stays open.
        answer: who answers.
        options: of the server.
        traffic: where bytes are counted, by their names in ``stats``.
        max_reply: how many bytes may answer each byte; None: no limit.
    """

    def __init__(
        self,
        sock: socket.socket,
        answer: Answer,
        options: Options,
        traffic: Counter[str],
        max_reply: int | None,
    ) -> None:
        sock.setblocking(False)
        self.sock = sock
        self._answer = answer
        self._traffic = traffic
        self._options = options
        self._max_reply = max_reply

    def attend(self) -> None:
        """Answer what has come. What cannot be sent is lost, as datagrams are."""
        for _ in range(_AT_ONCE):
            try:
                data, sender = self.sock.recvfrom(_LONGEST)
            except OSError:
                return  # there are no more; or the last answer has found nobody
            self._traffic["bytes_read"] += len(data)
            for answer in self._answers(data):
                try:
                    self._traffic["bytes_written"] += self.sock.sendto(answer, sender)
                except OSError:
                    break

    def _answers(self, data: bytes) -> list[bytes]:
        exchange = ServerExchange(
            data,
            protocol=self._options.protocol,
            like=self._options.like,
            max_value=self._options.item_size,
            max_reply=self._max_reply,
        )
        answers: list[bytes] = []
        while (event := exchange.next_event()) is not CLOSED:
            reply, failure = self._answer(event, None)
            try:
                answer = exchange.send(reply)
            except InvalidArgument:
                continue  # more than fits the numbers of datagrams
            if failure is None:
                answers += answer
        return answers
