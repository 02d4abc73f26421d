"""What stands behind ``-o`` of ``mcclient serve``: memcached's extended options.

Knows all names that memcached knows.  Those that mean something to the embedded server become its
arguments; the others are accepted and change nothing, so that a script which sets them still runs.
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Tls", "parse_extended", "server_arguments"]

# Each may stand alone or with a value.
_WITHOUT_EFFECT = frozenset(
    """
    hashpower no_hashexpand tail_repair_time hash_algorithm slab_reassign no_slab_reassign
    slab_automove no_slab_automove slab_automove_ratio slab_automove_window slab_automove_freeratio
    slab_sizes lru_crawler_sleep lru_crawler_tocrawl lru_maintainer no_lru_maintainer hot_lru_pct
    warm_lru_pct hot_max_factor warm_max_factor temporary_ttl watcher_logbuf_size
    worker_logbuf_size inline_ascii_resp no_inline_ascii_resp no_chunked_items modern
    drop_privileges no_drop_privileges relaxed_privileges resp_obj_mem_limit read_buf_mem_limit
    num_napi_ids sock_cookie_id proxy_config proxy_uring ext_page_size ext_page_count
    ext_wbuf_size ext_threads ext_io_depth ext_path ext_item_size ext_item_age ext_low_ttl
    ext_recache_rate ext_compact_under ext_drop_under ext_max_sleep ext_max_frag ext_drop_unread
    ssl_verify_mode ssl_keyformat ssl_ciphers ssl_ca_cert ssl_wbuf_size ssl_session_cache
    ssl_kernel_tls ssl_min_version meta_response_old
    """.split()
)


def _seconds(value: str) -> dict[str, object]:
    return {"idle_timeout": _number(value)}


def _chunk_max(value: str) -> dict[str, object]:
    # In bytes, or in KiB where it is a small number.
    size = _number(value)
    return {"chunk_max": min(max(size if size >= 1024 else size << 10, 1024), 1 << 20)}


def _number(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 12):
        raise ArgumentTypeError(f"{value!r} is no number")
    return int(value)


_FLAGS: dict[str, dict[str, object]] = {
    "maxconns_fast": {"rejects": True},
    "no_maxconns_fast": {"rejects": False},
    "track_sizes": {"track_sizes": True},
    "lru_crawler": {"crawler": True},
    "no_lru_crawler": {"crawler": False},
    # As memcached was before its defaults changed: among others with one chunk for each item.
    "no_modern": {"crawler": False, "rejects": False, "chunk_max": 1 << 20},
}
_VALUES: dict[str, Callable[[str], dict[str, object]]] = {
    "idle_timeout": _seconds,
    "slab_chunk_max": _chunk_max,
    "ssl_chain_cert": lambda value: {"ssl_chain_cert": value},
    "ssl_key": lambda value: {"ssl_key": value},
}


def parse_extended(text: str) -> dict[str, object]:
    """The arguments of one ``-o``: names with commas between them, some with ``=`` and a value."""
    arguments: dict[str, object] = {}
    for option in filter(None, text.split(",")):
        name, equals, value = option.partition("=")
        if name in _FLAGS:
            arguments |= _FLAGS[name]
        elif name in _VALUES:
            if not (equals and value):
                raise ArgumentTypeError(f"{name} needs a value")
            arguments |= _VALUES[name](value)
        elif name not in _WITHOUT_EFFECT:
            raise ArgumentTypeError(f"{name!r} is no option of memcached")
    return arguments


class Tls:
    """What makes the context of a server, anew each time, since the files may have changed."""

    def __init__(self, chain: str, key: str | None) -> None:
        self._files = (chain, key)

    def __call__(self) -> Any:
        import ssl

        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self._files)
        return context


def server_arguments(extended: list[dict[str, object]]) -> dict[str, Any]:
    """All that ``-o`` has said, the last word on each thing being the one that counts."""
    return {name: value for each in extended for name, value in each.items()}
