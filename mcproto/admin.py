"""The commands of those who look after servers, and the one that says who is there.

Slabs, the LRU and its crawler, dumps, logs, limits: as in memcached's protocol.txt.  They are text,
and may be mixed with classic and meta commands.  What they are answered is for people and changes
between versions; managed services refuse most of them.

An order is answered by ``Status.OK``, which is its result (None after ``noreply``), or by an
error line.  Some have error words of their own: the kind of the `ErrorReply` is ``"BUSY"``, say.
"""

from __future__ import annotations

from ._authenticate import Authenticate
from ._command import Command
from ._dump_lines import DumpedItem, dumped_key, log_pairs
from ._errors import InvalidArgument
from ._read_replies import ERROR_KINDS, read_status
from ._replies import NO_REPLY, Lines, Status
from ._streams import LineForm
from ._tokens import I32, U32, checked_bool, checked_int
from ._typing import R_co

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal, TypeAlias

    from ._buffer import ReceiveBuffer
    from ._read_replies import Limits, Progress
    from ._replies import ErrorReply, NeedData, NoReply, Reply

    Classes: TypeAlias = Literal["all"] | Iterable[int]
    Log: TypeAlias = Literal[
        "fetchers",
        "mutations",
        "evictions",
        "connevents",
        "sysevents",
        "rawcmds",
        "proxyreqs",
        "proxyevents",
        "proxyuser",
        "deletions",
    ]

__all__ = [
    "Authenticate",
    "CacheMemlimit",
    "Debugtime",
    "DumpedItem",
    "Extstore",
    "ExtstoreFreeMemchunks",
    "LruCrawlerCrawl",
    "LruCrawlerDisable",
    "LruCrawlerEnable",
    "LruCrawlerSleep",
    "LruCrawlerTocrawl",
    "LruMode",
    "LruTempTtl",
    "LruTune",
    "Metadump",
    "Mgdump",
    "RefreshCerts",
    "Shutdown",
    "SlabsAutomove",
    "SlabsAutomoveFreeratio",
    "SlabsAutomoveRatio",
    "SlabsAutomoveWindow",
    "SlabsReassign",
    "Watch",
    "dumped_key",
    "log_pairs",
]

LAST_CLASS = 63
"""The highest slab class that can be named."""

LEAST_MEGABYTES = 8
MOST_MEGABYTES = 1_000_000_000

LONGEST_SLEEP = 1_000_000
"""How long the crawler may sleep between two items, in microseconds."""

LOGS = frozenset(
    "fetchers mutations evictions connevents sysevents rawcmds proxyreqs proxyevents proxyuser "
    "deletions".split()
)
SETTINGS = frozenset(
    "item_size item_age low_ttl recache_rate compact_under drop_under max_sleep drop_unread".split()
)
"""Those of extstore that are whole numbers. (``max_frag`` is a part of one.)"""

_OK = {b"OK": Status.OK}


def _checked_part(name: str, part: float, low: float, high: float) -> float:
    """*part*, if it is a number from *low* to *high*."""
    if isinstance(part, bool) or not isinstance(part, (int, float)):
        raise TypeError(f"{name} must be a float, not {type(part).__name__}")
    if not low <= part <= high:  # nor is NaN
        raise InvalidArgument(f"{name} must be from {low} to {high}, not {part!r}")
    return float(part)


def _checked_word(name: str, word: str, known: Iterable[str]) -> str:
    if word not in known:
        raise InvalidArgument(f"{name} must be one of {', '.join(sorted(known))}, not {word!r}")
    return word


def _checked_classes(classes: Classes | Literal["hash"], *words: str) -> str | tuple[int, ...]:
    if isinstance(classes, str):
        return _checked_word("classes", classes, words)
    numbers = tuple([checked_int("classes", number, 1, LAST_CLASS) for number in classes])
    if not numbers:
        raise InvalidArgument("classes is empty")
    return numbers


def _wire(field: str | float | tuple[int, ...]) -> bytes:
    if isinstance(field, tuple):
        return b",".join([b"%d" % number for number in field])
    # What a server has heard may be any bytes.
    return str(field).encode("latin-1")


class _Line(Command[R_co]):
    """A command whose words are its fields, in order; those that are None are left out."""

    __slots__ = ()

    verb: bytes

    def encode(self) -> bytes:
        words = [self.verb]
        for name in self.__match_args__:
            field = getattr(self, name)
            if name == "noreply":
                words += [b"noreply"] if field else []
            elif field is not None:
                words.append(_wire(field))
        return b" ".join(words) + b"\r\n"


class _Order(_Line["Status | None"]):
    """One that is answered by OK, or by silence where it asked for that."""

    __slots__ = ()

    def read(
        self, buffer: ReceiveBuffer, progress: Progress, limits: Limits
    ) -> Status | NoReply | ErrorReply | NeedData:
        return NO_REPLY if self.noreply else read_status(buffer, _OK, self.error_kinds)

    def result(self, reply: Reply | NoReply) -> Status | None:
        if reply is Status.OK:
            return reply
        if reply is NO_REPLY and self.noreply:
            return None
        raise self._unexpected(reply)


class _QuietableOrder(_Order):
    __slots__ = ("noreply",)
    __match_args__: tuple[str, ...] = ("noreply",)

    def __init__(self, *, noreply: bool = False) -> None:
        self.noreply = checked_bool("noreply", noreply)


# ---------------------------------------------------------------------------------------- slabs


class SlabsReassign(_Order):
    """``slabs reassign``: move a page of memory from one slab class to another.

    Errors of its own: ``BUSY``, ``BADCLASS``, ``NOSPARE``, ``SAME``.

    Args:
        source: a class, or -1: any that can spare one.
        destination: a class. 0 is the pool of pages without one.
    """

    __slots__ = ("destination", "source")
    __match_args__ = ("source", "destination")
    verb = b"slabs reassign"
    error_kinds = ERROR_KINDS | {b"BUSY", b"BADCLASS", b"NOSPARE", b"SAME"}

    def __init__(self, source: int, destination: int) -> None:
        self.source = checked_int("source", source, -1, LAST_CLASS)
        self.destination = checked_int("destination", destination, 0, LAST_CLASS)


class SlabsAutomove(_QuietableOrder):
    """``slabs automove``: whether pages move by themselves: 0 no, 1 yes, 2 at every eviction."""

    __slots__ = ("level",)
    __match_args__ = ("level", "noreply")
    verb = b"slabs automove"

    def __init__(self, level: int, *, noreply: bool = False) -> None:
        self.level = checked_int("level", level, 0, 2)
        super().__init__(noreply=noreply)


class _AutomoveRatio(_QuietableOrder):
    __slots__ = ("ratio",)
    __match_args__ = ("ratio", "noreply")

    def __init__(self, ratio: float, *, noreply: bool = False) -> None:
        self.ratio = _checked_part("ratio", ratio, 0, 1)
        super().__init__(noreply=noreply)


class SlabsAutomoveRatio(_AutomoveRatio):
    """``slabs automove ratio``: how different the ages of two classes may get, from 0 to 1."""

    __slots__ = ()
    verb = b"slabs automove ratio"


class SlabsAutomoveFreeratio(_AutomoveRatio):
    """``slabs automove freeratio``: the part of all pages that is kept free, from 0 to 1.

    Servers of about 1.6.18 do not know it yet.
    """

    __slots__ = ()
    verb = b"slabs automove freeratio"


class SlabsAutomoveWindow(_QuietableOrder):
    """``slabs automove window``: over how many seconds the mover looks back.

    Servers of about 1.6.18 do not know it yet.
    """

    __slots__ = ("seconds",)
    __match_args__ = ("seconds", "noreply")
    verb = b"slabs automove window"

    def __init__(self, seconds: int, *, noreply: bool = False) -> None:
        self.seconds = checked_int("seconds", seconds, 1, U32)
        super().__init__(noreply=noreply)


# ------------------------------------------------------------------------------------------ lru


class LruTune(_QuietableOrder):
    """``lru tune``: how an LRU is divided.

    Args:
        hot: percent of a class that its hot queue may take.
        warm: percent that its warm queue may take; both together 80 at most.
        hot_factor: how old the hot queue may get, as a multiple of the cold one's age; above 0.
        warm_factor: likewise the warm queue.
    """

    __slots__ = ("hot", "hot_factor", "warm", "warm_factor")
    __match_args__ = ("hot", "warm", "hot_factor", "warm_factor", "noreply")
    verb = b"lru tune"

    def __init__(
        self,
        hot: int,
        warm: int,
        hot_factor: float,
        warm_factor: float,
        *,
        noreply: bool = False,
    ) -> None:
        self.hot = checked_int("hot", hot, 0, 80)
        self.warm = checked_int("warm", warm, 0, 80 - self.hot)
        self.hot_factor = _checked_part("hot_factor", hot_factor, 1e-9, 1e9)
        self.warm_factor = _checked_part("warm_factor", warm_factor, 1e-9, 1e9)
        super().__init__(noreply=noreply)


class LruMode(_QuietableOrder):
    """``lru mode``: ``"flat"``: one queue for each class; ``"segmented"``: hot, warm, cold."""

    __slots__ = ("mode",)
    __match_args__ = ("mode", "noreply")
    verb = b"lru mode"

    def __init__(self, mode: Literal["flat", "segmented"], *, noreply: bool = False) -> None:
        self.mode = _checked_word("mode", mode, ("flat", "segmented"))
        super().__init__(noreply=noreply)


class LruTempTtl(_QuietableOrder):
    """``lru temp_ttl``: items that live less than so many seconds have a queue of their own.

    Negative: none has.
    """

    __slots__ = ("ttl",)
    __match_args__ = ("ttl", "noreply")
    verb = b"lru temp_ttl"

    def __init__(self, ttl: int, *, noreply: bool = False) -> None:
        self.ttl = checked_int("ttl", ttl, -I32 - 1, I32)
        super().__init__(noreply=noreply)


# -------------------------------------------------------------------------------------- crawler
#
# `noreply` since 1.6.40 or so.  Older servers answer it, with an error.


class LruCrawlerEnable(_QuietableOrder):
    """``lru_crawler enable``: start the thread that looks for expired items."""

    __slots__ = ()
    verb = b"lru_crawler enable"


class LruCrawlerDisable(_QuietableOrder):
    """``lru_crawler disable``: stop it."""

    __slots__ = ()
    verb = b"lru_crawler disable"


class LruCrawlerSleep(_QuietableOrder):
    """``lru_crawler sleep``: how long it sleeps between two items, in microseconds."""

    __slots__ = ("microseconds",)
    __match_args__ = ("microseconds", "noreply")
    verb = b"lru_crawler sleep"

    def __init__(self, microseconds: int, *, noreply: bool = False) -> None:
        self.microseconds = checked_int("microseconds", microseconds, 0, LONGEST_SLEEP)
        super().__init__(noreply=noreply)


class LruCrawlerTocrawl(_QuietableOrder):
    """``lru_crawler tocrawl``: how many items of a class it looks at in a round; 0: all."""

    __slots__ = ("items",)
    __match_args__ = ("items", "noreply")
    verb = b"lru_crawler tocrawl"

    def __init__(self, items: int, *, noreply: bool = False) -> None:
        self.items = checked_int("items", items, 0, U32)
        super().__init__(noreply=noreply)


_CRAWLER_KINDS = ERROR_KINDS | {b"BUSY", b"BADCLASS", b"NOTSTARTED"}


class LruCrawlerCrawl(_QuietableOrder):
    """``lru_crawler crawl``: look for expired items now.

    Errors of its own: ``BUSY``, ``BADCLASS``, ``NOTSTARTED``.

    Args:
        classes: ``"all"``, or numbers of slab classes.
    """

    __slots__ = ("classes",)
    __match_args__ = ("classes", "noreply")
    verb = b"lru_crawler crawl"
    error_kinds = _CRAWLER_KINDS

    def __init__(self, classes: Classes = "all", *, noreply: bool = False) -> None:
        self.classes = _checked_classes(classes, "all")
        super().__init__(noreply=noreply)


# ---------------------------------------------------------------------------------------- dumps


class _Dump(_Line["tuple[bytes, ...]"]):
    __slots__ = ("classes",)
    __match_args__ = ("classes",)

    is_read = True
    is_alone = True
    error_kinds = _CRAWLER_KINDS
    form: LineForm

    def __init__(self, classes: Classes | Literal["hash"] = "all") -> None:
        self.classes = _checked_classes(classes, "all", "hash")

    def read(
        self, buffer: ReceiveBuffer, progress: Progress, limits: Limits
    ) -> Lines | Status | ErrorReply | NeedData:
        return self.form.read_lines(buffer, progress, limits)

    def result(self, reply: Reply | NoReply) -> tuple[bytes, ...]:
        if isinstance(reply, Lines):
            return reply.lines
        raise self._unexpected(reply)


class Metadump(_Dump):
    """``lru_crawler metadump``: what there is to know of every item, but for its value.

    The result has a line for each item, which `DumpedItem.of` understands.  There may be millions:
    a `Stream` gives them as they come.

    It is sent alone: nothing unanswered before it, and nothing behind it until it is settled.

    Errors of its own: ``BUSY``, ``BADCLASS``, ``NOTSTARTED``.

    Args:
        classes: ``"all"``, numbers of slab classes, or ``"hash"``: all, in the order of the hash
            table.  (By classes, what the LRU moves meanwhile may come twice, or not at all.)
    """

    __slots__ = ()
    verb = b"lru_crawler metadump"
    form = line_form = LineForm((b"key=",), ending=b"\n", opening=b"OK", errors=_CRAWLER_KINDS)


class Mgdump(_Dump):
    """``lru_crawler mgdump``: a line for every item, ``mg`` and its key, as `dumped_key` reads it.

    Otherwise as `Metadump`. Since 1.6.19.
    """

    __slots__ = ()
    verb = b"lru_crawler mgdump"
    form = line_form = LineForm((b"mg ",), last=b"EN", opening=b"OK", errors=_CRAWLER_KINDS)


# ----------------------------------------------------------------------------------------- logs


class Watch(_Order):
    """``watch``: the connection becomes a log.

    It is sent alone, nothing unanswered before it.  Once it is answered with OK, which settles it,
    the connection takes no more commands: each line of the log is an event, a `StreamLine` (see
    `log_pairs`), for as long as the server lives.  Then comes CLOSED.  Lines are as long as the
    connection's *max_line* allows, and any number.

    Errors of its own: ``WATCHER_TOO_MANY``, ``WATCHER_FAILED``.

    `decode` reads the answer, and takes lines behind it for a mistake: logs are for connections.

    Args:
        logs: what is wanted; nothing: fetchers. (``deletions``: since 1.6.20.)
    """

    __slots__ = ("logs",)
    __match_args__ = ("logs",)
    verb = b"watch"
    is_alone = True
    is_watch = True
    error_kinds = ERROR_KINDS | {b"WATCHER_TOO_MANY", b"WATCHER_FAILED"}
    line_form = LineForm((b"",), ending=b"\n")  # whatever it says

    def __init__(self, logs: Iterable[Log] = ()) -> None:
        if isinstance(logs, (str, bytes)):
            raise TypeError("logs must be several words, not one")
        self.logs = tuple([_checked_word("logs", log, LOGS) for log in logs])

    def encode(self) -> bytes:
        return b" ".join([self.verb, *map(_wire, self.logs)]) + b"\r\n"


# ----------------------------------------------------------------------------- the server itself


class CacheMemlimit(_QuietableOrder):
    """``cache_memlimit``: how much memory items may take, in megabytes, from now on.

    Errors of its own: ``MEMLIMIT_TOO_SMALL``, ``MEMLIMIT_ADJUST_FAILED``.
    """

    __slots__ = ("megabytes",)
    __match_args__ = ("megabytes", "noreply")
    verb = b"cache_memlimit"
    error_kinds = ERROR_KINDS | {b"MEMLIMIT_TOO_SMALL", b"MEMLIMIT_ADJUST_FAILED"}

    def __init__(self, megabytes: int, *, noreply: bool = False) -> None:
        self.megabytes = checked_int("megabytes", megabytes, LEAST_MEGABYTES, MOST_MEGABYTES)
        super().__init__(noreply=noreply)


class Shutdown(_Order):
    """``shutdown``: end the server, if it has been started with ``-A``.

    It is obeyed without a word: the connection is closed, and the event is NO_REPLY.

    Args:
        mode: None: at once; ``"graceful"``: once what is being done is done.
    """

    __slots__ = ("mode",)
    __match_args__ = ("mode",)
    verb = b"shutdown"
    may_close = True

    def __init__(self, mode: Literal["graceful"] | None = None) -> None:
        self.mode = None if mode is None else _checked_word("mode", mode, ("graceful",))

    def result(self, reply: Reply | NoReply) -> None:
        if reply is not NO_REPLY:
            raise self._unexpected(reply)


class RefreshCerts(_Order):
    """``refresh_certs``: read the TLS certificates anew.

    An error of its own: ``Error``.
    """

    __slots__ = ()
    verb = b"refresh_certs"
    error_kinds = ERROR_KINDS | {b"Error"}


class Extstore(_QuietableOrder):
    """``extstore``: a setting of the storage on disk.

    Args:
        setting: ``item_size``, ``item_age``, ``low_ttl``, ``recache_rate``, ``compact_under``,
            ``drop_under``, ``max_sleep``, ``drop_unread`` (whole numbers), or ``max_frag`` (a part,
            from 0 to 1).
        value: what it shall be.
    """

    __slots__ = ("setting", "value")
    __match_args__ = ("setting", "value", "noreply")
    verb = b"extstore"

    def __init__(self, setting: str, value: float, *, noreply: bool = False) -> None:
        self.setting = _checked_word("setting", setting, SETTINGS | {"max_frag"})
        self.value: int | float
        if setting == "max_frag":
            self.value = _checked_part("value", value, 0, 1)
        else:
            self.value = checked_int("value", value, 0, U32)  # type: ignore[arg-type]
        super().__init__(noreply=noreply)


class ExtstoreFreeMemchunks(_QuietableOrder):
    """``extstore free_memchunks``: how many chunks of a slab class are kept free for it.

    Servers have long accepted and ignored it.
    """

    __slots__ = ("chunks", "slab_class")
    __match_args__ = ("slab_class", "chunks", "noreply")
    verb = b"extstore free_memchunks"

    def __init__(self, slab_class: int, chunks: int, *, noreply: bool = False) -> None:
        self.slab_class = checked_int("slab_class", slab_class, 0, LAST_CLASS)
        self.chunks = checked_int("chunks", chunks, 0, U32)
        super().__init__(noreply=noreply)


class Debugtime(_Order):
    """``debugtime``: the server's clock, if it has been built for debugging.

    Args:
        change: ``"p"``: it stands still; ``"r"``: it goes on; a number: so many seconds forward.
    """

    __slots__ = ("change",)
    __match_args__ = ("change",)
    verb = b"debugtime"

    def __init__(self, change: Literal["p", "r"] | int) -> None:
        self.change: str | int
        if isinstance(change, str):
            self.change = _checked_word("change", change, ("p", "r"))
        else:
            self.change = checked_int("change", change, -I32 - 1, I32)
