"""The server's ear: what it makes of lines, of the blocks behind them, and of what is neither."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mcproto import (
    CLOSED,
    NEED_DATA,
    BadRequest,
    Command,
    ErrorReply,
    ServerConnection,
    classic,
    meta,
)
from mcproto.testing import commands, hostile, pieces_of

BAD_LINE = BadRequest(ErrorReply("CLIENT_ERROR", "bad command line format"))
BAD_CHUNK = BadRequest(ErrorReply("CLIENT_ERROR", "bad data chunk"))
UNKNOWN = BadRequest(ErrorReply("ERROR"))


def client_error(text: str) -> BadRequest:
    return BadRequest(ErrorReply("CLIENT_ERROR", text))


def events(*pieces: bytes, **limits: int) -> list[object]:
    """All that a connection makes of these bytes, then CLOSED if it has come to an end."""
    connection = ServerConnection(**limits)
    found: list[object] = []
    for piece in filter(None, pieces):
        connection.receive_data(piece)
        while (event := connection.next_event()) is not NEED_DATA:
            found.append(event)
            if event is CLOSED:
                return found
    return found


def bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


# ----------------------------------------------------------------------------------- round trips


@given(commands())
def test_what_a_client_sends_is_what_a_server_reads(command: Command[object]) -> None:
    (heard, *rest) = events(command.encode())
    assert heard == command
    assert isinstance(heard, Command)
    assert (heard.is_read, heard.is_barrier) == (command.is_read, command.is_barrier)
    assert (heard.noreply, heard.quiet) == (command.noreply, command.quiet)
    assert heard.value_size == command.value_size
    assert heard.encode() == command.encode()
    assert rest == ([CLOSED] if type(command) is classic.Quit else [])


@given(st.lists(commands(), max_size=6), st.data())
def test_pipelined_commands_are_read_one_by_one_however_they_are_cut(
    sent: list[Command[object]], data: st.DataObject
) -> None:
    stream = b"".join([command.encode() for command in sent])
    ends = [n for n, command in enumerate(sent) if type(command) is classic.Quit]
    expected = [*sent[: ends[0] + 1], CLOSED] if ends else sent
    assert events(*data.draw(pieces_of(stream))) == expected


@given(hostile(role="client"))
@example(b"x" * 2048 + b"\r\n")
@example(b"x" * 2048 + b"\rx\n")
@example(b"x" * 2049 + b"\n")
@example(b"get " + b"k " * 3000 + b"\r\n" + b"x" * 2048 + b"\nmn\r\n")
@example(b"set k 0 0 3\r\nabcdef\r\nversion\r\n")
@example(b"ms k 5 zz\r\nhello\r\nmn\r\n")
@settings(max_examples=300)
def test_any_bytes_are_the_same_events_however_they_are_cut(stream: bytes) -> None:
    whole = events(stream, max_line=8000, max_value=100)
    assert events(*bytewise(stream), max_line=8000, max_value=100) == whole
    for size in (2, 7, 2050):
        pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
        assert events(*pieces, max_line=8000, max_value=100) == whole


@given(hostile(role="client"))
def test_what_noreply_silences_does_not_depend_on_cuts_either(stream: bytes) -> None:
    def silent(found: list[object]) -> list[bool]:
        return [isinstance(each, (Command, BadRequest)) and each.noreply for each in found]

    assert silent(events(*bytewise(stream))) == silent(events(stream))


# ------------------------------------------------------------------------------- what is accepted

LINES: dict[bytes, Command[object]] = {
    # One blank or several between words, and some behind them; CR LF or LF alone.
    b"get  k  \r\n": classic.Get("k"),
    b"get k\n": classic.Get("k"),
    b"get a b a\r\n": classic.GetMany(["a", "b", "a"]),
    b"get noreply\r\n": classic.Get("noreply"),
    b"gat 0 k noreply\r\n": classic.GatMany(["k", "noreply"], 0),
    b"touch k 0 1 2\r\n": classic.Touch("k", 0),
    b"incr k 007\r\n": classic.Incr("k", 7),
    # Whatever is behind what is needed.
    b"delete k 0\r\n": classic.Delete("k"),
    b"delete a b\r\n": classic.Delete("a"),
    b"delete k 0 noreply\r\n": classic.Delete("k", noreply=True),
    b"delete k noreply 0\r\n": classic.Delete("k"),
    b"delete k NOREPLY\r\n": classic.Delete("k"),
    b"flush_all\r\n": classic.FlushAll(),
    b"flush_all -1\r\n": classic.FlushAll(),
    b"flush_all noreply\r\n": classic.FlushAll(noreply=True),
    b"flush_all 10 20 noreply\r\n": classic.FlushAll(10, noreply=True),
    b"verbosity 1 0\r\n": classic.Verbosity(1),
    b"version 1 2\r\n": classic.Version(),
    b"stats\r\n": classic.Stats(),
    b"stats detail  on\r\n": classic.Stats("detail on"),
    b"quit now\r\n": classic.Quit(),
    # Blocks.
    b"set k 0 0 3\nabc\r\n": classic.Set("k", b"abc"),
    b"set k 0 0 003\r\nabc\r\n": classic.Set("k", b"abc"),
    b"set k 0 0 3 1 2 noreply\r\nabc\r\n": classic.Set("k", b"abc", noreply=True),
    b"set k 0 0 3 noreply x\r\nabc\r\n": classic.Set("k", b"abc"),
    b"set k +5 +60 0\r\n\r\n": classic.Set("k", b"", flags=5, exptime=60),
    b"set k 4294967297 4294967296 0\r\n\r\n": classic.Set("k", b"", flags=1),
    b"set k 0 2147483648 0\r\n\r\n": classic.Set("k", b"", exptime=-(1 << 31)),
    b"set k 0 -2147483649 0\r\n\r\n": classic.Set("k", b"", exptime=(1 << 31) - 1),
    b"cas k 0 0 1 7 8\r\nx\r\n": classic.Cas("k", b"x", 7),
    b"ms k 002\r\nxx\r\n": meta.Set("k", b"xx"),
    # Flags that mean nothing to a command are dropped, surplus letters behind others are ignored.
    b"mg k v k5 tt q1\r\n": meta.Get("k", v=True, k=True, t=True, q=True),
    b"mg k MA D5 J5 F5 I x Lpath/x P\r\n": meta.Get("k"),
    b"ms k 1 t f h l v u MSet\r\nx\r\n": meta.Set("k", b"x", M="S"),
    b"md k v c s N5 M+\r\n": meta.Delete("k"),
    b"ma k F5 I s MDECR\r\n": meta.Arithmetic("k", M="D"),
    b"mg k O\r\n": meta.Get("k", O=b""),
    b"mg Zg== b\r\n": meta.Get("Zg==", b=True),
    b"mn foo k\r\n": meta.Noop(),
    b"me k q\r\n": meta.Debug("k"),
    b"me Zg== b\r\n": meta.Debug("Zg=="),
    b"me Zg== b x\r\n": meta.Debug("Zg==", b=True),
}


@pytest.mark.parametrize("line", LINES)
def test_an_unusual_line_is_the_command_that_it_means(line: bytes) -> None:
    heard = events(line)
    assert heard[0] == LINES[line]
    assert heard[1:] in ([], [CLOSED])


@pytest.mark.parametrize("key", [b"a\x01b", b"a\x7fb", b"a\tb", b"a\x00b", b"a\rb", b"\x80\xff"])
def test_a_key_may_be_any_bytes_but_a_blank_and_a_line_end(key: bytes) -> None:
    sent = b"get %b\r\nset %b 0 0 1\r\nx\r\ndelete %b\r\nmg %b k O%b\r\nincr %b 1\r\n"
    get, set_, delete, mg, incr = events(sent % ((key,) * 6))
    assert isinstance(get, classic.Get)
    assert isinstance(set_, classic.Set)
    assert isinstance(delete, classic.Delete)
    assert isinstance(mg, meta.Get)
    assert isinstance(incr, classic.Incr)
    assert get.key == set_.key == delete.key == mg.key == mg.O == incr.key == key
    assert get.encode() == b"get %b\r\n" % key


def test_a_key_named_noreply_can_be_deleted_without_a_reply_only() -> None:
    (heard,) = events(b"delete noreply\r\n")
    assert isinstance(heard, classic.Delete)
    assert (heard.key, heard.noreply) == (b"noreply", True)


def test_flags_are_kept_in_the_order_of_the_request() -> None:
    first, second = events(b"mg k v T30 O1 t\r\nmg k t O1 T30 v\r\n")
    assert isinstance(first, meta.Get)
    assert isinstance(second, meta.Get)
    assert first == second
    assert (first.letters, second.letters) == ("vTOt", "tOTv")
    assert first.encode() == b"mg k v T30 O1 t\r\n"
    assert meta.Get("k", T=30, v=True, t=True, O="1").letters == "OtvT"


BASE64 = {
    b"Zm9v": b"foo",
    b"Zg==": b"f",
    b"Zm8=": b"fo",
    b"Z.m9v": b"foo",
    b"Zm@9v": b"foo",
    b"Zg==Zm9v": b"f",
    b"Zm=v": b"f`",
    b"+/+/": b"\xfb\xff\xbf",
    b"AAH+/yBiaW4NCg==": b"\x00\x01\xfe\xff bin\r\n",
}


@pytest.mark.parametrize("spelling", BASE64)
def test_a_base64_key_has_many_spellings_and_one_meaning(spelling: bytes) -> None:
    mg, ms, me = events(b"mg %b b\r\nms %b 0 b\r\n\r\nme %b b x\r\n" % ((spelling,) * 3))
    assert isinstance(mg, meta.Get)
    assert isinstance(ms, meta.Set)
    assert isinstance(me, meta.Debug)
    assert mg.key == ms.key == me.key == spelling
    assert mg.item_key == ms.item_key == me.item_key == BASE64[spelling]


@pytest.mark.parametrize(
    "key", [b"@@@@", b"Zm9", b"Zm", b"Z", b"====", b"_-_-", b"Zm9v=", b"Z===", b"Zm9v===="]
)
def test_a_key_that_is_no_base64_is_refused(key: bytes) -> None:
    wrong = client_error("error decoding key")
    of_ma = client_error("invalid or duplicate flag")
    sent = b"mg %b b\r\nms %b 1 b\r\nx\r\nmd %b b\r\nma %b b\r\nme %b b x\r\nmn\r\n"
    assert events(sent % ((key,) * 5)) == [wrong, wrong, wrong, of_ma, wrong, meta.Noop()]


# -------------------------------------------------------------------------------- what is refused

LONG = b"k" * 251
REFUSED: dict[bytes, BadRequest] = {
    b"\r\n": BAD_LINE,
    b"\n": BAD_LINE,
    b"g\r\n": BAD_LINE,
    b"   \r\n": UNKNOWN,
    b" get k\r\n": UNKNOWN,
    b"GET k\r\n": UNKNOWN,
    b"get\tk\r\n": UNKNOWN,
    b"gett k\r\n": UNKNOWN,
    b"bget k\r\n": UNKNOWN,
    b"\x81\x0a": BAD_LINE,
    b"get\r\n": BAD_LINE,
    b"gat 0\r\n": BAD_LINE,
    b"gat x k\r\n": client_error("invalid exptime argument"),
    b"gat 2147483648 k\r\n": client_error("invalid exptime argument"),
    b"get k %b\r\n" % LONG: BAD_LINE,
    b"delete\r\n": BAD_LINE,
    b"delete %b\r\n" % LONG: BAD_LINE,
    b"touch k\r\n": BAD_LINE,
    b"touch %b 0\r\n" % LONG: BAD_LINE,
    b"touch k +1\r\n": client_error("invalid exptime argument"),
    b"incr k\r\n": BAD_LINE,
    b"incr %b 1\r\n" % LONG: BAD_LINE,
    b"incr k -1\r\n": client_error("invalid numeric delta argument"),
    b"decr k +1\r\n": client_error("invalid numeric delta argument"),
    b"decr k 18446744073709551616\r\n": client_error("invalid numeric delta argument"),
    b"flush_all abc\r\n": client_error("invalid exptime argument"),
    b"flush_all noreply 0\r\n": client_error("invalid exptime argument"),
    b"verbosity\r\n": BAD_LINE,
    b"verbosity 4294967296\r\n": BAD_LINE,
    b"mg\r\n": BAD_LINE,
    b"mg  \r\n": BAD_LINE,
    b"mg %b v\r\n" % LONG: BAD_LINE,
    b"md %b\r\n" % LONG: BAD_LINE,
    b"ma %b\r\n" % LONG: client_error("invalid or duplicate flag"),
    b"me %b\r\n" % LONG: BAD_LINE,
    b"mg k v !\r\n": BAD_LINE,
    b"mg k \xff\r\n": BAD_LINE,
    b"mg k zz v\r\n": client_error("invalid flag"),
    b"mg k S5\r\n": client_error("invalid flag"),
    b"mg k noreply\r\n": client_error("invalid flag"),
    b"mg k v v1\r\n": client_error("duplicate flag"),
    b"mg k Tabc\r\n": client_error("bad token in command line format"),
    b"mg k T99999999999\r\n": client_error("bad token in command line format"),
    b"mg k C-1\r\n": client_error("bad token in command line format"),
    b"mg k F4294967296\r\n": BAD_LINE,
    b"mg k Fx Tx\r\n": client_error("bad token in command line format"),
    b"mg k Tx Fx\r\n": client_error("bad token in command line format"),
    b"mg k Dx\r\n": client_error("invalid numeric delta value"),
    b"mg k J\r\n": client_error("invalid numeric initial value"),
    b"mg k Tx zz\r\n": client_error("invalid flag"),
    b"mg k O%b\r\n" % (b"o" * 32): client_error("opaque token too long"),
    b"ma k O%b\r\n" % (b"o" * 32): client_error("opaque token too long"),
    b"ma k Dabc\r\n": client_error("invalid or duplicate flag"),
    b"ma k v v\r\n": client_error("invalid or duplicate flag"),
    b"ma k Mi\r\n": client_error("invalid mode for ma M token"),
    b"ma k M\r\n": client_error("invalid mode for ma M token"),
    b"mg k b c f h I k l q s t u v x P1 L1 O1 T0 F1 J1\r\n": client_error(
        "options flags are too long"
    ),
}


@pytest.mark.parametrize("line", REFUSED)
def test_a_bad_line_is_refused_in_memcacheds_words(line: bytes) -> None:
    assert events(line + b"mn\r\n") == [REFUSED[line], meta.Noop()]


LEFT = [
    b"set k 0 0\r\n",
    b"set k 0 0 noreply\r\n",
    b"set k 0 0 abc noreply\r\n",
    b"set k 0 0 -1\r\n",
    b"set k 0 0 +3\r\n",
    b"set k 0 0 0x3\r\n",
    b"set k 0 0 2147483646\r\n",
    b"set k 0 0 99999999999999999999\r\n",
    b"cas k 0 0\r\n",
    b"ms k\r\n",
    b"ms k S3\r\n",
    b"ms k T0 3\r\n",
]


@pytest.mark.parametrize("line", LEFT)
def test_without_a_length_the_block_is_read_as_lines(line: bytes) -> None:
    refused, command = events(line + b"version\r\n")
    assert refused == BAD_LINE
    assert not refused.noreply  # not even if it was asked for
    assert command == classic.Version()


SWALLOWED: dict[bytes, BadRequest] = {
    b"set k abc 0 7": BAD_LINE,
    b"set k -1 0 7": BAD_LINE,
    b"set k 18446744073709551616 0 7": BAD_LINE,
    b"set k 0 1.5 7": BAD_LINE,
    b"set %b 0 0 7" % LONG: BAD_LINE,
    b"cas k 0 0 7": BAD_LINE,
    b"cas k 0 0 7 abc": BAD_LINE,
    b"cas k 0 0 7 18446744073709551616": BAD_LINE,
    b"set k 0 0 2000": BadRequest(ErrorReply("SERVER_ERROR", "object too large for cache")),
    b"ms k 2000": BadRequest(ErrorReply("SERVER_ERROR", "object too large for cache")),
    b"ms %b 7" % LONG: BAD_LINE,
    b"ms k 7 zz": client_error("invalid flag"),
    b"ms k 7 T1 T2": client_error("duplicate flag"),
    b"ms k 7 MX": client_error("invalid mode for ms M token"),
    b"ms k 7 M": client_error("invalid mode for ms M token"),
    b"ms k 7 noreply": client_error("invalid flag"),
    b"ms @@@@ 7 b": client_error("error decoding key"),
    b"ms k 7 O" + b"o" * 32: client_error("opaque token too long"),
}


def block_of(line: bytes) -> bytes:
    size = line.split()[2 if line.startswith(b"ms") else 4]
    return b"version\r\n" if size == b"7" else b"x" * int(size) + b"\r\n"


@pytest.mark.parametrize("line", SWALLOWED)
def test_with_a_length_the_block_is_swallowed_and_the_error_comes_after_it(line: bytes) -> None:
    connection = ServerConnection(max_value=1000)
    connection.receive_data(line + b"\r\n")
    for byte in bytewise(block_of(line)):
        assert connection.next_event() is NEED_DATA
        connection.receive_data(byte)
    assert connection.next_event() == SWALLOWED[line]
    connection.receive_data(b"mn\r\n")
    assert connection.next_event() == meta.Noop()


@pytest.mark.parametrize("line", [line for line in SWALLOWED if not line.startswith(b"ms")])
def test_what_is_swallowed_is_silent_where_silence_was_asked_for(line: bytes) -> None:
    (refused,) = events(line + b" noreply\r\n" + block_of(line), max_value=1000)
    assert refused == SWALLOWED[line]
    assert isinstance(refused, BadRequest)
    # The missing unique of a cas is the word itself then.
    assert refused.noreply


@pytest.mark.parametrize(
    ("line", "key"),
    [
        (b"set k 0 0 2000", b"k"),
        (b"ms k 2000 ME", b"k"),
        (b"ms Zm9v 2000 b", b"foo"),
        (b"add k 0 0 2000", None),
        (b"replace k 0 0 2000", None),
        (b"append k 0 0 2000", None),
        (b"cas k 0 0 2000 1", None),
        (b"set k abc 0 2000", None),
        (b"ms k 2000 zz", None),
    ],
)
def test_a_value_too_large_takes_the_old_one_with_it_where_it_would_have_replaced_it(
    line: bytes, key: bytes | None
) -> None:
    (refused,) = events(line + b"\r\n" + block_of(line), max_value=1000)
    assert isinstance(refused, BadRequest)
    assert refused.removes == key


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        # Exactly so many bytes and two are gone; the rest is lines.
        (b"set k 0 0 3\r\nabcdef\r\n", [BAD_CHUNK, BAD_LINE]),
        (b"set k 0 0 3\r\nabcdefgh\r\n", [BAD_CHUNK, UNKNOWN]),
        (b"set k 0 0 3\r\nabc\n\nmn\r\n", [BAD_CHUNK, meta.Noop()]),
        (b"set k 0 0 3\r\nabcxxmn\r\n", [BAD_CHUNK, meta.Noop()]),
        (b"set k 0 0 8\r\nabc\r\nmn\r\nmn\r\n", [BAD_CHUNK, BAD_LINE]),
        (b"ms k 2 q\r\nabcdef\r\n", [BAD_CHUNK, UNKNOWN]),
    ],
)
def test_a_block_that_does_not_end_where_it_should_is_a_bad_chunk(
    stream: bytes, expected: list[object]
) -> None:
    assert events(stream) == expected


@pytest.mark.parametrize(
    "line",
    [
        b"incr k abc noreply",
        b"touch k abc noreply",
        b"touch k noreply",
        b"flush_all abc noreply",
        b"verbosity noreply",
        b"delete %b noreply" % LONG,
        b"bogus noreply",
        b"set k 0 0 2 noreply\r\nabc\r",
    ],
)
def test_noreply_silences_the_error_of_a_line_that_could_be_parsed(line: bytes) -> None:
    (refused,) = events(line + b"\r\n")[:1]
    assert isinstance(refused, BadRequest)
    assert refused.noreply


@pytest.mark.parametrize("line", [b"touch noreply", b"incr noreply", b"get", b"noreply", b"mg"])
def test_it_does_not_silence_what_has_too_few_words(line: bytes) -> None:
    (refused,) = events(line + b"\r\n")
    assert isinstance(refused, BadRequest)
    assert not refused.noreply


# ----------------------------------------------------------------------------------------- limits


def test_a_line_of_2048_bytes_is_waited_for_and_one_of_2049_is_the_end() -> None:
    assert events(b"x" * 2048, b"\r\n", b"mn\r\n") == [UNKNOWN, meta.Noop()]
    assert events(b"x" * 2049) == [CLOSED]
    assert events(b"x" * 2048 + b"\r") == []
    assert events(b"x" * 2048 + b"\r", b"x") == [CLOSED]


@pytest.mark.parametrize("verb", [b"gat 0", b"mg", b"set", b" get", b"getx"])
def test_no_other_line_is_longer_than_get(verb: bytes) -> None:
    assert events(verb + b" k" * 1100) == [CLOSED]
    assert events(verb + b" k" * 1100 + b"\r\n") == [CLOSED]


@pytest.mark.parametrize(("verb", "kind"), [(b"get", classic.GetMany), (b"gets", classic.GetsMany)])
def test_a_line_of_keys_may_be_long(verb: bytes, kind: type[classic.GetMany]) -> None:
    keys = [b"key%d" % number for number in range(5000)]
    line = b"%b %b\r\n" % (verb, b" ".join(keys))
    assert events(line) == events(line[:9000], line[9000:]) == [kind(keys)]


def test_but_not_longer_than_the_limit() -> None:
    line = b"get " + b"k" * 200 + b" k" * 898
    assert len(line) == 2000
    assert len(events(line + b"\r\n", max_line=2000)) == 1
    assert events(line + b"k\r\n", max_line=2000) == [CLOSED]
    assert events(line + b"k", max_line=2000) == [CLOSED]
    long = b"get " + b" k" * 5000
    assert events(long[:5001], max_line=5000) == [CLOSED]
    assert events(long[:5000], b"\r\n", max_line=5000) != [CLOSED]


def test_after_a_long_line_of_keys_the_next_line_is_short_again() -> None:
    line = b"get " + b"k " * 3000 + b"\r\n"
    assert events(line + b"x" * 2049)[1:] == [CLOSED]
    assert events(line[:3000], line[3000:], b"x" * 2048, b"x")[1:] == [CLOSED]


@pytest.mark.parametrize(
    "request_", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"POST /x HTTP/1.0\r\n"]
)
def test_an_http_request_is_the_end(request_: bytes) -> None:
    assert events(b"version\r\n" + request_) == [classic.Version(), CLOSED]


def peak_while(connection: ServerConnection, size: int) -> int:
    """How much memory was ever taken, in bytes, while so many bytes came in."""
    chunk = b"x" * 65536
    tracemalloc.start()
    try:
        for _ in range(size // len(chunk)):
            connection.receive_data(chunk)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("line", [b"set k 0 0 1000000000\r\n", b"ms k 1000000000 zz\r\n"])
def test_what_is_swallowed_is_never_kept(line: bytes) -> None:
    connection = ServerConnection()
    connection.receive_data(line)
    assert connection.next_event() is NEED_DATA
    assert peak_while(connection, 64 << 20) < 1 << 20


@pytest.mark.parametrize("size", [1, 100, 5000])
def test_what_came_in_pieces_before_anybody_asked_is_swallowed_too(size: int) -> None:
    connection = ServerConnection()
    stream = b"set k x 0 20000\r\n" + b"x" * 20_000 + b"\r\nmn\r\n"
    for at in range(0, len(stream), size):
        connection.receive_data(stream[at : at + size])
    assert [connection.next_event() for _ in range(3)] == [BAD_LINE, meta.Noop(), NEED_DATA]


def test_after_the_end_nothing_is_kept() -> None:
    connection = ServerConnection()
    connection.receive_data(b"quit\r\n")
    assert connection.next_event() == classic.Quit()
    assert peak_while(connection, 64 << 20) < 1 << 20
    assert connection.next_event() is CLOSED
