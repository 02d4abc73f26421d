"""Code with the usual mistakes, for the sweeps to find."""

from __future__ import annotations

from collections.abc import Awaitable, Callable


class Slots:
    """Counts what is lent out. `use` loses a slot if it is left by what is no Exception."""

    def __init__(self) -> None:
        self.free = 1

    def use(self, work: Callable[[], object]) -> None:
        self.free -= 1
        try:
            work()
        except Exception:
            self.free += 1
            raise
        self.free += 1

    async def use_in_task(self, work: Callable[[], Awaitable[object]]) -> None:
        self.free -= 1
        try:
            await work()
        except Exception:
            self.free += 1
            raise
        self.free += 1

    async def use_with_care(self, work: Callable[[], Awaitable[object]]) -> None:
        self.free -= 1
        try:
            await work()
        finally:
            self.free += 1
