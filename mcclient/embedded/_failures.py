"""Failures to order: what is to go wrong, how often, and when it is somebody's turn."""

from __future__ import annotations

from collections import deque
from math import inf

from mcproto import ErrorReply, InvalidArgument

__all__ = ["Failure", "Failures", "checked_seconds"]

_KINDS = ("close", "cut", "delay")
_ERROR_KINDS = ("ERROR", "CLIENT_ERROR", "SERVER_ERROR")


def checked_seconds(seconds: float) -> float:
    """*seconds*, if it is a length of time."""
    if not isinstance(seconds, (int, float)):
        raise TypeError(f"seconds must be a number, not {type(seconds).__name__}")
    if not 0 <= seconds < inf:
        raise InvalidArgument(f"seconds must be 0 or more, and finite, not {seconds}")
    return seconds


class Failure:
    """One failure.

    Attributes:
        kind: ``"close"``, ``"cut"``, ``"delay"`` or ``"error"``.
        seconds: how long the reply is held back.
        reply: the error line.
    """

    __slots__ = ("kind", "reply", "seconds")

    def __init__(self, kind: str, seconds: float = 0.0, reply: ErrorReply | None = None) -> None:
        self.kind = kind
        self.seconds = seconds
        self.reply = reply


class Failures:
    """What is to go wrong, in order. One thread at a time."""

    def __init__(self) -> None:
        self._next: deque[Failure] = deque()
        self._refusals = 0

    def order(self, kind: str, times: int, seconds: float) -> None:
        """See `MemoryServer.fail_next`."""
        if not isinstance(kind, str):
            raise TypeError(f"kind must be a str, not {type(kind).__name__}")
        if not isinstance(times, int):
            raise TypeError(f"times must be an int, not {type(times).__name__}")
        if times < 1:
            raise InvalidArgument(f"times must be at least 1, not {times}")
        checked_seconds(seconds)
        if kind == "refuse":
            self._refusals += times
        elif kind in _KINDS:
            self._next.extend([Failure(kind, seconds)] * times)
        else:
            word, _, message = kind.partition(" ")
            if word not in _ERROR_KINDS or "\n" in kind:
                raise InvalidArgument(
                    "kind must be 'close', 'cut', 'refuse', 'delay' or an error line such as"
                    f" 'SERVER_ERROR out of memory', not {kind!r}"
                )
            self._next.extend([Failure("error", reply=ErrorReply(word, message))] * times)

    @property
    def are_due(self) -> bool:
        """Whether the next command is to have one."""
        return bool(self._next)

    def next(self) -> Failure:
        """The failure of this command, if there are any."""
        return self._next.popleft()

    def refuses(self) -> bool:
        """Whether this connection is to be refused."""
        if not self._refusals:
            return False
        self._refusals -= 1
        return True

    def clear(self) -> None:
        self._next.clear()
        self._refusals = 0
