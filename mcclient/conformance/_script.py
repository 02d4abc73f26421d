"""The notation of the checks: what is sent, and what comes back.

A check is a title and the steps under it, up to an empty line; ``== area`` opens those about one
command or flag.  ::

    == get
    a hit has the flags and the length
    > set {k} 1 0 3         a line that is sent
    > abc
    < STORED                the line that comes back
    > get {k}
    ? VALUE {k} [0-9]+ 3    the same, as a pattern
    * STAT .*               any number of lines, each of this pattern
    < (closed)              the server closes the connection
    | get {k}               a line that is sent without its end, and with nothing behind it

Escapes are Python's (``\\r\\n``); what stands in braces is replaced: ``{k}``, ``{j}`` and
``{missing}`` are keys that no other check uses, ``{k64}`` and ``{j64}`` the same in base64.  A
title may end in the releases that it is about: ``[before 1.6.40]``, ``[from 1.6.27]``.
"""

from __future__ import annotations

import base64
import re
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CLOSED_LINE", "Check", "Step", "checks_of", "filled", "keys_for", "matches"]

CLOSED_LINE = "(closed)"

_RELEASES = re.compile(r" \[(before|from) (\d+)\.(\d+)\.(\d+)\]$")


class Step(NamedTuple):
    """Some lines that are sent together, and what they are answered.

    Attributes:
        sent: the lines, without their ends.
        expected: for each line that should come back how it is given (``<``, ``?`` or ``*``), and
            the line or the pattern.
        is_cut: the last line is sent without its end.
    """

    sent: list[str]
    expected: list[tuple[str, str]]
    is_cut: bool = False


class Check(NamedTuple):
    """One promise.

    Attributes:
        area: the command, or the command and its flags: ``"mg: t"``.
        title: what is promised, in a sentence.
        steps: how it is tried.
        since: the first release that keeps it.
        until: the first release that does not any more.
    """

    area: str
    title: str
    steps: list[Step]
    since: tuple[int, ...] = ()
    until: tuple[int, ...] = (99,)

    def is_about(self, version: tuple[int, ...]) -> bool:
        """Whether a server of this version is to keep it."""
        return self.since <= version < self.until


def checks_of(text: str) -> Iterator[Check]:
    """The checks that are written in *text*."""
    area = ""
    for block in re.split(r"\n(?:[ \t]*\n)+", text.strip("\n")):
        lines = block.split("\n")
        if lines[0].startswith("== "):
            area = lines.pop(0)[3:]
        title = lines.pop(0)
        since: tuple[int, ...] = ()
        until: tuple[int, ...] = (99,)
        found = _RELEASES.search(title)
        if found:
            release = tuple(int(part) for part in found.groups()[1:])
            since, until = (release, (99,)) if found[1] == "from" else ((), release)
            title = title[: found.start()]
        yield Check(area, title, _steps(lines), since, until)


def _steps(lines: list[str]) -> list[Step]:
    steps: list[Step] = []
    for line in lines:
        mark, text = line[0], line[2:]
        if mark in ">|":
            if not steps or steps[-1].expected:
                steps.append(Step([], [], is_cut=mark == "|"))
            steps[-1].sent.append(_unescaped(text))
        elif mark in "<?*":
            # A pattern keeps its backslashes.
            steps[-1].expected.append((mark, _unescaped(text) if mark == "<" else text))
        else:
            raise ValueError(f"not a step of a check: {line!r}")
    return steps


def _unescaped(text: str) -> str:
    return text.encode("latin-1").decode("unicode_escape")


def keys_for(prefix: str, number: int) -> dict[str, str]:
    """What the words in braces stand for, in check *number* of a run with this *prefix*."""
    k, j = f"{prefix}:{number}:k", f"{prefix}:{number}:j"
    return {
        "k": k,
        "j": j,
        "k64": base64.b64encode(k.encode()).decode(),
        "j64": base64.b64encode(j.encode()).decode(),
        "missing": f"{prefix}:{number}:missing",
        "longest": f"{k}:".ljust(250, "x"),
        "toolong": f"{k}:".ljust(251, "x"),
        "endless": "set ".ljust(5000, "x"),
    }


def matches(expected: list[tuple[str, str]], got: list[str], keys: dict[str, str]) -> bool:
    """Whether the lines that came are those that were to come."""
    at = 0
    for mark, text in expected:
        if mark == "<":
            if got[at : at + 1] != [filled(text, keys)]:
                return False
            at += 1
            continue
        pattern = re.compile(filled(text, {name: re.escape(key) for name, key in keys.items()}))
        if mark == "?":
            if not (at < len(got) and pattern.fullmatch(got[at])):
                return False
            at += 1
        else:
            while at < len(got) and pattern.fullmatch(got[at]):
                at += 1
    return at == len(got)


def filled(text: str, keys: dict[str, str]) -> str:
    """*text* with the keys in the place of their names."""
    return re.sub(r"\{([a-z0-9]+)\}", lambda found: keys.get(found[1], found[0]), text)
