"""memcached as an `asyncio.Protocol`: any number of tasks share one connection.

    python examples/asyncio_protocol.py [HOST:PORT]

What to learn: the connection is a queue of what is owed, so the futures are one as well. A task
that is cancelled leaves its place in the queue: the reply still comes, and nobody else gets it.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from typing import Any

import mcproto


class Memcached(asyncio.Protocol):
    def __init__(self) -> None:
        self.connection = mcproto.ClientConnection()
        self.waiting: deque[asyncio.Future[Any]] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    async def ask(self, command: mcproto.Command[Any]) -> Any:
        self.transport.write(self.connection.send(command))
        self.waiting.append(answer := asyncio.get_running_loop().create_future())
        self.settle()  # a noreply command has its event at once
        return command.result(await asyncio.shield(answer))

    def data_received(self, data: bytes) -> None:
        self.connection.receive_data(data)
        self.settle()

    def connection_lost(self, exc: Exception | None) -> None:
        self.data_received(b"")  # the end: next_event() raises if a reply is still owed

    def settle(self) -> None:
        try:
            while self.waiting and (reply := self.connection.next_event()) is not mcproto.NEED_DATA:
                self.waiting.popleft().set_result(reply)
        except mcproto.RemoteProtocolError as error:
            self.transport.abort()
            while self.waiting:
                self.waiting.popleft().set_exception(error)


async def main(host: str, port: str) -> None:
    _, memcached = await asyncio.get_running_loop().create_connection(Memcached, host, int(port))
    visit = mcproto.meta.Arithmetic("visits", N=60, J=1, v=True)
    replies = await asyncio.gather(*[memcached.ask(visit) for _ in range(1000)])
    print("visits:", replies[-1].value.decode())
    memcached.transport.close()


asyncio.run(main(*(sys.argv[1:] or ["127.0.0.1:11211"])[0].split(":")))
