"""The meta commands: which flags each has, and how exactly a reply must be the one it can get."""

from __future__ import annotations

import pytest

from mcproto import (
    CLOSED,
    NEED_DATA,
    ClientConnection,
    Command,
    ErrorReply,
    MetaReply,
    ProtocolDesync,
    meta,
)

# Of all flags that memcached's parser knows, the ones that do something to the command.
HAVE: dict[type[Command[object]], str] = {
    meta.Get: "bcCEfhklNOqRstuvT",
    meta.Set: "bcCEFIkMNOqsT",
    meta.Delete: "bCEFIkOqxT",
    meta.Arithmetic: "bcCDEJkMNOqtvT",
}
ALL = "bcCDEfFhIJklLMNOPqRsStTuvxWXZ"


@pytest.mark.parametrize("kind", HAVE, ids=lambda kind: kind.__name__)
def test_a_command_has_the_flags_that_do_something_and_no_others(
    kind: type[Command[object]],
) -> None:
    arguments = {"key": "k", "value": b"v"} if kind is meta.Set else {"key": "k"}
    assert [name for name in kind.__match_args__ if name not in arguments] == [*HAVE[kind]]
    for letter in set(ALL).difference(HAVE[kind]):
        with pytest.raises(TypeError, match=f"argument '{letter}'"):
            kind(**arguments, **{letter: True})


def get(**flags: object) -> meta.Get:
    return meta.Get("k", **flags)  # type: ignore[arg-type]


def put(**flags: object) -> meta.Set:
    return meta.Set("k", b"v", **flags)  # type: ignore[arg-type]


def delete(**flags: object) -> meta.Delete:
    return meta.Delete("k", **flags)  # type: ignore[arg-type]


def count(**flags: object) -> meta.Arithmetic:
    return meta.Arithmetic("k", **flags)  # type: ignore[arg-type]


# "k" in base64, in another spelling of it, and another key.
K, ALSO_K, OTHER = "aw==", "a.w==", "eA=="

CAN_GET: list[tuple[Command[object], bytes]] = [
    (get(), b"HD"),
    (get(), b"EN"),
    (get(), b"HD W"),
    (get(), b"HD X W"),
    (get(), b"HD Z X"),
    (get(), b"HD Z"),
    (get(k=True, O="1", t=True), b"EN kk O1"),
    (get(k=True, O="1", t=True), b"HD kk O1 t5 W"),
    (get(O=""), b"HD O"),
    (get(v=True), b"VA 1\r\nv"),
    (get(v=True, C=5), b"HD"),
    (get(v=True, C=5), b"VA 1\r\nv"),
    (get(v=True, C=5, c=True), b"HD c5"),
    (get(v=True, C=5, c=True), b"VA 1 c6\r\nv"),
    # The item decides how its key is shown, where there is one.
    (get(k=True), b"HD kk"),
    (get(k=True), b"HD kaw== b"),
    (meta.Get(K, b=True, k=True), b"HD kaw== b"),
    (meta.Get(K, b=True, k=True), b"HD kk"),
    (meta.Get(K, b=True, k=True), b"EN kaw== b"),
    (meta.Get(K, b=True), b"HD"),
    (put(c=True, k=True), b"HD c5 kk"),
    (put(c=True, C=5), b"EX c0"),
    (put(c=True, C=5), b"NF c0"),
    (put(s=True), b"HD s1"),
    (put(s=True, O="1"), b"HD O1"),  # before 1.6.20
    (put(M="E", s=True), b"NS s1"),
    (put(M="E", s=True), b"NS"),
    (meta.Set(K, b"", b=True, k=True), b"HD kaw== b"),
    (delete(k=True, O="1"), b"NF kk O1"),
    (meta.Delete(K, b=True, k=True), b"HD kaw== b"),
    (count(v=True, t=True), b"VA 2 t-1\r\n10"),
    (count(t=True), b"HD t5"),
    (count(t=True, c=True, k=True), b"NF kk"),
    (count(C=5, c=True), b"EX"),
    (count(v=True), b"VA 20\r\n18446744073709551615"),
]

CANNOT_GET: list[tuple[Command[object], bytes]] = [
    # A code of another command.
    (get(), b"NF"),
    (get(), b"MN"),
    (put(), b"EN"),
    (put(), b"VA 1\r\nv"),
    (delete(), b"NS"),
    # A value that was not asked for, or none where it was.
    (get(), b"VA 1\r\nv"),
    (get(v=True), b"HD"),
    (get(v=True, C=5, c=True), b"HD c6"),
    (count(), b"VA 1\r\n1"),
    (count(v=True), b"HD"),
    # A flag that was asked for is missing.
    (get(c=True), b"HD"),
    (get(v=True, f=True, O="1"), b"VA 1 O1\r\nv"),
    (get(v=True, f=True, O="1"), b"VA 1 f5\r\nv"),
    (get(k=True, O="1"), b"EN kk"),
    (get(k=True, O="1"), b"EN O1"),
    (put(c=True), b"HD"),
    (put(c=True, C=5), b"EX"),
    (delete(O="1"), b"NF"),
    (count(t=True, v=True), b"VA 1\r\n1"),
    # One that was not asked for.
    (get(), b"HD c5"),
    (get(t=True), b"HD t5 f0"),
    (get(), b"HD b"),
    (get(t=True), b"EN t5"),
    (put(), b"HD s1"),
    (delete(), b"HD kk"),
    (count(t=True), b"NF t5"),
    (count(c=True), b"EX c0"),
    # ... or not twice, or not in this order.
    (get(t=True), b"HD t5 t5"),
    (get(f=True, t=True), b"HD t5 f0"),
    (get(k=True, O="1"), b"EN O1 kk"),
    (get(t=True), b"HD W t5"),
    # W, X and Z, where nobody can have won.
    (get(), b"HD W X"),
    (get(), b"HD X"),
    (get(), b"HD Z W"),
    (get(), b"HD W W"),
    (get(), b"HD W1"),
    (get(), b"EN W"),
    (put(), b"HD W"),
    (count(), b"HD Z"),
    # Another's opaque token or key.
    (get(O="1"), b"HD O2"),
    (get(O="1"), b"HD O"),
    (get(O=""), b"HD O1"),
    (get(k=True), b"HD kx"),
    (get(k=True), b"HD k"),
    (get(k=True), b"HD keA== b"),
    (get(k=True), b"HD k? b"),
    (get(k=True), b"HD kk b"),
    (get(k=True), b"HD kaw=="),
    (get(k=True), b"HD kaw== b1"),
    (get(k=True), b"EN kaw== b"),
    (meta.Get(K, b=True, k=True), b"EN kk"),
    (meta.Get(K, b=True, k=True), b"HD keA== b"),
    (delete(k=True), b"HD kaw== b"),
    (meta.Delete(K, b=True, k=True), b"HD kk"),
    (meta.Set(K, b"", b=True, k=True), b"HD kk"),
    (meta.Arithmetic(K, b=True, k=True), b"HD kk"),
    # A cas unique of what was not stored.
    (put(c=True, C=5), b"EX c7"),
    # No number.
    (count(v=True), b"VA 2\r\n-1"),
    (count(v=True), b"VA 0\r\n"),
    (count(v=True), b"VA 20\r\n18446744073709551616"),
    (count(v=True), b"VA 21\r\n000000000000000000001"),
    # What a quiet command does not send.
    (get(q=True, O="1"), b"EN O1"),
    (put(q=True), b"HD"),
    (delete(q=True), b"HD"),
    (count(q=True, v=True), b"VA 1\r\n1"),
]


def answered(command: Command[object], line: bytes) -> object:
    connection = ClientConnection()
    connection.send(command)
    connection.send(meta.Noop())
    connection.receive_data(line + b"\r\nMN\r\n")
    return connection.next_event()


@pytest.mark.parametrize(("command", "line"), CAN_GET)
def test_what_memcached_sends_is_taken(command: Command[object], line: bytes) -> None:
    reply = answered(command, line)
    assert isinstance(reply, MetaReply)
    assert reply.code == line[:2].decode()


@pytest.mark.parametrize(("command", "line"), CANNOT_GET)
def test_what_is_not_the_answer_to_what_was_asked_is_not_taken(
    command: Command[object], line: bytes
) -> None:
    with pytest.raises(ProtocolDesync):
        answered(command, line)


def test_a_key_shown_in_another_spelling_is_the_same_key() -> None:
    reply = answered(meta.Get(K, b=True, k=True), b"HD k%b b" % ALSO_K.encode())
    assert reply == MetaReply("HD", [("k", ALSO_K.encode()), ("b", None)])
    with pytest.raises(ProtocolDesync):
        answered(meta.Get(K, b=True, k=True), b"HD k%b b" % OTHER.encode())


def test_only_a_server_that_does_not_know_it_refuses_a_noop() -> None:
    assert meta.Noop().may_fail(ErrorReply("ERROR"))
    assert not meta.Noop().may_fail(ErrorReply("SERVER_ERROR", "out of memory"))
    connection = ClientConnection()
    connection.send(meta.Noop())
    connection.receive_data(b"ERROR\r\n")
    assert connection.next_event() == ErrorReply("ERROR")
    assert connection.next_event() is NEED_DATA
    connection.receive_data(b"")
    assert connection.next_event() is CLOSED
