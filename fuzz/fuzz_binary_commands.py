#!/usr/bin/env python3
"""Atheris on `binary_commands`: what reaches new lines is kept and changed further.

    python fuzz/fuzz_binary_commands.py -runs=100000 FOUND fuzz/corpus/binary_commands

FOUND is a folder of yours for what is kept.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

# (As installed, mcproto is found without this.)
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

with atheris.instrument_imports(include=["mcproto"]):
    from fuzz.binary import binary_commands

    binary_commands(b"")  # what loads at first use is to be watched as well


def main() -> None:
    atheris.Setup(sys.argv, binary_commands)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
