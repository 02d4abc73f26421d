"""Flights of quiet meta commands, at once and plainly: the same, whatever the server says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.targets import events, pieces
from mcproto import NO_REPLY, ClientConnection, Command, Flight, MetaReply, Replies, meta
from mcproto._flight import EncodedFlight
from mcproto._meta_bulk import split_hits

KEYS = [b"a", b"bb", b"a", b"MN", b"5"]
FORMS: list[dict[str, bool]] = [
    {"k": True, "v": True},
    {"f": True, "k": True, "v": True},
    {"c": True, "f": True, "s": True, "t": True, "k": True, "v": True},
    {"f": True, "v": True},  # nothing that says whose it is
    {"f": True, "k": True},  # no value
]


def gets(form: dict[str, bool], opaque: bool) -> list[Command[object]]:
    return [
        meta.Get(key, **form, O=b"%d" % place if opaque else None, q=True)  # type: ignore[arg-type]
        for place, key in enumerate(KEYS)
    ]


def hit(command: Command[object], value: bytes, number: int) -> bytes:
    """What a server answers."""
    assert isinstance(command, meta.Get)
    words = [b"VA %d" % len(value)] if command.v else [b"HD"]
    for letter in command.letters:
        if letter in "cfst":
            words.append(b"%b%d" % (letter.encode(), number))
        elif letter == "k":
            words.append(b"k" + command.key)
        elif letter == "O":
            words.append(b"O%b" % (command.O or b""))
    return b" ".join(words) + b"\r\n" + (value + b"\r\n" if command.v else b"")


values = st.binary(max_size=8) | st.sampled_from([b"\r\n", b"x\r\nMN\r\n", b"\r\nVA 1 ka", b" \r "])
damage = st.tuples(
    st.integers(0, 200), st.sampled_from([b"", b" ", b"\r\n", b"1", b"f", b"MN\r\n"])
)


@given(
    st.sampled_from(FORMS),
    st.booleans(),
    st.lists(st.tuples(st.integers(0, 4), values, st.integers(0, 9)), max_size=6),
    st.booleans(),
    st.none() | damage,
)
def test_hits_read_at_once_are_those_read_one_after_the_other(
    form, opaque, found, in_order, damaged
) -> None:
    commands = gets(form, opaque)
    if in_order:
        found = sorted({place: (place, *item) for place, *item in found}.values())
    received = b"".join(hit(commands[place], *item) for place, *item in found) + b"MN\r\n"
    if damaged is not None:
        place, instead = damaged
        place %= len(received)
        received = received[:place] + instead + received[place + 1 :]
    flight = Flight(commands)
    assert events([flight], [received]) == events([flight], pieces(received, 1))


def test_hits_in_order_are_read_at_once() -> None:
    for form in FORMS[:3]:
        commands = gets(form, True)
        chosen = [commands[0], commands[2], commands[3]]
        received = b"".join(hit(command, b"x\r\ny", 7) for command in chosen) + b"MN\r\n"
        if b"x\r\ny" in received:  # whose line end makes the lengths disagree
            assert split_hits(received, commands) is None
        received = b"".join(hit(command, b"value", 7) for command in chosen) + b"MN\r\n"
        replies = split_hits(received, commands)
        assert replies is not None
        assert [isinstance(reply, MetaReply) for reply in replies] == [
            True,
            False,
            True,
            True,
            False,
        ]
        assert replies == Flight(commands).decode(received)


@pytest.mark.parametrize("form", FORMS[3:])
def test_what_is_not_named_or_has_no_value_is_left_to_the_plain_way(form) -> None:
    commands = gets(form, False)
    assert split_hits(hit(commands[0], b"x", 1) + b"MN\r\n", commands) is None


@pytest.mark.parametrize(
    "received",
    [
        b"VA 2 f0 ka\r\nx\r\n",  # shorter than it says
        b"VA 1 f0 ka\r\nxyz\r\n",  # longer
        b"VA +1 f0 ka\r\nx\r\n",
        b"VA 1 f0\r\nx\r\nVA 1 f0 ka kbb\r\nx\r\n",  # one has lent the other a word
        b"VA 1 f0 ka VA\r\nx\r\n1 f0 kbb\r\nx\r\n",
        b"HD 1 f0 ka\r\nx\r\n",
        b"VA 1 f0 ka\r\nx\r\nHD 1 f0 kbb\r\nx\r\n",
        b"VA 1 fx ka\r\nx\r\n",
        b"VA 1 s0 ka\r\nx\r\n",  # not what was asked for
        b"VA 1  ka\r\nx\r\n",
        b"VA 1 f0 kzz\r\nx\r\n",  # nobody's
        b"VA 1 f0 kbb\r\nx\r\nVA 1 f0 kbb\r\nx\r\n",  # once too often
        b"VA 1 f0 ka W\r\nx\r\n",
        b"EN\r\n\r\n",
    ],
)
def test_what_has_another_form_is_left_to_the_plain_way(received: bytes) -> None:
    commands = gets(FORMS[1], False)
    for end in [b"MN\r\n", b"MN\r\n\r\n"]:
        assert split_hits(received + end, commands) is None
        flight = Flight(commands)
        assert events([flight], [received + end]) == events([flight], pieces(received + end, 1))


# ---------------------------------------------------------------- bytes at once

SETS = [meta.Set(key, b"v", F=1, k=True, q=True) for key in "abc"]


def encoded(commands: list[meta.Set]) -> EncodedFlight:
    request = b"".join(command.encode() for command in commands)
    return EncodedFlight(request, len(commands), lambda: commands)


@pytest.mark.parametrize(
    "received",
    [
        b"MN\r\n",
        b"NS kb\r\nMN\r\n",
        b"SERVER_ERROR out of memory storing object\r\nMN\r\n",
        b"EN\r\n",
    ],
)
def test_a_flight_of_bytes_is_and_reads_like_the_plain_one(received: bytes) -> None:
    plain, quick = Flight(SETS), encoded(SETS)
    assert quick.encode() == plain.encode() == b"".join(quick.encode_parts())
    for cuts in [received], [*pieces(received, 1)]:
        assert events([quick], cuts) == events([plain], cuts)
    assert quick.commands == plain.commands
    assert (quick.is_barrier, quick.is_read, quick.protocol) == (True, False, "text")


def test_a_flight_of_bytes_makes_its_commands_only_if_one_is_answered() -> None:
    made: list[int] = []

    def make() -> list[meta.Set]:
        made.append(1)
        return SETS

    flight = EncodedFlight(b"".join(command.encode() for command in SETS), 3, make)
    connection = ClientConnection()
    connection.send(flight)
    connection.receive_data(b"MN\r\n")
    assert connection.next_event() == Replies([NO_REPLY] * 3)
    assert connection.is_idle
    assert made == []
    connection.send(flight)
    connection.receive_data(b"NS ka\r\nMN\r\n")
    assert connection.next_event() == Replies([MetaReply("NS", [("k", b"a")]), NO_REPLY, NO_REPLY])
    assert made == [1]
