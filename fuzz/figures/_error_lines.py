"""F20: every error that a server can say, in answer to every command."""

from __future__ import annotations

from struct import pack

from fuzz.figures._samples import BINARY, TEXT, samples
from fuzz.figures._size import Size
from mcproto import (
    NO_REPLY,
    ClientConnection,
    Command,
    ErrorReplied,
    ErrorReply,
    RemoteProtocolError,
    Status,
    meta,
)

# What memcached 1.6.18 and 1.6.45 say, its proxy, and the servers that imitate it.
LINES = """\
ERROR
ERROR Too many open connections
ERROR: shutdown not enabled
ERROR cannot pipeline other commands before metadump
ERROR cannot pipeline other commands before mgdump
ERROR cannot pipeline other commands before watch
Error TLS not enabled
CLIENT_ERROR bad command line format
CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]
CLIENT_ERROR bad data chunk
CLIENT_ERROR invalid exptime argument
CLIENT_ERROR invalid numeric delta argument
CLIENT_ERROR cannot increment or decrement non-numeric value
CLIENT_ERROR flush_all not allowed
CLIENT_ERROR line too long
CLIENT_ERROR line format
CLIENT_ERROR usage: stats detail on|off|dump
CLIENT_ERROR bad command line
CLIENT_ERROR Illegal slab id
CLIENT_ERROR stats cachedump not allowed
CLIENT_ERROR watch commands not allowed
CLIENT_ERROR invalid shutdown mode
CLIENT_ERROR slab reassignment disabled
CLIENT_ERROR lru crawler disabled
CLIENT_ERROR authentication failure
CLIENT_ERROR unauthenticated
CLIENT_ERROR bad authentication token format
CLIENT_ERROR bad command line termination
CLIENT_ERROR auth token too long
CLIENT_ERROR invalid flag
CLIENT_ERROR duplicate flag
CLIENT_ERROR bad token in command line format
CLIENT_ERROR invalid numeric initial value
CLIENT_ERROR invalid numeric delta value
CLIENT_ERROR invalid or duplicate flag
CLIENT_ERROR invalid mode for ms M token
CLIENT_ERROR invalid mode for ma M token
CLIENT_ERROR incorrect length for M token
CLIENT_ERROR opaque token too long
CLIENT_ERROR options flags are too long
CLIENT_ERROR options flags too long
CLIENT_ERROR error decoding key
CLIENT_ERROR parsing request
CLIENT_ERROR bad stats command
SERVER_ERROR
SERVER_ERROR: shutdown not enabled
SERVER_ERROR object too large for cache
SERVER_ERROR out of memory storing object
SERVER_ERROR out of memory
SERVER_ERROR out of memory preparing response
SERVER_ERROR out of memory writing get response
SERVER_ERROR out of memory writing stats
SERVER_ERROR refcount overflow during fetch
SERVER_ERROR failed to start lru crawler thread
SERVER_ERROR backend failure
SERVER_ERROR Command not supported
SERVER_ERROR internal error
BUSY currently processing reassign request
BUSY currently processing crawler request
BADCLASS invalid src or dst class id
BADCLASS invalid class id
NOSPARE source class has no spare pages
SAME src and dst class are identical
NOTSTARTED no items to crawl
MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m
MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust
WATCHER_TOO_MANY log watcher limit reached
WATCHER_FAILED failed to add log watcher
""".splitlines()

# What only some commands can be told: to a quiet one of another kind it need not be an answer.
_SPEAKING = {
    "object too large for cache",
    "out of memory storing object",
    "bad data chunk",
    "cannot increment or decrement non-numeric value",
    "invalid or duplicate flag",
}

STATUSES = {
    0x01: b"Not found",
    0x02: b"Data exists for key.",
    0x03: b"Too large.",
    0x04: b"Invalid arguments",
    0x05: b"Not stored.",
    0x06: b"Non-numeric server-side value for incr or decr",
    0x07: b"",
    0x20: b"Auth failure.",
    0x21: b"challenge",
    0x81: b"Unknown command",
    0x82: b"Out of memory",
    0x83: b"",
    0x84: b"",
    0x85: b"",
    0x86: b"",
}

# The usual kinds; all others belong to the few commands that name them.
_USUAL = {"ERROR", "CLIENT_ERROR", "SERVER_ERROR"}


def _answered(command: Command[object], line: str) -> str:
    """What came of the line in answer to the command: ``"typed"`` or ``"closed"``."""
    kind, _, message = line.partition(" ")
    kind = kind.removesuffix(":")
    may = kind in _USUAL or kind.encode() in command.error_kinds
    connection = ClientConnection()
    connection.send(command)
    silent = command.noreply or command.quiet
    if silent:
        connection.send(meta.Noop())
    foreign = command.quiet and message in _SPEAKING - command.own_errors
    connection.receive_data(line.encode() + b"\r\n" + b"MN\r\n" * silent)
    try:
        event = connection.next_event()
        if event is NO_REPLY:
            # Nobody knows whose the error is, so the next command does not get it either.
            event = connection.next_event()
            raise AssertionError(f"{line!r} after {command!r:.80} answers the next: {event!r}")
    except RemoteProtocolError:
        assert command.noreply or foreign or not may, f"{line!r} breaks {command!r:.80}"
        assert connection.is_broken
        assert not connection.is_idle
        return "closed"
    assert may, f"{line!r} is taken for an answer to {command!r:.80}: {event!r}"
    assert event == ErrorReply(kind, message), (command, line, event)
    _must_raise(command, event)
    if silent:
        connection.next_event()
    assert connection.is_idle, f"not idle after {line!r} for {command!r:.80}"
    return "typed"


def _must_raise(command: Command[object], event: object) -> None:
    try:
        got = command.result(event)  # type: ignore[arg-type]
    except ErrorReplied:
        return
    raise AssertionError(f"{event!r} is for {command!r:.80} the result {got!r}")


def _refused(command: Command[object], status: int, words: bytes) -> str:
    """Likewise of a binary status: ``"typed"``, ``"told"`` (a result says so) or ``"closed"``."""
    opcode, opaque = command.opcode, command.opaque  # type: ignore[attr-defined]
    connection = ClientConnection("binary")
    connection.send(command)
    head = pack(">BBHBBHIIQ", 0x81, opcode, 0, 0, 0, status, len(words), opaque, 0)
    connection.receive_data(head + words)
    try:
        event = connection.next_event()
    except RemoteProtocolError:
        hidden = command.quiet and status == command.hidden  # type: ignore[attr-defined]
        assert hidden, f"status {status:#x} breaks {command!r:.80}"
        assert connection.is_broken
        return "closed"
    if event is NO_REPLY:  # quit, quietly
        assert command.is_last
        assert connection.is_broken
        return "closed"
    try:
        got = command.result(event)  # type: ignore[arg-type]
    except ErrorReplied as error:
        told = "typed" if error.reply.status == status else f"status {error.reply.status}"
    else:
        refusals = (None, False, Status.NOT_FOUND, Status.EXISTS, Status.NOT_STORED)
        assert status in (1, 2, 5, 0x21), f"status {status:#x} to {command!r:.80} gives {got!r}"
        assert got in refusals or status == 0x21
        told = "told"
    assert told in ("typed", "told"), f"status {status:#x} to {command!r:.80} became {told}"
    assert connection.owed == 0
    assert not connection.is_broken
    return told


def error_lines(size: Size) -> str:
    """Each comes out typed, and the connection is kept, or it was no answer, and it is closed."""
    each = {"short": 3, "full": 6, "long": 60}[size]
    typed = closed = told = 0
    for kind in TEXT:
        for command in samples(kind, each):
            for line in LINES:
                if command.is_last:
                    continue  # nobody answers it
                outcome = _answered(command, line)
                typed += outcome == "typed"
                closed += outcome == "closed"
    for kind in BINARY:
        for command in samples(kind, each):
            for status, words in STATUSES.items():
                outcome = _refused(command, status, words)
                typed += outcome == "typed"
                told += outcome == "told"
                closed += outcome == "closed"
    return (
        f"error lines: {len(LINES)} of text to {len(TEXT)} kinds of commands, {len(STATUSES)} "
        f"statuses to {len(BINARY)}: {typed:,} typed and kept, {told} are results, "
        f"{closed:,} closed"
    )
