"""After a fork: a child shares no connection with its parent.

Both would read from one stream, each now and then the other's answer.  So in the child every
client forgets its connections, and says goodbye on none of them: they are still the parent's.
"""

from __future__ import annotations

import os
from weakref import WeakSet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Forked(Protocol):
        """Who has connections."""

        def forget_connections(self) -> None: ...


__all__ = ["tell_after_fork"]

_clients: WeakSet[Forked] = WeakSet()


def tell_after_fork(client: Forked) -> None:
    """Have `forget_connections` called in every child that is forked while *client* lives."""
    _clients.add(client)


def _in_child() -> None:
    for client in list(_clients):
        client.forget_connections()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
