"""What an operation can ask for: one exchange, or one with each of several servers.

An operation is a generator.  It *yields* an effect and is sent what came of it; a runner (in
the clients, or a test) does the bidding.  Operations hold no resources: dropping one half-way
is harmless.  Servers are numbers here, in the order of the client's list.
"""

from __future__ import annotations

from mcproto._typing import Generic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from typing import Any, TypeAlias, TypeVar

    from mcproto import Command

    from .._errors import MemcacheError

    R = TypeVar("R")

    # What is sent in depends on what was yielded, which no annotation can say: `__iter__` of the
    # effects is where the types come back.
    Effect: TypeAlias = "Exchange[Any] | FanOut[Any]"
    Operation: TypeAlias = Generator[Effect, Any, R]
else:
    R = object

__all__ = ["Exchange", "FanOut"]


class Exchange(Generic[R]):
    """Send *command* to *server*; ``yield from`` gives what its reply means.

    A `MemcacheError` comes out of the ``yield from`` if there was no such reply.
    """

    __slots__ = ("command", "server")

    def __init__(self, server: int, command: Command[R]) -> None:
        self.server = server
        self.command = command

    def __iter__(self) -> Generator[Effect, Any, R]:
        result: R = yield self
        return result


class FanOut(Generic[R]):
    """Send each server its command, side by side where the transport can.

    ``yield from`` gives one outcome for each server: the result, or the `MemcacheError`.
    """

    __slots__ = ("commands",)

    def __init__(self, commands: Mapping[int, Command[R]]) -> None:
        self.commands = commands

    def __iter__(self) -> Generator[Effect, Any, dict[int, R | MemcacheError]]:
        outcomes: dict[int, R | MemcacheError] = yield self
        return outcomes
