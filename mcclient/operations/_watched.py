"""An operation that is watched: what it asks for and gets is counted, and an observer is told.

It is put around any other operation, which does not know. Clients that nobody observes do not.
"""

from __future__ import annotations

from mcproto import Flight

from .._observers import Operation as Done
from .._observers import tell
from ._effects import Exchange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar

    from mcproto import Command

    from .._observers import Observer
    from ._effects import Effect, Operation
    from ._setup import Setup

    R = TypeVar("R")

__all__ = ["watched"]


def watched(
    setup: Setup,
    operation: Operation[R],
    observer: Observer,
    name: str | None,
    clock: Callable[[], float],
) -> Operation[R]:
    """*operation*, and in the end *observer* is told what has become of it.

    Args:
        name: what the caller knows it by; None: the operation's own name.
        clock: gives seconds.
    """
    tally = _Tally(observer.wants_keys)
    began = clock()
    error: BaseException | None = None
    try:
        effect: Effect = next(operation)
        while True:
            try:
                outcome = yield effect
            except GeneratorExit:
                # The runner has been struck down, or cancelled: it is not told why.
                operation.close()
                raise
            except BaseException as failure:
                tally.add(effect, None)
                effect = operation.throw(failure)
            else:
                tally.add(effect, outcome)
                effect = operation.send(outcome)
    except StopIteration as stop:
        result: R = stop.value
        return result
    except BaseException as failure:
        error = failure
        raise
    finally:
        tell(
            observer.operation,
            Done(
                name or str(getattr(operation, "__name__", "")),
                tally.keys,
                tally.hits,
                tally.misses,
                tally.size,
                tuple([setup.servers[server].name for server in tally.servers]),
                clock() - began,
                error,
                tuple(tally.key_names),
            ),
        )


class _Tally:
    """What an operation's exchanges come to."""

    __slots__ = ("size", "hits", "key_names", "keys", "misses", "servers", "_wants_keys")

    def __init__(self, wants_keys: bool) -> None:
        self.keys = 0
        self.hits = 0
        self.misses = 0
        self.size = 0
        self.servers: dict[int, bool] = {}
        self.key_names: list[bytes] = []
        self._wants_keys = wants_keys

    def add(self, effect: Effect, outcome: Any) -> None:
        if isinstance(effect, Exchange):
            self._add_exchange(effect.server, effect.command, outcome)
            return
        outcomes: dict[int, object] = outcome if hasattr(outcome, "get") else {}
        for server, command in effect.commands.items():
            self._add_exchange(server, command, outcomes.get(server))

    def _add_exchange(self, server: int, command: Command[object], outcome: Any) -> None:
        self.servers[server] = True
        parts = command.commands if isinstance(command, Flight) else (command,)
        for part in parts:
            keys = _keys_of(part)
            self.keys += len(keys)
            if self._wants_keys:
                self.key_names += keys
            self.size += part.value_size
        # A meta `Get` may be about the item's life alone.
        is_get = type(command).__name__.startswith(("Get", "Gat")) and getattr(command, "v", True)
        if not is_get or isinstance(outcome, Exception):
            return
        found: list[object]
        if hasattr(outcome, "index"):  # columns: a tuple
            datas: Sequence[bytes] = outcome[2]
            self.hits += len(datas)
            self.misses += len(_keys_of(command)) - len(datas)
            self.size += sum(map(len, datas))
            return
        if hasattr(outcome, "values"):  # a dict
            found = list(outcome.values())
        else:
            found = [] if outcome is None else [outcome]
        self.hits += len(found)
        self.misses += len(_keys_of(command)) - len(found)
        for item in found:
            value: bytes | None = getattr(item, "value", None)
            self.size += 0 if value is None else len(value)


def _keys_of(command: Command[object]) -> list[bytes]:
    key: bytes | None = getattr(command, "key", None)
    keys: Sequence[bytes] = getattr(command, "keys", ())
    return list(keys) if key is None else [key]
