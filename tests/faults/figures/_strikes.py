"""F9: interrupts, timeouts of greenlets and cancels, at random, under load."""

from __future__ import annotations

import contextlib
import io
import re

import pytest

from mcclient import Client
from tests.faults.figures._size import Size
from tests.pools import test_under_fire as under_fire
from tests.servers import RealMemcached

# They are a hundred thousand calls in all, if told to do what the suite does.
TIMES = {"short": 1, "full": 1, "long": 100}


def strikes(size: Size) -> str:
    """Every value is its own key, and every client is back in its pool."""
    times = TIMES[size]
    told = io.StringIO()
    with RealMemcached() as server, pytest.MonkeyPatch.context() as monkeypatch:
        with Client(server.address) as mc:
            mc.set_multi({key: key for key in under_fire.KEYS})
        with contextlib.redirect_stdout(told):
            under_fire.test_threads_interrupted_anywhere_get_their_own_answers(
                server, times, monkeypatch
            )
            under_fire.test_asyncio_tasks_cancelled_anywhere_get_their_own_answers(server, times)
            under_fire.test_trio_tasks_cancelled_anywhere_get_their_own_answers(server, times)
            under_fire.test_greenlets_timed_out_anywhere_get_their_own_answers(server, times)
    calls = sum(int(number) for number in re.findall(r"(\d+) calls", told.getvalue()))
    struck = re.findall(r"struck (\d+) times|(\d+) cancels|(\d+) timeouts", told.getvalue())
    strikes = sum(int(number) for numbers in struck for number in numbers if number)
    return f"0 wrong in {calls:,} calls, {strikes:,} strikes"
