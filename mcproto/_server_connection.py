"""The server half of one connection: what was asked, what is answered, when to hang up.

The mirror image of `ClientConnection`.  Knows no store, and no command in particular: `next_event`
says what was asked, somebody finds the answers, and `send` makes bytes of them, or silence where
silence was asked for.
"""

from __future__ import annotations

from collections import deque

from ._errors import InvalidArgument, LimitExceeded, LocalProtocolError, ProtocolDesync
from ._read_commands import MAX_REQUEST, CommandReader
from ._replies import CLOSED, NEED_DATA, BadRequest, ErrorReply, MetaReply, Values
from ._tokens import checked_int
from ._write_replies import write_reply
from .classic import Quit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from ._command import Command
    from ._replies import Closed, NeedData, Reply

__all__ = ["ServerConnection"]


class ServerConnection:
    """The server half of one connection.

    ::

        conn = ServerConnection()
        while not conn.must_close:
            event = conn.next_event()
            if event is NEED_DATA:
                conn.receive_data(sock.recv(65536))
            elif isinstance(event, BadRequest):
                sock.sendall(conn.send(event.reply))
            elif event is not CLOSED:
                sock.sendall(conn.send(answer_to(event)))

    What it hears and how it speaks is memcached 1.6.45's.  A command may hold what the same
    command's constructor refuses (a key with control characters, say), since servers take it.

    Every command and every bad request is answered by one `send`, in order; any number may be read
    before the first is answered.  The answer may come out as no bytes at all.

    A data block that will not be used is dropped as it arrives, so a connection holds no more than
    one value, one line, and what was received behind them.

    Args:
        protocol: ``"text"``: classic and meta commands; ``"auto"``: the same, until there is
            another to be told by its first byte.
        max_line: the longest line of ``get`` and ``gets`` that is read, in bytes. All other lines
            end at 2048.
        max_value: the largest value that is read, in bytes. A larger one is refused.
    """

    __slots__ = ("_broken", "_closing", "_ended", "_reader", "_unanswered")

    def __init__(
        self,
        protocol: Literal["auto", "text"] = "auto",
        *,
        max_line: int = MAX_REQUEST,
        max_value: int = 1 << 20,
    ) -> None:
        if protocol not in ("auto", "text"):
            raise InvalidArgument(f"protocol must be 'auto' or 'text', not {protocol!r}")
        self._reader = CommandReader(
            checked_int("max_line", max_line, 64, 1 << 31),
            checked_int("max_value", max_value, 0, 1 << 31),
        )
        self._unanswered: deque[Command[object] | BadRequest] = deque()
        self._ended = False  # the peer has closed its side
        self._closing = False  # no request comes any more, or none that we would read
        self._broken = False

    @property
    def must_close(self) -> bool:
        """Whether the end has come: write what `send` has given, then close.

        So it is once all that was asked has been answered, and then came ``quit``, the end of
        file, or something that is not memcached's protocol (see `is_broken`).
        """
        return self._closing and (not self._unanswered or isinstance(self._unanswered[0], Quit))

    @property
    def is_broken(self) -> bool:
        """Whether the peer does not speak the protocol: a line too long, or an HTTP request."""
        return self._broken

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take what the peer has sent; ``b""`` says that it has closed its side. Never raises."""
        if not data:
            self._ended = True
        elif not self._closing:
            self._reader.feed(data)

    def next_event(self) -> Command[object] | BadRequest | NeedData | Closed:
        """The next request. Never raises.

        Returns:
            A command; a `BadRequest`, to be answered by ``send(bad.reply)``; NEED_DATA if there
            is no whole request; CLOSED if there will never be one.
        """
        if self._closing:
            return CLOSED
        try:
            event = self._reader.next()
        except LimitExceeded:
            event = CLOSED
        if event is NEED_DATA and not self._ended:
            return NEED_DATA
        if event is NEED_DATA or event is CLOSED:
            self._closing = True
            self._broken = event is CLOSED
            return CLOSED
        self._unanswered.append(event)
        self._closing = isinstance(event, Quit)
        return event

    def send(self, reply: Reply) -> bytes:
        """The bytes to write in answer to the oldest request that has none yet.

        Returns:
            The reply; ``b""`` where the protocol is silent, for ``noreply`` and quiet commands.

        Raises:
            LocalProtocolError: everything has been answered, or this answers another command.
            InvalidArgument: a text of the reply holds a line end.

        After either nothing has changed.
        """
        if not self._unanswered:
            raise LocalProtocolError("every request has been answered")
        asked = self._unanswered[0]
        if asked.noreply:
            data = b""
        else:
            _check_fit(asked, reply)
            quiet = not isinstance(asked, BadRequest) and asked.hides(reply)
            data = b"" if quiet else write_reply(reply)
        self._unanswered.popleft()
        return data


def _check_fit(asked: Command[object] | BadRequest, reply: Reply) -> None:
    """Raise LocalProtocolError if a client could not take *reply* for the answer to *asked*."""
    if isinstance(reply, ErrorReply):
        return
    if isinstance(asked, BadRequest):
        raise LocalProtocolError(f"a bad request is answered by its error, not {reply!r}")
    try:
        asked.result(reply)
    except ProtocolDesync as error:
        raise LocalProtocolError(str(error)) from None
    if isinstance(reply, Values) and any(
        (item.cas is not None) != asked.with_cas for item in reply.items
    ):
        raise LocalProtocolError(f"cas uniques go with gets and gats, not {type(asked).__name__}")
    if isinstance(reply, MetaReply) and (reply.value is not None) != (reply.code == "VA"):
        raise LocalProtocolError("a value goes with the code VA, and the code VA with a value")
