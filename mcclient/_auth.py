"""Who a client is to its servers, and how it says so: text authentication, or SASL PLAIN.

Knows what is said, in what order, and what is kept to itself; moves no bytes.  The conversation is
a generator that yields what is to be done: a command, or the user's own function for the
credentials, which only the runner knows how to call.

A server is asked first whether it wants to know.  A text server that does not would take the user
name and password for an item, and a binary one has no use for them: neither is told.
"""

from __future__ import annotations

from mcproto import ErrorReplied, InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from typing import Any, NoReturn, Protocol, TypeAlias, TypeGuard

    from mcproto import Command, ErrorReply

    from ._errors import AuthError

    Word: TypeAlias = str | bytes
    Credentials: TypeAlias = Callable[[], tuple[Word, Word]]
    """Gives user name and password; asked at every connection."""

    AsyncCredentials: TypeAlias = Callable[[], tuple[Word, Word] | Awaitable[tuple[Word, Word]]]
    """The same for tasks, or what gives them when it is awaited."""

    Talk: TypeAlias = Generator[Command[Any] | AsyncCredentials, Any, None]
    """A conversation. What came of what it yields is sent in, or thrown."""

    class Attempt(Protocol):
        """What is to be told of the conversation."""

        def begin(self, step: str) -> None: ...
        def auth_failed(self, why: str) -> AuthError: ...


__all__ = ["Login", "checked_login", "wants_login"]

# Statuses of binary replies.
_AUTH_ERROR = 0x20
_NO_SASL = (0x81, 0x83)  # it does not know the command, or does not support it


def checked_login(
    protocol: str,
    username: Word | None,
    password: Word | None,
    credentials: AsyncCredentials | None,
    allow_cleartext: bool,
) -> Login | None:
    """Who the client is, by a client's arguments; None: nobody has said so.

    Raises:
        InvalidArgument, TypeError: they do not go together, or cannot be said in the protocol. No
            password is shown.
    """
    if not isinstance(allow_cleartext, bool):
        kind = type(allow_cleartext).__name__
        raise TypeError(f"allow_cleartext_auth must be a bool, not {kind}")
    if credentials is not None:
        if username is not None or password is not None:
            raise InvalidArgument("credentials stand for username and password: give no others")
        if not callable(credentials):
            kind = type(credentials).__name__
            raise TypeError(f"credentials must be a function that gives them, not {kind}")
        return Login(protocol, credentials, allow_cleartext)
    if username is None and password is None:
        return None
    if username is None or password is None:
        raise InvalidArgument("username and password go together: one of them is missing")
    return Login(protocol, _command(protocol, username, password), allow_cleartext)


def wants_login(reply: ErrorReply) -> bool:
    """Whether a server that answers so wants to know who is there before anything else."""
    return reply.status == _AUTH_ERROR or "unauth" in reply.message.lower()


class Login:
    """Who a client says it is, at every connection. It shows its secrets to nobody else.

    Args:
        protocol: the name of the dialect.
        source: the command that says it, or a function that gives user name and password.

    Attributes:
        allow_cleartext: whether it may be said where others can listen.
    """

    __slots__ = ("_protocol", "_source", "allow_cleartext")

    def __init__(
        self,
        protocol: str,
        source: Command[object] | AsyncCredentials,
        allow_cleartext: bool,
    ) -> None:
        self._protocol = protocol
        self._source = source
        self.allow_cleartext = allow_cleartext

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client that has credentials cannot be pickled or copied")

    def talk(self, attempt: Attempt) -> Talk:
        """Say who is there, if the server wants to know.

        Raises:
            AuthError: it does not come to that.
            ErrorReplied: the server refuses to say whether it wants to, or does not let us in.
        """
        if self._protocol == "binary":
            return self._in_binary(attempt)
        return self._in_text(attempt)

    def _in_text(self, attempt: Attempt) -> Talk:
        from mcproto.classic import Version

        # (Newer servers hang up on a line as short as `mn` before they know who is there.)
        try:
            yield Version()
            return
        except ErrorReplied as error:
            if not wants_login(error.reply):
                raise
        yield from self._say(attempt)

    def _in_binary(self, attempt: Attempt) -> Talk:
        from mcproto.sasl import List

        try:
            mechanisms = yield List()
        except ErrorReplied as error:
            if error.reply.status not in _NO_SASL:
                raise
            return
        if "PLAIN" not in mechanisms:
            attempt.begin("auth")
            offered = ", ".join(mechanisms) or "nothing"
            raise attempt.auth_failed(f"it takes no PLAIN: it offers {offered}")
        yield from self._say(attempt)

    def _say(self, attempt: Attempt) -> Talk:
        attempt.begin("auth")
        source = self._source
        if not callable(source):
            yield source
            return
        try:
            given = yield source
        except Exception as error:
            kind = type(error).__name__
            raise attempt.auth_failed(f"there are no credentials: {kind}") from error
        kind = type(given).__name__
        problem: InvalidArgument | None = None
        command: Command[object] | None = None
        try:
            if _is_pair(given):
                command = _command(self._protocol, *given)
        except InvalidArgument as error:
            problem = error.with_traceback(None)
        # Before anything is raised: whoever shows the variables of a traceback's frames, as
        # reporters of errors do, is to see no password in ours.
        del given
        if problem is not None:
            raise attempt.auth_failed(f"the credentials cannot be used: {problem}") from problem
        if command is None:
            raise TypeError(f"credentials must give (username, password), not a {kind}")
        yield command


def _is_pair(given: object) -> TypeGuard[tuple[Word, Word]]:
    match given:
        case (str() | bytes(), str() | bytes()):
            return True
        case _:
            return False


def _command(protocol: str, username: Word, password: Word) -> Command[Any]:
    if protocol == "binary":
        from mcproto.sasl import plain

        return plain(username, password)
    from mcproto.admin import Authenticate

    return Authenticate(username, password)
