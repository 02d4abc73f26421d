"""What the commands of those who look after servers do, and what they are answered.

What is about items is done: limits, pages, dumps, the crawler.  What is about threads, disks and
logs is answered as by a memcached that has just been started, and kept for ``stats settings`` where
that shows it; or refused in memcached's words: what is the server's to know is answered there.
Loaded with the first of these commands.
"""

from __future__ import annotations

from binascii import b2a_base64
from math import inf

from mcproto import ErrorReply, Lines, Status, admin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from mcproto import Command, Reply

    from . import Store
    from ._item import StoredItem
    from ._slabs import SlabClass

_SAME = ErrorReply("SAME", "src and dst class are identical")
_NO_CLASS = ErrorReply("BADCLASS", "invalid src or dst class id")
_NO_PAGES = ErrorReply("NOSPARE", "source class has no spare pages")
_NO_CRAWLER = ErrorReply("CLIENT_ERROR", "lru crawler disabled")
_CRAWLER_RUNS = ErrorReply("ERROR", "failed to start lru crawler thread")
_NO_METADUMP = ErrorReply("ERROR", "metadump not allowed")
_NO_MGDUMP = ErrorReply("ERROR", "key dump not allowed")
_NO_LOGS = ErrorReply("CLIENT_ERROR", "watch commands not allowed")
_NO_TLS = ErrorReply("Error", "TLS not enabled")


def administer(store: Store, command: Command[object], now: float) -> Reply:
    """The answer to a command of `admin`; to any other, that it is unknown."""
    match command:
        case admin.SlabsReassign(source=source, destination=destination):
            return _reassign(store, source, destination, now)
        case admin.LruCrawlerEnable():
            if store.crawls:
                return _CRAWLER_RUNS
            store.crawls = True
        case admin.LruCrawlerDisable():
            store.crawls = False
        case admin.Metadump() if not store.dumps:
            return _NO_METADUMP
        case admin.Mgdump() if not store.dumps:
            return _NO_MGDUMP
        case admin.LruCrawlerCrawl() | admin.Metadump() | admin.Mgdump() if not store.crawls:
            return _NO_CRAWLER
        case admin.LruCrawlerCrawl(classes=classes):
            store.items.counts["lru_crawler_starts"] += 1
            store.items.crawl(_chosen(store, classes), now)
        case admin.Metadump(classes=classes):
            flags = store.items.like.dumps_flags
            return Lines([_metadump(item, flags) for item in _listed(store, classes, now)])
        case admin.Mgdump(classes=classes):
            return Lines([_mgdump(item) for item in _listed(store, classes, now)])
        case admin.Watch():
            return _NO_LOGS
        case admin.CacheMemlimit(megabytes=megabytes):
            store.items.limit(megabytes << 20, now)
        case admin.Shutdown():
            return ErrorReply(store.items.like.shutdown_error, "shutdown not enabled")
        case admin.RefreshCerts():
            return _NO_TLS
        case admin.Extstore() | admin.ExtstoreFreeMemchunks():
            pass  # a setting of what we do not have
        case _:
            settings = _settings(command)
            if settings is None:
                return ErrorReply("ERROR")
            store.settings |= settings
    return Status.OK


def _settings(command: Command[object]) -> dict[str, str] | None:
    """What a command sets that changes nothing here; None: it is none of these."""
    match command:
        case admin.SlabsAutomove(level=level):
            return {"slab_automove": str(level)}
        case admin.SlabsAutomoveRatio(ratio=ratio):
            return {"slab_automove_ratio": f"{ratio:.2f}"}
        case admin.SlabsAutomoveFreeratio(ratio=ratio):
            return {"slab_automove_freeratio": f"{ratio:.3f}"}
        case admin.SlabsAutomoveWindow(seconds=seconds):
            return {"slab_automove_window": str(seconds)}
        case admin.LruMode(mode=mode):
            return {"lru_segmented": "yes" if mode == "segmented" else "no"}
        case admin.LruTempTtl(ttl=ttl) if ttl < 0:
            return {"temp_lru": "no"}
        case admin.LruTempTtl(ttl=ttl):
            return {"temp_lru": "yes", "temporary_ttl": str(ttl)}
        case admin.LruTune(hot=hot, warm=warm, hot_factor=hot_factor, warm_factor=warm_factor):
            return {
                "hot_lru_pct": str(hot),
                "warm_lru_pct": str(warm),
                "hot_max_factor": f"{hot_factor:.2f}",
                "warm_max_factor": f"{warm_factor:.2f}",
            }
        case admin.LruCrawlerSleep(microseconds=microseconds):
            return {"lru_crawler_sleep": str(microseconds)}
        case admin.LruCrawlerTocrawl(items=items):
            return {"lru_crawler_tocrawl": str(items)}
        case _:
            return None


def _reassign(store: Store, source: int, destination: int, now: float) -> Reply:
    classes = store.items.slabs.classes
    if source == destination:
        return _SAME
    if source == -1:
        able = [slab.number for slab in classes if slab.pages > 1 and slab.number != destination]
        source = able[0] if able else -1
    if not (0 <= source <= len(classes) and 0 <= destination <= len(classes)):
        return _NO_CLASS
    if not source or classes[source - 1].pages < 2:
        return _NO_PAGES
    to = classes[destination - 1] if destination else None
    store.items.reassign(classes[source - 1], to, now)
    return Status.OK


def _chosen(store: Store, classes: str | tuple[int, ...]) -> Iterable[SlabClass]:
    everything = store.items.slabs.classes
    if isinstance(classes, str):
        return everything
    return [slab for slab in everything if slab.number in classes]


def _listed(store: Store, classes: str | tuple[int, ...], now: float) -> Iterable[StoredItem]:
    for slab in _chosen(store, classes):
        for item in slab.items.values():
            if item.expires > now:
                yield item


def _metadump(item: StoredItem, with_flags: bool) -> bytes:
    dumped = admin.DumpedItem(
        item.key,
        -1 if item.expires == inf else int(item.expires),
        int(item.used),
        item.cas,
        item.fetched,
        item.slab.number,
        item.size,
        item.flags if with_flags else None,
    )
    return dumped.line()


def _mgdump(item: StoredItem) -> bytes:
    if item.is_base64:
        return b"mg %b b" % b2a_base64(item.key, newline=False)
    return b"mg " + item.key
