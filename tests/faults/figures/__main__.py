"""``python3 -m tests.faults.figures``: measure, print; the exit status says if all are met."""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import io
import sys
import time

from tests.faults.figures import FIGURES, Size

# Where somebody hangs is shown, and ends it, after so many seconds for each figure.
PATIENCE = {"short": 60, "full": 600, "long": 12 * 3600}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python3 -m tests.faults.figures", description="Measure the figures under faults."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(FIGURES))
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--short", action="store_true", help="a second or so each")
    sizes.add_argument("--long", action="store_true", help="as much as is to be had on demand")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(FIGURES))
    if unknown:
        parser.error(f"no such figure: {', '.join(unknown)}")
    size: Size = "short" if options.short else "long" if options.long else "full"
    missed = []
    for name in options.names or FIGURES:
        figure = FIGURES[name]
        faulthandler.dump_traceback_later(PATIENCE[size], exit=True)
        since = time.perf_counter()
        try:
            # (What the tests that are used print is for those who look at the tests.)
            with contextlib.redirect_stdout(io.StringIO()):
                reached = figure.measure(size)
        except Exception as error:
            missed.append(name)
            reached = f"MISSED: {error if isinstance(error, AssertionError) else repr(error)}"
        faulthandler.cancel_dump_traceback_later()
        print(f"{name:<4} {figure.what}  [{time.perf_counter() - since:.1f} s]")
        print(f"     required  {figure.required}\n     reached   {reached}", flush=True)
    print(f"Missed: {', '.join(missed)}." if missed else "All figures are met.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
