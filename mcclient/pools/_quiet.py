"""Quiet blocks on a client that is reserved for the length of the block."""

from __future__ import annotations

from .._errors import ClientClosed, PoolClosed
from .._quiet import AsyncQuiet, Quiet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from .._async_client import AsyncClient
    from .._client import Client
    from ._reservations import AsyncReservation, Reservation
    from .client_pool import ClientPool

__all__ = ["AsyncPooledQuiet", "PooledQuiet"]


class PooledQuiet(Quiet):
    """`Quiet` for a pooled client.

    Args:
        master: what its clients are copies of.
        timeout: how long to wait for one, in seconds; then PoolTimeout.
    """

    __slots__ = ("_reservation",)

    def __init__(self, pool: ClientPool[Client], master: Client, timeout: float | None) -> None:
        plain = master.quiet()
        self._gathered = plain._gathered
        self._run = plain._run
        self._reservation: Reservation[Client] = pool.reserve(block=True, timeout=timeout)

    def __enter__(self) -> Self:
        try:
            mc = self._reservation.__enter__()
        except PoolClosed as error:
            raise ClientClosed("the client has been closed") from error
        self._run = mc.quiet()._run
        return super().__enter__()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            super().__exit__(exc_type, exc, traceback)
        finally:
            self._reservation.__exit__(exc_type, exc, traceback)


class AsyncPooledQuiet(AsyncQuiet):
    """`AsyncQuiet` for a pooled client. Arguments as there."""

    __slots__ = ("_reservation",)

    def __init__(
        self, pool: ClientPool[AsyncClient], master: AsyncClient, timeout: float | None
    ) -> None:
        plain = master.quiet()
        self._gathered = plain._gathered
        self._run = plain._run
        self._reservation: AsyncReservation[AsyncClient] = pool.reserve(block=True, timeout=timeout)

    async def __aenter__(self) -> Self:
        try:
            mc = await self._reservation.__aenter__()
        except PoolClosed as error:
            raise ClientClosed("the client has been closed") from error
        self._run = mc.quiet()._run
        return await super().__aenter__()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await super().__aexit__(exc_type, exc, traceback)
        finally:
            await self._reservation.__aexit__(exc_type, exc, traceback)
