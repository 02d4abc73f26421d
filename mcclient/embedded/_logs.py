"""The logs that connections watch: what happens, told to whoever has asked for it.

Lines are written by whoever knows them, from any thread, and delivered by the loop; so nobody who
writes one waits for anybody who reads it.  Who does not read misses lines, and is told how many.
"""

from __future__ import annotations

from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._clock import Clock
    from ._peer import Peer

__all__ = ["MOST_WATCHERS", "Logs"]

MOST_WATCHERS = 20

# How much of a log may be on its way to one watcher, in bytes; and to all, in lines.
_MOST_UNREAD = 256 * 1024
_MOST_WAITING = 100_000


class Logs:
    """Who watches what.

    Attributes:
        watchers: the connections that have become logs, and what they are logs of.
        sent: how many lines have been delivered.
        skipped: how many have been missed.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.watchers: dict[Peer, frozenset[str]] = {}
        self._missed: dict[Peer, int] = {}
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._last = 1  # the number of the last line
        self.sent = 0
        self.skipped = 0

    def watch(self, peer: Peer, logs: tuple[str, ...]) -> None:
        """From here on *peer* is a log."""
        self.watchers[peer] = frozenset(logs or ["fetchers"])

    def forget(self, peer: Peer) -> None:
        """It has gone, if it was one."""
        self.watchers.pop(peer, None)
        self._missed.pop(peer, None)

    def want(self, log: str) -> bool:
        """Whether anybody watches this log."""
        return any(log in logs for logs in self.watchers.values())

    def write(self, log: str, text: bytes) -> None:
        """A line of a log, but for when and which it is."""
        if not self.want(log):
            return
        if len(self._waiting) >= _MOST_WAITING:
            self.skipped += 1
            return
        self._last += 1
        now = self._clock.now
        second = int(now)
        line = b"ts=%d.%06d gid=%d %b" % (second, int((now - second) * 1e6), self._last, text)
        self._waiting.append((log, line))

    def deliver(self) -> set[Peer]:
        """Give every line to those who watch its log. Who has got some."""
        served: set[Peer] = set()
        while self._waiting:
            log, line = self._waiting.popleft()
            for peer, logs in [*self.watchers.items()]:
                if log in logs:
                    self._tell(peer, line)
                    served.add(peer)
        return served

    def _tell(self, peer: Peer, line: bytes) -> None:
        if peer.unsent_size > _MOST_UNREAD:
            self._missed[peer] = self._missed.get(peer, 0) + 1
            self.skipped += 1
            return
        missed = self._missed.pop(peer, 0)
        if missed:
            peer.log(b"[skipped: %d]" % missed)
        peer.log(line)
        self.sent += 1
