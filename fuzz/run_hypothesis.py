#!/usr/bin/env python3
"""Run the fuzz targets on inputs that hypothesis makes up. Needs no Atheris, and learns nothing.

    python fuzz/run_hypothesis.py [TARGET...] [--seconds N | --examples N]

Without a target all of them get their turn.  The exit status is 1 if a promise was broken; then
the smallest input that breaks it is printed.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from hypothesis import HealthCheck, Phase, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from fuzz.catalog import CATALOG, Target  # noqa: E402

# Between two rounds we look at the clock; within one, hypothesis tries no input twice.
ROUND = 2000


def mutated(seeds: list[bytes], pieces: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """A seed of the corpus with a piece of it replaced."""

    @st.composite
    def replaced(draw: st.DrawFn) -> bytes:
        seed = draw(st.sampled_from(seeds))
        start = draw(st.integers(0, len(seed)))
        end = draw(st.integers(start, min(len(seed), start + 8)))
        return seed[:start] + draw(pieces) + seed[end:]

    return replaced()


def inputs(target: Target) -> st.SearchStrategy[bytes]:
    """What the target takes: seeds that were changed, words put together, or noise."""
    words = st.sampled_from(target.words)
    ends = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b" ", b" "])
    noise = st.binary(max_size=6)
    parts = words | noise if target.is_binary else words | ends | noise
    lines = st.lists(words, min_size=1, max_size=6).map(lambda some: b" ".join(some) + b"\r\n")
    made_up = st.lists(parts, max_size=30).map(b"".join)
    if not target.is_binary:
        made_up |= st.lists(lines, max_size=8).map(b"".join)
    if target.letters:
        letters = st.text(target.letters, min_size=1, max_size=6).map(str.encode)
        made_up = st.tuples(letters, made_up).map(b"\n".join)
    return made_up | mutated(target.seeds(), parts)


def one_round(name: str, examples: int) -> None:
    target = CATALOG[name]

    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(inputs(target))
    def promise(data: bytes) -> None:
        target.promise(data)

    promise()


def run(name: str, seconds: float, examples: int | None) -> bool:
    """Whether the target kept its promise."""
    start = time.monotonic()
    done = 0
    while (time.monotonic() - start < seconds) if examples is None else done < examples:
        some = ROUND if examples is None else min(ROUND, examples - done)
        try:
            one_round(name, some)
        except Exception as error:
            print(f"\n{name}: {(CATALOG[name].promise.__doc__ or '').strip()}", file=sys.stderr)
            print(
                "".join(f"  {note}\n" for note in getattr(error, "__notes__", [])), file=sys.stderr
            )
            print(f"  {type(error).__name__}: {error}", file=sys.stderr)
            return False
        done += some
        speed = done / (time.monotonic() - start)
        print(f"\r{name}: {done} inputs, {speed:.0f} a second", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description="The fuzz targets, on what hypothesis makes up.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(CATALOG))
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--seconds", type=float, default=10.0, help="for each target (default 10)")
    length.add_argument("--examples", type=int, help="for each target, instead of seconds")
    options = parser.parse_args()
    unknown = sorted(set(options.targets) - set(CATALOG))
    if unknown:
        parser.error(f"no such target: {', '.join(unknown)}")
    kept = [run(name, options.seconds, options.examples) for name in options.targets or CATALOG]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
