"""Under gevent, whose patches make greenlets of threads, the blocking client is as good.

In a process of its own, since nothing takes the patches off again.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.servers import RealMemcached

ROOT = Path(__file__).parents[2]

PATCHED = """
from gevent import monkey
monkey.patch_all()
import socket, sys
import gevent
import mcclient
from mcproto.transports.blocking import BlockingBackend
from mcproto.transports.selector import SelectorBackend
"""

SILENCE = """
with socket.create_server(("127.0.0.1", 0)) as listener:
    for backend in (BlockingBackend(), SelectorBackend()):
        with mcclient.Client(listener.getsockname(), backend=backend, timeout=0.2) as mc:
            try:
                mc.get("k")
            except mcclient.ServerUnavailable as error:
                print(type(error).__name__)
"""

POOL = """
pool = mcclient.ClientPool(mcclient.Client(sys.argv[1], timeout=20), 3)

def visit():
    with pool.reserve(block=True) as mc:
        mc.incr("visits", initial=1)

gevent.joinall([gevent.spawn(visit) for _ in range(100)], raise_error=True)
with pool.reserve() as mc:
    print(mc.incr("visits"), pool.qsize())
"""


def says(program: str, *arguments: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", PATCHED + program, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout


def test_a_deadline_is_kept() -> None:
    assert says(SILENCE) == "OperationTimeout\nOperationTimeout\n"


def test_a_pool_serves_many_greenlets(real_memcached: RealMemcached) -> None:
    real_memcached.flush()
    assert says(POOL, real_memcached.address) == "101 2\n"
