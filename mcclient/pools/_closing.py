"""How a pool closes clients: one that nobody needs any more, or all of them.

Knows that one that fails must not keep the others open, and refuses to know which they are.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable
    from typing import Protocol

    class Closable(Protocol):
        def close(self) -> object: ...

    class AsyncClosable(Protocol):
        def aclose(self) -> Awaitable[object]: ...


__all__ = ["aclose_all", "close_all", "is_closed", "retire"]


def close_all(clients: Iterable[Closable]) -> None:
    """Close every one of *clients*. Then raises what the first has raised that has failed."""
    failure: BaseException | None = None
    for client in clients:
        try:
            client.close()
        except BaseException as error:
            failure = error if failure is None else failure
    if failure is not None:
        raise failure


async def aclose_all(clients: Iterable[AsyncClosable]) -> None:
    """`close_all`, awaited. Cancelled, it still closes all."""
    failure: BaseException | None = None
    for client in clients:
        try:
            await client.aclose()
        except BaseException as error:
            failure = error if failure is None else failure
    if failure is not None:
        raise failure


def is_closed(client: object) -> bool:
    """Whether its borrower has closed it, if it can say so."""
    return bool(getattr(client, "closed", False))


def retire(client: object) -> None:
    """Close a client that nobody will need again, without waiting for anything.

    Of an async client's `aclose`, what comes before the first wait is done: ours never waits.
    """
    close = getattr(client, "close", None)
    if close is not None:
        close()
        return
    aclose = getattr(client, "aclose", None)
    if aclose is not None:
        closing = aclose()
        try:
            closing.send(None)
        except StopIteration:
            pass
        finally:
            closing.close()
