"""Scripts for a `mcclient.testing.ScriptedServer`: what it does with one connection.

A script is a function that takes a `mcclient.testing.Peer`; these are the ones that are needed
again and again.  Answers may hold ``<O>`` and ``<K>``, for the opaque and the key of what is
answered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from ._scripted import Peer, Request, Script

__all__ = [
    "Prompted",
    "always",
    "closing",
    "polite_silence",
    "replies",
    "resetting",
    "saying",
    "saying_first",
    "silence",
    "then_close",
]


def replies(*answers: bytes, hello: bool = True) -> Script:
    """Answers each request in turn, then nothing more.

    Args:
        answers: ``b""`` is none.
        hello: the question that a client opens a connection with is answered first, as it should
            be. Else it is answered like any other.
    """
    return saying(lambda: iter(answers), hello)


def always(answer: bytes, hello: bool = True) -> Script:
    """Answers every request alike. *hello*: see `replies`."""
    return saying(lambda: iter(lambda: answer, None), hello)


def saying(answers: Callable[[], Iterable[bytes]], hello: bool = True) -> Script:
    """Answers with what *answers* gives for this connection. *hello*: see `replies`."""

    def script(peer: Peer) -> None:
        if hello:
            peer.greet()
        for answer in answers():
            peer.send(peer.request().fill(answer))
        peer.swallow()

    return script


def then_close(*answers: bytes, hello: bool = True) -> Script:
    """Answers each request in turn, and with the last answer comes the end. *hello*: see `replies`.

    The last answer may be no more than the beginning of one.
    """

    def script(peer: Peer) -> None:
        if hello:
            peer.greet()
        for answer in answers:
            peer.send(peer.request().fill(answer))

    return script


def silence(peer: Peer) -> None:
    """Reads, and says nothing, not even hello."""
    peer.swallow()


def polite_silence(peer: Peer) -> None:
    """Says hello, and nothing more."""
    peer.greet()
    peer.swallow()


def closing(peer: Peer) -> None:
    """Closes as soon as it has accepted."""


def resetting(peer: Peer) -> None:
    """Resets as soon as it has accepted."""
    peer.reset()


def saying_first(data: bytes) -> Script:
    """Says *data* before it is asked, then closes: as a server does that has too many clients."""

    def script(peer: Peer) -> None:
        peer.send(data)
        # In order: bytes that are left unread would turn the end into a reset.
        peer.finish()
        peer.swallow()

    return script


class Prompted:
    """A script that answers what it has been told to, whichever connection asks.

    Attributes:
        asked: the requests there have been, but for the opening questions.
    """

    def __init__(self) -> None:
        self._answers: deque[bytes] = deque()
        self.asked: list[Request] = []

    def say(self, *answers: bytes) -> None:
        """The answers to the next requests. The ones before must have been used up."""
        assert not self._answers, f"unasked so far: {self._answers}"
        self._answers.extend(answers)

    def __call__(self, peer: Peer) -> None:
        """Answers the opening question, then whatever comes."""
        peer.greet()
        while True:
            request = peer.request()
            self.asked.append(request)
            peer.send(request.fill(self._answers.popleft()))
