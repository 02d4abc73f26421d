"""What stands in the lines of dumps and logs. For `admin`, where it is public.

Knows no connection: a line goes in, what it says comes out, and the other way round for servers.
"""

from __future__ import annotations

from ._errors import RemoteProtocolError
from ._read_replies import digits, text_of
from ._record import Record
from ._tokens import decoded_key


class DumpedItem(Record):
    """What a line of a `Metadump` says of an item.

    Attributes:
        key: bytes, decoded.
        expires: when, as a Unix time; -1: never.
        used: when it was last asked for, as a Unix time.
        cas: its unique.
        is_fetched: whether it has been asked for since it was stored.
        slab_class: where it lies.
        size: what it takes, key and header included, in bytes.
        flags: the client's 32 bits; None: the server does not tell (before 1.6.43).
    """

    __slots__ = ("cas", "expires", "flags", "is_fetched", "key", "size", "slab_class", "used")
    __match_args__ = ("key", "expires", "used", "cas", "is_fetched", "slab_class", "size", "flags")

    def __init__(
        self,
        key: bytes,
        expires: int,
        used: int,
        cas: int,
        is_fetched: bool,
        slab_class: int,
        size: int,
        flags: int | None = None,
    ) -> None:
        self.key = key
        self.expires = expires
        self.used = used
        self.cas = cas
        self.is_fetched = is_fetched
        self.slab_class = slab_class
        self.size = size
        self.flags = flags

    @classmethod
    def of(cls, line: bytes) -> DumpedItem:
        """What the line says. Names that are new are passed over.

        Raises:
            RemoteProtocolError: it is no line of a metadump.
        """
        known = {name: value for name, _, value in [w.partition(b"=") for w in line.split(b" ")]}
        missing = [name.decode() for name in _OF_AN_ITEM if name not in known]
        if missing or known[b"fetch"] not in (b"yes", b"no"):
            raise RemoteProtocolError(f"not an item of a metadump: {line[:80]!r}")
        flags = known.get(b"flags")
        return cls(
            unquoted(known[b"key"]),
            _number(known[b"exp"]),
            _number(known[b"la"]),
            digits(known[b"cas"]),
            known[b"fetch"] == b"yes",
            digits(known[b"cls"]),
            digits(known[b"size"]),
            None if flags is None else digits(flags),
        )

    def line(self) -> bytes:
        """The line that says all this, for servers."""
        fetched = b"yes" if self.is_fetched else b"no"
        numbers = (self.expires, self.used, self.cas, fetched, self.slab_class, self.size)
        line = b"key=%b exp=%d la=%d cas=%d fetch=%b cls=%d size=%d" % (quoted(self.key), *numbers)
        return line if self.flags is None else b"%b flags=%d " % (line, self.flags)


_OF_AN_ITEM = (b"key", b"exp", b"la", b"cas", b"fetch", b"cls", b"size")


def _number(word: bytes) -> int:
    return -digits(word[1:]) if word.startswith(b"-") else digits(word)


_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_QUOTED = {b"%02X" % byte: bytes([byte]) for byte in range(256)}


def quoted(key: bytes) -> bytes:
    """The key as dumps and logs show it: percent-encoded, but for letters, digits and ``-._~``."""
    return b"".join([bytes([byte]) if byte in _PLAIN else b"%%%02X" % byte for byte in key])


def unquoted(word: bytes) -> bytes:
    """The key that is meant.

    Raises:
        RemoteProtocolError: a percent sign is not followed by two hexadecimal digits.
    """
    first, *rest = word.split(b"%")
    parts = [first]
    for part in rest:
        byte = _QUOTED.get(part[:2].upper())
        if byte is None:
            raise RemoteProtocolError(f"not percent-encoded: {word[:80]!r}")
        parts += (byte, part[2:])
    return b"".join(parts)


def dumped_key(line: bytes) -> bytes:
    """The key in a line of a `Mgdump`.

    Raises:
        RemoteProtocolError: it is no line of one.
    """
    words = line.split(b" ")
    key: bytes | None = None
    if words[0] == b"mg" and len(words) == 2:
        key = words[1]
    elif words[0] == b"mg" and len(words) == 3 and words[2] == b"b":
        key = decoded_key(words[1])
    if not key:
        raise RemoteProtocolError(f"not a key of a mgdump: {line[:80]!r}")
    return key


def log_pairs(line: bytes) -> tuple[tuple[str, str], ...]:
    """The names and values in a line of a log, in order.

    What has no name of its own belongs to the value before it. Keys stay percent-encoded.

    Raises:
        RemoteProtocolError: the line does not begin with a name.
    """
    pairs: list[tuple[str, str]] = []
    for word in line.split(b" "):
        name, equals, value = word.partition(b"=")
        if equals and name:
            pairs.append((text_of(name), text_of(value)))
        elif pairs:
            last, before = pairs[-1]
            pairs[-1] = (last, f"{before} {text_of(word)}")
        else:
            raise RemoteProtocolError(f"not a line of a log: {line[:80]!r}")
    return tuple(pairs)
