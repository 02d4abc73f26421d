"""The programmes in examples/ are run as they stand, in processes of their own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import mcclient
from mcclient.embedded import MemoryServer
from tests.servers import RealMemcached

ROOT = Path(__file__).parents[1]
PATIENCE = 30.0

CLIENTS = {
    "plain_socket": """\
stored: True
found: b'Delft'
swapped: Status.STORED
6 bytes with 60 s to live: b'Leiden'
refused: CLIENT_ERROR cannot increment or decrement non-numeric value
good for the next one: True
""",
    "with_selectors": "10000 replies from port {port}\n",
    "asyncio_protocol": "visits: 1000\n",
    "with_trio": """\
stored: True
stored: True
cancelled: True idle: False
found: b'Grace'
""",
    "with_twisted": "counted to 1000\n",
    "with_gevent": """\
Item(key=b'visits', flags=0, value=b'20') by 20 connections
21 and not the version
""",
}
SERVERS = ["logging_proxy", "tiny_server"]


def test_every_programme_is_run_here_and_short():
    files = list((ROOT / "examples").glob("*.py"))
    assert sorted(file.stem for file in files) == sorted([*CLIENTS, *SERVERS])
    assert [file.name for file in files if len(file.read_text().splitlines()) >= 60] == []


def command_of(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-W", "error", f"examples/{name}.py", *arguments]


# Whether or not the checkout is installed.
PATH = os.environ | {"PYTHONPATH": str(ROOT)}


def says(name: str, address: str) -> str:
    run = subprocess.run(
        command_of(name, address),
        cwd=ROOT,
        env=PATH,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_gets_its_answers_from_memcached(name: str, real_memcached: RealMemcached) -> None:
    real_memcached.flush()
    assert says(name, real_memcached.address) == CLIENTS[name].format(port=real_memcached.port)


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_gets_its_answers_from_the_embedded_server(name: str) -> None:
    with MemoryServer() as server:
        assert says(name, server.address) == CLIENTS[name].format(port=server.port)


# ---------------------------------------------------------------------------------------- servers


@contextmanager
def running(name: str, *arguments: str) -> Iterator[tuple[int, list[str]]]:
    """The port it listens on, and the lines that it prints after that: all, once it has ended."""
    printed: list[str] = []
    with subprocess.Popen(
        command_of(name, *arguments),
        cwd=ROOT,
        env=PATH,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        # Read all the time, or it would have to wait until somebody does.
        reader = threading.Thread(target=printed.extend, args=[map(str.rstrip, process.stdout)])
        reader.start()
        try:
            assert first.startswith("listening on port "), first
            yield int(first.split()[-1]), printed
        finally:
            process.kill()
            reader.join()


def answered(port: int, said: bytes) -> bytes:
    """All that is sent back until the end, which the last line of what is *said* asks for."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock:
        sock.sendall(said)
        while data := sock.recv(65536):
            received += data
    return received


def test_the_tiny_server_serves_a_client():
    with running("tiny_server", "127.0.0.1:0") as (port, _):
        with mcclient.Client(("127.0.0.1", port), protocol="classic") as mc:
            assert mc.set_multi({"one": 1, "two": 2}) == []
            assert mc.get_multi(["one", "two", "three"]) == {"one": 1, "two": 2}
            assert (mc.delete("one"), mc.delete("one"), mc.get("one")) == (True, False, None)
            with pytest.raises(mcclient.ServerFault, match="not in this server"):
                mc.touch("two", 60)
            assert mc.flush_all()
            assert mc.get("two") is None


def test_the_tiny_server_refuses_what_is_no_command():
    with running("tiny_server", "127.0.0.1:0") as (port, _):
        said = b"nonsense\r\nset k 0 0 1 noreply\r\nv\r\nget k\r\nquit\r\n"
        assert answered(port, said) == b"ERROR\r\nVALUE k 0 1\r\nv\r\nEND\r\n"


TRICKY = {
    "noreply": b"set a 1 0 1 noreply\r\nA\r\nget a\r\ndelete a noreply\r\nget a\r\n",
    "quiet, with a barrier": b"ms b 1 q\r\nB\r\nmg b q v\r\nmg nothing q v\r\nmn\r\n",
    "quiet, without one": b"mg nothing q v\r\nmd nothing q\r\nmg nothing v\r\nmg nothing q\r\n",
    "bad requests between good ones": b"get a\r\nnonsense\r\nmg a q\r\nmore nonsense\r\nmn\r\n",
    "a bad one last, behind quiet ones": b"mg nothing q\r\nms b x\r\n",
    "a value too large": b"set c 0 0 3\r\nold\r\nset c 0 0 2000000\r\n"
    + b"x" * 2_000_000
    + b"\r\nget c\r\n",
    "many": b"".join(b"ms %d 100 q\r\n%b\r\nmg %d v\r\n" % (n, b"v" * 100, n) for n in range(2000)),
    "nothing": b"",
}


@pytest.mark.parametrize("said", TRICKY.values(), ids=TRICKY)
def test_through_the_proxy_a_client_hears_the_same_bytes(
    said: bytes, real_memcached: RealMemcached
) -> None:
    real_memcached.flush()
    expected = answered(real_memcached.port, said + b"quit\r\n")
    real_memcached.flush()
    with running("logging_proxy", real_memcached.address, "0") as (port, _):
        assert answered(port, said + b"quit\r\n") == expected


def test_the_proxy_logs_what_was_asked_and_what_was_answered(real_memcached: RealMemcached) -> None:
    real_memcached.flush()
    with running("logging_proxy", real_memcached.address, "0") as (port, printed):
        answered(port, b"set a 0 0 1 noreply\r\nA\r\nmg b q\r\nget a\r\nnonsense\r\nquit\r\n")
    assert [line.partition(" -> ")[2] for line in printed] == [
        "b''",
        "b''",
        r"b'VALUE a 0 1\r\nA\r\nEND\r\n'",
        r"b'ERROR\r\n'",
        "b''",
    ]
    assert printed[2].startswith("Get(key=b'a') -> ")


def test_the_proxy_passes_on_that_either_side_has_ended(real_memcached: RealMemcached) -> None:
    with running("logging_proxy", real_memcached.address, "0") as (port, _):
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock:
            sock.sendall(b"version\r\n")
            sock.shutdown(socket.SHUT_WR)
            assert sock.makefile("rb").read().startswith(b"VERSION")
    with RealMemcached() as short_lived:
        with running("logging_proxy", short_lived.address, "0") as (port, _):
            with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock:
                sock.sendall(b"version\r\n")
                assert sock.recv(100).startswith(b"VERSION")
                short_lived.kill()
                assert sock.recv(100) == b""


def test_the_proxy_serves_a_client(real_memcached: RealMemcached) -> None:
    real_memcached.flush()
    with running("logging_proxy", real_memcached.address, "0") as (port, _):
        with mcclient.Client(("127.0.0.1", port)) as mc:
            rows = {f"row:{n}": n for n in range(500)}
            assert mc.set_multi(rows) == []
            assert mc.get_multi([*rows, "more"]) == rows
            assert mc.incr("visits", initial=1) == 1
