"""Forks, interpreters that end, garbage, and greenlets: each in a process of its own."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from time import monotonic

import pytest

from mcclient import AsyncClient, ClientPool, PooledClient, ThreadMappedPool
from mcclient.embedded import MemoryServer
from tests.pools.clients import BlockingClient
from tests.pools.test_client_pool import Thread, pool_of, wait_until_waiting

ROOT = Path(__file__).parents[2]


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A new interpreter, in which every warning is an error."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
    )


# ---------------------------------------------------------------- forks


def in_a_child(act) -> str:
    """What *act* says in a forked child; "" if all is well."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            complaint = act() or ""
        except BaseException as error:
            complaint = repr(error)
        os.write(writing, complaint.encode())
        os._exit(0)
    os.close(writing)
    with open(reading) as pipe:
        complaint = pipe.read()
    os.waitpid(pid, 0)
    return complaint


def test_in_a_child_the_pool_is_whole_and_nobody_waits() -> None:
    """The parent's other threads hold one client, and wait for another."""
    pool, _ = pool_of(2)
    mine = pool.get()
    held = threading.Event()
    done = threading.Event()

    def hold() -> None:
        with pool.reserve():
            held.set()
            done.wait(20)

    holder = Thread(hold)
    held.wait(20)
    waiter = Thread(pool.get)
    wait_until_waiting(pool, 1)

    def child() -> str | None:
        if pool.lender.queue:
            return "somebody waits"
        if pool.qsize() != 2:
            return f"{pool.qsize()} of 2"
        pool.put(mine)  # what the parent lent us is not ours
        if pool.qsize() != 2 or pool.stats().closed != {"fork": 1}:
            return repr(pool.stats())
        clients = [pool.get(timeout=5) for _ in range(2)]
        if mine in clients or clients[0] is clients[1]:
            return repr(clients)
        return None

    complaint = in_a_child(child)
    done.set()
    pool.put(mine)
    assert holder.outcome is None
    pool.put(waiter.outcome)
    assert complaint == ""
    assert pool.full()


def test_a_lock_held_by_another_thread_is_free_in_the_child() -> None:
    pool, _ = pool_of(1)
    with pool.mutex:

        def child() -> None:
            pool.fill(BlockingClient(), 0)
            pool.resize(3)
            assert pool.full()

        complaint = in_a_child(child)
    assert complaint == ""


def test_in_a_child_the_clients_of_other_threads_are_forgotten() -> None:
    pool = ThreadMappedPool(BlockingClient())
    with pool.reserve() as mine:
        pass
    inside, done = threading.Event(), threading.Event()

    def use() -> None:
        with pool.reserve():
            pass
        inside.set()
        done.wait(20)

    thread = Thread(use)
    inside.wait(20)
    assert len(pool) == 2
    complaint = in_a_child(lambda: "" if list(pool.values()) == [mine] else repr(pool))
    done.set()
    assert thread.outcome is None
    assert complaint == ""


# ---------------------------------------------------------------- the end of the interpreter

PREAMBLE = """
import asyncio, sys, threading
import mcclient
address = sys.argv[1]
master = mcclient.Client(address)
pool = mcclient.ClientPool(master, 2)
with pool.reserve() as mc:
    mc.set("k", "v")
"""

EXITS = {
    "a live pool": "",
    "a pool in a cycle": "pool.itself = pool; del pool",
    "a client lent out": "client = pool.get()",
    "a client lent out and dropped": "pool.get()",
    "an open block": """
def use():
    with pool.reserve():
        yield
using = use(); next(using)
""",
    "threads in flight": """
def work():
    while True:
        with pool.reserve(block=True) as mc:
            mc.get("k")
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
""",
    "threads that wait": """
clients = [pool.get(), pool.get()]
for _ in range(3):
    threading.Thread(target=pool.get, daemon=True).start()
""",
    "a pooled client in threads": """
mc = mcclient.PooledClient(master, 2)
def work():
    while True:
        mc.get("k")
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
""",
    "a client for each thread": """
mapped = mcclient.ThreadMappedPool(master)
def work():
    while True:
        with mapped.reserve() as mc:
            mc.get("k")
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
""",
    "a loop that has ended": """
async def main():
    amc = mcclient.AsyncPooledClient(mcclient.AsyncClient(address), 2)
    assert await amc.get("k") == "v"
    await amc.aclose()
asyncio.run(main())
""",
}


@pytest.fixture(scope="module")
def address():
    with MemoryServer() as server:
        yield server.address


def exit_with(what: str, address: str) -> float:
    """An interpreter's life and end: how many seconds it took."""
    began = monotonic()
    ended = run(PREAMBLE + EXITS[what], address)
    assert (ended.returncode, ended.stderr) == (0, ""), what
    return monotonic() - began


@pytest.mark.parametrize("what", EXITS)
def test_an_interpreter_ends_in_silence(what: str, address: str) -> None:
    exit_with(what, address)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("what", EXITS)
def test_an_interpreter_ends_in_silence_again_and_again(what: str, address: str) -> None:
    for _ in range(50):
        exit_with(what, address)


# ---------------------------------------------------------------- garbage


def test_what_a_pool_drops_and_what_drops_a_pool_warns_of_nothing() -> None:
    with MemoryServer() as server, warnings.catch_warnings():
        warnings.simplefilter("error")
        mc = PooledClient(ClientPool(_client(server), 2))
        mc.set("k", "v")
        client = mc.pool.get()
        client.get("k")
        del client
        mc.get("k")
        del mc
        gc.collect()
        mapped = ThreadMappedPool(_client(server))
        thread = threading.Thread(target=_use, args=(mapped,))
        thread.start()
        thread.join()
        assert mapped == {}
        _use(mapped)
        del mapped, thread
        gc.collect()


def _client(server: MemoryServer):
    from mcclient import Client

    return Client(server.address)


def _use(mapped) -> None:
    with mapped.reserve() as mc:
        assert mc.get("k") == "v"


@pytest.mark.parametrize("where", ["in its loop", "in another thread"])
def test_an_async_client_that_is_dropped_closes_its_connection(where: str) -> None:
    def open_connections(server: MemoryServer) -> int:
        return int(server.stats["curr_connections"])

    async def main(server: MemoryServer) -> None:
        pool = ClientPool(AsyncClient(server.address), 1)
        client = await pool.aget()
        await client.set("k", "v")
        box = [client]
        del client
        if where == "in its loop":
            box.clear()
        else:
            await asyncio.to_thread(box.clear)
        gc.collect()
        for _ in range(100):
            await asyncio.sleep(0.01)
            if not open_connections(server):
                break
        assert open_connections(server) == 0
        assert pool.full()
        async with pool.reserve() as fresh:
            assert await fresh.get("k") == "v"
        await pool.aclose()

    with MemoryServer() as server, warnings.catch_warnings():
        warnings.simplefilter("error")
        before = open_connections(server)
        assert before == 0
        asyncio.run(main(server))
        gc.collect()


# ---------------------------------------------------------------- greenlets

GREENLETS = """
from gevent import monkey
monkey.patch_all()
import sys
import gevent
import mcclient

address = sys.argv[1]
master = mcclient.Client(address, timeout=20)
pool = mcclient.ClientPool(master, 3)
mapped = mcclient.ThreadMappedPool(master)
pooled = mcclient.PooledClient(master, 2)
master.set_multi({f"key{n}": n for n in range(20)})
in_use, most, owners = set(), [0], {}

def work(number):
    for turn in range(20):
        n = (number + turn) % 20
        with pool.reserve(block=True, timeout=20) as mc:
            assert id(mc) not in in_use
            in_use.add(id(mc))
            most[0] = max(most[0], len(in_use))
            assert mc.get(f"key{n}") == n
            in_use.discard(id(mc))
        assert pooled.get(f"key{n}") == n
        with mapped.reserve() as mc:
            assert owners.setdefault(number, mc) is mc
            assert mc.get(f"key{n}") == n

growing = mcclient.ClientPool()
growing.fill(master, 2)
growing.resize(3)
assert growing.full()
growing.resize(0)
growing.fill(master, 2)
assert growing.qsize() == 2 and not growing.full()
growing.put(growing.get())

jobs = [gevent.spawn(work, number) for number in range(12)]
gevent.joinall(jobs, timeout=30, raise_error=True)
assert all(job.successful() for job in jobs)
assert most[0] == 3, most
assert pool.full() and pooled.pool.full()
assert len({id(mc) for mc in owners.values()}) == 12
del jobs
import gc; gc.collect(); gevent.sleep(0)
assert mapped == {}, mapped
assert all(mc.closed for mc in owners.values())

# A gevent.Timeout is no Exception, and comes wherever the greenlet waits.
timeouts = 0
for turn in range(300):
    try:
        with gevent.Timeout(0.0002 * (turn % 5)):
            for n in range(20):
                assert pooled.get(f"key{n}") == n
                with pool.reserve(block=True) as mc:
                    assert mc.get(f"key{n}") == n
    except gevent.Timeout:
        timeouts += 1
assert timeouts > 50, timeouts
assert pool.full() and pooled.pool.full()
assert all(pooled.get(f"key{n}") == n for n in range(20))
"""


def test_greenlets_are_threads_to_every_pool(address: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", GREENLETS, address],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
