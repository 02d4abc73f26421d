"""``mcclient bench``: how fast this library is, on this machine, with that server.

Knows what to report, and says so where the server is in this very process; what is measured, and
how, is in `_measure`.
"""

from __future__ import annotations

import json
import platform
import sys
from argparse import ArgumentTypeError
from contextlib import ExitStack
from typing import TYPE_CHECKING

from .. import __version__
from ._arguments import Command, add_json, add_servers
from ._screen import Screen, complain, table

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from ._measure import Result

__all__ = ["COMMAND"]


def add_arguments(parser: ArgumentParser) -> None:
    add_servers(parser, "an embedded one")
    parser.add_argument(
        "--seconds",
        metavar="N",
        type=parse_seconds,
        default=5.0,
        help="how long to measure in all (default: 5)",
    )
    add_json(parser)


def parse_seconds(text: str) -> float:
    """More than 0 seconds, ten minutes at most."""
    plain = text.replace(".", "", 1)
    if not (plain.isascii() and plain.isdigit() and 0 < float(text) <= 600):
        raise ArgumentTypeError(f"{text!r} is no number of seconds up to 600")
    return float(text)


def run(options: Namespace) -> int:
    from ._measure import measured  # threads and asyncio: only for those who want them

    servers: list[str] = options.servers or []
    embedded = not servers
    with ExitStack() as stack:
        if embedded:
            from ..embedded import MemoryServer

            servers = [stack.enter_context(MemoryServer()).address]
        results = measured(servers, options.seconds, Screen(sys.stderr))
    if options.json:
        _print_json(servers, embedded, results)
    else:
        _print_table(servers, embedded, results)
    for result in results:
        if result.wrong:
            complain(options, f"{result.name}: {result.wrong} of {result.operations} answers WRONG")
    return 1 if any(result.wrong for result in results) else 0


def _print_json(servers: list[str], embedded: bool, results: list[Result]) -> None:
    report = {
        "mcclient": __version__,
        "python": platform.python_version(),
        "servers": servers,
        "embedded": embedded,
        "results": [result._asdict() for result in results],
    }
    print(json.dumps(report, indent=2))


def _print_table(servers: list[str], embedded: bool, results: list[Result]) -> None:
    from ._measure import VALUE_SIZE

    screen = Screen()
    rows: list[tuple[str, ...]] = [("", "calls/s", "median us", "p99 us")]
    for result in results:
        figures = (result.per_second, result.median_us, result.p99_us)
        rows.append((result.name, *[f"{figure:,.0f}" for figure in figures]))
    head, *body = table(rows, "<>>>")
    room = max(8, min(screen.width - len(head) - 2, 28))
    fastest = max(result.per_second for result in results)
    screen.lines(
        f"mcclient {__version__}, Python {platform.python_version()}, {', '.join(servers)}",
        "",
        screen.strong(head),
    )
    for line, result in zip(body, results, strict=True):
        bar = screen.bar(result.per_second / fastest, room)
        screen.lines(f"{line}  {bar}".rstrip())
    screen.lines(
        "", f"Values have {VALUE_SIZE} bytes. Every answer was compared with what it had to be."
    )
    if embedded:
        screen.lines(
            "The server runs in this process and shares its interpreter with the clients,",
            "so these are the numbers of both together; -s HOST:PORT names another server.",
        )


COMMAND = Command(
    "bench",
    "measure how fast it is, here and now",
    "Measure the daily calls, one kind after the other, and check every answer. What is stored on"
    " the servers meanwhile has keys of its own, and is deleted again.",
    add_arguments,
    run,
)
