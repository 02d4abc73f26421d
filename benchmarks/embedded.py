"""What the embedded server costs: gets beside the real memcached's, memory, and its start.

Each server is a process of its own, on the same CPU as whoever asks, which has a part in all
figures; a machine with a CPU for each does better.  No gates but in the notes, which have what was
aimed at: 60,000 gets a second by hundreds, 12,000 one by one, 600 MB for a million items of 100
bytes, 20 ms from the start to the first reply.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

from _harness import (
    KEYS,
    VALUE,
    CannotMeasure,
    Comparison,
    Contest,
    Cost,
    Report,
    check,
    connected,
    cost_since,
    held,
    memcached,
    now,
    run,
)

from mcclient.embedded import MemoryServer

REAL = "memcached"
EMBEDDED = "MemoryServer"
TOGETHER = 100
ITEMS = 1_000_000


@contextmanager
def embedded() -> Iterator[socket.socket]:
    """A connection to an embedded server, a process of its own, with VALUE under the first key."""
    serve = [sys.executable, "-m", "mcclient", "serve", "-p", "-1"]
    process = subprocess.Popen(serve, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1])
    try:
        assert process.stdout is not None
        port = process.stdout.readline().decode().rpartition(":")[2]
        if not port:
            raise CannotMeasure("the embedded server does not listen")
        with socket.create_connection(("127.0.0.1", int(port))) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.sendall(b"set %b 0 0 %d\r\n%b\r\n" % (KEYS[0].encode(), len(VALUE), VALUE))
            check([sock.recv(64)], [b"STORED\r\n"])
            yield sock
    finally:
        process.terminate()
        process.wait()


def gets(sock: socket.socket, together: int) -> Callable[[], Cost]:
    """A slice of a thousand gets, so many in each write."""
    key = KEYS[0].encode()
    request = b"get %b\r\n" % key * together
    wanted = b"VALUE %b 0 %d\r\n%b\r\nEND\r\n" % (key, len(VALUE), VALUE) * together
    rounds = 1000 // together

    def take() -> Cost:
        got: list[bytes] = []
        began = now()
        for _ in range(rounds):
            sock.sendall(request)
            reply = sock.recv(len(wanted), socket.MSG_WAITALL)
            got.append(reply)
        cost = cost_since(began, rounds * together)
        check(got, [wanted] * rounds)
        return cost

    return take


def beside(real: socket.socket, ours: socket.socket, together: int, seconds: float) -> Contest:
    title = f"get, {together} in each write" if together > 1 else "get, one at a time"
    slices = {REAL: gets(real, together), EMBEDDED: gets(ours, together)}
    return held(title, slices, "wall", seconds)


def memory_of(items: int) -> float:
    """Megabytes that a process has more once so many items of 100 bytes are stored."""
    program = (
        "from mcclient.embedded import MemoryServer\n"
        "from mcproto import classic\n"
        "def pages(): return int(open('/proc/self/statm').read().split()[1])\n"
        "server = MemoryServer(memory=1 << 30)\n"
        "before = pages()\n"
        f"for number in range({items}):\n"
        "    server.handle(classic.Set(b'key:%09d' % number, b'%0100d' % number))\n"
        f"assert server.stats['curr_items'] == '{items}'\n"
        "server._commands.clear()\n"
        "print(pages() - before)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return int(ran.stdout) * 4096 / 1e6


def start_of_one() -> float:
    """Milliseconds from making a server to its first reply, in this process."""
    began = perf_counter()
    with MemoryServer() as server, socket.create_connection((server.host, server.port)) as sock:
        sock.sendall(b"mn\r\n")
        check([sock.recv(64)], [b"MN\r\n"])
        return (perf_counter() - began) * 1e3


def measure(seconds: float) -> Report:
    report = Report([], [], [])
    with memcached() as server, connected(server) as real, embedded() as ours:
        for together, aim in ((TOGETHER, 60_000), (1, 12_000)):
            contest = beside(real, ours, together, seconds)
            report.contests.append(contest)
            report.comparisons.append(Comparison(contest, EMBEDDED, REAL, "wall"))
            a_second = 1e9 / contest.cost(EMBEDDED).wall
            report.notes.append(f"{contest.title}: {a_second:,.0f} a second (aim: {aim:,})")
    starts = sorted([start_of_one() for _ in range(9)])
    report.notes.append(f"from the start to the first reply: {starts[4]:.1f} ms (aim: 20)")
    items = ITEMS if seconds >= 1 else ITEMS // 50
    report.notes.append(
        f"{items:,} items of 100 bytes: {memory_of(items):,.0f} MB (aim: {items * 600e-6:,.0f})"
    )
    return report


if __name__ == "__main__":
    run(__doc__, measure)
