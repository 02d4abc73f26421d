"""Where the time of an attempt went: which steps there were, and how long each took.

Has no clock of its own: it is given the one that its deadlines are on.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    Spent: TypeAlias = tuple[tuple[str, float], ...]
    """Steps in their order, each with its seconds."""

__all__ = ["Timeline", "in_words"]


class Timeline:
    """The steps of one attempt as they begin; each ends where the next begins.

    Attributes:
        step: the one that is going on, or None.
    """

    __slots__ = ("_begun", "_now", "step")

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._begun: list[tuple[str, float]] = []
        self.step: str | None = None

    def begin(self, step: str) -> None:
        self.step = step
        self._begun.append((step, self._now()))

    def has(self, step: str) -> bool:
        """Whether there has been such a step."""
        return any(step == begun for begun, _ in self._begun)

    def spent(self) -> Spent:
        """What each step has taken until now."""
        ends = [since for _, since in self._begun[1:]]
        ends.append(self._now())
        return tuple(
            [(step, end - since) for (step, since), end in zip(self._begun, ends, strict=False)]
        )


def in_words(spent: Spent) -> str:
    """``dns 0.012 s, tcp 0.988 s``"""
    return ", ".join([f"{step} {seconds:.3f} s" for step, seconds in spent])
