"""After a fork: a child shares no connection with its parent, and lends nothing for it.

Both would read from one stream, each now and then the other's answer.  So in the child every
client forgets its connections, and says goodbye on none of them: they are still the parent's.
And of a pool's borrowers and waiters only the forking thread has come along.
"""

from __future__ import annotations

import os
from functools import partial
from weakref import ref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["tell_after_fork"]

# Objects and what to call on them, by identity: they need not be hashable.
_listeners: dict[int, tuple[ref[object], Callable[[object], None]]] = {}


def tell_after_fork(method: Callable[[], None]) -> None:
    """Have a bound method called in every child that is forked while its object lives."""
    listener: object = method.__self__  # type: ignore[attr-defined]
    key = id(listener)
    # (The callback calls `pop(key, dead)`. weakref.WeakMethod's own fails as the interpreter ends.)
    _listeners[key] = ref(listener, partial(_listeners.pop, key)), method.__func__  # type: ignore[attr-defined]


def _in_child() -> None:
    for reference, method in list(_listeners.values()):
        listener = reference()
        if listener is not None:
            method(listener)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
