"""What may be stored, how, and what is read back: round trips, and hostile bytes."""

from __future__ import annotations

import enum
import pickle
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mcclient import ValueUnreadable, values
from mcclient.values import Codec, JsonCodec, PlainCodec
from mcproto import InvalidArgument

PLAIN = PlainCodec()
JSON = JsonCodec()
BOTH = pytest.mark.parametrize("codec", [PLAIN, JSON], ids=["plain", "json"])

TEXT = st.text()  # without surrogates, which UTF-8 cannot encode
FLAT = st.binary() | TEXT | st.integers()
JSONABLE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | TEXT
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda children: st.lists(children) | st.dictionaries(TEXT, children),
    max_leaves=20,
)


class Colour(enum.IntEnum):
    RED = 7


class Loud(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "LOUD"

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return b"LOUD"


class Octets(bytes):
    pass


def back(codec: Codec, value: object) -> object:
    return codec.deserialize(*codec.serialize(value))


@BOTH
@pytest.mark.parametrize(
    ("value", "data", "flags"),
    [
        (b"", b"", 0),
        (b"\x00\xff\r\n", b"\x00\xff\r\n", 0),
        ("", b"", 16),
        ("héllo 💣", "héllo 💣".encode(), 16),
        (0, b"0", 2),
        (-42, b"-42", 2),
        (2**64, b"18446744073709551616", 2),
    ],
)
def test_bytes_text_and_ints_are_stored_as_other_clients_do(
    codec: Codec, value: object, data: bytes, flags: int
) -> None:
    assert codec.serialize(value) == (data, flags)
    assert codec.deserialize(data, flags) == value


@BOTH
@given(value=FLAT)
def test_bytes_text_and_ints_come_back_as_they_were(codec: Codec, value: object) -> None:
    came = back(codec, value)
    assert came == value
    assert type(came) is type(value)


@BOTH
@pytest.mark.parametrize("value", [10**4299, -(10**4299)], ids=["positive", "negative"])
def test_an_int_may_have_4300_digits_and_no_more(codec: Codec, value: int) -> None:
    assert back(codec, value) == value
    with pytest.raises(InvalidArgument, match="value"):
        codec.serialize(value * 10)
    with pytest.raises(ValueUnreadable, match="int"):
        codec.deserialize(b"1" * 4301, 2)


def test_the_bound_on_digits_holds_where_the_interpreter_has_none() -> None:
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        with pytest.raises(InvalidArgument, match="4300 digits"):
            PLAIN.serialize(10**4300)
        with pytest.raises(ValueUnreadable, match="int"):
            PLAIN.deserialize(b"-" + b"1" * 4301, 2)
        with pytest.raises(ValueUnreadable, match="int"):
            PLAIN.deserialize(b"1" * 4301, 2)
    finally:
        sys.set_int_max_str_digits(limit)


def test_a_lower_limit_of_the_interpreter_is_an_unreadable_value() -> None:
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        with pytest.raises(ValueUnreadable) as unreadable:
            PLAIN.deserialize(b"1" * 700, 2)
    finally:
        sys.set_int_max_str_digits(limit)
    assert isinstance(unreadable.value.__cause__, ValueError)


@BOTH
@pytest.mark.parametrize(
    ("value", "data", "flags", "base"),
    [
        (Colour.RED, b"7", 2, 7),
        (Loud("quiet"), b"quiet", 16, "quiet"),
        (Octets(b"o"), b"o", 0, b"o"),
    ],
)
def test_subclasses_are_stored_as_their_base(
    codec: Codec, value: object, data: bytes, flags: int, base: object
) -> None:
    stored, flagged = codec.serialize(value)
    assert (stored, flagged) == (data, flags)
    assert type(stored) is bytes
    assert back(codec, value) == base
    assert type(back(codec, value)) is type(base)


@pytest.mark.parametrize(
    "value",
    [True, False, None, 1.5, [1], (1,), {"a": 1}, {1}, bytearray(b"b"), memoryview(b"m"), object()],
)
def test_plain_refuses_every_other_type_and_says_what_takes_it(value: object) -> None:
    with pytest.raises(TypeError, match=r'value must be bytes, str or int.*codec="json"') as error:
        PLAIN.serialize(value)
    assert type(value).__name__ in str(error.value)


@BOTH
@pytest.mark.parametrize("value", ["\ud800", "a\udcffb"])
def test_text_that_utf_8_cannot_encode_is_refused(codec: Codec, value: str) -> None:
    with pytest.raises(InvalidArgument, match="value") as refusal:
        codec.serialize(value)
    assert isinstance(refusal.value.__cause__, UnicodeEncodeError)


@BOTH
@pytest.mark.parametrize("flags", [2, 4])
@pytest.mark.parametrize(
    ("data", "number"), [(b"5", 5), (b"-5", -5), (b"5  ", 5), (b"-5 ", -5), (b"007", 7), (b"-0", 0)]
)
def test_ints_are_read_from_other_clients_and_from_padded_counters(
    codec: Codec, flags: int, data: bytes, number: int
) -> None:
    assert codec.deserialize(data, flags) == number


@BOTH
@pytest.mark.parametrize("flags", [2, 4])
@pytest.mark.parametrize(
    "data",
    [
        *[b"", b" ", b"-", b"--5", b"- 5", b"+5", b" 5", b"5\n", b"5\t", b"5\0", b"5\r\n", b"5 5"],
        *[b"1_000", b"0x10", b"1e3", b"1.0", b"five", "٣".encode(), b"\xff", b"True", b"-5-"],
    ],
)
def test_what_is_no_decimal_number_is_unreadable_as_int(
    codec: Codec, flags: int, data: bytes
) -> None:
    with pytest.raises(ValueUnreadable, match="int"):
        codec.deserialize(data, flags)


@BOTH
@pytest.mark.parametrize("data", [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"a\x80"])
@pytest.mark.parametrize("flags", [16])
def test_what_is_no_utf_8_is_unreadable_as_text(codec: Codec, data: bytes, flags: int) -> None:
    with pytest.raises(ValueUnreadable, match="UTF-8") as unreadable:
        codec.deserialize(data, flags)
    assert isinstance(unreadable.value.__cause__, UnicodeDecodeError)


@BOTH
@pytest.mark.parametrize(
    ("data", "flags", "said"),
    [
        (pickle.dumps([1]), 1, "flags 1 .*a pickle.* never read"),
        (zlib.compress(b"b" * 100), 8, "flags 8 .*compressed by zlib.* not read"),
        (zlib.compress(b"t" * 100), 24, "flags 24 .*compressed by zlib"),
        (zlib.compress(pickle.dumps(None)), 9, "flags 9 .*a pickle.*compressed by zlib"),
        (b"marshal", 32, "flags 32 "),
        (b"5", 6, "flags 6 "),
        (b"5", 18, "flags 18 "),
        (b"b", 2**32 - 1, "flags 4294967295 "),
    ],
)
def test_flags_of_other_kinds_are_unreadable_and_explained(
    codec: Codec, data: bytes, flags: int, said: str
) -> None:
    with pytest.raises(ValueUnreadable, match=said):
        codec.deserialize(data, flags)


def test_plain_says_what_reads_json() -> None:
    with pytest.raises(ValueUnreadable, match=r'flags 64 .*codec="json"'):
        PLAIN.deserialize(b"{}", 64)


@BOTH
@given(data=st.binary(), flags=st.sampled_from([0, 1, 2, 4, 8, 9, 16, 24, 32, 64]) | st.integers(0))
@example(data=b"[" * 100_000, flags=64)
@example(data=b'{"a":' * 100_000, flags=64)
@example(data=b"1" * 5000, flags=64)
@example(data=b"\xef\xbb\xbf1", flags=64)
def test_whatever_was_planted_is_read_or_unreadable(codec: Codec, data: bytes, flags: int) -> None:
    try:
        value = codec.deserialize(data, flags)
    except ValueUnreadable:
        return
    if flags == 0:
        assert value is data


@given(JSONABLE)
def test_what_json_can_say_comes_back_as_it_was(value: object) -> None:
    came = back(JSON, value)
    assert came == value
    assert repr(came) == repr(value)  # 1, 1.0 and True are equal, and not the same


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (None, b"null"),
        (True, b"true"),
        (False, b"false"),
        (1.5, b"1.5"),
        ([1, "ä", None], '[1,"ä",null]'.encode()),
        ({"b": [True], "a": {}}, b'{"b":[true],"a":{}}'),
    ],
)
def test_json_is_compact_utf_8(value: object, data: bytes) -> None:
    assert JSON.serialize(value) == (data, 64)
    assert JSON.deserialize(data, 64) == value


def test_a_tuple_comes_back_as_a_list() -> None:
    assert back(JSON, (1, (2, "x"))) == [1, [2, "x"]]


@pytest.mark.parametrize(
    "value",
    [
        *[{1: "a"}, {None: 1}, {True: 1}, {1.5: 1}, {b"a": 1}, {("a",): 1}, [{"a": [{2: 3}]}]],
        *[({"a": ({0: 0},)},), {1}, [b"bytes"], bytearray(b"b"), memoryview(b"m"), object(), 1j],
    ],
)
def test_what_json_would_change_or_cannot_say_is_a_type_error(value: object) -> None:
    with pytest.raises(TypeError, match=r'value: codec="json" '):
        JSON.serialize(value)


def circular() -> list[object]:
    ring: list[object] = []
    ring.append([{"self": ring}])
    return ring


def deep() -> list[object]:
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), [-float("inf")], circular(), deep(), ["\ud800"], [10**4300]],
    ids=["NaN", "infinity", "nested infinity", "circular", "deep", "surrogate", "long int"],
)
def test_what_has_no_json_is_refused(value: object) -> None:
    with pytest.raises(InvalidArgument, match="value") as refusal:
        JSON.serialize(value)
    assert refusal.value.__cause__ is not None


@pytest.mark.parametrize(
    "data", [b"", b"{", b"NaN", b"Infinity", b"[-Infinity]", b"{'a':1}", b"1 2", b"\xff", b"nul"]
)
def test_what_is_no_json_is_unreadable(data: bytes) -> None:
    with pytest.raises(ValueUnreadable) as unreadable:
        JSON.deserialize(data, 64)
    assert isinstance(unreadable.value.__cause__, ValueError)


def test_codecs_are_known_by_name_or_by_their_methods() -> None:
    class Upper:
        def serialize(self, value: object) -> tuple[bytes, int]:
            return str(value).upper().encode(), 0

        def deserialize(self, data: bytes, flags: int) -> object:
            return data

    own = Upper()
    assert isinstance(values.build("plain"), PlainCodec)
    assert isinstance(values.build("json"), JsonCodec)
    assert values.build(own) is own
    assert values.build(PLAIN) is PLAIN


@pytest.mark.parametrize("name", ["pickle", "", "JSON"])
def test_an_unknown_codec_is_refused_with_the_names_of_the_known_ones(name: str) -> None:
    with pytest.raises(InvalidArgument, match=r"codec.*'plain', 'json'"):
        values.build(name)


@pytest.mark.parametrize("codec", [None, 1, b"plain", object(), PlainCodec, pickle, Codec])
def test_what_is_no_codec_is_a_type_error(codec: Codec) -> None:
    with pytest.raises(TypeError, match="codec must be"):
        values.build(codec)


def test_json_and_hashlib_are_not_loaded_before_somebody_wants_them() -> None:
    check = (
        "import sys, mcclient._servers, mcclient.rings, mcclient.values as values;"
        "values.build('plain').serialize(1);"
        "print({'json', 'hashlib', 'ipaddress', 'pickle', 'typing'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-S", "-c", check],
        cwd=Path(values.__file__).parents[2],  # so that it finds what this test runs on
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "set()"
