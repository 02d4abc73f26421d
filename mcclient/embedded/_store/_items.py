"""Items and what may be done to them: expiry, cas uniques, the least recently used, the limits.

The part of memcached that both dialects stand on.  Knows no command, no reply but the words that
say how storing ended, and no clock: every moment is an argument, in seconds since 1970.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, OrderedDict, defaultdict
from math import ceil, inf

from mcproto import ErrorReply, Status
from mcproto._generations import NEWEST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcproto._generations import Generation

__all__ = ["Items", "StoredItem", "expiry"]

TOO_LARGE = ErrorReply("SERVER_ERROR", "object too large for cache")
NO_MEMORY = ErrorReply("SERVER_ERROR", "out of memory storing object")
NOT_A_NUMBER = ErrorReply("CLIENT_ERROR", "cannot increment or decrement non-numeric value")

U32 = (1 << 32) - 1
U64 = (1 << 64) - 1

_MONTH = 30 * 24 * 3600
# What memcached needs besides key and value: the structure, the cas unique, and three bytes that
# end key and value.
_OVERHEAD = 48 + 8 + 3
_FLAGS = 4
# Two moments as floats are no nearer to each other than this, however they were computed.
_MOMENT = 1e-6
_BLANKS = b" \t\n\v\f\r"
_BEHIND_A_NUMBER = _BLANKS + b"\0"
_DIGITS = b"0123456789"


def expiry(exptime: int, now: float) -> float:
    """The moment at which an item expires that is stored with this expiry now; inf: never."""
    if exptime == 0:
        return inf
    if exptime < 0:
        return now - 1
    return now + exptime if exptime <= _MONTH else float(exptime)


def number_in(value: bytes) -> int | None:
    """The number that a value is to ``incr``; None if it is none.

    Blanks and a plus before it are skipped, and whatever stands behind a blank or a NUL after it.
    """
    text = value.lstrip(_BLANKS).removeprefix(b"+")
    rest = text.lstrip(_DIGITS)
    digits = text[: len(text) - len(rest)]
    if not digits or (rest and rest[0] not in _BEHIND_A_NUMBER):
        return None
    digits = digits.lstrip(b"0") or b"0"
    if len(digits) > 20:
        return None
    number = int(digits)
    return number if number <= U64 else None


def _chunk_sizes() -> list[int]:
    """How much an item of each slab class may take, in bytes, as memcached divides its memory."""
    sizes = [96]
    while sizes[-1] * 1.25 <= (1 << 19) / 1.25:
        sizes.append((int(sizes[-1] * 1.25) + 7) // 8 * 8)
    return [*sizes, 1 << 19]


_CHUNK_SIZES = _chunk_sizes()
SIZE_CLASSES = len(_CHUNK_SIZES)
"""How many slab classes memcached would have."""


class StoredItem:
    """What is stored under a key.

    Attributes:
        key: decoded, if it came as base64.
        is_base64: it did, with ``ms``, and is shown so. (Any other way to make an item forgets it.)
        value: bytes.
        flags: the client's 32 bits.
        expires: when, or inf.
        cas: its unique; given when it is linked.
        used: when it was last asked for.
        fetched: it has been asked for since it was stored.
        stale: it was invalidated, and may be shown until it is stored anew.
        won: somebody has been told to store it anew.
    """

    __slots__ = (
        "cas",
        "expires",
        "fetched",
        "flags",
        "is_base64",
        "key",
        "stale",
        "used",
        "value",
        "won",
    )

    def __init__(
        self,
        key: bytes,
        value: bytes,
        *,
        flags: int = 0,
        expires: float = inf,
        is_base64: bool = False,
    ) -> None:
        self.key = key
        self.value = value
        self.flags = flags
        self.expires = expires
        self.is_base64 = is_base64
        self.cas = 0
        self.used = 0.0
        self.fetched = False
        self.stale = False
        self.won = False

    @property
    def size(self) -> int:
        """The bytes it takes in memcached, which its limits count."""
        flags = _FLAGS if self.flags else 0
        return _OVERHEAD + flags + len(self.key) + len(self.value)

    def ttl(self, now: float) -> int:
        """The seconds it has left, rounded up; -1: no end.

        One that is expired has very many: memcached takes the negative number for an unsigned one.
        """
        return -1 if self.expires == inf else ceil(self.expires - now - _MOMENT) & U32

    def idle(self, now: float) -> int:
        """The whole seconds since it was used."""
        return int(now - self.used + _MOMENT)

    @property
    def size_class(self) -> int:
        """The slab class in which memcached would keep it. (We keep no slabs.)"""
        return min(bisect_left(_CHUNK_SIZES, self.size) + 1, len(_CHUNK_SIZES))


class Items:
    """All items, within limits.

    Args:
        memory: how much all of them may take, in bytes; the least recently used give way.
        item_size: how much one of them may take, in bytes.
        like: the server that is imitated.

    Attributes:
        counts: what happened, by the names that ``stats`` has for it.
        class_counts: what happened to items, by their size class, as ``stats items`` shows it.
    """

    def __init__(self, memory: int, item_size: int, like: Generation = NEWEST) -> None:
        self.memory = memory
        self.item_size = item_size
        self.like = like
        self.taken = 0  # of memory
        self.counts: Counter[str] = Counter()
        self.class_counts: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self._items: OrderedDict[bytes, StoredItem] = OrderedDict()  # least recently used first
        self._last_cas = like.first_cas - 1

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[StoredItem]:
        """All of them, expired ones too, least recently used first."""
        return iter(self._items.values())

    def clear(self) -> None:
        self._items.clear()
        self.taken = 0

    def limit(self, memory: int, now: float) -> None:
        """All of them may take so many bytes from now on; the least recently used give way."""
        self.memory = memory
        while self.taken > memory:
            self._evict(now)

    # --------------------------------------------------------------------------------- finding

    def find(self, key: bytes, now: float) -> StoredItem | None:
        """The item under a key, unless it has expired. This is no use of it yet."""
        item = self._items.get(key)
        if item is None or item.expires > now:
            return item
        self.remove(item)
        self.counts["get_expired"] += 1
        return None

    def use(self, item: StoredItem, now: float) -> None:
        """Somebody has got it: it goes last."""
        item.used = now
        item.fetched = True
        self._items.move_to_end(item.key)

    def promote(self, item: StoredItem) -> None:
        """It goes last, though nobody has got it."""
        self._items.move_to_end(item.key)

    def peek(self, key: bytes) -> StoredItem:
        """The item under a key that is there, expired or not."""
        return self._items[key]

    def remove(self, item: StoredItem) -> None:
        del self._items[item.key]
        self.taken -= item.size

    def discard(self, key: bytes) -> None:
        """Remove what is under a key, if anything is."""
        item = self._items.get(key)
        if item is not None:
            self.remove(item)

    # --------------------------------------------------------------------------------- storing

    def refusal(self, item: StoredItem) -> ErrorReply | None:
        """Why an item like this cannot be stored at all, if it cannot."""
        if item.size > self.item_size:
            self.counts["store_too_large"] += 1
            return TOO_LARGE
        if item.size > self.memory:
            self.counts["store_no_memory"] += 1
            return NO_MEMORY
        return None

    def store(
        self,
        new: StoredItem,
        mode: str,
        now: float,
        *,
        cas: int | None = None,
        takes_lower: bool = False,
        creates: bool = False,
        unique: int | None = None,
    ) -> Status:
        """Store *new*, which is then what is stored, appended and prepended too.

        Args:
            mode: as meta commands name it: ``"S"`` set, ``"E"`` add, ``"A"`` append, ``"P"``
                prepend, ``"R"`` replace.
            cas: the unique that the item there must have; matters to set and replace, and, if it
                is not 0, to append and prepend.
            takes_lower: set and replace: one that is older than the item's will do, but then
                *new* stays stale, and expires when the item would have.
            creates: append and prepend store where there is nothing.
            unique: the unique that *new* gets, not the next one.

        Returns:
            STORED, NOT_STORED, EXISTS (*cas* does not match) or NOT_FOUND (nor is there any).
        """
        self.counts["cmd_set"] += 1
        compares = cas is not None and mode in ("S", "R")
        old = self.find(new.key, now)
        if old is None:
            if compares:
                self.counts["cas_misses"] += 1
                return Status.NOT_FOUND
            if mode == "R" or (mode in ("A", "P") and not creates):
                return Status.NOT_STORED
            self.link(new, now, unique)
            return Status.STORED
        if mode == "E":
            self.promote(old)
            return Status.NOT_STORED
        if compares:
            if cas == old.cas:
                self.counts["cas_hits"] += 1
            elif takes_lower and cas is not None and 0 < cas < old.cas:
                new.expires = old.expires
                new.stale = True
                new.won = old.won
            else:
                self.counts["cas_badval"] += 1
                return Status.EXISTS
        elif mode in ("A", "P"):
            if cas and cas != old.cas:
                return Status.EXISTS
            if old.size + len(new.value) > min(self.item_size, self.memory):
                return Status.NOT_STORED
            new.value = old.value + new.value if mode == "A" else new.value + old.value
            new.flags = old.flags
            new.expires = old.expires
            new.is_base64 = False
        self.link(new, now, unique)
        return Status.STORED

    def link(self, item: StoredItem, now: float, unique: int | None = None) -> None:
        """Put it in, in place of what is there, and at the cost of what was used longest ago."""
        old = self._items.pop(item.key, None)
        if old is not None:
            self.taken -= old.size
        size = item.size
        while self._items and self.taken + size > self.memory:
            self._evict(now)
        self._items[item.key] = item
        self.taken += size
        item.used = now
        self.mark(item, unique)
        self.counts["total_items"] += 1

    def mark(self, item: StoredItem, unique: int | None = None) -> None:
        """It has changed: a new cas unique, or the one that was asked for."""
        if unique:
            item.cas = unique
        else:
            self._last_cas += 1
            item.cas = self._last_cas

    def _evict(self, now: float) -> None:
        _, item = self._items.popitem(last=False)
        self.taken -= item.size
        counts = self.class_counts[item.size_class]
        if item.expires <= now:
            how = "expired"
            self.counts["reclaimed"] += 1
            counts["reclaimed"] += 1
        else:
            how = "evicted"
            self.counts["evictions"] += 1
            counts["evicted"] += 1
            counts["evicted_nonzero"] += item.expires != inf
            counts["evicted_time"] = int(now - item.used)
        self.counts[f"{how}_unfetched"] += not item.fetched
        counts[f"{how}_unfetched"] += not item.fetched

    # ------------------------------------------------------------------------------ arithmetic

    def count(
        self,
        key: bytes,
        delta: int,
        now: float,
        *,
        down: bool = False,
        cas: int | None = None,
        unique: int | None = None,
    ) -> int | Status | ErrorReply:
        """Add *delta* to the number under *key*, around 2**64; or subtract it, down to 0.

        Args:
            down: subtract.
            cas: the unique that the item there must have; 0: any.
            unique: the unique that it gets, not the next one.

        Returns:
            The new number, NOT_FOUND, EXISTS (*cas* does not match), or why it cannot be.
        """
        item = self.find(key, now)
        if item is None:
            return Status.NOT_FOUND
        if not item.value:
            return NOT_A_NUMBER
        if cas and cas != item.cas:
            return Status.EXISTS
        number = number_in(item.value)
        if number is None:
            return NOT_A_NUMBER
        number = max(number - delta, 0) if down else (number + delta) & U64
        self.counts["decr_hits" if down else "incr_hits"] += 1
        digits = b"%d" % number
        if len(digits) <= len(item.value):
            # In place: whatever is marked stays so, and what was longer is filled with blanks.
            item.value = digits.ljust(len(item.value))
            self.mark(item, unique)
            self.promote(item)
        else:
            longer = StoredItem(key, digits, flags=item.flags, expires=item.expires)
            self.link(longer, now, unique)
        return number
