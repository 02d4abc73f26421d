"""``mcclient set``: bytes under a key, from the command line or from standard input."""

from __future__ import annotations

import json
import os
import sys

from ._arguments import Command, add_json, add_servers, client_for, parse_key, parse_ttl
from ._screen import complain, escaped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

__all__ = ["COMMAND"]


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("key", metavar="KEY", type=parse_key, help="where to store it")
    parser.add_argument(
        "value",
        metavar="VALUE",
        nargs="?",
        type=os.fsencode,
        help="what to store (default: standard input, byte for byte)",
    )
    parser.add_argument(
        "--ttl",
        metavar="SECONDS",
        type=parse_ttl,
        default=0,
        help="how long it is to live; also such as 90s, 5m, 12h, 7d (default: forever)",
    )
    add_servers(parser)
    add_json(parser)


def run(options: Namespace) -> int:
    key: bytes = options.key
    value: bytes | None = options.value
    with client_for(options) as mc:
        if value is None:
            value = sys.stdin.buffer.read()
        stored = mc.set(key, value, expire=options.ttl)
    if options.json:
        print(json.dumps({escaped(key): stored}))
    elif not stored:
        complain(options, f"{escaped(key)}: not stored")
    return 0 if stored else 1


COMMAND = Command(
    "set",
    "store a value",
    "Store a value under a key, whatever was there.",
    add_arguments,
    run,
)
