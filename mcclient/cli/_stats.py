"""``mcclient stats``: what servers say about themselves.

Knows how to set them side by side; what a statistic means is for the reader to know.
"""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, cast

from mcproto import InvalidArgument, classic

from .. import BadCommand, CommandFailed, CommandUnknown, PartialFailure
from ._arguments import Command, UsageError, add_json, add_servers, client_for
from ._screen import Screen, complain, escaped, table

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

__all__ = ["COMMAND"]


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "group",
        metavar="GROUP",
        nargs="?",
        type=parse_group,
        help="items, slabs, settings, conns, ...: whatever the server knows",
    )
    add_servers(parser)
    add_json(parser)


def parse_group(text: str) -> str:
    """A group of statistics; the servers know which there are."""
    try:
        classic.Stats(text)
    except InvalidArgument as error:
        raise ArgumentTypeError(str(error)) from None
    return text


def run(options: Namespace) -> int:
    status, complaint = 0, ""
    with client_for(options) as mc:
        try:
            result: object = mc.stats(options.group)
        except PartialFailure as error:
            result, complaint = error.result, str(error)
            refused = all(isinstance(each, CommandFailed) for each in error.errors.values())
            status = 2 if refused else 3
        except (BadCommand, CommandUnknown) as error:
            if options.group is None:
                raise
            raise UsageError(f"argument GROUP: {error}") from None
    stats = cast("dict[str, dict[str, str]]", result)
    if options.json:
        print(json.dumps(stats, indent=2))
    else:
        _print_tables(stats)
    if complaint:
        complain(options, complaint)
    return status


def _print_tables(stats: dict[str, dict[str, str]]) -> None:
    """All servers side by side if the screen is wide enough for them, else one by one."""
    screen = Screen()
    together = _columns(stats)
    if max(map(len, together), default=0) <= screen.width:
        screen.lines(*together)
        return
    for number, (server, entries) in enumerate(stats.items()):
        if number:
            screen.lines("")
        screen.lines(*_columns({server: entries}))


def _columns(stats: dict[str, dict[str, str]]) -> list[str]:
    """A line for each statistic, a column for each server that has any."""
    stats = {server: entries for server, entries in stats.items() if entries}
    # In the order in which they came; servers of other versions may have others.
    names = dict.fromkeys([name for entries in stats.values() for name in entries])
    rows = [["", *stats]]
    for name in names:
        values = [entries.get(name, "-") for entries in stats.values()]
        rows.append([escaped(text.encode()) for text in (name, *values)])
    return table(rows, "<" + ">" * len(stats)) if names else []


COMMAND = Command(
    "stats",
    "print the servers' statistics",
    "Print the statistics of every server, or a group of them.",
    add_arguments,
    run,
)
