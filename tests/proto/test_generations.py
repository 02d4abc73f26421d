"""Servers of two generations: which lines they hear otherwise, and who may be imitated."""

from __future__ import annotations

import pytest

from mcclient.embedded import MemoryServer
from mcproto import (
    CLOSED,
    NEED_DATA,
    BadRequest,
    ErrorReply,
    InvalidArgument,
    MetaReply,
    ServerConnection,
    classic,
    meta,
)
from mcproto.transports.memory import MemoryTransport

ERROR = BadRequest(ErrorReply("ERROR"))
CLOSES = object()


def client_error(text: str) -> BadRequest:
    return BadRequest(ErrorReply("CLIENT_ERROR", text))


BAD_LINE = client_error("bad command line format")
LONG = b"k" * 251


def heard(like: str, data: bytes) -> list[object]:
    connection = ServerConnection(like=like)
    connection.receive_data(data)
    found: list[object] = []
    while (event := connection.next_event()) is not NEED_DATA:
        if event is CLOSED:
            return [*found, CLOSES]
        found.append(event)
    return found


def put(**flags: object) -> meta.Set:
    return meta.Set("k", b"ab", **flags)  # type: ignore[arg-type]


# What is sent, what 1.6.18 hears, and what 1.6.45 does.
DIFFERENCES: list[tuple[bytes, list[object], list[object]]] = [
    # Words are counted first, or there must only be enough.
    (b"get\r\n", [ERROR], [BAD_LINE]),
    (b"set k 0 0\r\n", [ERROR], [BAD_LINE]),
    (b"set k 0 0 2 x y\r\nab\r\n", [ERROR, ERROR], [classic.Set("k", b"ab")]),
    (b"incr k\r\n", [ERROR], [BAD_LINE]),
    (b"incr k 1 x y\r\n", [ERROR], [classic.Incr("k")]),
    (b"touch k 1 x y\r\n", [ERROR], [classic.Touch("k", 1)]),
    (b"verbosity\r\n", [ERROR], [BAD_LINE]),
    (b"mg\r\n", [ERROR], [BAD_LINE]),
    (b"\r\n", [ERROR], [BAD_LINE]),
    (b"x\r\n", [ERROR], [BAD_LINE]),
    # Blanks before the command, NUL, names.
    (b" get k\r\n", [classic.Get("k")], [ERROR]),
    (b"get k\0x\r\n", [classic.Get("k")], [classic.Get.received(key=b"k\0x")]),
    (b"bget k\r\n", [classic.Get("k")], [ERROR]),
    (b"bogus x HTTP/1.1\r\n", [CLOSES], [CLOSES]),
    (b"gx HTTP/1.1\r\n", [ERROR], [CLOSES]),
    (b"mz HTTP/1.1\r\n", [ERROR], [CLOSES]),
    # Numbers.
    (b"incr k +1\r\n", [classic.Incr("k")], [client_error("invalid numeric delta argument")]),
    (b"incr k \t1\t\r\n", [classic.Incr("k")], [client_error("invalid numeric delta argument")]),
    (b"verbosity 4294967297\r\n", [classic.Verbosity(1)], [BAD_LINE]),
    (
        b"touch k 4294967297\r\n",
        [classic.Touch("k", 1)],
        [client_error("invalid exptime argument")],
    ),
    (
        b"touch k 2147483648\r\n",
        [classic.Touch("k", -(1 << 31))],
        [client_error("invalid exptime argument")],
    ),
    (
        b"incr k -18446744073709551615\r\n",
        [classic.Incr("k")],
        [client_error("invalid numeric delta argument")],
    ),
    (b"incr k 99999999999999999999\r\n", *[[client_error("invalid numeric delta argument")]] * 2),
    (b"incr k -1\r\n", *[[client_error("invalid numeric delta argument")]] * 2),
    (b"incr k 1x\r\n", *[[client_error("invalid numeric delta argument")]] * 2),
    (b"touch k 9223372036854775808\r\n", *[[client_error("invalid exptime argument")]] * 2),
    (b"set k 0 0 4294967298\r\nab\r\n", [classic.Set("k", b"ab")], [BAD_LINE, ERROR]),
    (b"set k 0 0 -1\r\n", [BAD_LINE], [BAD_LINE]),
    # Keys and ttls of gat.
    (b"gat 5\r\n", [classic.GatMany.received(keys=(), exptime=5)], [BAD_LINE]),
    (b"gat\r\n", [ERROR], [BAD_LINE]),
    (b"gat x %b\r\n" % LONG, [client_error("invalid exptime argument")], [BAD_LINE]),
    (b"gat 5 %b\r\n" % LONG, [BAD_LINE], [BAD_LINE]),
    # What is behind the key of a delete.
    (b"delete k 0\r\n", [classic.Delete("k")], [classic.Delete("k")]),
    (
        b"delete k x\r\n",
        [client_error("bad command line format.  Usage: delete <key> [noreply]")],
        [classic.Delete("k")],
    ),
    # The block behind a bad line.
    (b"set k x 0 2\r\nmn\r\n", [BAD_LINE, meta.Noop()], [BAD_LINE]),
    (b"set %b 0 0 2\r\nmn\r\n" % LONG, [BAD_LINE, meta.Noop()], [BAD_LINE]),
    (b"ms %b 2\r\nmn\r\n" % LONG, [BAD_LINE, meta.Noop()], [BAD_LINE]),
    # Flags.
    (b"mg k x\r\n", [client_error("invalid flag")], [meta.Get("k")]),
    (b"mg k E5\r\n", [client_error("invalid flag")], [meta.Get("k", E=5)]),
    (b"mg k !\r\n", [client_error("invalid flag")], [BAD_LINE]),
    (b"mg k \xff\r\n", [client_error("duplicate flag")], [BAD_LINE]),
    (b"mg k M\r\n", [client_error("incorrect length for M token")], [meta.Get("k")]),
    (b"ms k 2 MSS\r\nab\r\n", [client_error("incorrect length for M token")], [put(M="S")]),
    (
        b"md k q q\r\n",
        [client_error("invalid or duplicate flag")],
        [client_error("duplicate flag")],
    ),
    (b"ma %b\r\n" % LONG, [BAD_LINE], [client_error("invalid or duplicate flag")]),
    (
        b"mg k T4294967297\r\n",
        [meta.Get("k", T=1)],
        [client_error("bad token in command line format")],
    ),
    (b"ms k +2\r\nab\r\n", [put()], [BAD_LINE, ERROR]),
    (b"me k b\r\n", [BAD_LINE], [meta.Debug("k")]),
    (b"me aw== b x\r\n", *[[meta.Debug("aw==", b=True)]] * 2),
    (b"me aw== b\r\n", [meta.Debug("aw==", b=True)], [meta.Debug("aw==")]),
]


@pytest.mark.parametrize(("data", "older", "newer"), DIFFERENCES)
def test_each_generation_hears_a_line_in_its_own_way(
    data: bytes, older: list[object], newer: list[object]
) -> None:
    assert heard("1.6.18", data) == older
    assert heard("1.6.45", data) == newer


MANY = b"v k s t f c h l u q O1 P1 L1 I T0 F1 J1 D1 C0"


@pytest.mark.parametrize(
    ("like", "verb", "most", "complaint"),
    [
        ("1.6.18", b"mg k", 17, "options flags are too long"),
        ("1.6.18", b"md k", 17, "options flags too long"),
        ("1.6.18", b"ms k 0", 16, "options flags too long"),
        ("1.6.45", b"mg k", 18, "options flags are too long"),
        ("1.6.45", b"ms k 0", 18, "options flags are too long"),
    ],
)
def test_a_command_may_have_so_many_flags(
    like: str, verb: bytes, most: int, complaint: str
) -> None:
    flags = MANY.split()
    fits, does_not = (b" ".join([verb, *flags[:n]]) + b"\r\n" for n in (most, most + 1))
    assert not isinstance(heard(like, fits + b"\r\n")[0], BadRequest)
    assert heard(like, does_not + b"\r\n")[0] == client_error(complaint)


@pytest.mark.parametrize(
    ("data", "older", "newer"),
    [
        (b"bogus noreply\r\n", b"ERROR\r\n", b""),
        (b"set k 0 0 x noreply\r\n", b"", b"CLIENT_ERROR bad command line format\r\n"),
        (b"set k x 0 0 noreply\r\n\r\n", b"ERROR\r\n", b""),
        (b"delete k x noreply\r\n", b"", b""),
        (b"delete noreply\r\n", b"ERROR\r\n", b""),
    ],
)
def test_each_generation_is_silent_in_its_own_way(data: bytes, older: bytes, newer: bytes) -> None:
    for like, answer in (("1.6.18", older), ("1.6.45", newer)):
        connection = ServerConnection(like=like)
        connection.receive_data(data)
        written = b""
        while (event := connection.next_event()) is not NEED_DATA:
            if isinstance(event, BadRequest):
                written += connection.send(event.reply)
            else:
                written += connection.send(ErrorReply("ERROR"))
        assert written == answer


@pytest.mark.parametrize("like", ["1.6.19", "", "1.6", None, b"1.6.18", []])
def test_a_server_that_is_not_known_is_not_imitated(like: str) -> None:
    for make in (ServerConnection, MemoryServer):
        with pytest.raises(InvalidArgument, match=r"like must be '1.6.18' or '1.6.45', not "):
            make(like=like)


def test_a_server_in_memory_hears_as_the_one_it_imitates() -> None:
    for like, answer in (("1.6.18", b"END\r\n"), ("1.6.45", b"ERROR\r\n")):
        transport = MemoryTransport(MemoryServer(like=like))
        transport.send_all(b"bget k\r\n")
        assert transport.receive_some() == answer


def test_a_counter_that_is_made_is_answered_by_the_older_quiet_or_not() -> None:
    for like, answer in (("1.6.18", b"VA 1 O1\r\n5\r\n"), ("1.6.45", b"")):
        transport = MemoryTransport(MemoryServer(like=like))
        transport.send_all(b"ma n N0 J5 q v O1\r\nma n q v O2\r\nmn\r\n")
        assert transport.receive_some() == answer + b"MN\r\n"


def test_what_is_asked_of_a_store_without_a_connection_is_of_its_generation_too() -> None:
    older, newer = MemoryServer(like="1.6.18"), MemoryServer(like="1.6.45")
    for server, reply in ((older, MetaReply("NS")), (newer, MetaReply("HD"))):
        assert server.handle(meta.Set("k", b"v", M="A", N=60)) == reply
    for server in (older, newer):
        assert server.handle(meta.Set("k", b"9", T=100)) == MetaReply("HD")
        assert server.stats["version"] == server.like
    # A number that gets longer is another item: what was to be touched is gone.
    command = meta.Arithmetic.received(key=b"k", T=500, t=True)
    assert older.handle(command) == newer.handle(command) == MetaReply("HD", [("t", b"500")])
    for server, ttl in ((older, b"100"), (newer, b"500")):
        assert server.handle(meta.Get("k", t=True)) == MetaReply("HD", [("t", ttl)])
