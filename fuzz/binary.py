"""The promises about the binary protocol. As in `targets`, which has the text protocol's.

The input of `binary_replies` is a line of letters, each of them a command that is sent
(`COMMANDS`), and behind it all that the server says; that of `binary_commands` all that a client
says; that of `binary_exchange` a list of choices (see `made_up`).
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from string import ascii_letters
from struct import pack

from fuzz import targets
from fuzz.made_up import kinds_of, made_binary_reply
from fuzz.targets import LIMITS, by_decoding, by_events, events, hear, pieces, sizes
from mcproto import (
    BadRequest,
    Command,
    ErrorReplied,
    ErrorReply,
    binary,
    sasl,
)

__all__ = [
    "COMMANDS",
    "KINDS",
    "REPLY_WORDS",
    "REQUEST_WORDS",
    "binary_commands",
    "binary_exchange",
    "binary_exchanged",
    "binary_replies",
    "heard",
    "understood",
]

_SENT: list[Command[object]] = [
    binary.Get("k"),
    binary.Get("k", with_key=True, opaque=1),
    binary.Get("k", quiet=True, opaque=2),
    binary.Get("k", quiet=True, with_key=True),
    binary.Get("l", quiet=True, with_key=True),
    binary.Gat("k", 60, opaque=3),
    binary.Gat("k", 60, quiet=True, with_key=True, opaque=4),
    binary.Set("k", b"value"),
    binary.Set("k", b"value", quiet=True, opaque=5),
    binary.Add("k", b"value", cas=7),
    binary.Append("k", b"value"),
    binary.Delete("k", opaque=6),
    binary.Delete("k", quiet=True, opaque=7),
    binary.Incr("k"),
    binary.Incr("k", initial=5, quiet=True, opaque=8),
    binary.Touch("k", 60),
    binary.Flush(),
    binary.Flush(quiet=True, opaque=9),
    binary.Noop(),
    binary.Noop(opaque=10),
    binary.Version(),
    binary.Stat(),
    binary.Stat("items", opaque=11),
    binary.Quit(),
    binary.Quit(quiet=True),
    sasl.List(),
    sasl.plain("user", "password"),
    sasl.Step("PLAIN", b"x"),
]
COMMANDS = dict(zip(ascii_letters, _SENT, strict=False))
KINDS = [*kinds_of(binary), *kinds_of(sasl)]

_OPCODES = [*range(0x23 + 2), 0x30, 0xFF]
_SIZES = [(0, 0, 0), (1, 0, 0), (1, 4, 5), (0, 4, 5), (0, 0, 8), (0, 0, 9), (3, 0, 2), (0, 0, 4096)]


def _frames(magic: int, statuses: list[int]) -> list[bytes]:
    """Headers with a body that fits, and a few with one that does not."""
    return [
        pack(">BBHBBHIIQ", magic, opcode, key, extras, 0, status, key + extras + value, opaque, 7)
        + b"\0" * extras
        + b"k" * key
        + b"v" * value
        for opcode in _OPCODES
        for key, extras, value in _SIZES[:7]
        for status in statuses
        for opaque in (0, opcode % 12)
    ]


_LIES = [pack(">BBHBBHIIQ", 0x81, 0, 0, 4, 0, 0, size, 0, 1) for size in (0, 3, 4097, 1 << 31)]
REPLY_WORDS = _frames(0x81, [0, 1, 0x81]) + _LIES + [b"ERROR Too many open connections\r\n", b"k"]
REQUEST_WORDS = [*_frames(0x80, [0]), b"get k\r\n", b"k", b"value", bytes(8), bytes(20)]


def understood(data: bytes) -> tuple[list[Command[object]], bytes]:
    """The commands that may be sent one behind the other, and what the server says."""
    return targets.understood(data, COMMANDS, "binary")


def binary_replies(data: bytes) -> None:
    """Each command gets what it can understand, the same however it was cut, or the end."""
    commands, stream = understood(data)
    whole = events(commands, [stream], protocol="binary", **LIMITS)
    for size in sizes(stream):
        assert events(commands, pieces(stream, size), protocol="binary", **LIMITS) == whole
    for command, event in zip(commands, whole[:-1], strict=False):
        with suppress(ErrorReplied):
            command.result(event)  # type: ignore[arg-type]
    for command in commands[:1]:
        if not (command.quiet or command.noreply):
            assert by_decoding(command, stream) == by_events(command, stream)


def heard(received: Iterable[bytes]) -> list[tuple[object, ...]]:
    """All that a server hears, with what is not compared of bad requests beside them."""
    return targets.heard(received, "binary")


def binary_commands(data: bytes) -> None:
    """Whatever a client sends is heard, however it was cut, and can be answered and said again."""
    connection, heard = hear([data], "binary")
    for size in sizes(data):
        assert hear(pieces(data, size), "binary")[1] == heard
    for asked, *_ in heard:
        if isinstance(asked, BadRequest):
            connection.send(asked.reply)
        else:
            assert isinstance(asked, Command)
            connection.send(ErrorReply("SERVER_ERROR", "no memory"))
            assert hear([asked.encode()], "binary")[1][0] == (asked,)
    assert connection.must_close


def binary_exchange(data: bytes) -> None:
    """What either end says the other hears, equal in every field; or no byte of it is made."""
    binary_exchanged(data)


def binary_exchanged(data: bytes) -> str:
    """What became of it: ``"refused"``, ``"reply refused"``, ``"silent"`` or ``"equal"``."""
    return targets.exchanged(data, "binary", KINDS, made_binary_reply)
