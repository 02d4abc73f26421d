"""check-server: memcached and the embedded server pass; whoever differs is told where."""

from __future__ import annotations

import json
import socket

import pytest

from mcclient.conformance import check_server
from mcclient.conformance._script import checks_of, keys_for, matches
from mcclient.embedded import MemoryServer
from tests.cli.commands import Run


@pytest.mark.memcached
def test_memcached_passes_everything(run: Run, real_memcached) -> None:
    status, out, err = run("check-server", real_memcached.address)
    lines = out.decode().splitlines()
    assert (status, err) == (0, "")
    assert lines[-1] in ("136 of 136 checks passed (100 %)", "139 of 139 checks passed (100 %)")
    assert "differs" not in out.decode()
    assert any(line.split() == ["meta", "mg:", "t", "2/2"] for line in lines)
    with real_memcached.connect() as sock:
        sock.sendall(b"lru_crawler metadump all\r\n")
        assert b"mcclient-check" not in sock.recv(65536)


@pytest.mark.parametrize(("like", "checks"), [("1.6.18", 136), ("1.6.45", 139)])
def test_so_does_the_embedded_server_in_both_its_manners(like: str, checks: int) -> None:
    seen: list[tuple[int, int]] = []
    with MemoryServer(like=like) as server:
        outcomes = check_server(
            (server.host, server.port), progress=lambda *done: seen.append(done)
        )
        assert [outcome for outcome in outcomes if not outcome.passed] == []
    assert len(outcomes) == checks
    assert seen == [(number, checks) for number in range(1, checks + 1)]


def test_a_path_is_a_place_too(run: Run, tmp_path) -> None:
    with MemoryServer(path=str(tmp_path / "socket")) as server:
        status, out, _ = run("check-server", server.address, "--only", "binary", "--json")
    report = json.loads(out)
    assert status == 0
    assert report["checks"] == report["passed"] == 25
    assert {area["dialect"] for area in report["areas"]} == {"binary"}


def test_what_differs_is_told(run: Run) -> None:
    with MemoryServer() as server:
        # The greeting is passed over: it is the first check that gets it.
        server.fail_next("SERVER_ERROR busy")
        status, out, _ = run("check-server", server.address, "--only", "classic")
        text = out.decode()
        assert status == 1
        assert "classic get: a miss is only the end" in text
        assert "    got       SERVER_ERROR busy" in text
        server.fail_next("close", 1)
        status, out, _ = run("check-server", server.address, "--only", "classic", "--json")
    (difference,) = json.loads(out)["differences"]
    assert status == 1
    assert difference["expected"] == ["END"]
    assert difference["got"] == ["(closed)"]
    assert difference["promise"] == "a miss is only the end"


def test_one_who_is_silent_is_not_waited_for_forever() -> None:
    with MemoryServer() as server:
        server.fail_next("delay", 1, seconds=1.0)
        outcomes = check_server((server.host, server.port), dialects=["classic"], timeout=0.3)
    assert outcomes[0].got == ["(no answer)"]
    assert [outcome.title for outcome in outcomes if not outcome.passed] == [outcomes[0].title]


def test_nobody_is_there(run: Run) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        status, _, err = run("check-server", f"127.0.0.1:{sock.getsockname()[1]}")
    assert status == 3
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("a:b:c",),
        ("host:1", "--only", "udp"),
        ("host:1", "--timeout", "0"),
        ("memcaches://host",),
        ("host:1:5",),
    ],
)
def test_what_cannot_be_is_said(run: Run, argv: tuple[str, ...]) -> None:
    assert run("check-server", *argv).status == 2


def test_the_notation() -> None:
    (check,) = checks_of(
        "== area\na title [from 1.6.27]\n> ask {k}\n? [0-9]{2} {k}\n* x.*\n< END\n"
    )
    assert (check.area, check.title) == ("area", "a title")
    assert check.is_about((1, 6, 27))
    assert not check.is_about((1, 6, 26))
    ((sent, expected, _),) = check.steps
    assert sent == ["ask {k}"]
    keys = keys_for("p.", 3)
    assert matches(expected, ["17 p.:3:k", "END"], keys)
    assert matches(expected, ["17 p.:3:k", "x", "xyz", "END"], keys)
    for wrong in (
        ["1 p.:3:k", "END"],
        ["17 pp:3:k", "END"],
        ["17 p.:3:k", "y", "END"],
        ["17 p.:3:k"],
        ["17 p.:3:k", "END", "END"],
    ):
        assert not matches(expected, wrong, keys)
