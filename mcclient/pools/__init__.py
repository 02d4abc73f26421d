"""Clients for many threads or tasks.

`ClientPool` lends a fixed number of clients to whoever asks, who may have to wait;
`ThreadMappedPool` has one for each thread, `TaskMappedPool` one for each task, and nobody waits.
All work over any kind of client: whatever can be cloned can be pooled.  `PooledClient` and
`AsyncPooledClient` look like one client, and borrow one for each call.
"""

from __future__ import annotations

from ._counts import PoolStats
from .async_pooled_client import AsyncPooledClient
from .client_pool import ClientPool
from .mapped_pool import TaskMappedPool, ThreadMappedPool
from .pooled_client import PooledClient

__all__ = [
    "AsyncPooledClient",
    "ClientPool",
    "PoolStats",
    "PooledClient",
    "TaskMappedPool",
    "ThreadMappedPool",
]
