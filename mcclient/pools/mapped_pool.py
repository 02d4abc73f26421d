"""`ThreadMappedPool`: a client for each thread.

Knows which client is whose.  There is nothing to wait for and nothing to be opened, so it is the
same for any kind of client, and its `with` is an ordinary one even over async clients.
"""

from __future__ import annotations

from threading import get_ident

from ._lender import C, Generic, retire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from types import TracebackType

__all__ = ["MappedReservation", "ThreadMappedPool"]


class ThreadMappedPool(dict["Hashable", "C"]):
    """A client for each thread, cloned from *master* when the thread first asks: a `dict`.

    It holds the clients that are not in use, each under its thread's `current_key`. Nobody ever
    waits, and there are as many clients as threads that have used it. The clients of threads that
    have ended stay, unless those have called `relinquish`; a later thread of the same identity
    inherits them.

    Attributes:
        master: what is cloned; never lent itself.

    Raises:
        TypeError: *master* has no ``clone()``.
    """

    def __init__(self, master: C) -> None:
        if not callable(getattr(master, "clone", None)):
            raise TypeError(f"master must be a client, with clone(), not {type(master).__name__}")
        super().__init__()
        self.master = master

    @property
    def current_key(self) -> Hashable:
        """Under which key the caller's client is: the thread's identity. Override it at will."""
        return get_ident()

    def reserve(self) -> MappedReservation[C]:
        """Use this thread's client for the length of a ``with`` block.

        The client is not in the pool meanwhile, so reservations inside one another have each their
        own. The outermost one's is kept; the others are closed as it comes back (async clients,
        which cannot be closed here, are only let go of).
        """
        return MappedReservation(self)

    def relinquish(self) -> C | None:
        """Remove and return this thread's client. None: it has none, or it is reserved now."""
        return self.pop(self.current_key, None)


class MappedReservation(Generic[C]):
    """A thread's own client for the length of a ``with`` block: see `ThreadMappedPool.reserve`."""

    __slots__ = ("_pool", "_key", "_client")

    _key: Hashable
    _client: C

    def __init__(self, pool: ThreadMappedPool[C]) -> None:
        self._pool = pool

    def __enter__(self) -> C:
        pool = self._pool
        self._key = key = pool.current_key
        client = pool.pop(key, None)
        if client is None:
            client = pool.master.clone()
        self._client = client
        return client

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # The key of the beginning: that is where the client was missing.
        key, client = self._key, self._client
        if getattr(client, "closed", False):
            return  # the next time there will be another
        surplus = self._pool.pop(key, None)
        self._pool[key] = client
        if surplus is not None and surplus is not client:
            retire(surplus)
