"""Servers that are lost, silent or wrong: what is raised, how long it lasts, and how it heals."""

from __future__ import annotations

import contextlib
import itertools
import socket
from collections.abc import Callable
from typing import Any

import pytest

from mcclient import pylibmc
from mcclient._servers import Server
from mcclient.pylibmc._behaviors import Behaviors
from mcclient.pylibmc._errors import Code
from mcclient.pylibmc._marks import Marks
from tests.pylibmc.endpoint import Endpoint
from tests.servers import RealMemcached

Call = Callable[[pylibmc.Client], object]

READS: dict[str, Call] = {
    "get": lambda mc: mc.get("key"),
    "gets": lambda mc: mc.gets("key"),
    "in": lambda mc: "key" in mc,
    "get_multi": lambda mc: mc.get_multi(["key", "other"]),
}
WRITES: dict[str, Call] = {
    "set": lambda mc: mc.set("key", 1),
    "set a str": lambda mc: mc.set("key", "x"),
    "add": lambda mc: mc.add("key", 1),
    "append": lambda mc: mc.append("key", "x"),
    "cas": lambda mc: mc.cas("key", 1, 1),
    "delete": lambda mc: mc.delete("key"),
    "touch": lambda mc: mc.touch("key", 1),
    "incr": lambda mc: mc.incr("key"),
    "set_multi": lambda mc: mc.set_multi({"key": 1, "other": 1}),
    "delete_multi": lambda mc: mc.delete_multi(["key", "other"]),
}
ALL: dict[str, Call] = {
    "flush_all": lambda mc: mc.flush_all(),
    "get_stats": lambda mc: mc.get_stats(),
}
MISSES: dict[str, object] = {"get": None, "gets": (None, None), "in": False, "get_multi": {}}


@pytest.fixture(scope="module")
def dead() -> Any:
    """An address that is taken, and where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


def client(*servers: str, binary: bool = False, **behaviors: Any) -> pylibmc.Client:
    return pylibmc.Client(list(servers), {"cas": True, **behaviors}, binary=binary)


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("call", [*READS, *WRITES])
def test_a_server_that_cannot_be_reached_is_down_for_a_while(
    call: str, binary: bool, dead: str
) -> None:
    mc = client(dead, binary=binary)
    do = (READS | WRITES)[call]
    first: type[Exception] = pylibmc.ConnectionError
    if call == "touch":
        first = pylibmc.WriteError
    elif call == "get_multi":  # for its second key the server is marked
        first = pylibmc.ServerDown
    with pytest.raises(first) as raised:
        do(mc)
    assert type(raised.value) is first
    with pytest.raises(pylibmc.WriteError if call == "touch" else pylibmc.ServerDown):
        do(mc)
    mc.disconnect_all()  # forgets it
    with pytest.raises(first):
        do(mc)
    with pytest.raises(pylibmc.Error):
        do(mc.clone())


@pytest.mark.parametrize("call", ALL)
def test_an_order_to_all_servers_fails_as_a_whole(
    call: str, dead: str, real_memcached: RealMemcached
) -> None:
    mc = client(real_memcached.address, dead)
    for _ in range(2):
        with pytest.raises(pylibmc.SomeErrors):
            ALL[call](mc)


def test_messages_read_as_there(dead: str) -> None:
    mc = client(dead)
    for text in (
        f"error 3 from memcached_get(k): CONNECTION FAILURE,  host: {dead}",
        "error 47 from memcached_get(k): SERVER HAS FAILED AND IS DISABLED UNTIL TIMED RETRY,"
        f"  host: {dead}",
    ):
        with pytest.raises(pylibmc.Error) as raised:
            mc.get("k")
        assert str(raised.value) == text
    with pytest.raises(pylibmc.ServerDown, match=r"^1 keys failed$"):
        mc.incr("k")
    with pytest.raises(pylibmc.Error, match=r"^2 keys failed$"):
        mc.incr_multi(["k", "l"])
    with pytest.raises(pylibmc.Error, match=r"memcached_delete\(" + "x" * 32 + r"\):"):
        mc.delete("x" * 100)


def test_a_missing_socket_is_a_system_error() -> None:
    mc = client("/nowhere/to.be.found")
    with pytest.raises(pylibmc.Error) as raised:
        mc.get("key")
    assert type(raised.value) is pylibmc.Error
    assert str(raised.value) == "error 26 from memcached_get(key): No such file or directory"


def test_a_host_that_has_no_address_is_an_error_of_its_own() -> None:
    mc = client("no-such-host.invalid")
    with pytest.raises(pylibmc.HostLookupError):
        mc.get("key")


def test_keys_of_lost_servers_are_absent_while_others_answer(
    dead: str, real_memcached: RealMemcached
) -> None:
    real_memcached.flush()
    mc = client(real_memcached.address, dead)
    keys = [f"key:{n}" for n in range(40)]
    here = [key for key in keys if mc.hash(key) == 0]
    there = [key for key in keys if mc.hash(key) == 1]
    with pytest.raises(pylibmc.ConnectionError):
        mc.set_multi(dict.fromkeys(keys, "x"))
    # In one flight: those of the others have been stored.
    assert mc.get_multi(keys) == dict.fromkeys(here, "x")
    with pytest.raises(pylibmc.ServerDown):
        mc.get_multi(there)
    with pytest.raises(pylibmc.ServerDown):
        mc.delete_multi(keys)
    with pytest.raises(pylibmc.ServerDown):
        client_binary = client(real_memcached.address, dead, binary=True)
        client_binary.get_multi(keys)
    assert mc.get_multi(keys) == {}


ANSWERS: list[tuple[bytes, type[Exception], int | None]] = [
    (b"ERROR\r\n", pylibmc.SocketCreateError, 11),
    (b"CLIENT_ERROR bad\r\n", pylibmc.ClientError, 9),
    (b"SERVER_ERROR object too large for cache\r\n", pylibmc.TooBig, 37),
    (b"SERVER_ERROR out of memory storing object\r\n", pylibmc.Error, None),
    (b"SERVER_ERROR whatever\r\n", pylibmc.ServerError, 10),
    (b"WHATEVER\r\n", pylibmc.UnknownReadFailure, 7),
]


@pytest.mark.parametrize(("answer", "error", "code"), ANSWERS)
def test_error_lines_are_told_as_there(
    answer: bytes, error: type[Exception], code: int | None
) -> None:
    # An old version: it is spoken to in classic commands.
    with Endpoint(lambda line: b"VERSION 1.4.0\r\n" if line == b"version" else answer) as server:
        mc = client(server.address)
        for name, call in READS.items():
            assert call(mc) == MISSES[name]
        for call in WRITES.values():
            with pytest.raises(error) as raised:
                call(mc)
            assert type(raised.value) is error
            assert getattr(raised.value, "retcode", None) == code
        for call in ALL.values():
            with pytest.raises(pylibmc.SomeErrors):
                call(mc)


def test_a_server_that_knows_no_meta_is_never_sent_any() -> None:
    with Endpoint(lambda line: b"VERSION 1.4.0\r\n" if line == b"version" else b"END\r\n") as old:
        mc = client(old.address)
        assert mc.get("key") is None
        assert mc.get_multi(["key"]) == {}
        assert old.requests == [b"version", b"get key", b"get key"]


@pytest.mark.parametrize("call", [*READS, *WRITES])
def test_a_silent_server_is_waited_for_as_long_as_the_poll_timeout(call: str) -> None:
    with Endpoint(lambda line: b"VERSION 1.4.0\r\n" if line == b"version" else None) as server:
        mc = client(server.address, _poll_timeout=60)
        if call == "get_multi":
            assert mc.get_multi(["key"]) == {}
            return
        with pytest.raises(pylibmc.Error) as raised:
            (READS | WRITES)[call](mc)
        assert type(raised.value) is pylibmc.Error
        assert call == "incr" or "31 from" in str(raised.value)


def test_the_deadline_can_be_set_later() -> None:
    with Endpoint(None) as server:
        mc = client(server.address, _poll_timeout=-1)
        mc.behaviors["_poll_timeout"] = 50
        with pytest.raises(pylibmc.Error, match="31"):
            mc.get("key")


@pytest.mark.memcached
@pytest.mark.parametrize("binary", [False, True])
def test_a_restarted_server_is_read_from_without_an_error(binary: bool) -> None:
    reads: list[Call] = [
        lambda mc: mc.get("key") is None,
        lambda mc: mc.get_multi(["key"]) == {},
        lambda mc: mc.gets("key") == (None, None),
        lambda mc: "key" not in mc,
    ]
    with RealMemcached() as server:
        mc = client(server.address, binary=binary)
        for read in reads:
            mc.set("other", 1)
            server.restart()
            assert read(mc)
        server.restart()
        # A write is sent once: it may have been done.
        with contextlib.suppress(pylibmc.ConnectionError):
            mc.set("key", 1)
        assert mc.set("key", 1)


@pytest.mark.memcached
def test_a_server_that_comes_back_is_asked_when_its_time_is_up() -> None:
    with RealMemcached() as server:
        mc = client(server.address, retry_timeout=0)
        mc.set("key", 1)
        server.kill()
        with pytest.raises(pylibmc.ConnectionError):
            mc.set("key", 1)
        server.start()
        for _ in itertools.count():  # until the second is over: the test's timeout ends it
            try:
                assert mc.set("key", 2)
                break
            except pylibmc.ServerDown:
                pass
        assert mc.get("key") == 2


# ------------------------------------------------------------------------------------------ marks


def marks(number: int = 3, **behaviors: Any) -> tuple[Marks, Behaviors, list[str]]:
    state = Behaviors(False)
    state.apply(behaviors)
    state.placement.add(Server("h", port) for port in range(1, number + 1))
    moved: list[str] = []
    return Marks(state, lambda: moved.append("moved")), state, moved


def test_a_mark_lasts_until_the_clock_has_passed_a_whole_second() -> None:
    mark, _, _ = marks(retry_timeout=2)
    assert mark.refusal(1, 100.0) is None
    assert mark.failed(1, Code.CONNECTION, 100.9) == Code.CONNECTION
    for now in (100.9, 101.0, 102.99):
        assert mark.refusal(1, now) == Code.SERVER_DOWN
        assert mark.refusal(0, now) is None
    assert mark.refusal(1, 103.0) is None
    assert mark.failed(1, Code.CONNECTION, 103.5) == Code.SERVER_DOWN
    assert mark.refusal(1, 105.0) == Code.SERVER_DOWN
    assert mark.refusal(1, 106.0) is None
    mark.succeeded(1)
    assert mark.failed(1, Code.TIMEOUT, 107.0) == Code.TIMEOUT


def test_a_server_that_fails_too_often_leaves_the_ring_and_comes_back() -> None:
    mark, state, moved = marks(
        ketama=True, auto_eject=True, failure_limit=2, retry_timeout=1, dead_timeout=10
    )
    keys = [b"key:%d" % n for n in range(100)]
    before = list(map(state.placement.server_for, keys))
    assert mark.failed(1, Code.CONNECTION, 10) == Code.CONNECTION
    assert mark.refusal(1, 11) == Code.SERVER_DOWN
    assert mark.failed(1, Code.CONNECTION, 12) == Code.SERVER_DOWN
    assert moved == []
    assert mark.refusal(1, 14) == Code.SERVER_DEAD
    assert (moved, mark.any_ejected) == (["moved"], True)
    after = list(map(state.placement.server_for, keys))
    assert 1 in before
    assert 1 not in after
    assert all(old in (new, 1) for old, new in zip(before, after, strict=True))
    mark.bring_back(24)
    assert mark.any_ejected
    mark.bring_back(25)
    assert not mark.any_ejected
    assert list(map(state.placement.server_for, keys)) == before
    # One try: down, then dead again.
    assert mark.refusal(1, 25) is None
    assert mark.failed(1, Code.CONNECTION, 25) == Code.SERVER_DOWN
    assert mark.refusal(1, 25) == Code.SERVER_DEAD
    mark.bring_back(36)
    assert mark.refusal(1, 36) is None
    mark.succeeded(1)
    assert mark.failed(1, Code.CONNECTION, 40) == Code.CONNECTION


def test_without_a_dead_timeout_it_comes_back_after_the_retry_timeout() -> None:
    mark, state, _ = marks(ketama=True, auto_eject=True, failure_limit=1, retry_timeout=3)
    mark.failed(0, Code.CONNECTION, 10)
    assert mark.refusal(0, 10) == Code.SERVER_DEAD
    assert state.placement.ejected == {0}
    mark.bring_back(13)
    assert state.placement.ejected == {0}
    mark.bring_back(14)
    assert state.placement.ejected == set()


def test_under_modula_a_dead_server_is_tried_again_too() -> None:
    mark, _, _ = marks(auto_eject=True, failure_limit=1, retry_timeout=1)
    mark.failed(0, Code.CONNECTION, 10)
    assert mark.refusal(0, 10) == Code.SERVER_DEAD
    assert mark.refusal(0, 11) == Code.SERVER_DEAD
    assert mark.refusal(0, 12) is None
    mark.succeeded(0)
    assert not mark.any_ejected


def test_all_is_forgotten_at_once() -> None:
    mark, state, moved = marks(ketama=True, auto_eject=True, failure_limit=1)
    mark.failed(0, Code.CONNECTION, 10)
    mark.refusal(0, 10)
    mark.forget()
    assert (mark.any_ejected, state.placement.ejected) == (False, frozenset())
    assert mark.refusal(0, 10) is None
    assert moved == ["moved", "moved"]


def test_a_client_goes_on_without_an_ejected_server(
    dead: str, real_memcached: RealMemcached
) -> None:
    mc = client(
        dead, real_memcached.address, ketama=True, auto_eject=True, failure_limit=1, dead_timeout=99
    )
    keys = [f"key:{n}" for n in range(50)]
    assert {mc.hash(key) for key in keys} == {0, 1}
    (key, *_) = (each for each in keys if mc.hash(each) == 0)
    for error in (pylibmc.ConnectionError, pylibmc.ServerDead):
        with pytest.raises(error):
            mc.set(key, 1)
    assert {mc.hash(each) for each in keys} == {1}
    assert mc.set_multi(dict.fromkeys(keys, "x")) == []
    assert mc.get_multi(keys) == dict.fromkeys(keys, "x")
