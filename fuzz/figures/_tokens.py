"""F19: what would be more than one token, or another number, is refused before a byte is made."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import mcclient._options
from fuzz.figures._samples import BINARY, TEXT, samples
from fuzz.figures._size import Size
from mcclient import Client
from mcclient.embedded import MemoryServer
from mcproto import Command, InvalidKey, LocalProtocolError, checked_key
from mcproto.transports.memory import MemoryBackend, MemoryTransport

HOSTILE_KEYS = [
    "",
    " ",
    "a b",
    " k",
    "k ",
    "a\tb",
    "a\rb",
    "a\nb",
    "k\r\n",
    "a\r\nflush_all",
    "k 0 0 1\r\nx\r\nflush_all\r\n",
    "a\0b",
    "\x01",
    "\x1f",
    "\x1b[2J",
    "a\x7f",
    "x" * 251,
    "ü" * 126,
]
_KEYS: list[object] = [*HOSTILE_KEYS, *[key.encode() for key in HOSTILE_KEYS]]
_LONE: list[object] = ["\ud800", "a\udfff"]
_NO_STRINGS: list[object] = [5, 1.5, ["k"], {"k": 1}, bytearray(b"k"), object()]
_NO_NUMBERS: list[object] = [
    True, "1", b"1", "1\r\nflush_all", 1.5, float("nan"), [1], 1 << 64, -(1 << 40), 10**5000,
]  # fmt: skip
_NO_BOOLS: list[object] = [1, 0, "True", b"x", "v\r\nflush_all", [], 1.0]
_NO_WORDS: list[object] = ["", " ", "S ", "SE", "s\r\nflush_all", "\0", b"S", 5, True]
_NO_TOKENS: list[object] = [
    "a b", " ", " a", "a ", "a\r\nflush_all", "\n", "\0", "\x7f", "x" * 251, b"a b", b"\r\n",
    "a\tb",
]  # fmt: skip

# By what the signature says, as it is written there.
_WRONG: dict[str, list[object]] = {
    "str | bytes": [*_KEYS, *_LONE, *_NO_STRINGS, None],
    "str | bytes | None": [*_NO_TOKENS, *_LONE, *_NO_STRINGS],
    # (Of several words, so that single blanks are none of the mistakes.)
    "str | None": [
        "", "a  b", *[wrong for wrong in _NO_TOKENS if wrong not in ("a b", b"a b")], *_NO_STRINGS
    ],
    "str": [*_NO_TOKENS, *_LONE, *_NO_STRINGS, None],
    "bytes": ["text", 5, 1.5, None, [1], object()],
    "int": [*_NO_NUMBERS, None],
    "int | None": _NO_NUMBERS,
    "float": ["0.5", b"1", None, True, float("nan"), float("inf"), 10**400, [0.5]],
    "bool": [*_NO_BOOLS, None],
    "Iterable[str | bytes]": [
        "one", b"one", [], *[["fine", key] for key in [*_KEYS, *_LONE, *_NO_STRINGS, None]]
    ],
    "Iterable[Log]": ["fetchers", ["everything"], ["fetchers\r\n"], [b"fetchers"], [5], [None], 5],
    "Classes": ["", "everything", "1,2", [], [0], [64], ["1"], [True], [1.0], 5, None],
}  # fmt: skip


# These go into a data block, where a blank alone has a meaning.
_IN_BLOCKS = {
    "username": ["", "a b", b" ", *_LONE, *_NO_STRINGS],
    "password": [*_LONE, *_NO_STRINGS],
}


def _wrong_for(name: str, annotation: str, default: object) -> list[object]:
    known = _IN_BLOCKS.get(name) or _WRONG.get(annotation)
    if known is not None:
        return known
    assert "Literal" in annotation, f"what is wrong for {annotation}?"
    words = [word for word in _NO_WORDS if word != 5 or "int" not in annotation]
    return words if "None" in annotation else [*words, None]


def _refused(make: Callable[..., Command[object]], arguments: dict[str, Any]) -> bool:
    try:
        make(**arguments)
    except (LocalProtocolError, TypeError):
        return True
    return False


def _in_commands(found: Counter[str]) -> None:
    for kind in [*TEXT, *BINARY]:
        parameters = [
            p
            for p in inspect.signature(kind.__init__).parameters.values()
            if p.name not in ("self", "args", "kwargs")
        ]
        # What is right but for the one thing that is wrong.
        candidates = [
            {p.name: getattr(good, p.name) for p in parameters} for good in samples(kind, 8)
        ]
        arguments = next(each for each in candidates if not _refused(kind, each))
        for p in parameters:
            for wrong in _wrong_for(p.name, str(p.annotation), p.default):
                refused = _refused(kind, arguments | {p.name: wrong})
                # A base64 key's alphabet is narrower, and so on: what is refused need not say why.
                assert refused, f"{kind.__qualname__} takes {p.name}={wrong!r:.80}"
                found["keys" if p.name in ("key", "keys") else "other tokens"] += 1


class _Untouched(MemoryBackend):
    """Where nobody may go."""

    def connect(self, address: object, deadline: float = 0.0) -> MemoryTransport:
        raise AssertionError("a connection was opened for what has to be refused")


DIALECTS = tuple(mcclient._options._DIALECTS)
OPERATIONS: dict[str, Callable[[Client, Any], object]] = {
    "get": lambda mc, key: mc.get(key),
    "gets": lambda mc, key: mc.gets(key),
    "gat": lambda mc, key: mc.gat(key, 1),
    "get_multi": lambda mc, key: mc.get_multi(["fine", key]),
    "set": lambda mc, key: mc.set(key, b"v"),
    "add": lambda mc, key: mc.add(key, b"v"),
    "replace": lambda mc, key: mc.replace(key, b"v"),
    "append": lambda mc, key: mc.append(key, b"v"),
    "prepend": lambda mc, key: mc.prepend(key, b"v"),
    "cas": lambda mc, key: mc.cas(key, b"v", 1),
    "set_multi": lambda mc, key: mc.set_multi({"fine": b"v", key: b"v"}),
    "delete": lambda mc, key: mc.delete(key),
    "delete_multi": lambda mc, key: mc.delete_multi(["fine", key]),
    "incr": lambda mc, key: mc.incr(key),
    "decr": lambda mc, key: mc.decr(key, initial=5),
    "touch": lambda mc, key: mc.touch(key, 60),
    "in": lambda mc, key: key in mc,
    "[]": lambda mc, key: mc[key],
}


def _in_clients(found: Counter[str]) -> None:
    for protocol in DIALECTS:
        with Client("nowhere", protocol=protocol, backend=_Untouched(MemoryServer())) as mc:
            for name, operate in OPERATIONS.items():
                for key in [*_KEYS, *_LONE]:
                    try:
                        operate(mc, key)
                    except InvalidKey:
                        found["keys of operations"] += 1
                        continue
                    raise AssertionError(f"{name} takes the key {key!r:.80} ({protocol})")


def hostile_tokens(size: Size) -> str:
    """Every parameter of every command, and every operation of a client in every dialect."""
    found: Counter[str] = Counter()
    _in_commands(found)
    _in_clients(found)
    # And keys at random: one token on the wire, or none.
    random = Random("tokens")
    tries = {"short": 5_000, "full": 50_000, "long": 2_000_000}[size]
    for _ in range(tries):
        key = random.randbytes(random.choice([0, 1, 1, 2, 3, 8, 250, 251]))
        legal = 0 < len(key) <= 250 and all(byte > 0x20 and byte != 0x7F for byte in key)
        try:
            assert checked_key(key) == key
            assert legal, key
        except InvalidKey:
            assert not legal, key
    told = ", ".join(f"{count:,} {what}" for what, count in found.items())
    return (
        f"hostile tokens: {told} ({', '.join(DIALECTS)}), {tries:,} keys at random: "
        "all refused before a byte was made"
    )
