"""What real servers were sent and have answered in text, through both halves of a connection.

The server's half reads what was sent, as commands and refusals; each of them reads its own answer
out of what came back, to the last byte; and the server's half writes that answer as it was. The
client's half is played where all requests are such as a client can send: one event for each
command, and afterwards a connection that is idle, or broken, as the last step of the record shows.

``python -m tests.proto.test_transcripts`` shows how many records that are. (That our store gives
the same answers is for tests/embedded/test_transcripts.py.)
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pytest

from mcproto import (
    CLOSED,
    MAX_ITEMS,
    MAX_LINE,
    MAX_VALUE,
    NEED_DATA,
    NO_REPLY,
    BadRequest,
    ClientConnection,
    Command,
    ErrorReply,
    LocalProtocolError,
    MetaReply,
    ProtocolDesync,
    Reply,
    ServerConnection,
    Status,
    StreamLine,
    admin,
    meta,
)
from mcproto._buffer import ReceiveBuffer
from mcproto._read_replies import Limits
from mcproto._replies import LoudReply
from tests.transcripts import CUTS, Cut, File, Record, load, recorded, table, whole

if TYPE_CHECKING:
    from mcproto._replies import NoReply

LIMITS = Limits(MAX_LINE, MAX_VALUE, MAX_ITEMS)

# Not played, with the reason. (A name with a version is about that one only.)
LEFT_OUT = {
    "1.6.45 ends the refusal of an overlong key to get with an empty line": """
        key251-set/1.6.45 key251-gets/1.6.45 key251-gat/1.6.45 key300-set/1.6.45
        key1000-set/1.6.45 key251-multi-mid/1.6.45 pipe-errors/1.6.45 key251-get-after-get/1.6.45
    """,
    "that refusal takes replies along that were waiting": "key251-get-drops-replies",
    "a line of more than 2048 bytes, which is heard if it comes in one packet": """
        line-3000 line-9000
    """,
    "STAT lines without an END": "stats-sizes_disable/1.6.18",
    "a refusal that is lost if more has come in the same packet": "auth-format",
    "answered before a byte of it was read": "maxconns-fast",
    "1.6.18 with these options does not survive it": "item-size-1k/1.6.18",
}
OUT = {name: why for why, names in LEFT_OUT.items() for name in names.split()}

Played = tuple[Record, str]


def name_of(played: Played) -> str:
    record, like = played
    return f"{record.case}/{like}"


def records(file: File, like: str) -> list[Played]:
    return [(record, like) for record in load(file) if like in record.servers]


ALL = [
    played
    for file in ("classic", "meta")
    for like in ("1.6.18", "1.6.45")
    for played in records(file, like)
]


def why_out(played: Played) -> str | None:
    return OUT.get(played[0].case) or OUT.get(name_of(played))


class Conversation:
    """One connection of a record on the server's half: what was heard, and what came back for it.

    Attributes:
        heard: all that was heard.
        replies: what has answered it, one for each; behind them the lines of a log.
        has_ended: a server was told to shut down.
    """

    def __init__(self, record: Record, like: str) -> None:
        options = record.options.split()
        self.server = ServerConnection(
            "text" if "ascii" in options else "binary" if "binary" in options else "auto",
            like=like,
            auth_required="-Y" in options,
        )
        self.heard: list[Command[object] | BadRequest] = []
        self.replies: list[Reply | NoReply] = []
        self._due: deque[Command[object] | BadRequest] = deque()
        self._rest = b""  # of what came back
        self._is_log = False
        self.has_ended = False

    def ask(self, sent: bytes, cut: Cut, split: Sequence[int], *, ends: bool = False) -> None:
        for piece in cut(sent, split):
            self.server.receive_data(piece)
            self._hear()
        if ends:
            self.server.receive_data(b"")
            self._hear()

    def _hear(self) -> bool:
        """Whether anything was heard."""
        before = len(self.heard)
        while (event := self.server.next_event()) is not NEED_DATA and event is not CLOSED:
            self.heard.append(event)
            self._due.append(event)
        return len(self.heard) > before

    def answer(self, received: bytes, *, closes: bool = False) -> bytes:
        """What the server's half writes if it is given what *received* says."""
        self._rest += received
        written = b"".join(self._written())
        while self._hear():
            # Some requests are heard only when those before them have been answered.
            written += b"".join(self._written())
        assert not self._rest, "more was answered than was asked"
        if closes and [type(due) for due in self._due] == [admin.Shutdown]:
            # Obeyed, and not answered: it is the application that ends.
            self._due.clear()
            self.replies.append(NO_REPLY)
            self.has_ended = True
        assert all(isinstance(due, Command) and due.quiet for due in self._due), "none has come"
        return written

    def _written(self) -> Iterator[bytes]:
        while self._due:
            asked = self._due[0]
            reply = self._reply_to(asked)
            if reply is None:
                break
            self._due.popleft()
            self.replies.append(reply)
            self._is_log |= isinstance(asked, admin.Watch) and reply is Status.OK
            yield self.server.send(_as_given(asked, reply))
        while self._is_log and self._rest:
            line, _, self._rest = self._rest.partition(b"\n")
            self.replies.append(StreamLine(line))
            yield self.server.send(StreamLine(line))

    def _reply_to(self, asked: Command[object] | BadRequest) -> Reply | NoReply | None:
        """What *received* begins with, by the grammar of what was asked; None: nothing is here."""
        if asked.noreply:
            return NO_REPLY
        if isinstance(asked, BadRequest):
            line, _, self._rest = self._rest.partition(b"\r\n")
            assert line == _line_of(asked), "another refusal"
            return asked.reply
        if not self._rest:
            return None
        if asked.quiet and any(self._rest.startswith(line + b"\r\n") for line in self._refusals()):
            return NO_REPLY
        buffer = ReceiveBuffer(MAX_LINE)
        buffer.feed(self._rest)
        try:
            reply = asked.read(buffer, [], LIMITS)
        except ProtocolDesync:
            assert asked.quiet
            return NO_REPLY
        assert reply is not NEED_DATA, "only a part of it has come"
        self._rest = self._rest[len(self._rest) - len(buffer) :]
        return reply

    def _refusals(self) -> Iterator[bytes]:
        """The errors that were made here, of those requests that are not answered yet."""
        for due in self._due:
            if isinstance(due, BadRequest):
                yield _line_of(due)


def _line_of(bad: BadRequest) -> bytes:
    assert isinstance(bad.reply, ErrorReply)
    return f"{bad.reply.kind} {bad.reply.message}".rstrip().encode()


def _as_given(asked: Command[object] | BadRequest, reply: Reply | NoReply) -> Reply:
    """What whoever answers has given to the server's half, so that *reply* has come of it."""
    if reply is NO_REPLY:
        if isinstance(asked, BadRequest):
            return asked.reply
        return MetaReply("EN" if isinstance(asked, meta.Get) else "HD")
    if isinstance(asked, meta.Arithmetic) and asked.quiet and isinstance(reply, MetaReply):
        return LoudReply(reply.code, reply.flags, reply.value)
    if isinstance(asked, admin.Shutdown) and isinstance(reply, ErrorReply):
        # Of a colon behind the word the client's half makes nothing.
        colon = ":" if reply.message == "shutdown not enabled" else ""
        return ErrorReply(reply.kind + colon, reply.message)
    return reply


def heard_of(played: Played, cut: Cut) -> list[Conversation]:
    """Play the server's half. What it hears and writes is checked by the way."""
    record, like = played
    conversations: dict[int, Conversation] = {}
    for step in record.steps:
        if step.conn not in conversations:
            conversations[step.conn] = Conversation(record, like)
        conversation = conversations[step.conn]
        received = recorded(step.recv)
        conversation.ask(recorded(step.send), cut, step.split, ends=step.shut_wr)
        assert conversation.answer(received, closes=step.closed) == received
        has_ended = conversation.server.must_close or conversation.has_ended
        assert has_ended == (step.closed or step.unsent)
    return list(conversations.values())


PLAYED = [played for played in ALL if why_out(played) is None]


@pytest.mark.parametrize("played", PLAYED, ids=name_of)
def test_a_server_hears_what_real_ones_have_heard_and_writes_what_they_wrote(
    played: Played,
) -> None:
    first, *others = [
        [(each.heard, each.replies) for each in heard_of(played, cut)] for cut in CUTS.values()
    ]
    assert all(other == first for other in others)


# -------------------------------------------------------------------------------- the client's half


def can_be_sent(heard: Command[object] | BadRequest) -> bool:
    """Whether a client can ask for it: whether its constructor takes the same arguments."""
    if isinstance(heard, BadRequest):
        return False
    arguments = {name: getattr(heard, name) for name in heard.__match_args__}
    try:
        return type(heard)(**arguments) == heard
    except (LocalProtocolError, TypeError):
        return False


def why_not_sent(played: Played) -> str | None:
    """Why a client cannot have sent what is in a record; None: it can."""
    if why_out(played) is not None:
        return "not played on the server's half either"
    for conversation in heard_of(played, whole):
        if not all(map(can_be_sent, conversation.heard)):
            return "a request that no client of ours sends"
    return None


class Client:
    """The client's half of one connection of a record, and the server's, which tells what was sent.

    Attributes:
        events: what the client's half has made of all answers.
    """

    def __init__(self, record: Record, like: str) -> None:
        self.server = Conversation(record, like)
        self.connection = ClientConnection()
        self.events: list[object] = []

    def send(self, heard: Sequence[Command[object] | BadRequest]) -> None:
        for command in heard:
            assert isinstance(command, Command)
            self.connection.send(command)

    def receive(self, pieces: Iterator[bytes]) -> None:
        for piece in pieces:
            self.connection.receive_data(piece)
            while (event := self.connection.next_event()) is not NEED_DATA and event is not CLOSED:
                self.events.append(event)


def events_of(played: Played, cut: Cut) -> list[Client]:
    """Play the client's half of a record."""
    record, like = played
    clients: dict[int, Client] = {}
    for step in record.steps:
        if step.conn not in clients:
            clients[step.conn] = Client(record, like)
        client = clients[step.conn]
        sent = len(client.server.heard)
        client.server.ask(recorded(step.send), whole, (), ends=step.shut_wr)
        client.send(client.server.heard[sent:])
        # What is heard only behind an answer is sent only then.
        sent = len(client.server.heard)
        client.server.answer(recorded(step.recv), closes=step.closed)
        client.send(client.server.heard[sent:])
        client.receive(cut(recorded(step.recv), ()))
        if step.closed:
            client.receive(iter([b""]))
        elif step.probe and step.recv:
            # The last step shows whether the connection is in step, and so does ours. (Nothing came
            # back where the server waits for the rest of a data block.)
            assert recorded(step.recv) == b"MN\r\n"
            assert client.connection.is_idle
        assert not client.connection.is_broken
    return list(clients.values())


@pytest.mark.parametrize("played", PLAYED, ids=name_of)
def test_a_client_understands_what_real_servers_have_answered(played: Played) -> None:
    if why_not_sent(played) is not None:
        return  # counted below
    for cut in CUTS.values():
        for client in events_of(played, cut):
            assert client.events == client.server.replies


# ---------------------------------------------------------------------------------------- the count


def counts(file: File, like: str) -> tuple[Counter[str | None], Counter[str | None]]:
    """How many records there are for each reason not to play one, on either half; None: played."""
    both = records(file, like)
    return Counter(map(why_out, both)), Counter(map(why_not_sent, both))


TAKEN = {
    ("classic", "1.6.18"): (453, 264),
    ("classic", "1.6.45"): (447, 274),
    ("meta", "1.6.18"): (350, 212),
    ("meta", "1.6.45"): (350, 220),
}


@pytest.mark.parametrize(("file", "like"), TAKEN)
def test_no_record_is_left_out_without_a_reason(file: File, like: str) -> None:
    server, client = counts(file, like)
    assert (server[None], client[None]) == TAKEN[file, like]


def test_only_what_is_there_is_left_out() -> None:
    assert set(OUT) <= {name for played in ALL for name in (played[0].case, name_of(played))}


def report() -> str:
    rows = []
    for file, like in TAKEN:
        for half, count in zip(("server", "client"), counts(file, like), strict=True):
            left_out = {why: n for why, n in count.items() if why is not None}
            rows.append((f"{file}, memcached {like}, {half}", count[None], left_out))
    return table(rows)


if __name__ == "__main__":
    print(report())
