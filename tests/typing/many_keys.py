# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""What type checkers make of methods on many keys. Never run: scripts/check has both read it.

A line that must be refused says so in a comment, which is itself an error where it is not needed.
"""

from __future__ import annotations

from typing import assert_type

from mcclient import AsyncClient, AsyncPooledClient, Client, PooledClient, pylibmc


def threads(
    mc: Client | PooledClient, rows: dict[str, int], either: dict[str | bytes, int]
) -> None:
    assert_type(mc.set_multi(rows), list[str])
    assert_type(mc.set_multi({b"k": [1], b"l": "2"}), list[bytes])
    assert_type(mc.set_multi(either, expire=60), list[str | bytes])
    assert_type(mc.get_multi(rows), dict[str, object])
    assert_type(mc.get_multi([b"k", b"l"]), dict[bytes, object])
    assert_type(mc.get_multi(either), dict[str | bytes, object])
    asked_for: dict[str | bytes, object] = mc.get_multi(["k", b"l"])
    mc.set_multi(asked_for)
    mc.set_multi({})
    mc.get_multi(())
    with mc.quiet() as q:
        q.set_multi(rows)
        q.set_multi(either)


async def tasks(mc: AsyncClient | AsyncPooledClient, rows: dict[bytes, str]) -> None:
    assert_type(await mc.set_multi(rows), list[bytes])
    assert_type(await mc.get_multi(rows), dict[bytes, object])
    async with mc.quiet() as q:
        await q.set_multi(rows)


def in_the_place_of_pylibmc(mc: pylibmc.Client, rows: dict[str, int]) -> None:
    assert_type(mc.set_multi(rows), list[str])
    assert_type(mc.add_multi({b"k": b"v"}), list[bytes])


async def the_wrong_keys(
    mc: Client, amc: AsyncClient, other: pylibmc.Client, rows: dict[int, str]
) -> None:
    mc.set_multi(rows)  # type: ignore[type-var]
    mc.set_multi([("k", 1)])  # type: ignore[arg-type]
    mc.get_multi([1])  # type: ignore[type-var]
    mc.get_multi(b"k")  # type: ignore[type-var]
    await amc.set_multi(rows)  # type: ignore[type-var]
    await amc.get_multi(rows)  # type: ignore[type-var]
    with mc.quiet() as q:
        q.set_multi(rows)  # type: ignore[type-var]
    other.set_multi(rows)  # type: ignore[type-var]
