"""The tests and figures that docs/guarantees.md names exist, and every guarantee names one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from fuzz.figures import FIGURES as OF_THE_CORE
from tests.faults.figures import FIGURES as UNDER_FAULTS
from tests.pools.figures import FIGURES as OF_POOLS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/guarantees.md").read_text()
TABLES = PAGE.partition("## Broken on purpose")[0]
ROWS = [line for line in TABLES.splitlines() if re.match(r"\| (?!what|---|\|)", line)]
NAMED = sorted(set(re.findall(r"`([a-z_/]+\.py)::(\w+)`", PAGE)))


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_a_test_that_is_named_exists(path: str, name: str) -> None:
    tree = ast.parse((ROOT / "tests" / path).read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    assert name in {node.name for node in tree.body if isinstance(node, functions)}


def test_every_guarantee_names_a_test() -> None:
    assert len(ROWS) > 20
    assert [row for row in ROWS if ".py::test_" not in row] == []


def test_the_invariants_are_all_there() -> None:
    names = re.findall(r"^\| ([A-Z]\d) \|", TABLES, re.MULTILINE)
    assert names == "I1 I2 I3 I4 I5 I6 I7 I8 P1 P2 P3 P4 P5 P6 P7 T1 T2 T3 H1 H2 H3".split()


def test_a_figure_that_is_named_can_be_measured() -> None:
    named = set(re.findall(r"\bF\d+\b", PAGE))
    assert named - {*OF_THE_CORE, *UNDER_FAULTS, *OF_POOLS} == set()
