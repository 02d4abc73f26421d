"""F5: twice the bytes are twice the work, however small the pieces they come in.

The verdict counts how many bytes are looked at or copied in the receive buffer; the time is
printed beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from struct import pack
from typing import Any, TypeAlias

from fuzz.figures._size import Size
from fuzz.targets import pieces
from mcproto import NEED_DATA, ClientConnection, Command, ServerConnection, binary, classic, meta

KB = 1024
MB = 1024 * KB


class Counted(bytes):
    """Bytes that count how many of them are looked at or copied."""

    work = 0

    def find(self, sought: Any, start: Any = 0, end: Any = None) -> int:
        at = super().find(sought, start, len(self) if end is None else end)
        Counted.work += (len(self) if at < 0 else at + len(sought)) - start
        return at

    def __getitem__(self, index: Any) -> Any:
        got = super().__getitem__(index)
        Counted.work += len(got) if isinstance(got, bytes) else 1
        return got


def count_in(buffer: Any) -> None:
    """Have *buffer* add up all that it looks at and copies in `Counted.work`."""
    kind: Any = type(buffer)

    class Counting(kind):  # type: ignore[misc]
        __slots__ = ()

        def feed(self, data: Any) -> None:
            Counted.work += 2 * len(data)  # searched for a line's end; put behind what is there
            super().feed(data)
            self._count_head()

        def _join(self: Any) -> None:
            super()._join()
            Counted.work += len(self._head)
            self._count_head()

        def _gather(self, size: int) -> bytes:
            Counted.work += size
            gathered: bytes = super()._gather(size)
            self._count_head()
            return gathered

        def _count_head(self: Any) -> None:
            if type(self._head) is bytes:
                self._head = Counted(self._head)

    buffer.__class__ = Counting


Case: TypeAlias = tuple[ClientConnection | ServerConnection, bytes]
"""A connection that is ready for something, and its bytes."""


LIMITS = {"max_line": 1 << 30, "max_value": 1 << 30, "max_items": 1 << 30}


def _client(command: Command[object]) -> ClientConnection:
    connection = ClientConnection(command.protocol, **LIMITS)
    connection.send(command)
    return connection


def _server() -> ServerConnection:
    return ServerConnection(max_line=1 << 30, max_value=1 << 30)


def _frame(opcode: int, key: bytes, extras: bytes, value: bytes, magic: int = 0x81) -> bytes:
    size = len(key) + len(extras) + len(value)
    head = pack(">BBHBBHIIQ", magic, opcode, len(key), len(extras), 0, 0, size, 0, 1)
    return head + extras + key + value


def value(size: int) -> Case:
    stream = b"VALUE k 0 %d\r\n%b\r\nEND\r\n" % (size, b"v" * size)
    return _client(classic.Get("k")), stream


def line(size: int) -> Case:
    return _client(classic.Version()), b"VERSION %b\r\n" % (b"v" * size)


def items(size: int) -> Case:
    keys = [b"key:%d" % n for n in range(size // 64)]
    body = b"".join([b"VALUE %b 0 40\r\n%b\r\n" % (key, b"v" * 40) for key in keys])
    return _client(classic.GetMany(keys)), body + b"END\r\n"


def statistics(size: int) -> Case:
    lines = b"".join([b"STAT name:%d some value or other\r\n" % n for n in range(size // 40)])
    return _client(classic.Stats()), lines + b"END\r\n"


def meta_value(size: int) -> Case:
    stream = b"VA %d\r\n%b\r\n" % (size, b"\n" * size)
    return _client(meta.Get("k", v=True)), stream


def binary_value(size: int) -> Case:
    return _client(binary.Get("k")), _frame(0, b"", bytes(4), b"v" * size)


def binary_statistics(size: int) -> Case:
    frames = [_frame(0x10, b"name:%d" % n, b"", b"value") for n in range(size // 40)]
    return _client(binary.Stat()), b"".join(frames) + _frame(16, b"", b"", b"")


def heard_value(size: int) -> Case:
    return _server(), b"set k 0 0 %d\r\n%b\r\n" % (size, b"v" * size)


def heard_keys(size: int) -> Case:
    return _server(), b"get" + b" some:key" * (size // 9) + b"\r\n"


def heard_commands(size: int) -> Case:
    return _server(), b"mg some:key v f t O123\r\n" * (size // 24)


def heard_binary_value(size: int) -> Case:
    return _server(), _frame(1, b"k", bytes(8), b"v" * size, 0x80)


# n, in bytes: by larger pieces, and by single bytes, which are slow to feed. (The count is exact,
# so small sizes say as much as large ones.)
BASES = {"short": (64 * KB, 4 * KB), "full": (512 * KB, 64 * KB), "long": (MB, MB)}

CASES: list[Callable[[int], Case]] = [
    value,
    line,
    items,
    statistics,
    meta_value,
    binary_value,
    binary_statistics,
    heard_value,
    heard_keys,
    heard_commands,
    heard_binary_value,
]


def _buffer_of(end: Any) -> Any:
    return end._buffer if isinstance(end, ClientConnection) else end._reader._buffer


def _receive(end: Any, received: Iterable[bytes]) -> int:
    """Feed, ask, feed, ask...; how many events there were."""
    seen = 0
    for data in received:
        end.receive_data(data)
        while end.next_event() is not NEED_DATA:
            seen += 1
    return seen


def _time(make: Callable[[int], Case], length: int, step: int) -> float:
    """How long it takes, in seconds: the best of several times where that is not long."""
    best = spent = 0.0
    for _ in range(10):
        end, stream = make(length)
        since = time.perf_counter()
        assert _receive(end, pieces(stream, step)), make.__name__
        took = time.perf_counter() - since
        best = min(best or took, took)
        spent += took
        if spent > 0.5:
            break
    return best


def linear_time(size: Size) -> str:
    """A value, a line, a list of items at n, 2n and 4n bytes, by 1, 64 and 4096 bytes."""
    worst = 0.0
    slowest = 0.0
    most = 0.0
    rows: list[str] = []
    for step in (1, 64, 4096):
        base = BASES[size][step == 1]
        for make in CASES:
            works: list[int] = []
            times: list[float] = []
            for length in (base, 2 * base, 4 * base):
                if size != "short":
                    times.append(_time(make, length, step))
                # (Apart from it, counting: that is slower.)
                end, stream = make(length)
                if isinstance(end, ServerConnection):
                    end.receive_data(stream[:1])  # which chooses the protocol
                    stream = stream[1:]
                count_in(_buffer_of(end))
                Counted.work = 0
                assert _receive(end, pieces(stream, step)), make.__name__
                works.append(Counted.work)
                most = max(most, Counted.work / length)
            ratios = [works[1] / works[0], works[2] / works[1]]
            worst = max(worst, *ratios)
            assert worst <= 2.2, f"{make.__name__} by {step}: {works}"
            if size == "short":
                continue
            by_clock = [times[1] / times[0], times[2] / times[1]]
            slowest = max(slowest, *by_clock)
            rows.append(
                f"     {make.__name__:<20} by {step:<5} work {ratios[0]:.2f} {ratios[1]:.2f}   "
                f"time {by_clock[0]:.2f} {by_clock[1]:.2f}   {times[2]:.3f} s"
            )
            # Machines have slow phases; what is not linear is worse by orders.
            assert times[2] < 60 * times[0] + 1, f"{make.__name__} by {step}: {times} s"
    told = (
        f"linear time: {len(CASES)} kinds by 1, 64, 4096 bytes, at n, 2n, 4n: the work grows "
        f"{worst:.2f} times at most ({most:.1f} looks and copies a byte)"
    )
    return told if size == "short" else "\n".join([f"{told}, the time {slowest:.2f}", *rows])
