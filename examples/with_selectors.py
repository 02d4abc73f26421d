"""Many servers, and thousands of requests on their way to each, from one thread.

    python examples/with_selectors.py [HOST:PORT ...]

What to learn: any number of commands may be sent before the first reply is read; replies come in
the order of sending. Whoever has much on its way has to read while he writes, or both ends may
wait for each other with all buffers full.
"""

from __future__ import annotations

import socket
import sys
from selectors import EVENT_READ as READ
from selectors import EVENT_WRITE as WRITE
from selectors import DefaultSelector

import mcproto
from mcproto.classic import Get, Set


class Pipeline:
    def __init__(self, address: str, commands: list[mcproto.Command[object]]) -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=5)
        self.socket.setblocking(False)
        self.connection = mcproto.ClientConnection()
        self.commands = commands
        self.unsent = memoryview(b"".join(map(self.connection.send, commands)))
        self.results: list[object] = []

    def wants(self) -> int:
        return READ * bool(self.connection.owed) | WRITE * bool(self.unsent)

    def go_on(self, events: int) -> None:
        if events & WRITE:
            self.unsent = self.unsent[self.socket.send(self.unsent) :]
        if events & READ:
            self.connection.receive_data(self.socket.recv(65536))
            while (reply := self.connection.next_event()) is not mcproto.NEED_DATA:
                assert reply is not mcproto.CLOSED  # it raises if the end comes too early
                self.results.append(self.commands[len(self.results)].result(reply))


keys = [f"row:{n}" for n in range(5000)]
commands: list[mcproto.Command[object]] = [*(Set(k, b"a row") for k in keys), *map(Get, keys)]
with DefaultSelector() as selector:
    for address in sys.argv[1:] or ["127.0.0.1:11211"]:
        pipeline = Pipeline(address, commands)
        selector.register(pipeline.socket, pipeline.wants(), pipeline)
    while selector.get_map():
        for key, events in selector.select():
            key.data.go_on(events)
            if key.data.wants():
                selector.modify(key.fileobj, key.data.wants(), key.data)
            else:
                selector.unregister(key.fileobj)
                print(len(key.data.results), "replies from port", key.data.socket.getpeername()[1])
                key.data.socket.close()
