"""memcached for Python: clients, pools, rings and values over `mcproto`.

Every name loads when it is first used: who has the blocking client alone does not pay for pools
and tasks (benchmarks/imports.py).
"""

from __future__ import annotations

from ._version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
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
    from ._quiet import AsyncQuiet, Quiet
    from ._tls import tls_context
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

# Where each name is at home.
_HOMES = {
    "_async_client": "AsyncClient",
    "_client": "Client",
    "_errors": """
        AuthError BadCommand ClientBusy ClientClosed CommandFailed CommandUnknown ConnectFailed
        ConnectionLost MemcacheError OperationTimeout OutOfMemory PartialFailure PoolClosed
        PoolEmpty PoolError PoolTimeout ServerDown ServerFault ServerUnavailable TLSError
        TooManyWaiting ValueTooLarge ValueUnreadable
    """,
    "_item": "CasItem",
    "_observers": "Observer Operation",
    "_quiet": "AsyncQuiet Quiet",
    "_tls": "tls_context",
    "pools": """
        AsyncPooledClient ClientPool PooledClient PoolStats TaskMappedPool ThreadMappedPool
    """,
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}
_MODULES = ("pools", "rings", "values")


if not TYPE_CHECKING:  # checkers would take it that every name is here

    def __getattr__(name: str) -> object:
        # (importlib would be an import of its own.)
        found: object
        if name in _MODULES:
            found = __import__(f"{__name__}.{name}", fromlist=["*"])
        elif name in _HOME_OF:
            found = getattr(__import__(f"{__name__}.{_HOME_OF[name]}", fromlist=["*"]), name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
