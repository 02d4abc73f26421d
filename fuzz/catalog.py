"""All targets there are, by name, with what a driver must know to make inputs up for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from fuzz import binary, datagrams, targets
from fuzz.mutate import Mutator
from mcproto import Command

__all__ = ["CATALOG", "CORPUS", "Target"]

CORPUS = Path(__file__).parent / "corpus"


class Target(NamedTuple):
    """One promise, and the inputs that try it.

    Attributes:
        promise: raises if the bytes break it.
        corpus: the folder of its seeds.
        side: whose ear it is that hears the bytes: ``"client"``, ``"server"`` or ``"both"``.
        words: what inputs are put together from.
        letters: of the commands that may be asked for in the first line; "": there is no such line.
        is_binary: the inputs have fields of fixed size instead of lines.
        kinds: the commands that the first byte of an input chooses from, if it does.
    """

    promise: Callable[[bytes], None]
    corpus: str
    side: str
    words: Sequence[bytes] = targets.WORDS
    letters: str = ""
    is_binary: bool = False
    kinds: Sequence[type[Command[object]]] = ()

    def seeds(self) -> list[bytes]:
        """The files of the corpus, in order."""
        return [path.read_bytes() for path in sorted((CORPUS / self.corpus).iterdir())]

    def mutator(self) -> Mutator:
        return Mutator(self.seeds(), self.words, letters=self.letters, is_binary=self.is_binary)

    def parser(self, data: bytes) -> str:
        """Whose grammar an input tries first: ``"classic"``, ``"binary"``, ``"udp"``..."""
        if self.kinds:
            kind = self.kinds[data[0] % len(self.kinds) if data else 0]
            return kind.__module__.rpartition(".")[2]
        if self.is_binary:
            return self.corpus.partition("_")[0]
        if self.letters:
            asked = data.partition(b"\n")[0].decode("latin-1")
            first = next((letter for letter in asked if letter in targets.COMMANDS), "")
            return "meta" if first in targets.META_LETTERS else "classic"
        words = data.split(None, 1)
        return "meta" if words and words[0] in targets.META_VERBS else "classic"


_LETTERS = "".join(targets.COMMANDS)

CATALOG: dict[str, Target] = {
    "replies": Target(targets.replies, "replies", "client", letters=_LETTERS),
    "split": Target(targets.split, "replies", "client", letters=_LETTERS),
    "doors": Target(targets.doors, "replies", "client", letters=_LETTERS),
    "roundtrip": Target(targets.roundtrip, "replies", "both", letters=_LETTERS),
    "commands": Target(targets.commands, "commands", "server"),
    "exchange": Target(
        targets.exchange, "text_exchange", "both", is_binary=True, kinds=targets.KINDS
    ),
    "binary_replies": Target(
        binary.binary_replies,
        "binary_replies",
        "client",
        binary.REPLY_WORDS,
        letters="".join(binary.COMMANDS),
        is_binary=True,
    ),
    "binary_commands": Target(
        binary.binary_commands, "binary_commands", "server", binary.REQUEST_WORDS, is_binary=True
    ),
    "binary_exchange": Target(
        binary.binary_exchange, "binary_exchange", "both", is_binary=True, kinds=binary.KINDS
    ),
    "datagram_replies": Target(
        datagrams.datagram_replies,
        "udp",
        "client",
        datagrams.WORDS,
        letters="".join(datagrams.COMMANDS),
        is_binary=True,
    ),
    "datagram_requests": Target(
        datagrams.datagram_requests, "udp", "server", datagrams.WORDS, is_binary=True
    ),
}
