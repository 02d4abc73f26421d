"""memcached for Python: clients, pools, rings and values over `mcproto`."""

from __future__ import annotations

from ._async_client import AsyncClient
from ._client import Client
from ._errors import (
    AuthError,
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
    ServerDown,
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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._quiet import AsyncQuiet, Quiet

__all__ = [
    "AsyncClient",
    "AsyncPooledClient",
    "AsyncQuiet",
    "AuthError",
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
    "Quiet",
    "ServerDown",
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

if not TYPE_CHECKING:  # checkers would take it that every name is here

    def __getattr__(name: str) -> object:
        # Few programs name these: they come from a client, which loads them when it needs them.
        if name not in ("AsyncQuiet", "Quiet"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from . import _quiet

        return getattr(_quiet, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
