"""stats: what every server says about itself, side by side where that fits."""

from __future__ import annotations

import json

import pytest

from tests.cli.commands import Run
from tests.servers import RealMemcached


def test_one_server_is_a_table_of_two_columns(run: Run, server: str) -> None:
    status, out, err = run("stats", "-s", server)
    assert (status, err) == (0, "")
    head, *body = out.decode().splitlines()
    assert head.split() == [server]
    entries = dict(line.split(maxsplit=1) for line in body)
    assert {"pid", "uptime", "curr_items", "get_hits", "version"} <= entries.keys()


def test_json_has_the_servers_own_words(run: Run, server: str) -> None:
    status, out, _ = run("stats", "--json", "-s", server)
    assert status == 0
    (entries,) = json.loads(out).values()
    assert entries["threads"] == "1"


def test_several_servers_stand_side_by_side_where_there_is_room(
    run: Run, real_memcached: RealMemcached, embedded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = ("-s", real_memcached.address, "-s", embedded)
    names = [real_memcached.address, embedded]
    out = run("stats", *both).out.decode()
    assert out.splitlines()[0].split() == names
    assert max(map(len, out.splitlines())) <= 80
    monkeypatch.setenv("COLUMNS", "50")
    lines = run("stats", *both).out.decode().splitlines()
    first = lines.index("")
    assert [lines[0].split(), lines[first + 1].split()] == [[name] for name in names]
    # In a column of its own, no server lacks what only others have.
    assert not any(line.endswith(" -") for line in lines)


def test_a_group_that_no_server_knows_is_a_usage_error(run: Run, server: str) -> None:
    status, out, err = run("stats", "frobnication", "-s", server)
    assert (status, out) == (2, b"")
    assert err.startswith("mcclient stats: argument GROUP: ")
    assert run("stats", "two  blanks", "-s", server).status == 2


def test_an_order_among_the_groups_has_nothing_to_show(run: Run, server: str) -> None:
    assert run("stats", "reset", "-s", server) == (0, b"", "")


def test_a_lost_server_does_not_hide_the_others(run: Run, server: str, nobody: str) -> None:
    status, out, err = run("stats", "--json", "-s", nobody, "-s", server)
    assert status == 3
    assert list(json.loads(out)) == [server]
    assert nobody in err
