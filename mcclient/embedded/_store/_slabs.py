"""How memcached divides its memory: pages, cut into chunks of one size for each class of items.

Nothing is kept here in chunks: this is the arithmetic, and it is done because it can be seen.  It
says how many items fit, which of them give way, and what ``stats slabs`` shows.  Knows items as
something with a key, a size and a place in the queue of its class.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, OrderedDict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._item import StoredItem

__all__ = ["PAGE", "SlabClass", "Slabs"]

PAGE = 1 << 20

# An item that is larger than the largest chunk takes several, and a small one for what leads them:
# so much, beside the key.
_LEAD = 100


def _chunk_sizes(chunk_max: int) -> list[int]:
    sizes = [96]
    while sizes[-1] * 1.25 <= chunk_max / 1.25:
        sizes.append((int(sizes[-1] * 1.25) + 7) // 8 * 8)
    return [*sizes, chunk_max]


class SlabClass:
    """The chunks of one size, and the items in them.

    Attributes:
        number: from 1.
        chunk_size: in bytes.
        per_page: how many chunks a page has.
        pages: how many pages it has been given.
        used: how many chunks are taken.
        items: by key, least recently used first.
        requested: bytes of these items; the rest of their chunks is waste.
        hits: how often one of them was got.
        sets: how often something was put in.
        counts: what else has happened to them, by the names of ``stats items`` and ``stats slabs``.
    """

    __slots__ = (
        "chunk_size",
        "counts",
        "hits",
        "items",
        "number",
        "pages",
        "per_page",
        "requested",
        "sets",
        "used",
    )

    def __init__(self, number: int, chunk_size: int) -> None:
        self.number = number
        self.chunk_size = chunk_size
        self.per_page = PAGE // chunk_size
        self.pages = 0
        self.used = 0
        self.items: OrderedDict[bytes, StoredItem] = OrderedDict()
        self.requested = 0
        self.reset()

    def reset(self) -> None:
        """Forget what has happened."""
        self.hits = 0
        self.sets = 0
        self.counts: Counter[str] = Counter()

    @property
    def free(self) -> int:
        """How many of its chunks are not taken."""
        return self.pages * self.per_page - self.used


class Slabs:
    """All classes, and the pages that they share.

    A class gets a page when it has no free chunk, as long as there are pages; its first one it
    gets in any case.

    Args:
        memory: what all pages may take, in bytes.
        chunk_max: the largest chunk, in bytes.

    Attributes:
        classes: in order of size; their numbers begin with 1.
        limit: how many pages there are.
        pages: how many have been given out.
        moved: how many have gone from one class to another, in all.
    """

    __slots__ = ("_sizes", "chunk_max", "classes", "limit", "moved", "pages")

    def __init__(self, memory: int, chunk_max: int = PAGE // 2) -> None:
        self.chunk_max = chunk_max
        self._sizes = _chunk_sizes(chunk_max)
        self.classes = [SlabClass(n, size) for n, size in enumerate(self._sizes, 1)]
        self.limit = memory // PAGE
        self.pages = 0
        self.moved = 0

    def class_of(self, size: int) -> SlabClass:
        """The class of an item of *size* bytes."""
        return self.classes[min(bisect_left(self._sizes, size), len(self._sizes) - 1)]

    def needs(self, item: StoredItem, size: int) -> list[tuple[SlabClass, int]]:
        """How many chunks of which classes an item of several chunks takes, its own class first.

        Args:
            size: the item's.
        """
        whole, rest = divmod(size, self.chunk_max)
        needs = [(self.classes[-1], whole), (self.class_of(_LEAD + len(item.key)), 1)]
        return [*needs, (self.class_of(rest), 1)] if rest else needs

    def has_room(self, slab: SlabClass, chunks: int) -> bool:
        """Whether a class has so many chunks free, perhaps after it has got more pages."""
        while slab.free < chunks:
            if self.pages >= self.limit and slab.pages:
                return False
            self.give_page(slab)
        return True

    def give_page(self, slab: SlabClass) -> None:
        """One more page for a class, whatever the limit."""
        slab.pages += 1
        self.pages += 1

    def clear(self) -> None:
        """Nothing is in them any more. The pages stay where they are."""
        for slab in self.classes:
            slab.items.clear()
            slab.used = slab.requested = 0
