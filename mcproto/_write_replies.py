"""Replies -> bytes, as servers write them.

Every reply is written whole, by its own form alone: which reply a command may get, and when the
server keeps silent, is `ServerConnection`'s business.
"""

from __future__ import annotations

from ._errors import InvalidArgument
from ._parts import gathered, in_parts
from ._replies import ErrorReply, MetaReply, Number, Stats, Status, Text, Values
from ._tokens import checked_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._replies import Reply


def write_reply(reply: Reply, word: str = "STAT") -> tuple[bytes, ...]:
    """The reply as it goes over the wire, large values apart.

    Args:
        word: what lines of statistics begin with.

    Raises:
        InvalidArgument: a line of it would hold another line, or be read as something else.
    """
    if isinstance(reply, Values):
        return gathered(_values(reply))
    if isinstance(reply, MetaReply):
        return _meta_reply(reply)
    return (_in_one_piece(reply, word),)


def _in_one_piece(reply: Reply, word: str) -> bytes:
    if isinstance(reply, Status):
        return reply.value + b"\r\n"
    if isinstance(reply, Number):
        return b"%d\r\n" % reply.value
    if isinstance(reply, ErrorReply):
        return _line(
            checked_text("reply", f"{reply.kind} {reply.message}" if reply.message else reply.kind)
        )
    if isinstance(reply, Text):
        return _line(b"VERSION " + checked_text("reply", reply.text))
    assert isinstance(reply, Stats)  # the replies to a flight are written one by one
    head = word.encode()
    lines = [
        _line(b"%b %b %b" % (head, _name(n), checked_text("reply", v)))
        for n, v in reply.entries.items()
    ]
    return b"".join(lines) + b"END\r\n"


def _values(reply: Values) -> list[bytes]:
    parts: list[bytes] = []
    for item in reply.items:
        value = item.value
        if item.cas is None:
            head = b"VALUE %b %d %d" % (item.key, item.flags, len(value))
        else:
            head = b"VALUE %b %d %d %d" % (item.key, item.flags, len(value), item.cas)
        parts += (_line(head), value, b"\r\n")
    parts.append(b"END\r\n")
    return parts


def _meta_reply(reply: MetaReply) -> tuple[bytes, ...]:
    words = [reply.code.encode()]
    if reply.code == "ME":
        # The key, then what is known of the item.
        (_, key), *pairs = reply.flags
        words.append(key or b"")
        words += [_pair(name, value or b"") for name, value in pairs]
        return (_line(b" ".join(words)),)
    value = reply.value
    if value is not None:
        words.append(b"%d" % len(value))
    for letter, argument in reply.flags:
        words.append(letter.encode() if argument is None else letter.encode() + argument)
    line = _line(b" ".join(words))
    return (line,) if value is None else in_parts(line, value)


def _line(content: bytes) -> bytes:
    # A key or a message with a line end in it would be a second reply.
    if b"\n" in content:
        raise InvalidArgument(f"reply must not hold a line end: {content[:80]!r}")
    return content + b"\r\n"


def _pair(name: str, value: bytes) -> bytes:
    if "=" in name or b" " in value:
        raise InvalidArgument(f"reply must not hold a pair that reads as another: {name}={value!r}")
    return b"%b=%b" % (_name(name), value)


def _name(name: str) -> bytes:
    # What is behind the blank would be read as the value.
    if " " in name:
        raise InvalidArgument(f"reply must not hold a name with a blank: {name!r}")
    return checked_text("reply", name)
