# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""What type checkers make of credentials. Never run: scripts/check has both read it.

A line that must be refused says so in a comment, which is itself an error where it is not needed.
"""

from __future__ import annotations

from mcclient import AsyncClient, Client


def plain() -> tuple[str, bytes]:
    return "alice", b"secret"


async def awaited() -> tuple[str, str]:
    return "alice", "secret"


def one_word() -> str:
    return "alice"


def who_is_there() -> None:
    Client("a", username="alice", password=b"secret", allow_cleartext_auth=True)
    Client("a", protocol="binary", credentials=plain)
    AsyncClient("a", protocol="binary", credentials=plain)
    AsyncClient("a", credentials=awaited)
    AsyncClient("a", credentials=lambda: ("alice", "secret"))


def what_is_refused() -> None:
    Client("a", credentials=awaited)  # type: ignore[arg-type]
    Client("a", credentials=one_word)  # type: ignore[arg-type]
    Client("a", credentials=("alice", "secret"))  # type: ignore[arg-type]
    Client("a", password=1)  # type: ignore[arg-type]
    Client("a", protocol="ascii")  # type: ignore[arg-type]
    AsyncClient("a", credentials=one_word)  # type: ignore[arg-type]
