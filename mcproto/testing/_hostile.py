"""What no peer should say: byte streams that lie, break off, never end, or are another protocol's.

Only bytes, and no idea of what is right about them: whoever reads them must come to events or a
`mcproto.ProtocolError`, in bounded time and memory.
"""

from __future__ import annotations

from struct import pack

from hypothesis import strategies as st

from mcproto import classic

from ._commands import KINDS, U32, U64, check_protocol, commands, keys, values
from ._conversations import conversations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["hostile"]

# Numbers as no peer should write them, and some that it may.
_NUMBERS = [
    b"0", b"1", b"2", b"7", b"-1", b"+5", b"0x5", b"5_0", b"007", b"1e3", b"1.0", b"\xb2", b"",
    b"2147483645", b"2147483646", b"2147483648", b"4294967296", b"1099511627776",
    b"18446744073709551615", b"18446744073709551616", b"9" * 21, b"9" * 5000,
]  # fmt: skip

_FROM_SERVERS = (
    b"VALUE END STORED NOT_STORED EXISTS NOT_FOUND DELETED TOUCHED OK RESET VERSION STAT ITEM "
    b"PREFIX ERROR CLIENT_ERROR SERVER_ERROR SERVER_ERROR: HD VA EN NF NS EX ME MN BUSY Error "
    b"k k l kk aw== f0 c7 t-1 s2 h1 l5 O1 O2 W X Z b k=v exp=-1".split()
)
_FROM_CLIENTS = (
    b"get gets gat gats set add replace append prepend cas delete touch incr decr flush_all "
    b"verbosity version stats quit mg ms md ma me mn GET bogus lru watch shutdown noreply "
    b"k k l aw== v q b c O O1 T30 Tx C1 M MA N0 ! zz abc items HTTP/1.1 \xff \x00".split()
)
_ENDINGS = [b"\r\n", b"\r\n", b"\r\n", b"\n", b" \r\n", b"\r\r\n", b"\r", b""]

# The first bytes of who has come to the wrong door.
_FOREIGN = [
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + bytes(range(64)),
    b"*1\r\n$4\r\nPING\r\n",
    b"-ERR unknown command\r\n",
    b"EHLO localhost\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"\x80\x0a" + bytes(22),
    b"\x81\x0a" + bytes(22),
    b"\x81\x00\x00\x00\x04\x00\x00\x00\xff\xff\xff\xff" + bytes(12),
]

_without_end = st.sampled_from(
    [b"x" * 2048, b"x" * 2049, b"x" * 8193, b"get " + b"k " * 2000, b"VERSION " + b"x" * 9000]
)


@st.composite
def _lines(draw: DrawFn, words: Sequence[bytes]) -> bytes:
    """A line that may be one of the protocol's, with whatever may stand behind one."""
    some = draw(st.lists(st.sampled_from(words) | st.sampled_from(_NUMBERS) | keys(), max_size=7))
    blank = draw(st.sampled_from([b" ", b" ", b" ", b"  "]))
    first = draw(st.sampled_from([b"", b"", b"", b" "]))
    return first + blank.join(some) + draw(st.sampled_from(_ENDINGS))


@st.composite
def _blocks(draw: DrawFn, heads: Sequence[bytes]) -> bytes:
    """A block whose announced length is a lie more often than not."""
    block = draw(st.binary(max_size=20))
    size = draw(st.just(b"%d" % len(block)) | st.sampled_from(_NUMBERS))
    return draw(st.sampled_from(heads)) % size + b"\r\n" + block + draw(st.sampled_from(_ENDINGS))


_FROM_SERVERS_WITH_BLOCKS = [b"VALUE k 0 %b", b"VALUE k 0 %b 7", b"VA %b", b"VA %b kk O1 f0"]
_FROM_CLIENTS_WITH_BLOCKS = [
    b"set k 0 0 %b",
    b"set k 0 0 %b noreply",
    b"add k 1 0 %b",
    b"cas k 0 0 %b 7",
    b"ms k %b",
    b"ms k %b q Oabc",
    b"ms aw== %b b MA",
]


@st.composite
def _mutated(draw: DrawFn, stream: SearchStrategy[bytes], words: Sequence[bytes]) -> bytes:
    """A good stream with pieces replaced, dropped or said twice, or cut off."""
    data = draw(stream)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 12)))
        piece = st.sampled_from(words) | st.sampled_from(_NUMBERS) | st.binary(max_size=5)
        match draw(st.sampled_from(["replace", "replace", "drop", "repeat", "cut off"])):
            case "replace":
                data = data[:start] + draw(piece) + data[end:]
            case "drop":
                data = data[:start] + data[end:]
            case "repeat":
                data = data[:end] + data[start:]
            case _:
                data = data[:start]
    return data


_spoken = st.lists(
    commands(kinds=[kind for kind in KINDS["text"] if kind is not classic.Quit]), max_size=5
).map(lambda some: b"".join([command.encode() for command in some]))
_answered = conversations().map(lambda some: b"".join([answer.wire for answer in some]))


def _from(
    good: SearchStrategy[bytes], words: Sequence[bytes], heads: Sequence[bytes]
) -> SearchStrategy[bytes]:
    parts = st.one_of(good, _lines(words), _blocks(heads), st.binary(max_size=12), _without_end)
    return st.one_of(
        _mutated(good, words),
        st.lists(parts, max_size=6).map(b"".join),
        st.sampled_from(_FOREIGN),
        st.binary(max_size=100),
    )


_OPCODES = st.sampled_from([*range(0x25), 0x30, 0x3C, 0xFF])
_SHORT = st.integers(0, 9) | st.sampled_from([24, 250, 251, 0xFFFF])
_LONG = st.integers(0, 30) | st.sampled_from([4096, 1 << 20, 1 << 30, (1 << 32) - 1])


@st.composite
def _frames(draw: DrawFn, magic: int) -> bytes:
    """A header and perhaps what it announces; its numbers agree, or they do not."""
    extras, key, value = draw(st.binary(max_size=8)), draw(st.binary(max_size=5)), draw(values())
    body = len(extras) + len(key) + len(value)
    lies = draw(st.booleans())
    head = pack(
        ">BBHBBHIIQ",
        draw(st.sampled_from([magic, magic, magic, magic ^ 1, 0x67])),
        draw(_OPCODES),
        draw(_SHORT) if lies else len(key),
        draw(st.integers(0, 255)) if lies else len(extras),
        draw(st.sampled_from([0, 0, 1])),
        draw(st.sampled_from([0, 0, 0, 1, 2, 4, 5, 0x20, 0x21, 0x81, 0xFFFF])),
        draw(_LONG) if lies else body,
        draw(st.integers(0, 3) | U32),
        draw(U64),
    )
    return head + extras + key + value


def _frames_from(magic: int) -> SearchStrategy[bytes]:
    spoken = commands(protocol="binary").map(lambda command: command.encode())
    good = _frames(magic) if magic == 0x81 else _frames(magic) | spoken
    words = [b"\x80", b"\x81", b"\0", b"\xff", bytes(4), b"\xff" * 4, bytes(24), b"get k\r\n"]
    return st.one_of(
        st.lists(good, max_size=4).map(b"".join),
        _mutated(st.lists(good, min_size=1, max_size=3).map(b"".join), words),
        st.sampled_from(_FOREIGN),
        st.binary(max_size=100),
    )


def hostile(
    *,
    protocol: Literal["text", "binary"] = "text",
    role: Literal["client", "server"] | None = None,
) -> SearchStrategy[bytes]:
    """Any bytes that may arrive, and rather those that are nearly right.

    Good streams with pieces replaced; lengths that lie, numbers of thousands of digits, lines
    without end; other protocols' first words; noise.  No more than some 60 KB at a time.

    Args:
        protocol: what the peer is taken to speak.
        role: the peer's. None: either.
    """
    check_protocol(protocol)
    if role not in ("client", "server", None):
        raise ValueError(f"role must be 'client' or 'server', not {role!r}")
    if protocol == "binary":
        from_client, from_server = _frames_from(0x80), _frames_from(0x81)
    else:
        from_client = _from(_spoken, _FROM_CLIENTS, _FROM_CLIENTS_WITH_BLOCKS)
        from_server = _from(_answered, _FROM_SERVERS, _FROM_SERVERS_WITH_BLOCKS)
    if role is None:
        return from_client | from_server
    return from_client if role == "client" else from_server
