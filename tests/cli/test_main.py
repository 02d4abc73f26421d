"""The command line as a whole: help, mistakes, interruptions, pipes that break."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.cli.commands import Run, Start

COMMANDS = ["demo", "serve", "get", "set", "delete", "stats", "bench", "explain", "check-server"]


def test_help_lists_every_command(run: Run) -> None:
    status, out, err = run("--help")
    assert (status, err) == (0, "")
    listed = [
        line.split()[0]
        for line in out.decode().splitlines()
        if line[:5].lstrip(" ") and line.startswith("    ")
    ]
    assert listed == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_explains_itself(run: Run, command: str) -> None:
    status, out, err = run(command, "--help")
    assert (status, err) == (0, "")
    assert out.decode().startswith(f"usage: mcclient {command} ")


def test_nothing_at_all_is_a_usage_error_with_the_help(run: Run) -> None:
    status, out, err = run()
    assert (status, out) == (2, b"")
    assert err.startswith("usage: mcclient ")


def test_an_unknown_command_is_a_usage_error(run: Run) -> None:
    status, out, err = run("frobnicate")
    assert (status, out, err.count("\n")) == (2, b"", 1)
    assert "frobnicate" in err


def test_there_is_a_version(run: Run) -> None:
    status, out, _ = run("--version")
    assert status == 0
    assert out.startswith(b"mcclient ")


@pytest.mark.parametrize("command", [("demo",), ("bench", "--seconds", "600")])
def test_an_interrupted_command_ends_quietly(start: Start, command: tuple[str, ...]) -> None:
    process = start(*command)
    stream = process.stdout if command == ("demo",) else process.stderr
    assert stream is not None
    stream.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in err


@pytest.mark.parametrize("command", ["demo", "stats", "get"])
def test_a_reader_who_leaves_is_no_calamity(
    start: Start, run: Run, embedded: str, command: str
) -> None:
    run("set", "k", "-s", embedded, stdin=bytes(100_000))
    argv = {"demo": (), "stats": ("-s", embedded), "get": ("k", "-s", embedded)}[command]
    process = start(command, *argv)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert process.wait(30) == 141


def test_the_library_does_not_load_its_command_line() -> None:
    code = "import sys, mcclient; sys.exit('mcclient.cli' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=30).returncode == 0


def test_an_output_that_cannot_be_written_is_said_in_one_line(start: Start, server: str) -> None:
    with open("/dev/full", "w") as full:
        process = start("stats", "-s", server, stdout=full)
        assert process.communicate(timeout=30)[1].decode() == (
            "mcclient: the output cannot be written: No space left on device\n"
        )
    assert process.returncode == 1
