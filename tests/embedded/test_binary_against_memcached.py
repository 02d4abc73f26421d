"""The store as a model, in binary: a real memcached answers any run of commands as it does.

All that is compared is the same in every generation. memcached forgets by the second, so nothing
here lives for a few of them only; and a cas unique is compared by what it is worth, not by number.
"""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from itertools import count
from time import time
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mcclient.embedded._store import Store
from mcproto import (
    CLOSED,
    NEED_DATA,
    BinaryReply,
    ClientConnection,
    Command,
    ServerConnection,
    Stats,
    binary,
)
from tests.servers import RealMemcached

# Stands for the unique that an item was last seen to have, which differs from server to server.
SEEN = 4242

NAMES = st.sampled_from([b"a", b"b", b"c", b"\xff"])
VALUES = st.binary(max_size=30) | st.sampled_from(
    [b"", b"0", b"9", b"99", b"100", b"x", b"7 y", b" +8", b"18446744073709551615"]
)
FLAGS = st.sampled_from([0, 1, 4294967295])
SECONDS = st.sampled_from([0, 0, 500, 2592000, 2592001, 2145916800, 0xFFFFFFFE])
DELTAS = st.sampled_from([0, 1, 5, 90, (1 << 64) - 1])
UNIQUES = st.sampled_from([0, 0, 0, SEEN, SEEN, 1 << 60])
YES = st.booleans()
WHICH = {"quiet": YES, "with_key": YES}


@st.composite
def _counting(draw: st.DrawFn) -> Command[object]:
    initial = draw(st.none() | DELTAS)
    return draw(st.sampled_from([binary.Incr, binary.Decr]))(
        draw(NAMES),
        draw(DELTAS),
        initial=initial,
        exptime=0 if initial is None else draw(SECONDS),
        cas=draw(UNIQUES),
        quiet=draw(YES),
    )


COMMANDS: st.SearchStrategy[Command[object]] = st.one_of(
    st.builds(binary.Get, NAMES, **WHICH),
    st.builds(binary.Gat, NAMES, SECONDS, **WHICH),
    *[
        st.builds(kind, NAMES, VALUES, flags=FLAGS, exptime=SECONDS, cas=UNIQUES, quiet=YES)
        for kind in (binary.Set, binary.Set, binary.Add, binary.Replace)
    ],
    *[
        st.builds(kind, NAMES, VALUES, cas=UNIQUES, quiet=YES)
        for kind in (binary.Append, binary.Prepend)
    ],
    st.builds(binary.Delete, NAMES, cas=UNIQUES, quiet=YES),
    _counting(),
    st.builds(binary.Touch, NAMES, SECONDS),
    st.builds(binary.Stat, st.sampled_from(["nothing", "cachedump 1 1", "conns"])),
)


class Asked(ABC):
    """One end to ask, and what it has shown."""

    def __init__(self) -> None:
        self.client = ClientConnection("binary")
        self.seen: dict[bytes, int] = {}

    @abstractmethod
    def exchange(self, data: bytes) -> bytes:
        """All that comes back when *data* is sent."""

    def ask(self, command: Command[object], prefix: bytes) -> object:
        """What it answers, without what may differ."""
        fields: dict[str, Any] = {name: getattr(command, name) for name in command.__match_args__}
        key = prefix + fields.get("key", b"")
        if "key" in fields:
            fields["key"] = key
        if fields.get("cas") == SEEN:
            fields["cas"] = self.seen.get(key, 0)
        noop = binary.Noop(opaque=1)
        sent = self.client.send(type(command)(**fields)) + self.client.send(noop)
        events: list[object] = []
        while len(events) < 2:
            event = self.client.next_event()
            if event is NEED_DATA:
                self.client.receive_data(self.exchange(sent))
                sent = b""
            else:
                events.append(event)
        assert events[1] == BinaryReply()
        assert not isinstance(events[0], Stats)
        reply = events[0]
        if isinstance(reply, BinaryReply) and reply.cas:
            self.seen[key] = reply.cas
            reply.cas = -1
        return reply


class RealEnd(Asked):
    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self._sock = sock

    def exchange(self, data: bytes) -> bytes:
        self._sock.sendall(data)
        return self._sock.recv(65536)


class OurEnd(Asked):
    def __init__(self) -> None:
        super().__init__()
        self._connection = ServerConnection()
        self._store = Store()

    def exchange(self, data: bytes) -> bytes:
        self._connection.receive_data(data)
        written = b""
        while (event := self._connection.next_event()) is not NEED_DATA:
            assert event is not CLOSED
            written += self._connection.send(self._store.handle(event, time()))
        return written


NUMBERS = count()


@given(st.lists(COMMANDS, max_size=25))
def test_any_run_of_binary_commands_is_answered_as_by_memcached(
    real_memcached: RealMemcached, run: list[Command[object]]
) -> None:
    # Keys that are new to it, so that one memcached serves all runs.
    prefix = b"binary%d:" % next(NUMBERS)
    with real_memcached.connect() as sock:
        ours, theirs = OurEnd(), RealEnd(sock)
        for command in run:
            assert ours.ask(command, prefix) == theirs.ask(command, prefix), command


# What no client of ours says: frames of any shape, and where they lead.
HEADERS = st.builds(
    lambda opcode, key, extras, value, opaque: (
        bytes([0x80, opcode])
        + len(key).to_bytes(2, "big")
        + bytes([len(extras)])
        + b"\0\0\0"
        + (len(key) + len(extras) + len(value)).to_bytes(4, "big")
        + opaque.to_bytes(4, "big")
        + b"\0" * 8
        + extras
        + key
        + value
    ),
    # (Not the statistics, which differ, nor what is unknown, behind which memcached loses count.)
    st.sampled_from([*range(0x10), *range(0x11, 0x1B), 0x1C, 0x1D, 0x1E, 0x23, 0x24]),
    st.sampled_from([b"", b"k", b"k" * 250, b"k" * 251, b"\0\r\n"]),
    st.sampled_from([b"", b"\0" * 4, b"\0" * 8, b"\0" * 20, b"\0" * 3]),
    st.sampled_from([b"", b"v", b"12"]),
    st.integers(0, 255),
)


@given(st.lists(HEADERS, min_size=1, max_size=5))
def test_any_frames_are_answered_as_by_memcached_and_lead_to_the_same_end(
    real_memcached: RealMemcached, frames: list[bytes]
) -> None:
    real_memcached.flush()
    stream = b"".join(frames)
    with real_memcached.connect() as sock:
        sock.sendall(stream)
        sock.shutdown(socket.SHUT_WR)
        theirs = b""
        try:
            while data := sock.recv(65536):
                theirs += data
        except ConnectionResetError:
            pass  # it has hung up before it had read everything
    connection, store = ServerConnection(), Store()
    connection.receive_data(stream)
    connection.receive_data(b"")
    ours = b""
    while (event := connection.next_event()) is not CLOSED:
        ours += connection.send(store.handle(event, time()))
    ours_seen, theirs_seen = without_uniques(ours), without_uniques(theirs)
    if connection.is_broken:
        # What begins as no request makes it hang up at once, with answers unsent.
        ours_seen = ours_seen[: len(theirs_seen)]
    assert ours_seen == theirs_seen


def without_uniques(stream: bytes) -> list[bytes]:
    """The frames, but for their cas uniques, and the version."""
    frames = []
    while stream:
        size = 24 + int.from_bytes(stream[8:12], "big")
        body = b"" if stream[1] == 0x0B and stream[6:8] == b"\0\0" else stream[24:size]
        frames.append(stream[:8] + stream[12:16] + body)
        stream = stream[size:]
    return frames
