"""memcached under gevent: a pool of connections for any number of greenlets, in ten lines.

    python examples/with_gevent.py [HOST:PORT]

What to learn: mcproto does no I/O, so nothing has to be patched. And a pool needs one rule only:
what is idle may be used again, by anybody; what is not is closed, whatever has happened to it.
"""

from __future__ import annotations

import sys
from typing import TypeVar

import gevent
from gevent import socket

import mcproto
from mcproto import classic, meta

R = TypeVar("R")


class Link:
    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)))
        self.connection = mcproto.ClientConnection()

    def ask(self, command: mcproto.Command[R]) -> R:
        self.socket.sendall(self.connection.send(command))
        while (reply := self.connection.next_event()) is mcproto.NEED_DATA:
            self.connection.receive_data(self.socket.recv(65536))
        assert reply is not mcproto.CLOSED  # it never is while something is owed
        return command.result(reply)


idle: list[Link] = []


def ask(command: mcproto.Command[R], address: str = (sys.argv[1:] or ["127.0.0.1:11211"])[0]) -> R:
    link = idle.pop() if idle else Link(address)
    try:
        return link.ask(command)
    finally:
        if link.connection.is_idle:
            idle.append(link)
        else:
            link.socket.close()


visit = meta.Arithmetic("visits", N=60, J=1)
gevent.joinall([gevent.spawn(ask, visit) for _ in range(20)], raise_error=True)
print(ask(classic.Get("visits")), "by", len(idle), "connections")
struck = [gevent.spawn(ask, classic.Version()) for _ in range(20)]
gevent.sleep(0)  # they have sent their commands, and wait for the replies
gevent.killall(struck)
print(ask(classic.Incr("visits")), "and not the version")
for link in idle:
    link.socket.close()
