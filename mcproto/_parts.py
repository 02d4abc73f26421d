"""Bytes to be written that are not joined, since a large value would be copied for that.

Knows nothing of commands and replies: pieces in, fewer pieces out.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LARGE", "Hidden", "gathered", "in_parts"]


class Hidden(bytes):
    """Bytes that hold a secret, and are not shown where the variables of a frame are."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"

    __str__ = __repr__


LARGE = 16384
"""From so many bytes on it costs less to write a value by itself than to join it to its head
(benchmarks/large.py)."""


def in_parts(head: bytes, value: bytes) -> tuple[bytes, ...]:
    """A head, a data block and its ending, the block by itself if it is large."""
    if len(value) < LARGE:
        return (b"%b%b\r\n" % (head, value),)
    return head, value, b"\r\n"


def gathered(parts: Iterable[bytes]) -> tuple[bytes, ...]:
    """The same bytes in as few pieces as can be without a copy of a large one."""
    pieces: list[bytes] = []
    short: list[bytes] = []
    for part in parts:
        if len(part) < LARGE:
            short.append(part)
            continue
        if short:
            pieces.append(b"".join(short))
            short = []
        pieces.append(part)
    if short:
        pieces.append(b"".join(short))
    return tuple(pieces)
