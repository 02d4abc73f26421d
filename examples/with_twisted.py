"""memcached as a Twisted `Protocol`, with a Deferred for every command.

    python examples/with_twisted.py [HOST:PORT]

What to learn: commands go out and replies come back in one order, so a queue of Deferreds is all
there is to keep. One that is cancelled stays in it, and takes the reply that is its own.
"""

from __future__ import annotations

import sys
from collections import deque
from typing import Any

from twisted.internet import task
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.protocol import Factory, Protocol

import mcproto


class Memcached(Protocol):
    def __init__(self) -> None:
        self.transport: Any = None
        self.connection = mcproto.ClientConnection()
        self.waiting: deque[Deferred[Any]] = deque()

    def ask(self, command: mcproto.Command[Any]) -> Deferred[Any]:
        self.transport.write(self.connection.send(command))
        self.waiting.append(answer := Deferred[Any]().addCallback(command.result))
        self.settle()  # a noreply command has its event at once
        return answer

    def dataReceived(self, data: bytes) -> None:
        self.connection.receive_data(data)
        self.settle()

    def connectionLost(self, reason: Any = None) -> None:
        self.dataReceived(b"")  # the end: next_event() raises if a reply is still owed

    def settle(self) -> None:
        try:
            while self.waiting and (reply := self.connection.next_event()) is not mcproto.NEED_DATA:
                self.waiting.popleft().callback(reply)
        except mcproto.RemoteProtocolError as error:
            self.transport.abortConnection()
            while self.waiting:
                self.waiting.popleft().errback(error)


async def main(reactor: Any, host: str, port: str) -> None:
    endpoint: Any = HostnameEndpoint(reactor, host, int(port))
    memcached = await endpoint.connect(Factory.forProtocol(Memcached))
    answers = [memcached.ask(mcproto.meta.Arithmetic("n", N=9, J=1, v=True)) for _ in range(1000)]
    print("counted to", (await answers[-1]).value.decode())


task.react(main, (sys.argv[1:] or ["127.0.0.1:11211"])[0].split(":"))
