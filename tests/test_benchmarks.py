"""That the benchmarks work. What they measure is looked at by people, on a quiet machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
BENCHMARKS = sorted(path.name for path in FOLDER.glob("[!_]*.py"))


@pytest.mark.memcached
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.pylibmc if name == "pylibmc.py" else ())
        for name in BENCHMARKS
    ],
)
def test_a_quick_run_has_a_number_for_every_way_and_judges_nothing(name: str) -> None:
    run = subprocess.run(
        [sys.executable, FOLDER / name, "--quick", "--json"], capture_output=True, check=False
    )
    assert run.returncode == 0, run.stderr.decode()
    report = json.loads(run.stdout)
    for table in report["tables"]:
        assert table["slices"] >= 3
        for way in table["ways"]:
            assert way["wall"]["ns"] > 0
            assert way["wall"]["low"] <= way["wall"]["median"] <= way["wall"]["high"]
    assert report["comparisons"]
    for comparison in report["comparisons"]:
        assert comparison["judgement"] == ("not judged" if comparison["at_most"] else None)


@pytest.mark.memcached
def test_one_command_runs_them_and_puts_what_came_of_it_into_one_table(tmp_path: Path) -> None:
    run = [sys.executable, "-m", "benchmarks", "--quick", "--only", "blocking/hit"]
    picture = tmp_path / "picture.svg"
    done = subprocess.run(
        [*run, "--plot", picture], cwd=FOLDER.parent, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert "get, 100 bytes" in done.stdout.decode()
    assert picture.read_text().startswith("<svg")


@pytest.mark.memcached
def test_a_peer_that_gives_a_wrong_value_ends_the_run_without_a_figure() -> None:
    program = """
import sys
sys.path.insert(0, {folder!r})
import _clients, blocking
from _harness import run
wrong = lambda servers, module: _clients.Ways(lambda key: b"?", lambda *item: True, dict, dict)
_clients.PEERS.clear()
_clients.PEERS["wrong"] = ("json", wrong)
sys.argv[1:] = ["--quick", "--json", "--only", "hit"]
run("", blocking.measure, tuple(blocking.WORKLOADS))
"""
    done = subprocess.run(
        [sys.executable, "-c", program.format(folder=str(FOLDER))], capture_output=True, check=False
    )
    assert done.returncode == 2
    assert not done.stdout
    assert b"Nothing was measured" in done.stderr
