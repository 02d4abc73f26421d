"""demo: it runs on next to nothing, and would notice if something were wrong."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import mcclient
from tests.cli.commands import Run, Start

ROOT = Path(__file__).parents[2]
SUMMARY = re.compile(r"^(\d| ) +(\S.*?)  +([\d,]+) +([\d,]+) +[\d.]+ (?:us|ms|s)$", re.M)


def summary(out: str) -> list[tuple[str, int, int]]:
    """Number, operations and wrong answers of each act, and at the end of all."""
    return [
        (number, int(operations.replace(",", "")), int(wrong.replace(",", "")))
        for number, _, operations, wrong in SUMMARY.findall(out)
    ]


def test_it_needs_nothing_but_a_bare_interpreter() -> None:
    """No site-packages, no trio, an ASCII pipe, and nothing in the environment."""
    demo = subprocess.run(
        [sys.executable, "-S", "-W", "error", "-m", "mcclient", "demo"],
        cwd=ROOT,
        env={"PATH": os.devnull, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        timeout=60,
    )
    assert (demo.returncode, demo.stderr) == (0, b"")
    out = demo.stdout.decode("ascii")
    assert max(map(len, out.splitlines())) <= 80
    assert "####" in out
    assert re.search("trio +not installed", out)
    *acts, total = summary(out)
    assert [number for number, _, _ in acts] == list("123456")
    assert all(operations > 0 and wrong == 0 for _, operations, wrong in acts)
    assert total == (" ", sum(operations for _, operations, _ in acts), 0)


def test_it_shows_trio_where_trio_is(run: Run) -> None:
    status, out, err = run("demo")
    assert (status, err) == (0, "")
    text = out.decode()
    assert max(map(len, text.splitlines())) <= 80
    assert "\N{FULL BLOCK}" in text
    assert "trio: " in text


def test_a_wrong_answer_is_seen(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    get_multi = mcclient.Client.get_multi

    def one_too_few(self: mcclient.Client, keys: object) -> object:
        found = get_multi(self, keys)
        found.popitem()
        return found

    monkeypatch.setattr(mcclient.Client, "get_multi", one_too_few)
    status, out, _ = run("demo")
    assert status == 1
    assert "WRONG" in out.decode()
    *acts, total = summary(out.decode())
    assert [number for number, _, wrong in acts if wrong] == ["1", "6"]
    assert total[2] > 0


def test_an_answer_to_somebody_else_is_seen(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    get = mcclient.AsyncClient.get

    async def of_the_neighbour(self: mcclient.AsyncClient, key: str) -> object:
        return await get(self, "cut:1" if key == "cut:2" else key)

    monkeypatch.setattr(mcclient.AsyncClient, "get", of_the_neighbour)
    status, out, _ = run("demo")
    assert status == 1
    assert [number for number, _, wrong in summary(out.decode())[:-1] if wrong] == ["5"]


def test_an_act_that_fails_does_not_end_the_show(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: mcclient.ThreadMappedPool[mcclient.Client]) -> None:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(mcclient.ThreadMappedPool, "relinquish", broken)
    status, out, err = run("demo")
    assert status == 1
    assert "WRONG: RuntimeError: broken on purpose" in out.decode()
    assert "Traceback" in err
    assert [number for number, _, wrong in summary(out.decode())[:-1] if wrong] == ["3"]


def test_it_appears_act_by_act(start: Start) -> None:
    demo = start("demo")
    assert demo.stdout is not None
    assert demo.stdout.readline().startswith(b"mcclient ")
    assert demo.poll() is None
