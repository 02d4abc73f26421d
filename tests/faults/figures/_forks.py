"""F17: forked children that go on with a warm client, as their parent does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.contract.test_processes_and_loops import FORKED, FORKED_WITH_A_LOOP
from tests.faults.figures._size import Size
from tests.servers import RealMemcached

ROOT = Path(__file__).parents[3]
GETS = {"short": 100, "full": 3000, "long": 100_000}
CHILDREN = 4


def forks(size: Size) -> str:
    """A client and a pool, over blocking sockets and a selector; and tasks that share one."""
    with RealMemcached() as server:
        for backend in "blocking", "selector":
            _run(FORKED, server.address, backend, str(CHILDREN), str(GETS[size]))
        _run(FORKED_WITH_A_LOOP, server.address, str(CHILDREN), str(GETS[size] // 10))
    each = f"{CHILDREN} x {GETS[size]:,}"
    return f"{each} right on a client, as many in a pool, twice; the parent right, too"


def _run(program: str, *arguments: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == "", run.stderr
