"""Addresses of this machine where nobody listens, as long as the tests run."""

from __future__ import annotations

import atexit
from contextlib import ExitStack

from mcclient.testing import NoServer

_TAKEN = ExitStack()
atexit.register(_TAKEN.close)

NOBODY, NOBODY_ELSE = (f"127.0.0.1:{_TAKEN.enter_context(NoServer())[1]}" for _ in range(2))
