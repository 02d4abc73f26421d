"""Real memcached processes, for tests that want the truth; the pytest plugin's."""

from __future__ import annotations

from mcclient._real_memcached import PATIENCE, MissingMemcached, RealMemcached

__all__ = ["PATIENCE", "MissingMemcached", "RealMemcached"]
