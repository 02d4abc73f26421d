"""The store: memcached's semantics, with the time as an argument."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcclient.embedded._store import Store
from mcproto import (
    BadRequest,
    Command,
    ErrorReply,
    Flight,
    InvalidArgument,
    Item,
    MetaReply,
    Number,
    Reply,
    ServerConnection,
    Stats,
    Status,
    Text,
    Values,
    classic,
    meta,
)
from mcproto.testing import commands

NOW = 1_800_000_000.25
MONTH = 30 * 24 * 3600
TOO_LARGE = ErrorReply("SERVER_ERROR", "object too large for cache")
NO_MEMORY = ErrorReply("SERVER_ERROR", "out of memory storing object")
NOT_A_NUMBER = ErrorReply("CLIENT_ERROR", "cannot increment or decrement non-numeric value")


class Cache:
    """A store and the time, which goes by only when it is told to."""

    def __init__(self, **limits: int) -> None:
        self.store = Store(**limits)
        self.now = NOW

    def ask(self, command: Command[object]) -> Reply:
        return self.store.handle(command, self.now)

    def get(self, key: str) -> bytes | None:
        reply = self.ask(classic.Get(key))
        assert isinstance(reply, Values)
        return reply.items[0].value if reply.items else None

    def cas(self, key: str) -> int:
        reply = self.ask(meta.Get(key, c=True, u=True))
        assert isinstance(reply, MetaReply)
        unique = reply.number("c")
        assert unique is not None
        return unique

    def flags(self, command: Command[object]) -> str:
        """The reply to a meta command: code and flags, as they stand on the wire."""
        connection = ServerConnection()
        connection.receive_data(command.encode())
        connection.next_event()
        return connection.send(self.ask(command)).partition(b"\r\n")[0].decode()

    def counts(self, group: str | None = None) -> dict[str, str]:
        reply = self.ask(classic.Stats(group))
        assert isinstance(reply, Stats)
        return reply.entries


# ------------------------------------------------------------------------------------------ expiry


@pytest.mark.parametrize(
    ("exptime", "lives"),
    [
        (0, inf),
        (1, 1),
        (60, 60),
        (MONTH, MONTH),
        (MONTH + 1, 0),  # a moment in 1970
        (int(NOW) - 1, 0),
        (int(NOW) + 61, 60.75),
        ((1 << 31) - 1, (1 << 31) - 1 - NOW),
        (-1, 0),
        (-(1 << 31), 0),
    ],
)
def test_an_item_lives_as_long_as_its_exptime_says(exptime: int, lives: float) -> None:
    storing: list[Command[object]] = [
        classic.Set("k", b"v", exptime=exptime),
        classic.Add("k", b"v", exptime=exptime),
        meta.Set("k", b"v", T=exptime),
        meta.Set("k", b"v", M="A", N=exptime),
    ]
    for command in storing:
        cache = Cache()
        assert cache.ask(command) in (Status.STORED, MetaReply("HD"))
        if lives:
            cache.now = NOW + min(lives - 0.01, 1e9)
            assert cache.get("k") == b"v"
        cache.now = NOW + min(lives, 1e9)
        assert cache.get("k") == (b"v" if lives == inf else None)


@pytest.mark.parametrize(
    "command",
    [classic.Touch("k", 50), classic.Gat("k", 50), meta.Get("k", T=50)],
    ids=["touch", "gat", "mg T"],
)
def test_a_touch_counts_from_when_it_is_made(command: Command[object]) -> None:
    cache = Cache()
    cache.ask(classic.Set("k", b"v", exptime=100))
    cache.now += 90
    cache.ask(command)
    cache.now += 49
    assert cache.get("k") == b"v"
    cache.now += 1
    assert cache.get("k") is None
    assert cache.ask(command) in (Status.NOT_FOUND, Values(), MetaReply("EN"))


def test_the_ttl_is_shown_in_seconds_rounded_up() -> None:
    cache = Cache()
    cache.ask(classic.Set("k", b"v", exptime=100))
    shown = []
    for seconds in (0, 0.5, 0.5, 98, 0.9):
        cache.now += seconds
        shown.append(cache.flags(meta.Get("k", t=True)))
    assert shown == ["HD t100", "HD t100", "HD t99", "HD t1", "HD t1"]
    assert cache.flags(meta.Get("k", T=0)) == "HD"
    assert cache.flags(meta.Get("k", t=True)) == "HD t-1"


def test_a_negative_ttl_is_shown_as_very_many_seconds() -> None:
    cache = Cache()
    assert cache.flags(meta.Arithmetic("n", N=-1, t=True)) == "HD t4294967295"


def test_a_vivified_item_has_no_value_and_the_ttl_that_was_asked_for() -> None:
    cache = Cache()
    assert cache.flags(meta.Get("k", N=30, t=True, v=True)) == "VA 0 t30 W"
    cache.now += 29
    assert cache.get("k") == b""
    cache.now += 1
    assert cache.get("k") is None


def test_seconds_since_the_last_access() -> None:
    cache = Cache()
    cache.ask(classic.Set("k", b"v"))
    cache.now += 5
    assert cache.flags(meta.Get("k", l=True, h=True, u=True)) == "HD h0 l5"
    assert cache.flags(meta.Get("k", l=True, h=True)) == "HD h0 l5"
    cache.now += 7.5
    assert cache.flags(meta.Get("k", l=True, h=True)) == "HD h1 l7"
    assert cache.flags(meta.Debug("k")).split()[2:6] == ["exp=-1", "la=0", "cas=2", "fetch=yes"]


# ------------------------------------------------------------------------------------------- flush


@pytest.mark.parametrize("delay", [0, 10, int(NOW) + 10])
def test_a_flush_hides_what_was_stored_before_it_and_nothing_else(delay: int) -> None:
    cache = Cache()
    cache.ask(classic.Set("old", b"v"))
    assert cache.ask(classic.FlushAll(delay)) is Status.OK
    if delay:
        cache.ask(classic.Set("older", b"v"))
        cache.now += 9
        assert cache.get("old") == b"v"
        cache.now += 1
    assert cache.get("old") is None
    assert cache.get("older") is None
    cache.ask(classic.Set("new", b"v"))
    cache.now += 100
    assert cache.get("new") == b"v"


def test_the_last_flush_is_in_force() -> None:
    cache = Cache()
    cache.ask(classic.FlushAll(10))
    cache.ask(classic.FlushAll(20))
    cache.ask(classic.Set("k", b"v"))
    cache.now += 15
    assert cache.get("k") == b"v"
    cache.ask(classic.FlushAll())
    cache.ask(classic.Set("k", b"v"))
    cache.now += 15
    assert cache.get("k") == b"v"


# --------------------------------------------------------------------------------------------- cas


def test_every_change_gives_a_new_unique_and_a_touch_does_not() -> None:
    cache = Cache()
    changes: list[Command[object]] = [
        classic.Set("k", b"10"),
        classic.Append("k", b"1"),
        classic.Incr("k"),
        classic.Decr("k", 100),
        classic.Incr("k", 1 << 60),
        classic.Replace("k", b"1"),
        meta.Set("k", b"2"),
        meta.Arithmetic("k"),
        meta.Delete("k", I=True),
        meta.Delete("k", x=True),
    ]
    seen = []
    for change in changes:
        cache.ask(change)
        seen.append(cache.cas("k"))
    assert seen == sorted(set(seen))
    for touch in (classic.Touch("k", 9), classic.Gat("k", 9), meta.Get("k", T=9, v=True)):
        cache.ask(touch)
    assert cache.cas("k") == seen[-1]
    cache.ask(classic.Set("other", b""))
    assert cache.cas("other") > seen[-1]


def test_a_unique_can_be_asked_for() -> None:
    cache = Cache()
    assert cache.flags(meta.Set("k", b"1", E=1000, c=True)) == "HD c1000"
    assert cache.flags(meta.Arithmetic("k", E=77, c=True)) == "HD c77"
    assert cache.flags(meta.Get("v", N=0, E=5, c=True)) == "HD c5 W"
    assert cache.ask(classic.Cas("k", b"2", 77)) is Status.STORED
    assert cache.cas("k") < 77  # the counter goes its own way
    assert cache.flags(meta.Set("k", b"1", E=0)) == "HD"  # 0 is none
    assert 0 < cache.cas("k") < 77


@pytest.mark.parametrize(
    ("mode", "fits", "does_not", "missing"),
    [
        (None, "HD", "EX", "NF"),
        ("S", "HD", "EX", "NF"),
        ("R", "HD", "EX", "NF"),
        ("A", "HD", "EX", "NS"),
        ("P", "HD", "EX", "NS"),
        ("E", "NS", "NS", "HD"),
    ],
)
def test_a_compared_unique_counts_in_every_mode_but_add(
    mode: str | None, fits: str, does_not: str, missing: str
) -> None:
    cache = Cache()
    cache.ask(classic.Set("k", b"v"))
    assert cache.flags(meta.Set("k", b"x", M=mode, C=99)) == does_not  # type: ignore[arg-type]
    assert cache.flags(meta.Set("k", b"x", M=mode, C=cache.cas("k"))) == fits  # type: ignore[arg-type]
    assert cache.flags(meta.Set("none", b"x", M=mode, C=99)) == missing  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------- arithmetic


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (b"0", 0),
        (b"+5", 5),
        (b" \t5", 5),
        (b"5 x", 5),
        (b"5\r\n6", 5),
        (b"5\0junk", 5),
        (b"0" * 5000 + b"7", 7),
        (b"18446744073709551615", (1 << 64) - 1),
        (b"18446744073709551616", None),
        (b"9" * 5000, None),
        (b"", None),
        (b" ", None),
        (b"+", None),
        (b"-5", None),
        (b"5x", None),
        (b"0x10", None),
        (b"\xb2", None),
    ],
)
def test_what_counts_as_a_number(value: bytes, number: int | None) -> None:
    cache = Cache()
    cache.ask(classic.Set("n", value))
    expected = NOT_A_NUMBER if number is None else Number(number)
    assert cache.ask(classic.Incr("n", 0)) == expected
    if number is None:
        assert cache.get("n") == value


@given(st.integers(0, (1 << 64) - 1), st.integers(0, (1 << 64) - 1), st.booleans())
def test_numbers_go_around_upwards_and_stop_at_0_downwards(
    start: int, delta: int, down: bool
) -> None:
    cache = Cache()
    cache.ask(classic.Set("n", b"%d" % start, flags=7))
    number = max(start - delta, 0) if down else (start + delta) % (1 << 64)
    command = classic.Decr if down else classic.Incr
    assert cache.ask(command("n", delta)) == Number(number)
    # What has become shorter is filled up with blanks.
    stored = (b"%d" % number).ljust(len(b"%d" % start))
    assert cache.ask(classic.Get("n")) == Values([Item(b"n", 7, stored)])
    cache.ask(meta.Set("m", b"%d" % start))
    mode = "D" if down else "I"
    reply = cache.ask(meta.Arithmetic("m", D=delta, M=mode, v=True))
    assert reply == MetaReply("VA", [], b"%d" % number)
    assert cache.get("m") == stored


def test_what_is_marked_stays_so_while_a_number_keeps_its_place() -> None:
    cache = Cache()
    cache.ask(classic.Set("n", b"8"))
    cache.ask(meta.Delete("n", I=True))
    cache.ask(meta.Arithmetic("n"))
    assert cache.flags(meta.Get("n", v=True)) == "VA 1 X W"
    cache.ask(meta.Arithmetic("n"))  # 10: a new item
    assert cache.flags(meta.Get("n", v=True)) == "VA 2"


# ----------------------------------------------------------------------------------- stale and won


def test_one_client_wins_a_stale_item_and_the_others_are_told() -> None:
    cache = Cache()
    cache.ask(classic.Set("k", b"v"))
    cache.ask(meta.Delete("k", I=True, T=30))
    assert [cache.flags(meta.Get("k")) for _ in range(3)] == ["HD X W", "HD Z X", "HD Z X"]
    assert cache.get("k") == b"v"
    cache.ask(meta.Delete("k", I=True))
    assert cache.flags(meta.Get("k")) == "HD X W"  # anew


@pytest.mark.parametrize("mode", ["S", "R", "A", "P"])
def test_whatever_is_stored_ends_that(mode: str) -> None:
    cache = Cache()
    cache.ask(classic.Set("k", b"v"))
    cache.ask(meta.Delete("k", I=True))
    cache.ask(meta.Get("k"))
    assert cache.flags(meta.Set("k", b"x", M=mode)) == "HD"  # type: ignore[arg-type]
    assert cache.flags(meta.Get("k")) == "HD"


def test_an_older_unique_stores_a_value_that_is_stale_already() -> None:
    cache = Cache()
    cache.ask(classic.Set("k", b"v"))
    before = cache.cas("k")
    cache.ask(meta.Delete("k", I=True, T=30))
    assert cache.flags(meta.Set("k", b"x", C=before)) == "EX"
    assert cache.flags(meta.Set("k", b"x", C=before, I=True, T=500)) == "HD"
    assert cache.flags(meta.Get("k", t=True, v=True)) == "VA 1 t30 X W"
    assert cache.flags(meta.Set("k", b"x", C=1 << 60, I=True)) == "EX"


def test_who_comes_first_when_time_is_short_is_to_recache() -> None:
    cache = Cache()
    cache.ask(classic.Set("k", b"v", exptime=60))
    assert cache.flags(meta.Get("k", R=30)) == "HD"
    cache.now += 31
    assert [cache.flags(meta.Get("k", R=30)) for _ in range(2)] == ["HD W", "HD Z"]
    cache.ask(classic.Set("forever", b"v"))
    assert cache.flags(meta.Get("forever", R=30)) == "HD"


def test_a_value_that_is_known_is_left_out() -> None:
    cache = Cache()
    cache.ask(classic.Set("k", b"v"))
    unique = cache.cas("k")
    assert cache.flags(meta.Get("k", v=True, s=True, C=unique)) == "HD s1"
    assert cache.flags(meta.Get("k", v=True, s=True, C=unique + 1)) == "VA 1 s1"


def test_a_value_can_be_emptied_and_the_item_kept() -> None:
    cache = Cache()
    cache.ask(classic.Set("k", b"v", flags=5, exptime=60))
    assert cache.flags(meta.Delete("k", x=True)) == "HD"
    assert cache.flags(meta.Get("k", v=True, f=True, t=True)) == "VA 0 f0 t-1"
    assert cache.flags(meta.Delete("k", x=True, F=9, T=30, I=True)) == "HD"
    assert cache.flags(meta.Get("k", v=True, f=True, t=True)) == "VA 0 f9 t30 X W"


# ------------------------------------------------------------------------------------------ limits


def test_an_item_is_as_large_as_in_memcached() -> None:
    cache = Cache()
    largest = (1 << 20) - 59 - 3
    assert cache.ask(classic.Set("key", b"x" * largest)) is Status.STORED
    assert cache.ask(classic.Set("key", b"x" * (largest + 1))) == TOO_LARGE
    assert cache.ask(classic.Set("key", b"x" * (largest - 4), flags=1)) is Status.STORED
    assert cache.ask(classic.Set("key", b"x" * (largest - 3), flags=1)) == TOO_LARGE
    assert Cache(item_size=1024).ask(classic.Set("k", b"x" * 965)) == TOO_LARGE
    assert Cache(item_size=1024).ask(classic.Set("k", b"x" * 964)) is Status.STORED


LARGE = b"x" * 1000
TOO_LARGE_STORING: list[tuple[Command[object], bool]] = [
    (classic.Set("k", LARGE), False),
    (classic.Add("k", LARGE), True),
    (classic.Replace("k", LARGE), True),
    (classic.Append("k", LARGE), True),
    (classic.Prepend("k", LARGE), True),
    (classic.Cas("k", LARGE, 1), True),
    (meta.Set("k", LARGE), False),
    (meta.Set("k", LARGE, M="E"), False),
    (meta.Set("aw==", LARGE, b=True, q=True), False),
]


@pytest.mark.parametrize(("command", "stays"), TOO_LARGE_STORING)
@pytest.mark.parametrize(
    ("limits", "error"),
    [({"item_size": 1024}, TOO_LARGE), ({"memory": 1024}, NO_MEMORY)],
    ids=["item_size", "memory"],
)
def test_what_cannot_be_stored_may_take_the_old_value_with_it(
    command: Command[object], stays: bool, limits: dict[str, int], error: ErrorReply
) -> None:
    cache = Cache(**limits)
    cache.ask(classic.Set("k", b"old"))
    assert cache.ask(command) == error
    assert cache.get("k") == (b"old" if stays else None)


def test_so_does_what_the_connection_has_not_even_read() -> None:
    cache = Cache()
    cache.ask(classic.Set("k", b"old"))
    refused = BadRequest(TOO_LARGE)
    assert cache.store.handle(refused, NOW) == TOO_LARGE
    assert cache.get("k") == b"old"
    refused = BadRequest(TOO_LARGE, removes=b"k")
    assert cache.store.handle(refused, NOW) == TOO_LARGE
    assert cache.get("k") is None
    assert cache.store.handle(refused, NOW) == TOO_LARGE


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (classic.Append("k", b"x" * 500), Status.NOT_STORED),
        (classic.Prepend("k", b"x" * 500), Status.NOT_STORED),
        (meta.Set("k", b"x" * 500, M="A", s=True), MetaReply("NS", [("s", b"500")])),
    ],
)
def test_what_would_grow_too_large_stays_as_it_is(command: Command[object], answer: Reply) -> None:
    cache = Cache(item_size=1024)
    cache.ask(classic.Set("k", b"x" * 500))
    assert cache.ask(command) == answer
    assert cache.get("k") == b"x" * 500


def fill(cache: Cache, *names: str) -> None:
    for name in names:
        assert cache.ask(classic.Set(name, b"x" * 240)) is Status.STORED  # takes 300 bytes


def there(cache: Cache) -> str:
    return "".join([item.key.decode() for item in cache.store.items])


@pytest.mark.parametrize(
    ("use", "left"),
    [
        (classic.Get("a"), "ca"),
        (classic.Gat("a", 0), "ca"),
        (classic.Touch("a", 0), "ca"),
        (classic.Add("a", b""), "ca"),
        (classic.Append("a", b""), "ca"),
        (classic.Set("a", b"x" * 240), "ca"),
        (meta.Get("a"), "ca"),
        (meta.Get("a", u=True), "bc"),
        (meta.Debug("a"), "bc"),
        (classic.Get("missing"), "bc"),
    ],
)
def test_what_was_used_longest_ago_gives_way(use: Command[object], left: str) -> None:
    cache = Cache(memory=1024)
    fill(cache, "a", "b", "c")
    cache.ask(use)
    fill(cache, "d")
    assert there(cache) == left + "d"
    assert cache.counts()["evictions"] == "1"
    fill(cache, "e", "f")
    assert there(cache) == "def"


def test_what_has_expired_gives_way_without_being_an_eviction() -> None:
    cache = Cache(memory=1024)
    cache.ask(classic.Set("a", b"x" * 500, exptime=10))
    cache.now += 10
    cache.ask(classic.Set("b", b"x" * 500))
    counts = cache.counts()
    assert (counts["evictions"], counts["reclaimed"], counts["expired_unfetched"]) == (
        "0",
        "1",
        "1",
    )
    cache.ask(classic.Set("c", b"x" * 500))
    counts = cache.counts()
    assert (counts["evictions"], counts["evicted_unfetched"]) == ("1", "1")
    counts = cache.counts("items")
    assert counts["items:9:evicted"] == counts["items:9:evicted_unfetched"] == "1"
    assert counts["items:9:reclaimed"] == "1"


@given(st.lists(commands(), max_size=30))
def test_the_limit_is_kept_whatever_is_stored(asked: list[Command[object]]) -> None:
    cache = Cache(memory=2000, item_size=1024)
    for command in asked:
        cache.ask(command)
        taken = sum([item.size for item in cache.store.items])
        assert taken == cache.store.items.taken <= 2000
        assert all(item.size <= 1024 for item in cache.store.items)


@pytest.mark.parametrize("limits", [{"memory": 1023}, {"item_size": 1023}, {"memory": -1}])
def test_a_limit_that_is_none_is_refused(limits: dict[str, int]) -> None:
    with pytest.raises(InvalidArgument, match=next(iter(limits))):
        Store(**limits)


# ----------------------------------------------------------------------------------------- replies


@given(st.lists(commands(), min_size=1, max_size=20))
def test_every_command_has_an_answer_that_its_client_understands(
    asked: list[Command[object]],
) -> None:
    cache = Cache()
    for command in asked:
        connection = ServerConnection()
        connection.receive_data(command.encode())
        heard = connection.next_event()
        assert isinstance(heard, Command)
        reply = cache.ask(heard)
        written = connection.send(reply)
        if not (command.noreply or (command.quiet and not written)) and not isinstance(
            reply, ErrorReply
        ):
            command.decode(written)  # or raises
        # A command that was made here is answered as one that came over the wire.
        cache.now += 1


def test_a_command_that_no_store_knows_is_an_error() -> None:
    assert Cache().ask(Flight([classic.Get("k")])) == ErrorReply("ERROR")


def test_the_servers_own_commands() -> None:
    cache = Cache()
    assert cache.ask(classic.Version()) == Text("1.6.45")
    assert cache.ask(classic.Verbosity(1)) is Status.OK
    assert cache.counts("settings")["verbosity"] == "1"
    assert cache.ask(classic.Stats("nonsense")) == ErrorReply("ERROR")


# -------------------------------------------------------------------------------------- statistics

# Measured on a memcached (1.6.18), one after the other.
COUNTED: list[tuple[Command[object], str]] = [
    (classic.Set("a", b"1"), "cmd_set curr_items total_items bytes=61"),
    (classic.Get("a"), "cmd_get get_hits"),
    (classic.GetMany(["a", "b"]), "cmd_get=2 get_hits get_misses"),
    (classic.Gat("a", 0), "cmd_touch touch_hits"),
    (classic.Gat("zz", 0), "cmd_touch touch_misses"),
    (classic.Touch("a", 0), "cmd_touch touch_hits"),
    (classic.Touch("zz", 0), "cmd_touch touch_misses"),
    (classic.Add("a", b"x"), "cmd_set"),
    (classic.Add("b", b"x"), "cmd_set curr_items total_items bytes=61"),
    (classic.Replace("zz", b"x"), "cmd_set"),
    (classic.Append("a", b"1"), "cmd_set total_items bytes=1"),
    (classic.Append("zz", b"1"), "cmd_set"),
    (classic.Cas("a", b"1", 9999), "cmd_set cas_badval"),
    (classic.Cas("zz", b"1", 9999), "cmd_set cas_misses"),
    (classic.Incr("a"), "incr_hits"),
    (classic.Incr("zz"), "incr_misses"),
    (classic.Decr("zz"), "decr_misses"),
    (classic.Decr("b"), ""),  # not a number
    (meta.Get("a", v=True), "cmd_get get_hits"),
    (meta.Get("zz", v=True), "cmd_get get_misses"),
    (meta.Get("a", T=30), "cmd_touch touch_hits"),
    (meta.Get("zz", T=30), "cmd_get get_misses"),
    (meta.Get("viv", N=30), "cmd_get get_hits curr_items total_items bytes=62"),
    (meta.Set("a", b"1"), "cmd_set total_items bytes=-1"),
    (meta.Set("a", b"1", C=5555), "cmd_set cas_badval"),
    (meta.Set("a", b"1", M="E"), "cmd_set"),
    (meta.Arithmetic("a"), "incr_hits"),
    (meta.Arithmetic("a", M="D"), "decr_hits"),
    (meta.Arithmetic("zz"), "incr_misses"),
    (meta.Arithmetic("zz2", N=0), "curr_items total_items bytes=63"),
    (meta.Arithmetic("a", C=888), ""),
    (meta.Delete("a", C=99), "delete_misses"),
    (meta.Delete("a", I=True), ""),
    (meta.Delete("a"), "delete_hits curr_items=-1 bytes=-61"),
    (meta.Delete("a"), "delete_misses"),
    (meta.Debug("b"), "cmd_meta"),
    (meta.Noop(), ""),
    (classic.Delete("b"), "delete_hits curr_items=-1 bytes=-61"),
    (classic.Delete("b"), "delete_misses"),
    (classic.Set("big", b"x" * (1 << 20)), "store_too_large"),
]


def test_everything_is_counted_as_memcached_counts_it() -> None:
    cache = Cache()
    before = cache.counts()
    for command, text in COUNTED:
        cache.ask(command)
        after = cache.counts()
        expected = {
            name: int(number or 1)
            for name, _, number in [word.partition("=") for word in text.split()]
        }
        changed = {
            name: int(after[name]) - int(before[name])
            for name in after
            if after[name] != before[name]
        }
        assert changed == expected, command
        before = after


def test_an_expired_item_is_counted_when_somebody_asks_for_it() -> None:
    cache = Cache()
    cache.ask(classic.Set("k", b"v", exptime=1))
    cache.now += 1
    cache.ask(classic.Get("k"))
    assert {name: cache.counts()[name] for name in ("get_expired", "get_misses", "curr_items")} == {
        "get_expired": "1",
        "get_misses": "1",
        "curr_items": "0",
    }


def test_reset_clears_what_happened_and_not_what_is() -> None:
    cache = Cache(memory=1024)
    fill(cache, *"abcde")
    cache.ask(classic.GetMany(["a", "e"]))
    assert cache.ask(classic.Stats("reset")) is Status.RESET
    counts = cache.counts()
    assert counts["curr_items"] == "3"
    assert counts["bytes"] == "900"
    assert {counts[name] for name in ("total_items", "cmd_get", "evictions", "cmd_set")} == {"0"}
    assert cache.counts("items")["items:6:evicted"] == "0"


def test_the_general_group_tells_time_version_and_limits() -> None:
    cache = Cache(memory=4096, item_size=2048)
    counts = cache.counts()
    assert counts["time"] == "1800000000"
    assert counts["version"] == "1.6.45"
    assert counts["limit_maxbytes"] == cache.counts("settings")["maxbytes"] == "4096"
    assert cache.counts("settings extra")["item_size_max"] == "2048"


def test_items_are_counted_by_memcacheds_classes() -> None:
    cache = Cache()
    assert cache.counts("items") == {}
    fill(cache, "a", "b")
    cache.ask(classic.Set("c", b"x" * 3000))
    cache.now += 3
    counts = cache.counts("items")
    assert {name: counts[name] for name in counts if counts[name] != "0"} == {
        "items:6:number": "2",
        "items:6:number_cold": "2",
        "items:6:age": "3",
        "items:6:mem_requested": "600",
        "items:17:number": "1",
        "items:17:number_cold": "1",
        "items:17:age": "3",
        "items:17:mem_requested": "3060",
    }
    # As a memcached says at start (-vv): the limit of a class belongs to it.
    for size, number in ((96, 1), (97, 2), (1184, 12), (394840, 38), (394841, 39), (1 << 20, 39)):
        assert cache.store.items.slabs.class_of(size).number == number
