"""How much is tried, and against which servers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from fuzz.figures._size import Size
from tests.servers import RealMemcached

__all__ = ["Size", "two_servers"]


@contextlib.contextmanager
def two_servers() -> Iterator[list[str]]:
    """The addresses of two real memcached, one on a port and one on a unix socket."""
    with RealMemcached() as one, RealMemcached(unix=True) as two:
        yield [one.address, two.address]
