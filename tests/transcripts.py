"""Recorded conversations with real memcached servers, and how to compare with them.

Knows the format of tests/proto/data/transcripts_*.jsonl (told in README.md there) and nothing of
protocols: what is done with the bytes is for whoever plays a record.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, TypeAlias

__all__ = [
    "CUTS",
    "Captured",
    "Cut",
    "Parts",
    "Record",
    "Step",
    "as_recorded",
    "byte_by_byte",
    "compare",
    "compare_shape",
    "load",
    "recorded",
    "request",
    "table",
    "whole",
]

_FRAME = struct.Struct(">BBHBBHIIQ")

DATA = Path(__file__).parent / "proto" / "data"

Parts: TypeAlias = Sequence[Any]
Captured: TypeAlias = MutableMapping[str, bytes]
"""What fields that vary have held in this conversation, by their names."""

KINDS = {
    "any": rb"[\s\S]*?",
    "cas": rb"\d+",
    "cas8": rb"[\s\S]{8}",
    "int": rb"-?\d+",
    "seconds": rb"\d+",
    "ttl": rb"-?\d+",
    "version": rb"[^\r\n]*?",
}


# ------------------------------------------------------------------------------------------ parts


def _fixed(part: Any) -> bytes | None:
    """The bytes of a part that is always the same; None: it varies."""
    if isinstance(part, str):
        return part.encode("latin-1")
    if "hex" in part:
        return bytes.fromhex(part["hex"])
    if "rep" in part:
        return part["rep"].encode("latin-1") * int(part["n"])
    return None


def request(parts: Parts, captured: Mapping[str, bytes]) -> bytes:
    """The bytes to send: what an earlier reply has held goes where it is asked for again."""
    data = [_fixed(part) for part in parts]
    return b"".join(
        [captured[part["var"]] if d is None else d for part, d in zip(parts, data, strict=True)]
    )


def recorded(parts: Parts, *, binary: bool = False) -> bytes:
    """The very bytes that were sent or came back, fields that vary as they were then."""
    return b"".join([_seen(part, binary) for part in parts])


def _seen(part: Any, binary: bool) -> bytes:
    data = _fixed(part)
    if data is not None:
        return data
    seen: str = part["seen"]
    return bytes.fromhex(seen) if binary else seen.encode("latin-1")


def compare(received: bytes, parts: Parts, captured: Captured) -> None:
    """Hold *received* against what a server sent, and capture what has a name.

    Raises:
        AssertionError: it is something else.
    """
    pattern, names = b"", []
    for part in parts:
        data = _fixed(part)
        if data is None:
            pattern += b"(" + KINDS[part["kind"]] + b")"
            names.append(part.get("var"))
        else:
            pattern += re.escape(data)
    match = re.fullmatch(pattern, received)
    assert match, f"got {received[:300]!r}, expected {parts!r:.300}"
    captured.update({n: v for n, v in zip(names, match.groups(), strict=True) if n is not None})


def compare_shape(received: bytes, shape: Any) -> None:
    """Hold binary statistics against those of a server: the same, in the same order.

    Raises:
        AssertionError: they are others, or one is empty that was not.
    """
    frames = []
    while received:
        _, opcode, key_size, extras_size, _, status, size, opaque, _ = _FRAME.unpack(received[:24])
        frames.append(
            {
                "opcode": opcode,
                "status": status,
                "extlen": extras_size,
                "opaque": opaque,
                "key": received[24 : 24 + key_size].decode(),
                "value_len_nonzero": size > key_size,
            }
        )
        received = received[24 + size :]
    assert frames == shape["frames"]


# ---------------------------------------------------------------------------------------- records


@dataclass(frozen=True)
class Step:
    """One thing that was sent, and all that came back until the line was quiet.

    Attributes:
        send: parts; over UDP a list of datagrams, each of which is parts.
        recv: likewise.
        shape: instead of *recv* where all values vary: what the frames of the reply are.
        split: where the request was cut into separate writes.
        closed: the server closed the connection afterwards.
        unsent: nothing was sent, since it was closed already.
        shut_wr: the client closed its sending side afterwards.
        wait: seconds before sending.
        conn: which connection; they open at first use.
        probe: a last step, harmless, that shows whether the connection is still in step.
    """

    send: Parts
    recv: Parts
    shape: Any
    split: Sequence[int]
    closed: bool
    unsent: bool
    shut_wr: bool
    wait: float
    conn: int
    probe: bool


@dataclass(frozen=True)
class Record:
    """One situation, on a fresh server.

    Attributes:
        file: ``"classic"``, ``"meta"``, ``"binary"`` or ``"udp"``.
        case: its name; a file has two records of one name where the servers differ.
        servers: the versions that answered exactly so.
        options: the server's options, in one string.
    """

    file: str
    case: str
    servers: Sequence[str]
    options: str
    steps: Sequence[Step]

    def __str__(self) -> str:
        return self.case


File: TypeAlias = Literal["classic", "meta", "binary", "udp"]


@cache
def load(file: File) -> tuple[Record, ...]:
    """All records of a file."""
    lines = (DATA / f"transcripts_{file}.jsonl").read_text("ascii").splitlines()
    return tuple(
        [
            Record(
                file=file,
                case=entry["case"],
                servers=[server.removeprefix("memcached ") for server in entry["server"]],
                options=" ".join(entry.get("options", ())),
                steps=[_step(step) for step in entry["steps"]],
            )
            for entry in map(json.loads, lines)
        ]
    )


def _step(entry: Any) -> Step:
    return Step(
        send=entry.get("send", []),
        recv=entry.get("recv", []),
        shape=entry.get("recv_shape"),
        split=entry.get("split", []),
        closed="closed" in entry,
        unsent="note" in entry,
        shut_wr="shut_wr" in entry,
        wait=entry.get("wait", 0),
        conn=entry.get("conn", 0),
        probe=entry.get("probe", False),
    )


# ------------------------------------------------------------------------------------------- cuts

Cut: TypeAlias = Callable[[bytes, Sequence[int]], Iterator[bytes]]
"""How bytes arrive: in which pieces. The second argument is where they were cut when recorded."""


def whole(data: bytes, split: Sequence[int] = ()) -> Iterator[bytes]:
    yield from filter(None, [data])


def as_recorded(data: bytes, split: Sequence[int] = ()) -> Iterator[bytes]:
    yield from filter(None, [data[a:b] for a, b in pairwise([0, *split, len(data)])])


def byte_by_byte(data: bytes, split: Sequence[int] = ()) -> Iterator[bytes]:
    # Of what is large, the two ends: the middle of a value is all alike.
    ends = len(data) if len(data) <= 50_000 else 1000
    yield from [data[at : at + 1] for at in range(ends)]
    if ends < len(data):
        yield data[ends:-ends]
        yield from [data[at : at + 1] for at in range(len(data) - ends, len(data))]


CUTS: Mapping[str, Cut] = {
    "whole": whole,
    "as recorded": as_recorded,
    "byte by byte": byte_by_byte,
}


# ------------------------------------------------------------------------------------------ table


def table(rows: Sequence[tuple[str, int, Mapping[str, int]]]) -> str:
    """What was taken and what was not, for people: (what, taken, left out by reason) rows."""
    lines = []
    for what, taken, left_out in rows:
        total = taken + sum(left_out.values())
        lines.append(f"{what:44} {taken:5} of {total:5} records")
        lines += [f"{'':46} {number:5} left out: {why}" for why, number in left_out.items()]
    return "\n".join(lines)
