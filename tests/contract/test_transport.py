"""What every transport must do, and every backend. Each test is played on all of them."""

from __future__ import annotations

import gc
import socket
import threading
from time import monotonic

import pytest

from mcclient.testing import Peer, ScriptedServer, descriptors
from mcclient.testing.scripts import always, polite_silence, replies, silence
from mcproto import (
    ClientConnection,
    ErrorReplied,
    ItemTooLarge,
    MetaReply,
    RemoteProtocolError,
    classic,
    meta,
)
from mcproto.transports._sockets import new_socket
from tests.contract.nobody import NOBODY
from tests.contract.rigs import (
    BLOCKING,
    MEMORY_RIGS,
    SELECTOR,
    SOCKET_RIGS,
    TLS_RIGS,
    UNIX_RIGS,
    on,
    over_tls,
    over_unix_socket,
    scenario,
)

# A deadline that ought to pass in the test, and a gross overrun of it: machines have slow phases.
SOON = 0.1
MUCH_LATER = 2.0

# Every way to have a stream of bytes.
STREAMS = [*SOCKET_RIGS, *TLS_RIGS, *UNIX_RIGS]
FOR_THREADS = [
    kind(rig)
    for kind in (lambda rig: rig, over_tls, over_unix_socket)
    for rig in (BLOCKING, SELECTOR)
]


def place_of(address: str):
    host, _, port = address.rpartition(":")
    return host, int(port)


def echo(peer: Peer) -> None:
    while True:
        peer.send(peer.request().data)


# ---------------------------------------------------------------------------------- one transport


@on(STREAMS)
@scenario
async def test_bytes_go_there_and_come_back(rig):
    with rig.serves(echo) as server:
        transport = await rig.connect(server.place)
        await rig.send(transport, b"get one\r\n")
        assert await rig.receive(transport) == b"get one\r\n"
        transport.close()


@on(SOCKET_RIGS)
@scenario
async def test_a_unix_socket_is_a_path(rig, real_memcached_unix):
    transport = await rig.connect(real_memcached_unix.path)
    await rig.send(transport, b"mn\r\n")
    assert await rig.receive(transport) == b"MN\r\n"
    transport.close()


@on(STREAMS)
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@scenario
async def test_any_kind_of_bytes_can_be_sent(rig, kind):
    with rig.serves(echo) as server:
        transport = await rig.connect(server.place)
        await rig.send(transport, kind(b"get one\r\n"))
        assert await rig.receive(transport) == b"get one\r\n"
        transport.close()


@on(STREAMS)
@scenario
async def test_no_more_is_received_than_was_asked_for_and_nothing_is_lost(rig):
    with rig.serves(echo) as server:
        transport = await rig.connect(server.place)
        await rig.send(transport, b"get 123\r\n")
        received = b""
        while len(received) < 9:
            some = await rig.receive(transport, max_bytes=4)
            assert 1 <= len(some) <= 4
            received += some
        assert received == b"get 123\r\n"
        transport.close()


@on(STREAMS)
@scenario
async def test_the_end_is_no_bytes_again_and_again(rig):
    def bye(peer: Peer) -> None:
        peer.send(b"bye")

    with rig.serves(bye) as server:
        transport = await rig.connect(server.place)
        received = [await rig.receive(transport) for _ in range(3)]
        assert received == [b"bye", b"", b""]
        transport.close()


@on([*SOCKET_RIGS, *UNIX_RIGS])
@scenario
async def test_an_end_of_one_direction_leaves_the_other(rig):
    def half_closing(peer: Peer) -> None:
        peer.finish()
        peer.request()
        heard.set()

    heard = threading.Event()
    with rig.serves(half_closing) as server:
        transport = await rig.connect(server.place)
        assert await rig.receive(transport) == b""
        await rig.send(transport, b"still here\r\n")
        assert heard.wait(20)
        transport.close()


@on(STREAMS)
@scenario
async def test_a_reset_is_an_os_error_or_an_end(rig):
    def rude(peer: Peer) -> None:
        peer.request()
        peer.reset()

    with rig.serves(rude) as server:
        transport = await rig.connect(server.place)
        await rig.send(transport, b"hello\r\n")
        try:
            assert await rig.receive(transport) == b""
        except ConnectionError:
            pass
        transport.close()


@on(STREAMS)
@scenario
async def test_a_silent_peer_is_waited_for_until_the_deadline(rig):
    with rig.serves(silence) as server:
        transport = await rig.connect(server.place)
        since = monotonic()
        with pytest.raises(TimeoutError):
            await rig.receive(transport, seconds=SOON)
        assert SOON * 0.9 <= monotonic() - since < MUCH_LATER
        transport.close()


@on(STREAMS)
@scenario
async def test_after_a_deadline_has_passed_bytes_can_still_be_received(rig):
    go_on = threading.Event()

    def late(peer: Peer) -> None:
        go_on.wait(20)
        peer.send(b"late")
        peer.swallow()

    with rig.serves(late) as server:
        transport = await rig.connect(server.place)
        with pytest.raises(TimeoutError):
            await rig.receive(transport, seconds=0.01)
        go_on.set()
        assert await rig.receive(transport, seconds=20) == b"late"
        transport.close()


@on(STREAMS)
@scenario
async def test_a_peer_that_does_not_read_is_waited_for_until_the_deadline(rig):
    with rig.serves(Peer.hold) as server:
        transport = await rig.connect(server.place)
        since = monotonic()
        with pytest.raises(TimeoutError):
            await rig.send(transport, bytes(64 << 20), seconds=SOON)
        assert SOON * 0.9 <= monotonic() - since < MUCH_LATER
        transport.close()


@on(STREAMS)
@scenario
async def test_much_is_sent_to_a_peer_that_reads_slowly(rig):
    size = 8 << 20
    total = []

    def slow_reader(peer: Peer) -> None:
        go_on.wait(20)
        while sum(total) < size:
            total.append(len(peer.socket.recv(1 << 16)))
        peer.send(b"all")
        peer.swallow()

    go_on = threading.Event()
    with rig.serves(slow_reader) as server:
        transport = await rig.connect(server.place)
        threading.Timer(0.02, go_on.set).start()
        await rig.send(transport, bytes(size), seconds=20)
        assert await rig.receive(transport, seconds=20) == b"all"
        assert sum(total) == size
        transport.close()


@on(STREAMS)
@scenario
async def test_input_is_seen_without_being_taken(rig):
    stage = [threading.Event() for _ in range(4)]

    def slowly(peer: Peer) -> None:
        peer.send(b"welcome")
        stage[0].wait(20)
        peer.send(b"x")
        stage[1].set()
        stage[2].wait(20)
        peer.finish()
        stage[3].set()
        peer.swallow()

    with rig.serves(slowly) as server:
        transport = await rig.connect(server.place)
        assert await rig.receive(transport) == b"welcome"
        assert not transport.has_input()
        stage[0].set()
        assert stage[1].wait(20)
        assert transport.has_input()
        assert transport.has_input()
        assert await rig.receive(transport) == b"x"
        assert not transport.has_input()
        stage[2].set()
        assert stage[3].wait(20)
        assert transport.has_input(), "the end is input as well"
        transport.close()


@on(STREAMS)
@scenario
async def test_closing_twice_is_harmless_and_what_is_closed_is_of_no_use(rig):
    with rig.serves(silence) as server:
        transport = await rig.connect(server.place)
        transport.close()
        transport.close()
        with pytest.raises(OSError):  # noqa: PT011 (which one depends on the system)
            await rig.send(transport, b"hello\r\n", seconds=5)
        assert transport.has_input(), "so that nobody takes it for fresh"


@on(STREAMS)
@scenario
async def test_closing_is_seen_by_the_peer(rig):
    gone = threading.Event()

    def observer(peer: Peer) -> None:
        peer.swallow()
        gone.set()

    with rig.serves(observer) as server:
        transport = await rig.connect(server.place)
        transport.close()
        # asyncio closes in its next round.
        other = await rig.connect(server.place)
        assert gone.wait(20)
        other.close()


@on(FOR_THREADS)
@pytest.mark.parametrize("way", ["receive_some", "direct"])
def test_abort_wakes_the_thread_that_waits(rig, way):
    with rig.serves(polite_silence) as server:
        transport = rig.backend().connect(server.place, **rig.how())
        transport.send_all(b"mn\r\n")
        assert transport.receive_some() == b"MN\r\n"
        outcome = []

        def wait() -> None:
            try:
                if way == "direct":
                    outcome.append(transport.direct(30)[1](100))
                else:
                    outcome.append(transport.receive_some(deadline=monotonic() + 30))
            except OSError as error:
                outcome.append(error)

        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        # As soon as it waits, or just before: both must do.
        thread.join(0.02)
        transport.abort()
        transport.abort()
        thread.join(10)
        assert not thread.is_alive()
        assert outcome[0] == b"" or isinstance(outcome[0], OSError)
        transport.close()


@on(FOR_THREADS)
def test_the_two_direct_calls_send_and_receive_and_wait_no_longer_than_their_timeout(rig):
    with rig.serves(replies(b"EN\r\n", b"EN\r\n")) as server:
        transport = rig.backend().connect(server.place, **rig.how())
        send, receive = transport.direct(SOON)
        for request, reply in (b"mn\r\n", b"MN\r\n"), (b"mg k\r\n", b"EN\r\n"):
            assert send(request) == len(request)
            while True:
                try:
                    assert receive(100) == reply
                except BlockingIOError:
                    continue  # it says "not yet", and may be asked again
                break
        transport.send_all(b"mg k\r\n", monotonic() + 20)
        assert transport.receive_some(deadline=monotonic() + 20) == b"EN\r\n"
        since = monotonic()
        with pytest.raises((TimeoutError, BlockingIOError)):
            receive(100)
        assert monotonic() - since < MUCH_LATER
        transport.close()


@on(FOR_THREADS)
def test_a_transport_that_is_dropped_closes_itself(rig):
    gone = threading.Event()

    def observer(peer: Peer) -> None:
        peer.swallow()
        gone.set()

    with rig.serves(observer) as server:
        rig.backend().connect(server.place, **rig.how())
        assert gone.wait(20)


# --------------------------------------------------------------------------------------- connecting


@on(SOCKET_RIGS)
@scenario
async def test_where_nobody_listens_nothing_is_connected(rig):
    with pytest.raises(ConnectionRefusedError):
        await rig.connect(place_of(NOBODY))


@on(SOCKET_RIGS)
@scenario
async def test_a_path_that_does_not_exist_is_not_connected(rig, tmp_path):
    with pytest.raises(OSError):  # noqa: PT011
        await rig.connect(str(tmp_path / "nobody"))


@on(SOCKET_RIGS)
@scenario
async def test_a_name_that_does_not_exist_is_not_connected(rig):
    import socket

    with pytest.raises(socket.gaierror):
        await rig.connect(("does-not-exist.invalid", 11211))


@on(SOCKET_RIGS)
@scenario
async def test_connecting_keeps_to_the_deadline(rig):
    import socket

    # A listener whose queue is full drops the first packet of whoever comes: so does a dead host.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        place = listener.getsockname()
        crowd = []
        try:
            for _ in range(8):
                sock = socket.socket()
                sock.setblocking(False)
                sock.connect_ex(place)
                crowd.append(sock)
            since = monotonic()
            with pytest.raises(TimeoutError):
                await rig.connect(place, seconds=SOON)
            assert SOON * 0.9 <= monotonic() - since < MUCH_LATER
        finally:
            for sock in crowd:
                sock.close()


# ------------------------------------------------------------------------------------ in memory


@pytest.fixture(params=MEMORY_RIGS, ids=repr)
def in_memory(request):
    """A connected transport to a server in this process, whole or chopped to single bytes."""
    rig = request.param
    name, _ = rig.start_anew()
    return rig.backend().connect((name, 11211), monotonic() + 20)


def received(transport, size: int) -> bytes:
    data = b""
    while len(data) < size:
        some = transport.receive_some(size, monotonic() + 20)
        assert some
        data += some
    return data


def test_in_memory_bytes_go_there_and_come_back(in_memory):
    assert not in_memory.has_input()
    in_memory.send_all(b"set k 0 0 5\r\nvalue\r\nmg k v\r\n")
    assert in_memory.has_input()
    assert received(in_memory, 21) == b"STORED\r\nVA 5\r\nvalue\r\n"
    assert not in_memory.has_input()
    send, receive = in_memory.direct(1.0)
    assert send(b"mn\r\n") == 4
    assert receive(100)[:1] == b"M"


def test_in_memory_a_reply_that_is_not_here_never_comes(in_memory):
    with pytest.raises(TimeoutError):
        in_memory.receive_some(deadline=monotonic() + 20)
    in_memory.send_all(b"mg k")
    with pytest.raises(TimeoutError):
        in_memory.receive_some(deadline=monotonic() + 20)
    in_memory.send_all(b"\r\n")
    assert received(in_memory, 4) == b"EN\r\n"
    for late in in_memory.receive_some, lambda deadline: in_memory.send_all(b"mn\r\n", deadline):
        with pytest.raises(TimeoutError):
            late(deadline=monotonic() - 1)


@pytest.mark.parametrize("end", ["quit", "abort", "close"])
def test_in_memory_an_end_is_an_end(in_memory, end):
    if end == "quit":
        in_memory.send_all(b"mn\r\nquit\r\n")
        assert received(in_memory, 4) == b"MN\r\n"
    else:
        getattr(in_memory, end)()
        getattr(in_memory, end)()
    assert in_memory.has_input()
    assert in_memory.receive_some() == b""
    with pytest.raises(OSError, match="closed"):
        in_memory.send_all(b"mn\r\n")


@on(MEMORY_RIGS)
def test_in_memory_outcomes_come_in_the_order_of_the_jobs(rig):
    rig.start_anew()
    backend = rig.backend()
    commands = [classic.Set("k", b"1"), classic.Incr("k"), meta.Get("k", v=True)]
    jobs = [(backend.connect(("memory0", 1)), ClientConnection(), each) for each in commands]
    stored, number, found = backend.exchange_all(jobs, monotonic() + 20)
    assert (stored, number, found.value) == (True, 2, b"2")
    with_errors = [(*job[:2], classic.Append("k", bytes(rig.item_size))) for job in jobs[:1]]
    with_errors += [(*job[:2], meta.Get("nothing")) for job in jobs[1:2]]
    refused, miss = backend.exchange_all(with_errors, monotonic() + 20)
    assert isinstance(refused, ErrorReplied)
    assert miss is None
    assert closed(jobs) == [True] * 3


# ------------------------------------------------------------------------- many exchanges at once


def jobs_on(backend, servers, commands):
    return [
        (backend.connect(server.place), ClientConnection(), command)
        for server, command in zip(servers, commands, strict=True)
    ]


def closed(jobs) -> list[bool]:
    """Closes the transports; which connections were idle."""
    for transport, _, _ in jobs:
        transport.close()
    return [connection.is_idle for _, connection, _ in jobs]


MISS = b"EN O<O>\r\n"


def asking(number: int):
    return meta.Get(f"k{number}", O=f"{number}")


@on([BLOCKING, SELECTOR])
def test_outcomes_come_in_the_order_of_the_jobs(rig):
    backend = rig.backend()
    go_on = threading.Event()

    def last(peer: Peer) -> None:
        request = peer.request()
        go_on.wait(20)
        peer.send(request.fill(b"HD O<O>\r\n"))

    def first(peer: Peer) -> None:
        peer.send(peer.request().fill(MISS))
        go_on.set()

    with ScriptedServer(last) as one, ScriptedServer(first) as two:
        jobs = jobs_on(backend, [one, two], [asking(1), asking(2)])
        hit, miss = backend.exchange_all(jobs, monotonic() + 20)
        assert isinstance(hit, MetaReply)
        assert miss is None
        assert closed(jobs) == [True, True]


@on([BLOCKING, SELECTOR])
def test_each_exchange_fails_for_itself(rig):
    backend = rig.backend()
    scripts = [
        always(b"EN O<O>\r\n", hello=False),
        always(b"SERVER_ERROR out of order\r\n", hello=False),
        always(b"EN Owrong\r\n", hello=False),
        always(b"HTTP/1.1 400 Bad Request\r\n", hello=False),
        Peer.request,
        always(b"EN O<O>\r\n", hello=False),
        always(b"EN O<O>\r\n", hello=False),
    ]
    servers = [ScriptedServer(script) for script in scripts]
    commands = [asking(number) for number in range(6)]
    try:
        jobs = jobs_on(backend, servers, [*commands, classic.Set("k", bytes(2000))])
        connection = ClientConnection(max_value=1000)
        jobs[6] = (jobs[6][0], connection, jobs[6][2])
        outcomes = backend.exchange_all(jobs, monotonic() + 20)
        assert outcomes[0] is None
        assert isinstance(outcomes[1], ErrorReplied)
        assert isinstance(outcomes[2], RemoteProtocolError)
        assert isinstance(outcomes[3], RemoteProtocolError)
        assert isinstance(outcomes[4], ConnectionError)
        assert outcomes[5] is None
        assert isinstance(outcomes[6], ItemTooLarge)
        assert closed(jobs) == [True, True, False, False, False, True, True]
    finally:
        for server in servers:
            server.close()


@on([BLOCKING, SELECTOR])
@pytest.mark.parametrize("dead", range(3))
def test_a_silent_server_costs_nobody_else_his_answer(rig, dead):
    backend = rig.backend()
    scripts = [always(MISS, hello=False)] * 3
    scripts[dead] = silence
    servers = [ScriptedServer(script) for script in scripts]
    try:
        jobs = jobs_on(backend, servers, [asking(number) for number in range(3)])
        since = monotonic()
        outcomes = backend.exchange_all(jobs, monotonic() + SOON)
        assert SOON * 0.9 <= monotonic() - since < MUCH_LATER
        assert isinstance(outcomes.pop(dead), TimeoutError)
        assert outcomes == [None, None]
        assert closed(jobs) == [number != dead for number in range(3)]
    finally:
        for server in servers:
            server.close()


@on([BLOCKING, SELECTOR])
def test_all_silent_servers_share_one_deadline(rig):
    backend = rig.backend()
    servers = [ScriptedServer(silence) for _ in range(20)]
    try:
        jobs = jobs_on(backend, servers, [asking(number) for number in range(20)])
        since = monotonic()
        outcomes = backend.exchange_all(jobs, monotonic() + SOON)
        assert SOON * 0.9 <= monotonic() - since < SOON * 10
        assert all(isinstance(outcome, TimeoutError) for outcome in outcomes)
        assert closed(jobs) == [False] * 20
    finally:
        for server in servers:
            server.close()


@on([BLOCKING, SELECTOR])
def test_servers_that_dribble_cannot_stretch_the_deadline(rig):
    backend = rig.backend()

    def dribbling(peer: Peer) -> None:
        peer.request()
        peer.dribble(b"VA 1000 O0\r\n" + bytes(1000), 0.02)

    servers = [ScriptedServer(dribbling) for _ in range(5)]
    try:
        jobs = jobs_on(backend, servers, [meta.Get("k", O="0", v=True)] * 5)
        since = monotonic()
        outcomes = backend.exchange_all(jobs, monotonic() + 0.2)
        assert 0.18 <= monotonic() - since < MUCH_LATER
        assert all(isinstance(outcome, TimeoutError) for outcome in outcomes)
        assert closed(jobs) == [False] * 5
    finally:
        for server in servers:
            server.close()


def test_a_selector_reads_while_it_writes():
    backend = SELECTOR.backend()

    def talkative(peer: Peer) -> None:
        # Reads on only when its own words have been heard: more than sockets hold.
        peer.send(b"VALUE k 0 %d\r\n%b" % (len(VALUE), VALUE))
        peer.request()
        peer.send(b"\r\nEND\r\n")
        peer.swallow()

    with ScriptedServer(talkative) as server:
        keys = ["k", *[f"{number:0250d}" for number in range(60_000)]]
        jobs = jobs_on(backend, [server], [classic.GetMany(keys)])
        (outcome,) = backend.exchange_all(jobs, monotonic() + 20)
        assert outcome[b"k"].value == VALUE
        assert closed(jobs) == [True]


VALUE = bytes(16 << 20)


def test_after_an_answer_to_half_a_request_a_connection_is_not_used_again():
    """Else the server would take the next request for the rest of this one."""
    backend = SELECTOR.backend()

    def hasty(peer: Peer) -> None:
        peer.send(b"SERVER_ERROR too hasty\r\n")
        peer.hold()

    with ScriptedServer(hasty) as server:
        jobs = jobs_on(backend, [server], [classic.Set("k", VALUE)])
        (outcome,) = backend.exchange_all(jobs, monotonic() + 20)
        assert isinstance(outcome, ErrorReplied)
        assert closed(jobs) == [False]


def test_a_socket_that_is_dropped_in_a_cycle_closes_itself_without_a_word() -> None:
    """As an error and its traceback are one; the order of the finalizers is anybody's guess."""
    before = descriptors()
    for _ in range(3):
        sock = new_socket(socket.AF_INET)
        cycle: list[object] = [sock]
        cycle.append(cycle)
        del sock, cycle
    gc.collect()
    assert descriptors() == before
