"""What the binary commands do to items, and what they are answered."""

from __future__ import annotations

from mcproto import BinaryReply, ErrorReply, Stats, Status, binary

from ._item import StoredItem, expiry
from ._items import TOO_LARGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from mcproto import Reply

    from . import Answers
    from ._items import Items

    Storage: TypeAlias = binary.Set | binary.Add | binary.Replace
    Concatenation: TypeAlias = binary.Append | binary.Prepend

__all__ = ["BINARY", "statistics"]


def _get(items: Items, command: binary.Get, now: float) -> BinaryReply:
    item = items.get(command.key, now)
    if item is None:
        return _miss(command)
    items.use(item, now)
    return _hit(command, item)


def _get_and_touch(items: Items, command: binary.Gat, now: float) -> BinaryReply:
    item = items.touch(command.key, expiry(command.exptime, now), now)
    _count_got(items, command.key, item)
    return _miss(command) if item is None else _hit(command, item)


def _count_got(items: Items, key: bytes, item: StoredItem | None) -> None:
    if items.prefixes is not None:
        items.prefixes.got(key, item is not None)


def _miss(command: binary.Get) -> BinaryReply:
    return BinaryReply(binary.KEY_NOT_FOUND, key=command.shown_key)


def _hit(command: binary.Get, item: StoredItem) -> BinaryReply:
    return BinaryReply(cas=item.cas, extras=_flags(item), key=command.shown_key, value=item.value)


def _flags(item: StoredItem) -> bytes:
    return item.flags.to_bytes(4, "big")


def _touch(items: Items, command: binary.Touch, now: float) -> BinaryReply:
    item = items.touch(command.key, expiry(command.exptime, now), now)
    _count_got(items, command.key, item)
    if item is None:
        return BinaryReply(binary.KEY_NOT_FOUND)
    return BinaryReply(cas=item.cas, extras=_flags(item))


def _refused(refusal: ErrorReply) -> BinaryReply:
    return BinaryReply(binary.TOO_LARGE if refusal is TOO_LARGE else binary.OUT_OF_MEMORY)


_FAILURES = {
    Status.NOT_STORED: binary.NOT_STORED,
    Status.EXISTS: binary.KEY_EXISTS,
    Status.NOT_FOUND: binary.KEY_NOT_FOUND,
}


def _stored(new: StoredItem, status: Status, failures: dict[Status, int]) -> BinaryReply:
    return BinaryReply(cas=new.cas) if status is Status.STORED else BinaryReply(failures[status])


def _store(mode: str, not_stored: int) -> Callable[[Items, Storage, float], BinaryReply]:
    failures = {**_FAILURES, Status.NOT_STORED: not_stored}

    def store(items: Items, command: Storage, now: float) -> BinaryReply:
        if items.prefixes is not None:
            items.prefixes.set(command.key)
        expires = expiry(command.exptime, now)
        new = StoredItem(command.key, command.value, flags=command.flags, expires=expires)
        refusal = items.refusal(new, mode, now)
        if refusal is not None:
            if mode == "S":
                # Better nothing than what somebody has tried to replace.
                items.discard(command.key)
            return _refused(refusal)
        if command.cas and items.has_cas:
            # Whatever it was before: an ADD finds nothing where it should.
            return _stored(new, items.store(new, "S", now, cas=command.cas), failures)
        return _stored(new, items.store(new, mode, now), failures)

    return store


def _concatenate(mode: str) -> Callable[[Items, Concatenation, float], BinaryReply]:
    def concatenate(items: Items, command: Concatenation, now: float) -> BinaryReply:
        if items.prefixes is not None:
            items.prefixes.set(command.key)
        new = StoredItem(command.key, command.value)
        refusal = items.refusal(new, mode, now)
        if refusal is not None:
            return _refused(refusal)
        return _stored(new, items.store(new, mode, now, cas=command.cas), _FAILURES)

    return concatenate


def _delete(items: Items, command: binary.Delete, now: float) -> BinaryReply:
    if items.prefixes is not None:
        items.prefixes.deleted(command.key)
    item = items.find(command.key, now)
    if item is None:
        items.counts["delete_misses"] += 1
        return BinaryReply(binary.KEY_NOT_FOUND)
    if command.cas and command.cas != item.cas:
        return BinaryReply(binary.KEY_EXISTS)
    items.delete(item, b"delete")
    return BinaryReply()


def _arithmetic(items: Items, command: binary.Incr | binary.Decr, now: float) -> BinaryReply:
    down = isinstance(command, binary.Decr)
    key = command.key
    result = items.count(key, command.delta, now, down=down, cas=command.cas)
    if result is Status.NOT_FOUND and command.initial is not None:
        result = command.initial
        first = StoredItem(key, b"%d" % result, expires=expiry(command.exptime, now))
        refusal = items.refusal(first, "E", now)
        if refusal is not None:
            return _refused(refusal)
        items.link(first, now)
    if isinstance(result, int):
        return BinaryReply(cas=items.peek(key).cas, value=result.to_bytes(8, "big"))
    if isinstance(result, ErrorReply):
        is_full = result.kind == "SERVER_ERROR"
        return BinaryReply(binary.OUT_OF_MEMORY if is_full else binary.NON_NUMERIC)
    if result is Status.NOT_FOUND:
        items.counts["decr_misses" if down else "incr_misses"] += 1
    return BinaryReply(_FAILURES[result])


def statistics(group: str | None, reply: Reply) -> Stats | BinaryReply:
    """The answer to STAT where the text protocol has *reply* for the same group."""
    words = (group or "").split(" ")
    if words[0] == "detail":
        return _detail(words[1:], reply)
    # Some groups are written line by line, and not to be had in frames.
    if isinstance(reply, Stats) and words[0] not in ("cachedump", "conns"):
        return reply
    # Orders have nothing to show.
    return Stats() if isinstance(reply, Status) else BinaryReply(binary.KEY_NOT_FOUND)


def _detail(words: list[str], reply: Reply) -> Stats | BinaryReply:
    if isinstance(reply, Stats):
        # The lines of the text protocol, in one piece.
        lines = [f"PREFIX {name} {value}\r\n" for name, value in reply.entries.items()]
        return Stats({"detailed": "".join([*lines, "END\r\n"])})
    return Stats() if isinstance(reply, Status) or not words else BinaryReply(binary.KEY_NOT_FOUND)


BINARY: Answers = {
    binary.Get: _get,
    binary.Gat: _get_and_touch,
    binary.Touch: _touch,
    binary.Set: _store("S", binary.NOT_STORED),
    binary.Add: _store("E", binary.KEY_EXISTS),
    binary.Replace: _store("R", binary.KEY_NOT_FOUND),
    binary.Append: _concatenate("A"),
    binary.Prepend: _concatenate("P"),
    binary.Delete: _delete,
    binary.Incr: _arithmetic,
    binary.Decr: _arithmetic,
}
