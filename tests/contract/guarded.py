"""A server that wants to know who is there, in text and in binary: for a scripted server's sockets.

It is mcproto's server half over an embedded store, and keeps count of who has said what.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from mcclient.embedded import MemoryServer
from mcclient.testing import Peer, ScriptedServer
from mcproto import (
    CLOSED,
    NEED_DATA,
    BadRequest,
    BinaryReply,
    Command,
    ErrorReply,
    Reply,
    ServerConnection,
    Status,
    admin,
    binary,
    sasl,
)

ROOT = Path(__file__).parents[2]
USERNAME, PASSWORD = "alice", "Xyzzy-1"
WHO = {"username": USERNAME, "password": PASSWORD}


class Guard:
    """A script: lets in who knows the password.

    Args:
        asks: it wants to know who is there; else it is a server like any other.
        hangs: it does not answer who says it.
        mechanisms: what it offers in binary.
        like: the version of memcached that it hears like.

    Attributes:
        users: the passwords that are right, by name. To be changed at will.
        heard: who has said that he is whom, in order: (name, password).
    """

    def __init__(
        self,
        *,
        asks: bool = True,
        hangs: bool = False,
        mechanisms: str = "CRAM-MD5 PLAIN",
        like: str = "1.6.45",
    ) -> None:
        self.users = {USERNAME: PASSWORD}
        self.heard: list[tuple[str, str]] = []
        self._asks = asks
        self._hangs = hangs
        self._mechanisms = mechanisms
        self._like = like
        self._store = MemoryServer()
        self._lock = threading.Lock()

    def __call__(self, peer: Peer) -> None:
        connection = ServerConnection(like=self._like, auth_required=self._asks)
        while not connection.must_close:
            event = connection.next_event()
            if event is NEED_DATA:
                peer.receive()
                connection.receive_data(bytes(peer.unread))
                peer.unread.clear()
            elif event is CLOSED:
                return
            elif isinstance(event, BadRequest):
                peer.send(connection.send(event.reply))
            else:
                with self._lock:
                    reply = self._answer(event)
                if event.authenticates and self._hangs and not isinstance(event, sasl.List):
                    peer.swallow()
                    return
                peer.send(connection.send(reply))

    def _answer(self, command: Command[object]) -> Reply:
        if isinstance(command, admin.Authenticate):
            is_right = self._knows(command.username, command.password)
            refused = ErrorReply("CLIENT_ERROR", "authentication failure")
            return Status.STORED if is_right else refused
        if isinstance(command, sasl.List) and self._asks:
            return BinaryReply(value=self._mechanisms.encode())
        if isinstance(command, sasl.Auth) and self._asks:
            said = sasl.parse_plain(command.data)
            is_right = said is not None and self._knows(*said[1:])
            return BinaryReply(binary.SUCCESS if is_right else binary.AUTH_ERROR)
        return self._store.handle(command)

    def _knows(self, username: bytes, password: bytes) -> bool:
        self.heard.append((username.decode(), password.decode()))
        return self.users.get(username.decode()) == password.decode()


@contextlib.contextmanager
def in_a_process_of_its_own() -> Iterator[str]:
    """A guarded server's address. Its descriptors are not this process's."""
    command = [sys.executable, "-m", "tests.contract.guarded"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate()


if __name__ == "__main__":
    with ScriptedServer(Guard()) as server:
        print(server.address, flush=True)
        sys.stdin.read()
