"""What may be typed, and what is said about the rest.

Every check stands at the argument's door, so that what a command gets is fit to be used; a
complaint is one line and names the argument.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, NamedTuple

from mcproto import InvalidArgument, InvalidKey, checked_key

from .. import Client
from .._expiry import exptime_of
from .._servers import parse_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal, NoReturn

    from ..values import Codec

__all__ = [
    "Command",
    "Parser",
    "UsageError",
    "add_json",
    "add_servers",
    "client_for",
    "number_between",
    "parse_address",
    "parse_key",
    "parse_ttl",
    "without_name",
]

_HERE = "127.0.0.1:11211"
_SECONDS = {"s": 1, "m": 60, "h": 60 * 60, "d": 24 * 60 * 60}


class Command(NamedTuple):
    """One of the commands.

    Attributes:
        name: how it is typed.
        summary: what it does, in half a line.
        description: the same for its own help.
        add_arguments: tells a parser what it takes.
        run: does it, and gives the exit status.
    """

    name: str
    summary: str
    description: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


class UsageError(Exception):
    """What was typed cannot be done; the message names the argument."""


class Parser(argparse.ArgumentParser):
    """argparse's, but that it complains in one line, and guesses no option from its beginning."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def add_servers(
    parser: argparse.ArgumentParser, default: str = f"$MEMCACHED_SERVERS, else {_HERE}"
) -> None:
    """Give *parser* ``-s SERVER``. The help names the *default*."""
    parser.add_argument(
        "-s",
        dest="servers",
        metavar="SERVER",
        action="append",
        type=parse_address,
        help=f"host, host:port, host:port:weight or /path; again for more (default: {default})",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Give *parser* ``--json``."""
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def client_for(options: argparse.Namespace, codec: Literal["plain"] | Codec = "plain") -> Client:
    """A client of the servers that were typed, else of MEMCACHED_SERVERS', else of this machine's.

    It speaks classic commands, which every server and every proxy knows.

    Raises:
        UsageError: a server is named twice, or the variable holds what is no address.
    """
    servers: list[str] = options.servers or []
    origin = "argument -s"
    if not servers:
        origin = "MEMCACHED_SERVERS"
        # Commas stand between them, as libmemcached's tools have it, or blanks.
        servers = os.environ.get(origin, "").replace(",", " ").split() or [_HERE]
    try:
        return Client(servers, protocol="classic", codec=codec)
    except InvalidArgument as error:
        raise UsageError(f"{origin}: {without_name(error)}") from None


def parse_address(text: str) -> str:
    """A server's address; which one it is, is for the client to read."""
    try:
        parse_server(text)
    except InvalidArgument as error:
        raise argparse.ArgumentTypeError(without_name(error)) from None
    return text


def parse_key(text: str) -> bytes:
    """A key: the bytes that were typed, whatever the locale makes of them."""
    try:
        return checked_key(os.fsencode(text))
    except InvalidKey as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def parse_ttl(text: str) -> float:
    """Seconds, or with a unit: ``90``, ``90s``, ``1.5m``, ``12h``, ``7d``. 0 is forever."""
    unit = text[-1:] if text[-1:] in _SECONDS else ""
    figure = text.removesuffix(unit)
    # float() alone would take "nan", "1e3", "1_0" and blanks as well.
    if not figure.replace(".", "", 1).isdigit() or not figure.isascii():
        raise argparse.ArgumentTypeError(f"{text!r} is no time: seconds, or such as 5m, 12h, 7d")
    seconds = float(figure) * _SECONDS.get(unit, 1)
    try:
        exptime_of(seconds)
    except InvalidArgument:
        raise argparse.ArgumentTypeError(f"{text!r} is longer than servers can remember") from None
    return seconds


def number_between(low: int, high: int) -> Callable[[str], int]:
    """A whole number from *low* to *high*."""

    def whole(text: str) -> int:
        digits = text.removeprefix("-")
        value = int(text) if digits.isascii() and digits.isdigit() and len(digits) < 20 else low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is no number from {low} to {high}")
        return value

    return whole


def without_name(error: InvalidArgument) -> str:
    """What is wrong with an address, for a message that names the argument by itself."""
    return str(error).removeprefix("servers: ")
