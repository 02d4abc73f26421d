"""memcached over a blocking socket: the least that embedding mcproto takes.

    python examples/plain_socket.py [HOST:PORT]

What to learn: `ask` is the whole conversation. A command is a value; it makes its own bytes and
knows what its reply means. The connection knows whose reply comes next, and whether anything is
still owed. An error line is a reply, not a broken connection.
"""

from __future__ import annotations

import socket
import sys
from typing import TypeVar

import mcproto
from mcproto import classic, meta

R = TypeVar("R")


class Memcached:
    def __init__(self, host: str, port: int) -> None:
        self.connection = mcproto.ClientConnection()
        self.socket = socket.create_connection((host, port), timeout=5)

    def ask(self, command: mcproto.Command[R]) -> R:
        self.socket.sendall(self.connection.send(command))  # from here on a reply is owed
        while (reply := self.connection.next_event()) is mcproto.NEED_DATA:
            # b"" at the end of the stream: then next_event() raises, since a reply is owed.
            self.connection.receive_data(self.socket.recv(65536))
        assert reply is not mcproto.CLOSED  # it never is while something is owed
        return command.result(reply)


def main() -> None:
    host, _, port = (sys.argv[1:] or ["127.0.0.1:11211"])[0].rpartition(":")
    memcached = Memcached(host, int(port))

    print("stored:", memcached.ask(classic.Set("city", b"Delft", exptime=60)))
    item = memcached.ask(classic.Gets("city"))
    assert item is not None
    print("found:", item.value)
    print("swapped:", memcached.ask(classic.Cas("city", b"Leiden", item.cas or 0, exptime=60)))

    hit = memcached.ask(meta.Get("city", v=True, t=True, s=True))
    assert hit is not None
    print(f"{hit.number('s')} bytes with {hit.number('t')} s to live: {hit.value!r}")

    try:
        memcached.ask(classic.Incr("city"))
    except mcproto.ErrorReplied as error:
        print("refused:", error)
    print("good for the next one:", memcached.connection.is_idle)
    memcached.socket.close()


if __name__ == "__main__":
    main()
