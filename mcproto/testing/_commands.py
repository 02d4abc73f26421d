"""What a client can say: every command of the library, with any arguments that it takes.

Which arguments those are is written here once more, from the protocol's description, and not asked
of the commands: what they refuse by mistake would never be made up.
"""

from __future__ import annotations

from base64 import b64encode

from hypothesis import strategies as st

from mcproto import Command, admin, binary, classic, meta, sasl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Literal, TypeAlias

    from hypothesis.strategies import SearchStrategy

    Fields: TypeAlias = dict[str, SearchStrategy[Any]]
    Kind: TypeAlias = type[Command[object]]

__all__ = ["commands", "keys", "values"]

U32 = st.integers(0, (1 << 32) - 1)
U64 = st.integers(0, (1 << 64) - 1)
SECONDS = st.integers(-(1 << 31), (1 << 31) - 1)

# Words that mean something elsewhere on the line, and are keys like any other.
_WORDS = [b"END", b"VALUE", b"STAT", b"noreply", b"HD", b"ERROR", b"0", b"k"]
_LEGAL = [bytes([byte]) for byte in range(256) if byte > 0x20 and byte != 0x7F]

_keys = (
    st.sampled_from(_WORDS)
    | st.lists(st.sampled_from(_LEGAL), min_size=1, max_size=12).map(b"".join)
    | st.sampled_from([b"x" * 250, b"\xff" * 250])
)
_values = st.binary(max_size=40) | st.sampled_from(
    [
        b"",
        b"\r\n",
        b"\n",
        b"END\r\n",
        b"\r\nEND\r\nEND\r\n",
        b"VALUE k 0 1\r\n",
        b"MN\r\n",
        b"\x81\x00" + bytes(22),
        b"x" * 9000,
    ]
)
opaques = st.lists(st.sampled_from(_LEGAL), max_size=31).map(b"".join)


def keys() -> SearchStrategy[bytes]:
    """Any legal key, those among them that look like words of the protocol."""
    return _keys


def values() -> SearchStrategy[bytes]:
    """Any value of up to 9000 bytes, those among them that look like replies."""
    return _values


# ---------------------------------------------------------------------------------------- classic

_YES = st.booleans()
_ONE: Fields = {"key": _keys}
# Two at least: of one key, `get` and a multi-get are the same bytes.
_SEVERAL: Fields = {"keys": st.lists(_keys, min_size=2, max_size=5)}
_TTL: Fields = {"exptime": SECONDS}
_SILENCE: Fields = {"noreply": _YES}
_ITEM: Fields = {"key": _keys, "value": _values, "flags": U32} | _TTL | _SILENCE
_COUNT: Fields = {"key": _keys, "delta": U64} | _SILENCE
_GROUPS = st.none() | st.sampled_from(["items", "settings", "reset", "detail on", "cachedump 1 0"])

_CLASSIC: dict[Kind, Fields] = {
    classic.Get: _ONE,
    classic.Gets: _ONE,
    classic.Gat: _ONE | _TTL,
    classic.Gats: _ONE | _TTL,
    classic.GetMany: _SEVERAL,
    classic.GetsMany: _SEVERAL,
    classic.GatMany: _SEVERAL | _TTL,
    classic.GatsMany: _SEVERAL | _TTL,
    classic.Set: _ITEM,
    classic.Add: _ITEM,
    classic.Replace: _ITEM,
    classic.Append: _ITEM,
    classic.Prepend: _ITEM,
    classic.Cas: _ITEM | {"cas": U64},
    # (The library refuses to delete a key of that name: memcached may take it for the option.)
    classic.Delete: {"key": _keys.filter(lambda key: key != b"noreply")} | _SILENCE,
    classic.Touch: _ONE | _TTL | _SILENCE,
    classic.Incr: _COUNT,
    classic.Decr: _COUNT,
    classic.FlushAll: {"delay": st.integers(0, (1 << 31) - 1)} | _SILENCE,
    classic.Verbosity: {"level": U32} | _SILENCE,
    classic.Version: {},
    classic.Stats: {"group": _GROUPS},
    classic.Quit: {},
}

# ------------------------------------------------------------------------------------------- meta


def _flags(letters: str, **others: SearchStrategy[Any]) -> Fields:
    return {letter: _FLAGS[letter] for letter in letters} | others


_FLAGS: Fields = (
    dict.fromkeys("bcfhIklqstuvx", _YES)
    | dict.fromkeys("CDEJ", st.none() | U64)
    | dict.fromkeys("NRT", st.none() | SECONDS)
    | {"F": st.none() | U32, "O": st.none() | opaques}
)
_META: dict[Kind, Fields] = {
    meta.Get: _ONE | _flags("bcCEfhklNOqRstuvT"),
    meta.Set: _ONE
    | {"value": _values}
    | _flags("bcCEFIkNOqsT", M=st.sampled_from([None, *"SEAPR"])),
    meta.Delete: _ONE | _flags("bCEFIkOqxT"),
    meta.Arithmetic: _ONE | _flags("bcCDEJkNOqtvT", M=st.sampled_from([None, *"I+D-"])),
    meta.Debug: _ONE | _flags("b"),
    meta.Noop: {},
}

# ------------------------------------------------------------------------------------------ admin

_CLASSES = st.just("all") | st.lists(st.integers(1, 63), min_size=1, max_size=4)
_PARTS = st.integers(0, 8).map(lambda eighths: eighths / 8)
_LOGS = st.sampled_from(["fetchers", "mutations", "evictions", "connevents", "deletions"])

ADMIN: dict[Kind, Fields] = {
    admin.SlabsReassign: {"source": st.integers(-1, 63), "destination": st.integers(0, 63)},
    admin.SlabsAutomove: {"level": st.integers(0, 2)} | _SILENCE,
    admin.SlabsAutomoveRatio: {"ratio": _PARTS} | _SILENCE,
    admin.SlabsAutomoveFreeratio: {"ratio": _PARTS} | _SILENCE,
    admin.SlabsAutomoveWindow: {"seconds": st.integers(1, (1 << 32) - 1)} | _SILENCE,
    admin.LruTune: {
        "hot": st.integers(0, 40),
        "warm": st.integers(0, 40),
        "hot_factor": st.sampled_from([0.5, 1.0, 2.0]),
        "warm_factor": st.sampled_from([0.5, 1.0, 2.0]),
    }
    | _SILENCE,
    admin.LruMode: {"mode": st.sampled_from(["flat", "segmented"])} | _SILENCE,
    admin.LruTempTtl: {"ttl": SECONDS} | _SILENCE,
    admin.LruCrawlerEnable: _SILENCE,
    admin.LruCrawlerDisable: _SILENCE,
    admin.LruCrawlerSleep: {"microseconds": st.integers(0, 1_000_000)} | _SILENCE,
    admin.LruCrawlerTocrawl: {"items": U32} | _SILENCE,
    admin.LruCrawlerCrawl: {"classes": _CLASSES} | _SILENCE,
    admin.Metadump: {"classes": _CLASSES | st.just("hash")},
    admin.Mgdump: {"classes": _CLASSES | st.just("hash")},
    admin.Watch: {"logs": st.lists(_LOGS, max_size=3)},
    admin.CacheMemlimit: {"megabytes": st.integers(8, 1 << 20)} | _SILENCE,
    admin.Shutdown: {"mode": st.sampled_from([None, "graceful"])},
    admin.RefreshCerts: {},
    # (Of `max_frag` the value is a part, not a whole number.)
    admin.Extstore: {"setting": st.sampled_from(sorted(admin.SETTINGS)), "value": U32} | _SILENCE,
    admin.Debugtime: {"change": st.sampled_from(["p", "r"]) | st.integers(-(1 << 31), 1000)},
    admin.ExtstoreFreeMemchunks: {"slab_class": st.integers(0, 63), "chunks": U32} | _SILENCE,
}

# ----------------------------------------------------------------------------------------- binary

_OPAQUE: Fields = {"opaque": U32}
_QUIET: Fields = {"quiet": _YES, "opaque": U32}
_NAMED: Fields = {"key": _keys, "with_key": _YES} | _QUIET
_STORED: Fields = {"key": _keys, "value": _values, "flags": U32, "exptime": U32, "cas": U64}
_JOINED: Fields = {"key": _keys, "value": _values, "cas": U64} | _QUIET
# (An expiry goes with an initial value only.)
_COUNTED: Fields = (
    {"key": _keys, "delta": U64, "initial": U64, "cas": U64}
    | {"exptime": st.integers(0, (1 << 32) - 2)}
    | _QUIET
)
_ANSWER: Fields = {"mechanism": st.sampled_from(["PLAIN", "CRAM-MD5", "X" * 32]), "data": _values}

_BINARY: dict[Kind, Fields] = {
    binary.Get: _NAMED,
    binary.Gat: _NAMED | {"exptime": U32},
    binary.Set: _STORED | _QUIET,
    binary.Add: _STORED | _QUIET,
    binary.Replace: _STORED | _QUIET,
    binary.Append: _JOINED,
    binary.Prepend: _JOINED,
    binary.Delete: {"key": _keys, "cas": U64} | _QUIET,
    binary.Incr: _COUNTED,
    binary.Decr: _COUNTED,
    binary.Touch: {"key": _keys, "exptime": U32} | _OPAQUE,
    binary.Flush: {"delay": U32} | _QUIET,
    binary.Noop: _OPAQUE,
    binary.Version: _OPAQUE,
    binary.Stat: {"group": _GROUPS} | _OPAQUE,
    binary.Quit: _QUIET,
    sasl.List: _OPAQUE,
    sasl.Auth: _ANSWER | _OPAQUE,
    sasl.Step: _ANSWER | _OPAQUE,
}

# -------------------------------------------------------------------------------------------- all

KINDS: dict[str, dict[Kind, Fields]] = {"text": _CLASSIC | _META, "binary": _BINARY}
"""By the protocol: what is made up if nobody says which."""

_KNOWN: dict[str, dict[Kind, Fields]] = {"text": KINDS["text"] | ADMIN, "binary": _BINARY}


def check_protocol(protocol: str) -> None:
    if protocol not in KINDS:
        raise ValueError(f"protocol must be one of {', '.join(KINDS)}, not {protocol!r}")


def fields_of(protocol: str, kinds: Iterable[Kind] | None) -> dict[Kind, Fields]:
    """The commands that are meant, checked, with what their arguments can be."""
    check_protocol(protocol)
    if kinds is None:
        return KINDS[protocol]
    kinds = list(kinds)
    known = _KNOWN[protocol]
    if not kinds or not known.keys() >= set(kinds):
        raise ValueError(f"kinds must be commands of the {protocol} protocol, not {kinds!r}")
    return {kind: known[kind] for kind in kinds}


def made(make: Callable[..., Command[object]], fields: Fields) -> SearchStrategy[Command[object]]:
    """A command whose arguments come from *fields*."""

    def command(arguments: dict[str, Any]) -> Command[object]:
        if arguments.get("b"):
            # So many bytes that base64 makes 250 of them at most.
            arguments["key"] = b64encode(arguments["key"][:186])
        return make(**arguments)

    return st.fixed_dictionaries(fields).map(command)


def commands(
    *,
    protocol: Literal["text", "binary"] = "text",
    kinds: Iterable[type[Command[object]]] | None = None,
) -> SearchStrategy[Command[object]]:
    """Any command that a client can send, with any arguments.

    Args:
        protocol: ``"text"``: classic and meta commands; ``"binary"``: those of `mcproto.binary`
            and `mcproto.sasl`.
        kinds: the classes of commands that are wanted, such as ``[classic.Get, meta.Get]``;
            with ``"text"`` also those of `mcproto.admin`, which must be asked for. None: all.

    Raises:
        ValueError: *kinds* is empty, or has one of another protocol.
    """
    wanted = fields_of(protocol, kinds)
    return st.one_of([made(kind, fields) for kind, fields in wanted.items()])
