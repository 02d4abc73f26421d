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
