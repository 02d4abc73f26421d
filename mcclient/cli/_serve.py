"""``mcclient serve``: the embedded server, by memcached's own letters.

Takes the letters that the server has a meaning for, and those that have none for it but stand in
everybody's scripts.  All others are usage errors: who asks for something should get it.
"""

from __future__ import annotations

import os
import signal
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING

from mcproto import InvalidArgument

from .._servers import parse_server
from ._arguments import Command, UsageError, number_between
from ._screen import complain

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

__all__ = ["COMMAND"]

_ENDINGS = frozenset({signal.SIGINT, signal.SIGTERM})
_IDLE_LETTERS = (("-u", "USER"), ("-t", "THREADS"), ("-R", "REQUESTS"), ("-a", "MASK"))


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "-l",
        dest="host",
        metavar="ADDR",
        type=parse_host,
        default="127.0.0.1",
        help="listen on this address (default: %(default)s; memcached's own is every address)",
    )
    parser.add_argument(
        "-p",
        dest="port",
        metavar="PORT",
        type=number_between(-1, 65535),
        default=11211,
        help="listen on this port; -1: any free one, and the file that MEMCACHED_PORT_FILENAME"
        " names gets it (default: %(default)s)",
    )
    parser.add_argument(
        "-s", dest="path", metavar="PATH", help="listen on a unix socket here, and on no port"
    )
    parser.add_argument(
        "-m",
        dest="memory",
        metavar="MB",
        type=number_between(1, 1 << 20),
        default=64,
        help="megabytes for items (default: %(default)s)",
    )
    parser.add_argument(
        "-I",
        dest="item_size",
        metavar="SIZE",
        type=parse_size,
        default="1m",
        help="the largest item, in bytes or such as 512k, 2m (default: %(default)s)",
    )
    parser.add_argument(
        "--like",
        metavar="VERSION",
        choices=("1.6.18", "1.6.45"),
        default="1.6.45",
        help="the memcached to imitate where releases differ: 1.6.18 or %(default)s (the default)",
    )
    for letter, name in _IDLE_LETTERS:
        parser.add_argument(letter, metavar=name, help="taken, and changes nothing")
    parser.add_argument("-v", action="count", help="taken, and changes nothing")


def parse_host(text: str) -> str:
    """A name or an address of this machine."""
    try:
        parse_server((text, 1))
    except InvalidArgument:
        raise ArgumentTypeError(f"{text!r} is not the name or address of a host") from None
    return text


def parse_size(text: str) -> int:
    """A number of bytes: ``1048576``, ``1024k`` or ``1m``."""
    shift = {"k": 10, "m": 20}.get(text[-1:].lower(), 0)
    figure = text[:-1] if shift else text
    if not (figure.isascii() and figure.isdigit() and len(figure) < 12):
        raise ArgumentTypeError(f"{text!r} is no size: bytes, or such as 512k, 2m")
    bytes_ = int(figure) << shift
    if not 1 << 10 <= bytes_ <= 1 << 30:
        raise ArgumentTypeError(f"{text!r} is not between 1k and 1024m")
    return bytes_


def run(options: Namespace) -> int:
    from ..embedded import MemoryServer

    if options.path is None and options.port == 0:
        raise UsageError(
            "argument -p: 0 is no port at all, which leaves nothing but -s to listen on"
        )
    server = MemoryServer(
        options.host,
        max(options.port, 0),
        path=options.path,
        like=options.like,
        memory=options.memory << 20,
        item_size=options.item_size,
    )
    # Blocked before the server's thread starts, which inherits that; from now on they wait for us.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)
    try:
        try:
            server.start()
        except OSError as error:
            # Python adds the address in its own spelling, in brackets.
            reason = (error.strerror or str(error)).partition(" (while")[0]
            complain(options, f"cannot listen on {server.address}: {reason}")
            return 3
        try:
            if options.path is None:
                _write_port(server.host, server.port)
            print(f"listening on {server.address}", flush=True)
            signal.sigwait(_ENDINGS)
        finally:
            server.close()
        return 0
    finally:
        # Whoever asks twice means it no other way than once.
        while signal.sigpending() & _ENDINGS:
            signal.sigwait(_ENDINGS)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _write_port(host: str, port: int) -> None:
    """Write the port where whoever started us will look for it, complete from the first moment."""
    name = os.environ.get("MEMCACHED_PORT_FILENAME")
    if not name:
        return
    family = "INET6" if ":" in host else "INET"
    unfinished = f"{name}.lck"
    try:
        with open(unfinished, "w", encoding="ascii") as file:
            file.write(f"TCP {family}: {port}\n")
        os.replace(unfinished, name)
    except OSError as error:
        raise UsageError(f"MEMCACHED_PORT_FILENAME: {error}") from None


COMMAND = Command(
    "serve",
    "run a memcached in this process",
    "Run the embedded server, until SIGINT or SIGTERM.",
    add_arguments,
    run,
)
