"""One client, three servers: the daily calls, and which server has which keys."""

from __future__ import annotations

from ... import Client
from ._stage import PATIENCE, Stage, timed

__all__ = ["one_client"]

_ROWS = 600


def one_client(stage: Stage) -> None:
    """The calls that everybody makes, then many keys at once."""
    with Client(stage.addresses, timeout=PATIENCE) as mc:
        show = stage.show
        show('set("greeting", "hello")', mc.set("greeting", "hello"), True)
        show('get("greeting")', mc.get("greeting"), "hello")
        show('get("nobody", default="?")', mc.get("nobody", default="?"), "?")
        counted = [mc.incr("visits", initial=1) for _ in range(3)]
        show('incr("visits", initial=1), three times', counted, [1, 2, 3], operations=3)
        item = mc.gets("greeting")
        assert item is not None
        show('cas("greeting", "hi", unique)', mc.cas("greeting", "hi", item.cas), True)
        show("the same again: it has changed since", mc.cas("greeting", "ho", item.cas), False)

        rows: dict[str | bytes, object] = {
            f"row:{number}": f"value {number}" for number in range(_ROWS)
        }
        before = _items(mc)
        not_stored, took = timed(lambda: mc.set_multi(rows))
        stage.tally.check(not_stored, [], operations=_ROWS)
        stage.say(f"set_multi of {_ROWS} values", f"{_ROWS - len(not_stored)} stored in {took}")
        found, took = timed(lambda: mc.get_multi(rows))
        stage.tally.check(found, rows, operations=_ROWS)
        stage.say(f"get_multi of {_ROWS} keys", f"{len(found)} found in {took}")

        stage.screen.lines("", "   Where the ring has placed them, by the servers' own count:")
        placed = {server: count - before[server] for server, count in _items(mc).items()}
        stage.tally.check(sum(placed.values()), _ROWS, operations=0)
        for server, count in placed.items():
            stage.bar(server, count / max(placed.values()), f"{count:4} keys")


def _items(mc: Client) -> dict[str, int]:
    """How many items each server has."""
    return {server: int(entries["curr_items"]) for server, entries in mc.stats().items()}
