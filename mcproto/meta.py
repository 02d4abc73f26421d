"""The meta commands: their flags, the grammar of their replies, and what those mean.

As in memcached's protocol.txt, "Meta Commands".  Flags are keywords by their letters: True, or
the argument.  A command sends them in one fixed order (that of its parameters, ``T`` last).

A reply is matched by all that the request offers: its code must be one that the command can get,
the opaque token (``O``) and the key (``k``) must come back, and no flag may come that was
not asked for.  Anything else answers somebody else's question.
"""

# pyright: reportConstantRedefinition=false
# Flags are attributes by their letters, and half of the letters are capitals.

from __future__ import annotations

from ._command import Command
from ._errors import InvalidArgument, InvalidKey, ProtocolDesync
from ._read_replies import read_meta
from ._replies import NO_REPLY, ErrorReply, MetaReply
from ._tokens import (
    FORBIDDEN,
    I32,
    U32,
    U64,
    checked_bool,
    checked_int,
    checked_key,
    checked_text,
    checked_value,
    decoded_key,
)
from ._typing import R_co

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, Self

    from ._buffer import ReceiveBuffer
    from ._read_replies import Limits, Progress
    from ._replies import NeedData, NoReply, Reply

__all__ = ["MAX_OPAQUE", "Arithmetic", "Debug", "Delete", "Get", "Noop", "Set"]

MAX_OPAQUE = 31
"""The longest opaque token, in bytes."""

# The flags that take a number, and its range.  Servers before 1.6.40 wrap what is out of it.
_NUMBER_FLAGS = {
    "C": (0, U64),
    "D": (0, U64),
    "E": (0, U64),
    "F": (0, U32),
    "J": (0, U64),
    "N": (-I32 - 1, I32),
    "R": (-I32 - 1, I32),
    "T": (-I32 - 1, I32),
}

# The flags that take an argument, and are left out where it is None. All others are bools.
_VALUED = frozenset("MO").union(_NUMBER_FLAGS)

# Requests for something in the reply: the letter comes back. What comes unasked: W X Z, and b
# with a key that the server shows in base64.
_SHOWN = frozenset("bcfhklOstv")
_UNASKED = frozenset("WXZb")


class _Meta(Command[R_co]):
    """A meta command about one key."""

    __slots__ = ("_codes", "_flags", "key", "letters", "quiet")

    letters: str
    """The flags, in the order in which the request has them."""

    verb: bytes
    codes: frozenset[str]
    hidden: frozenset[str]
    """The codes that the quiet form does not send."""

    _letters: tuple[tuple[str, object], ...]
    """The flags there are, in the order of the parameters, and what they are if not given."""

    # What all of them have, declared for the code below; the slots are the subclasses'.
    b: bool
    k: bool
    O: bytes | None
    q: bool

    def __init_subclass__(cls) -> None:
        flags = [name for name in cls.__match_args__ if len(name) == 1]
        cls._letters = tuple([(name, None if name in _VALUED else False) for name in flags])

    def _checked(self, key: str | bytes) -> None:
        """Check key and flags, and make the flags' bytes. The attributes are set already."""
        self.key = checked_key(key)
        self._ordered(
            [letter for letter, absent in self._letters if getattr(self, letter) is not absent]
        )
        if self.b:
            _check_base64(self.key)

    def _ordered(self, letters: list[str]) -> None:
        """Set what follows from the flags and their order."""
        self.letters = "".join(letters)
        self._flags = b"".join([_word(letter, getattr(self, letter)) for letter in letters])
        # Hidden codes are those that are not sent.
        self._codes = self.codes - self.hidden if self.quiet else self.codes

    @classmethod
    def received(cls, **fields: object) -> Self:
        """See `Command.received`. The flags are in the request's order, and absent where absent."""
        command = cls.__new__(cls)
        for name in cls.__match_args__:
            setattr(command, name, fields.get(name, None if name in _VALUED else False))
        command.quiet = command.q
        command._ordered([name for name in fields if len(name) == 1])
        return command

    @property
    def item_key(self) -> bytes:
        """The key of the item that is meant: decoded, where *b* says that it is base64."""
        return _item_key(self.key, self.b)

    def hides(self, reply: Reply) -> bool:
        return self.quiet and isinstance(reply, MetaReply) and reply.code in self.hidden

    def encode(self) -> bytes:
        return b"%b %b%b\r\n" % (self.verb, self.key, self._flags)

    def read(
        self, buffer: ReceiveBuffer, progress: Progress, limits: Limits
    ) -> MetaReply | ErrorReply | NeedData:
        reply = read_meta(buffer, progress, limits)
        if isinstance(reply, MetaReply) and not self.may_get(reply):
            raise ProtocolDesync(f"{type(self).__name__} of {self.key!r} answered by {reply!r}")
        return reply

    def may_get(self, reply: MetaReply) -> bool:
        """Whether the reply can answer this command: its form, opaque and key fit."""
        if reply.code not in self._codes:
            return False
        opaque = key = None
        for letter, argument in reply.flags:
            if not (letter in _SHOWN and letter in self.letters) and letter not in _UNASKED:
                return False
            if letter == "O":
                opaque = argument or b""
            elif letter == "k":
                key = argument
        if opaque != self.O:
            return False
        if not self.k:
            return True
        return key == self.key or (key is not None and self._same_key(key, reply))

    def _same_key(self, shown: bytes, reply: MetaReply) -> bool:
        """Whether the key as shown is ours in its other spelling.

        On a hit the stored item decides whether its key is shown in base64 (then ``b`` says so).
        """
        theirs = decoded_key(shown) if "b" in reply else shown
        return theirs == self.item_key

    @property
    def is_named(self) -> bool:
        """Whether a reply says that it answers this command and no other."""
        return self.O is not None or self.k


class _Reported(_Meta[MetaReply]):
    """A command whose result is the reply. Silence means what a quiet command does not send."""

    __slots__ = ()

    def result(self, reply: Reply | NoReply) -> MetaReply:
        if isinstance(reply, MetaReply) and reply.code in self.codes:
            return reply
        if reply is NO_REPLY and self.quiet:
            return MetaReply("HD")
        raise self._unexpected(reply)


class Get(_Meta["MetaReply | None"]):
    """``mg``: an item's value (``v``) and whatever else the flags ask for; None is a miss.

    Args:
        key: as it stands in the line: base64 if *b* is set.
        b: the key is base64; the server decodes it before use.
        c: show the cas unique.
        C: leave the value out if this is still the cas unique (1.6.40 and later).
        E: the cas unique of an item that this request creates (1.6.27 and later).
        f: show the client flags.
        h: show whether the item had been fetched before (0, 1).
        k: show the key.
        l: show the seconds since the last access.
        N: create an empty item with this ttl where there is none; the reply then has ``W``.
        O: an opaque token of up to 31 bytes, which comes back.
        q: quiet: a miss is not answered.
        R: if fewer seconds than this are left, the reply has ``W``: recache it.
        s: show the size of the value.
        t: show the remaining ttl in seconds, -1: none.
        u: do not count this as an access.
        v: show the value.
        T: set the ttl, in seconds.
    """

    __slots__ = (
        "C",
        "E",
        "N",
        "O",
        "R",
        "T",
        "b",
        "c",
        "f",
        "h",
        "is_read",
        "k",
        "l",
        "q",
        "s",
        "t",
        "u",
        "v",
    )
    __match_args__ = (
        "key",
        "b",
        "c",
        "C",
        "E",
        "f",
        "h",
        "k",
        "l",
        "N",
        "O",
        "q",
        "R",
        "s",
        "t",
        "u",
        "v",
        "T",
    )

    verb = b"mg"
    codes = frozenset(["HD", "VA", "EN"])
    hidden = frozenset(["EN"])

    def __init__(
        self,
        key: str | bytes,
        *,
        b: bool = False,
        c: bool = False,
        C: int | None = None,
        E: int | None = None,
        f: bool = False,
        h: bool = False,
        k: bool = False,
        l: bool = False,
        N: int | None = None,
        O: str | bytes | None = None,
        q: bool = False,
        R: int | None = None,
        s: bool = False,
        t: bool = False,
        u: bool = False,
        v: bool = False,
        T: int | None = None,
    ) -> None:
        self.b = b
        self.c = c
        self.C = C
        self.E = E
        self.f = f
        self.h = h
        self.k = k
        self.l = l
        self.N = N
        self.O = _opaque(O)
        self.q = self.quiet = q
        self.R = R
        self.s = s
        self.t = t
        self.u = u
        self.v = v
        self.T = T
        self._checked(key)

    def _ordered(self, letters: list[str]) -> None:
        super()._ordered(letters)
        self.is_read = self.N is None and self.R is None and self.T is None

    def may_get(self, reply: MetaReply) -> bool:
        # A value that was not asked for is not our answer, nor is a hit that lacks the value,
        # but for a cas that still matches.
        if reply.code == "VA" and not self.v:
            return False
        if reply.code == "HD" and self.v and self.C is None:
            return False
        return super().may_get(reply)

    def result(self, reply: Reply | NoReply) -> MetaReply | None:
        if isinstance(reply, MetaReply) and reply.code in self.codes:
            return None if reply.code == "EN" else reply
        if reply is NO_REPLY and self.q:
            return None
        raise self._unexpected(reply)


class Set(_Reported):
    """``ms``: store. ``HD`` stored, ``NS`` not stored, ``EX`` cas does not match, ``NF`` not found.

    Args:
        key: as it stands in the line: base64 if *b* is set.
        value: bytes.
        b: the key is base64.
        c: show the new cas unique.
        C: store only if this is still the cas unique.
        E: the cas unique that the item is to have (1.6.27 and later).
        F: the client flags.
        I: with C: store over a newer item's older version, and leave it marked stale.
        k: show the key.
        M: the mode: ``"S"`` set, ``"E"`` add, ``"A"`` append, ``"P"`` prepend, ``"R"`` replace.
        N: append and prepend: create the item with this ttl if there is none (1.6.20 and later).
        O: an opaque token of up to 31 bytes, which comes back.
        q: quiet: ``HD`` is not sent.
        s: show the size of the value.
        T: the ttl: in seconds, or a Unix time.
    """

    __slots__ = ("C", "E", "F", "I", "M", "N", "O", "T", "b", "c", "k", "q", "s", "value")
    __match_args__ = (
        "key",
        "value",
        "b",
        "c",
        "C",
        "E",
        "F",
        "I",
        "k",
        "M",
        "N",
        "O",
        "q",
        "s",
        "T",
    )

    verb = b"ms"
    codes = frozenset(["HD", "NS", "EX", "NF"])
    hidden = frozenset(["HD"])

    def __init__(
        self,
        key: str | bytes,
        value: bytes,
        *,
        b: bool = False,
        c: bool = False,
        C: int | None = None,
        E: int | None = None,
        F: int | None = None,
        I: bool = False,
        k: bool = False,
        M: Literal["S", "E", "A", "P", "R"] | None = None,
        N: int | None = None,
        O: str | bytes | None = None,
        q: bool = False,
        s: bool = False,
        T: int | None = None,
    ) -> None:
        self.value = checked_value(value)
        self.b = b
        self.c = c
        self.C = C
        self.E = E
        self.F = F
        self.I = I
        self.k = k
        self.M = _mode(M, "SEAPR")
        self.N = N
        self.O = _opaque(O)
        self.q = self.quiet = q
        self.s = s
        self.T = T
        self._checked(key)

    @property
    def value_size(self) -> int:
        return len(self.value)

    def encode(self) -> bytes:
        value = self.value
        return b"ms %b %d%b\r\n%b\r\n" % (self.key, len(value), self._flags, value)


class Delete(_Reported):
    """``md``: delete, or mark stale. ``HD`` done, ``NF`` not found, ``EX`` cas does not match.

    Args:
        key: as it stands in the line: base64 if *b* is set.
        b: the key is base64.
        C: only if this is still the cas unique.
        E: the cas unique that the item is to have (1.6.27 and later).
        F: with x: the client flags.
        I: mark the item stale instead of deleting it.
        k: show the key.
        O: an opaque token of up to 31 bytes, which comes back.
        q: quiet: ``HD`` is not sent; ``NF`` is.
        x: empty the value and keep the item (1.6.27 and later).
        T: with I or x: the ttl, in seconds.
    """

    __slots__ = ("C", "E", "F", "I", "O", "T", "b", "k", "q", "x")
    __match_args__ = ("key", "b", "C", "E", "F", "I", "k", "O", "q", "x", "T")

    verb = b"md"
    codes = frozenset(["HD", "NF", "EX"])
    hidden = frozenset(["HD"])

    def __init__(
        self,
        key: str | bytes,
        *,
        b: bool = False,
        C: int | None = None,
        E: int | None = None,
        F: int | None = None,
        I: bool = False,
        k: bool = False,
        O: str | bytes | None = None,
        q: bool = False,
        x: bool = False,
        T: int | None = None,
    ) -> None:
        self.b = b
        self.C = C
        self.E = E
        self.F = F
        self.I = I
        self.k = k
        self.O = _opaque(O)
        self.q = self.quiet = q
        self.x = x
        self.T = T
        self._checked(key)


class Arithmetic(_Reported):
    """``ma``: count up or down. ``HD`` or ``VA`` done, ``NF`` not found, ``EX``, ``NS``.

    Args:
        key: as it stands in the line: base64 if *b* is set.
        b: the key is base64.
        c: show the new cas unique.
        C: only if this is still the cas unique.
        D: how much, 64 bit unsigned; the server's default is 1.
        E: the cas unique that the item is to have (1.6.27 and later).
        J: with N: the initial value; the server's default is 0.
        k: show the key.
        M: the mode: ``"I"`` or ``"+"`` up, ``"D"`` or ``"-"`` down.
        N: create the item with this ttl if there is none.
        O: an opaque token of up to 31 bytes, which comes back.
        q: quiet: success is not answered (nor is the number); ``NF`` is.
        t: show the remaining ttl, before T.
        v: show the number.
        T: set the ttl, in seconds.
    """

    __slots__ = ("C", "D", "E", "J", "M", "N", "O", "T", "b", "c", "k", "q", "t", "v")
    __match_args__ = ("key", "b", "c", "C", "D", "E", "J", "k", "M", "N", "O", "q", "t", "v", "T")

    verb = b"ma"
    codes = frozenset(["HD", "VA", "NF", "EX", "NS"])
    hidden = frozenset(["HD", "VA"])

    def __init__(
        self,
        key: str | bytes,
        *,
        b: bool = False,
        c: bool = False,
        C: int | None = None,
        D: int | None = None,
        E: int | None = None,
        J: int | None = None,
        k: bool = False,
        M: Literal["I", "+", "D", "-"] | None = None,
        N: int | None = None,
        O: str | bytes | None = None,
        q: bool = False,
        t: bool = False,
        v: bool = False,
        T: int | None = None,
    ) -> None:
        self.b = b
        self.c = c
        self.C = C
        self.D = D
        self.E = E
        self.J = J
        self.k = k
        self.M = _mode(M, "I+D-")
        self.N = N
        self.O = _opaque(O)
        self.q = self.quiet = q
        self.t = t
        self.v = v
        self.T = T
        self._checked(key)

    def _ordered(self, letters: list[str]) -> None:
        super()._ordered(letters)
        if self.N is not None:
            # Old servers (1.6.18) answer the request that creates the item, quiet or not.
            self._codes = self.codes

    def may_get(self, reply: MetaReply) -> bool:
        if (reply.code == "VA" and not self.v) or (reply.code == "HD" and self.v):
            return False
        return super().may_get(reply)


class Noop(Command[MetaReply]):
    """``mn``: nothing. Its answer, ``MN``, proves that all before it has been answered."""

    __slots__ = ()

    is_read = True
    is_barrier = True

    def encode(self) -> bytes:
        return b"mn\r\n"

    def read(
        self, buffer: ReceiveBuffer, progress: Progress, limits: Limits
    ) -> MetaReply | ErrorReply | NeedData:
        reply = read_meta(buffer, progress, limits)
        if isinstance(reply, MetaReply) and not self.may_get(reply):
            raise ProtocolDesync(f"Noop answered by {reply!r}")
        return reply

    def may_get(self, reply: MetaReply) -> bool:
        return reply.code == "MN"

    def result(self, reply: Reply | NoReply) -> MetaReply:
        if isinstance(reply, MetaReply) and reply.code == "MN":
            return reply
        raise self._unexpected(reply)


class Debug(Command[MetaReply]):
    """``me``: what the server knows of an item; ``ME`` with name and value pairs, ``EN`` a miss.

    Args:
        key: as it stands in the line: base64 if *b* is set.
        b: the key is base64.
    """

    __slots__ = ("b", "key")
    __match_args__ = ("key", "b")

    is_read = True

    def __init__(self, key: str | bytes, *, b: bool = False) -> None:
        self.key = checked_key(key)
        self.b = checked_bool("b", b)
        if b:
            _check_base64(self.key)

    @property
    def item_key(self) -> bytes:
        """The key of the item that is meant: decoded, where *b* says that it is base64."""
        return _item_key(self.key, self.b)

    def encode(self) -> bytes:
        # Servers from 1.6.40 on find the b only if something stands behind it.
        return b"me %b%b\r\n" % (self.key, b" b x" if self.b else b"")

    def read(
        self, buffer: ReceiveBuffer, progress: Progress, limits: Limits
    ) -> MetaReply | ErrorReply | NeedData:
        reply = read_meta(buffer, progress, limits)
        if isinstance(reply, MetaReply) and not self.may_get(reply):
            raise ProtocolDesync(f"Debug of {self.key!r} answered by {reply!r}")
        return reply

    def may_get(self, reply: MetaReply) -> bool:
        if reply.code != "ME":
            return reply.code == "EN"
        # An item stored under a base64 key is shown so, whatever was asked; and nothing says so.
        shown = reply.argument("k") or b""
        return not {shown, decoded_key(shown)}.isdisjoint((self.key, self.item_key))

    def result(self, reply: Reply | NoReply) -> MetaReply:
        if isinstance(reply, MetaReply) and reply.code in ("ME", "EN"):
            return reply
        raise self._unexpected(reply)


# ---------------------------------------------------------------------------------------- flags


def _word(letter: str, argument: object) -> bytes:
    """The flag as it goes over the wire, with the blank before it."""
    if argument is True and letter not in _VALUED:
        return b" " + letter.encode()
    # By their letters, not by their types: what is given for another flag must not go out.
    if letter == "O":
        assert isinstance(argument, bytes)  # checked when it was taken
        return b" O" + argument
    if letter == "M":
        assert isinstance(argument, str)  # likewise
        return b" M" + argument.encode()
    numbers = _NUMBER_FLAGS.get(letter)
    if numbers is not None:
        number = checked_int(letter, argument, *numbers)  # type: ignore[arg-type]
        return b" %b%d" % (letter.encode(), number)
    raise TypeError(f"{letter} must be a bool, not {type(argument).__name__}")


def _opaque(token: str | bytes | None) -> bytes | None:
    if token is None:
        return None
    wire = checked_text("O", token)
    if len(wire) > MAX_OPAQUE or wire.translate(None, FORBIDDEN) != wire:
        raise InvalidArgument(
            f"O must be up to {MAX_OPAQUE} bytes without blanks or control characters: {wire!r}"
        )
    return wire


def _mode(mode: str | None, known: str) -> str | None:
    if mode is None:
        return None
    if not isinstance(mode, str):
        raise TypeError(f"M must be a str, not {type(mode).__name__}")
    if len(mode) != 1 or mode not in known:
        raise InvalidArgument(f"M must be one of {', '.join(known)}, not {mode!r}")
    return mode


def _item_key(key: bytes, is_base64: bool) -> bytes:
    if not is_base64:
        return key
    decoded = decoded_key(key)
    assert decoded is not None  # checked when the command was made
    return decoded


def _check_base64(key: bytes) -> None:
    from binascii import Error, a2b_base64

    try:
        a2b_base64(key, strict_mode=True)
    except Error as error:
        raise InvalidKey(f"key is not base64: {key!r} ({error})") from None
