"""The figures that the protocol core is held to, in their short form.

``python3 -m fuzz.figures`` measures what every change must pass, with ``--long`` much more.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from fuzz.catalog import CATALOG, CORPUS
from fuzz.figures import FIGURES, Size
from fuzz.run import Broken, smaller, try_some, why_broken

FUZZ = Path(__file__).parents[2] / "fuzz"


@pytest.mark.parametrize("measure", FIGURES.values(), ids=FIGURES.keys())
def test_a_figure_is_met(measure: Callable[[Size], str]) -> None:
    print(measure("short"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("measure", FIGURES.values(), ids=FIGURES.keys())
def test_a_figure_is_met_by_as_much_as_every_change_must_pass(
    measure: Callable[[Size], str],
) -> None:
    print(measure("full"))


# ------------------------------------------------------------------------------------ the corpus


@pytest.mark.parametrize("name", CATALOG)
def test_the_corpus_keeps_the_promise(name: str) -> None:
    target = CATALOG[name]
    seeds = target.seeds()
    assert seeds
    for seed in seeds:
        target.promise(seed)


def test_the_corpus_is_small_and_belongs_to_targets() -> None:
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 200_000
    assert {path.parent.name for path in files} == {target.corpus for target in CATALOG.values()}


# ----------------------------------------------------------------------------------- the drivers


@pytest.mark.parametrize("name", CATALOG)
def test_every_target_has_a_driver_for_atheris(name: str) -> None:
    source = (FUZZ / f"fuzz_{name}.py").read_text(encoding="utf-8")
    promise = CATALOG[name].promise
    assert f"from {promise.__module__} import {promise.__name__}" in source
    assert f"fuzz/corpus/{CATALOG[name].corpus}" in source
    compile(source, name, "exec")


def test_every_target_is_in_the_readme() -> None:
    readme = (FUZZ / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|", readme, re.MULTILINE)
    assert sorted(rows) == sorted(CATALOG)


def test_the_same_seed_makes_the_same_inputs() -> None:
    first = try_some("replies", "seed", 50)
    assert first == try_some("replies", "seed", 50)
    assert first.parsers.total() == 50
    assert first.parsers != try_some("replies", "another", 50).parsers


def test_a_broken_promise_is_found_made_small_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def never_says_stored(data: bytes) -> None:
        """Nobody says STORED."""
        if b"STORED" in data:
            raise ValueError("somebody did")

    monkeypatch.setitem(CATALOG, "replies", CATALOG["replies"]._replace(promise=never_says_stored))
    broken = try_some("replies", "seed", 500).broken
    assert broken is not None
    assert "ValueError at test_figures.py" in broken.why
    small = smaller(broken)
    assert small == Broken("replies", b"STORED", broken.why)
    assert why_broken(CATALOG["replies"], b"NOT") is None
