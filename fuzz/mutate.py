"""Inputs for the targets: a file of the corpus changed here and there, or words put together.

Structured, since random bytes do not get past the first line; seeded, so that any of them can be
had again; plain Python and quick, for a million of them are wanted.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

__all__ = ["Mutator"]

_NUMBERS = [
    *b"0 1 2 3 5 7 -1 +5 0x5 5_0 007 1e3 64 250 251 511 512 4095 4096 4097 65535 65536 "
    b"2147483645 2147483646 2147483647 2147483648 4294967295 4294967296 1099511627776 "
    b"18446744073709551615 18446744073709551616 99999999999999999999 100000000000000000000".split(),
    b"",
    b"9" * 300,
    b"9" * 5000,
    b"\xb2",
]
_DIGITS = frozenset(b"0123456789")
# What is put into a header of numbers: small, large, and on the border.
_BINARY = [b"\x00", b"\x01", b"\x02", b"\x08", b"\x7f", b"\x80", b"\x81", b"\xff", b"\x14", b"\x18"]
_FIELDS = [
    bytes(2), bytes(4), bytes(8), b"\xff" * 2, b"\xff" * 4, b"\xff" * 8, b"\x00\x01",
    b"\x00\x00\x00\x04", b"\x00\x00\x00\x05", b"\x00\x00\x10\x00", b"\x40\x00\x00\x01",
]  # fmt: skip


class Mutator:
    """Makes inputs up.

    Args:
        seeds: files of the corpus.
        words: what the protocol consists of.
        letters: of the commands that the first line asks for; ``""``: there is no such line.
        is_binary: fields of fixed size, and no lines.
    """

    def __init__(
        self,
        seeds: Sequence[bytes],
        words: Sequence[bytes],
        *,
        letters: str = "",
        is_binary: bool = False,
    ) -> None:
        self._seeds = list(seeds) or [b""]
        self._words = list(words)
        self._letters = letters
        self._is_binary = is_binary

    def input(self, random: Random) -> bytes:
        """The next one: *random* decides everything."""
        if not self._is_binary and random.random() < 0.15:
            data = self._put_together(random)
        else:
            data = random.choice(self._seeds)
        change = self._change_binary if self._is_binary else self._change
        # Mostly one or two places, sometimes many.
        for _ in range(min(12, int(random.expovariate(0.6)) + (data in self._seeds))):
            data = change(random, data)
        return data

    def _put_together(self, random: Random) -> bytes:
        words = self._words
        lines = [
            b" ".join(random.choices(words, k=random.randint(1, 6)))
            + (b"\r\n" if random.random() < 0.9 else random.choice([b"\n", b"\r", b""]))
            for _ in range(random.randint(0, 6))
        ]
        if not self._letters:
            return b"".join(lines)
        asked = "".join(random.choices(self._letters, k=random.randint(1, 5)))
        return asked.encode() + b"\n" + b"".join(lines)

    def _change(self, random: Random, data: bytes) -> bytes:
        size = len(data)
        start = random.randint(0, size)
        end = min(size, start + random.randint(0, 8))
        way = random.random()
        if way < 0.3:
            return data[:start] + self._piece(random) + data[end:]
        if way < 0.45:
            return data[:start] + self._piece(random) + data[start:]
        if way < 0.55:
            return data[:start] + data[end:]
        if way < 0.65:  # say something twice
            end = min(size, start + random.randint(0, 40))
            return data[:end] + data[start:]
        if way < 0.8:  # another number
            first = next((at for at in range(start, size) if data[at] in _DIGITS), -1)
            if first < 0:
                return data + self._piece(random)
            last = first
            while last < size and data[last] in _DIGITS:
                last += 1
            return data[:first] + random.choice(_NUMBERS) + data[last:]
        if way < 0.87:  # the beginning of one, the end of another
            other = random.choice(self._seeds)
            return data[:start] + other[random.randint(0, len(other)) :]
        if way < 0.93 and size:  # one byte
            at = min(start, size - 1)
            return data[:at] + bytes([random.randrange(256)]) + data[at + 1 :]
        if way < 0.97 and self._letters:  # other questions, the same answers
            asked = "".join(random.choices(self._letters, k=random.randint(1, 4)))
            return asked.encode() + b"\n" + data.partition(b"\n")[2]
        return data[:start]

    def _piece(self, random: Random) -> bytes:
        kind = random.random()
        if kind < 0.5:
            return random.choice(self._words)
        if kind < 0.65:
            return random.choice([b"\r\n", b"\n", b"\r", b" ", b"  "])
        if kind < 0.8:
            return random.choice(_NUMBERS)
        if kind < 0.97:
            return random.randbytes(random.randint(1, 4))
        return random.choice(self._words) * random.choice([20, 200, 3000])

    def _change_binary(self, random: Random, data: bytes) -> bytes:
        size = len(data)
        start = random.randint(0, size)
        way = random.random()
        if way < 0.35 and size:
            at = min(start, size - 1)
            byte = random.choice(_BINARY) if way < 0.2 else bytes([random.randrange(256)])
            return data[:at] + byte + data[at + 1 :]
        if way < 0.55:
            field = random.choice(_FIELDS)
            return data[:start] + field + data[start + len(field) :]
        if way < 0.7:
            return data[:start] + random.choice(self._words) + data[start:]
        if way < 0.8:
            return data[:start] + data[start + random.randint(0, 24) :]
        if way < 0.9:
            other = random.choice(self._seeds)
            return data[:start] + other[random.randint(0, len(other)) :]
        if way < 0.95:
            return data[:start] + random.randbytes(random.randint(1, 8)) + data[start:]
        return data[:start]
