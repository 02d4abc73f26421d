"""The store: memory as memcached divides it, and what there is to say about it."""

from __future__ import annotations

import pytest

from mcclient.embedded._store import Store
from mcproto import (
    BinaryReply,
    Command,
    ErrorReply,
    MetaReply,
    Number,
    Reply,
    Stats,
    Status,
    Values,
    admin,
    binary,
    classic,
    meta,
)

NOW = 1_800_000_000.0
MB = 1 << 20
NO_MEMORY = ErrorReply("SERVER_ERROR", "out of memory storing object")


def stats(store: Store, group: str | None = None) -> dict[str, str]:
    reply = store.handle(classic.Stats(group), NOW)
    assert isinstance(reply, Stats)
    return reply.entries


def fill(store: Store, number: int, size: int, name: str = "k") -> list[Reply]:
    """What is answered to so many items of so many bytes."""
    value = b"x" * size
    return [store.handle(classic.Set(f"{name}{n}", value), NOW + n) for n in range(number)]


# How many items of a size memcached 1.6.18 had evicted: what fits, pages and all.
EVICTED = [
    ({"memory": 3 * MB}, 40, 66_560, 4),
    ({"memory": 64 * MB, "chunk_max": MB}, 101, MB - 250, 37),
    ({"memory": 64 * MB}, 101, MB - 250, 38),
]


@pytest.mark.parametrize(("options", "number", "size", "evicted"), EVICTED)
def test_as_many_items_fit_as_in_memcached(
    options: dict[str, int], number: int, size: int, evicted: int
) -> None:
    store = Store(**options)  # type: ignore[arg-type]
    assert set(fill(store, number, size)) == {Status.STORED}
    assert stats(store)["evictions"] == str(evicted)
    found = store.handle(classic.GetMany([f"k{n}" for n in range(number)]), NOW)
    assert isinstance(found, Values)
    assert [item.key for item in found.items] == [b"k%d" % n for n in range(evicted, number)]


def test_a_class_gives_way_to_none_but_its_own() -> None:
    store = Store(memory=2 * MB)
    fill(store, 5, 100, "small")
    fill(store, 50, 66_560, "large")
    assert stats(store, "items")["items:4:number"] == "5"
    assert stats(store, "items")["items:31:evicted"] == "38"


def test_its_pages_and_chunks_are_shown() -> None:
    store = Store()
    assert stats(store, "slabs") == {"active_slabs": "0", "total_malloced": "0"}
    fill(store, 1, 100)
    fill(store, 1, 600_000, "large")
    store.handle(classic.GetMany(["k0", "k1"]), NOW)
    store.handle(classic.Touch("k0", 0), NOW)
    slabs = stats(store, "slabs")
    assert {name: slabs[f"4:{name}"] for name in ("chunk_size", "chunks_per_page")} == {
        "chunk_size": "192",
        "chunks_per_page": "5461",
    }
    used = {name: value for name, value in slabs.items() if "used" in name}
    # The larger one is a whole chunk, the rest, and what leads them.
    assert used == {
        "2:used_chunks": "1",
        "4:used_chunks": "1",
        "31:used_chunks": "1",
        "39:used_chunks": "1",
    }
    assert slabs["4:get_hits"] == slabs["4:cmd_set"] == slabs["4:touch_hits"] == "1"
    assert (slabs["active_slabs"], slabs["total_malloced"]) == ("4", str(4 * MB))
    store.handle(classic.Delete("large0"), NOW)
    assert stats(store, "slabs")["39:used_chunks"] == stats(store, "slabs")["2:used_chunks"] == "0"


def test_pages_can_be_moved() -> None:
    store = Store(memory=4 * MB)
    fill(store, 40, 66_560)
    fill(store, 1, 100, "small")
    before = stats(store, "slabs")
    assert (before["31:total_pages"], before["4:total_pages"]) == ("4", "1")
    assert store.handle(admin.SlabsReassign(31, 4), NOW) is Status.OK
    assert store.handle(admin.SlabsReassign(-1, 4), NOW) is Status.OK
    after = stats(store, "slabs")
    assert (after["31:total_pages"], after["4:total_pages"]) == ("2", "3")
    assert after["31:used_chunks"] == "24"
    assert store.handle(admin.SlabsReassign(4, 0), NOW) is Status.OK
    assert stats(store)["slabs_moved"] == "3"
    assert store.handle(admin.SlabsReassign(9, 4), NOW) == ErrorReply(
        "NOSPARE", "source class has no spare pages"
    )


def test_without_evictions_what_has_no_room_is_an_error() -> None:
    store = Store(memory=2 * MB, evictions=False)
    assert fill(store, 25, 100_000) == [Status.STORED] * 20 + [NO_MEMORY] * 5
    full: list[tuple[Command[object], Reply]] = [
        (classic.Add("new", b"x" * 100_000), NO_MEMORY),
        (meta.Set("k1", b"x" * 100_000), NO_MEMORY),  # which has removed the old one, and
        (meta.Set("k1", b"x" * 100_000), MetaReply("HD")),  # so there is room
        (binary.Set("k2", b"x" * 100_000), BinaryReply(binary.OUT_OF_MEMORY)),
        (classic.Get("k2"), Values()),
        (classic.Set("n", b"9"), Status.STORED),
        (classic.Incr("n", 1), Number(10)),
    ]
    for command, reply in full:
        assert store.handle(command, NOW) == reply
    counts = stats(store)
    assert (counts["evictions"], counts["store_no_memory"]) == ("0", "8")
    assert stats(store, "settings")["evictions"] == "off"


def test_but_what_has_expired_makes_room_and_what_would_grow_stays() -> None:
    store = Store(memory=1024, evictions=False)
    store.handle(classic.Set("a", b"x" * 400, exptime=5), NOW)
    store.handle(classic.Set("n", b"9"), NOW)
    assert store.handle(classic.Set("b", b"x" * 600), NOW) == NO_MEMORY
    assert store.handle(classic.Append("a", b"x" * 100), NOW) is Status.NOT_STORED
    assert store.handle(classic.Set("b", b"x" * 500), NOW + 9) is Status.STORED
    store.handle(classic.Set("c", b"x" * (1024 - store.items.taken - 60)), NOW)
    assert store.items.taken == 1024
    in_vain = ErrorReply("SERVER_ERROR", "out of memory in incr")
    assert store.handle(classic.Incr("n"), NOW) == in_vain
    assert store.handle(binary.Incr("n"), NOW) == BinaryReply(binary.OUT_OF_MEMORY)
    assert store.handle(binary.Incr("m", initial=1), NOW) == BinaryReply(binary.OUT_OF_MEMORY)
    assert store.handle(meta.Get("m", N=5), NOW) == NO_MEMORY
    assert store.handle(meta.Arithmetic("m", N=5), NOW) == NO_MEMORY


def test_without_uniques_no_comparison_holds() -> None:
    store = Store(cas=False)
    store.handle(classic.Set("k", b"v"), NOW)
    found = store.handle(classic.Gets("k"), NOW)
    assert isinstance(found, Values)
    assert found.items[0].cas == 0
    for unique in (0, 1):
        assert store.handle(classic.Cas("k", b"w", unique), NOW) is Status.EXISTS
    assert store.handle(binary.Set("k", b"w", cas=1), NOW) == BinaryReply()


def test_sizes_are_shown_where_they_are_tracked() -> None:
    store = Store(track_sizes=True)
    fill(store, 3, 1)
    fill(store, 1, 100, "j")
    assert stats(store, "sizes") == {"64": "3", "192": "1"}


def test_prefixes_are_counted_while_that_is_on() -> None:
    store = Store(prefix_delimiter="/")
    store.handle(classic.Set("a/b", b"v"), NOW)
    assert store.handle(classic.Stats("detail on"), NOW) is Status.OK
    for command in (
        classic.Set("a/b/c", b"v"),
        classic.Get("a/b/c"),
        classic.GatMany(["a/b", "a/x"], 0),
        classic.Delete("b/x"),
        classic.Set("none", b"v"),
        meta.Get("a/b", v=True),
        binary.Add("b/y", b"v"),
        binary.Touch("b/y", 0),
        binary.Append("b/y", b"v"),
        binary.Delete("b/y"),
    ):
        store.handle(command, NOW)
    counted = {"a": "get 3 hit 2 set 1 del 0", "b": "get 1 hit 1 set 2 del 2"}
    assert stats(store, "detail dump") == counted
    text = "".join([f"PREFIX {name} {said}\r\n" for name, said in counted.items()]) + "END\r\n"
    assert store.handle(binary.Stat("detail dump"), NOW) == Stats({"detailed": text})
    assert store.handle(classic.Stats("detail off"), NOW) is Status.OK
    store.handle(classic.Get("a/b"), NOW)
    assert stats(store, "detail dump") == counted
    store.handle(classic.Stats("reset"), NOW)
    assert stats(store, "detail dump") == {}


def test_who_asks_for_what_a_flush_has_taken_is_counted_once() -> None:
    store = Store()
    fill(store, 3, 1)
    store.handle(classic.FlushAll(), NOW)
    store.handle(classic.GetMany(["k0", "k0", "k1", "x"]), NOW)
    counts = stats(store)
    assert (counts["get_flushed"], counts["get_misses"]) == ("2", "4")
