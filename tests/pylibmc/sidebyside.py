"""Random calls on the real pylibmc and on ours, side by side, and what is known to differ.

Each plays against a memcached of its own.  A call is data: the method and its arguments, where
`Unique` stands for what `gets` gave last, which differs between the two servers.  What comes of a
call is a result or the name of an exception's class; messages are not compared.

`RULES` says what differs on purpose, and why.  Every rule is a line of the table in
docs/moving-from-pylibmc.md, by its name.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

# Sizes of the kernel's buffers, which are not asked for here.
UNASKED = {"_socket_send_size", "_socket_recv_size"}

KEYS: list[Any] = [f"key:{n}" for n in range(12)]
ODD_KEYS: list[Any] = [
    "", b"", b"key:1", "schl\u00fcssel", "schl\u00fcssel".encode(), b"\xff\xfe", "x" * 250,
    "x" * 251, 5, None, bytearray(b"key"), "\ud800", b"y" * 245,
]  # fmt: skip
BLANK_KEYS: list[Any] = ["with blank", "tab\tbed", b"line\r\nend", "\0", "\x7f"]

# (No number from 2**63 on: memcached 1.6.18 looks for a minus sign behind the item's end, and what
# it comes to is chance.)
VALUES: list[Any] = [
    b"bytes", "text", "\u00e4\u00f6\u00fc", 0, 1, 5, -7, 10**30, True, False, None, 1.5, [1, 2],
    {"a": (1, b"2")}, {1, 2}, b"", "", b"12", "34", b"07", "x" * 3000, b"\0\r\n\xff",
    bytearray(b"ab"), "\ud800", 2**62, lambda: 0,
]  # fmt: skip
TIMES: list[Any] = [0, 0, 0, 1000, 2**32, -1, 2**31 + 5, 10**20, 1.0, None, "1"]
DELTAS: list[Any] = [1, 1, 2, 0, 1000, 2**31 - 1, 2**31, -1, 1.0, None, 2**70]
_LONG_PREFIX = "z" * 249
PREFIXES: list[Any] = ["", "", b"", "p:", b"q:", "\u00fc", None, 5, _LONG_PREFIX]
LEVELS: list[Any] = [-1, -1, 0, 1, 9, 10, -2, None]
SHORTEST: list[Any] = [0, 0, 1, 100, 10**6, 2**32, -1, None]
DELAYS: list[Any] = [0, 0, 1000, -5, False, 1.0, None, "0"]
GROUPS: list[Any] = ["items", "slabs", "settings", "sizes", "bogus", "", b"items", 5, None]
BEHAVIORS: list[Any] = [
    {"tcp_nodelay": True}, {"tcp_keepalive": 1}, {"no_block": True}, {"hash": "md5"},
    {"hash": "fnv1a_32", "ketama": True}, {"hash": "default", "ketama": False},
    {"ketama_weighted": True}, {"distribution": "modula"}, {"distribution": "consistent"},
    {"connect_timeout": 1000, "retry_timeout": 3}, {"failure_limit": 2}, {"dead_timeout": 7},
    {"pickle_protocol": 2}, {"pickle_protocol": -1}, {"_sort_hosts": True}, {"cas": True}, {}, None,
    {"failure_limit": 0}, {"hash": "none"}, {"hash": "hsieh"}, {"distribution": "consistent max"},
    {"unknown": 1}, {"hash": 1}, {"tcp_nodelay": "yes"}, {"tcp_nodelay": None}, {"cas": 1.0}, 5,
]  # fmt: skip


_STORING = ("val", "time", "min_compress_len", "compress_level")
NAMES = {
    **dict.fromkeys(["set", "add", "replace", "append", "prepend"], _STORING),
    **dict.fromkeys(["get_multi", "delete_multi"], ("key_prefix",)),
    **dict.fromkeys(["set_multi", "add_multi"], ("time", "key_prefix", *_STORING[2:])),
    "incr_multi": ("key_prefix", "delta"),
    "cas": ("val", "cas", "time"),
}


class Unique(NamedTuple):
    """The cas unique of the last `gets`, and something more."""

    more: int

    def of(self, last: int | None) -> int:
        return (last or 77) + self.more


class Call(NamedTuple):
    method: str
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any] = MappingProxyType({})


class Outcome(NamedTuple):
    result: Any = None
    error: str | None = None


def calls(seed: int, number: int, binary: bool, namespace: bytes = b"") -> Iterator[Call]:
    """So many calls, always the same for a seed; none that the real library may not survive."""
    chance = random.Random(seed)
    # Its process aborts, sooner or later, over blanks in text, and over a key that is too long
    # with its namespace.
    odd = [*ODD_KEYS, *(BLANK_KEYS if binary else [])]
    prefixes = PREFIXES
    if namespace:
        prefixes = [prefix for prefix in PREFIXES if prefix != _LONG_PREFIX]
        odd = [key for key in odd if not isinstance(key, (str, bytes)) or len(key) != 250]

    def key() -> Any:
        return chance.choice(odd if chance.random() < 0.1 else KEYS)

    def value() -> Any:
        if chance.random() < 0.003:
            return b"x" * (2 << 20)
        return chance.choice(VALUES)

    def few(kinds: Callable[[], Any]) -> list[Any]:
        return [kinds() for _ in range(chance.randrange(6))]

    def hashable(kind: Callable[[], Any]) -> Any:
        while isinstance(found := kind(), bytearray):
            pass
        return found

    def several() -> Any:
        keys = few(key)
        form = chance.random()
        if form < 0.6:
            return keys
        if form < 0.8:
            return tuple(keys)
        return chance.choice([iter(keys), {"key:1": 1}, "key", None, 5, {"key:1"}, {"a": 1}.keys()])

    def mapping() -> Any:
        if chance.random() < 0.05:
            return chance.choice([[("key:1", 1)], None, "key", {"key:1"}])
        return {hashable(key): value() for _ in range(chance.randrange(6))}

    def storing() -> tuple[Any, ...]:
        plain = chance.random() < 0.7
        options = (chance.choice(TIMES), chance.choice(SHORTEST), chance.choice(LEVELS))
        return (key(), value()) if plain else (key(), value(), *options[: chance.randrange(1, 4)])

    def by_name(call: Call) -> Call:
        """The arguments behind the first as keywords, where the method knows them by name."""
        names = NAMES.get(call.method)
        if names is None or chance.random() < 0.7:
            return call
        first, *others = call.arguments
        return Call(call.method, (first,), dict(zip(names, others, strict=False)))

    def multi_options(*middle: Any) -> tuple[Any, ...]:
        return middle if chance.random() < 0.4 else ()

    makers: list[tuple[str, Callable[[], tuple[Any, ...]]]] = [
        ("get", lambda: (key(), *multi_options("other"))),
        ("get", lambda: (key(),)),
        ("gets", lambda: (key(),)),
        ("set", storing),
        ("set", storing),
        ("add", storing),
        ("replace", storing),
        ("append", lambda: (key(), chance.choice(["text", b"bytes", 5]))),
        ("prepend", lambda: (key(), chance.choice(["text", b"bytes", 5]))),
        ("cas", lambda: (key(), value(), Unique(chance.choice([0, 0, 1])))),
        ("delete", lambda: (key(), *(() if chance.random() < 0.9 else (0,)))),
        ("touch", lambda: (key(), chance.choice(TIMES))),
        ("incr", lambda: (key(), chance.choice(DELTAS))),
        ("decr", lambda: (key(), chance.choice(DELTAS))),
        ("get_multi", lambda: (several(), *multi_options(chance.choice(prefixes)))),
        ("set_multi", lambda: (mapping(), *multi_options(
            chance.choice(TIMES), chance.choice(prefixes), chance.choice(SHORTEST),
            chance.choice(LEVELS)))),
        ("add_multi", lambda: (mapping(), *multi_options(
            chance.choice(TIMES), chance.choice(prefixes)))),
        ("delete_multi", lambda: (several(), *multi_options(chance.choice(prefixes)))),
        ("incr_multi", lambda: (several(), *multi_options(
            chance.choice(prefixes), chance.choice(DELTAS)))),
        ("hash", lambda: (key(),)),
        ("__getitem__", lambda: (key(),)),
        ("__setitem__", lambda: (key(), value())),
        ("__delitem__", lambda: (key(),)),
        ("__contains__", lambda: (key(),)),
        ("serialize", lambda: (value(),)),
        ("deserialize", lambda: (chance.choice([b"12", b"x", b"", b"\xff"]), chance.randrange(40))),
        ("disconnect_all", lambda: ()),
        ("clone", lambda: ()),
        ("flush_all", lambda: (chance.choice(DELAYS),)),
        ("get_stats", lambda: (*(() if chance.random() < 0.5 else (chance.choice(GROUPS),)),)),
        ("get_behaviors", lambda: ()),
        ("set_behaviors", lambda: (chance.choice(BEHAVIORS),)),
    ]  # fmt: skip
    for _ in range(number):
        method, arguments = chance.choice(makers)
        yield by_name(Call(method, arguments()))


class Player:
    """One of the two libraries, with a client."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self._unique: int | None = None

    def play(self, call: Call) -> Outcome:
        arguments = [self._own(each) for each in call.arguments]
        keywords = {name: self._own(each) for name, each in call.keywords.items()}
        try:
            result = getattr(self.client, call.method)(*arguments, **keywords)
        except Exception as error:
            return Outcome(error=type(error).__name__)
        if call.method == "gets":
            self._unique = result[1]
            result = (result[0], result[1] is not None)
        if call.method == "clone":
            self.client, result = result, None
        if call.method == "get_stats":
            result = [sorted(entries) for _, entries in result]
        if call.method == "get_behaviors":
            result = {name: result[name] for name in result if name not in UNASKED}
        return Outcome(result)

    def _own(self, argument: Any) -> Any:
        return argument.of(self._unique) if isinstance(argument, Unique) else _fresh(argument)


def _fresh(argument: Any) -> Any:
    """An iterator can be used by one of the two only."""
    if hasattr(argument, "__next__"):
        return iter(list(argument.__reduce__()[1][0]))
    return argument


# ------------------------------------------------------------------------------ what may differ


class Rule(NamedTuple):
    name: str
    covers: Callable[[Call, Outcome, Outcome], bool]


def _names_the_key(call: Call, real: Outcome, ours: Outcome) -> bool:
    key = call.arguments[0] if call.arguments else None
    return (
        real.error == "UnicodeDecodeError"
        and isinstance(key, bytes)
        and key.decode(errors="replace").encode() != key
    )


_YOUR_MISTAKES = {
    "AttributeError", "OverflowError", "PicklingError", "TypeError", "UnicodeEncodeError",
    "ValueError",
}  # fmt: skip


def _several_faults(call: Call, real: Outcome, ours: Outcome) -> bool:
    several = len(call.arguments) + len(call.keywords) > 1 or call.method.endswith("_multi")
    return several and {real.error, ours.error} <= _YOUR_MISTAKES


RULES = [
    Rule("a call with several faults", _several_faults),
    Rule("an error over a key that is no UTF-8", _names_the_key),
]

# What is kept from the real one, or is no difference of a single call, and stands in the table too.
KNOWN = [
    "a key with a blank or a control character, in the text protocol",
    "a key that is too long with its namespace",
    "an int of more than 4,300 digits",
    "`flush_all` with a time from 2**63 on",
    "the keys of a multi call",
]

# When these raise over there, some of their keys have been served and others not; here it is all
# or, where the arguments are at fault, none: "the keys of a multi call".
_IN_STEPS = ("set_multi", "add_multi", "incr_multi", "delete_multi")


def has_stopped(call: Call, real: Outcome) -> bool:
    """Whether the two servers may hold different things from now on."""
    if call.method == "flush_all":
        return True  # which of this second's items it has taken is a matter of milliseconds
    return call.method in _IN_STEPS and real.error is not None


def explained(call: Call, real: Outcome, ours: Outcome) -> Rule | None:
    """The rule by which these two may differ."""
    return next((rule for rule in RULES if rule.covers(call, real, ours)), None)


def same(real: Outcome, ours: Outcome) -> bool:
    return real == ours and _types(real.result) == _types(ours.result)


def _types(result: Any) -> Any:
    if isinstance(result, dict):
        return {key: type(value) for key, value in result.items()}
    if isinstance(result, (list, tuple)):
        return [type(value) for value in result]
    return type(result)
