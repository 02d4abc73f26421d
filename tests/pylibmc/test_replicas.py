"""Copies of items on the next servers, which only the binary protocol has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from mcclient import pylibmc
from tests.servers import RealMemcached

pytestmark = pytest.mark.memcached

KEYS = [f"key:{n}" for n in range(30)]


@pytest.fixture
def servers() -> Iterator[list[RealMemcached]]:
    with ExitStack() as stack:
        yield [stack.enter_context(RealMemcached()) for _ in range(3)]


def client(servers: list[RealMemcached], replicas: int, binary: bool = True) -> pylibmc.Client:
    behaviors = {"num_replicas": replicas, "cas": True}
    return pylibmc.Client([server.address for server in servers], behaviors, binary=binary)


def holders(servers: list[RealMemcached], key: str) -> list[int]:
    """The servers that have it."""
    return [
        number for number, server in enumerate(servers) if key in pylibmc.Client([server.address])
    ]


@pytest.mark.parametrize("replicas", [0, 1, 2, 5])
def test_what_is_set_is_copied_and_what_is_deleted_is_deleted_everywhere(
    replicas: int, servers: list[RealMemcached]
) -> None:
    mc = client(servers, replicas)
    wanted = {
        key: sorted({(mc.hash(key) + step) % 3 for step in range(min(replicas, 2) + 1)})
        for key in KEYS
    }
    for key in KEYS:
        assert mc.set(key, 1)
        assert holders(servers, key) == wanted[key]
        assert mc.delete(key)
        assert holders(servers, key) == []
    assert mc.set_multi(dict.fromkeys(KEYS, "x")) == []
    assert [holders(servers, key) for key in KEYS] == list(wanted.values())
    assert mc.delete_multi(KEYS)
    assert [holders(servers, key) for key in KEYS] == [[]] * len(KEYS)
    assert mc.add(KEYS[0], 1)
    assert holders(servers, KEYS[0]) == [mc.hash(KEYS[0])]


def test_in_text_there_are_no_copies(servers: list[RealMemcached]) -> None:
    mc = client(servers, 2, binary=False)
    assert mc.set("key", 1)
    assert holders(servers, "key") == [mc.hash("key")]


def test_keys_of_a_lost_server_are_read_from_the_copies(servers: list[RealMemcached]) -> None:
    mc = client(servers, 1)
    values = {key: f"value of {key}" for key in KEYS}
    assert mc.set_multi(values) == []
    servers[1].kill()
    mc.disconnect_all()
    assert mc.get_multi(KEYS) == values
    assert mc.get_multi([*KEYS, "none"]) == values
    lost = next(key for key in KEYS if mc.hash(key) == 1)
    for other in (mc, mc.clone()):
        assert other.get(lost) == other[lost] == values[lost]
        assert other.gets(lost)[0] == values[lost]
        with pytest.raises((pylibmc.ServerDown, pylibmc.ConnectionError)):
            other.set(lost, 1)
    servers[2].kill()
    mc.disconnect_all()
    with pytest.raises(pylibmc.ConnectionError):
        mc.get(lost)
    with pytest.raises(pylibmc.ServerDown):
        mc.get_multi(KEYS)
