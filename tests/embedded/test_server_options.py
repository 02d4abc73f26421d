"""The server: who may come in, for how long, how many; TLS and datagrams; logs, and the end."""

from __future__ import annotations

import re
import socket
import ssl
from typing import Any

import pytest

from mcclient.embedded import MemoryServer, parse_users
from mcclient.embedded._clock import Clock
from mcclient.embedded._logs import Logs
from mcclient.embedded._peer import Peer
from mcproto import (
    ErrorReply,
    InvalidArgument,
    ServerConnection,
    Status,
    admin,
    binary,
    classic,
    sasl,
)
from mcproto.udp import Datagram
from tests.certificates import Authority
from tests.embedded.wire import PATIENCE, Wire, until

USERS = {"alice": "s3cr", "bob": "hunter2"}


# ------------------------------------------------------------------------------------- who comes in


def test_in_text_the_first_set_says_who_is_there() -> None:
    with MemoryServer(users=USERS) as server, Wire(server) as wire:
        wire.ask(b"version\r\n", b"CLIENT_ERROR unauthenticated\r\n")
        wire.ask(b"set a 0 0 8\r\nalice no\r\n", b"CLIENT_ERROR authentication failure\r\n")
        wire.ask(b"set a 0 0 4\r\nx no\r\n", b"CLIENT_ERROR authentication failure\r\n")
        wire.ask(b"set a 0 0 10\r\nalice s3cr\r\nget a\r\n", b"STORED\r\nEND\r\n")
        assert (server.stats["auth_cmds"], server.stats["auth_errors"]) == ("3", "2")
        settings = server.handle(classic.Stats("settings"))
        assert settings.entries["auth_enabled_ascii"] == "yes"  # type: ignore[union-attr]


def test_in_binary_sasl_does() -> None:
    with MemoryServer(users=USERS, sasl=True) as server, Wire(server) as wire:
        wire.send(sasl.List().encode())
        assert wire.read(29)[24:] == b"PLAIN"
        for wrong in (sasl.plain("alice", "no"), sasl.Auth("PLAIN", b"x"), sasl.Auth("X", b"")):
            wire.send(wrong.encode())
            assert wire.read(24 + 13)[24:] == b"Auth failure."
        wire.send(sasl.plain("bob", "hunter2").encode() + binary.Noop().encode())
        assert wire.read(24 + 13 + 24)[24:37] == b"Authenticated"
        assert server.stats["auth_errors"] == "3"
    with MemoryServer(users=USERS, sasl=True) as server, Wire(server) as wire:
        wire.send(binary.Get("k").encode())
        assert wire.read(24 + 13)[24:] == b"Auth failure."
        assert wire.is_closed()


def test_where_nobody_asks_it_is_unknown() -> None:
    server = MemoryServer()
    unknown = ErrorReply("ERROR")
    for command in (admin.Authenticate("a", "b"), sasl.List(), sasl.plain("a", "b")):
        assert server.handle(command) == unknown


def test_a_file_of_users_has_a_line_for_each() -> None:
    assert parse_users("alice:s3cr\n\nbob:hunter2:more\nc:\n") == {**USERS, "c": ""}
    for text in ("", "alice", ":word"):
        with pytest.raises(InvalidArgument):
            parse_users(text)


CONTRADICTIONS: list[dict[str, Any]] = [
    {"users": {}},
    {"sasl": True},
    {"users": USERS, "protocol": "binary"},
    {"users": USERS, "sasl": True, "protocol": "text"},
    {"users": USERS, "udp_port": 0},
    {"path": "/nowhere", "udp_port": 0},
    {"udp_port": 65536},
    {"protocol": "ascii"},
    {"max_connections": 0},
    {"max_connections": 12, "reserved_connections": 12},
    {"idle_timeout": -1},
    {"send_timeout": float("nan")},
    {"prefix_delimiter": "::"},
    {"chunk_max": 2 << 20},
]


@pytest.mark.parametrize("arguments", CONTRADICTIONS)
def test_arguments_that_contradict_each_other_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        MemoryServer(**arguments)


# ------------------------------------------------------------------------------------------- limits


def test_who_says_nothing_for_too_long_is_closed() -> None:
    with MemoryServer(idle_timeout=30) as server, Wire(server) as idle:
        idle.ask(b"mn\r\n", b"MN\r\n")
        with Wire(server) as log:
            log.ask(b"watch connevents\r\n", b"OK\r\n")
            server.advance(29)
            idle.ask(b"mn\r\n", b"MN\r\n")
            server.advance(30)
            assert idle.is_closed()
            assert b"type=conn_close" in log.line()  # it is not idle itself
            assert server.stats["idle_kicks"] == "1"
    assert "idle_kicks" not in MemoryServer().stats


def test_who_never_reads_is_cut_off() -> None:
    with MemoryServer(send_timeout=0.1) as server, Wire(server) as greedy:
        server.handle(classic.Set("k", b"x" * 1_000_000))
        greedy.send(b"get k\r\n" * 100)
        until(lambda: server.stats["get_hits"] != "0")
        until(lambda: server.stats["curr_connections"] == "0")
        with Wire(server) as other:
            other.ask(b"mn\r\n", b"MN\r\n")


# ---------------------------------------------------------------------------- other ways to connect


def test_under_tls_nothing_differs() -> None:
    authority = Authority()
    value = b"x" * 300_000
    with MemoryServer(ssl_context=authority.server()) as server:
        assert server.url == f"memcaches://{server.address}"
        with Wire(server) as wire:
            wire.sock = authority.client().wrap_socket(wire.sock, server_hostname="localhost")
            wire.ask(b"set k 0 0 300000\r\n" + value + b"\r\n", b"STORED\r\n")
            hit = b"VALUE k 0 300000\r\n" + value + b"\r\nEND\r\n"
            wire.ask(b"get k\r\n" * 20, hit * 20)
            wire.ask(b"refresh_certs\r\n", b"OK\r\n")
        # Whoever speaks no TLS, or goes away while hands are shaken, takes nobody along.
        for data in (b"mn\r\n" * 100, b"\x16\x03"):
            with Wire(server) as wire:
                wire.send(data)
        with Wire(server) as wire, pytest.raises((ssl.SSLError, OSError)):
            Authority().client().wrap_socket(wire.sock, server_hostname="localhost")
        until(lambda: server.stats["curr_connections"] == "0")


def test_certificates_are_read_anew_when_a_client_says_so() -> None:
    contexts = [Authority().server() for _ in range(2)]
    asked: list[ssl.SSLContext] = []

    def context() -> ssl.SSLContext:
        if len(asked) == len(contexts):
            raise OSError("no more")
        asked.append(contexts[len(asked)])
        return asked[-1]

    server = MemoryServer(ssl_context=context)
    assert server.handle(admin.RefreshCerts()) is Status.OK
    assert asked == contexts
    refused = ErrorReply("Error", "unable to refresh certificates")
    assert server.handle(admin.RefreshCerts()) == refused


def ask_datagram(server: MemoryServer, payload: bytes) -> list[bytes]:
    """What answers a datagram, until the answer to an `mn` behind it."""
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)
        for request_id, data in ((7, payload), (8, b"mn\r\n")):
            sock.sendto(Datagram(request_id, data).encode(), (server.host, server.udp_port))
        answers: list[bytes] = []
        while (datagram := Datagram.parse(sock.recv(65536))) and datagram.request_id == 7:
            answers.append(datagram.payload)
    return answers


def test_datagrams_are_answered_like_connections() -> None:
    with MemoryServer(udp_port=0) as server, Wire(server) as wire:
        assert ask_datagram(server, b"set k 0 0 1\r\nv\r\n") == [b"STORED\r\n"]
        wire.ask(b"get k\r\n", b"VALUE k 0 1\r\nv\r\nEND\r\n")
        assert ask_datagram(server, b"") == []
        assert ask_datagram(server, b"get k\r\nbogus\r\n") == [
            b"VALUE k 0 1\r\nv\r\nEND\r\n",
            b"ERROR\r\n",
        ]
        server.handle(classic.Set("large", b"x" * 5000))
        assert len(b"".join(ask_datagram(server, b"get large\r\n"))) == 5027
        assert ask_datagram(server, binary.Noop().encode())[0][:2] == b"\x81\x0a"
        server.fail_next("close")
        assert ask_datagram(server, b"get k\r\n") == []
        stats = server.handle(classic.Stats("settings"))
        assert stats.entries["udpport"] == str(server.udp_port)  # type: ignore[union-attr]
        port = server.udp_port
    with server:
        assert server.udp_port == port


def test_what_answers_a_datagram_may_have_a_limit() -> None:
    with MemoryServer(udp_port=0, udp_max_reply=10) as server:
        server.handle(classic.Set("k", b"x" * 1000))
        assert ask_datagram(server, b"get k\r\n") == []
        assert ask_datagram(server, b"mg k s\r\n") == [b"HD s1000\r\n"]


# --------------------------------------------------------------------------------------------- logs

A_LINE = re.compile(rb"ts=\d+\.\d{6} gid=\d+ (.*)\n")


def logged(wire: Wire) -> bytes:
    match = A_LINE.fullmatch(wire.line())
    assert match
    return re.sub(rb"(cfd|rport)=\d+", rb"\1=N", match[1])


def test_a_log_tells_what_happens_to_items() -> None:
    with MemoryServer(memory=1024) as server, Wire(server) as log, Wire(server) as wire:
        log.ask(b"watch mutations evictions deletions\r\n", b"OK\r\n")
        wire.ask(b"set a:b 0 60 600\r\n" + b"x" * 600 + b"\r\nadd a:b 0 0 0\r\n\r\n",
                 b"STORED\r\nNOT_STORED\r\n")  # fmt: skip
        assert logged(log) == (
            b"type=item_store key=a%3Ab status=stored cmd=set ttl=60 clsid=10 cfd=N size=600"
        )
        assert b"status=not_stored cmd=add ttl=0 clsid=1" in logged(log)
        wire.ask(b"set c 0 0 600\r\n" + b"x" * 600 + b"\r\ndelete c\r\n", b"STORED\r\nDELETED\r\n")
        assert logged(log) == b"type=eviction key=a%3Ab fetch=no ttl=60 la=0 clsid=10 size=600"
        assert b"key=c status=stored cmd=set" in logged(log)
        assert logged(log) == b"type=deleted key=c cmd=delete clsid=10 size=600"
        # By whomever, whether or not over a connection.
        server.handle(classic.Set("d", b"v"))
        assert b"key=d" in logged(log)
        assert server.stats["log_watchers"] == "1"


def test_a_log_tells_who_looks_for_items_and_who_comes_and_goes() -> None:
    with MemoryServer() as server, Wire(server) as log, Wire(server) as other:
        log.ask(b"watch\r\n", b"OK\r\n")
        other.ask(b"watch connevents\r\n", b"OK\r\n")
        with Wire(server) as wire:
            wire.ask(b"get a\r\n", b"END\r\n")
        assert logged(log) == b"type=item_get key=a status=not_found clsid=0 cfd=N size=0"
        about = b"rip=127.0.0.1 rport=N transport=tcp"
        assert logged(other) == b"type=conn_new " + about + b" cfd=N"
        assert logged(other) == b"type=conn_close " + about + b" reason=normal cfd=N"


def test_there_is_an_end_to_the_number_of_logs_and_none_is_behind_an_answer() -> None:
    with MemoryServer() as server:
        logs = [Wire(server) for _ in range(21)]
        for log in logs[:20]:
            log.ask(b"watch\r\n", b"OK\r\n")
        logs[20].ask(b"watch\r\n", b"WATCHER_TOO_MANY log watcher limit reached\r\n")
        logs.pop(0).sock.close()
        until(lambda: server.stats["log_watchers"] == "19")
        logs[19].ask(
            b"mn\r\nwatch\r\n", b"MN\r\nERROR cannot pipeline other commands before watch\r\n"
        )
        logs[19].ask(b"watch\r\n", b"OK\r\n")
        for log in logs:
            log.sock.close()
    refused = server.handle(admin.Watch())
    assert isinstance(refused, ErrorReply)


def test_who_does_not_read_his_log_misses_lines_and_is_told_how_many() -> None:
    logs = Logs(Clock())
    connection = ServerConnection()
    connection.receive_data(b"watch\r\n")
    connection.next_event()
    connection.send(Status.OK)
    peer = Peer(connection, lambda asked, peer: (Status.OK, None), 0.0)
    logs.watch(peer, ())
    for _ in range(300):
        logs.write("fetchers", b"x" * 1000)
        logs.write("mutations", b"which nobody has asked for")
    assert logs.deliver() == {peer}
    assert logs.sent + logs.skipped == 300
    assert logs.skipped > 30
    assert peer.unsent_size < 300_000
    peer.has_sent(len(peer.take()))
    logs.write("fetchers", b"y")
    logs.deliver()
    first, second = bytes(peer.take()).splitlines()
    assert first == b"[skipped: %d]" % logs.skipped
    assert second.endswith(b"gid=302 y")


# ------------------------------------------------------------------------------------- the server


def test_its_connections_can_be_listed() -> None:
    with MemoryServer(udp_port=0) as server, Wire(server) as wire, Wire(server) as log:
        log.ask(b"watch\r\n", b"OK\r\n")
        wire.ask(b"mn\r\n", b"MN\r\n")
        server.advance(5)
        listed = server.handle(classic.Stats("conns"))
        entries = [*listed.entries.items()]  # type: ignore[union-attr]
        states = [value for name, value in entries if name.endswith("state")]
        assert sorted(states) == ["conn_listening", "conn_parse_cmd", "conn_read", "conn_watch"]
        assert entries[0][1] == f"tcp:{server.address}"
        host, port = wire.sock.getsockname()
        place = f"tcp:{host}:{port}"
        (number,) = [name.partition(":")[0] for name, value in entries if value == place]
        found = [
            (name.partition(":")[2], v) for name, v in entries if name.startswith(f"{number}:")
        ]
        assert found[1:] == [
            ("listen_addr", f"tcp:{server.address}"),
            ("state", "conn_parse_cmd"),
            ("secs_since_last_cmd", "5"),
        ]


def test_a_client_may_end_it_where_that_is_allowed() -> None:
    server = MemoryServer(shutdown=True)
    server.start()
    port = server.port
    with Wire(server) as other, Wire(server) as wire:
        wire.ask(b"shutdown now\r\n", b"CLIENT_ERROR invalid shutdown mode\r\n")
        assert not server.wait(0)
        wire.send(b"shutdown graceful\r\n")
        assert wire.is_closed()
        assert other.is_closed()
    assert server.wait(PATIENCE)
    assert repr(server).endswith("stopped>")
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((server.host, port), PATIENCE)
    with server, Wire(server) as wire:
        assert server.port == port
        wire.ask(b"mn\r\n", b"MN\r\n")
    with pytest.raises(ConnectionResetError):
        server.handle(admin.Shutdown())


def test_its_clock_can_be_stopped_by_clients_where_that_is_allowed() -> None:
    with MemoryServer(debugtime=True) as server, Wire(server) as wire:
        wire.ask(b"debugtime p\r\nset k 0 30 1\r\nv\r\n", b"OK\r\nSTORED\r\n")
        wire.ask(b"debugtime 20\r\nmg k t\r\n", b"OK\r\nHD t10\r\n")
        wire.ask(b"debugtime -5\r\nmg k t\r\ndebugtime 14\r\n", b"OK\r\nHD t15\r\nOK\r\n")
        wire.ask(b"mg k t\r\ndebugtime 1\r\nmg k t\r\n", b"HD t1\r\nOK\r\nEN\r\n")
        wire.ask(b"set j 0 100 1\r\nv\r\ndebugtime 50\r\n", b"STORED\r\nOK\r\n")
        wire.ask(b"debugtime r\r\nmg j t\r\ndebugtime x\r\n", b"OK\r\nHD t50\r\nERROR\r\n")
    assert MemoryServer().handle(admin.Debugtime("p")) == ErrorReply("ERROR")
