"""Whether one server is up; and while it is down, who may try it next, and when.

Knows the rules, and neither sockets nor errors, nor who else is asking: `_gate` lets callers in one
at a time.  *now* and *chance* are arguments.

A hard failure (no connection can be opened) marks the server down at once, soft ones (no answer in
time, a connection lost in use, a reply out of step) when there are three in a row.  Then it is
tried by one opener at a time, after pauses that double from `FIRST_PAUSE` to `LONGEST_PAUSE`; each
is a random part of that, so that clients do not come back all at once.  An attempt that its caller
gives up (a cancelled task) is no failure, and lengthens the pauses to 0.4 s at most.  What brings
it back is what it has failed at: a connection that answers its first question; or, if connections
were answered that, and then failed, an exchange.
"""

from __future__ import annotations

from weakref import ref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FIRST_PAUSE", "LONGEST_ABANDONED", "LONGEST_PAUSE", "MOST_SOFT_FAILURES", "Health"]

FIRST_PAUSE = 0.05
"""The longest that the first pause can be, in seconds."""

LONGEST_PAUSE = 10.0
"""The longest that any pause can be, in seconds."""

LONGEST_ABANDONED = 0.4
"""So far, in seconds, pauses grow by attempts that are given up: they say nothing of the server."""

MOST_SOFT_FAILURES = 3
"""So many in a row, and a server is down."""


class Health:
    """The state of one server. It begins as up. For one caller at a time.

    Args:
        chance: gives numbers from 0 up to 1, at random.

    Attributes:
        is_down: whether it is.
        failures: soft failures in a row.
        since: when it went down.
        retry_at: from when on somebody may try it.
        reason: what it has failed by last.
    """

    __slots__ = (
        "_began",
        "_chance",
        "_opener",
        "_part",
        "_pause",
        "_pause_before",
        "_until",
        "failures",
        "is_down",
        "reason",
        "retry_at",
        "since",
    )

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        # Held weakly, and not for ever: whoever is lost on the way, or has been cut off where it
        # would have said so, has given up the right to try.
        self._opener: ref[object] | None = None
        self._until = 0.0
        self._pause = 0.0
        # Of the attempt under way, to be able to take back what it has added to the pause.
        self._began = 0.0
        self._pause_before = 0.0
        self._part = 0.0
        self.is_down = False
        self.failures = 0
        self.since = 0.0
        self.retry_at = 0.0
        self.reason = ""

    def is_tried(self, now: float) -> bool:
        """Whether somebody is trying it."""
        return self._opener is not None and self._opener() is not None and now < self._until

    def may_open(self, opener: object, now: float, until: float) -> bool:
        """Whether *opener* may open a connection.

        If the server is down, nobody else may until *opener* has been passed to `opened`, `failed`
        or `leave`, or is no more, or the time is *until*.
        """
        if not self.is_down:
            return True
        # (Times further off than any pause are of another clock: each run of trio has its own.)
        if self.is_tried(now) or now < self.retry_at <= now + LONGEST_PAUSE:
            return False
        self._opener, self._until = ref(opener), until
        # Whatever becomes of it, nobody comes sooner than that.
        self._began, self._pause_before = now, self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        self._wait(now)
        return True

    def leave(self, opener: object, reason: str = "") -> None:
        """*opener* tries no longer, and nothing has come of it, or only that *reason*."""
        if self._is_trying(opener):
            self._opener = None
            if reason:
                self.reason = reason
            else:
                self._pause = min(self._pause, max(self._pause_before, LONGEST_ABANDONED))
                self.retry_at = self._began + self._part * self._pause

    def opened(self, opener: object) -> bool:
        """Its connection has answered its first question. True: by this the server is up again."""
        if self._is_trying(opener):
            self._opener = None
        return self.failures < MOST_SOFT_FAILURES and self._come_back()

    def answered(self) -> bool:
        """An exchange has had its answer. True: by this the server is up again."""
        is_enough = self.failures >= MOST_SOFT_FAILURES
        self.failures = 0
        return is_enough and self._come_back()

    def failed(self, opener: object, is_hard: bool, reason: str, now: float) -> bool:
        """Something has failed: an opener's attempt, or (*opener* is None) an exchange.

        Returns:
            Whether by this the server has gone down.
        """
        self.failures = 0 if is_hard else self.failures + 1
        if self.is_down:
            # Of the others it is no news: they began before it was down, or had connections still.
            if self._is_trying(opener):
                self.leave(opener, reason)
                self._wait(now)
            return False
        self.reason = reason
        if not is_hard and self.failures < MOST_SOFT_FAILURES:
            return False
        self.is_down = True
        self.since = now
        self._pause = FIRST_PAUSE
        self._wait(now)
        return True

    def _is_trying(self, opener: object) -> bool:
        # (What is lost leaves a reference to None.)
        return opener is not None and self._opener is not None and self._opener() is opener

    def _come_back(self) -> bool:
        was_down, self.is_down = self.is_down, False
        self._opener = None
        return was_down

    def _wait(self, now: float) -> None:
        self._part = self._chance()
        self.retry_at = now + self._part * self._pause
