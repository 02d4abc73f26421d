"""The binary dialect where it differs: its refusals, lies and fragments, its flights, its limits.

What a client does is in test_client.py, for this dialect as for the others.
"""

from __future__ import annotations

import struct

import pytest

from mcclient import (
    BadCommand,
    CommandFailed,
    CommandUnknown,
    ConnectFailed,
    ConnectionLost,
    OperationTimeout,
    OutOfMemory,
    ServerFault,
    ValueTooLarge,
)
from mcclient.testing import Peer, ScriptedServer
from mcclient.testing.scripts import always
from mcproto import RemoteProtocolError
from tests.contract.rigs import (
    ASYNCIO,
    BLOCKING,
    CLIENT_RIGS,
    SELECTOR,
    TRIO_SHARED,
    do,
    forgive,
    on,
    scenario,
)
from tests.contract.test_cancellation import master_of, sweep_calls, warm
from tests.contract.test_interruption import CALLS, Sweep, cold, master_on
from tests.contract.test_interruption import warm as warmed

GET, SET, DELETE, INCR, NOOP, GETQ, SETQ, DELETEQ = 0x00, 0x01, 0x04, 0x05, 0x0A, 0x09, 0x11, 0x14


def reply(
    opcode: int, status: int = 0, extras: bytes = b"", value: bytes = b"", cas: int = 0
) -> bytes:
    """To a request whose opaque `Request.fill` puts in."""
    size = len(extras) + len(value)
    head = struct.pack(">BBHBBHI", 0x81, opcode, 0, len(extras), 0, status, size)
    return head + b"<O>" + struct.pack(">IQ", 0, cas)[4:] + extras + value


HIT = reply(GET, extras=bytes(4), value=b"v", cas=7)


class Answers:
    """A script: says hello; then what it has been told to, by opcode.

    Attributes:
        told: opcode -> the answer, b"" for none.
        heard: the opcodes of the requests, but for the hellos.
    """

    def __init__(self, **told: bytes) -> None:
        self.told = {globals()[name]: answer for name, answer in told.items()}
        self.heard: list[int] = []

    def __call__(self, peer: Peer) -> None:
        peer.send(peer.request().fill(reply(NOOP)))
        while True:
            request = peer.request()
            opcode = request.data[1]
            self.heard.append(opcode)
            peer.send(request.fill(self.told.get(opcode, reply(opcode))))


REFUSALS = {
    0x03: ValueTooLarge,
    0x04: BadCommand,
    0x20: BadCommand,
    0x81: CommandUnknown,
    0x82: OutOfMemory,
    0x83: CommandUnknown,
    0x84: ServerFault,
    0x85: ServerFault,
    0x86: ServerFault,
    0x99: ServerFault,
}


@on(CLIENT_RIGS)
@scenario
async def test_a_refusal_is_a_typed_error_and_the_connection_is_kept(rig):
    answers = Answers()
    with ScriptedServer(answers) as server:
        mc = rig.client(server.address, protocol="binary", timeout=20)
        for status, kind in REFUSALS.items():
            for opcode in GET, SET, DELETE, INCR, GETQ, SETQ, DELETEQ:
                answers.told[opcode] = reply(opcode, status, value=b"go away")
            for call in (
                lambda: mc.get("k"),
                lambda: mc.set("k", "v"),
                lambda: mc.delete("k"),
                lambda: mc.incr("k"),
                lambda: mc.get_multi(["k", "l"]),
                lambda: mc.delete_multi(["k", "l"]),
            ):
                with pytest.raises(CommandFailed) as caught:
                    await do(call())
                assert type(caught.value) is kind
                assert caught.value.server == server.address
                assert caught.value.reply.status == status
                assert "go away" in str(caught.value)
            assert await do(mc.set_multi({"k": 1, "l": 2})) == ["k", "l"]
        answers.told = {GET: HIT}
        assert await do(mc.get("k")) == b"v"
        assert len(server.peers) == 1
        await rig.close(mc)


LIES = {
    "another request's": HIT.replace(b"<O>", b"\x00\x00\x00\x00"),
    "another command's": reply(DELETE),
    "no extras": reply(GET, value=b"v"),
    "text": b"VALUE k 0 1\r\nv\r\nEND\r\n",
    "a request": b"\x80" + HIT[1:],
    "noise": bytes(range(1, 100)),
    "lengths that contradict each other": b"\x81\x00\x00\x09\x04" + bytes(19),
}


@on(CLIENT_RIGS)
@scenario
async def test_a_lie_is_a_lost_connection_and_never_an_answer(rig):
    answers = Answers()
    with ScriptedServer(answers) as server:
        mc = rig.client(server.address, protocol="binary", timeout=20)
        for lie in LIES.values():
            answers.told = {GET: lie, SET: lie, GETQ: lie}
            for call in (
                lambda: mc.get("k"),
                lambda: mc.set("k", "v"),
                lambda: mc.get_multi(["k", "l"]),
            ):
                forgive(mc)
                with pytest.raises(ConnectionLost) as caught:
                    await do(call())
                assert isinstance(caught.value.__cause__, RemoteProtocolError)
            answers.told = {GET: HIT}
            forgive(mc)
            assert await do(mc.get("k")) == b"v"
        await rig.close(mc)


@on(CLIENT_RIGS)
@scenario
async def test_a_reply_cut_anywhere_is_never_an_answer(rig):
    for cut in range(len(HIT)):

        def cutting(peer: Peer) -> None:
            peer.send(peer.request().fill(reply(NOOP)))
            peer.send(peer.request().fill(HIT)[:cut])  # noqa: B023

        with ScriptedServer(cutting) as server:
            mc = rig.client(server.address, protocol="binary", timeout=20)
            with pytest.raises(ConnectionLost):
                await do(mc.get("k"))
            await rig.close(mc)


@on(CLIENT_RIGS)
@scenario
async def test_many_keys_are_one_flight_that_a_no_op_closes(rig):
    def patient(peer: Peer) -> None:
        peer.send(peer.request().fill(reply(NOOP)))
        while True:
            # Not a word before all of it is here.
            requests = [peer.request()]
            while requests[-1].data[1] != NOOP:
                requests.append(peer.request())
            sizes.append(len(requests))
            *asked, last = requests
            for request in asked[::3]:
                if request.data[1] == GETQ:
                    peer.send(request.fill(reply(GETQ, extras=bytes(4), value=b"v")))
                else:
                    peer.send(request.fill(reply(request.data[1], 0x01, value=b"Not found")))
            peer.send(last.fill(reply(NOOP)))

    sizes: list[int] = []
    keys = [f"k{n}" for n in range(90)]
    with ScriptedServer(patient) as server:
        mc = rig.client(server.address, protocol="binary", timeout=20)
        assert await do(mc.get_multi(keys)) == dict.fromkeys(keys[::3], b"v")
        assert await do(mc.set_multi(dict.fromkeys(keys, 1))) == keys[::3]
        assert await do(mc.delete_multi(keys)) is False
        assert await do(mc.delete_multi(keys[1:3])) is False
        assert sizes == [91, 91, 91, 3]
        await rig.close(mc)


@on(CLIENT_RIGS)
@scenario
async def test_what_does_not_speak_binary_is_told_from_others(rig):
    for answer in b"ERROR\r\n", b"CLIENT_ERROR bad command line format\r\n":
        with ScriptedServer(always(answer, hello=False)) as server:
            mc = rig.client(server.address, protocol="binary", timeout=20)
            with pytest.raises(ConnectFailed, match="use protocol='meta'") as caught:
                await do(mc.get("k"))
            assert caught.value.step == "protocol"
            await rig.close(mc)


@on(CLIENT_RIGS)
@scenario
async def test_a_reply_that_comes_too_late_is_nobody_s(rig):
    def late(peer: Peer) -> None:
        peer.send(peer.request().fill(reply(NOOP)))
        first = peer.request()
        second = peer.request()
        for request in first, second:
            peer.send(request.fill(HIT))
        peer.swallow()

    answers = Answers(GET=reply(GET, 0x01))
    with ScriptedServer(late, answers) as server:
        mc = rig.client(server.address, protocol="binary", timeout=0.05)
        with pytest.raises(OperationTimeout):
            await do(mc.get("k"))
        await rig.close(mc)
        mc = rig.client(server.address, protocol="binary", timeout=20)
        assert await do(mc.get("other")) is None
        await rig.close(mc)


@pytest.mark.memcached
@pytest.mark.parametrize(
    "rig", [TRIO_SHARED, pytest.param(ASYNCIO, marks=pytest.mark.slow)], ids=repr
)
@scenario
async def test_a_cancel_at_any_suspension_of_a_binary_call(rig, real_memcached):
    master = await master_of(rig, [real_memcached.address], "binary")
    print(f"{await sweep_calls(rig, master, warm)} points")


@pytest.mark.memcached
@pytest.mark.parametrize(
    ("rig", "name", "prepare", "servers"),
    [
        (BLOCKING, "incr", warmed, 1),
        *[
            pytest.param(*case, marks=pytest.mark.slow)
            for case in [
                (BLOCKING, "get", cold, 1),
                (BLOCKING, "get_multi", warmed, 1),
                (BLOCKING, "set_multi", warmed, 2),
                (SELECTOR, "get_multi", warmed, 2),
                (SELECTOR, "incr", cold, 1),
            ]
        ],
    ],
    ids=lambda part: part.__name__ if callable(part) else str(part),
)
def test_an_interrupt_at_any_line_of_a_binary_call(rig, name, prepare, servers, request):
    master = master_on(rig, request, servers, protocol="binary")
    Sweep(master, CALLS[name], prepare).run()
