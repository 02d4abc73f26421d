"""The command line: ``mcclient COMMAND``, or ``python -m mcclient COMMAND``.

A module for each command, beside what they share: `_arguments` (what may be typed), `_screen` (what
is shown) and `_main` (which command, and what becomes of its errors).  Nothing of the library
imports this package.
"""

from __future__ import annotations

from ._main import main

__all__ = ["main"]
