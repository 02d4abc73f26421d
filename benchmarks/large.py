"""Large values: what a copy costs, and what is saved by not making it.

Sending is to a socket pair whose other end throws away what comes; receiving is from memory.  No
gates.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from functools import partial

from _harness import Comparison, Contest, Cost, Report, check, cost_since, held, now, run

from mcproto import NEED_DATA, ClientConnection, MetaReply, meta

SIZES = {"8 KiB": 8192, "16 KiB": 16384, "100 KiB": 102_400, "1 MiB": 1 << 20}
PIECE = 65536


def sending(sock: socket.socket, value: bytes, in_parts: bool) -> Cost:
    connection = ClientConnection()
    command = meta.Set("k", value)
    times = max(1, (1 << 20) // len(value))
    began = now()
    for _ in range(times):
        if in_parts:
            send_all(sock, connection.send_parts(command))
        else:
            sock.sendall(connection.send(command))
    return cost_since(began, times)


def send_all(sock: socket.socket, parts: Sequence[bytes]) -> None:
    sent = sock.sendmsg(parts)
    for part in parts:
        if sent < len(part):
            sock.sendall(memoryview(part)[sent:])
            sent = 0
        else:
            sent -= len(part)


def receiving(value: bytes, memory: bytearray | None) -> Cost:
    """In pieces, as a socket gives them: a copy into what is offered, or a new bytes object."""
    wire = memoryview(b"VA %d\r\n%b\r\n" % (len(value), value))
    times = max(1, (1 << 20) // len(value))
    began = now()
    for _ in range(times):
        connection = ClientConnection()
        connection.send(meta.Get("k", v=True))
        if memory is not None:
            connection.receive_value_into(memory)
        left = wire
        while (reply := connection.next_event()) is NEED_DATA:
            if memory is None:
                data = bytes(left[:PIECE])
                connection.receive_data(data)
                left = left[len(data) :]
            else:
                room = connection.get_buffer()
                size = min(len(room), len(left), PIECE)
                room[:size] = left[:size]
                connection.buffer_updated(size)
                left = left[size:]
    cost = cost_since(began, times)
    assert isinstance(reply, MetaReply)
    check([reply.value], [value])
    return cost


def measure(seconds: float) -> Report:
    contests: list[Contest] = []
    comparisons = []
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sink = threading.Thread(target=drain, args=(theirs,), daemon=True)
        sink.start()
        for name, size in SIZES.items():
            value = bytes(range(256)) * (size // 256)
            memory = bytearray(size)
            ways: dict[str, Callable[[], Cost]] = {
                "send, sendall": partial(sending, ours, value, False),
                "send_parts, sendmsg": partial(sending, ours, value, True),
            }
            contest = held(f"Sending {name}", ways, "cpu", seconds / 4)
            contests.append(contest)
            comparisons.append(Comparison(contest, *reversed(contest.ways), "cpu"))
            ways = {
                "receive_data": partial(receiving, value, None),
                "receive_value_into, get_buffer": partial(receiving, value, memory),
            }
            contest = held(f"Receiving {name}", ways, "cpu", seconds / 4)
            contests.append(contest)
            comparisons.append(Comparison(contest, *reversed(contest.ways), "cpu"))
        ours.shutdown(socket.SHUT_WR)
        sink.join()
    return Report(contests, comparisons, ["CPU time has that of the thread that throws away in it"])


def drain(sock: socket.socket) -> None:
    room = bytearray(1 << 20)
    while sock.recv_into(room):
        pass


if __name__ == "__main__":
    run(__doc__, measure)
