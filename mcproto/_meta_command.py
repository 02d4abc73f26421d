"""What the meta commands about a key have in common: flags as words, and whose a reply is.

A reply is matched by all that the request offers: its code must be one that the command can get,
every flag that was asked for must be there, in the order of the request, and no other, the opaque
token (``O``) and the key (``k``) must be the request's own.  Anything else answers somebody else's
question.

Knows which flags there are, and no command in particular: those are in `meta`.
"""

# pyright: reportConstantRedefinition=false
# Flags are attributes by their letters, and half of the letters are capitals.

from __future__ import annotations

from ._command import Command
from ._errors import InvalidArgument, InvalidKey, ProtocolDesync
from ._read_replies import read_meta
from ._replies import LoudReply, MetaReply
from ._tokens import (
    FORBIDDEN,
    I32,
    U32,
    U64,
    checked_int,
    checked_key,
    checked_text,
    decoded_key,
)
from ._typing import R_co

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from ._buffer import ReceiveBuffer
    from ._read_replies import Limits, Progress
    from ._replies import ErrorReply, NeedData, Reply

MAX_OPAQUE = 31
"""The longest opaque token, in bytes."""

# The flags that take a number, and its range.  Some servers wrap what is out of it.
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

_IN_BASE64 = ("b", None)


class MetaCommand(Command[R_co]):
    """A meta command about one key."""

    __slots__ = ("_codes", "_flags", "key", "letters", "quiet")

    letters: str
    """The flags, in the order in which the request has them."""

    verb: bytes
    codes: frozenset[str]
    hidden: frozenset[str]
    """The codes that the quiet form does not send."""

    shown: frozenset[str]
    """The flags that come back where it has succeeded; ``b`` comes with the key."""

    shown_on_failure = frozenset("kO")
    """Likewise where it has not."""

    may_lack: frozenset[str] = frozenset()
    """Of these flags, the ones that some servers do not show."""

    shows_stored_key = False
    """Whether a key that has been found is shown as it was stored, not as it was asked for."""

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
            check_base64(self.key)

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
        return item_key(self.key, self.b)

    def hides(self, reply: Reply) -> bool:
        if not self.quiet or not isinstance(reply, MetaReply) or isinstance(reply, LoudReply):
            return False
        return reply.code in self.hidden

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
        succeeded = reply.code in ("HD", "VA")
        shown = self.shown if succeeded else self.shown_on_failure
        flags = reply.flags
        count = len(flags)
        at = 0
        for letter in self.letters:
            if letter not in shown:
                continue
            if at == count or flags[at][0] != letter:
                if letter in self.may_lack:
                    continue
                return False
            argument = flags[at][1]
            at += 1
            if letter == "O":
                if (argument or b"") != self.O:
                    return False
            elif letter == "k":
                in_base64 = at < count and flags[at] == _IN_BASE64
                at += in_base64
                if in_base64 != self.b and not (succeeded and self.shows_stored_key):
                    return False
                if (argument != self.key or in_base64 != self.b) and self.item_key != (
                    decoded_key(argument or b"") if in_base64 else argument
                ):
                    return False
            elif letter == "c" and not succeeded and argument != b"0":
                return False  # it shows that there is none
        return at == count or (succeeded and self._may_end(flags[at:]))

    def _may_end(self, flags: tuple[tuple[str, bytes | None], ...]) -> bool:
        """Whether these may come unasked, behind those that were asked for."""
        return False

    @property
    def is_named(self) -> bool:
        """Whether a reply says that it answers this command and no other."""
        return self.O is not None or self.k


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


def checked_opaque(token: str | bytes | None) -> bytes | None:
    if token is None:
        return None
    wire = checked_text("O", token)
    if len(wire) > MAX_OPAQUE or wire.translate(None, FORBIDDEN) != wire:
        raise InvalidArgument(
            f"O must be up to {MAX_OPAQUE} bytes without blanks or control characters: {wire!r}"
        )
    return wire


def checked_mode(mode: str | None, known: str) -> str | None:
    if mode is None:
        return None
    if not isinstance(mode, str):
        raise TypeError(f"M must be a str, not {type(mode).__name__}")
    if len(mode) != 1 or mode not in known:
        raise InvalidArgument(f"M must be one of {', '.join(known)}, not {mode!r}")
    return mode


def item_key(key: bytes, is_base64: bool) -> bytes:
    """The key that is meant."""
    if not is_base64:
        return key
    decoded = decoded_key(key)
    assert decoded is not None  # checked when the command was made
    return decoded


def check_base64(key: bytes) -> None:
    """Raise InvalidKey if a key is no base64, strictly."""
    from binascii import Error, a2b_base64

    try:
        a2b_base64(key, strict_mode=True)
    except Error as error:
        raise InvalidKey(f"key is not base64: {key!r} ({error})") from None
