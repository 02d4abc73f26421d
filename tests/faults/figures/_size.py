"""How much is tried, and against which servers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Literal, TypeAlias

from tests.servers import RealMemcached

Size: TypeAlias = Literal["short", "full", "long"]
"""``"short"``: a second or so, in the test suite.  ``"full"``: what every change must pass.
``"long"``: on demand, minutes to hours."""


@contextlib.contextmanager
def two_servers() -> Iterator[list[str]]:
    """The addresses of two real memcached, one on a port and one on a unix socket."""
    with RealMemcached() as one, RealMemcached(unix=True) as two:
        yield [one.address, two.address]
