"""What pylibmc's C module has names for: servers' types, hashes, distributions, behaviors."""

from __future__ import annotations

from ..rings._pylibmc import BEHAVIORS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = [
    "PYLIBMC_VERSION",
    "all_behaviors",
    "all_callbacks",
    "callback_namespace",
    "distribution_consistent",
    "distribution_consistent_ketama",
    "distribution_consistent_ketama_spy",
    "distribution_consistent_max",
    "distribution_consistent_weighted",
    "distribution_modula",
    "distribution_random",
    "distribution_virtual_bucket",
    "distributions",
    "distributions_rvs",
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
    "hashers_rvs",
    "libmemcached_version",
    "libmemcached_version_hex",
    "server_type_tcp",
    "server_type_udp",
    "server_type_unix",
    "support_compression",
    "support_sasl",
]

# What this behaves as: programs compare it.
PYLIBMC_VERSION: Final = "1.6.3"
libmemcached_version: Final = "1.1.4"
libmemcached_version_hex: Final = 0x01001004

server_type_tcp: Final = 1
server_type_udp: Final = 2
server_type_unix: Final = 4

callback_namespace: Final = 0
support_compression: Final = True
support_sasl: Final = True

hash_default: Final = 0
hash_md5: Final = 1
hash_crc: Final = 2
hash_fnv1_64: Final = 3
hash_fnv1a_64: Final = 4
hash_fnv1_32: Final = 5
hash_fnv1a_32: Final = 6
hash_hsieh: Final = 7
hash_murmur: Final = 8
hash_jenkins: Final = 9

distribution_modula: Final = 0
distribution_consistent: Final = 1
distribution_consistent_ketama: Final = 2
distribution_random: Final = 3
distribution_consistent_ketama_spy: Final = 4
distribution_consistent_weighted: Final = 5
distribution_virtual_bucket: Final = 6
distribution_consistent_max: Final = 7

hashers: dict[str, int] = {
    "default": hash_default,
    "md5": hash_md5,
    "crc": hash_crc,
    "fnv1_64": hash_fnv1_64,
    "fnv1a_64": hash_fnv1a_64,
    "fnv1_32": hash_fnv1_32,
    "fnv1a_32": hash_fnv1a_32,
    "hsieh": hash_hsieh,
    "murmur": hash_murmur,
    "jenkins": hash_jenkins,
}
distributions: dict[str, int] = {
    "modula": distribution_modula,
    "consistent": distribution_consistent,
    "consistent ketama": distribution_consistent_ketama,
    "random": distribution_random,
    "consistent ketama spy": distribution_consistent_ketama_spy,
    "consistent weighted": distribution_consistent_weighted,
    "virtual bucket": distribution_virtual_bucket,
    "consistent max": distribution_consistent_max,
}
hashers_rvs: dict[int, str] = {number: name for name, number in hashers.items()}
distributions_rvs: dict[int, str] = {number: name for name, number in distributions.items()}

all_behaviors: list[str] = list(BEHAVIORS)
all_callbacks: list[str] = ["namespace"]
