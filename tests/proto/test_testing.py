"""The strategies of `mcproto.testing`: what they make up is what they say it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz import binary as binary_targets
from fuzz import targets
from fuzz.targets import LIMITS, events, pieces
from mcproto import (
    CLOSED,
    NEED_DATA,
    BinaryReply,
    ClientConnection,
    Command,
    Flight,
    MetaReply,
    Reply,
    ServerConnection,
    Values,
    admin,
    binary,
    classic,
    meta,
    testing,
)
from mcproto.testing import Answer, answers, commands, conversations, flights, hostile, replies
from mcproto.testing._commands import ADMIN

ROOT = Path(__file__).parents[2]

any_command = commands() | commands(protocol="binary") | commands(kinds=ADMIN)


@given(any_command)
def test_a_command_is_heard_as_it_was_said(command: Command[object]) -> None:
    server = ServerConnection(command.protocol)
    server.receive_data(command.encode())
    assert server.next_event() == command
    assert server.next_event() is (CLOSED if command.is_last else NEED_DATA)


@given(st.data())
def test_a_reply_is_one_that_the_command_gets(data: st.DataObject) -> None:
    command = data.draw(any_command)
    if isinstance(command, (classic.Quit, admin.Shutdown)):
        with pytest.raises(ValueError, match="no server answers"):
            replies(command).validate()
        return
    reply = data.draw(replies(command))
    client, server = ClientConnection(command.protocol), ServerConnection(command.protocol)
    server.receive_data(client.send(command))
    server.next_event()
    wire = server.send(reply)
    if wire:
        client.receive_data(wire)
        assert client.next_event() == reply
        assert client.owed == 0
        assert not client.is_broken
    else:
        assert command.noreply or command.hides(reply)


@given(replies())
def test_a_reply_to_nobody_in_particular_is_a_reply(reply: Reply) -> None:
    assert not isinstance(reply, (BinaryReply, Command))


@given(replies(protocol="binary"))
def test_a_binary_reply_is_binary(reply: Reply) -> None:
    assert isinstance(reply, BinaryReply) or type(reply).__name__ == "Stats"


@given(replies(meta.Get("k"), with_errors=False), replies(classic.Get("k"), with_errors=False))
def test_replies_can_be_had_without_errors(one: Reply, other: Reply) -> None:
    assert isinstance(one, MetaReply)
    assert isinstance(other, Values)


@given(answers() | flights())
def test_an_answer_is_the_event_that_it_says(answer: Answer) -> None:
    assert events([answer.command], [answer.wire]) == [answer.event, CLOSED]


@given(conversations())
def test_a_conversation_is_the_events_that_it_says(conversation: list[Answer]) -> None:
    stream = b"".join([answer.wire for answer in conversation])
    expected = [answer.event for answer in conversation]
    assert events([answer.command for answer in conversation], [stream]) == [*expected, CLOSED]


@given(commands(kinds=[classic.Get, meta.Debug]))
def test_kinds_are_the_only_ones(command: Command[object]) -> None:
    assert type(command) in (classic.Get, meta.Debug)


# ---------------------------------------------------------------------------------------- hostile

ASKED = [classic.GetMany(["k", "l"]), classic.Stats(), meta.Get("k", v=True), classic.Incr("k")]
BINARY_ASKED = [binary.Get("k"), binary.Stat(), binary.Get("k", quiet=True), binary.Noop()]


@given(hostile(role="server"), st.permutations(ASKED))
def test_no_hostile_server_breaks_a_client(stream: bytes, asked: list[Command[object]]) -> None:
    whole = events(asked, [stream] if stream else [], **LIMITS)
    assert events(asked, pieces(stream, 7), **LIMITS) == whole


@given(hostile(role="client"))
def test_no_hostile_client_breaks_a_server(stream: bytes) -> None:
    targets.commands(stream)


@given(hostile(role="server", protocol="binary"), st.permutations(BINARY_ASKED))
def test_no_hostile_binary_server_breaks_a_client(
    stream: bytes, asked: list[Command[object]]
) -> None:
    whole = events(asked, [stream] if stream else [], protocol="binary", **LIMITS)
    assert events(asked, pieces(stream, 7), protocol="binary", **LIMITS) == whole


@given(hostile(role="client", protocol="binary"))
def test_no_hostile_binary_client_breaks_a_server(stream: bytes) -> None:
    binary_targets.binary_commands(stream)


@given(hostile() | hostile(protocol="binary"))
def test_a_hostile_stream_is_no_more_than_some_kilobytes(stream: bytes) -> None:
    assert len(stream) < 150_000


# ------------------------------------------------------------------------------ asked for wrongly


def test_what_is_no_protocol_role_or_kind_is_refused() -> None:
    for wrong in (
        lambda: commands(protocol="udp"),  # type: ignore[arg-type]
        lambda: hostile(protocol="udp"),  # type: ignore[arg-type]
        lambda: hostile(role="proxy"),  # type: ignore[arg-type]
        lambda: commands(kinds=[]),
        lambda: commands(kinds=[binary.Get]),
        lambda: commands(kinds=[Flight]),
        lambda: commands(protocol="binary", kinds=[classic.Get]),
        lambda: replies(Flight([classic.Get("k")])),
    ):
        with pytest.raises(ValueError, match=r"protocol|role|kinds|no server answers"):
            wrong()


def test_what_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        testing.nothing  # noqa: B018


CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
sys.modules["hypothesis"] = None
from mcproto.testing import check_transport
try:
    from mcproto.testing import hostile
except ImportError as error:
    print(error)
"""


def test_without_hypothesis_the_error_says_what_to_install() -> None:
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(ROOT)], capture_output=True, text=True, timeout=30
    )
    assert child.stderr == ""
    assert child.stdout.strip() == (
        "mcproto.testing.hostile needs hypothesis: pip install 'mcclient[testing]'"
    )
    assert 'testing = ["hypothesis' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
