"""serve: a memcached by memcached's own letters, as other people's clients and scripts see it."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from pymemcache.client.base import Client as Pymemcache

import mcclient
from mcproto import BinaryReply, ClientConnection, ServerConnection, sasl
from tests.certificates import Authority
from tests.cli.commands import Run, Start


def first_line(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().decode()


def address_of(process: subprocess.Popen[bytes]) -> str:
    word, _, address = first_line(process).rstrip("\n").rpartition(" ")
    assert word == "listening on"
    return address


def test_pymemcache_finds_a_memcached(start: Start) -> None:
    host, _, port = address_of(start("serve", "-p", "-1")).rpartition(":")
    theirs = Pymemcache((host, int(port)), default_noreply=False, timeout=10)
    assert theirs.set("k", b"v", flags=7)
    assert theirs.get("k") == b"v"
    assert theirs.get("none") is None
    _, unique = theirs.gets("k")
    assert theirs.cas("k", b"w", unique) is True
    assert theirs.cas("k", b"x", unique) is False
    assert theirs.set("n", b"41")
    assert theirs.incr("n", 1) == 42
    assert theirs.decr("n", 2) == 40
    assert theirs.get_many(["k", "n", "none"]) == {"k": b"w", "n": b"40"}
    assert theirs.delete("k") is True
    assert theirs.delete("k") is False
    stats = theirs.stats()
    assert stats[b"curr_items"] == 1
    assert theirs.version()
    theirs.close()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_with_status_0_when_told_to(start: Start, ending: signal.Signals) -> None:
    process = start("serve", "-p", "-1")
    with mcclient.Client(address_of(process)) as mc:
        assert mc.set("k", "v")
        # Told so twice, before it can do anything about the first.
        process.send_signal(signal.SIGSTOP)
        process.send_signal(ending)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGCONT)
        assert process.communicate(timeout=30) == (b"", b"")
    assert process.returncode == 0


def test_the_port_that_it_has_found_is_written_where_memcached_writes_it(
    start: Start, tmp_path: Path
) -> None:
    file = tmp_path / "port"
    process = start("serve", "-p", "-1", env=os.environ | {"MEMCACHED_PORT_FILENAME": str(file)})
    port = address_of(process).rpartition(":")[2]
    assert file.read_text() == f"TCP INET: {port}\n"
    assert list(tmp_path.iterdir()) == [file]


def test_a_port_of_ones_own_choice(start: Start) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    assert address_of(start("serve", "-p", port, "-l", "127.0.0.1")) == f"127.0.0.1:{port}"


def test_a_unix_socket_in_place_of_a_port(start: Start) -> None:
    # Pytest's own folders have names too long for a socket.
    with tempfile.TemporaryDirectory(prefix="mc-") as folder:
        path = Path(folder) / "socket"
        process = start("serve", "-s", str(path), "-p", "0", "-a", "700")
        assert address_of(process) == str(path)
        assert stat.S_ISSOCK(path.stat().st_mode)
        with mcclient.Client(str(path)) as mc:
            assert mc.set("k", "v")
            assert mc.get("k") == "v"
        process.terminate()
        assert process.wait(30) == 0
        assert not path.exists()


def test_the_size_of_items_is_bounded_as_it_was_told(start: Start) -> None:
    process = start("serve", "-p", "-1", "-I", "2k", "-m", "8")
    with mcclient.Client(address_of(process)) as mc:
        assert mc.set("k", bytes(1500))
        with pytest.raises(mcclient.ValueTooLarge):
            mc.set("k", bytes(3000))


def test_an_older_memcached_is_imitated(start: Start) -> None:
    process = start("serve", "-p", "-1", "--like", "1.6.18")
    with mcclient.Client(address_of(process)) as mc:
        assert [*mc.version().values()] == ["1.6.18"]


def talk(process: subprocess.Popen[bytes], request: bytes, reply: bytes) -> None:
    """Send a request over a connection of its own, and expect exactly this reply to it."""
    host, _, port = address_of(process).rpartition(":")
    with socket.create_connection((host, int(port)), 10) as sock:
        sock.sendall(request)
        received = b""
        while len(received) < len(reply) and (data := sock.recv(4096)):
            received += data
    assert received == reply


REFUSALS = [
    ("-F", b"flush_all\r\n", b"CLIENT_ERROR flush_all not allowed\r\n"),
    ("-X", b"stats cachedump 1 1\r\n", b"CLIENT_ERROR stats cachedump not allowed\r\n"),
    ("-W", b"watch\r\n", b"CLIENT_ERROR watch commands not allowed\r\n"),
    ("-C", b"set k 0 0 1\r\nv\r\ngets k\r\n", b"STORED\r\nVALUE k 0 1 0\r\nv\r\nEND\r\n"),
    ("-B ascii", b"\x80\r\nmn\r\n", b"CLIENT_ERROR bad command line format\r\nMN\r\n"),
    ("--debugtime", b"debugtime p\r\ndebugtime 50\r\ndebugtime r\r\n", b"OK\r\n" * 3),
    ("-v", b"debugtime p\r\n", b"ERROR\r\n"),
    ("-o track_sizes,hashpower=20", b"stats sizes\r\n", b"END\r\n"),
    (
        "-D /",
        b"set a/b 0 0 1\r\nv\r\nstats detail dump\r\n",
        b"STORED\r\nPREFIX a get 0 hit 0 set 1 del 0\r\nEND\r\n",
    ),
]


@pytest.mark.parametrize(("letters", "request_", "reply"), REFUSALS)
def test_letters_switch_off_and_on(
    start: Start, letters: str, request_: bytes, reply: bytes
) -> None:
    talk(start("serve", "-p", "-1", *letters.split()), request_, reply)


def test_memory_that_is_full_is_an_error_instead_of_an_eviction(start: Start) -> None:
    value = bytes(100_000)
    with mcclient.Client(address_of(start("serve", "-p", "-1", "-m", "2", "-M"))) as mc:
        with pytest.raises(mcclient.OutOfMemory):
            for number in range(40):
                mc.set(f"k{number}", value)
        assert mc.get("k0") == value


def test_users_say_who_they_are(start: Start, tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text("alice:s3cr\nbob:hunter2\n")
    talk(
        start("serve", "-p", "-1", "-Y", str(users)),
        b"version\r\nset a 0 0 11\r\nbob hunter2\r\nmn\r\n",
        b"CLIENT_ERROR unauthenticated\r\nSTORED\r\nMN\r\n",
    )
    environment = os.environ | {"MEMCACHED_SASL_PWDB": str(users)}
    asked = ClientConnection("binary")
    heard = ServerConnection("binary", auth_required=True)
    heard.receive_data(sasl.plain("bob", "hunter2").encode())
    heard.next_event()
    talk(
        start("serve", "-p", "-1", "-S", env=environment),
        asked.send(sasl.plain("bob", "hunter2")),
        heard.send(BinaryReply(value=b"Authenticated")),
    )


def test_connections_under_tls(start: Start, tmp_path: Path) -> None:
    authority = Authority()
    chain, key = authority.files(tmp_path)
    letters = ("-Z", "-o", f"ssl_chain_cert={chain},ssl_key={key}")
    address = address_of(start("serve", "-p", "-1", *letters))
    port = address.rpartition(":")[2]
    context = authority.client()
    with mcclient.Client(f"memcaches://localhost:{port}", ssl_context=context) as mc:
        assert mc.set("k", "v" * 100_000)
        assert mc.get("k") == "v" * 100_000


def test_datagrams_are_answered_and_their_port_is_written(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "port"
    environment = os.environ | {"MEMCACHED_PORT_FILENAME": str(file)}
    first_line(start("serve", "-p", "-1", "-U", "-1", env=environment))
    ports = dict(line.split(": ") for line in file.read_text().splitlines())
    assert list(ports) == ["TCP INET", "UDP INET"]
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        sock.sendto(b"\0\7\0\0\0\1\0\0mn\r\n", ("127.0.0.1", int(ports["UDP INET"])))
        assert sock.recv(2000) == b"\0\7\0\0\0\1\0\0MN\r\n"


def test_a_client_may_end_it_if_that_was_allowed(start: Start) -> None:
    process = start("serve", "-p", "-1", "-A")
    talk(process, b"shutdown\r\n", b"")
    assert process.wait(30) == 0


@pytest.mark.parametrize(("like", "room"), [("1.6.18", 6), ("1.6.45", 5)])
def test_the_limit_of_connections_is_memcacheds(start: Start, like: str, room: int) -> None:
    host, _, port = address_of(start("serve", "-p", "-1", "-c", "18", "--like", like)).rpartition(
        ":"
    )
    with ExitStack() as stack:
        for number in range(8):
            sock = stack.enter_context(socket.create_connection((host, int(port)), 10))
            sock.sendall(b"mn\r\n")
            expected = b"MN\r\n" if number < room else b"ERROR Too many open connections\r\n"
            assert sock.recv(100) == expected


def test_letters_without_a_meaning_here_change_nothing(start: Start) -> None:
    letters = "-p -1 -u nobody -t 4 -v -vv -R 20 -a 0700 -m 64 -b 9 -f 1.5 -n 32 -k -r -L".split()
    with mcclient.Client(address_of(start("serve", *letters))) as mc:
        assert mc.set("k", "v")


@pytest.mark.parametrize(
    ("argv", "argument"),
    [
        (("-p", "65536"), "-p"),
        (("-p", "-2"), "-p"),
        (("-p", "http"), "-p"),
        (("-p", "0"), "-p"),
        (("-I", "1023"), "-I"),
        (("-I", "1025m"), "-I"),
        (("-I", "1g"), "-I"),
        (("-m", "0"), "-m"),
        (("-m", "lots"), "-m"),
        (("-l", "no host"), "-l"),
        (("--like", "1.6.19"), "--like"),
        (("-U", "65536"), "-U"),
        (("-c", "0"), "-c"),
        (("-B", "text"), "-B"),
        (("-Y", "/nowhere/users"), "-Y"),
        (("-S",), "-S"),
        (("-Z",), "-Z"),
        (("-Z", "-o", "ssl_chain_cert=/nowhere/chain"), "-Z"),
        (("-o", "no_such_thing=1"), "-o"),
        (("-o", "idle_timeout"), "-o"),
        (("-o", "idle_timeout=soon"), "-o"),
        (("-D", "::"), "prefix_delimiter"),
        (("-d",), "-d"),
        (("somewhere",), "somewhere"),
    ],
)
def test_what_it_cannot_do_is_a_usage_error(run: Run, argv: tuple[str, ...], argument: str) -> None:
    status, out, err = run("serve", *argv)
    assert (status, out, err.count("\n")) == (2, b"", 1)
    assert argument in err


def test_a_port_that_is_taken_is_status_3(run: Run, nobody: str) -> None:
    port = nobody.rpartition(":")[2]
    status, out, err = run("serve", "-p", port)
    assert (status, out, err.count("\n")) == (3, b"", 1)
    assert nobody in err


def test_a_port_file_that_cannot_be_written_is_a_usage_error(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMCACHED_PORT_FILENAME", str(tmp_path / "nowhere" / "port"))
    status, out, err = run("serve", "-p", "-1")
    assert (status, out, err.count("\n")) == (2, b"", 1)
    assert err.startswith("mcclient serve: MEMCACHED_PORT_FILENAME: ")
