"""Who wants to know what happens, and what there is to know.

Knows the events, and that whoever observes must never disturb.  None of ours observes anything:
adapters for metrics and traces do, and tests.
"""

from __future__ import annotations

from ._logs import log_exception

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NamedTuple

    class Operation(NamedTuple):
        """A call of a client that has come to its end. It never has a value in it.

        Attributes:
            name: the method's: ``"get"``.
            keys: how many keys it was about.
            hits: how many of those that it asked for were there.
            misses: how many were not.
            size: of all values that were sent or received, in bytes.
            servers: whom it has asked, as text.
            seconds: how long it took.
            error: what it raised; None: it came to a result.
            key_names: the keys as they went over the wire, if `Observer.wants_keys`.
        """

        name: str
        keys: int
        hits: int
        misses: int
        size: int
        servers: tuple[str, ...]
        seconds: float
        error: BaseException | None
        key_names: tuple[bytes, ...]

else:
    # typing.NamedTuple costs more to import than all of this package.
    from collections import namedtuple

    Operation = namedtuple(
        "Operation", "name keys hits misses size servers seconds error key_names"
    )
    Operation.__doc__ = "A call of a client that has come to its end. It never has a value in it."

__all__ = ["Observer", "Operation", "tell"]


class Observer:
    """Is told what clients and pools do: override what you want to know, the rest does nothing.

    ``Client(..., observer=...)``; clones and pools of that client tell the same one. With none, as
    is the default, nothing is measured and nothing costs anything.

    The methods are called where the thing happens, in the thread or task that does it (what a
    finalizer does, in any). They have to be quick, must not wait, and must not use the client or
    pool that calls them. What they raise is logged, and otherwise ignored.

    Attributes:
        wants_keys: whether `Operation.key_names` is filled in. Keys can be personal data.
    """

    wants_keys = False

    def operation(self, done: Operation) -> None:
        """A call has come to its end, good or bad."""

    def pool_waiting(self, pool: str) -> None:
        """Somebody has to wait for a client."""

    def pool_acquired(self, pool: str, waited: float) -> None:
        """A client has been lent, after so many seconds."""

    def pool_released(self, pool: str, used: float) -> None:
        """A client has come back, after so many seconds."""

    def pool_gave_up(self, pool: str, error: Exception) -> None:
        """Somebody has got no client, and this instead."""

    def pool_created(self, pool: str) -> None:
        """A client has been made, or has joined."""

    def pool_closed(self, pool: str, reason: str) -> None:
        """A client has been closed: *reason* is one of `PoolStats.closed`, ``"closed"`` (by its
        borrower) or ``"check"``. Who drops a client tells nobody."""

    def server_down(self, server: str, error: Exception) -> None:
        """A server has gone down, by this error: from now on only now and then a call tries it.
        Told once for a client and its clones."""

    def server_up(self, server: str) -> None:
        """A server that was down has answered."""


def tell(method: Callable[..., None], *what: object) -> None:
    """Call an observer's method; whatever it raises (but for interruptions) stays here."""
    try:
        method(*what)
    except Exception:
        log_exception("mcclient", "an observer has failed, in %r", method)
