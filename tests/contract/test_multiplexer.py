"""Many callers on one connection, without any I/O: whatever they and the server do, nobody gets
what another one asked for, and everybody is told exactly once.

The server is a list of replies; every value says whose it is.
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
)

from mcproto import (
    BinaryReply,
    ClientConnection,
    ErrorReplied,
    Flight,
    ItemTooLarge,
    LocalProtocolError,
    ProtocolDesync,
    RemoteProtocolError,
    ServerConnection,
    admin,
    binary,
    classic,
    meta,
)
from mcproto._direct import get_forms, set_forms
from mcproto.transports._calls import Call, Fetch, Store
from mcproto.transports._multiplexer import Multiplexer

VALUES = [b"", b"v", b"x" * 70]
KINDS = ["fetch", "miss", "store", "meta", "classic", "many", "set", "flight"]


class Asked:
    """A call, and what the server has to say to it."""

    def __init__(self, mux: Multiplexer, number: int, kind: str, value: bytes, at: float) -> None:
        self.mux = mux
        key = b"key%d" % number
        self.value = value = b"%b=%b" % (key, value)
        head = b"VALUE %b 0 %d\r\n%b\r\n" % (key, len(value), value)
        self.expected: Any
        self.call: Call[Any]
        if kind in ("fetch", "miss"):
            form = FORMS[0][number % 32]
            self.call = Fetch(key, form, at)
            self.reply = b"VA %d f5 O%b\r\n%b\r\n" % (len(value), form[2].token, value)
            self.expected = value, 5
            if kind == "miss":
                self.reply, self.expected = form[1], None
            mux.add(self.call)
        elif kind == "store":
            store = FORMS[1][number % 32]
            self.call = Store(key, value, 0, 0, store, at)
            self.reply, self.expected = store[2], True
            if not number % 3:
                self.reply, self.expected = store[2].replace(b"HD", b"NS"), False
            mux.add(self.call)
        elif kind == "meta":
            self.call = mux.call(meta.Get(key, k=True, O=b"%d" % number, v=True), at)
            self.reply = b"VA %d k%b O%d\r\n%b\r\n" % (len(value), key, number, value)
            self.expected = value
        elif kind == "classic":
            self.call = mux.call(classic.Get(key), at)
            self.reply, self.expected = head + b"END\r\n", value
        elif kind == "many":
            self.call = mux.call(classic.GetMany([b"other", key]), at)
            self.reply, self.expected = head + b"END\r\n", {key: value}
        elif kind == "set":
            self.call = mux.call(meta.Set(key, value, O=b"%d" % number), at)
            self.reply, self.expected = b"HD O%d\r\n" % number, "HD"
        else:
            quiet = meta.Set(key, value, k=True, q=True)
            self.call = mux.call(Flight([quiet]), at)
            self.reply, self.expected = b"NS k%b\r\nMN\r\n" % key, "NS"
        self.kind = kind
        self.request = b"".join(self.call.parts)
        self.is_abandoned = self.is_settled = self.is_refused = False

    def result(self) -> Any:
        result = self.call.result()
        match self.kind:
            case "meta":
                return result.value
            case "classic":
                return result.value
            case "many":
                return {key: item.value for key, item in result.items()}
            case "set":
                return result.code
            case "flight":
                return result[0].code
        return result


FORMS = (
    [form for form, _ in zip(get_forms(), range(32), strict=False)],
    [form for form, _ in zip(set_forms(), range(32), strict=False)],
)
LIMITS: dict[str, Any] = {
    "most_calls": 6,
    "most_bytes": 400,
    "most_abandoned": 3,
    "most_dropped": 300,
    "patience": 2.0,
}


class Callers(RuleBasedStateMachine):
    """What callers, the clock and the server may do, in any order."""

    calls = Bundle("calls")

    @initialize()
    def start(self) -> None:
        self.now = 0.0
        self.number = 0
        self.connect()

    @precondition(lambda self: self.mux.is_over)
    @rule()
    def connect_anew(self) -> None:
        self.connect()

    def connect(self) -> None:
        self.connection = ClientConnection()
        self.mux = Multiplexer(self.connection, **LIMITS)
        self.queued: deque[Asked] = deque()  # not written
        self.unanswered: deque[Asked] = deque()  # written, and the server has not answered
        self.owed: deque[Asked] = deque()  # written, and the reply is not here
        self.pipe = b""  # from the server, on its way
        self.in_step = True
        self.has_said_too_much = False

    # ------------------------------------------------------------------------------ the callers

    @precondition(lambda self: self.mux.is_open)
    @rule(
        target=calls,
        kind=st.sampled_from(KINDS),
        value=st.sampled_from(VALUES),
        seconds=st.sampled_from([1.0, 3.0, 10.0, inf]),
    )
    def call(self, kind: str, value: bytes, seconds: float) -> Asked:
        self.number += 1
        asked = Asked(self.mux, self.number, kind, value, self.now + seconds)
        self.queued.append(asked)
        return asked

    @rule(asked=consumes(calls))
    def abandon_one(self, asked: Asked) -> None:
        if asked.mux is self.mux:
            self.abandon(asked)

    def abandon(self, asked: Asked) -> None:
        was_settled = asked.is_settled
        asked.is_abandoned = True
        self.settle(self.mux.abandon(asked.call, self.now))
        if not was_settled and asked in self.queued:
            self.queued.remove(asked)
        asked.is_settled = True

    @rule()
    def abandon_all(self) -> None:
        """As when the task is cancelled that they are all parts of."""
        for asked in [asked for asked in (*self.owed, *self.queued) if not asked.is_settled]:
            if not asked.is_settled:
                self.abandon(asked)

    @rule()
    def write(self) -> None:
        data = b"".join(self.mux.outgoing())
        while data:
            asked = self.queued.popleft()
            assert data.startswith(asked.request), "in the order of the calls"
            data = data[len(asked.request) :]
            assert not asked.is_abandoned
            self.unanswered.append(asked)
            self.owed.append(asked)
        if self.queued:
            size = sum(len(asked.request) for asked in (*self.owed, self.queued[0]))
            is_full = len(self.owed) == LIMITS["most_calls"] or size > LIMITS["most_bytes"]
            assert self.owed, "one can always go"
            assert is_full, "nothing is held back for nothing"

    # ------------------------------------------------------------------------------- the server

    @precondition(lambda self: self.unanswered and self.in_step)
    @rule(number=st.integers(1, 8), refuse=st.booleans())
    def answer(self, number: int, refuse: bool) -> None:
        for asked in [*self.unanswered][:number]:
            self.unanswered.popleft()
            if refuse and asked.kind != "flight":
                asked.is_refused = True
                self.pipe += b"SERVER_ERROR busy\r\n"
            else:
                self.pipe += asked.reply

    @precondition(lambda self: self.pipe)
    @rule(size=st.one_of(st.integers(1, 40), st.integers(1, 500)))
    def deliver(self, size: int) -> None:
        data, self.pipe = self.pipe[:size], self.pipe[size:]
        self.settle(self.mux.received(data))
        if self.has_said_too_much and not (self.pipe or self.unanswered):
            assert self.mux.failure is not None, "what nobody asked for is the end"
        if self.mux.is_open and not self.pipe and not self.unanswered:
            assert self.mux.owed == 0, "nothing has been lost on the way"

    @rule(
        number=st.integers(1, 8),
        refuse=st.booleans(),
        sizes=st.lists(st.integers(1, 40), max_size=6),
    )
    def serve(self, number: int, refuse: bool, sizes: list[int]) -> None:
        """Write, answer and deliver."""
        self.write()
        if self.unanswered and self.in_step:
            self.answer(number, refuse)
        for size in (*sizes, 10_000):
            if self.pipe:
                self.deliver(size)

    @precondition(lambda self: len(self.unanswered) > 1 and self.in_step)
    @rule()
    def swap_replies(self) -> None:
        """One that was owed is lost, and the next one comes in its place."""
        self.in_step = False
        self.unanswered.popleft()
        self.pipe += self.unanswered.popleft().reply

    @precondition(lambda self: self.in_step and not self.unanswered and self.number % 2 == 0)
    @rule(
        data=st.sampled_from([b"\r\n", b"EN\r\n", b"SERVER_ERROR unasked\r\n", b"VA 1 f0 Oae\r\n"])
    )
    def say_too_much(self, data: bytes) -> None:
        self.in_step = False
        self.has_said_too_much = True
        self.pipe += data

    @precondition(lambda self: self.number % 5 == 0)
    @rule()
    def end(self) -> None:
        self.in_step = False
        self.settle(self.mux.received(b""))
        assert not self.mux.is_open

    # -------------------------------------------------------------------------------- the clock

    @rule(seconds=st.sampled_from([0.5, 1.0, 2.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        due = self.mux.next_deadline() <= self.now
        settled = self.mux.expire(self.now)
        assert due or not settled, "whoever asks when to come back is not called in vain"
        self.settle(settled)
        assert all(call.deadline > self.now for call in self.mux.unsettled())

    # ------------------------------------------------------------------------------ what holds

    def settle(self, settled: list[Call[Any]]) -> None:
        by_call = {id(asked.call): asked for asked in (*self.owed, *self.queued)}
        order = [id(asked.call) for asked in (*self.owed, *self.queued)]
        places: list[int] = []
        for call in settled:
            asked = by_call[id(call)]
            assert not asked.is_settled, "once"
            assert not asked.is_abandoned
            asked.is_settled = True
            was_written = asked not in self.queued
            assert call.is_written == was_written
            try:
                result = asked.result()
            except ErrorReplied:
                assert asked.is_refused or not self.in_step
                places.append(order.index(id(call)))
            except TimeoutError:
                assert self.now > 0
                assert call.deadline <= self.now or call.deadline == inf
            except (ConnectionError, RemoteProtocolError):
                assert not self.mux.is_open
            else:
                assert not asked.is_refused
                assert result == asked.expected, "its own"
                places.append(order.index(id(call)))
        assert places == sorted(places)
        # What has been read is not owed any more.
        while len(self.owed) > self.mux.owed and self.owed:
            gone = self.owed.popleft()
            assert gone.is_settled
        self.queued = deque(asked for asked in self.queued if not asked.is_settled)

    @invariant()
    def all_is_in_order(self) -> None:
        if not hasattr(self, "mux"):
            return
        mux = self.mux
        live = [asked for asked in (*self.owed, *self.queued) if not asked.is_settled]
        assert [id(call) for call in mux.unsettled()] == [id(asked.call) for asked in live]
        assert mux.owed == len(self.owed) or mux.failure is not None
        assert mux.abandoned == len(self.owed) - sum(not a.is_settled for a in self.owed) or (
            mux.failure is not None
        )
        assert mux.owed <= LIMITS["most_calls"]
        if mux.owed > 1:
            assert sum(len(a.request) for a in self.owed) <= LIMITS["most_bytes"]
        if mux.is_open:
            assert mux.abandoned <= LIMITS["most_abandoned"]
            assert self.connection.owed == mux.owed
            assert mux.failure is None
            # Nothing stands in the way that is overdue.
            assert all(a.call.deadline > self.now for a in self.owed)
        else:
            assert not mux.has_waiting
            assert mux.is_over == (not live)
        if mux.failure is not None:
            assert not self.in_step, "the server has done nothing wrong"
            assert not live
            assert not self.connection.is_idle

    def teardown(self) -> None:
        if hasattr(self, "mux"):
            self.settle(self.mux.fail(ConnectionAbortedError("the end")))
            assert not list(self.mux.unsettled())
            assert self.mux.fail(OSError()) == [] == self.mux.received(b"x")
            assert all(asked.is_settled for asked in (*self.owed, *self.queued))


Callers.TestCase.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
test_callers_replies_and_the_clock_in_any_order = Callers.TestCase


# ------------------------------------------------------------------------------------- the bounds


def multiplexer(**limits: Any) -> Multiplexer:
    return Multiplexer(ClientConnection(), **limits)


def getting(mux: Multiplexer, number: int = 0, at: float = inf) -> Call[Any]:
    return mux.call(meta.Get(b"k", O=b"%d" % number, v=True), at)


def test_requests_that_become_ready_together_leave_together() -> None:
    mux = multiplexer()
    for number in range(3):
        getting(mux, number)
    assert b"".join(mux.outgoing()) == b"".join(b"mg k O%d v\r\n" % n for n in range(3))
    assert mux.outgoing() == []


def test_more_than_the_bound_wait_and_leave_in_order_as_replies_come() -> None:
    mux = multiplexer(most_calls=2)
    calls = [getting(mux, number) for number in range(4)]
    mux.outgoing()
    assert [call.is_written for call in calls] == [True, True, False, False]
    assert mux.received(b"EN O0\r\n") == calls[:1]
    assert mux.outgoing() == [b"mg k O2 v\r\n"]


def test_a_long_request_goes_alone() -> None:
    mux = multiplexer(most_bytes=100)
    small = getting(mux)
    large = mux.call(meta.Set(b"k", bytes(1000)), inf)
    behind = getting(mux, 1)
    mux.outgoing()
    assert (small.is_written, large.is_written) == (True, False)
    mux.received(b"EN O0\r\n")
    mux.outgoing()
    assert (large.is_written, behind.is_written) == (True, False)
    mux.received(b"HD\r\n")
    assert mux.outgoing()
    assert behind.is_written


def test_a_call_that_was_not_written_is_gone_without_a_trace() -> None:
    mux = multiplexer()
    one, other = getting(mux, 1), getting(mux, 2)
    assert mux.abandon(one, 0) == []
    assert mux.outgoing() == [b"mg k O2 v\r\n"]
    assert (mux.owed, mux.abandoned) == (1, 0)
    assert mux.received(b"VA 1 O2\r\nv\r\n") == [other]


def test_too_many_abandoned_calls_retire_a_connection() -> None:
    mux = multiplexer(most_abandoned=2)
    calls = [getting(mux, number) for number in range(4)]
    mux.outgoing()
    for call in calls[:2]:
        mux.abandon(call, 0)
    assert mux.is_open
    mux.abandon(calls[2], 0)
    assert not mux.is_open
    assert not mux.is_over, "somebody still waits"
    reply = b"EN O0\r\nEN O1\r\nEN O2\r\nVA 1 O3\r\nv\r\n"
    assert mux.received(reply) == [calls[3]]
    assert mux.is_over


def test_too_many_bytes_for_nobody_retire_a_connection() -> None:
    mux = multiplexer(most_dropped=1000)
    late = getting(mux, 1)
    mux.outgoing()
    mux.abandon(late, 0)
    mux.received(b"VA 5000 O1\r\n" + bytes(900))
    assert mux.is_open
    mux.received(bytes(900))
    assert not mux.is_open
    assert mux.is_over


def test_what_somebody_wants_makes_good_for_what_nobody_did() -> None:
    mux = multiplexer(most_dropped=1000)
    for number in range(10):
        mux.abandon(late := getting(mux, number), 0)
        assert not late.is_written
        late, wanted = getting(mux, number), getting(mux, number + 100)
        mux.outgoing()
        mux.abandon(late, 0)
        value = bytes(600)
        mux.received(b"VA 600 O%d\r\n%b\r\n" % (number, value))
        assert mux.received(b"EN O%d\r\n" % (number + 100)) == [wanted]
    assert mux.is_open


def test_an_abandoned_reply_that_does_not_come_retires_a_connection() -> None:
    mux = multiplexer(patience=2.0)
    call = getting(mux)
    mux.outgoing()
    mux.abandon(call, 10.0)
    assert mux.next_deadline() == 12.0
    assert mux.expire(11.9) == []
    assert mux.is_open
    assert mux.expire(12.0) == []
    assert mux.is_over


def test_a_late_call_ends_by_a_timeout_and_retires_the_connection_for_newcomers_only() -> None:
    mux = multiplexer(most_calls=2)
    late, waiting, queued = getting(mux, 1, 5.0), getting(mux, 2, 9.0), getting(mux, 3, 9.0)
    mux.outgoing()
    assert mux.expire(5.0) == [late, queued]
    with pytest.raises(TimeoutError):
        late.result()
    with pytest.raises(ConnectionAbortedError):
        queued.result()
    assert (late.is_written, queued.is_written) == (True, False)
    assert not mux.is_open
    assert mux.received(b"EN O1\r\nVA 1 O2\r\nv\r\n") == [waiting]
    assert waiting.result().value == b"v"


def test_who_is_heard_when_a_connection_fails_is_the_oldest_alone() -> None:
    mux = multiplexer()
    calls = [getting(mux, number) for number in range(2)]
    mux.outgoing()
    mux.received(b"VA 10 O0\r\nhalf")
    assert mux.fail(ConnectionResetError("gone")) == calls
    assert [call.is_heard for call in calls] == [True, False]
    errors = [call.error for call in calls]
    assert errors[0] is not errors[1]


@pytest.mark.parametrize("kind", KINDS)
def test_replies_may_be_cut_anywhere(kind: str) -> None:
    for cut in range(1, 200):
        mux = multiplexer()
        asked = [Asked(mux, number, kind, b"v\r\nEND", inf) for number in (1, 2)]
        mux.outgoing()
        replies = asked[0].reply + asked[1].reply
        settled = mux.received(replies[:cut])
        assert len(settled) == (cut >= len(asked[0].reply)) + (cut >= len(replies))
        if cut < len(replies):
            settled += mux.received(replies[cut:])
        assert settled == [one.call for one in asked]
        assert [one.result() for one in asked] == [one.expected for one in asked]
        assert mux.is_idle
        assert mux.is_open


@pytest.mark.parametrize(
    "form", [b"VA 1 f0 O%b\r\nv\r.", b"VA 1 f0 O%b\r\nvv\r\n", b"VA 1 O%b\r\nv\r\n"]
)
def test_a_value_of_another_form_ends_the_connection(form: bytes) -> None:
    mux = multiplexer()
    call = Fetch(b"k", FORMS[0][0], inf)
    mux.add(call)
    mux.outgoing()
    assert mux.received(form % FORMS[0][0][2].token) == [call]
    assert isinstance(call.error, RemoteProtocolError)


def test_room_is_given_back_with_every_reply() -> None:
    mux = multiplexer(most_bytes=100)
    for number in range(20):
        calls = [getting(mux, number), getting(mux, number + 1)]
        mux.outgoing()
        assert all(call.is_written for call in calls)
        assert mux.received(b"EN O%d\r\nEN O%d\r\n" % (number, number + 1)) == calls


@pytest.mark.parametrize("kind", ["fetch", "store", "meta", "classic", "many", "set", "flight"])
@pytest.mark.parametrize("before", ["fetch", "set"])
def test_another_call_s_reply_ends_the_connection_for_everybody(before: str, kind: str) -> None:
    mux = multiplexer()
    asked = [Asked(mux, number, kind, b"v", inf) for number in (1, 2)]
    other = Asked(mux, 4, before, b"v", inf)
    mux.outgoing()
    reply = other.reply if kind not in ("store", before) else asked[1].reply
    calls = [asked[0].call, asked[1].call, other.call]
    assert mux.received(reply) == calls
    for call in calls:
        assert isinstance(call.error, RemoteProtocolError)


@pytest.mark.parametrize("kind", KINDS)
def test_what_comes_behind_the_last_reply_ends_the_connection(kind: str) -> None:
    mux = multiplexer()
    asked = Asked(mux, 1, kind, b"v", inf)
    mux.outgoing()
    assert mux.received(asked.reply + b"\r\n") == [asked.call]
    assert asked.result() == asked.expected
    assert isinstance(mux.failure, ProtocolDesync)


def test_a_data_block_that_was_refused_may_have_been_taken_for_requests() -> None:
    mux = multiplexer()
    storing = mux.call(classic.Set(b"k", b"v"), inf)
    behind = getting(mux)
    mux.outgoing()
    assert mux.received(b"CLIENT_ERROR bad data chunk\r\nERROR\r\n") == [storing, behind]
    with pytest.raises(ErrorReplied):
        storing.result()
    with pytest.raises(ProtocolDesync):
        behind.result()


def test_a_value_that_is_too_large_for_the_server_is_the_storers_error_alone() -> None:
    mux = multiplexer()
    storing = mux.call(classic.Set(b"k", b"v"), inf)
    behind = getting(mux)
    mux.outgoing()
    mux.received(b"SERVER_ERROR object too large for cache\r\nEN O0\r\n")
    with pytest.raises(ErrorReplied):
        storing.result()
    assert behind.result() is None


@pytest.mark.parametrize(
    "command",
    [
        classic.Quit(),
        classic.Set(b"k", b"v", noreply=True),
        meta.Get(b"k", q=True),
        admin.Metadump("all"),
        admin.Watch(),
        admin.Shutdown(),
    ],
    ids=lambda command: type(command).__name__,
)
def test_a_command_that_cannot_share_is_refused(command: Any) -> None:
    mux = multiplexer()
    with pytest.raises(LocalProtocolError, match="connection of its own"):
        mux.call(command, inf)
    assert mux.is_idle


@pytest.mark.parametrize("cut", [5, 24, 30, 60])
def test_binary_commands_share_as_well(cut: int) -> None:
    mux = Multiplexer(ClientConnection("binary"))
    server = ServerConnection("binary")
    calls: list[Call[Any]] = [mux.call(binary.Get(b"k", opaque=number), inf) for number in range(3)]
    server.receive_data(b"".join(mux.outgoing()))
    mux.abandon(calls[1], 0)
    replies = b""
    while isinstance(command := server.next_event(), binary.Get):
        value = b"value %d" % command.opaque
        replies += server.send(BinaryReply(extras=bytes(4), value=value))
    settled = mux.received(replies[:cut])
    assert settled + mux.received(replies[cut:]) == [calls[0], calls[2]]
    assert [calls[number].result().value for number in (0, 2)] == [b"value 0", b"value 2"]
    assert mux.is_idle
    with pytest.raises(LocalProtocolError, match="not for a binary connection"):
        mux.call(meta.Get(b"k"), inf)


def test_a_value_that_the_connection_does_not_take_is_refused() -> None:
    mux = Multiplexer(ClientConnection(max_value=10))
    with pytest.raises(ItemTooLarge):
        mux.call(meta.Set(b"k", bytes(11)), inf)
    assert mux.is_idle
