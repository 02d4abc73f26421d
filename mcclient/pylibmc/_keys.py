"""What keys pylibmc takes, and where they go.

Knows the rules for a key and remembers what came of them.  A key that would not arrive as one key
is never sent: libmemcached sends it, and what follows the blank is a command to the server.
"""

from __future__ import annotations

from time import time
from weakref import ref

from ._errors import Code, error_for
from ._marks import Marks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._behaviors import Behaviors

__all__ = ["EMPTY", "MAX_KEY", "UNFIT", "Keys", "wire_key"]

MAX_KEY = 250
_MANY = 32768

# In place of a server's number.
EMPTY = -1
"""The key is empty: what that means is up to the method."""
UNFIT = -2
"""The key is not one that ``verify_keys`` lets pass: what that means is up to the method."""

_UNSAFE = bytes(range(0x21)) + b"\x7f"
_PRINTABLE = bytes(range(0x21, 0x7F))


def wire_key(key: str | bytes) -> bytes:
    """The bytes of a key.

    Raises:
        TypeError: neither str nor bytes.
        ValueError: longer than 250 bytes.
    """
    if isinstance(key, str):
        wire = str.encode(key)
    elif isinstance(key, bytes):
        wire = bytes(key)
    else:
        raise TypeError(f"key must be bytes, not {type(key).__name__}")
    if len(wire) > MAX_KEY:
        raise ValueError(f"key length {len(wire)} too long, max is {MAX_KEY}")
    return wire


class Keys(dict["str | bytes", "tuple[int, bytes]"]):
    """key -> (server, the key as it goes over the wire), remembered while that cannot change.

    The server is `EMPTY` or `UNFIT` where there is none.

    Attributes:
        alone: key -> the key on the wire, where there is but one server and the key is one that is
            sent; else a KeyError.
    """

    __slots__ = ("__weakref__", "_behaviors", "_is_plain", "_marks", "_takes_any_key", "alone")

    def __init__(self, behaviors: Behaviors, takes_any_key: bool) -> None:
        super().__init__()
        self._behaviors = behaviors
        self._takes_any_key = takes_any_key
        self.alone: dict[str | bytes, bytes] = _Alone(self)
        # Not the session, which has the connections: they must not wait for a garbage collector.
        self._marks = Marks(behaviors, self.clear)
        self.clear()

    @property
    def marks(self) -> Marks:
        """Which servers have failed; they may move keys."""
        return self._marks

    def place(self, wire: bytes) -> int:
        """The server of a key at this moment."""
        if self._marks.any_ejected:
            self._marks.bring_back(time())
        return self._behaviors.placement.server_for(wire)

    def __missing__(self, key: str | bytes) -> tuple[int, bytes]:
        wire = key.encode() if type(key) is str else wire_key(key)
        if self._is_plain and 0 < len(wire) <= MAX_KEY and wire.translate(None, _UNSAFE) == wire:
            route = 0, wire  # `route` without the calls, which are dear to who has fresh keys only
        else:
            route = self.route(wire_key(key))
            if self._marks.any_ejected or self._behaviors.placement.distribution == "random":
                return route
        if len(self) >= _MANY:
            self.clear()
        self[key] = route
        return route

    def clear(self) -> None:
        """Forget them all, and go by the behaviors as they are now."""
        super().clear()
        self.alone.clear()
        behaviors = self._behaviors
        self._is_plain = self.have_one_server() and not (
            self._takes_any_key or behaviors["verify_keys"] or behaviors.namespace
        )

    def have_one_server(self) -> bool:
        return len(self._behaviors.placement.servers) == 1

    def route(self, wire: bytes) -> tuple[int, bytes]:
        """The same for a key in bytes.

        Raises:
            BadKeyProvided: it would not arrive as one key, or is too long with the namespace.
        """
        behaviors = self._behaviors
        if not wire:
            return EMPTY, wire
        if behaviors["verify_keys"] and wire.translate(None, _PRINTABLE):
            return UNFIT, wire
        whole = behaviors.namespace + wire
        if len(whole) > MAX_KEY:
            raise error_for(
                Code.BAD_KEY, "memcached_key", wire, "it is too long with the namespace"
            )
        if not self._takes_any_key and wire.translate(None, _UNSAFE) != wire:
            raise error_for(
                Code.BAD_KEY, "memcached_key", wire, "it holds a blank or a control character"
            )
        return self.place(wire), whole


class _Alone(dict["str | bytes", bytes]):
    """See `Keys.alone`."""

    __slots__ = ("_keys",)

    def __init__(self, keys: Keys) -> None:
        super().__init__()
        self._keys = ref(keys)

    def __missing__(self, key: str | bytes) -> bytes:
        keys = self._keys()
        assert keys is not None  # whose part this is
        server, wire = keys[key]
        if server < 0 or not keys.have_one_server():
            raise KeyError(key)
        self[key] = wire
        return wire
