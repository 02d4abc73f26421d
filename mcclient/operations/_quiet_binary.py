"""What is said quietly in the binary protocol. See `_quiet_commands`, whose terms these are.

Every reply says by its opaque whose it is, an error too.  Loaded when it is first used.
"""

from __future__ import annotations

from mcproto import ErrorReplied, InvalidArgument, Status, binary

from .._failures import command_failed
from ._binary import JOINING, STORAGE, next_opaque, unsigned
from ._quiet_commands import OBEYED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mcproto import BinaryReply, Command

    from ._dialects import Mode
    from ._quiet_commands import Why

__all__ = ["QuietBinary", "why_not_binary"]


class QuietBinary:
    """Quiet commands, each with an opaque of its own. (Touch has no quiet form.)"""

    has_forms = False

    def store(
        self, mode: Mode, key: bytes, value: bytes, flags: int, exptime: int, quiet: bool = True
    ) -> Command[object]:
        if mode == "append" or mode == "prepend":
            return JOINING[mode](key, value, quiet=True, opaque=next_opaque())
        expiry = unsigned(exptime)
        return STORAGE[mode](
            key, value, flags=flags, exptime=expiry, quiet=True, opaque=next_opaque()
        )

    def cas(
        self, key: bytes, value: bytes, cas: int, flags: int, exptime: int, quiet: bool = True
    ) -> Command[object]:
        if not cas:
            raise InvalidArgument("cas must not be 0: to the binary protocol that is none at all")
        expiry = unsigned(exptime)
        return binary.Set(
            key, value, flags=flags, exptime=expiry, cas=cas, quiet=True, opaque=next_opaque()
        )

    def delete(self, key: bytes) -> Command[object]:
        return binary.Delete(key, quiet=True, opaque=next_opaque())

    def arithmetic(
        self, key: bytes, up: bool, delta: int, initial: int | None, exptime: int
    ) -> Command[object]:
        return (binary.Incr if up else binary.Decr)(
            key,
            delta,
            initial=initial,
            exptime=0 if initial is None else unsigned(exptime),
            quiet=True,
            opaque=next_opaque(),
        )

    def touch(self, key: bytes, exptime: int) -> Command[object]:
        return binary.Touch(key, unsigned(exptime), opaque=next_opaque())


_CONDITIONAL = (binary.Add, binary.Replace, binary.Append, binary.Prepend)


def why_not_binary(command: Command[object], reply: BinaryReply, server: str) -> Why | None:
    """`why_not` of a reply that is not silence."""
    try:
        result = command.result(reply)
    except ErrorReplied as error:
        return command_failed(error.reply, server, getattr(command, "key", None))
    if result is None or result is False:
        return Status.NOT_FOUND  # what was to be counted or touched
    if not isinstance(result, Status) or result in OBEYED:
        return None
    # The text protocol has one word for what was there, or was not.
    return Status.NOT_STORED if isinstance(command, _CONDITIONAL) else result
