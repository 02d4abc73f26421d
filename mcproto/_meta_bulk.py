"""The hits of many quiet ``mg``, read with a few operations on all of them.

As `_bulk` does for classic replies: one form of reply, the usual one; anything else is None, and
the plain grammar and `Fifo` decide what it is and whose.  They are also what the tests compare
this with; benchmarks/parse.py shows what it saves.
"""

from __future__ import annotations

from ._errors import RemoteProtocolError
from ._read_replies import digits, meta_flags
from ._replies import NO_REPLY, MetaReply
from .meta import Get

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._command import Command
    from ._replies import NoReply

__all__ = ["LONGEST_HEADER", "split_hits"]

LONGEST_HEADER = 512
"""No header that is read here is longer, in bytes: a key, an opaque token and a few numbers."""


def split_hits(
    received: bytes, commands: Sequence[Command[object]]
) -> tuple[MetaReply | NoReply, ...] | None:
    """What each command has got, if *received* is hits in order, and the ``MN`` behind them.

    Splitting at every CR LF is right although values may hold one, as in `_bulk.split_values`.
    """
    first = commands[0]
    if not isinstance(first, Get) or not (first.q and first.is_named and first.v) or first.b:
        return None
    gets = [command for command in commands if isinstance(command, Get)]
    letters = first.letters
    if len(gets) < len(commands) or any(get.letters != letters for get in gets):
        return None
    parts = received.split(b"\r\n")
    if len(parts) < 4 or len(parts) % 2 or parts[-1] or parts[-2] != b"MN":
        return None
    values = parts[1:-2:2]
    count = len(values)
    shown = [letter for letter in letters if letter in first.shown]
    width = 2 + len(shown)
    # Where a header begins is marked by a CR, which can be in no other word of it.
    words = b" \r".join(parts[:-2:2]).split(b" ")
    if (
        len(words) != width * count
        or words[0] != b"VA"
        or words[width::width].count(b"\rVA") != count - 1
    ):
        return None
    columns: list[list[tuple[str, bytes | None]]] = []
    names: list[list[bytes]] = []
    try:
        if list(map(digits, words[1::width])) != list(map(len, values)):
            return None
        for place, letter in enumerate(shown, 2):
            column = words[place::width]
            if letter in "kO":
                # All of them differ, and `_placed` compares each with what it has to be.
                columns.append([(letter, word[1:] or None) for word in column])
                names.append(column)
                continue
            meanings = {word: meta_flags([word]) for word in {*column}}
            if any(len(m) != 1 or m[0][0] != letter for m in meanings.values()):
                return None
            columns.append([meanings[word][0] for word in column])
    except RemoteProtocolError:
        return None
    return _placed(gets, list(zip(*names, strict=True)), list(zip(*columns, strict=True)), values)


def _placed(
    gets: list[Get],
    names: list[tuple[bytes, ...]],
    flags: list[tuple[tuple[str, bytes | None], ...]],
    values: list[bytes],
) -> tuple[MetaReply | NoReply, ...] | None:
    """Each hit at the first command, behind the one before it, that has its names."""
    replies: list[MetaReply | NoReply] = []
    at = 0
    names.append(())  # which is nobody's
    wanteds: list[tuple[bytes, ...]]
    if gets[0].O is None:
        wanteds = [(b"k" + get.key,) for get in gets]
    elif not gets[0].k:
        wanteds = [(b"O" + (get.O or b""),) for get in gets]
    else:
        # In the order of the letters.
        wanteds = [(b"k" + get.key, b"O" + (get.O or b"")) for get in gets]
    for wanted in wanteds:
        if names[at] == wanted:
            replies.append(MetaReply("VA", flags[at], values[at]))
            at += 1
        else:
            replies.append(NO_REPLY)
    return tuple(replies) if at == len(values) else None
