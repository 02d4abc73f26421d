"""Every operation of a client, and what a server says to it: by hand, byte for byte.

The key is always ``k``, and there is one server.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from mcclient import CasItem


class Exchange(NamedTuple):
    """One operation.

    Attributes:
        call: what is called.
        meta, classic: the answers to its requests, in order, in either dialect; see
            `scripted.Request.fill`. ``b""`` is none.
        result: what comes of them.
        is_read: it changes nothing, so it may be asked twice.
        key: it is about one key.
    """

    name: str
    call: Callable[[Any], Any]
    meta: tuple[bytes, ...]
    classic: tuple[bytes, ...]
    result: Any
    is_read: bool = False
    key: bytes | None = b"k"

    def answers(self, protocol: str) -> tuple[bytes, ...]:
        return self.meta if protocol == "meta" else self.classic

    def __repr__(self) -> str:
        return self.name


HD = (b"HD O<O>\r\n",)
QUIET = (b"", b"MN\r\n")
STORED = (b"STORED\r\n",)
VA = (b"VA 1 f0 O<O>\r\nv\r\n",)
VALUE = (b"VALUE k 0 1\r\nv\r\nEND\r\n",)
FIVE = (b"VA 1 O<O>\r\n5\r\n",)

EXCHANGES = [
    Exchange("get", lambda mc: mc.get("k"), VA, VALUE, b"v", is_read=True),
    Exchange(
        "gets",
        lambda mc: mc.gets("k"),
        (b"VA 1 c7 f0 O<O>\r\nv\r\n",),
        (b"VALUE k 0 1 7\r\nv\r\nEND\r\n",),
        CasItem("k", b"v", 0, 7),
        is_read=True,
    ),
    Exchange("gat", lambda mc: mc.gat("k", 9), VA, VALUE, b"v"),
    Exchange(
        "get_multi",
        lambda mc: mc.get_multi(["k"]),
        VALUE,
        VALUE,
        {"k": b"v"},
        is_read=True,
        key=None,
    ),
    Exchange("set", lambda mc: mc.set("k", b"v"), HD, STORED, True),
    Exchange("set_large", lambda mc: mc.set("k", bytes(50_000)), HD, STORED, True),
    Exchange("add", lambda mc: mc.add("k", b"v"), HD, STORED, True),
    Exchange("replace", lambda mc: mc.replace("k", b"v"), HD, STORED, True),
    Exchange("append", lambda mc: mc.append("k", b"v"), HD, STORED, True),
    Exchange("prepend", lambda mc: mc.prepend("k", b"v"), HD, STORED, True),
    Exchange("cas", lambda mc: mc.cas("k", b"v", 7), HD, STORED, True),
    Exchange("set_multi", lambda mc: mc.set_multi({"k": b"v"}), QUIET, STORED, [], key=None),
    Exchange("delete", lambda mc: mc.delete("k"), HD, (b"DELETED\r\n",), True),
    Exchange(
        "delete_multi",
        lambda mc: mc.delete_multi(["k"]),
        QUIET,
        (b"DELETED\r\n",),
        True,
        key=None,
    ),
    Exchange("incr", lambda mc: mc.incr("k"), FIVE, (b"5\r\n",), 5),
    Exchange("decr", lambda mc: mc.decr("k"), FIVE, (b"5\r\n",), 5),
    Exchange("incr_initial", lambda mc: mc.incr("k", initial=1), FIVE, (b"5\r\n",), 5),
    Exchange("touch", lambda mc: mc.touch("k", 9), HD, (b"TOUCHED\r\n",), True),
    Exchange("flush_all", lambda mc: mc.flush_all(), (b"OK\r\n",), (b"OK\r\n",), True, key=None),
]

READS = [exchange for exchange in EXCHANGES if exchange.is_read]
WRITES = [exchange for exchange in EXCHANGES if not exchange.is_read]
