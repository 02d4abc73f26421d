"""What real memcached servers have answered in text, and what our store does behind our connection.

Both generations, byte for byte, fields that vary aside. How many records that are is shown by
``python -m tests.embedded.test_transcripts``. (What both halves of a connection make of them
without a store is in tests/proto/test_transcripts.py.)
"""

from __future__ import annotations

from collections import Counter

import pytest

from mcclient.embedded._store import Store
from mcproto import (
    CLOSED,
    NEED_DATA,
    BadRequest,
    Command,
    ErrorReply,
    Reply,
    ServerConnection,
    Status,
    admin,
)
from tests.transcripts import (
    CUTS,
    Captured,
    Cut,
    File,
    Record,
    compare,
    load,
    request,
    table,
    whole,
)

NOW = 1_800_000_000.0
SECRETS = {b"alice": b"s3cr", b"bob": b"hunter2"}

# Recorded, and not imitated, or not yet. (A name with a version is about that one only.)
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
    # Servers refuse what has come in one packet with others; here those are answered before.
    "a dump or a log behind commands that are not answered": "metadump-pipelined watch-pipelined",
    "the connection limit, which is not the store's": "maxconns-fast",
    # (Many more records of these commands are played: those in which they are errors.)
    "logs": "watch watch-mutations watch-deletions/1.6.45 watch-none watch-many",
    "stats slabs, conns": "stats-slabs stats-slabs-empty stats-conns",
    "stats detail": """
        stats-detail stats-detail_on stats-detail_off stats-detail_dump stats-detail_foo
        stats-detail-flow
    """,
    "an option that the store has not (-A, -C, -F, -M, -X, -o track_sizes)": """
        shutdown-enabled shutdown-bad nocas/1.6.18 cas-off/1.6.18 flush-disabled oom-M
        dump-disabled stats-sizes-on
    """,
}
OUT = {name: why for why, names in LEFT_OUT.items() for name in names.split()}

Played = tuple[Record, str]


def name_of(played: Played) -> str:
    record, like = played
    return f"{record.case}/{like}"


def why_out(played: Played) -> str | None:
    return OUT.get(played[0].case) or OUT.get(name_of(played))


def records(file: File, like: str) -> list[Played]:
    return [(record, like) for record in load(file) if like in record.servers]


class Server:
    """A server with the options of a record, and nothing in it."""

    def __init__(self, record: Record, like: str) -> None:
        self._options = record.options.split()
        self._like = like
        self._item_size = 1024 if "1k" in self._options else 1 << 20
        self._store = Store(item_size=self._item_size, like=like)
        self._connections: dict[int, ServerConnection] = {}
        self.now = NOW

    def connection(self, number: int) -> ServerConnection:
        if number not in self._connections:
            options = self._options
            self._connections[number] = ServerConnection(
                "text" if "ascii" in options else "binary" if "binary" in options else "auto",
                like=self._like,
                max_value=self._item_size,
                auth_required="-Y" in options,
            )
        return self._connections[number]

    def answers(self, connection: ServerConnection) -> bytes:
        written = b""
        while (event := connection.next_event()) is not NEED_DATA and event is not CLOSED:
            written += connection.send(self._answer(event))
        return written

    def _answer(self, event: Command[object] | BadRequest) -> Reply:
        if isinstance(event, admin.Authenticate):
            if SECRETS.get(event.username) == event.password:
                return Status.STORED
            return ErrorReply("CLIENT_ERROR", "authentication failure")
        return self._store.handle(event, self.now)


def play(played: Played, cut: Cut) -> None:
    """Play a record.

    Raises:
        AssertionError: something else was answered.
    """
    record, like = played
    server = Server(record, like)
    captured: Captured = {}
    for step in record.steps:
        server.now += step.wait
        connection = server.connection(step.conn)
        received = b""
        for piece in cut(request(step.send, captured), step.split):
            connection.receive_data(piece)
            received += server.answers(connection)
        if step.shut_wr:
            connection.receive_data(b"")
            received += server.answers(connection)
        compare(received, step.recv, captured)
        assert connection.must_close == (step.closed or step.unsent)


TAKEN = {
    ("classic", "1.6.18"): 431,
    ("classic", "1.6.45"): 425,
    ("meta", "1.6.18"): 349,
    ("meta", "1.6.45"): 350,
}
ALL = [played for file, like in TAKEN for played in records(file, like)]


@pytest.mark.parametrize("played", [p for p in ALL if why_out(p) is None], ids=name_of)
def test_we_answer_as_memcached_did(played: Played) -> None:
    for cut in CUTS.values():
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
    assert set(OUT) <= {name for played in ALL for name in (played[0].case, name_of(played))}


def report() -> str:
    rows = []
    for file, like in TAKEN:
        count = counts(file, like)
        left_out = {why: number for why, number in count.items() if why is not None}
        rows.append((f"{file}, memcached {like}, store", count[None], left_out))
    return table(rows)


if __name__ == "__main__":
    print(report())
