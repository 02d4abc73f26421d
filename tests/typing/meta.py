# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""What type checkers make of the meta commands' flags. Never run: scripts/check has both read it.

A line that must be refused says so in a comment, which is itself an error where it is not needed.
Every flag that memcached ignores with a command is refused there.
"""

from __future__ import annotations

from typing import assert_type

from mcproto import MetaReply, meta


def all_that_there_is() -> None:
    meta.Get(
        "k",
        b=True,
        c=True,
        C=1,
        E=1,
        f=True,
        h=True,
        k=True,
        l=True,
        N=1,
        O=b"1",
        q=True,
        R=1,
        s=True,
        t=True,
        u=True,
        v=True,
        T=1,
    )
    meta.Set(
        "k",
        b"v",
        b=True,
        c=True,
        C=1,
        E=1,
        F=1,
        I=True,
        k=True,
        M="A",
        N=1,
        O="1",
        q=True,
        s=True,
        T=1,
    )
    meta.Delete("k", b=True, C=1, E=1, F=1, I=True, k=True, O="1", q=True, x=True, T=1)
    meta.Arithmetic(
        "k",
        b=True,
        c=True,
        C=1,
        D=1,
        E=1,
        J=1,
        k=True,
        M="+",
        N=1,
        O="1",
        q=True,
        t=True,
        v=True,
        T=1,
    )
    meta.Debug("k", b=True)
    meta.Noop()


def what_a_get_has_not() -> None:
    meta.Get("k", D=1)  # type: ignore[call-arg]
    meta.Get("k", F=1)  # type: ignore[call-arg]
    meta.Get("k", I=True)  # type: ignore[call-arg]
    meta.Get("k", J=1)  # type: ignore[call-arg]
    meta.Get("k", M="S")  # type: ignore[call-arg]
    meta.Get("k", x=True)  # type: ignore[call-arg]


def what_a_set_has_not() -> None:
    meta.Set("k", b"", D=1)  # type: ignore[call-arg]
    meta.Set("k", b"", f=True)  # type: ignore[call-arg]
    meta.Set("k", b"", h=True)  # type: ignore[call-arg]
    meta.Set("k", b"", J=1)  # type: ignore[call-arg]
    meta.Set("k", b"", l=True)  # type: ignore[call-arg]
    meta.Set("k", b"", R=1)  # type: ignore[call-arg]
    meta.Set("k", b"", t=True)  # type: ignore[call-arg]
    meta.Set("k", b"", u=True)  # type: ignore[call-arg]
    meta.Set("k", b"", v=True)  # type: ignore[call-arg]
    meta.Set("k", b"", x=True)  # type: ignore[call-arg]


def what_a_delete_has_not() -> None:
    meta.Delete("k", c=True)  # type: ignore[call-arg]
    meta.Delete("k", D=1)  # type: ignore[call-arg]
    meta.Delete("k", f=True)  # type: ignore[call-arg]
    meta.Delete("k", h=True)  # type: ignore[call-arg]
    meta.Delete("k", J=1)  # type: ignore[call-arg]
    meta.Delete("k", l=True)  # type: ignore[call-arg]
    meta.Delete("k", M="S")  # type: ignore[call-arg]
    meta.Delete("k", N=1)  # type: ignore[call-arg]
    meta.Delete("k", R=1)  # type: ignore[call-arg]
    meta.Delete("k", s=True)  # type: ignore[call-arg]
    meta.Delete("k", t=True)  # type: ignore[call-arg]
    meta.Delete("k", u=True)  # type: ignore[call-arg]
    meta.Delete("k", v=True)  # type: ignore[call-arg]


def what_arithmetic_has_not() -> None:
    meta.Arithmetic("k", f=True)  # type: ignore[call-arg]
    meta.Arithmetic("k", F=1)  # type: ignore[call-arg]
    meta.Arithmetic("k", h=True)  # type: ignore[call-arg]
    meta.Arithmetic("k", I=True)  # type: ignore[call-arg]
    meta.Arithmetic("k", l=True)  # type: ignore[call-arg]
    meta.Arithmetic("k", R=1)  # type: ignore[call-arg]
    meta.Arithmetic("k", s=True)  # type: ignore[call-arg]
    meta.Arithmetic("k", u=True)  # type: ignore[call-arg]
    meta.Arithmetic("k", x=True)  # type: ignore[call-arg]


def what_no_command_has() -> None:
    meta.Get("k", L="proxy")  # type: ignore[call-arg]
    meta.Get("k", P="proxy")  # type: ignore[call-arg]
    meta.Get("k", S=5)  # type: ignore[call-arg]
    meta.Get("k", W=True)  # type: ignore[call-arg]
    meta.Debug("k", k=True)  # type: ignore[call-arg]
    meta.Noop(O="1")  # type: ignore[call-arg]


def arguments_of_another_kind() -> None:
    meta.Get("k", v=1)  # type: ignore[arg-type]
    meta.Get("k", T="60")  # type: ignore[arg-type]
    meta.Get("k", O=1)  # type: ignore[arg-type]
    meta.Set("k", "text")  # type: ignore[arg-type]
    meta.Set("k", b"", M="set")  # type: ignore[arg-type]
    meta.Set("k", b"", M="I")  # type: ignore[arg-type]
    meta.Arithmetic("k", M="A")  # type: ignore[arg-type]
    meta.Arithmetic("k", D=b"1")  # type: ignore[arg-type]


def results(get: meta.Get, put: meta.Set, reply: MetaReply) -> None:
    assert_type(get.result(reply), MetaReply | None)
    assert_type(put.result(reply), MetaReply)
    assert_type(reply.argument("O"), bytes | None)
    assert_type(reply.number("t"), int | None)
