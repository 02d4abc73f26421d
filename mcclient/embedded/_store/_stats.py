"""The groups of ``stats``: memcached's names, in its order.

The counters are true.  What they would count in memcached and we do not have (threads, queues that
are hot or warm) is 0, or memcached's default.  What the store cannot know, the server fills in.
"""

from __future__ import annotations

from collections import Counter
from math import inf

from mcproto import ErrorReply, Stats, Status, admin

from ._slabs import PAGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from . import Store
    from ._slabs import SlabClass

# "name": 0 everywhere else.
_GENERAL = """
    pid uptime time version libevent=none pointer_size=64 rusage_user=0.000000
    rusage_system=0.000000 max_connections=1024 curr_connections total_connections
    rejected_connections connection_structures response_obj_oom response_obj_count
    response_obj_bytes read_buf_count read_buf_bytes read_buf_bytes_free read_buf_oom
    reserved_fds cmd_get cmd_set cmd_flush cmd_touch cmd_meta get_hits get_misses get_expired
    get_flushed delete_misses delete_hits incr_misses incr_hits decr_misses decr_hits cas_misses
    cas_hits cas_badval touch_hits touch_misses store_too_large store_no_memory auth_cmds
    auth_errors bytes_read bytes_written limit_maxbytes accepting_conns=1 listen_disabled_num
    time_in_listen_disabled_us threads=1 conn_yields hash_power_level=16 hash_bytes=524288
    hash_is_expanding slab_reassign_rescues slab_reassign_chunk_rescues
    slab_reassign_evictions_nomem slab_reassign_inline_reclaim slab_reassign_busy_items
    slab_reassign_busy_deletes slab_reassign_busy_nomem slab_reassign_last_busy_status=none
    slab_reassign_running slabs_moved lru_crawler_running lru_crawler_starts
    lru_maintainer_juggles malloc_fails log_worker_dropped log_worker_written
    log_watcher_skipped log_watcher_sent log_watchers unexpected_napi_ids round_robin_fallback
    bytes curr_items total_items slab_global_page_pool expired_unfetched evicted_unfetched
    evicted_active evictions reclaimed crawler_reclaimed crawler_items_checked lrutail_reflocked
    moves_to_cold moves_to_warm moves_within_lru direct_reclaims lru_bumps_dropped
"""

_SETTINGS = """
    maxbytes maxconns=1024 tcpport udpport inter=NULL verbosity oldest evictions=on
    domain_socket=NULL umask=700 shutdown_command=no growth_factor=1.25 chunk_size=48 num_threads=1
    num_threads_per_udp=1 stat_key_prefix=: detail_enabled=no reqs_per_event=20 cas_enabled=yes
    tcp_backlog=1024 binding_protocol=auto-negotiate auth_enabled_sasl=no auth_enabled_ascii=no
    item_size_max
    maxconns_fast=yes hashpower_init slab_reassign=yes slab_automove=1 slab_automove_ratio=0.80
    slab_automove_window=30 slab_chunk_max=524288 lru_crawler=yes lru_crawler_sleep=100
    lru_crawler_tocrawl tail_repair_time flush_enabled=yes dump_enabled=yes hash_algorithm=murmur3
    lru_maintainer_thread=yes lru_segmented=no hot_lru_pct=20 warm_lru_pct=40 hot_max_factor=0.20
    warm_max_factor=2.00 temp_lru=no temporary_ttl=61 idle_timeout watcher_logbuf_size=262144
    worker_logbuf_size=65536 read_buf_mem_limit track_sizes=no inline_ascii_response=no
    ext_item_size=512 ext_item_age=4294967295 ext_low_ttl ext_recache_rate=2000
    ext_wbuf_size=4194304 ext_compact_under ext_drop_under ext_max_sleep=1000000 ext_max_frag=0.80
    slab_automove_freeratio=0.010 ext_drop_unread=no ssl_enabled=no ssl_chain_cert=(null)
    ssl_key=(null) ssl_verify_mode ssl_keyformat=1 ssl_ciphers=NULL ssl_ca_cert=NULL
    ssl_wbuf_size=16384 ssl_session_cache=no ssl_kernel_tls=no ssl_min_version=tlsv1.2
    num_napi_ids=(null)
    memory_file=(null) client_flags_size=4
"""

_OF_CHUNKS = """
    get_hits cmd_set delete_hits incr_hits decr_hits cas_hits cas_badval touch_hits
""".split()

_OF_A_CLASS = """
    number number_hot number_warm number_cold age_hot age_warm age mem_requested evicted
    evicted_nonzero evicted_time outofmemory tailrepairs reclaimed expired_unfetched
    evicted_unfetched evicted_active crawler_reclaimed crawler_items_checked lrutail_reflocked
    moves_to_cold moves_to_warm moves_within_lru direct_reclaims hits_to_hot hits_to_warm
    hits_to_cold hits_to_temp
""".split()


def _defaults(text: str) -> dict[str, str]:
    pairs = [word.partition("=") for word in text.split()]
    return {name: value or "0" for name, _, value in pairs}


# Not all that is counted is shown here.
_COUNTED = frozenset(_defaults(_GENERAL))


def stats(store: Store, group: str | None, now: float) -> Stats | Status | ErrorReply:
    """The answer to ``stats``. Of a group's words only the first matters, but to some."""
    words = group.split(" ") if group else [""]
    match words[0]:
        case "":
            return _general(store, now)
        case "settings":
            return _settings(store)
        case "items":
            return _items(store, now)
        case "slabs":
            return _slabs(store)
        case "reset":
            store.items.reset_counts()
            store.prefixes.clear()
            return Status.RESET
        case "sizes":
            return _sizes(store)
        case "detail":
            return _detail(store, words[1:])
        case "cachedump":
            return _cachedump(store, words[1:])
        case "conns" | "extstore":
            return Stats()
        case _:
            return ErrorReply("ERROR")


_DUMP_NOT_ALLOWED = ErrorReply("CLIENT_ERROR", "stats cachedump not allowed")
_DETAIL_NOT_ALLOWED = ErrorReply("CLIENT_ERROR", "stats detail not allowed")
_USAGE_OF_DETAIL = ErrorReply("CLIENT_ERROR", "usage: stats detail on|off|dump")


def _detail(store: Store, words: list[str]) -> Stats | Status | ErrorReply:
    if not (store.dumps or store.items.like.details_anyway):
        return _DETAIL_NOT_ALLOWED
    match words[:1]:
        case ["on"]:
            store.items.prefixes = store.prefixes
        case ["off"]:
            store.items.prefixes = None
        case ["dump"]:
            return Stats(store.prefixes.entries())
        case _:
            return _USAGE_OF_DETAIL
    return Status.OK


# Sizes are counted in steps of so many bytes.
_STEP = 32


def _sizes(store: Store) -> Stats:
    if not store.track_sizes:
        return Stats({"sizes_status": "disabled"})
    counts = Counter([-(-item.size // _STEP) * _STEP for item in store.items])
    return Stats({str(size): str(count) for size, count in sorted(counts.items())})


# The largest reply of this kind, in bytes, and what a line of it needs beside the key.
_LARGEST_DUMP = 2 << 20
_REST_OF_A_LINE = 30


def _cachedump(store: Store, words: list[str]) -> Stats | ErrorReply:
    if not store.dumps:
        return _DUMP_NOT_ALLOWED
    if len(words) < 2:
        return ErrorReply("CLIENT_ERROR", "bad command line")
    unsigned = store.items.like.unsigned
    number, limit = (unsigned(word.encode(), (1 << 32) - 1) for word in words[:2])
    if number is None or limit is None:
        return ErrorReply("CLIENT_ERROR", "bad command line format")
    if number >= admin.LAST_CLASS + 1:
        return ErrorReply("CLIENT_ERROR", "Illegal slab id")
    entries: dict[str, str] = {}
    size = 0
    named = [slab for slab in store.items.slabs.classes if slab.number == number]
    for item in [item for slab in named for item in reversed(slab.items.values())]:
        size += len(item.key) + _REST_OF_A_LINE
        if size > _LARGEST_DUMP or (limit and len(entries) == limit):
            break
        expires = 0 if item.expires == inf else int(item.expires)
        key = item.key.decode("utf-8", "backslashreplace")
        entries[key] = f"[{len(item.value)} b; {expires} s]"
    return Stats(entries)


def _general(store: Store, now: float) -> Stats:
    items = store.items
    known: dict[str, int | str] = {
        "time": int(now),
        "version": items.like.version,
        "limit_maxbytes": items.memory,
        "bytes": items.taken,
        "curr_items": len(items),
        "slabs_moved": items.slabs.moved,
    }
    counted = {name: count for name, count in items.counts.items() if name in _COUNTED}
    return _shown(store, _defaults(_GENERAL) | _texts(counted) | _texts(known))


def _settings(store: Store) -> Stats:
    items = store.items
    known = {
        "maxbytes": items.memory,
        "verbosity": store.verbosity,
        "evictions": "on" if items.evicts else "off",
        "stat_key_prefix": store.prefixes.delimiter.decode(),
        "detail_enabled": _yes(items.prefixes is not None),
        "cas_enabled": _yes(items.has_cas),
        "item_size_max": items.item_size,
        "slab_chunk_max": items.slabs.chunk_max,
        "lru_crawler": _yes(store.crawls),
        "flush_enabled": _yes(store.flushes),
        "dump_enabled": _yes(store.dumps),
        "track_sizes": _yes(store.track_sizes),
    }
    return _shown(store, _defaults(_SETTINGS) | _texts(known) | store.settings)


def _yes(setting: bool) -> str:
    return "yes" if setting else "no"


def _shown(store: Store, entries: dict[str, str]) -> Stats:
    absent = store.items.like.absent_stats
    return Stats([entry for entry in entries.items() if entry[0] not in absent])


def _items(store: Store, now: float) -> Stats:
    entries: dict[str, str] = {}
    for slab in store.items.slabs.classes:
        if slab.items:
            # One queue, which is called cold: so is the one that memcached evicts from.
            counts = slab.counts + Counter(
                number=len(slab.items),
                number_cold=len(slab.items),
                age=next(iter(slab.items.values())).idle(now),
                mem_requested=slab.requested,
                hits_to_cold=slab.hits,
            )
            entries |= {f"items:{slab.number}:{name}": str(counts[name]) for name in _OF_A_CLASS}
    return Stats(entries)


def _slabs(store: Store) -> Stats:
    slabs = store.items.slabs
    entries: dict[str, int] = {}
    active = [slab for slab in slabs.classes if slab.pages]
    for slab in active:
        entries |= {f"{slab.number}:{name}": count for name, count in _chunks(slab).items()}
    entries["active_slabs"] = len(active)
    entries["total_malloced"] = slabs.pages * PAGE
    return Stats(_texts(entries))


def _chunks(slab: SlabClass) -> dict[str, int]:
    counts = slab.counts + Counter(get_hits=slab.hits, cmd_set=slab.sets)
    return {
        "chunk_size": slab.chunk_size,
        "chunks_per_page": slab.per_page,
        "total_pages": slab.pages,
        "total_chunks": slab.pages * slab.per_page,
        "used_chunks": slab.used,
        "free_chunks": slab.free,
        "free_chunks_end": 0,
        **{name: counts[name] for name in _OF_CHUNKS},
    }


def _texts(values: Mapping[str, int | str]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}
