"""The client half of one connection: what is owed, what is left over, whether it is broken.

All state of a conversation is here, and this is the one invariant: a connection is *idle*
exactly when every command sent has been answered and no byte is left over.  Nothing else decides
whether it may be used again; whoever was interrupted between sending and receiving, however
brutally, leaves a connection that is not idle.

Knows no sockets, and no command in particular.
"""

from __future__ import annotations

from ._buffer import ReceiveBuffer
from ._command import MAX_ITEMS, MAX_LINE, MAX_VALUE, Command
from ._errors import (
    InvalidArgument,
    ItemTooLarge,
    LocalProtocolError,
    ProtocolDesync,
    RemoteProtocolError,
)
from ._fifo import fifo_for
from ._read_replies import Limits
from ._replies import CLOSED, NEED_DATA, NO_REPLY, ErrorReply, StreamLine
from ._tokens import checked_int, checked_received

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from ._replies import Closed, NeedData, NoReply, Reply
    from ._streams import LineForm

__all__ = ["ClientConnection"]


class ClientConnection:
    """The client half of one connection.

    ::

        conn = ClientConnection()
        sock.sendall(conn.send(command))
        while (reply := conn.next_event()) is NEED_DATA:
            conn.receive_data(sock.recv(65536))
        result = command.result(reply)

    Any number of commands may be sent before the first reply is read.  Every command has one
    event, in the order of sending: its reply; or NO_REPLY, for a noreply command at once, for a
    quiet one when a later reply shows that none came.

    Two ways lead through the same state.  The event interface is the one above.  The *direct
    door* is for who sends one command that is certain to be answered, on an idle connection, and
    has its reply whole, as nearly always: set `owed` to 1, write, read, decode
    (`Command.decode`), set `owed` to 0.  If the reply is not whole yet, `resume` turns to the
    events.  Whatever happens in between leaves `owed` at 1, and the events out of use.  (Who keeps
    the order of many such commands himself does the same with more than 1.)

    Args:
        protocol: ``"text"``: classic and meta commands, mixed as you like; ``"binary"``: those of
            `binary` and `sasl`.
        max_line: the longest reply line that is accepted, in bytes.
        max_value: the largest value that is accepted, either way, in bytes; also the most
            bytes of statistics, or of a dump, in one reply.
        max_items: the most lines of statistics, or of a dump, that are accepted in one reply.
            (Those of a `Stream` or a log are not kept, so they may be any number.)

    Attributes:
        owed: how many commands were sent and have had no event yet.
    """

    __slots__ = (
        "_barrier_due",
        "_broken",
        "_buffer",
        "_ended",
        "_fifo",
        "_barrier_unsent",
        "_limits",
        "_log",
        "_noreply_due",
        "_protocol",
        "_quit",
        "owed",
    )

    def __init__(
        self,
        protocol: Literal["text", "binary"] = "text",
        *,
        max_line: int = MAX_LINE,
        max_value: int = MAX_VALUE,
        max_items: int = MAX_ITEMS,
    ) -> None:
        if protocol not in ("text", "binary"):
            raise InvalidArgument(f"protocol must be 'text' or 'binary', not {protocol!r}")
        self._limits = Limits(
            checked_int("max_line", max_line, 64, 1 << 31),
            checked_int("max_value", max_value, 0, 1 << 31),
            checked_int("max_items", max_items, 1, 1 << 31),
        )
        self._buffer = ReceiveBuffer(self._limits.max_line)
        self._protocol = protocol
        self._fifo = fifo_for(protocol)
        self.owed = 0
        # Silence was asked for, so something may be outstanding until a barrier is answered.
        self._barrier_due = False
        self._noreply_due = False
        self._barrier_unsent = False  # ... and that barrier has not been sent
        self._ended = False  # the peer has closed its side
        self._quit = False  # nothing more may be sent
        self._log: LineForm | None = None  # what comes is a log, to the end
        self._broken: RemoteProtocolError | None = None

    def __repr__(self) -> str:
        state = "idle" if self.is_idle else f"owed={self.owed}"
        if self._broken is not None:
            state = "broken"
        elif self._quit or self._ended:
            state += ", ended"
        return f"<ClientConnection {self._protocol}, {state}>"

    @property
    def is_idle(self) -> bool:
        """Whether the connection may be used again, by anybody, for anything."""
        return not (
            self.owed
            or self._barrier_due
            or self._buffer
            or self._ended
            or self._quit
            or self._broken is not None
        )

    @property
    def is_broken(self) -> bool:
        """Whether the peer has said what it must not. There is no way back: close."""
        return self._broken is not None

    @property
    def in_reply(self) -> bool:
        """Whether bytes of the oldest reply owed have come, but not yet all of them."""
        return bool(self._buffer) or self._fifo.in_reply

    def send(self, command: Command[object]) -> bytes:
        """The bytes to write. From here on an event is owed, whether or not you write them.

        Raises:
            ItemTooLarge: the value is longer than *max_value*.
            LocalProtocolError: the connection is broken or closed, or the direct door is in use;
                or *command* is of the other protocol; or it is a flight, and noreply or quiet
                commands before it have no barrier: what answers them could be taken for its
                replies; or it, or the one before it, is a dump or a log, which has to be alone.

        After either nothing has changed.
        """
        self._check(command)
        data = command.encode()
        self._owe(command)
        return data

    def send_parts(self, command: Command[object]) -> tuple[bytes, ...]:
        """As `send`, in pieces: a large value is one of them, itself and not a copy.

        For ``socket.sendmsg`` or ``writelines``.  Few pieces: what is short is joined.  Raises as
        `send` does.
        """
        self._check(command)
        parts = command.encode_parts()
        self._owe(command)
        return parts

    def check(self, command: Command[object]) -> None:
        """Raise as `send` would, whatever is owed.

        For who uses the direct door for many: it is asked before `owed` counts the command.
        """
        if self._broken is not None:
            raise LocalProtocolError(f"the connection is broken: {self._broken}")
        if self._ended or self._quit:
            what = "closed" if self._log is None else "a log, and takes no more commands"
            raise LocalProtocolError(f"the connection is {what}")
        if command.protocol != self._protocol:
            name = type(command).__name__
            raise LocalProtocolError(f"{name} is not for a {self._protocol} connection")
        size = command.value_size
        if size > self._limits.max_value:
            raise ItemTooLarge(f"a value of {size} bytes; {self._limits.max_value} are allowed")

    def _check(self, command: Command[object]) -> None:
        """Raise unless *command* can be sent now."""
        if not isinstance(command, Command):
            raise TypeError(f"command must be a Command, not {command!r:.80}")
        self.check(command)
        if self.owed != len(self._fifo.commands):
            raise LocalProtocolError("the direct door is in use: settle that command first")
        if self.owed and (command.is_alone or self._fifo.commands[-1].is_alone):
            raise LocalProtocolError("a dump or a log is to be alone: settle what is owed first")
        if command.is_flight and self._barrier_unsent and (self.owed or self._barrier_due):
            raise LocalProtocolError("a flight behind noreply or quiet commands: send a barrier")

    def _owe(self, command: Command[object]) -> None:
        # In this order: who is interrupted in between leaves a connection that is not idle.
        self.owed += 1
        self._fifo.commands.append(command)
        if command.is_last:
            self._quit = True
        elif command.noreply:
            self._barrier_unsent = self._barrier_due = self._noreply_due = True
        elif command.quiet:
            self._barrier_unsent = True
            # A binary reply says whose it is: what has been settled is not answered any more.
            self._barrier_due = self._protocol == "text"
        elif command.is_barrier:
            self._barrier_unsent = False

    def resume(self, command: Command[object], received: bytes) -> None:
        """From the direct door to the events: go on with a reply that is not whole yet.

        *command* is the oldest of those that `owed` counts, and *received* is all that has come
        for it and those behind it, perhaps nothing.  Once its event has been had, `leave` is the
        way back.

        Raises:
            LocalProtocolError: nothing is owed, or it is owed to the events; nothing has changed.
        """
        if not self.owed or self._fifo.commands:
            raise LocalProtocolError("the direct door is not in use")
        if command.protocol != self._protocol:
            name = type(command).__name__
            raise LocalProtocolError(f"{name} is not for a {self._protocol} connection")
        self._fifo.commands.append(command)
        if received:
            self.receive_data(received)

    def leave(self) -> bytes:
        """From the events back to the direct door, where more is owed: what has come for that.

        Raises:
            LocalProtocolError: something is owed to the events; nothing has changed.
        """
        if self._fifo.commands:
            raise LocalProtocolError("the direct door is shut: a command is owed to the events")
        return self._buffer.take(len(self._buffer))

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take what the peer has sent; ``b""`` says that it has closed its side.

        Raises nothing, whatever the bytes; TypeError for what are none.
        """
        checked_received(data)
        if not data:
            self._ended = True
        elif self._broken is None:
            self._buffer.feed(data)
            self._look_for_surplus()

    def receive_value_into(self, buffer: bytearray | memoryview) -> None:
        """Put the value of the oldest reply owed into *buffer*, if it fits there.

        Of several items the first.  The reply then holds that part of *buffer*, as a memoryview,
        where bytes would be.  With `get_buffer` the value gets there straight from the socket.  A
        value that does not fit comes as bytes, as ever.

        ::

            request = conn.send(meta.Get("film", v=True))
            conn.receive_value_into(memory)
            ...
            while (reply := conn.next_event()) is NEED_DATA:
                conn.buffer_updated(sock.recv_into(conn.get_buffer()))

        Raises:
            LocalProtocolError: nothing is owed, or its reply has begun.
            TypeError: *buffer* is no writable buffer of bytes.
        """
        if not self.owed or self.in_reply:
            raise LocalProtocolError("a buffer is to be given between sending and receiving")
        view = memoryview(buffer)
        if view.readonly or not view.c_contiguous:
            raise TypeError("buffer must be writable, and in one piece")
        self._buffer.fill(view.cast("B"))

    def get_buffer(self, sizehint: int = -1) -> memoryview:
        """Where to receive the next bytes: room for one at least, for no more than belong there.

        To be called again for each receipt, and followed by `buffer_updated`: the two are those
        of ``asyncio.BufferedProtocol``.  Never raises.
        """
        return self._buffer.get_buffer()

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes were received into what `get_buffer` gave; 0: the peer has closed.

        Never raises.
        """
        if not nbytes:
            self._ended = True
        elif self._broken is None:
            self._buffer.buffer_updated(nbytes)
            self._look_for_surplus()

    def next_event(self) -> Reply | NoReply | NeedData | Closed:
        """The event of the oldest command owed.

        Returns:
            Its reply, or NO_REPLY; NEED_DATA if it is not here yet, or nothing is owed; CLOSED if
            the peer has closed and nothing is owed.

            Of a `Stream`, a `StreamLine` for each line, and then its reply, which settles it.  An
            `admin.Watch` is settled by its OK; from there on each line of the log is a
            `StreamLine`, though nothing is owed.

        Raises:
            RemoteProtocolError: the peer has broken the protocol, or closed while a reply was
                owed. From then on every call raises this.
            LocalProtocolError: the direct door is in use; nothing has changed.
        """
        if self._broken is not None:
            raise type(self._broken)(*self._broken.args)
        if self.owed and not self._fifo.commands:
            raise LocalProtocolError("the direct door is in use: settle that command, or resume")
        try:
            return self._next_event()
        except RemoteProtocolError as error:
            # A copy: the error itself will hold on to the frames that it passes through.
            self._broken = type(error)(*error.args)
            raise

    def _next_event(self) -> Reply | NoReply | NeedData | Closed:
        if not self.owed:
            return self._unasked()
        command = self._fifo.commands[0]
        reply = self._fifo.next_reply(self._buffer, self._limits)
        if reply is NEED_DATA:
            if not self._ended:
                return NEED_DATA
            if not command.may_close or self._buffer:
                raise RemoteProtocolError(
                    f"the peer closed with {self.owed} replies owed"
                    f" and {len(self._buffer)} bytes of the next one here"
                )
            self._fifo.commands.popleft()
            reply = NO_REPLY
        if isinstance(reply, StreamLine):
            return reply  # and there is more to come, so that it settles nothing
        if isinstance(reply, ErrorReply):
            if self._noreply_due:
                raise ProtocolDesync(f"{reply!r} may answer a noreply command before it")
        elif command.is_watch:
            self._quit = True
            self._log = command.line_form
        elif self._barrier_due and command.is_barrier:
            later = self._fifo.commands
            self._noreply_due = any(c.noreply for c in later)
            self._barrier_due = self._noreply_due or any(c.quiet for c in later)
        self.owed -= 1
        self._buffer.fill(None)
        self._look_for_surplus()
        return reply

    def _unasked(self) -> StreamLine | NeedData | Closed:
        """What comes when nothing is owed: nothing, or a log."""
        if self._log is not None:
            line = self._log.read_line(self._buffer, [None])
            if isinstance(line, StreamLine):
                return line
            if self._ended and self._buffer:
                raise RemoteProtocolError(f"the peer closed {len(self._buffer)} bytes into a line")
        return CLOSED if self._ended else NEED_DATA

    def _look_for_surplus(self) -> None:
        # At once, not when somebody asks: by then they would answer the next command sent.
        if self._buffer and not self.owed and self._log is None:
            self._broken = ProtocolDesync(f"{len(self._buffer)} bytes that nobody asked for")
