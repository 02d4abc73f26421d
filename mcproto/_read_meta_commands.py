"""The server's ear for meta commands: their flags, as memcached reads them.

Every command knows every flag: one that means nothing to it is checked and dropped.  The flags
that are left keep the order of the request, which is that of the reply.
"""

from __future__ import annotations

from . import meta
from ._replies import BadRequest, ErrorReply
from ._requests import BAD_LINE, TOO_LARGE, Announced, block_size
from ._tokens import I32, MAX_KEY, U32, U64, decoded_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from ._command import Command
    from ._generations import Generation
    from ._requests import Reader, Request

    Keyed: TypeAlias = meta.Get | meta.Set | meta.Delete | meta.Arithmetic

_BAD_TOKEN = ErrorReply("CLIENT_ERROR", "bad token in command line format")
_INVALID = ErrorReply("CLIENT_ERROR", "invalid flag")
_DUPLICATE = ErrorReply("CLIENT_ERROR", "duplicate flag")
_TOO_MANY = ErrorReply("CLIENT_ERROR", "options flags are too long")
_TOO_MANY_SHORT = ErrorReply("CLIENT_ERROR", "options flags too long")
_BAD_LENGTH_OF_MODE = ErrorReply("CLIENT_ERROR", "incorrect length for M token")
_BAD_KEY = ErrorReply("CLIENT_ERROR", "error decoding key")
_BAD_DELTA = ErrorReply("CLIENT_ERROR", "invalid numeric delta value")
_BAD_INITIAL = ErrorReply("CLIENT_ERROR", "invalid numeric initial value")
_LONG_OPAQUE = ErrorReply("CLIENT_ERROR", "opaque token too long")
_ANY_FLAG = ErrorReply("CLIENT_ERROR", "invalid or duplicate flag")
_BAD_MODE_OF_MS = ErrorReply("CLIENT_ERROR", "invalid mode for ms M token")
_BAD_MODE_OF_MA = ErrorReply("CLIENT_ERROR", "invalid mode for ma M token")

# The other commands do not look at it.
_MODES: dict[type[object], tuple[list[str], ErrorReply]] = {
    meta.Set: (list("SEAPR"), _BAD_MODE_OF_MS),
    meta.Arithmetic: (list("I+D-"), _BAD_MODE_OF_MA),
}

# Without an argument, or with one that nobody reads. (P and L are for proxies.)
_PLAIN = frozenset("bcfhIklLPqstuvx")

# The flags that take a number: whether it may be negative, the highest it can be, and what is said
# of one that is none.
_NUMBERS: dict[str, tuple[bool, int, ErrorReply | None]] = {
    "C": (False, U64, _BAD_TOKEN),
    "D": (False, U64, _BAD_DELTA),
    "E": (False, U64, _BAD_TOKEN),
    "F": (False, U32, None),  # has no words of its own
    "J": (False, U64, _BAD_INITIAL),
    "N": (True, I32, _BAD_TOKEN),
    "R": (True, I32, _BAD_TOKEN),
    "T": (True, I32, _BAD_TOKEN),
}


def _read_flags(key: bytes, words: list[bytes], like: Generation) -> dict[str, object] | ErrorReply:
    """The flags by their letters, in order, or what is wrong with them."""
    if not like.bytes_of_flags and not all(word[:1].isalnum() for word in words):
        return BAD_LINE
    flags: dict[str, object] = {}
    failed = False
    error: ErrorReply | None = None
    for word in words:
        letter = chr(word[0])
        if letter in flags or word[0] >= 127:
            return _DUPLICATE
        if letter in like.unknown_flags:
            return _INVALID
        if letter in _PLAIN:
            flags[letter] = True
            if letter == "b" and decoded_key(key) is None:
                failed = True
                error = _BAD_KEY
        elif letter in _NUMBERS:
            is_signed, highest, complaint = _NUMBERS[letter]
            read = like.signed if is_signed else like.unsigned
            flags[letter] = number = read(word[1:], highest)
            if number is None:
                # The last bad argument is the one that is complained of.
                failed = True
                error = complaint or error
        elif letter == "O":
            flags[letter] = word[1:]
        elif letter == "M":
            if like.modes_are_exact and len(word) != 2:
                failed = True
                error = _BAD_LENGTH_OF_MODE
            flags[letter] = word[1:2].decode("latin-1")
        else:
            return _INVALID
    return (error or BAD_LINE) if failed else flags


def _read_fields(
    kind: type[Keyed], key: bytes, words: list[bytes], like: Generation
) -> dict[str, object] | ErrorReply:
    """The fields of a command, but for its value, or what is wrong with them."""
    is_vague = kind is meta.Arithmetic or (like.vague_about_delete and kind is meta.Delete)
    if len(key) > MAX_KEY:
        return _ANY_FLAG if is_vague and like.vague_about_keys else BAD_LINE
    if len(words) > like.max_flags:
        return _TOO_MANY if not like.counts_size_as_flag or kind is meta.Get else _TOO_MANY_SHORT
    flags = _read_flags(key, words, like)
    if isinstance(flags, ErrorReply):
        return _ANY_FLAG if is_vague else flags
    if kind in _MODES and "M" in flags:
        modes, complaint = _MODES[kind]
        if flags["M"] not in modes:
            return complaint
    opaque = flags.get("O")
    if isinstance(opaque, bytes) and len(opaque) > meta.MAX_OPAQUE:
        return _LONG_OPAQUE
    known = kind.__match_args__
    return {"key": key} | {letter: flags[letter] for letter in flags if letter in known}


def _about_a_key(kind: type[meta.Get | meta.Delete | meta.Arithmetic]) -> Reader:
    def read(words: list[bytes], like: Generation) -> Request:
        if len(words) < 2:
            return BadRequest(BAD_LINE)
        fields = _read_fields(kind, words[1], words[2:], like)
        return BadRequest(fields) if isinstance(fields, ErrorReply) else kind.received(**fields)

    return read


def _set(words: list[bytes], like: Generation) -> Request:
    """As classic storage commands: without a length the block is left, else it is swallowed."""
    if len(words) < 3:
        return BadRequest(BAD_LINE)
    key = words[1]
    if like.leaves_blocks:
        # What is looked at before the length.
        if len(key) > MAX_KEY:
            return BadRequest(BAD_LINE)
        if len(words) > like.max_flags + 2:
            return BadRequest(_TOO_MANY_SHORT)
    size = block_size(words[2], like)
    if size is None:
        return BadRequest(BAD_LINE)
    fields = _read_fields(meta.Set, key, words[3:], like)
    if isinstance(fields, ErrorReply):
        return Announced(size, BadRequest(fields))
    removes = decoded_key(key) if "b" in fields else key

    def make(value: bytes) -> Command[object]:
        return meta.Set.received(value=value, **fields)

    # In any mode, even one that would not have stored.
    return Announced(size, BadRequest(TOO_LARGE, removes=removes), make)


def _debug(words: list[bytes], like: Generation) -> Request:
    if len(words) < 2 or len(words[1]) > MAX_KEY:
        return BadRequest(BAD_LINE)
    is_base64 = words[2:3] == [b"b"] and (len(words) > 3 or not like.debug_needs_more)
    if is_base64 and decoded_key(words[1]) is None:
        return BadRequest(_BAD_KEY if like.debug_needs_more else BAD_LINE)
    return meta.Debug.received(key=words[1], b=is_base64)


def _noop(words: list[bytes], like: Generation) -> Request:
    return meta.Noop()


META_READERS: dict[bytes, Reader] = {
    b"mg": _about_a_key(meta.Get),
    b"ms": _set,
    b"md": _about_a_key(meta.Delete),
    b"ma": _about_a_key(meta.Arithmetic),
    b"me": _debug,
    b"mn": _noop,
}
