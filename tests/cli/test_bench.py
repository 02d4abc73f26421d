"""bench: every kind of call is measured, every answer is checked, nothing stays behind."""

from __future__ import annotations

import json

import pytest

import mcclient
from tests.cli.commands import Run

KINDS = [
    "get, a hit",
    "get, a miss",
    "set",
    "get_multi of 100",
    "set_multi of 100",
    "incr",
    "pooled get, 4 threads",
    "async get, one task",
]


def test_the_table_says_what_was_measured_and_against_what(run: Run) -> None:
    status, out, err = run("bench", "--seconds", "0.2")
    assert status == 0
    lines = out.decode().splitlines()
    assert [line for line in lines if line.startswith(tuple(KINDS))] == lines[3 : 3 + len(KINDS)]
    assert max(map(len, lines)) <= 80
    assert "The server runs in this process" in out.decode()
    # Nobody is left to wonder whether it still runs.
    assert len(err.splitlines()) == len(KINDS)


def test_json_has_the_numbers(run: Run, server: str) -> None:
    status, out, _ = run("bench", "--seconds", "0.2", "--json", "-s", server)
    assert status == 0
    report = json.loads(out)
    assert (report["servers"], report["embedded"]) == ([server], False)
    assert [result["name"] for result in report["results"]] == KINDS
    for result in report["results"]:
        assert result["operations"] > 0
        assert result["wrong"] == 0
        assert 0 < result["median_us"] <= result["p99_us"]
        assert result["per_second"] == pytest.approx(
            result["operations"] / result["seconds"], rel=0.1
        )


def test_nothing_stays_behind(run: Run, server: str) -> None:
    with mcclient.Client(server) as mc:
        before = mc.stats()[server]
        assert run("bench", "--seconds", "0.1", "-s", server).status == 0
        after = mc.stats()[server]
    assert int(after["cmd_set"]) > int(before["cmd_set"])
    # Items that were flushed before may be counted until somebody comes across them.
    assert int(after["curr_items"]) <= int(before["curr_items"])


def test_a_wrong_answer_is_seen(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcclient.Client, "incr", lambda self, key, **options: 12)
    status, _, err = run("bench", "--seconds", "0.1")
    assert status == 1
    assert err.splitlines()[-1].startswith("mcclient bench: incr: ")


def test_no_server_is_status_3(run: Run, nobody: str) -> None:
    status, out, err = run("bench", "--seconds", "0.1", "-s", nobody)
    assert (status, out) == (3, b"")
    assert nobody in err


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "4000", "soon", "1e3"])
def test_a_bad_number_of_seconds_is_a_usage_error(run: Run, seconds: str) -> None:
    status, out, err = run("bench", "--seconds", seconds)
    assert (status, out, err.count("\n")) == (2, b"", 1)
    assert "--seconds" in err
