"""Which servers have failed, and when each may be asked again.

libmemcached's rules, which count in whole seconds of the wall clock, but that a server which is
back is always found again: one that has been ejected for good over there gets a try after
``retry_timeout`` here.

Knows servers by number and no sockets.  *now* is an argument.
"""

from __future__ import annotations

from ._errors import Code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._behaviors import Behaviors

__all__ = ["Marks"]


class Marks:
    """The failed servers of one client. A server without a mark is as good as new.

    Args:
        moved: called whenever servers have left the ring or come back.

    Attributes:
        any_ejected: whether there are servers out of the ring. They come back by `bring_back`.
    """

    __slots__ = ("_behaviors", "_failures", "_moved", "_until", "any_ejected")

    def __init__(self, behaviors: Behaviors, moved: Callable[[], object]) -> None:
        self._behaviors = behaviors
        self._moved = moved
        # How often each has failed in a row, and the last second in which it is not asked.
        self._failures: dict[int, int] = {}
        self._until: dict[int, int] = {}
        self.any_ejected = False

    def refusal(self, server: int, now: float) -> int | None:
        """The code to give up with at once; None: ask the server.

        One that has failed too often leaves the ring here.
        """
        until = self._until.get(server)
        if until is None:
            return None
        behaviors = self._behaviors
        ejected = behaviors.placement.ejected
        if server in ejected:  # and is asked all the same: no other has the key
            return Code.SERVER_DEAD if int(now) <= until else None
        if behaviors["auto_eject"] and self._failures[server] >= behaviors["failure_limit"]:
            pause = behaviors["dead_timeout"] or behaviors["retry_timeout"]
            self._until[server] = int(now) + pause
            self._eject(ejected | {server})
            return Code.SERVER_DEAD
        return Code.SERVER_DOWN if int(now) <= until else None

    def bring_back(self, now: float) -> None:
        """Servers that have been out of the ring for long enough get one try."""
        ejected = self._behaviors.placement.ejected
        back = {server for server in ejected if int(now) > self._until[server]}
        if back:
            for server in back:
                self._failures[server] = self._behaviors["failure_limit"] - 1
            self._eject(ejected - back)

    def failed(self, server: int, code: int, now: float) -> int:
        """It could not be reached. What to say of it: *code*, or that it is down still."""
        is_news = server not in self._until
        self._failures[server] = self._failures.get(server, 0) + 1
        self._until[server] = int(now) + self._behaviors["retry_timeout"]
        return code if is_news else Code.SERVER_DOWN

    def succeeded(self, server: int) -> None:
        """It has answered."""
        if self._until.pop(server, None) is not None:
            self._failures.pop(server, None)
            ejected = self._behaviors.placement.ejected
            if server in ejected:
                self._eject(ejected - {server})

    def forget(self) -> None:
        """All are as good as new."""
        self._failures.clear()
        self._until.clear()
        if self.any_ejected:
            self._eject(frozenset())

    def _eject(self, servers: frozenset[int]) -> None:
        self._behaviors.placement.eject(servers)
        self.any_ejected = bool(servers)
        self._moved()
