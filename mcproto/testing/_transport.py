"""What every transport must do, as a test that its author runs against a real server.

Knows how to play a story, not how to move bytes: it uses nothing but the adapter, and the
memcached at the other end.
"""

from __future__ import annotations

import threading
from typing import overload

from ._rigs import AsyncRig, Rig, check
from ._stories import ASYNC_STORIES, BLOCKING_STORIES, STORIES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from ..transports import Address, AsyncBackend, Backend, T
    from ..transports import AT_co as AT
    from ._stories import Story

__all__ = ["check_transport"]


def _promise(story: Story) -> str:
    return (story.__doc__ or "").strip().rstrip(".")


def _play(story: Story, rig: Rig) -> None:
    """On an adapter that blocks: in a thread, so that one that hangs is found out."""
    failures: list[BaseException] = []

    def run() -> None:
        coroutine = story(rig)
        try:
            coroutine.send(None)
        except StopIteration:
            return
        except BaseException as failure:
            failures.append(failure)
        else:
            coroutine.close()
            failures.append(AssertionError("it has to wait, and nothing here can"))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(3 * rig.patience)
    rig.close_all()
    check(not thread.is_alive(), f"{_promise(story)}: it hangs")
    for failure in failures:
        raise AssertionError(f"{_promise(story)}: {_told(failure)}") from failure


async def _play_all(rig: Rig) -> None:
    for story in [*ASYNC_STORIES, *STORIES]:
        try:
            await story(rig)
        except Exception as failure:
            raise AssertionError(f"{_promise(story)}: {_told(failure)}") from failure
        finally:
            rig.close_all()


def _told(failure: BaseException) -> str:
    return str(failure) if isinstance(failure, AssertionError) else repr(failure)


@overload
def check_transport(backend: Backend[T], address: Address) -> None: ...
@overload
def check_transport(backend: AsyncBackend[AT], address: Address) -> Coroutine[Any, Any, None]: ...
def check_transport(
    backend: Backend[T] | AsyncBackend[AT], address: Address
) -> Coroutine[Any, Any, None] | None:
    """Hold an adapter against what `mcproto.transports` promises of all adapters.

    ::

        check_transport(MyBackend(), ("127.0.0.1", 11211))
        trio.run(check_transport, MyAsyncBackend(), ("127.0.0.1", 11211))

    A backend with `exchange_all` is one that blocks, and is checked by this call.  One with
    `side_by_side` is for tasks: what comes back must be awaited, in that backend's own framework.

    It takes a second or so.  Of the server it uses a handful of connections at a time and some keys
    that begin with ``mcproto.testing:``, and deletes those.

    Args:
        backend: what is checked.
        address: where a memcached listens (1.6 or newer, or `mcclient.embedded.MemoryServer`), as
            the backend's `connect` takes it, or as text ``"host:port"``.

    Raises:
        AssertionError: a promise is not kept; it says which, and what was seen instead.
        TypeError: *backend* is neither.
    """
    if isinstance(address, str) and "/" not in address and ":" in address:
        host, _, port = address.rpartition(":")
        address = (host.strip("[]"), int(port))
    if hasattr(backend, "side_by_side"):
        return _play_all(AsyncRig(backend, address))
    if not hasattr(backend, "exchange_all"):
        raise TypeError(
            "backend must have exchange_all, as those that block, or side_by_side, as those for"
            f" tasks: {backend!r:.80}"
        )
    for story in [*STORIES, *BLOCKING_STORIES]:
        _play(story, Rig(backend, address))
    return None
