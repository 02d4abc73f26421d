"""The figures that the protocol core is held to: functions that raise if one is missed.

    python3 -m fuzz.figures [NAME...] [--short | --long]

The test suite takes the short form of each (tests/proto/test_figures.py).  What is counted decides;
times are printed beside it.
"""

from __future__ import annotations

from collections.abc import Callable

from fuzz.figures._chunks import chunk_invariance
from fuzz.figures._desync import desync
from fuzz.figures._error_lines import error_lines
from fuzz.figures._exchange import round_trip
from fuzz.figures._fuzzing import fuzzing
from fuzz.figures._linear import linear_time
from fuzz.figures._memory import bounded_memory
from fuzz.figures._size import Size
from fuzz.figures._tokens import hostile_tokens

__all__ = ["FIGURES", "Size"]

FIGURES: dict[str, Callable[[Size], str]] = {
    "F1": fuzzing,
    "F2": chunk_invariance,
    "F3": round_trip,
    "F5": linear_time,
    "F6": bounded_memory,
    "F19": hostile_tokens,
    "F20": error_lines,
    "F21": desync,
}
"""By their names. (F4 is tests/embedded/test_many_lines_against_memcached.py.)"""
