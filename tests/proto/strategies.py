"""What a client sends, made up: every command of the library, and lines that are none."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence

from hypothesis import strategies as st

from mcproto import Command, classic, meta
from tests.proto.reply_strategies import U32, U64, keys, opaques, values

__all__ = ["commands", "lines", "streams"]

EXPTIMES = st.integers(-(1 << 31), (1 << 31) - 1)
MODES_OF_SET = st.sampled_from([None, *"SEAPR"])
MODES_OF_ARITHMETIC = st.sampled_from([None, *"I+D-"])

# Two at least: of one key, `get` and a multi-get are the same bytes.
_several = st.lists(keys, min_size=2, max_size=5)
_noreply = st.booleans()
_groups = st.none() | st.sampled_from(["items", "settings", "reset", "detail on", "cachedump 1 0"])
_deletable = keys.filter(lambda key: key != b"noreply")
_storage = st.sampled_from(
    [classic.Set, classic.Add, classic.Replace, classic.Append, classic.Prepend]
)


@st.composite
def _stored(draw: st.DrawFn) -> Command[object]:
    kind = draw(_storage)
    return kind(
        draw(keys),
        draw(values),
        flags=draw(U32),
        exptime=draw(EXPTIMES),
        noreply=draw(_noreply),
    )


_classic: Sequence[st.SearchStrategy[Command[object]]] = [
    st.builds(classic.Get, keys),
    st.builds(classic.Gets, keys),
    st.builds(classic.Gat, keys, EXPTIMES),
    st.builds(classic.Gats, keys, EXPTIMES),
    st.builds(classic.GetMany, _several),
    st.builds(classic.GetsMany, _several),
    st.builds(classic.GatMany, _several, EXPTIMES),
    st.builds(classic.GatsMany, _several, EXPTIMES),
    _stored(),
    st.builds(
        classic.Cas,
        keys,
        values,
        U64,
        flags=U32,
        exptime=EXPTIMES,
        noreply=_noreply,
    ),
    st.builds(classic.Delete, _deletable, noreply=_noreply),
    st.builds(classic.Touch, keys, EXPTIMES, noreply=_noreply),
    st.builds(classic.Incr, keys, U64, noreply=_noreply),
    st.builds(classic.Decr, keys, U64, noreply=_noreply),
    st.builds(classic.FlushAll, st.integers(0, (1 << 31) - 1), noreply=_noreply),
    st.builds(classic.Verbosity, U32, noreply=_noreply),
    st.builds(classic.Version),
    st.builds(classic.Stats, _groups),
    st.builds(classic.Quit),
]

_PLAIN = {letter: st.booleans() for letter in "bcfhIklqstuvx"}
_NUMBERS = {letter: st.none() | U64 for letter in "CDEJ"}
_SECONDS = {letter: st.none() | EXPTIMES for letter in "NRT"}
_FLAGS = _PLAIN | _NUMBERS | _SECONDS | {"F": st.none() | U32, "O": st.none() | opaques}


@st.composite
def _meta(draw: st.DrawFn) -> Command[object]:
    kind = draw(st.sampled_from([meta.Get, meta.Set, meta.Delete, meta.Arithmetic]))
    modes = MODES_OF_SET if kind is meta.Set else MODES_OF_ARITHMETIC
    flags = {
        letter: draw(modes if letter == "M" else _FLAGS[letter])
        for letter in kind.__match_args__
        if len(letter) == 1
    }
    key = draw(keys)
    if flags["b"]:
        key = b64encode(key[:186])
    if kind is meta.Set:
        return kind(key, draw(values), **flags)
    return kind(key, **flags)


@st.composite
def _debug(draw: st.DrawFn) -> Command[object]:
    key = draw(keys)
    return draw(st.sampled_from([meta.Debug(key), meta.Debug(b64encode(key[:186]), b=True)]))


def commands() -> st.SearchStrategy[Command[object]]:
    """Any command that a client can send, with any arguments."""
    return st.one_of(*_classic, _meta(), _debug(), st.builds(meta.Noop))


_VERBS = (
    b"get gets gat gats set add replace append prepend cas delete touch incr decr flush_all "
    b"verbosity version stats quit mg ms md ma me mn GET bogus".split()
)
_WORDS = (
    b"k 0 1 -1 5 7 abc +1 007 noreply 2147483648 99999999999999999999 HTTP/1.1 v q b O T30 Tx C1 M "
    b"MA zz ! aw== items \xff \x00".split()
)


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """A line that may be a request, with whatever may stand behind one."""
    verb = draw(st.sampled_from(_VERBS))
    words = draw(st.lists(st.sampled_from(_WORDS) | keys, max_size=7))
    blank = draw(st.sampled_from([b" ", b" ", b" ", b"  "]))
    ending = draw(st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b" \r\n", b"\r\r\n"]))
    return draw(st.sampled_from([b"", b"", b"", b" "])) + blank.join([verb, *words]) + ending


_pieces = (
    commands()
    .filter(lambda command: type(command) is not classic.Quit)
    .map(lambda command: command.encode())
    | lines()
    | st.binary(max_size=12)
    | st.sampled_from([b"\r\n", b"\n", b"set k 0 0 3 noreply\r\nabcdef\r\n", b"x" * 2049])
)


def streams() -> st.SearchStrategy[bytes]:
    """What may arrive at a server: good and bad requests in a row, perhaps cut off at the end."""
    return st.lists(_pieces, max_size=8).map(b"".join)
