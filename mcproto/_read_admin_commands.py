"""The server's ear for the commands of `admin`, and for who has not said yet who he is.

Loaded when the first of them comes.  What of a request can be judged without knowing the server is
judged here, in the words of memcached; whether a slab class exists, say, is the application's to
know.
"""

from __future__ import annotations

from . import admin
from ._authenticate import MAX_TOKEN, Authenticate
from ._replies import CLOSED, BadRequest, ErrorReply
from ._requests import BAD_LINE, UNKNOWN, Announced, block_size
from ._tokens import I32, U32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._command import Command
    from ._generations import Generation
    from ._requests import Reader, Request

_INFINITE = float("inf")

_TOO_MUCH_HOT = ErrorReply("ERROR", "hot and warm pcts must not exceed 80")
_NO_FACTOR = ErrorReply("ERROR", "hot/warm age factors must be greater than 0")
_LONG_SLEEP = ErrorReply("CLIENT_ERROR", "sleep must be one second or less")
_NO_CLASS = ErrorReply("BADCLASS", "invalid class id")
_NO_ITEMS = ErrorReply("NOTSTARTED", "no items to crawl")
_STRANGE = ErrorReply("ERROR", "an unknown error happened")
_TOO_SMALL = ErrorReply("MEMLIMIT_TOO_SMALL", "cannot set maxbytes to less than 8m")
_NO_MEGABYTES = ErrorReply("MEMLIMIT_ADJUST_FAILED", "input value is megabytes not bytes")

_STRANGER = ErrorReply("CLIENT_ERROR", "unauthenticated")
_NO_TOKEN = ErrorReply("CLIENT_ERROR", "bad authentication token format")
_LONG_TOKEN = ErrorReply("CLIENT_ERROR", "auth token too long")
_BAD_END = ErrorReply("CLIENT_ERROR", "bad command line termination")
_FAILURE = ErrorReply("CLIENT_ERROR", "authentication failure")


def _part(word: bytes) -> float | None:
    """A decimal number, perhaps with a fraction or an exponent. (C would take more than these.)"""
    if word.translate(None, b"0123456789.eE+-"):
        return None
    try:
        part = float(word)
    except ValueError:
        return None
    return part if abs(part) < _INFINITE else None


def _is_silent(words: list[bytes]) -> bool:
    return len(words) > 1 and words[-1] == b"noreply"


# ---------------------------------------------------------------------------------- slabs and lru


def _slabs(words: list[bytes], like: Generation) -> Request:
    if words[1:2] == [b"reassign"] and len(words) == 4:
        source, destination = like.signed(words[2], I32), like.signed(words[3], I32)
        if source is None or destination is None:
            return BadRequest(BAD_LINE)
        return admin.SlabsReassign.received(source=source, destination=destination)
    if words[1:2] == [b"automove"] and len(words) > 2:
        return _automove(words, like)
    return BadRequest(UNKNOWN)


def _automove(words: list[bytes], like: Generation) -> Request:
    noreply = _is_silent(words)
    what, *more = words[2:]
    tuned = (b"ratio", b"freeratio", b"window") if like.tunes_automove else (b"ratio",)
    if what not in tuned:
        level = like.unsigned(what, U32)
        if level is None:
            return BadRequest(BAD_LINE, noreply=noreply)
        if level > 2:
            return BadRequest(UNKNOWN, noreply=noreply)
        return admin.SlabsAutomove.received(level=level, noreply=noreply)
    if more and what == b"window":
        seconds = like.unsigned(more[0], U32)
        if seconds is not None:
            return admin.SlabsAutomoveWindow.received(seconds=seconds, noreply=noreply)
    elif more:
        ratio = _part(more[0])
        kind = admin.SlabsAutomoveRatio if what == b"ratio" else admin.SlabsAutomoveFreeratio
        if ratio is not None:
            return kind.received(ratio=ratio, noreply=noreply)
    return BadRequest(UNKNOWN, noreply=noreply)


def _lru(words: list[bytes], like: Generation) -> Request:
    noreply = _is_silent(words)
    match words[1:]:
        case [b"tune", hot, warm, hot_factor, warm_factor, *_]:
            numbers = like.unsigned(hot, U32), like.unsigned(warm, U32)
            factors = _part(hot_factor), _part(warm_factor)
            return _tuned(*numbers, *factors, noreply)
        case [b"mode", (b"flat" | b"segmented") as mode, *_]:
            return admin.LruMode.received(mode=mode.decode(), noreply=noreply)
        case [b"temp_ttl", word, *_] if (ttl := like.signed(word, I32)) is not None:
            return admin.LruTempTtl.received(ttl=ttl, noreply=noreply)
        case _:
            return BadRequest(UNKNOWN, noreply=noreply)


def _tuned(
    hot: int | None,
    warm: int | None,
    hot_factor: float | None,
    warm_factor: float | None,
    noreply: bool,
) -> Request:
    if hot is None or warm is None or hot_factor is None or warm_factor is None:
        return BadRequest(UNKNOWN, noreply=noreply)
    if hot + warm > 80:
        return BadRequest(_TOO_MUCH_HOT, noreply=noreply)
    if hot_factor <= 0 or warm_factor <= 0:
        return BadRequest(_NO_FACTOR, noreply=noreply)
    return admin.LruTune.received(
        hot=hot, warm=warm, hot_factor=hot_factor, warm_factor=warm_factor, noreply=noreply
    )


# ---------------------------------------------------------------------------------------- crawler


def _lru_crawler(words: list[bytes], like: Generation) -> Request:
    noreply = like.quiets_crawler and _is_silent(words)
    if noreply:
        words = words[:-1]
    match words[1:]:
        case [b"enable"]:
            return admin.LruCrawlerEnable.received(noreply=noreply)
        case [b"disable"]:
            return admin.LruCrawlerDisable.received(noreply=noreply)
        case [b"sleep", word]:
            microseconds = like.unsigned(word, U32)
            if microseconds is None:
                return BadRequest(BAD_LINE, noreply=noreply)
            if microseconds > admin.LONGEST_SLEEP:
                return BadRequest(_LONG_SLEEP, noreply=noreply)
            return admin.LruCrawlerSleep.received(microseconds=microseconds, noreply=noreply)
        case [b"tocrawl", word]:
            items = like.unsigned(word, U32)
            if items is None:
                return BadRequest(BAD_LINE, noreply=noreply)
            return admin.LruCrawlerTocrawl.received(items=items, noreply=noreply)
        case [b"crawl", b"hash"]:
            return BadRequest(_STRANGE, noreply=noreply)
        case [b"crawl", word]:
            classes = _classes(word, like)
            if isinstance(classes, ErrorReply):
                return BadRequest(classes, noreply=noreply)
            return admin.LruCrawlerCrawl.received(classes=classes, noreply=noreply)
        case [b"metadump", word] if not noreply:
            return _dump(admin.Metadump, word, like)
        case [b"mgdump", word] if not noreply and like.has_mgdump:
            return _dump(admin.Mgdump, word, like)
        case _:
            return BadRequest(UNKNOWN, noreply=noreply)


def _dump(kind: type[admin.Metadump | admin.Mgdump], word: bytes, like: Generation) -> Request:
    classes = "hash" if word == b"hash" else _classes(word, like)
    if isinstance(classes, ErrorReply):
        return BadRequest(classes)
    return kind.received(classes=classes)


def _classes(word: bytes, like: Generation) -> str | tuple[int, ...] | ErrorReply:
    if word == b"all":
        return "all"
    numbers: list[int] = []
    for part in filter(None, word.split(b",")):
        number = like.unsigned(part, U32)
        if number is None or not 1 <= number <= admin.LAST_CLASS:
            return _NO_CLASS
        numbers.append(number)
    return tuple(numbers) or _NO_ITEMS


# ------------------------------------------------------------------------------- the server itself


def _watch(words: list[bytes], like: Generation) -> Request:
    known = admin.LOGS if like.has_deletions else admin.LOGS - {"deletions"}
    logs = tuple([word.decode("latin-1") for word in words[1:]])
    if not known.issuperset(logs):
        return BadRequest(UNKNOWN, noreply=_is_silent(words))
    return admin.Watch.received(logs=logs)


def _cache_memlimit(words: list[bytes], like: Generation) -> Request:
    noreply = _is_silent(words)
    megabytes = like.unsigned(words[1], U32) if len(words) > 1 else None
    if megabytes is None:
        return BadRequest(UNKNOWN, noreply=noreply)
    if megabytes < admin.LEAST_MEGABYTES:
        return BadRequest(_TOO_SMALL, noreply=noreply)
    if megabytes > admin.MOST_MEGABYTES:
        return BadRequest(_NO_MEGABYTES, noreply=noreply)
    return admin.CacheMemlimit.received(megabytes=megabytes, noreply=noreply)


def _shutdown(words: list[bytes], like: Generation) -> Request:
    # Whatever the mode: that it is none is said only where there is something to shut down.
    mode = b" ".join(words[1:]).decode("latin-1")
    return admin.Shutdown.received(mode=mode or None)


def _refresh_certs(words: list[bytes], like: Generation) -> Request:
    return admin.RefreshCerts()


def _extstore(words: list[bytes], like: Generation) -> Request:
    noreply = _is_silent(words)
    setting, *values = [*words[1:], b""]
    name = setting.decode("latin-1")
    if name == "free_memchunks":
        numbers = [like.unsigned(word, U32) for word in values[:2]]
        if len(numbers) == 2 and None not in numbers:
            return admin.ExtstoreFreeMemchunks.received(
                slab_class=numbers[0], chunks=numbers[1], noreply=noreply
            )
    elif name == "max_frag" or name in admin.SETTINGS:
        value = _part(values[0]) if name == "max_frag" else like.unsigned(values[0], U32)
        if value is not None:
            return admin.Extstore.received(setting=name, value=value, noreply=noreply)
    return BadRequest(UNKNOWN, noreply=noreply)


def _debugtime(words: list[bytes], like: Generation) -> Request:
    word = words[1] if len(words) > 1 else b""
    change = word.decode() if word in (b"p", b"r") else like.signed(word, I32)
    if change is None:
        return BadRequest(UNKNOWN)
    return admin.Debugtime.received(change=change)


ADMIN_READERS: dict[bytes, Reader] = {
    b"slabs": _slabs,
    b"lru": _lru,
    b"lru_crawler": _lru_crawler,
    b"watch": _watch,
    b"cache_memlimit": _cache_memlimit,
    b"shutdown": _shutdown,
    b"refresh_certs": _refresh_certs,
    b"extstore": _extstore,
    b"debugtime": _debugtime,
}


# ----------------------------------------------------------------------------------- who is there


def read_stranger(line: bytes, size: int, like: Generation) -> Request:
    """What somebody says who has not been let in: a ``set`` of user and password, or nothing.

    *size* is that of the line with its ending.
    """
    if like.hangs_up_on_strangers and size < 6:
        return CLOSED
    words = [word for word in line.split(b" ") if word]
    token_size = block_size(words[4], like) if len(words) > 4 and words[0] == b"set" else None
    if token_size is None:
        return BadRequest(_STRANGER)
    if token_size > MAX_TOKEN:
        # Left, or, where there is no limit, waited for: it is not kept, and so it is wrong.
        if like.limits_tokens:
            return BadRequest(_LONG_TOKEN)
        return Announced(token_size, BadRequest(_FAILURE))
    return Announced(token_size, BadRequest(_LONG_TOKEN), _authenticate, _BAD_END)


def _authenticate(token: bytes) -> Command[object] | BadRequest:
    words = [word for word in token.split(b" ") if word]
    if len(words) < 2:
        return BadRequest(_NO_TOKEN)
    return Authenticate.received(username=words[0], password=words[1])
