"""Every key at the server where pylibmc put it, whatever was set, in whatever order."""

from __future__ import annotations

import json
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from mcclient import Client, pylibmc, rings
from mcclient._servers import Server
from mcclient.rings._libmemcached import HASHES
from mcclient.rings._pylibmc import Placement
from mcproto import InvalidArgument

RECORDED = json.loads((Path(__file__).parent / "data" / "placement.json").read_text("utf-8"))
KEYS = [key.encode() for key in RECORDED["keys"]]
ALPHABET = RECORDED["alphabet"]
NAMES = list(RECORDED["server_lists"])
KINDS = {"tcp": 1, "udp": 2, "unix": 4}


def tuples(name: str) -> list[tuple[int, str, int, int]]:
    return [
        (KINDS[kind], host, port, weight)
        for kind, host, port, weight in RECORDED["server_lists"][name]
    ]


def servers(name: str) -> list[Server]:
    return [
        Server("", 0, host, weight) if kind == "unix" else Server(host, port, None, weight)
        for kind, host, port, weight in RECORDED["server_lists"][name]
    ]


def numeric(behaviors: dict[str, Any]) -> dict[str, Any]:
    """As the low-level client takes them."""
    changed = dict(behaviors)
    for name, numbers in (("hash", pylibmc.hashers), ("distribution", pylibmc.distributions)):
        if name in changed:
            changed[name] = numbers[changed[name]]
    if changed.get("ketama_hash") in pylibmc.hashers:
        changed["ketama_hash"] = pylibmc.hashers[changed["ketama_hash"]]
    if "namespace" in changed:
        changed["namespace"] = changed["namespace"].encode()
    return changed


def made(name: str, how: str, behaviors: list[dict[str, Any]]) -> Any:
    first, *clones = how.split("+")
    steps = [numeric(each) for each in behaviors]
    given = steps.pop(0) if first == "ctor" else None
    mc = pylibmc._pylibmc.client(tuples(name), behaviors=given)
    for step in steps:
        mc.set_behaviors(step)
    for _ in clones:
        mc = mc.clone()
    return mc


def line(server_for: Any) -> str:
    return "".join(ALPHABET[server_for(key)] for key in KEYS)


@pytest.fixture
def remembered_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand cases hash the same few thousand strings."""
    for name, function in HASHES.items():
        monkeypatch.setitem(HASHES, name, lru_cache(maxsize=None)(function))


@pytest.mark.usefixtures("remembered_hashes")
@pytest.mark.parametrize("name", NAMES)
def test_keys_lie_where_pylibmc_put_them(name: str) -> None:
    wrong = []
    for case in RECORDED["cases"]:
        which, how, behaviors, expected = case
        if NAMES[which] == name:
            mc = made(name, RECORDED["hows"][how], RECORDED["behaviors"][behaviors])
            if line(mc.hash) != RECORDED["maps"][expected]:
                wrong.append(case)
    assert wrong == []


def test_every_recorded_placement_is_there_to_be_compared() -> None:
    # The test above has not shrunk unnoticed.
    assert len(RECORDED["cases"]) == 1921
    assert len(RECORDED["maps"]) == 503
    assert {len(each) for each in RECORDED["maps"]} == {len(KEYS)} == {201}
    assert set(Counter(NAMES[case[0]] for case in RECORDED["cases"])) == set(NAMES)


@pytest.mark.parametrize("number", range(len(RECORDED["after_eject"])))
def test_the_keys_of_ejected_servers_go_where_pylibmc_sends_them(number: int) -> None:
    places, behaviors, ejected, before, after = RECORDED["after_eject"][number]
    placement = Placement()
    placement.apply(behaviors)
    placement.add(Server(host, port, None, weight) for host, port, weight in places)
    assert line(placement.server_for) == before
    placement.eject(ejected)
    assert line(placement.server_for) == after
    placement.eject(())
    assert line(placement.server_for) == before


@pytest.mark.parametrize("name", HASHES)
def test_keys_hash_as_in_libmemcached(name: str) -> None:
    assert list(map(HASHES[name], KEYS)) == RECORDED["hashes"][name]
    assert HASHES[name](b"") == RECORDED["hashes_of_nothing"][name]


def test_all_of_libmemcacheds_hashes_have_been_compared() -> None:
    assert set(HASHES) == set(RECORDED["hashes"]) == set(pylibmc.hashers) - {"hsieh"}


# --------------------------------------------------------------------------- from the native client


@pytest.mark.parametrize("clone", [False, True])
@pytest.mark.parametrize(
    "behaviors",
    [
        {},
        {"ketama": True},
        {"ketama": True, "hash": "md5"},
        {"ketama_weighted": True},
        {"distribution": "consistent ketama spy", "hash": "crc"},
        {"ketama": True, "_sort_hosts": True},
        {"ketama": True, "tcp_nodelay": True, "_poll_timeout": 100},
    ],
)
@pytest.mark.parametrize("name", ["three_weighted", "ten_unsorted", "three_unix"])
def test_a_native_client_can_place_keys_as_a_pylibmc_client_does(
    name: str, behaviors: dict[str, Any], clone: bool
) -> None:
    ours = servers(name)
    ring = rings.build(rings.pylibmc(behaviors, clone=clone), ours)
    mc = pylibmc._pylibmc.client(tuples(name), behaviors=numeric(behaviors))
    if clone:
        mc = mc.clone()
    order = ours
    if behaviors.get("_sort_hosts"):
        order = sorted(ours, key=lambda each: ((each.path or each.host).encode(), each.port))
    for key in KEYS:
        assert ours[ring.server_for(key)] is order[mc.hash(key)]


def test_the_native_names_are_profiles_too() -> None:
    for name, behaviors in (("ketama", {"ketama_weighted": True}), ("modula", {}), ("pylibmc", {})):
        named = rings.build(name, servers("ten"))
        profile = rings.build(rings.pylibmc(behaviors), servers("ten"))
        assert line(named.server_for) == line(profile.server_for)


def test_a_client_takes_a_profile_for_its_ring() -> None:
    with Client(["a", "b", "c"], ring=rings.pylibmc({"ketama": True})) as mc:
        assert mc.servers == ("a:11211", "b:11211", "c:11211")


def test_clones_of_a_weighted_client_look_elsewhere_for_half_of_the_keys() -> None:
    places = servers("five")
    master = rings.build(rings.pylibmc({"ketama_weighted": True}), places)
    clone = rings.build(rings.pylibmc({"ketama_weighted": True}, clone=True), places)
    moved = sum(master.server_for(key) != clone.server_for(key) for key in KEYS)
    assert moved > len(KEYS) / 2


def test_a_random_server_is_another_every_time() -> None:
    ring = rings.build(rings.pylibmc({"distribution": "random"}), servers("ten"))
    assert not ring.is_fixed
    assert len({ring.server_for(b"key") for _ in range(200)}) > 1
    with Client(["a", "b", "c", "d"], ring=rings.pylibmc({"distribution": "random"})) as mc:
        assert len({mc._routes["key"][0] for _ in range(200)}) > 1


@pytest.mark.parametrize(
    ("behaviors", "message"),
    [
        ({"Ketama": True}, "there is no 'Ketama'"),
        ({"hash": "sha1"}, "hash must be one of default, md5"),
        ({"hash": "hsieh"}, "hash must be one of"),
        ({"distribution": "consistent max"}, "distribution must be one of modula"),
    ],
)
def test_behaviors_that_are_not_there_are_refused(
    behaviors: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidArgument, match=message):
        rings.pylibmc(behaviors)


def test_the_namespace_counts_only_where_it_is_told_to() -> None:
    with pytest.raises(TypeError, match="namespace must be bytes"):
        rings.pylibmc({"namespace": "text"})
    plain, same, other = (
        line(rings.build(rings.pylibmc(behaviors), servers("ten")).server_for)
        for behaviors in (
            {},
            {"namespace": b"ns:"},
            {"namespace": b"ns:", "_hash_with_prefix_key": True},
        )
    )
    assert plain == same != other
