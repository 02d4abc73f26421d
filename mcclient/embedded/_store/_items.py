"""Items and what may be done to them: cas uniques, the least recently used, the limits.

The part of memcached that all dialects stand on.  Knows no command, no reply but the words that
say how storing ended, and no clock: every moment is an argument, in seconds since 1970.
"""

from __future__ import annotations

from collections import Counter
from math import inf

from mcproto import ErrorReply, Status
from mcproto._generations import NEWEST

from ._events import VERBS
from ._item import U64, StoredItem, number_in
from ._slabs import PAGE, Slabs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mcproto._generations import Generation

    from ._events import Events
    from ._prefixes import Prefixes
    from ._slabs import SlabClass

__all__ = ["Items"]

TOO_LARGE = ErrorReply("SERVER_ERROR", "object too large for cache")
NO_MEMORY = ErrorReply("SERVER_ERROR", "out of memory storing object")
NO_MEMORY_TO_COUNT = ErrorReply("SERVER_ERROR", "out of memory in incr")
NOT_A_NUMBER = ErrorReply("CLIENT_ERROR", "cannot increment or decrement non-numeric value")


def _oldest(slab: SlabClass) -> float:
    """When the item of a class was used that was used longest ago."""
    return next(iter(slab.items.values())).used


def _expired(slab: SlabClass, now: float) -> list[StoredItem]:
    return [item for item in slab.items.values() if item.expires <= now]


def _freest(slab: SlabClass) -> int:
    return slab.free * slab.chunk_size


class Items:
    """All items, within limits.

    Args:
        memory: how much all of them may take, in bytes; the least recently used give way.
        item_size: how much one of them may take, in bytes.
        like: the server that is imitated.
        cas: whether items have cas uniques; else all are 0, and no comparison ever holds.
        evicts: whether items give way; else what has no room is not stored.
        chunk_max: the largest chunk of memory, in bytes.

    Attributes:
        counts: what happened, by the names that ``stats`` has for it.
        slabs: how the memory is divided.
        events: who hears of all that happens to items; None: nobody does.
        prefixes: where gets, sets and deletes are counted by prefix; None: they are not.
    """

    def __init__(
        self,
        memory: int,
        item_size: int,
        like: Generation = NEWEST,
        *,
        cas: bool = True,
        evicts: bool = True,
        chunk_max: int = PAGE // 2,
    ) -> None:
        self.memory = memory
        self.item_size = item_size
        self.like = like
        self.has_cas = cas
        self.evicts = evicts
        self.taken = 0  # of memory
        self.counts: Counter[str] = Counter()
        self.slabs = Slabs(memory, chunk_max)
        self.events: Events | None = None
        self.prefixes: Prefixes | None = None
        self._items: dict[bytes, StoredItem] = {}
        self._flushed: set[bytes] = set()  # what a flush has taken, and nobody has missed yet
        self._last_cas = like.first_cas - 1

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[StoredItem]:
        """All of them, expired ones too: by class, least recently used first."""
        for slab in self.slabs.classes:
            yield from slab.items.values()

    def clear(self) -> None:
        self._items.clear()
        self._flushed.clear()
        self.slabs.clear()
        self.taken = 0

    def flush(self) -> None:
        """Forget all of them, but for what was there: statistics and logs show who misses it."""
        flushed = set(self._items)
        self.clear()
        self._flushed = flushed

    def reset_counts(self) -> None:
        self.counts.clear()
        for slab in self.slabs.classes:
            slab.reset()

    # --------------------------------------------------------------------------------- finding

    def find(self, key: bytes, now: float) -> StoredItem | None:
        """The item under a key, unless it has expired. This is no use of it yet."""
        item = self._items.get(key)
        if item is None:
            how = b"not_found"
            if self._flushed and key in self._flushed:
                self._flushed.discard(key)
                self.counts["get_flushed"] += 1
                how = b"flushed"
        elif item.expires > now:
            if self.events is not None:
                self.events.got(key, b"found", item)
            return item
        else:
            self.remove(item)
            self.counts["get_expired"] += 1
            how = b"expired"
        if self.events is not None:
            self.events.got(key, how)
        return None

    def get(self, key: bytes, now: float) -> StoredItem | None:
        """As `find`, for somebody who wants to have it: counted, but no use of it yet."""
        counts = self.counts
        counts["cmd_get"] += 1
        item = self.find(key, now)
        if item is None:
            counts["get_misses"] += 1
        else:
            counts["get_hits"] += 1
            item.slab.hits += 1
        if self.prefixes is not None:
            self.prefixes.got(key, item is not None)
        return item

    def use(self, item: StoredItem, now: float) -> None:
        """Somebody has got it: it goes last."""
        item.used = now
        item.fetched = True
        item.slab.items.move_to_end(item.key)

    def touch(self, key: bytes, expires: float, now: float) -> StoredItem | None:
        """The item under a key, with a new expiry. This is a use of it."""
        self.counts["cmd_touch"] += 1
        item = self.find(key, now)
        if item is None:
            self.counts["touch_misses"] += 1
            return None
        self._count("touch_hits", item)
        self.use(item, now)
        item.expires = expires
        return item

    def promote(self, item: StoredItem) -> None:
        """It goes last, though nobody has got it."""
        item.slab.items.move_to_end(item.key)

    def peek(self, key: bytes) -> StoredItem:
        """The item under a key that is there, expired or not. Nobody hears of it."""
        return self._items[key]

    def __contains__(self, key: bytes) -> bool:
        """Whether there is an item under a key, expired or not."""
        return key in self._items

    def remove(self, item: StoredItem) -> None:
        del self._items[item.key]
        self._unlink(item)

    def delete(self, item: StoredItem, verb: bytes) -> None:
        """Somebody has deleted it, by the command *verb*."""
        self._count("delete_hits", item)
        self.remove(item)
        if self.events is not None:
            self.events.deleted(item, verb)

    def discard(self, key: bytes) -> None:
        """Remove what is under a key, if anything is."""
        item = self._items.get(key)
        if item is not None:
            self.remove(item)

    def crawl(self, classes: Iterable[SlabClass], now: float) -> None:
        """Remove what has expired."""
        for slab in classes:
            for counts in (self.counts, slab.counts):
                counts["crawler_items_checked"] += len(slab.items)
            for item in _expired(slab, now):
                self._count("crawler_reclaimed", item)
                self.remove(item)

    def _reclaim(self, classes: Iterable[SlabClass], now: float) -> None:
        """The same, for the sake of somebody who needs the room."""
        for slab in classes:
            for item in _expired(slab, now):
                self._count("reclaimed", item)
                self.remove(item)

    # --------------------------------------------------------------------------------- storing

    def refusal(self, item: StoredItem, mode: str, now: float) -> ErrorReply | None:
        """Why an item like this cannot be stored at all, if it cannot. *mode*: as in `store`."""
        size = item.size
        if size > self.item_size:
            why, refusal = "too_large", TOO_LARGE
        elif size > self.memory or not (self.evicts or self._has_room(item, size, now)):
            why, refusal = "no_memory", NO_MEMORY
        else:
            return None
        self.counts[f"store_{why}"] += 1
        slab = self.slabs.class_of(size)
        slab.counts["outofmemory"] += refusal is NO_MEMORY
        if self.events is not None:
            self.events.stored(item, slab.number, why.encode(), VERBS[mode], now)
        return refusal

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
        counts, slab = self.counts, self.slabs.class_of(new.size)
        counts["cmd_set"] += 1
        slab.sets += 1
        compares = cas is not None and mode in ("S", "R")
        if compares:
            status = self._compared(new, now, cas, takes_lower)
        else:
            status = self._concatenated(new, mode, now, cas, creates)
        if status is Status.STORED:
            self.link(new, now, unique)
            slab = new.slab
        if self.events is not None:
            # Behind what had to give way.
            verb = b"cas" if compares else VERBS[mode]
            self.events.stored(new, slab.number, status, verb, now)
        return status

    def _compared(self, new: StoredItem, now: float, cas: int | None, takes_lower: bool) -> Status:
        """Whether *new* is to be stored, that the item's unique decides about."""
        old = self.find(new.key, now)
        if old is None:
            self.counts["cas_misses"] += 1
            return Status.NOT_FOUND
        if self.has_cas and cas == old.cas:
            self._count("cas_hits", old)
        elif takes_lower and cas is not None and 0 < cas < old.cas:
            new.expires = old.expires
            new.stale = True
            new.won = old.won
        else:
            self._count("cas_badval", old)
            return Status.EXISTS
        return Status.STORED

    def _concatenated(
        self, new: StoredItem, mode: str, now: float, cas: int | None, creates: bool
    ) -> Status:
        """Whether *new* is to be stored; to what it is appended, or prepended, it is by then."""
        old = self.find(new.key, now)
        if old is None:
            is_missing = mode == "R" or (mode in ("A", "P") and not creates)
            return Status.NOT_STORED if is_missing else Status.STORED
        if mode == "E":
            self.promote(old)
            return Status.NOT_STORED
        if mode in ("A", "P"):
            if cas and cas != old.cas:
                return Status.EXISTS
            longer = StoredItem(
                new.key,
                old.value + new.value if mode == "A" else new.value + old.value,
                flags=old.flags,
            )
            if not self._fits(longer, now):
                return Status.NOT_STORED
            new.value = longer.value
            new.flags = old.flags
            new.expires = old.expires
            new.is_base64 = False
        return Status.STORED

    def link(self, item: StoredItem, now: float, unique: int | None = None) -> None:
        """Put it in, in place of what is there, and at the cost of what was used longest ago."""
        key, slabs = item.key, self.slabs
        old = self._items.get(key)
        if old is not None:
            self.remove(old)
        size = item.size
        while self.taken + size > self.memory and self._items:
            self._evict(min([s for s in slabs.classes if s.items], key=_oldest), now)
        item.slab = slab = slabs.class_of(size)
        if size <= slabs.chunk_max:
            self._take(slab, 1, now)
        else:
            for other, chunks in slabs.needs(item, size):
                self._take(other, chunks, now)
        slab.items[key] = item
        slab.requested += size
        self._items[key] = item
        self.taken += size
        item.used = now
        self.mark(item, unique)
        self.counts["total_items"] += 1

    def _unlink(self, item: StoredItem) -> None:
        slab, size = item.slab, item.size
        del slab.items[item.key]
        slab.requested -= size
        self.taken -= size
        if size <= self.slabs.chunk_max:
            slab.used -= 1
        else:
            for other, chunks in self.slabs.needs(item, size):
                other.used -= chunks

    def _take(self, slab: SlabClass, chunks: int, now: float) -> None:
        """Take chunks of a class; its items give way."""
        while not self.slabs.has_room(slab, chunks):
            if slab.items:
                self._evict(slab, now)
            else:
                # All its chunks are parts of larger items, which are none of its own.
                self.slabs.give_page(slab)
        slab.used += chunks

    def _fits(self, item: StoredItem, now: float) -> bool:
        size = item.size
        if size > min(self.item_size, self.memory):
            return False
        return self.evicts or self._has_room(item, size, now)

    def _has_room(self, item: StoredItem, size: int, now: float) -> bool:
        """Whether an item can be stored so that none has to give way that has not expired."""
        slabs = self.slabs
        needs = [(slabs.class_of(size), 1)]
        if size > slabs.chunk_max:
            needs = slabs.needs(item, size)
        for slab, chunks in needs:
            if not slabs.has_room(slab, chunks):
                self._reclaim([slab], now)
        if self.taken + size > self.memory:
            self._reclaim(slabs.classes, now)
        return self.taken + size <= self.memory and all(
            slabs.has_room(slab, chunks) for slab, chunks in needs
        )

    def mark(self, item: StoredItem, unique: int | None = None) -> None:
        """It has changed: a new cas unique, or the one that was asked for."""
        if not self.has_cas:
            item.cas = 0
        elif unique:
            item.cas = unique
        else:
            self._last_cas += 1
            item.cas = self._last_cas

    def _evict(self, slab: SlabClass, now: float) -> None:
        """The item of a class that was used longest ago gives way."""
        item = next(iter(slab.items.values()))
        counts = slab.counts
        if item.expires <= now:
            how = "expired"
            self._count("reclaimed", item)
        else:
            how = "evicted"
            self.counts["evictions"] += 1
            counts["evicted"] += 1
            counts["evicted_nonzero"] += item.expires != inf
            counts["evicted_time"] = int(now - item.used)
            if self.events is not None:
                self.events.evicted(item, now)
        if not item.fetched:
            self._count(f"{how}_unfetched", item)
        self.remove(item)

    def _count(self, what: str, item: StoredItem) -> None:
        """Something has happened to an item that its class counts, too."""
        self.counts[what] += 1
        item.slab.counts[what] += 1

    # ---------------------------------------------------------------------------------- memory

    def limit(self, memory: int, now: float) -> None:
        """All of them may take so many bytes from now on; the least recently used give way."""
        self.memory = memory
        slabs = self.slabs
        slabs.limit = memory // PAGE
        while self.taken > memory:
            self._evict(min([s for s in slabs.classes if s.items], key=_oldest), now)
        while slabs.pages > slabs.limit:
            several = [slab for slab in slabs.classes if slab.pages > 1]
            if not several:
                break
            self._give_up_page(max(several, key=_freest), now)

    def reassign(self, source: SlabClass, destination: SlabClass | None, now: float) -> None:
        """Move a page from one class to another; None: to all of them."""
        self._give_up_page(source, now)
        self.slabs.moved += 1
        if destination is not None:
            self.slabs.give_page(destination)

    def _give_up_page(self, slab: SlabClass, now: float) -> None:
        while slab.free < slab.per_page and slab.items:
            self._evict(slab, now)
        slab.pages -= 1
        self.slabs.pages -= 1

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
        digits = b"%d" % number
        if len(digits) <= len(item.value):
            # In place: whatever is marked stays so, and what was longer is filled with blanks.
            item.value = digits.ljust(len(item.value))
            self.mark(item, unique)
            self.promote(item)
        else:
            longer = StoredItem(key, digits, flags=item.flags, expires=item.expires)
            if not self._fits(longer, now):
                return NO_MEMORY_TO_COUNT
            self.link(longer, now, unique)
        self._count("decr_hits" if down else "incr_hits", item)
        return number
