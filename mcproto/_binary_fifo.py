"""Which binary reply answers which command.

As `Fifo` does for text, with two differences: every reply says by opcode and opaque whom it
answers, refusals too; and the opcode of a quiet command is no other's, so that a reply to one that
is certain to be answered is never mistaken.
"""

from __future__ import annotations

from ._binary_command import BinaryCommand
from ._binary_frames import read_body, read_header
from ._errors import ProtocolDesync
from ._fifo import Fifo
from ._replies import NEED_DATA, NO_REPLY, BinaryReply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._binary_frames import Header
    from ._buffer import ReceiveBuffer
    from ._read_replies import Limits
    from ._replies import NeedData, NoReply, Reply

__all__ = ["BinaryFifo"]


class BinaryFifo(Fifo):
    """What is owed on a binary connection, oldest first."""

    __slots__ = ()

    def _read(self, buffer: ReceiveBuffer, limits: Limits) -> Reply | NoReply | NeedData:
        if self._silent:
            self._silent -= 1
            return NO_REPLY
        if self._found is not None:
            found, self._found = self._found, None
            return found
        oldest = self.commands[0]
        if oldest.noreply:
            return NO_REPLY
        if not oldest.quiet:
            reply = oldest.read(buffer, self._progress, limits)
            if reply is not NEED_DATA:
                self._progress.clear()
            return reply
        if not self._progress:
            header = read_header(buffer)
            if header is NEED_DATA:
                return NEED_DATA
            place, command = self._addressee(header)
            command.check(header, limits)
            self._progress.append(header)
            if not command.quiet:
                # It reads the rest for itself, once the silent ones are settled.
                self._silent = place
                return self._read(buffer, limits)
        # Of quiet commands none but retrievals are told of their success.
        reply = read_body(buffer, self._progress, has_item=True)
        if reply is NEED_DATA:
            return NEED_DATA
        self._silent = self._owner(self._progress[0], reply)
        self._progress.clear()
        self._found = reply
        return self._read(buffer, limits)

    def _addressees(self, header: Header) -> Iterator[tuple[int, BinaryCommand[object]]]:
        """Whom a reply that begins so can answer: each of them, unless a key in it says more."""
        for place, command in self._candidates():
            assert isinstance(command, BinaryCommand)  # the connection sends nothing else
            if command.is_answered_by(header):
                yield place, command

    def _addressee(self, header: Header) -> tuple[int, BinaryCommand[object]]:
        for found in self._addressees(header):
            return found
        _, opcode, _, _, _, _, _, opaque, _ = header
        raise ProtocolDesync(
            f"a reply to opcode {opcode:#04x} and opaque {opaque:#x} answers none of "
            f"{len(self.commands)} commands"
        )

    def _owner(self, header: Header, reply: BinaryReply) -> int:
        """The index of the quiet command that *reply* answers; the ones before it are silent.

        One that could be another's is nobody's: neither an item nor a refusal is given by guess.
        """
        owners = ((place, c) for place, c in self._addressees(header) if c.owns(reply))
        for place, command in owners:
            if not command.is_named and any(True for _ in owners):
                break
            return place
        raise ProtocolDesync(
            f"{reply!r} may answer several commands, or none: quiet ones need opaques of their own"
        )
