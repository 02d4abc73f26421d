"""TLS: what is good is used, and everything else is refused, whatever moves the bytes.

A refusal is an error inside the deadline that names the step, and not a byte of the caller's has
been sent.
"""

from __future__ import annotations

import ssl
import threading
from time import monotonic

import pytest

from mcclient import (
    Client,
    ClientPool,
    ConnectFailed,
    ConnectionLost,
    OperationTimeout,
    ServerUnavailable,
    TLSError,
    tls_context,
)
from mcclient.testing import Peer, ScriptedServer
from mcclient.testing.scripts import always, closing, resetting, saying_first, silence
from mcproto import InvalidArgument
from mcproto.transports.memory import MemoryBackend
from tests.certificates import AUTHORITY, STRANGER
from tests.contract.rigs import do, forgive, scenario, when_up

SOON = 0.2
MUCH_LATER = 2.0
VALUE = b"VA 1 f0 O<O>\r\nv\r\n"
SECRET = b"what must not be sent"


def over_tls(server: ScriptedServer, host: str = "127.0.0.1") -> str:
    return f"memcaches://{host}:{server.place[1]}"


# ------------------------------------------------------------------------------------ what is good


@scenario
async def test_a_server_with_a_good_certificate_is_used(rig):
    with ScriptedServer(always(VALUE), tls=AUTHORITY.server()) as server:
        for host in "127.0.0.1", "localhost":
            address = over_tls(server, host)
            mc = rig.client(address, ssl_context=AUTHORITY.client(), timeout=20)
            assert mc.servers == (address,)
            assert await do(mc.get("k")) == b"v"
            assert await do(mc.get("k")) == b"v"
            await rig.close(mc)
        assert len(server.peers) == 2


@scenario
async def test_large_values_go_both_ways(rig):
    large = bytes(range(256)) * 4096 * 3

    def script(peer: Peer) -> None:
        peer.greet()
        request = peer.request()
        peer.send(request.fill(b"HD O<O>\r\n"))
        again = peer.request()
        peer.send(again.fill(b"VA %d f0 O<O>\r\n" % len(large)) + request.value + b"\r\n")
        peer.swallow()

    with ScriptedServer(script, tls=AUTHORITY.server()) as server:
        mc = rig.client(over_tls(server), ssl_context=AUTHORITY.client(), timeout=20)
        assert await do(mc.set("k", large))
        assert await do(mc.get("k")) == large
        await rig.close(mc)


@scenario
async def test_with_a_context_servers_are_spoken_to_over_tls_unless_they_say_otherwise(rig):
    scripts = [always(b"VALUE a 0 1\r\nv\r\nEND\r\n"), always(b"END\r\n")]
    with (
        ScriptedServer(scripts[0], tls=AUTHORITY.server()) as secure,
        ScriptedServer(scripts[1]) as clear,
    ):
        servers = [secure.address, f"memcached://{clear.address}"]
        mc = rig.client(servers, ssl_context=AUTHORITY.client(), ring="modula", timeout=20)
        assert mc.servers == (secure.address, clear.address)
        assert set((await do(mc.get_multi([f"k{n}" for n in range(8)] + ["a"]))).values()) <= {b"v"}
        assert len(secure.peers) == len(clear.peers) == 1
        assert secure.refused == 0
        await rig.close(mc)


@scenario
async def test_many_servers_are_asked_at_once_over_tls(rig):
    servers = [ScriptedServer(always(b"END\r\n"), tls=AUTHORITY.server()) for _ in range(3)]
    try:
        mc = rig.client(
            [over_tls(server) for server in servers], ssl_context=AUTHORITY.client(), timeout=20
        )
        for _ in range(2):
            assert await do(mc.get_multi([f"k{n}" for n in range(99)])) == {}
        assert all(len(server.peers) == 1 for server in servers)
        await rig.close(mc)
    finally:
        for server in servers:
            server.close()


@scenario
async def test_both_sides_may_have_to_show_a_certificate(rig):
    wants = AUTHORITY.server(wants=STRANGER)
    with ScriptedServer(always(VALUE), tls=wants) as server:
        mc = rig.client(over_tls(server), ssl_context=AUTHORITY.client(shows=STRANGER), timeout=20)
        assert await do(mc.get("k")) == b"v"
        await rig.close(mc)


@scenario
async def test_a_function_that_gives_the_context_is_asked_at_every_connection(rig):
    contexts = [STRANGER.client(), AUTHORITY.client()]
    asked = []

    def renewed() -> ssl.SSLContext:
        asked.append(1)
        return contexts[min(len(asked), 2) - 1]

    def once(peer: Peer) -> None:
        peer.greet()
        peer.send(peer.request().fill(VALUE))

    with ScriptedServer(once, tls=AUTHORITY.server()) as server:
        mc = rig.client(over_tls(server), ssl_context=renewed, timeout=20)
        with pytest.raises(TLSError):
            await do(mc.get("k"))
        for _ in range(3):
            assert await when_up(lambda: mc.get("k")) == b"v"
        assert len(asked) == 4
        await rig.close(mc)


@scenario
async def test_a_client_s_context_is_its_clones_and_its_pool_s(rig):
    with ScriptedServer(always(VALUE), tls=AUTHORITY.server()) as server:
        mc = rig.client(over_tls(server), ssl_context=AUTHORITY.client(), timeout=20)
        clone = mc.clone()
        assert await do(clone.get("k")) == b"v"
        await rig.close(clone)
        pool = ClientPool(mc, 1)
        if rig.is_async:
            async with pool.reserve() as client:
                assert await client.get("k") == b"v"
            await pool.aclose()
        else:
            with pool.reserve() as client:
                assert client.get("k") == b"v"
            pool.close()
        await rig.close(mc)


# ------------------------------------------------------------------------------------- what is not

BAD = {
    "another host's certificate": (lambda: AUTHORITY.server("elsewhere.example"), None),
    "another address's certificate": (lambda: AUTHORITY.server("127.0.0.2"), None),
    "an expired certificate": (lambda: AUTHORITY.server(expired=True), None),
    "a certificate from the future": (lambda: AUTHORITY.server(early=True), None),
    "a stranger's certificate": (lambda: STRANGER.server(), None),
    "the system does not know the authority": (lambda: AUTHORITY.server(), "system"),
    "nothing newer than TLS 1.1": (
        lambda: AUTHORITY.server(newest=ssl.TLSVersion.TLSv1_1),
        None,
    ),
    "no certificate to show": (lambda: AUTHORITY.server(wants=STRANGER), None),
    "a certificate to show that nobody trusts": (
        lambda: AUTHORITY.server(wants=STRANGER),
        AUTHORITY,
    ),
}


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("what", BAD)
@scenario
async def test_a_bad_set_up_is_refused(rig, what):
    make, shown = BAD[what]
    with ScriptedServer(always(VALUE), tls=make()) as server:
        options = {} if shown == "system" else {"ssl_context": AUTHORITY.client(shows=shown)}
        mc = rig.client(over_tls(server), timeout=20, **options)
        for call in lambda: mc.set("k", SECRET), lambda: mc.get_multi(["k"]):
            forgive(mc)
            with pytest.raises(ServerUnavailable) as caught:
                await do(call())
            error = caught.value
            if error.__class__.__name__ == "PartialFailure":
                (error,) = error.errors.values()
            assert isinstance(error, TLSError)
            assert error.step == "tls"
            assert error.server == mc.servers[0]
            assert "TLS" in str(error)
            assert not error.maybe_applied
            assert [step for step, _ in error.timeline][:2] == ["tcp", "tls"]
            assert isinstance(error.__cause__, (ssl.SSLError, ConnectionError))
        assert SECRET not in server.received()
        await rig.close(mc)


NO_TLS = {
    "a memcached in the clear": always(b"ERROR\r\n", hello=False),
    "http": saying_first(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
    "closing": closing,
    "resetting": resetting,
}


@pytest.mark.parametrize("what", NO_TLS)
@scenario
async def test_what_speaks_no_tls_is_refused(rig, what):
    def first_line(peer: Peer) -> None:
        if what == "a memcached in the clear":
            peer.receive()
            peer.send(b"ERROR\r\n")
        else:
            NO_TLS[what](peer)

    with ScriptedServer(first_line) as server:
        mc = rig.client(over_tls(server), ssl_context=AUTHORITY.client(), timeout=20)
        with pytest.raises(ConnectFailed) as caught:
            await do(mc.set("k", SECRET))
        if what != "resetting":  # which may be seen before or after
            assert isinstance(caught.value, TLSError)
            assert caught.value.step == "tls"
        assert SECRET not in server.received()
        await rig.close(mc)


@scenario
async def test_a_server_that_speaks_tls_is_told_from_one_that_does_not(rig):
    """Four bytes, as `mn` is, are too few for a record: such a server waits on, and so do we."""
    with ScriptedServer(always(VALUE), tls=AUTHORITY.server()) as server:
        for protocol in "meta", "classic":
            mc = rig.client(server.address, timeout=SOON, protocol=protocol)
            since = monotonic()
            with pytest.raises((ConnectFailed, OperationTimeout)) as caught:
                await do(mc.set("k", SECRET))
            assert monotonic() - since < MUCH_LATER
            assert caught.value.step == "protocol"
            assert "memcaches://" in str(caught.value)
            await rig.close(mc)
        assert SECRET not in server.received()


@pytest.mark.parametrize("limit", ["timeout", "connect_timeout"])
@scenario
async def test_a_silent_handshake_ends_by_the_deadline(rig, limit):
    with ScriptedServer(silence) as server:
        options = {"timeout": 20, "connect_timeout": 20} | {limit: SOON}
        mc = rig.client(over_tls(server), ssl_context=AUTHORITY.client(), **options)
        since = monotonic()
        with pytest.raises(OperationTimeout if limit == "timeout" else TLSError) as caught:
            await do(mc.set("k", SECRET))
        assert SOON * 0.9 <= monotonic() - since < MUCH_LATER
        assert caught.value.step == "tls"
        assert not caught.value.maybe_applied
        *_, (step, seconds) = caught.value.timeline
        assert step == "tls"
        assert SOON * 0.8 <= seconds < MUCH_LATER
        await rig.close(mc)


@scenario
async def test_a_dribbled_handshake_cannot_stretch_the_deadline(rig):
    """The records of a real server, a byte at a time."""

    def dribbling(peer: Peer) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = AUTHORITY.server().wrap_bio(incoming, outgoing, server_side=True)
        while not (flight := outgoing.read()):
            peer.receive()
            incoming.write(bytes(peer.unread))
            peer.unread.clear()
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                pass
        peer.dribble(flight, 0.02)

    with ScriptedServer(dribbling) as server:
        mc = rig.client(over_tls(server), ssl_context=AUTHORITY.client(), timeout=SOON)
        since = monotonic()
        with pytest.raises(OperationTimeout) as caught:
            await do(mc.get("k"))
        assert SOON * 0.9 <= monotonic() - since < MUCH_LATER
        assert caught.value.step == "tls"
        await rig.close(mc)


@pytest.mark.parametrize("how", ["cut", "farewell"])
@scenario
async def test_an_end_in_mid_reply_is_never_a_short_value(rig, how):
    def ending(peer: Peer) -> None:
        peer.greet()
        request = peer.request()
        peer.send(request.fill(b"VA 10 f0 O<O>\r\nhalf"))
        if how == "farewell":
            peer.farewell()
        peer.close()

    with ScriptedServer(ending, tls=AUTHORITY.server()) as server:
        mc = rig.client(over_tls(server), ssl_context=AUTHORITY.client(), timeout=20)
        with pytest.raises(ConnectionLost):
            await do(mc.get("k"))
        await rig.close(mc)


@scenario
async def test_an_idle_connection_that_was_closed_is_replaced(rig):
    gone = threading.Event()

    def once(peer: Peer) -> None:
        peer.greet()
        peer.send(peer.request().fill(VALUE))
        peer.farewell()
        peer.close()
        gone.set()

    with ScriptedServer(once, tls=AUTHORITY.server()) as server:
        mc = rig.client(over_tls(server), ssl_context=AUTHORITY.client(), timeout=20)
        for _ in range(3):
            assert await do(mc.get("k")) == b"v"
            await rig.reach(gone)
            gone.clear()
        assert len(server.peers) == 3
        await rig.close(mc)


# ------------------------------------------------------------------------------------ the contexts


def test_the_default_context_verifies_everything():
    context = tls_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_a_private_authority_takes_nothing_off_the_verification(tmp_path):
    cert, key = AUTHORITY.files(tmp_path)
    context = tls_context(ca_file=AUTHORITY.file, cert_file=cert, key_file=key)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    (known,) = context.get_ca_certs()
    assert known["serialNumber"]


def test_skipping_the_verification_has_to_be_said_and_warns():
    with pytest.warns(UserWarning, match="anybody can be the server"):
        context = tls_context(insecure_skip_verify=True)
    with ScriptedServer(always(VALUE), tls=STRANGER.server("elsewhere.example")) as server:
        with Client(over_tls(server), ssl_context=context, timeout=20) as mc:
            assert mc.get("k") == b"v"


def test_files_that_are_not_there_or_not_what_they_should_be_are_found_out_at_once(tmp_path):
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nonsense")
    with pytest.raises(FileNotFoundError):
        tls_context(ca_file=tmp_path / "nothing")
    with pytest.raises(ssl.SSLError):
        tls_context(ca_file=nonsense)
    with pytest.raises(ssl.SSLError):
        tls_context(cert_file=nonsense)
    with pytest.raises(TypeError, match="cert_file"):
        tls_context(key_file=nonsense)


@scenario
async def test_certificates_that_cannot_be_read_at_connecting_are_a_failure_of_tls(rig, tmp_path):
    with ScriptedServer(always(VALUE), tls=AUTHORITY.server()) as server:
        mc = rig.client(
            over_tls(server),
            ssl_context=lambda: tls_context(ca_file=tmp_path / "gone"),
            timeout=20,
        )
        with pytest.raises(TLSError) as caught:
            await do(mc.get("k"))
        assert isinstance(caught.value.__cause__, FileNotFoundError)
        await rig.close(mc)


@pytest.mark.parametrize("bad", [True, "ca.pem", b"", 1, {}])
def test_what_is_no_context_is_a_type_error(bad):
    with pytest.raises(TypeError, match="ssl_context"):
        Client("memcaches://a", ssl_context=bad)


def test_a_context_that_nobody_needs_is_refused():
    for servers in "memcached://a", "/path", ["/path", "memcached://a:1"]:
        with pytest.raises(InvalidArgument, match="ssl_context"):
            Client(servers, ssl_context=AUTHORITY.client())


def test_a_backend_that_does_no_tls_is_not_given_a_server_that_wants_it():
    for options in {"ssl_context": AUTHORITY.client()}, {}:
        servers = ["a", "b"] if options else ["a", "memcaches://b"]
        with pytest.raises(InvalidArgument, match="MemoryBackend does none"):
            Client(servers, backend=MemoryBackend(None), **options)
