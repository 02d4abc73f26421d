"""What a user may write for a server, and what it comes to."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mcclient._servers import Server, parse_server, parse_servers
from mcproto import InvalidArgument

LONG_LABEL = "a" * 63


@pytest.mark.parametrize(
    ("spec", "host", "port", "weight", "name", "ring_label"),
    [
        ("cache", "cache", 11211, 1, "cache:11211", "cache"),
        ("10.0.0.1", "10.0.0.1", 11211, 1, "10.0.0.1:11211", "10.0.0.1"),
        ("10.0.0.1:11211", "10.0.0.1", 11211, 1, "10.0.0.1:11211", "10.0.0.1"),
        ("10.0.0.1:1", "10.0.0.1", 1, 1, "10.0.0.1:1", "10.0.0.1:1"),
        ("a_b-c.example.:65535", "a_b-c.example.", 65535, 1, None, "a_b-c.example.:65535"),
        ("cache:11212:7", "cache", 11212, 7, "cache:11212", "cache:11212"),
        ("cache:11211:65535", "cache", 11211, 65535, "cache:11211", "cache"),
        ("[::1]", "::1", 11211, 1, "[::1]:11211", "::1"),
        ("[::1]:11212", "::1", 11212, 1, "[::1]:11212", "::1:11212"),
        ("[fe80::1%eth0]:11212:3", "fe80::1%eth0", 11212, 3, "[fe80::1%eth0]:11212", None),
        ("[::ffff:10.0.0.1]", "::ffff:10.0.0.1", 11211, 1, None, "::ffff:10.0.0.1"),
        ("memcached://cache", "cache", 11211, 1, "cache:11211", "cache"),
        ("memcached://cache:11212", "cache", 11212, 1, "cache:11212", "cache:11212"),
        ("MemCached://[::1]:11212", "::1", 11212, 1, "[::1]:11212", "::1:11212"),
        (("cache", 11212), "cache", 11212, 1, "cache:11212", "cache:11212"),
        (("::1", 11211), "::1", 11211, 1, "[::1]:11211", "::1"),
        (f"{LONG_LABEL}.{LONG_LABEL}", f"{LONG_LABEL}.{LONG_LABEL}", 11211, 1, None, None),
    ],
)
def test_an_address_names_a_tcp_server(
    spec: object, host: str, port: int, weight: int, name: str | None, ring_label: str | None
) -> None:
    server = parse_server(spec)
    assert (server.host, server.port, server.path, server.weight) == (host, port, None, weight)
    assert server.address == (host, port)
    assert server.name == name or name is None
    assert server.ring_label == ring_label or ring_label is None


@pytest.mark.parametrize(
    "path", ["/tmp/m.sock", "/with a space", "/a.sock:2", "/a@b", "/a://b", "/日本"]
)
@pytest.mark.parametrize("scheme", ["", "memcached://"])
def test_a_path_names_a_unix_socket(scheme: str, path: str) -> None:
    server = parse_server(scheme + path)
    assert (server.host, server.port, server.path, server.weight) == ("", 0, path, 1)
    assert server.address == server.name == path
    assert server.ring_label == f"{path}:0"


@pytest.mark.parametrize(
    "spec",
    [
        *["", ":", ":11211", "cache:", "cache::2", "cache:11211:", "cache:1:2:3", "cache:1:2:"],
        *["cache:0", "cache:65536", "cache:-1", "cache:+1", "cache:1_0", "cache:1.0", "cache:x"],
        *["cache:99999999999999999999", "cache:011211", "cache:٣", "cache:²"],
        *["cache:11211:0", "cache:11211:65536", "cache:11211:-1", "cache:11211:1.5"],
        *["::1", "::1:11211", "fe80::1", "[::1", "[::1]11211", "[::1]:", "[::1]x:1", "::1]:11211"],
        *["[]", "[]:11211", "[cache]:11211", "[10.0.0.1]", "[::g]", "[1:2]", "[::1%]", "[::1%a b]"],
        *[" cache", "cache ", "ca che", "cache: 1", "cache :1", "cache\n", "cache\0", "\tcache"],
        *["cache:1\r\n", "ca\x7fche", "ca\u00a0che", "ca\u200bche", "cäche", "\udc80"],
        *["a,b", "a:1,b:2", "a;b", "cache/", "cache:11211/", "cache?x", "cache#x", "ca*he", "'a'"],
        *[".", "..", "a..b", ".a", "a.-.b", "a" * 64, "-", "_"],
        *["/with\nline", "/with\0nul", "/\udc80"],
        *["http://cache", "memcache://cache", "://cache", "memcached://", "memcached:cache"],
        *["memcached://memcached://cache", "memcached://cache:0", "unix:/tmp/m.sock"],
        *["udp:10.0.0.1", "udp:10.0.0.1:11211"],
        *[("cache", 0), ("cache", 65536), ("cache", -1), ("", 1), ("ca che", 1), ("cache:1", 1)],
        *[("[::1]", 1), ("/tmp/m.sock", 1), ("a@b", 1)],
    ],
)
def test_garbage_is_refused_and_shown(spec: str | tuple[str, int]) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        parse_servers(["good", spec])
    assert "servers" in str(refusal.value)
    assert repr(spec) in str(refusal.value)


@pytest.mark.parametrize(
    ("spec", "tls", "name"),
    [
        ("memcaches://cache", True, "memcaches://cache:11211"),
        ("MemCaches://cache:1:7", True, "memcaches://cache:1"),
        ("memcaches://[::1]:1", True, "memcaches://[::1]:1"),
        ("memcached://cache", False, "cache:11211"),
        ("cache", None, "cache:11211"),
        (("cache", 1), None, "cache:1"),
        ("/m", False, "/m"),
        ("memcached:///m", False, "/m"),
    ],
)
def test_a_scheme_says_whether_to_speak_tls(spec: object, tls: bool | None, name: str) -> None:
    server = parse_server(spec)
    assert server.tls is tls
    assert server.name == name
    assert parse_server(server.name).tls == (tls or None if server.path is None else False)


def test_tls_moves_no_keys_and_makes_no_second_server() -> None:
    tls, plain = parse_server("memcaches://a:1"), parse_server("a:1")
    assert tls.ring_label == plain.ring_label
    assert tls.address == plain.address
    assert tls != plain
    with pytest.raises(InvalidArgument, match="'memcaches://a:1' is there twice"):
        parse_servers(["a:1", "memcaches://a:1"])


def test_there_is_no_tls_over_a_unix_socket() -> None:
    with pytest.raises(InvalidArgument, match=r"'memcaches:///m'.*no TLS"):
        parse_server("memcaches:///m")


@pytest.mark.parametrize(
    "spec",
    [
        "memcached://ada:s3cr3t@cache:11211",
        "ada:s3cr3t@cache:11211",
        "ada:s3cr3t/@cache:11211",
        "s3cr3t@s3cr3t@cache:11211",
    ],
)
def test_a_password_in_an_address_is_refused_and_not_shown(spec: str) -> None:
    with pytest.raises(
        InvalidArgument, match=r"'\.\.\.@cache:11211'.* username= and password="
    ) as no:
        parse_server(spec)
    assert "s3cr3t" not in str(no.value)


def test_no_other_refusal_shows_a_password_either() -> None:
    for spec in ("memcaches://ada:s3cr3t@cache", "redis://ada:s3cr3t@cache"):
        with pytest.raises(InvalidArgument, match=r"'\.\.\.@cache'") as no:
            parse_server(spec)
        assert "s3cr3t" not in str(no.value)


@pytest.mark.parametrize(
    "spec", [None, 1, 1.5, b"cache", True, ("a",), ("a", 1, 2), ("a", "1"), ("a", True), ["a", 1]]
)
def test_another_type_is_a_type_error(spec: object) -> None:
    with pytest.raises(TypeError, match="servers"):
        parse_server(spec)


def test_one_address_is_one_server() -> None:
    assert parse_servers("cache") == (parse_server("cache"),)
    assert parse_servers("/m.sock") == (parse_server("/m.sock"),)
    assert parse_servers(("cache", 11212)) == (parse_server("cache:11212"),)


def test_several_addresses_keep_their_order_whatever_iterable_holds_them() -> None:
    specs: list[str | tuple[str, int]] = ["b:1:2", ("a", 1), "/c", "[::1]:4"]
    expected = tuple(map(parse_server, specs))
    assert [server.name for server in expected] == ["b:1", "a:1", "/c", "[::1]:4"]
    assert parse_servers(specs) == expected
    assert parse_servers(tuple(specs)) == expected
    assert parse_servers(spec for spec in specs) == expected
    assert parse_servers(("a", "b")) == (parse_server("a"), parse_server("b"))


@pytest.mark.parametrize(
    "servers", [[], (), iter(())], ids=["an empty list", "an empty tuple", "a spent iterator"]
)
def test_no_server_at_all_is_refused(servers: list[str]) -> None:
    with pytest.raises(InvalidArgument, match="servers: there must be at least one"):
        parse_servers(servers)


@pytest.mark.parametrize(
    "servers", [None, 1, b"cache", bytearray(b"cache"), {"a", "b"}, frozenset("ab"), {"a": 1}]
)
def test_what_has_no_order_or_is_no_list_is_a_type_error(servers: list[str]) -> None:
    with pytest.raises(TypeError, match="servers must be"):
        parse_servers(servers)


def test_a_list_of_host_and_port_is_not_a_server() -> None:
    with pytest.raises(TypeError, match="servers: an address is a str"):
        parse_servers(["cache", 11211])  # type: ignore[list-item]  # pyright: ignore


@pytest.mark.parametrize(
    ("servers", "name"),
    [
        (["a", "b", "a"], "a:11211"),
        (["a", "a:11211:5"], "a:11211"),
        (["a:1", ("a", 1)], "a:1"),
        (["Cache", "cACHE"], "cACHE:11211"),
        (["a", "memcached://a"], "a:11211"),
        (["[::1]", ("::1", 11211)], "[::1]:11211"),
        (["/m", "/m"], "/m"),
    ],
)
def test_the_same_address_twice_is_refused(servers: list[str], name: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        parse_servers(servers)
    assert str(refusal.value) == f"servers: {name!r} is there twice"


def test_paths_that_differ_in_case_are_two_servers() -> None:
    assert len(parse_servers(["/m", "/M"])) == 2


def test_servers_are_values() -> None:
    assert parse_server("a:1:2") == parse_server("memcached://a:1:2")
    assert hash(parse_server("a:1:2")) == hash(parse_server("a:1:2"))
    assert parse_server("a:1:2") != parse_server("a:1:3")
    assert parse_server("a:1") != parse_server("a:2")
    assert Server("", 0, "/m") != parse_server("a")
    assert parse_server("a:1") != "a:1"
    assert repr(parse_server("a:1")) == "<Server a:1>"
    assert repr(parse_server("a:1:3")) == "<Server a:1, weight=3>"


ADDRESS_LIKE = st.text(st.sampled_from("ab.-_:[]/@% 019f\n"), max_size=20)


@given(st.text() | ADDRESS_LIKE | st.builds("memcached://{}".format, ADDRESS_LIKE))
@example("a:1:2")
@example("[::1%a]:1")
@example("/m")
def test_any_text_is_a_server_that_can_be_asked_for_by_its_name_or_is_refused(text: str) -> None:
    try:
        server = parse_server(text)
    except InvalidArgument:
        return
    assert server.name.isprintable()
    assert parse_server(server.name).address == server.address
    assert " " not in server.host
    if server.path is None and ":" not in server.host:
        server.host.encode("idna")  # as resolvers begin, and raise UnicodeError if it is no name
