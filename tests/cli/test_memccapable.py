"""memccapable, libmemcached's test of servers, finds nothing wrong with ours."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.cli.commands import Start
from tests.cli.test_serve import address_of


@pytest.mark.memcached
@pytest.mark.parametrize(
    ("protocol", "letter", "number"), [("binary", "-b", 27), ("text", "-a", 27)]
)
def test_memccapable_is_content(start: Start, protocol: str, letter: str, number: int) -> None:
    memccapable = shutil.which("memccapable")
    if memccapable is None:
        pytest.fail(
            "this test needs memccapable. scripts/test installs it where it may (Debian: apt-get "
            "install libmemcached-tools); -m 'not memcached' leaves such tests out.",
            pytrace=False,
        )
    host, _, port = address_of(start("serve", "-p", "-1")).rpartition(":")
    ended = subprocess.run(
        [memccapable, "-h", host, "-p", port, letter, "-v"],
        capture_output=True,
        text=True,
        timeout=50,
    )
    report = ended.stdout + ended.stderr
    assert report.count("[pass]") == number, report
    assert "FAIL" not in report
    assert "All tests passed" in report
    assert ended.returncode == 0
