"""Replies -> binary frames, as servers write them.

The twin of `_write_replies`; opcode and opaque are those of the request.
"""

from __future__ import annotations

from ._binary_frames import HEADER, REPLY, reply_of, text_of_status
from ._errors import InvalidArgument
from ._parts import gathered
from ._replies import BinaryReply, ErrorReply, Stats
from ._tokens import U64, checked_int, checked_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._binary_command import BinaryCommand
    from ._read_binary_commands import BadFrame
    from ._replies import Reply

_U16 = (1 << 16) - 1


def write_binary_reply(asked: BinaryCommand[object] | BadFrame, reply: Reply) -> tuple[bytes, ...]:
    """The reply to *asked* as it goes over the wire, a large value apart.

    Raises:
        InvalidArgument: a number of it does not fit its place, or a statistic has no name, or one
            that is no text.
    """
    if isinstance(reply, ErrorReply):
        reply = reply_of(reply)
    if isinstance(reply, Stats):
        statistics = [part for entry in reply.entries.items() for part in _statistic(asked, *entry)]
        return gathered([*statistics, *_frame(asked, BinaryReply())])
    assert isinstance(reply, BinaryReply)  # no other answers a binary command
    return gathered(_frame(asked, reply))


def _statistic(asked: BinaryCommand[object] | BadFrame, name: str, value: str) -> tuple[bytes, ...]:
    key = checked_text("name", name)
    if not 0 < len(key) <= _U16:
        # Without one it would be the end of them.
        raise InvalidArgument(f"the name of a statistic must be 1 to {_U16} bytes: {name[:80]!r}")
    return _frame(asked, BinaryReply(key=key, value=checked_text("value", value)))


def _frame(asked: BinaryCommand[object] | BadFrame, reply: BinaryReply) -> tuple[bytes, ...]:
    extras, key, value = reply.extras, reply.key, reply.value
    if not (value or key):
        value = text_of_status(reply.status)
    head = HEADER.pack(
        REPLY,
        asked.opcode,
        len(key),
        len(extras),
        0,
        checked_int("status", reply.status, 0, _U16),
        len(extras) + len(key) + len(value),
        asked.opaque,
        checked_int("cas", reply.cas, 0, U64),
    )
    return b"%b%b%b" % (head, extras, key), value
