"""``python3 -m fuzz.figures``: measure, print, and say by the exit status whether all are met."""

from __future__ import annotations

import sys

from fuzz.figures import FIGURES
from fuzz.figures._command import measure_all


def main() -> int:
    return measure_all(
        "python3 -m fuzz.figures",
        "Measure the figures of the protocol core.",
        FIGURES,
        lambda name, size: FIGURES[name](size),
        short="as in the test suite",
        long="ten or a hundred times as much",
    )


if __name__ == "__main__":
    sys.exit(main())
