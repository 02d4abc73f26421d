"""What must hold for any bytes whatever: one function for each promise.

Each takes the bytes a fuzzer has made up and raises if they break the promise.  Nothing here knows
who makes the bytes: Atheris, hypothesis (run_hypothesis.py, and the property tests), or a person
with a file that once failed.

The input of `commands` is all that a client says; that of `exchange` is a list of choices (see
`made_up`).  That of the others is a line of letters, each of them a command that is sent
(`COMMANDS`), and behind it all that the server says, up to its closing the connection::

    ae
    VALUE k 0 2\r\nhi\r\nEND\r\nSTORED\r\n
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from string import ascii_letters
from typing import Any, Literal

from fuzz.made_up import Source, kinds_of, made_command, made_reply
from mcproto import (
    CLOSED,
    NEED_DATA,
    NO_REPLY,
    BadRequest,
    ClientConnection,
    Command,
    ErrorReplied,
    ErrorReply,
    Flight,
    LocalProtocolError,
    ProtocolError,
    RemoteProtocolError,
    ServerConnection,
    Stream,
    StreamLine,
    UnplacedError,
    UnplacedReply,
    admin,
    classic,
    meta,
)

__all__ = [
    "COMMANDS",
    "LIMITS",
    "META_LETTERS",
    "META_VERBS",
    "WORDS",
    "Dialect",
    "by_decoding",
    "by_events",
    "commands",
    "doors",
    "events",
    "exchange",
    "exchanged",
    "hear",
    "heard",
    "pieces",
    "replies",
    "roundtrip",
    "sizes",
    "split",
    "understood",
]

Dialect = Literal["text", "binary"]

# Every grammar of a reply, and every way in which silence can be asked for.
_SENT: list[Command[object]] = [
    classic.Get("k"),
    classic.Gets("k"),
    classic.GetMany(["k", "l", "m"]),
    classic.GatsMany(["k", "k"], 60),
    classic.Set("k", b"value"),
    classic.Set("k", b"value", noreply=True),
    classic.Cas("k", b"value", 7),
    classic.Delete("k"),
    classic.Touch("k", 60),
    classic.Incr("k"),
    classic.Decr("k", noreply=True),
    classic.FlushAll(),
    classic.Version(),
    classic.Stats(),
    classic.Stats("reset"),
    classic.Quit(),
    meta.Get("k"),
    meta.Get("k", v=True),
    meta.Get("k", v=True, f=True, c=True, t=True, s=True, h=True, l=True, k=True, O="1"),
    meta.Get("k", v=True, q=True),
    meta.Get("k", v=True, k=True, q=True),
    meta.Get("l", v=True, O="2", q=True),
    meta.Get("k", v=True, C=7),
    meta.Get("aw==", b=True, k=True),
    meta.Set("k", b"value"),
    meta.Set("k", b"value", c=True, s=True, k=True, O="1"),
    meta.Set("k", b"value", q=True),
    meta.Set("k", b"value", O="2", q=True),
    meta.Delete("k", O="1"),
    meta.Delete("k", O="2", q=True),
    meta.Arithmetic("k", v=True, t=True, c=True),
    meta.Arithmetic("k", N=0, v=True, O="2", q=True),
    meta.Noop(),
    meta.Debug("k"),
    meta.Debug("aw==", b=True),
    Flight([classic.Get("k"), classic.Set("k", b"value")]),
    Flight([classic.Set("k", b"value", noreply=True), classic.Get("k")]),
    Flight([meta.Get(key, v=True, O=key, q=True) for key in "klm"]),
    Flight([meta.Set(key, b"value", k=True, q=True) for key in "kl"] + [meta.Get("m")]),
    admin.SlabsReassign(1, 2),
    admin.CacheMemlimit(64, noreply=True),
    admin.LruCrawlerCrawl(),
    admin.Metadump(),
    admin.Mgdump("hash"),
    admin.Watch(["mutations"]),
    admin.Authenticate("user", "password"),
    Stream(classic.Stats("items")),
    Stream(admin.Metadump()),
]
COMMANDS = dict(zip(ascii_letters, _SENT, strict=False))
META_VERBS = frozenset([b"mg", b"ms", b"md", b"ma", b"me", b"mn"])
META_LETTERS = frozenset(at for at, sent in COMMANDS.items() if sent.encode()[:2] in META_VERBS)

# Small enough that a fuzzer gets beyond them.
LIMITS = {"max_line": 512, "max_value": 4096, "max_items": 8}

# What fuzzers put together, and people would not write letter by letter.
WORDS = b"""
    VALUE END STORED NOT_STORED EXISTS NOT_FOUND DELETED TOUCHED OK RESET VERSION STAT ITEM PREFIX
    ERROR CLIENT_ERROR SERVER_ERROR SERVER_ERROR: HD VA EN NF NS EX ME MN
    k l m kk aw== bw c7 f0 h1 l5 s2 t-1 t60 O1 O2 Ok W X Z b k=v exp=-1 size=64
    0 1 2 5 7 4096 4097 18446744073709551615 18446744073709551616 -1 +5 0x5 5_0 007
    get gets gat gats set add replace append prepend cas delete touch incr decr flush_all version
    verbosity stats quit noreply mg ms md ma mn me v q c f t s h b I x C7 D1 E9 F5 J1 N0 R30 T60
    MS MA ME M+ HTTP/1.1
    slabs reassign automove lru tune mode flat lru_crawler crawl metadump mgdump all hash watch
    cache_memlimit shutdown refresh_certs extstore key=k exp=-1 la=0 cas=1 fetch=no cls=1 size=64
    ts=1 gid=2 type=item_store BUSY BADCLASS user password
""".split()


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    """*data* in pieces of *size* bytes; the last may be shorter."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


def sizes(data: bytes) -> tuple[int, ...]:
    """Into pieces of how many bytes *data* is cut: single ones, unless that would take long."""
    return (1, 2, 7, 64) if len(data) <= 500 else (13, 64, 1000)


def events(
    commands: Iterable[Command[object]],
    received: Iterable[bytes],
    *,
    protocol: Dialect = "text",
    **limits: int,
) -> list[object]:
    """What a connection says that has sent *commands*, is given *received*, and then the end.

    A violation of the protocol ends the list, as its type.
    """
    connection = ClientConnection(protocol, **limits)
    for command in commands:
        connection.send(command)
    seen: list[object] = []
    try:
        for data in (*received, b""):
            connection.receive_data(data)
            while (event := connection.next_event()) not in (NEED_DATA, CLOSED):
                seen.append(event)
    except RemoteProtocolError as error:
        _must_stay_broken(connection, type(error))
        return [*seen, type(error)]
    assert event is CLOSED
    assert connection.owed == 0
    assert not connection.is_broken
    assert not connection.is_idle
    return [*seen, event]


def _must_stay_broken(connection: ClientConnection, kind: type[RemoteProtocolError]) -> None:
    assert connection.is_broken
    assert not connection.is_idle
    for data in (b"END\r\n", b""):
        connection.receive_data(data)
        assert _refused(connection.next_event) is kind
    assert _refused(lambda: connection.send(classic.Version())) is LocalProtocolError


def _refused(do: Callable[[], object]) -> type[ProtocolError]:
    try:
        got = do()
    except ProtocolError as error:
        return type(error)
    raise AssertionError(f"a broken connection gives {got!r}")


def understood(
    data: bytes,
    commands: Mapping[str, Command[object]] = COMMANDS,
    protocol: Dialect = "text",
) -> tuple[list[Command[object]], bytes]:
    """Those of the *commands* that may be sent one behind the other, and what the server says."""
    letters, _, stream = data.partition(b"\n")
    connection = ClientConnection(protocol, **LIMITS)
    sent: list[Command[object]] = []
    for letter in letters.decode("latin-1"):
        if letter in commands:
            try:
                connection.send(commands[letter])
            except LocalProtocolError:
                continue  # behind quit, say
            sent.append(commands[letter])
    return sent, stream


def replies(data: bytes) -> None:
    """Whatever a server sends, each command gets what it can understand, or the connection ends."""
    commands, stream = understood(data)
    for command, event in zip(commands, _answers(commands, stream), strict=False):
        with suppress(ErrorReplied):
            command.result(event)  # type: ignore[arg-type]


def _answers(commands: list[Command[object]], stream: bytes) -> list[object]:
    """One event for each command that was answered: of what comes line by line, the last."""
    *seen, _ = events(commands, [stream], **LIMITS)
    return [event for event in seen if not isinstance(event, StreamLine)]


def split(data: bytes) -> None:
    """The events are the same, however the bytes were cut on their way."""
    commands, stream = understood(data)
    whole = events(commands, [stream], **LIMITS)
    for size in sizes(stream):
        assert events(commands, pieces(stream, size), **LIMITS) == whole


def doors(data: bytes) -> None:
    """A command that is answered has the same result by the direct door as by the events."""
    commands, stream = understood(data)
    for command in commands:
        silent = command.quiet or command.noreply
        if not (silent or command.is_watch or isinstance(command, Stream)):
            assert by_decoding(command, stream) == by_events(command, stream)


def by_decoding(command: Command[object], stream: bytes) -> object:
    try:
        return command.decode(stream)
    except ErrorReplied as error:
        return error.reply
    except RemoteProtocolError as error:
        return type(error)


def by_events(command: Command[object], stream: bytes) -> object:
    connection = ClientConnection(command.protocol)
    connection.owed = 1
    connection.resume(command, stream)
    try:
        event = connection.next_event()
        if event is NEED_DATA:
            return event
        connection.next_event()
        return command.result(event)  # type: ignore[arg-type]
    except ErrorReplied as error:
        return error.reply
    except RemoteProtocolError as error:
        return type(error)


def commands(data: bytes) -> None:
    """Whatever a client sends is heard, however it was cut, and can be answered and said again."""
    connection, heard = hear([data])
    for size in sizes(data):
        assert hear(pieces(data, size))[1] == heard
    for asked, *_ in heard:
        assert not connection.must_close or isinstance(asked, classic.Quit)
        if isinstance(asked, BadRequest):
            connection.send(asked.reply)
        else:
            assert isinstance(asked, Command)
            connection.send(ErrorReply("SERVER_ERROR", "no memory"))
            # But for "delete noreply x", which is heard, and which no client says.
            if not isinstance(asked, classic.Delete) or asked.key != b"noreply":
                assert hear([asked.encode()])[1] == [(asked,)]
    assert connection.must_close or _waits(heard)


def heard(received: Iterable[bytes], protocol: Dialect = "text") -> list[tuple[object, ...]]:
    """All that a server hears, with what is not compared of bad requests beside them."""
    return hear(received, protocol)[1]


def hear(
    received: Iterable[bytes], protocol: Dialect = "text"
) -> tuple[ServerConnection, list[tuple[object, ...]]]:
    """A connection at its end, and what it has heard; of bad requests all that there is to know."""
    connection = ServerConnection(protocol, max_line=4096, max_value=LIMITS["max_value"])
    heard: list[tuple[object, ...]] = []
    for data in (*received, b""):
        connection.receive_data(data)
        while (event := connection.next_event()) not in (NEED_DATA, CLOSED):
            details: tuple[object, ...] = ()
            if isinstance(event, BadRequest):
                details = event.noreply, event.removes, event.closes
            heard.append((event, *details))
    assert event is CLOSED or _waits(heard)
    return connection, heard


def _waits(heard: list[tuple[object, ...]]) -> bool:
    """Whether more can be heard only once what was heard last has been answered."""
    return isinstance(heard[-1][0], admin.Watch) if heard else False


def roundtrip(data: bytes) -> None:
    """What a client says a server hears, and what the server then says the client hears."""
    sent, stream = understood(data)
    for command, event in zip(sent, _answers(sent, stream), strict=False):
        if isinstance(command, (Flight, Stream)) or command.authenticates:
            continue  # a server hears what it consists of; or a set, where nobody asks who it is
        server = ServerConnection()
        server.receive_data(command.encode())
        assert server.next_event() == command
        if event is NO_REPLY or command.hides(event):  # type: ignore[arg-type]
            continue
        if isinstance(event, (UnplacedError, UnplacedReply)):
            continue  # nobody has said of it that it answers this command
        answer = server.send(event)  # type: ignore[arg-type]
        assert server.must_close == isinstance(command, classic.Quit)
        assert events([command], [answer]) == [event, CLOSED]


KINDS = [*kinds_of(classic), *kinds_of(meta)]


def exchange(data: bytes) -> None:
    """What either end says the other hears, equal in every field; or no byte of it is made."""
    exchanged(data)


def exchanged(
    data: bytes,
    protocol: Dialect = "text",
    kinds: list[type[Command[object]]] = KINDS,
    made_reply: Callable[[Source, Any], Any] = made_reply,
) -> str:
    """What became of it: ``"refused"``, ``"reply refused"``, ``"silent"`` or ``"equal"``."""
    source = Source(data)
    command = made_command(source, kinds)
    if command is None:
        return "refused"
    client, server = ClientConnection(protocol), ServerConnection(protocol)
    server.receive_data(client.send(command))
    assert server.next_event() == command
    assert server.next_event() is (CLOSED if command.is_last else NEED_DATA)
    reply = made_reply(source, command)
    try:
        answer = server.send(reply)
    except LocalProtocolError:
        return "reply refused"
    if not answer:
        assert command.noreply or command.hides(reply)
        return "silent"
    client.receive_data(answer)
    assert client.next_event() == reply
    assert client.owed == 0
    assert not client.is_broken
    return "equal"
