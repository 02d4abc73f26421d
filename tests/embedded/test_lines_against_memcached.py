"""Good and bad lines alike: a real memcached hears what ours does that imitates its generation.

Nothing here lives for a few seconds only, since memcached forgets by the second.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from time import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcclient.embedded._store import Store
from mcproto import CLOSED, NEED_DATA, ServerConnection
from mcproto._generations import GENERATIONS
from tests.servers import RealMemcached

KEYS = [*b"a b n noreply aw== @@@@ a\x00b \xff\t".split(b" "), b"k" * 250, b"k" * 251]
SECONDS = b"0 500 +500 -1 0500 abc 5.5 2147483648 99999999999 ".split(b" ")
FLAGS = b"0 5 +5 -5 4294967296 18446744073709551616 x ".split(b" ")
SIZES = b"2 2 2 02 +2 0 -1 x 4294967298 2147483646 3 ".split(b" ")
UNIQUES = b"0 -1 +18446744073709551614 x 18446744073709551615 18446744073709551616".split(b" ")
DELTAS = b"1 +1 -1 01 x 18446744073709551615 18446744073709551616 1\t ".split(b" ")
ENDINGS = [b"", b"", b"", b" noreply", b" x", b" noreply x", b" 0", b" 0 noreply", b" x y z", b"  "]
META_FLAGS = [
    *b"b c f h k q s t u v x I L P W ! \x7f \xff C0 C-1 Cx D1 D+1 Dx E5 Ex F5 F4294967296".split(),
    *b"Fx J5 Jx M MS ME MA MP MR MI MD M+ M- MSS MX N500 N0 N-1 Nx O Oabc R30 R+30".split(),
    *b"T500 T+500 T2147483648 Tx T noreply y".split(),
    b"O" + b"o" * 31,
    b"O" + b"o" * 32,
]
STORING = [b"set", b"add", b"replace", b"append", b"prepend"]
OTHERS = [
    *[b"", b" ", b"  ", b"x", b"\x00", b"bogus", b"bogus noreply", b"mz", b"get", b"gets", b"gat"],
    *[b"version", b"version x", b"mn", b"mn x", b"me", b"verbosity", b"verbosity noreply"],
    *[b"verbosity 1", b"verbosity x", b"verbosity 1 2", b"verbosity 1 2 3", b"verbosity +1"],
    *[b"flush_all 500 x y", b"flush_all x", b"flush_all x noreply", b"stats bogus", b"GET a"],
]


def joined(*words: bytes | list[bytes]) -> st.SearchStrategy[bytes]:
    """One word of each list, with a blank between them, now and then a few less."""
    row = st.tuples(*[st.sampled_from(w) if isinstance(w, list) else st.just(w) for w in words])
    return st.tuples(row, st.sampled_from([len(words)] * 6 + [len(words) - 1, 1])).map(
        lambda drawn: b" ".join([word for word in drawn[0][: drawn[1]] if word])
    )


def flagged(*words: bytes | list[bytes]) -> st.SearchStrategy[bytes]:
    few = st.lists(st.sampled_from(META_FLAGS), max_size=4)
    many = st.lists(st.sampled_from(META_FLAGS), min_size=15, max_size=20, unique=True)
    return st.tuples(joined(*words), st.one_of(few, few, few, many)).map(
        lambda drawn: b" ".join([drawn[0], *drawn[1]])
    )


def then(line: st.SearchStrategy[bytes], more: list[bytes]) -> st.SearchStrategy[bytes]:
    return st.tuples(line, st.sampled_from(more)).map(b"".join)


LINES = st.one_of(
    joined([b"get", b"gets", b"bget"], KEYS[:3], KEYS[:3]),
    joined([b"gat", b"gats"], SECONDS, KEYS[:3]),
    then(joined(STORING, KEYS, FLAGS, SECONDS, SIZES), ENDINGS),
    then(joined(b"cas", KEYS, FLAGS, SECONDS, SIZES, UNIQUES), ENDINGS),
    then(joined([b"incr", b"decr"], KEYS, DELTAS), ENDINGS),
    then(joined(b"delete", KEYS), ENDINGS),
    then(joined(b"touch", KEYS, SECONDS), ENDINGS),
    flagged([b"mg", b"md", b"ma"], KEYS),
    flagged([b"mg", b"md", b"ma"], KEYS),
    flagged(b"ms", KEYS, SIZES),
    then(joined(b"me", KEYS), [b"", b" b", b" b x", b" x"]),
    st.sampled_from(OTHERS),
)
BLOCKS = st.sampled_from([b"", b"", b"12\r\n", b"12\r\n", b"ab\r\n", b"12\n", b"123\r\n"])
REQUESTS = st.tuples(
    st.sampled_from([b"", b"", b"", b" "]),
    LINES,
    st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r\r\n"]),
    BLOCKS,
).map(b"".join)
BEFORE = b"flush_all\r\n"
# What closes it: it may be taken for a data block, or for a part of one.
BEHIND = b"\r\n" * 3 + b"mn\r\nversion\r\n"

# Of what differs: uniques, what was measured in seconds, and texts of the system.
VARYING = re.compile(
    rb"(?m)(?<=[ ]c)[1-9]\d*|(?<=[ ]l)\d+|(?<=[ ]t)\d+"
    rb"|(?<=la=)\d+|(?<=cas=)\d+|(?<=exp=)-?\d+|^(VALUE \S+ \d+ \d+) \d+"
)


def comparable(answer: bytes) -> bytes:
    return VARYING.sub(lambda match: (match[1] or b"") + b"*", answer)


def answers(like: str, request: bytes) -> Iterator[bytes]:
    """What ours answers."""
    store = Store(like=like)
    connection = ServerConnection(like=like)
    connection.receive_data(request)
    while (event := connection.next_event()) is not NEED_DATA and event is not CLOSED:
        yield connection.send(store.handle(event, time()))


def ask(server: RealMemcached, request: bytes) -> bytes:
    """What a memcached answers, until it has answered the last of it or has closed."""
    received = b""
    with server.connect() as sock:
        sock.sendall(request)
        sock.shutdown(socket.SHUT_WR)
        while piece := sock.recv(65536):
            received += piece
    return received


def test_lines_are_heard_as_by_memcached(real_memcached: RealMemcached) -> None:
    version = ask(real_memcached, b"version\r\n").split()[1].decode()
    if version not in GENERATIONS:
        pytest.skip(f"memcached {version} is imitated by none of ours")

    @given(st.lists(REQUESTS, min_size=1, max_size=6))
    def check(requests: list[bytes]) -> None:
        request = b"".join([BEFORE, *requests, BEHIND])
        assert comparable(b"".join(answers(version, request))) == comparable(
            ask(real_memcached, request)
        )

    check()
