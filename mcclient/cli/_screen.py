"""Where people read: lines, tables, bars.

Knows how wide the screen is and which characters its encoding has; without blocks, bars are made
of ``#``.  Knows nothing of what the numbers mean.
"""

from __future__ import annotations

import os
import shutil
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Sequence
    from typing import TextIO

__all__ = ["Screen", "complain", "duration", "escaped", "table"]

# Eighths of a block, none to all.
_BLOCKS = " ▏▎▍▌▋▊▉█"
_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"
_ERASE = "\r\x1b[K"


class Screen:
    """A stream that people read; standard output by default.

    Attributes:
        width: its columns; 80 where there is no telling.
        is_terminal: whether it is one that can do more than write lines.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stdout if stream is None else stream
        self._encoding = self._stream.encoding or "ascii"
        self.width = shutil.get_terminal_size((80, 24)).columns
        self.is_terminal = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._has_bold = self.is_terminal and "NO_COLOR" not in os.environ
        self._has_blocks = self._shown(_BLOCKS) == _BLOCKS

    def lines(self, *lines: str) -> None:
        """Write each of the *lines*, at once. What the encoding lacks is escaped."""
        self._stream.write("".join([self._shown(line) + "\n" for line in lines]))
        self._stream.flush()

    def progress(self, text: str) -> None:
        """Show *text* until the next one or `erase`; where nothing can be erased, as a line."""
        if not self.is_terminal:
            self.lines(text)
            return
        self._stream.write(_ERASE + self._shown(text)[: self.width - 1])
        self._stream.flush()

    def erase(self) -> None:
        """Take the progress away."""
        if self.is_terminal:
            self._stream.write(_ERASE)
            self._stream.flush()

    def strong(self, text: str) -> str:
        """*text* in bold, where there is such a thing."""
        return f"{_BOLD}{text}{_PLAIN}" if self._has_bold else text

    def bar(self, share: float, width: int) -> str:
        """A bar as long as *share* (0 to 1) of *width* columns, and blanks up to these."""
        share = min(max(share, 0.0), 1.0)
        if self._has_blocks:
            whole, eighths = divmod(round(share * width * 8), 8)
            return (_BLOCKS[-1] * whole + _BLOCKS[eighths].strip()).ljust(width)
        return ("#" * round(share * width)).ljust(width)

    def _shown(self, text: str) -> str:
        return text.encode(self._encoding, "backslashreplace").decode(self._encoding)


def complain(options: Namespace, message: str) -> None:
    """Say in one line on standard error what is wrong, and which command says so."""
    print(f"{options.prog}: {' '.join(message.split())}", file=sys.stderr, flush=True)


def table(rows: Iterable[Sequence[str]], columns: str) -> list[str]:
    """The *rows* as lines, two blanks between columns.

    Args:
        columns: ``<`` or ``>`` for each column: where its texts stand.
    """
    rows = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            f"{text:{side}{width}}" for text, side, width in zip(row, columns, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def duration(seconds: float) -> str:
    """*seconds* in the unit that suits them, to two or three figures."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} us"
    if seconds < 0.1:
        return f"{seconds * 1e3:.1f} ms"
    if seconds < 1:
        return f"{seconds * 1e3:.0f} ms"
    return f"{seconds:.2f} s"


def escaped(data: bytes) -> str:
    """*data* in one line that no terminal takes for commands: text as it is, the rest escaped."""
    text = data.decode("utf-8", "backslashreplace")
    return "".join(
        [c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text]
    )
