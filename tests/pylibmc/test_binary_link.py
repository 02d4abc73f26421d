"""The direct door in binary: what it gives, and what it leaves to the plain way, byte by byte."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from mcclient import pylibmc
from mcclient.pylibmc._binary_link import BinaryLink
from mcproto import ErrorReplied, ProtocolDesync
from mcproto._direct_binary import get_frames, set_frames
from mcproto.transports.blocking import BlockingTransport
from tests.servers import RealMemcached

_, MISS, SIZES = next(get_frames())
_, STORED, _ = next(set_frames())
OPAQUE = SIZES.opaque.to_bytes(4)


def reply(opcode: int, opaque: bytes, body: bytes, extras: int = 0, status: int = 0) -> bytes:
    head = bytes([0x81, opcode, 0, 0, extras, 0]) + status.to_bytes(2) + len(body).to_bytes(4)
    return head + opaque + bytes(8) + body


HIT = reply(0, OPAQUE, b"\0\0\0\x10value", extras=4)


@contextmanager
def answering(first: bytes, then: bytes) -> Iterator[BinaryLink]:
    """A link whose peer has said *first* already, and says *then* when it is asked."""
    ours, peer = socket.socketpair()
    link = BinaryLink(BlockingTransport(ours), 5.0)

    def answer() -> None:
        with suppress(OSError):  # the link has been closed over what was said first
            peer.recv(65536)
            peer.sendall(then)

    peer.sendall(first)
    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield link
    finally:
        thread.join()
        link.close()
        peer.close()


@pytest.mark.parametrize("cut", range(len(HIT) + 1))
def test_a_value_cut_anywhere_is_still_whole(cut: int) -> None:
    with answering(HIT[:cut], HIT[cut:]) as link:
        assert link.fetch(b"key") == (b"value", 16)
        assert link.connection.is_idle


@pytest.mark.parametrize("cut", [0, 1, 16, 23, 24, 30, len(MISS)])
def test_a_miss_cut_anywhere_is_a_miss(cut: int) -> None:
    with answering(MISS[:cut], MISS[cut:]) as link:
        assert link.fetch(b"key") is None
        assert link.connection.is_idle


@pytest.mark.parametrize("cut", [0, 1, 15, 16, 23, 24])
def test_a_set_is_stored_wherever_its_reply_is_cut(cut: int) -> None:
    stored = STORED + (77).to_bytes(8)
    with answering(stored[:cut], stored[cut:]) as link:
        assert link.store(b"key", b"value", 16, 60)
        assert link.connection.is_idle


@pytest.mark.parametrize(
    "wrong",
    [
        reply(0, b"\0\0\0\0", b"\0\0\0\0value", extras=4),  # of a plain command
        reply(0, bytes([OPAQUE[0], *OPAQUE[1:3], 1]), b"\0\0\0\0value", extras=4),  # the next one's
        reply(1, OPAQUE, b""),
        reply(0, OPAQUE, b"value"),
        b"VALUE key 0 5\r\nvalue\r\nEND\r\n",
    ],
)
def test_a_reply_to_something_else_ends_the_link(wrong: bytes) -> None:
    with answering(wrong, b"") as link:
        with pytest.raises(ProtocolDesync):
            link.fetch(b"key")
        assert not link.is_open


def test_a_refusal_leaves_the_link_in_use() -> None:
    with answering(reply(0, OPAQUE, b"Out of memory", status=0x82), b"") as link:
        with pytest.raises(ErrorReplied):
            link.fetch(b"key")
        assert link.is_open
        assert link.connection.is_idle


@pytest.mark.memcached
@pytest.mark.parametrize("size", [0, 1, 16_384, 16_385, 65_535, 65_536, 500_000])
def test_values_of_all_sizes_and_kinds_come_back(size: int, real_memcached: RealMemcached) -> None:
    mc = pylibmc.Client([real_memcached.address], binary=True)
    values: list[Any] = [b"\r\n" * (size // 2), "x" * size, [b"y" * size], 10 ** min(size, 4000)]
    for value in values:
        for time in (0, 100):
            assert mc.set("with blank", value, time)
            assert mc.get("with blank") == value
    assert mc.get("nothing", "other") == "other"
