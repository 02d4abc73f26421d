"""pylibmc's constants, and the dict that a client's behaviors come in."""

from __future__ import annotations

from ._constants import (
    all_behaviors,
    all_callbacks,
    distributions,
    distributions_rvs,
    hashers,
    hashers_rvs,
)
from ._errors import exceptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Protocol

    class Behaving(Protocol):
        def set_behaviors(self, behaviors: Mapping[str, Any], /) -> None: ...


__all__ = [
    "BehaviorDict",
    "all_behaviors",
    "all_callbacks",
    "distributions",
    "distributions_rvs",
    "errors",
    "hashers",
    "hashers_rvs",
]

errors = tuple(kind for _, kind in exceptions)
"""All exceptions, for an ``except`` clause."""

globals().update(exceptions)


class BehaviorDict(dict[str, "Any"]):
    """A snapshot of a client's behaviors. ``d[name] = value`` and ``d.update(...)`` set them."""

    def __init__(self, client: Behaving, *args: Any, **kwds: Any) -> None:
        super().__init__(*args, **kwds)
        self.client = client

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        self.client.set_behaviors({name: value})

    def update(self, d: Mapping[str, Any]) -> None:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        """Set several at once."""
        super().update(d)
        self.client.set_behaviors(dict(d))
