"""A client outlives the event loop it was used in, and is not shared with a forked child."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys

import pytest
import trio

import mcclient
from tests.servers import RealMemcached

FORKED = """
import os, sys
import mcclient

address, backend, count, gets = sys.argv[1:]
if backend == "selector":
    from mcproto.transports.selector import SelectorBackend
    mc = mcclient.Client(address, backend=SelectorBackend(), timeout=5)
else:
    mc = mcclient.Client(address, timeout=5)
pool = mcclient.ClientPool(mc, 1)
mc.set_multi({f"key{n}": n for n in range(100)})
with pool.reserve() as client:
    client.get("key1")

def wrong_answers(client):
    return sum(client.get(f"key{n % 100}") != n % 100 for n in range(int(gets)))

children = []
for _ in range(int(count)):
    pid = os.fork()
    if not pid:
        with pool.reserve() as client:
            os._exit(wrong_answers(mc) + wrong_answers(client) > 0)
    children.append(pid)
wrong = wrong_answers(mc)
with pool.reserve() as client:
    wrong += wrong_answers(client)
statuses = [os.waitpid(pid, 0)[1] for pid in children]
sys.exit(f"{wrong} wrong, children {statuses}" if wrong or any(statuses) else 0)
"""


@pytest.mark.parametrize("backend", ["blocking", "selector"])
def test_a_forked_child_never_gets_its_parent_s_answers(
    backend: str, real_memcached: RealMemcached
) -> None:
    real_memcached.flush()
    run = subprocess.run(
        [sys.executable, "-c", FORKED, real_memcached.address, backend, "3", "3000"],
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert (run.returncode, run.stderr) == (0, "")


FORKED_WITH_A_LOOP = """
import asyncio, os, sys
import mcclient

address, count, gets = sys.argv[1:]
mc = mcclient.AsyncClient(address, timeout=20)

async def fill():
    await mc.set_multi({f"key{n}": n for n in range(100)})

async def wrong_answers():
    async def task(first):
        turns = range(first, first + int(gets))
        return sum([await mc.get(f"key{n % 100}") != n % 100 for n in turns])
    return sum(await asyncio.gather(*[task(first) for first in range(10)]))

loop = asyncio.new_event_loop()
loop.run_until_complete(fill())
children = []
for _ in range(int(count)):
    pid = os.fork()
    if not pid:
        os._exit(asyncio.new_event_loop().run_until_complete(wrong_answers()) > 0)
    children.append(pid)
wrong = loop.run_until_complete(wrong_answers())
statuses = [os.waitpid(pid, 0)[1] for pid in children]
loop.run_until_complete(mc.aclose())
loop.close()
sys.exit(f"{wrong} wrong, children {statuses}" if wrong or any(statuses) else 0)
"""


def test_a_forked_child_does_not_share_what_its_parent_s_tasks_share(
    real_memcached: RealMemcached,
) -> None:
    run = subprocess.run(
        [sys.executable, "-c", FORKED_WITH_A_LOOP, real_memcached.address, "3", "300"],
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # nobody closes what a loop leaves
def test_a_client_goes_from_loop_to_loop_and_from_framework_to_framework(
    real_memcached: RealMemcached,
) -> None:
    go_from_loop_to_loop(real_memcached.address)
    gc.collect()  # lest the warnings come in somebody else's test


def go_from_loop_to_loop(address: str) -> None:
    mc = mcclient.AsyncClient(address)
    pool = mcclient.ClientPool(mc, 1)

    async def use() -> None:
        assert await mc.set("key", "value")
        assert await mc.get("key") == "value"
        async with pool.reserve(block=True) as client:
            assert await client.get("key") == "value"

    for _ in range(2):
        asyncio.run(use())
        trio.run(use)
