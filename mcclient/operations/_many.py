"""Operations on many keys: split by server, done side by side, put together again.

Long lists go in several rounds, so that no request is longer than servers and sockets like.
"""

from __future__ import annotations

from mcproto import ErrorReply, Flight, classic

from .._errors import MemcacheError, PartialFailure, ServerUnavailable
from .._failures import command_failed
from ._dialects import was_there
from ._effects import FanOut
from ._one import value_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import TypeAlias

    from mcproto import Command, Item, Reply
    from mcproto._replies import NoReply

    from ._effects import Operation
    from ._setup import Setup

    Key: TypeAlias = str | bytes

__all__ = ["delete_multi", "get_multi", "set_multi"]

# memcached takes a `get` line of any length; others take 1024 keys, or 16 KB.
MOST_KEYS = 1000
# What a flight's failures are answered with must fit into the sockets' buffers while nobody reads.
MOST_COMMANDS = 256
MOST_BYTES = 1 << 20


def get_multi(setup: Setup, keys: Iterable[Key]) -> Operation[dict[Key, object]]:
    """The values of those of the keys that are there."""
    if isinstance(keys, (str, bytes)):
        raise TypeError("keys must be several keys, not one")
    wanted = dict.fromkeys(keys)
    routes = setup.routes
    waiting: dict[int, list[bytes]] = {}
    for key in wanted:
        server, wire = routes[key]
        waiting.setdefault(server, []).append(wire)
    found: dict[bytes, Item] = {}
    errors: dict[int, MemcacheError] = {}
    while waiting:
        commands = {server: classic.GetMany(wires[:MOST_KEYS]) for server, wires in waiting.items()}
        outcomes = yield from FanOut(commands)
        for server, outcome in outcomes.items():
            if isinstance(outcome, MemcacheError):
                errors[server] = outcome
                del waiting[server]
            else:
                found.update(outcome)
                del waiting[server][:MOST_KEYS]
        waiting = {server: wires for server, wires in waiting.items() if wires}
    result: dict[Key, object] = {}
    for key in wanted:
        server, wire = routes[key]
        item = found.get(wire)
        if item is not None:
            result[key] = value_of(setup, server, item)
    lost = unforgiven(setup, errors)
    if lost:
        missing = [key for key in wanted if key not in result and routes[key][0] in lost]
        raise failure(setup, lost, result, missing)
    return result


def set_multi(setup: Setup, mapping: Mapping[Key, object], exptime: int) -> Operation[list[Key]]:
    """Store many values; the keys that were not stored."""
    if not hasattr(mapping, "items"):
        raise TypeError(f"mapping must be a mapping, not {type(mapping).__name__}")
    dialect = setup.dialect
    work = _Work(setup)
    for key, value in mapping.items():
        server, wire = setup.routes[key]
        data, flags = setup.serialize(value)
        work.add(server, key, dialect.storing(wire, data, flags, exptime))
    not_stored: list[Key] = []
    in_doubt: list[Key] = []
    while work:
        for flight in (yield from work.next_round()):
            for key, _, reply in flight:
                stored = dialect.was_stored(reply)
                if stored is None:
                    in_doubt.append(key)
                elif not stored:
                    not_stored.append(key)
    if in_doubt:
        # A `set` that fails removes what was there, so the server can be asked.
        not_stored += yield from _not_there(setup, in_doubt)
    if work.errors:
        raise failure(setup, work.errors, not_stored, work.failed)
    return not_stored


def _not_there(setup: Setup, keys: list[Key]) -> Operation[list[Key]]:
    """The keys that do not exist, and those whose server cannot be asked."""
    work = _Work(setup)
    for key in keys:
        server, wire = setup.routes[key]
        work.add(server, key, setup.dialect.asking(wire))
    missing: list[Key] = []
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
    work = _Work(setup)
    for key in dict.fromkeys(keys):
        server, wire = setup.routes[key]
        work.add(server, key, setup.dialect.deleting(wire))
    all_there = True
    while work:
        for flight in (yield from work.next_round()):
            for key, _, reply in flight:
                if isinstance(reply, ErrorReply):
                    server, wire = setup.routes[key]
                    name = setup.servers[server].name
                    raise command_failed(reply, name, None if len(flight) > 1 else wire)
                all_there &= was_there(reply)
    if work.errors:
        raise failure(setup, work.errors, all_there, work.failed)
    return all_there


class _Work:
    """Commands for several servers, sent in flights, a flight for each server at a time.

    Attributes:
        errors: the servers that gave no answer, and why.
        failed: the keys that this has left undone, or done for all we know.
    """

    def __init__(self, setup: Setup) -> None:
        self.errors: dict[int, MemcacheError] = {}
        self.failed: list[Key] = []
        self._setup = setup
        self._waiting: dict[int, list[tuple[Key, Command[object]]]] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, server: int, key: Key, command: Command[object]) -> None:
        self._waiting.setdefault(server, []).append((key, command))

    def next_round(self) -> Operation[list[list[tuple[Key, Command[object], Reply | NoReply]]]]:
        """Send each server its next flight. Gives the flights that were answered."""
        flights = {server: _next_flight(jobs) for server, jobs in self._waiting.items()}
        outcomes = yield from FanOut(
            {server: Flight([command for _, command in jobs]) for server, jobs in flights.items()}
        )
        answered: list[list[tuple[Key, Command[object], Reply | NoReply]]] = []
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
    jobs: list[tuple[Key, Command[object]]],
) -> list[tuple[Key, Command[object]]]:
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
    setup: Setup, errors: dict[int, MemcacheError], result: object, failed: list[Key]
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
