"""What an import costs: a fresh interpreter for each sample, its CPU time around the statement.

`import mcproto` takes no more than 0.8 of what `import socket` takes. Its names load when they are
first used, so the lines below it say what that costs in turn.  `import mcclient` takes no more than
pylibmc does, and 0.45 of pymemcache.  (Compiled files are there: the first round writes them.)
"""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

from _harness import CannotMeasure, Comparison, Cost, Report, beside, held, installed, run

ROOT = Path(__file__).parents[1]

SOCKET = "import socket"
MCPROTO = "import mcproto"
STATEMENTS = {
    SOCKET: SOCKET,
    "import enum, collections": "import enum, collections",
    MCPROTO: MCPROTO,
    "a client of meta": "import mcproto; mcproto.ClientConnection; mcproto.meta",
    "a server of text": "import mcproto; mcproto.ServerConnection",
    "all of mcproto": "import mcproto; [getattr(mcproto, name) for name in mcproto.__all__]",
    "import mcclient": "import mcclient",
    "from mcclient import Client": "from mcclient import Client",
    "from mcclient import AsyncClient": "from mcclient import AsyncClient",
    "import asyncio": "import asyncio",
    "asyncio transport": "import mcproto.transports.asyncio",
}

# The name of a distribution -> what is imported of it.
PEERS = {
    "pylibmc": "pylibmc",
    "libmc": "libmc",
    "pymemcache": "pymemcache",
    "python-memcached": "memcache",
    "python-binary-memcached": "bmemcached",
    "meta-memcache": "meta_memcache",
    "emcache": "emcache",
    "aiomcache": "aiomcache",
    "memcachio": "memcachio",
}

PROGRAM = """
import sys, time
sys.path.insert(0, {root!r})
began = time.perf_counter_ns(), time.process_time_ns()
{statement}
print(time.perf_counter_ns() - began[0], time.process_time_ns() - began[1])
"""


def sample(statement: str) -> Cost:
    program = PROGRAM.format(root=str(ROOT), statement=statement)
    # -I: what a user has set has no say; compiled files are kept all the same.
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, check=False)
    if done.returncode:
        raise CannotMeasure(done.stderr.decode())
    wall, cpu = map(int, done.stdout.split())
    return Cost(wall, cpu)


def measure(seconds: float) -> Report:
    slices = {way: partial(sample, statement) for way, statement in STATEMENTS.items()}
    slices |= {
        name: partial(sample, f"import {module}")
        for name, module in PEERS.items()
        if installed(module) is not None
    }
    contest = held("Importing", slices, "cpu", seconds)
    gates = {"pylibmc": 1.0, "pymemcache": 1 / 0.45}
    return Report(
        [contest],
        [
            Comparison(contest, MCPROTO, SOCKET, "cpu", 0.8),
            *beside("import", contest, "import mcclient", {name: name for name in PEERS}, gates),
            *beside(
                "import, and the blocking client's name",
                contest,
                "from mcclient import Client",
                {name: name for name in PEERS},
            ),
        ],
        [],
    )


if __name__ == "__main__":
    run(__doc__, measure)
