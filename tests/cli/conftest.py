"""Commands, run as a shell runs them, or by `main` where the process does not matter."""

from __future__ import annotations

import io
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mcclient
from mcclient.cli import main
from mcclient.embedded import MemoryServer
from tests.cli.commands import Ended, Run, Start

ROOT = Path(__file__).parents[2]

# What the commands read of the environment.
VARIABLES = ("MEMCACHED_SERVERS", "MEMCACHED_PORT_FILENAME", "NO_COLOR", "COLUMNS")


@pytest.fixture(autouse=True)
def _quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process."""

    def run(*argv: str, stdin: bytes = b"") -> Ended:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        status = main(argv)
        out, err = capsysbinary.readouterr()
        return Ended(status, out, err.decode())

    return run


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a command in a process of its own, which does not outlive the test."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(*argv: str, **options: object) -> subprocess.Popen[bytes]:
        process: subprocess.Popen[bytes] = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "mcclient", *argv],
            cwd=ROOT,
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            | options,
        )
        processes.append(process)
        return process

    # Where tests run in the background, SIGINT may be ignored, and that is inherited.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield start
    signal.signal(signal.SIGINT, before)
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def embedded() -> Iterator[str]:
    with MemoryServer() as server:
        yield server.address


@pytest.fixture(params=["embedded", pytest.param("memcached", marks=pytest.mark.memcached)])
def server(request: pytest.FixtureRequest) -> str:
    """The address of an empty server: of the embedded one, and of a real memcached."""
    if request.param == "embedded":
        address: str = request.getfixturevalue("embedded")
    else:
        address = request.getfixturevalue("real_memcached").address
    with mcclient.Client(address) as mc:
        mc.flush_all()
    return address


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address where nobody answers, and nobody will: it is taken, but nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"
