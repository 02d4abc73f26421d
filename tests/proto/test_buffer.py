"""The receive buffer finds what is there, looks at each byte a bounded number of times, and costs
no more memory than what it holds."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.targets import pieces
from mcproto import (
    NEED_DATA,
    ClientConnection,
    Command,
    LimitExceeded,
    RemoteProtocolError,
    classic,
    meta,
)
from mcproto._buffer import ReceiveBuffer
from mcproto._read_replies import Limits

KB = 1024
MB = 1024 * 1024


def filled(*data: bytes, max_line: int = 8192) -> ReceiveBuffer:
    buffer = ReceiveBuffer(max_line)
    for piece in data:
        buffer.feed(piece)
    return buffer


# ---------------------------------------------------------------------------------- what is there


def test_lines_and_blocks_come_out_in_turn() -> None:
    buffer = filled(b"VALUE k 0 4\r\n\r\n\r\n\r\nEND\r\nmore")
    assert buffer.line() == b"VALUE k 0 4"
    assert buffer.block(4) == b"\r\n\r\n"
    assert buffer.line() == b"END"
    assert len(buffer) == 4
    assert buffer.line() is None
    buffer.feed(b"\r\n")
    assert buffer.line() == b"more"
    assert not buffer


@pytest.mark.parametrize("size", range(1, 12))
def test_the_size_of_the_pieces_makes_no_difference(size: int) -> None:
    buffer = ReceiveBuffer(64)
    taken: list[bytes] = []
    wanted: list[Callable[[], bytes | None]] = [
        buffer.line,
        lambda: buffer.block(9),
        buffer.peek_line,
        buffer.line,
        lambda: buffer.block(0),
        buffer.line,
    ]
    for piece in pieces(b"first\r\nnine\r\nbyt\r\nsecond\r\n\r\n\r\n", size):
        buffer.feed(piece)
        while wanted and (got := wanted[0]()) is not None:
            taken.append(got)
            del wanted[0]
    assert taken == [b"first", b"nine\r\nbyt", b"second", b"second", b"", b""]
    assert not buffer


@given(st.lists(st.integers(0, 300) | st.none(), max_size=8), st.data())
def test_whatever_is_put_in_comes_out_however_it_is_cut_and_whenever_it_is_asked_for(
    sizes: list[int | None], data: st.DataObject
) -> None:
    parts = [b"a line" if size is None else bytes(n % 251 for n in range(size)) for size in sizes]
    stream = b"".join(part + b"\r\n" for part in parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    buffer = ReceiveBuffer(64)
    taken: list[bytes] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        buffer.feed(stream[start:end])
        if end < len(stream) and not data.draw(st.booleans()):
            continue
        while len(taken) < len(sizes):
            size = sizes[len(taken)]
            got = buffer.line() if size is None else buffer.block(size)
            if got is None:
                break
            taken.append(got)
    assert taken == parts
    assert len(buffer) == 0


def test_pieces_that_wait_behind_a_line_keep_their_order() -> None:
    buffer = filled(b"VALUE k 0 4\r\n", b"ab")
    assert buffer.line() == b"VALUE k 0 4"
    assert buffer.block(4) is None
    buffer.feed(b"cd\r\n")
    assert buffer.block(4) == b"abcd"


def test_large_and_small_pieces_may_be_mixed() -> None:
    # The last piece is longer than what is wanted of it, and begins the next line.
    value = bytes(5000) + b"x" * 10 + bytes(70_000) + b"y" * 4096
    stream = b"head\r\n" + value + b"\r\nnext\r\n"
    sizes = [3, 5000, 10, 4096, 1, 60_000, 4095, 1, 1, len(stream)]
    buffer = ReceiveBuffer(64)
    position = 0
    head = block = None
    for size in sizes:
        buffer.feed(stream[position : position + size])
        position += size
        head = head or buffer.line()
        if head and not block:
            block = buffer.block(len(value))
    assert head == b"head"
    assert block == value
    assert buffer.line() == b"next"


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_a_mutable_piece_is_copied(kind: Callable[[bytearray], bytearray | memoryview]) -> None:
    reused = bytearray(b"one\r\n")
    buffer = ReceiveBuffer(64)
    buffer.feed(kind(reused))
    reused[:] = b"two\r\n"
    buffer.feed(kind(reused))
    reused[:] = b"xxxxx"
    assert [buffer.line(), buffer.line(), buffer.line()] == [b"one", b"two", None]


def test_a_line_looked_at_ahead_stays_and_is_the_same_again() -> None:
    buffer = filled(b"fir", b"st\r\nrest")
    assert buffer.peek_line() == b"first"
    assert len(buffer) == 11
    assert buffer.peek_line() == b"first"
    assert buffer.line() == b"first"
    assert len(buffer) == 4
    assert buffer.peek_line() is None


# ---------------------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize("line", [b"\n", b"END\n", b"\r\r\n\n", b"\n\r"])
def test_a_line_that_ends_in_lf_alone_is_an_error(line: bytes) -> None:
    buffer = filled(line)
    with pytest.raises(RemoteProtocolError, match="without CR"):
        while True:
            buffer.line()


def test_a_cr_inside_a_line_belongs_to_the_line() -> None:
    assert filled(b"a\rb\r\r\n").line() == b"a\rb\r"


@pytest.mark.parametrize("ending", [b"\n\r", b"\r\r", b"xx", b"\n\n"])
@pytest.mark.parametrize("size", [1, 100])
def test_a_block_must_be_followed_by_cr_lf(ending: bytes, size: int) -> None:
    buffer = ReceiveBuffer(64)
    with pytest.raises(RemoteProtocolError, match="followed by"):
        for piece in pieces(b"hello" + ending, size):
            buffer.feed(piece)
            assert buffer.block(5) is None


@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
def test_a_line_may_be_as_long_as_the_limit_and_no_longer(size: int) -> None:
    def line_of(length: int) -> bytes | None:
        buffer = ReceiveBuffer(100)
        line = None
        for piece in pieces(b"x" * length + b"\r\n", size):
            buffer.feed(piece)
            line = buffer.line()
        return line

    assert line_of(100) == b"x" * 100
    with pytest.raises(LimitExceeded, match="more than 100 bytes"):
        line_of(101)


@pytest.mark.parametrize("size", [1, 2, 102])
def test_a_line_without_end_is_given_up_at_the_same_byte_however_it_comes(size: int) -> None:
    buffer = ReceiveBuffer(100)
    for piece in pieces(b"x" * 100 + b"\r", size):  # a CR LF could still be all that is missing
        buffer.feed(piece)
        assert buffer.line() is None
    buffer.feed(b"x")
    with pytest.raises(LimitExceeded):
        buffer.line()


# -------------------------------------------------------------------------------- how it is found


class Counted(bytes):
    """Bytes that count how many of them are looked at or copied."""

    work = 0

    def find(self, sought: bytes, start: int = 0) -> int:  # type: ignore[override]
        at = super().find(sought, start)
        Counted.work += (len(self) if at < 0 else at + len(sought)) - start
        return at

    def __getitem__(self, index: int | slice) -> int | bytes:  # type: ignore[override]
        got = super().__getitem__(index)  # type: ignore[index]
        Counted.work += len(got) if isinstance(got, bytes) else 1
        return got


class CountingBuffer(ReceiveBuffer):
    """The buffer, with all that it looks at and copies added up in `Counted.work`."""

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        Counted.work += 2 * len(data)  # searched for a line's end; put behind what is there
        super().feed(data)
        self._count_head()

    def _join(self) -> None:
        super()._join()
        Counted.work += len(self._head)
        self._count_head()

    def _gather(self, size: int) -> bytes:
        Counted.work += size
        gathered = super()._gather(size)
        self._count_head()
        return gathered

    def _count_head(self) -> None:
        if type(self._head) is bytes:
            self._head = Counted(self._head)


def value_of(size: int) -> tuple[Command[object], bytes]:
    return classic.Get("k"), b"VALUE k 0 %d\r\n%b\r\nEND\r\n" % (size, b"v" * size)


def meta_value_of(size: int) -> tuple[Command[object], bytes]:
    return meta.Get("k", v=True), b"VA %d\r\n%b\r\n" % (size, b"\n" * size)


def line_of(size: int) -> tuple[Command[object], bytes]:
    return classic.Version(), b"VERSION %b\r\n" % (b"v" * size)


def items_of(size: int) -> tuple[Command[object], bytes]:
    keys = [b"key:%d" % n for n in range(size // 64)]
    body = b"".join(b"VALUE %b 0 40\r\n%b\r\n" % (key, b"v" * 40) for key in keys)
    return classic.GetMany(keys), body + b"END\r\n"


def statistics_of(size: int) -> tuple[Command[object], bytes]:
    lines = b"".join(b"STAT name:%d some value or other\r\n" % n for n in range(size // 40))
    return classic.Stats(), lines + b"END\r\n"


REPLIES = [value_of, meta_value_of, line_of, items_of, statistics_of]


def read(command: Command[object], stream: bytes, size: int, buffer: ReceiveBuffer) -> object:
    """Feed, ask, feed, ask... until the reply is there."""
    progress: list[object] = []
    limits = Limits(1 << 30, 1 << 30, 1 << 30)
    for piece in pieces(stream, size):
        buffer.feed(piece)
        reply = command.read(buffer, progress, limits)
        if reply is not NEED_DATA:
            assert not buffer
            return reply
    raise AssertionError("the reply is not whole")


@pytest.mark.parametrize("size", [1, 64, 4096])
@pytest.mark.parametrize("reply_of", REPLIES)
def test_twice_the_bytes_are_twice_the_work(
    reply_of: Callable[[int], tuple[Command[object], bytes]], size: int
) -> None:
    # The count is exact, so small sizes say as much as large ones; single bytes are slow to feed.
    works = []
    for length in (64 * KB, 128 * KB, 256 * KB) if size == 1 else (MB, 2 * MB, 4 * MB):
        command, stream = reply_of(length)
        Counted.work = 0
        start = time.perf_counter()
        reply = read(command, stream, size, CountingBuffer(1 << 30))
        print(f"{length >> 10} KB by {size}: {time.perf_counter() - start:.3f} s", end=", ")
        print(f"{Counted.work / len(stream):.2f} looks and copies a byte")
        assert command.result(reply)  # type: ignore[arg-type]
        assert Counted.work < 8 * len(stream)
        works.append(Counted.work)
    assert works[1] / works[0] < 2.1
    assert works[2] / works[1] < 2.1


def test_asking_again_before_anything_has_come_costs_nothing() -> None:
    buffer = CountingBuffer(1 << 30)
    buffer.feed(b"x" * MB)
    assert buffer.line() is None
    Counted.work = 0
    for _ in range(100):
        assert buffer.line() is None
        assert buffer.peek_line() is None
    assert Counted.work == 0


# ------------------------------------------------------------------------------------------- memory


def grown(do: Callable[[], object]) -> int:
    """The most memory, in bytes, that is in use while *do* runs, above what was before."""
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


@pytest.mark.parametrize("size", [1, 2, 4095, 4096])
def test_a_value_in_small_pieces_costs_little_more_than_itself(size: int) -> None:
    length = 128 * KB if size < 64 else 4 * MB
    stream = [bytes([n % 251]) * size for n in range(length // size)]

    def receive() -> ClientConnection:
        connection = ClientConnection()
        connection.send(classic.Get("k"))
        connection.receive_data(b"VALUE k 0 %d\r\n" % (length * 2))
        for piece in stream:
            connection.receive_data(bytes(bytearray(piece)))  # its own, as from a socket
            assert connection.next_event() is NEED_DATA
        return connection

    assert grown(receive) < 1.3 * length + 16 * KB


def lying_length() -> Iterator[bytes]:
    yield b"VALUE k 0 %d\r\n" % (64 * MB)
    yield b"x" * 4096


def endless_line() -> Iterator[bytes]:
    while True:
        yield b"x" * 4096


def endless_items() -> Iterator[bytes]:
    while True:
        yield b"VALUE k 0 4000\r\n" + b"x" * 4000 + b"\r\n"


def endless_statistics() -> Iterator[bytes]:
    while True:
        yield b"STAT name value\r\n" * 200


def long_statistics() -> Iterator[bytes]:
    while True:
        yield b"STAT name " + b"x" * 8000 + b"\r\n"


def endless_surplus() -> Iterator[bytes]:
    yield b"END\r\n"
    while True:
        yield b"x" * 4096


@pytest.mark.parametrize(
    ("command", "hostile", "ends"),
    [
        (classic.Get("k"), lying_length, False),
        (classic.Get("k"), endless_line, True),
        (classic.Get("k"), endless_items, True),
        (classic.GetMany(["k"] * 100), endless_items, True),
        (classic.Get("k"), endless_surplus, True),
        (classic.Stats(), endless_statistics, True),
        (classic.Stats(), long_statistics, True),
    ],
)
def test_a_hostile_reply_is_given_up_within_the_limits(
    command: Command[object], hostile: Callable[[], Iterator[bytes]], ends: bool
) -> None:
    connection = ClientConnection(max_items=1000, max_value=64 * MB if not ends else 500_000)
    connection.send(command)
    pieces_of_it = [piece for piece, _ in zip(hostile(), range(600), strict=False)]

    def receive() -> bool:
        for piece in pieces_of_it:
            connection.receive_data(bytes(bytearray(piece)))
            try:
                while connection.next_event() is not NEED_DATA:
                    pass
            except RemoteProtocolError:
                # Whoever goes on feeding a broken connection fills nothing.
                for _ in range(200):
                    connection.receive_data(bytes(bytearray(piece)))
                return True
        return False

    assert grown(lambda: ends == receive()) < MB
    assert connection.is_broken == ends
