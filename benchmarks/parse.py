"""Reading replies, and nothing else: no socket, no server, no request.

Beside the plain grammar stands what reads whole replies at once (mcproto/_bulk.py), and what
pymemcache makes of a socket that is a string.  Two gates: 6.4 times pymemcache's speed for many
values, 38 times that of its reader of lines for short replies that are all alike.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from _harness import CannotMeasure, Comparison, Cost, Report, check, cost_since, now, run
from _harness import held as contest_of
from pymemcache.client import base as pymemcache

from mcproto import ClientConnection, Flight, Item, MetaReply, Status, Values, classic, meta
from mcproto._buffer import ReceiveBuffer
from mcproto._bulk import split_values
from mcproto._command import DEFAULT_LIMITS
from mcproto._read_replies import read_values

KEYS = [b"key:%05d" % number for number in range(100)]
VALUE = b"x" * 100
FOUND = dict.fromkeys(KEYS, VALUE)
REPLY = b"".join(b"VALUE %b 0 100\r\n%b\r\n" % pair for pair in FOUND.items()) + b"END\r\n"
MANY = classic.GetMany(KEYS)
KEY_SET = frozenset(KEYS)
ITEMS = {key: Item(key, 0, VALUE) for key in KEYS}

SETS = Flight(classic.Set("k", b"v") for _ in range(1000))
STORED = b"STORED\r\n" * 1000
MIXED = b"STORED\r\nNOT_STORED\r\n" * 500


QUIET = Flight(meta.Get(key, f=True, k=True, q=True, v=True) for key in KEYS)
QUIET_REPLY = b"".join(b"VA 100 f0 k%b\r\n%b\r\n" % pair for pair in FOUND.items()) + b"MN\r\n"
HITS = tuple([MetaReply("VA", [("f", b"0"), ("k", key)], VALUE) for key in KEYS])


class Reply:
    """A socket as far as pymemcache's reader looks at it: a string."""

    def __init__(self, received: bytes) -> None:
        self._received = received
        self._position = 0

    def recv(self, size: int) -> bytes:
        start = self._position
        self._position = start + size
        return self._received[start : start + size]

    def sendall(self, data: bytes) -> None: ...

    def close(self) -> None: ...


def plainly() -> object:
    buffer = ReceiveBuffer(8192)
    buffer.feed(REPLY)
    reply = read_values(buffer, [], DEFAULT_LIMITS, KEY_SET, False)
    assert isinstance(reply, Values)
    return MANY.result(reply)


def by_events() -> object:
    connection = ClientConnection()
    connection.send(MANY)
    connection.receive_data(REPLY)
    return MANY.result(connection.next_event())  # type: ignore[arg-type]


def at_once() -> object:
    columns = split_values(REPLY, KEY_SET, False)
    if columns is None:
        raise CannotMeasure("the reply was not read at once")
    return dict(zip(columns[0], columns[2], strict=True))


def by_pymemcache() -> object:
    client = pymemcache.Client(("nowhere", 1))
    client.sock = Reply(REPLY)
    return client.get_many(KEYS)


def lines_by_pymemcache(received: bytes) -> object:
    sock, buffer, lines = Reply(received), b"", []
    for _ in range(1000):
        buffer, line = pymemcache._readline(sock, buffer)
        lines.append(line)
    return lines


def one_by_one(received: bytes) -> object:
    connection = ClientConnection()
    for command in SETS.commands:
        connection.send(command)
    connection.receive_data(received)
    next_event = connection.next_event
    return tuple([next_event() for _ in SETS.commands])


def quiet_one_by_one() -> object:
    connection = ClientConnection()
    for command in (*QUIET.commands, meta.Noop()):
        connection.send(command)
    connection.receive_data(QUIET_REPLY)
    next_event = connection.next_event
    return tuple([next_event() for _ in QUIET.commands])


def slice_of(read: Callable[[], object], wanted: object, times: int, each: int) -> Cost:
    began = now()
    for _ in range(times):
        got = read()
    cost = cost_since(began, times * each)
    check([got], [wanted])
    return cost


def measure(seconds: float) -> Report:
    values = {
        "pymemcache, get_many": partial(slice_of, by_pymemcache, FOUND, 10, 1),
        "plain grammar, items": partial(slice_of, plainly, ITEMS, 10, 1),
        "events, items": partial(slice_of, by_events, ITEMS, 10, 1),
        "GetMany.decode, items": partial(slice_of, partial(MANY.decode, REPLY), ITEMS, 10, 1),
        "at once, values": partial(slice_of, at_once, FOUND, 10, 1),
    }
    contests, comparisons = [], []
    many = contest_of(f"A reply of 100 values, {len(REPLY)} bytes", values, "cpu", seconds)
    contests.append(many)
    comparisons.append(Comparison(many, "at once, values", "pymemcache, get_many", "cpu", 1 / 6.4))
    comparisons.append(Comparison(many, "GetMany.decode, items", "pymemcache, get_many", "cpu"))
    notes = [f"{len(REPLY) * 1000 / many.cost(way).cpu:.0f} MB/s: {way}" for way in many.ways]
    for what, received in (("alike", STORED), ("of two kinds", MIXED)):
        lines = received.split(b"\r\n")[:-1]
        statuses = tuple([Status(line) for line in lines])
        words = {
            "pymemcache, its reader of lines": partial(
                slice_of, partial(lines_by_pymemcache, received), lines, 2, 1000
            ),
            "sent one by one, events": partial(
                slice_of, partial(one_by_one, received), statuses, 1, 1000
            ),
            "Flight.decode": partial(slice_of, partial(SETS.decode, received), statuses, 20, 1000),
        }
        contest = contest_of(f"1000 short replies, {what}; each", words, "cpu", seconds)
        contests.append(contest)
        gate = 1 / 38 if received is STORED else None
        base = "pymemcache, its reader of lines"
        comparisons.append(Comparison(contest, "Flight.decode", base, "cpu", gate))
    hits = {
        "sent one by one, events": partial(slice_of, quiet_one_by_one, HITS, 3, 100),
        "Flight.decode": partial(slice_of, partial(QUIET.decode, QUIET_REPLY), HITS, 10, 100),
    }
    quiet = contest_of("100 quiet mg, all hits, 100 bytes; each", hits, "cpu", seconds)
    contests.append(quiet)
    comparisons.append(Comparison(quiet, "Flight.decode", "sent one by one, events", "cpu"))
    return Report(contests, comparisons, notes)


if __name__ == "__main__":
    run(__doc__, measure)
