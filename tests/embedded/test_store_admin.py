"""The store: what is answered to those who look after servers."""

from __future__ import annotations

import pytest

from mcclient import Client, CommandFailed
from mcclient.embedded import MemoryServer
from mcclient.embedded._store import Store
from mcproto import (
    Command,
    ErrorReply,
    InvalidArgument,
    Lines,
    Reply,
    ServerConnection,
    Stats,
    Status,
    Stream,
    Values,
    admin,
    classic,
    meta,
)

NOW = 1_800_000_000.25


def filled(like: str = "1.6.45") -> Store:
    store = Store(like=like)
    for command in (
        classic.Set("a b".replace(" ", "%"), b"x"),
        classic.Set("short", b"x" * 100, exptime=60),
        classic.Set("gone", b"x", exptime=-1),
        meta.Set("Zm9v/w==", b"x", b=True, F=7),
        classic.Get("short"),
    ):
        store.handle(command, NOW)
    return store


def dumped(store: Store, classes: tuple[int, ...] | str = "all") -> list[admin.DumpedItem]:
    reply = store.handle(admin.Metadump(classes), NOW + 10)  # type: ignore[arg-type]
    assert isinstance(reply, Lines)
    return [admin.DumpedItem.of(line) for line in reply.lines]


def test_a_metadump_lists_every_item_that_lives() -> None:
    start = int(NOW)
    assert dumped(filled()) == [
        admin.DumpedItem(b"a%b", -1, start, 2, False, 1, 63, 0),
        admin.DumpedItem(b"foo\xff", -1, start, 5, False, 1, 68, 7),
        admin.DumpedItem(b"short", start + 60, start, 3, True, 4, 164, 0),
    ]
    assert [item.key for item in dumped(filled(), (4, 5))] == [b"short"]
    assert dumped(filled(), (2,)) == []
    assert [item.flags for item in dumped(filled("1.6.18"), "hash")] == [None] * 3


def test_a_mgdump_lists_their_keys_as_they_were_stored() -> None:
    reply = filled().handle(admin.Mgdump(), NOW)
    assert reply == Lines([b"mg a%b", b"mg Zm9v/w== b", b"mg short"])


def test_without_a_crawler_there_are_no_dumps() -> None:
    store = filled()
    disabled = ErrorReply("CLIENT_ERROR", "lru crawler disabled")
    running = ErrorReply("ERROR", "failed to start lru crawler thread")
    assert store.handle(admin.LruCrawlerEnable(), NOW) == running
    for _ in range(2):
        assert store.handle(admin.LruCrawlerDisable(), NOW) is Status.OK
    for command in (admin.LruCrawlerCrawl(), admin.Metadump(), admin.Mgdump()):
        assert store.handle(command, NOW) == disabled
    assert store.handle(admin.LruCrawlerEnable(), NOW) is Status.OK
    assert store.handle(admin.LruCrawlerCrawl(), NOW) is Status.OK
    assert len(dumped(store)) == 3


def test_the_crawler_removes_what_has_expired() -> None:
    store = filled()
    for number in range(30):
        store.handle(classic.Set(f"short{number}", b"ok", exptime=1), NOW)
    assert store.handle(admin.LruCrawlerCrawl((2, 3)), NOW + 5) is Status.OK
    assert len(store.items) == 34
    assert store.handle(admin.LruCrawlerCrawl(), NOW + 5) is Status.OK
    assert len(store.items) == 3  # one had expired before it was stored
    counts = stats_of(store)
    assert (counts["crawler_reclaimed"], counts["crawler_items_checked"]) == ("31", "34")
    assert counts["lru_crawler_starts"] == "2"
    assert stats_of(store, "items")["items:1:crawler_reclaimed"] == "31"


def test_what_is_set_and_changes_nothing_is_shown_all_the_same() -> None:
    store = Store()
    for command in (
        admin.LruTune(10, 25, 0.1, 2),
        admin.LruMode("flat"),
        admin.LruTempTtl(60),
        admin.LruCrawlerSleep(7),
        admin.LruCrawlerTocrawl(5),
        admin.LruCrawlerDisable(),
        admin.SlabsAutomove(2),
        admin.SlabsAutomoveRatio(0.5),
        admin.SlabsAutomoveWindow(9),
        admin.SlabsAutomoveFreeratio(0.25),
    ):
        assert store.handle(command, NOW) is Status.OK
    shown = {
        "hot_lru_pct": "10",
        "warm_lru_pct": "25",
        "hot_max_factor": "0.10",
        "warm_max_factor": "2.00",
        "lru_segmented": "no",
        "temp_lru": "yes",
        "temporary_ttl": "60",
        "lru_crawler": "no",
        "lru_crawler_sleep": "7",
        "lru_crawler_tocrawl": "5",
        "slab_automove": "2",
        "slab_automove_ratio": "0.50",
        "slab_automove_window": "9",
        "slab_automove_freeratio": "0.250",
    }
    assert shown.items() <= stats_of(store, "settings").items()
    store.handle(admin.LruTempTtl(-1), NOW)
    assert stats_of(store, "settings")["temp_lru"] == "no"


def stats_of(store: Store, group: str | None = None) -> dict[str, str]:
    reply = store.handle(classic.Stats(group), NOW)
    assert isinstance(reply, Stats)
    return reply.entries


def test_a_new_limit_is_in_force_at_once() -> None:
    store = Store(memory=64 << 20)
    for number in range(20):
        store.handle(classic.Set(f"k{number}", b"x" * (1 << 20 >> 1)), NOW)
    store.handle(classic.Get("k0"), NOW)
    assert store.handle(admin.CacheMemlimit(8), NOW) is Status.OK
    assert store.items.taken <= 8 << 20
    # Each is a chunk of half a page, and two small ones; a page for each of those is gone, too.
    assert len(store.items) == 12
    kept = store.handle(classic.GetMany(["k0", "k1", "k19"]), NOW)
    assert isinstance(kept, Values)
    assert [item.key for item in kept.items] == [b"k0", b"k19"]
    settings = store.handle(classic.Stats("settings"), NOW)
    assert isinstance(settings, Stats)
    assert settings.entries["maxbytes"] == str(8 << 20)
    assert store.items.counts["evictions"] == 8


ANSWERS: list[tuple[Command[object], Reply]] = [
    (admin.SlabsReassign(1, 2), ErrorReply("NOSPARE", "source class has no spare pages")),
    (admin.SlabsReassign(39, 0), ErrorReply("NOSPARE", "source class has no spare pages")),
    (admin.SlabsReassign(2, 2), ErrorReply("SAME", "src and dst class are identical")),
    (admin.SlabsReassign(-1, 1), ErrorReply("BADCLASS", "invalid src or dst class id")),
    (admin.SlabsReassign(40, 1), ErrorReply("BADCLASS", "invalid src or dst class id")),
    (admin.SlabsReassign(1, 40), ErrorReply("BADCLASS", "invalid src or dst class id")),
    (admin.SlabsAutomove(0), Status.OK),
    (admin.SlabsAutomoveRatio(0.5), Status.OK),
    (admin.SlabsAutomoveFreeratio(0.5), Status.OK),
    (admin.SlabsAutomoveWindow(5), Status.OK),
    (admin.LruTune(10, 25, 0.1, 2), Status.OK),
    (admin.LruMode("flat"), Status.OK),
    (admin.LruTempTtl(60), Status.OK),
    (admin.LruCrawlerSleep(5), Status.OK),
    (admin.LruCrawlerTocrawl(5), Status.OK),
    (admin.Extstore("item_age", 5), Status.OK),
    (admin.ExtstoreFreeMemchunks(1, 5), Status.OK),
    (admin.Watch(), ErrorReply("CLIENT_ERROR", "watch commands not allowed")),
    (admin.Shutdown(), ErrorReply("SERVER_ERROR:", "shutdown not enabled")),
    (admin.RefreshCerts(), ErrorReply("Error", "TLS not enabled")),
    (admin.Debugtime(5), ErrorReply("ERROR")),
    (admin.Authenticate("alice", "s3cr"), ErrorReply("ERROR")),
]


@pytest.mark.parametrize(("command", "reply"), ANSWERS)
def test_what_cannot_be_done_is_refused_in_memcacheds_words(
    command: Command[object], reply: Reply
) -> None:
    assert Store().handle(command, NOW) == reply


def test_older_servers_refuse_to_shut_down_in_other_words() -> None:
    reply = Store(like="1.6.18").handle(admin.Shutdown(), NOW)
    assert reply == ErrorReply("ERROR:", "shutdown not enabled")


@pytest.mark.parametrize("like", ["1.6.18", "1.6.45"])
@pytest.mark.parametrize(("command", "reply"), ANSWERS[:-1])
def test_every_answer_can_be_sent(command: Command[object], reply: Reply, like: str) -> None:
    server = ServerConnection(like=like)
    server.receive_data(command.encode())
    event = server.next_event()
    server.send(Store(like=like).handle(event, NOW))  # type: ignore[arg-type]


CACHEDUMPS: list[tuple[str, Reply]] = [
    ("cachedump", ErrorReply("CLIENT_ERROR", "bad command line")),
    ("cachedump 1", ErrorReply("CLIENT_ERROR", "bad command line")),
    ("cachedump x 1", ErrorReply("CLIENT_ERROR", "bad command line format")),
    ("cachedump 1 -1", ErrorReply("CLIENT_ERROR", "bad command line format")),
    ("cachedump 64 1", ErrorReply("CLIENT_ERROR", "Illegal slab id")),
    ("cachedump 63 1", Stats()),
    ("cachedump 4 0", Stats({"short": "[100 b; 1800000060 s]"})),
    ("cachedump 1 1", Stats({"foo\\xff": "[1 b; 0 s]"})),
    ("sizes", Stats({"sizes_status": "disabled"})),
]


@pytest.mark.parametrize(("group", "reply"), CACHEDUMPS)
def test_some_groups_of_statistics_are_about_items(group: str, reply: Reply) -> None:
    assert filled().handle(classic.Stats(group), NOW) == reply


def test_a_cachedump_ends_before_it_gets_too_large() -> None:
    store = Store()
    for number in range(10_000):
        store.handle(classic.Set(f"k{number}".ljust(250, "x"), b""), NOW)
    slab_class = dumped(store)[0].slab_class
    reply = store.handle(classic.Stats(f"cachedump {slab_class} 0"), NOW)
    assert isinstance(reply, Stats)
    assert 1000 < len(reply.entries) < 10_000


def test_a_client_gets_answers_and_errors() -> None:
    with MemoryServer() as server, Client(server.address) as client:
        client.set("k", b"v")
        (line,) = client.execute(admin.Metadump())
        assert admin.DumpedItem.of(line).key == b"k"
        assert client.execute(admin.LruMode("flat")) is Status.OK
        assert client.execute(admin.CacheMemlimit(64, noreply=True)) is None
        with pytest.raises(CommandFailed, match="SAME src and dst") as caught:
            client.execute(admin.SlabsReassign(1, 1))
        assert caught.value.reply == ErrorReply("SAME", "src and dst class are identical")
        for stream in (Stream(classic.Stats()), Stream(admin.Metadump()), admin.Watch()):
            with pytest.raises(InvalidArgument, match="command must have one reply"):
                client.execute(stream)
        assert client.get("k") == b"v"


def test_nothing_of_a_password_is_remembered_in_words() -> None:
    with MemoryServer() as server:
        server.handle(admin.Authenticate("alice", "s3cr"))
        assert "s3cr" not in repr(server.commands)
