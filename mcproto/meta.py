"""The meta commands: their flags, and what their replies mean.

As in memcached's protocol.txt, "Meta Commands".  Flags are keywords by their letters: True, or
the argument.  A command has those that do something to it, and no others; it sends them in one
fixed order (that of its parameters, ``T`` last).
"""

# pyright: reportConstantRedefinition=false
# Flags are attributes by their letters, and half of the letters are capitals.

from __future__ import annotations

from ._command import COUNTING_ERRORS, STORING_ERRORS, VAGUE_FLAG_ERRORS, Command
from ._errors import ProtocolDesync
from ._meta_command import (
    MAX_OPAQUE,
    MetaCommand,
    check_base64,
    checked_mode,
    checked_opaque,
    item_key,
)
from ._parts import in_parts
from ._read_replies import read_meta
from ._replies import NO_REPLY, ErrorReply, MetaReply
from ._tokens import U64, checked_bool, checked_key, checked_value, decoded_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from ._buffer import ReceiveBuffer
    from ._read_replies import Limits, Progress
    from ._replies import NeedData, NoReply, Reply

__all__ = ["MAX_OPAQUE", "Arithmetic", "Debug", "Delete", "Get", "Noop", "Set"]

# What may stand behind the flags of a hit: won, stale, already won.
_WON = frozenset(
    [
        (("W", None),),
        (("Z", None),),
        (("X", None), ("W", None)),
        (("Z", None), ("X", None)),
    ]
)


class _Reported(MetaCommand[MetaReply]):
    """A command whose result is the reply. Silence means what a quiet command does not send."""

    __slots__ = ()

    def result(self, reply: Reply | NoReply) -> MetaReply:
        if isinstance(reply, MetaReply) and reply.code in self.codes:
            return reply
        if reply is NO_REPLY and self.quiet:
            return MetaReply("HD")
        raise self._unexpected(reply)


class Get(MetaCommand["MetaReply | None"]):
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
    shown = frozenset("cfhklOst")
    shows_stored_key = True

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
        self.O = checked_opaque(O)
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
        if reply.code == "VA":
            if not self.v:
                return False
        elif reply.code == "HD" and self.v and not self._may_leave_out(reply):
            return False
        return super().may_get(reply)

    def _may_leave_out(self, reply: MetaReply) -> bool:
        """Whether the value need not be in the reply, since its cas is still the same."""
        return self.C is not None and (not self.c or reply.number("c") == self.C)

    def _may_end(self, flags: tuple[tuple[str, bytes | None], ...]) -> bool:
        return flags in _WON

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
    shown = shown_on_failure = frozenset("ckOs")
    may_lack = frozenset("s")  # before 1.6.20
    has_block = True
    own_errors = STORING_ERRORS

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
        self.M = checked_mode(M, "SEAPR")
        self.N = N
        self.O = checked_opaque(O)
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

    def encode_parts(self) -> tuple[bytes, ...]:
        value = self.value
        return in_parts(b"ms %b %d%b\r\n" % (self.key, len(value), self._flags), value)


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
    shown = frozenset("kO")
    own_errors = VAGUE_FLAG_ERRORS

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
        self.O = checked_opaque(O)
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
    shown = frozenset("ckOt")
    own_errors = COUNTING_ERRORS | VAGUE_FLAG_ERRORS

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
        self.M = checked_mode(M, "I+D-")
        self.N = N
        self.O = checked_opaque(O)
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
        if reply.code == "VA":
            if not self.v or not _is_number(reply.value or b""):
                return False
        elif reply.code == "HD" and self.v:
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

    def may_fail(self, error: ErrorReply) -> bool:
        return error.kind == "ERROR"  # a server that does not know it

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
            check_base64(self.key)

    @property
    def item_key(self) -> bytes:
        """The key of the item that is meant: decoded, where *b* says that it is base64."""
        return item_key(self.key, self.b)

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


def _is_number(value: bytes) -> bool:
    return value.isdigit() and len(value) <= 20 and int(value) <= U64
