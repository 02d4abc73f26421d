"""``mcclient demo``: what the library does, done before your eyes.

Knows the order of the acts and adds up what they report.  Every number on the screen has been
counted or timed in this run, every answer is compared with what it must be, and the exit status
is 1 if one was wrong.
"""

from __future__ import annotations

from .._arguments import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

__all__ = ["COMMAND"]


def add_arguments(parser: ArgumentParser) -> None:
    """It takes none: whatever one would like to vary, the acts are short enough to be read."""


def run(options: Namespace) -> int:
    from ._show import show  # threads, event loops, servers: only for those who want to see them

    return show()


COMMAND = Command(
    "demo",
    "see it at work: servers, pools, tasks, a lost server",
    "Start servers in this process, put clients and pools to work on them, lose a server on"
    " purpose, and check every answer. Needs nothing that is not here.",
    add_arguments,
    run,
)
