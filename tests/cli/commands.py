"""What the fixtures of conftest.py hand out: a command that has ended, and ways to run one."""

from __future__ import annotations

import subprocess
from typing import NamedTuple, Protocol


class Ended(NamedTuple):
    """A command that has ended."""

    status: int
    out: bytes
    err: str


class Run(Protocol):
    def __call__(self, *argv: str, stdin: bytes = b"") -> Ended: ...


class Start(Protocol):
    def __call__(self, *argv: str, **options: object) -> subprocess.Popen[bytes]: ...
