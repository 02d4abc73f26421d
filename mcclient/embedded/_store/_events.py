"""What happens to items, in the words of memcached's logs: the lines that ``watch`` shows.

Knows the lines but not who reads them; whoever does hears every one from the call that he gives.
"""

from __future__ import annotations

from math import inf

from mcproto import Status
from mcproto._dump_lines import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._item import StoredItem

__all__ = ["VERBS", "Events"]

VERBS = {"S": b"set", "E": b"add", "R": b"replace", "A": b"append", "P": b"prepend"}
"""How the logs name the modes of storing."""

_OUTCOMES = {
    Status.STORED: b"stored",
    Status.NOT_STORED: b"not_stored",
    Status.EXISTS: b"exists",
    Status.NOT_FOUND: b"not_found",
}


class Events:
    """The lines of the logs about items.

    Args:
        tell: is called with the name of a log, and a line of it but for when and which it is.

    Attributes:
        asker: the number of the connection whose command it is, as logs show it.
    """

    __slots__ = ("_tell", "asker")

    def __init__(self, tell: Callable[[str, bytes], None]) -> None:
        self._tell = tell
        self.asker = 0

    def got(self, key: bytes, how: bytes, item: StoredItem | None = None) -> None:
        """Somebody has looked for an item. *how*: ``b"found"``, ``b"expired"``, ..."""
        number, size = (item.slab.number, len(item.value)) if item is not None else (0, 0)
        self._tell(
            "fetchers",
            b"type=item_get key=%b status=%b clsid=%d cfd=%d size=%d"
            % (quoted(key), how, number, self.asker, size),
        )

    def stored(
        self, item: StoredItem, number: int, outcome: Status | bytes, verb: bytes, now: float
    ) -> None:
        """Somebody has tried to store an item, of the slab class *number*."""
        ttl = 0 if item.expires == inf else item.ttl(now)
        self._tell(
            "mutations",
            b"type=item_store key=%b status=%b cmd=%b ttl=%d clsid=%d cfd=%d size=%d"
            % (
                quoted(item.key),
                outcome if isinstance(outcome, bytes) else _OUTCOMES[outcome],
                verb,
                ttl,
                number,
                self.asker,
                len(item.value),
            ),
        )

    def deleted(self, item: StoredItem, verb: bytes) -> None:
        """Somebody has deleted an item, by the command *verb*."""
        self._tell(
            "deletions",
            b"type=deleted key=%b cmd=%b clsid=%d size=%d"
            % (quoted(item.key), verb, item.slab.number, len(item.value)),
        )

    def evicted(self, item: StoredItem, now: float) -> None:
        """An item has given way to another."""
        self._tell(
            "evictions",
            b"type=eviction key=%b fetch=%b ttl=%d la=%d clsid=%d size=%d"
            % (
                quoted(item.key),
                b"yes" if item.fetched else b"no",
                item.ttl(now),
                item.idle(now),
                item.slab.number,
                len(item.value),
            ),
        )
