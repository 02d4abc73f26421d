"""What `install` was told for every client that says nothing else."""

from __future__ import annotations

__all__ = ["DEFAULTS"]

DEFAULTS: dict[str, object] = {}
"""Keyword arguments of `Client`: ``pickle``, ``pickle_classes``, ``pickle_keys``."""
