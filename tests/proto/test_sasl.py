"""SASL: what PLAIN is made of, and that nobody sees it."""

from __future__ import annotations

import pytest

from mcproto import InvalidArgument, sasl
from mcproto._parts import Hidden


def test_plain_is_three_parts_with_nul_between() -> None:
    assert sasl.plain("alice", "s3cr") == sasl.Auth("PLAIN", b"\0alice\0s3cr")
    assert sasl.plain("älice", b"\xff", authzid="bob") == sasl.Auth(
        "PLAIN", b"bob\0\xc3\xa4lice\0\xff"
    )
    assert sasl.plain("alice", "").data == b"\0alice\0"


@pytest.mark.parametrize(
    ("response", "parts"),
    [
        (b"\0alice\0s3cr", (b"", b"alice", b"s3cr")),
        (b"bob\0alice\0", (b"bob", b"alice", b"")),
        (b"", None),
        (b"alice\0s3cr", None),
        (b"\0\0s3cr", None),
        (b"\0alice\0s3\0cr", None),
    ],
)
def test_a_server_takes_plain_apart(
    response: bytes, parts: tuple[bytes, bytes, bytes] | None
) -> None:
    assert sasl.parse_plain(response) == parts


@pytest.mark.parametrize(
    ("name", "username", "password", "authzid"),
    [
        ("username", "al\0ice", "s3cr", ""),
        ("password", "alice", "s3\0cr", ""),
        ("authzid", "alice", "s3cr", "b\0b"),
        ("username", "", "s3cr", ""),
        ("password", "alice", "s3cr\ud800", ""),
    ],
)
def test_a_part_that_plain_cannot_carry_is_refused_without_showing_it(
    name: str, username: str, password: str, authzid: str
) -> None:
    with pytest.raises(InvalidArgument, match=name) as caught:
        sasl.plain(username, password, authzid)
    assert "s3" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_type_that_plain_cannot_carry_is_refused_without_showing_it() -> None:
    with pytest.raises(TypeError, match="password") as caught:
        sasl.plain("alice", 1234)  # type: ignore[arg-type]
    assert "1234" not in str(caught.value)


def test_no_repr_shows_credentials() -> None:
    for command in (sasl.plain("alice", "s3cr"), sasl.Step("PLAIN", b"\0alice\0s3cr")):
        assert "s3cr" not in repr(command)
        assert "alice" not in repr(command)
        assert "PLAIN" in repr(command)
        assert "11 bytes" in repr(command)


def test_commands_with_other_credentials_are_not_equal() -> None:
    assert sasl.plain("alice", "s3cr") != sasl.plain("alice", "other")
    assert sasl.Auth("PLAIN", b"x") != sasl.Step("PLAIN", b"x")


def test_bytes_that_hold_a_secret_show_their_length() -> None:
    hidden = Hidden(b"secret")
    assert hidden == b"secret"
    assert repr(hidden) == str(hidden) == "<6 bytes>"
