"""What is asked for by the beginnings of keys: ``stats detail``.

A prefix is what stands before the first delimiter of a key; keys without one are not counted.
"""

from __future__ import annotations

__all__ = ["Prefixes"]

# memcached has no limit. Whoever makes up prefixes without end shall not fill our memory.
_MOST = 100_000


class Prefixes:
    """Counts by prefix.

    Args:
        delimiter: what ends a prefix.
    """

    def __init__(self, delimiter: bytes = b":") -> None:
        self.delimiter = delimiter
        self._counts: dict[bytes, list[int]] = {}  # get, hit, set, del

    def clear(self) -> None:
        self._counts.clear()

    def got(self, key: bytes, is_hit: bool) -> None:
        counts = self._of(key)
        counts[0] += 1
        counts[1] += is_hit

    def set(self, key: bytes) -> None:
        self._of(key)[2] += 1

    def deleted(self, key: bytes) -> None:
        self._of(key)[3] += 1

    def _of(self, key: bytes) -> list[int]:
        prefix, delimiter, _ = key.partition(self.delimiter)
        counts = self._counts.get(prefix)
        if counts is None:
            counts = [0, 0, 0, 0]
            if delimiter and len(self._counts) < _MOST:
                self._counts[prefix] = counts
        return counts

    def entries(self) -> dict[str, str]:
        """For each prefix what there is to say of it."""
        entries: dict[str, str] = {}
        for prefix, (gets, hits, sets, deletes) in self._counts.items():
            name = prefix.decode("utf-8", "backslashreplace")
            entries[name] = f"get {gets} hit {hits} set {sets} del {deletes}"
        return entries
