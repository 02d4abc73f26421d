"""The direct door reads what the plain grammar reads, or leaves it alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mcproto import NEED_DATA, RemoteProtocolError, meta
from mcproto._direct import SizeWords, get_forms, set_forms


def test_every_request_of_the_direct_door_is_the_plain_command_s():
    for (request, miss, heads), _ in zip(get_forms(), range(40), strict=False):
        command = meta.Get("key", f=True, O=heads.token, v=True)
        assert request % b"key" == command.encode()
        assert command.decode(miss) is None
    for (plain, full, stored, token), _ in zip(set_forms(), range(40), strict=False):
        command = meta.Set("key", b"value", O=token)
        assert plain % (b"key", 5, b"value") == command.encode()
        assert command.decode(stored).code == "HD"
        command = meta.Set("key", b"value", F=7, O=token, T=60)
        assert full % (b"key", 5, 7, 60, b"value") == command.encode()


@given(st.binary(max_size=40), st.integers(0, (1 << 32) - 1))
def test_a_set_that_is_joined_is_the_plain_command_s(value, flags):
    words = SizeWords(flags)[len(value)]
    joined = b"".join((b"ms ", b"key", words, b"se", b"\r\n", value, b"\r\n"))
    assert joined == meta.Set("key", value, F=flags or None, O=b"se").encode()


def test_what_is_remembered_of_sizes_is_bounded():
    words = SizeWords(16)
    assert [words[size] for size in range(5000)] == [b" %d F16 O" % n for n in range(5000)]
    assert len(words) <= 4096


def test_neighbouring_requests_never_share_a_token():
    gets = [heads.token for (_, _, heads), _ in zip(get_forms(), range(32), strict=False)]
    sets = [token for (_, _, _, token), _ in zip(set_forms(), range(32), strict=False)]
    assert len({*gets, *sets}) == 64


values = st.binary(max_size=40)
heads_of_hits = st.builds(
    b"VA %d f%d O%b".__mod__,
    st.tuples(st.integers(0, 50), st.integers(0, 1 << 33), st.sampled_from([b"ae", b"af", b""])),
)
lines = (
    heads_of_hits
    | st.sampled_from([b"VA 3 f0", b"VA +3 f0 Oae", b"VA 3 f1_0 Oae", b"VA 03 f0 Oae", b"HD Oae"])
    | st.binary(max_size=20)
)


@given(lines, values, st.sampled_from([b"\r\n", b"", b"\n", b"\r\nx"]))
def test_whatever_the_direct_door_takes_the_plain_grammar_takes_alike(line, value, ending):
    _, _, heads = next(get_forms())
    assert heads.token == b"ae"
    received = line + b"\r\n" + value + ending
    command = meta.Get("key", f=True, O=b"ae", v=True)

    head, _, rest = received.partition(b"\r\n")
    size, flags = heads[head]
    if rest[size:] == b"\r\n":
        reply = command.decode(received)
        assert (reply.value, reply.number("f")) == (rest[:size], flags)
    else:
        try:
            reply = command.decode(received)
        except RemoteProtocolError:
            return
        # What it leaves to the plain way: parts, misses, and nothing that looks like a hit.
        assert reply is NEED_DATA or reply is None


def test_what_is_remembered_of_heads_is_bounded():
    _, _, heads = next(get_forms())
    for size in range(1000):
        assert heads[b"VA %d f0 O%b" % (size, heads.token)] == (size, 0)
        heads[b"junk %d" % size]
    assert len(heads) <= 256
