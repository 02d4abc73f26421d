"""The programmes of pylibmc's users, unchanged but for where `pylibmc` comes from.

Each is run in a process of its own, once with our module imported in its place and once installed
under its name.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import RealMemcached

ROOT = Path(__file__).parents[2]

PROGRAMME = """
import threading, time
from queue import Empty
{how}

SERVERS = [{address!r}]
master = pylibmc.Client(SERVERS, binary=True)
master.behaviors = {{"tcp_nodelay": True, "ketama": True}}

pool = pylibmc.ClientPool()
pool.fill(master, 10)

def handle_request():
    try:
        with pool.reserve(block=False) as client:
            client.set("request:123", "data")
            return client.get("request:123")
    except Empty:
        return None

assert handle_request() == "data"
held = [pool.get() for _ in range(10)]
assert handle_request() is None
for client in held:
    pool.put(client)
assert handle_request() == "data"

client = pool.get(block=True)
try:
    client.set("manual", "value")
    assert client.get("manual") == "value"
finally:
    pool.put(client)

mapped = pylibmc.ThreadMappedPool(master)
done = []

def worker(number):
    try:
        with mapped.reserve() as client:
            client.set(f"thread:{{number}}", f"data from {{number}}")
            assert client.get(f"thread:{{number}}") == f"data from {{number}}"
            done.append(number)
    finally:
        mapped.relinquish()

threads = [threading.Thread(target=worker, args=(n,)) for n in range(5)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert sorted(done) == [0, 1, 2, 3, 4] and len(mapped) == 0

plain = pylibmc.Client(SERVERS)
shared = pylibmc.ClientPool()
shared.fill(plain, 5)
own = pylibmc.ThreadMappedPool(plain)
values = []

def with_shared():
    with shared.reserve(block=True) as client:
        client.set("test", "value")
        time.sleep(0.01)
        values.append(client.get("test"))

def with_own():
    with own.reserve() as client:
        client.set("test", "value")
        time.sleep(0.01)
        values.append(client.get("test"))

threads = [threading.Thread(target=work) for work in (with_shared, with_own) * 10]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert values == ["value"] * 20 and shared.qsize() == 5

tuned = pylibmc.Client(SERVERS, binary=True)
tuned.behaviors = {{"tcp_nodelay": True, "ketama": True, "no_block": True,
                    "connect_timeout": 5000, "retry_timeout": 30}}
sized = pylibmc.ClientPool(tuned, 20)

def usage():
    return {{"pool_size": sized.qsize(), "clients_available": not sized.empty(),
             "pool_full": sized.full()}}

def safe(key, value=None):
    try:
        with sized.reserve(block=False) as client:
            return client.get(key) if value is None else client.set(key, value)
    except Empty:
        return None
    except pylibmc.Error:
        return None

assert usage() == {{"pool_size": 20, "clients_available": True, "pool_full": True}}
with sized.reserve():
    assert usage()["pool_size"] == 19 and not usage()["pool_full"]
assert safe("key", [1, 2]) is True and safe("key") == [1, 2]
lost = pylibmc.Client(["127.0.0.1:1"], binary=True)
sized.fill(lost, 0)
sized = pylibmc.ClientPool(lost, 1)
assert safe("key") is None and usage()["pool_size"] == 1
print("done")
"""


@pytest.mark.parametrize(
    "how",
    [
        "from mcclient import pylibmc",
        "from mcclient import pylibmc as ours; ours.install(); import pylibmc",
    ],
)
def test_the_programmes_run_unchanged(how: str, real_memcached: RealMemcached) -> None:
    source = PROGRAMME.format(how=how, address=real_memcached.address)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", source],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "done", "")
