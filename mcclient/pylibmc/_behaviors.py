"""What a client is told by its behaviors: their values, as libmemcached takes and reports them.

Knows names, numbers and the order in which they take effect.  Keys and servers are the
placement's, timeouts are seconds to whoever asks.  Several behaviors change nothing here: they
are kept and reported, and are about sockets and buffers that this client has not.
"""

from __future__ import annotations

from ..rings._libmemcached import HASHES
from ..rings._pylibmc import BEHAVIORS, DISTRIBUTIONS, Placement
from ._constants import distributions, distributions_rvs, hashers, hashers_rvs
from ._errors import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Behaviors"]

_MAX_NAMESPACE = 127
_BLANKS_AND_CONTROLS = bytes(range(0x21)) + b"\x7f"

# Which of C's types libmemcached keeps a number in.
_FLAGS = frozenset(
    "no_block tcp_nodelay tcp_keepalive cas buffer_requests verify_keys "
    "_hash_with_prefix_key _noreply".split()
)
_UNSIGNED = frozenset(
    "num_replicas failure_limit _io_msg_watermark _io_bytes_watermark _io_key_prefetch".split()
)
_DEFAULTS = dict.fromkeys(BEHAVIORS, 0) | {
    "connect_timeout": 4000,
    "retry_timeout": 2,
    "failure_limit": 5,
    "_io_msg_watermark": 500,
    "_io_bytes_watermark": 66560,
    "_poll_timeout": 5000,
    "pickle_protocol": -1,
}
_LARGEST = (1 << 63) - 1


class Behaviors:
    """The behaviors of one client, and the placement that some of them make.

    Attributes:
        placement: which server a key belongs to.
        namespace: what is put before every key on the wire.
    """

    __slots__ = ("_binary", "_values", "namespace", "placement")

    def __init__(self, binary: bool) -> None:
        self.placement = Placement()
        self.namespace = b""
        self._binary = binary
        self._values = dict(_DEFAULTS)

    def __getitem__(self, name: str) -> int:
        return self._values[name]

    def clone(self) -> Behaviors:
        clone = Behaviors(self._binary)
        clone.placement = self.placement.clone()
        clone.namespace = self.namespace
        clone._values = dict(self._values)
        return clone

    def report(self) -> dict[str, int]:
        """All of them as numbers, in order."""
        placement = self.placement
        number = distributions[placement.distribution]
        return self._values | {
            "hash": hashers[placement.hash],
            "ketama": int(placement.is_consistent),
            # Whether weights count is kept under the other distributions, but not told.
            "ketama_weighted": int(placement.is_consistent and placement.is_weighted),
            "distribution": number,
            "remove_failed": self["auto_eject"],
            "_sort_hosts": int(placement.sorts),
        }

    def apply(self, behaviors: Mapping[str, object]) -> None:
        """Set those in *behaviors*, in their order, not the mapping's. Other names are ignored.

        Raises:
            TypeError: a value is no int. Those before it have been set, here and below.
            Error: libmemcached would refuse it.
            ValueError: such a namespace cannot be.
        """
        for name in BEHAVIORS:
            if name in behaviors:
                value = behaviors[name]
                if not isinstance(value, int):
                    raise TypeError(f"behavior {name} must be int, not {type(value).__name__}")
                # A number too long for C comes out as -1 there.
                self._set(name, int(value) if -_LARGEST - 1 <= value <= _LARGEST else -1)
        if "namespace" in behaviors:
            self._set_namespace(behaviors["namespace"])

    def _set(self, name: str, value: int) -> None:
        values, placement = self._values, self.placement
        if name in _FLAGS:
            if name == "verify_keys" and self._binary:
                raise _refused(name, value)
            values[name] = int(value != 0)
            if name == "_hash_with_prefix_key":
                self._choose_prefix()
        elif name in ("hash", "ketama_hash"):
            self._set_hash(name, value)
        elif name == "distribution":
            if distributions_rvs.get(value) not in DISTRIBUTIONS:
                raise _refused(name, value)
            placement.set_distribution(distributions_rvs[value])
        elif name in ("ketama", "ketama_weighted", "_sort_hosts"):
            if name == "ketama_weighted" and value:
                values["ketama_hash"] = hashers["md5"]
            placement.apply({name: value})
        elif name in ("auto_eject", "remove_failed"):
            values["auto_eject"] = int(value != 0)
        elif name == "failure_limit" and not value:
            raise _refused(name, value)
        elif name in ("_socket_send_size", "_socket_recv_size") and value == -1:
            pass
        elif name in _UNSIGNED:
            values[name] = value & 0xFFFFFFFF
        else:
            values[name] = (value + 0x80000000 & 0xFFFFFFFF) - 0x80000000

    def _set_hash(self, name: str, value: int) -> None:
        known = hashers_rvs.get(value & 0xFFFFFFFF)
        if known is None:
            return  # there it leaves everything as it was
        if known not in HASHES:
            raise _refused(name, value)
        if name == "hash":
            self.placement.set_hash(known)
        else:
            self._values[name] = hashers[known]

    def _set_namespace(self, namespace: object) -> None:
        if not isinstance(namespace, bytes):
            raise TypeError(f"namespace must be bytes, not {type(namespace).__name__}")
        shown = namespace.decode(errors="replace")
        if not self._binary and namespace.translate(None, _BLANKS_AND_CONTROLS) != namespace:
            raise ValueError(f"bad key provided: {shown}")
        if not 0 < len(namespace) <= _MAX_NAMESPACE:
            code = 39 if namespace else 38
            raise Error(
                f"memcached_callback_set returned {code} for callback 'namespace' = {shown}"
            )
        self.namespace = bytes(namespace)
        self._choose_prefix()

    def _choose_prefix(self) -> None:
        self.placement.set_prefix(self.namespace if self["_hash_with_prefix_key"] else b"")

    @property
    def timeout(self) -> float | None:
        """Seconds for a whole operation; None: no limit."""
        return _seconds(self["_poll_timeout"])

    @property
    def connect_timeout(self) -> float | None:
        """Seconds for connecting, within that."""
        return _seconds(self["connect_timeout"])


def _seconds(milliseconds: int) -> float | None:
    # Zero would be no time at all: the shortest that may succeed is what it comes to.
    return None if milliseconds < 0 else max(milliseconds, 1) / 1000


def _refused(name: str, value: int) -> Error:
    return Error(f"memcached_behavior_set returned 38 for behavior '{name}' = {value}")
