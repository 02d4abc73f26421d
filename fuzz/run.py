#!/usr/bin/env python3
"""Try the fuzz targets on inputs that are made up. Needs nothing but Python, and learns nothing.

    python3 -m fuzz.run [TARGET...] [--inputs N] [--jobs N] [--seed TEXT]
    python3 -m fuzz.run TARGET FILE...

The inputs are files of the corpus, changed here and there by `fuzz.mutate`.  They are shared out
among the targets, and the work among processes.  Each input follows from the seed, so that
the same command tries the same inputs.

With files, it tries those and nothing else.  An input that breaks a promise is written to a file,
made as small as can be found at once, and the command that tries it again is printed.  The exit
status is 1 then.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import sys
import time
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from fuzz.catalog import CATALOG, Target  # noqa: E402

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

# One task of a process: some seconds of work.
BATCH = 5000
# Far above what any input takes, in seconds; and above what any may need, in bytes.
TOO_LONG = 10
TOO_MUCH = 2 << 30


class Broken(NamedTuple):
    """A promise, the input that breaks it, and how."""

    name: str
    data: bytes
    why: str


class Batch(NamedTuple):
    """What came of some inputs: how many there were, by parser."""

    name: str
    parsers: Counter[str]
    broken: Broken | None


class TooLong(Exception):
    """An input took longer than any should."""


@contextmanager
def in_time() -> Iterator[None]:
    """TooLong is raised here when the timer rings. Whoever tries an input sets it anew."""

    def ring(signum: int, frame: FrameType | None) -> None:
        raise TooLong(f"more than {TOO_LONG} seconds")

    before = signal.signal(signal.SIGALRM, ring)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def why_broken(target: Target, data: bytes) -> str | None:
    """How the input breaks the promise: the error and where it was raised; None if it does not."""
    try:
        with in_time():
            signal.setitimer(signal.ITIMER_REAL, TOO_LONG)
            target.promise(data)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        return f"{type(error).__name__} at {where}: {str(error)[:200]}"
    return None


def try_some(name: str, seed: str, count: int) -> Batch:
    """The inputs that follow from the seed, up to the first that breaks the promise."""
    target = CATALOG[name]
    mutator = target.mutator()
    promise, parser = target.promise, target.parser
    random = Random(f"{seed}:{name}")
    parsers: Counter[str] = Counter()
    data = b""
    with in_time():
        try:
            for _ in range(count):
                data = mutator.input(random)
                parsers[parser(data)] += 1
                signal.setitimer(signal.ITIMER_REAL, TOO_LONG)
                promise(data)
        except Exception as error:
            why = why_broken(target, data) or f"once only: {error!r}"
            return Batch(name, parsers, Broken(name, data, why))
    return Batch(name, parsers, None)


def smaller(broken: Broken) -> Broken:
    """An input that breaks the promise in the same way, with all that can be left out left out."""
    name, data, why = broken
    target, way = CATALOG[name], why.partition(":")[0]
    until = time.monotonic() + 20
    size = len(data) // 2
    while size and time.monotonic() < until:
        at = 0
        while at < len(data) and time.monotonic() < until:
            less = data[:at] + data[at + size :]
            same = why_broken(target, less)
            if same is not None and same.partition(":")[0] == way:
                data, why = less, same
            else:
                at += size
        size //= 2
    return Broken(name, data, why)


def report(broken: Broken) -> None:
    """Say what was broken, and how to break it again."""
    name, data, why = broken
    folder = ROOT / "fuzz" / "broken"
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    shown = data if len(data) <= 300 else data[:300] + b"..."
    promise = " ".join((CATALOG[name].promise.__doc__ or "").split())
    print(f"\n{name}: {promise}\n  {why}\n  input: {shown!r}", file=sys.stderr)
    print(
        f"  again: python3 -m fuzz.run {name} {path.relative_to(ROOT)}\n",
        file=sys.stderr,
        flush=True,
    )


def tell(progress: str) -> None:
    """How far it has come: in one line of a terminal, and in lines of a log."""
    if sys.stderr.isatty():
        print(f"\r{progress:<60}\r", end="", file=sys.stderr, flush=True)
    else:
        print(progress, file=sys.stderr, flush=True)


def limit_memory() -> None:
    """In each process: what needs more fails with a MemoryError, which no promise allows."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (TOO_MUCH, TOO_MUCH))


def run(names: list[str], inputs: int, jobs: int, seed: str) -> bool:
    """Try so many inputs in all; whether every promise was kept."""
    start = time.monotonic()
    shares = {name: inputs // len(names) for name in names}
    shares[names[0]] += inputs - sum(shares.values())
    tasks = [
        (name, f"{seed}:{at}", min(BATCH, share - at))
        for name, share in shares.items()
        for at in range(0, share, BATCH)
    ]
    # Costly and cheap targets side by side.
    Random(seed).shuffle(tasks)
    done: dict[str, Counter[str]] = {name: Counter() for name in names}
    failures: Counter[str] = Counter()
    last = 0.0
    with ProcessPoolExecutor(jobs, initializer=limit_memory) as pool:
        for future in as_completed([pool.submit(try_some, *task) for task in tasks]):
            batch = future.result()
            done[batch.name] += batch.parsers
            if batch.broken is not None:
                failures[batch.name] += 1
                if failures[batch.name] == 1:
                    report(smaller(batch.broken))
            now = time.monotonic()
            if now - last > (0.5 if sys.stderr.isatty() else 30):
                last = now
                total = sum(map(Counter.total, done.values()))
                tell(f"{total:,} of {inputs:,} inputs, {total / (now - start):,.0f} a second")
    seconds = time.monotonic() - start
    if sys.stderr.isatty():
        tell("")
    print_table(done, failures)
    total = sum(map(Counter.total, done.values()))
    print(
        f"{total:,} inputs in {seconds:.0f} s, {total / seconds:,.0f} a second; "
        f"{failures.total()} failures"
    )
    return not failures


def print_table(done: dict[str, Counter[str]], failures: Counter[str]) -> None:
    parsers = sorted(set().union(*done.values()))
    print(f"{'target':<18} {'side':<7} {'inputs':>10} {'failures':>9}   by parser")
    for name, counts in done.items():
        by_parser = ", ".join(f"{parser} {counts[parser]:,}" for parser in sorted(counts))
        print(
            f"{name:<18} {CATALOG[name].side:<7} {counts.total():>10,} {failures[name]:>9}   "
            f"{by_parser}"
        )
    for parser in parsers:
        for side in ("client", "server"):
            total = sum(
                counts[parser]
                for name, counts in done.items()
                if CATALOG[name].side in (side, "both")
            )
            print(f"{parser + ', ' + side:<26} {total:>10,}")


def try_files(name: str, paths: list[Path]) -> bool:
    """Try these and nothing else; whether the promise was kept."""
    kept = True
    for path in paths:
        why = why_broken(CATALOG[name], path.read_bytes())
        print(f"{name} {path}: {why or 'kept'}")
        kept &= why is None
    return kept


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python3 -m fuzz.run",
        description="The fuzz targets, on files of the corpus changed here and there.",
    )
    parser.add_argument(
        "what", nargs="*", metavar="TARGET", help=f"{', '.join(CATALOG)}; or one of them and files"
    )
    parser.add_argument("--inputs", type=int, default=100_000, help="in all (default 100000)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--seed", default="0", help="another one: other inputs")
    options = parser.parse_args()
    names: list[str] = [name for name in options.what if name in CATALOG]
    others = [Path(name) for name in options.what if name not in CATALOG]
    if others:
        missing = [str(path) for path in others if not path.is_file()]
        if len(names) != 1 or missing:
            parser.error(f"neither a target nor, behind one, a file: {', '.join(missing)}")
        return 0 if try_files(names[0], others) else 1
    return 0 if run(names or list(CATALOG), options.inputs, options.jobs, options.seed) else 1


if __name__ == "__main__":
    sys.exit(main())
