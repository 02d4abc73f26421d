"""`AsyncPooledClient`: an async client that many tasks may use at once.

The twin of `pooled_client`, method for method.
"""

from __future__ import annotations

from time import monotonic

from .._async_client import AsyncClient
from .._errors import ClientClosed, PoolClosed
from ._waiting import take_in_task
from .client_pool import ClientPool, pool_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType
    from typing import Self, TypeVar, Unpack

    from mcproto import Command

    from .._expiry import Expire
    from .._item import CasItem
    from .._quiet import AsyncQuiet
    from .client_pool import PoolOptions

    K = TypeVar("K", bound="str | bytes")
    R = TypeVar("R")

__all__ = ["AsyncPooledClient"]

# A wait shorter than this share of the deadline is not worth its bookkeeping.
_NO_TIME = 0.01


class AsyncPooledClient:
    """An async client for many tasks: each call is made on a client that is reserved for it.

    It has `AsyncClient`'s methods, which do, give and raise what they do there. A call waits for
    its turn if all clients are in use, and the wait counts towards its deadline: when that passes
    it raises `PoolTimeout`. (Several calls on one connection: `pool` lends a client.)

    Args:
        mc: the client to make copies of, or a `ClientPool` of such.
        n_slots: how many copies, if it is a client: as many calls can be under way at once.
        options: what else `ClientPool` takes.

    Attributes:
        pool: where the clients come from. ``aclose()`` closes it.

    Raises:
        TypeError: *mc* is neither, or blocking.
        InvalidArgument: *n_slots* is less than 1, or the pool has no clients.
    """

    __slots__ = ("__weakref__", "_hurried", "_lender", "_options", "_timeout", "pool")

    def __init__(
        self,
        mc: AsyncClient | ClientPool[AsyncClient],
        n_slots: int = 8,
        **options: Unpack[PoolOptions],
    ) -> None:
        self.pool = pool_of(mc, n_slots, options, AsyncClient, "async")
        self._lender = self.pool.lender
        self._options = options
        self._timeout = self._master.timeout
        # Those that have less time than they usually have.
        self._hurried: dict[int, bool] = {}

    @property
    def servers(self) -> tuple[str, ...]:
        """The servers as text, in the order given."""
        return self._master.servers

    @property
    def closed(self) -> bool:
        """Whether the pool has been closed."""
        return self._lender.closed

    @property
    def timeout(self) -> float | None:
        """Seconds for a whole operation, waiting for a client and all; None: no limit."""
        return self._timeout

    async def get(self, key: str | bytes, default: object = None) -> object:
        """The value under *key*, or *default* if there is none."""
        mc = self._borrow() or await self._wait()
        try:
            return await mc.get(key, default)
        finally:
            self._bring_back(mc)

    async def gets(self, key: str | bytes) -> CasItem | None:
        """The item under *key* with what `cas` needs (``.value``, ``.cas``), or None."""
        mc = self._borrow() or await self._wait()
        try:
            return await mc.gets(key)
        finally:
            self._bring_back(mc)

    async def gat(self, key: str | bytes, expire: Expire, default: object = None) -> object:
        """Get and touch: the value under *key*, which gets a new expiry, or *default*."""
        mc = self._borrow() or await self._wait()
        try:
            return await mc.gat(key, expire, default)
        finally:
            self._bring_back(mc)

    async def get_multi(self, keys: Iterable[K]) -> dict[K, object]:
        """The values of those of the *keys* that are there, under the keys as given."""
        mc = self._borrow() or await self._wait()
        try:
            return await mc.get_multi(keys)
        finally:
            self._bring_back(mc)

    async def set(self, key: str | bytes, value: object, expire: Expire = 0) -> bool:
        """Store *value*, whatever was there. False: the server did not."""
        mc = self._borrow() or await self._wait()
        try:
            return await mc.set(key, value, expire)
        finally:
            self._bring_back(mc)

    async def add(self, key: str | bytes, value: object, expire: Expire = 0) -> bool:
        """Store *value* if nothing is there. False: something is. Raises as `set` does."""
        mc = self._borrow() or await self._wait()
        try:
            return await mc.add(key, value, expire)
        finally:
            self._bring_back(mc)

    async def replace(self, key: str | bytes, value: object, expire: Expire = 0) -> bool:
        """Store *value* if something is there. False: nothing is. Raises as `set` does."""
        mc = self._borrow() or await self._wait()
        try:
            return await mc.replace(key, value, expire)
        finally:
            self._bring_back(mc)

    async def append(self, key: str | bytes, value: object) -> bool:
        """Put *value* behind what is there. False: nothing is. Raises as `set` does."""
        mc = self._borrow() or await self._wait()
        try:
            return await mc.append(key, value)
        finally:
            self._bring_back(mc)

    async def prepend(self, key: str | bytes, value: object) -> bool:
        """Put *value* before what is there. False: nothing is. Raises as `set` does."""
        mc = self._borrow() or await self._wait()
        try:
            return await mc.prepend(key, value)
        finally:
            self._bring_back(mc)

    async def cas(self, key: str | bytes, value: object, cas: int, expire: Expire = 0) -> bool:
        """Store *value* if the item is still the one that `gets` gave with this *cas*."""
        mc = self._borrow() or await self._wait()
        try:
            return await mc.cas(key, value, cas, expire)
        finally:
            self._bring_back(mc)

    async def set_multi(self, mapping: Mapping[K, object], expire: Expire = 0) -> list[K]:
        """Store many values; give back the keys that were not stored, [] if all were."""
        mc = self._borrow() or await self._wait()
        try:
            return await mc.set_multi(mapping, expire)
        finally:
            self._bring_back(mc)

    async def delete(self, key: str | bytes) -> bool:
        """Delete the item. False: there was none."""
        mc = self._borrow() or await self._wait()
        try:
            return await mc.delete(key)
        finally:
            self._bring_back(mc)

    async def delete_multi(self, keys: Iterable[str | bytes]) -> bool:
        """Delete many items. True: every one of them was there."""
        mc = self._borrow() or await self._wait()
        try:
            return await mc.delete_multi(keys)
        finally:
            self._bring_back(mc)

    async def incr(
        self, key: str | bytes, delta: int = 1, *, initial: int | None = None, expire: Expire = 0
    ) -> int | None:
        """Count up; the new number, or None: no such key."""
        mc = self._borrow() or await self._wait()
        try:
            return await mc.incr(key, delta, initial=initial, expire=expire)
        finally:
            self._bring_back(mc)

    async def decr(
        self, key: str | bytes, delta: int = 1, *, initial: int | None = None, expire: Expire = 0
    ) -> int | None:
        """Count down, to 0 and no further; the new number, or None: no such key."""
        mc = self._borrow() or await self._wait()
        try:
            return await mc.decr(key, delta, initial=initial, expire=expire)
        finally:
            self._bring_back(mc)

    async def touch(self, key: str | bytes, expire: Expire) -> bool:
        """Give the item a new expiry. False: there is none."""
        mc = self._borrow() or await self._wait()
        try:
            return await mc.touch(key, expire)
        finally:
            self._bring_back(mc)

    async def flush_all(self, delay: int = 0) -> bool:
        """Make all that is stored now, on all servers, invisible *delay* seconds from now."""
        mc = self._borrow() or await self._wait()
        try:
            return await mc.flush_all(delay)
        finally:
            self._bring_back(mc)

    async def stats(self, group: str | None = None) -> dict[str, dict[str, str]]:
        """The statistics of every server, by its name; of a group (``"items"``) if named."""
        mc = self._borrow() or await self._wait()
        try:
            return await mc.stats(group)
        finally:
            self._bring_back(mc)

    async def version(self) -> dict[str, str]:
        """The version of every server, by its name."""
        mc = self._borrow() or await self._wait()
        try:
            return await mc.version()
        finally:
            self._bring_back(mc)

    async def execute(
        self, command: Command[R], *, server: str | tuple[str, int] | None = None
    ) -> R:
        """Send any command of mcproto and give back ``command.result(reply)``."""
        mc = self._borrow() or await self._wait()
        try:
            return await mc.execute(command, server=server)
        finally:
            self._bring_back(mc)

    def quiet(self) -> AsyncQuiet:
        """A block whose writes are gathered, leave in flights, and are answered if they fail.

        One client is reserved for all of it. See `AsyncQuiet`.
        """
        from ._quiet import AsyncPooledQuiet

        return AsyncPooledQuiet(self.pool, self._master, self._timeout)

    def clone(self) -> Self:
        """Another client with the same options, and connections of its own. Connects nothing.

        (Of a pool that was given ready-made, only the size is the same.)
        """
        return type(self)(self._master.clone(), self.pool.stats().size, **self._options)

    async def aclose(self) -> None:
        """Close all connections. Calls in other tasks end with `ClientClosed`, at once."""
        await self.pool.aclose()

    def forget_connections(self) -> None:
        """Start anew with fresh connections. What a child process does after a fork, by itself."""
        self.pool.drain()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self.servers)!r}, {self.pool!r})"

    @property
    def _master(self) -> AsyncClient:
        master = self._lender.master
        assert master is not None
        return master

    def _borrow(self) -> AsyncClient | None:
        """A client, if there is one at once."""
        lender = self._lender
        next(lender.requests)
        if lender.queue or lender.leaving or lender.care is not None:
            return None
        try:
            client = lender.idle.pop()
        except IndexError:
            client = None
        return client

    async def _wait(self) -> AsyncClient:
        lender, timeout = self._lender, self._timeout
        began = monotonic()
        try:
            if lender.care is None:
                client = await take_in_task(lender, True, timeout)
            else:
                client = await lender.care.aborrow(lender, True, timeout)
        except PoolClosed as error:
            raise ClientClosed("the client has been closed") from error
        if timeout is not None:
            waited = monotonic() - began
            if waited > timeout * _NO_TIME:
                self._hurried[id(client)] = True
                client.hurry(max(timeout - waited, 0.0))
        return client

    def _bring_back(self, client: AsyncClient) -> None:
        lender = self._lender
        if self._hurried and self._hurried.pop(id(client), False):
            client.hurry(None)
        if lender.care is not None:
            lender.care.bring_back(lender, client)
        else:
            lender.give_back(client)
