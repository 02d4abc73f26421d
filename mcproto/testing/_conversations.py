"""Conversations: commands, what a server says to them, and the events that must come of it."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import strategies as st

from mcproto import NO_REPLY, Command, Flight, MetaReply, Replies, classic, meta

from ._commands import KINDS, commands, keys, made
from ._replies import error_lines, meant_for, spelled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["Answer", "answers", "conversations", "flights", "pieces_of"]


class Answer(NamedTuple):
    """A command, what the server sends for it, and the event it must become."""

    command: Command[object]
    wire: bytes
    event: object


_SILENT: list[Callable[[bytes], Command[object]]] = [
    lambda key: classic.Set(key, b"v", noreply=True),
    lambda key: classic.Cas(key, b"v", 1, noreply=True),
    lambda key: classic.Incr(key, noreply=True),
    lambda key: classic.FlushAll(noreply=True),
]
_QUIET = [meta.Get, meta.Set, meta.Delete, meta.Arithmetic]


# Commands that are certain to be answered.
_NOT_SILENT = {"q": st.just(False), "noreply": st.just(False)}
_certain = st.one_of(
    [
        made(kind, fields | {name: no for name, no in _NOT_SILENT.items() if name in fields})
        for kind, fields in KINDS["text"].items()
        if kind is not classic.Quit
    ]
)


@st.composite
def _meant(draw: DrawFn) -> Answer:
    command = draw(_certain)
    reply = draw(meant_for(command))
    word = command.word if isinstance(command, classic.Stats) else "STAT"
    return Answer(command, spelled(reply, word), reply)


@st.composite
def _refused(draw: DrawFn) -> Answer:
    error = draw(error_lines)
    return Answer(draw(_certain), spelled(error), error)


def answers() -> SearchStrategy[Answer]:
    """A command that is answered, and an answer: of its own form, or an error line."""
    return _meant() | _refused()


@st.composite
def _quiet_answers(draw: DrawFn, index: int) -> Answer:
    """A quiet command with an opaque token of its own, and its answer or silence."""
    made = draw(commands(kinds=_QUIET))
    fields = {name: getattr(made, name) for name in type(made).__match_args__}
    command = type(made)(**fields | {"O": b"%d" % index, "q": True})
    reply = draw(meant_for(command))
    if command.hides(reply):
        return Answer(command, b"", NO_REPLY)
    return Answer(command, spelled(reply), reply)


@st.composite
def flights(draw: DrawFn) -> Answer:
    """A flight of commands of all kinds; error lines only where it is certain whose they are."""
    steps = draw(_steps())
    wire = b"".join(step.wire for step in steps)
    flight = Flight([step.command for step in steps])
    if flight.is_barrier:
        wire += b"MN\r\n" if any(step.command.quiet for step in steps) else b"VERSION 1\r\n"
    return Answer(flight, wire, Replies([step.event for step in steps]))  # type: ignore[misc]


@st.composite
def _steps(draw: DrawFn) -> list[Answer]:
    steps: list[Answer] = []
    for index in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(["answered", "quiet", "silent"]))
        if kind == "quiet":
            steps.append(draw(_quiet_answers(index)))
        elif kind == "silent":
            command = draw(st.sampled_from(_SILENT))(draw(keys()))
            steps.append(Answer(command, b"", NO_REPLY))
        else:
            # Its own token keeps it apart from the quiet ones before it.
            steps.append(draw(_meant().filter(lambda each: not hasattr(each.command, "q"))))
    return steps


@st.composite
def conversations(draw: DrawFn) -> list[Answer]:
    """Commands on one connection and their answers, in order; silence is closed by a barrier."""
    if draw(st.booleans()):
        return draw(st.lists(answers() | flights(), min_size=1, max_size=5))
    noop = Answer(meta.Noop(), b"MN\r\n", MetaReply("MN"))
    return [*draw(_steps()), noop, *draw(st.lists(answers() | flights(), max_size=2))]


@st.composite
def pieces_of(draw: DrawFn, data: bytes) -> list[bytes]:
    """*data*, cut anywhere; no piece is empty."""
    if draw(st.booleans()):
        size = draw(st.integers(1, 5))
        return [data[at : at + size] for at in range(0, len(data), size)]
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(data) - 1)), max_size=8)))
    ends = [cut for cut in cuts if cut < len(data)]
    return [data[a:b] for a, b in zip([0, *ends], [*ends, len(data)], strict=True) if a < b]
