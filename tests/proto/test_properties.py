"""Laws of the client half, for any commands and any bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fuzz import targets
from fuzz.catalog import CATALOG
from fuzz.targets import COMMANDS, WORDS, events
from mcproto import (
    CLOSED,
    NEED_DATA,
    NO_REPLY,
    ClientConnection,
    Command,
    ErrorReplied,
    ErrorReply,
    InvalidArgument,
    InvalidKey,
    RemoteProtocolError,
    classic,
    meta,
)
from mcproto.testing import Answer, answers, conversations, flights, keys, pieces_of

CORPUS = Path(__file__).parents[2] / "fuzz" / "corpus"
REPLIES = sorted((CORPUS / "replies").iterdir())
COMMANDS_HEARD = sorted((CORPUS / "commands").iterdir())


@given(conversations(), st.data())
def test_every_command_has_its_event_however_the_bytes_are_cut(
    conversation: list[Answer], data: st.DataObject
) -> None:
    stream = b"".join(answer.wire for answer in conversation)
    commands = [answer.command for answer in conversation]
    expected = [answer.event for answer in conversation]
    assert events(commands, data.draw(pieces_of(stream))) == [*expected, CLOSED]


@given(conversations())
def test_a_connection_is_idle_exactly_when_all_is_answered_and_nothing_is_left(
    conversation: list[Answer],
) -> None:
    connection = ClientConnection()
    for answer in conversation:
        connection.send(answer.command)
    outstanding = len(conversation)
    for answer in conversation:
        connection.receive_data(answer.wire or b"") if answer.wire else None
        while outstanding:
            assert connection.owed == outstanding
            assert not connection.is_idle
            if connection.next_event() is NEED_DATA:
                break
            outstanding -= 1
    assert outstanding == connection.owed == 0
    assert connection.is_idle


@given(conversations(), st.data())
def test_a_conversation_that_ends_too_early_is_an_error(
    conversation: list[Answer], data: st.DataObject
) -> None:
    stream = b"".join(answer.wire for answer in conversation)
    if not stream:
        return
    cut = data.draw(st.integers(0, len(stream) - 1))
    commands = [answer.command for answer in conversation]
    expected = [answer.event for answer in conversation]
    *got, end = events(commands, [stream[:cut]])
    assert end is RemoteProtocolError
    # What came before is what it is with all of it.
    assert got == expected[: len(got)]
    assert len(got) < len(expected)


@given(conversations(), st.data())
def test_a_conversation_that_was_tampered_with_gives_events_or_a_protocol_error(
    conversation: list[Answer], data: st.DataObject
) -> None:
    stream = b"".join(answer.wire for answer in conversation)
    commands = [answer.command for answer in conversation]
    start = data.draw(st.integers(0, len(stream)))
    end = data.draw(st.integers(start, min(len(stream), start + 10)))
    inserted = data.draw(st.sampled_from([*WORDS, b"\r\n", b"\n", b" "]) | st.binary(max_size=5))
    tampered = stream[:start] + inserted + stream[end:]
    whole = events(commands, [tampered])
    assert whole[-1] is CLOSED or issubclass(whole[-1], RemoteProtocolError)  # type: ignore[arg-type]
    assert events(commands, data.draw(pieces_of(tampered))) == whole


garbage = st.binary(max_size=60) | st.lists(
    st.sampled_from([*WORDS, b"\r\n", b"\r\n", b" "]), max_size=15
).map(b"".join)
letters = st.lists(st.sampled_from(sorted(COMMANDS)), min_size=1, max_size=5).map("".join)


OF_REPLIES = {
    name: CATALOG[name].promise for name in ("replies", "split", "doors", "roundtrip", "exchange")
}


@pytest.mark.parametrize("target", OF_REPLIES.values(), ids=OF_REPLIES.keys())
@given(letters, garbage)
@example("a", b"VALUE k 0 1\r\nx\r\nEND\r\n")
def test_garbage_keeps_every_promise(
    target: Callable[[bytes], None], letters: str, stream: bytes
) -> None:
    target(letters.encode() + b"\n" + stream)


@given(garbage)
@example(b"get k\r\nset k 0 0 1\r\nx\r\nquit\r\n")
def test_garbage_from_a_client_keeps_the_promise(stream: bytes) -> None:
    targets.commands(stream)


@pytest.mark.parametrize("target", OF_REPLIES.values(), ids=OF_REPLIES.keys())
@pytest.mark.parametrize("seed", REPLIES, ids=lambda path: path.name)
def test_the_corpus_keeps_every_promise(target: Callable[[bytes], None], seed: Path) -> None:
    target(seed.read_bytes())


@pytest.mark.parametrize("seed", COMMANDS_HEARD, ids=lambda path: path.name)
def test_the_corpus_of_commands_keeps_the_promise(seed: Path) -> None:
    targets.commands(seed.read_bytes())


@pytest.mark.parametrize("seed", REPLIES, ids=lambda path: path.name)
def test_the_corpus_is_the_same_cut_in_two_anywhere(seed: Path) -> None:
    commands, stream = targets.understood(seed.read_bytes())
    whole = events(commands, [stream], **targets.LIMITS)
    for cut in range(1, len(stream)):
        assert events(commands, [stream[:cut], stream[cut:]], **targets.LIMITS) == whole


# ---------------------------------------------------------------------------------- the two doors


@given(answers() | flights())
def test_the_direct_door_and_the_events_agree(answer: Answer) -> None:
    command, wire, event = answer
    assert events([command], [wire]) == [event, CLOSED]
    if isinstance(event, ErrorReply):
        for door in (lambda: command.decode(wire), lambda: command.result(event)):
            with pytest.raises(ErrorReplied) as caught:
                door()
            assert caught.value.reply == event
    else:
        assert command.decode(wire) == command.result(event)  # type: ignore[arg-type]


@given(answers() | flights(), st.data())
def test_the_direct_door_waits_for_the_whole_reply(answer: Answer, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(answer.wire) - 1))
    assert answer.command.decode(answer.wire[:cut]) is NEED_DATA


@given(answers() | flights(), st.binary(min_size=1, max_size=5))
def test_the_direct_door_takes_one_reply_and_no_more(answer: Answer, more: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        answer.command.decode(answer.wire + more)


# --------------------------------------------------------------------------------- what is refused


def is_one_token(wire: bytes, longest: int) -> bool:
    """The rule, the slow and obvious way."""
    return len(wire) <= longest and all(byte > 0x20 and byte != 0x7F for byte in wire)


anything = (
    st.text(max_size=6) | st.binary(max_size=6) | st.text(max_size=260) | st.binary(max_size=260)
)
KEYED: list[Callable[[str | bytes], Command[object]]] = [
    classic.Get,
    lambda key: classic.GetMany(["a", key]),
    lambda key: classic.Set(key, b""),
    classic.Incr,
    lambda key: classic.Touch(key, 1),
    meta.Get,
    lambda key: meta.Set(key, b""),
    meta.Debug,
]


@given(anything, st.sampled_from(KEYED))
def test_a_key_is_sent_as_one_token_or_not_at_all(
    key: str | bytes, make: Callable[[str | bytes], Command[object]]
) -> None:
    wire = key.encode("utf-8", "surrogatepass") if isinstance(key, str) else key
    try:
        sent = make(key).encode()
    except InvalidKey:
        assert not wire or not is_one_token(wire, 250)
    else:
        assert wire
        assert is_one_token(wire, 250)
        assert wire in sent.partition(b"\r\n")[0].split(b" ")


@given(anything)
def test_an_opaque_token_is_sent_as_one_token_or_not_at_all(opaque: str | bytes) -> None:
    wire = opaque.encode("utf-8", "surrogatepass") if isinstance(opaque, str) else opaque
    try:
        sent = meta.Get("key", O=opaque).encode()
    except InvalidArgument:
        assert not is_one_token(wire, 31)
    else:
        assert is_one_token(wire, 31)
        assert sent == b"mg key O" + wire + b"\r\n"


@given(anything)
def test_a_group_is_sent_as_words_or_not_at_all(group: str | bytes) -> None:
    try:
        sent = classic.Stats(group).encode()
    except InvalidArgument:
        return
    wire = group.encode() if isinstance(group, str) else group
    assert sent == b"stats " + wire + b"\r\n"
    assert wire
    assert all(word and is_one_token(word, 250) for word in wire.split(b" "))


NUMBERED: list[Callable[[int], Command[object]]] = [
    lambda n: classic.Set("k", b"", flags=n),
    lambda n: classic.Set("k", b"", exptime=n),
    lambda n: classic.Cas("k", b"", n),
    lambda n: classic.Incr("k", n),
    lambda n: classic.FlushAll(n),
    lambda n: meta.Get("k", T=n),
    lambda n: meta.Get("k", C=n),
    lambda n: meta.Set("k", b"", F=n),
]


@given(st.integers() | st.integers(-(1 << 70), 1 << 70), st.sampled_from(NUMBERED))
def test_a_number_is_sent_as_its_digits_or_not_at_all(
    number: int, make: Callable[[int], Command[object]]
) -> None:
    try:
        sent = make(number).encode()
    except InvalidArgument:
        assert not 0 <= number < 1 << 31
    else:
        assert number == 0 or b"%d" % number in sent
        assert -(1 << 31) <= number < 1 << 64


flags_as_given = st.booleans() | st.none() | st.integers() | anything | st.floats()


@given(st.sampled_from("bcfhklqstuv"), flags_as_given)
def test_a_flag_is_a_letter_or_not_sent_at_all(letter: str, flag: object) -> None:
    try:
        sent = meta.Get("aw==", **{letter: flag}).encode()  # type: ignore[arg-type]
    except TypeError:
        assert not isinstance(flag, bool)
    else:
        assert sent == (b"mg aw== %b\r\n" % letter.encode() if flag else b"mg aw==\r\n")


@given(keys(), keys().map(lambda key: key[:31]))
def test_one_request_is_one_line_and_perhaps_one_block(key: bytes, opaque: bytes) -> None:
    for command in (
        classic.Get(key),
        classic.GetMany([key, key]),
        classic.Touch(key, 1),
        meta.Get(key, O=opaque, v=True),
        meta.Delete(key, O=opaque),
    ):
        line = command.encode()
        assert line.endswith(b"\r\n")
        assert b"\n" not in line[:-2]
        assert b"\r" not in line[:-2]


def test_silence_is_not_a_reply_that_can_be_decoded_from_bytes() -> None:
    quiet = meta.Get("k", q=True)
    assert quiet.decode(b"") is NEED_DATA
    assert events([classic.Set("k", b"", noreply=True)], []) == [NO_REPLY, CLOSED]
