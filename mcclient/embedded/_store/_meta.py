"""What the meta commands do to items, and what they are answered.

Flags come back in the order in which they were asked for, and those that do something do it where
they stand: ``t T30`` shows the old ttl, ``T30 t`` the new one.
"""

from __future__ import annotations

from binascii import b2a_base64
from math import inf

from mcproto import ErrorReply, MetaReply, Status, meta
from mcproto._replies import LoudReply

from ._item import StoredItem, expiry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from . import Answers
    from ._items import Items

    Keyed: TypeAlias = meta.Get | meta.Set | meta.Delete | meta.Arithmetic
    Flags: TypeAlias = list[tuple[str, bytes | None]]

__all__ = ["META"]

_CODES = {
    Status.STORED: "HD",
    Status.NOT_STORED: "NS",
    Status.EXISTS: "EX",
    Status.NOT_FOUND: "NF",
}


def _key_flags(key: bytes, is_base64: bool) -> Flags:
    if is_base64:
        return [("k", b2a_base64(key, newline=False)), ("b", None)]
    return [("k", key)]


def _own_flag(command: Keyed, letter: str) -> Flags:
    """What every reply shows, hit or miss: key and opaque, if they were asked for."""
    if letter == "k":
        return _key_flags(command.item_key, command.b)
    if letter == "O":
        return [("O", command.O or None)]
    return []


def _without_item(code: str, command: Keyed) -> MetaReply:
    flags: Flags = []
    for letter in command.letters:
        flags += _own_flag(command, letter)
    return MetaReply(code, flags)


def _number(letter: str, number: int) -> Flags:
    return [(letter, b"%d" % number)]


def _get(items: Items, command: meta.Get, now: float) -> MetaReply | ErrorReply:
    item = items.find(command.item_key, now)
    _count_get(items, command, item)
    created = item is None
    if item is None:
        if command.N is None:
            return _without_item("EN", command)
        item = StoredItem(command.item_key, b"")
        refusal = items.refusal(item, "E", now)
        if refusal is not None:
            return refusal
        items.link(item, now, command.E)
    flags: Flags = []
    won = created
    for letter in command.letters:
        match letter:
            case "N" if created and command.N is not None:
                item.expires = expiry(command.N, now)
            case "R" if not created and command.R is not None:
                won = item.expires != inf and item.expires - now < command.R
            case "T" if command.T is not None:
                item.expires = expiry(command.T, now)
            case "c":
                flags += _number("c", item.cas)
            case "f":
                flags += _number("f", item.flags)
            case "h":
                flags += _number("h", item.fetched)
            case "l":
                flags += _number("l", item.idle(now))
            case "s":
                flags += _number("s", len(item.value))
            case "t":
                flags += _number("t", item.ttl(now))
            case "k":
                flags += _key_flags(item.key, item.is_base64)  # as it was stored
            case _:
                flags += _own_flag(command, letter)
    flags += _tokens(item, won)
    if not command.u:
        items.use(item, now)
    if command.v and not (items.like.compares_in_get and item.cas == command.C):
        return MetaReply("VA", flags, item.value)
    return MetaReply("HD", flags)


def _count_get(items: Items, command: meta.Get, item: StoredItem | None) -> None:
    counts = items.counts
    if item is None and command.N is None:
        counts["cmd_get"] += 1
        counts["get_misses"] += 1
    elif command.T is None:
        counts["cmd_get"] += 1
        counts["get_hits"] += 1
        if item is not None:
            item.slab.hits += 1
    else:
        counts["cmd_touch"] += 1
        counts["touch_hits"] += 1
        if item is not None:
            item.slab.counts["touch_hits"] += 1


def _tokens(item: StoredItem, won: bool) -> Flags:
    """W for the one who is to store the item anew, Z for all others; X if it is stale."""
    flags: Flags = []
    if item.won:
        flags.append(("Z", None))
        won = False
    if item.stale:
        flags.append(("X", None))
        won = not item.won
    if won:
        flags.append(("W", None))
        item.won = True
    return flags


def _set(items: Items, command: meta.Set, now: float) -> MetaReply | ErrorReply:
    mode = command.M or "S"
    creates = mode in ("A", "P") and command.N is not None and items.like.creates_by_append
    ttl = command.N if creates else command.T
    new = StoredItem(
        command.item_key,
        command.value,
        flags=command.F or 0,
        expires=expiry(ttl or 0, now),
        is_base64=command.b,
    )
    refusal = items.refusal(new, mode, now)
    if refusal is not None:
        # In any mode: better nothing than what somebody has tried to change.
        items.discard(new.key)
        return refusal
    status = items.store(
        new,
        mode,
        now,
        cas=command.C,
        takes_lower=command.I,
        creates=creates,
        unique=command.E,
    )
    flags: Flags = []
    for letter in command.letters:
        match letter:
            case "c":
                flags += _number("c", new.cas)  # 0 if it was not stored
            case "s" if items.like.sizes_in_set:
                flags += _number("s", len(new.value))
            case _:
                flags += _own_flag(command, letter)
    return MetaReply(_CODES[status], flags)


def _delete(items: Items, command: meta.Delete, now: float) -> MetaReply:
    item = items.find(command.item_key, now)
    if item is None or (command.C is not None and item.cas != command.C):
        items.counts["delete_misses"] += 1
        return _without_item("NF" if item is None else "EX", command)
    if command.x:
        expires = expiry(command.T or 0, now)
        item = StoredItem(item.key, b"", flags=command.F or 0, expires=expires)
        items.link(item, now, command.E)
    if command.I:
        if command.T is not None:
            item.expires = expiry(command.T, now)
        item.stale = True
        item.won = False
        items.mark(item, command.E)
    elif not command.x:
        items.delete(item, b"md")
    return _without_item("HD", command)


def _arithmetic(items: Items, command: meta.Arithmetic, now: float) -> MetaReply | ErrorReply:
    key = command.item_key
    delta = 1 if command.D is None else command.D
    down = command.M in ("D", "-")
    before = items.peek(key) if items.like.touches_what_was_there and key in items else None
    result = items.count(key, delta, now, down=down, cas=command.C, unique=command.E)
    if isinstance(result, ErrorReply):
        return result
    created = result is Status.NOT_FOUND and command.N is not None
    if created:
        result = command.J or 0
        first = StoredItem(key, b"%d" % result, expires=expiry(command.N or 0, now))
        refusal = items.refusal(first, "E", now)
        if refusal is not None:
            return refusal
        items.link(first, now, command.E)
    if isinstance(result, Status):
        if result is Status.NOT_FOUND:
            items.counts["decr_misses" if down else "incr_misses"] += 1
        return _without_item(_CODES[result], command)
    item = items.peek(key)
    touched = item if created or before is None else before
    flags: Flags = []
    for letter in command.letters:
        match letter:
            case "T" if command.T is not None:
                touched.expires = expiry(command.T, now)
            case "c":
                flags += _number("c", item.cas)
            case "t":
                flags += _number("t", touched.ttl(now))
            case _:
                flags += _own_flag(command, letter)
    reply = LoudReply if created and items.like.shows_creation else MetaReply
    return reply("VA", flags, b"%d" % result) if command.v else reply("HD", flags)


def _debug(items: Items, command: meta.Debug, now: float) -> MetaReply:
    items.counts["cmd_meta"] += 1
    item = items.find(command.item_key, now)
    if item is None:
        return MetaReply("EN")
    (key, *_) = _key_flags(item.key, item.is_base64)
    ttl = item.ttl(now)
    facts = {
        "exp": ttl if ttl < 0 or items.like.counts_down_in_debug else -ttl,
        "la": item.idle(now),
        "cas": item.cas,
        "fetch": "yes" if item.fetched else "no",
        "cls": item.slab.number,
        "size": item.size,
    }
    return MetaReply("ME", [key, *[(name, str(fact).encode()) for name, fact in facts.items()]])


def _noop(items: Items, command: meta.Noop, now: float) -> MetaReply:
    return MetaReply("MN")


META: Answers = {
    meta.Get: _get,
    meta.Set: _set,
    meta.Delete: _delete,
    meta.Arithmetic: _arithmetic,
    meta.Debug: _debug,
    meta.Noop: _noop,
}
