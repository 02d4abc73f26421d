"""The commands of those who look after servers: their bytes, their answers, how they are heard."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcproto import (
    CLOSED,
    NEED_DATA,
    NO_REPLY,
    BadRequest,
    ClientConnection,
    Command,
    ErrorReplied,
    ErrorReply,
    InvalidArgument,
    LocalProtocolError,
    ProtocolDesync,
    RemoteProtocolError,
    ServerConnection,
    Stats,
    Status,
    admin,
    classic,
    meta,
)
from mcproto.testing import keys

OLD, NEW = "1.6.18", "1.6.45"


def heard(line: bytes, like: str = NEW) -> object:
    """What a server makes of the line, which is all that there is."""
    connection = ServerConnection(like=like)
    connection.receive_data(line + b"\r\n")
    event = connection.next_event()
    assert connection.next_event() is NEED_DATA
    return event


# -------------------------------------------------------------------------------------- requests

ENCODED: list[tuple[Command[object], bytes]] = [
    (admin.SlabsReassign(1, 2), b"slabs reassign 1 2"),
    (admin.SlabsReassign(-1, 63), b"slabs reassign -1 63"),
    (admin.SlabsAutomove(2), b"slabs automove 2"),
    (admin.SlabsAutomove(0, noreply=True), b"slabs automove 0 noreply"),
    (admin.SlabsAutomoveRatio(0.8), b"slabs automove ratio 0.8"),
    (admin.SlabsAutomoveRatio(1, noreply=True), b"slabs automove ratio 1.0 noreply"),
    (admin.LruTune(10, 25, 0.1, 2), b"lru tune 10 25 0.1 2.0"),
    (admin.LruTune(80, 0, 1e-7, 0.1 + 0.2), b"lru tune 80 0 1e-07 0.30000000000000004"),
    (admin.LruMode("flat"), b"lru mode flat"),
    (admin.LruMode("segmented", noreply=True), b"lru mode segmented noreply"),
    (admin.LruTempTtl(-1), b"lru temp_ttl -1"),
    (admin.LruTempTtl(60, noreply=True), b"lru temp_ttl 60 noreply"),
    (admin.LruCrawlerEnable(), b"lru_crawler enable"),
    (admin.LruCrawlerDisable(), b"lru_crawler disable"),
    (admin.LruCrawlerSleep(1_000_000), b"lru_crawler sleep 1000000"),
    (admin.LruCrawlerTocrawl(0), b"lru_crawler tocrawl 0"),
    (admin.LruCrawlerCrawl(), b"lru_crawler crawl all"),
    (admin.LruCrawlerCrawl([1, 63]), b"lru_crawler crawl 1,63"),
    (admin.Metadump(), b"lru_crawler metadump all"),
    (admin.Metadump("hash"), b"lru_crawler metadump hash"),
    (admin.Metadump(range(1, 4)), b"lru_crawler metadump 1,2,3"),
    (admin.Watch(), b"watch"),
    (admin.Watch(["fetchers", "proxyuser"]), b"watch fetchers proxyuser"),
    (admin.CacheMemlimit(64), b"cache_memlimit 64"),
    (admin.CacheMemlimit(8, noreply=True), b"cache_memlimit 8 noreply"),
    (admin.Shutdown(), b"shutdown"),
    (admin.Shutdown("graceful"), b"shutdown graceful"),
    (admin.RefreshCerts(), b"refresh_certs"),
    (admin.Extstore("item_age", 60), b"extstore item_age 60"),
    (admin.Extstore("max_frag", 0.5, noreply=True), b"extstore max_frag 0.5 noreply"),
    (admin.ExtstoreFreeMemchunks(0, 5), b"extstore free_memchunks 0 5"),
    (admin.Debugtime("p"), b"debugtime p"),
    (admin.Debugtime("r"), b"debugtime r"),
    (admin.Debugtime(-5), b"debugtime -5"),
]
ONLY_NEW: list[tuple[Command[object], bytes]] = [
    (admin.SlabsAutomoveFreeratio(0.01), b"slabs automove freeratio 0.01"),
    (admin.SlabsAutomoveWindow(10), b"slabs automove window 10"),
    (admin.LruCrawlerEnable(noreply=True), b"lru_crawler enable noreply"),
    (admin.LruCrawlerDisable(noreply=True), b"lru_crawler disable noreply"),
    (admin.LruCrawlerSleep(5, noreply=True), b"lru_crawler sleep 5 noreply"),
    (admin.LruCrawlerTocrawl(5, noreply=True), b"lru_crawler tocrawl 5 noreply"),
    (admin.LruCrawlerCrawl([1], noreply=True), b"lru_crawler crawl 1 noreply"),
    (admin.Mgdump(), b"lru_crawler mgdump all"),
    (admin.Mgdump([2]), b"lru_crawler mgdump 2"),
    (admin.Watch(["deletions"]), b"watch deletions"),
]


@pytest.mark.parametrize(("command", "line"), ENCODED + ONLY_NEW)
def test_a_command_is_one_line(command: Command[object], line: bytes) -> None:
    assert command.encode() == line + b"\r\n"


@pytest.mark.parametrize(("command", "line"), ENCODED)
@pytest.mark.parametrize("like", [OLD, NEW])
def test_a_command_is_heard_as_it_was_said(
    command: Command[object], line: bytes, like: str
) -> None:
    assert heard(line, like) == command


@pytest.mark.parametrize(("command", "line"), ONLY_NEW)
def test_what_newer_servers_know_older_ones_do_not(command: Command[object], line: bytes) -> None:
    assert heard(line) == command
    refused = heard(line, OLD)
    assert isinstance(refused, BadRequest)
    assert not refused.noreply
    assert refused.reply.kind in ("ERROR", "CLIENT_ERROR")


_noreply = st.booleans()
_parts = st.floats(0, 1)
_classes = st.just("all") | st.lists(st.integers(1, 63), min_size=1, max_size=4)
_dumped_classes = _classes | st.just("hash")
U32 = st.integers(0, (1 << 32) - 1)
I32 = st.integers(-(1 << 31), (1 << 31) - 1)


def admin_commands() -> st.SearchStrategy[Command[object]]:
    """Any of them, with any arguments."""
    return st.one_of(
        st.builds(admin.SlabsReassign, st.integers(-1, 63), st.integers(0, 63)),
        st.builds(admin.SlabsAutomove, st.integers(0, 2), noreply=_noreply),
        st.builds(admin.SlabsAutomoveRatio, _parts, noreply=_noreply),
        st.builds(admin.SlabsAutomoveFreeratio, _parts, noreply=_noreply),
        st.builds(admin.SlabsAutomoveWindow, st.integers(1, (1 << 32) - 1), noreply=_noreply),
        st.integers(0, 80).flatmap(
            lambda hot: st.builds(
                admin.LruTune,
                st.just(hot),
                st.integers(0, 80 - hot),
                st.floats(1e-9, 1e9),
                st.floats(1e-9, 1e9),
                noreply=_noreply,
            )
        ),
        st.builds(admin.LruMode, st.sampled_from(["flat", "segmented"]), noreply=_noreply),
        st.builds(admin.LruTempTtl, I32, noreply=_noreply),
        st.builds(admin.LruCrawlerEnable, noreply=_noreply),
        st.builds(admin.LruCrawlerDisable, noreply=_noreply),
        st.builds(admin.LruCrawlerSleep, st.integers(0, 1_000_000), noreply=_noreply),
        st.builds(admin.LruCrawlerTocrawl, U32, noreply=_noreply),
        st.builds(admin.LruCrawlerCrawl, _classes, noreply=_noreply),
        st.builds(admin.Metadump, _dumped_classes),
        st.builds(admin.Mgdump, _dumped_classes),
        st.builds(admin.Watch, st.lists(st.sampled_from(sorted(admin.LOGS)), max_size=4)),
        st.builds(admin.CacheMemlimit, st.integers(8, 1_000_000_000), noreply=_noreply),
        st.builds(admin.Shutdown, st.sampled_from([None, "graceful"])),
        st.builds(admin.RefreshCerts),
        st.builds(admin.Extstore, st.sampled_from(sorted(admin.SETTINGS)), U32, noreply=_noreply),
        st.builds(admin.Extstore, st.just("max_frag"), _parts, noreply=_noreply),
        st.builds(admin.ExtstoreFreeMemchunks, st.integers(0, 63), U32, noreply=_noreply),
        st.builds(admin.Debugtime, st.sampled_from(["p", "r"]) | I32),
    )


@given(admin_commands())
def test_whatever_a_client_says_a_server_hears(command: Command[object]) -> None:
    line = command.encode()
    assert line.endswith(b"\r\n")
    assert b"\n" not in line[:-1]
    assert heard(line[:-2]) == command


_words = st.sampled_from(
    b"slabs reassign automove ratio freeratio window lru tune mode flat segmented temp_ttl "
    b"lru_crawler enable disable sleep tocrawl crawl metadump mgdump all hash 1,2 , 0 1 -1 64 0.5 "
    b"1e5 1e999 nan inf +5 -.5e-3 1_0 4294967296 18446744073709551616 watch fetchers deletions "
    b"cache_memlimit shutdown graceful refresh_certs extstore item_size max_frag free_memchunks "
    b"debugtime p r noreply x \xff \x00 e . - + 1e 9999999999999999999999999".split()
)


@given(st.lists(_words | st.binary(max_size=5), min_size=1, max_size=7), st.booleans())
def test_any_words_are_heard_as_something(words: list[bytes], is_old: bool) -> None:
    connection = ServerConnection(like=OLD if is_old else NEW)
    connection.receive_data(b" ".join(words) + b"\r\n")
    while (event := connection.next_event()) is not NEED_DATA and event is not CLOSED:
        if isinstance(event, BadRequest):
            connection.send(event.reply)
        else:
            connection.send(ErrorReply("SERVER_ERROR", "out of memory"))


# ------------------------------------------------------------------------- what makes no command

REFUSED: list[tuple[Callable[[], object], type[Exception], str]] = [
    (lambda: admin.SlabsReassign(-2, 1), InvalidArgument, "source"),
    (lambda: admin.SlabsReassign(1, 64), InvalidArgument, "destination"),
    (lambda: admin.SlabsReassign("1", 1), TypeError, "source"),  # type: ignore[arg-type]
    (lambda: admin.SlabsAutomove(3), InvalidArgument, "level"),
    (lambda: admin.SlabsAutomove(1, noreply=1), TypeError, "noreply"),  # type: ignore[arg-type]
    (lambda: admin.SlabsAutomoveRatio(1.5), InvalidArgument, "ratio"),
    (lambda: admin.SlabsAutomoveRatio(float("nan")), InvalidArgument, "ratio"),
    (lambda: admin.SlabsAutomoveRatio(True), TypeError, "ratio"),
    (lambda: admin.SlabsAutomoveFreeratio("1"), TypeError, "ratio"),  # type: ignore[arg-type]
    (lambda: admin.SlabsAutomoveWindow(0), InvalidArgument, "seconds"),
    (lambda: admin.LruTune(81, 0, 1, 1), InvalidArgument, "hot"),
    (lambda: admin.LruTune(50, 31, 1, 1), InvalidArgument, "warm"),
    (lambda: admin.LruTune(5, 5, 0, 1), InvalidArgument, "hot_factor"),
    (lambda: admin.LruTune(5, 5, 1, float("inf")), InvalidArgument, "warm_factor"),
    (lambda: admin.LruMode("flat\r\n"), InvalidArgument, "mode"),  # type: ignore[arg-type]
    (lambda: admin.LruTempTtl(1 << 31), InvalidArgument, "ttl"),
    (lambda: admin.LruCrawlerSleep(1_000_001), InvalidArgument, "microseconds"),
    (lambda: admin.LruCrawlerTocrawl(-1), InvalidArgument, "items"),
    (lambda: admin.LruCrawlerCrawl("hash"), InvalidArgument, "classes"),  # type: ignore[arg-type]
    (lambda: admin.LruCrawlerCrawl([]), InvalidArgument, "classes"),
    (lambda: admin.LruCrawlerCrawl([64]), InvalidArgument, "classes"),
    (lambda: admin.Metadump("1"), InvalidArgument, "classes"),  # type: ignore[arg-type]
    (lambda: admin.Watch("fetchers"), TypeError, "logs"),  # type: ignore[arg-type]
    (lambda: admin.Watch(["x"]), InvalidArgument, "logs"),  # type: ignore[list-item]
    (lambda: admin.CacheMemlimit(7), InvalidArgument, "megabytes"),
    (lambda: admin.CacheMemlimit(1_000_000_001), InvalidArgument, "megabytes"),
    (lambda: admin.Shutdown("now"), InvalidArgument, "mode"),  # type: ignore[arg-type]
    (lambda: admin.Extstore("size", 1), InvalidArgument, "setting"),
    (lambda: admin.Extstore("item_size", 0.5), TypeError, "value"),
    (lambda: admin.Extstore("max_frag", 2), InvalidArgument, "value"),
    (lambda: admin.ExtstoreFreeMemchunks(64, 1), InvalidArgument, "slab_class"),
    (lambda: admin.ExtstoreFreeMemchunks(1, -1), InvalidArgument, "chunks"),
    (lambda: admin.Debugtime("x"), InvalidArgument, "change"),  # type: ignore[arg-type]
    (lambda: admin.Debugtime(1 << 31), InvalidArgument, "change"),
]


@pytest.mark.parametrize(("make", "kind", "name"), REFUSED)
def test_a_wrong_argument_is_named(
    make: Callable[[], object], kind: type[Exception], name: str
) -> None:
    with pytest.raises(kind, match=f"^{name} "):
        make()


# -------------------------------------------------------------------------------- bad lines heard

BAD: list[tuple[bytes, str, bool]] = [
    (b"slabs", "ERROR", False),
    (b"slabs noreply", "ERROR", False),
    (b"slabs foo noreply", "ERROR", False),
    (b"slabs reassign 1", "ERROR", False),
    (b"slabs reassign 1 2 noreply", "ERROR", False),
    (b"slabs reassign a 1", "CLIENT_ERROR bad command line format", False),
    (b"slabs reassign 1 b", "CLIENT_ERROR bad command line format", False),
    (b"slabs automove", "ERROR", False),
    (b"slabs automove 3", "ERROR", False),
    (b"slabs automove 3 noreply", "ERROR", True),
    (b"slabs automove x noreply", "CLIENT_ERROR bad command line format", True),
    (b"slabs automove -1", "CLIENT_ERROR bad command line format", False),
    (b"slabs automove ratio", "ERROR", False),
    (b"slabs automove ratio abc", "ERROR", False),
    (b"slabs automove ratio 5x", "ERROR", False),
    (b"slabs automove ratio 1_0", "ERROR", False),
    (b"slabs automove ratio 1e999", "ERROR", False),
    (b"slabs automove ratio nan", "ERROR", False),
    (b"slabs automove ratio 1e noreply", "ERROR", True),
    (b"lru", "ERROR", False),
    (b"lru noreply", "ERROR", True),
    (b"lru foo 1", "ERROR", False),
    (b"lru tune 10 25 0.1", "ERROR", False),
    (b"lru tune a b c d noreply", "ERROR", True),
    (b"lru tune 10.5 25 0.1 2", "ERROR", False),
    (b"lru tune 10 25 x 2", "ERROR", False),
    (b"lru tune 50 40 0.1 2.0", "ERROR hot and warm pcts must not exceed 80", False),
    (b"lru tune 10 25 0 2.0", "ERROR hot/warm age factors must be greater than 0", False),
    (b"lru tune 10 25 1 -2 noreply", "ERROR hot/warm age factors must be greater than 0", True),
    (b"lru mode", "ERROR", False),
    (b"lru mode foo", "ERROR", False),
    (b"lru temp_ttl", "ERROR", False),
    (b"lru temp_ttl abc", "ERROR", False),
    (b"lru_crawler", "ERROR", False),
    (b"lru_crawler foo", "ERROR", False),
    (b"lru_crawler enable x", "ERROR", False),
    (b"lru_crawler sleep", "ERROR", False),
    (b"lru_crawler sleep 5 6", "ERROR", False),
    (b"lru_crawler sleep abc", "CLIENT_ERROR bad command line format", False),
    (b"lru_crawler sleep 1000001", "CLIENT_ERROR sleep must be one second or less", False),
    (b"lru_crawler tocrawl x", "CLIENT_ERROR bad command line format", False),
    (b"lru_crawler crawl", "ERROR", False),
    (b"lru_crawler crawl 0", "BADCLASS invalid class id", False),
    (b"lru_crawler crawl 64", "BADCLASS invalid class id", False),
    (b"lru_crawler crawl 1,x", "BADCLASS invalid class id", False),
    (b"lru_crawler crawl ,", "NOTSTARTED no items to crawl", False),
    (b"lru_crawler crawl hash", "ERROR an unknown error happened", False),
    (b"lru_crawler metadump", "ERROR", False),
    (b"lru_crawler metadump all x", "ERROR", False),
    (b"lru_crawler metadump abc", "BADCLASS invalid class id", False),
    (b"lru_crawler metadump hash,1", "BADCLASS invalid class id", False),
    (b"watch foo", "ERROR", False),
    (b"watch fetchers foo", "ERROR", False),
    (b"watch noreply", "ERROR", True),
    (b"watch fetchers noreply", "ERROR", True),
    (b"cache_memlimit", "ERROR", False),
    (b"cache_memlimit x", "ERROR", False),
    (b"cache_memlimit noreply", "ERROR", True),
    (b"cache_memlimit 7", "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m", False),
    (b"cache_memlimit 0 noreply", "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m", True),
    (
        b"cache_memlimit 2000000000",
        "MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes",
        False,
    ),
    (b"extstore", "ERROR", False),
    (b"extstore noreply", "ERROR", True),
    (b"extstore foo 1", "ERROR", False),
    (b"extstore foo 1 noreply", "ERROR", True),
    (b"extstore item_size", "ERROR", False),
    (b"extstore item_age abc", "ERROR", False),
    (b"extstore max_frag x", "ERROR", False),
    (b"extstore free_memchunks 1", "ERROR", False),
    (b"extstore free_memchunks x 5", "ERROR", False),
    (b"debugtime", "ERROR", False),
    (b"debugtime x", "ERROR", False),
]


@pytest.mark.parametrize(("line", "text", "is_silent"), BAD)
@pytest.mark.parametrize("like", [OLD, NEW])
def test_a_bad_line_is_answered_as_memcached_does(
    line: bytes, text: str, is_silent: bool, like: str
) -> None:
    bad = heard(line, like)
    kind, _, message = text.partition(" ")
    assert bad == BadRequest(ErrorReply(kind, message))
    assert isinstance(bad, BadRequest)
    assert bad.noreply == is_silent
    connection = ServerConnection(like=like)
    connection.receive_data(line + b"\r\n")
    connection.next_event()
    assert connection.send(bad.reply) == (b"" if is_silent else text.encode() + b"\r\n")


@pytest.mark.parametrize(
    "line",
    [
        b"slabs automove freeratio",
        b"slabs automove freeratio x",
        b"slabs automove window",
        b"slabs automove window -1",
    ],
)
def test_newer_settings_of_the_mover_are_errors_of_two_kinds(line: bytes) -> None:
    assert heard(line) == BadRequest(ErrorReply("ERROR"))
    bad_line = ErrorReply("CLIENT_ERROR", "bad command line format")
    assert heard(line, OLD) == BadRequest(bad_line)


@pytest.mark.parametrize(
    ("line", "old", "new"),
    [
        (b"lru_crawler noreply", False, True),
        (b"lru_crawler sleep x noreply", False, True),
        (b"lru_crawler metadump all noreply", False, True),
        (b"lru_crawler mgdump all noreply", False, True),
        (b"lru_crawler crawl hash noreply", False, True),
        (b"lru_crawler crawl x noreply", False, True),
        (b"lru_crawler sleep 1000001 noreply", False, True),
        (b"lru_crawler tocrawl x noreply", False, True),
    ],
)
def test_the_crawler_keeps_silent_on_newer_servers_only(line: bytes, old: bool, new: bool) -> None:
    for like, is_silent in ((OLD, old), (NEW, new)):
        bad = heard(line, like)
        assert isinstance(bad, BadRequest)
        assert bad.noreply == is_silent


LENIENT: list[tuple[bytes, Command[object]]] = [
    (b"slabs automove 1 2", admin.SlabsAutomove(1)),
    (b"lru tune 10 25 0.1 2.0 9", admin.LruTune(10, 25, 0.1, 2.0)),
    (b"lru mode flat x", admin.LruMode("flat")),
    (b"lru temp_ttl 60 5", admin.LruTempTtl(60)),
    (b"lru_crawler crawl 1,,2", admin.LruCrawlerCrawl([1, 2])),
    (b"cache_memlimit 64 65", admin.CacheMemlimit(64)),
    (b"refresh_certs noreply", admin.RefreshCerts()),
    (b"extstore item_size 5 6", admin.Extstore("item_size", 5)),
    (b"slabs automove ratio 1e-1", admin.SlabsAutomoveRatio(0.1)),
]


@pytest.mark.parametrize(("line", "command"), LENIENT)
@pytest.mark.parametrize("like", [OLD, NEW])
def test_what_is_too_much_is_not_looked_at(
    line: bytes, command: Command[object], like: str
) -> None:
    assert heard(line, like) == command


def test_a_mode_that_is_none_is_left_to_who_can_be_shut_down() -> None:
    command = heard(b"shutdown foo  bar")
    assert isinstance(command, admin.Shutdown)
    assert command.mode == "foo bar"
    assert command.encode() == b"shutdown foo bar\r\n"


# --------------------------------------------------------------------------------------- answers

KINDS: dict[Command[object], str] = {
    admin.SlabsReassign(1, 2): "BUSY BADCLASS NOSPARE SAME",
    admin.LruCrawlerCrawl(): "BUSY BADCLASS NOTSTARTED",
    admin.Metadump(): "BUSY BADCLASS NOTSTARTED",
    admin.Mgdump(): "BUSY BADCLASS NOTSTARTED",
    admin.Watch(): "WATCHER_TOO_MANY WATCHER_FAILED",
    admin.CacheMemlimit(64): "MEMLIMIT_TOO_SMALL MEMLIMIT_ADJUST_FAILED",
    admin.RefreshCerts(): "Error",
    admin.SlabsAutomove(1): "",
    admin.LruMode("flat"): "",
    admin.LruCrawlerEnable(): "",
    admin.Shutdown(): "",
    admin.Debugtime("p"): "",
    admin.Authenticate("alice", "s3cr"): "",
    classic.Get("k"): "",
    classic.Set("k", b""): "",
    classic.Delete("k"): "",
    classic.Incr("k"): "",
    classic.FlushAll(): "",
    classic.Version(): "",
    classic.Stats(): "",
    meta.Get("k"): "",
    meta.Noop(): "",
}
ALL_KINDS = sorted({kind for kinds in KINDS.values() for kind in kinds.split()})


@pytest.mark.parametrize("command", KINDS)
@pytest.mark.parametrize("kind", ["ERROR", "CLIENT_ERROR", "SERVER_ERROR", *ALL_KINDS])
def test_an_error_word_answers_who_can_get_it_and_nobody_else(
    command: Command[object], kind: str
) -> None:
    line = f"{kind} some reason\r\n".encode()
    connection = ClientConnection()
    connection.send(command)
    connection.receive_data(line)
    if kind in ALL_KINDS and kind not in KINDS[command].split():
        with pytest.raises(ProtocolDesync):
            connection.next_event()
        with pytest.raises(ProtocolDesync):
            command.decode(line)
        return
    assert connection.next_event() == ErrorReply(kind, "some reason")
    assert connection.is_idle
    with pytest.raises(ErrorReplied, match="some reason") as caught:
        command.decode(line)
    assert caught.value.reply == ErrorReply(kind, "some reason")


@pytest.mark.parametrize("command", KINDS)
@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_server_says_no_error_word_to_who_cannot_get_it(
    command: Command[object], kind: str
) -> None:
    server = ServerConnection(auth_required=command.authenticates)
    server.receive_data(command.encode())
    assert type(server.next_event()) is type(command)
    if kind in KINDS[command].split():
        assert server.send(ErrorReply(kind, "why")) == f"{kind} why\r\n".encode()
    else:
        with pytest.raises(LocalProtocolError, match="cannot be answered"):
            server.send(ErrorReply(kind, "why"))
        assert server.send(ErrorReply("SERVER_ERROR", "why")) == b"SERVER_ERROR why\r\n"


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"ERROR: shutdown not enabled", ErrorReply("ERROR", "shutdown not enabled")),
        (b"SERVER_ERROR: shutdown not enabled", ErrorReply("SERVER_ERROR", "shutdown not enabled")),
        (
            b"CLIENT_ERROR invalid shutdown mode",
            ErrorReply("CLIENT_ERROR", "invalid shutdown mode"),
        ),
    ],
)
def test_a_shutdown_that_is_refused_is_an_error(line: bytes, reply: ErrorReply) -> None:
    with pytest.raises(ErrorReplied) as caught:
        admin.Shutdown().decode(line + b"\r\n")
    assert caught.value.reply == reply


def test_a_server_may_put_a_colon_behind_the_word() -> None:
    server = ServerConnection()
    server.receive_data(b"shutdown\r\n")
    server.next_event()
    sent = server.send(ErrorReply("SERVER_ERROR:", "shutdown not enabled"))
    assert sent == b"SERVER_ERROR: shutdown not enabled\r\n"


ORDERS = [command for command, _ in ENCODED + ONLY_NEW if command.line_form is None]


@pytest.mark.parametrize("command", ORDERS)
def test_an_order_is_answered_by_ok_or_by_silence(command: Command[object]) -> None:
    server = ServerConnection()
    server.receive_data(command.encode())
    assert server.next_event() == command
    if command.may_close:
        with pytest.raises(ProtocolDesync):
            command.decode(b"OK\r\n")
        return
    sent = server.send(Status.OK)
    if command.noreply:
        assert sent == b""
        assert command.result(NO_REPLY) is None
    else:
        assert command.decode(sent) is Status.OK
        with pytest.raises(ProtocolDesync):
            command.result(NO_REPLY)
        assert command.decode(b"O") is NEED_DATA
    assert command.result(Status.OK) is Status.OK


def test_a_shutdown_is_obeyed_by_closing() -> None:
    client, server = ClientConnection(), ServerConnection()
    server.receive_data(client.send(admin.Shutdown("graceful")))
    assert server.next_event() == admin.Shutdown("graceful")
    assert server.send(NO_REPLY) == b""
    assert server.must_close
    assert server.next_event() is CLOSED
    assert client.next_event() is NEED_DATA
    client.receive_data(b"")
    assert client.next_event() is NO_REPLY
    assert client.next_event() is CLOSED
    assert not client.is_idle
    admin.Shutdown().result(NO_REPLY)


def test_a_shutdown_that_is_cut_short_is_an_error_all_the_same() -> None:
    client = ClientConnection()
    client.send(admin.Shutdown())
    client.receive_data(b"SERVER_ERROR: shut")
    client.receive_data(b"")
    with pytest.raises(RemoteProtocolError):
        client.next_event()


def test_only_a_shutdown_is_answered_by_closing() -> None:
    server = ServerConnection()
    server.receive_data(b"refresh_certs\r\n")
    server.next_event()
    with pytest.raises(LocalProtocolError, match="has to be answered"):
        server.send(NO_REPLY)
    assert not server.must_close


# ----------------------------------------------------------------------------------------- stats

GROUPS: list[tuple[str | None, Stats | Status, bytes]] = [
    (None, Stats({"pid": "1"}), b"STAT pid 1\r\nEND\r\n"),
    ("items", Stats({"items:1:number": "5"}), b"STAT items:1:number 5\r\nEND\r\n"),
    ("slabs", Stats({"1:chunk_size": "96"}), b"STAT 1:chunk_size 96\r\nEND\r\n"),
    ("settings", Stats({"inter": "NULL"}), b"STAT inter NULL\r\nEND\r\n"),
    ("conns", Stats({"10:addr": "tcp:[::1]:5"}), b"STAT 10:addr tcp:[::1]:5\r\nEND\r\n"),
    ("extstore", Stats(), b"END\r\n"),
    ("sizes", Stats({"96": "1"}), b"STAT 96 1\r\nEND\r\n"),
    ("reset", Status.RESET, b"RESET\r\n"),
    ("detail on", Status.OK, b"OK\r\n"),
    ("detail off", Status.OK, b"OK\r\n"),
    (
        "detail dump",
        Stats({"pre": "get 2 hit 1 set 1 del 1"}),
        b"PREFIX pre get 2 hit 1 set 1 del 1\r\nEND\r\n",
    ),
    ("detail dump", Stats(), b"END\r\n"),
    ("cachedump 1 10", Stats({"foo": "[5 b; 0 s]"}), b"ITEM foo [5 b; 0 s]\r\nEND\r\n"),
]


@pytest.mark.parametrize(("group", "reply", "wire"), GROUPS)
def test_every_group_of_statistics_is_written_and_read(
    group: str | None, reply: Stats | Status, wire: bytes
) -> None:
    command = classic.Stats(group)
    server = ServerConnection()
    server.receive_data(command.encode())
    assert server.next_event() == command
    assert server.send(reply) == wire
    assert command.decode(wire) == (reply.entries if isinstance(reply, Stats) else {})


# --------------------------------------------------------------------------------------- helpers


def test_a_line_of_a_metadump_is_an_item() -> None:
    old = b"key=a%25b exp=-1 la=1795345221 cas=1 fetch=no cls=1 size=67"
    item = admin.DumpedItem(b"a%b", -1, 1795345221, 1, False, 1, 67)
    assert admin.DumpedItem.of(old) == item
    assert item.line() == old
    new = b"key=foo exp=1795345299 la=1795345222 cas=2 fetch=yes cls=39 size=671 flags=4294967295 "
    item = admin.DumpedItem(b"foo", 1795345299, 1795345222, 2, True, 39, 671, (1 << 32) - 1)
    assert admin.DumpedItem.of(new) == item
    assert item.line() == new


def test_percent_encoding_is_read_in_either_case() -> None:
    rest = b" exp=-1 la=1 cas=2 fetch=no cls=1 size=5"
    for key in (b"%c3%bc", b"%C3%BC", b"%c3%Bc"):
        assert admin.DumpedItem.of(b"key=" + key + rest).key == "ü".encode()


def test_what_is_new_in_a_metadump_is_passed_over() -> None:
    line = b"key=k exp=-1 la=1 cas=2 fetch=no ext=yes cls=1 size=5 what"
    assert admin.DumpedItem.of(line) == admin.DumpedItem(b"k", -1, 1, 2, False, 1, 5)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"END",
        b"key=k",
        b"key=k exp=-1 la=1 cas=2 fetch=maybe cls=1 size=5",
        b"key=k exp=x la=1 cas=2 fetch=no cls=1 size=5",
        b"key=k exp=--1 la=1 cas=2 fetch=no cls=1 size=5",
        b"key=k exp=-1 la=1 cas=-2 fetch=no cls=1 size=5",
        b"key=k exp=-1 la=1 cas=2 fetch=no cls=1 size=",
        b"key=%2 exp=-1 la=1 cas=2 fetch=no cls=1 size=5",
        b"key=% exp=-1 la=1 cas=2 fetch=no cls=1 size=5",
        b"key=%+1 exp=-1 la=1 cas=2 fetch=no cls=1 size=5",
        b"key=k exp=-1 la=1 cas=2 fetch=no cls=1 size=5 flags=x",
    ],
)
def test_a_line_that_is_no_item_is_refused(line: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        admin.DumpedItem.of(line)


@given(keys(), st.integers(-1, 1 << 40), U32, st.booleans(), st.none() | U32)
def test_an_item_survives_the_dump(
    key: bytes, expires: int, number: int, is_fetched: bool, flags: int | None
) -> None:
    item = admin.DumpedItem(key, expires, number, number, is_fetched, 1, number, flags)
    line = item.line()
    assert admin.DumpedItem.of(line) == item
    assert line.startswith(f"key={quote_from_bytes(key, safe='-._~')} ".encode())


@given(st.binary(max_size=80))
def test_the_helpers_understand_or_refuse(line: bytes) -> None:
    for understand in (admin.DumpedItem.of, admin.dumped_key, admin.log_pairs):
        with suppress(RemoteProtocolError):
            understand(line)


def test_a_line_of_a_mgdump_has_a_key() -> None:
    assert admin.dumped_key(b"mg foo") == b"foo"
    assert admin.dumped_key(b"mg Zm9v/w== b") == b"foo\xff"


@pytest.mark.parametrize(
    "line", [b"", b"mg", b"mg ", b"mg a b c", b"mg a c", b"md a", b"mg ! b", b"EN", b"mg a b"]
)
def test_a_line_that_is_no_key_is_refused(line: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        admin.dumped_key(line)


def test_a_line_of_a_log_has_names_and_values() -> None:
    line = b"ts=1795345224.674801 gid=2 type=item_get key=a%20b status=not_found size=0"
    assert admin.log_pairs(line) == (
        ("ts", "1795345224.674801"),
        ("gid", "2"),
        ("type", "item_get"),
        ("key", "a%20b"),
        ("status", "not_found"),
        ("size", "0"),
    )
    assert admin.log_pairs(b"ts=1 detail=x req=mg /log v =") == (
        ("ts", "1"),
        ("detail", "x"),
        ("req", "mg /log v ="),
    )


@pytest.mark.parametrize("line", [b"", b"skipped", b"=5 ts=1", b" ts=1"])
def test_a_line_without_a_name_is_refused(line: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        admin.log_pairs(line)
