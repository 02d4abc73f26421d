"""The client at pylibmc's lower level, which is C over there: numbers for behaviors, no mapping.

Knows the methods: what they take, what they return, what is a miss and what an error.  Which
commands are sent is in `_operations`; how servers are reached, and what they are when they are
not, in `_session`.
"""

from __future__ import annotations

# The quick ways go through the doors of a link, past its methods: a call less for each.
# pyright: reportPrivateUsage=false
from operator import index
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from mcproto import meta
from mcproto._direct import SizeWords
from mcproto.transports import RECEIVE_SIZE
from mcproto.transports._exchange import FAILURES

from .._link import DIRECT_SIZE, NOT_YET, STALE_AFTER
from ..values._pickles import pickles_for
from ..values._pylibmc import INT, PICKLE, TEXT
from . import _operations as operations
from ._arguments import (
    I32,
    I63,
    U32,
    U64,
    checked_credentials,
    checked_level,
    parsed_servers,
)
from ._behaviors import Behaviors
from ._datagrams import DatagramSession
from ._errors import BadKeyProvided, CacheMiss, Code, Error, NotFound, error_for
from ._keys import EMPTY, UNFIT, wire_key
from ._many import NO_PREFIX, Many
from ._session import Session, is_answer
from ._statistics import pylibmc_stats, stats_name
from ._values import Values
from ._wires import Binary, Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Self, TypeAlias, TypeVar

    from mcproto._direct import Heads

    from .._link import Link
    from ..values._pickles import Policy
    from ._arguments import ServerTuple
    from ._wires import Mode

    K = TypeVar("K", bound="str | bytes")

    Key: TypeAlias = str | bytes

__all__ = ["client"]

_ZERO, _DEFAULT = 0, -1
# Told apart from a group by what it is, not by what it says.
_NO_GROUP: Any = object()
_GROUPS = ("items", "slabs", "settings", "sizes", "reset")

_SIZE_WORDS = [SizeWords(flags) for flags in range(TEXT + 1)]

# What has flags of its own: with all else it is `PICKLE`.
_NOT_PICKLED = (bytes, str, int)


class client:  # noqa: N801  (its name over there)
    """A client of some servers, to which it connects when it first needs them.

    For one thread at a time. Nothing is sent and no name is resolved before the first operation.

    Args:
        servers: tuples ``(type, host)``, ``(type, host, port)`` or ``(type, host, port, weight)``,
            where type is one of ``server_type_tcp``, ``server_type_udp``, ``server_type_unix``.
        binary: speak the binary protocol.
        username, password: for SASL, which only the binary protocol has.
        behaviors: see `set_behaviors`. Those that place keys take effect before servers are added.
        pickle: what is done with pickles: ``"allow"``, ``"refuse"``, ``"restricted"`` (to
            *pickle_classes*) or ``"signed"`` (with *pickle_keys*). See `mcclient.values`.
        pickle_classes: the classes of which pickles may make objects.
        pickle_keys: secrets of 16 bytes or more; the first one signs, all of them are accepted.

    Raises:
        Error: there are no servers, or libmemcached would refuse a behavior.
        ValueError, TypeError: an argument is not what it must be.
    """

    def __init__(
        self,
        servers: Iterable[ServerTuple],
        binary: bool = False,
        username: str | None = None,
        password: str | None = None,
        behaviors: Mapping[str, object] | None = None,
        *,
        pickle: Policy = "allow",
        pickle_classes: Iterable[type] | None = None,
        pickle_keys: bytes | Iterable[bytes] | None = None,
    ) -> None:
        is_binary = bool(index(binary))
        credentials = checked_credentials(username, password, is_binary)
        self.__pickles = pickles_for(pickle, pickle_classes, pickle_keys)
        self.__wire = Binary(credentials) if is_binary else Text()
        state = Behaviors(is_binary)
        if behaviors:
            state.apply(behaviors)
        self.__is_udp, parsed = parsed_servers(servers)
        state.placement.add(parsed)
        self.__begin(state)

    def __begin(self, behaviors: Behaviors) -> None:
        self.__behaviors = behaviors
        kind = type(self)
        # Overrides are looked for once, as over there.
        self.__values = Values(
            self.__pickles,
            behaviors,
            None if kind.serialize is client.serialize else kind.serialize,
            None if kind.deserialize is client.deserialize else kind.deserialize,
        )
        # What needs no thought, if it is not a subclass' to read or write.
        is_plain = kind.deserialize is client.deserialize
        self.__as_is, self.__as_text = (0, TEXT) if is_plain else (-1, -1)
        self.__readers = self.__values.readers
        self.__may_hurry = kind.serialize is client.serialize
        self.__dumps = self.__values.dumps
        kind_of_session = DatagramSession if self.__is_udp else Session
        self.__session = kind_of_session(behaviors, self.__wire)
        self.__is_binary = self.__wire.protocol == "binary"
        self.__keys = self.__session.keys
        self.__many = Many(self.__session, self.__values, behaviors)
        self.__settle()

    def __settle(self) -> None:
        """What is copied out of the behaviors since every call looks at it."""
        behaviors = self.__behaviors
        self.__is_quiet = bool(behaviors["_noreply"])
        self.__has_copies = bool(behaviors["num_replicas"])
        self.__pickle_protocol = behaviors["pickle_protocol"]

    # ------------------------------------------------------------------------------- reading

    def get(self, key: Key, default: object = None, /) -> object:
        """The value under *key*, or *default*."""
        # `Link.fetch`, without the calls: they would be a twentieth of what a get costs, and C has
        # none (benchmarks/pylibmc.py).  It does not ask for the time: a link that has died while
        # it was idle is found out here, and a read may be repeated.
        server, wire = self.__keys[key]
        links = self.__session._links
        link = links.pop(server, None)
        if link is None:
            return self.__get(server, wire, key, default)
        if not link.has_door:
            return self.__fetch(server, wire, key, default, link)
        connection = link.connection
        form, miss, heads = link._next_get()
        request = form % wire
        sent = 0
        connection.owed = 1
        try:
            sent = link._send(request)
            received = link._receive(RECEIVE_SIZE)
        except NOT_YET:
            return self.__finish(server, wire, key, default, link, heads, request[sent:], None)
        except FAILURES as error:
            link.since = monotonic()
            return self.__get(server, wire, key, default, (server, link, error))
        except BaseException:
            link.close()
            raise
        head, _, rest = received.partition(b"\r\n")
        size, flags = heads[head]
        if rest[size:] != b"\r\n":  # so long it is, and no longer
            if received != miss:
                unsent = request[sent:]
                return self.__finish(server, wire, key, default, link, heads, unsent, received)
            connection.owed = 0
            links[server] = link
            return default
        connection.owed = 0
        links[server] = link
        if flags == self.__as_is:
            return rest[:size]
        if flags == self.__as_text:
            return rest[:size].decode()
        return self.__value(wire, rest[:size], flags, default)

    def __finish(
        self,
        server: int,
        wire: bytes,
        key: Key,
        default: object,
        link: Link,
        heads: Heads,
        unsent: bytes,
        received: bytes | None,
    ) -> object:
        """`get`, from where a reply was anything but the usual one, or not whole yet."""
        link.since = monotonic()
        try:
            found = link.finish_fetch(wire, heads, unsent, received)
        except FAILURES as error:
            return self.__get(server, wire, key, default, (server, link, error))
        except BaseException:
            link.close()
            raise
        self.__session.bring_back(server, link)
        return default if found is None else self.__value(wire, *found, default)

    def __fetch(self, server: int, wire: bytes, key: Key, default: object, link: Link) -> object:
        """`get` over a link without the door."""
        if not self.__is_binary:
            self.__session.bring_back(server, link)
            return self.__get(server, wire, key, default)
        try:
            found = link.fetch(wire)
        except FAILURES as error:
            return self.__get(server, wire, key, default, (server, link, error))
        self.__session._links[server] = link
        if found is None:
            return default
        data, flags = found
        if flags == self.__as_is:
            return data
        if flags == self.__as_text:
            return data.decode()
        return self.__value(wire, data, flags, default)

    def __get(
        self, server: int, wire: bytes, key: Key, default: object, failed: Any = None
    ) -> object:
        """`get`, the plain way."""
        if server < 0:
            if server == EMPTY:
                return default
            raise error_for(Code.BAD_KEY, "memcached_get", wire)
        session = self.__session
        operation = operations.get(session, server, wire)
        item = session.run(operation, "memcached_get", wire_key(key), failed)
        return default if item is None else self.__value(wire, item.value, item.flags, default)

    def __value(self, wire: bytes, data: bytes, flags: int, default: object) -> object:
        """What the caller gets for an item's bytes and flags."""
        try:
            if data and flags in self.__readers:
                return self.__readers[flags](data)
        except ValueError:
            if flags == PICKLE:
                raise  # its own: it must not run twice
        except CacheMiss:
            return default
        try:
            return self.__values.read(self, wire, data, flags)
        except CacheMiss:
            return default

    def gets(self, key: Key, /) -> tuple[object, int | None]:
        """``(value, cas_id)`` for `cas`, or ``(None, None)``.

        Raises:
            ValueError: the behavior ``cas`` is off.
        """
        server, wire = self.__keys[key]
        if server == EMPTY:
            return None, None
        if not self.__behaviors["cas"]:
            raise ValueError("gets without cas behavior")
        if server == UNFIT:
            raise error_for(Code.BAD_KEY, "memcached_gets", wire)
        item = self.__session.run(
            operations.gets(self.__session, server, wire), "memcached_gets", None
        )
        if item is None:
            return None, None
        try:
            return self.__values.read(self, wire, item.value, item.flags), item.cas
        except CacheMiss:
            return None, None

    def get_multi(
        self, keys: Sequence[Key] | Any, key_prefix: Key = NO_PREFIX
    ) -> dict[Any, object]:
        """The values of those *keys* that are there, under the keys as given.

        *keys* must have a length. A server that cannot be reached has no keys, unless none can be
        (in the binary protocol: it raises).
        """
        return self.__many.get(self, keys, key_prefix)

    # ------------------------------------------------------------------------------- storing

    def set(
        self,
        key: Key,
        val: object,
        time: int = 0,
        min_compress_len: int = 0,
        compress_level: int = -1,
    ) -> bool:
        """Store *val*, whatever was there.

        Args:
            time: seconds, up to 30 days, or a Unix time; 0: for good.
            min_compress_len: compress what has so many bytes, if that makes it shorter; 0: never.
            compress_level: 1 to 9 as zlib has it, -1: its default, 0: do not.
        """
        # By identity: the common case is said in no time, and any other zero is right too.
        exptime = 0 if time is _ZERO else index(time) & U32
        shortest = 0 if min_compress_len is _ZERO else index(min_compress_len) & U32
        level = -1 if compress_level is _DEFAULT else checked_level(compress_level)
        server, wire = self.__keys[key]
        kind = type(val)
        if shortest or not self.__may_hurry:
            data, flags = self.__values.packed(self, wire, val, shortest, level)
        elif kind is bytes:
            data, flags = cast("bytes", val), 0
        elif kind is str:
            data, flags = cast("str", val).encode(), TEXT
        elif kind is int:
            data, flags = b"%d" % cast("int", val), INT
        elif self.__dumps is not None and not isinstance(val, _NOT_PICKLED):
            data, flags = self.__dumps(val, self.__pickle_protocol), PICKLE
        else:
            data, flags = self.__values.packed(self, wire, val, 0, 0)
        # `Link.store`, without the calls, as above; but a write must not be repeated, so the link
        # is looked at first if it has been idle for long.
        links = self.__session._links
        link = links.pop(server, None)
        if link is None:
            return self.__stored("set", server, wire, data, flags, exptime)
        size, now = len(data), monotonic()
        if now - link.since >= STALE_AFTER or size > DIRECT_SIZE or exptime > I32:
            links[server] = link
            return self.__stored("set", server, wire, data, flags, exptime)
        link.since = now
        if not link.has_door:
            return self.__put(server, wire, data, flags, exptime, link)
        connection = link.connection
        _, full, stored, token = link._next_set()
        if exptime or flags > TEXT:
            request = full % (wire, size, flags, exptime, data)
        else:
            words = _SIZE_WORDS[flags][size]
            request = b"".join((b"ms ", wire, words, token, b"\r\n", data, b"\r\n"))
        sent, received = 0, None
        connection.owed = 1
        try:
            try:
                sent = link._send(request)
                received = link._receive(RECEIVE_SIZE)
            except NOT_YET:
                pass
            if received == stored:
                connection.owed = 0
                is_stored = True
            else:
                command = meta.Set(wire, data, F=flags or None, O=token, T=exptime or None)
                is_stored = link.finish_store(command, request[sent:], received)
        except FAILURES as error:
            return self.__stored("set", server, wire, data, flags, exptime, (server, link, error))
        except BaseException:
            link.close()
            raise
        links[server] = link
        return is_stored

    def __put(
        self, server: int, wire: bytes, data: bytes, flags: int, exptime: int, link: Link
    ) -> bool:
        """`set` over a link without the door."""
        if not self.__is_binary or self.__has_copies:
            self.__session.bring_back(server, link)
            return self.__stored("set", server, wire, data, flags, exptime)
        try:
            is_stored = link.store(wire, data, flags, exptime)
        except FAILURES as error:
            return self.__stored("set", server, wire, data, flags, exptime, (server, link, error))
        self.__session.bring_back(server, link)
        return is_stored

    def add(
        self,
        key: Key,
        val: object,
        time: int = 0,
        min_compress_len: int = 0,
        compress_level: int = -1,
    ) -> bool:
        """Store *val* if nothing is there. Arguments as for `set`."""
        return self.__store("add", key, val, time, min_compress_len, compress_level)

    def replace(
        self,
        key: Key,
        val: object,
        time: int = 0,
        min_compress_len: int = 0,
        compress_level: int = -1,
    ) -> bool:
        """Store *val* if something is there. Arguments as for `set`."""
        return self.__store("replace", key, val, time, min_compress_len, compress_level)

    def append(
        self,
        key: Key,
        val: object,
        time: int = 0,
        min_compress_len: int = 0,
        compress_level: int = -1,
    ) -> bool:
        """Put *val* behind what is there, which keeps its flags. Arguments as for `set`."""
        return self.__store("append", key, val, time, min_compress_len, compress_level)

    def prepend(
        self,
        key: Key,
        val: object,
        time: int = 0,
        min_compress_len: int = 0,
        compress_level: int = -1,
    ) -> bool:
        """Put *val* before what is there, which keeps its flags. Arguments as for `set`."""
        return self.__store("prepend", key, val, time, min_compress_len, compress_level)

    def __store(
        self, mode: Mode, key: Key, val: object, time: int, shortest: int, level: int
    ) -> bool:
        exptime, shortest = index(time) & U32, index(shortest) & U32
        level = checked_level(level)
        server, wire = self.__keys[key]
        data, flags = self.__values.packed(self, wire, val, shortest, level)
        return self.__stored(mode, server, wire, data, flags, exptime)

    def __stored(
        self,
        mode: Mode,
        server: int,
        wire: bytes,
        data: bytes,
        flags: int,
        exptime: int,
        failed: Any = None,
    ) -> bool:
        if server < 0:
            return False
        session = self.__session
        operation = operations.store(session, mode, server, wire, data, flags, exptime)
        try:
            return session.run(operation, f"memcached_{mode}", None, failed) or self.__is_quiet
        except Error as error:
            if self.__is_quiet and is_answer(error.__cause__):
                return True
            raise

    def cas(self, key: Key, val: object, cas: int, time: int = 0) -> bool:
        """Store *val* if the item is still the one that `gets` gave with this *cas*. Else False.

        Raises:
            NotFound: it is gone.
            ValueError: the behavior ``cas`` is off.
        """
        unique, exptime = index(cas), index(time) & U32
        if not -I63 - 1 <= unique <= I63:
            raise OverflowError("int too big to convert")
        server, wire = self.__keys[key]
        if not self.__behaviors["cas"]:
            raise ValueError("cas without cas behavior")
        data, flags = self.__values.packed(self, wire, val, 0, 0)
        if server < 0:
            raise error_for(Code.BAD_KEY, "memcached_cas", wire or None)
        if unique <= 0 and self.__wire.protocol == "text":
            # Over there no room is found for the one, and the other is left out of the line.
            code = Code.ALLOCATION if unique else Code.PROTOCOL
            raise error_for(code, "memcached_cas", wire_key(key))
        session = self.__session
        operation = operations.cas(session, server, wire, data, flags, exptime, unique & U64)
        try:
            return session.run(operation, "memcached_cas", wire_key(key)) or self.__is_quiet
        except NotFound:
            if self.__is_quiet:
                return True
            raise

    def set_multi(
        self,
        keys: dict[K, Any],
        time: int = 0,
        key_prefix: Key = NO_PREFIX,
        min_compress_len: int = 0,
        compress_level: int = -1,
    ) -> list[K]:
        """Store many values; the keys that were not stored, [] if all were.

        All leave at once. Every value is serialized before the first is sent. What raises, raises
        when all have been tried.
        """
        return self.__many.store(
            self, "set", keys, time, key_prefix, min_compress_len, compress_level
        )

    def add_multi(
        self,
        keys: dict[K, Any],
        time: int = 0,
        key_prefix: Key = NO_PREFIX,
        min_compress_len: int = 0,
        compress_level: int = -1,
    ) -> list[K]:
        """`add` for many values, as `set_multi`: the keys that were not stored."""
        return self.__many.store(
            self, "add", keys, time, key_prefix, min_compress_len, compress_level
        )

    # ---------------------------------------------------------------------- changing what is there

    def delete(self, key: Key, /) -> bool:
        """Delete the item. False: there was none."""
        server, wire = self.__keys[key]
        if server < 0:
            return False
        session = self.__session
        operation = operations.delete(session, server, wire)
        return session.run(operation, "memcached_delete", wire_key(key)) or self.__is_quiet

    def delete_multi(self, keys: Iterable[Key], key_prefix: Key = NO_PREFIX) -> bool:
        """Delete many items, all at once. True: every one of them was there."""
        return self.__many.delete(keys, key_prefix)

    def touch(self, key: Key, time: int, /) -> bool:
        """Give the item a new expiry. False: there is none."""
        exptime = index(time) & U32
        server, wire = self.__keys[key]
        if server < 0:
            return False
        session = self.__session
        operation = operations.touch(session, server, wire, exptime)
        touched = session.run(operation, "memcached_touch", wire_key(key))
        return touched and not self.__is_quiet

    def incr(self, key: Key, delta: int = 1, /) -> int:
        """Count up; the new number.

        Raises:
            NotFound: there is no such item.
            ClientError: it is no number (`UnknownReadFailure` in the binary protocol).
        """
        return self.__count(True, key, delta)

    def decr(self, key: Key, delta: int = 1, /) -> int:
        """Count down, to 0 and no further; as `incr`."""
        return self.__count(False, key, delta)

    def __count(self, up: bool, key: Key, delta: int) -> int:
        server, wire = self.__keys[key]
        step = index(delta)
        if not -I32 - 1 <= step <= I32:
            raise OverflowError("signed integer is greater than maximum")
        if step < 0:
            raise ValueError("delta must be positive")
        if server < 0:
            raise BadKeyProvided("1 keys failed")
        session = self.__session
        operation = operations.count(session, server, up, wire, step)
        try:
            number = session.run(operation, "memcached_increment")
        except Error as error:
            if self.__is_quiet and is_answer(error.__cause__):
                return (1 << 64) - 1
            raise type(error)("1 keys failed") from error
        if self.__is_quiet:
            return (1 << 64) - 1
        if number is None:
            raise NotFound("1 keys not found")
        return number

    def incr_multi(
        self, keys: Sequence[Key] | Any, key_prefix: Key = NO_PREFIX, delta: int = 1
    ) -> None:
        """Count many items up, all at once.

        Raises:
            NotFound: some are not there; the others have been counted.
        """
        self.__many.count_up(keys, key_prefix, delta)

    # --------------------------------------------------------------------------------- servers

    def flush_all(self, time: int = 0) -> bool:
        """Make all that is stored, on all servers, invisible *time* seconds from now."""
        if not isinstance(time, int):
            raise TypeError(f"flush_all() argument 1 must be int, not {type(time).__name__}")
        session = self.__session
        delay = min(int(time) & U32, I32) if time > 0 else 0
        session.run(operations.flush(session, delay), "flush_all")
        return True

    def get_stats(self, args: str = _NO_GROUP, /) -> list[tuple[bytes, dict[str, bytes]]]:
        """22 statistics of every server, after its address and number.

        Of a group (``"items"``) the servers are asked, and the 22 are zeros.

        Raises:
            SomeErrors: a server gave no answer.
        """
        if args is not _NO_GROUP and not isinstance(args, str):
            raise TypeError(f"get_stats() argument 1 must be str, not {type(args).__name__}")
        group = None if args is _NO_GROUP else args
        if group == "":
            raise error_for(Code.BAD_KEY, "get_stats")
        is_text = self.__wire.protocol == "text"
        if is_text and group is not None and group not in _GROUPS:
            raise error_for(Code.INVALID_ARGUMENTS, "get_stats")
        session = self.__session
        answers = session.run(operations.stats(session, group), "get_stats")
        if is_text and group == "reset":
            raise error_for(Code.SOME_ERRORS, "get_stats", detail="RESET")  # it is done, even so
        return [
            (stats_name(server, number), pylibmc_stats({} if group else entries))
            for number, (server, entries) in enumerate(
                zip(self.__behaviors.placement.servers, answers, strict=True)
            )
        ]

    def disconnect_all(self) -> None:
        """Close all connections and forget which servers have failed. The client stays usable."""
        self.__session.disconnect()

    def hash(self, key: Key, /) -> int:
        """The number of the key's server. (It is no hash.)"""
        if isinstance(key, str):
            key = str.encode(key)
        if not isinstance(key, bytes):
            raise TypeError(f"a bytes-like object is required, not {type(key).__name__!r}")
        return self.__keys.place(key)

    # ------------------------------------------------------------------------------ the client

    def get_behaviors(self) -> dict[str, Any]:
        """All behaviors, hashes and distributions as numbers. Asks no server."""
        return self.__behaviors.report()

    def set_behaviors(self, behaviors: Mapping[str, Any], /) -> None:
        """Set those of *behaviors*, in a fixed order. Connections are opened anew.

        Raises:
            TypeError, ValueError, Error: one is not what it must be; those before it are set.
        """
        try:
            self.__behaviors.apply(behaviors)
        finally:
            self.__session.renew()
            self.__settle()

    def clone(self) -> Self:
        """A client like this one with connections of its own; no constructor is called.

        It may look for keys elsewhere: see the behavior ``ketama_weighted``.
        """
        clone = type(self).__new__(type(self))
        clone.__pickles = self.__pickles
        clone.__wire = self.__wire
        clone.__is_udp = self.__is_udp
        clone.__begin(self.__behaviors.clone())
        return clone

    def serialize(self, value: object, /) -> tuple[bytes, int]:
        """The bytes and flags to store for *value*. May be overridden."""
        return self.__values.serialize(value)

    def deserialize(self, bytestring: bytes, flags: int, /) -> object:
        """The value of inflated bytes. May be overridden; `CacheMiss` makes it a miss.

        A pickle has been checked (``pickle="signed"``) before this is called by a read.
        """
        return self.__values.deserialize(bytestring, flags)

    def __reduce_ex__(self, protocol: object) -> Any:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")
