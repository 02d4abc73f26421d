"""A memcached that is a dict: what it takes to be a server.

    python examples/tiny_server.py [HOST:PORT]

What to learn: the connection says what was asked and makes bytes of the answers; it knows when
to keep silent, how to refuse what is no command, and when to hang up. What is stored, and what
an answer is, is all that is left to you. `answer` never sees a byte of the protocol.
"""

from __future__ import annotations

import socketserver
import sys

import mcproto
from mcproto import ErrorReply, Item, Status, Text, Values, classic

items: dict[bytes, Item] = {}


def answer(command: mcproto.Command[object]) -> mcproto.Reply:
    match command:
        case classic.Get(key):
            return Values([items[key]] if key in items else [])
        case classic.GetMany(keys):
            return Values([items[key] for key in keys if key in items])
        case classic.Set(key, value, flags):
            items[key] = Item(key, flags, value)
            return Status.STORED
        case classic.Delete(key):
            return Status.DELETED if items.pop(key, None) else Status.NOT_FOUND
        case classic.FlushAll():
            items.clear()
            return Status.OK
        case classic.Version():
            return Text("tiny")
    return ErrorReply("SERVER_ERROR", "not in this server")


class Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        connection = mcproto.ServerConnection()
        while not connection.must_close:
            event = connection.next_event()
            if event is mcproto.NEED_DATA:
                connection.receive_data(self.request.recv(65536))
            elif event is not mcproto.CLOSED:
                reply = event.reply if isinstance(event, mcproto.BadRequest) else answer(event)
                self.request.sendall(connection.send(reply))


host, _, port = (sys.argv[1:] or ["127.0.0.1:11211"])[0].rpartition(":")
with socketserver.ThreadingTCPServer((host, int(port)), Handler) as server:
    print("listening on port", server.server_address[1], flush=True)
    server.serve_forever()
