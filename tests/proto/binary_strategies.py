"""What is said in binary, made up: commands, and what a server answers to them.

Requests and frames are written here from the protocol's description and by nothing of mcproto's
own, so that a mistake of its writers cannot hide in its readers.
"""

from __future__ import annotations

from struct import pack
from typing import NamedTuple

from hypothesis import strategies as st

from mcproto import BinaryReply, Command, Stats, binary, sasl, testing

__all__ = ["Said", "binary_answers", "binary_commands", "frame", "quiet_conversations", "refusals"]

U32 = st.integers(0, (1 << 32) - 1)
U64 = st.integers(0, (1 << 64) - 1)
keys = testing.keys()
values = testing.values()
_quiet = st.booleans()
_opaque = U32
_groups = st.none() | st.sampled_from(["items", "settings", "reset", "detail on", "cachedump 1 0"])
_EXPTIMES = U32
_mechanisms = st.sampled_from(["PLAIN", "CRAM-MD5", "X" * 32])


def frame(
    opcode: int,
    *,
    opaque: int = 0,
    status: int = 0,
    cas: int = 0,
    extras: bytes = b"",
    key: bytes = b"",
    value: bytes = b"",
    magic: int = 0x81,
) -> bytes:
    """A frame with these parts, whether or not it makes sense."""
    size = len(extras) + len(key) + len(value)
    head = (magic, opcode, len(key), len(extras), 0, status, size, opaque, cas)
    return pack(">BBHBBHIIQ", *head) + extras + key + value


@st.composite
def _counting(draw: st.DrawFn) -> Command[object]:
    kind = draw(st.sampled_from([binary.Incr, binary.Decr]))
    initial = draw(st.none() | U64)
    return kind(
        draw(keys),
        draw(U64),
        initial=initial,
        exptime=0 if initial is None else draw(st.integers(0, (1 << 32) - 2)),
        cas=draw(U64),
        quiet=draw(_quiet),
        opaque=draw(_opaque),
    )


@st.composite
def _storing(draw: st.DrawFn) -> Command[object]:
    kind = draw(st.sampled_from([binary.Set, binary.Add, binary.Replace]))
    return kind(
        draw(keys),
        draw(values),
        flags=draw(U32),
        exptime=draw(_EXPTIMES),
        cas=draw(U64),
        quiet=draw(_quiet),
        opaque=draw(_opaque),
    )


@st.composite
def _concatenating(draw: st.DrawFn) -> Command[object]:
    kind = draw(st.sampled_from([binary.Append, binary.Prepend]))
    return kind(draw(keys), draw(values), cas=draw(U64), quiet=draw(_quiet), opaque=draw(_opaque))


def binary_commands() -> st.SearchStrategy[Command[object]]:
    """Any binary command that a client can send, with any arguments."""
    named = {"quiet": _quiet, "with_key": st.booleans(), "opaque": _opaque}
    return st.one_of(
        st.builds(binary.Get, keys, **named),
        st.builds(binary.Gat, keys, _EXPTIMES, **named),
        _storing(),
        _concatenating(),
        _counting(),
        st.builds(binary.Delete, keys, cas=U64, quiet=_quiet, opaque=_opaque),
        st.builds(binary.Touch, keys, _EXPTIMES, opaque=_opaque),
        st.builds(binary.Flush, U32, quiet=_quiet, opaque=_opaque),
        st.builds(binary.Quit, quiet=_quiet, opaque=_opaque),
        st.builds(binary.Noop, opaque=_opaque),
        st.builds(binary.Version, opaque=_opaque),
        st.builds(binary.Stat, _groups, opaque=_opaque),
        st.builds(sasl.List, opaque=_opaque),
        st.builds(sasl.Auth, _mechanisms, values, opaque=_opaque),
        st.builds(sasl.Step, _mechanisms, values, opaque=_opaque),
    )


# ---------------------------------------------------------------------------------------- answers


class Said(NamedTuple):
    """A command, what the server sends for it, and the event it must become."""

    command: Command[object]
    wire: bytes
    event: object


_OPCODES = {
    (binary.Get, False, False): 0x00,
    (binary.Get, True, False): 0x09,
    (binary.Get, False, True): 0x0C,
    (binary.Get, True, True): 0x0D,
    (binary.Gat, False, False): 0x1D,
    (binary.Gat, True, False): 0x1E,
    (binary.Gat, False, True): 0x23,
    (binary.Gat, True, True): 0x24,
    (binary.Set, False): 0x01,
    (binary.Set, True): 0x11,
    (binary.Add, False): 0x02,
    (binary.Add, True): 0x12,
    (binary.Replace, False): 0x03,
    (binary.Replace, True): 0x13,
    (binary.Append, False): 0x0E,
    (binary.Append, True): 0x19,
    (binary.Prepend, False): 0x0F,
    (binary.Prepend, True): 0x1A,
    (binary.Delete, False): 0x04,
    (binary.Delete, True): 0x14,
    (binary.Incr, False): 0x05,
    (binary.Incr, True): 0x15,
    (binary.Decr, False): 0x06,
    (binary.Decr, True): 0x16,
    (binary.Quit, False): 0x07,
    (binary.Quit, True): 0x17,
    (binary.Flush, False): 0x08,
    (binary.Flush, True): 0x18,
    (binary.Noop, False): 0x0A,
    (binary.Version, False): 0x0B,
    (binary.Stat, False): 0x10,
    (binary.Touch, False): 0x1C,
    (sasl.List, False): 0x20,
    (sasl.Auth, False): 0x21,
    (sasl.Step, False): 0x22,
}


def opcode_of(command: Command[object]) -> int:
    kind: tuple[object, ...] = (type(command), command.quiet)
    if isinstance(command, binary.Get):
        kind = (*kind, command.with_key)
    return _OPCODES[kind]  # type: ignore[index]


refusals = st.sampled_from([2, 3, 4, 5, 6, 7, 0x20, 0x21, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x99])
_words = st.sampled_from([b"", b"Too large.", b"Out of memory", b"\xff\0"])
_names = st.lists(st.sampled_from("abc:_1% "), min_size=1, max_size=5).map("".join)
_texts = st.text(max_size=20)


def _done(draw: st.DrawFn, command: Command[object]) -> BinaryReply | Stats:
    """What a server says that has done it."""
    if isinstance(command, binary.Get):
        key = command.key if command.with_key else b""
        return BinaryReply(cas=draw(U64), extras=pack(">I", draw(U32)), key=key, value=draw(values))
    if isinstance(command, binary.Touch):
        return BinaryReply(cas=draw(U64), extras=draw(st.sampled_from([b"", b"\0\0\0\7"])))
    if isinstance(command, (binary.Incr, binary.Decr)):
        return BinaryReply(cas=draw(U64), value=pack(">Q", draw(U64)))
    if isinstance(command, binary.Stat):
        return Stats(draw(st.dictionaries(_names, _texts, max_size=5)))
    if isinstance(command, (binary.Version, sasl.List, sasl.Auth, sasl.Step)):
        return BinaryReply(value=draw(values.filter(lambda value: len(value) <= 8192)))
    return BinaryReply(cas=draw(U64))


def _wire(command: Command[object], event: BinaryReply | Stats) -> bytes:
    opcode = opcode_of(command)
    opaque: int = command.opaque  # type: ignore[attr-defined]
    if isinstance(event, Stats):
        frames = [
            frame(opcode, opaque=opaque, key=name.encode(), value=text.encode())
            for name, text in event.entries.items()
        ]
        return b"".join(frames) + frame(opcode, opaque=opaque)
    return frame(
        opcode,
        opaque=opaque,
        status=event.status,
        cas=event.cas,
        extras=event.extras,
        key=event.key,
        value=event.value,
    )


def _answer(draw: st.DrawFn, command: Command[object]) -> Said:
    """What a server sends for it; of a quiet command something that is not hidden."""
    is_get = isinstance(command, binary.Get)
    kinds = ["done", "missed", "refused"]
    if command.quiet:
        kinds.remove("missed" if is_get else "done")
    kind = draw(st.sampled_from(kinds))
    event: BinaryReply | Stats
    if kind == "done":
        event = _done(draw, command)
    elif kind == "missed" and is_get and command.with_key:  # type: ignore[attr-defined]
        event = BinaryReply(1, key=command.key)  # type: ignore[attr-defined]
    elif kind == "missed":
        event = BinaryReply(1, value=b"Not found")
    else:
        event = BinaryReply(draw(refusals), value=draw(_words))
    return Said(command, _wire(command, event), event)


@st.composite
def binary_answers(draw: st.DrawFn) -> Said:
    """A command that is answered, quiet or not, and its answer."""
    is_spoken = binary_commands().filter(lambda command: not command.noreply)
    return _answer(draw, draw(is_spoken))


@st.composite
def quiet_conversations(draw: st.DrawFn) -> list[Said]:
    """Commands in a row, quiet ones with opaques of their own, up to a NOOP; and all that comes.

    The event of a command that is silent is None.
    """
    said = []
    for number in range(draw(st.integers(1, 6))):
        command = draw(
            binary_commands().filter(lambda command: not isinstance(command, binary.Quit))
        )
        fields = {name: getattr(command, name) for name in command.__match_args__}
        command = type(command)(**fields | {"opaque": number + 1})
        if command.quiet and draw(st.booleans()):
            said.append(Said(command, b"", None))
        else:
            said.append(_answer(draw, command))
    noop = binary.Noop(opaque=draw(U32))
    return [*said, Said(noop, frame(0x0A, opaque=noop.opaque), BinaryReply())]
