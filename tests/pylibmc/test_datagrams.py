"""Servers behind ``udp:`` addresses: what is sent to them, and what is refused."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from mcclient import pylibmc


@pytest.fixture
def heard() -> Iterator[socket.socket]:
    """A socket in the server's place."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(10)
        yield sock


def client(sock: socket.socket, **options: Any) -> pylibmc.Client:
    return pylibmc.Client([f"udp:127.0.0.1:{sock.getsockname()[1]}"], **options)


def payload(sock: socket.socket) -> bytes:
    datagram = sock.recv(65536)
    _, sequence, total, rest = struct.unpack(">HHHH", datagram[:8])
    assert (sequence, total, rest) == (0, 1, 0)
    return datagram[8:]


def test_what_is_written_is_sent_and_not_waited_for(heard: socket.socket) -> None:
    mc = client(heard, behaviors={"cas": True})
    calls: list[tuple[Any, object, list[bytes]]] = [
        (lambda: mc.set("key", "x"), True, [b"set key 16 0 1 noreply\r\nx\r\n"]),
        (lambda: mc.add("key", 5, 10), True, [b"add key 4 10 1 noreply\r\n5\r\n"]),
        (lambda: mc.replace("key", b""), True, [b"replace key 0 0 0 noreply\r\n\r\n"]),
        (lambda: mc.append("key", b"x"), True, [b"append key 0 0 1 noreply\r\nx\r\n"]),
        (lambda: mc.cas("key", b"x", 7), True, [b"cas key 0 0 1 7 noreply\r\nx\r\n"]),
        (lambda: mc.delete("key"), True, [b"delete key noreply\r\n"]),
        (lambda: mc.incr("key"), 2**64 - 1, [b"incr key 1 noreply\r\n"]),
        (lambda: mc.decr("key", 2), 2**64 - 1, [b"decr key 2 noreply\r\n"]),
        (lambda: mc.incr_multi(["a"]), None, [b"incr a 1 noreply\r\n"]),
        (
            lambda: mc.set_multi({"a": "x", "b": "y"}),
            [],
            [b"set a 16 0 1 noreply\r\nx\r\n", b"set b 16 0 1 noreply\r\ny\r\n"],
        ),
        (
            lambda: mc.delete_multi(["a", "b"]),
            True,
            [b"delete a noreply\r\n", b"delete b noreply\r\n"],
        ),
        (lambda: mc.flush_all(), True, [b"flush_all noreply\r\n"]),
        (lambda: mc.clone().set("key", "y"), True, [b"set key 16 0 1 noreply\r\ny\r\n"]),
    ]
    for call, result, sent in calls:
        assert call() == result
        assert [payload(heard) for _ in sent] == sent
    assert mc.behaviors["_noreply"] == 1
    mc.disconnect_all()
    assert mc.set("key", "z")
    assert payload(heard).endswith(b"z\r\n")


def test_in_binary_the_quiet_commands_are_sent(heard: socket.socket) -> None:
    mc = client(heard, binary=True)
    for call, opcode in (
        (lambda: mc.set("key", "x"), 0x11),
        (lambda: mc.delete("key"), 0x14),
        (lambda: mc.incr("key"), 0x15),
        (lambda: mc.flush_all(), 0x18),
    ):
        assert call()
        assert payload(heard)[:2] == bytes([0x80, opcode])


@pytest.mark.parametrize("binary", [False, True])
def test_what_needs_an_answer_is_refused(heard: socket.socket, binary: bool) -> None:
    mc = client(heard, behaviors={"cas": True}, binary=binary)
    for call in (
        lambda: mc.get("key"),
        lambda: mc.gets("key"),
        lambda: mc.get_multi(["key"]),
        lambda: "key" in mc,
        lambda: mc.touch("key", 10),
        lambda: mc.get_stats(),
    ):
        with pytest.raises(pylibmc.NotSupportedError):
            call()
    heard.setblocking(False)
    with pytest.raises(BlockingIOError):
        heard.recv(1)


def test_what_is_too_long_for_a_datagram_is_an_error(heard: socket.socket) -> None:
    with pytest.raises(pylibmc.WriteError):
        client(heard).set("key", bytes(70_000))


def test_a_host_without_an_address_is_an_error() -> None:
    with pytest.raises(pylibmc.HostLookupError):
        pylibmc.Client(["udp:no-such-host.invalid"]).set("key", 1)


def test_nobody_there_is_no_error() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    mc = pylibmc.Client([f"udp:127.0.0.1:{port}"])
    assert mc.set("key", 1)
    assert mc.set("key", 1)
