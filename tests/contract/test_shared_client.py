"""Many tasks on one client: nobody gets what is another's, whoever is cancelled, late or lost.

Every value is its own key.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
from collections import Counter
from random import Random

import pytest
import trio
import uvloop

from mcclient import (
    AsyncClient,
    ClientClosed,
    ConnectFailed,
    ConnectionLost,
    MemcacheError,
    OperationTimeout,
    ServerDown,
)
from mcclient.testing import Gone, Peer, ScriptedServer
from mcclient.testing.scripts import always, closing
from mcproto import admin
from mcproto.transports._multiplexer import MOST_ABANDONED
from mcproto.transports.asyncio import AsyncioBackend
from tests.certificates import AUTHORITY
from tests.contract.nobody import NOBODY
from tests.contract.rigs import (
    ASYNCIO_SHARED,
    SHARED_RIGS,
    TURNS_RIGS,
    TrioRig,
    forgive,
    on,
    scenario,
)
from tests.contract.test_cancellation import (
    CALLS,
    KEYS,
    MAPPING,
    cold,
    is_right,
    master_on,
    sweep,
    warm,
)
from tests.contract.test_chaos import Chaos
from tests.contract.test_wrong_answers import own_answer

pytestmark = pytest.mark.memcached

RIGS = [*SHARED_RIGS, *TURNS_RIGS]


def own_answers(peer: Peer) -> None:
    """Every value is its own key."""
    peer.greet()
    while True:
        peer.send(own_answer(peer.request()))


async def turns(rig, count: int) -> None:
    """Let the others have so many turns."""
    for _ in range(count):
        await (trio.lowlevel.checkpoint() if isinstance(rig, TrioRig) else asyncio.sleep(0))


async def struck_after(rig, wait, call):
    """What *call* gives; None if it is not done when *wait* is, since then it is cancelled."""
    if isinstance(rig, TrioRig):
        result = failure = None

        async def strike() -> None:
            await wait()
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(strike)
            try:
                result = await call()
            except MemcacheError as error:
                failure = error
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return result
    task = asyncio.ensure_future(call())
    await wait()
    task.cancel()
    try:
        return await task
    except asyncio.CancelledError:
        return None


# -------------------------------------------------------------------------------- cancellation


@on(RIGS)
@pytest.mark.parametrize("prepare", [cold, warm], ids=lambda function: function.__name__)
@pytest.mark.parametrize("place", [0, 2, 4])
@scenario
async def test_a_cancel_at_any_suspension_costs_the_other_tasks_nothing(
    rig, prepare, place, request
):
    """The one that is struck is the first to begin, or in the middle, or the last."""
    master = await master_on(rig, request, 2, "meta")
    points = 0
    for name in "get", "get_large", "set", "set_large", "incr", "get_multi", "set_multi":

        async def attempt(cancel, name=name):
            async with master.clone() as mc:
                await prepare(mc)

                async def other() -> None:
                    for key in KEYS:
                        assert await mc.get(key) == key
                    assert await mc.get_multi(KEYS) == MAPPING

                async def victim() -> None:
                    await cancel(lambda: CALLS[name](mc))

                stories = [other] * 4
                stories.insert(place, victim)
                assert await rig.together(*stories) == [None] * 5, (name, cancel)
                assert await is_right(mc), (name, cancel)

        points += await sweep(rig, attempt)
    print(f"{points} points")


@on(RIGS)
@pytest.mark.parametrize("seed", range(3))
@scenario
async def test_a_crowd_that_is_cancelled_at_random_gets_right_answers_or_none(
    rig, seed, real_memcached
):
    random = Random(seed)
    keys = [f"crowd{n}" for n in range(40)]
    mc = rig.client([real_memcached.address], timeout=20)
    await mc.set_multi({key: key for key in keys})
    outcomes: Counter[str] = Counter()

    async def one() -> None:
        for _ in range(25):
            key, some = random.choice(keys), random.sample(keys, 5)
            match random.randrange(5):
                case 0:
                    call, right = lambda: mc.set(key, key), True  # noqa: B023
                case 1:
                    call, right = lambda: mc.get_multi(some), {key: key for key in some}  # noqa: B023
                case 2:
                    call, right = lambda: mc.touch(key, 0), True  # noqa: B023
                case _:
                    call, right = lambda: mc.get(key), key  # noqa: B023
            if random.randrange(3):
                result = await call()
                assert result == right
            else:
                count = random.randrange(4)
                result = await struck_after(rig, lambda: turns(rig, count), call)  # noqa: B023
                assert result in (None, right)
            outcomes["cancelled" if result is None else "fine"] += 1

    assert await rig.together(*[one] * 64) == [None] * 64
    assert await mc.get_multi(keys) == {key: key for key in keys}
    await mc.aclose()
    print(dict(outcomes))
    assert outcomes["cancelled"], "or nothing has been shown"


@on(RIGS)
@scenario
async def test_over_tls_it_is_the_same(rig):
    random = Random(0)
    keys = [f"key{n}" for n in range(40)]
    with ScriptedServer(own_answers, tls=AUTHORITY.server()) as server:
        address = f"memcaches://127.0.0.1:{server.place[1]}"
        mc = rig.client(address, ssl_context=AUTHORITY.client(), timeout=20)

        async def one() -> None:
            for _ in range(10):
                key, count = random.choice(keys), random.randrange(6)
                assert await mc.get(key) == key.encode()
                strike = lambda: turns(rig, count)  # noqa: B023, E731
                got = await struck_after(rig, strike, lambda: mc.get(key))  # noqa: B023
                assert got in (None, key.encode())
                assert await mc.get_multi(keys) == {key: key.encode() for key in keys}

        assert await rig.together(*[one] * 16) == [None] * 16
        await mc.aclose()


@pytest.mark.slow
@on(RIGS)
@pytest.mark.parametrize("seed", range(3))
@scenario
async def test_a_crowd_at_servers_that_do_all_that_is_wrong_gets_no_value_of_another_s(rig, seed):
    random = Random(seed)
    keys = [f"key{number}" for number in range(30)]
    outcomes: Counter[str] = Counter()
    with ScriptedServer(Chaos(seed)) as one, ScriptedServer(Chaos(-seed - 1)) as two:
        mc = rig.client([one.address, two.address], ring="modula", timeout=0.2)

        async def caller() -> None:
            for _ in range(60):
                key, some = random.choice(keys), random.sample(keys, 5)
                try:
                    match random.randrange(4):
                        case 0:
                            assert await mc.set(key, key) is True
                        case 1:
                            found = await mc.get_multi(some)
                            assert all(found[key] == key.encode() for key in found)
                        case 2:
                            strike = lambda: turns(rig, 3)  # noqa: E731
                            got = await struck_after(rig, strike, lambda: mc.get(key))  # noqa: B023
                            assert got in (None, key.encode())
                        case _:
                            assert await mc.get(key) in (None, key.encode())
                    outcomes["fine"] += 1
                except MemcacheError as error:
                    outcomes[type(error).__name__] += 1

        assert await rig.together(*[caller] * 16) == [None] * 16
        await mc.aclose()
    print(dict(outcomes))
    assert outcomes["fine"] > 100


@pytest.mark.parametrize("multiplexed", [True, False])
def test_on_uvloop_it_is_the_same(multiplexed, real_memcached, monkeypatch):
    # So that every idle connection is looked at.
    monkeypatch.setattr("mcclient._link.STALE_AFTER", 0)
    monkeypatch.setattr("mcproto.transports._asyncio_shared.STALE_AFTER", 0)
    keys = [f"uv{n}" for n in range(40)]

    async def story() -> None:
        master = AsyncClient(
            real_memcached.address, backend=AsyncioBackend(multiplexed=multiplexed), timeout=20
        )
        mcs = [master] * 16 if multiplexed else [master.clone() for _ in range(16)]

        async def one(mc: AsyncClient, random: Random) -> None:
            for key in random.sample(keys, 10):
                assert await mc.set(key, key)
                assert await mc.get(key) == key
                count = random.randrange(6)
                strike = lambda: turns(ASYNCIO_SHARED, count)  # noqa: B023, E731
                got = await struck_after(ASYNCIO_SHARED, strike, lambda: mc.get(key))  # noqa: B023
                assert got in (None, key)
            assert (await mc.get_multi(keys)).keys() <= set(keys)

        await asyncio.gather(*[one(mc, Random(n)) for n, mc in enumerate(mcs)])
        for mc in {master, *mcs}:
            await mc.aclose()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story())


# ------------------------------------------------------------------------------------- opening


@on(RIGS)
@scenario
async def test_one_task_connects_for_all(rig):
    with ScriptedServer(own_answers) as server:
        mc = rig.client([server.address], timeout=20)
        stories = [lambda n=n: mc.get(f"key{n}") for n in range(50)]
        assert await rig.together(*stories) == [b"key%d" % n for n in range(50)]
        assert len(server.peers) == 1
        await mc.aclose()


@on(RIGS)
@scenario
async def test_if_the_one_who_connects_is_cancelled_another_one_goes_on(rig):
    asked, go_on = threading.Event(), threading.Event()

    def slow(peer: Peer) -> None:
        request = peer.request()
        asked.set()
        go_on.wait(20)
        peer.answer_hello(request)
        while True:
            peer.send(own_answer(peer.request()))

    with ScriptedServer(slow, own_answers) as server:
        mc = rig.client([server.address], timeout=20, connect_timeout=20)

        others_wait = threading.Event()

        async def first():
            return await struck_after(rig, lambda: rig.reach(others_wait), lambda: mc.get("key"))

        async def others():
            await rig.reach(asked)
            stories = [lambda n=n: mc.get(f"key{n}") for n in range(10)]

            async def go_on_without():
                await turns(rig, 3)
                others_wait.set()

            return await rig.together(*stories, go_on_without)

        outcomes = await rig.together(first, others)
        go_on.set()
        assert outcomes == [None, [*[b"key%d" % n for n in range(10)], None]]
        assert len(server.peers) == 2
        await mc.aclose()


@on(RIGS)
@scenario
async def test_where_nobody_listens_all_who_wait_are_told_so(rig):
    mc = rig.client([NOBODY], timeout=20)
    outcomes = await rig.together(*[lambda: mc.get("k")] * 20)
    assert [type(outcome) for outcome in outcomes] == [ConnectFailed] * 20
    assert len({id(outcome) for outcome in outcomes}) == 20
    assert len({str(outcome) for outcome in outcomes}) == 1
    await mc.aclose()


@on(RIGS)
@scenario
async def test_a_server_that_closes_at_once_is_asked_once_for_all(rig):
    with ScriptedServer(closing) as server:
        mc = rig.client([server.address], timeout=20)
        outcomes = await rig.together(*[lambda: mc.get("k")] * 20)
        assert [type(outcome) for outcome in outcomes] == [ConnectFailed] * 20
        assert len(server.peers) == 1
        await mc.aclose()


@on(RIGS)
@scenario
async def test_a_server_that_greets_and_closes_is_a_lost_connection(rig):
    """Whether the end comes with the greeting, or a moment later."""

    def brief(peer: Peer) -> None:
        peer.greet()
        peer.finish()
        peer.swallow()

    with ScriptedServer(brief) as server:
        mc = rig.client([server.address], timeout=20)
        for _ in range(10):
            forgive(mc)
            outcomes = await rig.together(*[lambda: mc.get("k")] * 3)
            assert {type(outcome) for outcome in outcomes} <= {ConnectionLost, ConnectFailed}
        await mc.aclose()


# ---------------------------------------------------------------------------------- what is lost


@on(SHARED_RIGS)
@scenario
async def test_what_was_under_way_when_a_connection_died_is_read_again_but_not_written(rig):
    def dying(peer: Peer) -> None:
        peer.greet()
        peer.send(own_answer(peer.request()))
        for _ in range(6):
            peer.request()
        peer.reset()

    with ScriptedServer(dying, own_answers) as server:
        mc = rig.client([server.address], timeout=20)
        assert await mc.get("key") == b"key"
        reads = [lambda n=n: mc.get(f"key{n}") for n in range(4)]
        writes = [lambda: mc.delete("k"), lambda: mc.set("k", b"v")]
        outcomes = await rig.together(*reads, *writes)
        assert outcomes[:4] == [b"key%d" % n for n in range(4)]
        for outcome in outcomes[4:]:
            assert isinstance(outcome, ConnectionLost)
            assert outcome.maybe_applied
        assert len(server.peers) == 2
        await mc.aclose()


@on(SHARED_RIGS)
@scenario
async def test_behind_a_reply_that_does_not_come_nobody_is_queued_up_for_long(rig):
    """Once a deadline has passed, who comes then gets a fresh connection."""

    def falling_silent(peer: Peer) -> None:
        peer.greet()
        peer.send(own_answer(peer.request()))
        peer.swallow()

    with ScriptedServer(falling_silent, own_answers) as server:
        mc = rig.client([server.address], timeout=0.2)
        assert await mc.get("key") == b"key"
        outcomes = await rig.together(lambda: mc.get("a"), lambda: mc.set("b", b"b"))
        assert [type(outcome) for outcome in outcomes] == [OperationTimeout] * 2
        assert [outcome.maybe_applied for outcome in outcomes] == [False, True]
        assert await mc.get("key") == b"key"
        assert len(server.peers) == 2
        await mc.aclose()


@on(TURNS_RIGS)
@scenario
async def test_half_a_request_is_the_end_of_a_connection(rig):
    """By turns, nobody knows how much of it has gone out."""

    def slow(peer: Peer) -> None:
        peer.greet()
        peer.send(own_answer(peer.request()))
        peer.hold()

    with ScriptedServer(slow, own_answers) as server:
        mc = rig.client([server.address], timeout=20)
        assert await mc.get("key") == b"key"
        large = bytes(16 << 20)
        wait = lambda: turns(rig, 20)  # noqa: E731
        assert await struck_after(rig, wait, lambda: mc.set("k", large)) is None
        assert await mc.get("key") == b"key"
        assert len(server.peers) == 2
        await mc.aclose()


@on(RIGS)
@scenario
async def test_who_is_out_of_time_is_told_so_and_the_next_one_connects_anew(rig):
    def falling_silent(peer: Peer) -> None:
        peer.greet()
        peer.send(own_answer(peer.request()))
        peer.swallow()

    with ScriptedServer(falling_silent, own_answers) as server:
        mc = rig.client([server.address], timeout=0.2)
        assert await mc.get("key") == b"key"
        outcomes = await rig.together(*[lambda: mc.get("key")] * 3)
        assert [type(outcome) for outcome in outcomes] == [OperationTimeout] * 3
        assert await mc.get("key") == b"key"
        assert len(server.peers) == 2
        await mc.aclose()


@on(RIGS)
@scenario
async def test_behind_many_who_have_gone_away_nobody_is_queued_up(rig):
    """So many replies are owed to nobody that the connection is given up."""

    def falling_silent(peer: Peer) -> None:
        peer.greet()
        peer.send(own_answer(peer.request()))
        peer.swallow()

    with ScriptedServer(falling_silent, own_answers) as server:
        mc = rig.client([server.address], timeout=20)
        assert await mc.get("key") == b"key"
        for _ in range(MOST_ABANDONED + 1):
            assert len(server.peers) == 1
            call = lambda: mc.get("key")  # noqa: E731
            assert await struck_after(rig, lambda: turns(rig, 3), call) is None
        assert await mc.get("key") == b"key"
        assert len(server.peers) == 2
        await mc.aclose()


@on(RIGS)
@scenario
async def test_who_is_late_is_late_alone(rig):
    """A reply comes after its caller has gone: the next caller does not get it."""
    asked, given_up, go_on = threading.Event(), threading.Event(), threading.Event()

    def slow(peer: Peer) -> None:
        peer.greet()
        first = peer.request()
        asked.set()
        go_on.wait(20)
        peer.send(own_answer(first))
        while True:
            peer.send(own_answer(peer.request()))

    with ScriptedServer(slow) as server:
        mc = rig.client([server.address], timeout=20)

        async def late():
            wait = lambda: rig.reach(asked)  # noqa: E731
            assert await struck_after(rig, wait, lambda: mc.get("keylate")) is None
            given_up.set()

        async def next_one():
            await rig.reach(given_up)
            go_on.set()
            return await mc.get("key")

        assert await rig.together(late, next_one) == [None, b"key"]
        assert await mc.get("keylate") == b"keylate"
        assert len(server.peers) == 1
        await mc.aclose()


@on(SHARED_RIGS)
@scenario
async def test_closing_ends_all_calls_at_once(rig):
    asked = threading.Semaphore(0)

    def silent(peer: Peer) -> None:
        peer.greet()
        while True:
            peer.request()
            asked.release()

    with ScriptedServer(silent) as server:
        mc = rig.client([server.address], timeout=None)

        async def close():
            for _ in range(8):
                await rig.reach(asked)
            await mc.aclose()

        outcomes = await rig.together(*[lambda: mc.get("k")] * 8, close)
        assert [type(outcome) for outcome in outcomes] == [ClientClosed] * 8 + [type(None)]
        with pytest.raises(ClientClosed):
            await mc.get("k")


@on(RIGS)
@scenario
async def test_a_client_that_is_dropped_closes_its_connections(rig):
    gone = threading.Event()

    def watching(peer: Peer) -> None:
        try:
            own_answers(peer)
        except Gone:
            gone.set()

    with ScriptedServer(watching) as server:
        mc = rig.client([server.address])
        assert await mc.get("key") == b"key"
        del mc
        gc.collect()
        await rig.reach(gone)


# ---------------------------------------------------------------------------------- what is shared


@on(RIGS)
@scenario
async def test_a_long_list_of_keys_lets_others_in_between(rig):
    lines: list[bytes] = []

    def listening(peer: Peer) -> None:
        peer.greet()
        while True:
            request = peer.request()
            lines.append(request.line)
            peer.send(own_answer(request))

    keys = [f"key{n}" for n in range(1000)]
    with ScriptedServer(listening) as server:
        mc = rig.client([server.address], timeout=20)
        await mc.get("keyfirst")
        found, one = await rig.together(lambda: mc.get_multi(keys), lambda: mc.get("keysmall"))
        assert found == {key: key.encode() for key in keys}
        assert one == b"keysmall"
        gets = [line for line in lines if line.startswith(b"get ")]
        assert len(gets) == 10
        place = next(n for n, line in enumerate(lines) if b"small" in line)
        assert place <= 3, "behind two windows at most, and the first get"
        assert len(server.peers) == 1
        await mc.aclose()


@on(RIGS)
@scenario
async def test_a_command_that_cannot_share_has_a_connection_of_its_own(rig, real_memcached):
    real_memcached.flush()  # other tests leave more than a dump may have
    mc = rig.client([real_memcached.address], timeout=20)
    assert await mc.set("k", "v")
    gets = [lambda: mc.get("k")] * 5
    before = await connections(mc)
    outcomes = await rig.together(*gets, lambda: mc.execute(admin.Metadump("all")), *gets)
    assert outcomes[:5] == outcomes[6:] == ["v"] * 5
    assert isinstance(outcomes[5], tuple)
    assert await connections(mc) == before + 1
    await mc.aclose()


async def connections(mc) -> int:
    """How many there have been."""
    (stats,) = (await mc.stats()).values()
    return int(stats["total_connections"])


@on(RIGS)
@scenario
async def test_an_error_line_is_for_one_caller_alone(rig, real_memcached):
    mc = rig.client([real_memcached.address], timeout=20)
    await mc.set("word", "x")
    await mc.set("k", "v")
    gets = [lambda: mc.get("k")] * 5
    outcomes = await rig.together(*gets, lambda: mc.incr("word"), *gets)
    assert outcomes[:5] == outcomes[6:] == ["v"] * 5
    assert type(outcomes[5]).__name__ == "BadCommand"
    await mc.aclose()


@on(RIGS)
@scenario
async def test_requests_and_replies_longer_than_all_buffers_together(rig, real_memcached):
    """The server does not read on before it is heard, and nobody waits for another."""
    mc = rig.client([real_memcached.address], timeout=20)
    values = {f"large{n}": b"%d" % n * 300_000 for n in range(10)}

    async def store_and_read(key):
        assert await mc.set(key, values[key])
        return await mc.get(key) == values[key]

    stories = [lambda key=key: store_and_read(key) for key in values]
    assert await rig.together(*stories, *stories) == [True] * 20
    assert await mc.get_multi(values) == values
    await mc.aclose()


@on(RIGS)
@scenario
async def test_a_request_that_no_buffer_holds_goes_on_when_the_server_reads(rig):
    """Others come behind it, and one that is in its way is cancelled."""
    large = bytes(16 << 20)

    def slow(peer: Peer) -> None:
        peer.greet()
        peer.send(own_answer(peer.request()))
        go_on.wait(20)
        peer.send(peer.request().fill(b"HD O<O>\r\n"))
        while True:
            peer.send(own_answer(peer.request()))

    go_on = threading.Event()
    with ScriptedServer(slow) as server:
        mc = rig.client([server.address], timeout=20)
        assert await mc.get("key") == b"key"

        async def behind() -> object:
            await turns(rig, 5)
            return await mc.get("key1")

        async def given_up() -> None:
            await turns(rig, 3)
            strike = lambda: turns(rig, 3)  # noqa: E731
            assert await struck_after(rig, strike, lambda: mc.get("key2")) is None
            go_on.set()

        stories = [lambda: mc.set("k", large), behind, given_up]
        assert await rig.together(*stories) == [True, b"key1", None]
        assert len(server.peers) == 1
        await mc.aclose()


@on(SHARED_RIGS)
@scenario
async def test_a_long_request_goes_out_while_another_reply_is_waited_for(rig):
    large = bytes(1_000_000)  # a longer one would not go before there is that reply
    asked = threading.Event()

    def slow(peer: Peer) -> None:
        peer.greet()
        first = peer.request()
        asked.set()
        second = peer.request()
        peer.send(own_answer(first) + second.fill(b"HD O<O>\r\n"))
        peer.swallow()

    with ScriptedServer(slow) as server:
        mc = rig.client([server.address], timeout=20)

        async def store() -> object:
            await rig.reach(asked)
            # The system's own is longer than what may be under way.
            inner = mc._shared.links[0]._inner
            if isinstance(rig, TrioRig):
                sock = inner._socket
            else:
                sock = inner._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            return await mc.set("k", large)

        assert await rig.together(lambda: mc.get("key"), store) == [b"key", True]
        await mc.aclose()


@on(RIGS)
@scenario
async def test_a_refused_reply_in_the_crowd_is_a_miss_for_nobody(rig):
    """A reply with another request's token ends the connection for all who wait."""
    with ScriptedServer(always(b"VA 1 f0 O<O>x\r\nv\r\n")) as server:
        mc = rig.client([server.address], timeout=20)
        outcomes = await rig.together(*[lambda: mc.get("k")] * 5)
        # (After the third one the server is down.)
        kinds = [type(outcome) for outcome in outcomes]
        assert kinds.count(ConnectionLost) >= 3
        assert set(kinds) <= {ConnectionLost, ServerDown}
        await mc.aclose()
