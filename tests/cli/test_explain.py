"""explain: where a key goes, without asking anybody."""

from __future__ import annotations

import json

import pytest

from mcclient import pylibmc
from tests.cli.commands import Run

SERVERS = ("-s", "a:1", "-s", "b:2", "-s", "c:3:2")
ADDRESSES = ["a:1", "b:2", "c:3:2"]


@pytest.mark.parametrize(
    "behaviors",
    [
        {},
        {"ketama": True},
        {"ketama": True, "hash": "md5"},
        {"ketama_weighted": True},
        {"distribution": "consistent ketama spy", "_sort_hosts": True},
        {"ketama": True, "namespace": b"ns:", "_hash_with_prefix_key": True},
    ],
)
def test_it_says_where_pylibmc_looks(run: Run, behaviors: dict[str, object]) -> None:
    typed = []
    for name, value in behaviors.items():
        typed += ["--behavior", f"{name}={value.decode() if isinstance(value, bytes) else value}"]
    master = pylibmc.Client(ADDRESSES, behaviors)
    order = sorted(ADDRESSES) if behaviors.get("_sort_hosts") else ADDRESSES
    for key in ("key", "schl\u00fcssel", "x" * 250):
        status, out, err = run("explain", key, *SERVERS, "--ring", "pylibmc", *typed, "--json")
        assert (status, err) == (0, "")
        found = json.loads(out)
        for who, mc in (("master", master), ("clone", master.clone())):
            assert found[who]["number"] == mc.hash(key)
            assert found[who]["server"] == order[mc.hash(key)][:3]
            assert found[who]["hash"] == mc.behaviors["hash"]
        assert found["server"] == found["master"]["server"]


def test_the_native_rings_have_one_answer(run: Run) -> None:
    status, out, _ = run("explain", "key", *SERVERS, "--json")
    found = json.loads(out)
    assert status == 0
    assert found["ring"] == "ketama"
    assert found["client"]["points"] == [120, 120, 240]
    _, out, _ = run("explain", "key", *SERVERS, "--ring", "modula", "--json")
    assert json.loads(out)["client"]["points"] == [0, 0, 0]


def test_for_people_it_is_a_table_and_a_warning(run: Run) -> None:
    key = next(
        key
        for key in map(str, range(100))
        if len({mc.hash(key) for mc in (weighted(), weighted().clone())}) == 2
    )
    argv = ("-s", "a", "-s", "b", "--ring", "pylibmc", "--behavior", "ketama_weighted=on")
    status, out, err = run("explain", key, *argv)
    assert (status, err) == (0, "")
    lines = out.decode().splitlines()
    assert lines[0] == f"key      {key} ({len(key)} bytes)"
    assert lines[1] == "ring     pylibmc ketama_weighted=True"
    assert [line.split()[0] for line in lines[5:7]] == ["master", "clone"]
    assert lines[-1] == "A clone, and so a pool's client, looks for it elsewhere than its master."
    one = run("explain", key, "-s", "a").out.decode()
    assert "elsewhere" not in one


def weighted() -> pylibmc.Client:
    return pylibmc.Client(["a", "b"], {"ketama_weighted": True})


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (("k", "--behavior", "hash=md5"), "only with --ring pylibmc"),
        (("k", "--ring", "pylibmc", "--behavior", "hash=sha1"), "hash must be one of"),
        (("k", "--ring", "pylibmc", "--behavior", "hush=md5"), "there is no 'hush'"),
        (("k", "--ring", "pylibmc", "--behavior", "hash"), "'hash' is not NAME=VALUE"),
        (("k", "--ring", "crush"), "invalid choice: 'crush'"),
        (("a b",), "blank"),
        (("k", "-s", "a", "-s", "a"), "there twice"),
    ],
)
def test_what_cannot_be_is_a_usage_error(run: Run, argv: tuple[str, ...], complaint: str) -> None:
    status, out, err = run("explain", *argv)
    assert (status, out) == (2, b"")
    assert complaint in err
    assert err.count("\n") == 1
