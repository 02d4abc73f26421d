"""Commands and replies out of bytes: what a fuzzer has made up is read as a list of choices.

Which parameters a command has is asked of its signature, so that a new command is made up as soon
as it is there.  Their values are as legal as not: what becomes of the wrong ones is a promise too.
"""

from __future__ import annotations

import inspect
from base64 import b64encode
from collections.abc import Callable
from types import ModuleType
from typing import Any

import mcproto
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
)

__all__ = ["Source", "kinds_of", "made_binary_reply", "made_command", "made_reply"]

NUMBERS = [
    0, 1, 2, 7, 60, 250, 2592000, 2592001, (1 << 31) - 1, (1 << 32) - 1, (1 << 63) - 1,
    (1 << 64) - 1, -1, -2, -(1 << 31), 1 << 31, 1 << 32, 1 << 64, 10**4400,
]  # fmt: skip
# Keys that every server takes, though some look like words of the protocol...
TOKENS = [
    b"k", b"key", b"noreply", b"END", b"VALUE", b"STAT", b"0", b"-1", b"HD", b"ERROR", b"HTTP/1.1",
    b"x" * 250, "ключ".encode(), b"\xff\xfe", b"aw==", b"items",
]  # fmt: skip
# ... and strings that would be two words, two lines, or none.
HOSTILE = [
    b"", b" ", b"a b", b"a\r\nb", b"a\nb", b"\n", b"\r", b"\x00", b"\x7f", b"a\tb", b"key ",
    b" key", b"x" * 251, b"k" * 5000, b"k\r\nset l 0 0 1\r\nx",
    b"k noreply", b"detail on", b"\xc2\xa0 ",
]  # fmt: skip


class Source:
    """Choices, one byte each; when the bytes are used up, always the first."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def below(self, count: int) -> int:
        at = self._at
        if at >= len(self._data):
            return 0
        self._at = at + 1
        return self._data[at] % count

    def chosen(self, some: Any) -> Any:
        return some[self.below(len(some))]

    def rarely(self) -> bool:
        """One time in sixteen, and never when the bytes are used up."""
        return self.below(16) == 15

    def string(self) -> bytes:
        """Bytes from the source, or a string that means something."""
        first = self.below(256)
        if first < 64:
            return (TOKENS + HOSTILE)[first % (len(TOKENS) + len(HOSTILE))]
        size = first % 24
        self._at += size
        return self._data[self._at - size : self._at]

    def token(self) -> bytes:
        """What may stand in a line as one word; rarely, what may not."""
        first = self.below(256)
        if first > 247:
            return self.string()
        if first < 96:
            return TOKENS[first % len(TOKENS)]
        size = first % 24
        self._at += size
        word = self._data[self._at - size : self._at].translate(None, _NOT_IN_TOKENS)
        return word or b"k"

    def text(self) -> str:
        """A line of text; rarely, what is none."""
        text = self.token() if self.below(4) else self.string()
        return text.decode("utf-8", "surrogateescape" if self.rarely() else "replace")

    def number(self, bits: int = 32) -> int:
        """A number of so many bits; rarely, a longer or a negative one."""
        first = self.below(256)
        if first > 239:
            return NUMBERS[first % len(NUMBERS)]
        if first < 64:
            number = NUMBERS[first % 12]
            return number if number >> bits == 0 else first
        return self.below(256) << (8 * self.below(bits // 8))

    def unsigned(self, bits: int) -> int:
        """A number of so many bits."""
        return self.number(bits) & ((1 << bits) - 1)


_NOT_IN_TOKENS = bytes(range(0x21)) + b"\x7f"

# ---------------------------------------------------------------------------------------- commands


def kinds_of(module: ModuleType) -> list[type[Command[object]]]:
    """The commands that a module of mcproto offers."""
    things = [getattr(module, name) for name in module.__all__]
    return [thing for thing in things if isinstance(thing, type) and issubclass(thing, Command)]


def _key(source: Source) -> str | bytes:
    key = source.token()
    if source.below(4):
        return key
    return key.decode("utf-8", "surrogateescape" if source.rarely() else "ignore") or "k"


def _text_or_none(source: Source) -> str | None:
    return source.text() if source.below(4) else None


# By what the signature says, as it is written there.
_MAKERS: dict[str, Callable[[Source], object]] = {
    "str | bytes": _key,
    "str | bytes | None": lambda source: _key(source) if source.below(4) else None,
    "str | None": _text_or_none,
    "str": Source.text,
    "bytes": Source.string,
    "int": Source.number,
    "int | None": lambda source: source.number() if source.below(4) == 3 else None,
    "float": lambda source: source.below(256) if source.below(2) else source.below(17) / 16,
    "bool": lambda source: source.below(3) == 2,
    "Iterable[str | bytes]": lambda source: [_key(source) for _ in range(2 + source.below(3))],
    "Classes": lambda source: "all" if source.below(2) else [1 + source.below(63)],
    "Iterable[Log]": lambda source: [
        source.chosen(["fetchers", "mutations", "deletions"]) for _ in range(source.below(4))
    ],
}


def _maker(annotation: str) -> Callable[[Source], object]:
    known = _MAKERS.get(annotation)
    if known is not None:
        return known
    # Literal["S", "E"] | None: its words, or any.
    words = annotation.replace('"', "'").split("'")[1::2]
    assert words, f"who makes up {annotation}?"
    choices: list[object] = [*words, None] if "None" in annotation else [*words]
    return lambda source: source.text() if source.rarely() else source.chosen(choices)


_SIGNATURES: dict[type[Command[object]], list[tuple[str, bool, Callable[[Source], object]]]] = {}


def _signature(
    kind: type[Command[object]],
) -> list[tuple[str, bool, Callable[[Source], object]]]:
    """Of each parameter: its name, whether it can be left out, who makes its value up."""
    if kind not in _SIGNATURES:
        parameters = inspect.signature(kind.__init__).parameters.values()
        _SIGNATURES[kind] = [
            (p.name, p.default is not p.empty, _maker(str(p.annotation)))
            for p in parameters
            if p.name != "self" and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        ]
    return _SIGNATURES[kind]


# By their names, so that most of what is made up is legal.
_BY_NAME: dict[str, Callable[[Source], object]] = {
    name: lambda source: source.number(64)
    for name in ("cas", "delta", "initial", "C", "D", "E", "J")
} | {name: lambda source: source.number(31) for name in ("exptime", "delay", "N", "R", "T")}
_BY_NAME["setting"] = lambda source: source.chosen(["item_age", "max_frag", "low_ttl", "nothing"])


def made_command(source: Source, kinds: list[type[Command[object]]]) -> Command[object] | None:
    """A command of one of the *kinds*, or None: what it was given was refused.

    Raises:
        AssertionError: it was refused by something else than a local error, or a TypeError.
    """
    kind: Any = source.chosen(kinds)
    arguments: dict[str, Any] = {}
    for name, optional, make in _signature(kind):
        if not optional or source.below(3) == 2:
            arguments[name] = _BY_NAME[name](source) if name in _BY_NAME else make(source)
    if arguments.get("b") and not source.rarely():
        key = arguments["key"]
        wire = key if isinstance(key, bytes) else key.encode("utf-8", "replace")
        arguments["key"] = b64encode(wire[:186])
    try:
        command: Command[object] = kind(**arguments)
    except (mcproto.LocalProtocolError, TypeError):
        return None
    return command


# ----------------------------------------------------------------------------------------- replies

_KINDS_OF_ERRORS = ["ERROR", "CLIENT_ERROR", "SERVER_ERROR"]


def made_reply(source: Source, command: Any) -> Reply:
    """A reply in a form that the command can get. Its strings may be anything.

    Its numbers, keys and flags are a server's own, who is not his own enemy.
    """
    letters: str | None = getattr(command, "letters", None)
    form = type(command).__name__
    if not source.below(6):
        return ErrorReply(source.chosen(_KINDS_OF_ERRORS), source.text())
    if letters is not None or form in ("Debug", "Noop"):
        return _made_meta_reply(source, command)
    if form.startswith("G"):
        return _made_values(source, command)
    if form in ("Incr", "Decr"):
        return Number(source.unsigned(64)) if source.below(4) else Status.NOT_FOUND
    if form == "Version":
        return Text(source.text())
    if form == "Stats":
        if not source.below(8):
            return source.chosen([Status.OK, Status.RESET])  # type: ignore[no-any-return]
        return Stats({source.text(): source.text() for _ in range(source.below(4))})
    if command.line_form is not None:
        begins = command.line_form.words[0]
        return Lines([begins + source.token() for _ in range(source.below(4))])
    words = getattr(command, "words", None)
    return source.chosen(list(Status if words is None else words.values()))  # type: ignore[no-any-return]


def _made_values(source: Source, command: Any) -> Values:
    keys = getattr(command, "keys", None) or [getattr(command, "key", b"k")]
    some = keys[: source.below(len(keys) + 1)]
    return Values(
        [
            Item(
                key,
                source.unsigned(32),
                source.string(),
                source.unsigned(64) if command.with_cas else None,
            )
            for key in some
        ]
    )


# The flags that come back, by kind: of a success, and of a failure.
_SHOWN = {
    "Get": ("cfhklOst", "kO"),
    "Set": ("ckOs", "ckOs"),
    "Delete": ("kO", "kO"),
    "Arithmetic": ("ckOt", "kO"),
}


def _made_meta_reply(source: Source, command: Any) -> MetaReply:
    codes = sorted(getattr(command, "codes", ())) or ["EN", "ME", "MN"]
    code: str = source.chosen(codes)
    if code in ("HD", "VA") and "VA" in codes:
        code = "VA" if command.v else "HD"
    if code == "ME":
        pairs = [(source.text(), source.string()) for _ in range(source.below(3))]
        return MetaReply("ME", [("k", getattr(command, "key", b"k")), *pairs])
    is_hit = code in ("HD", "VA")
    form = type(command).__name__
    shown = _SHOWN.get(form, ("", ""))[not is_hit]
    flags: list[tuple[str, bytes | None]] = []
    for letter in getattr(command, "letters", ""):
        if letter not in shown:
            continue
        if letter == "O":
            flags.append(("O", command.O or None))
        elif letter == "k":
            flags.append(("k", command.key))
            if command.b:
                flags.append(("b", None))
        else:
            highest = 1 if letter == "c" and not is_hit else 2 if letter == "h" else 256
            flags.append((letter, b"%d" % source.below(highest)))
    if is_hit and form == "Get" and not source.below(4):
        flags += [(letter, None) for letter in source.chosen(["W", "XW", "ZX", "Z"])]
    value = None
    if code == "VA":
        value = b"%d" % source.unsigned(64) if form == "Arithmetic" else source.string()
    return MetaReply(code, flags, value)


def made_binary_reply(source: Source, command: Any) -> Reply:
    """A reply to a binary command, in a form that it can get. Its strings may be anything."""
    if type(command).__name__ == "Stat" and source.below(8):
        return Stats({source.text(): source.text() for _ in range(source.below(4))})
    kind: Any = type(command)
    key = command.shown_key
    if not source.below(4):
        status: int = source.chosen([1, 2, 3, 4, 5, 6, 0x20, 0x81, 0x82, 0x85])
        shown = key if not source.below(4) else b""
        # (Without words of its own it gets memcached's.)
        return BinaryReply(status, key=shown, value=b"" if shown else source.token() or b"x")
    sizes = kind.value_sizes
    value = source.string() if sizes is None else source.unsigned(64).to_bytes(8, "big")[: sizes[0]]
    extras = source.unsigned(32).to_bytes(4, "big")[: source.chosen(kind.extras_sizes)]
    return BinaryReply(0, cas=source.unsigned(64), extras=extras, key=key, value=value)
