"""What is checked of the binary commands: each with what it comes to."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mcproto import ErrorReplied, Item, Status, binary
from mcproto.binary import (
    Add,
    Append,
    Decr,
    Delete,
    Flush,
    Gat,
    Get,
    Incr,
    Noop,
    Prepend,
    Replace,
    Set,
    Stat,
    Touch,
    Version,
)

if TYPE_CHECKING:
    from mcproto import BinaryReply, Command, NoReply, Reply

__all__ = ["BinaryCheck", "binary_checks", "shown"]


class BinaryCheck(NamedTuple):
    """One promise.

    Attributes:
        area: the command.
        title: what is promised, in a sentence.
        asked: the commands, and for each what `shown` makes of its answer.
    """

    area: str
    title: str
    asked: list[tuple[Command[object], str]]


def shown(command: Command[object], reply: Reply | NoReply) -> str:
    """What *command* has come to, in a few words."""
    try:
        result = command.result(reply)
    except ErrorReplied as error:
        answer: BinaryReply | object = error.reply
        return f"status 0x{getattr(answer, 'status', 0):02x}"
    if isinstance(result, Item):
        return f"flags {result.flags}, {result.value!r}"
    if isinstance(result, Status):
        return result.name
    if isinstance(result, dict):
        return "statistics"
    if isinstance(command, Version):
        return "a version"
    return repr(result)


def binary_checks(k: str, j: str) -> list[BinaryCheck]:
    """All of them, with *k* and *j* as their keys."""
    return [
        BinaryCheck("get", "a miss", [(Get(k), "None")]),
        BinaryCheck(
            "get",
            "a hit has the flags",
            [(Set(k, b"abc", flags=7), "STORED"), (Get(k), "flags 7, b'abc'")],
        ),
        BinaryCheck(
            "getk",
            "a hit has the flags, a miss is one",
            [
                (Set(k, b"abc", flags=7), "STORED"),
                (Get(k, with_key=True), "flags 7, b'abc'"),
                (Get(j, with_key=True), "None"),
            ],
        ),
        BinaryCheck(
            "getq getkq",
            "a miss is silent, a hit is not",
            [
                (Set(k, b"abc"), "STORED"),
                (Get(j, quiet=True, opaque=1), "None"),
                (Get(k, quiet=True, opaque=2), "flags 0, b'abc'"),
                (Get(j, quiet=True, with_key=True, opaque=3), "None"),
                (Noop(opaque=4), "OK"),
            ],
        ),
        BinaryCheck(
            "gat",
            "it answers as get",
            [
                (Set(k, b"abc", flags=7), "STORED"),
                (Gat(k, 100), "flags 7, b'abc'"),
                (Gat(j, 100), "None"),
            ],
        ),
        BinaryCheck(
            "set",
            "it replaces what is there",
            [
                (Set(k, b"a", flags=1), "STORED"),
                (Set(k, b"bb", flags=2), "STORED"),
                (Get(k), "flags 2, b'bb'"),
            ],
        ),
        BinaryCheck(
            "set",
            "a time above thirty days is a date: this one has passed",
            [(Set(k, b"a", exptime=2592001), "STORED"), (Get(k), "None")],
        ),
        BinaryCheck(
            "set",
            "another cas is refused, and the item stays",
            [
                (Set(k, b"a"), "STORED"),
                (Set(k, b"b", cas=(1 << 64) - 1), "EXISTS"),
                (Get(k), "flags 0, b'a'"),
            ],
        ),
        BinaryCheck(
            "set",
            "with a cas, what is not there is not found",
            [(Set(k, b"a", cas=1), "NOT_FOUND")],
        ),
        BinaryCheck(
            "setq",
            "success is silent, failure is not",
            [
                (Set(k, b"a", quiet=True, opaque=1), "None"),
                (Set(k, b"b", cas=(1 << 64) - 1, quiet=True, opaque=2), "EXISTS"),
                (Noop(opaque=3), "OK"),
            ],
        ),
        BinaryCheck(
            "add",
            "what is there stays",
            [
                (Add(k, b"a"), "STORED"),
                (Add(k, b"b"), "EXISTS"),
                (Get(k), "flags 0, b'a'"),
            ],
        ),
        BinaryCheck(
            "replace",
            "what is not there is not stored",
            [
                (Replace(k, b"a"), "NOT_FOUND"),
                (Set(k, b"b"), "STORED"),
                (Replace(k, b"c"), "STORED"),
                (Get(k), "flags 0, b'c'"),
            ],
        ),
        BinaryCheck(
            "append prepend",
            "they add at the end and in front, and keep the flags",
            [
                (Append(k, b"x"), "NOT_STORED"),
                (Prepend(k, b"x"), "NOT_STORED"),
                (Set(k, b"b", flags=5), "STORED"),
                (Append(k, b"c"), "STORED"),
                (Prepend(k, b"a"), "STORED"),
                (Get(k), "flags 5, b'abc'"),
            ],
        ),
        BinaryCheck(
            "delete",
            "what is not there is not found",
            [
                (Delete(k), "NOT_FOUND"),
                (Set(k, b"a"), "STORED"),
                (Delete(k), "DELETED"),
                (Get(k), "None"),
            ],
        ),
        BinaryCheck(
            "delete",
            "another cas is refused",
            [(Set(k, b"a"), "STORED"), (Delete(k, cas=(1 << 64) - 1), "EXISTS")],
        ),
        BinaryCheck(
            "deleteq",
            "success is silent, failure is not",
            [
                (Set(k, b"a"), "STORED"),
                (Delete(k, quiet=True, opaque=1), "None"),
                (Delete(k, quiet=True, opaque=2), "NOT_FOUND"),
                (Noop(opaque=3), "OK"),
            ],
        ),
        BinaryCheck(
            "incr decr",
            "they count, to zero and no further",
            [
                (Incr(k, 5), "None"),
                (Set(k, b"10"), "STORED"),
                (Incr(k, 5), "15"),
                (Decr(k, 4), "11"),
                (Decr(k, 100), "0"),
            ],
        ),
        BinaryCheck(
            "incr decr",
            "what is missing is created if asked for",
            [
                (Incr(k, 5, initial=7), "7"),
                (Incr(k, 5, initial=7), "12"),
                (Decr(j, 5, initial=9), "9"),
                (Decr(j, 5, initial=9), "4"),
            ],
        ),
        BinaryCheck(
            "incr decr",
            "what is no number is refused",
            [
                (Set(k, b"abc"), "STORED"),
                (Incr(k), f"status 0x{binary.NON_NUMERIC:02x}"),
                (Decr(k), f"status 0x{binary.NON_NUMERIC:02x}"),
            ],
        ),
        BinaryCheck(
            "touch",
            "what is not there is not found",
            [(Touch(k, 100), "False"), (Set(k, b"a"), "STORED"), (Touch(k, 100), "True")],
        ),
        BinaryCheck(
            "touch",
            "a date that has passed ends the item",
            [(Set(k, b"a"), "STORED"), (Touch(k, 2592001), "True"), (Get(k), "None")],
        ),
        BinaryCheck("noop", "it is answered", [(Noop(), "OK")]),
        BinaryCheck("version", "it has a text", [(Version(), "a version")]),
        BinaryCheck("stat", "the statistics end", [(Stat(), "statistics")]),
        BinaryCheck(
            "flush",
            "far in the future, it is taken and changes nothing now",
            [
                (Set(k, b"a"), "STORED"),
                (Flush(2592000), "True"),
                (Get(k), "flags 0, b'a'"),
            ],
        ),
    ]
