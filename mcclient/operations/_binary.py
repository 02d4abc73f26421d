"""The third way to ask for the same things: binary commands, for servers that speak nothing else.

See `_dialects`, whose terms these are.  Every command has an opaque of its own, so every reply says
whose it is; in flights the quiet forms serve, closed by a no-op.  Loaded when it is first used.
"""

from __future__ import annotations

from itertools import count

from mcproto import NO_REPLY, Command, Flight, InvalidArgument, Status, binary

from ._effects import Exchange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Literal

    from mcproto import Item, Reply
    from mcproto._buffer import ReceiveBuffer
    from mcproto._columns import Columns
    from mcproto._read_replies import Limits, Progress
    from mcproto._replies import NeedData, NoReply

    from ._dialects import Mode
    from ._effects import Operation

__all__ = ["JOINING", "STORAGE", "Binary", "GetMany", "next_opaque", "unsigned"]

# An expiry is unsigned here. What is long ago as a Unix time is the least that is not "in so many
# seconds".
_LONG_AGO = 30 * 24 * 60 * 60 + 1

# The opaques of this process. Any that differ on one connection will do; 0 would be none.
_numbers = count()


def next_opaque() -> int:
    """One that the last so many billions were not."""
    return next(_numbers) % 0xFFFFFFFF + 1


def unsigned(exptime: int) -> int:
    """An expiry as this protocol has it."""
    return exptime if exptime >= 0 else _LONG_AGO


class Binary:
    """memcached's deprecated protocol, which some servers and proxies speak alone."""

    name = "binary"
    protocol: Literal["binary"] = "binary"

    def hello(self) -> Command[object]:
        """A question that every server of this dialect answers, and that does no harm."""
        return binary.Noop(opaque=next_opaque())

    def get(self, server: int, key: bytes) -> Operation[Item | None]:
        return (yield from Exchange(server, binary.Get(key, opaque=next_opaque())))

    gets = get

    def gat(self, server: int, key: bytes, exptime: int) -> Operation[Item | None]:
        command = binary.Gat(key, unsigned(exptime), opaque=next_opaque())
        return (yield from Exchange(server, command))

    def exists(self, server: int, key: bytes) -> Operation[bool]:
        return (yield from self.get(server, key)) is not None

    def touch(self, server: int, key: bytes, exptime: int) -> Operation[bool]:
        command = binary.Touch(key, unsigned(exptime), opaque=next_opaque())
        return (yield from Exchange(server, command))

    def store(
        self, server: int, mode: Mode, key: bytes, value: bytes, flags: int, exptime: int
    ) -> Operation[bool]:
        command: Command[Status | None]
        if mode == "append" or mode == "prepend":
            command = JOINING[mode](key, value, opaque=next_opaque())
        else:
            expiry = unsigned(exptime)
            command = STORAGE[mode](key, value, flags=flags, exptime=expiry, opaque=next_opaque())
        return (yield from Exchange(server, command)) is Status.STORED

    def cas(
        self, server: int, key: bytes, value: bytes, cas: int, flags: int, exptime: int
    ) -> Operation[bool]:
        if not cas:
            raise InvalidArgument("cas must not be 0: to the binary protocol that is none at all")
        command = binary.Set(
            key, value, flags=flags, exptime=unsigned(exptime), cas=cas, opaque=next_opaque()
        )
        return (yield from Exchange(server, command)) is Status.STORED

    def delete(self, server: int, key: bytes) -> Operation[bool]:
        command = binary.Delete(key, opaque=next_opaque())
        return (yield from Exchange(server, command)) is Status.DELETED

    def arithmetic(
        self,
        server: int,
        key: bytes,
        up: bool,
        delta: int,
        initial: int | None,
        exptime: int,
    ) -> Operation[int | None]:
        count_it = (binary.Incr if up else binary.Decr)(
            key,
            delta,
            initial=initial,
            exptime=0 if initial is None else unsigned(exptime),
            opaque=next_opaque(),
        )
        return (yield from Exchange(server, count_it))

    def getting(self, keys: Sequence[bytes], names: Sequence[str | bytes]) -> Command[Columns]:
        """What is there, in columns: names, flags and values."""
        return GetMany(keys, names)

    def storing(
        self, keys: Sequence[bytes], values: Sequence[bytes], flags: Sequence[int], exptime: int
    ) -> Flight:
        """Store many."""
        until = unsigned(exptime)
        items = zip(keys, values, flags, strict=True)
        return Flight(
            [
                binary.Set(k, v, flags=f, exptime=until, quiet=True, opaque=next_opaque())
                for k, v, f in items
            ]
        )

    def was_stored(self, reply: Reply | NoReply) -> bool | None:
        """What a reply to `storing` says: it is always about its key."""
        return reply is NO_REPLY

    def deleting(self, key: bytes) -> Command[object]:
        return binary.Delete(key, quiet=True, opaque=next_opaque())

    def was_deleted(self, command: Command[object], reply: Reply | NoReply) -> bool:
        """What a reply to `deleting` says. Raises ErrorReplied if it is a refusal."""
        return command.result(reply) is None  # quiet: of what was there nothing is heard

    def asking(self, key: bytes) -> Command[object]:
        """Whether there is such a key."""
        return binary.Get(key, opaque=next_opaque())

    def flush_all(self, delay: int) -> Command[bool | None]:
        return binary.Flush(delay, opaque=next_opaque())

    def stats(self, group: str | None) -> Command[dict[str, str]]:
        return binary.Stat(group, opaque=next_opaque())

    def version(self) -> Command[str]:
        return binary.Version(opaque=next_opaque())


STORAGE = {"set": binary.Set, "add": binary.Add, "replace": binary.Replace}
JOINING = {"append": binary.Append, "prepend": binary.Prepend}


class GetMany(Command["Columns"]):
    """What is there under several keys, in columns: quiet gets, and a no-op."""

    __slots__ = ("_flight", "keys", "names")
    __match_args__ = ("keys",)

    protocol = "binary"
    is_read = True
    is_flight = True
    is_barrier = True
    with_cas = True

    def __init__(self, keys: Sequence[bytes], names: Sequence[str | bytes]) -> None:
        self.keys = tuple(keys)
        self.names = names
        self._flight = Flight(
            [binary.Get(key, quiet=True, opaque=next_opaque()) for key in self.keys]
        )

    def encode(self) -> bytes:
        return self._flight.encode()

    def encode_parts(self) -> tuple[bytes, ...]:
        return self._flight.encode_parts()

    def read(
        self, buffer: ReceiveBuffer, progress: Progress, limits: Limits
    ) -> Reply | NoReply | NeedData:
        return self._flight.read(buffer, progress, limits)

    def result(self, reply: Reply | NoReply) -> Columns:
        """Raises ErrorReplied for the first key that is refused."""
        replies = self._flight.result(reply)
        commands = self._flight.commands
        names: list[str | bytes] = []
        flags: list[int] = []
        values: list[bytes] = []
        for name, command, each in zip(self.names, commands, replies, strict=True):
            if each is not NO_REPLY:
                item: Any = command.result(each)
                names.append(name)
                flags.append(item.flags)
                values.append(item.value)
        return names, flags, values
