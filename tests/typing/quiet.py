# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""What type checkers make of quiet blocks. Never run: scripts/check has them read it."""

from __future__ import annotations

from typing import assert_type

from mcclient import (
    AsyncClient,
    AsyncPooledClient,
    AsyncQuiet,
    Client,
    MemcacheError,
    PooledClient,
    Quiet,
)
from mcproto import Status


def threads(mc: Client | PooledClient) -> None:
    with mc.quiet() as q:
        assert_type(q, Quiet)
        q.set("k", b"v", expire=60)
        q.set_multi({"k": 1, "l": "2"})
        q.incr("n", initial=1)
        q.set("k")  # type: ignore[call-arg]
    assert_type(q.failed, dict[str | bytes, Status | MemcacheError])


async def tasks(mc: AsyncClient | AsyncPooledClient) -> None:
    async with mc.quiet() as q:
        assert_type(q, AsyncQuiet)
        await q.set("k", b"v", expire=60)
        assert_type(await q.delete("k"), None)
        await q.flush()
    with mc.quiet() as q:  # type: ignore[attr-defined]
        pass
