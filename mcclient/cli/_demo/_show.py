"""The frame around the acts: servers up, one act after the other, a summary, servers down."""

from __future__ import annotations

import platform
import traceback
from time import perf_counter

from ... import __version__
from ...embedded import MemoryServer
from .._screen import Screen, duration, table
from ._failing_servers import failing_servers
from ._one_client import one_client
from ._stage import Stage, Tally
from ._tasks import cancelled_calls, tasks_over_a_pool
from ._threads import client_pool, thread_mapped_pool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["show"]

_SERVERS = 3

_ACTS: tuple[tuple[str, Callable[[Stage], None]], ...] = (
    ("One client, three servers", one_client),
    ("ClientPool: threads take turns", client_pool),
    ("ThreadMappedPool: a client for each thread", thread_mapped_pool),
    ("Tasks over a pool", tasks_over_a_pool),
    ("Calls cancelled half-way", cancelled_calls),
    ("Servers that fail", failing_servers),
)


def show() -> int:
    """Play every act. 0: every answer was right; 1: one was not, or an act has failed."""
    screen = Screen()
    stage = Stage(screen, [])
    played: list[tuple[str, Tally]] = []
    try:
        for _ in range(_SERVERS):
            server = MemoryServer()
            server.start()
            stage.servers.append(server)
        screen.lines(
            screen.strong(f"mcclient {__version__}")
            + f" on Python {platform.python_version()}, with {_SERVERS} memcached servers"
            " in this process.",
            "Every number below is counted or timed as you watch; every answer is checked.",
        )
        for number, (title, play) in enumerate(_ACTS, 1):
            screen.lines("", screen.strong(f"{number}  {title}"))
            played.append((title, _played(play, stage)))
    finally:
        for server in stage.servers:
            server.close()
    return _summary(screen, played)


def _played(play: Callable[[Stage], None], stage: Stage) -> Tally:
    tally = stage.tally = Tally()
    since = perf_counter()
    try:
        play(stage)
    except BrokenPipeError:
        raise  # nobody is watching any more
    except Exception as error:
        traceback.print_exc()
        tally.fail(f"{type(error).__name__}: {error}")
    tally.seconds = perf_counter() - since
    stage.screen.lines(*[f"   WRONG: {complaint}" for complaint in tally.complaints])
    return tally


def _summary(screen: Screen, played: list[tuple[str, Tally]]) -> int:
    operations = sum(tally.operations for _, tally in played)
    wrong = sum(tally.wrong for _, tally in played)
    seconds = sum(tally.seconds for _, tally in played)
    rows = [("", "what was shown", "operations", "wrong", "time")]
    for number, (title, tally) in enumerate(played, 1):
        numbers = (f"{tally.operations:,}", f"{tally.wrong:,}", duration(tally.seconds))
        rows.append((str(number), title, *numbers))
    rows.append(("", "all of it", f"{operations:,}", f"{wrong:,}", duration(seconds)))
    head, *body, foot = table(rows, "<<>>>")
    rule = "-" * max(map(len, (head, *body, foot)))
    screen.lines("", screen.strong(head), *body, rule, foot, "")
    if wrong:
        screen.lines("Something was WRONG: see above.")
        return 1
    screen.lines(
        "No wrong answer. Where to go from here:",
        "",
        "   python3 -m mcclient bench      how fast it is on this machine",
        "   python3 -m mcclient serve      a memcached to talk to, on port 11211",
        "   README.md                      the same in your own program",
    )
    return 0
