"""``python3 -m tests.faults.figures``: measure, print; the exit status says if all are met."""

from __future__ import annotations

import contextlib
import faulthandler
import io
import sys

from fuzz.figures._command import measure_all
from tests.faults.figures import FIGURES, Size

# Where somebody hangs is shown, and ends it, after so many seconds for each figure.
PATIENCE = {"short": 60, "full": 600, "long": 12 * 3600}


def measure(name: str, size: Size) -> str:
    faulthandler.dump_traceback_later(PATIENCE[size], exit=True)
    try:
        # (What the tests that are used print is for those who look at the tests.)
        with contextlib.redirect_stdout(io.StringIO()):
            return FIGURES[name].measure(size)
    finally:
        faulthandler.cancel_dump_traceback_later()


def shown(name: str, told: str, seconds: float) -> str:
    figure = FIGURES[name]
    return (
        f"{name:<4} {figure.what}  [{seconds:.1f} s]\n"
        f"     required  {figure.required}\n     reached   {told}"
    )


def main() -> int:
    return measure_all(
        "python3 -m tests.faults.figures",
        "Measure the figures under faults.",
        FIGURES,
        measure,
        short="a second or so each",
        long="as much as is to be had on demand",
        shown=shown,
    )


if __name__ == "__main__":
    sys.exit(main())
