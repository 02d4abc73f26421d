"""Programs that import pylibmc, on ours in its place: the real libraries, a real memcached.

Each runs in a process of its own, since a library looks for pylibmc but once.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import RealMemcached

ROOT = Path(__file__).parents[2]

DJANGO = """
import django
from django.conf import settings
settings.configure(CACHES={"default": {
    "BACKEND": "django.core.cache.backends.memcached.PyLibMCCache",
    "LOCATION": ADDRESS,
    "OPTIONS": {"binary": BINARY, "behaviors": {"ketama": True, "tcp_nodelay": True}},
}})
django.setup()
from django.core.cache import cache
assert type(cache._cache) is ours.Client, type(cache._cache)
assert cache.set("key", {"a": [1, "x"]}, 30) is None and cache.get("key") == {"a": [1, "x"]}
assert cache.get("none", "other") == "other" and "key" in cache
assert cache.add("key", 1) is False and cache.add("new", None) is True
assert cache.get("new", "default") is None
assert cache.set_many({"a": 1, "b": b"2", "c": "3"}) == []
assert cache.get_many(["a", "b", "c", "d"]) == {"a": 1, "b": b"2", "c": "3"}
assert cache.incr("a", 5) == 6 and cache.decr("a") == 5
try:
    cache.incr("none")
    raise AssertionError
except ValueError:
    pass
assert cache.touch("a", 100) is True and cache.touch("none") is False
assert cache.get_or_set("d", lambda: "made") == "made"
cache.delete_many(["a", "b"])
assert cache.get_many(["a", "b", "c"]) == {"c": "3"}
assert cache.delete("c") is True and cache.delete("c") is False
cache.set("versioned", 1, version=2)
assert cache.get("versioned") is None and cache.get("versioned", version=2) == 1
assert cache.incr_version("versioned", version=2) == 3
raw = ours.Client([ADDRESS])
assert raw.get(":1:new", "absent") is None
cache.clear()
assert cache.get("d") is None
cache.close()
"""

CACHELIB = """
import threading
from cachelib import MemcachedCache
cache = MemcachedCache([ADDRESS], default_timeout=60, key_prefix="p:", pool_size=3,
                       check_connection=True, memcache_client_lib="pylibmc")
assert type(cache._client) is ours.ClientPool, type(cache._client)
assert cache._client.qsize() == 3
assert cache.set("key", [1, 2]) and cache.get("key") == [1, 2]
assert cache.get("none") is None and cache.has("key") and not cache.has("none")
assert cache.add("key", 1) is False and cache.add("new", 1) is True
assert cache.set_many({"a": "1", "b": 2}) == ["a", "b"]
assert cache.get_many("a", "b", "c") == ["1", 2, None]
assert cache.get_dict("a", "b") == {"a": "1", "b": 2}
assert cache.inc("n") == 1 and cache.inc("n", 4) == 5 and cache.dec("n", 2) == 3
def use():
    for n in range(20):
        assert cache.set(f"key:{n}", n) and cache.get(f"key:{n}") == n
threads = [threading.Thread(target=use) for _ in range(6)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert cache._client.qsize() == 3
assert cache.delete("a") and not cache.get("a")
assert cache.delete_many("b", "key") == ["b", "key"]
assert cache.clear() and cache.get("n") is None
single = MemcachedCache(ours.Client([ADDRESS], binary=BINARY, behaviors={"ketama": True}))
assert single.set("key", {"x": 1}) and single.get("key") == {"x": 1}
"""

DOGPILE = """
import time
from dogpile.cache import make_region
from dogpile.cache.api import NO_VALUE
region = make_region().configure(
    "dogpile.cache.pylibmc",
    expiration_time=60,
    arguments={"url": [ADDRESS], "binary": BINARY, "behaviors": {"tcp_nodelay": True},
               "distributed_lock": True, "lock_timeout": 5, "memcached_expire_time": 120},
)
made = []
@region.cache_on_arguments()
def square(number):
    made.append(number)
    return {"square": number * number}
assert square(3) == square(3) == {"square": 9} and made == [3]
square.invalidate(3)
assert square(3) == {"square": 9} and made == [3, 3]
region.set("key", "value")
assert region.get("key") == "value" and region.get("none") is NO_VALUE
region.set_multi({"a": 1, "b": 2})
assert region.get_multi(["a", "x", "b"]) == [1, NO_VALUE, 2]
region.delete_multi(["a", "b"])
region.delete("key")
assert region.get("a") is NO_VALUE and region.get("key") is NO_VALUE
assert isinstance(region.backend.client, ours.Client), region.backend.client
"""

CELERY = """
from celery import Celery, states
app = Celery("tests", broker="memory://", backend=f"cache+memcached://{ADDRESS}/",
             cache_backend_options={"binary": BINARY, "behaviors": {"tcp_nodelay": True}})
backend = app.backend
assert type(backend.client) is ours.Client, type(backend.client)
backend.store_result("first", {"answer": 42}, states.SUCCESS)
assert backend.get_result("first") == {"answer": 42}
assert app.AsyncResult("first").get(timeout=5) == {"answer": 42}
backend.mark_as_failure("second", ValueError("no"))
assert backend.get_state("second") == states.FAILURE
assert dict(backend.get_many(["first"], timeout=5))["first"]["result"] == {"answer": 42}
backend.forget("first")
assert backend.get_state("first") == states.PENDING
key = backend.get_key_for_chord("group")
backend.client.set(key, 0, time=100)
assert backend.incr(key) == 1
"""


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
@pytest.mark.parametrize(
    "source", [DJANGO, CACHELIB, DOGPILE, CELERY], ids=["django", "cachelib", "dogpile", "celery"]
)
def test_it_runs_on_ours_in_pylibmcs_place(
    source: str, binary: bool, real_memcached: RealMemcached
) -> None:
    real_memcached.flush()
    program = (
        "from mcclient import pylibmc as ours\nours.install()\n"
        f"ADDRESS, BINARY = {real_memcached.address!r}, {binary}\n{source}\nprint('done')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout.strip()) == (0, "done"), done.stderr
