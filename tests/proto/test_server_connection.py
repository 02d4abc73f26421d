"""The server half: what is answered in which order, when it is silent, and when it hangs up."""

from __future__ import annotations

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
    ErrorReply,
    InvalidArgument,
    Item,
    LocalProtocolError,
    MetaReply,
    Number,
    Replies,
    Reply,
    ServerConnection,
    Stats,
    Status,
    Text,
    Values,
    classic,
    meta,
)
from mcproto.testing import Answer, answers, hostile, pieces_of

OUT_OF_MEMORY = ErrorReply("SERVER_ERROR", "out of memory storing object")


def asked(*requests: bytes) -> ServerConnection:
    """A connection that has read all these requests and answered none."""
    connection = ServerConnection()
    connection.receive_data(b"".join(requests))
    while connection.next_event() not in (NEED_DATA, CLOSED):
        pass
    return connection


def written(answer: Answer) -> bytes:
    if isinstance(answer.event, ErrorReply) and not answer.event.message:
        return answer.event.kind.encode() + b"\r\n"  # no blank without a text
    return answer.wire


# ------------------------------------------------------------------------------------- the writer


@given(answers())
def test_a_reply_is_written_as_servers_write_it(answer: Answer) -> None:
    reply: Reply = answer.event  # type: ignore[assignment]
    assert asked(answer.command.encode()).send(reply) == written(answer)


@given(st.lists(answers(), min_size=1, max_size=6), st.data())
def test_what_a_server_writes_is_what_a_client_reads(
    conversation: list[Answer], data: st.DataObject
) -> None:
    client, server = ClientConnection(), ServerConnection()
    sent = b"".join([client.send(answer.command) for answer in conversation])
    replies = iter(conversation)
    answered = b""
    for piece in data.draw(pieces_of(sent)):
        server.receive_data(piece)
        while server.next_event() is not NEED_DATA:
            answered += server.send(next(replies).event)  # type: ignore[arg-type]
    assert next(replies, None) is None
    client.receive_data(answered)
    assert [client.next_event() for _ in conversation] == [each.event for each in conversation]
    assert client.is_idle


WRITTEN: list[tuple[bytes, Reply, bytes]] = [
    (b"get k", Values(), b"END\r\n"),
    (b"get k", Values([Item(b"k", 5, b"v")]), b"VALUE k 5 1\r\nv\r\nEND\r\n"),
    (b"gats 0 k", Values([Item(b"k", 5, b"v", 7)]), b"VALUE k 5 1 7\r\nv\r\nEND\r\n"),
    (b"delete k", Status.NOT_FOUND, b"NOT_FOUND\r\n"),
    (b"incr k 1", Number((1 << 64) - 1), b"18446744073709551615\r\n"),
    (b"version", Text("1.6.45"), b"VERSION 1.6.45\r\n"),
    (b"stats", Stats({"pid": "1", "a": "b c"}), b"STAT pid 1\r\nSTAT a b c\r\nEND\r\n"),
    (b"stats", Stats(), b"END\r\n"),
    (b"stats reset", Status.RESET, b"RESET\r\n"),
    (b"get k", ErrorReply("ERROR"), b"ERROR\r\n"),
    (b"bogus", ErrorReply("ERROR"), b"ERROR\r\n"),
    (b"mg k", MetaReply("EN"), b"EN\r\n"),
    (b"mg k k O v", MetaReply("VA", [("k", b"k"), ("O", None)], b"v"), b"VA 1 kk O\r\nv\r\n"),
    (b"mg k v", MetaReply("VA", [], b""), b"VA 0\r\n\r\n"),
    (b"mg k t", MetaReply("HD", [("t", b"-1"), ("W", None)]), b"HD t-1 W\r\n"),
    (b"mn", MetaReply("MN"), b"MN\r\n"),
    (
        b"me k",
        MetaReply("ME", [("k", b"k"), ("exp", b"-1"), ("fetch", b"no")]),
        b"ME k exp=-1 fetch=no\r\n",
    ),
]


@pytest.mark.parametrize(("request_", "reply", "wire"), WRITTEN)
def test_every_kind_of_reply(request_: bytes, reply: Reply, wire: bytes) -> None:
    assert asked(request_ + b"\r\n").send(reply) == wire


LINE_ENDS: list[tuple[bytes, Reply]] = [
    (b"bogus", ErrorReply("ERROR", "x\r\nSTORED")),
    (b"version", Text("1\n2")),
    (b"stats", Stats({"a": "1\nEND"})),
    (b"me k", MetaReply("ME", [("k", b"k"), ("exp", b"\n")])),
]


@pytest.mark.parametrize(("request_", "reply"), LINE_ENDS)
def test_a_text_with_a_line_end_in_it_is_not_written(request_: bytes, reply: Reply) -> None:
    connection = asked(request_ + b"\r\n")
    with pytest.raises(InvalidArgument, match="line end"):
        connection.send(reply)
    assert connection.send(ErrorReply("ERROR")) == b"ERROR\r\n"


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (b"stats", Stats({"two words": "1"})),
        (b"me k", MetaReply("ME", [("k", b"k"), ("a=b", b"1")])),
        (b"me k", MetaReply("ME", [("k", b"k"), ("exp", b"1 la=2")])),
    ],
)
def test_a_name_that_would_be_read_as_another_is_not_written(request_: bytes, reply: Reply) -> None:
    with pytest.raises(InvalidArgument, match="must not hold"):
        asked(request_ + b"\r\n").send(reply)


IMPOSSIBLE: list[tuple[bytes, object]] = [
    (b"get k", Status.STORED),
    (b"get k", Values([Item(b"k", 0, b"v", 7)])),
    (b"get k", Values([Item(b"other", 0, b"v")])),
    (b"get k", Values([Item(b"k", 0, b"v")] * 2)),
    (b"get k", Values([Item(b"k", -1, b"v")])),
    (b"get k l", Values([Item(b"other", 0, b"v")])),
    (b"gets k", Values([Item(b"k", 0, b"v", -1)])),
    (b"incr k 1", Number(1 << 64)),
    (b"mg k v", MetaReply("HD")),
    (b"mg k t", MetaReply("HD")),
    (b"mg k t Ox", MetaReply("HD", [("t", b"1"), ("O", b"y")])),
    (b"gets k", Values([Item(b"k", 0, b"v")])),
    (b"delete k", Status.STORED),
    (b"incr k 1", Values()),
    (b"version", Number(1)),
    (b"mg k", MetaReply("NF")),
    (b"mg k v", MetaReply("VA")),
    (b"mg k v", MetaReply("HD", [], b"v")),
    (b"mn", MetaReply("HD")),
    (b"me k", MetaReply("HD")),
    (b"get k", None),
    (b"get k", NO_REPLY),
    (b"get k", Replies([Values()])),
    (b"bogus", Status.OK),
    (b"bogus", Values()),
]


@pytest.mark.parametrize(("request_", "reply"), IMPOSSIBLE)
def test_what_a_client_could_not_take_for_the_answer_is_not_sent(
    request_: bytes, reply: Reply
) -> None:
    connection = asked(request_ + b"\r\n", b"mn\r\n")
    with pytest.raises(LocalProtocolError):
        connection.send(reply)
    assert connection.send(OUT_OF_MEMORY) == b"SERVER_ERROR out of memory storing object\r\n"
    assert connection.send(MetaReply("MN")) == b"MN\r\n"


# ------------------------------------------------------------------------------------- the order


def test_the_oldest_request_is_answered_first() -> None:
    connection = asked(b"get k\r\nbogus\r\nmn\r\n")
    assert connection.send(Values()) == b"END\r\n"
    assert connection.send(ErrorReply("ERROR")) == b"ERROR\r\n"
    assert connection.send(MetaReply("MN")) == b"MN\r\n"


def test_what_was_not_asked_is_not_answered() -> None:
    connection = ServerConnection()
    with pytest.raises(LocalProtocolError, match="answered"):
        connection.send(Values())
    connection.receive_data(b"mn\r\n")
    with pytest.raises(LocalProtocolError):
        connection.send(MetaReply("MN"))  # it has not been read yet
    assert connection.next_event() == meta.Noop()
    assert connection.send(MetaReply("MN")) == b"MN\r\n"
    with pytest.raises(LocalProtocolError):
        connection.send(MetaReply("MN"))


# -------------------------------------------------------------------------------------- silence


@pytest.mark.parametrize(
    ("request_", "replies"),
    [
        (b"set k 0 0 1 noreply\r\nx\r\n", [Status.STORED, Status.NOT_STORED, OUT_OF_MEMORY]),
        (b"cas k 0 0 1 7 noreply\r\nx\r\n", [Status.EXISTS]),
        (b"delete k noreply\r\n", [Status.DELETED, Status.NOT_FOUND]),
        (b"incr k 1 noreply\r\n", [Number(1), ErrorReply("CLIENT_ERROR", "non-numeric value")]),
        (b"flush_all noreply\r\n", [Status.OK]),
        (b"verbosity 1 noreply\r\n", [Status.OK]),
        (b"touch k abc noreply\r\n", [ErrorReply("CLIENT_ERROR", "invalid exptime argument")]),
        (b"quit\r\n", [Status.OK]),
    ],
)
def test_a_noreply_request_has_no_reply_whatever_it_would_be(
    request_: bytes, replies: list[Reply]
) -> None:
    for reply in replies:
        assert asked(request_).send(reply) == b""


QUIET = {
    b"mg k q": ("EN", "HD"),
    b"mg k q v": ("EN", "VA"),
    b"ms k 1 q\r\nx": ("HD", "NS EX NF"),
    b"md k q": ("HD", "NF EX"),
    b"ma k q": ("HD", "NF EX NS"),
    b"ma k q v": ("VA", "NF EX NS"),
}


@pytest.mark.parametrize("line", QUIET)
def test_a_quiet_command_is_spared_its_usual_answer_and_no_other(line: bytes) -> None:
    hidden, shown = QUIET[line]
    for code in hidden.split():
        value = b"1" if code == "VA" else None
        assert asked(line + b"\r\n").send(MetaReply(code, [], value)) == b""
        loud = line.replace(b" q", b"")
        assert asked(loud + b"\r\n").send(MetaReply(code, [], value)).startswith(code.encode())
    for code in shown.split():
        reply = MetaReply(code, [], b"1" if code == "VA" else None)
        assert asked(line + b"\r\n").send(reply).startswith(code.encode())
    assert asked(line + b"\r\n").send(OUT_OF_MEMORY).startswith(b"SERVER_ERROR")


# -------------------------------------------------------------------------------------- the end


def test_after_quit_comes_nothing_and_what_was_asked_before_is_answered() -> None:
    connection = ServerConnection()
    connection.receive_data(b"get k\r\nbogus\r\nquit\r\nversion\r\n")
    assert connection.next_event() == classic.Get("k")
    assert not connection.must_close
    assert connection.next_event() == BadRequest(ErrorReply("ERROR"))
    assert connection.next_event() == classic.Quit()
    assert connection.next_event() is CLOSED
    assert not connection.must_close
    connection.send(Values())
    assert not connection.must_close
    connection.send(ErrorReply("ERROR"))
    # To answer `quit` or not makes no difference.
    assert connection.must_close
    assert connection.send(Status.OK) == b""
    assert connection.must_close
    assert not connection.is_broken


@pytest.mark.parametrize("wrong", [b"x" * 2049, b"GET / HTTP/1.1\r\n"])
def test_what_is_not_the_protocol_ends_the_connection_after_the_earlier_replies(
    wrong: bytes,
) -> None:
    connection = ServerConnection()
    connection.receive_data(b"mn\r\n" + wrong)
    assert connection.next_event() == meta.Noop()
    assert not connection.is_broken
    assert connection.next_event() is CLOSED
    assert connection.is_broken
    assert not connection.must_close
    assert connection.send(MetaReply("MN")) == b"MN\r\n"
    assert connection.must_close
    connection.receive_data(b"mn\r\n")
    assert connection.next_event() is CLOSED


def test_who_stops_sending_is_still_answered() -> None:
    connection = ServerConnection()
    connection.receive_data(b"get k\r\nmn\r\nset k 0 0 10\r\nabc")
    connection.receive_data(b"")
    assert not connection.must_close
    assert connection.next_event() == classic.Get("k")
    assert connection.next_event() == meta.Noop()
    assert connection.next_event() is CLOSED
    assert not connection.must_close
    assert connection.send(Values()) == b"END\r\n"
    assert connection.send(MetaReply("MN")) == b"MN\r\n"
    assert connection.must_close
    assert not connection.is_broken


def test_an_end_of_file_is_seen_at_once_if_nothing_was_asked() -> None:
    connection = ServerConnection()
    assert connection.next_event() is NEED_DATA
    connection.receive_data(b"")
    assert connection.next_event() is CLOSED
    assert connection.must_close


@given(hostile(role="client") | st.binary())
def test_whatever_a_client_sends_every_event_can_be_answered(stream: bytes) -> None:
    connection = ServerConnection("text")
    connection.receive_data(stream)
    connection.receive_data(b"")
    while (event := connection.next_event()) is not CLOSED:
        assert isinstance(event, (Command, BadRequest))
        assert not connection.must_close or event == classic.Quit()
        reply = event.reply if isinstance(event, BadRequest) else OUT_OF_MEMORY
        data = connection.send(reply)
        assert data.endswith(b"\r\n") or (event.noreply and not data)
    assert connection.must_close


# ------------------------------------------------------------------------------------- arguments


def test_a_text_connection_takes_a_binary_header_for_a_text() -> None:
    connection = ServerConnection("text")
    connection.receive_data(b"\x80\n" + b"\0" * 22 + b"\r\n")
    assert connection.next_event() == BadRequest(
        ErrorReply("CLIENT_ERROR", "bad command line format")
    )
    assert connection.next_event() == BadRequest(ErrorReply("ERROR"))


@pytest.mark.parametrize("protocol", ["udp", "", None])
def test_another_protocol_is_refused(protocol: str) -> None:
    with pytest.raises(InvalidArgument, match="protocol"):
        ServerConnection(protocol)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("limits", "error"),
    [
        ({"max_line": 63}, InvalidArgument),
        ({"max_line": "64"}, TypeError),
        ({"max_value": -1}, InvalidArgument),
        ({"max_value": None}, TypeError),
    ],
)
def test_a_limit_that_is_none_is_refused(limits: dict[str, int], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(limits))):
        ServerConnection(**limits)


def test_a_value_as_large_as_the_limit_is_read() -> None:
    connection = ServerConnection(max_value=5)
    connection.receive_data(b"set k 0 0 5\r\nhello\r\nset k 0 0 6\r\nworld!\r\n")
    assert connection.next_event() == classic.Set("k", b"hello")
    assert connection.next_event() == BadRequest(
        ErrorReply("SERVER_ERROR", "object too large for cache")
    )


def test_what_is_shown_of_a_connection_is_its_state() -> None:
    connection = ServerConnection()
    assert repr(connection) == "<ServerConnection undecided, unanswered=0>"
    connection.receive_data(b"get k\r\nquit\r\n")
    connection.next_event()
    assert repr(connection) == "<ServerConnection text, unanswered=1>"
    connection.send(Values([]))
    connection.next_event()
    assert repr(connection) == "<ServerConnection text, must close>"
    assert repr(ServerConnection("binary")) == "<ServerConnection binary, unanswered=0>"
    connection = ServerConnection()
    connection.receive_data(b"x" * 5000)
    connection.next_event()
    assert repr(connection) == "<ServerConnection text, broken>"
