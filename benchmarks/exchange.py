"""What one small question and answer costs, by way of moving bytes: blocking, asyncio, trio.

Ready-made bytes go to a real memcached and back, on one CPU, one at a time. No gates: these are
the reasons why the adapters in mcproto/transports are written as they are.
"""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from time import monotonic

from _harness import (
    SIZE,
    CannotMeasure,
    Comparison,
    Contest,
    Report,
    async_exchanges,
    connected,
    exchanges,
    held,
    memcached,
    run,
    stats,
)

from mcproto.transports.asyncio import AsyncioBackend
from mcproto.transports.blocking import BlockingBackend
from tests.servers import RealMemcached

Exchange = Callable[[bytes], Awaitable[bytes]]

OURS = "our transport"

# ------------------------------------------------------------------------------------- blocking

NO_LIMIT = "socket without a limit"
KERNEL = "socket, SO_RCVTIMEO, SO_SNDTIMEO"
POLLED = "socket, settimeout"
DIRECT = "our transport, direct door"


def blocking(server: RealMemcached, seconds: float) -> Contest:
    address = server.host, server.port
    with connected(server) as one, connected(server) as two, connected(server) as three:
        second = struct.pack("ll", 1, 0)
        two.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, second)
        two.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, second)
        three.settimeout(1.0)
        direct = BlockingBackend().connect(address)
        plain = BlockingBackend().connect(address)

        slices = {
            NO_LIMIT: exchanges(one.send, one.recv),
            KERNEL: exchanges(two.send, two.recv),
            POLLED: exchanges(three.send, three.recv),
            DIRECT: exchanges(*direct.direct(1.0)),
            OURS: exchanges(
                lambda data: plain.send_all(data, monotonic() + 1.0),
                lambda size: plain.receive_some(size, monotonic() + 1.0),
            ),
        }
        contest = held("One exchange, blocking", slices, "cpu", seconds)
        direct.close()
        plain.close()
    return contest


# -------------------------------------------------------------------------------------- asyncio

STREAMS = "streams: readline, readexactly"
READ = "streams: read"
PROTOCOL = "a Protocol, bare"
BUFFERED = "a BufferedProtocol, bare"


class Bare:
    """The least that can be done with a protocol of asyncio's."""

    transport: asyncio.Transport
    answered: asyncio.Future[bytes]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    async def exchange(self, data: bytes) -> bytes:
        self.answered = asyncio.get_running_loop().create_future()
        self.transport.write(data)
        return await self.answered


class BareProtocol(Bare, asyncio.Protocol):
    def data_received(self, data: bytes) -> None:
        self.answered.set_result(data)


class BareBuffered(Bare, asyncio.BufferedProtocol):
    def __init__(self) -> None:
        self.buffer = bytearray(SIZE)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.answered.set_result(bytes(memoryview(self.buffer)[:nbytes]))


async def under_asyncio(server: RealMemcached, seconds: float, title: str) -> Contest:
    address = server.host, server.port
    loop = asyncio.get_running_loop()
    ours = await AsyncioBackend().connect(address)
    reader, writer = await asyncio.open_connection(*address)
    reader_2, writer_2 = await asyncio.open_connection(*address)
    bare, bare_protocol = await loop.create_connection(BareProtocol, *address)
    buffered, buffered_protocol = await loop.create_connection(BareBuffered, *address)

    async def through_ours(data: bytes) -> bytes:
        await ours.send_all(data)
        return await ours.receive_some()

    async def by_lines(data: bytes) -> bytes:
        writer.write(data)
        await writer.drain()
        head = await reader.readline()
        return head + await reader.readexactly(int(head.split(b" ", 2)[1]) + 2)

    async def as_it_comes(data: bytes) -> bytes:
        writer_2.write(data)
        await writer_2.drain()
        return await reader_2.read(SIZE)

    ways: dict[str, Exchange] = {
        OURS: through_ours,
        STREAMS: by_lines,
        READ: as_it_comes,
        PROTOCOL: bare_protocol.exchange,
        BUFFERED: buffered_protocol.exchange,
    }
    contest = Contest(title, list(ways), "cpu")
    for way in contest.turns(seconds):
        contest.note(way, await async_exchanges(ways[way]))
    for transport in (ours, writer, writer_2, bare, buffered):
        transport.close()
    await writer.wait_closed()
    await writer_2.wait_closed()
    return contest


# What asyncio receives at most at a time. With a `BufferedProtocol` that is for us to say.
ASYNCIO_SIZE = 256 * 1024


class Malloc:
    """glibc's malloc, in the state in which young processes have it, or old ones.

    asyncio receives into a fresh block of 256 KiB.  In a young process that is mapped, and unmapped
    again, each time; once the process has freed a block as large, they come from the heap.  It is
    much of what an exchange costs, so it must not depend on what happens to have been freed.
    """

    # As <malloc.h> has them.
    M_TRIM_THRESHOLD = -1
    M_MMAP_THRESHOLD = -3

    def __init__(self) -> None:
        # AttributeError, OSError or TypeError: it is another one.
        libc = ctypes.CDLL(None)
        self._mallopt = libc.mallopt
        self._sbrk = libc.sbrk
        self._sbrk.restype = ctypes.c_size_t
        self._held: list[bytes] = []

    def be_young(self) -> None:
        self._map_from(ASYNCIO_SIZE // 2)
        # Gaps in the heap would be used first: fill them all.
        for _ in range(1000):
            if self.is_young():
                return
            self._held.append(bytes(ASYNCIO_SIZE))
        raise CannotMeasure("malloc does not map large blocks as it was told to")

    def is_young(self) -> bool:
        """Whether a large block does not come from the heap, which ends at the break."""
        return bool(id(bytes(ASYNCIO_SIZE)) > self._sbrk(0))

    def be_old(self) -> None:
        self._map_from(16 * ASYNCIO_SIZE)
        self._held.clear()

    def _map_from(self, size: int) -> None:
        self._mallopt(self.M_MMAP_THRESHOLD, size)
        self._mallopt(self.M_TRIM_THRESHOLD, 2 * size)


def asyncio_by_malloc(server: RealMemcached, seconds: float) -> Iterator[Contest]:
    """The contest in a young process and in an old one; just once where malloc is another."""

    def contest(process: str) -> Contest:
        title = f"One exchange, asyncio, {process} process"
        return asyncio.run(under_asyncio(server, seconds, title))

    try:
        malloc = Malloc()
    except (AttributeError, OSError, TypeError):
        yield contest("this")
        return
    malloc.be_young()
    young = contest("young")
    if not malloc.is_young():
        raise CannotMeasure("the process has aged while it was measured: try again")
    yield young
    malloc.be_old()
    yield contest("old")


# ----------------------------------------------------------------------------------------- trio

TRIO_STREAM = "SocketStream"
TRIO_SOCKET = "trio.socket"
TRIO_RAW = "socket and wait_readable, bare"


async def under_trio(server: RealMemcached, seconds: float) -> Contest:
    import trio

    from mcproto.transports.trio import TrioBackend

    address = server.host, server.port
    ours = await TrioBackend().connect(address)
    stream = await trio.open_tcp_stream(*address)
    trio_socket = trio.socket.socket()
    await trio_socket.connect(address)
    raw = connected(server)
    raw.setblocking(False)

    async def through_ours(data: bytes) -> bytes:
        await ours.send_all(data)
        return await ours.receive_some()

    async def through_stream(data: bytes) -> bytes:
        await stream.send_all(data)
        return await stream.receive_some(SIZE)

    async def through_trio_socket(data: bytes) -> bytes:
        await trio_socket.send(data)
        return await trio_socket.recv(SIZE)

    async def through_raw(data: bytes) -> bytes:
        raw.send(data)
        await trio.lowlevel.wait_readable(raw)
        return raw.recv(SIZE)

    ways: dict[str, Exchange] = {
        OURS: through_ours,
        TRIO_STREAM: through_stream,
        TRIO_SOCKET: through_trio_socket,
        TRIO_RAW: through_raw,
    }
    contest = Contest("One exchange, trio", list(ways), "cpu")
    for way in contest.turns(seconds):
        contest.note(way, await async_exchanges(ways[way]))
    for transport in (ours, trio_socket, raw):
        transport.close()
    await stream.aclose()
    return contest


# ------------------------------------------------------------------------------------- all of it


def measure(seconds: float) -> Report:
    report = Report([], [], [])

    def compare(contest: Contest, way: str, *bases: str) -> None:
        report.contests.append(contest)
        for base in bases:
            report.comparisons.append(Comparison(contest, way, base, "cpu"))
            report.comparisons.append(Comparison(contest, way, base, "wall"))

    with memcached() as server, connected(server) as sock:
        version = stats(sock)["version"]
        compare(blocking(server, seconds), POLLED, NO_LIMIT, KERNEL)
        for contest in asyncio_by_malloc(server, seconds):
            compare(contest, OURS, STREAMS, READ)
        try:
            import trio
        except ImportError:
            report.notes.append("trio is not installed, and left out")
        else:
            compare(trio.run(under_trio, server, seconds), TRIO_STREAM, OURS)
    report.notes.append(f"memcached {version}, one thread, on the same CPU")
    return report


if __name__ == "__main__":
    run(__doc__, measure)
