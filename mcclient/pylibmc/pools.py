"""pylibmc's two pools: a queue of clones, and a clone for each thread.

Knows who has which client.  Unlike `mcclient.ClientPool` these are no more than they were: clones
are made at once, the one that has been idle longest is lent first, and nobody keeps count.
"""

from __future__ import annotations

import threading
from queue import Queue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import TracebackType

    from ._client import client

__all__ = ["ClientPool", "ThreadMappedPool"]


class ClientPool(Queue["client"]):
    """A queue of clients.

    Args:
        mc: the master. It is cloned, and never in the pool itself.
        n_slots: how many clones there are, and the most clients that the queue holds; 0: none, and
            no limit.
    """

    def __init__(self, mc: client | None = None, n_slots: int = 0) -> None:
        super().__init__(n_slots)
        if mc and n_slots:
            self.fill(mc, n_slots)

    def fill(self, mc: client, n_slots: int) -> None:
        """Put *n_slots* clones of *mc* into the queue. It waits for room where there is a limit."""
        for _ in range(n_slots):
            self.put(mc.clone())

    def reserve(self, block: bool = False) -> AbstractContextManager[client]:
        """Borrow the client that has been idle longest, for the length of a ``with`` block.

        However the block ends, the client goes back to the queue.

        Raises (as the block is entered):
            queue.Empty: all are lent out, and *block* is false.
        """
        return _Reservation(self, block)


class _Reservation:
    """A client of a `ClientPool` for the length of a ``with`` block."""

    __slots__ = ("_block", "_client", "_pool")

    def __init__(self, pool: ClientPool, block: bool) -> None:
        self._pool = pool
        self._block = block

    def __enter__(self) -> client:
        self._client = lent = self._pool.get(self._block)
        return lent

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pool.put(self._client)


class ThreadMappedPool(dict[int | None, "client"]):
    """A client for each thread, cloned from *master* when the thread first asks.

    It holds the clients that are not in use. The clients of threads that have ended stay, unless
    those have called `relinquish`; a later thread of the same identity inherits them.

    Attributes:
        master: what is cloned.
    """

    def __new__(cls, master: client) -> ThreadMappedPool:
        return super().__new__(cls)

    def __init__(self, master: client) -> None:
        super().__init__()
        self.master = master

    @property
    def current_key(self) -> int | None:
        """Under which key the caller's client is: the thread's identity."""
        return threading.current_thread().ident

    def reserve(self) -> AbstractContextManager[client]:
        """Use this thread's client for the length of a ``with`` block. It is not in the dict then.

        Reservations inside one another have each their own; the outermost one's is kept.
        """
        return _MappedReservation(self)

    def relinquish(self) -> client | None:
        """Remove and return this thread's client; None: it has none that is not in use."""
        return self.pop(self.current_key, None)


class _MappedReservation:
    """A thread's own client for the length of a ``with`` block."""

    __slots__ = ("_client", "_key", "_pool")

    def __init__(self, pool: ThreadMappedPool) -> None:
        self._pool = pool

    def __enter__(self) -> client:
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
        self._pool[self._key] = self._client
