"""Servers that fail: one that hangs up in mid-call, and one that is gone for a while."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

from ... import Client, ConnectionLost, PartialFailure, ServerUnavailable
from ...embedded import MemoryServer
from ._stage import PATIENCE, Stage, timed

if TYPE_CHECKING:
    from typing import TypeAlias

    Rows: TypeAlias = "dict[str | bytes, object]"

__all__ = ["failing_servers"]

_ROWS = 600


def failing_servers(stage: Stage) -> None:
    """What is lost, what is known about it, and what works all the same."""
    _one_hangs_up(stage)
    _one_is_gone(stage)


def _one_hangs_up(stage: Stage) -> None:
    def count() -> str:
        try:
            return str(mc.incr("orders"))
        except ConnectionLost as error:
            return f"{type(error).__name__}, maybe_applied={error.maybe_applied}"

    stage.screen.lines("   A server that obeys, but hangs up before it answers")
    server = stage.servers[0]
    with Client(server.address, timeout=PATIENCE) as mc:
        stage.show('incr("orders", initial=1)', mc.incr("orders", initial=1), 1)
        server.fail_next("close")
        told, expected = count(), f"{ConnectionLost.__name__}, maybe_applied=True"
        stage.say('incr("orders"), and it hangs up', told)
        stage.tally.check(told, expected)
        stage.show("... and it was, as the next one shows", mc.incr("orders"), 3)


def _one_is_gone(stage: Stage) -> None:
    rows: Rows = {f"kept:{number}": number for number in range(_ROWS)}
    victim = stage.servers[-1]
    with (
        Client(stage.addresses, timeout=PATIENCE) as strict,
        Client(stage.addresses, timeout=PATIENCE, on_unavailable="miss") as lenient,
    ):
        stage.tally.check(strict.set_multi(rows), [], operations=_ROWS)
        stage.tally.check(lenient.get_multi(rows), rows, operations=_ROWS)
        with Client(victim.address, timeout=PATIENCE) as alone:
            lost = alone.get_multi(rows)
        rest = {key: value for key, value in rows.items() if key not in lost}
        victim.close()
        stage.screen.lines(
            "",
            f"   Of {_ROWS} stored keys {len(lost)} live on {victim.address},"
            " which is now shut down.",
        )
        _it_raises(stage, strict, rows, rest)
        _it_misses(stage, lenient, rows, rest)
        stage.servers[-1] = MemoryServer(victim.host, victim.port)
        stage.servers[-1].start()
        _it_is_back(stage, lenient, rows, rest)


def _it_raises(stage: Stage, mc: Client, rows: Rows, rest: Rows) -> None:
    lost = [key for key in rows if key not in rest]

    def get_rows() -> PartialFailure | None:
        try:
            mc.get_multi(rows)
        except PartialFailure as error:
            return error
        return None

    def set_lost() -> ServerUnavailable | None:
        try:
            mc.set(lost[0], 0)
        except ServerUnavailable as error:
            return error
        return None

    stage.screen.lines("", '   on_unavailable="raise" (the default)')
    failure, took = timed(get_rows)
    stage.say(f"get_multi of all {_ROWS} keys", f"{type(failure).__name__} in {took}")
    # `result` has the form of the call's own result.
    result = cast("Rows", failure.result) if failure is not None else {}
    failed = failure.failed_keys if failure is not None else []
    stage.say("... its result", f"{len(result)} values, as stored")
    stage.tally.check(result, rest, operations=_ROWS)
    stage.say("... its failed_keys", f"{len(failed)} keys")
    stage.tally.check(failed, lost, operations=0)
    refusal, took = timed(set_lost)
    stage.say("set of one of these", f"{type(refusal).__name__} in {took}")
    applied = refusal.maybe_applied if refusal is not None else True
    stage.show("... maybe_applied", applied, False)


def _it_misses(stage: Stage, mc: Client, rows: Rows, rest: Rows) -> None:
    stage.screen.lines("", '   on_unavailable="miss"')
    found, took = timed(lambda: mc.get_multi(rows))
    misses = len(rows) - len(found)
    stage.say(f"get_multi of all {_ROWS} keys", f"{len(found)} values, {misses} misses, {took}")
    stage.tally.check(found, rest, operations=_ROWS)


def _it_is_back(stage: Stage, mc: Client, rows: Rows, rest: Rows) -> None:
    def come_back() -> None:
        # A server that has failed is tried now and then; in between, calls fail at once.
        while len(mc.version()) < len(mc.servers):
            time.sleep(0.001)

    _, took = timed(come_back)
    stage.screen.lines("", f"   A new server at that address, empty; found after {took}")
    found = mc.get_multi(rows)
    misses = {key: value for key, value in rows.items() if key not in found}
    stage.say("get_multi", f"{len(found)} values, {len(misses)} misses")
    stage.tally.check(found, rest, operations=_ROWS)
    not_stored = mc.set_multi(misses)
    stage.say("set_multi of what was missing", f"{len(misses) - len(not_stored)} stored")
    stage.tally.check(not_stored, [], operations=len(misses))
    found = mc.get_multi(rows)
    stage.say("get_multi", f"{len(found)} values, {len(rows) - len(found)} misses")
    stage.tally.check(found, rows, operations=_ROWS)
