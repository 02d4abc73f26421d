"""The methods on many keys: all of them in one flight to each server.

Knows what they take and return.  Where values are all bytes, or all str, and there is one server
that speaks meta, they take the quick way: no object for each key.
"""

from __future__ import annotations

from itertools import repeat
from operator import index
from typing import TYPE_CHECKING, Any

from mcproto._columns import GetColumns
from mcproto.transports._exchange import FAILURES

from .._link import DIRECT_SIZE
from ..operations._many import MOST_BYTES, MOST_COMMANDS, MOST_KEYS
from ..values._pylibmc import TEXT
from . import _operations as operations
from ._arguments import U32, checked_level
from ._bulk import SetAll, by_direct_door
from ._errors import BadKeyProvided, Code, Error, NotFound, error_for
from ._keys import MAX_KEY, UNFIT, wire_key
from ._session import Trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from typing import TypeAlias

    from .._link import Link
    from ._behaviors import Behaviors
    from ._session import Session
    from ._values import Values
    from ._wires import Mode

    Key: TypeAlias = str | bytes
    Route: TypeAlias = tuple[int, bytes, Any]  # server, key on the wire, the caller's key
    Failed: TypeAlias = tuple[int, Link, Exception]  # server, its link, what happened on it

__all__ = ["NO_PREFIX", "Many"]

# As pylibmc has it: None is no prefix.
NO_PREFIX = ""

_STR = {str}


class Many:
    """What a client does to many keys at once. The *owner* of values is the client."""

    __slots__ = ("_behaviors", "_keys", "_session", "_values", "_wire")

    def __init__(self, session: Session, values: Values, behaviors: Behaviors) -> None:
        self._session = session
        self._values = values
        self._behaviors = behaviors
        self._keys = session.keys
        self._wire = session.wire

    @property
    def _is_quiet(self) -> bool:
        return bool(self._behaviors["_noreply"])

    # ------------------------------------------------------------------------------- reading

    def get(self, owner: object, keys: Any, key_prefix: Key) -> dict[Any, object]:
        """`get_multi`."""
        if isinstance(keys, dict):
            raise TypeError("dict is not a sequence")
        if not len(keys):
            self._router(key_prefix, None)  # which may be wrong, even so
            return {}
        names: Sequence[Any] = list(keys)
        wires: Sequence[bytes]
        if key_prefix is NO_PREFIX and {*map(type, names)} == _STR and len(names) <= MOST_KEYS:
            try:
                wires = list(map(self._keys.alone.__getitem__, names))
            except KeyError:
                pass  # not seen yet, or there are several servers, or one is none that is sent
            else:
                if self._wire.protocol == "text":
                    return self._get_from_one(owner, names, wires)
        routes = self._routed(names, key_prefix, "memcached_mget")
        servers, wires, names = zip(*routes, strict=True)
        wanted: dict[int, list[bytes]] = {}
        for server, wire in zip(servers, wires, strict=True):
            if server >= 0:
                wanted.setdefault(server, []).append(wire)
            elif server == UNFIT:
                raise error_for(Code.BAD_KEY, "memcached_mget", wire)
        session = self._session
        name_of = dict(zip(wires, names, strict=True)).__getitem__
        result: dict[Any, object] = {}
        operation = operations.get_multi(session, wanted)
        for columns in session.run(operation, "memcached_mget"):
            self._values.read_all(owner, result, name_of, *columns)
        return result

    def _get_from_one(
        self, owner: object, names: Sequence[Any], wires: Sequence[bytes]
    ) -> dict[Any, object]:
        """Of keys that are all str, in text, from the only server."""
        columns, failed = self._at_once(GetColumns(wires))
        if columns is None:
            operation = operations.get_from_one(self._session, wires)
            columns = self._session.run(operation, "memcached_mget", None, failed)
        keys, flags, datas = columns
        # All are there, in the order of asking, and alike.
        if (
            keys is wires
            and self._values.own_deserialize is None
            and flags.count(flags[0]) == len(flags)
        ):
            if not flags[0]:
                return dict(zip(names, datas, strict=True))
            if flags[0] == TEXT:
                return dict(zip(names, map(bytes.decode, datas), strict=True))
        result: dict[Any, object] = {}
        name_of = dict(zip(wires, names, strict=True)).__getitem__
        self._values.read_all(owner, result, name_of, keys, flags, datas)
        return result

    # ------------------------------------------------------------------------------- storing

    def store(
        self,
        owner: object,
        mode: Mode,
        values: dict[Any, Any],
        time: int,
        key_prefix: Key,
        shortest: int,
        level: int,
    ) -> list[Any]:
        """`set_multi` and `add_multi`."""
        if not isinstance(values, dict):
            raise TypeError(f"argument 1 must be dict, not {type(values).__name__}")
        exptime, shortest = index(time) & U32, index(shortest) & U32
        level = checked_level(level)
        is_quiet = self._is_quiet
        if mode == "set" and not shortest and not is_quiet and values:
            kind = self._kind_of(values)
            if kind is not None:
                return self._set_all(values, key_prefix, kind, exptime)
        route = self._router(key_prefix, None)
        routes: list[Route] = []
        packed: list[tuple[bytes, int]] = []
        for key, value in values.items():
            server, wire = route(key)
            routes.append((server, wire, key))
            packed.append(self._values.packed(owner, wire, value, shortest, level))
        commands = [
            (server, self._wire.store(mode, wire, data, flags, exptime))
            for (server, wire, _), (data, flags) in zip(routes, packed, strict=True)
            if server >= 0
        ]
        session = self._session
        function = f"memcached_{mode}_multi"
        operation = operations.in_flights(session, commands, with_copies=mode == "set")
        results = iter(session.run(operation, function))
        return [
            key
            for server, _, key in _named(routes)
            if server < 0 or not (self._was_stored(next(results), function) or is_quiet)
        ]

    def _was_stored(self, result: Any, function: str) -> bool:
        """What the result for one key of many means. Raises the error if it is one."""
        if isinstance(result, Trouble):
            if self._is_quiet and result.is_answer:
                return True
            raise error_for(result.code, function, None, result.detail) from result.__cause__
        return self._wire.is_stored(result) is True

    def _kind_of(self, values: dict[Any, object]) -> type[object] | None:
        """The type that all of *values* have, if it takes no thought to store them quickly."""
        kinds = {*map(type, values.values())}
        if len(kinds) != 1 or self._values.own_serialize is not None:
            return None
        kind = kinds.pop()
        return kind if kind in (bytes, str) and self._session.all_have_meta else None

    def _set_all(
        self, values: dict[Any, Any], key_prefix: Key, kind: type[object], exptime: int
    ) -> list[Any]:
        """Of values that are all bytes, or all str, to servers that all speak meta."""
        datas: list[bytes] = list(values.values())
        flags = 0
        if kind is str:
            datas, flags = list(map(str.encode, values.values())), TEXT
        if key_prefix is NO_PREFIX and len(datas) <= MOST_COMMANDS:
            try:
                wires = list(map(self._keys.alone.__getitem__, values))
            except KeyError:
                pass  # not seen yet, or there are several servers, or one is none that is sent
            else:
                refused = self._set_on_one(SetAll(wires, datas, flags, exptime))
                return _refused(refused, zip(repeat(0), wires, values)) if refused else []
        routes = self._routed(values, key_prefix, None)
        commands = _in_parts(routes, datas, flags, exptime)
        session = self._session
        operation = operations.set_all(session, commands)
        return _refused(session.run(operation, "memcached_set_multi"), routes)

    def _set_on_one(self, command: SetAll) -> Collection[bytes]:
        """The keys that were not stored on the only server."""
        refused, failed = self._at_once(command)
        if refused is None:
            operation = operations.set_on_one(self._session, command)
            return self._session.run(operation, "memcached_set_multi", None, failed)
        found: Collection[bytes] = refused
        return found

    def _at_once(self, command: GetColumns | SetAll) -> tuple[Any, Failed | None]:
        """The result by the direct door to the only server, if that can be used at this moment.

        Else it is None, and beside it is what came of trying, for `Session.run`.
        """
        session = self._session
        link = session.take(0)
        if link is None:
            return None, None
        request = command.encode()
        if len(request) > DIRECT_SIZE:
            session.bring_back(0, link)
            return None, None
        try:
            result = by_direct_door(link, command, request)
        except FAILURES as error:
            return None, (0, link, error)
        except BaseException:
            link.close()
            raise
        session.bring_back(0, link)
        return result, None

    # ---------------------------------------------------------------------- changing what is there

    def delete(self, keys: Iterable[Key], key_prefix: Key) -> bool:
        """`delete_multi`."""
        if hasattr(keys, "keys") and hasattr(keys, "__getitem__"):
            raise TypeError("keys must be a sequence, not a mapping")
        routes = self._routed(keys, key_prefix, None)
        all_there = all(server >= 0 for server, _, _ in routes)
        wires = [(server, wire) for server, wire, _ in routes if server >= 0]
        commands = [(server, self._wire.delete(wire)) for server, wire in wires]
        session = self._session
        function = "memcached_delete"
        operation = operations.in_flights(session, commands, with_copies=True)
        results = session.run(operation, function)
        for (_, wire), result in zip(wires, results, strict=True):
            if isinstance(result, Trouble):
                raise error_for(result.code, function, wire, result.detail) from result.__cause__
            all_there &= self._wire.is_deleted(result) or self._is_quiet
        return all_there

    def count_up(self, keys: Any, key_prefix: Key, delta: int) -> None:
        """`incr_multi`."""
        if isinstance(keys, dict):
            raise TypeError("dict is not a sequence")
        len(keys)
        step = index(delta) & U32
        routes = self._routed(keys, key_prefix, "incr_multi")
        commands = [
            (server, self._wire.count(True, wire, step))
            for server, wire, _ in routes
            if server >= 0
        ]
        session = self._session
        results = iter(session.run(operations.in_flights(session, commands), "incr_multi"))
        outcomes = [
            _counted(next(results)) if server >= 0 else BadKeyProvided for server, _, _ in routes
        ]
        bad = [kind for kind in outcomes if kind is not None]
        if self._is_quiet or not bad:
            return
        others = [kind for kind in bad if kind is not NotFound]
        if not others:
            raise NotFound(f"{len(bad)} keys not found")
        # So it is over there: of the last key, whichever it was that failed.
        last = outcomes[-1]
        raise (last if len(others) == 1 and last is not None else Error)(f"{len(bad)} keys failed")

    # ---------------------------------------------------------------------------------- keys

    def _routed(self, keys: Iterable[Any], key_prefix: Key, function: str | None) -> list[Route]:
        """Where each of *keys* goes.

        Args:
            function: whose `BadKeyProvided` a key gets that is too long with its prefix; None: it
                gets a ValueError.
        """
        keys = list(keys)
        route = self._router(key_prefix, function)
        if function is not None and key_prefix:
            for key in keys:
                wire_key(key)  # the keys' own faults come before what the prefix does to them
        routes = map(route, keys)
        return _named([(*route, key) for route, key in zip(routes, keys, strict=True)])

    def _router(self, key_prefix: Key, function: str | None) -> Callable[[Any], tuple[int, bytes]]:
        """What gives (server, key on the wire) for a key with this prefix. See `_routed`."""
        keys = self._keys
        if not isinstance(key_prefix, (str, bytes)):
            kind = type(key_prefix).__name__
            raise TypeError(f"a bytes-like object is required, not {kind!r}")
        if not key_prefix:
            return keys.__getitem__
        prefix = str.encode(key_prefix) if isinstance(key_prefix, str) else bytes(key_prefix)

        def route(key: Any) -> tuple[int, bytes]:
            whole = prefix + wire_key(key)
            if function is not None and len(whole) > MAX_KEY:
                if function == "incr_multi":
                    return UNFIT, whole
                raise error_for(Code.BAD_KEY, function)
            return keys[whole]

        return route


def _named(routes: list[Route]) -> list[Route]:
    """What is asked for as str and as bytes comes back as str both times."""
    if bytes in {type(key) for _, _, key in routes}:
        texts = {wire: key for _, wire, key in routes if isinstance(key, str)}
        return [(server, wire, texts.get(wire, key)) for server, wire, key in routes]
    return routes


def _refused(refused: Collection[bytes], routes: Iterable[Route]) -> list[Any]:
    """The caller's keys of those that were *refused*, or are none to be sent."""
    return [key for server, wire, key in _named(list(routes)) if server < 0 or wire in refused]


def _in_parts(
    routes: Sequence[Route], datas: Sequence[bytes], flags: int, exptime: int
) -> dict[int, list[SetAll]]:
    """The commands for each server; none longer than a flight may be."""
    parts: dict[int, list[tuple[list[bytes], list[bytes]]]] = {}
    sizes: dict[int, int] = {}
    for (server, wire, _), data in zip(routes, datas, strict=True):
        if server < 0:
            continue
        size = sizes.get(server, 0) + len(data)
        own = parts.setdefault(server, [])
        if not own or len(own[-1][0]) == MOST_COMMANDS or size > MOST_BYTES:
            own.append(([], []))
            size = len(data)
        own[-1][0].append(wire)
        own[-1][1].append(data)
        sizes[server] = size
    return {
        server: [SetAll(keys, values, flags, exptime) for keys, values in own]
        for server, own in parts.items()
    }


def _counted(result: object) -> type[Error] | None:
    """What `incr_multi` makes of the result for one key."""
    if isinstance(result, Trouble):
        return type(error_for(result.code, ""))
    return NotFound if result is None else None
