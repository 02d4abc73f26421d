"""``mcclient check-server``: whether a server does what memcached does.

Knows how to report it, by command and flag; the checks are `conformance`'s.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING

from .. import ServerUnavailable
from .._servers import DEFAULT_PORT
from ._arguments import Command, add_json, parse_address
from ._screen import Screen, escaped, table

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from ..conformance import Outcome

__all__ = ["COMMAND"]

_DIALECTS = ("classic", "meta", "binary")


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "server",
        metavar="HOST:PORT",
        type=parse_place,
        help=f"the server; without a port {DEFAULT_PORT}, with a / the path of a unix socket",
    )
    parser.add_argument(
        "--only",
        metavar="DIALECT",
        action="append",
        choices=_DIALECTS,
        help="classic, meta or binary; again for more (default: all)",
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=parse_timeout,
        default=5.0,
        help="how long an answer may take (default: 5)",
    )
    add_json(parser)


def parse_place(text: str) -> tuple[str, int] | str:
    """Host and port, or a path."""
    from .._servers import parse_server

    parse_address(text)
    server = parse_server(text)
    if server.tls or server.weight != 1:
        raise ArgumentTypeError(f"{text!r} is more than HOST:PORT")
    return server.address


def parse_timeout(text: str) -> float:
    """Seconds, more than 0."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return seconds


def run(options: Namespace) -> int:
    from ..conformance import check_server

    screen = Screen(sys.stderr)

    def progress(done: int, total: int) -> None:
        if screen.is_terminal:
            screen.progress(f"{done} of {total} checks")

    try:
        outcomes = check_server(
            options.server,
            dialects=options.only or _DIALECTS,
            timeout=options.timeout,
            progress=progress,
        )
    except OSError as error:
        raise ServerUnavailable(f"the server cannot be asked: {error}") from error
    finally:
        screen.erase()
    if options.json:
        print(json.dumps(_as_data(outcomes), indent=2))
    else:
        _print_report(outcomes)
    return 0 if all(outcome.passed for outcome in outcomes) else 1


def _as_data(outcomes: list[Outcome]) -> dict[str, object]:
    return {
        "checks": len(outcomes),
        "passed": sum(outcome.passed for outcome in outcomes),
        "areas": [
            {"dialect": dialect, "command": area, "checks": total, "passed": passed}
            for (dialect, area), (passed, total) in _by_area(outcomes).items()
        ],
        "differences": [
            {
                "dialect": outcome.dialect,
                "command": outcome.area,
                "promise": outcome.title,
                "sent": outcome.sent,
                "expected": outcome.expected,
                "got": outcome.got,
            }
            for outcome in outcomes
            if not outcome.passed
        ],
    }


def _print_report(outcomes: list[Outcome]) -> None:
    screen = Screen()
    rows = [
        (dialect, area, f"{passed}/{total}", "" if passed == total else "differs")
        for (dialect, area), (passed, total) in _by_area(outcomes).items()
    ]
    screen.lines(*table([("dialect", "command", "passed", ""), *rows], "<<><"))
    for outcome in outcomes:
        if not outcome.passed:
            screen.lines("", f"{outcome.dialect} {outcome.area}: {outcome.title}")
            for label, lines in (
                ("sent", outcome.sent),
                ("expected", outcome.expected),
                ("got", outcome.got or ["(nothing)"]),
            ):
                for line in lines:
                    screen.lines(f"    {label:8}  {_shown(line)}")
                    label = ""
    passed = sum(outcome.passed for outcome in outcomes)
    share = 100 * passed / len(outcomes)
    screen.lines("", f"{passed} of {len(outcomes)} checks passed ({share:.4g} %)")


def _shown(line: str) -> str:
    text = escaped(line.encode("latin-1", "replace"))
    return text if len(text) <= 100 else f"{text[:90]}... ({len(text)} characters)"


def _by_area(outcomes: list[Outcome]) -> dict[tuple[str, str], tuple[int, int]]:
    """For each command how many checks were passed, and how many there are."""
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for outcome in outcomes:
        passed, total = found.get((outcome.dialect, outcome.area), (0, 0))
        found[outcome.dialect, outcome.area] = (passed + outcome.passed, total + 1)
    return found


COMMAND = Command(
    "check-server",
    "compare a server with memcached, command by command",
    "Ask a running server everything that memcached promises, and report where it differs. Its"
    " items are left alone: the checks use keys of their own, and delete them.",
    add_arguments,
    run,
)
