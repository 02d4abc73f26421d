"""The direct door for the two commonest exchanges: ``mg`` of a value, ``ms`` of one.

Stateless codecs that make no objects.  They read one form of reply each, the one that is nearly
always the answer, whole and for this request; everything else is left to the caller, who turns to
`ClientConnection.resume`, where the plain grammar of `meta.Get` and `meta.Set` decides.
That plain version is also what the tests compare these with, and benchmarks/get.py shows what
they save.

An exchange is proved to be the caller's by an opaque token from a small set that a connection
goes through in turn: few enough that a header with its token is looked up, not parsed.
"""

from __future__ import annotations

from itertools import cycle

from ._errors import RemoteProtocolError
from ._read_replies import digits
from ._tokens import U32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Heads", "SizeWords", "get_forms", "set_forms"]

# A late or surplus reply is off by a few; which of 32 it is off by never comes out even. No
# token of a get is one of a set.
_GETS = [b"%c%c" % (first, second) for first in b"abcd" for second in b"efghijkl"]
_SETS = [b"%c%c" % (first, second) for first in b"stuv" for second in b"efghijkl"]


class Heads(dict[bytes, tuple[int, int]]):
    """``VA <size> f<flags> O<token>`` -> (size, flags), for one token. Remembered, bounded.

    A line that is anything else is (-1, 0): what follows it never fits that size.
    """

    __slots__ = ("token",)

    def __init__(self, token: bytes) -> None:
        super().__init__()
        self.token = token
        self[b"EN O" + token] = -1, 0  # a miss, which is as common as a hit

    def __missing__(self, head: bytes) -> tuple[int, int]:
        words = head.split(b" ")
        try:
            code, size, flags, opaque = words
            if code == b"VA" and flags[:1] == b"f" and opaque == b"O" + self.token:
                meaning = digits(size), digits(flags[1:], U32)
                if len(self) < 256:
                    self[head] = meaning
                return meaning
        except (ValueError, RemoteProtocolError):
            pass
        return -1, 0


class SizeWords(dict[int, bytes]):
    """The size of a value -> what a set's line has between key and token, for some flags.

    So a set that does not expire is ``b"".join((b"ms ", key, words[len(value)], token, b"\\r\\n",
    value, b"\\r\\n"))``: half of what filling in a form takes. Remembered, bounded.
    """

    __slots__ = ("_flags",)

    def __init__(self, flags: int) -> None:
        super().__init__()
        self._flags = b" F%d" % flags if flags else b""

    def __missing__(self, size: int) -> bytes:
        words = b" %d%b O" % (size, self._flags)
        if len(self) < 4096:
            self[size] = words
        return words


_GET_FORMS = [
    (b"mg %%b f O%b v\r\n" % token, b"EN O%b\r\n" % token, Heads(token)) for token in _GETS
]
_SET_FORMS = [
    (
        b"ms %%b %%d O%b\r\n%%b\r\n" % token,
        b"ms %%b %%d F%%d O%b T%%d\r\n%%b\r\n" % token,
        b"HD O%b\r\n" % token,
        token,
    )
    for token in _SETS
]


def get_forms() -> Iterator[tuple[bytes, bytes, Heads]]:
    """For each get of a connection in turn, without end: (request, miss, heads).

    The request is a form to be filled: ``% key``.  The miss is the whole reply if nothing is there.
    A hit is a line in *heads*, so many bytes of value, and CR LF.
    """
    return cycle(_GET_FORMS)


def set_forms() -> Iterator[tuple[bytes, bytes, bytes, bytes]]:
    """For each set of a connection in turn, without end: (plain, full, stored, token).

    The requests are forms to be filled: *plain* ``% (key, size, value)``, and *full*
    ``% (key, size, flags, exptime, value)``.  *stored* is the whole reply if it was.
    """
    return cycle(_SET_FORMS)
