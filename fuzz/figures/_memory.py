"""F6: a hostile peer costs no more memory than the limits say, and a mebibyte."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from itertools import islice
from struct import pack
from typing import Any, NamedTuple

from fuzz.figures._size import Size
from mcproto import (
    CLOSED,
    NEED_DATA,
    BadRequest,
    ClientConnection,
    Command,
    ErrorReply,
    RemoteProtocolError,
    ServerConnection,
    binary,
    classic,
    meta,
    udp,
)

MB = 1 << 20
# So small that one mebibyte more is nothing that they would explain.
LIMITS = {"max_line": 8192, "max_value": 256 * 1024, "max_items": 1000}
MOST = LIMITS["max_line"] + LIMITS["max_value"]

Stream = Callable[[], Iterator[bytes]]


def _x(size: int = 4096) -> bytes:
    return bytes(bytearray(b"x" * size))  # its own, as from a socket


def _endless(part: bytes, before: bytes = b"") -> Stream:
    def stream() -> Iterator[bytes]:
        yield before
        while True:
            yield bytes(bytearray(part * max(1, 4096 // len(part))))

    return stream


def _frame(opcode: int, body: int, key: int = 0, extras: int = 0, magic: int = 0x81) -> bytes:
    return pack(">BBHBBHIIQ", magic, opcode, key, extras, 0, 0, body, 0, 1)


class Attack(NamedTuple):
    """What comes, and at whom.

    Attributes:
        name: of it.
        command: what has been asked; None: a server is attacked.
        stream: what comes.
        is_busy: it is so many requests that less of it must do.
    """

    name: str
    command: Command[object] | None
    stream: Stream
    is_busy: bool = False


_GET, _MG = classic.Get("k"), meta.Get("k", v=True)
_MANY = classic.GetMany(["k"] * 100)
ATTACKS = [
    Attack("endless line", _GET, _endless(b"x")),
    Attack("endless line with spaces", classic.Stats(), _endless(b"STAT ")),
    Attack("value of 64 MiB, not sent", _GET, lambda: iter([b"VALUE k 0 67108864\r\n", _x()])),
    Attack("value of 2^63", _GET, _endless(b"x", b"VALUE k 0 9223372036854775808\r\n")),
    Attack("value at the limit, no end", _GET, _endless(b"x", b"VALUE k 0 262144\r\n")),
    Attack("number of endless digits", classic.Incr("k"), _endless(b"9")),
    Attack("endless items", _GET, _endless(b"VALUE k 0 40\r\n" + b"x" * 40 + b"\r\n")),
    Attack("endless small items", _MANY, _endless(b"VALUE k 0 0\r\n\r\n")),
    Attack("endless statistics", classic.Stats(), _endless(b"STAT a b\r\n")),
    Attack("long statistics", classic.Stats(), _endless(b"STAT a " + b"x" * 4080 + b"\r\n")),
    Attack("endless surplus", _GET, _endless(b"x", b"END\r\n")),
    Attack("endless error line", _GET, _endless(b"x", b"SERVER_ERROR ")),
    Attack("endless meta flags", _MG, _endless(b" W", b"VA 2")),
    Attack("meta value at the limit, no end", _MG, _endless(b"x", b"VA 262144\r\n")),
    Attack("meta value of 2^63", _MG, _endless(b"x", b"VA 9223372036854775808\r\n")),
    Attack("endless debug information", meta.Debug("k"), _endless(b" a=b", b"ME k")),
    Attack("binary value of 4 GiB", binary.Get("k"), _endless(b"x", _frame(0, 0xFFFFFFFF, 0, 4))),
    Attack("binary value at the limit", binary.Get("k"), _endless(b"x", _frame(0, 262148, 0, 4))),
    Attack("binary words of 4 GiB", binary.Noop(), _endless(b"x", _frame(0x0A, 0xFFFFFFFF))),
    Attack("endless binary statistics", binary.Stat(), _endless(_frame(0x10, 2, 1) + b"ab")),
    Attack("long binary statistics", binary.Stat(), _endless(_frame(0x10, 4097, 1) + b"x" * 4097)),
    Attack("endless words on a binary connection", binary.Noop(), _endless(b"x", b"ERROR ")),
    Attack("server: endless line", None, _endless(b"x")),
    Attack("server: endless keys", None, _endless(b" k", b"get")),
    Attack("server: endless blanks", None, _endless(b" ")),
    Attack("server: endless flags", None, _endless(b" v", b"mg k")),
    Attack("server: value of 2 GiB", None, _endless(b"x", b"set k 0 0 2147483645\r\n")),
    Attack("server: meta value of 2 GiB", None, _endless(b"x", b"ms k 2147483645\r\n")),
    Attack("server: value at the limit", None, _endless(b"x", b"set k 0 0 262144\r\n")),
    Attack("server: endless bad lines", None, _endless(b"bogus\r\n"), True),
    Attack("server: endless commands", None, _endless(b"get k\r\n"), True),
    Attack("server: endless silent sets", None, _endless(b"set k 0 0 1 noreply\r\nx\r\n"), True),
    Attack("server: binary body of 4 GiB", None, _endless(b"x", _frame(1, 0xFFFFFFFF, 1, 8, 0x80))),
    Attack("server: binary body of 1 GiB", None, _endless(b"x", _frame(1, 1 << 30, 1, 8, 0x80))),
    Attack("server: binary key of 64 KiB", None, _endless(b"x", _frame(0, 65535, 65535, 0, 0x80))),
    Attack("server: endless noops", None, _endless(_frame(0x0A, 0, 0, 0, 0x80)), True),
    Attack("server: unknown with a body", None, _endless(b"x", _frame(0x30, 1 << 29, 0, 0, 0x80))),
]


def _attack_client(command: Command[object], pieces: list[bytes]) -> ClientConnection:
    connection = ClientConnection(command.protocol, **LIMITS)
    connection.send(command)
    for piece in pieces:
        connection.receive_data(bytes(bytearray(piece)))
        try:
            while connection.next_event() is not NEED_DATA:
                pass
        except RemoteProtocolError:
            pass  # and go on: whoever feeds a broken connection fills nothing
    return connection


def _attack_server(pieces: list[bytes]) -> ServerConnection:
    connection = ServerConnection(max_line=LIMITS["max_line"], max_value=LIMITS["max_value"])
    for piece in pieces:
        connection.receive_data(bytes(bytearray(piece)))
        while (event := connection.next_event()) not in (NEED_DATA, CLOSED):
            bad = isinstance(event, BadRequest)
            connection.send(event.reply if bad else ErrorReply("SERVER_ERROR", "full"))  # type: ignore[union-attr]
    return connection


def _attack_exchange(datagrams: list[bytes]) -> udp.ClientExchange:
    exchange: udp.ClientExchange = udp.ClientExchange(_GET, 1)
    for datagram in datagrams:
        exchange.receive_datagram(bytes(bytearray(datagram)))
        try:
            exchange.next_event()
        except RemoteProtocolError:
            pass
    return exchange


def growth(do: Callable[[], Any]) -> int:
    """The most memory in bytes that is in use while it runs, above what was before."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        kept = do()
        _, peak = tracemalloc.get_traced_memory()
        del kept
        return peak - before
    finally:
        tracemalloc.stop()


def bounded_memory(size: Size) -> str:
    """Some megabytes of each attack, in pieces; the most that any has cost above the limits."""
    count = {"short": 500, "full": 2500, "long": 25_000}[size]  # of pieces of 4 KiB
    above: dict[str, int] = {}
    for name, command, stream, is_busy in ATTACKS:
        pieces = [piece for piece in islice(stream(), count // 10 if is_busy else count) if piece]
        # (What loads at first use is no growth.)
        if command is None:
            _attack_server(pieces[:2])
        else:
            _attack_client(command, pieces[:2])
        if command is None:
            grown = growth(lambda pieces=pieces: _attack_server(pieces))  # type: ignore[misc]
        else:
            grown = growth(lambda command=command, pieces=pieces: _attack_client(command, pieces))  # type: ignore[misc]
        above[name] = grown - MOST
    flood = [
        udp.Datagram(1, b"VALUE k 0 60000\r\n" + _x(1300), n % 65535, 65535).encode()
        for n in range(count)
    ]
    # 64 datagrams of 65 KB are the limit here, so these smaller ones must stay below a mebibyte.
    above["datagrams without end"] = growth(lambda: _attack_exchange(flood)) - MOST
    name = max(above, key=above.__getitem__)
    assert above[name] <= MB, f"{name}: {above[name]:,} bytes above the limits"
    costliest = above[name] + MOST
    return (
        f"memory: {len(above)} attacks of {count * 4096 / MB:.0f} MiB; limits of {MOST:,} bytes: "
        f"{costliest:,} bytes at most ({name}), {above[name] / MB:+.2f} MiB beyond the limits"
    )
