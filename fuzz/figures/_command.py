"""The command line of a set of figures: which, how much, what was reached, and the exit status.

The sets under tests/ use it as well.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable

from fuzz.figures._size import Size

__all__ = ["in_a_line", "measure_all"]


def in_a_line(name: str, told: str, seconds: float) -> str:
    """A figure, as it is printed."""
    return f"{name:<4} {told}  [{seconds:.1f} s]"


def measure_all(
    prog: str,
    description: str,
    names: Iterable[str],
    measure: Callable[[str, Size], str],
    *,
    short: str,
    long: str,
    shown: Callable[[str, str, float], str] = in_a_line,
) -> int:
    """Measure those that the command line names, or all; the exit status is 1 if one is missed.

    Args:
        names: which there are.
        measure: gives what has been reached; raises if that is too little.
        short, long: what is said of ``--short`` and ``--long``.
        shown: how a figure is printed: its name, what was reached, the seconds that it took.
    """
    names = list(names)
    parser = argparse.ArgumentParser(prog=prog, description=description)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--short", action="store_true", help=short)
    sizes.add_argument("--long", action="store_true", help=long)
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(names))
    if unknown:
        parser.error(f"no such figure: {', '.join(unknown)}")
    size: Size = "short" if options.short else "long" if options.long else "full"
    missed: list[str] = []
    for name in options.names or names:
        since = time.perf_counter()
        try:
            told = measure(name, size)
        except Exception as error:
            missed.append(name)
            told = f"MISSED: {error if isinstance(error, AssertionError) else repr(error)}"
        print(shown(name, told, time.perf_counter() - since), flush=True)
    print(f"Missed: {', '.join(missed)}." if missed else "All figures are met.")
    return 1 if missed else 0
