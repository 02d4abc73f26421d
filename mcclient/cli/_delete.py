"""``mcclient delete``: several keys, each on its own, so that each has its answer."""

from __future__ import annotations

import json

from .. import ServerUnavailable
from ._arguments import Command, add_json, add_servers, client_for, parse_key
from ._screen import complain, escaped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

__all__ = ["COMMAND"]


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("keys", metavar="KEY", nargs="+", type=parse_key, help="what to delete")
    add_servers(parser)
    add_json(parser)


def run(options: Namespace) -> int:
    deleted: dict[str, bool] = {}
    failures: dict[str, None] = {}
    with client_for(options) as mc:
        for key in dict.fromkeys(options.keys):
            try:
                deleted[escaped(key)] = mc.delete(key)
            except ServerUnavailable as error:  # the others' servers may do better
                failures[str(error)] = None
    if options.json:
        print(json.dumps(deleted, indent=2))
    else:
        for name, was_there in deleted.items():
            if not was_there:
                complain(options, f"{name}: not found")
    for failure in failures:
        complain(options, failure)
    if failures:
        return 3
    return 0 if all(deleted.values()) else 1


COMMAND = Command(
    "delete",
    "delete a key, or several",
    "Delete what is stored under the keys.",
    add_arguments,
    run,
)
