"""``mcclient explain``: where a key goes, and why.

Knows how to lay a ring's reckoning open; the reckoning is the rings'.  No server is asked.
"""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, cast

from mcproto import InvalidArgument

from ..rings import pylibmc
from ..rings._libmemcached import HASHES
from ._arguments import Command, UsageError, add_json, add_servers, client_for, parse_key
from ._screen import Screen, escaped, table

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from .._servers import Server
    from ..rings._pylibmc import Placement

__all__ = ["COMMAND"]

# What stands behind the native names.
_RINGS: dict[str, dict[str, object]] = {
    "ketama": {"ketama_weighted": True},
    "modula": {},
    "pylibmc": {},
}
_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("key", metavar="KEY", type=parse_key, help="the key")
    add_servers(parser)
    parser.add_argument(
        "--ring",
        metavar="NAME",
        choices=list(_RINGS),
        default="ketama",
        help="ketama (the default), modula or pylibmc",
    )
    parser.add_argument(
        "--behavior",
        dest="behaviors",
        metavar="NAME=VALUE",
        action="append",
        type=parse_behavior,
        default=[],
        help="with --ring pylibmc, as its client has it: ketama=true, hash=md5; again for more",
    )
    add_json(parser)


def parse_behavior(text: str) -> tuple[str, object]:
    """``NAME=VALUE``: a number, a truth (true, false, on, off, yes, no), or a name."""
    name, sign, word = text.partition("=")
    if not name or not sign or not word:
        raise ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    if name == "namespace":
        return name, word.encode("utf-8", "surrogateescape")
    if word.removeprefix("-").isdecimal() and word.isascii():
        return name, int(word)
    return name, _WORDS.get(word.lower(), word)


def run(options: Namespace) -> int:
    behaviors: dict[str, object] = dict(options.behaviors)
    if behaviors and options.ring != "pylibmc":
        raise UsageError("argument --behavior: only with --ring pylibmc")
    with client_for(options) as mc:
        servers = mc._setup.servers  # as they were typed, with weights  # pyright: ignore[reportPrivateUsage]
    key: bytes = options.key
    try:
        who = {"client": pylibmc(_RINGS[options.ring]).placement(servers)}
        if options.ring == "pylibmc":
            who = {
                "master": pylibmc(behaviors).placement(servers),
                "clone": pylibmc(behaviors, clone=True).placement(servers),
            }
    except (InvalidArgument, TypeError) as error:
        message = str(error).removeprefix("behaviors: ")
        raise UsageError(f"argument --behavior: {message}") from None
    reckonings = {name: _reckoned(key, placement) for name, placement in who.items()}
    if options.json:
        found: dict[str, object] = {
            "key": escaped(key),
            "ring": options.ring,
            "behaviors": {name: _shown(value) for name, value in behaviors.items()},
            "servers": [server.name for server in servers],
            "server": next(iter(reckonings.values()))["server"],
            **reckonings,
        }
        print(json.dumps(found, indent=2))
    else:
        _print(key, options.ring, behaviors, servers, reckonings)
    return 0


def _shown(value: object) -> object:
    return escaped(value) if isinstance(value, bytes) else value


def _reckoned(key: bytes, placement: Placement) -> dict[str, object]:
    """Where the key goes, step by step."""
    number = placement.server_for(key)
    return {
        "server": placement.servers[number].name,
        "number": number,
        "hash": placement.hash,
        "value": HASHES[placement.hash](placement.prefix + key),
        "distribution": placement.distribution,
        "points": [placement.points_of(each) for each in range(len(placement.servers))],
    }


def _print(
    key: bytes,
    ring: str,
    behaviors: dict[str, object],
    servers: tuple[Server, ...],
    reckonings: dict[str, dict[str, object]],
) -> None:
    screen = Screen()
    settings = "".join(f" {name}={_shown(value)}" for name, value in behaviors.items())
    screen.lines(
        *table(
            [
                ["key", f"{escaped(key)} ({len(key)} bytes)"],
                ["ring", f"{ring}{settings}"],
                ["servers", ", ".join(server.name for server in servers)],
            ],
            "<<",
        ),
        "",
    )
    rows = [["", "server", "number", "hash", "value", "distribution", "points"]]
    for name, found in reckonings.items():
        points = cast("list[int]", found["points"])
        rows.append(
            [
                name,
                str(found["server"]),
                str(found["number"]),
                str(found["hash"]),
                str(found["value"]),
                str(found["distribution"]),
                ":".join(map(str, points)) if any(points) else "-",
            ]
        )
    screen.lines(*table(rows, "<<><><<"))
    if len({str(found["server"]) for found in reckonings.values()}) > 1:
        screen.lines("", "A clone, and so a pool's client, looks for it elsewhere than its master.")


COMMAND = Command(
    "explain",
    "say which server a key goes to, and why",
    "Say which server a key goes to, and why. No server is asked.",
    add_arguments,
    run,
)
