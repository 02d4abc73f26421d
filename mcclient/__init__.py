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
    ValueTooLarge,
    ValueUnreadable,
)
from ._item import CasItem
from ._version import __version__
from .pools import ClientPool, ThreadMappedPool

__all__ = [
    "AsyncClient",
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
    "OperationTimeout",
    "OutOfMemory",
    "PartialFailure",
    "PoolClosed",
    "PoolEmpty",
    "PoolError",
    "PoolTimeout",
    "ServerFault",
    "ServerUnavailable",
    "ThreadMappedPool",
    "ValueTooLarge",
    "ValueUnreadable",
    "__version__",
]
