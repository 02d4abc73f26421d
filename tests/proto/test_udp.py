"""The protocol over UDP: frames, replies out of datagrams, datagrams out of replies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcproto import (
    CLOSED,
    NEED_DATA,
    NO_REPLY,
    BadRequest,
    BinaryReply,
    Command,
    ErrorReply,
    Flight,
    InvalidArgument,
    Item,
    LimitExceeded,
    LocalProtocolError,
    MetaReply,
    RemoteProtocolError,
    Status,
    Values,
    binary,
    classic,
    meta,
)
from mcproto.udp import ClientExchange, Datagram, ServerExchange, datagrams

ASK = meta.Get("k", v=True, O="t")
HIT = MetaReply("VA", [("O", b"t")], b"value")


def frame(payload: bytes, request_id: int = 7, sequence: int = 0, total: int = 1) -> bytes:
    return Datagram(request_id, payload, sequence, total).encode()


# ------------------------------------------------------------------------------------ the frame


def test_a_frame_is_four_numbers_of_two_bytes() -> None:
    data = bytes.fromhex("1234 0001 0003 0000") + b"mn\r\n"
    datagram = Datagram(0x1234, b"mn\r\n", 1, 3)
    assert datagram.encode() == data
    assert Datagram.parse(data) == datagram


def test_the_reserved_bytes_are_not_looked_at() -> None:
    assert Datagram.parse(bytes.fromhex("12340000 0001 beef") + b"x") == Datagram(0x1234, b"x")


@pytest.mark.parametrize("size", range(8))
def test_what_is_shorter_than_a_frame_is_no_datagram(size: int) -> None:
    assert Datagram.parse(bytes(size)) is None


@pytest.mark.parametrize("numbers", [(-1, 0, 1), (65536, 0, 1), (0, 65536, 1), (0, 0, 65536)])
def test_a_number_of_a_frame_has_two_bytes(numbers: tuple[int, int, int]) -> None:
    request_id, sequence, total = numbers
    with pytest.raises(InvalidArgument):
        Datagram(request_id, b"", sequence, total)


@given(st.integers(0, 65535), st.binary(max_size=200), st.integers(9, 60))
def test_a_message_is_cut_and_numbered(request_id: int, message: bytes, size: int) -> None:
    cut = datagrams(request_id, message, size=size)
    assert max(map(len, cut)) <= size
    parsed = [Datagram.parse(data) for data in cut]
    assert b"".join([d.payload for d in parsed if d]) == message
    assert [(d.request_id, d.sequence, d.total) for d in parsed if d] == [
        (request_id, n, len(cut)) for n in range(len(cut))
    ]


def test_memcached_puts_1392_bytes_into_a_datagram() -> None:
    assert [len(data) for data in datagrams(1, bytes(1392))] == [1400]
    assert [len(data) for data in datagrams(1, bytes(1393))] == [1400, 9]


def test_a_message_has_an_end_too() -> None:
    with pytest.raises(InvalidArgument, match="65535"):
        datagrams(1, bytes(65536), size=9)
    with pytest.raises(InvalidArgument, match="size"):
        datagrams(1, b"", size=8)


# ----------------------------------------------------------------------------------- the client


def test_a_question_and_its_answer() -> None:
    exchange = ClientExchange(ASK, 7)
    assert exchange.request == frame(ASK.encode())
    assert exchange.next_event() is NEED_DATA
    exchange.receive_datagram(frame(b"VA 5 Ot\r\nvalue\r\n"))
    reply = exchange.next_event()
    assert reply == HIT
    assert exchange.next_event() is NEED_DATA


def test_an_item_and_its_end_may_be_two_messages() -> None:
    exchange = ClientExchange(classic.Get("k"), 7)
    exchange.receive_datagram(frame(b"VALUE k 0 2\r\nhi\r\n"))
    assert exchange.next_event() is NEED_DATA
    exchange.receive_datagram(frame(b"END\r\n"))
    assert exchange.next_event() == Values([Item(b"k", 0, b"hi")])


@given(st.permutations(range(5)), st.lists(st.integers(0, 4), max_size=4))
def test_datagrams_of_a_message_come_in_any_order_and_more_than_once(
    order: list[int], again: list[int]
) -> None:
    value = bytes(range(250))
    message = b"VA 250 Ot\r\n%b\r\n" % value
    cut = datagrams(7, message, size=8 + -(-len(message) // 5))
    exchange = ClientExchange(ASK, 7)
    for n in [*again, *order]:
        exchange.receive_datagram(cut[n])
    assert exchange.next_event() == MetaReply("VA", [("O", b"t")], value)


@pytest.mark.parametrize(
    "stranger",
    [
        frame(b"VA 3 Ot\r\nbad\r\n", request_id=8),
        frame(b"VA 3 Ot\r\nbad\r\n", sequence=1),
        frame(b"VA 3 Ot\r\nbad\r\n", total=0),
        frame(b""),
        b"VA 3",
        b"",
    ],
)
def test_what_is_not_ours_is_dropped(stranger: bytes) -> None:
    exchange = ClientExchange(ASK, 7)
    exchange.receive_datagram(stranger)
    assert exchange.next_event() is NEED_DATA
    exchange.receive_datagram(frame(b"VA 5 Ot\r\nvalue\r\n"))
    exchange.receive_datagram(stranger)
    assert exchange.next_event() == HIT


def test_a_reply_to_something_else_is_an_error_for_good() -> None:
    exchange = ClientExchange(ASK, 7)
    exchange.receive_datagram(frame(b"VA 5 Ou\r\nvalue\r\n"))
    for _ in range(2):
        with pytest.raises(RemoteProtocolError):
            exchange.next_event()
    exchange.receive_datagram(frame(b"VA 5 Ot\r\nvalue\r\n"))
    with pytest.raises(RemoteProtocolError):
        exchange.next_event()


def test_bytes_behind_the_reply_are_an_error() -> None:
    exchange = ClientExchange(ASK, 7)
    exchange.receive_datagram(frame(b"VA 5 Ot\r\nvalue\r\nMN\r\n"))
    assert exchange.next_event() == HIT
    with pytest.raises(RemoteProtocolError, match="nobody asked for"):
        exchange.next_event()


def test_parts_of_messages_of_different_length_are_not_mixed() -> None:
    exchange = ClientExchange(classic.Get("k"), 7)
    exchange.receive_datagram(frame(b"VALUE k 0 ", sequence=0, total=2))
    exchange.receive_datagram(frame(b"x", sequence=1, total=3))
    exchange.receive_datagram(frame(b"2\r\nhi\r\n", sequence=1, total=2))
    exchange.receive_datagram(frame(b"END\r\n"))
    assert exchange.next_event() == Values([Item(b"k", 0, b"hi")])


def test_there_is_an_end_to_the_datagrams_of_one_reply() -> None:
    exchange = ClientExchange(ASK, 7, max_datagrams=3)
    for n in range(3):
        exchange.receive_datagram(frame(b"x", sequence=n, total=9))
    assert exchange.next_event() is NEED_DATA
    for n in range(3, 100):
        exchange.receive_datagram(frame(b"x" * 1000, sequence=n, total=200))
    for _ in range(2):
        with pytest.raises(LimitExceeded, match="3 datagrams"):
            exchange.next_event()


def test_a_binary_question_and_its_answer() -> None:
    exchange = ClientExchange(binary.Get("k", opaque=5), 7)
    server = ServerExchange(exchange.request)
    command = server.next_event()
    assert isinstance(command, binary.Get)
    hit = BinaryReply(cas=9, extras=bytes([0, 0, 0, 3]), value=b"value")
    for data in server.send(hit):
        exchange.receive_datagram(data)
    reply = exchange.next_event()
    assert exchange.command.result(reply) == Item(b"k", 3, b"value", 9)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "command",
    [
        classic.Set("k", b"v", noreply=True),
        meta.Get("k", q=True),
        classic.Quit(),
        classic.GetMany(["k", "l"]),
        classic.GatsMany(["k", "l"], 0),
        Flight([classic.Get("k")]),
    ],
    ids=lambda command: type(command).__name__,
)
def test_a_question_has_one_answer(command: Command[object]) -> None:
    with pytest.raises(LocalProtocolError):
        ClientExchange(command, 7)


def test_several_keys_that_are_one_may_be_asked_for() -> None:
    exchange = ClientExchange(classic.GetMany(["k"]), 7)
    exchange.receive_datagram(frame(b"END\r\n"))
    assert exchange.next_event() == Values()


def test_a_request_must_fit_into_a_datagram() -> None:
    with pytest.raises(LocalProtocolError, match="datagram"):
        ClientExchange(classic.Set("k", bytes(65500)), 7)


# ----------------------------------------------------------------------------------- the server


def test_a_datagram_is_heard_and_answered() -> None:
    exchange = ServerExchange(frame(b"get k\r\nset l 0 0 2\r\nhi\r\nbad\r\n"))
    assert exchange.next_event() == classic.Get("k")
    assert exchange.next_event() == classic.Set("l", b"hi")
    bad = exchange.next_event()
    assert isinstance(bad, BadRequest)
    assert exchange.next_event() is CLOSED
    assert exchange.send(Values()) == [frame(b"END\r\n")]
    assert exchange.send(Status.STORED) == [frame(b"STORED\r\n")]
    assert exchange.send(bad.reply) == [frame(b"ERROR\r\n")]
    with pytest.raises(LocalProtocolError):
        exchange.send(Status.STORED)


def test_silence_is_no_datagram() -> None:
    exchange = ServerExchange(frame(b"set k 0 0 1 noreply\r\nv\r\nmg k q\r\n"))
    exchange.next_event()
    exchange.next_event()
    assert exchange.send(Status.STORED) == []
    assert exchange.send(MetaReply("EN")) == []


def test_quit_is_answered_by_a_frame_of_nothing() -> None:
    exchange = ServerExchange(frame(b"mn\r\nquit\r\n"))
    exchange.next_event()
    assert exchange.next_event() == classic.Quit()
    assert exchange.next_event() is CLOSED
    assert exchange.send(MetaReply("MN")) == [frame(b"MN\r\n")]
    assert exchange.send(NO_REPLY) == [frame(b"", total=0)]


@pytest.mark.parametrize(
    "data",
    [b"", b"version\r\n", frame(b""), frame(b"mn\r\n", total=2), frame(b"mn\r\n", total=0)],
)
def test_what_memcached_drops_asks_for_nothing(data: bytes) -> None:
    assert ServerExchange(data).next_event() is CLOSED


def test_the_sequence_of_a_request_is_not_looked_at() -> None:
    assert ServerExchange(frame(b"mn\r\n", sequence=1)).next_event() == meta.Noop()


@pytest.mark.parametrize("rest", [b"get fo", b"set k 0 0 3\r\n", b"set k 0 0 2000000\r\nxx"])
def test_a_request_that_is_not_whole_is_forgotten(rest: bytes) -> None:
    exchange = ServerExchange(frame(b"mn\r\n" + rest))
    assert exchange.next_event() == meta.Noop()
    assert exchange.next_event() is CLOSED
    assert exchange.send(MetaReply("MN")) == [frame(b"MN\r\n")]


def test_an_answer_is_no_more_than_so_many_times_the_question() -> None:
    request = frame(b"get k\r\nget k\r\nget k\r\n")
    value = Values([Item(b"k", 0, bytes(110))])
    exchange = ServerExchange(request)
    for _ in range(3):
        exchange.next_event()
    assert [len(exchange.send(value)) for _ in range(2)] == [1, 1]
    assert exchange.send(value) == []
    generous = ServerExchange(request, max_reply=None)
    for _ in range(3):
        generous.next_event()
    assert [len(generous.send(value)) for _ in range(3)] == [1, 1, 1]


def test_a_long_reply_is_several_datagrams() -> None:
    value = bytes(range(256)) * 20
    server = ServerExchange(frame(b"mg k v Ot\r\n"), max_reply=None)
    server.next_event()
    answer = server.send(MetaReply("VA", [("O", b"t")], value))
    assert len(answer) == 4
    exchange = ClientExchange(ASK, 7)
    for data in reversed(answer):
        exchange.receive_datagram(data)
    reply = exchange.next_event()
    assert isinstance(reply, MetaReply)
    assert reply.value == value


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_no_datagram_raises(received: list[bytes]) -> None:
    exchange = ClientExchange(ASK, 7)
    for data in received:
        for whole in (data, frame(data)):
            exchange.receive_datagram(whole)
            server = ServerExchange(whole)
            while (event := server.next_event()) is not CLOSED:
                bad = event.reply if isinstance(event, BadRequest) else ErrorReply("ERROR")
                server.send(bad)
    try:
        exchange.next_event()
    except RemoteProtocolError:
        pass
