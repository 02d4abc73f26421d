"""Ours and the real pylibmc on the same calls and the same servers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mcclient import pylibmc
from tests.pylibmc import sidebyside
from tests.pylibmc.sidebyside import Player
from tests.servers import RealMemcached

GUIDE = Path(__file__).parents[2] / "docs" / "moving-from-pylibmc.md"

SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "cas": {"cas": True},
    "namespace": {"cas": True, "namespace": b"ns:"},
    "verified": {"cas": True, "verify_keys": True},
}


def play(real_pylibmc: Any, setting: str, binary: bool, seeds: range, number: int) -> int:
    """Play it on both. Gives the number of calls; fails at the first that differs unexplained."""
    behaviors = SETTINGS[setting]
    played = 0
    with RealMemcached() as theirs, RealMemcached() as ours:
        for seed in seeds:
            theirs.flush()
            ours.flush()
            one = Player(real_pylibmc.Client([theirs.address], behaviors, binary=binary))
            other = Player(pylibmc.Client([ours.address], behaviors, binary=binary))
            namespace = behaviors.get("namespace", b"")
            for call in sidebyside.calls(seed, number, binary, namespace):
                expected, found = one.play(call), other.play(call)
                played += 1
                if not sidebyside.same(expected, found):
                    assert sidebyside.explained(call, expected, found), (
                        f"seed {seed}: {call}\npylibmc: {expected}\nours:    {found}"
                    )
                if sidebyside.has_stopped(call, expected):
                    theirs.flush()
                    ours.flush()
    return played


@pytest.mark.memcached
@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
@pytest.mark.parametrize("setting", SETTINGS)
def test_random_calls_come_to_the_same(setting: str, binary: bool, real_pylibmc: Any) -> None:
    if binary and setting == "verified":
        binary, setting = True, "plain"  # it has no such behavior: another seed instead
    played = play(real_pylibmc, setting, binary, range(3), 250)
    assert played == 750


@pytest.mark.slow
@pytest.mark.memcached
@pytest.mark.timeout(600)
@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
@pytest.mark.parametrize("setting", ["plain", "cas", "namespace"])
def test_a_great_many_random_calls_come_to_the_same(
    setting: str, binary: bool, real_pylibmc: Any
) -> None:
    assert play(real_pylibmc, setting, binary, range(100, 130), 600) == 18_000


def test_what_may_differ_stands_in_the_guide() -> None:
    text = GUIDE.read_text("utf-8")
    for name in [*sidebyside.KNOWN, *(rule.name for rule in sidebyside.RULES)]:
        assert f"| {name} |" in text


VALUES: list[Any] = [
    b"bytes", b"", b"\0\r\n\xff", "text", "", "\u00e4\u00f6\u4e2d", 0, -5, 10**40, True, False,
    None, 1.5, [1, "a"], {"a": (1, 2)}, {1, 2}, "x" * 5000, b"y" * 5000, list(range(2000)),
]  # fmt: skip

CLUSTERS: dict[str, dict[str, Any]] = {
    "modula": {},
    "ketama": {"ketama": True},
    "ketama md5": {"ketama": True, "hash": "md5"},
    "weighted": {"ketama_weighted": True},
    "spy": {"distribution": "consistent ketama spy", "hash": "fnv1a_32"},
    "sorted": {"ketama": True, "_sort_hosts": True},
    "namespace": {"ketama": True, "namespace": b"ns:", "_hash_with_prefix_key": True},
}


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
@pytest.mark.parametrize("cluster", CLUSTERS)
def test_what_one_writes_the_other_reads_on_five_servers(
    cluster: str, binary: bool, real_pylibmc: Any, five_servers: list[RealMemcached]
) -> None:
    for server in five_servers:
        server.flush()
    addresses = [f"{server.address}:{1 + n % 2}" for n, server in enumerate(five_servers)]
    behaviors = CLUSTERS[cluster]
    theirs = real_pylibmc.Client(addresses, behaviors, binary=binary)
    ours = pylibmc.Client(addresses, behaviors, binary=binary)
    pairs = [(theirs, ours), (theirs.clone(), ours.clone())]
    for turn, (one, other) in enumerate([*pairs, *[pair[::-1] for pair in pairs]]):
        values = {f"{turn}:\u00e4:{n}": value for n, value in enumerate(VALUES * 3)}
        for options in ((0, 0), (0, 1)):
            for key, value in values.items():
                assert one.set(key, value, *options)
                assert other.get(key) == value
            assert other.get_multi(list(values)) == values
        assert one.set_multi(values, 0, "p:") == []
        assert other.get_multi(list(values), "p:") == values
        # (How much a ring gives to each depends on the ports: of a few keys, one may get none.)
        keys = [*values, *(f"{turn}:more:{n}" for n in range(2000))]
        assert {one.hash(key) for key in keys} == {0, 1, 2, 3, 4}
        assert list(map(one.hash, keys)) == list(map(other.hash, keys))
        assert other.delete_multi(values.keys(), "p:")
        assert one.get_multi(list(values), "p:") == {}


def test_clients_from_pools_find_what_pooled_clients_wrote(
    real_pylibmc: Any, five_servers: list[RealMemcached]
) -> None:
    addresses = [server.address for server in five_servers]
    behaviors = {"ketama_weighted": True}  # under which masters look elsewhere
    theirs = real_pylibmc.ClientPool(real_pylibmc.Client(addresses, behaviors), 1)
    ours = pylibmc.ClientPool(pylibmc.Client(addresses, behaviors), 1)
    values = {f"key:{n}": str(n) for n in range(200)}
    with theirs.reserve() as one, ours.reserve() as other:
        assert one.set_multi(values) == []
        assert other.get_multi(list(values)) == values


def test_the_real_one_reads_what_was_signed(
    real_pylibmc: Any, real_memcached: RealMemcached
) -> None:
    ours = pylibmc.Client([real_memcached.address], pickle="signed", pickle_keys=b"k" * 32)
    # (On Python 3.13 it has something to say about behaviors that are None.)
    theirs = real_pylibmc.Client([real_memcached.address], {})
    for options in ((), (0, 1)):
        ours.set("key", ["x"] * 1000, *options)
        assert theirs.get("key") == ["x"] * 1000
