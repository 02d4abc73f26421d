"""The server's ear for meta commands: their flags, as memcached 1.6.45 reads them.

Every command knows every flag: one that means nothing to it is checked and dropped.  The flags
that are left keep the order of the request, which is that of the reply.
"""

from __future__ import annotations

from . import meta
from ._replies import BadRequest, ErrorReply
from ._requests import BAD_LINE, MAX_BLOCK, TOO_LARGE, Announced, signed, unsigned
from ._tokens import I32, MAX_KEY, U32, U64, decoded_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._command import Command
    from ._requests import Request

MAX_FLAGS = 18  # (before 1.6.40: 17)

_BAD_TOKEN = ErrorReply("CLIENT_ERROR", "bad token in command line format")
_INVALID = ErrorReply("CLIENT_ERROR", "invalid flag")
_DUPLICATE = ErrorReply("CLIENT_ERROR", "duplicate flag")
_TOO_MANY = ErrorReply("CLIENT_ERROR", "options flags are too long")
_BAD_KEY = ErrorReply("CLIENT_ERROR", "error decoding key")
_BAD_DELTA = ErrorReply("CLIENT_ERROR", "invalid numeric delta value")
_BAD_INITIAL = ErrorReply("CLIENT_ERROR", "invalid numeric initial value")
_LONG_OPAQUE = ErrorReply("CLIENT_ERROR", "opaque token too long")
_ANY_OF_MA = ErrorReply("CLIENT_ERROR", "invalid or duplicate flag")
_BAD_MODE_OF_MS = ErrorReply("CLIENT_ERROR", "invalid mode for ms M token")
_BAD_MODE_OF_MA = ErrorReply("CLIENT_ERROR", "invalid mode for ma M token")

# The other commands do not look at it.
_MODES: dict[type[object], tuple[list[str], ErrorReply]] = {
    meta.Set: (list("SEAPR"), _BAD_MODE_OF_MS),
    meta.Arithmetic: (list("I+D-"), _BAD_MODE_OF_MA),
}

# Without an argument, or with one that nobody reads. (P and L are for proxies.)
_PLAIN = frozenset("bcfhIklLPqstuvx")

# (Before 1.6.40 numbers that are out of range are wrapped, not refused.)
_NUMBERS: dict[str, tuple[Callable[[bytes, int], int | None], int, ErrorReply | None]] = {
    "C": (unsigned, U64, _BAD_TOKEN),
    "D": (unsigned, U64, _BAD_DELTA),
    "E": (unsigned, U64, _BAD_TOKEN),
    "F": (unsigned, U32, None),  # has no words of its own
    "J": (unsigned, U64, _BAD_INITIAL),
    "N": (signed, I32, _BAD_TOKEN),
    "R": (signed, I32, _BAD_TOKEN),
    "T": (signed, I32, _BAD_TOKEN),
}


def _read_flags(key: bytes, words: list[bytes]) -> dict[str, object] | ErrorReply:
    """The flags by their letters, in order, or what is wrong with them."""
    if len(key) > MAX_KEY or not all(word[:1].isalnum() for word in words):
        return BAD_LINE
    flags: dict[str, object] = {}
    failed = False
    error: ErrorReply | None = None
    for word in words:
        letter = chr(word[0])
        if letter in flags:
            return _DUPLICATE
        if letter in _PLAIN:
            flags[letter] = True
            if letter == "b" and decoded_key(key) is None:
                error = _BAD_KEY
        elif letter in _NUMBERS:
            read, highest, complaint = _NUMBERS[letter]
            flags[letter] = number = read(word[1:], highest)
            if number is None:
                # The last bad argument is the one that is complained of.
                failed = True
                error = complaint or error
        elif letter == "O":
            flags[letter] = word[1:]
        elif letter == "M":
            flags[letter] = word[1:2].decode("latin-1")  # (before 1.6.40: one letter exactly)
        else:
            return _INVALID
    return error or (BAD_LINE if failed else flags)


def _read_fields(
    kind: type[meta.Get | meta.Set | meta.Delete | meta.Arithmetic], key: bytes, words: list[bytes]
) -> dict[str, object] | ErrorReply:
    """The fields of a command, but for its value, or what is wrong with them."""
    if len(words) > MAX_FLAGS:
        return _TOO_MANY
    flags = _read_flags(key, words)
    if isinstance(flags, ErrorReply):
        return _ANY_OF_MA if kind is meta.Arithmetic else flags
    opaque = flags.get("O")
    if isinstance(opaque, bytes) and len(opaque) > meta.MAX_OPAQUE:
        return _LONG_OPAQUE
    if kind in _MODES and "M" in flags:
        modes, complaint = _MODES[kind]
        if flags["M"] not in modes:
            return complaint
    known = kind.__match_args__
    return {"key": key} | {letter: flags[letter] for letter in flags if letter in known}


def _about_a_key(
    kind: type[meta.Get | meta.Delete | meta.Arithmetic],
) -> Callable[[list[bytes]], Request]:
    def read(words: list[bytes]) -> Request:
        if len(words) < 2:
            return BadRequest(BAD_LINE)
        fields = _read_fields(kind, words[1], words[2:])
        return BadRequest(fields) if isinstance(fields, ErrorReply) else kind.received(**fields)

    return read


def _set(words: list[bytes]) -> Request:
    """As classic storage commands: without a length the block is left, else it is swallowed."""
    size = unsigned(words[2], MAX_BLOCK) if len(words) > 2 else None
    if size is None:
        return BadRequest(BAD_LINE)
    # (Before 1.6.40 the block behind a key that is too long is left.)
    fields = _read_fields(meta.Set, words[1], words[3:])
    if isinstance(fields, ErrorReply):
        return Announced(size, BadRequest(fields))
    removes = decoded_key(words[1]) if "b" in fields else words[1]

    def make(value: bytes) -> Command[object]:
        return meta.Set.received(value=value, **fields)

    # In any mode, even one that would not have stored.
    return Announced(size, BadRequest(TOO_LARGE, removes=removes), make)


def _debug(words: list[bytes]) -> Request:
    if len(words) < 2 or len(words[1]) > MAX_KEY:
        return BadRequest(BAD_LINE)
    # The b is found only if something stands behind it (before 1.6.40: always).
    is_base64 = len(words) > 3 and words[2] == b"b"
    if is_base64 and decoded_key(words[1]) is None:
        return BadRequest(_BAD_KEY)
    return meta.Debug.received(key=words[1], b=is_base64)


def _noop(words: list[bytes]) -> Request:
    return meta.Noop()


META_READERS: dict[bytes, Callable[[list[bytes]], Request]] = {
    b"mg": _about_a_key(meta.Get),
    b"ms": _set,
    b"md": _about_a_key(meta.Delete),
    b"ma": _about_a_key(meta.Arithmetic),
    b"me": _debug,
    b"mn": _noop,
}
