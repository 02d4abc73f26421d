"""The figures that the clients are held to under faults: functions that raise if one is missed.

    python3 -m tests.faults.figures [NAME...] [--short | --long]

The suite takes the short form of those that nothing else in it measures (test_figures.py).  What is
counted decides; a time is printed beside it, and only a gross miss fails, since machines have slow
phases.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.faults.figures._cancels import cancels
from tests.faults.figures._cycles import cycles
from tests.faults.figures._deadlines import longest_call, overrun
from tests.faults.figures._down import callers_of_one_that_is_down
from tests.faults.figures._forks import forks
from tests.faults.figures._interrupts import interrupts
from tests.faults.figures._planted import planted_values
from tests.faults.figures._restarts import restarts
from tests.faults.figures._secrets import secrets
from tests.faults.figures._simulation import simulation
from tests.faults.figures._size import Size
from tests.faults.figures._threads import threads
from tests.faults.figures._tls import refusals

__all__ = ["FIGURES", "Figure", "Size"]


class Figure(NamedTuple):
    """One of them.

    Attributes:
        what: is measured.
        required: what must be reached, in the usual form; and after the semicolon in the long one.
        measure: gives what has been reached; raises if that is too little.
    """

    what: str
    required: str
    measure: Callable[[Size], str]


FIGURES: dict[str, Figure] = {
    "F7": Figure(
        "cancels at every suspension: wrong, dirty, missed, hung, lost",
        "0 in 10,000 points; 0 in 200,000",
        cancels,
    ),
    "F8": Figure(
        "interrupts at every line of every call: wrong, dirty, hung",
        "0; 0 at every instruction",
        interrupts,
    ),
    "F10": Figure(
        "simulated faults on 6 % of replies, cancels of 5 % of calls: wrong answers",
        "0 in 200,000 calls, 50 seeds; 0 in 20 million, 5,000 seeds",
        simulation,
    ),
    "F11": Figure(
        "killed and restarted every 100 ms under 8 threads and 64 tasks",
        "0 wrong, 0 hung, descriptors +0, served <= 1 s after the last, in 10 s; in 10 min",
        restarts,
    ),
    "F12": Figure(
        "connections opened and closed, or refused",
        "descriptors +0, no ResourceWarning in 2,000 each; memory +1 MiB at most in 10,000 each",
        cycles,
    ),
    "F14": Figure(
        "a server that is down, 8 busy callers",
        "<= 10 connects/s, calls fail in < 1 ms; on return connects <= pool size",
        callers_of_one_that_is_down,
    ),
    "F15": Figure("the longest call with all defaults", "<= 1.2 s", longest_call),
    "F16": Figure("a deadline of 0.4 s, overrun by dribbling", "<= 50 ms", overrun),
    "F17": Figure("forked children on a warm client", "4 x 3,000 right, the parent right", forks),
    "F18": Figure(
        "8 threads on a PooledClient, and on one Client",
        "0 wrong, 0 errors in 200,000 calls, on the Client 0 wrong and only ClientBusy; 10 million",
        threads,
    ),
    "F22": Figure(
        "code executed, limits passed by planted values: natively, in pylibmc with each policy",
        "0",
        planted_values,
    ),
    "F23": Figure("bad set-ups of TLS, refused by default", "all of them", refusals),
    "F24": Figure("secrets in what is shown of clients and errors", "0", secrets),
}
"""By their names. (F9, F13, F25, F26 and F27 are those of the pools: tests.pools.figures.)"""
