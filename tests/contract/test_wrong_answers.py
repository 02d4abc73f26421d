"""Errors, fragments, lies and strangers' replies: typed errors, and never somebody else's value."""

from __future__ import annotations

import threading

import pytest

from mcclient import (
    BadCommand,
    CommandUnknown,
    ConnectionLost,
    OutOfMemory,
    ServerFault,
    ValueTooLarge,
)
from mcclient.testing import Peer, ScriptedServer
from mcclient.testing.scripts import Prompted, replies, then_close
from mcproto import LimitExceeded, RemoteProtocolError
from tests.contract.exchanges import EXCHANGES, HD, QUIET, READS, STORED, VA, WRITES
from tests.contract.rigs import do, scenario

ERROR_LINES = {
    b"ERROR": CommandUnknown,
    b"ERROR no such thing": CommandUnknown,
    b"CLIENT_ERROR": BadCommand,
    b"CLIENT_ERROR bad command line format": BadCommand,
    b"CLIENT_ERROR bad data chunk": BadCommand,
    b"CLIENT_ERROR bad token in command line format": BadCommand,
    b"CLIENT_ERROR cannot increment or decrement non-numeric value": BadCommand,
    b"CLIENT_ERROR duplicate flag": BadCommand,
    b"CLIENT_ERROR error decoding key": BadCommand,
    b"CLIENT_ERROR flush_all not allowed": BadCommand,
    b"CLIENT_ERROR invalid delta argument": BadCommand,
    b"CLIENT_ERROR invalid exptime argument": BadCommand,
    b"CLIENT_ERROR invalid flag": BadCommand,
    b"CLIENT_ERROR line too long": BadCommand,
    b"CLIENT_ERROR options flags are too long": BadCommand,
    b"CLIENT_ERROR parsing request": BadCommand,
    b"CLIENT_ERROR unauthenticated": BadCommand,
    b"SERVER_ERROR": ServerFault,
    b"SERVER_ERROR: with a colon": ServerFault,
    b"SERVER_ERROR backend failure": ServerFault,
    b"SERVER_ERROR not stored": ServerFault,
    b"SERVER_ERROR object too large for cache": ValueTooLarge,
    b"SERVER_ERROR out of memory": OutOfMemory,
    b"SERVER_ERROR out of memory reading request": OutOfMemory,
    b"SERVER_ERROR out of memory storing object": OutOfMemory,
    b"SERVER_ERROR Out of memory during read": OutOfMemory,
    b"SERVER_ERROR temporary failure": ServerFault,
    b"SERVER_ERROR \xff\x00 not text": ServerFault,
}


@scenario
async def test_an_error_line_is_a_typed_error_and_the_connection_is_kept(stage):
    prompted = Prompted()
    with ScriptedServer(prompted) as server:
        mc = stage.client([server.address], timeout=20, on_unavailable="miss")
        for exchange in EXCHANGES:
            for line, kind in ERROR_LINES.items():
                answers = exchange.answers(stage.protocol)
                barrier = answers[1:]
                prompted.say(line + b"\r\n", *barrier)
                if exchange.name == "set_multi":
                    # It says which keys, and goes on. Of a single one there is no doubt.
                    assert await do(exchange.call(mc)) == ["k"]
                else:
                    with pytest.raises(kind) as caught:
                        await do(exchange.call(mc))
                    error = caught.value
                    assert type(error) is kind
                    assert error.server == server.address
                    assert exchange.key in (None, error.key)
                    assert error.reply.kind == line.split()[0].rstrip(b":").decode()
                    assert server.address in str(error)
                prompted.say(*answers)
                assert await do(exchange.call(mc)) == exchange.result
        assert len(server.peers) == 1


@scenario
async def test_replies_that_come_byte_by_byte_are_read_all_the_same(stage):
    class Slowly(Prompted):
        def __call__(self, peer: Peer) -> None:
            send = peer.send
            peer.send = lambda data: [send(data[n : n + 1]) for n in range(len(data))]
            super().__call__(peer)

    prompted = Slowly()
    with ScriptedServer(prompted) as server:
        mc = stage.client([server.address], timeout=20)
        for exchange in EXCHANGES * 3:
            prompted.say(*exchange.answers(stage.protocol))
            assert await do(exchange.call(mc)) == exchange.result
        assert len(server.peers) == 1


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
@scenario
async def test_a_reply_cut_anywhere_is_never_an_answer(stage, warm):
    cut_off = b""

    def cutting(peer: Peer) -> None:
        peer.greet()
        if warm and not heard:
            peer.send(peer.request().fill(first))
        for answer in rest:
            peer.request()
            peer.send(answer)
        peer.send(peer.request().fill(cut_off))
        heard.append(True)

    first = VA[0] if stage.protocol == "meta" else b"VALUE k 0 1\r\nv\r\nEND\r\n"
    for exchange in EXCHANGES:
        *rest, last = exchange.answers(stage.protocol)
        for cut in range(len(last)):
            heard: list[bool] = []
            cut_off = last[:cut]
            with ScriptedServer(cutting) as server:
                mc = stage.client([server.address], timeout=20)
                if warm:
                    assert await do(mc.get("k")) == b"v"
                with pytest.raises(ConnectionLost) as caught:
                    await do(exchange.call(mc))
                assert caught.value.maybe_applied is not exchange.is_read
                assert caught.value.server == server.address
                await stage.rig.close(mc)
            # Asked again: reads, on a connection that had been idle, if nothing had been heard.
            again = warm and exchange.is_read and cut == 0
            assert len(server.peers) == (2 if again else 1), (exchange, cut)


# What a server must not say: to which operation, and which of our errors is behind it.

NUMBERS = [b"-1", b"+1", b"1_0", b"0x1", b"", b"1.0", b"1" * 21, b"18446744073709551616"]

WRONG_TO_META_GET = [
    b"VA 1 f0 Owrong\r\nv\r\n",
    b"VA 1 f0 O\r\nv\r\n",
    b"VA 1 f0\r\nv\r\n",
    b"VA 1 O<O>\r\nv\r\n",
    b"VA 1 f0 c1 O<O>\r\nv\r\n",
    b"VA 1 f0 kother O<O>\r\nv\r\n",
    b"HD f0 O<O>\r\n",
    b"HD O<O>\r\n",
    b"EN\r\n",
    b"EN Owrong\r\n",
    b"NF O<O>\r\n",
    b"NS O<O>\r\n",
    b"EX O<O>\r\n",
    b"MN\r\n",
    b"ME k exp=-1\r\n",
    b"OK\r\n",
    b"STORED\r\n",
    b"END\r\n",
    b"5\r\n",
    b"VALUE k 0 1\r\nv\r\nEND\r\n",
    b"VERSION 1.6.45\r\n",
    b"VA 1 f0 O<O>\r\nvv\r\n",
    b"VA 1 f0 O<O>\r\nv\n\r\n",
    b"VA 1 f0 O<O>\nv\r\n",
    b"VA\r\nv\r\n",
    b"\r\n",
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"\x16\x03\x01\x00\x05hello\r\n",
    b"\x81\x00" + bytes(22) + b"\r\n",
    *[b"VA %b f0 O<O>\r\nv\r\n" % number for number in NUMBERS],
    *[b"VA 1 f%b O<O>\r\nv\r\n" % number for number in (*NUMBERS, b"4294967296")],
]

WRONG_TO_CLASSIC_GET = [
    b"VALUE other 0 1\r\nv\r\nEND\r\n",
    b"VALUE k 0 1\r\nv\r\nVALUE k 0 1\r\nw\r\nEND\r\n",
    b"VALUE k 0 1 7\r\nv\r\nEND\r\n",
    b"VALUE k 0\r\nv\r\nEND\r\n",
    b"VALUE k 0 1\r\nv\r\nSTORED\r\n",
    b"VALUE k 0 1\r\nv\r\nERROR\r\n",
    b"VALUE k 0 1\r\nvv\r\nEND\r\n",
    b"VALUE k 0 1\nv\r\nEND\r\n",
    b"VALUE  k 0 1\r\nv\r\nEND\r\n",
    b"STORED\r\n",
    b"VA 1 f0\r\nv\r\n",
    b"EN\r\n",
    b"OK\r\n",
    b"STAT a b\r\nEND\r\n",
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    *[b"VALUE k 0 %b\r\nv\r\nEND\r\n" % number for number in NUMBERS],
    *[b"VALUE k %b 1\r\nv\r\nEND\r\n" % number for number in (*NUMBERS, b"4294967296")],
]

TOO_MUCH = [b"x" * 10_000, b"VA 1 f0 O" + b"x" * 10_000]
CLAIMS = [b"67108865", b"2147483648", b"1099511627776", b"18446744073709551615"]


def wrong_answers(protocol):
    """(exchange, answer)"""
    by_name = {exchange.name: exchange for exchange in EXCHANGES}
    to_get = WRONG_TO_META_GET if protocol == "meta" else WRONG_TO_CLASSIC_GET
    for name in "get", "gat":
        yield from ((by_name[name], answer) for answer in to_get)
    yield from ((by_name["get_multi"], answer) for answer in WRONG_TO_CLASSIC_GET)
    # A reply of another form answers another question.
    for exchange in EXCHANGES:
        for other in EXCHANGES:
            (answer, *_), (theirs, *_) = exchange.answers(protocol), other.answers(protocol)
            if answer and theirs and answer != theirs:
                yield exchange, theirs
    numbers = [b"abc", b"5 5", b"5x", b" 5", *NUMBERS]
    for name in "incr", "decr", "incr_initial":
        for number in numbers:
            answer = b"VA %d O<O>\r\n%b\r\n" % (len(number), number)
            yield by_name[name], answer if protocol == "meta" else number + b"\r\n"
    for exchange in EXCHANGES:
        if exchange.answers(protocol) == HD:
            for code in b"NE", b"HD k", b"ME", b"MN", b"HD c1":
                yield exchange, code + b" O<O>\r\n"
            yield from ((exchange, answer) for answer in (b"HD\r\n", b"HD Owrong\r\n"))
            yield exchange, b"VA 1 O<O>\r\nv\r\n"
        if exchange.answers(protocol) == QUIET:
            for answer in b"HD kk\r\n", b"NS kother\r\n", b"NF\r\n", b"EN kk\r\n", b"STORED\r\n":
                yield exchange, answer
        if exchange.answers(protocol) == STORED:
            for answer in b"stored\r\n", b"STORED \r\n", b"OK\r\n", b"HD\r\n", b"STORED\n":
                yield exchange, answer


@scenario
async def test_what_does_not_answer_the_question_is_never_an_answer(stage):
    cases = list(wrong_answers(stage.protocol))
    scripts = []
    for exchange, wrong in cases:
        right, *more = exchange.answers(stage.protocol)
        scripts += [replies(wrong, *more), replies(right, *more)]
    with ScriptedServer(*scripts) as server:
        mc = stage.client([server.address], timeout=20)
        for exchange, wrong in cases:
            with pytest.raises(ConnectionLost) as caught:
                print(exchange, wrong, await do(exchange.call(mc)))
            error = caught.value
            assert isinstance(error.__cause__, RemoteProtocolError), (exchange, wrong)
            assert error.maybe_applied is not exchange.is_read
            assert (error.server, error.key) == (server.address, exchange.key)
            assert await do(exchange.call(mc)) == exchange.result
            # The next one on a connection of its own, where nothing is asked again.
            await stage.rig.close(mc)
            mc = mc.clone()
            stage.adopt(mc)
        assert len(server.peers) == 2 * len(cases)
    print(len(cases), "wrong answers")


@scenario
async def test_what_is_too_much_is_refused_before_it_has_come(stage):
    prompted = Prompted()
    with ScriptedServer(prompted) as server:
        mc = stage.client([server.address], timeout=20)
        get = EXCHANGES[0]
        if stage.protocol == "meta":
            answers = [*TOO_MUCH, *[b"VA %b f0 O<O>\r\nonly this" % claim for claim in CLAIMS]]
        else:
            answers = [*TOO_MUCH, *[b"VALUE k 0 %b\r\nonly this" % claim for claim in CLAIMS]]
        for answer in answers:
            prompted.say(answer)
            with pytest.raises(ConnectionLost) as caught:
                await do(mc.get("k"))
            assert isinstance(caught.value.__cause__, LimitExceeded)
            prompted.say(*get.answers(stage.protocol))
            assert await do(get.call(mc)) == get.result
            await stage.rig.close(mc)
            mc = mc.clone()
            stage.adopt(mc)


# ------------------------------------------------------------------------------- out of step


def own_value(peer: Peer) -> None:
    """Answers every get with its key: so that a stranger's value shows."""
    peer.greet()
    while True:
        peer.send(own_answer(peer.request()))


def own_answer(request) -> bytes:
    keys = [word for word in request.words[1:] if word.startswith(b"key")]
    if request.words[0] == b"mg":
        return request.fill(b"VA %d f0 O<O>\r\n%b\r\n" % (len(keys[0]), keys[0]))
    values = [b"VALUE %b 0 %d\r\n%b\r\n" % (key, len(key), key) for key in keys]
    return b"".join(values) + b"END\r\n"


READINGS = [
    lambda mc, key: mc.get(key),
    lambda mc, key: mc.get_multi([key, "keys"]),
]


async def right(read, mc, key) -> bool:
    value = await do(read(mc, key))
    expected = key.encode()
    return value in (expected, {key: expected, "keys": b"keys"})


@pytest.mark.parametrize("read", READINGS, ids=["get", "get_multi"])
@scenario
async def test_a_reply_too_many_is_not_taken_for_the_next_one(stage, read):
    """It comes with the right one, or just after it."""

    def twice(peer: Peer) -> None:
        peer.greet()
        reply = own_answer(peer.request())
        peer.send(reply + reply)
        own_value_after_hello(peer)

    def late(peer: Peer) -> None:
        peer.greet()
        reply = own_answer(peer.request())
        peer.send(reply)
        asked.wait(20)
        peer.send(reply)
        sent.set()
        own_value_after_hello(peer)

    def own_value_after_hello(peer: Peer) -> None:
        while True:
            peer.send(own_answer(peer.request()))

    for script in twice, late:
        asked, sent = threading.Event(), threading.Event()
        with ScriptedServer(script, own_value) as server:
            mc = stage.client([server.address], timeout=20)
            assert await right(read, mc, "key0")
            asked.set()
            assert script is twice or sent.wait(20)
            for number in range(1, 4):
                assert await right(read, mc, f"key{number}")
            assert len(server.peers) == 2
            await stage.rig.close(mc)


@pytest.mark.parametrize("read", READINGS, ids=["get", "get_multi"])
@scenario
async def test_a_reply_that_never_came_is_not_taken_for_the_next_one(stage, read):
    def forgetful(peer: Peer) -> None:
        peer.greet()
        peer.send(own_answer(peer.request()))
        forgotten = peer.request()
        with_it = own_answer(forgotten)
        asked.wait(20)
        peer.send(with_it)
        peer.swallow()

    asked = threading.Event()
    with ScriptedServer(forgetful, own_value) as server:
        mc = stage.client([server.address], timeout=0.1)
        assert await right(read, mc, "key0")
        with pytest.raises(TimeoutError):
            await do(read(mc, "key1"))
        asked.set()
        for number in range(2, 5):
            assert await right(read, mc, f"key{number}")
        assert len(server.peers) == 2


@scenario
async def test_replies_that_were_swapped_are_nobodys(stage):
    """In a flight the key or the order shows it; two misses in a row cannot be told apart."""
    prompted = Prompted()
    with ScriptedServer(prompted) as server:
        mc = stage.client([server.address], timeout=20)
        if stage.protocol == "meta":
            answers = (b"", b"NS kthree\r\n", b"NS ktwo\r\n", b"MN\r\n")
        else:
            answers = (b"NOT_FOUND\r\n", b"STORED\r\n", b"STORED\r\n")
        prompted.say(*answers)
        with pytest.raises(ConnectionLost):
            await do(mc.set_multi({"one": 1, "two": 2, "three": 3}))


@pytest.mark.parametrize("exchange", EXCHANGES, ids=repr)
@scenario
async def test_what_comes_while_a_connection_is_idle_is_seen_before_it_is_used(
    stage, exchange, monkeypatch
):
    """Bytes or the end: neither costs an operation anything, not even a write."""
    # So that every look is due at once.
    monkeypatch.setattr("mcclient._link.STALE_AFTER", 0)
    monkeypatch.setattr("mcclient._client.STALE_AFTER", 0)
    monkeypatch.setattr("mcproto.transports._asyncio_shared.STALE_AFTER", 0)
    monkeypatch.setattr("mcproto.transports._trio_shared.STALE_AFTER", 0)
    answers = exchange.answers(stage.protocol)

    def then(*what: bytes):
        def script(peer: Peer) -> None:
            peer.greet()
            for answer in answers:
                peer.send(peer.request().fill(answer))
            idle.wait(20)
            for data in what:
                peer.send(data)
            if not what:
                peer.finish()
            sent.set()
            peer.swallow()

        return script

    for script in then(), then(b"\r\n"), then(b"SERVER_ERROR idle\r\n"), then(*answers):
        idle, sent = threading.Event(), threading.Event()
        with ScriptedServer(script, replies(*answers)) as server:
            mc = stage.client([server.address], timeout=20)
            assert await do(exchange.call(mc)) == exchange.result
            idle.set()
            assert sent.wait(20)
            assert await do(exchange.call(mc)) == exchange.result
            assert len(server.peers) == 2
            await stage.rig.close(mc)


# ----------------------------------------------------------------------------- asked once or twice


@scenario
async def test_a_read_is_asked_again_where_an_idle_connection_has_died(stage):
    for exchange in READS:
        answers = exchange.answers(stage.protocol)
        with ScriptedServer(then_close(*answers), replies(*answers)) as server:
            mc = stage.client([server.address], timeout=20)
            assert await do(exchange.call(mc)) == exchange.result
            assert await do(exchange.call(mc)) == exchange.result
            assert len(server.peers) == 2
            await stage.rig.close(mc)


@scenario
async def test_no_read_is_asked_three_times(stage):
    def dying(peer: Peer) -> None:
        peer.greet()
        if len(server.peers) == 1:
            for answer in answers:
                peer.send(peer.request().fill(answer))
        peer.request()

    for exchange in READS:
        answers = exchange.answers(stage.protocol)
        with ScriptedServer(dying) as server:
            mc = stage.client([server.address], timeout=20)
            assert await do(exchange.call(mc)) == exchange.result
            with pytest.raises(ConnectionLost) as caught:
                await do(exchange.call(mc))
            assert not caught.value.maybe_applied
            assert len(server.peers) == 2
            await stage.rig.close(mc)


@scenario
async def test_no_write_is_asked_twice(stage):
    asked = 0

    def dying(peer: Peer) -> None:
        nonlocal asked
        peer.greet()
        for answer in answers:
            peer.send(peer.request().fill(answer))
        peer.request()
        asked += 1

    for exchange in WRITES:
        answers = exchange.answers(stage.protocol)
        asked = 0
        with ScriptedServer(dying) as server:
            mc = stage.client([server.address], timeout=20)
            assert await do(exchange.call(mc)) == exchange.result
            with pytest.raises(ConnectionLost) as caught:
                await do(exchange.call(mc))
            assert caught.value.maybe_applied
            assert (asked, len(server.peers)) == (1, 1)
            await stage.rig.close(mc)
