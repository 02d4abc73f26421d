"""``mcclient serve``: the embedded server, by memcached's own letters.

Takes the letters that the server has a meaning for, and those that have none for it but stand in
everybody's scripts.  All others are usage errors: who asks for something should get it.
"""

from __future__ import annotations

import os
import signal
import threading
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Any

from mcproto import InvalidArgument
from mcproto._generations import generation

from .._servers import parse_server
from ._arguments import Command, UsageError, number_between
from ._screen import complain
from ._serve_extended import Tls, parse_extended, server_arguments

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from ..embedded import MemoryServer

__all__ = ["COMMAND"]

_ENDINGS = frozenset({signal.SIGINT, signal.SIGTERM})
_IDLE_LETTERS = (
    ("-u", "USER"),
    ("-t", "THREADS"),
    ("-R", "REQUESTS"),
    ("-a", "MASK"),
    ("-b", "BACKLOG"),
    ("-f", "FACTOR"),
    ("-n", "BYTES"),
)
_IDLE_FLAGS = ("-k", "-r", "-L")
_PROTOCOLS = {"auto": "auto", "ascii": "text", "binary": "binary"}
_SASL_FILE = "MEMCACHED_SASL_PWDB"


def add_arguments(parser: ArgumentParser) -> None:
    _add_places(parser)
    _add_limits(parser)
    _add_refusals(parser)
    _add_doors(parser)
    parser.add_argument(
        "--like",
        metavar="VERSION",
        choices=("1.6.18", "1.6.45"),
        default="1.6.45",
        help="the memcached to imitate where releases differ: 1.6.18 or %(default)s (the default)",
    )
    parser.add_argument(
        "--debugtime",
        action="store_true",
        help="clients may move the clock: debugtime p|r|SECONDS, as in a memcached for debugging",
    )
    for letter, name in _IDLE_LETTERS:
        parser.add_argument(letter, metavar=name, help="taken, and changes nothing")
    for letter in _IDLE_FLAGS:
        parser.add_argument(letter, action="store_true", help="taken, and changes nothing")
    parser.add_argument("-v", action="count", help="taken, and changes nothing")


def _add_places(parser: ArgumentParser) -> None:
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
        "-U",
        dest="udp_port",
        metavar="PORT",
        type=number_between(-1, 65535),
        default=0,
        help="answer datagrams on this port; -1: any free one; 0: on none (the default)",
    )
    parser.add_argument(
        "-s", dest="path", metavar="PATH", help="listen on a unix socket here, and on no port"
    )


def _add_limits(parser: ArgumentParser) -> None:
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
        "-c",
        dest="connections",
        metavar="N",
        type=number_between(1, 1 << 20),
        default=1024,
        help="how many connections there may be, less a dozen as with memcached, if N is more than"
        " that (default: %(default)s)",
    )


def _add_refusals(parser: ArgumentParser) -> None:
    for letter, what in (
        ("-M", "errors when memory is full, instead of evictions"),
        ("-C", "items have no cas uniques"),
        ("-F", "flush_all is not allowed"),
        ("-X", "dumps are not allowed"),
        ("-W", "watch is not allowed"),
        ("-A", "a client may end the server, by shutdown"),
    ):
        parser.add_argument(letter, action="store_true", help=what)
    parser.add_argument(
        "-D",
        dest="delimiter",
        metavar="CHARACTER",
        help="count by the prefixes of keys that end in this (stats detail)",
    )


def _add_doors(parser: ArgumentParser) -> None:
    parser.add_argument(
        "-B",
        dest="protocol",
        metavar="PROTOCOL",
        choices=_PROTOCOLS,
        default="auto",
        help="auto (the default), ascii or binary",
    )
    parser.add_argument(
        "-Y",
        dest="users",
        metavar="FILE",
        help="text connections have to say who is there; the file has a line NAME:PASSWORD each",
    )
    parser.add_argument(
        "-S",
        dest="sasl",
        action="store_true",
        help=f"binary connections have to, by SASL PLAIN; {_SASL_FILE} names a file as for -Y",
    )
    parser.add_argument(
        "-Z",
        dest="tls",
        action="store_true",
        help="connections are TLS: -o ssl_chain_cert=FILE, and ssl_key=FILE if it is another",
    )
    parser.add_argument(
        "-o",
        dest="extended",
        metavar="NAME[=VALUE],...",
        action="append",
        type=parse_extended,
        default=[],
        help="idle_timeout, no_maxconns_fast, track_sizes, no_lru_crawler, no_modern,"
        " slab_chunk_max, ssl_chain_cert, ssl_key; what else memcached knows changes nothing",
    )


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
    if options.path is None and options.port == 0:
        raise UsageError(
            "argument -p: 0 is no port at all, which leaves nothing but -s to listen on"
        )
    server = _server(options)
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
                _write_ports(server)
            print(f"listening on {server.address}", flush=True)
            if options.A:
                threading.Thread(target=_end_with, args=(server,), daemon=True).start()
            signal.sigwait(_ENDINGS)
        finally:
            server.close()
        return 0
    finally:
        # Whoever asks twice means it no other way than once.
        while signal.sigpending() & _ENDINGS:
            signal.sigwait(_ENDINGS)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _server(options: Namespace) -> MemoryServer:
    from ..embedded import MemoryServer

    extended = server_arguments(options.extended)
    chain, key = extended.pop("ssl_chain_cert", None), extended.pop("ssl_key", None)
    if options.tls and chain is None:
        raise UsageError("argument -Z: -o ssl_chain_cert=FILE has to say who we are")
    arguments: dict[str, Any] = {
        "path": options.path,
        "like": options.like,
        "memory": options.memory << 20,
        "item_size": options.item_size,
        "udp_port": max(options.udp_port, 0) if options.udp_port and not options.path else None,
        "max_connections": options.connections,
        "reserved_connections": _reserved(options),
        "protocol": _PROTOCOLS[options.protocol],
        "users": _users(options),
        "sasl": options.sasl,
        "ssl_context": Tls(chain, key) if options.tls else None,
        "cas": not options.C,
        "evictions": not options.M,
        "flush_all": not options.F,
        "dumps": not options.X,
        "watch": not options.W,
        "shutdown": options.A,
        "debugtime": options.debugtime,
        **extended,
    }
    if options.delimiter is not None:
        arguments |= {"prefix_delimiter": options.delimiter, "detail": True}
    try:
        return MemoryServer(options.host, max(options.port, 0), **arguments)
    except InvalidArgument as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        # (Nothing else reads files by then.)
        raise UsageError(f"argument -Z: {error}") from None


def _reserved(options: Namespace) -> int:
    # With fewer than it needs for itself memcached does not start, and we do.
    reserved = generation(options.like).reserved_files
    return reserved if options.connections > reserved else 0


def _users(options: Namespace) -> dict[str, str] | None:
    from ..embedded import parse_users

    if options.sasl and options.users is not None:
        raise UsageError("argument -S: not with -Y")
    name, argument = options.users, "argument -Y"
    if options.sasl:
        name, argument = os.environ.get(_SASL_FILE), _SASL_FILE
        if not name:
            raise UsageError(f"argument -S: {_SASL_FILE} has to name a file of users")
    if name is None:
        return None
    try:
        with open(name, encoding="utf-8") as file:
            return parse_users(file.read())
    except (OSError, ValueError) as error:
        raise UsageError(f"{argument}: {name}: {error}") from None


def _end_with(server: MemoryServer) -> None:
    """End the program, as a signal would, once a client has ended the server."""
    server.wait()
    os.kill(os.getpid(), signal.SIGTERM)


def _write_ports(server: MemoryServer) -> None:
    """Write the ports where whoever started us will look for them, complete from the beginning."""
    name = os.environ.get("MEMCACHED_PORT_FILENAME")
    if not name:
        return
    family = "INET6" if ":" in server.host else "INET"
    lines = [f"TCP {family}: {server.port}\n"]
    if server.udp_port:
        lines.append(f"UDP {family}: {server.udp_port}\n")
    unfinished = f"{name}.lck"
    try:
        with open(unfinished, "w", encoding="ascii") as file:
            file.writelines(lines)
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
