"""Operations on many keys: split by server, done side by side, put together again.

Long lists go in several rounds, so that no request is longer than servers and sockets like.
"""

from __future__ import annotations

from mcproto import ErrorReplied, ErrorReply, Flight
from mcproto._typing import Generic

from .._errors import MemcacheError, PartialFailure, ServerUnavailable
from .._failures import command_failed
from ._effects import FanOut
from ._one import values_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, TypeAlias, TypeVar

    from mcproto import Command, Reply
    from mcproto._replies import NoReply

    from ._effects import Operation
    from ._setup import Setup

    K = TypeVar("K", bound="str | bytes")

    Key: TypeAlias = str | bytes
    # Keys as given, keys on the wire, bytes and flags, in one order.
    Stores: TypeAlias = tuple[list[K], list[bytes], list[bytes], list[int]]
else:
    K = object

__all__ = ["delete_multi", "get_multi", "set_multi"]

# memcached takes a `get` line of any length; others take 1024 keys, or 16 KB.
MOST_KEYS = 1000
# What a flight's failures are answered with must fit into the sockets' buffers while nobody reads.
MOST_COMMANDS = 256
MOST_BYTES = 1 << 20

_BYTES = {bytes}


def get_multi(setup: Setup, keys: Iterable[K]) -> Operation[dict[K, object]]:
    """The values of those of the keys that are there."""
    if isinstance(keys, (str, bytes)):
        raise TypeError("keys must be several keys, not one")
    wanted = list(keys)
    # By server: the keys as given, and as they go over the wire.
    waiting: dict[int, tuple[list[K], list[bytes]]] = {}
    route = setup.routes.__getitem__
    if len(setup.servers) == 1 and wanted:
        waiting[0] = wanted, [wire for _, wire in map(route, wanted)]
    else:
        for key, (server, wire) in zip(wanted, map(route, wanted), strict=True):
            if server not in waiting:
                waiting[server] = [], []
            names, wires = waiting[server]
            names.append(key)
            wires.append(wire)
    getting = setup.dialect.getting
    result: dict[K, object] = {}
    errors: dict[int, MemcacheError] = {}
    start = 0
    while waiting:
        stop = start + MOST_KEYS
        outcomes = yield from FanOut(
            {
                server: getting(wires[start:stop], names[start:stop])
                for server, (names, wires) in waiting.items()
            }
        )
        for server, outcome in outcomes.items():
            if isinstance(outcome, MemcacheError):
                errors[server] = outcome
                del waiting[server]
                continue
            found: Iterable[K] = outcome[0]
            result.update(zip(found, values_of(setup, server, outcome), strict=True))
            if len(waiting[server][1]) <= stop:
                del waiting[server]
        start = stop
    lost = unforgiven(setup, errors)
    if lost:
        routes = setup.routes
        missing = [key for key in wanted if key not in result and routes[key][0] in lost]
        raise failure(setup, lost, result, missing)
    return result


def set_multi(setup: Setup, mapping: Mapping[K, object], exptime: int) -> Operation[list[K]]:
    """Store many values; the keys that were not stored."""
    return (yield from store_all(setup, stores_of(setup, mapping), exptime))


def stores_of(setup: Setup, mapping: Mapping[K, object]) -> dict[int, Stores[K]]:
    """What is to be stored, by server."""
    if not hasattr(mapping, "items"):
        raise TypeError(f"mapping must be a mapping, not {type(mapping).__name__}")
    items = mapping.items()
    keys, values = [key for key, _ in items], [value for _, value in items]
    if not keys:
        return {}
    datas, flags = _serialized(setup, values)
    route = setup.routes.__getitem__
    if len(setup.servers) == 1:
        return {0: (keys, [wire for _, wire in map(route, keys)], datas, flags)}
    stores: dict[int, Stores[K]] = {}
    for key, (server, wire), data, flag in zip(keys, map(route, keys), datas, flags, strict=True):
        if server not in stores:
            stores[server] = [], [], [], []
        names, wires, some_datas, some_flags = stores[server]
        names.append(key)
        wires.append(wire)
        some_datas.append(data)
        some_flags.append(flag)
    return stores


def _serialized(setup: Setup, values: list[Any]) -> tuple[list[bytes], list[int]]:
    """The bytes and the flags of many values."""
    if setup.is_ours and {*map(type, values)} == _BYTES:
        return values, [0] * len(values)
    datas, flags = zip(*map(setup.serialize, values), strict=True)
    return list(datas), list(flags)


def store_all(
    setup: Setup,
    waiting: dict[int, Stores[K]],
    exptime: int,
    outcomes: Mapping[int, tuple[Reply | NoReply, ...] | MemcacheError] | None = None,
) -> Operation[list[K]]:
    """Store what is waiting; the keys that were not stored.

    Args:
        waiting: as `stores_of` gives it; used up.
        outcomes: of the first flights, where they have been sent already.
    """
    was_stored = setup.dialect.was_stored
    not_stored: list[K] = []
    in_doubt: list[K] = []
    failed: list[K] = []
    errors: dict[int, MemcacheError] = {}
    while waiting:
        if outcomes is None:
            outcomes = yield from FanOut(
                {server: first_flight(setup, left, exptime) for server, left in waiting.items()}
            )
        for server, outcome in outcomes.items():
            stores = waiting.pop(server)
            if isinstance(outcome, MemcacheError):
                errors[server] = outcome
                failed += stores[0]
                continue
            for key, reply in zip(stores[0], outcome, strict=False):
                stored = was_stored(reply)
                if stored is None:
                    in_doubt.append(key)
                elif not stored:
                    not_stored.append(key)
            count = len(outcome)
            if count < len(stores[0]):
                keys, wires, datas, flags = stores
                waiting[server] = keys[count:], wires[count:], datas[count:], flags[count:]
        outcomes = None
    if in_doubt:
        # A `set` that fails removes what was there, so the server can be asked.
        not_stored += yield from _not_there(setup, in_doubt)
    if errors:
        raise failure(setup, errors, not_stored, failed)
    return not_stored


def first_flight(setup: Setup, stores: Stores[K], exptime: int) -> Flight:
    """As many of these as fit into one flight: one at least."""
    _, wires, datas, flags = stores
    count = len(wires)
    if count > MOST_COMMANDS or sum(map(len, datas)) > MOST_BYTES:
        sizes = list(map(len, datas[:MOST_COMMANDS]))
        while sum(sizes) > MOST_BYTES and len(sizes) > 1:
            sizes.pop()
        count = len(sizes)
        wires, datas, flags = wires[:count], datas[:count], flags[:count]
    return setup.dialect.storing(wires, datas, flags, exptime)


def _not_there(setup: Setup, keys: list[K]) -> Operation[list[K]]:
    """The keys that do not exist, and those whose server cannot be asked."""
    work: _Work[K] = _Work(setup)
    for key in keys:
        server, wire = setup.routes[key]
        work.add(server, key, setup.dialect.asking(wire))
    missing: list[K] = []
    while work:
        for flight in (yield from work.next_round()):
            for key, command, reply in flight:
                if isinstance(reply, ErrorReply) or command.result(reply) is None:
                    missing.append(key)
    return missing + work.failed


def delete_multi(setup: Setup, keys: Iterable[Key]) -> Operation[bool]:
    """Delete many items; whether every one of them was there."""
    if isinstance(keys, (str, bytes)):
        raise TypeError("keys must be several keys, not one")
    dialect = setup.dialect
    work: _Work[Key] = _Work(setup)
    for key in dict.fromkeys(keys):
        server, wire = setup.routes[key]
        work.add(server, key, dialect.deleting(wire))
    all_there = True
    while work:
        for flight in (yield from work.next_round()):
            for key, command, reply in flight:
                try:
                    all_there &= dialect.was_deleted(command, reply)
                except ErrorReplied as error:
                    server, wire = setup.routes[key]
                    name = setup.servers[server].name
                    raise command_failed(
                        error.reply, name, None if len(flight) > 1 else wire
                    ) from None
    if work.errors:
        raise failure(setup, work.errors, all_there, work.failed)
    return all_there


class _Work(Generic[K]):
    """Commands for several servers, sent in flights, a flight for each server at a time.

    Attributes:
        errors: the servers that gave no answer, and why.
        failed: the keys that this has left undone, or done for all we know.
    """

    def __init__(self, setup: Setup) -> None:
        self.errors: dict[int, MemcacheError] = {}
        self.failed: list[K] = []
        self._setup = setup
        self._waiting: dict[int, list[tuple[K, Command[object]]]] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, server: int, key: K, command: Command[object]) -> None:
        self._waiting.setdefault(server, []).append((key, command))

    def next_round(self) -> Operation[list[list[tuple[K, Command[object], Reply | NoReply]]]]:
        """Send each server its next flight. Gives the flights that were answered."""
        flights = {server: _next_flight(jobs) for server, jobs in self._waiting.items()}
        outcomes = yield from FanOut(
            {server: Flight([command for _, command in jobs]) for server, jobs in flights.items()}
        )
        answered: list[list[tuple[K, Command[object], Reply | NoReply]]] = []
        for server, outcome in outcomes.items():
            jobs = flights[server]
            if isinstance(outcome, MemcacheError):
                self.errors[server] = outcome
                self.failed += [key for key, _ in self._waiting.pop(server)]
                continue
            answered.append(
                [(key, command, reply) for (key, command), reply in zip(jobs, outcome, strict=True)]
            )
            del self._waiting[server][: len(jobs)]
            if not self._waiting[server]:
                del self._waiting[server]
        return answered


def _next_flight(
    jobs: list[tuple[K, Command[object]]],
) -> list[tuple[K, Command[object]]]:
    flight = jobs[:MOST_COMMANDS]
    size = 0
    for index, (_, command) in enumerate(flight):
        size += command.value_size
        if size > MOST_BYTES and index:
            return flight[:index]
    return flight


def unforgiven(setup: Setup, errors: dict[int, MemcacheError]) -> dict[int, MemcacheError]:
    """The errors that a read has to raise."""
    if not setup.misses:
        return errors
    return {
        server: error
        for server, error in errors.items()
        if not isinstance(error, ServerUnavailable)
    }


def failure(
    setup: Setup, errors: dict[int, MemcacheError], result: object, failed: Sequence[Key]
) -> MemcacheError:
    """What to raise: with a single server its error, with several a `PartialFailure`."""
    if len(setup.servers) == 1:
        (error,) = errors.values()
        return error
    named = {setup.servers[server].name: error for server, error in errors.items()}
    return PartialFailure(
        f"{len(errors)} of {len(setup.servers)} servers gave no answer:"
        f" {'; '.join(map(str, named.values()))}",
        result=result,
        failed_keys=failed,
        errors=named,
    )
