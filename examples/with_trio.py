"""memcached under trio, where anything may be cancelled anywhere.

    python examples/with_trio.py [HOST:PORT]

What to learn: nothing has to be caught, shielded or drained. Whatever interrupts `ask`, it leaves
a connection that is not idle, and only an idle connection is used again: state decides.
"""

from __future__ import annotations

import sys
from typing import TypeVar

import trio

import mcproto
from mcproto import classic

R = TypeVar("R")


class Memcached:
    """A connection to memcached for one task at a time, replaced when it is not clean."""

    def __init__(self, address: str) -> None:
        self.host, _, port = address.rpartition(":")
        self.port = int(port)
        self.stream: trio.SocketStream | None = None
        self.connection = mcproto.ClientConnection()

    async def ask(self, command: mcproto.Command[R]) -> R:
        if self.stream is None or not self.connection.is_idle:
            if self.stream is not None:
                await trio.aclose_forcefully(self.stream)
            self.stream = await trio.open_tcp_stream(self.host, self.port)
            self.connection = mcproto.ClientConnection()
        await self.stream.send_all(self.connection.send(command))
        while (reply := self.connection.next_event()) is mcproto.NEED_DATA:
            self.connection.receive_data(await self.stream.receive_some(65536))
        assert reply is not mcproto.CLOSED  # it never is while something is owed
        return command.result(reply)


async def main(address: str) -> None:
    memcached = Memcached(address)
    for name in ("Ada", "Grace"):
        print("stored:", await memcached.ask(classic.Set(name, name.encode())))
    with trio.move_on_after(0) as scope:
        await memcached.ask(classic.Get("Ada"))
    print("cancelled:", scope.cancelled_caught, "idle:", memcached.connection.is_idle)
    item = await memcached.ask(classic.Get("Grace"))  # not Ada
    print("found:", item and item.value)
    assert memcached.stream is not None
    await memcached.stream.aclose()


trio.run(main, (sys.argv[1:] or ["127.0.0.1:11211"])[0])
