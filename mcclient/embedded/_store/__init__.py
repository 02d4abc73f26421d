"""The store: what memcached does with commands, in memory, and nothing else.

A command and a moment go in, a reply comes out.  No clock, no locks, no sockets: whoever has
threads lets one in at a time, and whoever has a clock says what time it is.  That makes it the
model of memcached in tests, too.
"""

from __future__ import annotations

from mcproto import (
    BadRequest,
    BinaryReply,
    ErrorReply,
    InvalidArgument,
    Status,
    Text,
    binary,
    classic,
)
from mcproto._generations import generation

from ._binary import BINARY, statistics
from ._classic import CLASSIC
from ._events import Events
from ._item import expiry
from ._items import Items
from ._meta import META
from ._prefixes import Prefixes
from ._slabs import PAGE
from ._stats import stats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from mcproto import Command, Reply

    # By the type of the command, which the function takes as its second argument.
    Answers: TypeAlias = dict[type, Callable[[Items, Any, float], Reply]]

__all__ = ["Events", "Store"]

_ANSWERS: Answers = CLASSIC | META | BINARY

_FLUSH_NOT_ALLOWED = ErrorReply("CLIENT_ERROR", "flush_all not allowed")


class Store:
    """memcached's semantics, as of the generation that *like* names.

    A ttl is exact here, where memcached's clock ticks once a second; so is ``flush_all``, which
    leaves nothing that was stored before it.  Limits count what memcached would need; Python takes
    more.  Memory is divided as memcached divides it, and what was used longest ago gives way within
    its class of sizes; but in no case do all items take more than *memory*, where memcached gives
    each class a page whatever the limit.  The queues are flat: none is hot, warm or cold.

    Args:
        memory: what all items may take, in bytes; from 1024.
        item_size: what one of them may take, key and header included, in bytes; from 1024.
        like: the server to imitate, ``"1.6.18"`` or ``"1.6.45"``.
        cas: whether items have cas uniques. (``-C``: they have not.)
        evictions: whether items give way; else, when all is full, nothing is stored. (``-M``)
        flush_all: whether that command is obeyed. (``-F``: it is not.)
        dumps: whether dumps are made. (``-X``: they are not.)
        prefix_delimiter: what ends the prefix of a key, for ``stats detail``. (``-D``)
        detail: whether those are counted from the beginning.
        track_sizes: whether ``stats sizes`` is answered. (``-o track_sizes``)
        crawler: whether the crawler runs from the beginning. (``-o no_lru_crawler``)
        chunk_max: the largest chunk of memory, in bytes. (``-o slab_chunk_max``)

    Attributes:
        items: what is stored.
        verbosity: what was asked for last. Nothing comes of it.
        crawls: whether the crawler runs, which makes dumps and removes what has expired.
        prefixes: what was asked for by prefix.
        settings: what has been set by commands, by its name in ``stats settings``.
    """

    def __init__(
        self,
        memory: int = 64 << 20,
        item_size: int = 1 << 20,
        *,
        like: str = "1.6.45",
        cas: bool = True,
        evictions: bool = True,
        flush_all: bool = True,
        dumps: bool = True,
        prefix_delimiter: str = ":",
        detail: bool = False,
        track_sizes: bool = False,
        crawler: bool = True,
        chunk_max: int = PAGE // 2,
    ) -> None:
        for name, size in (("memory", memory), ("item_size", item_size)):
            if size < 1024:
                raise InvalidArgument(f"{name} must be at least 1024, not {size}")
        if len(prefix_delimiter.encode()) != 1:
            raise InvalidArgument(f"prefix_delimiter must be one byte, not {prefix_delimiter!r}")
        if not 1024 <= chunk_max <= PAGE:
            raise InvalidArgument(f"chunk_max must be from 1024 to {PAGE}, not {chunk_max}")
        self.items = Items(
            memory, item_size, generation(like), cas=cas, evicts=evictions, chunk_max=chunk_max
        )
        self.flushes = flush_all
        self.dumps = dumps
        self.track_sizes = track_sizes
        self.verbosity = 0
        self.crawls = crawler
        self.prefixes = Prefixes(prefix_delimiter.encode())
        self.items.prefixes = self.prefixes if detail else None
        self.settings: dict[str, str] = {}
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
            case classic.FlushAll() if not self.flushes:
                return _FLUSH_NOT_ALLOWED
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
            case binary.Flush() if not self.flushes:
                return BinaryReply(binary.AUTH_ERROR)
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
            self.items.flush()
            self._flush_due = None
