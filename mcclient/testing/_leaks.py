"""What code leaves behind: descriptors, what nobody closed, what was raised where nobody looks."""

from __future__ import annotations

import gc
import os
import sys
import warnings
from types import TracebackType
from typing import Any, Self

__all__ = ["Watch", "descriptors", "settled_descriptors"]

# The first is a link to the second on most systems, and the other way round on some.
_FOLDER = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"


def descriptors() -> set[str]:
    """This process' open descriptors (of a system that has ``/proc/self/fd`` or ``/dev/fd``)."""
    return set(os.listdir(_FOLDER))


def settled_descriptors(before: set[str]) -> set[str]:
    """The open descriptors; if others than *before*, after the garbage has been collected."""
    now = descriptors()
    if now != before:
        gc.collect()
        now = descriptors()
    return now


class Watch:
    """Sees in a ``with`` block what is dropped unclosed, and what is raised where nobody catches.

    Attributes:
        seen: the messages.
        thorough: set it, and the garbage is collected at the end.
    """

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.thorough = False

    def __enter__(self) -> Self:
        self._hook = sys.unraisablehook
        sys.unraisablehook = self._unraisable
        self._catcher = warnings.catch_warnings()
        self._catcher.__enter__()
        warnings.simplefilter("always")
        warnings.showwarning = self._warning
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # What failed on the way may hold frames in a circle, and they what was dropped.
        if self.thorough:
            gc.collect()
        self._catcher.__exit__(kind, error, traceback)
        sys.unraisablehook = self._hook

    def _warning(self, message: Warning | str, *_: object, **__: object) -> None:
        self.seen.append(repr(message)[:120])

    def _unraisable(self, unraisable: Any) -> None:
        self.seen.append(f"{unraisable.exc_value!r} in {unraisable.object!r}"[:120])
