"""Standing in for pylibmc under its own name."""

from __future__ import annotations

import sys
from importlib import import_module

from ..values._pickles import pickles_for
from ._defaults import DEFAULTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..values._pickles import Policy

__all__ = ["install"]

_SUBMODULES = ("autoconf", "client", "consts", "pools", "test")


def install(
    *,
    pickle: Policy = "allow",
    pickle_classes: Iterable[type] | None = None,
    pickle_keys: bytes | Iterable[bytes] | None = None,
) -> None:
    """From now on ``import pylibmc`` gives this module, and ``import _pylibmc`` its lower level.

    Call it before anything imports pylibmc. A second call changes the defaults.

    Args:
        pickle, pickle_classes, pickle_keys: what every `Client` is made with that does not say
            otherwise.

    Raises:
        ImportError: the real pylibmc is loaded already, so some use that; nothing is changed.
        ValueError, TypeError: the arguments do not fit each other.
    """
    package = __name__.rpartition(".")[0]
    for name in ("pylibmc", "_pylibmc"):
        loaded = sys.modules.get(name)
        if loaded is not None and not f"{loaded.__name__}.".startswith(f"{package}."):
            raise ImportError(
                f"the real {name} is loaded already: call mcclient.pylibmc.install() earlier",
                name=name,
            )
    if pickle_classes is not None:
        pickle_classes = tuple(pickle_classes)
    if pickle_keys is not None:
        pickle_keys = (pickle_keys,) if isinstance(pickle_keys, bytes) else tuple(pickle_keys)
    pickles_for(pickle, pickle_classes, pickle_keys)
    DEFAULTS.clear()
    DEFAULTS.update(pickle=pickle, pickle_classes=pickle_classes, pickle_keys=pickle_keys)
    sys.modules["pylibmc"] = sys.modules[package]
    sys.modules["_pylibmc"] = sys.modules[f"{package}._pylibmc"]
    for name in _SUBMODULES:
        sys.modules[f"pylibmc.{name}"] = import_module(f"{package}.{name}")
