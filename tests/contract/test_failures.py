"""Servers that are down, silent, slow, gone, or something else; and what a client then says."""

from __future__ import annotations

import os
import threading
from time import monotonic

import pytest

from mcclient import (
    ClientBusy,
    ClientClosed,
    ConnectFailed,
    ConnectionLost,
    OperationTimeout,
    PartialFailure,
    ServerFault,
    ServerUnavailable,
)
from mcclient.testing import Peer, ScriptedServer
from mcclient.testing.scripts import (
    Prompted,
    always,
    closing,
    polite_silence,
    resetting,
    saying_first,
    silence,
)
from mcproto import classic
from tests.contract.exchanges import EXCHANGES, READS, WRITES
from tests.contract.nobody import NOBODY, NOBODY_ELSE
from tests.contract.rigs import (
    ASYNCIO,
    SHARED_RIGS,
    TRIO,
    do,
    forgive,
    keys_on,
    scenario,
    when_up,
)
from tests.servers import RealMemcached

SOON = 0.1
PAUSE = 0.06  # less, so that a limit for each call would not pass
MUCH_LATER = 2.0


@pytest.fixture(autouse=True)
def no_descriptor_is_left(request):
    """Whatever has happened, at the end there are as many descriptors as before."""
    for name in "real_memcached", "real_memcached_unix":
        if name in request.fixturenames:
            request.getfixturevalue(name)
    before = set(os.listdir("/proc/self/fd"))
    yield
    assert set(os.listdir("/proc/self/fd")) == before


# ------------------------------------------------------------------------- no connection to be had


@scenario
async def test_nobody_listens(stage):
    for exchange in EXCHANGES:
        mc = stage.client([NOBODY], timeout=20)
        with pytest.raises(ConnectFailed) as caught:
            await do(exchange.call(mc))
        error = caught.value
        assert error.step == "tcp"
        assert error.server == mc.servers[0]
        assert mc.servers[0] in str(error)
        assert not error.maybe_applied
        assert isinstance(error.__cause__, ConnectionRefusedError)


@scenario
async def test_a_name_that_cannot_be_resolved(stage):
    mc = stage.client(["does-not-exist.invalid"], timeout=20)
    with pytest.raises(ConnectFailed) as caught:
        await do(mc.get("k"))
    assert caught.value.step == "dns"
    assert caught.value.server == "does-not-exist.invalid:11211"


@scenario
async def test_a_unix_socket_that_is_not_there(stage, tmp_path):
    mc = stage.client([str(tmp_path / "nobody")], timeout=20)
    with pytest.raises(ConnectFailed) as caught:
        await do(mc.get("k"))
    assert caught.value.step == "tcp"
    assert caught.value.server == str(tmp_path / "nobody")


@scenario
async def test_a_lost_server_is_a_miss_to_reads_if_so_chosen_and_never_to_writes(stage):
    mc = stage.client([NOBODY], timeout=20, on_unavailable="miss")
    assert await do(mc.get("k")) is None
    assert await do(mc.get("k", "default")) == "default"
    assert await do(mc.gets("k")) is None
    assert await do(mc.gat("k", 1, "default")) == "default"
    assert await do(mc.get_multi(["k"])) == {}
    assert await do(mc.stats()) == {}
    assert await do(mc.version()) == {}
    if not stage.rig.is_async:
        assert "k" not in mc
    for exchange in WRITES:
        if exchange.name != "gat":
            with pytest.raises(ServerUnavailable):
                await do(exchange.call(mc))
    with pytest.raises(ServerUnavailable):
        await do(mc.execute(classic.Get("k")))


NO_MEMCACHED = {
    "http": always(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", hello=False),
    "ssh": saying_first(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"),
    "smtp": saying_first(b"220 mail.example.org ESMTP\r\n"),
    "redis": always(b"-ERR unknown command 'mn', with args beginning with: \r\n", hello=False),
    "tls": saying_first(b"\x15\x03\x01\x00\x02\x02\x46"),
    "noise": saying_first(bytes(range(256)) * 10),
    "endless line": saying_first(b"x" * 1_000_000),
    "closing": closing,
    "resetting": resetting,
    "half a hello": saying_first(b"M"),
    "two hellos": always(b"MN\r\nMN\r\n", hello=False),
    "refusing": always(b"SERVER_ERROR go away\r\n", hello=False),
}


@pytest.mark.parametrize("what", NO_MEMCACHED)
@scenario
async def test_what_is_no_memcached_cannot_be_connected_to(stage, what):
    with ScriptedServer(NO_MEMCACHED[what]) as server:
        mc = stage.client([server.address], timeout=20)
        for call in lambda: mc.get("k"), lambda: mc.set("k", "v"), lambda: mc.get_multi(["k"]):
            forgive(mc)
            with pytest.raises(ConnectFailed) as caught:
                await do(call())
            if what != "resetting":  # which may be seen before or after
                assert caught.value.step == "protocol"
            assert caught.value.server == server.address
            assert not caught.value.maybe_applied
            assert caught.value.__cause__ is not None
        assert b"k" not in server.received(), "nothing of the caller's was sent"
        await stage.rig.close(mc)


@scenario
async def test_a_server_without_meta_commands_is_told_from_others(stage):
    """By the first question; the error says what to do."""
    for words in b"ERROR\r\n", b"CLIENT_ERROR unknown command\r\n":
        with ScriptedServer(always(words, hello=False)) as server:
            mc = stage.client([server.address], timeout=20)
            with pytest.raises(ConnectFailed) as caught:
                await do(mc.get("k"))
            assert caught.value.step == "protocol"
            assert ("protocol='classic'" in str(caught.value)) == (stage.protocol == "meta")
            await stage.rig.close(mc)


@scenario
async def test_too_many_connections_is_never_the_answer_to_an_operation(stage):
    with ScriptedServer(saying_first(b"ERROR Too many open connections\r\n")) as server:
        mc = stage.client([server.address], timeout=20)
        for exchange in EXCHANGES:
            forgive(mc)
            with pytest.raises(ConnectFailed, match="Too many open connections") as caught:
                await do(exchange.call(mc))
            assert "classic" not in str(caught.value)
        await stage.rig.close(mc)


@pytest.mark.memcached
@scenario
async def test_a_real_server_s_limit_of_connections(stage):
    with RealMemcached("-c", "16") as server:
        mc = stage.client([server.address], timeout=20)
        clients = [mc]
        with pytest.raises(ConnectFailed, match="Too many open connections"):
            for _ in range(40):
                await do(clients[-1].set("k", "v"))
                clients.append(mc.clone())
                stage.adopt(clients[-1])
        assert await do(mc.get("k")) == "v"
        for client in clients:
            await stage.rig.close(client)


# ------------------------------------------------------------------------------------ no answer


@scenario
async def test_a_silent_server_costs_the_timeout_and_no_more(stage):
    with ScriptedServer(polite_silence) as server:
        mc = stage.client([server.address], timeout=SOON)
        for exchange in [*READS, EXCHANGES[4], EXCHANGES[11]]:
            forgive(mc)
            since = monotonic()
            with pytest.raises(OperationTimeout) as caught:
                await do(exchange.call(mc))
            assert SOON * 0.9 <= monotonic() - since < MUCH_LATER
            assert isinstance(caught.value, TimeoutError)
            assert caught.value.maybe_applied is not exchange.is_read
            assert caught.value.server == server.address
        await stage.rig.close(mc)


@scenario
async def test_a_server_that_does_not_even_say_hello(stage):
    with ScriptedServer(silence) as server:
        for timeout, connect_timeout, kind in (
            (SOON, 20, OperationTimeout),
            (20, SOON, ConnectFailed),
            (SOON, None, OperationTimeout),
            (None, SOON, ConnectFailed),
        ):
            mc = stage.client([server.address], timeout=timeout, connect_timeout=connect_timeout)
            since = monotonic()
            with pytest.raises(kind) as caught:
                await do(mc.set("k", "v"))
            assert SOON * 0.9 <= monotonic() - since < MUCH_LATER
            assert not caught.value.maybe_applied
            await stage.rig.close(mc)
        assert b"k" not in server.received()


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
@pytest.mark.parametrize("exchange", EXCHANGES[0:4:3], ids=repr)
@scenario
async def test_a_server_that_dribbles_cannot_stretch_the_deadline(stage, exchange, warm):
    answers = exchange.answers(stage.protocol)

    def dribbling(peer: Peer) -> None:
        peer.greet()
        if warm:
            for answer in answers:
                peer.send(peer.request().fill(answer))
        peer.dribble(peer.request().fill(answers[0]), PAUSE)

    with ScriptedServer(dribbling) as server:
        mc = stage.client([server.address], timeout=SOON)
        if warm:
            assert await do(exchange.call(mc)) == exchange.result
        since = monotonic()
        with pytest.raises(OperationTimeout) as caught:
            await do(exchange.call(mc))
        assert SOON * 0.9 <= monotonic() - since < len(answers[0]) * PAUSE
        assert caught.value.maybe_applied is not exchange.is_read
        await stage.rig.close(mc)


@scenario
async def test_a_large_value_to_a_server_that_does_not_read(stage):
    def deaf(peer: Peer) -> None:
        peer.greet()
        peer.hold()

    with ScriptedServer(deaf) as server:
        mc = stage.client([server.address], timeout=SOON)
        for call in (
            lambda: mc.set("k", bytes(32 << 20)),
            lambda: mc.set_multi({"k": bytes(32 << 20)}),
        ):
            since = monotonic()
            with pytest.raises(OperationTimeout) as caught:
                await do(call())
            assert SOON * 0.9 <= monotonic() - since < MUCH_LATER
            assert caught.value.maybe_applied
        await stage.rig.close(mc)


@pytest.mark.parametrize("limit", [None, 1e7, 1e300])
@scenario
async def test_no_limit_is_no_limit(stage, limit):
    def slow(peer: Peer) -> None:
        peer.greet()
        for answer in answers * 2:
            peer.dribble(peer.request().fill(answer), 0.003)
        peer.swallow()

    answers = EXCHANGES[0].answers(stage.protocol)
    with ScriptedServer(slow) as server:
        mc = stage.client([server.address], timeout=limit, connect_timeout=limit)
        for _ in range(2):
            assert await do(mc.get("k")) == b"v"
        await stage.rig.close(mc)


# -------------------------------------------------------------------------------- two at a time


@pytest.mark.parametrize("exchange", EXCHANGES, ids=repr)
@scenario
async def test_a_second_caller_is_told_that_the_client_is_busy(plain_stage, exchange):
    asked, go_on = threading.Event(), threading.Event()
    answers = exchange.answers(plain_stage.protocol)

    def slow(peer: Peer) -> None:
        peer.greet()
        first, *rest = answers
        request = peer.request()
        asked.set()
        go_on.wait(20)
        peer.send(request.fill(first))
        for answer in rest:
            peer.send(peer.request().fill(answer))
        peer.swallow()

    with ScriptedServer(slow) as server:
        mc = plain_stage.client([server.address], timeout=20)

        async def first():
            return await do(exchange.call(mc))

        async def second():
            await plain_stage.rig.reach(asked)
            try:
                for other in EXCHANGES:
                    with pytest.raises(ClientBusy):
                        await do(other.call(mc))
            finally:
                go_on.set()

        assert await plain_stage.rig.together(first, second) == [exchange.result, None]
        assert len(server.peers) == 1
        await plain_stage.rig.close(mc)


@pytest.mark.parametrize("exchange", EXCHANGES, ids=repr)
@scenario
async def test_closing_ends_a_call_in_progress_at_once(stage, exchange):
    asked = threading.Event()

    def silent(peer: Peer) -> None:
        peer.greet()
        peer.request()
        asked.set()
        peer.swallow()

    with ScriptedServer(silent) as server:
        mc = stage.client([server.address], timeout=50)

        async def call():
            return await do(exchange.call(mc))

        async def close():
            await stage.rig.reach(asked)
            await stage.rig.close(mc)

        since = monotonic()
        outcome, _ = await stage.rig.together(call, close)
        assert isinstance(outcome, ClientClosed)
        assert monotonic() - since < 20
        with pytest.raises(ClientClosed):
            await do(exchange.call(mc))
        assert len(server.peers) == 1


@scenario
async def test_closing_ends_a_call_to_several_servers_at_once(stage):
    asked = threading.Semaphore(0)

    def silent(peer: Peer) -> None:
        peer.greet()
        peer.request()
        asked.release()
        peer.swallow()

    with ScriptedServer(silent) as one, ScriptedServer(silent) as two:
        for call in (
            lambda mc: mc.get_multi([f"k{n}" for n in range(20)]),
            lambda mc: mc.set_multi({f"k{n}": 1 for n in range(20)}),
            lambda mc: mc.delete_multi([f"k{n}" for n in range(20)]),
            lambda mc: mc.version(),
        ):
            mc = stage.client([one.address, two.address], timeout=50)

            async def play(call=call, mc=mc):
                return await do(call(mc))

            async def close(mc=mc):
                for _ in range(2):
                    await stage.rig.reach(asked)
                await stage.rig.close(mc)

            since = monotonic()
            outcome, _ = await stage.rig.together(play, close)
            assert isinstance(outcome, ClientClosed)
            assert monotonic() - since < 20


@scenario
async def test_a_connection_that_comes_after_closing_is_not_used(stage):
    connecting, go_on = threading.Event(), threading.Event()
    kind = type(stage.rig.backend())

    class Slow(kind):
        if stage.rig.is_async:

            async def connect(self, *arguments, **options):
                connecting.set()
                await stage.rig.reach(go_on)
                return await super().connect(*arguments, **options)
        else:

            def connect(self, *arguments, **options):
                connecting.set()
                assert go_on.wait(20)
                return super().connect(*arguments, **options)

    backend = Slow()
    prompted = Prompted()
    with ScriptedServer(prompted) as server:
        mc = stage.client([server.address], timeout=50, connect_timeout=50, backend=backend)

        async def call():
            return await do(mc.set("k", "v"))

        async def close():
            await stage.rig.reach(connecting)
            await stage.rig.close(mc)
            go_on.set()

        outcome, _ = await stage.rig.together(call, close)
        assert isinstance(outcome, ClientClosed)
        assert prompted.asked == []


@pytest.mark.parametrize("number", [2, 8])
@scenario
async def test_a_crowd_on_one_client_gets_right_answers_or_is_told_that_it_is_busy(
    stage, real_memcached, number
):
    keys = [f"crowd{n}" for n in range(10)]
    mc = stage.client([real_memcached.address], timeout=20)
    await do(mc.set_multi({key: key for key in keys}))
    busy = []

    def one(first: int):
        async def story():
            for n in range(first, first + 100):
                key = keys[n % 10]
                try:
                    assert await do(mc.get(key)) == key
                    assert await do(mc.set(key, key))
                    assert await do(mc.get_multi([key])) == {key: key}
                except ClientBusy:
                    busy.append(n)

        return story

    assert await stage.rig.together(*map(one, range(number))) == [None] * number
    assert await do(mc.get(keys[0])) == keys[0]
    if stage.rig in (TRIO, ASYNCIO):
        assert busy, "or they were not at once"
    if stage.rig in SHARED_RIGS:
        assert not busy
    await stage.rig.close(mc)


# ------------------------------------------------------------------------------ some of several


WRONG = {
    "silent": silence,
    "down": None,
    "polite and silent": polite_silence,
    "no memcached": NO_MEMCACHED["http"],
    "closing": NO_MEMCACHED["closing"],
    "faulty": always(b"SERVER_ERROR out of order\r\n"),
    "desync": always(b"EN Owrong\r\n"),
}


@pytest.mark.parametrize("wrong", WRONG)
@scenario
async def test_what_the_other_servers_have_is_had(stage, real_memcached, wrong):
    script = WRONG[wrong]
    # Here first, there last.
    place = list(WRONG).index(wrong) % 2
    with ScriptedServer(script or closing) as server:
        addresses = [real_memcached.address]
        addresses.insert(place, server.address if script else NOBODY)
        prefix = f"{stage.rig}{stage.protocol}{wrong}".replace(" ", "")
        options = {"ring": "modula", "timeout": 0.25, "key_prefix": prefix}
        mc = stage.client(addresses, **options)
        forgiving = stage.client(addresses, **options, on_unavailable="miss")
        good_name, bad_name = mc.servers[1 - place], mc.servers[place]
        here, there = keys_on(mc, 1 - place, 5), keys_on(mc, place, 5)
        missing = here.pop()
        keys = [key for pair in zip(here, there, strict=False) for key in pair] + [there[-1]]
        assert await do(mc.set_multi(dict.fromkeys(here, "v"))) == []
        had = dict.fromkeys(here, "v")

        async def partial(call, result, failed):
            with pytest.raises(PartialFailure) as caught:
                await do(call())
            error = caught.value
            assert error.result == result
            assert sorted(error.failed_keys) == sorted(failed)
            assert list(error.errors) == [bad_name]
            assert error.server == bad_name
            assert bad_name in str(error)
            return error.errors[bad_name]

        failure = await partial(lambda: mc.get_multi([*keys, missing]), had, there)
        stored = dict.fromkeys(keys, "new")
        if wrong == "faulty":
            assert isinstance(failure, ServerFault)
            with pytest.raises(PartialFailure):
                await do(forgiving.get_multi(keys))
            # That server has said of each key that it has not stored it.
            assert sorted(await do(mc.set_multi(stored))) == sorted(there)
        else:
            assert isinstance(failure, ServerUnavailable)
            if not wrong.endswith("silent"):
                assert await do(forgiving.get_multi([*keys, missing])) == had
            await partial(lambda: mc.set_multi(stored), [], there)
        assert await do(mc.get_multi(here)) == dict.fromkeys(here, "new")
        if not wrong.endswith("silent"):
            with pytest.raises(ServerFault if wrong == "faulty" else ServerUnavailable):
                await do(mc.get(there[0]))
            with pytest.raises(PartialFailure) as caught:
                await do(mc.version())
            assert list(caught.value.result) == [good_name]
            assert caught.value.failed_keys == []
            if wrong != "faulty":
                assert await do(forgiving.get(there[0], "default")) == "default"
                assert list(await do(forgiving.version())) == [good_name]
                assert list(await do(forgiving.stats())) == [good_name]
                await partial(lambda: forgiving.set_multi(stored), [], there)
                await partial(lambda: mc.delete_multi([*keys, missing]), False, there)
                assert await do(mc.get_multi(here)) == {}
                await do(mc.set_multi(dict.fromkeys(here, "v")))
                await partial(lambda: mc.delete_multi(keys), True, there)
                await partial(lambda: mc.flush_all(), True, [])
        # One by one, as ever.
        assert await do(mc.set(here[0], "v")) is True
        assert await do(mc.get(here[0])) == "v"
        await stage.rig.close(mc)
        await stage.rig.close(forgiving)


@scenario
async def test_servers_that_are_all_lost_are_all_in_the_error(stage):
    mc = stage.client([NOBODY, NOBODY_ELSE], ring="modula")
    with pytest.raises(PartialFailure) as caught:
        await do(mc.get_multi([*keys_on(mc, 0, 2), *keys_on(mc, 1, 2)]))
    error = caught.value
    assert sorted(error.errors) == sorted(mc.servers)
    assert all(type(each) is ConnectFailed for each in error.errors.values())
    assert (error.result, error.server, error.maybe_applied) == ({}, None, False)
    assert len(error.failed_keys) == 4


@scenario
async def test_a_failed_write_to_some_servers_says_whether_it_may_have_happened(stage):
    with ScriptedServer(polite_silence) as server:
        mc = stage.client([server.address, NOBODY], ring="modula", timeout=SOON)
        (here,), (there,) = keys_on(mc, 0), keys_on(mc, 1)
        with pytest.raises(PartialFailure) as caught:
            await do(mc.set_multi({here: 1, there: 2}))
        errors = caught.value.errors
        assert caught.value.maybe_applied
        assert errors[mc.servers[0]].maybe_applied
        assert not errors[mc.servers[1]].maybe_applied
        await stage.rig.close(mc)


# ----------------------------------------------------------------------- servers that come back


@scenario
async def test_a_server_that_was_lost_is_found_again(stage):
    """After any failure the client is good for the next call."""
    prompted = Prompted()
    get = EXCHANGES[0]
    answers = get.answers(stage.protocol)
    scripts = [*NO_MEMCACHED.values(), prompted]
    with ScriptedServer(*scripts) as server:
        mc = stage.client([server.address], timeout=20)
        for _ in NO_MEMCACHED:
            with pytest.raises(ConnectFailed):
                await do(mc.get("k"))
            forgive(mc)
        for _ in range(3):
            prompted.say(*answers)
            assert await do(mc.get("k")) == b"v"
        assert len(server.peers) == len(scripts)
        await stage.rig.close(mc)


@pytest.mark.memcached
@scenario
async def test_memcached_is_restarted_between_two_calls(stage):
    """Reads do not notice (but that all is gone); a write succeeds, or says that it may have."""
    with RealMemcached(unix=True) as server:
        mc = stage.client([server.address], timeout=20)
        for exchange in EXCHANGES:
            await do(mc.set("k", 5))
            await do(exchange.call(mc))
            server.restart()
            if exchange.is_read:
                assert not await do(exchange.call(mc))
            else:
                lost = None
                try:
                    await do(exchange.call(mc))
                except ConnectionLost as error:
                    lost = error
                assert lost is None or lost.maybe_applied
                await do(exchange.call(mc))
        await stage.rig.close(mc)


@pytest.mark.memcached
@scenario
async def test_memcached_is_stopped_and_started_again(stage):
    with RealMemcached(unix=True) as server:
        mc = stage.client([server.address], timeout=20)
        await do(mc.set("k", "v"))
        server.stop()
        for _ in range(2):
            with pytest.raises(ServerUnavailable):
                await do(mc.get("k"))
        server.start()
        assert await when_up(lambda: mc.get("k")) is None
        assert await do(mc.set("k", "w")) is True
        assert await do(mc.get("k")) == "w"
        await stage.rig.close(mc)


@scenario
async def test_replies_in_the_client_s_order_from_servers_that_answer_in_another(stage):
    go_on = threading.Event()

    def late(peer: Peer) -> None:
        peer.greet()
        request = peer.request()
        go_on.wait(20)
        peer.answer_hello(request)
        peer.swallow()

    def soon(peer: Peer) -> None:
        peer.greet()
        peer.answer_hello(peer.request())
        go_on.set()
        peer.swallow()

    with ScriptedServer(late) as one, ScriptedServer(soon) as two:
        mc = stage.client([one.address, two.address], timeout=20)
        assert list(await do(mc.version())) == list(mc.servers)
        await stage.rig.close(mc)
