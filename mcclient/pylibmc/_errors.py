"""pylibmc's exceptions, and the codes and texts of libmemcached that stand behind them.

Knows what an error is called.  What went wrong, and whether it is an error at all to the method
that was called, is for the operations to say.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar, Final

__all__ = ["Code", "PickleRefused", "error_for", "exceptions", "text_of"]


class Error(Exception):
    """Whatever went wrong between you and memcached; all others are subclasses of it."""


class CacheMiss(Error):
    """Raise it in an overridden ``deserialize``: the item counts as not there."""


class PickleRefused(Error):
    """A pickle was found that the client's ``pickle=`` does not let it read. It has not run."""


class Failure(Error):
    """The server failed in some way."""

    retcode: ClassVar[int] = 1


class HostLookupError(Error):
    """A server's name cannot be resolved."""

    retcode: ClassVar[int] = 2


class ConnectionError(Error):
    """A server cannot be reached, or the connection broke."""

    retcode: ClassVar[int] = 3


class ConnectionBindError(Error):
    """Known for its name alone; nothing raises it."""

    retcode: ClassVar[int] = 4


class WriteError(Error):
    """`touch` could not reach its server."""

    retcode: ClassVar[int] = 5


class ReadError(Error):
    """Known for its name alone; nothing raises it."""

    retcode: ClassVar[int] = 6


class UnknownReadFailure(Error):
    """The server answered with something that is no answer."""

    retcode: ClassVar[int] = 7


class ProtocolError(Error):
    """The server did not keep to the protocol."""

    retcode: ClassVar[int] = 8


class ClientError(Error):
    """The server did not like what it was asked (``CLIENT_ERROR``)."""

    retcode: ClassVar[int] = 9


class ServerError(Error):
    """The server could not do what it was asked (``SERVER_ERROR``)."""

    retcode: ClassVar[int] = 10


class SocketCreateError(Error):
    """The server does not know the command (``ERROR``, which has this code by an old mistake)."""

    retcode: ClassVar[int] = 11


class DataExists(Error):
    """The item is not the one that was meant."""

    retcode: ClassVar[int] = 12


class DataDoesNotExist(Error):
    """Known for its name alone; nothing raises it."""

    retcode: ClassVar[int] = 13


class NotFound(Error):
    """There is no such item."""

    retcode: ClassVar[int] = 16


class AllocationError(Error):
    """Known for its name alone; nothing raises it."""

    retcode: ClassVar[int] = 17


class SomeErrors(Error):
    """Of an order to all servers, some have failed."""

    retcode: ClassVar[int] = 19


class NoServers(Error):
    """Known for its name alone; nothing raises it."""

    retcode: ClassVar[int] = 20


class UnixSocketError(Error):
    """A unix socket cannot be opened."""

    retcode: ClassVar[int] = 27


class NotSupportedError(Error):
    """It cannot be asked over UDP."""

    retcode: ClassVar[int] = 28


class FetchNotFinished(Error):
    """Known for its name alone; nothing raises it."""

    retcode: ClassVar[int] = 30


class BadKeyProvided(Error):
    """The key is none that may be sent."""

    retcode: ClassVar[int] = 33


class InvalidHostProtocolError(Error):
    """Known for its name alone; nothing raises it."""

    retcode: ClassVar[int] = 34


class ServerDead(Error):
    """The server has failed too often and has been taken out of the ring."""

    retcode: ClassVar[int] = 35


class UnknownStatKey(Error):
    """Known for its name alone; nothing raises it."""

    retcode: ClassVar[int] = 36


class TooBig(Error):
    """The item is larger than the server stores."""

    retcode: ClassVar[int] = 37


class ServerDown(Error):
    """The server has failed a moment ago and is not asked again yet."""

    retcode: ClassVar[int] = 47


class Code:
    """libmemcached's numbers for what went wrong."""

    HOST_LOOKUP: Final = 2
    CONNECTION: Final = 3
    WRITE: Final = 5
    UNKNOWN_READ: Final = 7
    CLIENT: Final = 9
    SERVER: Final = 10
    PROTOCOL: Final = 11  # what an ERROR line gets
    NOT_FOUND: Final = 16
    ALLOCATION: Final = 17
    SOME_ERRORS: Final = 19
    ERRNO: Final = 26
    UNIX_SOCKET: Final = 27
    NOT_SUPPORTED: Final = 28
    TIMEOUT: Final = 31
    BAD_KEY: Final = 33
    SERVER_DEAD: Final = 35
    INVALID_ARGUMENTS: Final = 38
    TOO_BIG: Final = 37
    SERVER_DOWN: Final = 47
    AUTH_FAILURE: Final = 41
    OUT_OF_MEMORY: Final = 48


_TEXTS = {
    Code.HOST_LOOKUP: "getaddrinfo() or getnameinfo() HOSTNAME LOOKUP FAILURE",
    Code.CONNECTION: "CONNECTION FAILURE",
    Code.WRITE: "WRITE FAILURE",
    Code.UNKNOWN_READ: "UNKNOWN READ FAILURE",
    Code.CLIENT: "CLIENT ERROR",
    Code.SERVER: "SERVER ERROR",
    Code.PROTOCOL: "ERROR was returned by server",
    Code.ALLOCATION: "MEMORY ALLOCATION FAILURE",
    Code.UNIX_SOCKET: "COULD NOT OPEN UNIX SOCKET",
    Code.NOT_SUPPORTED: "ACTION NOT SUPPORTED",
    Code.TIMEOUT: "A TIMEOUT OCCURRED",
    Code.BAD_KEY: "A BAD KEY WAS PROVIDED/CHARACTERS OUT OF RANGE",
    Code.SERVER_DEAD: "SERVER IS MARKED DEAD",
    Code.SERVER_DOWN: "SERVER HAS FAILED AND IS DISABLED UNTIL TIMED RETRY",
    Code.AUTH_FAILURE: "AUTHENTICATION FAILURE",
    Code.INVALID_ARGUMENTS: "INVALID ARGUMENTS",
    Code.OUT_OF_MEMORY: "SERVER FAILED TO ALLOCATE OBJECT",
}

exceptions: list[tuple[str, type[Error]]] = [
    (each.__name__, each)
    for each in (
        Error,
        CacheMiss,
        Failure,
        HostLookupError,
        ConnectionError,
        ConnectionBindError,
        WriteError,
        ReadError,
        UnknownReadFailure,
        ProtocolError,
        ClientError,
        ServerError,
        SocketCreateError,
        DataExists,
        DataDoesNotExist,
        NotFound,
        AllocationError,
        SomeErrors,
        NoServers,
        UnixSocketError,
        NotSupportedError,
        FetchNotFinished,
        BadKeyProvided,
        InvalidHostProtocolError,
        ServerDead,
        ServerDown,
        TooBig,
        UnknownStatKey,
    )
]
"""pylibmc's own, by name, in pylibmc's order."""

for _each in (*[kind for _, kind in exceptions], PickleRefused):
    _each.__module__ = __name__.rpartition(".")[0]  # as tracebacks and pickles name them

_CLASSES: dict[int, type[Error]] = {
    code: each for _, each in exceptions if (code := getattr(each, "retcode", None)) is not None
}


def text_of(code: int, detail: str) -> str:
    """libmemcached's text for *code*, where it has one of its own, and the detail."""
    text = _TEXTS.get(code, "")
    return f"{text}, {detail}" if text and detail else text or detail


def error_for(code: int, function: str, key: bytes | None = None, detail: str = "") -> Error:
    """The exception for libmemcached's *code*: of its class, or a plain `Error` if it has none.

    Args:
        function: what libmemcached calls the function that failed.
        key: of an operation on one key whose messages name it.
        detail: more than libmemcached's own text for the code.
    """
    kind = _CLASSES.get(code, Error)
    if code == Code.TOO_BIG:
        return kind()
    named = "" if key is None else f"({key[:32].decode(errors='replace')})"
    text = text_of(code, detail)
    return kind(f"error {code} from {function}{named}" + (f": {text}" if text else ""))
