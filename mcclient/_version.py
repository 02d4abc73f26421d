"""The version, in the one place that has it.

The build reads it from here, and so does the package root.  Knows nothing else.
"""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
