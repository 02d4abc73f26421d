"""Figures, in their short form: all of them are `python3 -m tests.faults.figures`.

Those are here that nothing else in the suite measures: F7 and F8 are tests/contract's
test_cancellation and test_interruption, F14 and F17 are test_down and test_processes_and_loops
there, F23 is test_tls beside this.  ``-s`` prints what is reached.
"""

from __future__ import annotations

import pytest

from tests.contract.rigs import SOCKET_RIGS, on
from tests.faults.figures import FIGURES
from tests.faults.figures._cycles import KINDS, connect_and_close
from tests.faults.simulation import play


@pytest.mark.memcached
@pytest.mark.parametrize("name", ["F10", "F11", "F15", "F16", "F18", "F24"])
def test_a_figure_is_met(name):
    print(f"\n{name}: {FIGURES[name].measure('short')}")


@on(SOCKET_RIGS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "count", [50, pytest.param(2500, marks=[pytest.mark.slow, pytest.mark.timeout(600)])]
)
def test_connecting_and_closing_leaves_nothing_behind(rig, kind, count):
    grown = connect_and_close(rig, kind, count)
    print(f"\n{kind}, {rig}: {count} cycles, memory {grown / 1024:+.0f} KiB")


@pytest.mark.parametrize("seed", range(6))
def test_the_same_seed_plays_the_same_story(seed):
    assert play(seed, 60) == play(seed, 60)
