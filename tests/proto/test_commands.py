"""Commands: what they send, byte for byte, and what they refuse before a byte is made."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Sequence

import pytest

from mcproto import (
    BadRequest,
    Command,
    ErrorReply,
    Flight,
    InvalidArgument,
    InvalidKey,
    Item,
    LocalProtocolError,
    MetaReply,
    Number,
    ProtocolDesync,
    Replies,
    Stats,
    Status,
    Text,
    Values,
    checked_key,
    classic,
    meta,
)

CLASSIC: list[tuple[Command[object], bytes]] = [
    (classic.Get("k"), b"get k\r\n"),
    (classic.Get(b"\xff\x80"), b"get \xff\x80\r\n"),
    (classic.Get("schlüssel"), b"get schl\xc3\xbcssel\r\n"),
    (classic.Get("x" * 250), b"get " + b"x" * 250 + b"\r\n"),
    (classic.Get("noreply"), b"get noreply\r\n"),
    (classic.Gets("k"), b"gets k\r\n"),
    (classic.Gat("k", 60), b"gat 60 k\r\n"),
    (classic.Gat("k", -1), b"gat -1 k\r\n"),
    (classic.Gats("k", 0), b"gats 0 k\r\n"),
    (classic.GetMany(["a", b"b", "a"]), b"get a b a\r\n"),
    (classic.GetMany(key for key in "ab"), b"get a b\r\n"),
    (classic.GetMany(["END", "noreply"]), b"get END noreply\r\n"),
    (classic.GetsMany(["a"]), b"gets a\r\n"),
    (classic.GatMany(["a", "b"], 2592000), b"gat 2592000 a b\r\n"),
    (classic.GatsMany(["a", "b"], 0), b"gats 0 a b\r\n"),
    (classic.Set("k", b"value"), b"set k 0 0 5\r\nvalue\r\n"),
    (classic.Set("k", b""), b"set k 0 0 0\r\n\r\n"),
    (classic.Set("k", b"\r\nquit\r\n"), b"set k 0 0 8\r\n\r\nquit\r\n\r\n"),
    (classic.Set("k", bytearray(b"v")), b"set k 0 0 1\r\nv\r\n"),
    (classic.Set("k", memoryview(b"value")[::2]), b"set k 0 0 3\r\nvle\r\n"),
    (classic.Set("k", b"v", flags=4294967295, exptime=60), b"set k 4294967295 60 1\r\nv\r\n"),
    (classic.Set("k", b"v", exptime=-2147483648), b"set k 0 -2147483648 1\r\nv\r\n"),
    (classic.Set("k", b"v", exptime=2147483647), b"set k 0 2147483647 1\r\nv\r\n"),
    (classic.Set("k", b"v", noreply=True), b"set k 0 0 1 noreply\r\nv\r\n"),
    (classic.Add("k", b"v", flags=1), b"add k 1 0 1\r\nv\r\n"),
    (classic.Replace("k", b"v"), b"replace k 0 0 1\r\nv\r\n"),
    (classic.Append("k", b"v"), b"append k 0 0 1\r\nv\r\n"),
    (classic.Prepend("k", b"v", noreply=True), b"prepend k 0 0 1 noreply\r\nv\r\n"),
    (classic.Cas("k", b"v", 7), b"cas k 0 0 1 7\r\nv\r\n"),
    (
        classic.Cas("k", b"v", (1 << 64) - 1, flags=2, exptime=3, noreply=True),
        b"cas k 2 3 1 18446744073709551615 noreply\r\nv\r\n",
    ),
    (classic.Delete("k"), b"delete k\r\n"),
    (classic.Delete("k", noreply=True), b"delete k noreply\r\n"),
    (classic.Touch("k", 60), b"touch k 60\r\n"),
    (classic.Touch("noreply", 60, noreply=True), b"touch noreply 60 noreply\r\n"),
    (classic.Incr("k"), b"incr k 1\r\n"),
    (classic.Incr("k", (1 << 64) - 1), b"incr k 18446744073709551615\r\n"),
    (classic.Decr("k", 0, noreply=True), b"decr k 0 noreply\r\n"),
    (classic.FlushAll(), b"flush_all\r\n"),
    (classic.FlushAll(10), b"flush_all 10\r\n"),
    (classic.FlushAll(noreply=True), b"flush_all noreply\r\n"),
    (classic.FlushAll(10, noreply=True), b"flush_all 10 noreply\r\n"),
    (classic.Verbosity(1), b"verbosity 1\r\n"),
    (classic.Verbosity(0, noreply=True), b"verbosity 0 noreply\r\n"),
    (classic.Version(), b"version\r\n"),
    (classic.Stats(), b"stats\r\n"),
    (classic.Stats("items"), b"stats items\r\n"),
    (classic.Stats("detail dump"), b"stats detail dump\r\n"),
    (classic.Quit(), b"quit\r\n"),
]

META: list[tuple[Command[object], bytes]] = [
    (meta.Get("k"), b"mg k\r\n"),
    (meta.Get("k", v=True), b"mg k v\r\n"),
    (
        # As many as the strictest server takes.
        meta.Get(
            "aw==",
            b=True,
            c=True,
            C=1,
            E=2,
            f=True,
            h=True,
            k=True,
            l=True,
            N=-1,
            O="o",
            q=True,
            R=30,
            s=True,
            t=True,
            u=True,
            v=True,
            T=0,
        ),
        b"mg aw== b c C1 E2 f h k l N-1 Oo q R30 s t u v T0\r\n",
    ),
    (meta.Get("k", C=0, T=0), b"mg k C0 T0\r\n"),
    (meta.Get("k", O=""), b"mg k O\r\n"),
    (meta.Get("k", O=b"\xff" * 31), b"mg k O" + b"\xff" * 31 + b"\r\n"),
    (meta.Set("k", b"value"), b"ms k 5\r\nvalue\r\n"),
    (meta.Set("k", b""), b"ms k 0\r\n\r\n"),
    (
        meta.Set(
            "aw==",
            b"v",
            b=True,
            c=True,
            C=1,
            E=2,
            F=4294967295,
            I=True,
            k=True,
            M="S",
            N=3,
            O="o",
            q=True,
            s=True,
            T=60,
        ),
        b"ms aw== 1 b c C1 E2 F4294967295 I k MS N3 Oo q s T60\r\nv\r\n",
    ),
    (meta.Set("k", b"v", M="E"), b"ms k 1 ME\r\nv\r\n"),
    (meta.Delete("k"), b"md k\r\n"),
    (
        meta.Delete("aw==", b=True, C=1, E=2, F=3, I=True, k=True, O="o", q=True, x=True, T=30),
        b"md aw== b C1 E2 F3 I k Oo q x T30\r\n",
    ),
    (meta.Delete("noreply"), b"md noreply\r\n"),
    (meta.Arithmetic("k"), b"ma k\r\n"),
    (
        meta.Arithmetic(
            "aw==",
            b=True,
            c=True,
            C=1,
            D=2,
            E=3,
            J=4,
            k=True,
            M="D",
            N=5,
            O="o",
            q=True,
            t=True,
            v=True,
            T=6,
        ),
        b"ma aw== b c C1 D2 E3 J4 k MD N5 Oo q t v T6\r\n",
    ),
    (meta.Arithmetic("k", M="+", D=(1 << 64) - 1), b"ma k D18446744073709551615 M+\r\n"),
    (meta.Noop(), b"mn\r\n"),
    (meta.Debug("k"), b"me k\r\n"),
    (meta.Debug("aw==", b=True), b"me aw== b x\r\n"),
]

FLIGHTS: list[tuple[Command[object], bytes]] = [
    (Flight([classic.Get("a"), meta.Get("b")]), b"get a\r\nmg b\r\n"),
    (
        Flight([classic.Delete("a", noreply=True), classic.Set("b", b"v")]),
        b"delete a noreply\r\nset b 0 0 1\r\nv\r\nversion\r\n",
    ),
    (Flight([meta.Get("a", q=True)]), b"mg a q\r\nmn\r\n"),
    (
        Flight([classic.Delete("a", noreply=True), meta.Get("b", q=True)]),
        b"delete a noreply\r\nmg b q\r\nmn\r\n",
    ),
]

ALL = [*CLASSIC, *META, *FLIGHTS]


@pytest.mark.parametrize(("command", "wire"), ALL, ids=lambda each: repr(each)[:60])
def test_a_command_is_these_bytes(command: Command[object], wire: bytes) -> None:
    assert command.encode() == wire


@pytest.mark.parametrize("command", [command for command, _ in ALL], ids=repr)
def test_a_command_is_a_value(command: Command[object]) -> None:
    twins = [copy.copy(command), copy.deepcopy(command), pickle.loads(pickle.dumps(command))]
    for twin in twins:
        assert twin == command
        assert hash(twin) == hash(command)
        assert repr(twin) == repr(command)
        assert twin.encode() == command.encode()
        assert (twin.is_read, twin.is_barrier, twin.noreply, twin.quiet, twin.value_size) == (
            command.is_read,
            command.is_barrier,
            command.noreply,
            command.quiet,
            command.value_size,
        )
    assert repr(command).startswith(f"{type(command).__name__}(")


def test_no_two_of_the_commands_above_are_equal() -> None:
    commands = [command for command, _ in ALL]
    assert len(set(commands)) == len(commands)
    assert classic.Get("k") != meta.Get("k")
    assert classic.Get("k") == classic.Get(b"k")
    assert classic.Get("k") != "k"


def test_a_command_that_has_read_a_reply_can_still_be_copied_and_compared() -> None:
    command = classic.GetMany(["a", "b"])
    command.decode(b"VALUE b 0 1\r\nx\r\nEND\r\n")
    for twin in (copy.copy(command), copy.deepcopy(command), pickle.loads(pickle.dumps(command))):
        assert twin == command == classic.GetMany(["a", "b"])
        assert twin.decode(b"VALUE b 0 1\r\nx\r\nEND\r\n") == {b"b": Item(b"b", 0, b"x")}


REPLIES: list[object] = [
    Item(b"k", 1, b"v", 7),
    Values([Item(b"k", 0, b"v")]),
    Number(3),
    Text("1.6.45"),
    Stats({"pid": "1"}),
    Status.STORED,
    ErrorReply("CLIENT_ERROR", "bad"),
    MetaReply("VA", [("c", b"7"), ("W", None)], b"v"),
    Replies([Number(1), Status.OK]),
    BadRequest(ErrorReply("ERROR")),
]


@pytest.mark.parametrize("reply", REPLIES, ids=repr)
def test_a_reply_is_a_value(reply: object) -> None:
    for twin in (copy.copy(reply), copy.deepcopy(reply), pickle.loads(pickle.dumps(reply))):
        assert twin == reply
        assert repr(twin) == repr(reply)
        if not isinstance(reply, Stats):
            assert hash(twin) == hash(reply)


def test_no_two_of_the_replies_above_are_equal() -> None:
    for index, reply in enumerate(REPLIES):
        assert [other == reply for other in REPLIES] == [n == index for n in range(len(REPLIES))]


def test_statistics_hold_a_dict_and_have_no_hash() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Stats({"pid": "1"}))
    assert Stats([("pid", "1")]) == Stats({"pid": "1"})


def test_a_reply_can_be_matched_by_its_fields() -> None:
    match Values([Item(b"k", 1, b"v")]):
        case Values((Item(key, flags, value, cas),)):
            assert (key, flags, value, cas) == (b"k", 1, b"v", None)


# ----------------------------------------------------------------------------- what commands know


def test_reads_change_nothing_and_touching_is_a_change() -> None:
    reads = [command for command, _ in ALL if command.is_read]
    assert [command.encode().split()[0] for command in reads] == [
        *[b"get"] * 5,
        b"gets",
        *[b"get"] * 3,
        b"gets",
        b"version",
        *[b"stats"] * 2,
        *[b"mg"] * 4,
        b"mn",
        *[b"me"] * 2,
        b"get",
        b"mg",
    ]
    assert not meta.Get("k", N=0).is_read
    assert not meta.Get("k", R=0).is_read
    assert not meta.Get("k", T=0).is_read
    assert meta.Get("k", E=5, C=5, v=True).is_read
    assert not classic.Stats("reset").is_read
    assert not classic.Stats("detail on").is_read
    assert not Flight([classic.Get("k"), classic.Delete("k")]).is_read


def test_a_barrier_is_version_or_noop_or_a_flight_that_has_one() -> None:
    barriers = [command for command, _ in ALL if command.is_barrier]
    assert [type(command) for command in barriers] == [classic.Version, meta.Noop, *[Flight] * 3]


def test_a_command_knows_the_size_of_the_value_it_carries() -> None:
    sizes = {command.encode()[:4]: command.value_size for command, _ in ALL if command.value_size}
    assert sorted(sizes) == sorted(
        [b"set ", b"add ", b"repl", b"appe", b"prep", b"cas ", b"ms k", b"ms a", b"dele"]
    )
    assert classic.Set("k", b"12345").value_size == 5
    assert meta.Set("k", b"12345").value_size == 5
    assert classic.Cas("k", b"12345", 1).value_size == 5
    assert Flight([classic.Get("k"), classic.Set("k", b"123")]).value_size == 3


def test_a_command_is_bytes_and_a_reply_and_nothing_else() -> None:
    class Empty(Command[None]):
        __slots__ = ()

    empty = Empty()
    assert empty.value_size == 0
    assert empty.is_named is False
    assert empty.may_get(MetaReply("HD")) is False
    with pytest.raises(AssertionError, match="Empty"):
        empty.encode()
    with pytest.raises(AssertionError, match="Empty"):
        empty.decode(b"")
    with pytest.raises(ProtocolDesync, match=r"Empty answered by Status\.OK"):
        empty.result(Status.OK)


# -------------------------------------------------------------------------- what they refuse: keys

HOSTILE_KEYS: list[str | bytes] = [
    "",
    " ",
    "a b",
    "a\tb",
    "a\r\nflush_all",
    "a\nb",
    "a\rb",
    "a\0b",
    "k 0 0 1\r\nx\r\nflush_all\r\n",
    "\x1b[2J",
    "a\x7f",
    "x" * 251,
    "ü" * 126,
    " k",
    "k ",
    "k\r\n",
    "\x01",
    "\x1f",
]
NO_UTF_8 = ["\ud800", "a\udfff"]
NO_KEYS: list[object] = [None, 1, 1.5, ["k"], bytearray(b"k"), memoryview(b"k"), object()]

OF_ONE_KEY: list[Callable[..., Command[object]]] = [
    classic.Get,
    classic.Gets,
    lambda key: classic.Gat(key, 60),
    lambda key: classic.Gats(key, 60),
    lambda key: classic.GetMany(["a", key]),
    lambda key: classic.GetsMany([key, "a"]),
    lambda key: classic.GatMany([key], 60),
    lambda key: classic.GatsMany(["a", key], 60),
    lambda key: classic.Set(key, b"v"),
    lambda key: classic.Add(key, b"v"),
    lambda key: classic.Replace(key, b"v"),
    lambda key: classic.Append(key, b"v"),
    lambda key: classic.Prepend(key, b"v"),
    lambda key: classic.Cas(key, b"v", 1),
    lambda key: classic.Touch(key, 60),
    classic.Delete,
    classic.Incr,
    classic.Decr,
    meta.Get,
    lambda key: meta.Get(key, b=True),
    lambda key: meta.Set(key, b"v"),
    meta.Delete,
    meta.Arithmetic,
    meta.Debug,
]


@pytest.mark.parametrize("make", OF_ONE_KEY)
def test_a_hostile_key_is_refused_in_every_place(make: Callable[..., Command[object]]) -> None:
    for key in [*HOSTILE_KEYS, *[key.encode() for key in HOSTILE_KEYS if isinstance(key, str)]]:
        with pytest.raises(InvalidKey, match="key"):
            make(key)
    for key in NO_UTF_8:
        with pytest.raises(InvalidKey, match="UTF-8"):
            make(key)
    for thing in NO_KEYS:
        with pytest.raises(TypeError, match="key must be str or bytes"):
            make(thing)


def test_exactly_the_forbidden_bytes_are_forbidden() -> None:
    refused = set()
    for byte in range(256):
        try:
            assert checked_key(bytes([byte])) == bytes([byte])
        except InvalidKey:
            refused.add(byte)
    assert refused == {*range(0x21), 0x7F}


def test_a_key_of_250_bytes_is_the_longest() -> None:
    assert checked_key("ü" * 125) == "ü".encode() * 125
    with pytest.raises(InvalidKey, match="252 bytes"):
        checked_key("ü" * 126)


def test_a_key_of_a_class_of_its_own_becomes_plain_bytes() -> None:
    class Strange(bytes):
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = bytes.__hash__

    assert type(checked_key(Strange(b"k"))) is bytes
    assert type(classic.Get(Strange(b"k")).key) is bytes


def test_a_wrong_key_is_a_value_error_and_the_caller_s_mistake() -> None:
    with pytest.raises(ValueError, match="key is empty"):
        checked_key("")
    assert issubclass(InvalidKey, LocalProtocolError)
    assert issubclass(InvalidArgument, LocalProtocolError)


def test_several_keys_are_several_and_at_least_one() -> None:
    for make in (classic.GetMany, classic.GetsMany):
        with pytest.raises(InvalidArgument, match="keys is empty"):
            make([])
        for one in ("key", b"key"):
            with pytest.raises(TypeError, match="several keys"):
                make(one)
    with pytest.raises(InvalidArgument, match="keys is empty"):
        classic.GatMany([], 60)


def test_a_key_named_noreply_cannot_be_deleted_by_a_line_that_may_end_in_it() -> None:
    with pytest.raises(InvalidKey, match="noreply"):
        classic.Delete("noreply")


@pytest.mark.parametrize("key", ["k", "a===", "a", "a$==", "aw", "aw==aw==", "=", "aw==\xff"])
@pytest.mark.parametrize(
    "make", [meta.Get, meta.Delete, meta.Arithmetic, meta.Debug, lambda k, b: meta.Set(k, b"", b=b)]
)
def test_a_key_said_to_be_base64_must_be(make: Callable[..., Command[object]], key: str) -> None:
    with pytest.raises(InvalidKey, match="base64"):
        make(key, b=True)
    make(key, b=False)


# ---------------------------------------------------------------- what they refuse: everything else

HOSTILE_TOKENS: list[str | bytes] = [
    " ",
    "a b",
    "1\r\nflush_all\r\n",
    "\n",
    "\0",
    "\x7f",
    "x" * 32,
    "ü" * 16,
    b" x",
    b"x\r\n",
]


@pytest.mark.parametrize(
    "make",
    [
        lambda token: meta.Get("k", O=token),
        lambda token: meta.Set("k", b"v", O=token),
        lambda token: meta.Delete("k", O=token),
        lambda token: meta.Arithmetic("k", O=token),
    ],
)
def test_a_hostile_opaque_token_is_refused(make: Callable[[object], Command[object]]) -> None:
    for token in HOSTILE_TOKENS:
        with pytest.raises(InvalidArgument, match="O must be up to 31 bytes"):
            make(token)
    with pytest.raises(InvalidArgument, match="O cannot be encoded"):
        make("\ud800")
    for thing in (1, True, bytearray(b"x"), [b"x"]):
        with pytest.raises(TypeError, match="O must be str or bytes"):
            make(thing)


INJECTIONS: list[object] = ["x", b"x", " x\r\nflush_all\r\n", b"\r\nflush_all", "", b"", 1, 0, None]


@pytest.mark.parametrize(
    ("make", "letters"),
    [
        (meta.Get, "bcfhklqstuv"),
        (lambda key, **flags: meta.Set(key, b"v", **flags), "bcIkqs"),
        (meta.Delete, "bIkqx"),
        (meta.Arithmetic, "bckqtv"),
        (meta.Debug, "b"),
    ],
)
def test_a_flag_without_argument_is_a_bool_and_nothing_that_could_be_sent(
    make: Callable[..., Command[object]], letters: str
) -> None:
    for letter in letters:
        for thing in INJECTIONS:
            with pytest.raises(TypeError, match=f"{letter} must be a bool"):
                make("aw==", **{letter: thing})


# Name, what makes the command, lowest, highest.
NUMBERS: list[tuple[str, Callable[[int], Command[object]], int, int]] = [
    ("flags", lambda n: classic.Set("k", b"v", flags=n), 0, (1 << 32) - 1),
    ("exptime", lambda n: classic.Set("k", b"v", exptime=n), -(1 << 31), (1 << 31) - 1),
    ("exptime", lambda n: classic.Touch("k", n), -(1 << 31), (1 << 31) - 1),
    ("exptime", lambda n: classic.Gat("k", n), -(1 << 31), (1 << 31) - 1),
    ("exptime", lambda n: classic.GatMany(["k"], n), -(1 << 31), (1 << 31) - 1),
    ("cas", lambda n: classic.Cas("k", b"v", n), 0, (1 << 64) - 1),
    ("flags", lambda n: classic.Cas("k", b"v", 1, flags=n), 0, (1 << 32) - 1),
    ("exptime", lambda n: classic.Cas("k", b"v", 1, exptime=n), -(1 << 31), (1 << 31) - 1),
    ("delta", lambda n: classic.Incr("k", n), 0, (1 << 64) - 1),
    ("delta", lambda n: classic.Decr("k", n), 0, (1 << 64) - 1),
    ("delay", lambda n: classic.FlushAll(n), 0, (1 << 31) - 1),
    ("level", lambda n: classic.Verbosity(n), 0, (1 << 32) - 1),
    ("C", lambda n: meta.Get("k", C=n), 0, (1 << 64) - 1),
    ("E", lambda n: meta.Get("k", E=n), 0, (1 << 64) - 1),
    ("N", lambda n: meta.Get("k", N=n), -(1 << 31), (1 << 31) - 1),
    ("R", lambda n: meta.Get("k", R=n), -(1 << 31), (1 << 31) - 1),
    ("T", lambda n: meta.Get("k", T=n), -(1 << 31), (1 << 31) - 1),
    ("F", lambda n: meta.Set("k", b"v", F=n), 0, (1 << 32) - 1),
    ("F", lambda n: meta.Delete("k", F=n), 0, (1 << 32) - 1),
    ("D", lambda n: meta.Arithmetic("k", D=n), 0, (1 << 64) - 1),
    ("J", lambda n: meta.Arithmetic("k", J=n), 0, (1 << 64) - 1),
]


@pytest.mark.parametrize(("name", "make", "low", "high"), NUMBERS)
def test_a_number_is_an_int_in_its_range(
    name: str, make: Callable[[object], Command[object]], low: int, high: int
) -> None:
    make(low)
    assert b"%d" % high in make(high).encode()
    for number in (low - 1, high + 1, 10**5000, -(10**5000)):
        with pytest.raises(InvalidArgument, match=f"{name} must be from {low} to {high}, not"):
            make(number)
    for thing in ("1", b"1", 1.0, True, False, [1], "1\r\nflush_all"):
        with pytest.raises(TypeError, match=f"{name} must be an int"):
            make(thing)


def test_an_int_of_a_class_of_its_own_is_sent_as_its_number() -> None:
    class Seconds(int):
        def __repr__(self) -> str:
            return "1 noreply"

        __str__ = __format__ = __repr__  # type: ignore[assignment]

    assert classic.Touch("k", Seconds(5)).encode() == b"touch k 5\r\n"
    assert meta.Get("k", T=Seconds(5)).encode() == b"mg k T5\r\n"


@pytest.mark.parametrize(
    "make",
    [
        lambda thing: classic.Set("k", b"v", noreply=thing),
        lambda thing: classic.Cas("k", b"v", 1, noreply=thing),
        lambda thing: classic.Delete("k", noreply=thing),
        lambda thing: classic.Touch("k", 1, noreply=thing),
        lambda thing: classic.Incr("k", noreply=thing),
        lambda thing: classic.FlushAll(noreply=thing),
        lambda thing: classic.Verbosity(1, noreply=thing),
    ],
)
def test_noreply_is_a_bool(make: Callable[[object], Command[object]]) -> None:
    for thing in (1, 0, None, "noreply", b""):
        with pytest.raises(TypeError, match="noreply must be a bool"):
            make(thing)


@pytest.mark.parametrize(
    "make",
    [
        lambda value: classic.Set("k", value),
        lambda value: classic.Cas("k", value, 1),
        lambda value: meta.Set("k", value),
    ],
)
def test_a_value_is_bytes(make: Callable[[object], Command[object]]) -> None:
    for thing in ("text", 1, None, [1, 2], 2.5):
        with pytest.raises(TypeError, match="value must be bytes"):
            make(thing)


def test_a_value_that_was_mutable_is_a_copy() -> None:
    mutable = bytearray(b"before")
    command = classic.Set("k", mutable)
    mutable[:] = b"a longer one"
    assert command.encode() == b"set k 0 0 6\r\nbefore\r\n"


@pytest.mark.parametrize(
    ("make", "known"),
    [
        (lambda mode: meta.Set("k", b"v", M=mode), "SEAPR"),
        (lambda mode: meta.Arithmetic("k", M=mode), "I+D-"),
    ],
)
def test_a_mode_is_one_of_the_letters(
    make: Callable[[object], Command[object]], known: Sequence[str]
) -> None:
    for mode in known:
        assert f"M{mode}".encode() in make(mode).encode()
    for mode in ("", "SE", "s", "X", "S\r\n", " ", "ü", "I+"):
        with pytest.raises(InvalidArgument, match="M must be one of"):
            make(mode)
    for thing in (b"S", 1, True, False):
        with pytest.raises(TypeError, match="M must be a str"):
            make(thing)


def test_a_group_of_statistics_is_words_with_single_blanks() -> None:
    assert classic.Stats(b"items") == classic.Stats("items")
    hostile = ["", " ", " items", "items ", "a  b", "items\r\nflush_all", "a\tb", "x" * 251]
    for group in [*hostile, *[group.encode() for group in hostile]]:
        with pytest.raises(InvalidArgument, match="group must be words"):
            classic.Stats(group)
    for group in ("\ud800", b"\xff"):
        with pytest.raises(InvalidArgument, match=r"group .*UTF-8"):
            classic.Stats(group)
    for thing in (1, ["items"], bytearray(b"items")):
        with pytest.raises(TypeError, match="group must be str or bytes"):
            classic.Stats(thing)
