"""Servers that are down: who tries them, how often, what all others get, and how they come back.

Connects are counted where they are made, below the client, against real addresses. The clock is the
real one, so times are lower bounds only: no connect comes sooner than the rules allow.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections import Counter
from time import monotonic
from typing import Any

import pytest

from mcclient import (
    AsyncPooledClient,
    ConnectFailed,
    ConnectionLost,
    Observer,
    OperationTimeout,
    PartialFailure,
    PooledClient,
    ServerDown,
    ServerFault,
    ServerUnavailable,
    _gate,
)
from mcclient._health import MOST_SOFT_FAILURES
from mcclient.embedded import MemoryServer
from mcclient.testing import (
    Interrupted,
    Peer,
    ScriptedServer,
    Watch,
    cancel_sweep,
    interrupt_sweep,
)
from mcclient.testing.scripts import always, closing, polite_silence, saying_first, silence
from tests.contract.nobody import NOBODY
from tests.contract.rigs import (
    BLOCKING,
    CLIENT_RIGS,
    SELECTOR,
    SHARED_RIGS,
    SOCKET_RIGS,
    do,
    forgive,
    keys_on,
    on,
    scenario,
    when_up,
)
from tests.contract.test_interruption import Sweep, master_on
from tests.servers import RealMemcached

HIT = b"VA 1 f0 O<O>\r\nv\r\n"
CALLERS = 8
TASKS = 64


@pytest.fixture
def longest_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every pause is as long as it can be: 0.05 s, 0.1 s, 0.2 s, ..."""
    monkeypatch.setattr(_gate, "_chance", lambda: 1.0)


@pytest.fixture
def long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first pause is longer than a test takes on the slowest machine: 9.5 s."""
    monkeypatch.setattr(_gate, "_chance", lambda: 190.0)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes may try, as long as nobody else does."""
    monkeypatch.setattr(_gate, "_chance", lambda: 0.0)


class Diary(Observer):
    """What has become of servers, in order."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.errors: list[Exception] = []

    def server_down(self, server: str, error: Exception) -> None:
        self.lines.append(("down", server))
        self.errors.append(error)

    def server_up(self, server: str) -> None:
        self.lines.append(("up", server))


def counting(rig) -> Any:
    """The rig's backend, which counts connects, and how many were under way at once."""
    kind = type(rig.backend())

    class Counting(kind):
        def __init__(self) -> None:
            super().__init__(**({"multiplexed": rig in SHARED_RIGS} if rig.is_async else {}))
            self.times: list[float] = []
            self.under_way: list[bool] = []
            self.most = 0

        def begin(self) -> None:
            self.times.append(monotonic())
            self.under_way.append(True)
            self.most = max(self.most, len(self.under_way))

        if rig.is_async:

            async def connect(self, *place, **how):
                self.begin()
                try:
                    return await super().connect(*place, **how)
                finally:
                    self.under_way.pop()
        else:

            def connect(self, *place, **how):
                if rig is SELECTOR:  # which does it by what is below
                    return super().connect(*place, **how)
                self.begin()
                try:
                    return super().connect(*place, **how)
                finally:
                    self.under_way.pop()

            def connecting(self, *place, **how):
                self.begin()
                try:
                    return (yield from super().connecting(*place, **how))
                finally:
                    self.under_way.pop()

    return Counting()


@on(CLIENT_RIGS)
@scenario
async def test_a_crowd_tries_a_dead_server_one_at_a_time_after_growing_pauses(rig, longest_pauses):
    backend = counting(rig)
    mc = rig.client([NOBODY], backend=backend, timeout=20)
    with pytest.raises(ConnectFailed):
        await do(mc.get("k"))
    since = monotonic()
    kinds: Counter[type] = Counter()
    crowd = [mc.clone() for _ in range(CALLERS)] if rig not in SHARED_RIGS else [mc] * TASKS

    def caller(client):
        async def story():
            while len(backend.times) < 4:
                with pytest.raises(ServerUnavailable) as caught:
                    await do(client.get("k"))
                kinds[type(caught.value)] += 1

        return story

    assert await rig.together(*map(caller, crowd)) == [None] * len(crowd)
    # Three more, and not one too soon.
    assert len(backend.times) == 4
    for connect, pause in zip(backend.times[1:], [0.05, 0.15, 0.35], strict=True):
        assert connect - since > pause - 0.02
    assert backend.most == 1
    assert kinds[ServerDown] > len(crowd)
    for client in {mc, *crowd}:
        await rig.close(client)


def test_who_is_told_that_a_server_is_down_has_asked_no_system_for_it(long_pauses):
    events: list[str] = []
    listening = threading.Event()

    def hook(event: str, arguments: object) -> None:
        if listening.is_set() and event.startswith(("socket", "os", "open", "subprocess")):
            events.append(event)

    sys.addaudithook(hook)  # for good: hooks cannot be taken off
    for rig in BLOCKING, SELECTOR:
        mc = rig.client([NOBODY], timeout=20)
        with pytest.raises(ConnectFailed):
            mc.get("k")
        try:
            listening.set()
            for _ in range(20):
                with pytest.raises(ServerDown):
                    mc.get("k")
                with pytest.raises(ServerDown):
                    mc.set("k", 1)
                with pytest.raises(ServerDown):
                    mc.touch("k", 1)
        finally:
            listening.clear()
        with pytest.raises(ServerUnavailable):
            listening.set()
            forgive(mc)
            mc.get("k")
        listening.clear()
        assert events, "the hook hears nothing"
        assert "socket.__new__" in events
        events.clear()
        mc.close()


@scenario
async def test_the_error_says_who_since_when_why_and_when_it_is_tried_again(stage, long_pauses):
    mc = stage.client([NOBODY], timeout=20)
    with pytest.raises(ConnectFailed):
        await do(mc.get("k"))
    with pytest.raises(ServerDown) as caught:
        await do(mc.set("k", "v"))
    error = caught.value
    assert error.server == mc.servers[0]
    assert str(error).startswith(f"{NOBODY} has been down for 0.0")
    assert str(error).count(NOBODY) == 1
    assert "tried again in 9." in str(error)
    assert "cannot connect" in str(error)
    assert not error.maybe_applied
    assert 0 <= error.down_for < 20
    assert 5 < error.retry_in < 9.5
    assert isinstance(error, ServerUnavailable)
    assert not isinstance(error, ConnectFailed)


@scenario
async def test_of_several_servers_the_others_go_on(stage, long_pauses):
    with MemoryServer() as server:
        mc = stage.client([NOBODY, server.address], ring="modula", timeout=20)
        (there,), (here,) = keys_on(mc, 0), keys_on(mc, 1)
        with pytest.raises(ConnectFailed):
            await do(mc.get(there))
        with pytest.raises(PartialFailure) as caught:
            await do(mc.set_multi({there: 1, here: 2}))
        assert {name: type(error) for name, error in caught.value.errors.items()} == {
            NOBODY: ServerDown
        }
        assert await do(mc.get(here)) == 2
        await stage.rig.close(mc)


# -------------------------------------------------------------------------------- what counts


@on(CLIENT_RIGS)
@scenario
async def test_three_silences_in_a_row_and_it_is_down(rig, long_pauses):
    """Silent from the first question on; or it greets, and says nothing more."""
    for script in silence, polite_silence:
        with ScriptedServer(script) as server:
            diary = Diary()
            mc = rig.client([server.address], timeout=0.02, observer=diary)
            for number in range(MOST_SOFT_FAILURES):
                assert diary.lines == [], number
                with pytest.raises(OperationTimeout):
                    await do(mc.get("k"))
            assert diary.lines == [("down", server.address)]
            with pytest.raises(ServerDown):
                await do(mc.get("k"))
            await rig.close(mc)


@on(CLIENT_RIGS)
@pytest.mark.parametrize("answer", [b"HD O<O>\r\n", b"SERVER_ERROR out of order\r\n"])
@scenario
async def test_an_answer_in_between_begins_the_count_anew(rig, answer):
    """An error line is an answer, too."""

    def once(peer: Peer) -> None:
        peer.greet()
        peer.send(peer.request().fill(answer))
        peer.request()

    with ScriptedServer(once) as server:
        diary = Diary()
        mc = rig.client([server.address], timeout=20, observer=diary)
        for _ in range(5):
            try:
                assert await do(mc.set("k", "v"))
            except ServerFault:
                assert answer.startswith(b"SERVER_ERROR")
            with pytest.raises(ConnectionLost):
                await do(mc.set("k", "v"))
        assert diary.lines == []
        await rig.close(mc)


@on(CLIENT_RIGS)
@scenario
async def test_an_error_line_for_a_greeting_says_that_somebody_is_there(rig, long_pauses):
    """It is tried at every call; but for the line that means that it lets nobody in."""
    with ScriptedServer(saying_first(b"SERVER_ERROR not today\r\n")) as server:
        mc = rig.client([server.address], timeout=20)
        for _ in range(2 * MOST_SOFT_FAILURES):
            with pytest.raises(ConnectFailed, match="not today"):
                await do(mc.get("k"))
        await rig.close(mc)
    with ScriptedServer(saying_first(b"ERROR Too many open connections\r\n")) as server:
        mc = rig.client([server.address], timeout=20)
        with pytest.raises(ConnectFailed, match="Too many"):
            await do(mc.get("k"))
        with pytest.raises(ServerDown, match="Too many"):
            await do(mc.get("k"))
        await rig.close(mc)


@on(SHARED_RIGS)
@scenario
async def test_one_connection_that_many_tasks_lose_is_one_failure(rig):
    with ScriptedServer(polite_silence) as server:
        diary = Diary()
        mc = rig.client([server.address], timeout=0.05, observer=diary)
        outcomes = await rig.together(*[lambda: mc.get("k")] * TASKS)
        assert {type(outcome) for outcome in outcomes} == {OperationTimeout}
        assert diary.lines == []
        await rig.close(mc)


@on(SOCKET_RIGS)
@scenario
async def test_what_is_open_goes_on_while_nothing_can_be_opened(rig, long_pauses):
    with ScriptedServer(always(HIT), closing) as server:
        mc = rig.client([server.address], timeout=20)
        clone = mc.clone()
        assert await do(mc.get("k")) == b"v"
        with pytest.raises(ConnectFailed):
            await do(clone.get("k"))
        with pytest.raises(ServerDown):
            await do(clone.get("k"))
        assert await do(mc.get("k")) == b"v"
        for client in mc, clone:
            await rig.close(client)


# ------------------------------------------------------------------------------------ coming back


@pytest.mark.memcached
@on(CLIENT_RIGS)
@scenario
async def test_a_real_server_dies_and_comes_back_to_a_crowd(rig):
    """Going and coming are told once each. On its return each client connects but once."""
    with RealMemcached() as server:
        diary, backend = Diary(), counting(rig)
        master = rig.client([server.address], backend=backend, timeout=20, observer=diary)
        size = 4
        crowd = CALLERS
        if rig in SHARED_RIGS:
            mc, size, crowd = master, 1, TASKS
        elif rig.is_async:
            mc = AsyncPooledClient(master, size)
        else:
            mc = PooledClient(master, size)

        async def all_of(story):
            assert await rig.together(*[story] * crowd) == [None] * crowd

        async def works():
            for _ in range(5):
                # (A write could still find a connection that has died.)
                await when_up(lambda: mc.get("k"))

        async def is_lost():
            with pytest.raises(ServerUnavailable):
                while True:
                    await do(mc.get("k"))
            for _ in range(5):
                with pytest.raises(ServerUnavailable):
                    await do(mc.set("k", "v"))

        await all_of(works)
        server.kill()
        await all_of(is_lost)
        before = len(backend.times)
        server.start()
        await all_of(works)
        assert 1 <= len(backend.times) - before <= size
        assert [word for word, _ in diary.lines] == ["down", "up"]
        assert isinstance(diary.errors[0], ConnectFailed)
        for client in {mc, master}:
            await rig.close(client)


# --------------------------------------------------------------------------------- interruptions


def down_but_due(mc) -> None:
    """Its servers are down, and whoever comes first may try them."""
    forgive(mc)
    for gate in mc._gates.values():
        error = ConnectionRefusedError("refused")
        gate.failed(error, error, monotonic(), opener=gate)


@pytest.mark.memcached
@pytest.mark.parametrize(
    ("rig", "name", "stride"),
    [
        (BLOCKING, "get", 3),
        (SELECTOR, "get_multi", 7),
        pytest.param(BLOCKING, "get", 1, marks=pytest.mark.slow),
        pytest.param(BLOCKING, "get_multi", 1, marks=pytest.mark.slow),
        pytest.param(SELECTOR, "get", 1, marks=pytest.mark.slow),
        pytest.param(SELECTOR, "get_multi", 1, marks=pytest.mark.slow),
    ],
    ids=lambda argument: repr(argument).strip("'"),
)
def test_an_interrupt_leaves_the_right_to_try_to_the_next(rig, name, stride, request, no_pauses):
    master = master_on(rig, request, 2)
    call = {
        "get": lambda mc: mc.get("key0"),
        "get_multi": lambda mc: mc.get_multi(["key0", "key2"]),
    }
    assert Sweep(master, call[name], down_but_due, stride=stride).run() > 100


@on([BLOCKING, pytest.param(SELECTOR, marks=pytest.mark.slow)])
def test_so_does_one_where_the_attempt_fails(rig, no_pauses):
    """Also if its frames are kept; where it was struck as it was giving the right back, that takes
    until its deadline."""
    points = 0
    for strike in interrupt_sweep():
        mc = rig.client([NOBODY], timeout=0.01)
        down_but_due(mc)
        with Watch():  # a socket that was just being made may be closed by the collector alone
            try:
                with strike:
                    mc.get("k")
            except (Interrupted, ServerUnavailable) as error:
                kept = error
            while isinstance(outcome_of(mc), ServerDown):
                pass
            del kept
        mc.close()
        points += strike.struck
    assert points > 50


def outcome_of(mc) -> Exception:
    with pytest.raises(ServerUnavailable) as caught:
        mc.get("k")
    return caught.value


@on([rig for rig in CLIENT_RIGS if rig.is_async])
@scenario
async def test_a_cancel_leaves_the_right_to_try_to_the_next(rig, no_pauses):
    with ScriptedServer(always(HIT)) as server:
        for cancel in cancel_sweep():
            mc = rig.client([server.address], timeout=20)
            down_but_due(mc)
            await cancel(lambda mc=mc: mc.get("k"))
            assert await do(mc.get("k")) == b"v", cancel
            assert not mc._gates[0]._health.is_down
            await rig.close(mc)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing to fork with")
def test_a_forked_child_begins_anew(long_pauses):
    """Also if somebody was just passing the gate."""
    with ScriptedServer(always(HIT)) as server:
        mc = BLOCKING.client([server.address], timeout=20)
        down_but_due(mc)
        with pytest.raises(ServerDown):
            mc.get("k")
        inside, go_on = threading.Event(), threading.Event()

        def pass_slowly() -> None:
            with mc._gates[0]._lock:
                inside.set()
                go_on.wait(20)

        thread = threading.Thread(target=pass_slowly)
        thread.start()
        inside.wait(20)
        child = os.fork()
        if not child:
            status = 1
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(20)  # or a child that waits for ever would outlive the test
            try:
                status = 0 if mc.get("k") == b"v" else 2
            finally:
                os._exit(status)
        go_on.set()
        thread.join()
        assert os.waitpid(child, 0)[1] == 0
        with pytest.raises(ServerDown):
            mc.get("k")
        mc.close()


# ------------------------------------------------------------------------------------------- logs


def test_what_becomes_of_servers_is_logged(caplog, no_pauses):
    with ScriptedServer(closing, always(HIT)) as server, caplog.at_level(logging.DEBUG, "mcclient"):
        mc = BLOCKING.client([server.address], timeout=20)
        with pytest.raises(ConnectFailed):
            mc.get("key")
        assert mc.get("key") == b"v"
        mc.close()
    told = [(r.name, r.levelname) for r in caplog.records if r.name == "mcclient.server"]
    assert told == [
        ("mcclient.server", "DEBUG"),
        ("mcclient.server", "WARNING"),
        ("mcclient.server", "DEBUG"),
        ("mcclient.server", "INFO"),
    ]
    assert all(server.address in message for message in caplog.messages)
