"""``mcclient get``: what is stored, as it is stored.

Knows bytes and flags, and refuses to interpret them: any item can be shown, whoever wrote it.
"""

from __future__ import annotations

import base64
import json
import sys
from typing import TYPE_CHECKING, NamedTuple, cast

from .. import PartialFailure
from ._arguments import Command, add_json, add_servers, client_for, parse_key
from ._screen import Screen, complain, escaped, table

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

__all__ = ["COMMAND"]


class Entry(NamedTuple):
    """A value as the server has it."""

    data: bytes
    flags: int


class AsStored:
    """The codec of one who only looks: it reads every item."""

    def serialize(self, value: object) -> tuple[bytes, int]:
        raise TypeError("this codec only reads")

    def deserialize(self, data: bytes, flags: int) -> Entry:
        return Entry(data, flags)


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("keys", metavar="KEY", nargs="+", type=parse_key, help="what to look up")
    add_servers(parser)
    add_json(parser)


def run(options: Namespace) -> int:
    keys: list[bytes] = list(dict.fromkeys(options.keys))
    failure: PartialFailure | None = None
    with client_for(options, AsStored()) as mc:
        try:
            result: object = mc.get_multi(keys)
        except PartialFailure as error:
            failure, result = error, error.result
    # By the keys as given, and in the form that the codec gives.
    found = cast("dict[bytes, Entry]", result)
    unknown = failure.failed_keys if failure is not None else []
    missed = [key for key in keys if key not in found and key not in unknown]
    if options.json:
        _print_json(found, missed)
    elif len(keys) > 1:
        _print_table(found)
    elif found:
        _write(found[keys[0]].data)
    if not options.json:
        for key in missed:
            complain(options, f"{escaped(key)}: not found")
    if failure is not None:
        complain(options, str(failure))
        return 3
    return 1 if missed else 0


def _write(data: bytes) -> None:
    """The bytes and nothing else, so that a file or a program gets what was stored."""
    sys.stdout.buffer.write(data)
    if sys.stdout.isatty():
        sys.stdout.buffer.write(b"\n")


def _print_table(found: dict[bytes, Entry]) -> None:
    if not found:
        return
    screen = Screen()
    rows = [("key", "flags", "bytes", "value")]
    for key, (data, flags) in found.items():
        rows.append((escaped(key), str(flags), str(len(data)), escaped(data)))
    for line in table(rows, "<>><"):
        # A pipe has room for all of it.
        fits = not screen.is_terminal or len(line) <= screen.width
        screen.lines(line if fits else line[: screen.width - 3] + "...")


def _print_json(found: dict[bytes, Entry], missed: list[bytes]) -> None:
    items: dict[str, dict[str, str | int] | None] = {}
    for key, (data, flags) in found.items():
        try:
            items[escaped(key)] = {"value": data.decode(), "flags": flags}
        except UnicodeDecodeError:
            items[escaped(key)] = {"base64": base64.b64encode(data).decode(), "flags": flags}
    items.update(dict.fromkeys(map(escaped, missed)))
    print(json.dumps(items, indent=2))


COMMAND = Command(
    "get",
    "print what is stored under a key, or several",
    "Print the value of one key as it is stored, byte for byte, or those of several as a table.",
    add_arguments,
    run,
)
