"""``python3 -m fuzz.figures``: measure, print, and say by the exit status whether all are met."""

from __future__ import annotations

import argparse
import sys
import time

from fuzz.figures import FIGURES, Size


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python3 -m fuzz.figures", description="Measure the figures of the protocol core."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(FIGURES))
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--short", action="store_true", help="as in the test suite")
    sizes.add_argument("--long", action="store_true", help="ten or a hundred times as much")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(FIGURES))
    if unknown:
        parser.error(f"no such figure: {', '.join(unknown)}")
    size: Size = "short" if options.short else "long" if options.long else "full"
    missed = []
    for name in options.names or FIGURES:
        since = time.perf_counter()
        try:
            told = FIGURES[name](size)
        except Exception as error:
            missed.append(name)
            told = f"MISSED: {error if isinstance(error, AssertionError) else repr(error)}"
        print(f"{name:<4} {told}  [{time.perf_counter() - since:.1f} s]", flush=True)
    print(f"Missed: {', '.join(missed)}." if missed else "All figures are met.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
