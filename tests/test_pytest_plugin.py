"""The fixtures, as projects use them: in a pytest of its own that knows nothing of this suite."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.servers import RealMemcached

ROOT = Path(__file__).parents[1]

FEATURES = """
import socket
import pytest
from mcclient import Client, ConnectionLost, ServerFault

def ask(server, question):
    with socket.create_connection((server.host, server.port), 20) as sock:
        sock.sendall(question)
        return sock.recv(1000)

def test_any_client_can_talk_to_it(memcached_server):
    assert ask(memcached_server, b"set k 0 0 1\\r\\nv\\r\\n") == b"STORED\\r\\n"
    assert memcached_server.address == f"{memcached_server.host}:{memcached_server.port}"
    assert memcached_server.url == "memcached://" + memcached_server.address
    assert memcached_server.stats["curr_items"] == "1"

def test_it_is_the_same_server_still(memcached_server):
    assert ask(memcached_server, b"get k\\r\\n") == b"VALUE k 0 1\\r\\nv\\r\\nEND\\r\\n"

def test_a_client_finds_it_empty(memcached, memcached_server):
    assert memcached.get("k") is None
    assert memcached.set("k", "v")
    assert memcached_server.stats["curr_items"] == "1"

def test_and_again(memcached):
    assert memcached.get("k") is None

def test_it_can_be_restarted(memcached, memcached_server):
    before = memcached_server.address
    memcached.set("k", "v")
    memcached_server.restart()
    assert memcached_server.address == before
    assert Client(before).get("k") is None

def test_time_can_be_moved(memcached, memcached_server):
    memcached.set("k", "v", expire=60)
    memcached_server.advance(61)
    assert memcached.get("k") is None

def test_what_was_asked_is_known(memcached, memcached_server):
    memcached.delete("k")
    assert memcached_server.commands[-1].key == b"k"

def test_things_go_wrong_to_order(memcached, memcached_server):
    memcached.set("k", "v")
    memcached_server.fail_next("SERVER_ERROR out of memory")
    with pytest.raises(ServerFault):
        memcached.get("k")
    memcached_server.fail_next("close", times=2)
    with pytest.raises(ConnectionLost):
        memcached.incr("k")

def test_what_has_not_gone_wrong_yet(memcached_server):
    memcached_server.fail_next("close", times=5)

def test_does_not_go_wrong_for_the_next(memcached):
    assert memcached.set("k", "v")

def test_more_servers_can_be_had(memcached_factory, memcached_server):
    one, two = memcached_factory(), memcached_factory(like="1.6.18")
    assert len({one.port, two.port, memcached_server.port}) == 3
    with Client([one.address, two.address]) as client:
        assert client.set_multi({f"k{n}": n for n in range(20)}) == []
    assert 0 < int(one.stats["curr_items"]) < 20
    assert two.stats["version"] == "1.6.18"
    one.close()

@pytest.mark.real
def test_the_real_one_is_there_too(memcached_real, memcached_server):
    assert memcached_real.address != memcached_server.address
    memcached_real.flush()
    assert memcached_real.stats["curr_items"] == "0"
"""


def run(
    folder: Path, *options: str, environment: dict[str, str] | None = None, text: str = FEATURES
) -> subprocess.CompletedProcess[str]:
    (folder / "test_features.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = real\nfilterwarnings = error\n")
    command = [sys.executable, "-m", "pytest", "-rs", "-p", "no:randomly"]
    # Wherever it is installed it loads itself; here it may or may not be.
    command += ["-p", "no:cacheprovider", "-p", "no:mcclient", "-p", "mcclient.pytest_plugin"]
    return subprocess.run(
        [*command, *options],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | (environment or {}),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def counts(result: subprocess.CompletedProcess[str]) -> dict[str, int]:
    line = result.stdout.strip().splitlines()[-1]
    return {what: int(number) for number, what in re.findall(r"(\d+) (\w+)", line)}


@pytest.mark.memcached
def test_an_embedded_server_is_the_default(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert counts(result) == {"passed": 12}, result.stdout


@pytest.mark.memcached
def test_a_real_server_has_the_same_names(tmp_path: Path) -> None:
    result = run(tmp_path, "--memcached=real")
    assert counts(result) == {"passed": 8, "skipped": 4}, result.stdout
    assert "memcached: real" in result.stdout
    for what in "advance()", "fail_next()", "commands":
        assert f"{what} needs the embedded server" in result.stdout


@pytest.mark.memcached
def test_a_running_server_can_be_named(tmp_path: Path) -> None:
    with RealMemcached() as server:
        with server.connect() as sock:
            sock.sendall(b"set k 0 0 1\r\nv\r\n")
            assert sock.recv(100) == b"STORED\r\n"
        result = run(tmp_path, f"--memcached={server.address}")
        assert counts(result) == {"passed": 7, "skipped": 5}, result.stdout
        assert server.is_running
        assert "is not the tests' own server" in result.stdout


def test_the_ini_file_decides_where_the_command_line_does_not(tmp_path: Path) -> None:
    (tmp_path / "chosen.ini").write_text(
        "[pytest]\nmemcached = nowhere.invalid:1\nmarkers = real\n"
    )
    refused = run(tmp_path, "-c", "chosen.ini", "-k", "empty")
    assert counts(refused) == {"deselected": 11, "error": 1}
    assert "--memcached=nowhere.invalid:1" in refused.stdout
    result = run(tmp_path, "-c", "chosen.ini", "-k", "empty", "--memcached=embedded")
    assert counts(result) == {"passed": 1, "deselected": 11}


@pytest.mark.parametrize("named", ["/tmp/socket", "127.0.0.1:1"])
def test_what_is_no_server_is_said(tmp_path: Path, named: str) -> None:
    result = run(tmp_path, f"--memcached={named}", "-k", "empty")
    assert counts(result) == {"deselected": 11, "error": 1}
    assert f"--memcached={named}" in result.stdout


def test_without_the_binary_it_is_a_skip_and_in_ci_a_failure(tmp_path: Path) -> None:
    nothing = {"PATH": str(tmp_path)}
    at_home = run(tmp_path, "-m", "real", environment=nothing | {"CI": ""})
    assert counts(at_home) == {"skipped": 1, "deselected": 11}
    in_ci = run(tmp_path, "-m", "real", environment=nothing | {"CI": "true"})
    assert counts(in_ci) == {"deselected": 11, "error": 1}
    assert "needs the real memcached" in in_ci.stdout


def test_pytest_finds_it_where_it_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (module,) = project["entry-points"]["pytest11"].values()
    assert importlib.import_module(module).pytest_addoption


def test_nothing_heavy_is_loaded_until_a_fixture_is_used(tmp_path: Path) -> None:
    text = """
import sys
def test_nothing(request):
    loaded = {name for name in sys.modules if name.startswith(("mcclient.", "mcproto."))}
    assert not loaded & {"mcclient.embedded", "mcclient._outside_server", "mcclient.cli"}
"""
    assert counts(run(tmp_path, text=text)) == {"passed": 1}
