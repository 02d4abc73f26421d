"""memcached for Python: clients, pools, rings and values over `mcproto`."""

from __future__ import annotations

from ._async_client import AsyncClient
from ._client import Client
from ._errors import (
    BadCommand,
    ClientBusy,
    ClientClosed,
    CommandFailed,
    CommandUnknown,
    ConnectFailed,
    ConnectionLost,
    MemcacheError,
    OperationTimeout,
    OutOfMemory,
    PartialFailure,
    PoolClosed,
    PoolEmpty,
    PoolError,
    PoolTimeout,
    ServerFault,
    ServerUnavailable,
    TLSError,
    TooManyWaiting,
    ValueTooLarge,
    ValueUnreadable,
)
from ._item import CasItem
from ._observers import Observer, Operation
from ._tls import tls_context
from ._version import __version__
from .pools import (
    AsyncPooledClient,
    ClientPool,
    PooledClient,
    PoolStats,
    TaskMappedPool,
    ThreadMappedPool,
)

__all__ = [
    "AsyncClient",
    "AsyncPooledClient",
    "BadCommand",
    "CasItem",
    "Client",
    "ClientBusy",
    "ClientClosed",
    "ClientPool",
    "CommandFailed",
    "CommandUnknown",
    "ConnectFailed",
    "ConnectionLost",
    "MemcacheError",
    "Observer",
    "Operation",
    "OperationTimeout",
    "OutOfMemory",
    "PartialFailure",
    "PoolClosed",
    "PoolEmpty",
    "PoolError",
    "PoolStats",
    "PoolTimeout",
    "PooledClient",
    "ServerFault",
    "ServerUnavailable",
    "TLSError",
    "TaskMappedPool",
    "ThreadMappedPool",
    "TooManyWaiting",
    "ValueTooLarge",
    "ValueUnreadable",
    "__version__",
    "tls_context",
]
