"""F21: bytes that nobody asked for, and answers to somebody else's question, are found out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random

from fuzz.figures._samples import BINARY, TEXT, samples
from fuzz.figures._size import Size
from fuzz.made_up import Source, made_binary_reply, made_reply
from mcproto import (
    NEED_DATA,
    ClientConnection,
    Command,
    ErrorReply,
    LocalProtocolError,
    MetaReply,
    RemoteProtocolError,
    ServerConnection,
    Values,
    classic,
)

UNSOLICITED = [
    b"\r",
    b"\n",
    b"\r\n",
    b"\0",
    b"x",
    b"END\r\n",
    b"STORED\r\n",
    b"VALUE k 0 1\r\nx\r\nEND\r\n",
    b"MN\r\n",
    b"HD\r\n",
    b"EN\r\n",
    b"7\r\n",
    b"ERROR\r\n",
    b"SERVER_ERROR out of memory\r\n",
    b"CLIENT_ERROR bad data chunk\r\n",
    b"\x81\x0a" + bytes(22),
    b"\x80",
    b"\x81",
]


def _reply_to(command: Command[object], random: Random) -> tuple[object, bytes] | None:
    """A reply that the command gets, and its bytes; None if there is none that is sent."""
    if command.noreply or command.is_watch:
        return None
    protocol = command.protocol
    for _ in range(20):
        source = Source(random.randbytes(40))
        made = made_binary_reply if protocol == "binary" else made_reply
        reply = made(source, command)
        if isinstance(reply, ErrorReply):
            continue
        server = ServerConnection(protocol)
        server.receive_data(command.encode())
        if server.next_event() != command:
            return None
        try:
            wire = server.send(reply)
        except LocalProtocolError:
            continue
        if wire:
            return reply, wire
    return None


def _must_break(connection: ClientConnection, why: object) -> None:
    assert not connection.is_idle, why
    assert connection.is_broken, why
    for door in (connection.next_event, lambda: connection.send(classic.Version())):
        try:
            got = door()
        except (RemoteProtocolError, LocalProtocolError):
            continue
        raise AssertionError(f"{why}: a broken connection gives {got!r}")


def _altered(command: Command[object], reply: object, wire: bytes) -> Iterator[bytes]:
    """The reply as it would be to somebody else's question."""
    if command.protocol == "binary":
        for at in (1, 12, 13, 14, 15):  # opcode, opaque
            yield wire[:at] + bytes([wire[at] ^ 0x40]) + wire[at + 1 :]
        key: bytes = command.shown_key  # type: ignore[attr-defined]
        if key and wire[2:4] != b"\0\0":
            at = 24 + wire[4]
            yield wire[:at] + bytes([wire[at] ^ 1]) + wire[at + 1 :]
    elif isinstance(reply, Values):
        for item in reply.items[:1]:
            yield wire.replace(b"VALUE " + item.key, b"VALUE z" + item.key, 1)
            yield wire[: -len(b"END\r\n")] * 2 * len(reply.items) * 5 + b"END\r\n"
    elif isinstance(reply, MetaReply):
        line, _, rest = wire.partition(b"\r\n")
        opaque: bytes | None = getattr(command, "O", None)
        if opaque is not None:
            word = b" O" + opaque
            assert word in line, (command, wire)
            yield line.replace(word, word + b"z", 1) + b"\r\n" + rest
            yield line.replace(word, b"", 1) + b"\r\n" + rest
        if getattr(command, "k", False):
            word = b" k" + command.key  # type: ignore[attr-defined]
            assert word in line, (command, wire)
            yield line.replace(word, b" kzz" + word[2:], 1) + b"\r\n" + rest
            yield line.replace(word, b"", 1) + b"\r\n" + rest
        if reply.code == "ME":
            yield line.replace(b"ME ", b"ME zz", 1) + b"\r\n" + rest


def desync(size: Size) -> str:
    """All of them are found out, and nothing of what they say is given to anybody."""
    each = {"short": 8, "full": 20, "long": 300}[size]
    random = Random("desync")
    found: Counter[str] = Counter()
    for kind in [*TEXT, *BINARY]:
        for number, command in enumerate(samples(kind, each)):
            answer = _reply_to(command, random)
            if answer is None:
                continue
            reply, wire = answer
            for surplus in UNSOLICITED if number < each // 4 else ():
                for at_once in (True, False):
                    connection = ClientConnection(command.protocol)
                    connection.send(command)
                    connection.receive_data(wire + surplus if at_once else wire)
                    event = connection.next_event()
                    assert event == reply, (command, wire, event)
                    if not at_once:
                        connection.receive_data(surplus)
                    if not command.is_last:
                        _must_break(connection, (command, surplus))
                        found["unsolicited"] += 1
            for wrong in _altered(command, reply, wire):
                connection = ClientConnection(command.protocol)
                connection.send(command)
                connection.receive_data(wrong)
                try:
                    event = connection.next_event()
                except RemoteProtocolError:
                    _must_break(connection, (command, wrong))
                    found["wrong answers"] += 1
                    continue
                raise AssertionError(f"{wrong!r:.200} answers {command!r:.200}: {event!r:.200}")
    for protocol in ("text", "binary"):
        for surplus in UNSOLICITED:
            connection = ClientConnection(protocol)
            assert connection.next_event() is NEED_DATA
            connection.receive_data(surplus)
            _must_break(connection, surplus)
            found["unsolicited"] += 1
    assert min(found["unsolicited"], found["wrong answers"]) > 100, found
    return (
        f"desync: {found['unsolicited']:,} times unsolicited bytes, "
        f"{found['wrong answers']:,} answers to somebody else's question: all found out"
    )
