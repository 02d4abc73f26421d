"""Operations, with the network played by hand: what they ask for, and what they make of it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcclient import ConnectionLost, PartialFailure, ServerFault, operations
from mcclient._options import Options
from mcclient.operations import Exchange, FanOut
from mcproto import (
    NO_REPLY,
    ErrorReply,
    Flight,
    InvalidArgument,
    Item,
    MetaReply,
    Status,
    UnplacedError,
    classic,
    meta,
)

A, B, C = 0, 1, 2


def setup(servers: int = 1, protocol: str = "classic", misses: bool = False):
    return Options(
        servers=[f"server{number}" for number in range(servers)],
        protocol=protocol,
        ring="modula",
        codec="plain",
        key_prefix="",
        timeout=1.0,
        connect_timeout=1.0,
        on_unavailable="miss" if misses else "raise",
    ).setup


def play(operation, answers: Iterable[object]):
    """Run *operation*; give its effects these answers, in turn. An error is thrown in."""
    effects: list[Exchange | FanOut] = []
    answers = iter(answers)
    try:
        effects.append(next(operation))
        while True:
            answer = next(answers)
            if isinstance(answer, Exception):
                effects.append(operation.throw(answer))
            else:
                effects.append(operation.send(answer))
    except StopIteration as stop:
        assert next(answers, None) is None, "more answers than questions"
        return stop.value, effects


def lost(server: int) -> ConnectionLost:
    return ConnectionLost(f"server{server} is gone", server=f"server{server}:11211")


def keys_of(setup, server: int, number: int) -> list[str]:
    """So many keys that live on that server."""
    keys = (f"key{n}" for n in range(100_000))
    there = (key for key in keys if setup.routes[key][0] == server)
    return [next(there) for _ in range(number)]


def test_a_get_asks_the_key_s_server_and_reads_the_value():
    on = setup(2)
    (key,) = keys_of(on, B, 1)
    value, effects = play(operations.get(on, key, None), [Item(key.encode(), 16, b"v")])
    assert value == "v"
    assert [(e.server, e.command) for e in effects] == [(B, classic.Get(key))]


def test_a_lost_server_is_an_error_or_a_miss_by_choice():
    with pytest.raises(ConnectionLost):
        play(operations.get(setup(), "k", "default"), [lost(A)])
    value, _ = play(operations.get(setup(misses=True), "k", "default"), [lost(A)])
    assert value == "default"


def test_a_write_to_a_lost_server_is_an_error_by_any_choice():
    with pytest.raises(ConnectionLost):
        play(operations.store(setup(misses=True), "set", "k", b"v", 0), [lost(A)])


def test_an_error_line_is_never_a_miss():
    with pytest.raises(ServerFault):
        play(operations.get(setup(misses=True), "k", None), [ServerFault("out of order")])


def test_a_counter_created_in_between_is_counted_on():
    op = operations.arithmetic(setup(), "hits", up=True, delta=1, initial=0, exptime=60)
    value, effects = play(op, [None, False, 8])
    assert value == 8
    assert effects[1].command == classic.Add("hits", b"0", exptime=60)


def test_a_counter_that_is_not_there_is_created():
    op = operations.arithmetic(setup(), "hits", up=True, delta=3, initial=7, exptime=0)
    assert play(op, [None, True])[0] == 7


def test_meta_creates_a_counter_by_itself():
    op = operations.arithmetic(
        setup(protocol="meta"), "hits", up=False, delta=3, initial=7, exptime=60
    )
    value, (effect,) = play(op, [MetaReply("VA", (), b"7")])
    assert value == 7
    command = effect.command
    assert (command.M, command.D, command.J, command.N, command.v) == ("D", 3, 7, 60, True)


def columns(**values: bytes):
    """What a `get` of many keys has found, under the names that were given with it."""
    return list(values), [0] * len(values), list(values.values())


def test_get_multi_gives_hits_under_the_caller_s_own_keys():
    on = setup(3)
    keys = [*keys_of(on, A, 2), *keys_of(on, B, 1), keys_of(on, C, 1)[0].encode()]
    hits = {A: columns(**{keys[0]: b"0"}), B: columns(), C: ([keys[3]], [0], [b"3"])}
    result, (fan_out,) = play(operations.get_multi(on, keys), [hits])
    assert result == {keys[0]: b"0", keys[3]: b"3"}
    assert {server: (c.keys, c.names) for server, c in fan_out.commands.items()} == {
        A: ([keys[0].encode(), keys[1].encode()], keys[:2]),
        B: ([keys[2].encode()], keys[2:3]),
        C: ([keys[3]], [keys[3]]),
    }


def test_one_key_in_two_spellings_is_two_hits_and_asked_for_once_or_twice():
    _, (fan_out,) = play(operations.get_multi(setup(), ["k", b"k"]), [{A: columns()}])
    command = fan_out.commands[A]
    names, _, values = command.decode(b"VALUE k 0 1\r\nv\r\n" * 2 + b"END\r\n")
    assert dict(zip(names, values, strict=True)) == {"k": b"v", b"k": b"v"}


def test_what_a_lost_server_has_of_many_keys_is_reported_with_what_was_had():
    on = setup(2)
    here, there = keys_of(on, A, 1)[0], keys_of(on, B, 1)[0]
    answers = [{A: columns(**{here: b"v"}), B: lost(B)}]
    with pytest.raises(PartialFailure) as caught:
        play(operations.get_multi(on, [here, there]), answers)
    assert caught.value.result == {here: b"v"}
    assert caught.value.failed_keys == [there]
    assert list(caught.value.errors) == ["server1:11211"]
    assert play(operations.get_multi(setup(2, misses=True), [here, there]), answers)[0] == {
        here: b"v"
    }


def test_many_keys_go_in_rounds():
    keys = [f"k{n}" for n in range(2500)]
    _, effects = play(operations.get_multi(setup(), keys), [{A: columns()}] * 3)
    assert [len(e.commands[A].keys) for e in effects] == [1000, 1000, 500]


def test_nothing_is_asked_about_no_keys():
    assert play(operations.get_multi(setup(), []), []) == ({}, [])
    assert play(operations.set_multi(setup(), {}, 0), []) == ([], [])
    assert play(operations.delete_multi(setup(), []), []) == (True, [])


@pytest.mark.parametrize("operation", [operations.get_multi, operations.delete_multi])
def test_one_key_in_place_of_many_is_a_type_error(operation):
    with pytest.raises(TypeError, match="keys"):
        play(operation(setup(), "key"), [])


def test_set_multi_gives_back_the_keys_that_were_not_stored():
    on = setup(protocol="meta")
    replies = (NO_REPLY, MetaReply("NS", (("k", b"b"),)), NO_REPLY)
    result, (effect,) = play(
        operations.set_multi(on, {"a": b"1", "b": b"2", "c": b"3"}, 9), [{A: replies}]
    )
    assert result == ["b"]
    plain = Flight(
        [
            meta.Set(key, value, k=True, q=True, T=9)
            for key, value in zip("abc", (b"1", b"2", b"3"), strict=True)
        ]
    )
    assert effect.commands[A].commands == plain.commands
    assert effect.commands[A].encode() == plain.encode()


def test_where_it_is_not_known_which_one_has_failed_set_multi_asks_which_is_not_there():
    on = setup(protocol="meta")
    too_large = UnplacedError("SERVER_ERROR", "object too large for cache")
    hit, miss = MetaReply("HD"), MetaReply("EN")
    result, (_, question) = play(
        operations.set_multi(on, {"a": b"1", "b": b"2", "c": b"3"}, 0),
        [{A: (too_large, too_large, NO_REPLY)}, {A: (hit, miss)}],
    )
    assert result == ["b"]
    assert [command.key for command in question.commands[A].commands] == [b"a", b"b"]
    # Where it is known, there is nothing to ask.
    too_large = ErrorReply("SERVER_ERROR", "object too large for cache")
    result, _ = play(
        operations.set_multi(on, {"a": b"1", "b": b"2"}, 0), [{A: (NO_REPLY, too_large)}]
    )
    assert result == ["b"]


def test_no_value_is_sent_if_one_of_them_cannot_be_stored():
    with pytest.raises(TypeError):
        play(operations.set_multi(setup(), {"a": b"1", "b": object()}, 0), [])


def test_the_keys_of_a_lost_server_fail_whatever_round_they_were_in():
    on = setup(2)
    many = keys_of(on, A, 300)
    (other,) = keys_of(on, B, 1)
    mapping = dict.fromkeys([*many, other], b"v")
    stored = (Status.STORED,) * 256
    answers = [{A: stored, B: (Status.STORED,)}, {A: lost(A)}]
    with pytest.raises(PartialFailure) as caught:
        play(operations.set_multi(on, mapping, 0), answers)
    assert caught.value.failed_keys == many[256:]
    assert caught.value.result == []


@given(st.lists(st.integers(0, 400_000), min_size=1, max_size=600))
def test_flights_are_short_whatever_is_stored(sizes):
    on = setup()
    mapping = {f"k{n}": bytes(size) for n, size in enumerate(sizes)}
    operation = operations.set_multi(on, mapping, 0)
    sent: list[bytes] = []
    effect = next(operation)
    while True:
        commands = effect.commands[A].commands
        assert len(commands) == 1 or sum(c.value_size for c in commands) <= 1 << 20
        assert len(commands) <= 256
        sent += [command.key for command in commands]
        answer = {A: (Status.STORED,) * len(commands)}
        if len(sent) == len(mapping):
            with pytest.raises(StopIteration):
                operation.send(answer)
            break
        effect = operation.send(answer)
    assert sent == [key.encode() for key in mapping]


def test_delete_multi_is_true_if_every_key_was_there():
    on = setup(protocol="meta")
    assert play(operations.delete_multi(on, ["a", "b"]), [{A: (NO_REPLY, NO_REPLY)}])[0] is True
    there = (NO_REPLY, MetaReply("NF", (("k", b"b"),)))
    assert play(operations.delete_multi(on, ["a", "b"]), [{A: there}])[0] is False


def test_statistics_come_by_server_and_a_lost_one_is_missing_or_an_error():
    answers = [{A: {"pid": "1"}, B: lost(B)}]
    with pytest.raises(PartialFailure) as caught:
        play(operations.stats(setup(2), None), answers)
    assert caught.value.result == {"server0:11211": {"pid": "1"}}
    assert play(operations.stats(setup(2, misses=True), None), answers)[0] == caught.value.result


def test_a_command_goes_to_its_key_s_server_unless_told_otherwise():
    on = setup(2)
    (key,) = keys_of(on, B, 1)
    assert play(operations.execute(on, classic.Get(key), None), [None])[1][0].server == B
    assert play(operations.execute(on, classic.Get(key), A), [None])[1][0].server == A
    both = [*keys_of(on, A, 1), *keys_of(on, B, 1)]
    for command in classic.Version(), classic.GetMany(both):
        with pytest.raises(InvalidArgument, match="server"):
            play(operations.execute(on, command, None), [])


def test_a_silent_command_is_closed_by_a_barrier():
    quiet = meta.Set("k", b"v", q=True)
    reply, (effect,) = play(operations.execute(setup(), quiet, None), [(NO_REPLY,)])
    assert reply == MetaReply("HD")
    assert effect.command == Flight([quiet])
    unsaid, _ = play(
        operations.execute(setup(), classic.Set("k", b"v", noreply=True), None), [(NO_REPLY,)]
    )
    assert unsaid is None
