"""Who is there, in text: a ``set`` before anything else. For `admin`, where it is public."""

from __future__ import annotations

from ._command import Command
from ._errors import InvalidArgument
from ._parts import Hidden
from ._read_replies import read_status
from ._replies import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._buffer import ReceiveBuffer
    from ._read_replies import Limits, Progress
    from ._replies import ErrorReply, NeedData, NoReply, Reply

MAX_TOKEN = 16384
"""The longest user name and password, with the blank between them, in bytes."""


class Authenticate(Command[bool]):
    """Who is there: user name and password, for a text connection to a server that asks (``-Y``).

    True: they were right. If they were wrong it may be tried again: ErrorReplied.  On the wire it
    is a ``set`` of both, in the clear.  A server that does not ask takes it for one, and says yes;
    so it is sent as an item that has expired already.

    Args:
        username: one word, str (sent as UTF-8) or bytes.
        password: one word. It is shown by nothing but `encode`.
    """

    __slots__ = ("password", "username")
    __match_args__ = ("username", "password")

    authenticates = True

    def __init__(self, username: str | bytes, password: str | bytes) -> None:
        self.username = _checked_secret("username", username)
        self.password = _checked_secret("password", password)
        if len(self.username) + 1 + len(self.password) > MAX_TOKEN:
            raise InvalidArgument(f"username and password are longer than {MAX_TOKEN} bytes")

    def __repr__(self) -> str:
        return f"Authenticate(username={self.username!r}, password=...)"

    def encode(self) -> bytes:
        size = len(self.username) + 1 + len(self.password)
        return Hidden(b"set auth 0 -1 %d\r\n%b %b\r\n" % (size, self.username, self.password))

    def read(
        self, buffer: ReceiveBuffer, progress: Progress, limits: Limits
    ) -> Status | ErrorReply | NeedData:
        return read_status(buffer, {b"STORED": Status.STORED})

    def result(self, reply: Reply | NoReply) -> bool:
        if reply is Status.STORED:
            return True
        raise self._unexpected(reply)


_ENDS_A_WORD = b"\0\n\r "


def _checked_secret(name: str, text: str | bytes) -> bytes:
    """The bytes of a word that no complaint shows."""
    if isinstance(text, str):
        # (An error of the codec would hold the text, even behind another error.)
        word = text.encode("utf-8", "replace")
        if word.decode() != text:
            raise InvalidArgument(f"{name} cannot be encoded as UTF-8")
    elif isinstance(text, bytes):
        word = bytes(text)
    else:
        raise TypeError(f"{name} must be str or bytes, not {type(text).__name__}")
    if not word or word.translate(None, _ENDS_A_WORD) != word:
        raise InvalidArgument(f"{name} must be one word, without blanks, NUL and line ends")
    return word
