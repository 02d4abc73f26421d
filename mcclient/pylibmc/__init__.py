"""pylibmc without C: the module that programs written for pylibmc can use unchanged.

::

    from mcclient import pylibmc            # instead of `import pylibmc`

Keys go to the same servers, values are stored as the same bytes, methods and errors are the same;
where they are not, it is on purpose, and "Moving from pylibmc" in the documentation says how.
Whoever cannot change an import calls `install` first.

It stands on mcclient's own client, and is kept apart from it: ``import mcclient`` does not load it.
"""

from __future__ import annotations

from . import _pylibmc as _pylibmc
from . import autoconf as autoconf
from . import client as client
from . import consts as consts
from . import pools as pools
from ._constants import (
    PYLIBMC_VERSION,
    all_behaviors,
    all_callbacks,
    callback_namespace,
    distribution_consistent,
    distribution_consistent_ketama,
    distribution_consistent_ketama_spy,
    distribution_consistent_max,
    distribution_consistent_weighted,
    distribution_modula,
    distribution_random,
    distribution_virtual_bucket,
    distributions,
    hash_crc,
    hash_default,
    hash_fnv1_32,
    hash_fnv1_64,
    hash_fnv1a_32,
    hash_fnv1a_64,
    hash_hsieh,
    hash_jenkins,
    hash_md5,
    hash_murmur,
    hashers,
    libmemcached_version,
    libmemcached_version_hex,
    server_type_tcp,
    server_type_udp,
    server_type_unix,
    support_compression,
    support_sasl,
)
from ._errors import (
    AllocationError,
    BadKeyProvided,
    CacheMiss,
    ClientError,
    ConnectionBindError,
    ConnectionError,
    DataDoesNotExist,
    DataExists,
    Error,
    Failure,
    FetchNotFinished,
    HostLookupError,
    InvalidHostProtocolError,
    NoServers,
    NotFound,
    NotSupportedError,
    PickleRefused,
    ProtocolError,
    ReadError,
    ServerDead,
    ServerDown,
    ServerError,
    SocketCreateError,
    SomeErrors,
    TooBig,
    UnixSocketError,
    UnknownReadFailure,
    UnknownStatKey,
    WriteError,
    exceptions,
)
from ._install import install
from .client import Client
from .pools import ClientPool, ThreadMappedPool

__all__ = [
    "AllocationError",
    "BadKeyProvided",
    "CacheMiss",
    "Client",
    "ClientError",
    "ClientPool",
    "ConnectionBindError",
    "ConnectionError",
    "DataDoesNotExist",
    "DataExists",
    "Error",
    "Failure",
    "FetchNotFinished",
    "HostLookupError",
    "InvalidHostProtocolError",
    "MemcachedError",
    "NoServers",
    "NotFound",
    "NotSupportedError",
    "PickleRefused",
    "ProtocolError",
    "ReadError",
    "ServerDead",
    "ServerDown",
    "ServerError",
    "SocketCreateError",
    "SomeErrors",
    "ThreadMappedPool",
    "TooBig",
    "UnixSocketError",
    "UnknownReadFailure",
    "UnknownStatKey",
    "WriteError",
    "__version__",
    "all_behaviors",
    "all_callbacks",
    "build_info",
    "callback_namespace",
    "client",
    "distribution_consistent",
    "distribution_consistent_ketama",
    "distribution_consistent_ketama_spy",
    "distribution_consistent_max",
    "distribution_consistent_weighted",
    "distribution_modula",
    "distribution_random",
    "distribution_virtual_bucket",
    "distributions",
    "exceptions",
    "hash_crc",
    "hash_default",
    "hash_fnv1_32",
    "hash_fnv1_64",
    "hash_fnv1a_32",
    "hash_fnv1a_64",
    "hash_hsieh",
    "hash_jenkins",
    "hash_md5",
    "hash_murmur",
    "hashers",
    "install",
    "libmemcached_version",
    "libmemcached_version_hex",
    "server_type_tcp",
    "server_type_udp",
    "server_type_unix",
    "support_compression",
    "support_sasl",
]

__version__ = PYLIBMC_VERSION
MemcachedError = Error


def build_info() -> str:
    """Which pylibmc and libmemcached this behaves as."""
    return (
        f"pylibmc {__version__} for libmemcached {libmemcached_version} "
        f"(compression={support_compression}, sasl={support_sasl})"
    )
