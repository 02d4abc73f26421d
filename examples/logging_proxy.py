"""A proxy between memcached and its clients that logs every command and every reply.

    python examples/logging_proxy.py [HOST:PORT [PORT]]

What to learn: what the server's half hears is what the client's half sends, and what that makes
of the reply is what the server's half answers, NO_REPLY too. Each command goes up as a flight of
one, which a barrier closes if it may be silent. (Dumps, logs and binary commands are left out.)
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque

import mcproto
from mcproto import BadRequest, ClientConnection, Flight, Replies, ServerConnection
from mcproto.classic import Quit, Version

address, listen = sys.argv[1:] + ["127.0.0.1:11211", "11212"][len(sys.argv) - 1 :]


async def serve(client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
    server, to_server = await asyncio.open_connection(*address.rsplit(":", 1))
    down, up = ServerConnection("text", max_value=1 << 30), ClientConnection(max_value=1 << 30)
    asked: deque[mcproto.Command[object] | BadRequest] = deque()

    def answer() -> None:
        while asked and isinstance(flight := up.next_event(), Replies):
            request, (reply,) = asked.popleft(), flight.replies
            data = down.send(request.reply if isinstance(request, BadRequest) else reply)
            print(f"{request!r:.100} -> {data!r:.100}", flush=True)
            to_client.write(data)

    async def ask() -> None:
        while (request := down.next_event()) is not mcproto.CLOSED:
            if request is mcproto.NEED_DATA:
                await to_server.drain()
                down.receive_data(await client.read(65536))
            else:
                asked.append(request)
                command = Version() if isinstance(request, BadRequest | Quit) else request
                to_server.write(up.send(Flight([command])))

    asking = asyncio.create_task(ask())
    asking.add_done_callback(lambda _: to_server.write_eof())  # it closes when it has answered
    while received := await server.read(65536):
        up.receive_data(received)
        answer()
        await to_client.drain()
    to_client.close()
    to_server.close()
    await asking


with asyncio.Runner() as runner:
    proxy = runner.run(asyncio.start_server(serve, "127.0.0.1", int(listen)))
    print("listening on port", proxy.sockets[0].getsockname()[1], flush=True)
    runner.run(proxy.serve_forever())
