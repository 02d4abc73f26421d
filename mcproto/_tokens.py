"""What may stand in a request line: keys, numbers, words.

Every token that a caller supplies passes through here before a byte is made.  This is what
keeps a key from being two keys, or a command: servers check little more than the length
(protocol.txt, "Keys"), so it is the client's job.
"""

from __future__ import annotations

from ._errors import InvalidArgument, InvalidKey

__all__ = [
    "MAX_KEY",
    "checked_key",
]

MAX_KEY = 250
"""The longest key in bytes, prefix and encoding included."""

# Control characters, the space and DEL: what would end a token or a line, or hide in a log.
FORBIDDEN = bytes(range(0x21)) + b"\x7f"

_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_NOT_BASE64 = bytes(set(range(256)).difference(_BASE64))

U32 = (1 << 32) - 1
U64 = (1 << 64) - 1
I32 = (1 << 31) - 1


def checked_key(key: str | bytes) -> bytes:
    """The key as it goes over the wire, str encoded as UTF-8.

    Raises:
        InvalidKey: it is empty, longer than 250 bytes, or holds a control character, a space
            or DEL (0x00-0x20, 0x7f).
        TypeError: it is neither str nor bytes.
    """
    if isinstance(key, str):
        try:
            wire = key.encode()
        except UnicodeEncodeError:
            raise InvalidKey(f"key cannot be encoded as UTF-8: {key!r}") from None
        if 0 < len(wire) <= MAX_KEY and wire.translate(None, FORBIDDEN) == wire:
            return wire
    elif isinstance(key, bytes):
        # A subclass of bytes would end up in our own comparisons and caches: take its base.
        wire = key if type(key) is bytes else bytes(key)
    else:
        raise TypeError(f"key must be str or bytes, not {type(key).__name__}")
    if 0 < len(wire) <= MAX_KEY and wire.translate(None, FORBIDDEN) == wire:
        return wire
    if not wire:
        raise InvalidKey("key is empty")
    if len(wire) > MAX_KEY:
        raise InvalidKey(f"key is {len(wire)} bytes long, {MAX_KEY} are allowed: {wire[:40]!r}...")
    raise InvalidKey(f"key holds a blank or a control character: {wire!r}")


def decoded_key(key: bytes) -> bytes | None:
    """The key that is meant by base64, as leniently as servers read it; None if it is none.

    Foreign characters are skipped, and nothing is read behind the padding, so that one key has
    many spellings.
    """
    # Imported at the first base64 key: few programs ever have one.
    from binascii import a2b_base64

    symbols = key.translate(None, _NOT_BASE64)
    if not symbols or len(symbols) % 4:
        return None
    padding = symbols.find(b"=")
    if padding < 0:
        return a2b_base64(symbols)
    symbols = symbols[: padding // 4 * 4 + 4]
    missing = symbols.count(b"=")
    if missing > 2:
        return None
    # Servers take a "=" in the middle of the last four for a zero, which is what "A" stands for.
    return a2b_base64(symbols.replace(b"=", b"A"))[:-missing]


def checked_int(name: str, value: int, low: int, high: int) -> int:
    """*value*, if it is a whole number from *low* to *high*."""
    if type(value) is not int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"{name} must be an int, not {type(value).__name__}")
        value = int(value)
    if not low <= value <= high:
        raise InvalidArgument(f"{name} must be from {low} to {high}, not {_shown(value)}")
    return value


def checked_bool(name: str, value: bool) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be a bool, not {type(value).__name__}")
    return value


def checked_value(value: bytes) -> bytes:
    """The bytes of a value. Any buffer will do; what is not bytes already is copied."""
    if type(value) is bytes:
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise TypeError(f"value must be bytes, not {type(value).__name__}")


def checked_text(name: str, text: str | bytes) -> bytes:
    """The bytes of a text, str encoded as UTF-8. What it may hold is for the caller to check."""
    if isinstance(text, str):
        try:
            return text.encode()
        except UnicodeEncodeError:
            raise InvalidArgument(f"{name} cannot be encoded as UTF-8: {text!r}") from None
    if isinstance(text, bytes):
        return bytes(text)
    raise TypeError(f"{name} must be str or bytes, not {type(text).__name__}")


def checked_words(name: str, text: str | bytes) -> str:
    """One or more words with single blanks between them, as ``stats`` takes them."""
    wire = checked_text(name, text)
    words = wire.split(b" ")
    if (
        len(wire) > MAX_KEY
        or not all(words)
        or any(w.translate(None, FORBIDDEN) != w for w in words)
    ):
        raise InvalidArgument(f"{name} must be words with single blanks between: {wire[:80]!r}")
    try:
        return wire.decode()
    except UnicodeDecodeError:
        raise InvalidArgument(f"{name} is not UTF-8: {wire!r}") from None


def checked_received(data: object) -> None:
    """Raise TypeError for what a receiving call never gives. (None would be taken for an end.)"""
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"data must be bytes, not {type(data).__name__}")


def _shown(value: int) -> str:
    # An int of more than 4300 digits refuses to be printed.
    return str(value) if value.bit_length() < 256 else f"a number of {value.bit_length()} bits"
