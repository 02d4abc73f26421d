"""Who may open a connection to a server, and who is told at once that it is down.

A client, its clones and so a whole pool have one `Gate` for each server, in whatever threads and
tasks.  The rules are `_health`'s; which failure counts for what is `_failures`' to say.  A
connection that is open already goes through no gate: using it costs nothing here.
"""

from __future__ import annotations

from threading import RLock

from mcproto import ErrorReplied, ProtocolError

from ._errors import ServerDown
from ._failures import fault_of
from ._fork import tell_after_fork
from ._health import Health
from ._logs import log
from ._observers import tell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._observers import Observer
    from ._servers import Server

__all__ = ["Gate", "gates_for"]


def gates_for(servers: tuple[Server, ...], observer: Observer | None) -> dict[int, Gate]:
    """A gate for each server, by its number."""
    return {number: Gate(server.name, observer) for number, server in enumerate(servers)}


def _chance() -> float:
    from random import random  # at the first failure: a dear import

    return random()


class Gate:
    """The one to a server. For any number of threads and tasks.

    Args:
        server: its name.
        observer: is told when the server goes down and when it is up again, in that order; the
            logger ``mcclient.server`` is told as well.
    """

    __slots__ = ("__weakref__", "_health", "_lock", "_observer", "_server")

    def __init__(self, server: str, observer: Observer | None) -> None:
        self._server = server
        self._observer = observer
        self.start_anew()
        tell_after_fork(self.start_anew)

    def start_anew(self) -> None:
        """Know nothing. In a forked child nobody tries: whoever did is in the parent."""
        # Of the reentrant kind, for observers and signal handlers that cannot refrain.
        self._lock = RLock()
        self._health = Health(_chance)

    def enter(self, opener: object, now: float, until: float) -> None:
        """Let *opener* open a connection. Then it is to be passed to one of the methods below.

        (If it is lost instead, or has not been by the time *until*, others may enter.)

        Raises:
            ServerDown: it may not.
        """
        if not self._health.is_down:
            return
        with self._lock:
            health = self._health
            if not health.may_open(opener, now, until):
                raise self._refusal(health, now)

    def leave(self, opener: object) -> None:
        """It has given up."""
        with self._lock:
            self._health.leave(opener)

    def opened(self, opener: object) -> None:
        """Its connection has answered its first question."""
        log("DEBUG", "mcclient.server", "%s: a connection has been opened", self._server)
        with self._lock:
            if self._health.opened(opener):
                self._tell_up()

    def answered(self) -> None:
        """An exchange has had its answer, whatever it was."""
        if self._health.failures:
            with self._lock:
                if self._health.answered():
                    self._tell_up()

    def failed(self, error: Exception, told: Exception, now: float, opener: object = None) -> None:
        """It has failed to open a connection; or (*opener* is None) an exchange has failed.

        Args:
            error: by what.
            told: what the caller gets to see of that.
        """
        if opener is None and isinstance(error, ErrorReplied):
            self.answered()
            return
        fault = fault_of(error, opener is not None)
        # (What came instead of an answer, or the key, is not for logs, nor for other callers.)
        reason = str(told).removeprefix(f"{self._server}: ")
        if isinstance(error, ProtocolError):
            reason = f"no proper answer ({type(error).__name__})"
        if opener is not None:
            log("DEBUG", "mcclient.server", "%s: no connection: %s", self._server, reason)
        with self._lock:
            if fault is None:
                self._health.leave(opener, reason)
            elif self._health.failed(opener, fault == "hard", reason, now):
                # While the lock is held, so that what is told keeps its order.
                log("WARNING", "mcclient.server", "%s is down: %s", self._server, reason)
                if self._observer is not None:
                    tell(self._observer.server_down, self._server, told)

    def _tell_up(self) -> None:
        log("INFO", "mcclient.server", "%s is up again", self._server)
        if self._observer is not None:
            tell(self._observer.server_up, self._server)

    def _refusal(self, health: Health, now: float) -> ServerDown:
        down_for = max(now - health.since, 0.0)
        is_tried = health.is_tried(now)
        retry_in = 0.0 if is_tried else max(health.retry_at - now, 0.0)
        when = "it is being tried now" if is_tried else f"tried again in {retry_in:.3f} s"
        return ServerDown(
            f"{self._server} has been down for {down_for:.3f} s ({when}): {health.reason}",
            server=self._server,
            down_for=down_for,
            retry_in=retry_in,
        )
