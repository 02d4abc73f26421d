"""What one of many callers on a connection waits for: one command, and what becomes of it.

A call knows its request, how to read its reply, and whose fault it is if there is none.  Who waits
for it, and how, is the adapter's business; where in the queue it is, the multiplexer's.
"""

from __future__ import annotations

from .. import ErrorReplied, LocalProtocolError, ProtocolDesync, meta
from .._typing import Generic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    from .. import Command, ErrorReply, MetaReply
    from .._direct import Heads
    from .._replies import NoReply, Reply

    R = TypeVar("R")
else:
    R = object

__all__ = ["Call", "Fetch", "Store", "can_share", "may_have_been_read_on", "refusal"]


def can_share(command: Command[object]) -> bool:
    """Whether it may go over a connection on which others wait for replies.

    Not what changes the connection itself, ends it, takes it for itself, or may go unanswered.
    """
    return not (
        command.noreply
        or command.quiet
        or command.is_alone
        or command.is_stream
        or command.is_watch
        or command.is_last
        or command.may_close
        or command.authenticates
    )


class Call(Generic[R]):
    """One command for one caller.

    Args:
        command: what is asked.
        parts: its request, in as many pieces as it has.
        deadline: until when its caller waits, on whatever clock; `math.inf`: without limit.

    Attributes:
        is_written: its request has been handed out, so that a reply is owed: from here on the
            server may have obeyed.
        is_done: nobody waits for it any more: it is settled, or abandoned.
        is_heard: it failed when a part of its reply had come.
        error: what has ended it, None if it has come to a result.
        waiter: whom to wake; for the adapter.
    """

    __slots__ = (
        "_command",
        "_outcome",
        "deadline",
        "error",
        "is_done",
        "is_heard",
        "is_written",
        "parts",
        "size",
        "waiter",
    )

    def __init__(
        self, command: Command[R] | None, parts: tuple[bytes, ...], deadline: float
    ) -> None:
        self._command = command
        self._outcome: R | None = None
        self.parts = parts
        self.size = len(parts[0]) if len(parts) == 1 else sum(map(len, parts))
        self.deadline = deadline
        self.is_written = self.is_done = self.is_heard = False
        self.error: Exception | None = None
        self.waiter: Any = None

    @property
    def command(self) -> Command[Any]:
        """What is asked, as a command."""
        assert self._command is not None
        return self._command

    def read_at(self, data: bytes, at: int) -> int:
        """Read the reply that begins there in *data*, if it is whole and in its usual form.

        Gives where it ends; else -1, and the plain grammar has to read it.
        """
        return -1

    def take(self, reply: Reply | NoReply) -> None:
        """Come to the result that a reply is.

        Raises:
            RemoteProtocolError: it is none that can answer this command.
        """
        try:
            self._outcome = self._understood(reply)
        except ErrorReplied as error:
            self.error = error

    def _understood(self, reply: Reply | NoReply) -> Any:
        return self.command.result(reply)

    def result(self) -> R:
        """What the reply has meant; or raises what there was instead. To be asked once."""
        if self.error is not None:
            error, self.error = self.error, None
            try:
                raise error
            finally:
                del error  # or it and this frame would hold each other
        return self._outcome  # type: ignore[return-value]


class Fetch(Call["tuple[bytes, int] | None"]):
    """``mg`` of a value by the direct door: (value, flags), None if nothing is there.

    Args:
        form: of `get_forms`, the next one of the connection.
    """

    __slots__ = ("_heads", "_key", "_miss")

    def __init__(self, key: bytes, form: tuple[bytes, bytes, Heads], deadline: float) -> None:
        request, self._miss, self._heads = form
        self._key = key
        data = request % key
        # As the class above does it; this is on the shortest way there is.
        self._command = None
        self._outcome = None
        self.parts = (data,)
        self.size = len(data)
        self.deadline = deadline
        self.is_written = self.is_done = self.is_heard = False
        self.error = None
        self.waiter = None

    @property
    def command(self) -> Command[MetaReply | None]:
        return meta.Get(self._key, f=True, O=self._heads.token, v=True)

    def read_at(self, data: bytes, at: int) -> int:
        miss = self._miss
        if data.startswith(miss, at):
            return at + len(miss)
        start = data.find(b"\r\n", at) + 2
        if start < 2:
            return -1
        size, flags = self._heads[data[at : start - 2]]
        stop = start + size
        end = stop + 2
        if size < 0 or data[stop:end] != b"\r\n":
            return -1
        self._outcome = data[start:stop], flags
        return end

    def _understood(self, reply: Reply | NoReply) -> tuple[bytes, int] | None:
        found = self.command.result(reply)
        if found is None:
            return None
        flags = found.number("f")
        if found.value is None or flags is None:
            raise ProtocolDesync(f"a hit without what was asked for: {found!r}")
        return found.value, flags


class Store(Call[bool]):
    """``ms`` of a value by the direct door: whether it has been stored.

    Args:
        form: of `set_forms`, the next one of the connection.
    """

    __slots__ = ("_item", "_stored", "_token")

    def __init__(
        self,
        key: bytes,
        value: bytes,
        flags: int,
        exptime: int,
        form: tuple[bytes, bytes, bytes, bytes],
        deadline: float,
    ) -> None:
        plain, full, self._stored, self._token = form
        self._item = key, value, flags, exptime
        if flags or exptime:
            data = full % (key, len(value), flags, exptime, value)
        else:
            data = plain % (key, len(value), value)
        super().__init__(None, (data,), deadline)

    @property
    def command(self) -> Command[MetaReply]:
        key, value, flags, exptime = self._item
        return meta.Set(key, value, F=flags or None, O=self._token, T=exptime or None)

    def read_at(self, data: bytes, at: int) -> int:
        if data.startswith(self._stored, at):
            self._outcome = True
            return at + len(self._stored)
        return -1

    def _understood(self, reply: Reply | NoReply) -> bool:
        return bool(self.command.result(reply).code == "HD")


def refusal(command: Command[object]) -> LocalProtocolError:
    """Why a command that cannot share is not sent."""
    name = type(command).__name__
    return LocalProtocolError(f"{name} needs a connection of its own, not one that is shared")


def may_have_been_read_on(command: Command[object], reply: ErrorReply) -> bool:
    """Whether the server may have taken the data of a request that it refused for requests."""
    commands = getattr(command, "commands", (command,))
    return reply.kind != "SERVER_ERROR" and any(c.has_block for c in commands)
