"""get, set and delete: bytes in, bytes out, and an exit status that scripts can rely on."""

from __future__ import annotations

import json
import os
import pty

import pytest

import mcclient
from mcproto import classic, meta
from tests.cli.commands import Run, Start

# What a text or a line would not survive.
AWKWARD = b"\x00\xff caf\xc3\xa9\r\nEND\r\n"


def test_what_is_set_is_got(run: Run, server: str) -> None:
    assert run("set", "greeting", "hello", "-s", server) == (0, b"", "")
    assert run("get", "greeting", "-s", server) == (0, b"hello", "")
    assert run("delete", "greeting", "-s", server) == (0, b"", "")
    assert run("get", "greeting", "-s", server) == (1, b"", "mcclient get: greeting: not found\n")


@pytest.mark.parametrize("value", [AWKWARD, b"", b"with a line end\n", b"x" * 100_000])
def test_a_value_from_standard_input_comes_back_byte_for_byte(
    run: Run, server: str, value: bytes
) -> None:
    assert run("set", "file", "-s", server, stdin=value).status == 0
    assert run("get", "file", "-s", server) == (0, value, "")


def test_a_value_is_stored_as_bytes_with_flags_0(run: Run, server: str) -> None:
    run("set", "number", "42", "-s", server)
    with mcclient.Client(server) as mc:
        item = mc.gets("number")
    assert item is not None
    assert (item.value, item.flags) == (b"42", 0)


def test_an_item_of_any_kind_can_be_shown(run: Run, server: str) -> None:
    with mcclient.Client(server) as mc:
        mc.execute(classic.Set("pickle", b"\x80\x05.", flags=1))
    assert run("get", "pickle", "-s", server) == (0, b"\x80\x05.", "")


def test_several_keys_come_as_a_table_in_which_nothing_is_hidden(run: Run, server: str) -> None:
    run("set", "a", "one", "-s", server)
    run("set", "b", "-s", server, stdin=b"two\x1b[2J\xff\n")
    status, out, err = run("get", "a", "b", "c", "-s", server)
    assert (status, err) == (1, "mcclient get: c: not found\n")
    assert out.decode().splitlines() == [
        "key  flags  bytes  value",
        "a        0      3  one",
        r"b        0      9  two\x1b[2J\xff\n",
    ]


def test_json_has_every_key_and_null_for_a_miss(run: Run, server: str) -> None:
    run("set", "text", "caf\u00e9", "-s", server)
    run("set", "bytes", "-s", server, stdin=b"\xff\x00")
    status, out, err = run("get", "text", "bytes", "none", "--json", "-s", server)
    assert (status, err) == (1, "")
    assert json.loads(out) == {
        "text": {"value": "caf\u00e9", "flags": 0},
        "bytes": {"base64": "/wA=", "flags": 0},
        "none": None,
    }


def test_set_and_delete_can_answer_in_json(run: Run, server: str) -> None:
    status, out, _ = run("set", "k", "v", "--json", "-s", server)
    assert (status, json.loads(out)) == (0, {"k": True})
    status, out, _ = run("delete", "k", "none", "--json", "-s", server)
    assert (status, json.loads(out)) == (1, {"k": True, "none": False})


def test_delete_says_which_keys_were_not_there(run: Run, server: str) -> None:
    run("set", "k", "v", "-s", server)
    assert run("delete", "none", "k", "-s", server) == (
        1,
        b"",
        "mcclient delete: none: not found\n",
    )
    assert run("get", "k", "-s", server).status == 1


def test_options_may_stand_anywhere(run: Run, server: str) -> None:
    assert run("set", "k", "--ttl", "60", "v", "-s", server).status == 0
    assert run("get", "k", "-s", server, "none").status == 1
    assert run("set", "-s", server, "k", "-5").status == 0
    assert run("get", "-s", server, "k").out == b"-5"
    assert run("set", "-s", server, "--", "--k", "--v").status == 0
    assert run("get", "-s", server, "--", "--k").out == b"--v"


@pytest.mark.parametrize(
    ("ttl", "seconds"),
    [("90", 90), ("90s", 90), ("1.5m", 90), ("12h", 43_200), ("7d", 604_800), ("0.2", 1)],
)
def test_a_ttl_has_units(run: Run, server: str, ttl: str, seconds: int) -> None:
    assert run("set", "k", "v", "--ttl", ttl, "-s", server).status == 0
    with mcclient.Client(server) as mc:
        hit = mc.execute(meta.Get("k", t=True))
    assert hit is not None
    left = hit.number("t")
    assert left is not None
    assert seconds - 2 <= left <= seconds


def test_what_the_server_does_not_store_is_status_1(run: Run, server: str) -> None:
    status, out, err = run("set", "big", "-s", server, stdin=bytes(2 << 20))
    assert (status, out) == (1, b"")
    assert "too large" in err


@pytest.mark.parametrize(
    ("argv", "argument"),
    [
        (("get",), "KEY"),
        (("get", "two words"), "KEY"),
        (("get", "k" * 251), "KEY"),
        (("delete", "fine", ""), "KEY"),
        (("set", "line\nbreak", "v"), "KEY"),
        (("set", "k", "v", "--ttl", "soon"), "--ttl"),
        (("set", "k", "v", "--ttl", "-1"), "--ttl"),
        (("set", "k", "v", "--ttl", "nan"), "--ttl"),
        (("set", "k", "v", "--ttl", "100000d"), "--ttl"),
        (("set", "k", "v", "w"), "w"),
        (("get", "k", "-s", "host:port"), "-s"),
        (("get", "k", "-s", "host", "-s", "host:11211"), "-s"),
        (("get", "k", "--jso"), "--jso"),
        (("get", "k", "--frob"), "--frob"),
    ],
)
def test_a_mistake_is_named_in_one_line(run: Run, argv: tuple[str, ...], argument: str) -> None:
    status, out, err = run(*argv)
    assert (status, out) == (2, b"")
    assert err.count("\n") == 1
    assert err.startswith(f"mcclient {argv[0]}: ")
    assert argument in err


@pytest.mark.parametrize("command", [("get", "k"), ("set", "k", "v"), ("delete", "k"), ("stats",)])
def test_no_server_is_status_3(run: Run, nobody: str, command: tuple[str, ...]) -> None:
    status, out, err = run(*command, "-s", nobody)
    assert (status, out) == (3, b"")
    assert err.count("\n") == 1
    assert nobody in err


def test_what_the_other_servers_have_is_shown_all_the_same(
    run: Run, server: str, nobody: str
) -> None:
    keys = [f"key:{number}" for number in range(20)]
    with mcclient.Client([server, nobody], on_unavailable="miss") as mc:
        for key in keys:
            try:
                mc.set(key, key.encode())
            except mcclient.ServerUnavailable:
                pass
        there = mc.get_multi(keys)
    assert 0 < len(there) < 20
    status, out, err = run("get", *keys, "--json", "-s", server, "-s", nobody)
    assert status == 3
    # Whether the others exist cannot be said, so nothing is said of them.
    assert list(json.loads(out)) == list(there)
    assert nobody in err
    status, out, err = run("delete", *keys, "--json", "-s", server, "-s", nobody)
    assert status == 3
    assert json.loads(out) == dict.fromkeys(there, True)
    assert nobody in err


@pytest.mark.parametrize("between", [",", " ", ", "])
def test_servers_come_from_the_environment(
    run: Run, server: str, nobody: str, monkeypatch: pytest.MonkeyPatch, between: str
) -> None:
    monkeypatch.setenv("MEMCACHED_SERVERS", server)
    assert run("set", "k", "v").status == 0
    assert run("get", "k").out == b"v"
    monkeypatch.setenv("MEMCACHED_SERVERS", between.join([server, nobody]))
    assert list(json.loads(run("stats", "--json").out)) == [server]
    # What is typed comes first.
    assert run("get", "k", "-s", nobody).status == 3


def test_a_bad_address_in_the_environment_is_a_usage_error(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMCACHED_SERVERS", "127.0.0.1:11211,nowhere:x")
    status, _, err = run("get", "k")
    assert status == 2
    assert err.startswith("mcclient get: MEMCACHED_SERVERS: 'nowhere:x'")


def test_a_key_need_not_be_text(start: Start, server: str) -> None:
    key = os.fsdecode(b"\xff\xfe")
    assert start("set", key, "v", "-s", server).wait(30) == 0
    get = start("get", key, "-s", server)
    assert get.communicate(timeout=30) == (b"v", b"")


def test_only_a_terminal_gets_a_line_end(run: Run, start: Start, embedded: str) -> None:
    run("set", "k", "hello", "-s", embedded)
    ours, theirs = pty.openpty()
    try:
        assert start("get", "k", "-s", embedded, stdout=theirs).wait(30) == 0
        assert os.read(ours, 100) == b"hello\r\n"
    finally:
        os.close(ours)
        os.close(theirs)
