"""Faults for a `mcclient.testing.FaultProxy`: what is done to a message or connection that passes.

A fault is a function that takes a `mcclient.testing.Passing`; these are the ones that are needed
again and again.  Some are for connections, some for requests, some for replies, most for any
message.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from random import Random

from ._proxy import Fault, Passing
from ._scripted import PATIENCE, Request

__all__ = [
    "Hold",
    "alter",
    "answer",
    "append",
    "claim",
    "close",
    "cut",
    "deaf",
    "delay",
    "double",
    "dribble",
    "endless",
    "half_close",
    "pieces",
    "replace",
    "reset",
    "say_first",
    "silence",
    "split",
    "swallow",
    "swap",
    "wrong_key",
    "wrong_opaque",
]

# ------------------------------------------------------------------------------- for connections


def close(passing: Passing) -> None:
    """The connection is closed on both sides."""
    passing.close()


def reset(passing: Passing) -> None:
    """The connection is reset."""
    passing.reset()


def silence(passing: Passing) -> None:
    """Whatever comes in this direction from here on is read, and goes no further.

    For a connection: it is accepted, and nothing is ever answered.
    """
    passing.drain()


def deaf(passing: Passing) -> None:
    """Nothing that comes in this direction is read any more, so that the sender's buffers fill up.

    For a connection: it is accepted, and that is all.
    """
    while True:
        passing.wait(PATIENCE)


def say_first(data: bytes) -> Fault:
    """Says *data* before it is asked, and closes: a server with too many clients does so."""

    def fault(passing: Passing) -> None:
        passing.answer(data)
        passing.close()

    return fault


# ------------------------------------------------------------------------------ for any message


def swallow(passing: Passing) -> None:
    """The message goes no further: a request that is lost, a reply that never comes."""


class Hold:
    """The message waits for `release`, and those behind it with it; then it goes on.

    Attributes:
        arrived: set when the message has come.
    """

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self._released = threading.Event()

    def release(self) -> None:
        """Let it go."""
        self._released.set()

    def __call__(self, passing: Passing) -> None:
        """Wait, then forward."""
        self.arrived.set()
        while not self._released.is_set():
            # (The end of the connection must be seen too.)
            passing.wait(0)
            self._released.wait(0.01)
        passing.forward()


def delay(seconds: float, jitter: float = 0.0, random: Random | None = None) -> Fault:
    """The message comes later by *seconds*, and by up to *jitter* seconds more, at random."""
    chance = random or Random()

    def fault(passing: Passing) -> None:
        passing.wait(seconds + jitter * chance.random())
        passing.forward()

    return fault


def dribble(pause: float) -> Fault:
    """One byte comes at a time, *pause* seconds after the other."""
    return pieces(1, pause)


def pieces(size: int, pause: float = 0.0) -> Fault:
    """The message comes in pieces of *size* bytes, *pause* seconds before each."""

    def fault(passing: Passing) -> None:
        for start in range(0, len(passing.data), size):
            passing.wait(pause)
            passing.forward(passing.data[start : start + size])

    return fault


def split(at: int, pause: float = 0.01) -> Fault:
    """The message comes in two parts, *pause* seconds apart. The first has *at* bytes."""

    def fault(passing: Passing) -> None:
        passing.forward(passing.data[:at])
        passing.wait(pause)
        passing.forward(passing.data[at:])

    return fault


def cut(at: int, *, by_reset: bool = False) -> Fault:
    """After *at* bytes of the message the connection ends: in an orderly way, or by a reset."""

    def fault(passing: Passing) -> None:
        passing.forward(passing.data[:at])
        if by_reset:
            passing.reset()
        passing.close()

    return fault


def half_close(passing: Passing) -> None:
    """After the message comes the end of file; the other direction goes on."""
    passing.forward()
    passing.finish()


def double(passing: Passing) -> None:
    """The message comes twice."""
    passing.forward(passing.data * 2)


def swap() -> Fault:
    """Every second message comes before the one ahead of it.

    Tell it ``times=2``. The first one waits for the second, so one must be on its way.
    """
    waiting: list[bytes] = []

    def fault(passing: Passing) -> None:
        if waiting:
            passing.forward(passing.data + waiting.pop())
        else:
            waiting.append(passing.data)

    return fault


def append(data: bytes) -> Fault:
    """*data* comes right behind the message."""
    return alter(lambda message: message + data)


def replace(data: bytes) -> Fault:
    """*data* comes in place of the message."""
    return alter(lambda message: data)


def alter(change: Callable[[bytes], bytes]) -> Fault:
    """What *change* makes of the message comes in its place."""

    def fault(passing: Passing) -> None:
        passing.forward(change(passing.data))

    return fault


def endless(part: bytes, before: bytes = b"") -> Fault:
    """In place of the message *before* comes, and then *part* again and again, without end."""

    def fault(passing: Passing) -> None:
        passing.forward(before)
        block = part * max(1, 65536 // len(part))
        while True:
            passing.forward(block)

    return fault


# ---------------------------------------------------------------------------------- for requests


def answer(reply: bytes) -> Fault:
    """The server never sees the request, and *reply* answers it: an error line, for example.

    *reply* may hold ``<O>`` and ``<K>``, for the request's opaque and key.
    """

    def fault(passing: Passing) -> None:
        passing.answer(Request(passing.data).fill(reply))

    return fault


# ----------------------------------------------------------------------------------- for replies


def wrong_opaque(passing: Passing) -> None:
    """The reply is one to another request: its opaque is another. (If it has none, it passes.)"""
    data = passing.data
    if data[:1] == b"\x81":
        passing.forward(data[:15] + bytes([data[15] ^ 1]) + data[16:])
        return
    line, end, rest = data.partition(b"\r\n")
    words = [word + b"z" if word[:1] == b"O" else word for word in line.split(b" ")]
    passing.forward(b" ".join(words) + end + rest)


def wrong_key(passing: Passing) -> None:
    """The item is under another key, where the reply names it (``VALUE``, meta's ``k``)."""
    line, end, rest = passing.data.partition(b"\r\n")
    words = line.split(b" ")
    if words[0] == b"VALUE":
        words[1] += b"z"
    else:
        words[1:] = [word + b"z" if word[:1] == b"k" else word for word in words[1:]]
    passing.forward(b" ".join(words) + end + rest)


def claim(length: int | bytes) -> Fault:
    """The length that the reply claims for its value is *length*, whatever comes after.

    *length* may be bytes, for what is no number: ``b"-1"``, ``b"0x5"``.
    """
    said = length if isinstance(length, bytes) else b"%d" % length

    def lie(reply: bytes) -> bytes:
        line, end, rest = reply.partition(b"\r\n")
        words = line.split(b" ")
        if words[0] in (b"VALUE", b"VA"):
            words[3 if words[0] == b"VALUE" else 1] = said
        return b" ".join(words) + end + rest

    return alter(lie)
