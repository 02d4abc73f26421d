"""The store as a model: a real memcached answers any run of commands as it does.

The memcached of a Linux distribution may be of the generation before 1.6.40, while the store is of
the one after; what is asked here is what both agree on.  (tests/embedded/test_transcripts.py has
the rest.)  memcached forgets by the second, so nothing here lives for a few of them only.
"""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from base64 import b64encode
from itertools import count
from time import time
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mcclient.embedded._store import Store
from mcproto import (
    NEED_DATA,
    ClientConnection,
    Command,
    MetaReply,
    ServerConnection,
    Values,
    classic,
    meta,
)
from tests.servers import RealMemcached

# ------------------------------------------------------------------------- what both can be asked

# Stands for the unique that an item was last seen to have, which differs from server to server. If
# it was never seen it is 0: any other might be above the one's uniques and below the other's.
SEEN = 4242

NAMES = st.sampled_from([b"a", b"b", b"c", b"\xff"])
VALUES = st.binary(max_size=30) | st.sampled_from(
    [b"", b"0", b"9", b"99", b"100", b"x", b"7 y", b" +8", b"18446744073709551615"]
)
FLAGS = st.sampled_from([0, 1, 4294967295])
SECONDS = st.sampled_from([0, 0, 500, -1, 2592000, 2592001, 2145916800])
DELTAS = st.sampled_from([0, 1, 5, 90, (1 << 64) - 1])
UNIQUES = st.sampled_from([SEEN, SEEN, SEEN, 0, 1 << 60])
YES = st.booleans()

STORING = {"flags": FLAGS, "exptime": SECONDS, "noreply": YES}
CLASSIC: list[st.SearchStrategy[Command[object]]] = [
    *[st.builds(kind, NAMES) for kind in (classic.Get, classic.Gets)],
    *[st.builds(kind, NAMES, SECONDS) for kind in (classic.Gat, classic.Gats)],
    *[
        st.builds(kind, NAMES, VALUES, **STORING)
        for kind in (
            classic.Set,
            classic.Set,
            classic.Add,
            classic.Replace,
            classic.Append,
            classic.Prepend,
        )
    ],
    st.builds(classic.Cas, NAMES, VALUES, UNIQUES, **STORING),
    st.builds(classic.Touch, NAMES, SECONDS, noreply=YES),
    st.builds(classic.Delete, NAMES, noreply=YES),
    st.builds(classic.Incr, NAMES, DELTAS, noreply=YES),
    st.builds(classic.Decr, NAMES, DELTAS, noreply=YES),
]

SOMETIMES = st.none() | SECONDS
OPAQUES = st.sampled_from([None, b"", b"1", b"token"])
WHICH = {"k": YES, "O": OPAQUES, "q": YES}
SHOWN = dict.fromkeys("cfhlstv", YES)
META: list[st.SearchStrategy[Command[object]]] = [
    # (Not E, nor C of mg, x of md, s of ms, N of an append: they are younger.)
    st.builds(
        meta.Get,
        NAMES,
        **WHICH,
        **SHOWN,
        u=YES,
        N=SOMETIMES,
        R=st.sampled_from([None, None, 30, 1000]),
        T=SOMETIMES,
    ),
    st.builds(
        meta.Set,
        NAMES,
        VALUES,
        **WHICH,
        c=YES,
        C=st.none() | UNIQUES,
        F=st.none() | FLAGS,
        I=YES,
        M=st.sampled_from([None, None, *"SEAPR"]),
        T=SOMETIMES,
    ),
    st.builds(meta.Delete, NAMES, **WHICH, C=st.none() | UNIQUES, I=YES, T=SOMETIMES),
    *[
        st.builds(
            meta.Arithmetic,
            NAMES,
            # (Not quiet, for the older one answers the request that creates the item all the same.)
            **WHICH | {"q": st.just(False)},
            c=YES,
            C=st.none() | UNIQUES,
            M=st.sampled_from([None, *"I+D-"]),
            J=st.none() | DELTAS,
            N=SOMETIMES,
            t=YES,
            v=YES,
            **deltas_and_ttls,
        )
        # (Not both, for the older one shows the new ttl and forgets it where a number gets longer.)
        for deltas_and_ttls in ({"D": st.none() | DELTAS}, {"D": st.just(0), "T": SOMETIMES})
    ],
]


@st.composite
def steps(draw: st.DrawFn) -> tuple[Command[object], bool]:
    """A command, and whether its key is to be sent as base64."""
    if draw(YES):
        return draw(st.one_of(CLASSIC)), False
    return draw(st.one_of(META)), draw(st.integers(0, 3)) == 0


# ----------------------------------------------------------------------------------- two to ask it


class Asked(ABC):
    """One end to ask, and what it has shown.

    Attributes:
        seen: the unique that each key was last seen to have.
    """

    def __init__(self) -> None:
        self.client = ClientConnection()
        self.seen: dict[bytes, int] = {}

    @abstractmethod
    def exchange(self, data: bytes) -> bytes:
        """All that comes back when *data* is sent."""

    def ask(self, step: tuple[Command[object], bool], prefix: bytes) -> object:
        """What it answers, without what may differ."""
        command, is_base64 = step
        fields: dict[str, Any] = {name: getattr(command, name) for name in command.__match_args__}
        key = prefix + fields["key"]
        for name in ("cas", "C"):
            if fields.get(name) == SEEN:
                fields[name] = self.seen.get(key, 0)
        fields["key"] = b64encode(key) if is_base64 else key
        if is_base64:
            fields["b"] = True
        sent = self.client.send(type(command)(**fields)) + self.client.send(meta.Noop())
        events: list[object] = []
        while len(events) < 2:
            event = self.client.next_event()
            if event is NEED_DATA:
                self.client.receive_data(self.exchange(sent))
                sent = b""
            else:
                events.append(event)
        assert events[1] == MetaReply("MN")
        return self._comparable(events[0], key)

    def _comparable(self, reply: object, key: bytes) -> object:
        if isinstance(reply, Values):
            for item in reply.items:
                if item.cas is not None:
                    self.seen[key] = item.cas
                    item.cas = -1
        if not isinstance(reply, MetaReply):
            return reply
        flags: list[object] = []
        for letter, argument in reply.flags:
            if letter == "c" and reply.number("c"):
                self.seen[key] = int(argument or b"")
                flags.append("c")
            elif letter == "t":
                flags.append(Ttl(int(argument or b"")))
            else:
                flags.append((letter, None if letter == "l" else argument))
        return reply.code, flags, reply.value


class Ttl:
    """Seconds that are left: alike if near enough, or if both are absurdly many."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds

    def __repr__(self) -> str:
        return f"t{self.seconds}"

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, Ttl)
        if max(self.seconds, other.seconds) > 1 << 31:
            return min(self.seconds, other.seconds) > 1 << 31
        if -1 in (self.seconds, other.seconds):
            return self.seconds == other.seconds
        return abs(self.seconds - other.seconds) <= 2

    __hash__ = None  # type: ignore[assignment]


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
            assert isinstance(event, Command)
            written += self._connection.send(self._store.handle(event, time()))
        return written


NUMBERS = count()


@given(st.lists(steps(), max_size=25))
def test_any_run_of_commands_is_answered_as_by_memcached(
    real_memcached: RealMemcached, run: list[tuple[Command[object], bool]]
) -> None:
    # Keys that are new to it, so that one memcached serves all runs.
    prefix = b"run%d:" % next(NUMBERS)
    with real_memcached.connect() as sock:
        ours, theirs = OurEnd(), RealEnd(sock)
        for step in run:
            assert ours.ask(step, prefix) == theirs.ask(step, prefix), step
