"""Authentication on a binary connection: the SASL commands, and the mechanism PLAIN.

One `Auth` says who is there, and with PLAIN that is all::

    sock.sendall(conn.send(sasl.plain("alice", "s3cr")))

Other mechanisms are a conversation: the result of `Auth` is a challenge, `Step` answers it, and so
on until the result is None.  What the answers are, this module does not know.

A server that does not authenticate answers all three with "Unknown command"; one that demands it
answers nothing but these and VERSION before (see `ServerConnection`).  Once authenticated do not
send them again: `List` alone undoes it.

Credentials are shown by no repr here, and by no error.  They travel as they are: without TLS
anybody on the way reads them.
"""

from __future__ import annotations

from ._binary_command import BinaryCommand
from ._binary_frames import AUTH_CONTINUE, SUCCESS
from ._errors import InvalidArgument
from ._parts import Hidden
from ._replies import BinaryReply
from ._tokens import FORBIDDEN, checked_text, checked_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._replies import NoReply, Reply

__all__ = ["MAX_MECHANISM", "Auth", "List", "Step", "parse_plain", "plain"]

MAX_MECHANISM = 32
"""The longest name of a mechanism, in bytes."""


def plain(username: str | bytes, password: str | bytes, authzid: str | bytes = b"") -> Auth:
    """Authentication by PLAIN (RFC 4616).

    Args:
        username: who is there; str as UTF-8.
        password: likewise.
        authzid: on whose behalf, if it is somebody else's.

    Raises:
        InvalidArgument: one of them holds a NUL, or there is no username.
    """
    parts: list[bytes] = []
    for name, text in (("authzid", authzid), ("username", username), ("password", password)):
        try:
            wire = checked_text(name, text)
        except InvalidArgument:
            # It shows what it refuses.
            raise InvalidArgument(f"{name} cannot be encoded as UTF-8") from None
        if b"\0" in wire:
            raise InvalidArgument(f"{name} must not hold a NUL")
        parts.append(wire)
    if not parts[1]:
        raise InvalidArgument("username is empty")
    return Auth("PLAIN", b"\0".join(parts))


def parse_plain(data: bytes) -> tuple[bytes, bytes, bytes] | None:
    """For servers: (authzid, username, password) out of PLAIN's response; None if it is none."""
    parts = data.split(b"\0")
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 and parts[1] else None


class List(BinaryCommand["tuple[str, ...]"]):
    """SASL LIST MECHANISMS: the names of what can be had. Undoes an authentication."""

    __slots__ = ()
    __match_args__ = ("opaque",)

    opcodes = (0x20,)
    value_sizes = None
    authenticates = True

    def lets_in(self, reply: Reply | NoReply) -> bool:
        return False

    def result(self, reply: Reply | NoReply) -> tuple[str, ...]:
        return tuple(self.accepted(reply).value.decode("latin-1").split())


class _Response(BinaryCommand["bytes | None"]):
    __slots__ = ("data", "mechanism")
    __match_args__ = ("mechanism", "data", "opaque")

    value_sizes = None
    authenticates = True

    def __init__(self, mechanism: str, data: bytes = b"", *, opaque: int = 0) -> None:
        name = checked_text("mechanism", mechanism)
        if not 0 < len(name) <= MAX_MECHANISM or name.translate(None, FORBIDDEN) != name:
            raise InvalidArgument(
                f"mechanism must be a word of up to {MAX_MECHANISM} bytes: {name[:80]!r}"
            )
        self.mechanism = name.decode("latin-1")
        self.data = checked_value(data)
        super().__init__(opaque=opaque)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(mechanism={self.mechanism!r}, data=<{len(self.data)} bytes>)"

    def encode(self) -> bytes:
        key = self.mechanism.encode("latin-1")
        return Hidden(self.frame(key=key, value_size=len(self.data)) + self.data)

    def lets_in(self, reply: Reply | NoReply) -> bool:
        return isinstance(reply, BinaryReply) and reply.status == SUCCESS

    def result(self, reply: Reply | NoReply) -> bytes | None:
        answer = self.accepted(reply, AUTH_CONTINUE)
        return None if answer.status == SUCCESS else answer.value


class Auth(_Response):
    """SASL START: authenticate. The result is None, for done, or the challenge to answer by `Step`.

    Args:
        mechanism: its name, ``"PLAIN"``.
        data: its initial response; `plain` makes that of PLAIN.
        opaque: 32 bits that come back with the reply.

    Raises (from `result`):
        ErrorReplied: with status `binary.AUTH_ERROR`; the connection stays and may try again.
    """

    __slots__ = ()
    opcodes = (0x21,)


class Step(_Response):
    """SASL STEP: answer a challenge. Arguments and result are those of `Auth`."""

    __slots__ = ()
    opcodes = (0x22,)
