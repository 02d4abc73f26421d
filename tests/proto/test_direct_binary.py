"""The binary direct door reads what the plain frames' reader reads, or leaves it alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mcproto import NEED_DATA, ErrorReplied, RemoteProtocolError, Status, binary
from mcproto._direct_binary import (
    FLAGS_AT,
    GET_HEADS,
    SET_EXTRAS,
    SET_FRONTS,
    SET_HEAD,
    STORED_SIZE,
    get_frames,
    set_frames,
)


def test_every_request_of_the_direct_door_is_the_plain_command_s():
    for key in (b"k", b"key", b"x" * 250):
        for (middle, miss, sizes), _ in zip(get_frames(), range(40), strict=False):
            command = binary.Get(key, opaque=sizes.opaque)
            assert GET_HEADS[len(key)] + middle + key == command.encode()
            assert command.decode(miss) is None
        for (middle, stored, opaque), _ in zip(set_frames(), range(40), strict=False):
            set_ = binary.Set(key, b"value", flags=7, exptime=60, opaque=opaque)
            size = len(key)
            head = SET_HEAD(SET_FRONTS[size], SET_EXTRAS + size + 5, middle, 7, 60)
            assert head + key + b"value" == set_.encode()
            assert len(stored) == 16
            assert set_.decode(stored + bytes(STORED_SIZE - 16)) is Status.STORED


def test_neighbouring_requests_never_share_an_opaque():
    gets = [sizes.opaque for (_, _, sizes), _ in zip(get_frames(), range(32), strict=False)]
    sets = [opaque for (_, _, opaque), _ in zip(set_frames(), range(32), strict=False)]
    assert len({*gets, *sets}) == 64


def frame(fields: tuple[int, ...], body: bytes) -> bytes:
    magic, opcode, key_size, extras_size, status, more, opaque = fields
    return (
        bytes([magic, opcode])
        + key_size.to_bytes(2)
        + bytes([extras_size, 0])
        + status.to_bytes(2)
        + max(0, len(body) + more).to_bytes(4)
        + opaque.to_bytes(4)
        + bytes(8)
        + body
    )


fields = st.tuples(
    st.sampled_from([0x81, 0x81, 0x81, 0x80, 0x0]),
    st.sampled_from([0, 0, 0, 1, 0x0C]),
    st.sampled_from([0, 0, 0, 1, 3]),
    st.sampled_from([4, 4, 4, 0, 8]),
    st.sampled_from([0, 0, 0, 1, 2, 0x81]),
    st.sampled_from([0, 0, 0, -1, 1, 5]),
    st.sampled_from([0x67000000, 0x67000000, 0x67000001, 0]),
)


@given(fields, st.binary(max_size=40), st.sampled_from([b"", b"", b"x"]))
def test_whatever_the_direct_door_takes_the_plain_reader_takes_alike(fields, body, surplus):
    _, miss, sizes = next(get_frames())
    received = frame(fields, body) + surplus
    command = binary.Get("key", opaque=sizes.opaque)
    if len(received) == sizes[received[:16]]:
        item = command.decode(received)
        assert item.value == received[FLAGS_AT.stop :]
        assert item.flags == int.from_bytes(received[FLAGS_AT])
    elif received != miss:
        try:
            found = command.decode(received)
        except (RemoteProtocolError, ErrorReplied):
            return
        assert found is NEED_DATA or found is None


@given(st.binary(max_size=30))
def test_no_part_of_a_reply_is_taken_for_one(received):
    _, _, sizes = next(get_frames())
    assert len(received) != sizes[received[:16]]


def test_what_is_remembered_of_sizes_is_bounded():
    _, _, sizes = next(get_frames())
    for size in range(1000):
        received = frame((0x81, 0, 0, 4, 0, 0, sizes.opaque), bytes(4 + size))
        assert sizes[received[:16]] == len(received)
        sizes[bytes([size & 0xFF]) * 16]
    assert len(sizes) <= 256
