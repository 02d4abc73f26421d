"""What one `Client.get` costs: to the library alone, and beside a socket with nothing around it.

Two gates. Without any network it costs at most 2.0 times what the same get costs when all of it is
written into one method; over TCP, on one CPU with a real memcached, it takes at most 1.15 times as
long as sending and receiving ready-made bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle
from time import monotonic
from typing import Any

from _harness import (
    KEYS,
    SIZE,
    VALUE,
    CannotMeasure,
    Comparison,
    Contest,
    Report,
    connected,
    exchanges,
    gets,
    held,
    memcached,
    run,
    stats,
)

from mcclient import Client
from mcproto import checked_key
from mcproto._direct import get_forms
from tests.servers import RealMemcached

BY_HAND = "by hand, in one method"
SAFELY = "by hand, with the safety"
CLIENT = "Client.get"
FRESH = "Client.get, keys never seen"
PLAIN = "Client.get, the plain way"
SENDALL = "ready bytes: sendall, recv"
SEND = "ready bytes: send, recv"
POLLED = "ready bytes: the same, settimeout"

# --------------------------------------------------------------------------- the library alone


def hits() -> Iterator[bytes]:
    """The replies to all the gets of one connection, in turn: each has its request's token."""
    tokens: list[bytes] = []
    for _, _, heads in get_forms():
        if heads.token in tokens:
            break
        tokens.append(heads.token)
    return cycle([b"VA %d f0 O%b\r\n%b\r\n" % (len(VALUE), token, VALUE) for token in tokens])


def receiver(replies: Iterator[bytes]) -> Callable[[int], bytes]:
    """A `recv` that has the next reply ready, at the least cost: `next`, and the size is its
    default. The `send` that goes with it is `len`."""
    return partial(next, replies)


class ReadyTransport:
    """No network: every reply is ready. The plain way is served too, if not as cheaply."""

    def __init__(self) -> None:
        self._receive = receiver(hits())
        self._reply = b""

    def direct(
        self, timeout: float | None
    ) -> tuple[Callable[[bytes], int], Callable[[int], bytes]]:
        return len, self._receive

    def send_all(self, data: bytes, deadline: float = 0) -> None:
        if data == b"mn\r\n":
            self._reply = b"MN\r\n"
        else:
            token = data[data.rindex(b"O") : -4]
            self._reply = b"VA %d f0 %b\r\n%b\r\n" % (len(VALUE), token, VALUE)

    def receive_some(self, max_bytes: int = 0, deadline: float = 0) -> bytes:
        return self._reply

    def has_input(self) -> bool:
        return False

    def close(self) -> None:
        pass

    abort = close


class ReadyBackend:
    def connect(self, address: object, deadline: float = 0) -> ReadyTransport:
        return ReadyTransport()

    def exchange_all(self, jobs: object, deadline: float = 0) -> list[Any]:
        raise AssertionError("one server only")


class Wire(dict[str, bytes]):
    """key -> the key as it goes over the wire, checked once."""

    def __missing__(self, key: str) -> bytes:
        wire = self[key] = checked_key(key)
        return wire


class Heads(dict[bytes, tuple[int, int]]):
    """A reply's first line -> (the length of what follows it, flags)."""

    def __missing__(self, head: bytes) -> tuple[int, int]:
        code, size, flags = head.split(b" ")
        assert code == b"VA"
        meaning = self[head] = int(size) + 2, int(flags[1:])
        return meaning


class ByHand:
    """A get with all that it needs to give the right value while nothing goes wrong."""

    def __init__(self) -> None:
        self.wire = Wire()
        self.heads = Heads()
        self.send: Callable[[bytes], int] = len
        self.recv = receiver(cycle([b"VA %d f0\r\n%b\r\n" % (len(VALUE), VALUE)]))

    def get(self, key: str) -> bytes | None:
        self.send(b"mg %b v f\r\n" % self.wire[key])
        received = self.recv(SIZE)
        if received == b"EN\r\n":
            return None
        head, _, rest = received.partition(b"\r\n")
        length, flags = self.heads[head]
        if len(rest) == length and not flags:
            return rest[:-2]
        raise CannotMeasure("here the slow way would begin")


class Wired:
    """A connection as `ByHandSafely` sees it."""

    __slots__ = ("forms", "owed", "recv", "send", "since")

    def __init__(self) -> None:
        self.send: Callable[[bytes], int] = len
        self.recv = receiver(hits())
        self.forms = get_forms()
        self.owed = 0
        self.since = monotonic()


class ByHandSafely:
    """... and all that it needs to give no wrong value, whatever goes wrong.

    Nobody else has the connection meanwhile, what is owed is marked, the time is taken, a short
    send is seen, and the reply has this request's token and its own end.
    """

    def __init__(self) -> None:
        self.wire = Wire()
        self.idle = {0: Wired()}

    def get(self, key: str) -> bytes | None:
        wire = self.wire[key]
        link = self.idle.pop(0)
        time = monotonic()
        if time - link.since > 60:
            raise CannotMeasure("here the connection would be looked at")
        link.since = time
        form, miss, heads = next(link.forms)
        request = form % wire
        link.owed = 1
        if link.send(request) == len(request):
            received = link.recv(SIZE)
            if received == miss:
                link.owed = 0
                self.idle[0] = link
                return None
            head, _, rest = received.partition(b"\r\n")
            size, flags = heads[head]
            value = rest[:-2]
            if len(value) == size and rest[-2:] == b"\r\n" and not flags:
                link.owed = 0
                self.idle[0] = link
                return value
        raise CannotMeasure("here the slow way would begin")


def library(seconds: float) -> Contest:
    client = Client("nowhere", backend=ReadyBackend(), timeout=60.0)
    fresh = Client("nowhere", backend=ReadyBackend(), timeout=60.0)
    slices = {
        BY_HAND: gets(ByHand().get),
        SAFELY: gets(ByHandSafely().get),
        CLIENT: gets(client.get),
        FRESH: gets(fresh.get, before=fresh._routes.clear),
    }
    return held("A get of 100 bytes, the library alone", slices, "cpu", seconds)


# ------------------------------------------------------------------------------------- over TCP


def over_tcp(server: RealMemcached, seconds: float) -> Contest:
    with (
        connected(server) as one,
        connected(server) as two,
        connected(server) as three,
        Client(server.address) as client,
    ):
        three.settimeout(1.0)
        slices = {
            SENDALL: exchanges(one.sendall, one.recv),
            SEND: exchanges(two.send, two.recv),
            POLLED: exchanges(three.send, three.recv),
            CLIENT: gets(client.get),
        }
        return held("A get of 100 bytes, over TCP", slices, "wall", seconds)


class Plain(Client):
    """As it is with operations that have no direct way."""

    def _take(self, server: int) -> None:
        return None


def by_either_way(server: RealMemcached, seconds: float) -> Contest:
    """Not among the others: it would leave them cold caches, at a cost that is not theirs."""
    with Client(server.address) as client, Plain(server.address) as plain:
        slices = {CLIENT: gets(client.get), PLAIN: gets(plain.get)}
        return held("The direct way and the plain way, over TCP", slices, "wall", seconds)


def measure(seconds: float) -> Report:
    with memcached() as server:
        tcp = over_tcp(server, seconds)
        either = by_either_way(server, seconds / 4)
        with connected(server) as sock:
            version = stats(sock)["version"]
    alone = library(seconds)
    return Report(
        [alone, tcp, either],
        [
            Comparison(alone, CLIENT, BY_HAND, "cpu", at_most=2.0),
            Comparison(alone, CLIENT, SAFELY, "cpu"),
            Comparison(tcp, CLIENT, SENDALL, "wall", at_most=1.15),
            Comparison(tcp, CLIENT, SENDALL, "cpu"),
            Comparison(either, PLAIN, CLIENT, "wall"),
        ],
        [f"memcached {version}, one thread, on the same CPU; {len(KEYS)} keys in turn"],
    )


if __name__ == "__main__":
    run(__doc__, measure)
