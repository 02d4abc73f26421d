"""What the README shows is run as it stands, but for the address of the server."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import RealMemcached

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
EXAMPLES = dict(
    re.findall(
        r"^## ([^\n]+)\n(?:(?!^## ).)*?^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL
    )
)


def test_every_kind_of_use_has_its_example():
    assert list(EXAMPLES) == [
        "A client",
        "Pools",
        "trio",
        "asyncio",
        "Many servers from one thread",
        "The protocol alone",
        "A memcached for your tests",
    ]


@pytest.mark.parametrize("title", EXAMPLES)
def test_an_example_runs_as_it_stands(title: str, real_memcached: RealMemcached) -> None:
    real_memcached.flush()
    code = EXAMPLES[title]
    code = code.replace("127.0.0.1:11211", real_memcached.address)
    code = code.replace('("127.0.0.1", 11211)', repr((real_memcached.host, real_memcached.port)))
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (run.returncode, run.stderr) == (0, "")
