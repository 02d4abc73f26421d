"""Operations on one key."""

from __future__ import annotations

from mcproto import Command, ErrorReplied, Flight, InvalidArgument

from .._errors import ServerUnavailable, ValueUnreadable
from .._failures import command_failed
from .._item import CasItem
from ..values._plain import FLAG_TEXT
from ._effects import Exchange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeVar

    from mcproto import Item
    from mcproto._columns import Columns

    from ._dialects import Mode
    from ._effects import Operation
    from ._setup import Setup

    R = TypeVar("R")

__all__ = [
    "arithmetic",
    "cas",
    "contains",
    "delete",
    "execute",
    "gat",
    "get",
    "gets",
    "join",
    "store",
    "store_data",
    "touch",
    "value_of",
    "values_of",
]

U64 = (1 << 64) - 1


def value_of(setup: Setup, server: int, item: Item) -> object:
    """The item's value as the codec reads it."""
    try:
        return setup.codec.deserialize(item.value, item.flags)
    except ValueUnreadable as error:
        error.key = item.key
        error.server = setup.servers[server].name
        raise


def values_of(setup: Setup, server: int, columns: Columns) -> Sequence[object]:
    """The values of many items as the codec reads them."""
    names, all_flags, datas = columns
    if setup.is_ours and all_flags:
        flags = all_flags[0]
        if flags in (0, FLAG_TEXT) and all_flags.count(flags) == len(all_flags):
            if flags == 0:
                return datas
            try:
                return list(map(bytes.decode, datas))
            except UnicodeDecodeError:
                pass  # of which one, is said below
    values: list[object] = []
    deserialize = setup.codec.deserialize
    for name, flags, data in zip(names, all_flags, datas, strict=True):
        try:
            values.append(deserialize(data, flags))
        except ValueUnreadable as error:
            error.key = setup.routes[name][1]
            error.server = setup.servers[server].name
            raise
    return values


def get(setup: Setup, key: str | bytes, default: object) -> Operation[object]:
    """The value under *key*, or *default*."""
    server, wire = setup.routes[key]
    try:
        item = yield from setup.dialect.get(server, wire)
    except ServerUnavailable:
        if not setup.misses:
            raise
        item = None
    return default if item is None else value_of(setup, server, item)


def gets(setup: Setup, key: str | bytes) -> Operation[CasItem | None]:
    """The item under *key* with its cas unique, or None."""
    server, wire = setup.routes[key]
    try:
        item = yield from setup.dialect.gets(server, wire)
    except ServerUnavailable:
        if not setup.misses:
            raise
        item = None
    if item is None:
        return None
    assert item.cas is not None  # the dialects have asked for it and checked
    return CasItem(key, value_of(setup, server, item), item.flags, item.cas)


def gat(setup: Setup, key: str | bytes, exptime: int, default: object) -> Operation[object]:
    """The value under *key*, which gets a new expiry, or *default*."""
    server, wire = setup.routes[key]
    try:
        item = yield from setup.dialect.gat(server, wire, exptime)
    except ServerUnavailable:
        if not setup.misses:
            raise
        item = None
    return default if item is None else value_of(setup, server, item)


def contains(setup: Setup, key: str | bytes) -> Operation[bool]:
    """Whether there is such a key."""
    server, wire = setup.routes[key]
    try:
        return (yield from setup.dialect.exists(server, wire))
    except ServerUnavailable:
        if not setup.misses:
            raise
        return False


def store(
    setup: Setup, mode: Mode, key: str | bytes, value: object, exptime: int
) -> Operation[bool]:
    """Store a value, in one of the modes "set", "add" and "replace"."""
    server, wire = setup.routes[key]
    data, flags = setup.serialize(value)
    return (yield from setup.dialect.store(server, mode, wire, data, flags, exptime))


def store_data(
    setup: Setup, key: str | bytes, data: bytes, flags: int, exptime: int
) -> Operation[bool]:
    """`store` in mode "set", of a value that is serialized already."""
    server, wire = setup.routes[key]
    return (yield from setup.dialect.store(server, "set", wire, data, flags, exptime))


def join(setup: Setup, mode: Mode, key: str | bytes, value: object) -> Operation[bool]:
    """Append or prepend: the item keeps its flags, so what is added must fit them."""
    server, wire = setup.routes[key]
    data, _ = setup.serialize(value)
    return (yield from setup.dialect.store(server, mode, wire, data, 0, 0))


def cas(
    setup: Setup, key: str | bytes, value: object, unique: int, exptime: int
) -> Operation[bool]:
    """Store a value if the item is still the one with this unique."""
    server, wire = setup.routes[key]
    _check_number("cas", unique)
    data, flags = setup.serialize(value)
    return (yield from setup.dialect.cas(server, wire, data, unique, flags, exptime))


def delete(setup: Setup, key: str | bytes) -> Operation[bool]:
    """Delete the item; whether there was one."""
    server, wire = setup.routes[key]
    return (yield from setup.dialect.delete(server, wire))


def touch(setup: Setup, key: str | bytes, exptime: int) -> Operation[bool]:
    """Give the item a new expiry; whether there is one."""
    server, wire = setup.routes[key]
    return (yield from setup.dialect.touch(server, wire, exptime))


def arithmetic(
    setup: Setup, key: str | bytes, up: bool, delta: int, initial: int | None, exptime: int
) -> Operation[int | None]:
    """Count up or down; the new number, or None if there is none and no *initial* one."""
    server, wire = setup.routes[key]
    _check_number("delta", delta)
    if initial is not None:
        _check_number("initial", initial)
    return (yield from setup.dialect.arithmetic(server, wire, up, delta, initial, exptime))


def execute(setup: Setup, command: Command[R], server: int | None) -> Operation[R]:
    """Any command, at the server of its key unless told otherwise.

    A silent one (noreply, q) is closed by a barrier, which is waited for.
    """
    if not isinstance(command, Command):
        raise TypeError(f"command must be one of mcproto's, not {type(command).__name__}")
    if command.is_stream or command.is_watch:
        raise InvalidArgument(f"command must have one reply, not a stream of them: {command!r}")
    spoken = setup.dialect.protocol
    if command.protocol != spoken:
        raise InvalidArgument(
            f"command must be one of the {spoken} protocol, which is what this client speaks:"
            f" {command!r}"
        )
    if server is None:
        server = _home(setup, command)
    if not (command.quiet or command.noreply):
        return (yield from Exchange(server, command))
    (reply,) = yield from Exchange(server, Flight((command,)))
    try:
        return command.result(reply)
    except ErrorReplied as error:
        name = setup.servers[server].name
        raise command_failed(error.reply, name, getattr(command, "key", None)) from None


def _home(setup: Setup, command: Command[object]) -> int:
    """The server where all the command's keys live."""
    if len(setup.servers) == 1:
        return 0
    keys: Sequence[bytes] = getattr(command, "keys", ())
    key: bytes | None = getattr(command, "key", None)
    homes = {setup.routes.of_wire(key) for key in (keys if key is None else (key,))}
    if len(homes) == 1:
        return homes.pop()
    reason = "its keys live on several" if homes else "it has no key"
    raise InvalidArgument(f"server must be given for {type(command).__name__}: {reason}")


def _check_number(name: str, number: int) -> None:
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError(f"{name} must be an int, not {type(number).__name__}")
    if not 0 <= number <= U64:
        raise InvalidArgument(f"{name} must be from 0 to 2**64 - 1")
