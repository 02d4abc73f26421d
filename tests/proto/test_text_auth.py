"""Who is there, in text: a `set` before anything else."""

from __future__ import annotations

import pickle
import traceback
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
    InvalidArgument,
    LocalProtocolError,
    ProtocolDesync,
    Reply,
    ServerConnection,
    Status,
    admin,
    classic,
    meta,
)
from mcproto.testing import hostile, pieces_of

OLD, NEW = "1.6.18", "1.6.45"
FAILURE = ErrorReply("CLIENT_ERROR", "authentication failure")
UNAUTHENTICATED = b"CLIENT_ERROR unauthenticated\r\n"
BAD_FORMAT = b"CLIENT_ERROR bad authentication token format\r\n"
BAD_END = b"CLIENT_ERROR bad command line termination\r\n"
TOO_LONG = b"CLIENT_ERROR auth token too long\r\n"


# ------------------------------------------------------------------------------------- the client


def test_it_is_a_set_that_would_have_expired() -> None:
    command = admin.Authenticate("alice", "s3cr")
    assert command.encode() == b"set auth 0 -1 10\r\nalice s3cr\r\n"
    assert (command.username, command.password) == (b"alice", b"s3cr")
    assert admin.Authenticate(b"alice", b"s3cr") == command
    assert admin.Authenticate("ä", "ö").encode() == b"set auth 0 -1 5\r\n\xc3\xa4 \xc3\xb6\r\n"


def test_the_right_password_is_true_and_a_wrong_one_raises() -> None:
    command = admin.Authenticate("alice", "s3cr")
    assert command.decode(b"STORED\r\n") is True
    assert command.decode(b"STORED\r") is NEED_DATA
    with pytest.raises(ErrorReplied, match="authentication failure") as caught:
        command.decode(b"CLIENT_ERROR authentication failure\r\n")
    assert caught.value.reply == FAILURE
    for wrong in (b"NOT_STORED\r\n", b"OK\r\n", b"HD\r\n"):
        with pytest.raises(ProtocolDesync):
            command.decode(wrong)
    with pytest.raises(ProtocolDesync):
        command.result(NO_REPLY)


def test_commands_may_be_sent_behind_it() -> None:
    client = ClientConnection()
    sent = client.send(admin.Authenticate("alice", "s3cr")) + client.send(classic.Get("k"))
    assert sent == b"set auth 0 -1 10\r\nalice s3cr\r\nget k\r\n"
    client.receive_data(b"STORED\r\nEND\r\n")
    assert client.next_event() is Status.STORED
    client.next_event()
    assert client.is_idle


SECRET = "Xyzzy-1"


def shown(error: BaseException | None) -> str:
    """All that may end up in a log."""
    text = ""
    while error is not None:
        text += "".join(traceback.format_exception_only(error)) + repr(error.args)
        error = error.__context__
    return text


@pytest.mark.parametrize(
    ("username", "password", "name"),
    [
        ("", SECRET, "username"),
        ("a b", SECRET, "username"),
        ("a\n", SECRET, "username"),
        ("alice", "", "password"),
        ("alice", SECRET + " x", "password"),
        ("alice", SECRET + "\r\n", "password"),
        ("alice", SECRET + "\n", "password"),
        ("alice", SECRET + "\r", "password"),
        ("alice", SECRET + "\0", "password"),
        ("alice", SECRET + "\ud800", "password"),
        ("alice", SECRET.encode() + b" ", "password"),
        ("alice", SECRET * 5000, "password"),
    ],
)
def test_what_is_no_word_is_refused_and_not_shown(
    username: str, password: str | bytes, name: str
) -> None:
    with pytest.raises(InvalidArgument, match=name) as caught:
        admin.Authenticate(username, password)
    assert SECRET not in shown(caught.value)


def test_a_password_of_another_type_is_refused_and_not_shown() -> None:
    with pytest.raises(TypeError, match="password must be str or bytes, not list") as caught:
        admin.Authenticate("alice", [SECRET])  # type: ignore[arg-type]
    assert SECRET not in shown(caught.value)


def test_the_longest_token_is_16_kilobytes() -> None:
    longest = "x" * (16384 - 6)
    admin.Authenticate("alice", longest)
    with pytest.raises(InvalidArgument, match="16384"):
        admin.Authenticate("alice", longest + "x")


def test_a_password_is_in_no_representation() -> None:
    command = admin.Authenticate("alice", SECRET)
    assert repr(command) == str(command) == "Authenticate(username=b'alice', password=...)"
    for reply in (Status.OK, NO_REPLY, FAILURE, ErrorReply("ERROR")):
        with pytest.raises((ProtocolDesync, ErrorReplied)) as caught:
            command.result(reply)
        assert SECRET not in shown(caught.value)
    server = ServerConnection(auth_required=True)
    server.receive_data(command.encode())
    heard = server.next_event()
    assert heard == command
    assert SECRET not in repr(heard)
    with pytest.raises(LocalProtocolError) as refused:
        server.send(Status.OK)
    assert SECRET not in shown(refused.value)
    assert pickle.loads(pickle.dumps(command)) == command


# ------------------------------------------------------------------------------------- the server


def answers(server: ServerConnection, *, right: bytes = b"alice s3cr") -> bytes:
    """What is said to all that has come, and will be said by memcached's store to the rest."""
    written = b""
    while not server.must_close:
        event = server.next_event()
        if event is NEED_DATA or event is CLOSED:
            break
        written += server.send(_answer(event, right))
    return written


def _answer(event: Command[object] | BadRequest, right: bytes) -> Reply:
    match event:
        case BadRequest():
            return event.reply
        case admin.Authenticate():
            given = event.username + b" " + event.password
            return Status.STORED if given == right else FAILURE
        case classic.Set():
            return Status.STORED
        case _:
            return ErrorReply("SERVER_ERROR", "heard")


HEARD = b"SERVER_ERROR heard\r\n"
SCRIPTS: list[tuple[bytes, bytes, bool]] = [
    # What is sent, what comes back, whether the client is in at last.
    (b"get foo\r\n", UNAUTHENTICATED, False),
    (b"version\r\nmg foo v\r\n", UNAUTHENTICATED * 2, False),
    (b"set any 0 0 10\r\nalice s3cr\r\n", b"STORED\r\n", True),
    (b"set any 99 -5 10\r\nalice s3cr\r\nget any\r\n", b"STORED\r\n" + HEARD, True),
    (b"set any x y 10 noreply\r\nalice s3cr\r\n", b"STORED\r\n", True),
    (b"set any 0 0 10 a b c d e\r\nalice s3cr\r\n", b"STORED\r\n", True),
    (b"set any 0 0 11\r\nalice  s3cr\r\n", b"STORED\r\n", True),
    (b"set any 0 0 12\r\nalice s3cr x\r\n", b"STORED\r\n", True),
    (b"set any 0 0 10\nalice s3cr\r\n", b"STORED\r\n", True),
    (
        b"set any 0 0 9\r\nalice bad\r\nget foo\r\nset any 0 0 10\r\nalice s3cr\r\nget foo\r\n",
        b"CLIENT_ERROR authentication failure\r\n" + UNAUTHENTICATED + b"STORED\r\n" + HEARD,
        True,
    ),
    # The second one is a set like any other.
    (
        b"set any 0 0 10\r\nalice s3cr\r\nset any 0 0 9\r\nalice bad\r\n"
        b"set x 0 0 1 noreply\r\ny\r\n",
        b"STORED\r\nSTORED\r\n",
        True,
    ),
    (b"set any 0 0 5\r\nalice\r\n", BAD_FORMAT, False),
    (b"set any 0 0 0\r\n\r\n", BAD_FORMAT, False),
    (b"set any 0 0 6\r\nalice \r\n", BAD_FORMAT, False),
    (b"set any 0 0 10\r\nalice s3crxxget foo\r\n", BAD_END + UNAUTHENTICATED, False),
    (b"set any 0 0\r\n", UNAUTHENTICATED, False),
    (b"set any 0 0 -1\r\nversion\r\n", UNAUTHENTICATED * 2, False),
    (b"set any 0 0 abc\r\nversion\r\n", UNAUTHENTICATED * 2, False),
    (b"add any 0 0 10\r\nalice s3cr\r\n", UNAUTHENTICATED * 2, False),
    (b"quit\r\nversion\r\n", UNAUTHENTICATED * 2, False),
    (b"GET / HTTP/1.1\r\n", UNAUTHENTICATED, False),
    (b"lru_crawler metadump all\r\nwatch\r\n", UNAUTHENTICATED * 2, False),
]


def in_pieces(data: bytes, size: int) -> Iterable[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize(("sent", "written", "is_in"), SCRIPTS)
@pytest.mark.parametrize("size", [1, 3, 10_000])
@pytest.mark.parametrize("like", [OLD, NEW])
def test_nothing_is_heard_before_who_is_there(
    sent: bytes, written: bytes, is_in: bool, size: int, like: str
) -> None:
    server = ServerConnection(like=like, auth_required=True)
    assert not server.is_authenticated
    assert b"".join([_said(server, piece) for piece in in_pieces(sent, size)]) == written
    assert server.is_authenticated == is_in
    assert not server.must_close


def _said(server: ServerConnection, data: bytes) -> bytes:
    server.receive_data(data)
    return answers(server)


@pytest.mark.parametrize("line", [b"mn\r\n", b"\r\n", b"\n", b"set\r\n", b"abcd\n", b"f\r\n"])
def test_newer_servers_hang_up_on_a_very_short_line(line: bytes) -> None:
    server = ServerConnection(auth_required=True)
    server.receive_data(line)
    assert server.next_event() is CLOSED
    assert server.must_close
    assert server.is_broken
    older = ServerConnection(like=OLD, auth_required=True)
    assert _said(older, line) == UNAUTHENTICATED
    assert not older.must_close


def test_leading_blanks_do_not_matter() -> None:
    for like in (OLD, NEW):
        server = ServerConnection(like=like, auth_required=True)
        assert _said(server, b" set any 0 0 10\r\nalice s3cr\r\n") == b"STORED\r\n"


def test_a_long_token_is_an_error_at_once_or_swallowed() -> None:
    server = ServerConnection(auth_required=True)
    assert _said(server, b"set any 0 0 16385\r\n") == TOO_LONG
    assert _said(server, b"get foo\r\n") == UNAUTHENTICATED
    older = ServerConnection(like=OLD, auth_required=True)
    assert _said(older, b"set any 0 0 70000\r\nmn\r\n") == b""
    for _ in range(7):
        assert _said(older, b"x" * 9999) == b""
    assert _said(older, b"x" * 5) == b"CLIENT_ERROR authentication failure\r\n"
    assert not older.is_authenticated
    assert _said(older, b"get foo\r\n") == UNAUTHENTICATED


def test_the_longest_token_is_heard() -> None:
    for like in (OLD, NEW):
        server = ServerConnection(like=like, auth_required=True)
        command = admin.Authenticate("alice", "x" * (16384 - 6))
        server.receive_data(command.encode())
        assert server.next_event() == command
        small = ServerConnection(like=like, auth_required=True, max_value=100)
        assert _said(small, command.encode()) == TOO_LONG


def test_a_line_may_be_longer_only_for_who_is_in() -> None:
    long = b"get " + b" ".join([b"k" * 200] * 20) + b"\r\n"
    stranger = ServerConnection(auth_required=True)
    stranger.receive_data(long)
    assert stranger.next_event() is CLOSED
    assert stranger.must_close
    friend = ServerConnection(auth_required=True)
    assert _said(friend, b"set any 0 0 10\r\nalice s3cr\r\n" + long) == b"STORED\r\n" + HEARD
    assert _said(friend, long) == HEARD


def test_what_is_behind_it_waits_for_the_answer() -> None:
    for reply, then in (
        (Status.STORED, classic.Get("foo")),
        (FAILURE, BadRequest(ErrorReply("CLIENT_ERROR", "unauthenticated"))),
    ):
        server = ServerConnection(auth_required=True)
        server.receive_data(b"set any 0 0 10\r\nalice s3cr\r\nget foo\r\n")
        assert server.next_event() == admin.Authenticate("alice", "s3cr")
        assert server.next_event() is NEED_DATA
        server.receive_data(b"")
        assert server.next_event() is NEED_DATA
        assert not server.must_close
        server.send(reply)
        assert server.next_event() == then


def test_who_is_not_asked_is_in() -> None:
    server = ServerConnection()
    assert server.is_authenticated
    server.receive_data(b"set any 0 0 10\r\nalice s3cr\r\n")
    assert isinstance(server.next_event(), classic.Set)
    with pytest.raises(TypeError, match="auth_required"):
        ServerConnection(auth_required=1)  # type: ignore[arg-type]


words = st.binary(min_size=1, max_size=20).filter(lambda word: not set(word) & set(b"\0\r\n "))


@given(words, words, st.data())
def test_what_a_client_says_a_server_hears(
    username: bytes, password: bytes, data: st.DataObject
) -> None:
    command = admin.Authenticate(username, password)
    server = ServerConnection(auth_required=True)
    *pieces, last = data.draw(pieces_of(command.encode()))
    for piece in pieces:
        server.receive_data(piece)
        assert server.next_event() is NEED_DATA
    server.receive_data(last)
    assert server.next_event() == command
    server.send(Status.STORED)
    assert server.is_authenticated


def _heard(sent: Iterable[bytes], like: str) -> tuple[bytes, bool, bool]:
    server = ServerConnection(like=like, auth_required=True, max_value=200)
    written = b"".join([_said(server, piece) for piece in sent])
    return written, server.is_authenticated, server.must_close


@given(hostile(role="client"), st.booleans(), st.sampled_from([OLD, NEW]), st.data())
def test_any_stranger_is_heard_the_same_however_his_bytes_are_cut(
    stream: bytes, knows: bool, like: str, data: st.DataObject
) -> None:
    sent = (b"set any 0 0 10\r\nalice s3cr\r\n" if knows else b"") + stream
    if not sent:
        return
    whole = _heard([sent], like)
    assert whole[1] or not knows
    assert _heard(data.draw(pieces_of(sent)), like) == whole


def test_quiet_and_noreply_commands_of_strangers_are_answered() -> None:
    server = ServerConnection(auth_required=True)
    quiet = meta.Get("k", q=True).encode() + classic.Delete("k", noreply=True).encode()
    assert _said(server, quiet) == UNAUTHENTICATED * 2
