"""Every blocking client that is installed, each as its documents say to use it.

Knows how each is opened and what its answers look like, and nothing of what is measured.  All
have TCP_NODELAY, no compression, and connections of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from _harness import installed

from mcclient import Client
from tests.servers import RealMemcached

__all__ = ["OURS", "PEERS", "Ways", "opened"]

OURS = "mcclient"


class Ways(NamedTuple):
    """What a client does.

    Attributes:
        get_multi: of str keys; gives str keys.
        set_multi: None: it has none.
        stored: what `set_multi` gives if all were.
        plain: what `get` makes of bytes that have no flags.
    """

    get: Callable[[str], object]
    set: Callable[[str, object], object]
    get_multi: Callable[[list[str]], object]
    set_multi: Callable[[dict[str, object]], object] | None
    stored: object = []
    plain: Callable[[bytes], object] = bytes


Servers = Sequence[RealMemcached]


def mcclient(servers: Servers) -> Ways:
    mc = Client([server.address for server in servers], timeout=30)
    return Ways(mc.get, mc.set, mc.get_multi, mc.set_multi)  # type: ignore[arg-type]


def pylibmc(servers: Servers, module: Any) -> Ways:
    # As for a cluster: consistent hashing.
    behaviors = {"tcp_nodelay": True, **({"ketama": True} if len(servers) > 1 else {})}
    mc = module.Client([server.address for server in servers], behaviors=behaviors)
    return Ways(mc.get, mc.set, mc.get_multi, mc.set_multi)


def libmc(servers: Servers, module: Any) -> Ways:
    mc = module.Client([server.address for server in servers])
    return Ways(mc.get, mc.set, mc.get_multi, mc.set_multi, stored=True)


def pymemcache(servers: Servers, module: Any) -> Ways:
    # (By default it does not ask whether what it sends has been stored.)
    options: dict[str, Any] = {"no_delay": True, "default_noreply": False}
    options["serde"] = installed("pymemcache.serde").pickle_serde
    places = [(server.host, server.port) for server in servers]
    if len(places) == 1:
        mc = module.Client(*places, **options)
    else:
        mc = installed("pymemcache.client.hash").HashClient(places, **options)
    return Ways(mc.get, mc.set, mc.get_multi, mc.set_multi)


def python_memcached(servers: Servers, module: Any) -> Ways:
    mc = module.Client([server.address for server in servers], server_max_value_length=1 << 22)
    return Ways(mc.get, mc.set, mc.get_multi, mc.set_multi)


def python_binary_memcached(servers: Servers, module: Any) -> Ways:
    mc = module.Client([server.address for server in servers], compression=None)
    return Ways(mc.get, mc.set, mc.get_multi, mc.set_multi, plain=bytes.decode)


def meta_memcache(servers: Servers, module: Any) -> Ways:
    places = [module.ServerAddress(server.host, server.port) for server in servers]
    pools = module.connection_pool_factory_builder()
    mc = module.CacheClient.cache_client_from_servers(
        servers=places, connection_pool_factory_fn=pools
    )

    def get_multi(keys: list[str]) -> object:
        found = mc.multi_get(keys)
        return {key.key: value for key, value in found.items() if value is not None}

    def store(key: str, value: object) -> object:
        return mc.set(key, value, ttl=0)

    return Ways(mc.get, store, get_multi, None, plain=bytes.decode)


# The name of a distribution -> the module that has its client, and how that is opened.
PEERS: dict[str, tuple[str, Callable[[Servers, Any], Ways]]] = {
    "pylibmc": ("pylibmc", pylibmc),
    "libmc": ("libmc", libmc),
    "pymemcache": ("pymemcache.client.base", pymemcache),
    "python-memcached": ("memcache", python_memcached),
    "python-binary-memcached": ("bmemcached", python_binary_memcached),
    "meta-memcache": ("meta_memcache", meta_memcache),
}


def opened(servers: Servers) -> Iterator[tuple[str, Ways]]:
    """Ours, and each that is installed."""
    yield OURS, mcclient(servers)
    for name, (module_name, open_client) in PEERS.items():
        module = installed(module_name)
        if module is not None:
            yield name, open_client(servers, module)
