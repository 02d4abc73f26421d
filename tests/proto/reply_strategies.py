"""What a server says, made up: conversations, as commands, bytes and the events they must become.

The bytes are written here and nowhere else, from the protocol's description: a writer of mcproto's
own would share its reader's mistakes.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import NamedTuple

from hypothesis import strategies as st

from mcproto import (
    NO_REPLY,
    Command,
    ErrorReply,
    Flight,
    Item,
    MetaReply,
    Number,
    Replies,
    Stats,
    Status,
    Text,
    Values,
    classic,
    meta,
)

__all__ = [
    "Answer",
    "answers",
    "conversations",
    "flights",
    "keys",
    "opaques",
    "pieces_of",
    "quiet_answers",
    "values",
]

U32 = st.integers(0, (1 << 32) - 1)
U64 = st.integers(0, (1 << 64) - 1)
SECONDS = st.integers(-(1 << 31), (1 << 31) - 1)

# Words that mean something elsewhere on the line, and are keys like any other.
_WORDS = [b"END", b"VALUE", b"STAT", b"noreply", b"HD", b"ERROR", b"0", b"k"]
_LEGAL = [bytes([byte]) for byte in range(256) if byte > 0x20 and byte != 0x7F]

keys = (
    st.sampled_from(_WORDS)
    | st.lists(st.sampled_from(_LEGAL), min_size=1, max_size=12).map(b"".join)
    | st.sampled_from([b"x" * 250, b"\xff" * 250])
)
opaques = st.lists(st.sampled_from(_LEGAL), max_size=31).map(b"".join)
values = st.binary(max_size=40) | st.sampled_from(
    [
        b"",
        b"\r\n",
        b"\n",
        b"END\r\n",
        b"\r\nEND\r\nEND\r\n",
        b"VALUE k 0 1\r\n",
        b"MN\r\n",
        b"x" * 9000,
    ]
)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=20)


class Answer(NamedTuple):
    """A command, what the server sends for it, and the event it must become."""

    command: Command[object]
    wire: bytes
    event: object


# ---------------------------------------------------------------------------------------- classic

_OF_ONE: list[Callable[[bytes], Command[object]]] = [
    classic.Get,
    classic.Gets,
    lambda key: classic.Gat(key, 60),
    lambda key: classic.Gats(key, 60),
]
_OF_MANY: list[Callable[[list[bytes]], Command[object]]] = [
    classic.GetMany,
    classic.GetsMany,
    lambda keys: classic.GatMany(keys, 60),
    lambda keys: classic.GatsMany(keys, 60),
]
_WORDED: list[tuple[Callable[[bytes], Command[object]], str]] = [
    (lambda key: classic.Set(key, b"v"), "STORED NOT_STORED"),
    (lambda key: classic.Add(key, b"v"), "STORED NOT_STORED"),
    (lambda key: classic.Replace(key, b"v"), "STORED NOT_STORED"),
    (lambda key: classic.Append(key, b"v"), "STORED NOT_STORED"),
    (lambda key: classic.Prepend(key, b"v"), "STORED NOT_STORED"),
    (lambda key: classic.Cas(key, b"v", 1), "STORED EXISTS NOT_FOUND"),
    (lambda key: classic.Touch(key, 60), "TOUCHED NOT_FOUND"),
    (lambda key: classic.Delete(b"x" + key[:249]), "DELETED NOT_FOUND"),
    (lambda key: classic.Incr(key), "NOT_FOUND"),
    (lambda key: classic.FlushAll(), "OK"),
    (lambda key: classic.Verbosity(1), "OK"),
    (lambda key: classic.Stats("reset"), "RESET"),
]
_SILENT: list[Callable[[bytes], Command[object]]] = [
    lambda key: classic.Set(key, b"v", noreply=True),
    lambda key: classic.Cas(key, b"v", 1, noreply=True),
    lambda key: classic.Incr(key, noreply=True),
    lambda key: classic.FlushAll(noreply=True),
]


@st.composite
def _retrievals(draw: st.DrawFn) -> Answer:
    with_cas = draw(st.booleans())
    asked = draw(st.lists(keys, min_size=1, max_size=5))
    if draw(st.booleans()):
        asked = asked[:1]
        command = draw(st.sampled_from(_OF_ONE[with_cas::2]))(asked[0])
    else:
        command = draw(st.sampled_from(_OF_MANY[with_cas::2]))(asked)
    hits = [key for key in asked if draw(st.booleans())]
    items = [Item(k, draw(U32), draw(values), draw(U64) if with_cas else None) for k in hits]
    lines = [
        b"VALUE %b %d %d%b\r\n%b\r\n"
        % (i.key, i.flags, len(i.value), b"" if i.cas is None else b" %d" % i.cas, i.value)
        for i in items
    ]
    return Answer(command, b"".join(lines) + b"END\r\n", Values(items))


@st.composite
def _words(draw: st.DrawFn) -> Answer:
    make, words = draw(st.sampled_from(_WORDED))
    word = draw(st.sampled_from(words.split()))
    return Answer(make(draw(keys)), word.encode() + b"\r\n", Status[word])


@st.composite
def _statistics(draw: st.DrawFn) -> Answer:
    names = st.lists(st.sampled_from("abc:_1%"), min_size=1, max_size=5).map("".join)
    entries = draw(st.dictionaries(names, texts, max_size=5))
    lines = [f"STAT {name} {value}\r\n".encode() for name, value in entries.items()]
    return Answer(classic.Stats(), b"".join(lines) + b"END\r\n", Stats(entries))


_numbers = U64.map(lambda n: Answer(classic.Incr("k"), b"%d\r\n" % n, Number(n)))
_versions = texts.map(
    lambda text: Answer(classic.Version(), f"VERSION {text}\r\n".encode(), Text(text))
)

# ------------------------------------------------------------------------------------------- meta

_FLAG_NUMBERS = {"c": U64, "f": U32, "h": st.integers(0, 1), "l": U64, "s": U64, "t": U64}


@st.composite
def _shown(
    draw: st.DrawFn, command: Command[object], *, hit: bool
) -> list[tuple[str, bytes | None]]:
    """The flags that a server would show, in the order in which they were asked for."""
    flags: list[tuple[str, bytes | None]] = []
    for letter in type(command).__match_args__:
        asked = getattr(command, letter) if len(letter) == 1 else None
        if letter == "O" and asked is not None:
            flags.append(("O", asked or None))
        elif letter == "k" and asked:
            key: bytes = command.key  # type: ignore[attr-defined]
            if hit and not command.b and draw(st.booleans()):  # type: ignore[attr-defined]
                flags += [("k", b64encode(key)), ("b", None)]
            else:
                flags.append(("k", key))
        elif hit and asked is True and letter in _FLAG_NUMBERS:
            number = b"%d" % draw(_FLAG_NUMBERS[letter])
            flags.append((letter, b"-1" if letter == "t" and draw(st.booleans()) else number))
    if hit and isinstance(command, meta.Get):
        flags += [(letter, None) for letter in draw(st.sampled_from(["", "W", "XW", "ZX", "Z"]))]
    return flags


def _line(reply: MetaReply) -> bytes:
    words = [reply.code.encode()]
    if reply.value is not None:
        words.append(b"%d" % len(reply.value))
    words += [letter.encode() + (argument or b"") for letter, argument in reply.flags]
    block = b"" if reply.value is None else reply.value + b"\r\n"
    return b" ".join(words) + b"\r\n" + block


@st.composite
def _meta_commands(draw: st.DrawFn, *, O: bytes | None, q: bool) -> Command[object]:  # noqa: E741, N803
    key = draw(keys)
    name = {"k": draw(st.booleans()), "O": O, "q": q}
    yes = st.booleans()
    match draw(st.sampled_from(["mg", "ms", "md", "ma"])):
        case "mg":
            return meta.Get(
                key,
                **name,
                **{flag: draw(yes) for flag in "cfhlstuv"},
                T=draw(st.none() | SECONDS),
                N=draw(st.none() | SECONDS),
            )
        case "ms":
            return meta.Set(
                key, draw(values), **name, c=draw(yes), s=draw(yes), C=draw(st.none() | U64)
            )
        case "md":
            return meta.Delete(key, **name, C=draw(st.none() | U64), I=draw(yes))
        case _:
            return meta.Arithmetic(key, **name, c=draw(yes), t=draw(yes), v=draw(yes))


@st.composite
def _meta_reply(draw: st.DrawFn, command: Command[object]) -> MetaReply:
    """What can be the answer to a command, if it is not a quiet one's silence."""
    codes = {
        meta.Get: ["hit", "EN"],
        meta.Set: ["HD", "NS", "EX", "NF"],
        meta.Delete: ["HD", "NF", "EX"],
        meta.Arithmetic: ["hit", "NF", "EX", "NS"],
    }[type(command)]  # type: ignore[index]
    if command.quiet:
        hidden = "EN" if isinstance(command, meta.Get) else "hit" if "hit" in codes else "HD"
        codes = [code for code in codes if code != hidden]
    code = draw(st.sampled_from(codes))
    flags = draw(_shown(command, hit=code in ("hit", "HD")))
    if code != "hit":
        return MetaReply(code, flags)
    if not command.v:  # type: ignore[attr-defined]
        return MetaReply("HD", flags)
    number = isinstance(command, meta.Arithmetic)
    return MetaReply("VA", flags, b"%d" % draw(U64) if number else draw(values))


@st.composite
def _meta(draw: st.DrawFn) -> Answer:
    command = draw(_meta_commands(O=draw(st.none() | opaques), q=False))
    reply = draw(_meta_reply(command))
    return Answer(command, _line(reply), reply)


@st.composite
def _debug(draw: st.DrawFn) -> Answer:
    key = draw(keys)
    if draw(st.booleans()):
        return Answer(meta.Debug(key), b"EN\r\n", MetaReply("EN"))
    shown = draw(st.sampled_from([key, b64encode(key)]))
    pairs = [
        ("exp", b"-1"),
        ("la", b"%d" % draw(U32)),
        ("cas", b"%d" % draw(U64)),
        ("fetch", b"no"),
    ]
    line = b" ".join([b"ME", shown, *[b"%b=%b" % (name.encode(), v) for name, v in pairs]])
    return Answer(meta.Debug(key), line + b"\r\n", MetaReply("ME", [("k", shown), *pairs]))


_noops = st.just(Answer(meta.Noop(), b"MN\r\n", MetaReply("MN")))

# ------------------------------------------------------------------------------- all, and in a row

_answered = st.one_of(
    _retrievals(), _words(), _statistics(), _numbers, _versions, _meta(), _debug(), _noops
)


@st.composite
def _errors(draw: st.DrawFn) -> Answer:
    command = draw(_answered).command
    kind = draw(st.sampled_from(["ERROR", "CLIENT_ERROR", "SERVER_ERROR"]))
    message = draw(texts)
    return Answer(command, f"{kind} {message}\r\n".encode(), ErrorReply(kind, message))


def answers() -> st.SearchStrategy[Answer]:
    """A command that is answered, and an answer: of its own form, or an error line."""
    return _answered | _errors()


@st.composite
def quiet_answers(draw: st.DrawFn, index: int) -> Answer:
    """A quiet command with an opaque token of its own, and its answer or silence."""
    command = draw(_meta_commands(O=b"%d" % index, q=True))
    if draw(st.booleans()):
        return Answer(command, b"", NO_REPLY)
    reply = draw(_meta_reply(command))
    return Answer(command, _line(reply), reply)


@st.composite
def flights(draw: st.DrawFn) -> Answer:
    """A flight of commands of all kinds; error lines only where it is certain whose they are."""
    steps = draw(_steps(_answered))
    wire = b"".join(step.wire for step in steps)
    flight = Flight([step.command for step in steps])
    if flight.is_barrier:
        wire += b"MN\r\n" if any(step.command.quiet for step in steps) else b"VERSION 1\r\n"
    return Answer(flight, wire, Replies([step.event for step in steps]))  # type: ignore[misc]


@st.composite
def _steps(draw: st.DrawFn, answered: st.SearchStrategy[Answer]) -> list[Answer]:
    steps: list[Answer] = []
    for index in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(["answered", "quiet", "silent"]))
        if kind == "quiet":
            steps.append(draw(quiet_answers(index)))
        elif kind == "silent":
            command = draw(st.sampled_from(_SILENT))(draw(keys))
            steps.append(Answer(command, b"", NO_REPLY))
        else:
            # Its own token keeps it apart from the quiet ones before it.
            steps.append(draw(answered.filter(lambda each: not hasattr(each.command, "q"))))
    return steps


@st.composite
def conversations(draw: st.DrawFn) -> list[Answer]:
    """Commands on one connection and their answers, in order; silence is closed by a barrier."""
    if draw(st.booleans()):
        return draw(st.lists(answers() | flights(), min_size=1, max_size=5))
    steps = draw(_steps(_answered))
    return [*steps, draw(_noops), *draw(st.lists(answers() | flights(), max_size=2))]


@st.composite
def pieces_of(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """*data*, cut anywhere; no piece is empty."""
    if draw(st.booleans()):
        size = draw(st.integers(1, 5))
        return [data[at : at + size] for at in range(0, len(data), size)]
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(data) - 1)), max_size=8)))
    ends = [cut for cut in cuts if cut < len(data)]
    return [data[a:b] for a, b in zip([0, *ends], [*ends, len(data)], strict=True) if a < b]
