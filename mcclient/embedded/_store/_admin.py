"""What the commands of those who look after servers do, and what they are answered.

There are no slabs, no threads and no certificates here; what is about them is answered as by a
memcached that has just been started, and done as far as it can be: the memory gets a new limit,
items are listed.  What cannot be done is refused in memcached's words.  Loaded with the first of
these commands.
"""

from __future__ import annotations

from binascii import b2a_base64
from math import inf

from mcproto import ErrorReply, Lines, Status, admin

from ._items import SIZE_CLASSES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcproto import Command, Reply

    from . import Store
    from ._items import StoredItem

_SAME = ErrorReply("SAME", "src and dst class are identical")
_NO_CLASS = ErrorReply("BADCLASS", "invalid src or dst class id")
_NO_PAGES = ErrorReply("NOSPARE", "source class has no spare pages")
_NO_CRAWLER = ErrorReply("CLIENT_ERROR", "lru crawler disabled")
_CRAWLER_RUNS = ErrorReply("ERROR", "failed to start lru crawler thread")
_NO_LOGS = ErrorReply("CLIENT_ERROR", "watch commands not allowed")
_NO_TLS = ErrorReply("Error", "TLS not enabled")


def administer(store: Store, command: Command[object], now: float) -> Reply:
    """The answer to a command of `admin`; to any other, that it is unknown."""
    match command:
        case admin.SlabsReassign(source=source, destination=destination):
            return _reassign(source, destination)
        case admin.LruCrawlerEnable():
            if store.crawls:
                return _CRAWLER_RUNS
            store.crawls = True
        case admin.LruCrawlerDisable():
            store.crawls = False
        case admin.LruCrawlerCrawl() | admin.Metadump() | admin.Mgdump() if not store.crawls:
            return _NO_CRAWLER
        case admin.Metadump(classes=classes):
            flags = store.items.like.opens_dumps
            return Lines([_metadump(item, flags) for item in _listed(store, classes, now)])
        case admin.Mgdump(classes=classes):
            return Lines([_mgdump(item) for item in _listed(store, classes, now)])
        case admin.Watch():
            return _NO_LOGS
        case admin.CacheMemlimit(megabytes=megabytes):
            store.items.limit(megabytes << 20, now)
        case admin.Shutdown():
            kind = "SERVER_ERROR:" if store.items.like.opens_dumps else "ERROR:"
            return ErrorReply(kind, "shutdown not enabled")
        case admin.RefreshCerts():
            return _NO_TLS
        case (
            admin.SlabsAutomove()
            | admin.SlabsAutomoveRatio()
            | admin.SlabsAutomoveFreeratio()
            | admin.SlabsAutomoveWindow()
            | admin.LruTune()
            | admin.LruMode()
            | admin.LruTempTtl()
            | admin.LruCrawlerSleep()
            | admin.LruCrawlerTocrawl()
            | admin.LruCrawlerCrawl()
            | admin.Extstore()
            | admin.ExtstoreFreeMemchunks()
        ):
            pass  # a setting of what we do not have
        case _:
            return ErrorReply("ERROR")
    return Status.OK


def _reassign(source: int, destination: int) -> ErrorReply:
    if source == destination:
        return _SAME
    if 0 <= source <= SIZE_CLASSES and 0 <= destination <= SIZE_CLASSES:
        return _NO_PAGES
    return _NO_CLASS


def _listed(store: Store, classes: str | tuple[int, ...], now: float) -> Iterator[StoredItem]:
    for item in store.items:
        if item.expires > now and (isinstance(classes, str) or item.size_class in classes):
            yield item


def _metadump(item: StoredItem, with_flags: bool) -> bytes:
    dumped = admin.DumpedItem(
        item.key,
        -1 if item.expires == inf else int(item.expires),
        int(item.used),
        item.cas,
        item.fetched,
        item.size_class,
        item.size,
        item.flags if with_flags else None,
    )
    return dumped.line()


def _mgdump(item: StoredItem) -> bytes:
    if item.is_base64:
        return b"mg %b b" % b2a_base64(item.key, newline=False)
    return b"mg " + item.key
