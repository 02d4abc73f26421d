"""Replies of many lines: as they come, or whole; read by clients, written by servers."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable

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
    Flight,
    InvalidArgument,
    LimitExceeded,
    Lines,
    LocalProtocolError,
    ProtocolDesync,
    RemoteProtocolError,
    ServerConnection,
    Stats,
    Status,
    Stream,
    StreamLine,
    admin,
    classic,
    meta,
)
from mcproto.testing import pieces_of

ITEM = b"key=foo exp=-1 la=1795345222 cas=2 fetch=no cls=1 size=67 flags=0 "
OLD_ITEM = b"key=a%25b exp=-1 la=1 cas=1 fetch=no cls=1 size=71"


def events(
    command: Command[object],
    received: Iterable[bytes],
    *,
    max_line: int = 8192,
    max_value: int = 1 << 20,
    max_items: int = 1000,
) -> list[object]:
    """What a connection says that has sent *command*, is given *received*, and then the end."""
    connection = ClientConnection(max_line=max_line, max_value=max_value, max_items=max_items)
    connection.send(command)
    seen: list[object] = []
    event: object = NEED_DATA
    for data in (*received, b""):
        connection.receive_data(data)
        try:
            while (event := connection.next_event()) is not NEED_DATA:
                seen.append(event)
                if event is CLOSED:
                    break
        except RemoteProtocolError as error:
            assert connection.is_broken
            return [*seen, type(error)]
    assert event is CLOSED
    return seen


def lines(*contents: bytes) -> list[object]:
    return [StreamLine(line) for line in contents]


# ----------------------------------------------------------------------------------- line by line

STREAMS: list[tuple[Command[object], bytes, list[object]]] = [
    # As 1.6.18 and 1.6.45 do.
    (admin.Metadump(), OLD_ITEM + b"\nEND\r\n", [*lines(OLD_ITEM), Status.END]),
    (
        admin.Metadump("hash"),
        b"OK\r\n" + ITEM + b"\n" + OLD_ITEM + b"\nEND\r\n",
        [*lines(ITEM, OLD_ITEM), Status.END],
    ),
    (admin.Metadump(), b"OK\r\nEND\r\n", [Status.END]),
    (admin.Metadump([1]), b"END\r\n", [Status.END]),
    (
        admin.Mgdump(),
        b"OK\r\nmg Zm9v/w== b\r\nmg foo\r\nEN\r\n",
        [*lines(b"mg Zm9v/w== b", b"mg foo"), Status.END],
    ),
    (
        classic.Stats(),
        b"STAT pid 5326\r\nSTAT a b c\r\nEND\r\n",
        [*lines(b"STAT pid 5326", b"STAT a b c"), Status.END],
    ),
    (
        classic.Stats("cachedump 1 10"),
        b"ITEM foo [5 b; 0 s]\r\nEND\r\n",
        [*lines(b"ITEM foo [5 b; 0 s]"), Status.END],
    ),
    (
        classic.Stats("detail dump"),
        b"PREFIX pre get 2 hit 1 set 1 del 1\r\nEND\r\n",
        [*lines(b"PREFIX pre get 2 hit 1 set 1 del 1"), Status.END],
    ),
    (classic.Stats("items"), b"END\r\n", [Status.END]),
    # Instead of any line.
    (classic.Stats("reset"), b"RESET\r\n", [Status.RESET]),
    (classic.Stats("detail on"), b"OK\r\n", [Status.OK]),
    (classic.Stats("foo"), b"ERROR\r\n", [ErrorReply("ERROR")]),
    (admin.Metadump(), b"BUSY crawling\r\n", [ErrorReply("BUSY", "crawling")]),
    (admin.Mgdump(), b"BADCLASS invalid\r\n", [ErrorReply("BADCLASS", "invalid")]),
    (
        admin.Metadump(),
        b"ERROR cannot pipeline other commands before metadump\r\n",
        [ErrorReply("ERROR", "cannot pipeline other commands before metadump")],
    ),
]


@pytest.mark.parametrize(("command", "wire", "expected"), STREAMS)
def test_lines_come_one_by_one_and_what_ends_them_settles_the_command(
    command: Command[object], wire: bytes, expected: list[object]
) -> None:
    stream = Stream(command)
    connection = ClientConnection()
    assert connection.send(stream) == command.encode()
    connection.receive_data(wire)
    for event in expected:
        assert connection.owed == 1
        assert not connection.is_idle
        assert connection.next_event() == event
    assert connection.owed == 0
    assert connection.is_idle
    assert connection.next_event() is NEED_DATA
    connection.send(classic.Version())
    if isinstance(expected[-1], ErrorReply):
        with pytest.raises(ErrorReplied):
            stream.result(expected[-1])
    else:
        assert isinstance(expected[-1], Status)
        stream.result(expected[-1])


@pytest.mark.parametrize(("command", "wire", "expected"), STREAMS)
@pytest.mark.parametrize("size", [1, 2, 7])
def test_lines_are_the_same_however_they_were_cut(
    command: Command[object], wire: bytes, expected: list[object], size: int
) -> None:
    pieces = [wire[at : at + size] for at in range(0, len(wire), size)]
    assert events(Stream(command), pieces) == [*expected, CLOSED]
    for cut in range(1, len(wire)):
        assert events(Stream(command), [wire[:cut], wire[cut:]]) == [*expected, CLOSED]


@pytest.mark.parametrize(("command", "wire", "expected"), STREAMS)
def test_an_end_in_the_midst_of_it_is_an_error(
    command: Command[object], wire: bytes, expected: list[object]
) -> None:
    for cut in range(len(wire)):
        *got, error = events(Stream(command), [wire[:cut]] if cut else [])
        assert error is RemoteProtocolError
        assert got == expected[: len(got)]
        assert len(got) < len(expected)


NOT_LINES: list[tuple[Command[object], bytes]] = [
    (admin.Metadump(), b"OK\r\nOK\r\n"),
    (admin.Metadump(), b"OK\r\nERROR\r\n"),
    (admin.Metadump(), ITEM + b"\nOK\r\n"),
    (admin.Metadump(), ITEM + b"\nBUSY now\r\n"),
    (admin.Metadump(), ITEM + b"\nEN\r\n"),
    (admin.Metadump(), b"mg foo\r\n"),
    (admin.Metadump(), b"SAME\r\n"),
    (admin.Metadump(), b"\r\n"),
    (admin.Mgdump(), b"OK\r\nEND\r\n"),
    (admin.Mgdump(), ITEM + b"\r\n"),
    (admin.Mgdump(), b"mg foo\n"),
    (classic.Stats(), b"STAT a 1\r\nERROR\r\n"),
    (classic.Stats(), b"STAT a 1\r\nRESET\r\n"),
    (classic.Stats(), b"STAT a 1\nEND\r\n"),
    (classic.Stats(), b"EN\r\n"),
]


@pytest.mark.parametrize(("command", "wire"), NOT_LINES)
def test_what_is_no_line_is_an_error(command: Command[object], wire: bytes) -> None:
    seen = events(Stream(command), [wire])
    assert issubclass(seen[-1], RemoteProtocolError)  # type: ignore[arg-type]
    assert seen == events(Stream(command), [wire[at : at + 1] for at in range(len(wire))])
    with pytest.raises(RemoteProtocolError):
        command.decode(wire)
    with pytest.raises(RemoteProtocolError):
        Stream(command).decode(wire)


_some_lines = st.lists(
    st.sampled_from(
        [
            b"OK\r\n",
            b"END\r\n",
            b"EN\r\n",
            b"END\n",
            b"ERROR\r\n",
            b"BUSY x\r\n",
            b"\n",
            b"\r\n",
            ITEM + b"\n",
            ITEM + b"\r\n",
            b"mg foo\r\n",
            b"STAT a 1\r\n",
            b"STAT a\r\n",
            b"ITEM x\r\n",
            b"key=",
            b"k",
        ]
    )
    | st.binary(max_size=4),
    max_size=8,
).map(b"".join)
_commands = st.sampled_from(
    [admin.Metadump(), admin.Mgdump(), classic.Stats(), classic.Stats("reset")]
)


@given(_commands, _some_lines, st.data())
def test_any_bytes_are_events_or_an_error_however_they_are_cut(
    command: Command[object], wire: bytes, data: st.DataObject
) -> None:
    for asked in (Stream(command), command):
        whole = events(asked, [wire] if wire else [])
        assert whole[-1] is CLOSED or issubclass(whole[-1], RemoteProtocolError)  # type: ignore[arg-type]
        assert events(asked, data.draw(pieces_of(wire)) if wire else []) == whole


@given(_commands, st.integers(0, 20), st.sampled_from([b"END\r\n", b"EN\r\n", b"ERROR\r\n"]))
def test_the_whole_reply_and_its_lines_say_the_same(
    command: Command[object], number: int, end: bytes
) -> None:
    form = command.line_form
    assert form is not None
    contents = [form.words[0] + b"%d x" % i for i in range(number)]
    wire = b"".join([line + form.ending for line in contents]) + end
    one_by_one = events(Stream(command), [wire])
    whole = events(command, [wire])
    if whole[0] == Status.END or isinstance(whole[0], (Lines, Stats)):
        assert one_by_one == [*lines(*contents), Status.END, CLOSED]
        if isinstance(whole[0], Lines):
            assert whole == [Lines(contents), CLOSED]
            assert command.decode(wire) == tuple(contents)
        assert Stream(command).decode(wire) is None
    else:
        assert one_by_one[-len(whole) :] == whole


# ------------------------------------------------------------------------------------- the limits


def test_a_line_may_be_as_long_as_the_limit() -> None:
    for command, ending in ((admin.Metadump(), b"\n"), (admin.Mgdump(), b"\r\n")):
        form = command.form
        line = form.words[0].ljust(64, b"x")
        end = form.last + b"\r\n"
        for asked, expected in (
            (Stream(command), [StreamLine(line), Status.END, CLOSED]),
            (command, [Lines([line]), CLOSED]),
        ):
            wire = line + ending + end
            assert events(asked, [wire], max_line=64) == expected
            singly = [wire[at : at + 1] for at in range(len(wire))]
            assert events(asked, singly, max_line=64) == expected
            longer = line + b"x" + ending + end
            assert events(asked, [longer], max_line=64) == [LimitExceeded]
            singly = [longer[at : at + 1] for at in range(len(longer))]
            assert events(asked, singly, max_line=64) == [LimitExceeded]


def test_a_line_that_never_ends_is_not_kept() -> None:
    connection = ClientConnection(max_line=64)
    connection.send(Stream(admin.Metadump()))
    connection.receive_data(b"key=" + b"x" * 62)
    with pytest.raises(LimitExceeded):
        connection.next_event()


def test_lines_that_come_one_by_one_may_be_any_number() -> None:
    wire = b"STAT a 1\r\n" * 100 + b"END\r\n"
    seen = events(Stream(classic.Stats()), [wire], max_items=3, max_value=50)
    assert seen == [*lines(b"STAT a 1") * 100, Status.END, CLOSED]


@pytest.mark.parametrize("command", [admin.Metadump(), admin.Mgdump()])
def test_lines_that_are_kept_have_limits(command: admin.Metadump | admin.Mgdump) -> None:
    form = command.form
    line = form.words[0].ljust(10, b"x")
    wire = b"OK\r\n" + (line + form.ending) * 5 + form.last + b"\r\n"
    assert events(command, [wire], max_items=5, max_value=50) == [Lines([line] * 5), CLOSED]
    assert events(command, [wire], max_items=4) == [LimitExceeded]
    assert events(command, [wire], max_value=49) == [LimitExceeded]


def test_a_reply_has_begun_once_a_byte_of_it_is_here() -> None:
    for command in (admin.Metadump(), Stream(admin.Metadump())):
        connection = ClientConnection()
        connection.send(command)
        assert connection.next_event() is NEED_DATA
        assert not connection.in_reply
        connection.receive_data(b"OK\r\n")
        assert connection.next_event() is NEED_DATA
        assert connection.in_reply


def test_from_the_direct_door_a_stream_goes_on_in_events() -> None:
    wire = ITEM + b"\n" + ITEM + b"\nEND\r\n"
    stream, dump = Stream(admin.Metadump()), admin.Metadump()
    assert stream.decode(wire[:-1]) is NEED_DATA
    assert dump.decode(wire[:-1]) is NEED_DATA
    connection = ClientConnection()
    connection.owed = 1
    connection.resume(stream, wire[:-1])
    assert connection.next_event() == StreamLine(ITEM)
    assert connection.next_event() == StreamLine(ITEM)
    assert connection.next_event() is NEED_DATA
    connection.receive_data(wire[-1:])
    assert connection.next_event() is Status.END
    assert connection.is_idle


# --------------------------------------------------------------------------------------- alone


@pytest.mark.parametrize(
    "command", [admin.Metadump(), admin.Mgdump(), Stream(admin.Metadump()), admin.Watch()]
)
def test_a_dump_or_a_log_is_sent_alone(command: Command[object]) -> None:
    connection = ClientConnection()
    connection.send(classic.Get("k"))
    with pytest.raises(LocalProtocolError, match="alone"):
        connection.send(command)
    assert connection.owed == 1
    connection.receive_data(b"END\r\n")
    connection.next_event()
    connection.send(command)
    with pytest.raises(LocalProtocolError, match="alone"):
        connection.send(classic.Get("k"))
    assert connection.owed == 1
    connection.receive_data(b"ERROR\r\n")
    assert connection.next_event() == ErrorReply("ERROR")
    assert connection.is_idle
    connection.send(classic.Get("k"))


def test_statistics_are_pipelined_like_anything_else() -> None:
    connection = ClientConnection()
    connection.send(classic.Version())
    connection.send(Stream(classic.Stats("items")))
    connection.send(classic.Version())
    connection.receive_data(b"VERSION 1\r\nSTAT a 1\r\nEND\r\nVERSION 1\r\n")
    connection.next_event()
    assert connection.next_event() == StreamLine(b"STAT a 1")
    assert connection.next_event() is Status.END
    connection.next_event()
    assert connection.is_idle


def test_a_stream_behind_a_quiet_command_shows_that_it_was_silent() -> None:
    connection = ClientConnection()
    connection.send(meta.Get("k", v=True, q=True))
    connection.send(Stream(classic.Stats()))
    connection.send(meta.Noop())
    connection.receive_data(b"STAT a 1\r\nEND\r\nMN\r\n")
    assert connection.next_event() is NO_REPLY
    assert connection.next_event() == StreamLine(b"STAT a 1")
    assert connection.next_event() is Status.END


@pytest.mark.parametrize(
    "command", [classic.Get("k"), admin.Watch(), meta.Noop(), Stream(classic.Stats())]
)
def test_only_lines_that_end_make_a_stream(command: Command[object]) -> None:
    with pytest.raises(InvalidArgument, match="command is not"):
        Stream(command)


@pytest.mark.parametrize(
    "command", [Stream(classic.Stats()), admin.Metadump(), admin.Mgdump(), admin.Watch()]
)
def test_a_flight_has_one_reply_for_each_command(command: Command[object]) -> None:
    with pytest.raises(InvalidArgument, match="commands must not hold"):
        Flight([classic.Get("k"), command])


def test_a_stream_is_what_its_command_is() -> None:
    assert Stream(classic.Stats()).is_read
    assert not Stream(classic.Stats("reset")).is_read
    assert Stream(admin.Metadump()).is_alone
    assert not Stream(classic.Stats()).is_alone
    assert Stream(classic.Stats()) == Stream(classic.Stats())
    assert Stream(classic.Stats()) != Stream(classic.Stats("items"))


@pytest.mark.parametrize("reply", [StreamLine(b"STAT a 1"), Status.STORED, Stats(), NO_REPLY])
def test_a_line_is_no_result(reply: StreamLine | Status | Stats) -> None:
    with pytest.raises(ProtocolDesync):
        Stream(classic.Stats()).result(reply)
    with pytest.raises(ProtocolDesync):
        admin.Metadump().result(reply)


# ------------------------------------------------------------------------------------------ logs

LOG = b"ts=1795345224.674801 gid=2 type=item_get key=foo status=not_found clsid=0 cfd=12 size=0"


def watching() -> ClientConnection:
    connection = ClientConnection(max_line=100)
    connection.send(admin.Watch(["fetchers"]))
    connection.receive_data(b"OK\r\n")
    assert connection.next_event() is Status.OK
    return connection


def test_a_log_is_lines_until_the_server_closes() -> None:
    connection = watching()
    assert connection.owed == 0
    assert not connection.is_idle
    assert connection.next_event() is NEED_DATA
    for at in range(len(LOG)):
        connection.receive_data(LOG[at : at + 1])
        assert connection.next_event() is NEED_DATA
    connection.receive_data(b"\nts=2\r\nanything\n\nEND\r\n")
    seen = [connection.next_event() for _ in range(5)]
    assert seen == lines(LOG, b"ts=2", b"anything", b"", b"END")
    assert connection.next_event() is NEED_DATA
    connection.receive_data(b"ts=3\n")
    connection.receive_data(b"")
    assert connection.next_event() == StreamLine(b"ts=3")
    assert connection.next_event() is CLOSED
    assert connection.next_event() is CLOSED
    assert not connection.is_broken


def test_lines_that_come_with_the_ok_are_not_lost() -> None:
    connection = ClientConnection()
    connection.send(admin.Watch())
    connection.receive_data(b"OK\r\nts=1\nts=2\n")
    assert connection.next_event() is Status.OK
    assert not connection.is_broken
    assert [connection.next_event() for _ in range(2)] == lines(b"ts=1", b"ts=2")


def test_a_log_takes_no_commands() -> None:
    connection = watching()
    for command in (classic.Get("k"), admin.Watch(), classic.Quit()):
        with pytest.raises(LocalProtocolError, match="a log"):
            connection.send(command)
    assert connection.owed == 0
    assert not connection.is_broken


def test_a_log_that_is_cut_short_is_an_error() -> None:
    connection = watching()
    connection.receive_data(b"ts=1\nts=")
    connection.receive_data(b"")
    assert connection.next_event() == StreamLine(b"ts=1")
    for _ in range(2):
        with pytest.raises(RemoteProtocolError, match="3 bytes into a line"):
            connection.next_event()
    assert connection.is_broken


def test_a_line_of_a_log_has_a_limit_and_their_number_has_none() -> None:
    connection = watching()
    connection.receive_data(b"x" * 100 + b"\n")
    assert connection.next_event() == StreamLine(b"x" * 100)
    for _ in range(1000):
        connection.receive_data(b"ts=1\n")
        assert connection.next_event() == StreamLine(b"ts=1")
    connection.receive_data(b"x" * 101 + b"\n")
    with pytest.raises(LimitExceeded):
        connection.next_event()


def test_a_log_that_is_refused_leaves_the_connection_as_it_was() -> None:
    connection = ClientConnection()
    connection.send(admin.Watch())
    connection.receive_data(b"WATCHER_TOO_MANY log watcher limit reached\r\n")
    assert connection.next_event() == ErrorReply("WATCHER_TOO_MANY", "log watcher limit reached")
    assert connection.is_idle
    connection.send(classic.Version())


def test_at_the_direct_door_a_log_is_its_ok() -> None:
    assert admin.Watch().decode(b"OK\r") is NEED_DATA
    assert admin.Watch().decode(b"OK\r\n") is Status.OK
    with pytest.raises(RemoteProtocolError):
        admin.Watch().decode(b"OK\r\nts=1\n")


# ------------------------------------------------------------------------------------- the server


def asked(request: bytes, like: str = "1.6.45") -> ServerConnection:
    connection = ServerConnection(like=like)
    connection.receive_data(request + b"\r\n")
    assert not isinstance(connection.next_event(), BadRequest)
    return connection


def test_a_server_sends_a_dump_line_by_line() -> None:
    server = asked(b"lru_crawler metadump all")
    assert server.send(StreamLine(ITEM)) == b"OK\r\n" + ITEM + b"\n"
    assert server.send(StreamLine(OLD_ITEM)) == OLD_ITEM + b"\n"
    assert server.send(Status.END) == b"END\r\n"
    with pytest.raises(LocalProtocolError, match="every request"):
        server.send(StreamLine(ITEM))


def test_a_server_sends_a_dump_at_once() -> None:
    for like, opening in (("1.6.45", b"OK\r\n"), ("1.6.18", b"")):
        whole = asked(b"lru_crawler metadump all", like).send(Lines([ITEM, OLD_ITEM]))
        assert whole == opening + ITEM + b"\n" + OLD_ITEM + b"\nEND\r\n"
        assert asked(b"lru_crawler metadump 1", like).send(Lines()) == opening + b"END\r\n"
        assert asked(b"lru_crawler metadump 1", like).send(Status.END) == opening + b"END\r\n"
        server = asked(b"lru_crawler metadump all", like)
        assert server.send(StreamLine(ITEM)) == opening + ITEM + b"\n"
    whole = asked(b"lru_crawler mgdump hash").send(Lines([b"mg foo", b"mg Zm9v/w== b"]))
    assert whole == b"OK\r\nmg foo\r\nmg Zm9v/w== b\r\nEN\r\n"


def test_a_dump_that_is_refused_does_not_begin_with_ok() -> None:
    busy = ErrorReply("BUSY", "currently processing crawler request")
    assert asked(b"lru_crawler metadump all").send(busy) == (
        b"BUSY currently processing crawler request\r\n"
    )


def test_a_server_sends_statistics_line_by_line() -> None:
    server = asked(b"stats")
    assert server.send(StreamLine(b"STAT pid 1")) == b"STAT pid 1\r\n"
    assert server.send(Status.END) == b"END\r\n"
    assert asked(b"stats items").send(Status.END) == b"END\r\n"


def test_dumps_follow_each_other_with_an_ok_each() -> None:
    server = asked(b"lru_crawler metadump all")
    server.send(StreamLine(ITEM))
    server.send(Status.END)
    server.receive_data(b"lru_crawler metadump all\r\n")
    server.next_event()
    assert server.send(StreamLine(ITEM)) == b"OK\r\n" + ITEM + b"\n"


@pytest.mark.parametrize("reply", [Lines([ITEM]), ErrorReply("BUSY"), Status.OK, NO_REPLY])
def test_lines_that_have_begun_are_brought_to_their_end(
    reply: Lines | ErrorReply | Status,
) -> None:
    server = asked(b"lru_crawler metadump all")
    server.send(StreamLine(ITEM))
    with pytest.raises(LocalProtocolError):
        server.send(reply)
    assert server.send(Status.END) == b"END\r\n"


NOT_ANSWERS: list[tuple[bytes, StreamLine | Lines | Status | Stats]] = [
    (b"get k", StreamLine(b"VALUE k 0 0")),
    (b"get k", Status.END),
    (b"set k 0 0 0\r\n", StreamLine(b"x")),
    (b"refresh_certs", Lines()),
    (b"stats", Lines([b"STAT a 1"])),
    (b"lru_crawler metadump all", Status.OK),
    (b"lru_crawler metadump all", Stats()),
    (b"watch", StreamLine(b"ts=1")),
    (b"watch", Status.END),
    (b"watch", Lines()),
]


@pytest.mark.parametrize(("request_", "reply"), NOT_ANSWERS)
def test_lines_answer_who_is_answered_by_lines(
    request_: bytes, reply: StreamLine | Lines | Status | Stats
) -> None:
    server = asked(request_)
    with pytest.raises(LocalProtocolError):
        server.send(reply)
    assert server.send(ErrorReply("ERROR")) == b"ERROR\r\n"


def test_a_bad_request_is_not_answered_by_lines() -> None:
    server = ServerConnection()
    server.receive_data(b"stat\r\n")
    assert isinstance(server.next_event(), BadRequest)
    for reply in (StreamLine(b"STAT a 1"), Status.END, Lines()):
        with pytest.raises(LocalProtocolError):
            server.send(reply)


@pytest.mark.parametrize(
    ("request_", "line"),
    [
        (b"lru_crawler metadump all", b"mg foo"),
        (b"lru_crawler metadump all", b"key=a\nEND"),
        (b"lru_crawler metadump all", b"key=a\r"),
        (b"lru_crawler metadump all", b""),
        (b"lru_crawler mgdump all", b"key=a"),
        (b"lru_crawler mgdump all", b"mg a\r\nEN"),
        (b"stats", b"END"),
        (b"stats", b"STATISTIC"),
    ],
)
def test_a_line_that_would_be_something_else_is_not_sent(request_: bytes, line: bytes) -> None:
    server = asked(request_)
    for reply in (StreamLine(line), Lines([line])):
        with pytest.raises((InvalidArgument, LocalProtocolError)):
            server.send(reply)
    # Nothing has changed: not even the first line is behind us.
    opening = b"" if request_ == b"stats" else b"OK\r\n"
    end = b"EN\r\n" if b"mgdump" in request_ else b"END\r\n"
    assert server.send(Status.END) == opening + end


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"lru_crawler metadump all", b"ERROR cannot pipeline other commands before metadump"),
        (b"lru_crawler mgdump all", b"ERROR cannot pipeline other commands before metadump"),
        (b"watch fetchers", b"ERROR cannot pipeline other commands before watch"),
    ],
)
def test_what_is_to_be_alone_is_refused_behind_what_is_unanswered(line: bytes, text: bytes) -> None:
    server = ServerConnection()
    server.receive_data(b"mn\r\n" + line + b"\r\nmn\r\n")
    requests = [server.next_event() for _ in range(3)]
    assert [type(request) for request in requests] == [meta.Noop, BadRequest, meta.Noop]
    server.send(ErrorReply("SERVER_ERROR"))
    bad = requests[1]
    assert isinstance(bad, BadRequest)
    assert server.send(bad.reply) == text + b"\r\n"
    server.send(ErrorReply("SERVER_ERROR"))
    server.receive_data(line + b"\r\n")
    assert isinstance(server.next_event(), Command)


def test_a_log_is_deaf() -> None:
    server = asked(b"watch fetchers\r\nget k")
    server.receive_data(b"get k\r\n")
    assert server.next_event() is NEED_DATA
    assert server.send(Status.OK) == b"OK\r\n"
    assert server.next_event() is NEED_DATA
    server.receive_data(b"get k\r\nquit\r\n")
    assert server.next_event() is NEED_DATA
    assert not server.must_close
    for _ in range(3):
        assert server.send(StreamLine(LOG)) == LOG + b"\n"
    with pytest.raises(LocalProtocolError, match="every request"):
        server.send(Status.OK)
    with pytest.raises(InvalidArgument):
        server.send(StreamLine(b"a\nb"))
    server.receive_data(b"")
    assert server.next_event() is CLOSED
    assert server.must_close


def test_what_a_deaf_log_is_told_is_not_kept() -> None:
    server = asked(b"watch")
    server.send(Status.OK)
    tracemalloc.start()
    try:
        for _ in range(100):
            server.receive_data(b"x" * 100_000)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 100_000


def test_a_log_that_the_server_refuses_lets_the_client_go_on() -> None:
    server = asked(b"watch fetchers\r\nget k")
    assert server.next_event() is NEED_DATA
    server.send(ErrorReply("WATCHER_FAILED", "failed to add log watcher"))
    assert server.next_event() == classic.Get("k")


def test_client_and_server_understand_each_other() -> None:
    for command, contents in (
        (admin.Metadump(), (ITEM, OLD_ITEM)),
        (admin.Mgdump(), (b"mg a", b"mg b")),
        (classic.Stats(), (b"STAT a 1", b"STAT b 2")),
    ):
        client, server = ClientConnection(), ServerConnection()
        server.receive_data(client.send(Stream(command)))
        assert server.next_event() == command
        for line in contents:
            client.receive_data(server.send(StreamLine(line)))
            assert client.next_event() == StreamLine(line)
            assert client.next_event() is NEED_DATA
        client.receive_data(server.send(Status.END))
        assert client.next_event() is Status.END
        assert client.is_idle
