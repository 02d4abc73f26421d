"""Flights: several commands in one write, a barrier where one may be silent, a list of answers."""

from __future__ import annotations

import pytest

from fuzz.targets import events, pieces
from mcproto import (
    CLOSED,
    NEED_DATA,
    NO_REPLY,
    ClientConnection,
    Command,
    ErrorReply,
    Flight,
    InvalidArgument,
    Item,
    MetaReply,
    ProtocolDesync,
    RemoteProtocolError,
    Replies,
    Status,
    UnplacedError,
    Values,
    classic,
    meta,
)

GET = classic.Get("k")
SILENT = classic.Set("k", b"v", noreply=True)
QUIET = [meta.Get(key, v=True, O=key, q=True) for key in "abc"]
ERROR = ErrorReply("ERROR")


def seen(flight: Flight, received: bytes) -> list[object]:
    """The events, which are the same byte by byte."""
    whole = events([flight], [received])
    assert events([flight], pieces(received, 1)) == whole
    return whole


def test_a_flight_is_one_command_with_one_event() -> None:
    connection = ClientConnection()
    flight = Flight([GET, classic.Delete("k")])
    assert connection.send(flight) == b"get k\r\ndelete k\r\n"
    assert connection.owed == 1
    connection.receive_data(b"END\r\n")
    assert connection.next_event() is NEED_DATA
    connection.receive_data(b"DELETED\r\n")
    reply = connection.next_event()
    assert reply == Replies([Values(), Status.DELETED])
    assert flight.result(reply) == (Values(), Status.DELETED)
    assert connection.is_idle


def test_a_flight_of_answered_commands_has_no_barrier() -> None:
    flight = Flight([GET, meta.Get("k")])
    assert not flight.is_barrier
    assert flight.encode() == b"get k\r\nmg k\r\n"


def test_noreply_is_closed_by_version_which_every_server_answers() -> None:
    flight = Flight([SILENT, GET])
    assert flight.is_barrier
    assert flight.encode().endswith(b"get k\r\nversion\r\n")
    assert seen(flight, b"END\r\nVERSION 1.6.45\r\n") == [Replies([NO_REPLY, Values()]), CLOSED]


def test_quiet_commands_are_closed_by_noop() -> None:
    flight = Flight([SILENT, *QUIET])
    assert flight.is_barrier
    assert flight.encode().endswith(b"mg c Oc q v\r\nmn\r\n")
    hit = MetaReply("VA", [("O", b"b")], b"x")
    replies = Replies([NO_REPLY, NO_REPLY, hit, NO_REPLY])
    assert seen(flight, b"VA 1 Ob\r\nx\r\nMN\r\n") == [replies, CLOSED]


def test_the_connection_is_idle_behind_a_flight_that_was_closed() -> None:
    connection = ClientConnection()
    connection.send(Flight([SILENT, *QUIET]))
    connection.send(Flight([SILENT]))
    connection.receive_data(b"MN\r\n")
    assert connection.next_event() == Replies([NO_REPLY] * 4)
    assert not connection.is_idle
    connection.receive_data(b"VERSION 1\r\n")
    assert connection.next_event() == Replies([NO_REPLY])
    assert connection.is_idle


def test_each_answer_goes_to_its_command_s_result() -> None:
    commands: list[Command[object]] = [
        GET,
        classic.Incr("n"),
        meta.Get("k", v=True),
        classic.Set("k", b"v"),
    ]
    flight = Flight(commands)
    answers = flight.decode(b"VALUE k 0 1\r\nx\r\nEND\r\nNOT_FOUND\r\nEN\r\nNOT_STORED\r\n")
    assert answers is not NEED_DATA
    assert [c.result(a) for c, a in zip(commands, answers, strict=True)] == [
        Item(b"k", 0, b"x"),
        None,
        None,
        False,
    ]


def test_an_error_line_is_the_answer_to_one_of_the_commands() -> None:
    assert seen(Flight([GET, GET, GET]), b"END\r\nERROR\r\nEND\r\n") == [
        Replies([Values(), ERROR, Values()]),
        CLOSED,
    ]


def test_an_error_line_among_quiet_commands_is_told_to_all_that_may_have_got_it() -> None:
    received = b"ERROR\r\nVA 1 Oc\r\nx\r\nMN\r\n"
    hit = MetaReply("VA", [("O", b"c")], b"x")
    unplaced = UnplacedError("ERROR")
    assert seen(Flight(QUIET), received) == [Replies([unplaced, unplaced, hit]), CLOSED]
    assert seen(Flight(QUIET[1:]), received) == [Replies([ERROR, hit]), CLOSED]


def test_an_error_line_that_may_be_a_noreply_command_s_is_nobody_s() -> None:
    for commands in ([SILENT, QUIET[0]], [QUIET[0], SILENT]):
        assert seen(Flight(commands), b"ERROR\r\nMN\r\n") == [ProtocolDesync]
    # Behind a barrier nothing of it is left.
    assert seen(Flight([SILENT, meta.Noop(), QUIET[0]]), b"MN\r\nERROR\r\nMN\r\n") == [
        Replies([NO_REPLY, MetaReply("MN"), ERROR]),
        CLOSED,
    ]


def test_an_answer_to_a_noreply_command_is_found_out_by_the_barrier() -> None:
    # Taken for the get's; the get's own is then where the version should be.
    assert seen(Flight([SILENT, GET]), b"ERROR\r\nEND\r\nVERSION 1\r\n") == [ProtocolDesync]
    assert seen(Flight([SILENT]), b"ERROR\r\nVERSION 1\r\n") == [ProtocolDesync]


def test_a_refused_barrier_closes_nothing_that_was_silent() -> None:
    assert seen(Flight([SILENT]), b"ERROR\r\n") == [ProtocolDesync]
    assert seen(Flight(QUIET), b"ERROR\r\nERROR\r\nERROR\r\n") == [RemoteProtocolError]
    two = b"VA 1 Oa\r\nx\r\nVA 1 Oc\r\nx\r\n"
    assert seen(Flight(QUIET), two + b"ERROR\r\n") == [ProtocolDesync]


def test_a_server_without_meta_commands_refuses_them_one_by_one() -> None:
    assert seen(Flight(QUIET), b"ERROR\r\n" * 4) == [Replies([ERROR] * 3), CLOSED]


def test_a_flight_that_is_cut_short_is_an_error() -> None:
    received = b"VA 1 Ob\r\nx\r\nMN\r\n"
    for cut in range(len(received)):
        assert seen(Flight(QUIET), received[:cut]) == [RemoteProtocolError]
        assert Flight(QUIET).decode(received[:cut]) is NEED_DATA


def test_what_answers_none_of_the_flight_is_an_error() -> None:
    assert seen(Flight(QUIET), b"VA 1 Oz\r\nx\r\nMN\r\n") == [ProtocolDesync]
    assert seen(Flight([GET, GET]), b"END\r\nSTORED\r\n") == [ProtocolDesync]
    assert seen(Flight([GET]), b"END\r\nEND\r\n") == [Replies([Values()]), ProtocolDesync]


def test_what_answers_the_first_behind_an_error_line_has_nobody_left_for_that() -> None:
    assert seen(Flight(QUIET), b"ERROR\r\nVA 1 Oa\r\nx\r\nMN\r\n") == [ProtocolDesync]


def test_flights_follow_each_other_and_other_commands() -> None:
    assert events(
        [GET, Flight(QUIET), Flight([GET, SILENT]), GET],
        [b"END\r\nVA 1 Oa\r\nx\r\nMN\r\nEND\r\nVERSION 1\r\nEND\r\n"],
    ) == [
        Values(),
        Replies([MetaReply("VA", [("O", b"a")], b"x"), NO_REPLY, NO_REPLY]),
        Replies([Values(), NO_REPLY]),
        Values(),
        CLOSED,
    ]


def test_an_empty_flight_is_none() -> None:
    with pytest.raises(InvalidArgument, match="commands is empty"):
        Flight([])


@pytest.mark.parametrize("command", [Flight([GET]), classic.Quit()], ids=repr)
def test_a_flight_holds_no_flight_and_no_quit(command: Command[object]) -> None:
    with pytest.raises(InvalidArgument, match="commands must not hold"):
        Flight([GET, command])
