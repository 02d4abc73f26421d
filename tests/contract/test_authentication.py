"""A client says who it is before anything else, to who may know, and shows nobody its password.

Also what becomes of it when it is wrong, when it is not wanted, and when somebody else could hear.
"""

from __future__ import annotations

import logging
import pickle
import socket
import threading
import traceback
from pathlib import Path

import pytest

import mcclient
import mcproto
from mcclient import (
    AsyncClient,
    AuthError,
    Client,
    ClientPool,
    ConnectFailed,
    MemcacheError,
    OperationTimeout,
    PartialFailure,
    ServerDown,
)
from mcclient.testing import Peer, ScriptedServer
from mcclient.testing.scripts import always
from mcproto import ErrorReplied, InvalidArgument
from tests.certificates import AUTHORITY
from tests.contract.guarded import PASSWORD, USERNAME, WHO, Guard, in_a_process_of_its_own
from tests.contract.rigs import (
    BLOCKING,
    CLIENT_RIGS,
    SELECTOR,
    SHARED_RIGS,
    TURNS_RIGS,
    do,
    keys_on,
    on,
    scenario,
)
from tests.contract.test_cancellation import RIGS as CANCELLED_RIGS
from tests.contract.test_cancellation import breathe, sweep
from tests.contract.test_interruption import Sweep, cold
from tests.servers import RealMemcached

WRONG = "Plugh-2"
in_every_dialect = pytest.mark.parametrize("protocol", ["meta", "classic", "binary"])
in_text_and_binary = pytest.mark.parametrize("protocol", ["meta", "binary"])


@pytest.fixture(autouse=True)
def no_log_has_a_secret(caplog):
    with caplog.at_level(logging.DEBUG):
        yield
    for secret in PASSWORD, WRONG:
        assert secret not in caplog.text


LIBRARY = tuple(str(Path(module.__file__).parent) for module in (mcclient, mcproto))


def shown(error: BaseException | None) -> str:
    """All that a reporter of errors can find: the texts, and the variables of our own frames."""
    said: list[str] = []
    while error is not None:
        said += [repr(error), str(error), repr(error.args), repr(vars(error))]
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        said += [
            f"{frame.name}: {frame.locals}"
            for frame in told.stack
            if frame.filename.startswith(LIBRARY)
        ]
        error = error.__cause__ or error.__context__
    return "\n".join(said)


async def refusal(call, kind=AuthError) -> MemcacheError:
    """The error that the call raises; it shows no secret, and can be sent elsewhere."""
    with pytest.raises(kind) as caught:
        await do(call())
    for secret in PASSWORD, WRONG:
        assert secret not in shown(caught.value)
        assert secret.encode() not in pickle.dumps(str(caught.value))
    return caught.value


def steps(error: MemcacheError) -> list[str]:
    return [step for step, _ in error.timeline]


# --------------------------------------------------------------------------------------- let in


@on(CLIENT_RIGS)
@in_every_dialect
@scenario
async def test_who_says_who_he_is_is_let_in_at_every_connection(rig, protocol):
    guard = Guard()
    with ScriptedServer(guard) as server:
        mc = rig.client(server.address, protocol=protocol, timeout=20, **WHO)
        assert await do(mc.set("k", "v"))
        assert await do(mc.get("k")) == "v"
        assert await do(mc.get_multi(["k", "none"])) == {"k": "v"}
        assert await do(mc.get("auth")) is None
        assert guard.heard == [(USERNAME, PASSWORD)]
        clone = mc.clone()
        assert await do(clone.get("k")) == "v"
        assert guard.heard == [(USERNAME, PASSWORD)] * 2
        await rig.close(mc)
        await rig.close(clone)


@on(CLIENT_RIGS)
@in_every_dialect
@scenario
async def test_who_is_not_asked_keeps_his_password_to_himself(rig, protocol):
    guard = Guard(asks=False)
    with ScriptedServer(guard) as server:
        mc = rig.client(server.address, protocol=protocol, timeout=20, **WHO)
        assert await do(mc.set("k", "v"))
        assert await do(mc.get("k")) == "v"
        assert PASSWORD.encode() not in server.received()
        assert b"SASL" not in server.received()
        assert b"auth" not in server.received()
        await rig.close(mc)


@pytest.fixture(scope="module")
def guarded_memcached(tmp_path_factory):
    users = tmp_path_factory.mktemp("auth") / "users"
    users.write_text(f"bob:other\n{USERNAME}:{PASSWORD}\n")
    with RealMemcached("-Y", str(users)) as server:
        yield server


@pytest.mark.memcached
@on(CLIENT_RIGS)
@pytest.mark.parametrize("protocol", ["meta", "classic"])
@scenario
async def test_real_memcached_lets_in_who_knows_the_password(rig, protocol, guarded_memcached):
    address = guarded_memcached.address
    mc = rig.client(address, protocol=protocol, timeout=20, **WHO)
    assert await do(mc.set_multi({"k": "v", "l": 1})) == []
    assert await do(mc.get_multi(["k", "l", "auth"])) == {"k": "v", "l": 1}
    await rig.close(mc)
    who = {"username": USERNAME, "password": WRONG}
    for credentials, step in (who, "auth"), ({}, "auth"):
        mc = rig.client(address, protocol=protocol, timeout=20, **credentials)
        error = await refusal(lambda: mc.get("k"))  # noqa: B023
        assert error.step == step
        await rig.close(mc)


@pytest.mark.memcached
@on([BLOCKING, *SHARED_RIGS])
@in_every_dialect
@scenario
async def test_real_memcached_that_asks_nobody_is_told_nothing(rig, protocol, real_memcached):
    mc = rig.client(real_memcached.address, protocol=protocol, timeout=20, **WHO)
    assert await do(mc.set("k", "v"))
    assert await do(mc.get("k")) == "v"
    assert await do(mc.get("auth")) is None
    await rig.close(mc)


# ------------------------------------------------------------------------------------- not let in


@on(CLIENT_RIGS)
@in_every_dialect
@scenario
async def test_a_wrong_password_is_an_error_that_says_so_and_is_not_tried_again(rig, protocol):
    guard = Guard()
    with ScriptedServer(guard) as server:
        who = {"username": USERNAME, "password": WRONG}
        mc = rig.client(server.address, protocol=protocol, timeout=20, **who)
        error = await refusal(lambda: mc.get("k"))
        assert isinstance(error, ConnectFailed)
        assert error.step == "auth"
        assert error.server == server.address
        assert steps(error) == ["tcp", "protocol", "auth"]
        assert "authentication failed" in str(error)
        assert isinstance(error.__cause__, ErrorReplied)
        assert not error.maybe_applied
        assert len(guard.heard) == 1
        # Whoever calls on and on is told at once, and the server is left alone.
        for _ in range(20):
            await refusal(lambda: mc.set("k", "v"), (AuthError, ServerDown))
        assert len(guard.heard) <= 6
        await rig.close(mc)


@on([BLOCKING, *SHARED_RIGS])
@in_text_and_binary
@scenario
async def test_to_reads_a_server_that_does_not_know_us_is_a_miss_if_so_chosen(rig, protocol):
    with ScriptedServer(Guard()) as server:
        who = {"username": USERNAME, "password": WRONG, "on_unavailable": "miss"}
        mc = rig.client(server.address, protocol=protocol, timeout=20, **who)
        assert await do(mc.get("k", "default")) == "default"
        assert await do(mc.get_multi(["k"])) == {}
        await refusal(lambda: mc.set("k", "v"), (AuthError, ServerDown))
        await rig.close(mc)


@on(CLIENT_RIGS)
@scenario
async def test_who_does_not_say_who_he_is_is_told_what_is_missing(rig):
    for protocol, like, kind in (
        ("meta", "1.6.18", AuthError),
        ("classic", "1.6.45", AuthError),
        ("binary", "1.6.45", AuthError),
        # To a line as short as `mn` newer servers say nothing, and close.
        ("meta", "1.6.45", ConnectFailed),
    ):
        with ScriptedServer(Guard(like=like)) as server:
            mc = rig.client(server.address, protocol=protocol, timeout=20)
            error = await refusal(lambda: mc.get("k"), kind)  # noqa: B023
            assert error.step == ("auth" if kind is AuthError else "protocol")
            assert "give username and password" in str(error)
            await rig.close(mc)


@on([BLOCKING, SELECTOR, *SHARED_RIGS])
@scenario
async def test_one_of_two_servers_that_does_not_know_us_costs_its_own_keys(rig):
    knows, knows_not = Guard(), Guard()
    knows_not.users = {}
    with ScriptedServer(knows) as one, ScriptedServer(knows_not) as other:
        mc = rig.client([one.address, other.address], ring="modula", timeout=20, **WHO)
        mapping = {key: "v" for number in (0, 1) for key in keys_on(mc, number, 2)}
        error = await refusal(lambda: mc.set_multi(mapping), PartialFailure)
        assert isinstance(error, PartialFailure)
        assert set(error.failed_keys) == set(keys_on(mc, 1, 2))
        assert isinstance(error.errors[other.address], AuthError)
        assert await do(mc.get(keys_on(mc, 0)[0])) == "v"
        await rig.close(mc)


@on(SHARED_RIGS)
@in_text_and_binary
@scenario
async def test_tasks_that_share_a_connection_say_once_who_they_are(rig, protocol):
    for password, expected in (PASSWORD, None), (WRONG, AuthError):
        guard = Guard()
        with ScriptedServer(guard) as server:
            who = {"username": USERNAME, "password": password}
            mc = rig.client(server.address, protocol=protocol, timeout=20, **who)
            outcomes = await rig.together(*[lambda: mc.get("k")] * 20)  # noqa: B023
            assert {type(outcome) for outcome in outcomes} == {expected or type(None)}
            assert len(guard.heard) == 1
            await rig.close(mc)


@on([BLOCKING, *SHARED_RIGS])
@scenario
async def test_a_pool_s_clients_say_it_before_anybody_uses_them_and_none_is_lost(rig):
    for password in PASSWORD, WRONG:
        guard = Guard()
        with ScriptedServer(guard) as server:
            master = rig.client(server.address, timeout=20, username=USERNAME, password=password)
            pool = ClientPool(master, 2)
            for _ in range(2):
                mc = pool.get() if not rig.is_async else await pool.aget()
                try:
                    if password == PASSWORD:
                        assert await do(mc.set("k", "v"))
                    else:
                        await refusal(lambda: mc.set("k", "v"))  # noqa: B023
                finally:
                    pool.put(mc)
            assert pool.qsize() == 2
            await do(pool.aclose() if rig.is_async else pool.close())


# ---------------------------------------------------------------------------- slow, or no memcached


@on(CLIENT_RIGS)
@in_text_and_binary
@scenario
async def test_a_server_that_hangs_as_it_hears_who_is_there_costs_the_deadline(rig, protocol):
    with ScriptedServer(Guard(hangs=True)) as server:
        options = {"protocol": protocol, **WHO}
        mc = rig.client(server.address, timeout=0.05, connect_timeout=20, **options)
        error = await refusal(lambda: mc.set("k", "v"), OperationTimeout)
        assert isinstance(error, OperationTimeout)
        assert error.step == "auth"
        assert steps(error) == ["tcp", "protocol", "auth"]
        assert 0.04 <= sum(seconds for _, seconds in error.timeline) < 2
        assert not error.maybe_applied
        await rig.close(mc)
        mc = rig.client(server.address, timeout=20, connect_timeout=0.05, **options)
        assert (await refusal(lambda: mc.set("k", "v"))).step == "auth"
        await rig.close(mc)


@on(CLIENT_RIGS)
@scenario
async def test_a_server_that_lets_in_and_says_no_more_has_not_failed_at_that(rig):
    def dumb(peer: Peer) -> None:
        for answer in b"CLIENT_ERROR unauthenticated\r\n", b"STORED\r\n":
            peer.send(peer.request().fill(answer))
        peer.swallow()

    with ScriptedServer(dumb) as server:
        mc = rig.client(server.address, timeout=0.05, connect_timeout=20, **WHO)
        error = await refusal(lambda: mc.set("k", "v"), OperationTimeout)
        assert isinstance(error, OperationTimeout)
        assert error.step == "protocol"
        assert steps(error) == ["tcp", "protocol", "auth", "protocol"]
        await rig.close(mc)


@on(CLIENT_RIGS)
@in_text_and_binary
@scenario
async def test_what_is_no_memcached_hears_no_password(rig, protocol):
    http = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
    for answer in http, b"ERROR Too many open connections\r\n", b"-ERR unknown command\r\n":
        with ScriptedServer(always(answer, hello=False)) as server:
            mc = rig.client(server.address, protocol=protocol, timeout=20, **WHO)
            error = await refusal(lambda: mc.get("k"), ConnectFailed)  # noqa: B023
            assert error.step == "protocol"
            assert PASSWORD.encode() not in server.received()
            await rig.close(mc)


@on([BLOCKING, *SHARED_RIGS])
@scenario
async def test_a_server_that_takes_no_plain_hears_no_password(rig):
    for mechanisms in "CRAM-MD5 SCRAM-SHA-256", "":
        with ScriptedServer(Guard(mechanisms=mechanisms)) as server:
            mc = rig.client(server.address, protocol="binary", timeout=20, **WHO)
            error = await refusal(lambda: mc.get("k"))  # noqa: B023
            assert error.step == "auth"
            assert f"it offers {mechanisms.replace(' ', ', ') or 'nothing'}" in str(error)
            assert PASSWORD.encode() not in server.received()
            await rig.close(mc)


# -------------------------------------------------------------------------- a function gives them


@on(CLIENT_RIGS)
@in_text_and_binary
@scenario
async def test_a_function_is_asked_at_every_connection_so_that_passwords_can_change(rig, protocol):
    guard = Guard()
    known = {"password": PASSWORD}
    asked = []

    def credentials():
        asked.append(1)
        return USERNAME, known["password"].encode()

    with ScriptedServer(guard) as server:
        options = {"protocol": protocol, "credentials": credentials}
        mc = rig.client(server.address, timeout=20, **options)
        assert asked == []
        assert await do(mc.set("k", "v"))
        assert await do(mc.get("k")) == "v"
        assert len(asked) == 1
        guard.users[USERNAME] = known["password"] = "changed"
        server.peers[0].socket.shutdown(socket.SHUT_RDWR)
        assert await do(mc.get("k")) == "v", "over a new connection"
        assert len(asked) == 2
        assert guard.heard == [(USERNAME, PASSWORD), (USERNAME, "changed")]
        await rig.close(mc)
    with ScriptedServer(Guard(asks=False)) as server:
        mc = rig.client(server.address, timeout=20, **options)
        assert await do(mc.get("k")) is None
        assert len(asked) == 2, "nobody wants to know"
        await rig.close(mc)


@on([rig for rig in CLIENT_RIGS if rig.is_async])
@scenario
async def test_a_function_for_tasks_may_be_awaited(rig):
    async def credentials():
        await rig.backend().within(20, lambda: sign.wait())
        return USERNAME, PASSWORD

    with ScriptedServer(Guard()) as server:
        sign = rig.backend().new_event()
        sign.set()
        mc = rig.client(server.address, timeout=20, credentials=credentials)
        assert await mc.set("k", "v")
        await rig.close(mc)
        sign = rig.backend().new_event()  # and never set
        mc = rig.client(server.address, timeout=0.05, credentials=credentials)
        error = await refusal(lambda: mc.set("k", "v"), OperationTimeout)
        assert error.step == "auth"
        await rig.close(mc)


class Sealed(Exception):
    pass


@on(CLIENT_RIGS)
@in_text_and_binary
@scenario
async def test_a_function_that_fails_is_an_error_that_has_its_own_as_the_cause(rig, protocol):
    problem: BaseException = Sealed()

    def credentials():
        raise problem

    guard = Guard()
    with ScriptedServer(guard) as server:
        for problem in Sealed(), TimeoutError(), StopIteration(), LookupError():
            mc = rig.client(server.address, protocol=protocol, timeout=20, credentials=credentials)
            error = await refusal(lambda: mc.get("k"))  # noqa: B023
            assert error.step == "auth"
            assert error.__cause__ is problem
            assert type(problem).__name__ in str(error)
            await rig.close(mc)
        assert guard.heard == []


@on(CLIENT_RIGS)
@in_text_and_binary
@scenario
async def test_a_function_that_gives_something_else_is_a_mistake_that_shows_nothing(rig, protocol):
    nonsense: object = None
    guard = Guard()
    with ScriptedServer(guard) as server:
        for nonsense in (
            None,
            PASSWORD,
            (USERNAME,),
            (USERNAME, None),
            (USERNAME, PASSWORD, PASSWORD),
            {USERNAME: PASSWORD},
        ):
            mc = rig.client(
                server.address,
                protocol=protocol,
                timeout=20,
                credentials=lambda: nonsense,  # noqa: B023
            )
            with pytest.raises(TypeError, match="credentials must give") as caught:
                await do(mc.get("k"))
            assert PASSWORD not in shown(caught.value)
            await rig.close(mc)
        who = {"username": USERNAME, "password": PASSWORD + "\0 x"}
        mc = rig.client(
            server.address,
            protocol=protocol,
            timeout=20,
            credentials=lambda: tuple(who.values()),
        )
        error = await refusal(lambda: mc.get("k"))
        assert "password must" in str(error)
        assert isinstance(error.__cause__, InvalidArgument)
        await rig.close(mc)
        assert guard.heard == []


@on([BLOCKING, SELECTOR])
def test_a_function_that_takes_long_counts_towards_the_deadline(rig):
    def credentials():
        threading.Event().wait(0.15)
        return USERNAME, PASSWORD

    guard = Guard()
    with ScriptedServer(guard) as server:
        mc = rig.client(server.address, timeout=0.1, credentials=credentials)
        with pytest.raises(OperationTimeout) as caught:
            mc.get("k")
        assert caught.value.step == "auth"
        mc.close()


def test_a_blocking_client_takes_no_function_for_tasks():
    async def credentials():
        return USERNAME, PASSWORD

    with ScriptedServer(Guard()) as server:
        mc = Client(server.address, timeout=20, credentials=credentials)
        with (
            pytest.warns(RuntimeWarning, match="never awaited"),
            pytest.raises(TypeError, match="not a coroutine"),
        ):
            mc.get("k")
        mc.close()


# ----------------------------------------------------------------------------------- in the clear


def elsewhere(monkeypatch, host="192.0.2.1"):
    """From here on every TCP connection leads to another machine, as far as anybody can tell."""
    monkeypatch.setattr(socket.socket, "getpeername", lambda self: (host, 11211))


@on(CLIENT_RIGS)
@in_text_and_binary
@scenario
async def test_in_the_clear_a_password_goes_no_further_than_this_machine(
    rig, protocol, monkeypatch
):
    asked = []
    guard = Guard()
    with ScriptedServer(guard) as server:
        elsewhere(monkeypatch)
        for who in WHO, {"credentials": lambda: asked.append(1)}:
            # Whatever its name says.
            mc = rig.client(f"localhost:{server.place[1]}", protocol=protocol, timeout=20, **who)
            error = await refusal(lambda: mc.get("k"))  # noqa: B023
            assert error.step == "auth"
            assert "allow_cleartext_auth=True" in str(error)
            await rig.close(mc)
        assert server.received() == b"", "nothing at all was said"
        assert asked == []
        mc = rig.client(
            server.address, protocol=protocol, timeout=20, allow_cleartext_auth=True, **WHO
        )
        assert await do(mc.set("k", "v"))
        await rig.close(mc)


@on(CLIENT_RIGS)
@in_text_and_binary
@scenario
async def test_over_tls_and_over_unix_sockets_it_goes_anywhere(
    rig, protocol, monkeypatch, tmp_path
):
    elsewhere(monkeypatch)
    guard = Guard()
    with ScriptedServer(guard, tls=AUTHORITY.server()) as server:
        mc = rig.client(
            f"memcaches://{server.address}",
            protocol=protocol,
            timeout=20,
            ssl_context=AUTHORITY.client(),
            **WHO,
        )
        assert await do(mc.set("k", "v"))
        assert await do(mc.get("k")) == "v"
        await rig.close(mc)
    with ScriptedServer(guard, path=str(tmp_path / "s")) as server:
        mc = rig.client(server.address, protocol=protocol, timeout=20, **WHO)
        assert await do(mc.get("k")) == "v"
        await rig.close(mc)
    assert guard.heard == [(USERNAME, PASSWORD)] * 2


@pytest.mark.parametrize(
    ("host", "stays"),
    [
        ("127.0.0.1", True),
        ("127.8.7.6", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.1", False),
        ("128.127.0.1", False),
        ("::ffff:192.0.2.1", False),
        ("fe80::127", False),
        ("::", False),
        ("1127.0.0.1", False),
    ],
)
def test_this_machine_is_known_by_its_addresses(host, stays, monkeypatch):
    elsewhere(monkeypatch, host)
    guard = Guard()
    with ScriptedServer(guard) as server, Client(server.address, timeout=20, **WHO) as mc:
        if stays:
            assert mc.set("k", "v")
        else:
            with pytest.raises(AuthError):
                mc.set("k", "v")


@on(TURNS_RIGS)
@scenario
async def test_over_a_transport_that_does_not_know_who_listens_it_must_be_allowed(rig):
    guard = Guard()
    with ScriptedServer(guard) as server:
        mc = rig.client(server.address, timeout=20, **WHO)
        await refusal(lambda: mc.get("k"))
        await rig.close(mc)
        mc = rig.client(server.address, timeout=20, allow_cleartext_auth=True, **WHO)
        assert await mc.set("k", "v")
        await rig.close(mc)
    assert guard.heard == [(USERNAME, PASSWORD)]


# ------------------------------------------------------------------------------------- the options


def nobody():
    raise AssertionError("nobody asks")


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"username": USERNAME}, "username and password go together"),
        ({"password": PASSWORD}, "username and password go together"),
        (WHO | {"credentials": nobody}, "credentials stand for username and password"),
        ({"password": PASSWORD, "credentials": nobody}, "credentials stand for"),
        ({"username": "", "password": PASSWORD}, "username must be one word"),
        ({"username": USERNAME, "password": PASSWORD + " x"}, "password must be one word"),
        (WHO | {"protocol": "binary", "username": ""}, "username is empty"),
        (WHO | {"protocol": "binary", "password": PASSWORD + "\0"}, "password must not hold a NUL"),
    ],
)
def test_credentials_that_do_not_go_together_are_refused_and_not_shown(kind, options, words):
    with pytest.raises(InvalidArgument, match=words) as caught:
        kind("127.0.0.1", **options)
    assert PASSWORD not in str(caught.value) + repr(caught.value.__context__)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"credentials": (USERNAME, PASSWORD)}, "credentials must be a function"),
        (WHO | {"password": [PASSWORD]}, "password must be str or bytes, not list"),
        (WHO | {"allow_cleartext_auth": 1}, "allow_cleartext_auth must be a bool"),
    ],
)
def test_credentials_of_another_type_are_refused_and_not_shown(kind, options, words):
    with pytest.raises(TypeError, match=words) as caught:
        kind("127.0.0.1", **options)
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("protocol", ["meta", "binary"])
def test_a_client_shows_its_password_to_nobody_and_is_not_pickled(kind, protocol):
    mc = kind("127.0.0.1", protocol=protocol, **WHO)
    for slot in (mc, mc.clone(), mc._options, mc._options.login, mc._options.login._source):
        assert PASSWORD not in repr(slot) + str(slot)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(mc._options.login)
    with pytest.raises(TypeError):
        pickle.dumps(mc)


# ---------------------------------------------------------------------------------------- struck


KEYS = ["key0", "key1", "key2"]


@pytest.fixture(scope="module")
def guarded():
    with in_a_process_of_its_own() as address, Client(address, timeout=10, **WHO) as mc:
        assert mc.set_multi({key: key for key in KEYS}) == []
        yield address


@on(CANCELLED_RIGS)
@in_text_and_binary
@scenario
async def test_a_cancel_at_any_suspension_of_authentication(rig, protocol, guarded):
    """The credentials are awaited, so that there are points in that as well."""

    async def credentials():
        await breathe(rig)
        return USERNAME, PASSWORD

    options = {"protocol": protocol, "allow_cleartext_auth": True, "timeout": 10}
    master = rig.client(guarded, credentials=credentials, **options)

    async def attempt(cancel):
        async with master.clone() as mc:
            await cancel(lambda: mc.get("key0"))
            assert [await mc.get(key) for key in KEYS] == KEYS, cancel
            assert await mc.get_multi(KEYS) == {key: key for key in KEYS}

    points = await sweep(rig, attempt)
    assert points > 8
    print(f"{points} points")


@pytest.mark.memcached
@pytest.mark.parametrize(
    ("rig", "protocol"),
    [
        (BLOCKING, "meta"),
        *[
            pytest.param(*case, marks=pytest.mark.slow)
            for case in [(BLOCKING, "binary"), (SELECTOR, "meta"), (SELECTOR, "binary")]
        ],
    ],
    ids=str,
)
def test_an_interrupt_at_any_line_of_authentication(rig, protocol, guarded, guarded_memcached):
    address = guarded if protocol == "binary" else guarded_memcached.address
    master = rig.client(address, protocol=protocol, timeout=10, **WHO)
    with master.clone() as mc:
        mc.set_multi({key: key for key in KEYS})
    sweep = Sweep(master, lambda mc: mc.get("key0"), cold)
    sweep.run()
    assert sweep.points > 100
