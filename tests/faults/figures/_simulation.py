"""F10: faults and cancels in a world without sockets, on a clock that jumps."""

from __future__ import annotations

from collections import Counter

from tests.faults.figures._size import Size
from tests.faults.simulation import play

SEEDS = {"short": 6, "full": 50, "long": 5000}
CALLS = {"short": 100, "full": 4000, "long": 4000}


def simulation(size: Size) -> str:
    """One seed decides everything, so that a failure can be played again."""
    outcomes: Counter[str] = Counter()
    faults = calls = 0
    for seed in range(SEEDS[size]):
        story = play(seed, CALLS[size])
        assert not story.wrong, f"seed {seed}: {story.wrong[:3]}"
        outcomes += story.outcomes
        faults += story.faults.total()
        calls += story.calls
    assert outcomes["fine"] > calls / 2, outcomes
    again = [play(SEEDS[size] - 1, 200).digest for _ in range(2)]
    assert again[0] == again[1], "the same seed plays another story"
    return (
        f"0 wrong in {calls:,} calls, {SEEDS[size]} seeds "
        f"({faults:,} faults, {outcomes['cancelled']:,} cancels)"
    )
