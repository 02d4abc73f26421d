"""From arguments to an exit status: which command runs, and what becomes of its errors.

Knows no command from within.  Whatever happens ends in a status that scripts can rely on:

===  ================================================
0    done
1    a miss, not stored, a wrong answer, or an output that cannot be written
2    usage: an argument, key, address or value that cannot be
3    no server: none answered, or none could be started
130  interrupted
141  whoever read the output has gone
===  ================================================
"""

from __future__ import annotations

import os
import sys

from mcproto import LocalProtocolError

from .. import MemcacheError, ServerFault, ServerUnavailable, __version__
from . import _bench, _check_server, _delete, _demo, _explain, _get, _serve, _set, _stats
from ._arguments import Parser, UsageError
from ._screen import complain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Sequence

__all__ = ["main"]

_COMMANDS = (
    _demo.COMMAND,
    _serve.COMMAND,
    _get.COMMAND,
    _set.COMMAND,
    _delete.COMMAND,
    _stats.COMMAND,
    _bench.COMMAND,
    _explain.COMMAND,
    _check_server.COMMAND,
)

# As a shell reports who was ended by SIGINT and SIGPIPE.
_INTERRUPTED = 128 + 2
_PIPE_BROKEN = 128 + 13


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that *argv* names (None: the process' own arguments).

    Returns:
        The exit status, whatever was typed and whatever the servers did.
    """
    try:
        status = _run(_parsed(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except SystemExit as stop:  # argparse's way to end: after a help text, or a complaint
        return stop.code if isinstance(stop.code, int) else 2
    except BrokenPipeError:
        _give_up_output()
        return _PIPE_BROKEN
    except OSError as error:
        # The servers' come as MemcacheError: this is the output, on a full disk perhaps.
        _give_up_output()
        print(f"mcclient: the output cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    return status


def _give_up_output() -> None:
    # What is still in the buffer cannot be written either: let it go where it does not fail again.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _parsed(argv: Sequence[str]) -> Namespace:
    parser = Parser(prog="mcclient", description="memcached on the command line.")
    parser.add_argument("--version", action="version", version=f"mcclient {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", title="commands", required=True)
    parsers: dict[str, ArgumentParser] = {}
    for command in _COMMANDS:
        sub = subparsers.add_parser(
            command.name, help=command.summary, description=command.description
        )
        command.add_arguments(sub)
        sub.set_defaults(run=command.run, prog=sub.prog)
        parsers[command.name] = sub
    if not argv:
        parser.print_help(sys.stderr)
        parser.exit(2)
    name, *arguments = argv
    if name not in parsers:
        return parser.parse_args(argv)  # help, or a complaint
    if "--" in arguments:
        return parsers[name].parse_args(arguments)
    # Options may stand between KEY and VALUE; but this way does not respect a `--`.
    return parsers[name].parse_intermixed_args(arguments)


def _run(options: Namespace) -> int:
    run: Callable[[Namespace], int] = options.run
    try:
        return run(options)
    except (UsageError, LocalProtocolError) as error:
        status, message = 2, str(error)
    except ServerUnavailable as error:
        status, message = 3, str(error)
    except MemcacheError as error:
        # A server that fails has stored nothing; one that does not understand was asked amiss.
        status, message = 1 if isinstance(error, ServerFault) else 2, str(error)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BaseExceptionGroup as group:  # what became of trio's tasks
        if group.subgroup(KeyboardInterrupt) is None:
            raise
        return _INTERRUPTED
    complain(options, message)
    return status
