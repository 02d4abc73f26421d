"""Quiet blocks, for threads and for tasks: signatures, contracts, and when a flight leaves.

What is gathered, how it is sent and what has become of it is `operations._quiet`'s; how one
exchange goes is the client's.
"""

from __future__ import annotations

from ._expiry import exptime_of
from .operations._quiet import AROUND, WINDOW, Gathered, checked_keys, items_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Mapping
    from types import TracebackType
    from typing import Any, Self, TypeVar

    from ._expiry import Expire
    from .operations import Setup
    from .operations._quiet_commands import Why

    K = TypeVar("K", bound="str | bytes")

__all__ = ["AsyncQuiet", "Quiet"]


class Quiet:
    """Stores and changes without waiting for each answer. `Client.quiet` makes it, for a block.

    ::

        with mc.quiet() as q:
            for key, value in much:
                q.set(key, value, expire=300)
        for key, why in q.failed.items():
            ...

    The methods are the client's that write, and give None. What they are given is gathered, 64 KiB
    for a server at most, and leaves in *flights*: many commands in one write, which the server
    answers by no more than what it has not done, and by a barrier. `flush`, and the end of the
    block, send what is there and return when all servers have passed their barriers. So does
    a method when one of them has 64 KiB. Each such flight is an operation with the client's
    deadline, and all servers have theirs side by side.

    What is wrong with the call itself is raised by it, and it gathers nothing: a bad key, a value
    that the codec does not take or that is longer than the protocol allows. What a server does
    not do is not raised, but is in `failed`. A server that gives no answer is not tried again
    before `flush` or the end of the block has raised that; meanwhile all for it fails.

    If the block is left by an exception, nothing more is sent, and it goes on. (A flight
    that is given up on the way leaves its connection closed, or what is owed to it is dropped in
    order: the client is good for the next call in any case.)

    Commands for one key are obeyed in their order. The client can be used for other calls in
    the meantime; they do not see what has not left yet.
    """

    __slots__ = ("_gathered", "_run")

    def __init__(self, setup: Setup, as_is: bool, run: Callable[..., Any]) -> None:
        self._gathered = Gathered(setup, as_is)
        self._run = run

    @property
    def failed(self) -> dict[str | bytes, Why]:
        """What was not obeyed, so far: key -> why.

        Why is an `mcproto.Status` where the server has refused: ``NOT_STORED`` (`add`,
        `replace`, `append`, `prepend`), ``EXISTS`` (`cas`: changed since) or ``NOT_FOUND`` (there
        is nothing to change).  Else it is a `MemcacheError`, and its `maybe_applied` says whether
        the command may have been obeyed all the same: a `CommandFailed` for an error line, a
        `ServerUnavailable` where there was no answer, another one for what was under way, or not
        yet, when the block was left.

        A key stays here, with its last failure, even if a later command for it was obeyed. What
        is neither here nor waiting to be sent has been obeyed.
        """
        return self._gathered.failed

    def flush(self) -> None:
        """Send all that is gathered; return when each server has obeyed or said what it has not.

        Raises:
            ServerUnavailable: the server gave no answer, now or since the last `flush`.
            PartialFailure: of several some gave none; `failed_keys` are theirs.
        """
        self._run(self._gathered.flush(), name="quiet")

    def set(self, key: str | bytes, value: object, expire: Expire = 0) -> None:
        """Store *value*, whatever was there."""
        gathered = self._gathered
        # What is stored most often takes the shortest way; `Gathered.set` is the plain one, and
        # costs twice as much (benchmarks/quiet.py).
        if (
            type(value) is bytes
            and expire == 0
            and gathered.takes_bytes
            and (size := len(value)) < WINDOW
        ):
            server, wire = gathered.routes[key]
            share = gathered.shares[server]
            share.entries.append((key, wire, value))
            share.size = size = share.size + size + AROUND
            if size >= WINDOW:
                self._send()
        elif gathered.set(key, value, exptime_of(expire)):
            self._send()

    def add(self, key: str | bytes, value: object, expire: Expire = 0) -> None:
        """Store *value* if nothing is there."""
        if self._gathered.store("add", key, value, exptime_of(expire)):
            self._send()

    def replace(self, key: str | bytes, value: object, expire: Expire = 0) -> None:
        """Store *value* if something is there."""
        if self._gathered.store("replace", key, value, exptime_of(expire)):
            self._send()

    def append(self, key: str | bytes, value: object) -> None:
        """Put *value* behind what is there."""
        if self._gathered.join("append", key, value):
            self._send()

    def prepend(self, key: str | bytes, value: object) -> None:
        """Put *value* before what is there."""
        if self._gathered.join("prepend", key, value):
            self._send()

    def cas(self, key: str | bytes, value: object, cas: int, expire: Expire = 0) -> None:
        """Store *value* if the item is still the one that `gets` gave with this *cas*."""
        if self._gathered.cas(key, value, cas, exptime_of(expire)):
            self._send()

    def set_multi(self, mapping: Mapping[K, object], expire: Expire = 0) -> None:
        """Store many values. If one of them is bad, those before it are gathered."""
        for key, value in items_of(mapping):
            self.set(key, value, expire)

    def delete(self, key: str | bytes) -> None:
        """Delete the item."""
        if self._gathered.delete(key):
            self._send()

    def delete_multi(self, keys: Iterable[str | bytes]) -> None:
        """Delete many items. If one of the keys is bad, those before it are gathered."""
        for key in checked_keys(keys):
            self.delete(key)

    def incr(
        self, key: str | bytes, delta: int = 1, *, initial: int | None = None, expire: Expire = 0
    ) -> None:
        """Count up. *initial*: see `Client.incr`; in classic it is an InvalidArgument."""
        if self._gathered.arithmetic(key, True, delta, initial, exptime_of(expire)):
            self._send()

    def decr(
        self, key: str | bytes, delta: int = 1, *, initial: int | None = None, expire: Expire = 0
    ) -> None:
        """Count down, to 0 and no further. As `incr` in all else."""
        if self._gathered.arithmetic(key, False, delta, initial, exptime_of(expire)):
            self._send()

    def touch(self, key: str | bytes, expire: Expire) -> None:
        """Give the item a new expiry."""
        if self._gathered.touch(key, exptime_of(expire)):
            self._send()

    def __enter__(self) -> Self:
        self._gathered.open()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if exc is None:
                self.flush()
        finally:
            self._gathered.close()

    def _send(self) -> None:
        self._run(self._gathered.send(), name="quiet")


class AsyncQuiet:
    """Stores and changes without waiting for each answer. `AsyncClient.quiet` makes it.

    ::

        async with mc.quiet() as q:
            for key, value in much:
                await q.set(key, value, expire=300)

    As `Quiet` in all else. A method gathers when it is called, and what it gives is awaited, so
    that a full window can leave; nearly always that is at once.  (What nobody awaits leaves later.)
    """

    __slots__ = ("_gathered", "_run")

    def __init__(self, setup: Setup, as_is: bool, run: Callable[..., Awaitable[Any]]) -> None:
        self._gathered = Gathered(setup, as_is)
        self._run = run

    @property
    def failed(self) -> dict[str | bytes, Why]:
        """What was not obeyed, so far: key -> why. See `Quiet.failed`."""
        return self._gathered.failed

    async def flush(self) -> None:
        """Send all that is gathered; return when each server has obeyed or said what it has not.

        Raises as `Quiet.flush` does.
        """
        await self._run(self._gathered.flush(), name="quiet")

    def set(self, key: str | bytes, value: object, expire: Expire = 0) -> Awaitable[None]:
        """Store *value*, whatever was there."""
        exptime = 0 if expire == 0 else exptime_of(expire)
        return self._after(self._gathered.set(key, value, exptime))

    def add(self, key: str | bytes, value: object, expire: Expire = 0) -> Awaitable[None]:
        """Store *value* if nothing is there."""
        return self._after(self._gathered.store("add", key, value, exptime_of(expire)))

    def replace(self, key: str | bytes, value: object, expire: Expire = 0) -> Awaitable[None]:
        """Store *value* if something is there."""
        return self._after(self._gathered.store("replace", key, value, exptime_of(expire)))

    def append(self, key: str | bytes, value: object) -> Awaitable[None]:
        """Put *value* behind what is there."""
        return self._after(self._gathered.join("append", key, value))

    def prepend(self, key: str | bytes, value: object) -> Awaitable[None]:
        """Put *value* before what is there."""
        return self._after(self._gathered.join("prepend", key, value))

    def cas(self, key: str | bytes, value: object, cas: int, expire: Expire = 0) -> Awaitable[None]:
        """Store *value* if the item is still the one that `gets` gave with this *cas*."""
        return self._after(self._gathered.cas(key, value, cas, exptime_of(expire)))

    async def set_multi(self, mapping: Mapping[K, object], expire: Expire = 0) -> None:
        """Store many values. If one of them is bad, those before it are gathered."""
        for key, value in items_of(mapping):
            await self.set(key, value, expire)

    def delete(self, key: str | bytes) -> Awaitable[None]:
        """Delete the item."""
        return self._after(self._gathered.delete(key))

    async def delete_multi(self, keys: Iterable[str | bytes]) -> None:
        """Delete many items. If one of the keys is bad, those before it are gathered."""
        for key in checked_keys(keys):
            await self.delete(key)

    def incr(
        self, key: str | bytes, delta: int = 1, *, initial: int | None = None, expire: Expire = 0
    ) -> Awaitable[None]:
        """Count up. *initial*: see `Client.incr`; in classic it is an InvalidArgument."""
        exptime = exptime_of(expire)
        return self._after(self._gathered.arithmetic(key, True, delta, initial, exptime))

    def decr(
        self, key: str | bytes, delta: int = 1, *, initial: int | None = None, expire: Expire = 0
    ) -> Awaitable[None]:
        """Count down, to 0 and no further. As `incr` in all else."""
        exptime = exptime_of(expire)
        return self._after(self._gathered.arithmetic(key, False, delta, initial, exptime))

    def touch(self, key: str | bytes, expire: Expire) -> Awaitable[None]:
        """Give the item a new expiry."""
        return self._after(self._gathered.touch(key, exptime_of(expire)))

    async def __aenter__(self) -> Self:
        self._gathered.open()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if exc is None:
                await self.flush()
        finally:
            self._gathered.close()

    def _after(self, is_time: bool) -> Awaitable[None]:
        return _Sending(self._send) if is_time else _DONE

    async def _send(self) -> None:
        await self._run(self._gathered.send(), name="quiet")


class _Done:
    """Nothing to wait for."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, None]:
        return
        yield


class _Sending:
    """Waits for a full window to leave. (Unlike a coroutine, it may as well be dropped.)"""

    __slots__ = ("_send",)

    def __init__(self, send: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._send = send

    def __await__(self) -> Generator[Any, Any, None]:
        return self._send().__await__()


_DONE = _Done()
