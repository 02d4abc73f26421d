"""The two protocols: which command carries an intent, and what its result means to pylibmc.

Knows commands.  Keys have been checked by those who give them; what an error is called is not
decided here, but its number is.
"""

from __future__ import annotations

from mcproto import Flight, Status, binary, classic, sasl
from mcproto._columns import GetColumns

from ._arguments import I32
from ._errors import Code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, ClassVar, Literal, TypeAlias

    from mcproto import Command, ErrorReply, Item
    from mcproto._columns import Columns

    Mode: TypeAlias = Literal["set", "add", "replace", "append", "prepend"]
    Wire: TypeAlias = "Text | Binary"

__all__ = ["Binary", "Text", "code_of_reply"]


class Text:
    """Classic commands."""

    protocol: ClassVar[Literal["text", "binary"]] = "text"
    takes_any_key: ClassVar[bool] = False

    def hello(self) -> Command[object]:
        """What is said first; a string is the server's version."""
        return classic.Version()

    def get(self, key: bytes) -> Command[Item | None]:
        return classic.Get(key)

    def gets(self, key: bytes) -> Command[Item | None]:
        return classic.Gets(key)

    def get_many(self, keys: Sequence[bytes]) -> Command[Any]:
        return GetColumns(keys)

    def found(self, keys: Sequence[bytes], result: Columns) -> Columns:
        """What the result of `get_many` means."""
        return result

    def store(
        self, mode: Mode, key: bytes, value: bytes, flags: int, exptime: int
    ) -> Command[object]:
        command: Command[object] = _TEXT_STORAGE[mode](
            key, value, flags=flags, exptime=_signed(exptime)
        )
        return command

    def is_stored(self, result: object) -> bool | int:
        """What the result of `store` means."""
        return bool(result)

    def cas(
        self, key: bytes, value: bytes, flags: int, exptime: int, unique: int
    ) -> Command[Status | None]:
        return classic.Cas(key, value, unique, flags=flags, exptime=_signed(exptime))

    def delete(self, key: bytes) -> Command[object]:
        return classic.Delete(key)

    def is_deleted(self, result: object) -> bool:
        """What the result of `delete` means."""
        return bool(result)

    def touch(self, key: bytes, exptime: int) -> Command[bool | None]:
        return classic.Touch(key, _signed(exptime))

    def count(self, up: bool, key: bytes, delta: int) -> Command[int | None]:
        return (classic.Incr if up else classic.Decr)(key, delta)

    def flush(self, delay: int) -> Command[object]:
        return classic.FlushAll(delay)

    def stats(self, group: str | None) -> Command[dict[str, str]]:
        return classic.Stats(group)


_TEXT_STORAGE: dict[Mode, Any] = {
    "set": classic.Set,
    "add": classic.Add,
    "replace": classic.Replace,
    "append": classic.Append,
    "prepend": classic.Prepend,
}


def _signed(exptime: int) -> int:
    """32 bits as the server reads them: what is above 31 bits comes out as long ago."""
    return exptime if exptime <= I32 else -1


class Binary:
    """Binary commands, after SASL PLAIN if there are credentials.

    Commands are made past their constructors, which would refuse keys with blanks: they are
    harmless here, and pylibmc's users have such keys.
    """

    protocol: ClassVar[Literal["text", "binary"]] = "binary"
    takes_any_key: ClassVar[bool] = True

    def __init__(self, credentials: tuple[str, str] | None = None) -> None:
        self._credentials = credentials

    def hello(self) -> Command[object]:
        """What is said first. Without credentials it is a question that does no harm."""
        return binary.Noop() if self._credentials is None else sasl.plain(*self._credentials)

    def get(self, key: bytes) -> Command[Item | None]:
        return binary.Get.received(key=key, quiet=False, with_key=False, opaque=0)

    gets = get

    def get_many(self, keys: Sequence[bytes]) -> Command[Any]:
        return Flight(
            [
                binary.Get.received(key=key, quiet=True, with_key=False, opaque=number)
                for number, key in enumerate(keys, 1)
            ]
        )

    def found(self, keys: Sequence[bytes], result: Sequence[Any]) -> Columns:
        """What the result of `get_many` means."""
        items: list[Item] = []
        for key, reply in zip(keys, result, strict=True):
            command = binary.Get.received(key=key, quiet=True, with_key=False, opaque=0)
            item = command.result(reply)
            if item is not None:
                items.append(item)
        return [i.key for i in items], [i.flags for i in items], [i.value for i in items]

    def store(
        self, mode: Mode, key: bytes, value: bytes, flags: int, exptime: int
    ) -> Command[object]:
        fields: dict[str, object] = {"key": key, "value": value, "cas": 0}
        if mode not in ("append", "prepend"):
            fields |= {"flags": flags, "exptime": exptime}
        command: Command[object] = _BINARY_STORAGE[mode].received(**fields, quiet=False, opaque=0)
        return command

    def is_stored(self, result: object) -> bool | int:
        """What the result of `store` means: yes, no, or the code of an error."""
        if result is Status.NOT_FOUND:
            return Code.NOT_FOUND
        return result is Status.STORED

    def cas(
        self, key: bytes, value: bytes, flags: int, exptime: int, unique: int
    ) -> Command[Status | None]:
        return binary.Replace.received(
            key=key, value=value, flags=flags, exptime=exptime, cas=unique, quiet=False, opaque=0
        )

    def delete(self, key: bytes) -> Command[object]:
        return binary.Delete.received(key=key, cas=0, quiet=False, opaque=0)

    def is_deleted(self, result: object) -> bool:
        """What the result of `delete` means."""
        return result is Status.DELETED

    def touch(self, key: bytes, exptime: int) -> Command[bool]:
        return binary.Touch.received(key=key, exptime=exptime, opaque=0)

    def count(self, up: bool, key: bytes, delta: int) -> Command[int | None]:
        return (binary.Incr if up else binary.Decr).received(
            key=key, delta=delta, initial=None, exptime=0, cas=0, quiet=False, opaque=0
        )

    def flush(self, delay: int) -> Command[object]:
        return binary.Flush(delay)

    def stats(self, group: str | None) -> Command[dict[str, str]]:
        return binary.Stat(group)


_BINARY_STORAGE: dict[Mode, Any] = {
    "set": binary.Set,
    "add": binary.Add,
    "replace": binary.Replace,
    "append": binary.Append,
    "prepend": binary.Prepend,
}

_CODES_OF_STATUSES = {
    binary.TOO_LARGE: Code.TOO_BIG,
    binary.OUT_OF_MEMORY: Code.OUT_OF_MEMORY,
    binary.AUTH_ERROR: Code.AUTH_FAILURE,
    binary.UNKNOWN_COMMAND: Code.PROTOCOL,
}
_CODES_OF_KINDS = {
    "ERROR": Code.PROTOCOL,
    "CLIENT_ERROR": Code.CLIENT,
    "SERVER_ERROR": Code.SERVER,
}


def code_of_reply(reply: ErrorReply) -> int:
    """libmemcached's number for an error line, or for what is one in the binary protocol."""
    if reply.status is not None:
        return _CODES_OF_STATUSES.get(reply.status, Code.UNKNOWN_READ)
    message = reply.message.lower()
    if reply.kind == "SERVER_ERROR" and message.startswith("object too large"):
        return Code.TOO_BIG
    if reply.kind == "SERVER_ERROR" and message.startswith("out of memory"):
        return Code.OUT_OF_MEMORY
    return _CODES_OF_KINDS[reply.kind]
