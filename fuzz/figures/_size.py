"""How much is tried: see `Size`."""

from __future__ import annotations

from typing import Literal, TypeAlias

__all__ = ["Size"]

Size: TypeAlias = Literal["short", "full", "long"]
"""``"short"``: some seconds, in the test suite.  ``"full"``: what every change must pass.
``"long"``: on demand, minutes to hours."""
