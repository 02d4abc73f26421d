"""The store: what memcached does with commands, in memory, and nothing else.

A command and a moment go in, a reply comes out.  No clock, no locks, no sockets: whoever has
threads lets one in at a time, and whoever has a clock says what time it is.  That makes it the
model of memcached in tests, too.
"""

from __future__ import annotations

from mcproto import (
    BadRequest,
    BinaryReply,
    InvalidArgument,
    Status,
    Text,
    binary,
    classic,
)
from mcproto._generations import generation

from ._binary import BINARY, statistics
from ._classic import CLASSIC
from ._items import Items, expiry
from ._meta import META
from ._stats import stats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from mcproto import Command, Reply

    # By the type of the command, which the function takes as its second argument.
    Answers: TypeAlias = dict[type, Callable[[Items, Any, float], Reply]]

__all__ = ["Store"]

_ANSWERS: Answers = CLASSIC | META | BINARY


class Store:
    """memcached's semantics, as of the generation that *like* names.

    A ttl is exact here, where memcached's clock ticks once a second; so is ``flush_all``, which
    leaves nothing that was stored before it.  Limits count what memcached would need; Python takes
    more.  Within them the least recently used items give way, of any size, since there are no
    slabs.

    Args:
        memory: what all items may take, in bytes; from 1024.
        item_size: what one of them may take, key and header included, in bytes; from 1024.
        like: the server to imitate, ``"1.6.18"`` or ``"1.6.45"``.

    Attributes:
        items: what is stored.
        verbosity: what was asked for last. Nothing comes of it.
        crawls: whether dumps can be had, which memcached's crawler would make.
    """

    def __init__(
        self, memory: int = 64 << 20, item_size: int = 1 << 20, *, like: str = "1.6.45"
    ) -> None:
        for name, size in (("memory", memory), ("item_size", item_size)):
            if size < 1024:
                raise InvalidArgument(f"{name} must be at least 1024, not {size}")
        self.items = Items(memory, item_size, generation(like))
        self.verbosity = 0
        self.crawls = True
        self._flush_due: float | None = None

    def handle(self, command: Command[object] | BadRequest, now: float) -> Reply:
        """The answer to *command* at the moment *now*, in seconds since 1970. Never raises.

        Every command has one, those too whose answer nobody gets. A bad request is answered by
        its own error.
        """
        self._flush_if_due(now)
        if isinstance(command, BadRequest):
            if command.removes is not None:
                self.items.discard(command.removes)
            return command.reply
        answer = _ANSWERS.get(type(command))
        if answer is not None:
            return answer(self.items, command, now)
        match command:
            case classic.FlushAll(delay=delay):
                self._flush(delay, now)
                return Status.OK
            case classic.Stats(group=group):
                return stats(self, group, now)
            case classic.Verbosity(level=level):
                self.verbosity = level
                return Status.OK
            case classic.Version():
                return Text(self.items.like.version)
            case classic.Quit():
                return Status.OK  # which the connection keeps to itself
            case binary.Flush(delay=delay):
                self._flush(delay, now)
                return BinaryReply()
            case binary.Stat(group=group):
                return statistics(group, stats(self, group, now))
            case binary.Version():
                return BinaryReply(value=self.items.like.version.encode())
            case binary.Noop() | binary.Quit():
                return BinaryReply()
            case _:
                from ._admin import administer

                return administer(self, command, now)

    def _flush(self, delay: int, now: float) -> None:
        self.items.counts["cmd_flush"] += 1
        # The last one is in force, and 0 is now, not never.
        self._flush_due = expiry(delay, now) if delay else now
        self._flush_if_due(now)

    def _flush_if_due(self, now: float) -> None:
        if self._flush_due is not None and now >= self._flush_due:
            # All that is here now has been stored before: this comes before any command.
            self.items.clear()
            self._flush_due = None
