"""Clients for many threads or tasks.

`ClientPool` lends a fixed number of clients to whoever asks, who may have to wait;
`ThreadMappedPool` has one for each thread, and nobody waits.  Both work over any kind of client:
whatever can be cloned can be pooled.
"""

from __future__ import annotations

from .client_pool import ClientPool
from .mapped_pool import ThreadMappedPool

__all__ = ["ClientPool", "ThreadMappedPool"]
