"""What the classic commands do to items, and what they are answered."""

from __future__ import annotations

from mcproto import ErrorReply, Item, Number, Status, Values, classic

from ._item import StoredItem, expiry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from . import Answers
    from ._items import Items

    Get: TypeAlias = classic.Get | classic.Gets | classic.GetMany | classic.GetsMany
    Gat: TypeAlias = classic.Gat | classic.GatMany
    Storage: TypeAlias = (
        classic.Set | classic.Add | classic.Replace | classic.Append | classic.Prepend
    )

__all__ = ["CLASSIC"]


def _get(items: Items, command: Get, now: float) -> Values:
    if isinstance(command, (classic.Get, classic.Gets)):
        keys: tuple[bytes, ...] = (command.key,)
    else:
        keys = command.keys
    found: list[StoredItem] = []
    for key in keys:
        item = items.get(key, now)
        if item is not None:
            items.use(item, now)
            found.append(item)
    return _shown(found, command.with_cas)


def _get_and_touch(items: Items, command: Gat, now: float) -> Values:
    keys = (command.key,) if isinstance(command, classic.Gat) else command.keys
    expires = expiry(command.exptime, now)
    touched = [items.touch(key, expires, now) for key in keys]
    if items.prefixes is not None:
        for key, item in zip(keys, touched, strict=True):
            items.prefixes.got(key, item is not None)
    return _shown([item for item in touched if item is not None], command.with_cas)


def _shown(found: list[StoredItem], with_cas: bool) -> Values:
    return Values([Item(i.key, i.flags, i.value, i.cas if with_cas else None) for i in found])


def _touch(items: Items, command: classic.Touch, now: float) -> Status:
    item = items.touch(command.key, expiry(command.exptime, now), now)
    return Status.NOT_FOUND if item is None else Status.TOUCHED


def _delete(items: Items, command: classic.Delete, now: float) -> Status:
    if items.prefixes is not None:
        items.prefixes.deleted(command.key)
    item = items.find(command.key, now)
    if item is None:
        items.counts["delete_misses"] += 1
        return Status.NOT_FOUND
    items.delete(item, b"delete")
    return Status.DELETED


def _new(items: Items, command: Storage | classic.Cas, now: float) -> StoredItem:
    if items.prefixes is not None:
        items.prefixes.set(command.key)
    expires = expiry(command.exptime, now)
    return StoredItem(command.key, command.value, flags=command.flags, expires=expires)


def _store(mode: str) -> Callable[[Items, Storage, float], Status | ErrorReply]:
    def store(items: Items, command: Storage, now: float) -> Status | ErrorReply:
        new = _new(items, command, now)
        refusal = items.refusal(new, mode, now)
        if refusal is None:
            return items.store(new, mode, now)
        if mode == "S":
            # Better nothing than what somebody has tried to replace.
            items.discard(command.key)
        return refusal

    return store


def _cas(items: Items, command: classic.Cas, now: float) -> Status | ErrorReply:
    new = _new(items, command, now)
    return items.refusal(new, "S", now) or items.store(new, "S", now, cas=command.cas)


def _arithmetic(
    items: Items, command: classic.Incr | classic.Decr, now: float
) -> Number | Status | ErrorReply:
    down = isinstance(command, classic.Decr)
    result = items.count(command.key, command.delta, now, down=down)
    if isinstance(result, int):
        return Number(result)
    if result is Status.NOT_FOUND:
        items.counts["decr_misses" if down else "incr_misses"] += 1
    return result


CLASSIC: Answers = {
    classic.Get: _get,
    classic.Gets: _get,
    classic.GetMany: _get,
    classic.GetsMany: _get,
    classic.Gat: _get_and_touch,
    classic.Gats: _get_and_touch,
    classic.GatMany: _get_and_touch,
    classic.GatsMany: _get_and_touch,
    classic.Set: _store("S"),
    classic.Add: _store("E"),
    classic.Replace: _store("R"),
    classic.Append: _store("A"),
    classic.Prepend: _store("P"),
    classic.Cas: _cas,
    classic.Delete: _delete,
    classic.Touch: _touch,
    classic.Incr: _arithmetic,
    classic.Decr: _arithmetic,
}
