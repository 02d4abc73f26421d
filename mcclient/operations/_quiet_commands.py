"""What is said quietly, and what an answer to it means: meta and classic; binary stands beside.

In meta and in binary the server keeps silent about what it has done and says what it has not.
Classic has only ``noreply``, with which it keeps silent about both; so its commands are answered
here, each by a word or two, and what has failed is known all the same.
"""

from __future__ import annotations

from mcproto import (
    NO_REPLY,
    BinaryReply,
    ErrorReply,
    InvalidArgument,
    MetaReply,
    Status,
    UnplacedError,
    classic,
    meta,
)
from mcproto._command import COUNTING_ERRORS, STORING_ERRORS

from .._failures import command_failed
from ._dialects import MODES, STORAGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from mcproto import Command, Reply
    from mcproto._replies import NoReply

    from .._errors import MemcacheError
    from ._dialects import Mode
    from ._quiet_binary import QuietBinary

    # NOT_STORED, EXISTS or NOT_FOUND where the server has refused; an error where it could not.
    Why: TypeAlias = "Status | MemcacheError"
    QuietDialect: TypeAlias = "QuietMeta | QuietClassic | QuietBinary"

__all__ = [
    "FULL",
    "OBEYED",
    "PLAIN",
    "QuietClassic",
    "QuietMeta",
    "asking",
    "can_be_asked",
    "has_failed",
    "quiet_dialect",
    "why_not",
]

PLAIN = b"ms %b %d k q\r\n%b\r\n"
FULL = b"ms %b %d F%d k q T%d\r\n%b\r\n"
"""A quiet `meta.Set`, to be filled: key, size, (flags, exptime,) value."""


class QuietMeta:
    """Quiet commands that show their key, so that a refusal says whose it is."""

    has_forms = True

    def store(
        self, mode: Mode, key: bytes, value: bytes, flags: int, exptime: int, quiet: bool = True
    ) -> Command[object]:
        """*quiet*: false for one whose error line has to be told from all others."""
        return meta.Set(
            key, value, F=flags or None, M=MODES[mode], k=True, q=quiet, T=exptime or None
        )

    def cas(
        self, key: bytes, value: bytes, cas: int, flags: int, exptime: int, quiet: bool = True
    ) -> Command[object]:
        return meta.Set(key, value, C=cas, F=flags or None, k=True, q=quiet, T=exptime or None)

    def delete(self, key: bytes) -> Command[object]:
        return meta.Delete(key, k=True, q=True)

    def arithmetic(
        self, key: bytes, up: bool, delta: int, initial: int | None, exptime: int
    ) -> Command[object]:
        return meta.Arithmetic(
            key,
            D=delta,
            J=initial,
            k=True,
            M=None if up else "D",
            N=None if initial is None else exptime,
            q=True,
        )

    def touch(self, key: bytes, exptime: int) -> Command[object]:
        # The other way round: what is answered is that it was there.
        return meta.Get(key, k=True, q=True, T=exptime)


class QuietClassic:
    """Commands that are answered, in order, so that every answer is its own command's."""

    has_forms = False

    def store(
        self, mode: Mode, key: bytes, value: bytes, flags: int, exptime: int, quiet: bool = True
    ) -> Command[object]:
        return STORAGE[mode](key, value, flags=flags, exptime=exptime)

    def cas(
        self, key: bytes, value: bytes, cas: int, flags: int, exptime: int, quiet: bool = True
    ) -> Command[object]:
        return classic.Cas(key, value, cas, flags=flags, exptime=exptime)

    def delete(self, key: bytes) -> Command[object]:
        return classic.Delete(key)

    def arithmetic(
        self, key: bytes, up: bool, delta: int, initial: int | None, exptime: int
    ) -> Command[object]:
        if initial is not None:
            raise InvalidArgument("initial takes two exchanges in classic, and none of it is quiet")
        return (classic.Incr if up else classic.Decr)(key, delta)

    def touch(self, key: bytes, exptime: int) -> Command[object]:
        return classic.Touch(key, exptime)


def quiet_dialect(name: str) -> QuietDialect:
    """The quiet half of a dialect."""
    if name == "meta":
        return QuietMeta()
    if name == "classic":
        return QuietClassic()
    from ._quiet_binary import QuietBinary

    return QuietBinary()


_REFUSALS = {"NS": Status.NOT_STORED, "EX": Status.EXISTS, "NF": Status.NOT_FOUND}
OBEYED = frozenset([Status.STORED, Status.DELETED, Status.TOUCHED])


def why_not(command: Command[object], reply: Reply | NoReply, server: str) -> Why | None:
    """Why a command was not obeyed; None: it was.

    An error whose `maybe_applied` is true may have been this command's, or another one's.
    """
    if reply is NO_REPLY:
        return Status.NOT_FOUND if isinstance(command, meta.Get) else None
    if isinstance(reply, MetaReply):
        return _REFUSALS.get(reply.code)
    if isinstance(reply, Status):
        return None if reply in OBEYED else reply
    if isinstance(reply, BinaryReply):
        from ._quiet_binary import why_not_binary

        return why_not_binary(command, reply, server)
    if isinstance(reply, ErrorReply):
        error = command_failed(reply, server, getattr(command, "key", None))
        error.maybe_applied = isinstance(reply, UnplacedError)
        return error
    return None


# An error line does not say whose it is.  Of a command that can have got it the server can be
# asked: from a store that fails so it removes what was there, and a counter that does is no number.


def can_be_asked(command: Command[object], reply: Reply | NoReply) -> bool:
    """Whether the item tells if this command has got this error line, or another one has."""
    if not isinstance(reply, UnplacedError):
        return False
    if isinstance(command, meta.Set):
        return reply.kind == "SERVER_ERROR" and reply.message in STORING_ERRORS
    return isinstance(command, meta.Arithmetic) and reply.message in COUNTING_ERRORS


def asking(command: Command[object]) -> meta.Get:
    """What to ask."""
    key: bytes = getattr(command, "key")  # noqa: B009 - all that can be asked about have one
    return meta.Get(key, k=True, v=isinstance(command, meta.Arithmetic))


def has_failed(command: Command[object], answer: Reply | NoReply) -> bool | None:
    """What the answer says; None: nothing."""
    if not isinstance(answer, MetaReply):
        return None
    if isinstance(command, meta.Set):
        return answer.code == "EN"
    return answer.value is not None and not answer.value.rstrip(b" ").isdigit()
