"""How much time is left, for adapters that are told a deadline."""

from __future__ import annotations

from math import inf
from time import monotonic

LONGEST = 1e6
"""The longest wait in seconds, eleven days: `poll` counts milliseconds in 32 bits."""


def left(deadline: float) -> float | None:
    """The seconds left until *deadline*, None for no limit.

    Raises:
        TimeoutError: there are none.
    """
    if deadline == inf:
        return None
    seconds = deadline - monotonic()
    if seconds <= 0:
        raise TimeoutError("the deadline has passed")
    return min(seconds, LONGEST)
