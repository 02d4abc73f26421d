"""The server's ear for binary requests: frames -> commands, as memcached hears them.

A frame says how long it is, so there is one way to hear them all: the header is judged, in the
order in which memcached judges it, and what is not to be had is refused, and its body swallowed or
the connection closed.  One table has the form of each request.

One thing is not imitated: behind an opcode that it does not know memcached swallows more than the
body, if there are a key or extras in it, and is lost.
"""

from __future__ import annotations

from . import binary, sasl
from ._binary_frames import (
    AUTH_ERROR,
    HEADER,
    INVALID_ARGUMENTS,
    REQUEST,
    TOO_LARGE,
    UNKNOWN_COMMAND,
    error_of,
)
from ._buffer import ReceiveBuffer
from ._replies import CLOSED, NEED_DATA, BadRequest, BinaryReply
from ._tokens import MAX_KEY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from ._binary_command import BinaryCommand
    from ._binary_frames import Header
    from ._command import Command
    from ._generations import Generation
    from ._replies import Closed, NeedData

    # (cas, extras, key, value) -> what a command has beside its opaque and its variant
    Fields: TypeAlias = Callable[[int, bytes, bytes, bytes], dict[str, object]]

__all__ = ["BinaryReader"]

# memcached takes header, extras and key out of one read buffer, or gives up.
_READ_BUFFER = 16384


class BadFrame(BadRequest):
    """A frame that asks for nothing we know, or in a way that is not allowed."""

    __slots__ = ("opaque", "opcode")
    __match_args__ = ("reply", "opcode", "opaque")

    def __init__(
        self, status: int, header: Header, *, removes: bytes | None = None, closes: bool = False
    ) -> None:
        super().__init__(error_of(BinaryReply(status)), removes=removes, closes=closes)
        self.opcode = header[1]
        self.opaque = header[7]


class _Form:
    """What a request is made of.

    Attributes:
        kind: the command that it is.
        variant: fields that follow from the opcode.
        extras: how many bytes of them there may be.
        key: whether there must be one; None: there may be.
        value: whether there may be one; None: memcached does not look, and takes what is there for
            the next request.
        fields: see `Fields`.
    """

    __slots__ = ("extras", "fields", "key", "kind", "value", "variant")

    def __init__(
        self,
        kind: type[BinaryCommand[object]],
        variant: dict[str, bool],
        extras: tuple[int, ...],
        key: bool | None,
        value: bool | None,
        fields: Fields,
    ) -> None:
        self.kind = kind
        self.variant = variant
        self.extras = extras
        self.key = key
        self.value = value
        self.fields = fields

    def fits(self, extras_size: int, key_size: int, value_size: int) -> bool:
        return (
            extras_size in self.extras
            and self.key in (None, key_size > 0)
            and (self.value is not False or not value_size)
        )


class BinaryReader:
    """Requests out of bytes, one after the other.

    Args:
        max_value: the largest value that is kept until it is whole, in bytes. Larger ones are
            refused and swallowed.
        like: the server that is imitated.
        is_stranger: nothing is heard but who is there (and VERSION), as long as that is so.
    """

    __slots__ = (
        "_buffer",
        "_header",
        "_like",
        "_max_value",
        "_refusal",
        "_unwanted",
        "is_stranger",
    )

    def __init__(self, max_value: int, like: Generation, *, is_stranger: bool = False) -> None:
        self._buffer = ReceiveBuffer(0)  # there are no lines
        self._max_value = max_value
        self._like = like
        self._header: Header | None = None  # of the request whose body is not whole yet
        self._refusal: BadFrame | None = None  # what comes once all of it has been swallowed
        self._unwanted = 0  # bytes that are still to be swallowed
        self.is_stranger = is_stranger

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take what the peer has sent. What will be swallowed is not kept."""
        if self._unwanted:
            # Nothing is in the buffer, or it would have been swallowed.
            unwanted = min(self._unwanted, len(data))
            self._unwanted -= unwanted
            if unwanted == len(data):
                return
            data = data[unwanted:]
        self._buffer.feed(data)

    def let_in(self) -> None:
        """From here on any command is heard."""
        self.is_stranger = False

    def next(self) -> Command[object] | BadRequest | NeedData | Closed:
        """The next request; CLOSED: the peer speaks another protocol."""
        if self._refusal is None:
            event = self._heard()
            if event is not None:
                return event
        if self._unwanted:
            return NEED_DATA
        refusal, self._refusal = self._refusal, None
        assert refusal is not None
        return refusal

    def _heard(self) -> Command[object] | BadRequest | NeedData | Closed | None:
        """As `next`; None: a request has been refused, and what is left of it is unwanted."""
        buffer = self._buffer
        header = self._header
        if header is None:
            if len(buffer) < HEADER.size:
                return NEED_DATA
            header = HEADER.unpack(buffer.take(HEADER.size))
            verdict = self._verdict(header)
            if verdict is CLOSED or (verdict is not None and verdict.closes):
                return verdict
            if verdict is not None:
                self._refuse(verdict, header[6])
                return None
            self._header = header
        _, opcode, key_size, extras_size, _, _, body_size, opaque, cas = header
        form = _FORMS[opcode]
        value_size = 0 if form.value is None else body_size - extras_size - key_size
        is_wanted = value_size <= self._max_value
        if len(buffer) < extras_size + key_size + (value_size if is_wanted else 0):
            return NEED_DATA
        self._header = None
        extras = buffer.take(extras_size)
        key = buffer.take(key_size)
        if not is_wanted:
            removes = key if form.kind is binary.Set else None
            self._refuse(BadFrame(TOO_LARGE, header, removes=removes), value_size)
            return None
        value = buffer.take(value_size)
        return form.kind.received(
            opaque=opaque, **form.variant, **form.fields(cas, extras, key, value)
        )

    def _refuse(self, refusal: BadFrame, size: int) -> None:
        # Whoever waits for the error before he sends the rest waits for ever.
        self._refusal = refusal
        self._unwanted = size - self._buffer.skip(size)

    def _verdict(self, header: Header) -> BadFrame | Closed | None:
        """What is wrong with a request, as far as its header tells."""
        magic, opcode, key_size, extras_size, _, _, body_size, _, _ = header
        if magic != REQUEST or HEADER.size + key_size + extras_size > _READ_BUFFER:
            return CLOSED
        if key_size + extras_size > body_size:
            return BadFrame(UNKNOWN_COMMAND, header, closes=True)
        if self.is_stranger and opcode not in _FOR_STRANGERS:
            return BadFrame(AUTH_ERROR, header, closes=True)
        if body_size > self._like.largest_body or key_size > MAX_KEY:
            return BadFrame(INVALID_ARGUMENTS, header, closes=True)
        form = _FORMS.get(opcode)
        if form is None:
            return BadFrame(UNKNOWN_COMMAND, header)
        if not form.fits(extras_size, key_size, body_size - key_size - extras_size):
            return BadFrame(INVALID_ARGUMENTS, header, closes=True)
        if opcode in _RESPONSES and key_size > sasl.MAX_MECHANISM:
            return BadFrame(INVALID_ARGUMENTS, header)
        return None


# ------------------------------------------------------------------------------ the requests' forms


def _number(extras: bytes, start: int = 0, end: int | None = None) -> int:
    return int.from_bytes(extras[start:end], "big")


def _nothing(cas: int, extras: bytes, key: bytes, value: bytes) -> dict[str, object]:
    return {}


def _of_key(cas: int, extras: bytes, key: bytes, value: bytes) -> dict[str, object]:
    return {"key": key}


def _of_key_and_cas(cas: int, extras: bytes, key: bytes, value: bytes) -> dict[str, object]:
    return {"key": key, "cas": cas}


def _touching(cas: int, extras: bytes, key: bytes, value: bytes) -> dict[str, object]:
    return {"key": key, "exptime": _number(extras)}


def _storage(cas: int, extras: bytes, key: bytes, value: bytes) -> dict[str, object]:
    flags, exptime = _number(extras, 0, 4), _number(extras, 4)
    return {"key": key, "value": value, "flags": flags, "exptime": exptime, "cas": cas}


def _concatenation(cas: int, extras: bytes, key: bytes, value: bytes) -> dict[str, object]:
    return {"key": key, "value": value, "cas": cas}


def _arithmetic(cas: int, extras: bytes, key: bytes, value: bytes) -> dict[str, object]:
    delta, initial, exptime = _number(extras, 0, 8), _number(extras, 8, 16), _number(extras, 16)
    creates = exptime != binary.NO_CREATION
    return {
        "key": key,
        "delta": delta,
        "initial": initial if creates else None,
        "exptime": exptime if creates else 0,
        "cas": cas,
    }


def _delay(cas: int, extras: bytes, key: bytes, value: bytes) -> dict[str, object]:
    return {"delay": _number(extras)}


def _group(cas: int, extras: bytes, key: bytes, value: bytes) -> dict[str, object]:
    return {"group": key.decode("utf-8", "surrogateescape") if key else None}


def _response(cas: int, extras: bytes, key: bytes, value: bytes) -> dict[str, object]:
    return {"mechanism": key.decode("latin-1"), "data": value}


def _forms(
    kind: type[BinaryCommand[object]],
    extras: tuple[int, ...],
    key: bool | None,
    value: bool | None,
    fields: Fields,
) -> dict[int, _Form]:
    variants: list[dict[str, bool]] = [{}]
    if len(kind.opcodes) == 2:
        variants = [{"quiet": False}, {"quiet": True}]
    elif len(kind.opcodes) == 4:
        variants = [{"quiet": q, "with_key": k} for k in (False, True) for q in (False, True)]
    return {
        opcode: _Form(kind, variant, extras, key, value, fields)
        for opcode, variant in zip(kind.opcodes, variants, strict=True)
    }


_FORMS: dict[int, _Form] = {
    **_forms(binary.Get, (0,), True, False, _of_key),
    **_forms(binary.Gat, (4,), True, None, _touching),
    **_forms(binary.Touch, (4,), True, None, _touching),
    **_forms(binary.Set, (8,), True, True, _storage),
    **_forms(binary.Add, (8,), True, True, _storage),
    **_forms(binary.Replace, (8,), True, True, _storage),
    **_forms(binary.Append, (0,), True, True, _concatenation),
    **_forms(binary.Prepend, (0,), True, True, _concatenation),
    **_forms(binary.Delete, (0,), True, False, _of_key_and_cas),
    **_forms(binary.Incr, (20,), True, False, _arithmetic),
    **_forms(binary.Decr, (20,), True, False, _arithmetic),
    **_forms(binary.Flush, (0, 4), False, False, _delay),
    **_forms(binary.Quit, (0,), False, False, _nothing),
    **_forms(binary.Noop, (0,), False, False, _nothing),
    **_forms(binary.Version, (0,), False, False, _nothing),
    **_forms(binary.Stat, (0,), None, None, _group),
    **_forms(sasl.List, (0,), False, False, _nothing),
    **_forms(sasl.Auth, (0,), True, True, _response),
    **_forms(sasl.Step, (0,), True, True, _response),
}

_RESPONSES = (*sasl.Auth.opcodes, *sasl.Step.opcodes)
_FOR_STRANGERS = (*sasl.List.opcodes, *_RESPONSES, *binary.Version.opcodes)
