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

from fuzz.targets import TARGETS, WORDS  # noqa: E402

CORPUS = ROOT / "fuzz" / "corpus"
# Between two rounds we look at the clock; within one, hypothesis tries no input twice.
ROUND = 2000

letters = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLM", min_size=1, max_size=6).map(str.encode)
tokens = st.sampled_from([*WORDS, b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b" ", b" "])
streams = st.lists(tokens | st.binary(max_size=6), max_size=30).map(b"".join)
lines = st.lists(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(b" ".join), max_size=8
)
ended = lines.map(lambda some: b"".join(line + b"\r\n" for line in some))


def mutated(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    """A seed of the corpus with a piece of it replaced."""

    @st.composite
    def replaced(draw: st.DrawFn) -> bytes:
        seed = draw(st.sampled_from(seeds))
        start = draw(st.integers(0, len(seed)))
        end = draw(st.integers(start, min(len(seed), start + 8)))
        return seed[:start] + draw(tokens | st.binary(max_size=4)) + seed[end:]

    return replaced()


def inputs(corpus: str) -> st.SearchStrategy[bytes]:
    """What the target takes: what a client says, or letters and what a server says."""
    made_up = streams | ended
    if corpus == "replies":
        made_up = st.builds(b"%b\n%b".__mod__, st.tuples(letters, made_up))
    seeds = [path.read_bytes() for path in sorted((CORPUS / corpus).iterdir())]
    return made_up | mutated(seeds)


def one_round(name: str, examples: int) -> None:
    target = TARGETS[name]

    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(inputs("commands" if name == "commands" else "replies"))
    def promise(data: bytes) -> None:
        target(data)

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
            print(f"\n{name}: {(TARGETS[name].__doc__ or '').strip()}", file=sys.stderr)
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
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--seconds", type=float, default=10.0, help="for each target (default 10)")
    length.add_argument("--examples", type=int, help="for each target, instead of seconds")
    options = parser.parse_args()
    unknown = sorted(set(options.targets) - set(TARGETS))
    if unknown:
        parser.error(f"no such target: {', '.join(unknown)}")
    kept = [run(name, options.seconds, options.examples) for name in options.targets or TARGETS]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
