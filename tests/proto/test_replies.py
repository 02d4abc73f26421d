"""Replies: what a server says, byte for byte, and what each command makes of it."""

from __future__ import annotations

import pytest

from fuzz.targets import events, pieces
from mcproto import (
    CLOSED,
    NEED_DATA,
    NO_REPLY,
    ClientConnection,
    Command,
    ErrorReplied,
    ErrorReply,
    Flight,
    Item,
    LimitExceeded,
    MetaReply,
    Number,
    ProtocolDesync,
    RemoteProtocolError,
    Replies,
    Stats,
    Status,
    Text,
    Values,
    classic,
    meta,
)

NASTY = b"\r\nEND\r\nVALUE k 0 1\r\nx\r\nEND\r\n"
MAX = (1 << 64) - 1


def store_replies() -> list[tuple[Command[object], bytes, object, object]]:
    rows: list[tuple[Command[object], bytes, object, object]] = []
    for make in (classic.Set, classic.Add, classic.Replace, classic.Append, classic.Prepend):
        rows.append((make("k", b"v"), b"STORED\r\n", Status.STORED, True))
        rows.append((make("k", b"v"), b"NOT_STORED\r\n", Status.NOT_STORED, False))
    return rows


# The command, the bytes, the reply, the result.
TABLE: list[tuple[Command[object], bytes, object, object]] = [
    (classic.Get("k"), b"END\r\n", Values(), None),
    (
        classic.Get("k"),
        b"VALUE k 5 2\r\nhi\r\nEND\r\n",
        Values([Item(b"k", 5, b"hi")]),
        Item(b"k", 5, b"hi"),
    ),
    (
        classic.Get("k"),
        b"VALUE k 4294967295 0\r\n\r\nEND\r\n",
        Values([Item(b"k", 4294967295, b"")]),
        Item(b"k", 4294967295, b""),
    ),
    (
        classic.Get("k"),
        b"VALUE k 0 %d\r\n%b\r\nEND\r\n" % (len(NASTY), NASTY),
        Values([Item(b"k", 0, NASTY)]),
        Item(b"k", 0, NASTY),
    ),
    (
        classic.Gets("END"),
        b"VALUE END 0 3 %d\r\nEND\r\nEND\r\n" % MAX,
        Values([Item(b"END", 0, b"END", MAX)]),
        Item(b"END", 0, b"END", MAX),
    ),
    (
        classic.Gat("k", 60),
        b"VALUE k 0 007\r\nleading\r\nEND\r\n",
        Values([Item(b"k", 0, b"leading")]),
        Item(b"k", 0, b"leading"),
    ),
    (
        classic.Gats("k", 60),
        b"VALUE k 0 1 0\r\nx\r\nEND\r\n",
        Values([Item(b"k", 0, b"x", 0)]),
        Item(b"k", 0, b"x", 0),
    ),
    (classic.GetMany(["a", "b"]), b"END\r\n", Values(), {}),
    (
        classic.GetMany(["a", "b", "c"]),
        b"VALUE c 0 1\r\nx\r\nVALUE a 0 1\r\ny\r\nEND\r\n",
        Values([Item(b"c", 0, b"x"), Item(b"a", 0, b"y")]),
        {b"c": Item(b"c", 0, b"x"), b"a": Item(b"a", 0, b"y")},
    ),
    (
        classic.GetMany(["a", "a"]),
        b"VALUE a 0 1\r\nx\r\nVALUE a 0 1\r\nx\r\nEND\r\n",
        Values([Item(b"a", 0, b"x")] * 2),
        {b"a": Item(b"a", 0, b"x")},
    ),
    (
        classic.GetsMany(["a"]),
        b"VALUE a 0 1 7\r\nx\r\nEND\r\n",
        Values([Item(b"a", 0, b"x", 7)]),
        {b"a": Item(b"a", 0, b"x", 7)},
    ),
    (
        classic.GatMany(["a"], 1),
        b"VALUE a 0 1\r\nx\r\nEND\r\n",
        Values([Item(b"a", 0, b"x")]),
        {b"a": Item(b"a", 0, b"x")},
    ),
    (
        classic.GatsMany(["a"], 1),
        b"VALUE a 0 1 7\r\nx\r\nEND\r\n",
        Values([Item(b"a", 0, b"x", 7)]),
        {b"a": Item(b"a", 0, b"x", 7)},
    ),
    *store_replies(),
    (classic.Cas("k", b"v", 1), b"STORED\r\n", Status.STORED, Status.STORED),
    (classic.Cas("k", b"v", 1), b"EXISTS\r\n", Status.EXISTS, Status.EXISTS),
    (classic.Cas("k", b"v", 1), b"NOT_FOUND\r\n", Status.NOT_FOUND, Status.NOT_FOUND),
    (classic.Delete("k"), b"DELETED\r\n", Status.DELETED, True),
    (classic.Delete("k"), b"NOT_FOUND\r\n", Status.NOT_FOUND, False),
    (classic.Touch("k", 1), b"TOUCHED\r\n", Status.TOUCHED, True),
    (classic.Touch("k", 1), b"NOT_FOUND\r\n", Status.NOT_FOUND, False),
    (classic.Incr("k"), b"0\r\n", Number(0), 0),
    (classic.Incr("k"), b"18446744073709551615\r\n", Number(MAX), MAX),
    (classic.Decr("k"), b"NOT_FOUND\r\n", Status.NOT_FOUND, None),
    (classic.FlushAll(), b"OK\r\n", Status.OK, True),
    (classic.Verbosity(1), b"OK\r\n", Status.OK, True),
    (classic.Version(), b"VERSION 1.6.45\r\n", Text("1.6.45"), "1.6.45"),
    (classic.Version(), b"VERSION \xff b\r\n", Text("\ufffd b"), "\ufffd b"),
    (classic.Stats(), b"END\r\n", Stats(), {}),
    (
        classic.Stats(),
        b"STAT pid 1\r\nSTAT version 1.6.45\r\nSTAT libevent 2.1 stable\r\nSTAT x\r\nEND\r\n",
        Stats({"pid": "1", "version": "1.6.45", "libevent": "2.1 stable", "x": ""}),
        {"pid": "1", "version": "1.6.45", "libevent": "2.1 stable", "x": ""},
    ),
    (
        classic.Stats("cachedump 1 0"),
        b"ITEM \xffk [5 b; 0 s]\r\nEND\r\n",
        Stats({"\\xffk": "[5 b; 0 s]"}),
        {"\\xffk": "[5 b; 0 s]"},
    ),
    (
        classic.Stats("detail dump"),
        b"PREFIX user get 1 hit 0 set 1 del 0\r\nEND\r\n",
        Stats({"user": "get 1 hit 0 set 1 del 0"}),
        {"user": "get 1 hit 0 set 1 del 0"},
    ),
    (classic.Stats("reset"), b"RESET\r\n", Status.RESET, {}),
    (classic.Stats("detail on"), b"OK\r\n", Status.OK, {}),
    (meta.Get("k"), b"HD\r\n", MetaReply("HD"), MetaReply("HD")),
    (meta.Get("k"), b"EN\r\n", MetaReply("EN"), None),
    (
        meta.Get("k", k=True, O="7"),
        b"EN kk O7\r\n",
        MetaReply("EN", [("k", b"k"), ("O", b"7")]),
        None,
    ),
    (
        meta.Get("k", O=""),
        b"HD O\r\n",
        MetaReply("HD", [("O", None)]),
        MetaReply("HD", [("O", None)]),
    ),
    (
        meta.Get("k", v=True),
        b"VA %d\r\n%b\r\n" % (len(NASTY), NASTY),
        MetaReply("VA", [], NASTY),
        MetaReply("VA", [], NASTY),
    ),
    (meta.Get("k", v=True), b"VA 0\r\n\r\n", MetaReply("VA", [], b""), MetaReply("VA", [], b"")),
    (
        # A blank behind the last flag, as old servers have it.
        meta.Get("k", v=True, t=True, l=True),
        b"VA 1 l0 t-1 W \r\nx\r\n",
        MetaReply("VA", [("l", b"0"), ("t", b"-1"), ("W", None)], b"x"),
        MetaReply("VA", [("l", b"0"), ("t", b"-1"), ("W", None)], b"x"),
    ),
    (
        # A ttl below zero comes as a number just below 2**32.
        meta.Get("k", t=True, c=True, f=True, h=True, s=True),
        b"HD c%d f4294967295 h1 s5 t4294967235 Z X\r\n" % MAX,
        MetaReply(
            "HD",
            [
                ("c", b"%d" % MAX),
                ("f", b"4294967295"),
                ("h", b"1"),
                ("s", b"5"),
                ("t", b"4294967235"),
                ("Z", None),
                ("X", None),
            ],
        ),
        MetaReply(
            "HD",
            [
                ("c", b"%d" % MAX),
                ("f", b"4294967295"),
                ("h", b"1"),
                ("s", b"5"),
                ("t", b"4294967235"),
                ("Z", None),
                ("X", None),
            ],
        ),
    ),
    # The cas still matches, so the value is left out.
    (meta.Get("k", v=True, C=7), b"HD\r\n", MetaReply("HD"), MetaReply("HD")),
    (
        # A key may come back in its other spelling: raw for base64...
        meta.Get("aw==", b=True, k=True),
        b"HD kk\r\n",
        MetaReply("HD", [("k", b"k")]),
        MetaReply("HD", [("k", b"k")]),
    ),
    (
        # ... base64 for raw...
        meta.Get("k", k=True),
        b"HD kaw== b\r\n",
        MetaReply("HD", [("k", b"aw=="), ("b", None)]),
        MetaReply("HD", [("k", b"aw=="), ("b", None)]),
    ),
    (
        # ... and as it was.
        meta.Get("aw==", b=True, k=True),
        b"HD kaw== b\r\n",
        MetaReply("HD", [("k", b"aw=="), ("b", None)]),
        MetaReply("HD", [("k", b"aw=="), ("b", None)]),
    ),
    (meta.Set("k", b"v"), b"HD\r\n", MetaReply("HD"), MetaReply("HD")),
    (meta.Set("k", b"v"), b"NS\r\n", MetaReply("NS"), MetaReply("NS")),
    (meta.Set("k", b"v", C=1), b"EX\r\n", MetaReply("EX"), MetaReply("EX")),
    (
        meta.Set("k", b"v", C=1, c=True),
        b"NF c0\r\n",
        MetaReply("NF", [("c", b"0")]),
        MetaReply("NF", [("c", b"0")]),
    ),
    (meta.Delete("k"), b"HD\r\n", MetaReply("HD"), MetaReply("HD")),
    (meta.Delete("k"), b"NF\r\n", MetaReply("NF"), MetaReply("NF")),
    (meta.Delete("k", C=1), b"EX\r\n", MetaReply("EX"), MetaReply("EX")),
    (meta.Arithmetic("k"), b"HD\r\n", MetaReply("HD"), MetaReply("HD")),
    (meta.Arithmetic("k"), b"NF\r\n", MetaReply("NF"), MetaReply("NF")),
    (meta.Arithmetic("k"), b"NS\r\n", MetaReply("NS"), MetaReply("NS")),
    (
        meta.Arithmetic("k", v=True, t=True, c=True),
        b"VA 2 c5 t-1\r\n10\r\n",
        MetaReply("VA", [("c", b"5"), ("t", b"-1")], b"10"),
        MetaReply("VA", [("c", b"5"), ("t", b"-1")], b"10"),
    ),
    (meta.Noop(), b"MN\r\n", MetaReply("MN"), MetaReply("MN")),
    (meta.Debug("k"), b"EN\r\n", MetaReply("EN"), MetaReply("EN")),
    (
        meta.Debug("k"),
        b"ME k exp=-100 la=3 cas=%d fetch=no cls=1 size=63 odd\r\n" % MAX,
        MetaReply(
            "ME",
            [
                ("k", b"k"),
                ("exp", b"-100"),
                ("la", b"3"),
                ("cas", b"%d" % MAX),
                ("fetch", b"no"),
                ("cls", b"1"),
                ("size", b"63"),
                ("odd", b""),
            ],
        ),
        MetaReply(
            "ME",
            [
                ("k", b"k"),
                ("exp", b"-100"),
                ("la", b"3"),
                ("cas", b"%d" % MAX),
                ("fetch", b"no"),
                ("cls", b"1"),
                ("size", b"63"),
                ("odd", b""),
            ],
        ),
    ),
    # How an item was stored decides how its key is shown, and nothing says which it is.
    (
        meta.Debug("k"),
        b"ME aw==\r\n",
        MetaReply("ME", [("k", b"aw==")]),
        MetaReply("ME", [("k", b"aw==")]),
    ),
    (
        meta.Debug("aw==", b=True),
        b"ME k\r\n",
        MetaReply("ME", [("k", b"k")]),
        MetaReply("ME", [("k", b"k")]),
    ),
    (
        meta.Debug("aw==", b=True),
        b"ME aw==\r\n",
        MetaReply("ME", [("k", b"aw==")]),
        MetaReply("ME", [("k", b"aw==")]),
    ),
    (
        Flight([classic.Get("a"), classic.Set("b", b"v")]),
        b"END\r\nSTORED\r\n",
        Replies([Values(), Status.STORED]),
        (Values(), Status.STORED),
    ),
    (
        Flight([meta.Get("a", v=True, O="1", q=True), meta.Get("b", v=True, O="2", q=True)]),
        b"VA 1 O2\r\nx\r\nMN\r\n",
        Replies([NO_REPLY, MetaReply("VA", [("O", b"2")], b"x")]),
        (NO_REPLY, MetaReply("VA", [("O", b"2")], b"x")),
    ),
]

ROWS = pytest.mark.parametrize(
    ("command", "wire", "reply", "result"), TABLE, ids=[f"{c}<-{w}"[:80] for c, w, _, _ in TABLE]
)


@ROWS
def test_a_reply_is_understood(
    command: Command[object], wire: bytes, reply: object, result: object
) -> None:
    assert events([command], [wire]) == [reply, CLOSED]
    assert command.result(reply) == result  # type: ignore[arg-type]


@ROWS
def test_a_reply_is_understood_byte_by_byte_and_cut_in_two_anywhere(
    command: Command[object], wire: bytes, reply: object, result: object
) -> None:
    assert events([command], pieces(wire, 1)) == [reply, CLOSED]
    for cut in range(1, len(wire)):
        assert events([command], [wire[:cut], wire[cut:]]) == [reply, CLOSED]


@ROWS
def test_a_reply_is_understood_at_the_direct_door_once_it_is_whole(
    command: Command[object], wire: bytes, reply: object, result: object
) -> None:
    for cut in range(len(wire)):
        assert command.decode(wire[:cut]) is NEED_DATA
    assert command.decode(wire) == result
    for surplus in (b"\n", b"END\r\n", wire):
        with pytest.raises(ProtocolDesync, match="behind the reply"):
            command.decode(wire + surplus)


@ROWS
def test_what_follows_a_reply_is_not_part_of_it(
    command: Command[object], wire: bytes, reply: object, result: object
) -> None:
    # The next command's, if there is one; else nobody's.
    assert events([command, command], [wire + wire]) == [reply, reply, CLOSED]
    assert events([command], [wire + b"\r\n"]) == [reply, ProtocolDesync]
    assert events([command], [wire, b"E"]) == [reply, ProtocolDesync]


@ROWS
def test_a_reply_that_ends_too_early_is_an_error_and_never_a_shorter_one(
    command: Command[object], wire: bytes, reply: object, result: object
) -> None:
    for cut in range(len(wire)):
        assert events([command], [wire[:cut]]) == [RemoteProtocolError]


@ROWS
def test_every_line_and_block_ends_in_cr_lf(
    command: Command[object], wire: bytes, reply: object, result: object
) -> None:
    if NASTY in wire:
        wire = wire.replace(NASTY, b"x" * len(NASTY))
    for at in range(len(wire)):
        if wire[at : at + 2] == b"\r\n":
            for wrong in (b"\n", b"x\n"):
                *_, end = events([command], [wire[:at] + wrong + wire[at + 2 :]])
                assert end in (RemoteProtocolError, ProtocolDesync)


# ------------------------------------------------------------------------------------ error lines

ERROR_LINES: list[tuple[bytes, ErrorReply]] = [
    (b"ERROR", ErrorReply("ERROR", "")),
    (b"ERROR Too many open connections", ErrorReply("ERROR", "Too many open connections")),
    (b"ERROR: shutdown not enabled", ErrorReply("ERROR", "shutdown not enabled")),
    (b"SERVER_ERROR: shutdown not enabled", ErrorReply("SERVER_ERROR", "shutdown not enabled")),
    (
        b"CLIENT_ERROR bad command line format",
        ErrorReply("CLIENT_ERROR", "bad command line format"),
    ),
    (b"CLIENT_ERROR bad data chunk", ErrorReply("CLIENT_ERROR", "bad data chunk")),
    (b"CLIENT_ERROR invalid flag", ErrorReply("CLIENT_ERROR", "invalid flag")),
    (b"CLIENT_ERROR  two  blanks ", ErrorReply("CLIENT_ERROR", " two  blanks ")),
    (
        b"SERVER_ERROR object too large for cache",
        ErrorReply("SERVER_ERROR", "object too large for cache"),
    ),
    (
        b"SERVER_ERROR out of memory storing object",
        ErrorReply("SERVER_ERROR", "out of memory storing object"),
    ),
    (b"SERVER_ERROR backend failure", ErrorReply("SERVER_ERROR", "backend failure")),
    (b"SERVER_ERROR", ErrorReply("SERVER_ERROR", "")),
    (b"SERVER_ERROR \xff", ErrorReply("SERVER_ERROR", "\ufffd")),
]

# One command for each way of reading a reply.
ANSWERED: list[Command[object]] = [
    classic.Get("k"),
    classic.GatsMany(["a", "b"], 1),
    classic.Set("k", b"v"),
    classic.Cas("k", b"v", 1),
    classic.Delete("k"),
    classic.Touch("k", 1),
    classic.Incr("k"),
    classic.FlushAll(),
    classic.Verbosity(1),
    classic.Version(),
    classic.Stats(),
    meta.Get("k", v=True, O="1"),
    meta.Set("k", b"v", k=True),
    meta.Delete("k"),
    meta.Arithmetic("k", v=True),
    meta.Noop(),
    meta.Debug("k"),
]


@pytest.mark.parametrize(("line", "reply"), ERROR_LINES)
@pytest.mark.parametrize("command", ANSWERED, ids=repr)
def test_an_error_line_is_a_reply_and_the_connection_stays_in_step(
    command: Command[object], line: bytes, reply: ErrorReply
) -> None:
    connection = ClientConnection()
    connection.send(command)
    connection.receive_data(line + b"\r\n")
    assert connection.next_event() == reply
    assert connection.is_idle
    for door in (lambda: command.result(reply), lambda: command.decode(line + b"\r\n")):
        with pytest.raises(ErrorReplied) as caught:
            door()
        assert caught.value.reply == reply
        assert str(caught.value) == f"{reply.kind} {reply.message}".rstrip()


@pytest.mark.parametrize("command", ANSWERED, ids=repr)
def test_what_only_looks_like_an_error_line_is_none(command: Command[object]) -> None:
    for line in (b"ERRORS", b"error", b"Error TLS not enabled", b"CLIENT_ERRORx y", b" ERROR", b""):
        assert events([command], [line + b"\r\n"]) == [ProtocolDesync]


def test_an_error_line_in_the_middle_of_a_reply_is_none() -> None:
    item = b"VALUE k 0 1\r\nx\r\n"
    error = b"SERVER_ERROR out of memory writing get response\r\n"
    assert events([classic.Get("k")], [item + error]) == [ProtocolDesync]
    assert events([classic.Stats()], [b"STAT a b\r\n" + error]) == [ProtocolDesync]


# ------------------------------------------------------------------------------- replies of others


@pytest.mark.parametrize("command", ANSWERED, ids=repr)
def test_a_reply_to_another_kind_of_command_is_an_error(command: Command[object]) -> None:
    for other, wire, reply, _ in TABLE:
        if isinstance(other, Flight) or wire == b"END\r\n":  # no items, or no statistics
            continue
        try:
            command.result(reply)  # type: ignore[arg-type]
        except ProtocolDesync:
            *answers, end = events([command], [wire])
            assert answers == []
            assert issubclass(end, RemoteProtocolError)  # type: ignore[arg-type]


def test_a_result_is_refused_to_whoever_cannot_have_had_it() -> None:
    table: list[tuple[Command[object], object]] = [
        (classic.Get("k"), Status.STORED),
        (classic.GetMany(["k"]), Number(1)),
        (classic.Set("k", b"v"), Status.DELETED),
        (classic.Set("k", b"v"), NO_REPLY),
        (classic.Cas("k", b"v", 1), Status.TOUCHED),
        (classic.Cas("k", b"v", 1), NO_REPLY),
        (classic.Incr("k"), Status.STORED),
        (classic.Incr("k"), NO_REPLY),
        (classic.Version(), Status.OK),
        (classic.Stats(), Status.STORED),
        (classic.Quit(), Status.OK),
        (meta.Get("k"), MetaReply("NF")),
        (meta.Get("k"), NO_REPLY),
        (meta.Set("k", b"v"), MetaReply("EN")),
        (meta.Delete("k"), MetaReply("NS")),
        (meta.Delete("k"), NO_REPLY),
        (meta.Noop(), MetaReply("HD")),
        (meta.Debug("k"), MetaReply("HD")),
        (Flight([classic.Get("k")]), Values()),
    ]
    for command, reply in table:
        with pytest.raises(ProtocolDesync, match=type(command).__name__):
            command.result(reply)  # type: ignore[arg-type]


def test_silence_has_the_result_that_the_command_was_silent_about() -> None:
    assert classic.Set("k", b"v", noreply=True).result(NO_REPLY) is None
    assert classic.Cas("k", b"v", 1, noreply=True).result(NO_REPLY) is None
    assert classic.Incr("k", noreply=True).result(NO_REPLY) is None
    assert classic.Quit().result(NO_REPLY) is None
    assert meta.Get("k", q=True).result(NO_REPLY) is None
    assert meta.Set("k", b"v", q=True).result(NO_REPLY) == MetaReply("HD")
    assert meta.Delete("k", q=True).result(NO_REPLY) == MetaReply("HD")
    assert meta.Arithmetic("k", q=True).result(NO_REPLY) == MetaReply("HD")


WRONG: list[tuple[Command[object], bytes, type[RemoteProtocolError]]] = [
    # Somebody else's item, too many of them, not the form that was asked for.
    (classic.Get("k"), b"VALUE other 0 1\r\nx\r\nEND\r\n", ProtocolDesync),
    (classic.Get("k"), b"VALUE K 0 1\r\nx\r\nEND\r\n", ProtocolDesync),
    (classic.Get("k"), b"VALUE k 0 1\r\nx\r\nVALUE k 0 1\r\nx\r\nEND\r\n", ProtocolDesync),
    (classic.GetMany(["a", "b"]), b"VALUE a 0 0\r\n\r\n" * 3 + b"END\r\n", ProtocolDesync),
    (classic.GetMany(["a", "b"]), b"VALUE c 0 0\r\n\r\nEND\r\n", ProtocolDesync),
    (classic.Get("k"), b"VALUE k 0 1 7\r\nx\r\nEND\r\n", ProtocolDesync),
    (classic.Gets("k"), b"VALUE k 0 1\r\nx\r\nEND\r\n", ProtocolDesync),
    (classic.Get("k"), b"VALUE k 0\r\n", ProtocolDesync),
    (classic.Get("k"), b"VALUE  k 0 1\r\n", ProtocolDesync),
    (classic.Get("k"), b"VALUE k 0 1 \r\n", ProtocolDesync),
    (classic.Get("k"), b"VALUE k 0 1\r\nx\r\nEN\r\n", ProtocolDesync),
    (classic.Get("k"), b"value k 0 1\r\n", ProtocolDesync),
    (classic.Get("k"), b"END \r\n", ProtocolDesync),
    (classic.Set("k", b"v"), b"DELETED\r\n", ProtocolDesync),
    (classic.Set("k", b"v"), b"STORED \r\n", ProtocolDesync),
    (classic.Set("k", b"v"), b"stored\r\n", ProtocolDesync),
    (classic.Delete("k"), b"STORED\r\n", ProtocolDesync),
    (classic.Cas("k", b"v", 1), b"DELETED\r\n", ProtocolDesync),
    (classic.Incr("k"), b"STORED\r\n", ProtocolDesync),
    (classic.Incr("k"), b"5 \r\n", ProtocolDesync),
    (classic.Incr("k"), b"-5\r\n", ProtocolDesync),
    (classic.Version(), b"VERSION\r\n", ProtocolDesync),
    (classic.Stats(), b"STAT a b\r\nRESET\r\n", ProtocolDesync),
    (classic.Stats(), b"STATE a b\r\n", ProtocolDesync),
    # Meta: another opaque, none, one that nobody sent, another key, what was not asked for.
    (meta.Get("k", O="1"), b"HD O2\r\n", ProtocolDesync),
    (meta.Get("k", O="1"), b"HD\r\n", ProtocolDesync),
    (meta.Get("k", O="1"), b"HD O\r\n", ProtocolDesync),
    (meta.Get("k", O="1"), b"HD O1 O2\r\n", ProtocolDesync),
    (meta.Get("k", O=""), b"HD\r\n", ProtocolDesync),
    (meta.Get("k", O="1"), b"EN\r\n", ProtocolDesync),
    (meta.Get("k"), b"HD O1\r\n", ProtocolDesync),
    (meta.Get("k", k=True), b"HD kother\r\n", ProtocolDesync),
    (meta.Get("k", k=True), b"HD\r\n", ProtocolDesync),
    (meta.Get("k", k=True), b"HD k\r\n", ProtocolDesync),
    (meta.Get("k", k=True), b"HD kaw==\r\n", ProtocolDesync),
    (meta.Get("k", k=True), b"HD kb3RoZXI= b\r\n", ProtocolDesync),
    (meta.Get("k", k=True), b"HD k= b\r\n", ProtocolDesync),
    (meta.Get("k", k=True), b"HD ka b\r\n", ProtocolDesync),
    (meta.Get("aw==", b=True, k=True), b"HD kother\r\n", ProtocolDesync),
    (meta.Get("k"), b"HD c5\r\n", ProtocolDesync),
    (meta.Get("k"), b"HD t-1\r\n", ProtocolDesync),
    (meta.Get("k"), b"VA 1\r\nx\r\n", ProtocolDesync),
    (meta.Get("k", v=True), b"HD\r\n", ProtocolDesync),
    (meta.Get("k"), b"NF\r\n", ProtocolDesync),
    (meta.Get("k"), b"MN\r\n", ProtocolDesync),
    (meta.Get("k"), b"OK\r\n", ProtocolDesync),
    (meta.Set("k", b"v"), b"EN\r\n", ProtocolDesync),
    (meta.Set("k", b"v"), b"VA 1\r\nx\r\n", ProtocolDesync),
    (meta.Delete("k"), b"NS\r\n", ProtocolDesync),
    (meta.Arithmetic("k"), b"VA 1\r\n5\r\n", ProtocolDesync),
    (meta.Arithmetic("k", v=True), b"HD\r\n", ProtocolDesync),
    (meta.Noop(), b"HD\r\n", ProtocolDesync),
    (meta.Noop(), b"EN\r\n", ProtocolDesync),
    (meta.Debug("k"), b"ME other exp=-1\r\n", ProtocolDesync),
    (meta.Debug("k"), b"ME a=== exp=-1\r\n", ProtocolDesync),
    (meta.Debug("aw==", b=True), b"ME other exp=-1\r\n", ProtocolDesync),
    (meta.Debug("k"), b"HD\r\n", ProtocolDesync),
    (meta.Debug("k"), b"ME\r\n", RemoteProtocolError),
    (meta.Get("k", v=True), b"VA\r\n", RemoteProtocolError),
    (meta.Get("k", v=True), b"VA \r\n", RemoteProtocolError),
    (meta.Get("k", v=True), b"VA k\r\n", RemoteProtocolError),
]


@pytest.mark.parametrize(("command", "wire", "error"), WRONG, ids=lambda part: repr(part)[:40])
def test_what_does_not_answer_the_command_is_an_error(
    command: Command[object], wire: bytes, error: type[RemoteProtocolError]
) -> None:
    assert events([command], [wire]) == [error]
    assert events([command], pieces(wire, 1)) == [error]
    with pytest.raises(error):
        command.decode(wire)


# ---------------------------------------------------------------------------------------- numbers

NO_NUMBERS = [
    b"",
    b"-1",
    b"+5",
    b"5_0",
    b"0x5",
    b"5.0",
    b"1e3",
    b" 5",
    b"\xd9\xa3",
    b"\xb2",
    b"9" * 21,
]
NO_NUMBERS += [b"0" * 20 + b"1", b"9" * 5000, b"18446744073709551616"]


@pytest.mark.parametrize("number", NO_NUMBERS, ids=lambda number: repr(number)[:30])
def test_a_number_is_ascii_digits_and_not_too_many(number: bytes) -> None:
    for command, form in (
        (classic.Get("k"), b"VALUE k %b 1\r\nx\r\nEND\r\n"),
        (classic.Get("k"), b"VALUE k 0 %b\r\nx\r\nEND\r\n"),
        (classic.Gets("k"), b"VALUE k 0 1 %b\r\nx\r\nEND\r\n"),
        (classic.Incr("k"), b"%b\r\n"),
        (meta.Get("k", v=True), b"VA %b\r\nx\r\n"),
        (meta.Get("k", c=True), b"HD c%b\r\n"),
        (meta.Get("k", f=True), b"HD f%b\r\n"),
        (meta.Get("k", h=True), b"HD h%b\r\n"),
        (meta.Get("k", l=True), b"HD l%b\r\n"),
        (meta.Get("k", s=True), b"HD s%b\r\n"),
        (meta.Get("k", t=True), b"HD t-%b\r\n"),
        (meta.Get("k", t=True), b"HD t1%b\r\n" if number not in (b"",) else b"HD t\r\n"),
        (meta.Debug("k"), b"ME k cas=%b\r\n" if number != b"-1" else b"ME k cas=--1\r\n"),
    ):
        *answers, end = events([command], [form % number if b"%" in form else form])
        assert answers == [], (form, number)
        assert issubclass(end, RemoteProtocolError)  # type: ignore[arg-type]


def test_each_number_has_its_own_highest() -> None:
    for command, form, highest in (
        (classic.Get("k"), b"VALUE k %d 0\r\n\r\nEND\r\n", (1 << 32) - 1),
        (classic.Gets("k"), b"VALUE k 0 0 %d\r\n\r\nEND\r\n", MAX),
        (classic.Incr("k"), b"%d\r\n", MAX),
        (meta.Get("k", f=True), b"HD f%d\r\n", (1 << 32) - 1),
        (meta.Get("k", h=True), b"HD h%d\r\n", 1),
        (meta.Get("k", c=True), b"HD c%d\r\n", MAX),
        (meta.Get("k", t=True), b"HD t%d\r\n", MAX),
    ):
        *_, end = events([command], [form % highest])
        assert end is CLOSED
        assert events([command], [form % (highest + 1)])[-1] is not CLOSED


def test_a_meta_reply_tells_its_flags() -> None:
    reply = meta.Get("k", c=True, t=True, O="", k=True).decode(b"HD c7 kk O t-1 W\r\n")
    assert isinstance(reply, MetaReply)
    assert "c" in reply
    assert "f" not in reply
    assert reply.argument("k") == b"k"
    assert reply.argument("W") == reply.argument("O") == b""
    assert reply.argument("f") is None
    assert (reply.number("c"), reply.number("t"), reply.number("f")) == (7, -1, None)
    shown = meta.Debug("k").decode(b"ME k exp=-1 size=63\r\n")
    assert isinstance(shown, MetaReply)
    assert (shown.number("exp"), shown.number("size")) == (-1, 63)


# ----------------------------------------------------------------------------------------- limits


def test_a_value_may_be_as_large_as_the_limit() -> None:
    for command, form in (
        (classic.Get("k"), b"VALUE k 0 %d\r\n%b\r\nEND\r\n"),
        (meta.Get("k", v=True), b"VA %d\r\n%b\r\n"),
    ):
        assert events([command], [form % (100, b"x" * 100)], max_value=100)[-1] is CLOSED
        # Refused as soon as it is announced.
        for size in (101, 1 << 31, 1 << 40, MAX):
            header = form.partition(b"\r\n")[0] % size + b"\r\n"
            assert events([command], [header], max_value=100) == [LimitExceeded]


def test_statistics_may_have_as_many_lines_as_the_limit() -> None:
    lines = [b"STAT name%d value\r\n" % n for n in range(5)]
    reply = b"".join(lines) + b"END\r\n"
    assert events([classic.Stats()], [reply], max_items=5)[-1] is CLOSED
    assert events([classic.Stats()], [reply], max_items=4) == [LimitExceeded]
    assert events([classic.Stats()], pieces(reply, 1), max_items=4) == [LimitExceeded]


def test_statistics_may_be_as_many_bytes_as_a_value() -> None:
    reply = b"STAT a b\r\n" * 10 + b"END\r\n"
    assert events([classic.Stats()], [reply], max_value=80)[-1] is CLOSED
    assert events([classic.Stats()], [reply], max_value=79) == [LimitExceeded]


def test_a_line_may_be_as_long_as_the_limit() -> None:
    for length, end in ((64, CLOSED), (65, LimitExceeded)):
        line = b"VERSION ".ljust(length, b"x") + b"\r\n"
        for size in (1, 10, 1000):
            assert events([classic.Version()], pieces(line, size), max_line=64)[-1] is end


# ------------------------------------------------------------------------------ what goes as one


def test_a_type_of_replies_can_be_asked_about() -> None:
    import mcproto

    assert isinstance(Status.OK, mcproto.Reply)
    assert isinstance(Number(1), mcproto.Reply | int)
    assert not isinstance(NO_REPLY, mcproto.Reply)
    assert [repr(marker) for marker in (NEED_DATA, NO_REPLY, CLOSED)] == [
        "NEED_DATA",
        "NO_REPLY",
        "CLOSED",
    ]
    assert repr(Status.NOT_FOUND) == "Status.NOT_FOUND"


def test_what_is_long_is_shown_by_its_beginning() -> None:
    long = Item(b"k", 0, bytes(200))
    shown = repr(Values([long] * 30))
    assert "... (200 in all)" in shown
    assert shown.endswith("... (30 in all)))")
    assert len(shown) < 5000
    assert repr(Item(b"k", 0, memoryview(bytes(200)))).endswith("... (200 in all))")  # type: ignore[arg-type]
    assert repr(Values([Item(b"k", 0, b"v")])) == (
        "Values(items=(Item(key=b'k', flags=0, value=b'v'),))"
    )
