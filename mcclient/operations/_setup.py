"""What all operations of a client, and of its clones, have in common.  Never changes once made."""

from __future__ import annotations

from mcproto import checked_key
from mcproto._tokens import U32, checked_int, checked_value

from ..values import JsonCodec, PlainCodec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .._servers import Server
    from ..rings import Ring
    from ..values import Codec
    from ._dialects import Dialect

__all__ = ["Routes", "Setup"]

_MANY = 32768


class Routes(dict["str | bytes", "tuple[int, bytes]"]):
    """key -> (server, the key as it goes over the wire), checked once and remembered.

    A key that has been seen costs one look-up; checking, encoding and hashing it costs ten times
    as much.  Bounded: when it is full it starts anew.  Clones share it, in whatever threads.

    Args:
        ring: where a key lives. It is asked about the caller's key, without the prefix.
        prefix: put before every key.
    """

    __slots__ = ("_prefix", "_ring")

    def __init__(self, ring: Ring, prefix: bytes) -> None:
        super().__init__()
        self._ring = ring
        self._prefix = prefix

    def __missing__(self, key: str | bytes) -> tuple[int, bytes]:
        ring, prefix = self._ring, self._prefix
        wire = checked_key(key)
        route = ring.server_for(wire), checked_key(prefix + wire) if prefix else wire
        if not ring.is_fixed:
            return route
        if len(self) >= _MANY:
            self.clear()
        self[key] = route
        return route

    def of_wire(self, key: bytes) -> int:
        """The server of a key that has its prefix already, if it has one."""
        return self._ring.server_for(key.removeprefix(self._prefix) or key)


class Setup:
    """Where things go, how they are asked for, how values are stored, what a lost server means.

    Attributes:
        servers: in the order of the numbers that operations use.
        is_ours: whether the codec is one of ours, so that flags 0 are bytes, and 16 is text.
        serialize: the codec's; of a codec that is not ours, what it gives is checked.
        misses: whether the keys of a lost server are misses to a read.
    """

    __slots__ = ("codec", "dialect", "is_ours", "misses", "routes", "serialize", "servers")

    def __init__(
        self,
        servers: tuple[Server, ...],
        routes: Routes,
        dialect: Dialect,
        codec: Codec,
        misses: bool,
    ) -> None:
        self.servers = servers
        self.routes = routes
        self.dialect = dialect
        self.codec = codec
        self.is_ours = type(codec) in (PlainCodec, JsonCodec)
        self.serialize = codec.serialize if self.is_ours else _checked(codec.serialize)
        self.misses = misses


def _checked(
    serialize: Callable[[object], tuple[bytes, int]],
) -> Callable[[object], tuple[bytes, int]]:
    def checked(value: object) -> tuple[bytes, int]:
        data, flags = serialize(value)
        return checked_value(data), checked_int("flags", flags, 0, U32)

    return checked
