"""Commands of every kind, for what is to hold of all of them."""

from __future__ import annotations

from random import Random

from fuzz.made_up import Source, kinds_of, made_command
from mcproto import Command, admin, binary, classic, meta, sasl

__all__ = ["BINARY", "TEXT", "samples"]

TEXT = [*kinds_of(classic), *kinds_of(meta), *kinds_of(admin)]
BINARY = [*kinds_of(binary), *kinds_of(sasl)]


def samples(kind: type[Command[object]], count: int) -> list[Command[object]]:
    """Different commands of one kind: *count* of them, or as many as there are."""
    random = Random(kind.__qualname__)
    found: dict[bytes, Command[object]] = {}
    for _ in range(400 * count):
        command = made_command(Source(random.randbytes(40)), [kind])
        if command is not None and len(found) < count:
            found.setdefault(command.encode(), command)
    assert found, f"no sample of {kind.__qualname__}"
    return list(found.values())
