"""The native client under a pylibmc client: its connections, its deadline, its failed servers.

Knows how to reach servers and what libmemcached calls their failures.  Which commands to send is
in `_operations`, what pylibmc's methods make of the results in `_client`.
"""

from __future__ import annotations

import errno
import os
import time

from mcproto import ItemTooLarge, RemoteProtocolError
from mcproto.transports.blocking import BlockingBackend

from .._client import Client as NativeClient
from .._errors import (
    ClientBusy,
    ClientClosed,
    CommandFailed,
    ConnectFailed,
    ConnectionLost,
    MemcacheError,
    OperationTimeout,
    ServerUnavailable,
)
from .._link import Link
from .._options import Options
from ..operations import Classic, Exchange, FanOut, Routes, Setup
from ..rings import Ring
from ..values import PlainCodec
from ._binary_link import BinaryLink
from ._errors import Code, Error, error_for
from ._keys import Keys
from ._wires import code_of_reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeVar

    from mcproto import Command
    from mcproto.transports import Transport

    from .._opening import Opening
    from ..operations import Operation
    from ._behaviors import Behaviors
    from ._wires import Wire

    R = TypeVar("R")

__all__ = ["Session", "Trouble", "is_answer"]

# Every release since has the forms of the meta commands that the direct door uses.
_FIRST_WITH_META = (1, 6, 12)


class Trouble(Exception):
    """An operation has come to an end for which libmemcached has a number.

    Attributes:
        code: that number.
        detail: what else there is to say.
        is_answer: whether the server has said something, if not what it should.
    """

    def __init__(self, code: int, detail: str = "", is_answer: bool = False) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.is_answer = is_answer


class Session(NativeClient):
    """A native client of a placement's servers, whose errors are libmemcached's.

    Args:
        behaviors: with the servers in their placement.
        wire: the protocol.

    Attributes:
        keys: where every key goes.
        has_meta: whether a server, by its number, speaks meta; of those that have been connected.
        all_have_meta: whether all servers have been connected, and do.
    """

    __slots__ = ("_behaviors", "_marks", "all_have_meta", "has_meta", "keys", "wire")

    def __init__(self, behaviors: Behaviors, wire: Wire) -> None:
        self._behaviors = behaviors
        self.wire = wire
        self.keys = Keys(behaviors, wire.takes_any_key)
        self._marks = self.keys.marks
        self._begin()

    def _begin(self) -> None:
        self.has_meta: dict[int, bool] = {}
        self.all_have_meta = False
        servers = tuple(self._behaviors.placement.servers)
        ring = Ring(self._behaviors.placement.server_for)
        setup = Setup(servers, Routes(ring, b""), Classic(), PlainCodec(), misses=False)
        timeout, connect_timeout = self._behaviors.timeout, self._behaviors.connect_timeout
        self._start(Options.checked(setup, timeout, connect_timeout), BlockingBackend())

    def disconnect(self) -> None:
        """Close all connections, and forget which servers have failed."""
        self._marks.forget()
        self.renew()

    def renew(self) -> None:
        """Close all connections, and go by the behaviors as they are now."""
        self.close()
        self.keys.clear()
        self._begin()

    def replicas_of(self, server: int) -> list[int]:
        """The servers that have copies of what a server has: the next ones, in binary."""
        number = self._behaviors["num_replicas"]
        if not number or self.wire.protocol == "text":
            return []
        count = len(self.servers)
        return [(server + step) % count for step in range(1, min(number, count - 1) + 1)]

    # For those who go through the direct door, beside `Client.get` and `Client.set`.

    take = NativeClient._take

    def bring_back(self, server: int, link: Link) -> None:
        """The link is among the idle ones again; if more has come than its reply, it is closed."""
        self._put_back(server, link)

    # ---------------------------------------------------------------------- asking servers

    def run(
        self,
        operation: Operation[R],
        function: str,
        key: bytes | None = None,
        failed: tuple[int, Link, Exception] | None = None,
    ) -> R:
        """The operation's result.

        Args:
            function, key: what its errors name.
            failed: its first exchange has been tried already, and this came of it.

        Raises:
            Error: of the class that pylibmc has for what happened.
        """
        try:
            return self._run(operation, failed)
        except Trouble as trouble:
            raise error_for(trouble.code, function, key, trouble.detail) from trouble.__cause__
        except ItemTooLarge as error:
            raise error_for(Code.TOO_BIG, function, key) from error
        except (ClientBusy, ClientClosed) as error:
            raise Error(str(error)) from error

    def ask(self, server: int, command: Command[R]) -> Operation[R]:
        """One exchange with a server, unless it is known to be down.

        Raises:
            Trouble: there was no result.
        """
        code = self._marks.refusal(server, time.time())
        if code is not None:
            raise Trouble(code, self._place_of(server))
        try:
            return (yield from Exchange(server, command))
        except (ServerUnavailable, CommandFailed) as error:
            raise self._trouble(server, error) from error

    def ask_all(self, commands: Mapping[int, Command[R]]) -> Operation[dict[int, R | Trouble]]:
        """One exchange with each of several servers, but those that are known to be down."""
        outcomes: dict[int, R | Trouble] = {}
        now = time.time()
        asked: dict[int, Command[R]] = {}
        for server, command in commands.items():
            code = self._marks.refusal(server, now)
            if code is None:
                asked[server] = command
            else:
                outcomes[server] = Trouble(code, self._place_of(server))
        if asked:
            for server, outcome in (yield from FanOut(asked)).items():
                if isinstance(outcome, MemcacheError):
                    trouble = self._trouble(server, outcome)
                    trouble.__cause__ = _without_frames(outcome)
                    outcomes[server] = trouble
                else:
                    outcomes[server] = outcome
        return outcomes

    def _trouble(self, server: int, error: MemcacheError) -> Trouble:
        code = _code_of(error)
        if isinstance(error, ConnectFailed):
            code = self._marks.failed(server, code, time.time())
        if code == Code.ERRNO:
            return Trouble(code, os.strerror(errno.ENOENT))
        return Trouble(code, self._place_of(server), is_answer(error))

    def _place_of(self, server: int) -> str:
        return f" host: {self.servers[server]}"

    # ------------------------------------------------------------------- opening connections

    def _new_link(self, transport: Transport) -> Link:
        if self.wire.protocol == "binary":
            return BinaryLink(transport, self._options.timeout)
        return Link(transport, self._options.timeout)

    def _greet(self, link: Link, opening: Opening, deadline: float) -> None:
        answer = link.exchange(self.wire.hello(), deadline)
        link.has_door = isinstance(answer, str) and _speaks_meta(answer)

    def _acquire(self, server: int, deadline: float, connect_by: float) -> tuple[Link, bool]:
        link, reused = super()._acquire(server, deadline, connect_by)
        if not reused:
            self._marks.succeeded(server)
            had_meta = self.has_meta.get(server)
            self.has_meta[server] = link.has_door
            self.all_have_meta = len(self.has_meta) == len(self.servers) and all(
                self.has_meta.values()
            )
            if had_meta and not link.has_door:
                # The command in hand may be one that it would take for something else.
                link.close()
                raise ConnectFailed(
                    f"{self.servers[server]}: an older server is there now", step="protocol"
                )
        return link, reused


def _without_frames(error: MemcacheError) -> MemcacheError:
    """An error that was handed over, not raised.

    The frames that it comes from hold it in turn, and the client: a cycle, and connections must not
    wait for a garbage collector.
    """
    each: BaseException | None = error
    while each is not None:
        each.__traceback__ = None
        each = each.__cause__ or each.__context__
    return error


def is_answer(error: BaseException | None) -> bool:
    """Whether the server has said something, if not what it should."""
    return isinstance(error, CommandFailed) or (
        isinstance(error, ConnectionLost) and isinstance(error.__cause__, RemoteProtocolError)
    )


def _speaks_meta(version: str) -> bool:
    """Whether memcached of this version knows the meta commands; of others nobody can tell."""
    try:
        numbers = tuple(map(int, version.split(".")))
    except ValueError:
        return False
    return len(numbers) == 3 and numbers >= _FIRST_WITH_META


def _code_of(error: MemcacheError) -> int:
    if isinstance(error, CommandFailed) and error.reply is not None:
        return code_of_reply(error.reply)
    if isinstance(error, OperationTimeout):
        return Code.TIMEOUT
    cause = error.__cause__
    if isinstance(error, ConnectFailed):
        if error.step == "dns":
            return Code.HOST_LOOKUP
        if isinstance(cause, TimeoutError):
            return Code.TIMEOUT
        if isinstance(cause, FileNotFoundError):
            return Code.ERRNO
        reply = getattr(cause, "reply", None)
        if reply is not None:
            return code_of_reply(reply)
        return Code.CONNECTION
    if isinstance(cause, RemoteProtocolError):
        return Code.UNKNOWN_READ
    return Code.CONNECTION
