"""What is on purpose not as in pylibmc, and what is so often used that it is told here by itself.

All else about the methods is in test_side_by_side.py, where the real one says what is right.
"""

from __future__ import annotations

import threading
from typing import Any

import pytest

from mcclient import pylibmc
from mcclient.embedded import MemoryServer
from tests.servers import RealMemcached

# What would be two keys, or a command, or would hide in a log.
UNSAFE = ["a b", "a\r\nflush_all", "\n", "a\tb", "a\0", "\x7f", b"a\r\nset b 0 0 1\r\nx", " "]


def test_a_value_comes_back(either: pylibmc.Client) -> None:
    assert either.set("key", "text")
    assert either.get("key") == either["key"] == "text"
    assert either.get(b"key") == "text"
    assert either.get("other", 5) == 5
    either["key"] = 3
    assert either.incr("key", 4) == 7
    assert either.decr("key", 100) == 0
    assert "key" in either
    del either["key"]
    assert "key" not in either
    with pytest.raises(KeyError, match="key"):
        either["key"]
    with pytest.raises(KeyError, match="key"):
        del either["key"]


def test_a_changed_item_is_not_overwritten_by_cas(either: pylibmc.Client) -> None:
    either.set("key", 1)
    value, unique = either.gets("key")
    assert value == 1
    assert unique
    assert either.cas("key", 2, unique)
    assert not either.cas("key", 3, unique)
    assert either.get("key") == 2
    with pytest.raises(pylibmc.NotFound):
        either.cas("other", 1, unique)


def test_many_keys_at_once(either: pylibmc.Client) -> None:
    assert either.set_multi({"a": 1, b"b": "two", "": 3}, key_prefix="p:") == []
    assert either.set_multi({"c": 1, "": 3}) == [""]
    assert either.get_multi(["a", b"b", "", "x"], "p:") == {"a": 1, b"b": "two", "": 3}
    assert either.get_multi({"a", "b"}) == {}
    assert either.incr_multi(["a"], "p:", 4) is None
    assert either.get("p:a") == 5
    with pytest.raises(pylibmc.NotFound, match="2 keys not found"):
        either.incr_multi(["x", "y", "c"])
    assert either.add_multi({"c": 1, "d": 2}) == ["c"]
    assert not either.delete_multi(["c", "nothing"])
    assert either.delete_multi(["a", b"b"], "p:")
    assert either.get_multi(["c", "p:a"]) == {}


def test_what_is_asked_for_twice_comes_back_as_str(either: pylibmc.Client) -> None:
    either.set("key", 1)
    for keys in (["key", b"key"], [b"key", "key"]):
        assert list(either.get_multi(keys)) == ["key"]


def test_appending_keeps_the_flags(either: pylibmc.Client) -> None:
    either.set("key", "middle")
    assert either.append("key", b" end")
    assert either.prepend("key", 1)
    assert either.get("key") == "1middle end"
    assert not either.append("other", "x")


def test_a_value_can_be_too_big(either: pylibmc.Client) -> None:
    big = b"x" * (2 << 20)
    with pytest.raises(pylibmc.TooBig) as raised:
        either.set("key", big)
    assert str(raised.value) == ""
    with pytest.raises(pylibmc.TooBig):
        either.set_multi({"a": big, "b": 1})
    with pytest.raises(pylibmc.TooBig):
        either.set_multi({"a": b"x", "b": big, "c": b"y"})
    # In one flight: the others have been stored all the same.
    assert either.get_multi(["a", "b", "c"]) == {"a": b"x", "c": b"y"}
    assert either.set("key", "small")


def test_a_value_can_be_larger_than_what_is_ever_sent(either: pylibmc.Client) -> None:
    with pytest.raises(pylibmc.TooBig):
        either.set("key", bytes((64 << 20) + 1))
    assert either.set("key", "small")


@pytest.mark.parametrize("key", UNSAFE)
def test_a_key_that_would_not_arrive_as_one_is_never_sent(key: str | bytes) -> None:
    with MemoryServer() as server:
        mc = pylibmc.Client([server.address], {"cas": True})
        mc.set("other", 1)
        calls: list[Any] = [
            lambda: mc.get(key),
            lambda: mc.gets(key),
            lambda: mc.set(key, 1),
            lambda: mc.add(key, 1),
            lambda: mc.append(key, "x"),
            lambda: mc.cas(key, 1, 1),
            lambda: mc.delete(key),
            lambda: mc.touch(key, 1),
            lambda: mc.incr(key),
            lambda: mc.get_multi(["other", key]),
            lambda: mc.get_multi([key], "p:"),
            lambda: mc.get_multi(["x"], key),
            lambda: mc.set_multi({"other": 1, key: 1}),
            lambda: mc.set_multi({"other": b"", key: b""}),
            lambda: mc.delete_multi([key]),
            lambda: mc.incr_multi(["other", key]),
            lambda: key in mc,
        ]
        for call in calls:
            with pytest.raises(pylibmc.BadKeyProvided):
                call()
        assert mc.get("other") == 1
        keys = {getattr(command, "key", b"other") for command in server.commands}
        assert keys == {b"other"}


@pytest.mark.parametrize("key", UNSAFE)
def test_in_the_binary_protocol_any_byte_may_be_in_a_key(
    key: str | bytes, real_memcached: RealMemcached
) -> None:
    real_memcached.flush()
    mc = pylibmc.Client([real_memcached.address], binary=True)
    assert mc.set_multi({key: "x", "other": "y"}) == []
    assert mc.get_multi([key, "other"]) == {key: "x", "other": "y"}
    assert mc.incr_multi([]) is None
    assert mc.delete(key)
    assert mc.get(key) is None


@pytest.mark.parametrize("key", ["a b", "\u00fc", b"\xff", "\x7f", "a\r\nb"])
def test_verified_keys_are_told_off_as_there(key: str, real_memcached: RealMemcached) -> None:
    real_memcached.flush()
    mc = pylibmc.Client([real_memcached.address], {"verify_keys": True, "cas": True})
    for call in (
        lambda: mc.get(key),
        lambda: mc.gets(key),
        lambda: mc.incr(key),
        lambda: mc.cas(key, 1, 1),
        lambda: mc.get_multi(["a", key]),
        lambda: mc.incr_multi([key]),
    ):
        with pytest.raises(pylibmc.BadKeyProvided):
            call()
    assert not mc.set(key, 1)
    assert not mc.add(key, 1)
    assert not mc.append(key, "1")
    assert not mc.delete(key)
    assert not mc.touch(key, 1)
    assert mc.set_multi({"a": 1, key: 1}) == [key]
    assert mc.set_multi({"b": "x", key: "x"}) == [key]
    assert mc.get_multi(["a", "b"]) == {"a": 1, "b": "x"}
    assert not mc.delete_multi(["a", key])
    assert mc.get("a") is None


def test_a_key_is_too_long_with_its_namespace(real_memcached: RealMemcached) -> None:
    mc = pylibmc.Client([real_memcached.address], {"namespace": b"ns:"})
    assert mc.set("x" * 247, 1)
    with pytest.raises(pylibmc.BadKeyProvided, match="too long with the namespace"):
        mc.set("x" * 248, 1)


def test_a_namespace_is_put_before_keys_and_nobody_sees_it(real_memcached: RealMemcached) -> None:
    real_memcached.flush()
    plain = pylibmc.Client([real_memcached.address])
    mc = pylibmc.Client([real_memcached.address], {"namespace": b"ns:"})
    assert mc.set_multi({"a": 1, "b": "x"}) == []
    assert mc.get_multi(["a", "b"]) == {"a": 1, "b": "x"}
    assert plain.get_multi(["ns:a", "a"]) == {"ns:a": 1}
    assert mc.clone().get("a") == 1
    mc.behaviors["namespace"] = b"other:"
    assert mc.get("a") is None
    assert mc.get_multi(["a", "b"]) == {}
    assert mc.set_multi({"a": "y", "b": "y"}) == []
    assert plain.get_multi(["ns:a", "other:a"]) == {"ns:a": 1, "other:a": "y"}


def test_every_call_leaves_the_one_connection_idle(either: pylibmc.Client) -> None:
    either.set("key", "x")
    either.set("n", 1)
    session: Any = either._client__session  # type: ignore[attr-defined]
    (link,) = session._links.values()
    values = {f"key:{n}": "x" for n in range(20)}
    calls: list[Any] = [
        lambda: either.get("key"),
        lambda: either.get("none"),
        lambda: either.get("n"),
        lambda: either.set("key", "x"),
        lambda: either.set("key", b"x" * 100_000),
        lambda: either.get("key"),
        lambda: either.set_multi(values),
        lambda: either.set_multi(dict.fromkeys(values, b"y")),
        lambda: either.get_multi(list(values)),
        lambda: either.get_multi(["key:1", "none", "n"]),
        lambda: either.gets("key"),
        lambda: either.incr("n"),
        lambda: either.delete_multi(list(values)),
    ]
    for call in calls * 2:
        call()
        assert list(session._links.values()) == [link]
        assert link.connection.is_idle


def test_noreply_looks_as_there_and_loses_nothing(either: pylibmc.Client) -> None:
    either.behaviors["_noreply"] = True
    assert either.set("key", 1)
    assert either.add("key", 2)
    assert either.set_multi({"a": 1, "b": "x"}) == []
    assert either.add_multi({"a": 2}) == []
    assert either.delete("nothing")
    assert either.delete_multi(["nothing"])
    assert either.incr("key") == either.incr("nothing") == 2**64 - 1
    assert either.incr_multi(["nothing"]) is None
    assert not either.touch("key", 10)
    assert either.get("key") == 2
    assert either.get_multi(["a", "b"]) == {"a": 1, "b": "x"}
    with pytest.raises(pylibmc.BadKeyProvided):
        either.incr("")


def test_statistics_are_the_22_of_there(either: pylibmc.Client) -> None:
    either.set("key", "x")
    (name, stats), *more = either.get_stats()
    assert more == []
    host = either.addresses[0]
    assert name == f"{host} (0)".encode()
    assert len(stats) == 22
    assert int(stats["curr_items"]) >= 1
    assert stats["version"].startswith(b"1.")
    (_, zeros), *more = either.get_stats("items")
    assert zeros["pid"] == b"-1"
    assert set(zeros) == set(stats)
    with pytest.raises(TypeError):
        either.get_stats(None)  # type: ignore[arg-type]


def test_flushing_takes_whole_seconds(either: pylibmc.Client) -> None:
    either.set("key", 1)
    assert either.flush_all(time=100)
    assert either.get("key") == 1
    assert either.flush_all(-5)
    assert either.get("key") is None
    for wrong in (1.0, None):
        with pytest.raises(TypeError):
            either.flush_all(wrong)  # type: ignore[arg-type]


def test_disconnecting_leaves_the_client_usable(either: pylibmc.Client) -> None:
    either.set("key", 1)
    assert either.disconnect_all() is None
    assert either.get("key") == 1


def test_two_threads_in_one_client_get_an_error_and_no_wrong_value() -> None:
    with MemoryServer() as server:
        mc = pylibmc.Client([server.address])
        mc.set("key", "x" * 10)
        server.fail_next("delay", times=1)
        inside = threading.Event()
        outcome: list[object] = []

        def first() -> None:
            inside.set()
            outcome.append(mc.get("key"))

        thread = threading.Thread(target=first)
        thread.start()
        inside.wait(10)
        while thread.is_alive():
            try:
                outcome.append(mc.get("key"))
            except pylibmc.Error as error:
                outcome.append(str(error))
        thread.join()
        assert {each for each in outcome if each != "x" * 10} <= {
            "one client, two callers at a time; see ClientPool"
        }
        assert mc.get("key") == "x" * 10


def test_random_placement_is_random(real_memcached: RealMemcached) -> None:
    mc = pylibmc.Client([real_memcached.address] * 3, {"distribution": "random"})
    assert {mc.hash("key") for _ in range(100)} == {0, 1, 2}
    assert mc.set("key", 1)


def test_elasticache_finds_the_nodes(real_memcached: RealMemcached) -> None:
    from tests.pylibmc.endpoint import Endpoint

    host, port = real_memcached.host, real_memcached.port
    answers = {
        "of today": f"CONFIG cluster 0 {len(config(host, port))}\r\n".encode()
        + config(host, port)
        + b"\r\nEND\r\n",
    }
    for answer in answers.values():
        for size in (1, 7, 10_000):
            with Endpoint(answer, size) as endpoint:
                mc = pylibmc.autoconf.elasticache(endpoint.address)
                assert mc.addresses == [f"{host}:{port}", f"name:{port}"]


def config(host: str, port: int) -> bytes:
    return f"12\nname|{host}|{port} name||{port}\n".encode()


def test_elasticache_asks_old_servers_for_a_value(real_memcached: RealMemcached) -> None:
    real_memcached.flush()
    with pytest.raises(pylibmc.autoconf.NoAutoconfFound):
        pylibmc.autoconf.elasticache(real_memcached.address)
    mc = pylibmc.Client([real_memcached.address])
    mc.set("AmazonElastiCache:cluster", config("h", 5))
    assert pylibmc.autoconf.elasticache(real_memcached.address).addresses == ["h:5", "name:5"]


def test_the_test_helper_finds_a_live_server(real_memcached: RealMemcached) -> None:
    from mcclient.pylibmc import test as helper

    env = {"MEMCACHED_HOST": real_memcached.host, "MEMCACHED_PORT": str(real_memcached.port)}
    mc = helper.make_test_client(env=env, behaviors={"cas": True})
    assert mc.behaviors["cas"] == 1
    place = (1, real_memcached.host, real_memcached.port)
    alive, version = helper.is_alive(place)
    assert alive
    assert version == helper.get_version(place)
    with pytest.raises(helper.NotAliveError, match="MEMCACHED_PORT"):
        helper.make_test_client(env={"MEMCACHED_PORT": "1"})
