"""What real memcached servers have answered, and what our server does with the same options.

Both generations, byte for byte, fields that vary aside, without a socket. How many records that are
is shown by ``python -m tests.embedded.test_transcripts``. (What both halves of a connection make of
them without a server is in tests/proto; the limit of connections in tests/cli/test_serve.py.)
"""

from __future__ import annotations

from collections import Counter

import pytest

from mcclient.embedded import MemoryServer
from mcclient.embedded._peer import Peer
from tests.transcripts import (
    CUTS,
    Captured,
    Cut,
    File,
    Record,
    compare,
    compare_shape,
    load,
    request,
    table,
    whole,
)

USERS = {"alice": "s3cr", "bob": "hunter2"}

# Recorded, and not imitated. (A name with a version is about that one only.)
LEFT_OUT = {
    # A client cannot count on either.
    "1.6.45 ends the refusal of an overlong key to get with an empty line": """
        key251-set/1.6.45 key251-gets/1.6.45 key251-gat/1.6.45 key300-set/1.6.45
        key1000-set/1.6.45 key251-multi-mid/1.6.45 pipe-errors/1.6.45 key251-get-after-get/1.6.45
    """,
    "that refusal takes replies along that were waiting": "key251-get-drops-replies",
    "STAT lines without an END": "stats-sizes_disable/1.6.18",
    # Ours does not depend on packets.
    "a line of more than 2048 bytes, which is heard if it comes in one packet": """
        line-3000 line-9000
    """,
    "a refusal that is lost if more has come in the same packet": "auth-format",
    "1.6.18 with these options does not survive it": "item-size-1k/1.6.18",
    "memcached swallows too much behind an unknown opcode": "unk-key binary-verbosity",
    "the mechanism CRAM-MD5": "sasl-cram sasl-cram-bad sasl-list2",
    "1.6.18 counts a body of 2**32-1 bytes as none": "len-huge2/1.6.18",
    # In tests/cli/test_serve.py and tests/embedded/test_memory_server.py.
    "the limit of connections, and a list of them, which are the sockets'": """
        maxconns-fast stats-conns
    """,
}
OUT = {name: why for why, names in LEFT_OUT.items() for name in names.split()}

# What depends on which commands have come in one packet.
WHOLE_ONLY = {"metadump-pipelined", "watch-pipelined"}

Played = tuple[Record, str]


def name_of(played: Played) -> str:
    record, like = played
    return f"{record.file}-{record.case}/{like}"


def why_out(played: Played) -> str | None:
    record, like = played
    names = (record.case, f"{record.case}/{like}", f"{record.file}-{record.case}")
    return next((OUT[name] for name in names if name in OUT), None)


def records(file: File, like: str) -> list[Played]:
    return [(record, like) for record in load(file) if like in record.servers]


# The options of records, as arguments.
ARGUMENTS: dict[str, dict[str, object]] = {
    "-A": {"shutdown": True},
    "-C": {"cas": False},
    "-F": {"flush_all": False},
    "-M": {"evictions": False},
    "-S": {"users": USERS, "sasl": True},
    "-W": {"watch": False},
    "-X": {"dumps": False},
    "-Y authfile": {"users": USERS},
    "-B ascii": {"protocol": "text"},
    "-B binary": {"protocol": "binary"},
    "-I 1k": {"item_size": 1024},
    "-m 2": {"memory": 2 << 20},
    "-o slab_chunk_max=1": {"chunk_max": 1024},
    "-o track_sizes": {"track_sizes": True},
    "-o idle_timeout=1": {"idle_timeout": 1},
    "-c 18": {"max_connections": 18},
    "-o maxconns_fast": {},
}


def server_of(record: Record, like: str) -> MemoryServer:
    """A server with the options of a record, and nothing in it."""
    arguments: dict[str, object] = {}
    options = record.options
    for name, meaning in ARGUMENTS.items():
        if f" {name} " in f" {options} ":
            arguments |= meaning
            options = f" {options} ".replace(f" {name} ", " ").strip()
    assert not options, "an option that this test does not know"
    return MemoryServer(like=like, **arguments)  # type: ignore[arg-type]


class Connections:
    """Connections to a server, without sockets, as they are opened by being used."""

    def __init__(self, server: MemoryServer) -> None:
        self.server = server
        self._peers: dict[int, Peer] = {}

    def __getitem__(self, number: int) -> Peer:
        if number not in self._peers:
            server = self.server
            connection = server._options.new_connection()
            self._peers[number] = Peer(connection, server._answer, 0.0, number)
        return self._peers[number]

    def received(self, number: int) -> bytes:
        """What a connection has got by now."""
        self.server._answers.logs.deliver()
        peer = self[number]
        data = b"".join(peer.unsent)
        peer.unsent.clear()
        peer.unsent_size = 0
        return data


def play(played: Played, cut: Cut) -> None:
    """Play a record.

    Raises:
        AssertionError: something else was answered.
    """
    record, like = played
    server = server_of(record, like)
    connections = Connections(server)
    captured: Captured = {}
    for step in record.steps:
        server.advance(step.wait)
        peer = connections[step.conn]
        received = connections.received(step.conn)
        pieces = [*cut(request(step.send, captured), step.split)]
        for piece in [*pieces, b""] if step.shut_wr else pieces:
            peer.connection.receive_data(piece)
            while True:
                goes_on = peer.answer_some()
                received += connections.received(step.conn)
                if not goes_on:
                    break
        if step.shape is None:
            compare(received, step.recv, captured)
        else:
            compare_shape(received, step.shape)
        assert peer.connection.must_close == (step.closed or step.unsent)


TAKEN: dict[tuple[File, str], int] = {
    ("classic", "1.6.18"): 452,
    ("classic", "1.6.45"): 446,
    ("meta", "1.6.18"): 350,
    ("meta", "1.6.45"): 350,
    ("binary", "1.6.18"): 133,
    ("binary", "1.6.45"): 134,
}
ALL = [played for file, like in TAKEN for played in records(file, like)]


@pytest.mark.parametrize("played", [p for p in ALL if why_out(p) is None], ids=name_of)
def test_we_answer_as_memcached_did(played: Played) -> None:
    for cut in [whole] if played[0].case in WHOLE_ONLY else CUTS.values():
        play(played, cut)


def counts(file: File, like: str) -> Counter[str | None]:
    """How many records there are for each reason not to play one; None: played."""
    return Counter(map(why_out, records(file, like)))


@pytest.mark.parametrize(("file", "like"), TAKEN)
def test_no_record_is_left_out_without_a_reason(file: File, like: str) -> None:
    assert counts(file, like)[None] == TAKEN[file, like]


@pytest.mark.parametrize("played", [p for p in ALL if why_out(p) is not None], ids=name_of)
def test_what_is_left_out_is_answered_otherwise(played: Played) -> None:
    """Once it is right, it belongs to the others."""
    with pytest.raises(AssertionError):
        play(played, whole)


def test_only_what_is_there_is_left_out() -> None:
    assert {why_out(played) for played in ALL} == {None, *LEFT_OUT}


def report() -> str:
    rows = []
    for file, like in TAKEN:
        count = counts(file, like)
        left_out = {why: number for why, number in count.items() if why is not None}
        rows.append((f"{file}, memcached {like}", count[None], left_out))
    return table(rows)


if __name__ == "__main__":
    print(report())
