"""What is gathered quietly, with the network played by hand: the bytes, and what failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hypothesis import given
from hypothesis import strategies as st

from mcclient import Client, CommandFailed, ConnectionLost, MemcacheError
from mcclient.operations._quiet import WINDOW, Gathered
from mcproto import NO_REPLY, ErrorReply, Flight, MetaReply, Status, UnplacedError


def gathered(protocol: str = "meta") -> Gathered:
    found = Gathered(Client("server", protocol=protocol)._setup, True)
    found.open()
    return found


def effects(of: Gathered, answer: Callable[[Flight], object]) -> Iterator[Flight]:
    """What `send` asks of its one server, each answered."""
    operation = of.send()
    try:
        effect = next(operation)
        while True:
            (flight,) = effect.commands.values()
            yield flight
            effect = operation.send({0: answer(flight)})
    except StopIteration:
        return


keys = st.sampled_from(["a", "b", b"c", "ü"])
values = st.binary(max_size=20) | st.text(max_size=5) | st.integers()
exptimes = st.sampled_from([0, 0, 0, 60, -1])
calls = st.one_of(
    st.tuples(st.just("set"), keys, values, exptimes),
    st.tuples(st.just("set"), keys, st.just(bytes(WINDOW)), exptimes),
    st.tuples(st.just("store"), st.sampled_from(["add", "replace"]), keys, values, exptimes),
    st.tuples(st.just("join"), st.sampled_from(["append", "prepend"]), keys, values),
    st.tuples(st.just("cas"), keys, values, st.integers(1, 9), exptimes),
    st.tuples(st.just("delete"), keys),
    st.tuples(st.just("arithmetic"), keys, st.booleans(), st.integers(0, 9), st.none(), exptimes),
    st.tuples(st.just("touch"), keys, exptimes),
)


@given(st.lists(calls, max_size=12), st.sampled_from(["meta", "classic", "binary"]))
def test_a_flight_is_the_commands_that_it_stands_for(made, protocol) -> None:
    of = gathered(protocol)
    for name, *arguments in made:
        getattr(of, name)(*arguments)
    flights = list(effects(of, lambda flight: (NO_REPLY,) * len(flight.commands)))
    assert sum(len(flight.commands) for flight in flights) == len(made)
    for flight in flights:
        plain = Flight(flight.commands)
        assert flight.encode() == plain.encode() == b"".join(flight.encode_parts())
        # What may be refused for its size has nobody that could be meant instead.
        if flight.value_size >= WINDOW and len(flight.commands) > 1:
            assert max(command.value_size for command in flight.commands) < WINDOW
    assert list(effects(of, lambda flight: ())) == []


def test_what_may_have_got_an_error_line_is_asked_about() -> None:
    of = gathered()
    for key in "abc":
        of.set(key, b"v", 0)
    of.delete("d")
    too_large = UnplacedError("SERVER_ERROR", "object too large for cache")
    answers = iter(
        [
            (too_large, too_large, NO_REPLY, MetaReply("NF", [("k", b"d")])),
            (MetaReply("HD", [("k", b"a")]), MetaReply("EN")),
        ]
    )
    first, second = effects(of, lambda flight: next(answers))
    assert second.encode() == b"mg a k\r\nmg b k\r\n"
    failed = of.failed
    assert failed.keys() == {"b", "d"}
    assert failed["d"] is Status.NOT_FOUND
    assert isinstance(failed["b"], CommandFailed)
    assert not failed["b"].maybe_applied
    assert first.encode().startswith(b"ms a 1 k q\r\nv\r\n")


def test_an_error_line_that_says_nothing_leaves_all_who_may_have_got_it_in_doubt() -> None:
    of = gathered()
    of.set("a", b"v", 0)
    of.delete("b")
    proxy = UnplacedError("SERVER_ERROR", "backend failure")
    assert len(list(effects(of, lambda flight: (proxy, proxy)))) == 1  # nothing is asked
    assert [of.failed[key].maybe_applied for key in "ab"] == [True, True]


def test_who_cannot_be_asked_stays_in_doubt() -> None:
    for answer in [
        ConnectionLost("lost"),
        (ErrorReply("SERVER_ERROR", "no"), ErrorReply("SERVER_ERROR", "no")),
    ]:
        of = gathered()
        of.set("a", b"v", 0)
        of.set("b", b"v", 0)
        memory = UnplacedError("SERVER_ERROR", "out of memory storing object")
        answers = iter([(memory, memory), answer])
        assert len(list(effects(of, lambda flight: next(answers)))) == 2  # noqa: B023
        assert [of.failed[key].maybe_applied for key in "ab"] == [True, True]


def test_what_is_under_way_is_in_doubt_and_what_is_not_is_known_not_to_be_done() -> None:
    of = gathered()
    of.set("a", b"v", 0)
    of.set("b", bytes(WINDOW), 0)
    operation = of.send()
    next(operation)
    operation.close()
    of.set("c", b"v", 0)
    assert of.failed.keys() == {"a", "b"}
    of.close()
    failed = of.failed
    assert all(isinstance(why, MemcacheError) for why in failed.values())
    assert [failed[key].maybe_applied for key in "abc"] == [True, False, False]
