"""What a client asks of its servers: pylibmc's operations, as the native runner performs them.

Knows which failures are no failures: to libmemcached a `get` that is answered by an error line is a
miss, and a server that is lost during `get_multi` has no keys.  Raises `Trouble` for the rest.
"""

from __future__ import annotations

from mcproto import NO_REPLY, ErrorReplied, ErrorReply, Flight, Status
from mcproto._columns import GetColumns

from .._errors import ConnectFailed
from ..operations._many import MOST_BYTES, MOST_COMMANDS, MOST_KEYS
from ._errors import Code, text_of
from ._session import Trouble
from ._wires import code_of_reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, TypeAlias

    from mcproto import Command, Item
    from mcproto._columns import Columns

    from ..operations import Operation
    from ._bulk import SetAll
    from ._session import Session
    from ._wires import Mode

    Job: TypeAlias = "tuple[int, Command[Any]]"  # which server, and what it is asked

__all__ = [
    "cas",
    "count",
    "delete",
    "flush",
    "get",
    "get_from_one",
    "get_multi",
    "gets",
    "in_flights",
    "set_all",
    "set_on_one",
    "stats",
    "store",
    "touch",
]


def get(session: Session, server: int, key: bytes) -> Operation[Item | None]:
    """The item, or None: also if the server answers with anything else than an item."""
    return (yield from _read(session, server, session.wire.get(key)))


def gets(session: Session, server: int, key: bytes) -> Operation[Item | None]:
    """The item with its cas unique, or None; as `get`."""
    return (yield from _read(session, server, session.wire.gets(key)))


def _read(session: Session, server: int, command: Command[Item | None]) -> Operation[Item | None]:
    try:
        return (yield from session.ask(server, command))
    except Trouble as trouble:
        if trouble.is_answer:
            return None
        failure = trouble
    if _was_never_asked(failure):
        for replica in session.replicas_of(server):
            try:
                return (yield from session.ask(replica, command))
            except Trouble:
                pass  # what its own server has come to says more
    raise failure


def get_multi(session: Session, wanted: dict[int, list[bytes]]) -> Operation[list[Columns]]:
    """The items that are there, of keys by their servers: some keys, flags and values at a time.

    A server that gives no answer has no items; but one that cannot be reached is an error if all
    are so, and in binary always.
    """
    wire = session.wire
    waiting = dict(wanted)
    found: list[Columns] = []
    lost: dict[int, Trouble] = {}
    while waiting:
        parts = {server: keys[:MOST_KEYS] for server, keys in waiting.items()}
        outcomes = yield from session.ask_all(
            {server: wire.get_many(keys) for server, keys in parts.items()}
        )
        for server, outcome in outcomes.items():
            if isinstance(outcome, Trouble):
                lost[server] = outcome
                del waiting[server]
                continue
            try:
                found.append(wire.found(parts[server], outcome))
            except ErrorReplied:
                pass  # of one key of many: it is a miss, as with a single one
            waiting[server] = waiting[server][MOST_KEYS:]
        waiting = {server: keys for server, keys in waiting.items() if keys}
    if lost:
        yield from _find_copies(session, wanted, lost, found)
        _raise_where_never_asked(session, wanted, lost)
    return found


def _find_copies(
    session: Session,
    wanted: dict[int, list[bytes]],
    lost: dict[int, Trouble],
    found: list[Columns],
) -> Operation[None]:
    """Ask for the keys of servers that cannot be reached where their copies are."""
    for server, trouble in list(lost.items()):
        for replica in session.replicas_of(server) if _was_never_asked(trouble) else ():
            keys = wanted[server]
            parts = [keys[at : at + MOST_KEYS] for at in range(0, len(keys), MOST_KEYS)]
            copies: list[Columns] = []
            try:
                for part in parts:
                    result = yield from session.ask(replica, session.wire.get_many(part))
                    copies.append(session.wire.found(part, result))
            except Trouble:
                continue
            found += copies
            del lost[server]
            break


def get_from_one(session: Session, keys: Sequence[bytes]) -> Operation[Columns]:
    """`get_multi` in text from the only server, of no more keys than one command has."""
    try:
        return (yield from session.ask(0, GetColumns(keys)))
    except Trouble as trouble:
        _raise_where_never_asked(session, {0: keys}, {0: trouble})
        return (), (), ()


def _raise_where_never_asked(
    session: Session, wanted: Mapping[int, Sequence[bytes]], lost: dict[int, Trouble]
) -> None:
    never_asked = [server for server, trouble in lost.items() if _was_never_asked(trouble)]
    if never_asked and (session.wire.protocol == "binary" or len(never_asked) == len(wanted)):
        # Over there it is the last key's error; and all keys but the first find a server marked.
        server = never_asked[-1]
        many = len(wanted[server]) > 1
        raise Trouble(Code.SERVER_DOWN, lost[server].detail) if many else lost[server]


def _some_errors(trouble: Trouble) -> Trouble:
    return Trouble(Code.SOME_ERRORS, text_of(trouble.code, trouble.detail))


def _was_never_asked(trouble: Trouble) -> bool:
    """Whether its server has not been reached at all."""
    return trouble.__cause__ is None or isinstance(trouble.__cause__, ConnectFailed)


def store(
    session: Session,
    mode: Mode,
    server: int,
    key: bytes,
    data: bytes,
    flags: int,
    exptime: int,
) -> Operation[bool]:
    """Whether it was stored."""
    wire = session.wire
    command = wire.store(mode, key, data, flags, exptime)
    result = yield from session.ask(server, command)
    if mode == "set":
        yield from _copy(session, server, command)
    return _stored(wire.is_stored(result))


def _copy(session: Session, server: int, command: Command[Any]) -> Operation[None]:
    """Do the same to the copies, whatever comes of it."""
    replicas = session.replicas_of(server)
    if replicas:
        yield from session.ask_all(dict.fromkeys(replicas, command))


def _stored(outcome: bool | int) -> bool:
    if not isinstance(outcome, bool):
        raise Trouble(outcome)
    return outcome


def cas(
    session: Session, server: int, key: bytes, data: bytes, flags: int, exptime: int, unique: int
) -> Operation[bool]:
    """Whether it was stored; False: it has changed."""
    result = yield from session.ask(server, session.wire.cas(key, data, flags, exptime, unique))
    if result is Status.NOT_FOUND:
        raise Trouble(Code.NOT_FOUND)
    return result is Status.STORED


def delete(session: Session, server: int, key: bytes) -> Operation[bool]:
    """Whether there was one."""
    command = session.wire.delete(key)
    result = yield from session.ask(server, command)
    yield from _copy(session, server, command)
    return session.wire.is_deleted(result)


def touch(session: Session, server: int, key: bytes, exptime: int) -> Operation[bool]:
    """Whether there is one."""
    try:
        return bool((yield from session.ask(server, session.wire.touch(key, exptime))))
    except Trouble as trouble:
        if _was_never_asked(trouble) and trouble.code != Code.NOT_SUPPORTED:
            raise Trouble(Code.WRITE, trouble.detail) from trouble.__cause__
        raise


def count(session: Session, server: int, up: bool, key: bytes, delta: int) -> Operation[int | None]:
    """The new number; None: there is none."""
    return (yield from session.ask(server, session.wire.count(up, key, delta)))


def flush(session: Session, delay: int) -> Operation[None]:
    """Make all that is stored invisible, on all servers."""
    servers = range(len(session.servers))
    outcomes = yield from session.ask_all(dict.fromkeys(servers, session.wire.flush(delay)))
    for outcome in outcomes.values():
        if isinstance(outcome, Trouble):
            raise _some_errors(outcome) from outcome


def stats(session: Session, group: str | None) -> Operation[list[dict[str, str]]]:
    """Every server's statistics, in order."""
    servers = range(len(session.servers))
    outcomes = yield from session.ask_all(dict.fromkeys(servers, session.wire.stats(group)))
    answers: list[dict[str, str]] = []
    for server in servers:
        outcome = outcomes[server]
        if isinstance(outcome, Trouble):
            raise outcome if outcome.code == Code.NOT_SUPPORTED else _some_errors(outcome)
        answers.append(outcome)
    return answers


def in_flights(
    session: Session, jobs: Sequence[Job], with_copies: bool = False
) -> Operation[list[Any]]:
    """Many commands, a flight at a time to each server; the result of each, or its `Trouble`.

    Args:
        with_copies: do the same to the copies.
    """
    results = yield from _in_flights(session, jobs)
    if with_copies:
        copies = [
            (replica, command)
            for server, command in jobs
            for replica in session.replicas_of(server)
        ]
        yield from _in_flights(session, copies)
    return results


def _in_flights(session: Session, jobs: Sequence[Job]) -> Operation[list[Any]]:
    results: list[Any] = [None] * len(jobs)
    waiting: dict[int, list[int]] = {}
    for number, (server, _) in enumerate(jobs):
        waiting.setdefault(server, []).append(number)
    while waiting:
        parts = {server: _next_flight(jobs, numbers) for server, numbers in waiting.items()}
        outcomes = yield from session.ask_all(
            {
                server: Flight([jobs[number][1] for number in numbers])
                for server, numbers in parts.items()
            }
        )
        for server, outcome in outcomes.items():
            if isinstance(outcome, Trouble):
                for number in waiting.pop(server):
                    results[number] = outcome
                continue
            for number, reply in zip(parts[server], outcome, strict=True):
                results[number] = _result(jobs[number][1], reply)
            del waiting[server][: len(parts[server])]
            if not waiting[server]:
                del waiting[server]
    return results


def set_on_one(session: Session, command: SetAll) -> Operation[frozenset[bytes]]:
    """The keys that were not stored on the only server."""
    return (yield from session.ask(0, command))


def set_all(session: Session, commands: dict[int, list[SetAll]]) -> Operation[set[bytes]]:
    """Do them all, one for each server at a time; the keys that were not stored."""
    refused: set[bytes] = set()
    trouble: Trouble | None = None
    while commands:
        parts = {server: waiting[0] for server, waiting in commands.items()}
        for server, outcome in (yield from session.ask_all(parts)).items():
            if isinstance(outcome, Trouble):
                trouble = trouble or outcome
            else:
                refused |= outcome
            del commands[server][0]
        commands = {server: waiting for server, waiting in commands.items() if waiting}
    if trouble is not None:
        raise trouble
    return refused


def _next_flight(jobs: Sequence[Job], numbers: list[int]) -> list[int]:
    flight = numbers[:MOST_COMMANDS]
    size = 0
    for index, number in enumerate(flight):
        size += jobs[number][1].value_size
        if size > MOST_BYTES and index:
            return flight[:index]
    return flight


def _result(command: Command[Any], reply: Any) -> Any:
    if reply is NO_REPLY:  # over UDP, where nothing is ever answered
        return None
    if isinstance(reply, ErrorReply):
        return Trouble(code_of_reply(reply), is_answer=True)
    try:
        return command.result(reply)
    except ErrorReplied as error:
        return Trouble(code_of_reply(error.reply), is_answer=True)
