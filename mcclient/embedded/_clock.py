"""The server's clock: it goes as the real one does, and can be moved and stopped."""

from __future__ import annotations

from time import monotonic, time

__all__ = ["Clock"]


class Clock:
    """Seconds since 1970, which nobody sets back but `move`."""

    __slots__ = ("_ahead", "_stopped")

    def __init__(self) -> None:
        self._ahead = time() - monotonic()  # of the monotonic clock
        self._stopped: float | None = None  # at this moment

    @property
    def now(self) -> float:
        return monotonic() + self._ahead if self._stopped is None else self._stopped

    def move(self, seconds: float) -> None:
        """So much later it is now; less than 0: earlier."""
        if self._stopped is None:
            self._ahead += seconds
        else:
            self._stopped += seconds

    def pause(self) -> None:
        """From now on it stands still."""
        self._stopped = self.now

    def resume(self) -> None:
        """From now on it goes, from where it stands."""
        self._ahead = self.now - monotonic()
        self._stopped = None
