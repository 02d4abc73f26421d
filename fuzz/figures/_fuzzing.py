"""F1: inputs for each parser, with nothing but a `ProtocolError` escaping."""

from __future__ import annotations

import os

from fuzz.catalog import CATALOG
from fuzz.figures._size import Size
from fuzz.run import run, try_some

INPUTS = {"short": 500, "full": 1_000_000, "long": 10_000_000}


def fuzzing(size: Size) -> str:
    """Short: so many for each target, in this process. Full: in all. Long: for each target."""
    if size == "short":
        for name in CATALOG:
            broken = try_some(name, "short", INPUTS["short"]).broken
            assert broken is None, f"{name}: {broken.why}: {broken.data!r:.300}"
        return f"{len(CATALOG)} fuzz targets, {INPUTS['short']:,} inputs each: every promise kept"
    inputs = INPUTS[size] * (len(CATALOG) if size == "long" else 1)
    kept = run(list(CATALOG), inputs, os.cpu_count() or 1, "figure")
    assert kept, "a promise was broken, see above"
    return f"{inputs:,} inputs for {len(CATALOG)} fuzz targets: every promise kept"
