"""What people read: lines that any encoding can carry, bars of a certain length, tables."""

from __future__ import annotations

import io

import pytest

from mcclient.cli._screen import Screen, duration, escaped, table


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def __init__(self, encoding: str) -> None:
        self.bytes = io.BytesIO()
        super().__init__(self.bytes, encoding=encoding, newline="")

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _a_capable_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.parametrize(
    ("encoding", "share", "bar"),
    [
        ("utf-8", 0, "    "),
        ("utf-8", 1, "████"),
        ("utf-8", 0.5, "██  "),
        ("utf-8", 0.53, "██▏ "),
        ("utf-8", 1.5, "████"),
        ("ascii", 0, "    "),
        ("ascii", 1, "####"),
        ("ascii", 0.53, "##  "),
        ("latin-1", 0.5, "##  "),
    ],
)
def test_a_bar_is_as_long_as_its_share(encoding: str, share: float, bar: str) -> None:
    assert Screen(Terminal(encoding)).bar(share, 4) == bar


def test_what_an_encoding_lacks_is_escaped() -> None:
    terminal = Terminal("ascii")
    Screen(terminal).lines("caf\u00e9", "\N{FULL BLOCK}")
    assert terminal.bytes.getvalue() == rb"caf\xe9" + b"\n" + rb"\u2588" + b"\n"


def test_progress_leaves_no_trace_on_a_terminal() -> None:
    terminal = Terminal("ascii")
    screen = Screen(terminal)
    screen.progress("half")
    screen.erase()
    screen.lines("done")
    erase = b"\r\x1b[K"
    assert terminal.bytes.getvalue() == erase + b"half" + erase + b"done\n"


def test_progress_is_plain_lines_where_nothing_can_be_erased(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    terminal = Terminal("ascii")
    screen = Screen(terminal)
    screen.progress("half")
    screen.erase()
    assert terminal.bytes.getvalue() == b"half\n"


def test_nothing_is_bold_for_those_who_want_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Screen(Terminal("ascii")).strong("x") == "\x1b[1mx\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert Screen(Terminal("ascii")).strong("x") == "x"
    assert Screen(io.StringIO()).strong("x") == "x"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 us"),
        (0.00042, "420 us"),
        (0.0042, "4.2 ms"),
        (0.42, "420 ms"),
        (4.2, "4.20 s"),
    ],
)
def test_a_duration_has_the_unit_that_suits_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"plain text", "plain text"),
        ("caf\u00e9".encode(), "caf\u00e9"),
        (b"a\nb\t\x00", r"a\nb\t\x00"),
        (b"\x1b[2J", r"\x1b[2J"),
        (b"\xff\xfe", r"\xff\xfe"),
        ("\u202e".encode(), r"\u202e"),
    ],
)
def test_data_cannot_command_the_terminal(data: bytes, text: str) -> None:
    assert escaped(data) == text


def test_a_table_has_straight_columns() -> None:
    assert table([("name", "n"), ("a", "1"), ("long name", "10")], "<>") == [
        "name        n",
        "a           1",
        "long name  10",
    ]
