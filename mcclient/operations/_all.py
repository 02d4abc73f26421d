"""Operations on all servers, whatever the keys."""

from __future__ import annotations

from .._errors import MemcacheError
from ._effects import FanOut
from ._many import failure, unforgiven

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from mcproto import Command

    from ._effects import Operation
    from ._setup import Setup

    R = TypeVar("R")

__all__ = ["flush_all", "stats", "version"]


def flush_all(setup: Setup, delay: int) -> Operation[bool]:
    """Make all that is stored invisible; whether every server has agreed."""
    outcomes = yield from _from_all(setup, setup.dialect.flush_all(delay))
    errors = {s: outcome for s, outcome in outcomes.items() if isinstance(outcome, MemcacheError)}
    flushed = all(o is True for o in outcomes.values() if not isinstance(o, MemcacheError))
    if errors:
        raise failure(setup, errors, flushed, [])
    return flushed


def stats(setup: Setup, group: str | None) -> Operation[dict[str, dict[str, str]]]:
    """Every server's statistics, by its name."""
    return (yield from _by_name(setup, setup.dialect.stats(group)))


def version(setup: Setup) -> Operation[dict[str, str]]:
    """Every server's version, by its name."""
    return (yield from _by_name(setup, setup.dialect.version()))


def _by_name(setup: Setup, command: Command[R]) -> Operation[dict[str, R]]:
    answers: dict[str, R] = {}
    errors: dict[int, MemcacheError] = {}
    outcomes = yield from _from_all(setup, command)
    for server in range(len(setup.servers)):  # whoever was first to answer
        outcome = outcomes[server]
        if isinstance(outcome, MemcacheError):
            errors[server] = outcome
        else:
            answers[setup.servers[server].name] = outcome
    lost = unforgiven(setup, errors)
    if lost:
        raise failure(setup, lost, answers, [])
    return answers


def _from_all(setup: Setup, command: Command[R]) -> Operation[dict[int, R | MemcacheError]]:
    return (yield from FanOut(dict.fromkeys(range(len(setup.servers)), command)))
