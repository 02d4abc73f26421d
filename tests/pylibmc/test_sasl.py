"""Clients that must say who they are."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from mcclient import pylibmc
from mcclient.embedded import MemoryServer
from mcproto import NEED_DATA, BadRequest, BinaryReply, ServerConnection, binary, sasl


class Guarded:
    """A server that answers nobody but alice."""

    def __init__(self) -> None:
        self._store = MemoryServer()
        self._socket = socket.create_server(("127.0.0.1", 0))
        host, port = self._socket.getsockname()
        self.address = f"{host}:{port}"
        self.logins: list[bytes] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        conn = ServerConnection("binary")
        known = False
        with connection:
            while not conn.must_close:
                event = conn.next_event()
                if event is NEED_DATA:
                    data = connection.recv(65536)
                    if not data:
                        return
                    conn.receive_data(data)
                elif isinstance(event, BadRequest):
                    connection.sendall(conn.send(event.reply))
                elif isinstance(event, sasl.Auth):
                    self.logins.append(event.data)
                    known = sasl.parse_plain(event.data) == (b"", b"alice", "gehe\u00efm".encode())
                    reply = BinaryReply(binary.SUCCESS if known else binary.AUTH_ERROR)
                    connection.sendall(conn.send(reply))
                elif known:
                    connection.sendall(conn.send(self._store.handle(event)))
                else:
                    connection.sendall(conn.send(BinaryReply(binary.AUTH_ERROR)))

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def guarded() -> Iterator[Guarded]:
    server = Guarded()
    yield server
    server.close()


def test_a_client_says_who_it_is_on_every_connection(guarded: Guarded) -> None:
    mc = pylibmc.Client([guarded.address], binary=True, username="alice", password="gehe\u00efm")
    assert mc.set("key", [1])
    assert mc.get_multi(["key"]) == {"key": [1]}
    assert mc.clone().get("key") == [1]
    mc.disconnect_all()
    assert mc.get("key") == [1]
    assert len(guarded.logins) == 3


@pytest.mark.parametrize(
    "credentials", [{"username": "alice", "password": "wrong"}, {}], ids=["wrong", "none"]
)
def test_nobody_else_gets_an_answer(guarded: Guarded, credentials: dict[str, str]) -> None:
    mc = pylibmc.Client([guarded.address], binary=True, **credentials)
    for call in (lambda: mc.set("key", 1), lambda: mc.incr("key")):
        with pytest.raises(pylibmc.Error) as raised:
            call()
        assert "wrong" not in repr(raised.value)
        mc.disconnect_all()


def test_no_password_shows(guarded: Guarded) -> None:
    mc = pylibmc.Client([guarded.address], binary=True, username="alice", password="gehe\u00efm")
    for shown in (repr(mc), str(mc), repr(mc.behaviors), repr(vars(mc))):
        assert "gehe\u00efm" not in shown
