"""Your own mistakes: told by name, before a byte is sent, and nothing has changed."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

from mcclient.testing import ScriptedServer
from mcclient.testing.scripts import always
from mcproto import InvalidArgument, InvalidKey, classic, meta
from tests.contract.rigs import do, scenario

BAD_KEYS = [
    "",
    b"",
    "two words",
    "tab\tbed",
    "line\nend",
    "k\r\nflush_all",
    "k 0 0 1\r\nx\r\nset other",
    b"nul\x00",
    b"del\x7f",
    "x" * 251,
    "ß" * 126,
    "\ud800",
]
NO_KEYS = [5, None, 1.5, bytearray(b"k"), ("k",), ["k"], {"k"}]
BAD_NUMBERS = [-1, 1 << 64]
NO_NUMBERS = [1.5, "1", b"1", None, True, [1]]
BAD_EXPIRES = [float("nan"), float("inf"), 1 << 31, 1 << 70, 1e300, datetime(2040, 1, 1)]
NO_EXPIRES = ["60", b"60", True, [60], object()]
NO_VALUES = [None, 1.5, True, ["list"], {"k": 1}, object(), bytearray(b"v")]
BAD_VALUES = ["\ud800", 10**5000]


def keyed_calls(mc, key):
    """Every way to name a key."""
    return [
        lambda: mc.get(key),
        lambda: mc.gets(key),
        lambda: mc.gat(key, 1),
        lambda: mc.get_multi(["fine", key]),
        lambda: mc.set(key, "v"),
        lambda: mc.set(key, bytes(100_000)),
        lambda: mc.add(key, "v"),
        lambda: mc.replace(key, "v"),
        lambda: mc.append(key, "v"),
        lambda: mc.prepend(key, "v"),
        lambda: mc.cas(key, "v", 1),
        lambda: mc.set_multi(pairs({"fine": "v"}, key)),
        lambda: mc.delete(key),
        lambda: mc.delete_multi(["fine", key]),
        lambda: mc.incr(key),
        lambda: mc.decr(key),
        lambda: mc.touch(key, 1),
        lambda: mc.execute(classic.Get(key)),
        lambda: mc.execute(meta.Set(key, b"v")),
    ]


def pairs(mapping, key):
    """A mapping with one more key, hashable or not."""
    return SimpleNamespace(items=lambda: [*mapping.items(), (key, "v")])


def mistakes(mc):
    """(call, error, the word that its message must have)"""
    for key in BAD_KEYS:
        yield from ((call, InvalidKey, "key") for call in keyed_calls(mc, key))
    for key in NO_KEYS:
        yield from ((call, TypeError, "") for call in keyed_calls(mc, key))
    for error, expires in (InvalidArgument, BAD_EXPIRES), (TypeError, NO_EXPIRES):
        for expire in expires:
            yield lambda expire=expire: mc.set("k", "v", expire), error, "expire"
            yield lambda expire=expire: mc.add("k", "v", expire), error, "expire"
            yield lambda expire=expire: mc.replace("k", "v", expire), error, "expire"
            yield lambda expire=expire: mc.cas("k", "v", 1, expire), error, "expire"
            yield lambda expire=expire: mc.set_multi({"k": "v"}, expire), error, "expire"
            yield lambda expire=expire: mc.gat("k", expire), error, "expire"
            yield lambda expire=expire: mc.touch("k", expire), error, "expire"
            yield lambda expire=expire: mc.incr("k", initial=1, expire=expire), error, "expire"
    for error, numbers in (InvalidArgument, BAD_NUMBERS), (TypeError, NO_NUMBERS):
        for number in numbers:
            yield lambda number=number: mc.incr("k", number), error, "delta"
            yield lambda number=number: mc.decr("k", delta=number), error, "delta"
            yield lambda number=number: mc.cas("k", "v", number), error, "cas"
            if number is not None:
                yield lambda number=number: mc.incr("k", initial=number), error, "initial"
                yield lambda number=number: mc.flush_all(number), error, "delay"
    for error, values in (InvalidArgument, BAD_VALUES), (TypeError, NO_VALUES):
        for value in values:
            yield lambda value=value: mc.set("k", value), error, "value"
            yield lambda value=value: mc.add("k", value), error, "value"
            yield lambda value=value: mc.replace("k", value), error, "value"
            yield lambda value=value: mc.append("k", value), error, "value"
            yield lambda value=value: mc.prepend("k", value), error, "value"
            yield lambda value=value: mc.cas("k", value, 1), error, "value"
            yield lambda value=value: mc.set_multi({"fine": "v", "k": value}), error, "value"
    for group in "", " ", "two  blanks", "a\r\nflush_all", "x" * 251, "\ud800":
        yield lambda group=group: mc.stats(group), InvalidArgument, "group"
    for group in 5, ["items"]:
        yield lambda group=group: mc.stats(group), TypeError, "group"
    for keys in "key", b"key":
        yield lambda keys=keys: mc.get_multi(keys), TypeError, "keys"
        yield lambda keys=keys: mc.delete_multi(keys), TypeError, "keys"
    for keys in None, 5:
        yield lambda keys=keys: mc.get_multi(keys), TypeError, ""
        yield lambda keys=keys: mc.delete_multi(keys), TypeError, ""
    for mapping in None, "mapping", ["k"], [("k", "v")]:
        yield lambda mapping=mapping: mc.set_multi(mapping), TypeError, "mapping"
    for command in None, "get k", b"get k\r\n", classic.Get, 5:
        yield lambda command=command: mc.execute(command), TypeError, "command"
    for server in "elsewhere:11211", "not an address", "", ("elsewhere", 1):
        execute = lambda server=server: mc.execute(meta.Noop(), server=server)  # noqa: E731
        yield execute, InvalidArgument, "server"
    for server in 5, b"x", ["x"]:
        execute = lambda server=server: mc.execute(meta.Noop(), server=server)  # noqa: E731
        yield execute, TypeError, "server"
    yield lambda: mc.set("k", "v", timedelta.max), InvalidArgument, "expire"


@pytest.mark.parametrize("policy", ["raise", "miss"])
@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
@scenario
async def test_mistakes_are_told_by_name_before_a_byte_is_sent(stage, policy, warm):
    with ScriptedServer(
        always(b"EN O<O>\r\n" if stage.protocol == "meta" else b"END\r\n")
    ) as server:
        mc = stage.client([server.address], on_unavailable=policy)
        if warm:
            await do(mc.get("k"))
        before = server.received()
        wrong = []
        for call, error, word in mistakes(mc):
            try:
                outcome = await do(call())
            except Exception as mistake:
                outcome = mistake
            if not (isinstance(outcome, error) and word in str(outcome)):
                wrong.append((call.__code__.co_names, call.__defaults__, outcome))
        assert wrong == []
        assert server.received() == before
        assert len(server.peers) == warm
        assert await do(mc.get("k", "fine")) == "fine"
        assert len(server.peers) == 1


@scenario
async def test_a_key_with_its_prefix_must_be_short_enough(stage):
    with ScriptedServer(always(b"EN O<O>\r\n")) as server:
        mc = stage.client([server.address], key_prefix="p" * 50)
        for call in keyed_calls(mc, "x" * 201)[:-2]:
            with pytest.raises(InvalidKey):
                await do(call())
        assert server.received() == b""


class Careless:
    """A codec that gives what it is told to."""

    def __init__(self, data, flags) -> None:
        self.given = data, flags

    def serialize(self, value):
        return self.given

    def deserialize(self, data, flags):
        return data


@scenario
async def test_a_codec_cannot_smuggle_in_what_is_no_value(stage):
    wide = memoryview(b"\r\nflush_all\r\n123").cast("I")
    careless = [
        ("text", 0),
        (None, 0),
        (5, 0),
        (b"data", -1),
        (b"data", 1 << 32),
        (b"data", "0 noreply"),
        (b"data", 1.5),
        (b"data", None),
    ]
    with ScriptedServer(
        always(b"EN O<O>\r\n" if stage.protocol == "meta" else b"END\r\n")
    ) as server:
        for data, flags in careless:
            mc = stage.client([server.address], codec=Careless(data, flags))
            await do(mc.get("k"))
            before = server.received()
            for call in mc.set, mc.add, mc.replace:
                with pytest.raises((TypeError, InvalidArgument)):
                    await do(call("k", "v"))
            with pytest.raises((TypeError, InvalidArgument)):
                await do(mc.set_multi({"k": "v"}))
            assert server.received() == before, (data, flags)
        answer = b"HD O<O>\r\n" if stage.protocol == "meta" else b"STORED\r\n"
    with ScriptedServer(always(answer)) as server:
        mc = stage.client([server.address], codec=Careless(wide, 0))
        for _ in range(3):
            assert await do(mc.set("k", "v"))
        assert b" 16" in server.received(), "its length is counted in bytes"
        assert len(server.peers) == 1


@pytest.mark.parametrize(
    ("option", "bad"),
    [
        ("protocol", ["ascii", "Meta", "", 5, None]),
        ("backend", [5, "asyncio", object()]),
        ("ring", ["nothing", 5, None]),
        ("codec", ["pickle", 5, None, Careless]),
        ("key_prefix", ["a b", "x" * 251, "\n", 5, None]),
        ("timeout", [0, -1, float("nan"), float("inf"), "1", True]),
        ("connect_timeout", [0, -1, float("nan"), float("inf"), "1", True]),
        ("on_unavailable", ["ignore", 5, None]),
        ("servers", [[], None, 5, "", "host:port", ["a", "a"], {"a"}]),
    ],
)
def test_a_bad_option_is_told_by_name(option, bad):
    from mcclient import AsyncClient, Client

    for kind in Client, AsyncClient:
        for value in bad:
            options = {"servers": "localhost"} | {option: value}
            if option == "backend" and kind is AsyncClient and value is None:
                continue
            with pytest.raises((InvalidArgument, TypeError), match=option):
                kind(**options)
