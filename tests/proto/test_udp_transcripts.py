"""What memcached has sent over UDP, datagram by datagram, and what both ends of ours make of it."""

from __future__ import annotations

import pytest

from mcclient.embedded._store import Store
from mcproto import CLOSED, NEED_DATA, BadRequest, Command, LocalProtocolError, Reply
from mcproto.udp import ClientExchange, Datagram, ServerExchange
from tests.transcripts import Captured, Record, compare, load, recorded, request, table

NOW = 1_700_000_000.0

LEFT_OUT = {
    "a block that reaches into the next datagrams, of whichever client": {
        "udp-partial-set",
        "udp-toolarge",
    },
    "a line of more than 2048 bytes": {"udp-long-line"},
    "1.6.45 ends the error for an overlong key of a get twice": {"udp-key251 1.6.45"},
}
# memcached numbers every part of a reply on its own; ours is one message for each request.
NUMBERED_BY_PART = {"udp-multiget"}

RECORDS = [(record, like) for record in load("udp") for like in record.servers]
OUT = {name for names in LEFT_OUT.values() for name in names}
PLAYED = [
    (record, like)
    for record, like in RECORDS
    if record.case not in OUT and f"{record.case} {like}" not in OUT
]


def ids(played: tuple[Record, str]) -> str:
    record, like = played
    return f"{record.case} {like}"


def answers(exchange: ServerExchange, store: Store) -> list[bytes]:
    sent: list[bytes] = []
    asked: list[Command[object] | BadRequest] = []
    while (event := exchange.next_event()) is not CLOSED:
        asked.append(event)
    for one in asked:
        sent += exchange.send(store.handle(one, NOW))
    return sent


@pytest.mark.parametrize("played", PLAYED, ids=ids)
def test_the_server_answers_the_same_datagrams(played: tuple[Record, str]) -> None:
    record, like = played
    store = Store(like=like)
    captured: Captured = {}
    for step in record.steps:
        sent = [
            data
            for datagram in step.send
            for data in answers(
                ServerExchange(request(datagram, captured), like=like, max_reply=None), store
            )
        ]
        if record.case in NUMBERED_BY_PART:
            joined = [part for datagram in step.recv for part in datagram[1:]]
            compare(b"".join([data[8:] for data in sent]), joined, captured)
            continue
        assert len(sent) == len(step.recv)
        for data, parts in zip(sent, step.recv, strict=True):
            compare(data, parts, captured)


def questions(record: Record) -> list[tuple[ClientExchange, list[bytes]]]:
    """What of a record a client can ask for: the exchange, and the datagrams that answered."""
    found = []
    is_binary = record.case == "udp-binary"
    for step in record.steps:
        received = [recorded(parts, binary=is_binary) for parts in step.recv]
        for parts in step.send:
            data = recorded(parts, binary=is_binary)
            server = ServerExchange(data)
            commands = []
            while (event := server.next_event()) is not CLOSED:
                commands.append(event)
            if len(commands) != 1 or isinstance(commands[0], BadRequest):
                continue
            try:
                exchange = ClientExchange(commands[0], server.request_id)
            except LocalProtocolError:
                continue
            if exchange.request[8:] == data[8:]:
                found.append((exchange, received))
    return found


ASKED = {record.case: record for record in load("udp") if questions(record)}


@pytest.mark.parametrize("case", ASKED)
def test_the_client_reads_the_recorded_answer(case: str) -> None:
    for exchange, received in questions(ASKED[case]):
        for data in received:
            exchange.receive_datagram(data)
        reply = exchange.next_event()
        if not any(
            d and d.request_id == exchange.request_id for d in map(Datagram.parse, received)
        ):
            assert reply is NEED_DATA, "nothing came for it"
            continue
        assert_read(exchange.command, reply, received, exchange.request_id)


def assert_read(command: Command[object], reply: object, received: list[bytes], id_: int) -> None:
    """The reply holds all that came: written again, it is the same bytes."""
    assert reply is not NEED_DATA
    sent: Reply = reply  # type: ignore[assignment]
    server = ServerExchange(Datagram(id_, command.encode()).encode(), max_reply=None)
    server.next_event()
    payloads = [d.payload for d in map(Datagram.parse, received) if d and d.request_id == id_]
    assert b"".join([data[8:] for data in server.send(sent)]) == b"".join(payloads)


def test_so_many_records_were_taken(capsys: pytest.CaptureFixture[str]) -> None:
    left_out = {
        why: sum(r.case in names or f"{r.case} {like}" in names for r, like in RECORDS)
        for why, names in LEFT_OUT.items()
    }
    asked = sum(len(questions(record)) for record in ASKED.values())
    with capsys.disabled():
        print("\n" + table([("UDP, server's part, both generations", len(PLAYED), left_out)]))
        print(f"UDP, client's part: {asked} questions in {len(ASKED)} of {len(load('udp'))}")
    assert len(PLAYED) >= 65
    assert asked >= 38
