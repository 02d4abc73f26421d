"""What a server can say to a command, as values; and as bytes, written here by hand.

The bytes are made from the protocol's description, not by mcproto: its own writer would share
its reader's mistakes.
"""

from __future__ import annotations

from base64 import b64encode

from hypothesis import strategies as st

from mcproto import (
    BinaryReply,
    Command,
    ErrorReply,
    Item,
    Lines,
    MetaReply,
    Number,
    Reply,
    Stats,
    Status,
    Text,
    Values,
    admin,
    binary,
    classic,
    meta,
    sasl,
)

from ._commands import ADMIN, U32, U64, commands, values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["replies"]

_texts = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=20)

# ---------------------------------------------------------------------------------------- classic

_WORDS: dict[type[Command[object]], str] = {
    classic.Set: "STORED NOT_STORED",
    classic.Add: "STORED NOT_STORED",
    classic.Replace: "STORED NOT_STORED",
    classic.Append: "STORED NOT_STORED",
    classic.Prepend: "STORED NOT_STORED",
    classic.Cas: "STORED EXISTS NOT_FOUND",
    classic.Touch: "TOUCHED NOT_FOUND",
    classic.Delete: "DELETED NOT_FOUND",
    classic.FlushAll: "OK",
    classic.Verbosity: "OK",
}


@st.composite
def _items(draw: DrawFn, asked: list[bytes], with_cas: bool) -> Values:
    hits = [key for key in asked if draw(st.booleans())]
    return Values(
        [Item(k, draw(U32), draw(values()), draw(U64) if with_cas else None) for k in hits]
    )


@st.composite
def _statistics(draw: DrawFn) -> Stats:
    names = st.lists(st.sampled_from("abc:_1%"), min_size=1, max_size=5).map("".join)
    return Stats(draw(st.dictionaries(names, _texts, max_size=5)))


# ------------------------------------------------------------------------------------------- meta

_CODES: dict[type[Command[object]], tuple[str, ...]] = {
    meta.Get: ("hit", "EN"),
    meta.Set: ("HD", "NS", "EX", "NF"),
    meta.Delete: ("HD", "NF", "EX"),
    meta.Arithmetic: ("hit", "NF", "EX", "NS"),
}
# The flags that come back: of a success, and of a failure.
_SHOWN: dict[type[Command[object]], tuple[str, str]] = {
    meta.Get: ("cfhklOst", "kO"),
    meta.Set: ("ckOs", "ckOs"),
    meta.Delete: ("kO", "kO"),
    meta.Arithmetic: ("ckOt", "kO"),
}
_NUMBERS = {"c": U64, "f": U32, "h": st.integers(0, 1), "l": U64, "s": U64, "t": U64}


@st.composite
def _shown(draw: DrawFn, command: Any, *, hit: bool) -> list[tuple[str, bytes | None]]:
    """The flags that a server would show, in the order in which they were asked for."""
    flags: list[tuple[str, bytes | None]] = []
    for letter in command.letters:
        if letter not in _SHOWN[type(command)][not hit]:
            continue
        if letter == "O":
            flags.append(("O", command.O or None))
        elif letter == "k":
            in_base64 = command.b
            if hit and isinstance(command, meta.Get):
                # The item decides: how it was stored, so it is shown.
                in_base64 = draw(st.booleans())
            flags.append(("k", b64encode(command.item_key) if in_base64 else command.item_key))
            if in_base64:
                flags.append(("b", None))
        elif letter == "c" and not hit:
            flags.append(("c", b"0"))
        else:
            number = b"%d" % draw(_NUMBERS[letter])
            flags.append((letter, b"-1" if letter == "t" and draw(st.booleans()) else number))
    if hit and isinstance(command, meta.Get):
        flags += [(letter, None) for letter in draw(st.sampled_from(["", "W", "XW", "ZX", "Z"]))]
    return flags


@st.composite
def _meta_replies(draw: DrawFn, command: Any) -> MetaReply:
    code = draw(st.sampled_from(_CODES[type(command)]))
    flags = draw(_shown(command, hit=code in ("hit", "HD")))
    if code != "hit":
        return MetaReply(code, flags)
    if not command.v:
        return MetaReply("HD", flags)
    number = isinstance(command, meta.Arithmetic)
    return MetaReply("VA", flags, b"%d" % draw(U64) if number else draw(values()))


@st.composite
def _debug_replies(draw: DrawFn, command: meta.Debug) -> MetaReply:
    if draw(st.booleans()):
        return MetaReply("EN")
    shown = draw(st.sampled_from([command.item_key, b64encode(command.item_key)]))
    pairs = [
        ("exp", b"-1"),
        ("la", b"%d" % draw(U32)),
        ("cas", b"%d" % draw(U64)),
        ("fetch", b"no"),
    ]
    return MetaReply("ME", [("k", shown), *pairs])


# ------------------------------------------------------------------------------------------ admin

_dumped = st.integers(0, 99).map(
    lambda n: b"key=k%d exp=-1 la=1700000000 cas=%d fetch=no cls=1 size=64" % (n, n)
)
_DUMPS: dict[type[Command[object]], SearchStrategy[bytes]] = {
    admin.Metadump: _dumped,
    admin.Mgdump: st.integers(0, 99).map(lambda n: b"mg k%d" % n),
}

# ----------------------------------------------------------------------------------------- binary


@st.composite
def _obeyed(draw: DrawFn, command: Any) -> BinaryReply:
    cas = draw(U64)
    match command:
        case binary.Get():
            flags = draw(U32).to_bytes(4, "big")
            return BinaryReply(cas=cas, extras=flags, key=command.shown_key, value=draw(values()))
        case binary.Touch():
            return BinaryReply(cas=cas, extras=draw(st.sampled_from([b"", b"\0\0\0\7"])))
        case binary.Incr() | binary.Decr():
            return BinaryReply(cas=cas, value=draw(U64).to_bytes(8, "big"))
        case binary.Version() | sasl.List() | sasl.Auth() | sasl.Step():
            return BinaryReply(value=draw(_texts).encode())
        case _:
            return BinaryReply(cas=cas)


def _binary_replies(command: Any) -> SearchStrategy[Reply]:
    if isinstance(command, binary.Stat):
        return _statistics()
    if isinstance(command, binary.Get) and command.with_key:
        return _obeyed(command) | st.just(BinaryReply(1, key=command.key))
    return _obeyed(command) | st.just(BinaryReply(1, value=b"Not found"))


_refusals = st.builds(
    BinaryReply,
    st.sampled_from([2, 3, 4, 5, 6, 7, 0x20, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86]),
    value=st.sampled_from([b"Too large.", b"Out of memory", b"\xff\0"]),
)

# -------------------------------------------------------------------------------------------- all


def meant_for(command: Command[object]) -> SearchStrategy[Reply]:
    """What answers the command in its own form: no error line."""
    kind = type(command)
    if command.protocol == "binary":
        return _binary_replies(command)
    if kind in _WORDS:
        return st.sampled_from([Status[word] for word in _WORDS[kind].split()])
    if kind in _CODES:
        return _meta_replies(command)
    match command:
        case classic.GetMany() | classic.GetsMany() | classic.GatMany():
            return _items(list(command.keys), command.with_cas)
        case classic.Get() | classic.Gets() | classic.Gat():
            return _items([command.key], command.with_cas)
        case classic.Incr() | classic.Decr():
            return U64.map(Number) | st.just(Status.NOT_FOUND)
        case classic.Version():
            return _texts.map(Text)
        case classic.Stats(group="reset"):
            return st.just(Status.RESET)
        case classic.Stats(group="detail on"):
            return st.just(Status.OK)
        case classic.Stats():
            return _statistics()
        case meta.Debug():
            return _debug_replies(command)
        case meta.Noop():
            return st.just(MetaReply("MN"))
        case admin.Metadump() | admin.Mgdump():
            return st.lists(_DUMPS[kind], max_size=5).map(Lines)
        case _ if kind in ADMIN and is_answered(command):
            return st.just(Status.OK)
        case _:
            raise ValueError(f"command: no server answers {command!r}")


error_lines = st.builds(
    ErrorReply, st.sampled_from(["ERROR", "CLIENT_ERROR", "SERVER_ERROR"]), _texts
)


def is_answered(command: Command[object]) -> bool:
    """Whether there is a reply to the command at all: nobody answers ``quit``."""
    return not isinstance(command, (classic.Quit, admin.Shutdown))


def replies(
    command: Command[object] | None = None,
    *,
    protocol: Literal["text", "binary"] = "text",
    with_errors: bool = True,
) -> SearchStrategy[Reply]:
    """Any reply that a server can give: to *command*, or to one of its own choice.

    To a ``noreply`` or quiet command it is what the server finds and may keep to itself, and so
    just what `ServerConnection.send` takes.

    Args:
        command: whose reply it is to be. None: any command's of *protocol*.
        protocol: ``"text"`` or ``"binary"``. Of no meaning where *command* is given.
        with_errors: error lines are among them, or refusals by their status.

    Raises:
        ValueError: it is a command that no server answers (``quit``).
    """
    if command is None:
        answered = commands(protocol=protocol).filter(is_answered)
        return answered.flatmap(lambda one: replies(one, with_errors=with_errors))
    if not with_errors:
        return meant_for(command)
    return meant_for(command) | (_refusals if command.protocol == "binary" else error_lines)


# ------------------------------------------------------------------------------------------ bytes


def spelled(reply: Reply, word: str = "STAT") -> bytes:
    """The reply as a server writes it. *word* is what lines of statistics begin with."""
    match reply:
        case Values(items):
            return b"".join([_item(item) for item in items]) + b"END\r\n"
        case Status():
            return reply.name.encode() + b"\r\n"
        case Number(value):
            return b"%d\r\n" % value
        case Text(text):
            return f"VERSION {text}\r\n".encode()
        case Stats(entries):
            lines = [f"{word} {name} {value}\r\n" for name, value in entries.items()]
            return "".join(lines).encode() + b"END\r\n"
        case ErrorReply(kind, message):
            return f"{kind} {message}\r\n".encode()
        case MetaReply(code="ME"):
            (_, key), *pairs = reply.flags
            words = [b"%b=%b" % (name.encode(), about or b"") for name, about in pairs]
            return b" ".join([b"ME", key or b"", *words]) + b"\r\n"
        case MetaReply(code, flags, value):
            words = [code.encode()] + ([] if value is None else [b"%d" % len(value)])
            words += [letter.encode() + (argument or b"") for letter, argument in flags]
            block = b"" if value is None else value + b"\r\n"
            return b" ".join(words) + b"\r\n" + block
        case _:
            raise ValueError(f"reply: not one, or several: {reply!r}")


def _item(item: Item) -> bytes:
    unique = b"" if item.cas is None else b" %d" % item.cas
    head = b"VALUE %b %d %d%b\r\n" % (item.key, item.flags, len(item.value), unique)
    return head + item.value + b"\r\n"
