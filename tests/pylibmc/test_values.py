"""What is stored, byte for byte, and what is made of what is found; pickles above all."""

from __future__ import annotations

import base64
import collections
import datetime
import json
import pickle
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcclient import ValueUnreadable, pylibmc
from mcclient.values._pickles import pickles_for
from mcclient.values._pylibmc import compressed, deserialized, inflated, serialized
from mcproto import InvalidArgument
from tests.servers import RealMemcached

ENTRIES = json.loads((Path(__file__).parent / "data" / "values.json").read_text("utf-8"))["entries"]
SECRET, OTHER = b"a secret of 32 bytes, or nearly so", b"another secret of so many bytes"
EXECUTED: list[str] = []


class Bomb:
    """Whoever unpickles it has executed it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return note, ("executed",)


class Spoilt:
    """Whoever unpickles it gets a ValueError."""

    def __reduce__(self) -> tuple[Any, ...]:
        return spoil, ()


def note(what: str) -> None:
    EXECUTED.append(what)


def spoil() -> None:
    note("spoilt")
    raise ValueError("spoilt")


class Shouting(str):
    def encode(self, *arguments: Any) -> bytes:
        return b"SHOUTED"


@pytest.fixture(autouse=True)
def nothing_executed() -> Any:
    EXECUTED.clear()
    yield
    EXECUTED.clear()


def raw_set(server: RealMemcached, key: bytes, data: bytes, flags: int) -> None:
    with server.connect() as sock:
        sock.sendall(b"set %b %d 0 %d\r\n%b\r\n" % (key, flags, len(data), data))
        assert sock.recv(64) == b"STORED\r\n"


def raw_get(server: RealMemcached, key: bytes) -> tuple[bytes, int]:
    with server.connect() as sock:
        sock.sendall(b"get %b\r\n" % key)
        answer = b""
        while not answer.endswith(b"END\r\n"):
            answer += sock.recv(65536)
    head, _, rest = answer.partition(b"\r\n")
    return rest[: -len(b"\r\nEND\r\n")], int(head.split()[2])


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry[0] for entry in ENTRIES])
def test_values_are_stored_as_pylibmc_stores_them(
    entry: list[Any], real_memcached: RealMemcached
) -> None:
    _, literal, protocol, shortest, level, flags, stored, kind, is_equal = entry
    value, expected = eval(literal), base64.b64decode(stored)
    mc = pylibmc.Client([real_memcached.address], {"pickle_protocol": protocol})
    assert mc.set("key", value, 0, shortest, level)
    data, found_flags = raw_get(real_memcached, b"key")
    assert found_flags == flags
    # How far it is compressed is zlib's business.
    assert (inflated(data) if flags & 8 else data) == (
        inflated(expected) if flags & 8 else expected
    )
    raw_set(real_memcached, b"theirs", expected, flags)
    for key in ("key", "theirs"):
        found = mc.get(key)
        assert (type(found).__name__, found == value) == (kind, is_equal)


def test_every_recorded_value_is_there_to_be_compared() -> None:
    assert len(ENTRIES) == 72


def test_a_subclass_is_stored_as_its_base(mc: pylibmc.Client) -> None:
    for value in (Shouting("text"), True, collections.Counter("ab")):
        assert mc.set("key", value)
        assert mc.get("key") == value
    assert mc.serialize(Shouting("text")) == (b"text", 16)


@given(
    st.one_of(
        st.binary(),
        st.text(st.characters(exclude_categories=["Cs"])),
        st.integers(),
        st.lists(st.integers()),
    )
)
def test_what_was_serialized_is_deserialized(value: object) -> None:
    pickles = pickles_for("allow")
    assert deserialized(*serialized(value, pickles, -1), pickles) == value


@given(st.binary(), st.integers(-1, 9).filter(bool))
def test_compression_is_undone_and_used_only_where_it_helps(data: bytes, level: int) -> None:
    short, flags = compressed(data, 16, level)
    assert (short, flags) == (data, 16) or (len(short) < len(data) and flags == 24)
    assert (inflated(short) if flags & 8 else short) == data


@pytest.mark.parametrize("flags", [3, 5, 7, 17, 6, 18, 20, 22, 23])
def test_flags_that_mean_two_things_are_an_error(
    flags: int, mc: pylibmc.Client, real_memcached: RealMemcached
) -> None:
    raw_set(real_memcached, b"key", b"1", flags)
    with pytest.raises(pylibmc.Error, match=f"unknown memcached key flags {flags}"):
        mc.get("key")
    with pytest.raises(pylibmc.Error):
        mc.get_multi(["key"])


@pytest.mark.parametrize(
    ("data", "flags", "error"),
    [
        (b"\xff", 16, UnicodeDecodeError),
        (b"five", 4, ValueError),
        (b"\xff", 2, UnicodeDecodeError),
        (b"", 1, TypeError),
        (b"no pickle", 1, pickle.UnpicklingError),
        (b"no zlib", 8, pylibmc.Error),
        (zlib.compress(b"x" * 100)[:-3], 24, pylibmc.Error),
    ],
)
def test_bytes_that_are_not_what_the_flags_say_are_an_error(
    data: bytes,
    flags: int,
    error: type[Exception],
    mc: pylibmc.Client,
    real_memcached: RealMemcached,
) -> None:
    raw_set(real_memcached, b"key", data, flags)
    with pytest.raises(error):
        mc.get("key")
    assert mc.set("key", "mended")
    assert mc.get("key") == "mended"


def test_flags_above_the_known_ones_are_ignored(
    mc: pylibmc.Client, real_memcached: RealMemcached
) -> None:
    raw_set(real_memcached, b"key", b" +1_0 ", 4 | 32 | 64 | 1024)
    assert mc.get("key") == 10


def test_ints_are_read_as_c_reads_them(mc: pylibmc.Client, real_memcached: RealMemcached) -> None:
    raw_set(real_memcached, b"key", b"12\0x", 4)
    assert mc.get("key") == 12
    raw_set(real_memcached, b"key", "\u0661\u0662".encode(), 2)
    with pytest.raises(ValueError, match="invalid literal for int"):
        mc.get("key")


def test_a_pickle_that_raises_has_run_once(mc: pylibmc.Client) -> None:
    mc.set("key", Spoilt())
    with pytest.raises(ValueError, match="spoilt"):
        mc.get("key")
    assert EXECUTED == ["spoilt"]


@pytest.mark.parametrize("value", [b"bytes", "text", 5, [1]])
def test_an_expiry_goes_with_whatever_is_set(
    value: object, mc: pylibmc.Client, real_memcached: RealMemcached
) -> None:
    for _ in range(2):  # the second one by the direct door
        assert mc.set("key", value, 1000)
        with real_memcached.connect() as sock:
            sock.sendall(b"mg key t\r\n")
            assert sock.recv(64) in (b"HD t1000\r\n", b"HD t999\r\n")
        assert mc.set("key", value, 2**31 + 5)  # which is long ago
        assert mc.get("key") is None


def test_a_bomb_of_zeros_is_not_inflated(mc: pylibmc.Client, real_memcached: RealMemcached) -> None:
    # 65 MiB in some KB; and the largest that may be, which is one byte below the next.
    raw_set(real_memcached, b"key", zlib.compress(bytes(65 << 20), 1), 8)
    with pytest.raises(pylibmc.Error, match="more than 64 MiB"):
        mc.get("key")
    assert len(inflated(zlib.compress(bytes(64 << 20), 1))) == 64 << 20
    with pytest.raises(ValueUnreadable, match="more than 64 MiB"):
        inflated(zlib.compress(bytes((64 << 20) + 1), 1))


# ------------------------------------------------------------------------------------- overriding


class Upper(pylibmc.Client):
    """Has its own ideas of values."""

    def serialize(self, value: Any, /) -> Any:
        return value

    def deserialize(self, bytestring: bytes, flags: int, /) -> object:
        if bytestring == b"miss":
            raise pylibmc.CacheMiss
        return bytestring.upper(), flags


def test_a_subclass_may_serialize_as_it_likes(real_memcached: RealMemcached) -> None:
    real_memcached.flush()
    mc = Upper([real_memcached.address], {"cas": True})
    assert mc.set("key", (b"text", 3 | 1 << 40 | 64))
    assert mc.get("key") == (b"TEXT", 67)
    assert mc.get_multi(["key"]) == {"key": (b"TEXT", 67)}
    value, unique = mc.gets("key")
    assert value == (b"TEXT", 67)
    assert mc.cas("key", (b"new", 16), unique or 0)
    assert mc.set_multi({"key": (b"x" * 99, 0)}, 0, "", 10) == []
    assert mc.get("key") == (b"X" * 99, 8)


def test_a_cache_miss_raised_in_deserialize_is_a_miss(real_memcached: RealMemcached) -> None:
    mc = Upper([real_memcached.address], {"cas": True})
    mc.set("key", (b"miss", 0))
    assert mc.get("key", "other") == "other"
    assert mc.gets("key") == (None, None)
    assert mc.get_multi(["key"]) == {}
    assert "key" not in mc


@pytest.mark.parametrize(
    ("result", "error"),
    [
        ([b"x", 0], ValueError),
        ((b"x", "0"), ValueError),
        ((b"x",), ValueError),
        (b"x", ValueError),
        (("x", 0), TypeError),
    ],
)
def test_what_serialize_must_not_return_is_an_error(result: Any, error: type[Exception]) -> None:
    mc = Upper(["127.0.0.1:1"])
    with pytest.raises(error):
        mc.set("key", result)


# ---------------------------------------------------------------------------------------- pickles


def client(server: RealMemcached, **options: Any) -> pylibmc.Client:
    server.flush()
    return pylibmc.Client([server.address], {"cas": True}, **options)


def test_by_default_pickles_are_read_as_in_pylibmc(real_memcached: RealMemcached) -> None:
    mc = client(real_memcached)
    mc.set("key", Bomb())
    mc.get("key")
    assert EXECUTED == ["executed"]


POLICIES: list[dict[str, Any]] = [
    {"pickle": "refuse"},
    {"pickle": "restricted", "pickle_classes": [datetime.date]},
    {"pickle": "signed", "pickle_keys": SECRET},
]


@pytest.mark.parametrize("options", POLICIES, ids=lambda options: options["pickle"])
@pytest.mark.parametrize("flags", [1, 9, 1 | 64])
def test_a_planted_pickle_is_not_executed(
    options: dict[str, Any], flags: int, real_memcached: RealMemcached
) -> None:
    mc = client(real_memcached, **options)
    data = pickle.dumps(Bomb())
    planted = zlib.compress(data) if flags & 8 else data
    for signature in (b"", bytes(32)):
        raw_set(real_memcached, b"key", planted + signature, flags)
        with pytest.raises(pylibmc.PickleRefused):
            mc.get("key")
        with pytest.raises(pylibmc.PickleRefused):
            mc.gets("key")
        with pytest.raises(pylibmc.PickleRefused):
            mc.get_multi(["key"])
        with pytest.raises(pylibmc.PickleRefused):
            mc["key"]
    assert EXECUTED == []
    # What is no pickle is read as ever.
    for value in ("text", b"bytes", 5):
        mc.set("key", value)
        assert mc.get("key") == value


def test_refused_pickles_are_not_written_either(real_memcached: RealMemcached) -> None:
    mc = client(real_memcached, pickle="refuse")
    with pytest.raises(TypeError, match="value must be bytes, str, int or bool"):
        mc.set("key", [1])
    with pytest.raises(TypeError):
        mc.set_multi({"a": 1, "key": None})
    assert mc.get_multi(["a", "key"]) == {}


def test_restricted_pickles_hold_data_and_the_classes_of_the_list(
    real_memcached: RealMemcached,
) -> None:
    mc = client(real_memcached, pickle="restricted", pickle_classes=[datetime.date])
    data = [None, True, 1.5, "x", b"y", bytearray(b"z"), (1, [2]), {"a": {3}}, frozenset([4])]
    for value in (data, datetime.date(2024, 5, 1)):
        mc.set("key", value)
        assert mc.get("key") == value
    mc.set("key", datetime.timedelta(1))
    with pytest.raises(pylibmc.PickleRefused, match=r"datetime\.timedelta is not among"):
        mc.get("key")


@pytest.mark.parametrize(
    "data",
    [
        b"N\x72\xff\xff\xff\x7f.",  # a memo of two billion
        b"Np99999999999\n.",
        b"\x80\x05",
        b"garbage",
        b"cos\nsystem\n(S'true'\ntR.",
        b"\x80\x05\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.",
        b"\x80\x02\x82\x01.",
        b"(lp0\n0.",
    ],
)
def test_pickles_made_to_harm_are_refused_when_restricted(data: bytes) -> None:
    with pytest.raises(ValueUnreadable):
        pickles_for("restricted").loads(data)


@pytest.mark.parametrize(
    "data", [b"N\x72" + (10**6).to_bytes(4, "little") + b".", b"Np1000000\n.", b"N\x71\xff."]
)
def test_a_pickle_may_not_ask_for_room_that_it_does_not_fill(data: bytes) -> None:
    assert pickles_for("allow").loads(data) is None
    with pytest.raises(ValueUnreadable, match="memory out of measure"):
        pickles_for("restricted").loads(data)


def test_signed_pickles_are_read_under_their_key_only(real_memcached: RealMemcached) -> None:
    mc = client(real_memcached, pickle="signed", pickle_keys=SECRET)
    for options in ((), (0, 1)):
        mc.set("key", ["x" * 1000], *options)
        assert mc.get("key") == ["x" * 1000]
        data, flags = raw_get(real_memcached, b"key")
        raw_set(real_memcached, b"other", data, flags)
        with pytest.raises(pylibmc.PickleRefused, match="no signature of ours"):
            mc.get("other")
        for wrong in (data[:-1] + bytes([data[-1] ^ 1]), bytes([data[0] ^ 1]) + data[1:], b""):
            raw_set(real_memcached, b"key", wrong, flags)
            with pytest.raises((pylibmc.PickleRefused, TypeError)):
                mc.get("key")
        raw_set(real_memcached, b"key", data, flags ^ 32)
        with pytest.raises(pylibmc.PickleRefused):
            mc.get("key")


def test_signing_keys_can_be_changed_while_values_live(real_memcached: RealMemcached) -> None:
    old = client(real_memcached, pickle="signed", pickle_keys=SECRET)
    old.set("key", [1])
    new = pylibmc.Client([real_memcached.address], pickle="signed", pickle_keys=[OTHER, SECRET])
    assert new.get("key") == [1]
    new.set("key", [2])
    assert new.get("key") == [2]
    with pytest.raises(pylibmc.PickleRefused):
        old.get("key")
    last = pylibmc.Client([real_memcached.address], pickle="signed", pickle_keys=[OTHER])
    assert last.clone().get("key") == [2]


def test_the_namespace_is_part_of_what_is_signed(real_memcached: RealMemcached) -> None:
    options: dict[str, Any] = {"pickle": "signed", "pickle_keys": SECRET}
    real_memcached.flush()
    mc = pylibmc.Client([real_memcached.address], {"namespace": b"a:"}, **options)
    mc.set("key", [1])
    assert mc.get("key") == [1]
    raw_set(real_memcached, b"b:key", *raw_get(real_memcached, b"a:key"))
    with pytest.raises(pylibmc.PickleRefused):
        pylibmc.Client([real_memcached.address], {"namespace": b"b:"}, **options).get("key")


@given(st.binary(min_size=1, max_size=250), st.integers(0, 255), st.binary())
def test_no_two_places_have_one_signature(key: bytes, flags: int, data: bytes) -> None:
    pickles = pickles_for("signed", keys=SECRET)
    sealed = pickles.seal(key, flags, data)
    assert pickles.unseal(key, flags, sealed) == data
    for other in ((key + data[:1] + b"x", flags, sealed), (key, flags ^ 64, sealed)):
        with pytest.raises(ValueUnreadable):
            pickles.unseal(*other)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"policy": "maybe"}, InvalidArgument, "pickle must be 'allow'"),
        ({"policy": "signed"}, InvalidArgument, "pickle_keys must be given"),
        ({"policy": "signed", "keys": []}, InvalidArgument, "pickle_keys must be given"),
        ({"policy": "signed", "keys": b"short"}, InvalidArgument, "16 bytes or more"),
        ({"policy": "signed", "keys": ["x" * 32]}, TypeError, "pickle_keys must be bytes"),
        ({"policy": "allow", "keys": SECRET}, InvalidArgument, "belong to pickle='signed'"),
        ({"policy": "signed", "classes": []}, InvalidArgument, "belong to pickle='restricted'"),
        ({"policy": "restricted", "classes": ["x"]}, TypeError, "must be classes"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        pickles_for(**options)


def test_no_secret_shows_in_a_repr(real_memcached: RealMemcached) -> None:
    mc = client(real_memcached, pickle="signed", pickle_keys=SECRET)
    pickles = pickles_for("signed", keys=SECRET)
    for shown in (repr(mc), str(mc), repr(pickles), str(pickles)):
        assert "secret" not in shown
