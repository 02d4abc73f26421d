"""From key to server: as pylibmc places them, and what holds for any servers."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcclient import rings
from mcclient._servers import Server, parse_server, parse_servers
from mcclient.rings._hashes import md5_32, md5_words, one_at_a_time
from mcclient.rings._ketama import point_counts
from mcproto import InvalidArgument

RECORDED = json.loads(
    (Path(__file__).parent / "data" / "pylibmc_placement.json").read_text(encoding="utf-8")
)
RECORDED_KEYS = [key.encode() for key in RECORDED["keys"]]

KEYS = st.binary(min_size=1, max_size=250)
PORTS = st.lists(st.integers(1, 65535), unique=True)
WEIGHTS = st.lists(st.integers(1, 65535), min_size=1, max_size=20)
NAMES = st.sampled_from(["ketama", "modula", "pylibmc"])


def recorded_servers(name: str) -> list[Server]:
    return [
        parse_server(spec) if isinstance(spec, str) else Server("", 0, spec[0], spec[1])
        for spec in RECORDED["server_lists"][name]
    ]


def weighted(weights: list[int]) -> list[Server]:
    return [Server(f"10.0.0.{n}", 11211, weight=weight) for n, weight in enumerate(weights)]


@pytest.mark.parametrize(
    ("servers", "ring", "placement"),
    RECORDED["placements"],
    ids=[f"{ring}-{servers}" for servers, ring, _ in RECORDED["placements"]],
)
def test_keys_lie_where_pylibmc_put_them(servers: str, ring: str, placement: str) -> None:
    ours = rings.build(ring, recorded_servers(servers))
    recorded = [RECORDED["alphabet"].index(character) for character in placement]
    assert [ours.server_for(key) for key in RECORDED_KEYS] == recorded


def test_every_recorded_placement_is_there_to_be_compared() -> None:
    # 22 lists of servers, two rings, 201 keys: the test above has not shrunk unnoticed.
    assert len(RECORDED["placements"]) == 22 * 2
    assert len(RECORDED_KEYS) == 201
    assert sum(len(placement) for _, _, placement in RECORDED["placements"]) == 8844


def test_keys_hash_as_in_libmemcached() -> None:
    assert list(map(one_at_a_time, RECORDED_KEYS)) == RECORDED["hash_default"]
    assert list(map(md5_32, RECORDED_KEYS)) == RECORDED["hash_md5"]
    nothing = {"default": one_at_a_time(b""), "md5": md5_32(b"")}
    assert nothing == RECORDED["hash_of_nothing"]


@given(st.binary())
def test_one_at_a_time_is_what_its_definition_says(data: bytes) -> None:
    value = 0
    for byte in data:
        value += byte - 256 if byte > 127 else byte
        value += value << 10
        value &= 0xFFFFFFFF
        value ^= value >> 6
    value += value << 3
    value &= 0xFFFFFFFF
    value ^= value >> 11
    value += value << 15
    assert one_at_a_time(data) == value & 0xFFFFFFFF


@given(st.binary())
def test_md5_is_cut_into_little_endian_words(data: bytes) -> None:
    digest = hashlib.md5(data, usedforsecurity=False).digest()
    words = tuple(int.from_bytes(digest[at : at + 4], "little") for at in (0, 4, 8, 12))
    assert md5_words(data) == words
    assert md5_32(data) == words[0]


def test_equal_servers_get_160_points_but_for_what_single_precision_does() -> None:
    fewer = {25, 47, 50, 55, 61, 71, 94, 100}
    for number in range(1, 101):
        assert point_counts([1] * number) == [156 if number in fewer else 160] * number


@pytest.mark.parametrize(
    ("weights", "counts"), [([1, 2, 5], [60, 120, 300]), ([1, 100], [0, 316]), ([9], [160])]
)
def test_points_go_by_weight(weights: list[int], counts: list[int]) -> None:
    assert point_counts(weights) == counts


@given(WEIGHTS, st.integers(1, 12))
def test_only_the_proportion_of_weights_counts(weights: list[int], factor: int) -> None:
    assert point_counts([weight * factor for weight in weights]) == point_counts(weights)


@given(WEIGHTS)
def test_a_heavier_server_has_no_fewer_points_and_the_sum_fits(weights: list[int]) -> None:
    counts = point_counts(weights)
    by_weight = sorted(zip(weights, counts, strict=True))
    assert [count for _, count in by_weight] == sorted(counts)
    assert 0 < sum(counts) <= 160 * len(weights)
    assert all(count % 4 == 0 for count in counts)


@given(NAMES, WEIGHTS, st.lists(KEYS))
def test_every_key_has_a_server_and_always_the_same(
    name: str, weights: list[int], keys: list[bytes]
) -> None:
    servers = weighted(weights)
    placed = [rings.build(name, servers).server_for(key) for key in keys]
    again = rings.build(name, servers)
    assert placed == [again.server_for(key) for key in keys]
    assert all(0 <= index < len(servers) for index in placed)


@given(st.lists(st.integers(1, 65535), min_size=2, max_size=20, unique=True), st.lists(KEYS))
def test_a_new_server_takes_keys_and_no_other_key_moves(
    ports: list[int], keys: list[bytes]
) -> None:
    # Up to 24 servers of equal weight all have 160 points, however many they are.
    servers = [Server("cache", port) for port in ports]
    before = rings.build("ketama", servers[:-1])
    after = rings.build("ketama", servers)
    newest = len(servers) - 1
    for key in [*keys, *RECORDED_KEYS]:
        assert after.server_for(key) in (before.server_for(key), newest)


@given(st.permutations([("a", 1), ("b", 2), ("c", 3), ("d", 4), ("e", 5)]))
def test_ketama_does_not_care_for_the_order_of_servers(addresses: list[tuple[str, int]]) -> None:
    servers = [Server(host, weight, weight=weight) for host, weight in addresses]
    ring, ordered = rings.build("ketama", servers), sorted(servers, key=lambda each: each.name)
    reference = rings.build("ketama", ordered)
    for key in RECORDED_KEYS:
        assert servers[ring.server_for(key)] == ordered[reference.server_for(key)]


def test_keys_are_spread_by_weight() -> None:
    ring = rings.build("ketama", parse_servers(["a:1:1", "b:1:3"]))
    parts = ring.partition(b"key:%d" % number for number in range(10_000))
    assert 0.2 < len(parts[0]) / 10_000 < 0.3


def test_a_server_too_light_for_a_point_gets_no_key() -> None:
    ring = rings.build("ketama", weighted([1, 100]))
    assert set(ring.partition(RECORDED_KEYS)) == {1}


def test_a_key_that_hashes_to_a_point_belongs_to_the_point_and_not_to_the_next() -> None:
    servers = weighted([1] * 20)
    ring = rings.build("ketama", servers)
    for index, server in enumerate(servers):
        # The texts that a server's points are hashed from, taken for keys.
        keys = [f"{server.ring_label}-{number}".encode() for number in range(40)]
        assert ring.partition(keys) == {index: keys}


def test_a_point_of_two_servers_belongs_to_the_first() -> None:
    # Servers under one label have every point in common.
    twins = [Server("a", 1), Server("a", 1)]
    assert set(rings.build("ketama", twins).partition(RECORDED_KEYS)) == {0}


@pytest.mark.parametrize("name", ["ketama", "modula", "pylibmc"])
def test_a_single_server_gets_every_key_unhashed(name: str) -> None:
    ring = rings.build(name, parse_servers("a"))
    not_even_bytes: list[bytes] = [b"", None]  # type: ignore[list-item]  # pyright: ignore
    assert [ring.server_for(key) for key in not_even_bytes] == [0, 0]


def test_pylibmc_is_another_name_of_modula() -> None:
    servers = weighted([1, 2, 3])
    modula, pylibmc = rings.build("modula", servers), rings.build("pylibmc", servers)
    assert modula.partition(RECORDED_KEYS) == pylibmc.partition(RECORDED_KEYS)


@given(NAMES, WEIGHTS, st.lists(KEYS))
def test_parts_hold_every_key_at_its_server_in_the_order_given(
    name: str, weights: list[int], keys: list[bytes]
) -> None:
    ring = rings.build(name, weighted(weights))
    parts = ring.partition(iter(keys))
    assert parts == {
        server: [key for key in keys if ring.server_for(key) == server]
        for server in set(map(ring.server_for, keys))
    }


def test_an_unknown_ring_is_refused_with_the_names_of_the_known_ones() -> None:
    with pytest.raises(InvalidArgument, match=r"ring.*'crush'.*'ketama', 'modula', 'pylibmc'"):
        rings.build("crush", parse_servers("a"))


@pytest.mark.parametrize("ring", [None, 1, b"ketama", rings.build("ketama", parse_servers("a"))])
def test_a_ring_that_is_no_name_is_a_type_error(ring: str) -> None:
    with pytest.raises(TypeError, match="ring must be a str"):
        rings.build(ring, parse_servers("a"))
