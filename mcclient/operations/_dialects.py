"""The ways to ask for the same thing: meta commands and classic commands; `_binary` is the third.

A dialect says which command carries an intent, and what its reply means in terms that are the same
for all.  Whatever needs a single exchange is written as a small operation.
"""

from __future__ import annotations

from itertools import count

from mcproto import (
    NO_REPLY,
    Flight,
    Item,
    MetaReply,
    ProtocolDesync,
    Status,
    UnplacedError,
    classic,
    meta,
)
from mcproto._columns import GetColumns, quiet_sets
from mcproto._read_replies import digits

from ._effects import Exchange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal, TypeAlias

    from mcproto import Command, Reply
    from mcproto._columns import Columns
    from mcproto._replies import NoReply

    from ._binary import Binary
    from ._effects import Operation

    Mode: TypeAlias = Literal["set", "add", "replace", "append", "prepend"]
    Dialect: TypeAlias = "Meta | Classic | Binary"

__all__ = ["MODES", "STORAGE", "Classic", "Meta"]


class _Text:
    """What both text dialects say by classic commands, since meta has none, or none as good."""

    protocol: Literal["text"] = "text"

    def getting(self, keys: Sequence[bytes], names: Sequence[str | bytes]) -> Command[Columns]:
        """What is there, in columns: names, flags and values."""
        return GetColumns(keys, names)

    def flush_all(self, delay: int) -> Command[bool | None]:
        return classic.FlushAll(delay)

    def stats(self, group: str | None) -> Command[dict[str, str]]:
        return classic.Stats(group)

    def version(self) -> Command[str]:
        return classic.Version()


class Meta(_Text):
    """memcached's living protocol: errors do not get lost, and every reply says whose it is."""

    name = "meta"

    def __init__(self) -> None:
        # Opaque tokens. Any that differ from one request to the next on the same connection
        # will do; clones may share the counter.
        self._opaques = count()

    def _opaque(self) -> bytes:
        return b"%d" % next(self._opaques)

    def hello(self) -> Command[object]:
        """A question that every server of this dialect answers, and that does no harm."""
        return meta.Noop()

    def get(self, server: int, key: bytes) -> Operation[Item | None]:
        return self._item(server, meta.Get(key, f=True, O=self._opaque(), v=True))

    def gets(self, server: int, key: bytes) -> Operation[Item | None]:
        return self._item(server, meta.Get(key, c=True, f=True, O=self._opaque(), v=True))

    def gat(self, server: int, key: bytes, exptime: int) -> Operation[Item | None]:
        return self._item(server, meta.Get(key, f=True, O=self._opaque(), v=True, T=exptime))

    def _item(self, server: int, command: meta.Get) -> Operation[Item | None]:
        reply = yield from Exchange(server, command)
        if reply is None:
            return None
        flags = reply.number("f")
        cas = reply.number("c")
        if flags is None or reply.value is None or (command.c and cas is None):
            raise ProtocolDesync(f"a hit without what was asked for: {reply!r}")
        return Item(command.key, flags, reply.value, cas)

    def exists(self, server: int, key: bytes) -> Operation[bool]:
        reply = yield from Exchange(server, meta.Get(key, O=self._opaque()))
        return reply is not None

    def touch(self, server: int, key: bytes, exptime: int) -> Operation[bool]:
        reply = yield from Exchange(server, meta.Get(key, O=self._opaque(), T=exptime))
        return reply is not None

    def store(
        self, server: int, mode: Mode, key: bytes, value: bytes, flags: int, exptime: int
    ) -> Operation[bool]:
        reply = yield from Exchange(
            server,
            meta.Set(
                key,
                value,
                F=flags or None,
                M=MODES[mode],
                O=self._opaque(),
                T=exptime or None,
            ),
        )
        return reply.code == "HD"

    def cas(
        self, server: int, key: bytes, value: bytes, cas: int, flags: int, exptime: int
    ) -> Operation[bool]:
        command = meta.Set(key, value, C=cas, F=flags or None, O=self._opaque(), T=exptime or None)
        reply = yield from Exchange(server, command)
        return reply.code == "HD"

    def delete(self, server: int, key: bytes) -> Operation[bool]:
        reply = yield from Exchange(server, meta.Delete(key, O=self._opaque()))
        return reply.code == "HD"

    def arithmetic(
        self,
        server: int,
        key: bytes,
        up: bool,
        delta: int,
        initial: int | None,
        exptime: int,
    ) -> Operation[int | None]:
        reply = yield from Exchange(
            server,
            meta.Arithmetic(
                key,
                D=delta,
                J=initial,
                M=None if up else "D",
                N=None if initial is None else exptime,
                O=self._opaque(),
                v=True,
            ),
        )
        return None if reply.value is None else digits(reply.value)

    # In flights the quiet forms serve: success costs no reply, and all else says its key.

    def storing(
        self, keys: Sequence[bytes], values: Sequence[bytes], flags: Sequence[int], exptime: int
    ) -> Flight:
        """Store many."""
        return quiet_sets(keys, values, flags, exptime)

    def was_stored(self, reply: Reply | NoReply) -> bool | None:
        """What a reply to `storing` says. None: the server has failed, over this key or another."""
        return None if isinstance(reply, UnplacedError) else reply is NO_REPLY

    def deleting(self, key: bytes) -> Command[object]:
        return meta.Delete(key, k=True, q=True)

    def was_deleted(self, command: Command[object], reply: Reply | NoReply) -> bool:
        """What a reply to `deleting` says. Raises ErrorReplied if it is a refusal."""
        answer = command.result(reply)
        return isinstance(answer, MetaReply) and answer.code == "HD"

    def asking(self, key: bytes) -> Command[object]:
        """Whether there is such a key."""
        return meta.Get(key, k=True, O=self._opaque())


MODES: dict[Mode, Literal["E", "R", "A", "P"] | None] = {
    "set": None,
    "add": "E",
    "replace": "R",
    "append": "A",
    "prepend": "P",
}


class Classic(_Text):
    """The commands that every server and proxy understands."""

    name = "classic"

    def hello(self) -> Command[object]:
        """A question that every server of this dialect answers, and that does no harm."""
        return classic.Version()

    def get(self, server: int, key: bytes) -> Operation[Item | None]:
        return (yield from Exchange(server, classic.Get(key)))

    def gets(self, server: int, key: bytes) -> Operation[Item | None]:
        return (yield from Exchange(server, classic.Gets(key)))

    def gat(self, server: int, key: bytes, exptime: int) -> Operation[Item | None]:
        return (yield from Exchange(server, classic.Gat(key, exptime)))

    def exists(self, server: int, key: bytes) -> Operation[bool]:
        return (yield from Exchange(server, classic.Get(key))) is not None

    def touch(self, server: int, key: bytes, exptime: int) -> Operation[bool]:
        return bool((yield from Exchange(server, classic.Touch(key, exptime))))

    def store(
        self, server: int, mode: Mode, key: bytes, value: bytes, flags: int, exptime: int
    ) -> Operation[bool]:
        command = STORAGE[mode](key, value, flags=flags, exptime=exptime)
        return bool((yield from Exchange(server, command)))

    def cas(
        self, server: int, key: bytes, value: bytes, cas: int, flags: int, exptime: int
    ) -> Operation[bool]:
        command = classic.Cas(key, value, cas, flags=flags, exptime=exptime)
        return (yield from Exchange(server, command)) is Status.STORED

    def delete(self, server: int, key: bytes) -> Operation[bool]:
        return bool((yield from Exchange(server, classic.Delete(key))))

    def arithmetic(
        self,
        server: int,
        key: bytes,
        up: bool,
        delta: int,
        initial: int | None,
        exptime: int,
    ) -> Operation[int | None]:
        count_it = (classic.Incr if up else classic.Decr)(key, delta)
        while True:
            value = yield from Exchange(server, count_it)
            if value is not None or initial is None:
                return value
            created = classic.Add(key, b"%d" % initial, exptime=exptime)
            if (yield from Exchange(server, created)):
                return initial
            # Somebody created it in between: count on theirs.

    def storing(
        self, keys: Sequence[bytes], values: Sequence[bytes], flags: Sequence[int], exptime: int
    ) -> Flight:
        """Store many."""
        items = zip(keys, values, flags, strict=True)
        return Flight([classic.Set(k, v, flags=f, exptime=exptime) for k, v, f in items])

    def was_stored(self, reply: Reply | NoReply) -> bool | None:
        """What a reply to `storing` says. Replies come in order: it is always about its key."""
        return reply is Status.STORED

    def deleting(self, key: bytes) -> Command[object]:
        return classic.Delete(key)

    def was_deleted(self, command: Command[object], reply: Reply | NoReply) -> bool:
        """What a reply to `deleting` says. Raises ErrorReplied if it is a refusal."""
        return bool(command.result(reply))

    def asking(self, key: bytes) -> Command[object]:
        """Whether there is such a key."""
        return classic.Get(key)


STORAGE = {
    "set": classic.Set,
    "add": classic.Add,
    "replace": classic.Replace,
    "append": classic.Append,
    "prepend": classic.Prepend,
}
