"""`ThreadMappedPool` and `TaskMappedPool`: a client for each thread, or for each task.

Knows which client is whose, and learns when a thread or a task has come to its end.  There is
nothing to wait for and nothing to be opened, so it is the same for any kind of client, and its
`with` is an ordinary one even over async clients.
"""

from __future__ import annotations

import sys
from functools import partial
from threading import get_ident, local
from weakref import ref

from mcproto._typing import Generic

from .._errors import PoolClosed
from .._fork import tell_after_fork
from ._closing import aclose_all, close_all, is_closed, retire
from ._lender import C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from types import TracebackType
    from typing import Any

    from ._waiting import A, B

__all__ = ["MappedReservation", "TaskMappedPool", "ThreadMappedPool"]


class ThreadMappedPool(dict["Hashable", "C"]):
    """A client for each thread, cloned from *master* when the thread first asks: a `dict`.

    It holds the clients that are not in use, each under its thread's `current_key`. Nobody ever
    waits, and there are as many clients as threads that use it. When a thread ends, its client is
    closed and forgotten by itself; `relinquish` gives it up before. (Under gevent's monkey
    patching, done first, all this is about greenlets.)

    Attributes:
        master: what is cloned; never lent itself.
        closed: whether `close` has been called.

    Raises:
        TypeError: *master* has no ``clone()``.
    """

    __slots__ = (
        "__dict__",
        "__weakref__",
        "_by_thread",
        "_living",
        "_own",
        "_spares",
        "closed",
        "master",
    )

    def __init__(self, master: C) -> None:
        if not callable(getattr(master, "clone", None)):
            raise TypeError(f"master must be a client, with clone(), not {type(master).__name__}")
        super().__init__()
        self.master = master
        self.closed = False
        self._by_thread = type(self).current_key is ThreadMappedPool.current_key
        # Beside the client in the dict, what a key's nested reservations have used.
        self._spares: dict[Hashable, list[C]] = {}
        # All of ours that are alive, by identity.
        self._living: dict[int, ref[C]] = {}
        self._own = _Own()
        tell_after_fork(self._start_anew)

    @property
    def current_key(self) -> Hashable:
        """Under which key the caller's client is: the thread's identity. Override it at will.

        Then the pool cannot know when a client is not needed any more: `relinquish` says so.
        """
        return get_ident()

    def reserve(self) -> MappedReservation[C]:
        """Use this thread's client for the length of a ``with`` block.

        The client is not in the pool meanwhile, so reservations inside one another have each their
        own, and all are kept for the next time. What is given back here is for one block.

        Raises (as the block is entered):
            PoolClosed: the pool has been closed.
            Exception: whatever `clone` raises.
        """
        turn = self._own.turn
        if turn is None or turn.use.pool is not None:
            if not self._by_thread:
                reservation: MappedReservation[C] = MappedReservation()
                reservation.pool = self
                return reservation
            # The thread has none yet, or is in its block, and keeps the newer of the two.
            turn = self._own.turn = turn_of(get_ident())
        turn.use.pool = self
        return turn  # type: ignore[return-value]

    def relinquish(self) -> C | None:
        """Remove and return this thread's client. None: it has none, or it is reserved now.

        Those that its nested reservations have used are closed.
        """
        key = self.current_key
        client = self.pop(key, None)
        if client is not None:
            self._living.pop(id(client), None)
        for spare in self._spares.pop(key, ()):
            self._retire(spare)
        return client

    def close(self: ThreadMappedPool[B]) -> None:
        """Close every thread's client, in use or not; calls in progress end with `ClientClosed`.

        From now on `reserve` raises PoolClosed. To close a closed pool does nothing.

        Raises:
            TypeError: the clients are async: `aclose` is for those.
            Exception: what the first client raised whose ``close()`` did; all have been called.
        """
        if not hasattr(self.master, "close"):
            raise TypeError("over async clients it is `await pool.aclose()`")
        close_all(self._leavers())

    async def aclose(self: ThreadMappedPool[A]) -> None:
        """`close` for async clients: the same, awaited. Cancelled, it still closes all.

        To be called in the loop where they are used; clients of other threads' loops are theirs.

        Raises:
            TypeError: the clients block: `close` is for those.
        """
        if not hasattr(self.master, "aclose"):
            raise TypeError("over blocking clients it is `pool.close()`")
        await aclose_all(self._leavers())

    def new_client(self, key: Hashable) -> C:
        """A client for *key*, whose own is in use, or is not there yet."""
        spares = self._spares.get(key)
        if spares:
            return spares.pop()
        if self.closed:
            raise PoolClosed("the pool has been closed")
        self._watch(key)
        client = self.master.clone()
        self._living[id(client)] = ref(client, partial(self._living.pop, id(client)))
        if self.closed:
            self._retire(client)
            raise PoolClosed("the pool has been closed")
        return client

    def keep(self, key: Hashable, client: C) -> None:
        """*client* comes back to where there is one already, or to a closed pool."""
        if self.closed:
            self.forget(key)
            self._retire(client)
            return
        # What was reserved first has been used most.
        spare = self.pop(key, None)
        self[key] = client
        if spare is not None and spare is not client:
            self._spares.setdefault(key, []).append(spare)

    def forget(self, key: Hashable) -> None:
        """Whoever had *key* has come to its end: close its clients."""
        client = self.pop(key, None)
        if client is not None:
            self._retire(client)
        for spare in self._spares.pop(key, ()):
            self._retire(spare)

    def _retire(self, client: C) -> None:
        # Who gets the entry closes the client: so nobody does it twice.
        if self._living.pop(id(client), None) is not None and not is_closed(client):
            retire(client)

    def _watch(self, key: Hashable) -> None:
        """See to it that `forget` is called when the owner of *key* has come to its end."""
        if key == get_ident() and self._own.end is None:
            self._own.end = _End((ref(self), key))

    def _leavers(self) -> list[C]:
        """Close the pool: all clients, which are the caller's to close."""
        self.closed = True
        living = [reference() for reference in list(self._living.values())]
        self.clear()
        self._spares.clear()
        # Whoever gets the entry closes the client.
        return [
            client
            for client in living
            if client is not None and self._living.pop(id(client), None) is not None
        ]

    def _start_anew(self) -> None:
        # In a forked child, of all threads this one is left.
        if self._by_thread:
            for key in [*self, *self._spares]:
                if key != get_ident():
                    self.forget(key)


class MappedReservation(Generic[C]):
    """An owner's client for the length of a ``with`` block: see `ThreadMappedPool.reserve`."""

    __slots__ = ("pool", "_key", "_client")

    pool: ThreadMappedPool[C]
    _key: Hashable
    _client: C

    def __enter__(self) -> C:
        pool = self.pool
        self._key = key = pool.current_key
        client = pool.pop(key, None)
        if client is None:
            client = pool.new_client(key)
        self._client = client
        return client

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        client, pool = self._client, self.pool
        try:
            # `getattr` costs three times as much where there is one, as with ours.
            closed = client.closed  # type: ignore[attr-defined]
        except AttributeError:
            closed = False
        # To the key of the beginning: that is where the client was missing.
        if not closed and (pool.setdefault(self._key, client) is not client or pool.closed):
            pool.keep(self._key, client)


class _Use:
    """What a `Turn` is doing.

    Attributes:
        pool: where its client comes from. None: nobody has the turn. (A thread's turn is the
            pool's, so it must not hold the pool for longer.)
        client: the one that is in use.
    """

    __slots__ = ("client", "pool")

    def __init__(self) -> None:
        self.pool: ThreadMappedPool[Any] | None = None
        self.client: Any = None


class Turn:
    """A `MappedReservation` that its thread uses again and again: less than half as dear.

    `with` looks for its two methods in the class, finds the slots there, and so calls the functions
    that are in them, without making methods of them first.
    """

    __slots__ = ("__enter__", "__exit__", "use")

    use: _Use
    __enter__: Callable[[], Any]
    __exit__: Callable[..., None]


def turn_of(key: int) -> Turn:
    """A turn for the thread with this identity."""
    use = _Use()

    def enter() -> Any:
        pool = use.pool
        if pool is None:
            raise RuntimeError("a reservation is for one `with` block: call reserve() again")
        client = pool.pop(key, None)
        if client is None:
            # If this fails, the turn is free.
            use.pool = None
            client = pool.new_client(key)
            use.pool = pool
        use.client = client
        return client

    def leave(
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pool, client = use.pool, use.client
        use.client = None
        # From here on somebody else may have the turn.
        use.pool = None
        if pool is not None:
            try:
                # `getattr` costs three times as much where there is one, as with ours.
                closed = client.closed
            except AttributeError:
                closed = False
            if not closed and (pool.setdefault(key, client) is not client or pool.closed):
                pool.keep(key, client)

    turn = Turn()
    turn.use = use
    turn.__enter__ = enter
    turn.__exit__ = leave
    return turn


class TaskMappedPool(ThreadMappedPool["C"]):
    """A client for each task of trio or asyncio: `ThreadMappedPool` with tasks for threads.

    When a task ends, its client is closed and forgotten by itself. It is made for async clients,
    and its `with` is an ordinary one all the same.
    """

    __slots__ = ("_exits",)

    def __init__(self, master: C) -> None:
        super().__init__(master)
        self._exits = _Exits(ref(self))

    @property
    def current_key(self) -> Hashable:
        """Under which key the caller's client is: the task.

        Raises:
            RuntimeError: no task is running.
        """
        trio = sys.modules.get("trio")
        if trio is not None:
            try:
                task: Hashable = trio.lowlevel.current_task()
                return task
            except RuntimeError:
                pass
        asyncio = sys.modules.get("asyncio")
        current = None if asyncio is None else _current_asyncio_task(asyncio)
        if current is None:
            raise RuntimeError(
                "a TaskMappedPool is for tasks of trio or asyncio, and none is running"
            )
        return current

    def _watch(self, key: Any) -> None:
        if hasattr(key, "add_done_callback"):
            key.add_done_callback(self.forget)
        elif "trio" in sys.modules:
            # Again is harmless.
            sys.modules["trio"].lowlevel.add_instrument(self._exits)

    def _start_anew(self) -> None:
        # In a forked child no task of the parent's goes on.
        for key in [*self, *self._spares]:
            self.forget(key)


class _End(tuple["ref[ThreadMappedPool[Any]]", "Hashable"]):
    """In a thread's own storage, which goes when the thread does."""

    __slots__ = ()

    def __del__(self) -> None:
        reference, key = self
        pool = reference()
        if pool is not None:
            pool.forget(key)


class _Own(local):
    """Of each thread that uses a pool.

    Attributes:
        turn: its reservation.
        end: dies with the thread.
    """

    turn: Turn | None = None
    end: _End | None = None


class _Exits:
    """What trio calls when a task has exited (an instrument, in its terms)."""

    def __init__(self, reference: ref[TaskMappedPool[Any]]) -> None:
        self._reference = reference

    def task_exited(self, task: Hashable) -> None:
        pool = self._reference()
        if pool is not None:
            pool.forget(task)


def _current_asyncio_task(asyncio: Any) -> Hashable | None:
    try:
        task: Hashable | None = asyncio.current_task()
    except RuntimeError:
        task = None
    return task
