"""The server half of one connection: what was asked, what is answered, when to hang up.

The mirror image of `ClientConnection`.  Knows no store, and no command in particular: `next_event`
says what was asked, somebody finds the answers, and `send` makes bytes of them, or silence where
silence was asked for.
"""

from __future__ import annotations

from collections import deque

from ._command import Command
from ._errors import (
    ErrorReplied,
    InvalidArgument,
    LimitExceeded,
    LocalProtocolError,
    ProtocolDesync,
)
from ._generations import generation
from ._read_commands import MAX_REQUEST, CommandReader
from ._replies import (
    CLOSED,
    NEED_DATA,
    NO_REPLY,
    BadRequest,
    ErrorReply,
    Lines,
    LoudReply,
    MetaReply,
    Number,
    Status,
    StreamLine,
    Values,
)
from ._tokens import U32, U64, checked_bool, checked_int, checked_received
from ._write_replies import write_reply
from .classic import GatMany, GetMany, GetsMany, Stats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    from ._read_binary_commands import BinaryReader
    from ._replies import Closed, NeedData, NoReply, Reply
    from ._streams import LineForm

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

    What it hears and how it speaks is memcached's, of the generation that *like* names.  A command
    may hold what the same command's constructor refuses (a key with control characters, say),
    since servers take it.

    Every command and every bad request is answered by one `send`, in order; any number may be read
    before the first is answered.  The answer may come out as no bytes at all.

    A data block that will not be used is dropped as it arrives, so a connection holds no more than
    one value, one line, and what was received behind them.

    Args:
        protocol: ``"text"``: classic and meta commands; ``"binary"``: those of `binary` and
            `sasl`; ``"auto"``: whichever the first byte says, for the whole connection.
        like: the server to imitate where they differ: ``"1.6.18"`` (a parser that was in use until
            1.6.39) or ``"1.6.45"``.
        max_line: the longest line of ``get`` and ``gets`` that is read, in bytes. All other lines
            end at 2048.
        max_value: the largest value that is read, in bytes. A larger one is refused.
        auth_required: nothing is heard before the client has been let in: all else is refused.
            What comes behind an authentication is heard when that has been answered; until then
            `next_event` gives NEED_DATA.

    Attributes:
        is_authenticated: whether the client has been let in, by the answer to its
            authentication, or because that is not required.
    """

    __slots__ = (
        "_auth_due",
        "_auth_required",
        "_binary",
        "_broken",
        "_closing",
        "_ended",
        "_is_undecided",
        "_like",
        "_log",
        "_max_value",
        "_opened",
        "_reader",
        "_unanswered",
        "_watch_due",
        "is_authenticated",
    )

    def __init__(
        self,
        protocol: Literal["auto", "text", "binary"] = "auto",
        *,
        like: str = "1.6.45",
        max_line: int = MAX_REQUEST,
        max_value: int = 1 << 20,
        auth_required: bool = False,
    ) -> None:
        if protocol not in ("auto", "text", "binary"):
            raise InvalidArgument(f"protocol must be 'auto', 'text' or 'binary', not {protocol!r}")
        self._auth_required = checked_bool("auth_required", auth_required)
        self.is_authenticated = not auth_required
        self._auth_due = False  # who is there has been said, and not answered
        self._like = generation(like)
        self._max_value = checked_int("max_value", max_value, 0, 1 << 31)
        self._reader: CommandReader | BinaryReader = CommandReader(
            checked_int("max_line", max_line, 64, 1 << 31),
            self._max_value,
            self._like,
            is_stranger=auth_required,
        )
        self._opened = False  # the oldest request has been answered by lines, and there are more
        self._watch_due = False  # a log was asked for, and may be all that comes from here on
        self._log: LineForm | None = None  # ... and it is
        self._binary: BinaryReader | None = None  # the reader, if it is one
        self._is_undecided = protocol == "auto"
        if protocol == "binary":
            self._speak_binary()
        self._unanswered: deque[Command[object] | BadRequest] = deque()
        self._ended = False  # the peer has closed its side
        self._closing = False  # no request comes any more, or none that we would read
        self._broken = False

    def __repr__(self) -> str:
        spoken = "undecided" if self._is_undecided else "binary" if self._binary else "text"
        state = "broken" if self._broken else "must close" if self.must_close else ""
        return f"<ServerConnection {spoken}, {state or f'unanswered={len(self._unanswered)}'}>"

    @property
    def must_close(self) -> bool:
        """Whether the end has come: write what `send` has given, then close.

        So it is once all that was asked has been answered, and then came ``quit``, the end of
        file, or something that is not memcached's protocol (see `is_broken`).
        """
        if not self._closing:
            return False
        oldest = self._unanswered[0] if self._unanswered else None
        # Nobody waits for an answer to a `quit` that has none.
        return oldest is None or (oldest.noreply and isinstance(oldest, Command) and oldest.is_last)

    @property
    def is_broken(self) -> bool:
        """Whether the peer does not speak the protocol: a line too long, or an HTTP request."""
        return self._broken

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take what the peer has sent; ``b""`` says that it has closed its side.

        Raises nothing, whatever the bytes; TypeError for what are none.
        """
        checked_received(data)
        if not data:
            self._ended = True
        elif not self._closing and self._log is None:
            if self._is_undecided:
                self._is_undecided = False
                if bytes(data[:1]) == b"\x80":
                    self._speak_binary()
            self._reader.feed(data)

    def _speak_binary(self) -> None:
        # Few servers ever do.
        from ._read_binary_commands import BinaryReader

        self._reader = self._binary = BinaryReader(
            self._max_value, self._like, is_stranger=self._auth_required
        )

    def next_event(self) -> Command[object] | BadRequest | NeedData | Closed:
        """The next request. Never raises.

        Returns:
            A command; a `BadRequest`, to be answered by ``send(bad.reply)``; NEED_DATA if there
            is no whole request, or none that can be understood before an authentication, or an
            `admin.Watch`, has been answered; CLOSED if there will never be one.
        """
        if self._closing:
            return CLOSED
        if self._auth_due or self._watch_due:
            return NEED_DATA  # what is allowed behind it depends on the answer
        try:
            event = self._reader.next() if self._log is None else NEED_DATA
        except LimitExceeded:
            event = CLOSED
        if event is NEED_DATA and not self._ended:
            return NEED_DATA
        if event is NEED_DATA or event is CLOSED:
            self._closing = True
            self._broken = event is CLOSED
            return CLOSED
        if isinstance(event, Command) and event.is_alone and self._unanswered:
            event = BadRequest(_NOT_ALONE[event.is_watch])
        self._unanswered.append(event)
        if isinstance(event, BadRequest):
            self._closing = event.closes
        else:
            self._closing = event.is_last
            self._auth_due = self._auth_required and event.authenticates
            self._watch_due = event.is_watch
        return event

    def send(self, reply: Reply | NoReply) -> bytes:
        """The bytes to write in answer to the oldest request that has none yet.

        Args:
            reply: the answer, whether or not it will be heard; or NO_REPLY for a command that may
                be left without, ``noreply`` or quiet: a proxy knows no more of its outcome; or
                for an `admin.Shutdown` that is obeyed.

                What is answered by lines (`classic.Stats`, `admin.Metadump`, `admin.Mgdump`) may
                be answered by a `StreamLine` for each and ``Status.END`` behind them: that
                settles it.  An `admin.Watch` is settled by ``Status.OK``; from there on
                any number of `StreamLine` may be sent, and nothing else.

        Returns:
            The reply; ``b""`` where the protocol is silent, for ``noreply`` and quiet commands.

        Raises:
            LocalProtocolError: everything has been answered, or this answers another command.
            InvalidArgument: a text of the reply holds a line end.

        After either nothing has changed.
        """
        return b"".join(self.send_parts(reply))

    def send_parts(self, reply: Reply | NoReply) -> tuple[bytes, ...]:
        """As `send`, in pieces: a large value is one of them, itself and not a copy.

        For ``socket.sendmsg`` or ``writelines``.  Few pieces: what is short is joined.  None where
        the protocol is silent.
        """
        if self._log is not None and isinstance(reply, StreamLine):
            return (self._log.write_lines((reply.line,)),)
        if not self._unanswered:
            raise LocalProtocolError("every request has been answered")
        asked = self._unanswered[0]
        if isinstance(reply, StreamLine):
            return (self._begun(asked, reply),)
        if self._opened and reply is not Status.END:
            raise LocalProtocolError(f"lines end with Status.END, not {reply!r}")
        parts: tuple[bytes, ...] = ()
        if asked.noreply:
            pass
        elif reply is NO_REPLY:
            if isinstance(asked, BadRequest) or not (asked.quiet or asked.may_close):
                raise LocalProtocolError(f"{asked!r} has to be answered")
            self._closing = self._closing or asked.may_close
        else:
            _check_fit(asked, reply)
            if isinstance(asked, BadRequest) or not asked.hides(reply):
                parts = self._written(asked, reply)
        self._unanswered.popleft()
        self._opened = False
        if isinstance(asked, Command):
            if asked.authenticates:
                self._let_in(asked.lets_in(reply))
            elif asked.is_watch:
                self._watch_due = False
                self._log = asked.line_form if reply is Status.OK else None
        return parts

    def _begun(self, asked: Command[object] | BadRequest, reply: StreamLine) -> bytes:
        """A line of the answer, which is not settled by it."""
        form = _lines_of(asked)
        if form is None:
            raise LocalProtocolError(f"{asked!r} is not answered by lines")
        data = self._opening(form) + form.write_lines((reply.line,))
        self._opened = True
        return data

    def _opening(self, form: LineForm) -> bytes:
        if self._opened or not form.opening or not self._like.opens_dumps:
            return b""
        return form.opening + b"\r\n"

    def _written(self, asked: Command[object] | BadRequest, reply: Reply) -> tuple[bytes, ...]:
        form = _lines_of(asked)
        if form is not None and (reply is Status.END or isinstance(reply, Lines)):
            lines = reply.lines if isinstance(reply, Lines) else ()
            return (self._opening(form) + form.write_lines(lines) + form.last + b"\r\n",)
        if self._binary is None:
            return write_reply(reply, asked.word if isinstance(asked, Stats) else "STAT")
        from ._write_binary_replies import write_binary_reply

        request: Any = asked  # the binary reader makes no others
        return write_binary_reply(request, reply)

    def _let_in(self, is_authenticated: bool) -> None:
        self._auth_due = False
        if self._auth_required:
            self.is_authenticated = is_authenticated
            if is_authenticated:
                self._reader.let_in()
            elif self._binary is not None:
                self._binary.is_stranger = True


_NOT_ALONE = (
    ErrorReply("ERROR", "cannot pipeline other commands before metadump"),
    ErrorReply("ERROR", "cannot pipeline other commands before watch"),
)


def _lines_of(asked: Command[object] | BadRequest) -> LineForm | None:
    """How the lines look that end, and that answer it."""
    return None if isinstance(asked, BadRequest) or asked.is_watch else asked.line_form


def _check_fit(asked: Command[object] | BadRequest, reply: Reply) -> None:
    """Raise LocalProtocolError if a client could not take *reply* for the answer to *asked*."""
    if isinstance(reply, ErrorReply):
        kinds = asked.error_kinds if isinstance(asked, Command) else None
        if kinds is not None and reply.kind.removesuffix(":").encode() not in kinds:
            raise LocalProtocolError(f"{type(asked).__name__} cannot be answered by {reply!r}")
        return
    if isinstance(asked, BadRequest):
        raise LocalProtocolError(f"a bad request is answered by its error, not {reply!r}")
    if reply is Status.END and _lines_of(asked) is not None:
        return
    try:
        asked.result(reply)
    except ProtocolDesync as error:
        raise LocalProtocolError(str(error)) from None
    except ErrorReplied:
        pass  # a refusal, which any command can get
    if isinstance(reply, Values):
        _check_items(asked, reply)
    elif isinstance(reply, Number):
        checked_int("value", reply.value, 0, U64)
    elif isinstance(reply, MetaReply):
        if (reply.value is not None) != (reply.code == "VA"):
            raise LocalProtocolError("a value goes with the code VA, and the code VA with a value")
        # (What is kept to itself is no answer that a client would take.)
        if not (asked.hides(reply) or isinstance(reply, LoudReply) or asked.may_get(reply)):
            raise LocalProtocolError(f"{asked!r} cannot be answered by {reply!r}")


def _check_items(asked: Command[object], reply: Values) -> None:
    keys = asked.keys if isinstance(asked, (GetMany, GetsMany, GatMany)) else None
    for item in reply.items:
        if (item.cas is not None) != asked.with_cas:
            raise LocalProtocolError(
                f"cas uniques go with gets and gats, not {type(asked).__name__}"
            )
        if keys is not None and item.key not in keys:
            raise LocalProtocolError(f"{asked!r} does not ask for {item.key!r}")
        checked_int("flags", item.flags, 0, U32)
        if item.cas is not None:
            checked_int("cas", item.cas, 0, U64)
