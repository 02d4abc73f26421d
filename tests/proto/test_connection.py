"""The client half of a connection: idle, owed, broken, closed; and which reply answers which."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from types import FrameType
from typing import TYPE_CHECKING

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
    InvalidArgument,
    Item,
    ItemTooLarge,
    LimitExceeded,
    LocalProtocolError,
    MetaReply,
    Number,
    ProtocolDesync,
    RemoteProtocolError,
    ServerConnection,
    Status,
    Text,
    UnplacedError,
    UnplacedReply,
    Values,
    classic,
    meta,
)

if TYPE_CHECKING:
    from sys import _TraceFunction as TraceFunction  # the checkers' own

GET = classic.Get("k")
SET = classic.Set("k", b"v")
SILENT = classic.Set("k", b"v", noreply=True)
VERSION = classic.Version()
NOOP = meta.Noop()
MISS = Values()
MN = MetaReply("MN")
ERROR = ErrorReply("ERROR")


def connected(*commands: Command[object], received: bytes = b"") -> ClientConnection:
    connection = ClientConnection()
    for command in commands:
        connection.send(command)
    if received:
        connection.receive_data(received)
    return connection


def seen(commands: Iterable[Command[object]], received: bytes) -> list[object]:
    """The events, which are the same byte by byte."""
    commands = list(commands)
    whole = events(commands, [received])
    assert events(commands, pieces(received, 1)) == whole
    return whole


# --------------------------------------------------------------------------- idle, owed, answered


def test_a_new_connection_is_idle_and_has_nothing_to_say() -> None:
    connection = ClientConnection()
    assert connection.is_idle
    assert connection.owed == 0
    assert not connection.is_broken
    assert connection.next_event() is NEED_DATA


def test_from_the_sending_to_the_last_byte_of_the_reply_a_connection_is_not_idle() -> None:
    connection = ClientConnection()
    assert connection.send(GET) == b"get k\r\n"
    for byte in pieces(b"VALUE k 0 2\r\nhi\r\nEND\r\n", 1):
        assert connection.next_event() is NEED_DATA
        assert not connection.is_idle
        assert connection.owed == 1
        connection.receive_data(byte)
        assert not connection.is_idle
    assert connection.next_event() == Values([Item(b"k", 0, b"hi")])
    assert connection.is_idle
    assert connection.owed == 0


def test_a_reply_that_is_here_and_not_taken_is_still_owed() -> None:
    connection = connected(GET, received=b"END\r\n")
    assert not connection.is_idle
    assert connection.owed == 1


def test_whether_a_reply_has_begun_can_be_asked() -> None:
    for command, reply in (
        (GET, b"VALUE k 0 2\r\nhi\r\nEND\r\n"),
        (meta.Get("k", v=True), b"VA 2\r\nhi\r\n"),
        (classic.Stats(), b"STAT a b\r\nEND\r\n"),
        (Flight([GET, GET]), b"END\r\nEND\r\n"),
        (Flight([meta.Get("k", q=True)]), b"MN\r\n"),
    ):
        connection = connected(command)
        assert connection.next_event() is NEED_DATA
        assert not connection.in_reply
        for byte in pieces(reply, 1):
            connection.receive_data(byte)
            assert connection.in_reply
            event = connection.next_event()
            assert connection.in_reply == (event is NEED_DATA)
        assert event is not NEED_DATA


def test_replies_come_in_the_order_of_the_commands() -> None:
    connection = connected(GET, SET, classic.Incr("k"), NOOP)
    assert connection.owed == 4
    connection.receive_data(b"END\r\nSTORED\r\n7\r\nMN\r\n")
    for owed, event in ((3, MISS), (2, Status.STORED), (1, Number(7)), (0, MN)):
        assert connection.next_event() == event
        assert connection.owed == owed
        assert connection.is_idle == (owed == 0)


def test_a_command_may_be_sent_while_the_reply_to_another_is_coming() -> None:
    connection = connected(GET, received=b"VALUE k 0 5\r\nhe")
    assert connection.next_event() is NEED_DATA
    connection.send(SET)
    connection.receive_data(b"llo\r\nEND\r\nSTORED\r\n")
    assert connection.next_event() == Values([Item(b"k", 0, b"hello")])
    assert connection.next_event() is Status.STORED
    assert connection.is_idle


def test_the_same_command_may_be_sent_again_and_again() -> None:
    assert seen([GET] * 3, b"END\r\n" * 3) == [MISS, MISS, MISS, CLOSED]
    quiet = meta.Get("k", v=True, k=True, q=True)
    assert seen([quiet, NOOP] * 2, b"MN\r\nVA 1 kk\r\nx\r\nMN\r\n") == [
        NO_REPLY,
        MN,
        MetaReply("VA", [("k", b"k")], b"x"),
        MN,
        CLOSED,
    ]


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_a_piece_may_be_any_kind_of_bytes(kind: Callable[[bytes], bytearray | memoryview]) -> None:
    connection = connected(GET)
    for byte in pieces(b"VALUE k 0 2\r\nhi\r\nEND\r\n", 4):
        connection.receive_data(kind(byte))
    assert connection.next_event() == Values([Item(b"k", 0, b"hi")])


@pytest.mark.parametrize("size", [1, 1000, 4096, 5000, 100_000])
def test_a_large_value_is_the_same_in_pieces_of_any_size(size: int) -> None:
    value = bytes(range(256)) * 200
    assert events([GET], pieces(b"VALUE k 0 51200\r\n%b\r\nEND\r\n" % value, size)) == [
        Values([Item(b"k", 0, value)]),
        CLOSED,
    ]


# -------------------------------------------------------------------------------- what is nobody's


@pytest.mark.parametrize(
    "surplus", [b"\r", b"\r\n", b"END\r\n", b"ERROR\r\n", b"SERVER_ERROR x\r\n"]
)
def test_bytes_that_nobody_asked_for_break_an_idle_connection(surplus: bytes) -> None:
    for connection in (ClientConnection(), connected(GET, received=b"END\r\n")):
        if connection.owed:
            assert connection.next_event() == MISS
        assert connection.is_idle
        connection.receive_data(surplus)
        assert not connection.is_idle
        assert connection.is_broken
        with pytest.raises(LocalProtocolError, match=r"broken.*nobody asked for"):
            connection.send(GET)
        with pytest.raises(ProtocolDesync, match="nobody asked for"):
            connection.next_event()


def test_bytes_behind_the_last_reply_never_answer_the_next_command() -> None:
    connection = connected(GET, received=b"END\r\nVALUE k 0 1\r\nx\r\nEND\r\n")
    assert connection.next_event() == MISS
    assert connection.is_broken
    with pytest.raises(LocalProtocolError, match="broken"):
        connection.send(GET)
    with pytest.raises(ProtocolDesync):
        connection.next_event()


# ---------------------------------------------------------------------------------- broken, closed


def test_a_broken_connection_stays_broken_whatever_comes() -> None:
    connection = connected(GET, GET, received=b"VALUE other 0 1\r\n")
    assert not connection.is_broken  # nobody has looked
    for data in (b"x\r\nEND\r\n", b"END\r\n", b"", b"END\r\n"):
        with pytest.raises(ProtocolDesync, match="not asked for: b'other'") as caught:
            connection.next_event()
        assert connection.is_broken
        assert not connection.is_idle
        assert connection.owed == 2
        connection.receive_data(data)
    with pytest.raises(ProtocolDesync) as another:
        connection.next_event()
    assert another.value is not caught.value


def test_a_broken_connection_is_not_idle_even_if_somebody_pretends_that_nothing_is_owed() -> None:
    connection = at_the_direct_door()
    connection.resume(GET, b"what?\r\n")
    with pytest.raises(ProtocolDesync):
        connection.next_event()
    connection.owed = 0
    assert not connection.is_idle


def test_a_broken_connection_holds_on_to_no_frames() -> None:
    connection = connected(GET, received=b"what?\r\n")

    class Witness:
        alive = True

        def __del__(self) -> None:
            Witness.alive = False

    def look() -> None:
        witness = Witness()
        with pytest.raises(ProtocolDesync):
            connection.next_event()
        assert witness.alive

    look()
    assert not Witness.alive


def test_an_end_with_nothing_owed_is_closed_and_closed_again() -> None:
    connection = connected(GET, received=b"END\r\n")
    connection.receive_data(b"")
    assert connection.next_event() == MISS
    for _ in range(3):
        assert connection.next_event() is CLOSED
    assert not connection.is_idle
    assert not connection.is_broken
    with pytest.raises(LocalProtocolError, match="closed"):
        connection.send(GET)
    assert connection.owed == 0


@pytest.mark.parametrize("empty", [b"", bytearray(), memoryview(b"")])
def test_any_empty_piece_is_the_end(empty: bytes | bytearray | memoryview) -> None:
    connection = ClientConnection()
    connection.receive_data(empty)
    assert connection.next_event() is CLOSED


STREAM = b"VALUE k 0 2\r\nhi\r\nEND\r\nSTORED\r\n"


@pytest.mark.parametrize("cut", range(len(STREAM) + 1))
def test_an_end_before_the_last_reply_is_whole_is_an_error(cut: int) -> None:
    first_is_whole = cut >= STREAM.index(b"STORED")
    expected: list[object] = [Values([Item(b"k", 0, b"hi")])] if first_is_whole else []
    end = [Status.STORED, CLOSED] if cut == len(STREAM) else [RemoteProtocolError]
    assert seen([GET, SET], STREAM[:cut]) == expected + end


def test_the_error_says_how_much_was_missing() -> None:
    connection = connected(GET, GET, received=b"EN")
    connection.receive_data(b"")
    with pytest.raises(RemoteProtocolError, match="closed with 2 replies owed and 2 bytes"):
        connection.next_event()


def test_an_error_line_and_the_end_as_at_the_limit_of_connections() -> None:
    assert seen([GET], b"ERROR Too many open connections\r\n") == [
        ErrorReply("ERROR", "Too many open connections"),
        CLOSED,
    ]


def test_quit_is_the_last_word() -> None:
    connection = connected(GET, classic.Quit())
    assert connection.owed == 2
    with pytest.raises(LocalProtocolError, match="closed"):
        connection.send(GET)
    connection.receive_data(b"END\r\n")
    assert connection.next_event() == MISS
    assert connection.next_event() is NO_REPLY
    assert connection.owed == 0
    assert not connection.is_idle
    assert connection.next_event() is NEED_DATA
    connection.receive_data(b"")
    assert connection.next_event() is CLOSED


# ------------------------------------------------------------------------------------ illegal moves


def snapshot(connection: ClientConnection) -> object:
    return (connection.owed, connection.is_idle, connection.is_broken, connection.in_reply)


def broken() -> ClientConnection:
    return connected(received=b"x")


def closed() -> ClientConnection:
    connection = ClientConnection()
    connection.receive_data(b"")
    return connection


def at_the_direct_door() -> ClientConnection:
    connection = ClientConnection()
    connection.owed = 1
    return connection


ILLEGAL: list[tuple[str, Callable[[], ClientConnection], Callable[[ClientConnection], object]]] = [
    ("broken", broken, lambda c: c.send(GET)),
    ("closed", closed, lambda c: c.send(GET)),
    ("closed", lambda: connected(classic.Quit()), lambda c: c.send(GET)),
    ("direct door", at_the_direct_door, lambda c: c.send(GET)),
    ("direct door", at_the_direct_door, lambda c: c.next_event()),
    ("direct door", ClientConnection, lambda c: c.resume(GET, b"END\r\n")),
    ("direct door", lambda: connected(GET), lambda c: c.resume(GET, b"END\r\n")),
    ("direct door", lambda: connected(GET, GET), lambda c: c.resume(GET, b"END\r\n")),
    ("direct door", lambda: connected(GET), lambda c: c.leave()),
    ("barrier", lambda: connected(SILENT), lambda c: c.send(Flight([GET]))),
    ("barrier", lambda: connected(meta.Get("k", q=True)), lambda c: c.send(Flight([GET]))),
    ("barrier", lambda: connected(SILENT, GET), lambda c: c.send(Flight([SILENT]))),
]


@pytest.mark.parametrize(("why", "make", "move"), ILLEGAL)
def test_an_illegal_move_changes_nothing(
    why: str, make: Callable[[], ClientConnection], move: Callable[[ClientConnection], object]
) -> None:
    connection = make()
    before = snapshot(connection)
    for _ in range(2):
        with pytest.raises(LocalProtocolError, match=why):
            move(connection)
        assert snapshot(connection) == before


def test_a_value_beyond_the_limit_is_not_sent_and_nothing_has_changed() -> None:
    connection = ClientConnection(max_value=5)
    for make in (classic.Set, meta.Set, lambda k, v: classic.Cas(k, v, 1)):
        with pytest.raises(ItemTooLarge, match="a value of 6 bytes; 5 are allowed"):
            connection.send(make("k", b"123456"))
        with pytest.raises(ItemTooLarge):
            connection.send(Flight([GET, make("k", b"123456")]))
    assert connection.is_idle
    connection.send(classic.Set("k", b"12345"))
    assert connection.owed == 1


def test_what_is_no_command_is_not_sent_and_nothing_has_changed() -> None:
    connection = ClientConnection()
    for what in (b"get k\r\n", None, classic.Get):
        with pytest.raises(TypeError, match="command must be a Command"):
            connection.send(what)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="commands must be Commands"):
        Flight([1])  # type: ignore[list-item]
    with pytest.raises(AssertionError):
        connection.send(Command())  # encodes nothing
    assert connection.is_idle
    assert connection.next_event() is NEED_DATA


@pytest.mark.parametrize("data", [None, "text", 5, [1]])
def test_what_is_no_bytes_is_no_data_and_no_end(data: bytes) -> None:
    for connection in (ClientConnection(), ServerConnection()):
        with pytest.raises(TypeError, match="data must be bytes"):
            connection.receive_data(data)
        assert connection.next_event() is NEED_DATA
    with pytest.raises(TypeError, match="data must be bytes"):
        GET.decode(data)


def test_an_error_shows_the_beginning_of_a_long_reply() -> None:
    connection = ClientConnection()
    connection.send(meta.Get("k", v=True, O="a"))
    connection.receive_data(b"VA 1000000 Ob\r\n" + bytes(1_000_000) + b"\r\n")
    with pytest.raises(ProtocolDesync, match="1000000 in all") as caught:
        connection.next_event()
    assert len(str(caught.value)) < 1000


def test_a_protocol_and_its_limits_are_checked() -> None:
    with pytest.raises(InvalidArgument, match="protocol must be"):
        ClientConnection("morse")  # type: ignore[arg-type]
    for name, lowest in (("max_line", 64), ("max_value", 0), ("max_items", 1)):
        for number in (lowest, 1 << 31):
            ClientConnection(**{name: number})
        for number in (lowest - 1, (1 << 31) + 1):
            with pytest.raises(InvalidArgument, match=name):
                ClientConnection(**{name: number})
        with pytest.raises(TypeError, match=name):
            ClientConnection(**{name: "many"})  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------- interruptions


class Interrupt(BaseException):
    """As from a signal handler."""


def interrupted(at: int, do: Callable[[], object]) -> bool:
    """Whether *do* has been interrupted, before its line number *at* in mcproto."""
    lines = 0

    def trace(frame: FrameType, event: str, _: object) -> TraceFunction | None:
        nonlocal lines
        if not frame.f_globals.get("__name__", "").startswith("mcproto."):
            return None
        if event == "line":
            lines += 1
            if lines > at:
                raise Interrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        do()
    except Interrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def by_events(connection: ClientConnection) -> None:
    connection.send(meta.Get("a", v=True, O="1", q=True))
    connection.send(SILENT)
    connection.send(NOOP)
    connection.receive_data(b"VA 1 O1\r\n")
    connection.next_event()
    connection.receive_data(b"a\r\nMN\r\n")
    while connection.owed:
        connection.next_event()


def by_the_direct_door(connection: ClientConnection) -> None:
    connection.owed = 1
    connection.resume(SET, b"STO")
    connection.next_event()
    connection.receive_data(b"RED\r\n")
    connection.next_event()


@pytest.mark.parametrize("story", [by_events, by_the_direct_door])
def test_an_interrupt_at_any_line_leaves_a_connection_in_order_or_one_that_is_not_idle(
    story: Callable[[ClientConnection], None],
) -> None:
    for line in range(2000):
        connection = ClientConnection()
        finished = not interrupted(line, lambda: story(connection))  # noqa: B023
        if connection.is_idle:
            connection.send(GET)
            connection.receive_data(b"VALUE k 0 1\r\nx\r\nEND\r\n")
            assert connection.next_event() == Values([Item(b"k", 0, b"x")])
            assert connection.is_idle
        if finished:
            assert line > 20
            break
    else:
        raise AssertionError("the story has no end")


# ---------------------------------------------------------------------------------------- noreply


def test_a_noreply_command_has_its_event_at_once_and_needs_a_barrier_to_be_idle() -> None:
    for barrier, reply, event in ((VERSION, b"VERSION 1\r\n", Text("1")), (NOOP, b"MN\r\n", MN)):
        connection = connected(SILENT)
        assert connection.owed == 1
        assert connection.next_event() is NO_REPLY
        assert connection.owed == 0
        assert not connection.is_idle
        assert connection.next_event() is NEED_DATA
        connection.send(GET)
        connection.receive_data(b"END\r\n")
        assert connection.next_event() == MISS
        assert not connection.is_idle  # a reply proves nothing: it could come from before
        connection.send(barrier)
        assert not connection.is_idle
        connection.receive_data(reply)
        assert connection.next_event() == event
        assert connection.is_idle


def test_a_barrier_settles_only_what_was_sent_before_it() -> None:
    connection = connected(SILENT, VERSION, SILENT, VERSION, meta.Get("k", q=True), NOOP, SILENT)
    connection.receive_data(b"VERSION 1\r\nVERSION 1\r\nMN\r\n")
    answers = []
    while connection.owed:
        answers.append(connection.next_event())
        assert not connection.is_idle
    assert answers == [NO_REPLY, Text("1"), NO_REPLY, Text("1"), NO_REPLY, MN, NO_REPLY]
    connection.send(VERSION)
    connection.receive_data(b"VERSION 1\r\n")
    connection.next_event()
    assert connection.is_idle


def test_a_barrier_settles_no_quiet_command_behind_it() -> None:
    connection = connected(A, NOOP, B, received=b"MN\r\nVA 1 O2\r\nx\r\n")
    answers = [connection.next_event() for _ in range(3)]
    assert answers == [NO_REPLY, MN, va(("O", b"2"))]
    assert connection.owed == 0
    assert not connection.is_idle


def test_a_flight_with_a_barrier_settles_nothing_from_before_since_it_cannot_be_sent() -> None:
    connection = connected(SILENT)
    with pytest.raises(LocalProtocolError, match="send a barrier"):
        connection.send(Flight([SILENT]))
    connection.send(VERSION)
    connection.send(Flight([SILENT]))  # the barrier is on its way
    connection.receive_data(b"VERSION 1\r\nVERSION 1\r\n")
    while connection.owed:
        assert connection.next_event() is not NEED_DATA
    assert connection.is_idle


def test_an_error_line_behind_a_noreply_command_is_nobody_s() -> None:
    # Is it what the server had to say about the set, or about the get?
    assert seen([SILENT, GET], b"ERROR\r\nEND\r\n") == [NO_REPLY, ProtocolDesync]
    assert seen([SILENT, GET], b"END\r\n") == [NO_REPLY, MISS, CLOSED]
    assert seen([SILENT], b"ERROR\r\n") == [NO_REPLY, ProtocolDesync]
    assert seen([SILENT, VERSION, GET], b"ERROR\r\nVERSION 1\r\nEND\r\n") == [
        NO_REPLY,
        ProtocolDesync,
    ]
    assert seen([SILENT, VERSION, GET], b"VERSION 1\r\nERROR\r\n") == [
        NO_REPLY,
        Text("1"),
        ERROR,
        CLOSED,
    ]
    quiet = meta.Delete("k", q=True)
    assert seen([SILENT, quiet, NOOP], b"ERROR\r\nMN\r\n") == [NO_REPLY, ProtocolDesync]


def test_a_refused_barrier_leaves_a_connection_that_is_not_idle() -> None:
    connection = connected(meta.Delete("k", q=True), NOOP, received=b"ERROR\r\nERROR\r\n")
    assert connection.next_event() == ERROR
    assert connection.next_event() == ERROR
    assert connection.owed == 0
    assert not connection.is_broken
    assert not connection.is_idle


# ------------------------------------------------------------------------------------------- quiet


def got(key: str, **flags: object) -> Command[object]:
    return meta.Get(key, v=True, q=True, **flags)  # type: ignore[arg-type]


def put(key: str, **flags: object) -> Command[object]:
    return meta.Set(key, b"v", q=True, **flags)  # type: ignore[arg-type]


def va(*flags: tuple[str, bytes]) -> MetaReply:
    return MetaReply("VA", flags, b"x")


def test_silence_is_an_event_once_a_later_reply_shows_it() -> None:
    connection = connected(got("a", O="1"), got("b", O="2"), NOOP)
    assert connection.next_event() is NEED_DATA
    connection.receive_data(b"MN\r")
    assert connection.next_event() is NEED_DATA
    assert connection.owed == 3
    connection.receive_data(b"\n")
    for event in (NO_REPLY, NO_REPLY, MN):
        assert not connection.is_idle
        assert connection.next_event() == event
    assert connection.is_idle


A, B, C = got("a", O="1"), got("b", O="2"), got("c", O="3")
KEYED = [got("a", k=True), got("b", k=True), got("c", k=True)]
PUTS = [put("a"), put("b"), put("c")]
COUNT = meta.Arithmetic("n", q=True)

# The latter: one of those who are given it has got it.
UNPLACED = UnplacedError("ERROR")
TOO_LARGE_LINE = b"SERVER_ERROR object too large for cache\r\n"
TOO_LARGE = ErrorReply("SERVER_ERROR", "object too large for cache")
UNPLACED_TOO_LARGE = UnplacedError("SERVER_ERROR", "object too large for cache")
NO_NUMBER_LINE = b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
NO_NUMBER = ErrorReply("CLIENT_ERROR", "cannot increment or decrement non-numeric value")

PLACED: list[tuple[str, list[Command[object]], bytes, list[object]]] = [
    (
        "by opaque",
        [A, B, C, NOOP],
        b"VA 1 O2\r\nx\r\nMN\r\n",
        [NO_REPLY, va(("O", b"2")), NO_REPLY, MN],
    ),
    (
        "by opaque, all of them",
        [A, B, C, NOOP],
        b"VA 1 O1\r\nx\r\nVA 1 O2\r\nx\r\nVA 1 O3\r\nx\r\nMN\r\n",
        [va(("O", b"1")), va(("O", b"2")), va(("O", b"3")), MN],
    ),
    (
        "by key",
        [*KEYED, NOOP],
        b"VA 1 kc\r\nx\r\nMN\r\n",
        [NO_REPLY, NO_REPLY, va(("k", b"c")), MN],
    ),
    (
        "by code: only one of them can fail so",
        [put("a"), meta.Delete("b", q=True), NOOP],
        b"NS\r\nMN\r\n",
        [MetaReply("NS"), NO_REPLY, MN],
    ),
    (
        "by code: a quiet set is not answered if it succeeds",
        [put("a"), meta.Get("b", q=True), NOOP],
        b"HD\r\nMN\r\n",
        [NO_REPLY, MetaReply("HD"), MN],
    ),
    (
        "by flags: nobody else asked for them",
        [meta.Get("a", q=True), meta.Get("b", t=True, q=True), NOOP],
        b"HD t5\r\nMN\r\n",
        [NO_REPLY, MetaReply("HD", [("t", b"5")]), MN],
    ),
    (
        "refusals without a name: each of those they may answer is told so",
        [*PUTS, NOOP],
        b"NS\r\nNS\r\nMN\r\n",
        [UnplacedReply("NS")] * 3 + [MN],
    ),
    (
        "refusals without a name: as many as there are commands",
        [*PUTS, NOOP],
        b"NS\r\nNS\r\nNS\r\nMN\r\n",
        [MetaReply("NS")] * 3 + [MN],
    ),
    (
        "an error line lies between the replies before and behind it",
        [A, B, C, NOOP],
        b"ERROR\r\nVA 1 O3\r\nx\r\nMN\r\n",
        [UNPLACED, UNPLACED, va(("O", b"3")), MN],
    ),
    (
        "... and so it may have only one place",
        [A, B, C, NOOP],
        b"VA 1 O1\r\nx\r\nERROR\r\nVA 1 O3\r\nx\r\nMN\r\n",
        [va(("O", b"1")), ERROR, va(("O", b"3")), MN],
    ),
    (
        "... or be the last command's",
        [A, B, NOOP],
        b"VA 1 O1\r\nx\r\nERROR\r\nMN\r\n",
        [va(("O", b"1")), ERROR, MN],
    ),
    (
        "by its text: only storing can fail so",
        [A, put("b"), C, NOOP],
        b"SERVER_ERROR object too large for cache\r\nMN\r\n",
        [NO_REPLY, TOO_LARGE, NO_REPLY, MN],
    ),
    (
        "by its text: only counting can fail so",
        [put("a"), COUNT, B, NOOP],
        NO_NUMBER_LINE + b"MN\r\n",
        [NO_REPLY, NO_NUMBER, NO_REPLY, MN],
    ),
    (
        "by its text: only the vague can fail so",
        [A, put("b"), meta.Delete("c", q=True), NOOP],
        b"CLIENT_ERROR invalid or duplicate flag\r\nMN\r\n",
        [NO_REPLY, NO_REPLY, ErrorReply("CLIENT_ERROR", "invalid or duplicate flag"), MN],
    ),
    (
        "two error lines that leave each other one place",
        [put("a"), COUNT, NOOP],
        b"SERVER_ERROR out of memory\r\n" + NO_NUMBER_LINE + b"MN\r\n",
        [ErrorReply("SERVER_ERROR", "out of memory"), NO_NUMBER, MN],
    ),
    (
        "two error lines: what each can answer is told, what none can is done",
        [put("a"), put("b"), COUNT, put("c"), NOOP],
        TOO_LARGE_LINE + NO_NUMBER_LINE + b"MN\r\n",
        [UNPLACED_TOO_LARGE, UNPLACED_TOO_LARGE, NO_NUMBER, NO_REPLY, MN],
    ),
    (
        "what lies between them and cannot fail so is done",
        [put("a"), COUNT, put("b"), NOOP],
        TOO_LARGE_LINE + b"MN\r\n",
        [UNPLACED_TOO_LARGE, NO_REPLY, UNPLACED_TOO_LARGE, MN],
    ),
    (
        "what lies before the first of them is done",
        [COUNT, put("a"), COUNT, NOOP],
        TOO_LARGE_LINE + NO_NUMBER_LINE + b"MN\r\n",
        [NO_REPLY, TOO_LARGE, NO_NUMBER, MN],
    ),
    (
        "by its text: that of the second is about none of those who are left",
        [put("a"), COUNT, B, NOOP],
        TOO_LARGE_LINE + TOO_LARGE_LINE + b"MN\r\n",
        [TOO_LARGE, UNPLACED_TOO_LARGE, UNPLACED_TOO_LARGE, MN],
    ),
    (
        "an error that is about something else is somebody's all the same",
        [meta.Delete("a", q=True), NOOP],
        NO_NUMBER_LINE + b"MN\r\n",
        [NO_NUMBER, MN],
    ),
    (
        "... and the one who is certain to be answered is left",
        [A, put("b"), GET, NOOP],
        TOO_LARGE_LINE + TOO_LARGE_LINE + b"MN\r\n",
        [NO_REPLY, TOO_LARGE, TOO_LARGE, MN],
    ),
    (
        "an error and a refusal",
        [put("a"), put("b"), put("c"), NOOP],
        TOO_LARGE_LINE + b"NS\r\nMN\r\n",
        [UNPLACED_TOO_LARGE, UNPLACED_TOO_LARGE, UnplacedReply("NS"), MN],
    ),
    (
        "an error before a command that is certain to be answered and cannot fail so",
        [put("a"), put("b"), GET, NOOP],
        TOO_LARGE_LINE + b"END\r\nMN\r\n",
        [UNPLACED_TOO_LARGE, UNPLACED_TOO_LARGE, MISS, MN],
    ),
    (
        "an error that only a command that is certain to be answered can get",
        [A, B, classic.Set("k", b"v"), NOOP],
        TOO_LARGE_LINE + b"MN\r\n",
        [NO_REPLY, NO_REPLY, TOO_LARGE, MN],
    ),
    (
        "as many error lines as there are commands",
        [A, B, NOOP],
        b"ERROR\r\nERROR\r\nERROR\r\n",
        [ERROR, ERROR, ERROR],
    ),
    (
        "what follows an error can still be told",
        [got("a"), got("b"), NOOP],
        b"ERROR\r\nVA 1\r\nx\r\nMN\r\n",
        [ERROR, va(), MN],
    ),
    (
        "a value that only one is left for",
        [put("a"), got("b"), NOOP],
        b"NS\r\nVA 1\r\nx\r\nMN\r\n",
        [MetaReply("NS"), va(), MN],
    ),
    ("silence before a classic reply", [A, B, GET], b"END\r\n", [NO_REPLY, NO_REPLY, MISS]),
    (
        "a quiet reply and a classic one",
        [A, B, GET, C, VERSION],
        b"VA 1 O2\r\nx\r\nEND\r\nVERSION 1\r\n",
        [NO_REPLY, va(("O", b"2")), MISS, NO_REPLY, Text("1")],
    ),
    (
        "a meta command that is answered always",
        [A, meta.Get("b", v=True, O="2"), C, NOOP],
        b"EN O2\r\nMN\r\n",
        [NO_REPLY, MetaReply("EN", [("O", b"2")]), NO_REPLY, MN],
    ),
    (
        "noreply in between",
        [A, SILENT, B, SILENT, NOOP],
        b"VA 1 O2\r\nx\r\nMN\r\n",
        [NO_REPLY, NO_REPLY, va(("O", b"2")), NO_REPLY, MN],
    ),
    (
        "the creation of a counter, which old servers answer all the same",
        [meta.Arithmetic("n", N=0, v=True, O="1", q=True), NOOP],
        b"VA 1 O1\r\n0\r\nMN\r\n",
        [MetaReply("VA", [("O", b"1")], b"0"), MN],
    ),
    (
        "two of one key: the older",
        [got("a", k=True), got("a", k=True), NOOP],
        b"VA 1 ka\r\nx\r\nMN\r\n",
        [va(("k", b"a")), NO_REPLY, MN],
    ),
    (
        "a hit may be empty, or hold anything",
        [got("a", O="1"), NOOP],
        b"VA 4 O1\r\nMN\r\n\r\nMN\r\n",
        [MetaReply("VA", [("O", b"1")], b"MN\r\n"), MN],
    ),
]


@pytest.mark.parametrize(("how", "commands", "received", "answers"), PLACED)
def test_a_reply_to_a_quiet_command_is_placed(
    how: str, commands: list[Command[object]], received: bytes, answers: list[object]
) -> None:
    assert seen(commands, received) == [*answers, CLOSED]
    # Whoever sent more since, changes nothing about what has come.
    assert seen([*commands, GET], received + b"END\r\n") == [*answers, MISS, CLOSED]


NOBODY: list[tuple[str, list[Command[object]], bytes, list[object]]] = [
    ("an opaque that nobody sent", [A, B, NOOP], b"VA 1 O9\r\nx\r\nMN\r\n", []),
    ("no opaque", [A, B, NOOP], b"VA 1\r\nx\r\nMN\r\n", []),
    ("a key that nobody asked for", [*KEYED, NOOP], b"VA 1 kz\r\nx\r\nMN\r\n", []),
    ("a value that could be another's", [got("a"), got("b"), NOOP], b"VA 1\r\nx\r\nMN\r\n", []),
    (
        "a touched value that could be another's",
        [got("a", T=5), got("b", T=5), NOOP],
        b"VA 1\r\nx\r\nMN\r\n",
        [],
    ),
    (
        "a hit that could be a set's answer by now",
        [meta.Get("a", q=True), meta.Set("b", b"v"), NOOP],
        b"HD\r\nMN\r\n",
        [],
    ),
    (
        "a refusal that could be the answer to a command that is not quiet",
        [put("a"), meta.Set("b", b"v")],
        b"NS\r\n",
        [],
    ),
    (
        "an error line that could be the answer to a command that is not quiet",
        [A, meta.Get("b", v=True, O="2")],
        b"ERROR\r\n",
        [],
    ),
    ("an error line before a classic command", [A, GET], b"ERROR\r\n", []),
    (
        "an error line that none of them can get",
        [A, B, GET],
        TOO_LARGE_LINE,
        [],
    ),
    (
        "more error lines than there are commands",
        [put("a"), COUNT, NOOP],
        NO_NUMBER_LINE + TOO_LARGE_LINE + b"MN\r\n",
        [],
    ),
    (
        "a value behind an error that lies behind it in the order of the commands",
        [got("a"), COUNT, NOOP],
        NO_NUMBER_LINE + b"VA 1\r\nx\r\nMN\r\n",
        [],
    ),
    (
        "a value behind a data block that may have been obeyed",
        [put("a"), B, NOOP],
        b"CLIENT_ERROR bad data chunk\r\nVA 1 O2\r\nx\r\nMN\r\n",
        [],
    ),
    (
        "the same, with an answer in between",
        [put("a"), meta.Get("x", v=True, O="9"), B, NOOP],
        b"CLIENT_ERROR bad data chunk\r\nEN O9\r\nVA 1 O2\r\nx\r\nMN\r\n",
        [ErrorReply("CLIENT_ERROR", "bad data chunk"), MetaReply("EN", [("O", b"9")])],
    ),
    (
        "the same, and noreply in between",
        [put("a"), SILENT, meta.Set("b", b"v")],
        b"NS\r\n",
        [],
    ),
    ("what a quiet command does not send", [put("a", O="1"), NOOP], b"HD O1\r\nMN\r\n", []),
    ("a miss, which a quiet get does not send", [A, NOOP], b"EN O1\r\nMN\r\n", []),
    (
        "out of order",
        [A, B, NOOP],
        b"VA 1 O2\r\nx\r\nVA 1 O1\r\nx\r\nMN\r\n",
        [NO_REPLY, va(("O", b"2"))],
    ),
    ("twice", [A, B, NOOP], b"VA 1 O1\r\nx\r\nVA 1 O1\r\nx\r\nMN\r\n", [va(("O", b"1"))]),
    ("behind the command that closes them", [A, GET, B, NOOP], b"VA 1 O2\r\nx\r\n", []),
    ("a classic reply, and nobody is waiting for one", [A, B], b"END\r\n", []),
    ("a classic reply of another kind", [A, NOOP], b"END\r\n", [NO_REPLY]),
    ("a barrier's answer, and there was no barrier", [A, B], b"MN\r\n", []),
    ("a reply of another dialect's command", [A, GET], b"MN\r\n", []),
    ("nothing at all", [A, B, NOOP], b"", []),
    ("a piece of a value", [A, NOOP], b"VA 5 O1\r\nhel", []),
    ("a value without its end", [A, NOOP], b"VA 1 O1\r\nxMN\r\n", []),
]


@pytest.mark.parametrize(("what", "commands", "received", "answers"), NOBODY)
def test_what_cannot_be_placed_is_nobody_s(
    what: str, commands: list[Command[object]], received: bytes, answers: list[object]
) -> None:
    *before, end = seen(commands, received)
    assert before == answers
    assert issubclass(end, RemoteProtocolError)  # type: ignore[arg-type]


def test_an_answer_is_placed_before_the_command_that_closes_has_been_sent() -> None:
    for command, received, answer in (
        (A, b"ERROR\r\n", ERROR),
        (A, b"VA 1 O1\r\nx\r\n", va(("O", b"1"))),
        (got("a"), b"VA 1\r\nx\r\n", va()),
        (put("a"), b"NS\r\n", MetaReply("NS")),
    ):
        connection = connected(command, received=received)
        assert connection.next_event() == answer
        connection.send(NOOP)
        connection.receive_data(b"MN\r\n")
        assert connection.next_event() == MN
        assert connection.is_idle


def test_an_error_line_is_about_what_had_been_sent_when_it_came() -> None:
    connection = connected(put("a"), put("b"), received=TOO_LARGE_LINE)
    assert connection.next_event() is NEED_DATA
    for command in (put("c"), NOOP):
        connection.send(command)
    connection.receive_data(b"MN\r\n")
    assert [connection.next_event() for _ in range(4)] == [
        UNPLACED_TOO_LARGE,
        UNPLACED_TOO_LARGE,
        NO_REPLY,
        MN,
    ]
    assert connection.is_idle


def test_a_value_behind_a_refused_data_block_is_taken_once_a_barrier_lies_between() -> None:
    refusal = ErrorReply("CLIENT_ERROR", "bad data chunk")
    received = b"CLIENT_ERROR bad data chunk\r\nMN\r\nVA 1 O2\r\nx\r\nMN\r\n"
    assert seen([put("a"), NOOP, B, NOOP], received) == [
        refusal,
        MN,
        va(("O", b"2")),
        MN,
        CLOSED,
    ]
    # It is not read as commands where there was only no room for it.
    assert seen([put("a"), B, NOOP], TOO_LARGE_LINE + b"VA 1 O2\r\nx\r\nMN\r\n") == [
        TOO_LARGE,
        va(("O", b"2")),
        MN,
        CLOSED,
    ]


def test_what_is_not_placed_says_so_to_whoever_asks_for_the_result() -> None:
    with pytest.raises(ErrorReplied) as caught:
        put("a").result(UNPLACED_TOO_LARGE)
    assert isinstance(caught.value.reply, UnplacedError)
    assert isinstance(put("a").result(UnplacedReply("NS")), UnplacedReply)
    assert UNPLACED_TOO_LARGE != TOO_LARGE


class Looked(meta.Set):
    """A quiet set that counts how often it is looked at."""

    __slots__ = ()
    times = 0

    def may_get(self, reply: MetaReply) -> bool:
        Looked.times += 1
        return super().may_get(reply)

    @property
    def quiet(self) -> bool:  # type: ignore[override]
        Looked.times += 1
        return True

    @quiet.setter
    def quiet(self, quiet: bool) -> None:
        assert quiet


@pytest.mark.parametrize("line", [b"NS\r\n", b"ERROR\r\n"])
def test_a_thousand_refusals_are_not_looked_for_a_thousand_times_each(line: bytes) -> None:
    counts = []
    for size in (250, 500, 1000):
        connection = connected(*[Looked("k", b"v", q=True) for _ in range(size)], NOOP)
        Looked.times = 0
        connection.receive_data(line * size + b"MN\r\n")
        while connection.owed:
            assert connection.next_event() is not NEED_DATA
        counts.append(Looked.times)
    assert counts[1] < 2.1 * counts[0]
    assert counts[2] < 2.1 * counts[1]


@pytest.mark.parametrize("received", [b"MN\r\n", b"END\r\n"])
def test_a_thousand_silences_are_found_in_one_look(received: bytes) -> None:
    closing = NOOP if received == b"MN\r\n" else GET
    counts = []
    for size in (250, 500, 1000):
        connection = connected(*[Looked("k", b"v", q=True) for _ in range(size)], closing)
        Looked.times = 0
        connection.receive_data(received)
        while connection.owed:
            assert connection.next_event() is not NEED_DATA
        counts.append(Looked.times)
    assert counts[1] < 2.1 * counts[0]
    assert counts[2] < 2.1 * counts[1]


# --------------------------------------------------------------------------------- the direct door


def test_the_direct_door_owes_from_before_the_first_byte_to_the_last() -> None:
    connection = ClientConnection()
    connection.owed = 1
    assert not connection.is_idle
    assert GET.decode(b"END\r\n") is None
    connection.owed = 0
    assert connection.is_idle
    connection.send(GET)
    connection.receive_data(b"END\r\n")
    assert connection.next_event() == MISS


REPLY = b"VALUE k 0 5\r\nhello\r\nEND\r\n"


@pytest.mark.parametrize("cut", range(len(REPLY)))
def test_from_the_direct_door_the_events_go_on_with_what_has_come(cut: int) -> None:
    connection = ClientConnection()
    connection.owed = 1
    assert GET.decode(REPLY[:cut]) is NEED_DATA
    connection.resume(GET, REPLY[:cut])
    assert connection.next_event() is NEED_DATA
    assert connection.owed == 1
    connection.receive_data(REPLY[cut:])
    assert connection.next_event() == Values([Item(b"k", 0, b"hello")])
    assert connection.is_idle


def test_nothing_has_come_yet_is_not_the_end() -> None:
    connection = at_the_direct_door()
    connection.resume(GET, b"")
    assert connection.next_event() is NEED_DATA
    connection.receive_data(b"")
    with pytest.raises(RemoteProtocolError, match="closed with 1 replies owed"):
        connection.next_event()


def test_where_several_are_owed_the_events_read_the_oldest_and_leave_the_rest() -> None:
    connection = ClientConnection()
    connection.check(GET)
    connection.owed = 3
    connection.resume(GET, b"END")
    assert connection.next_event() is NEED_DATA
    connection.receive_data(b"\r\n" + REPLY + b"END")
    assert connection.next_event() == MISS
    assert connection.owed == 2
    with pytest.raises(LocalProtocolError, match="direct door"):
        connection.next_event()
    with pytest.raises(LocalProtocolError, match="direct door"):
        connection.send(GET)
    assert connection.leave() == REPLY + b"END"
    connection.owed = 1  # the second has been read at the door
    connection.resume(GET, b"END\r\n")
    assert connection.next_event() == MISS
    assert connection.is_idle
    assert connection.leave() == b""


def test_who_goes_by_the_direct_door_can_ask_before_whether_a_command_may_be_sent() -> None:
    at_the_direct_door().check(GET)
    with pytest.raises(LocalProtocolError, match="broken"):
        broken().check(GET)
    with pytest.raises(LocalProtocolError, match="closed"):
        closed().check(GET)
    with pytest.raises(LocalProtocolError, match="not for a binary connection"):
        ClientConnection("binary").check(GET)
    with pytest.raises(ItemTooLarge):
        ClientConnection(max_value=1).check(classic.Set("k", b"vv"))


def test_who_was_interrupted_at_the_direct_door_leaves_nothing_for_others() -> None:
    connection = at_the_direct_door()
    connection.receive_data(REPLY)  # too late
    with pytest.raises(LocalProtocolError, match="direct door"):
        connection.send(GET)
    with pytest.raises(LocalProtocolError, match="direct door"):
        connection.next_event()
    assert not connection.is_idle
    connection.owed = 0  # even if somebody pretends
    assert not connection.is_idle


def test_the_direct_door_of_a_noreply_command_takes_nothing() -> None:
    for command in (SILENT, classic.Incr("k", noreply=True), classic.Quit()):
        assert command.decode(b"") is None
        with pytest.raises(ProtocolDesync, match="7 bytes"):
            command.decode(b"ERROR\r\n")


@pytest.mark.parametrize(
    ("received", "error"),
    [
        (b"END\r\nEND\r\n", ProtocolDesync),
        (b"VALUE other 0 1\r\nx\r\nEND\r\n", ProtocolDesync),
        (b"x" * 10_000, LimitExceeded),
        (b"ERROR\r\n", ErrorReplied),
    ],
)
def test_the_direct_door_refuses_what_the_events_refuse(
    received: bytes, error: type[Exception]
) -> None:
    with pytest.raises(error):
        GET.decode(received)
    connection = at_the_direct_door()
    connection.resume(GET, received)
    with pytest.raises(error):
        GET.result(connection.next_event())
        connection.next_event()


def test_what_is_shown_of_a_connection_is_its_state() -> None:
    connection = ClientConnection()
    assert repr(connection) == "<ClientConnection text, idle>"
    connection.send(GET)
    assert repr(connection) == "<ClientConnection text, owed=1>"
    connection.receive_data(b"")
    assert repr(connection) == "<ClientConnection text, owed=1, ended>"
    with pytest.raises(RemoteProtocolError):
        connection.next_event()
    assert repr(connection) == "<ClientConnection text, broken>"
