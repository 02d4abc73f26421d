"""What all benchmarks share: turns, clocks, one CPU, a memcached, and how results are shown.

Knows how costs are compared, and nothing of what it is that costs.  A number is given for work
that has been done: whoever takes a sample looks at every answer first, and a wrong one ends the
run without any result.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import platform
import random
import signal
import socket
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import inf
from pathlib import Path
from statistics import median
from time import monotonic, perf_counter_ns, process_time_ns, sleep
from typing import Any, Literal, NamedTuple, NoReturn

# This checkout is what we measure, not a release that may be installed.
sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.servers import MissingMemcached, RealMemcached

TOLERANCE = 0.04
"""What two runs of the same code may differ by: a gate has to be missed by more than this."""

KEYS = [f"key:{number}" for number in range(250)]
VALUE = b"x" * 100

REQUESTS = [b"mg %b f Oae v\r\n" % key.encode() for key in KEYS]
REPLIES = [b"VA %d f0 Oae\r\n%b\r\n" % (len(VALUE), VALUE) for _ in KEYS]
"""What whoever has no client asks and gets: the very bytes of one that has."""

SIZE = 65536
"""What is received at most at a time. Twice as much would have its memory mapped anew each time."""

Figure = Literal["wall", "cpu"]
Judgement = Literal["kept", "kept within the tolerance", "missed", "uncertain", "not judged"]
FIGURES: tuple[Figure, ...] = ("cpu", "wall")


class CannotMeasure(Exception):
    """Something is missing, or an answer was wrong: there is nothing to be shown."""


# ------------------------------------------------------------------------------------- sampling


class Cost(NamedTuple):
    """Nanoseconds that have passed, and those of them that were this process's CPU time."""

    wall: float
    cpu: float


def now() -> Cost:
    return Cost(perf_counter_ns(), process_time_ns())


def cost_since(began: Cost, operations: int) -> Cost:
    """What each of so many operations has cost."""
    wall, cpu = now()
    return Cost((wall - began.wall) / operations, (cpu - began.cpu) / operations)


def check(got: Sequence[object], wanted: Sequence[object]) -> None:
    """Look at the answers. To be called when the clock has been read.

    Raises:
        CannotMeasure: they are not what was wanted.
    """
    if got != wanted:
        wrong = [pair for pair in zip(got, wanted, strict=False) if pair[0] != pair[1]]
        raise CannotMeasure(f"{len(got)} answers of {len(wanted)}, the first wrong: {wrong[:1]}")


def gets(get: Callable[[str], object], before: Callable[[], object] = bool) -> Callable[[], Cost]:
    """A slice of gets, one for each of KEYS.

    Args:
        before: is called when the clock does not run yet.
    """
    wanted = [VALUE] * len(KEYS)

    def take() -> Cost:
        # A client looks at a connection that has been idle while the others had their turns.
        get(KEYS[0])
        before()
        began = now()
        got = [get(key) for key in KEYS]
        cost = cost_since(began, len(KEYS))
        check(got, wanted)
        return cost

    return take


def exchanges(
    send: Callable[[bytes], object], receive: Callable[[int], bytes]
) -> Callable[[], Cost]:
    """A slice of ready-made bytes, sent and received with nothing around the two calls."""

    def take() -> Cost:
        send(REQUESTS[0])
        receive(SIZE)
        got: list[bytes] = []
        began = now()
        for request in REQUESTS:
            send(request)
            got.append(receive(SIZE))
        cost = cost_since(began, len(REQUESTS))
        check(got, REPLIES)
        return cost

    return take


async def async_exchanges(exchange: Callable[[bytes], Awaitable[bytes]]) -> Cost:
    """A slice of ready-made bytes, under asyncio or trio."""
    await exchange(REQUESTS[0])
    began = now()
    got = [await exchange(request) for request in REQUESTS]
    cost = cost_since(began, len(REQUESTS))
    check(got, REPLIES)
    return cost


# ------------------------------------------------------------------------------------ comparing


class Ratio(NamedTuple):
    """The median of paired ratios, and the interval that has it with a probability of 95 %."""

    median: float
    low: float
    high: float


class Contest:
    """Ways to do the same take turns, a slice each, so that all of them meet the same noise.

    ::

        for way in contest.turns(seconds):
            contest.note(way, slices[way]())

    Args:
        title: what all of them do.
        ways: their names. The ratios are to the first one.
        lead: the figure that says most about it.
    """

    def __init__(self, title: str, ways: Sequence[str], lead: Figure) -> None:
        self.title = title
        self.ways = list(ways)
        self.lead: Figure = lead
        self._costs: dict[str, list[Cost]] = {way: [] for way in self.ways}

    def turns(self, seconds: float) -> Iterator[str]:
        """Whose turn it is; `note` its cost before you go on. Three rounds, whatever they take.

        In each round the order is another one: what a way leaves in the caches must not always
        meet the same successor.
        """
        shuffle = random.Random(0).shuffle
        order = self.ways.copy()
        began = monotonic()
        shown = -inf
        gc.collect()
        gc.disable()  # as timeit does: whose turn it is when it strikes says nothing about him
        try:
            rounds = -1  # the first one warms up
            while rounds < 3 or monotonic() - began < seconds:
                shuffle(order)
                yield from order
                rounds += 1
                if rounds == 0:
                    for costs in self._costs.values():
                        costs.clear()
                passed = monotonic() - began
                if passed - shown > (0.5 if sys.stderr.isatty() else 5):
                    shown = passed
                    progress(f"{self.title}: {min(passed, seconds):.0f} of {seconds:g} s")
        finally:
            gc.enable()
            progress("")

    def note(self, way: str, cost: Cost) -> None:
        self._costs[way].append(cost)

    @property
    def rounds(self) -> int:
        return len(self._costs[self.ways[0]])

    def cost(self, way: str) -> Cost:
        """Its medians, each by itself."""
        walls, cpus = zip(*self._costs[way], strict=True)
        return Cost(median(walls), median(cpus))

    def ratio(self, way: str, base: str, figure: Figure) -> Ratio:
        """How many times what *base* cost in the same round."""
        pairs = zip(self._costs[way], self._costs[base], strict=True)
        ratios = sorted(getattr(one, figure) / getattr(other, figure) for one, other in pairs)
        # Between which two of them the true median lies, whatever their distribution.
        middle, reach = len(ratios) / 2, 0.98 * len(ratios) ** 0.5
        last = len(ratios) - 1
        low, high = max(0, int(middle - reach)), min(last, int(middle + reach))
        return Ratio(median(ratios), ratios[low], ratios[high])


def held(
    title: str, slices: Mapping[str, Callable[[], Cost]], lead: Figure, seconds: float
) -> Contest:
    """A contest between ways that need nothing but to be called."""
    contest = Contest(title, list(slices), lead)
    for way in contest.turns(seconds):
        contest.note(way, slices[way]())
    return contest


class Comparison(NamedTuple):
    """How two ways of a contest compare; a gate, if there is a limit to be kept.

    Attributes:
        at_most: the limit, None: whatever it is, it is only told.
        workload: of a comparison with another library, what both do: a row of the table that all
            the benchmarks have together.
        peer: the other library: a column of it.
    """

    contest: Contest
    way: str
    base: str
    figure: Figure
    at_most: float | None = None
    workload: str | None = None
    peer: str | None = None

    @property
    def ratio(self) -> Ratio:
        return self.contest.ratio(self.way, self.base, self.figure)

    @property
    def is_steady(self) -> bool:
        """Whether the interval is so narrow that another run would say the same."""
        median, low, high = self.ratio
        return high - low <= TOLERANCE * median

    def judgement(self, was_quiet: bool) -> Judgement:
        """What becomes of a gate.

        Missed is one only if noise cannot be the reason: not on a CPU that others used, and
        not if another run might come out within the tolerance.
        """
        assert self.at_most is not None
        median, low, _ = self.ratio
        beyond = self.at_most * (1 + TOLERANCE)
        if median <= self.at_most:
            return "kept"
        if median <= beyond:
            return "kept within the tolerance"
        return "missed" if was_quiet and low > beyond else "uncertain"


def beside(
    workload: str,
    contest: Contest,
    ours: str,
    peers: Mapping[str, str],
    gates: Mapping[str, float] | None = None,
) -> list[Comparison]:
    """A row of the table that all the benchmarks have together: ours beside each peer, in CPU time.

    Args:
        workload: what they do.
        ours: our way in the contest.
        peers: the name of a library -> its way. One that is no way of the contest is left out.
        gates: the name of a library -> how many times as much its way has to cost at least.
    """
    limits = gates or {}
    return [
        Comparison(
            contest,
            ours,
            way,
            "cpu",
            1 / limits[peer] if peer in limits else None,
            workload=workload,
            peer=peer,
        )
        for peer, way in peers.items()
        if way in contest.ways
    ]


class Report(NamedTuple):
    """What a benchmark gives back."""

    contests: list[Contest]
    comparisons: list[Comparison]
    notes: list[str]
    """What the reader should know: a part that was left out, a version."""


# ---------------------------------------------------------------------------------- surroundings


@contextmanager
def memcached(*options: str) -> Iterator[RealMemcached]:
    """A real memcached with VALUE under each of KEYS, on the CPU that this process is pinned to.

    Args:
        options: further ones of its command line.

    Raises:
        CannotMeasure: there is none, or it runs where it should not.
    """
    try:
        server = RealMemcached(*options)
    except (MissingMemcached, RuntimeError) as error:
        why = "none is on the path" if isinstance(error, MissingMemcached) else str(error)
        raise CannotMeasure(f"the real memcached is needed: {why}") from None
    with server, connected(server) as sock:
        if hasattr(os, "sched_getaffinity"):
            ours = os.sched_getaffinity(0)
            # Affinity is each thread's own, inherited when it is made.
            for thread in os.listdir(f"/proc/{stats(sock)['pid']}/task"):
                if os.sched_getaffinity(int(thread)) != ours:
                    raise CannotMeasure("memcached does not keep to our CPU")
        for key in KEYS:
            sock.sendall(b"ms %b %d\r\n%b\r\n" % (key.encode(), len(VALUE), VALUE))
            check([sock.recv(64)], [b"HD\r\n"])
        yield server


def connected(server: RealMemcached) -> socket.socket:
    """A plain blocking connection without a limit."""
    sock = server.connect()
    sock.settimeout(None)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def installed(name: str) -> Any:
    """The module, None if it is not here. (In this folder, others go by the names of some.)"""
    here = Path(__file__).parent
    path = sys.path
    sys.path = [entry for entry in path if Path(entry or ".").resolve() != here]
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
    finally:
        sys.path = path


def stats(sock: socket.socket) -> dict[str, str]:
    sock.sendall(b"stats\r\n")
    received = b""
    while not received.endswith(b"END\r\n"):
        received += sock.recv(65536)
    lines = received.decode().split("\r\n")[:-2]
    return {name: value for _, name, value in (line.split(" ", 2) for line in lines)}


def busy_shares(seconds: float) -> dict[int, float]:
    """How much of the time each CPU that we may use has something to do, while we sleep.

    Empty: this system does not tell.
    """

    def ticks() -> dict[str, tuple[int, int]]:
        with open("/proc/stat") as file:
            lines = [line.split() for line in file if line.startswith("cpu")]
        counts = {name: list(map(int, rest)) for name, *rest in lines}
        # All of them; and the idle ones, with those that waited for a disk.
        return {name: (sum(count[:8]), count[3] + count[4]) for name, count in counts.items()}

    if not hasattr(os, "sched_getaffinity") or not os.path.exists("/proc/stat"):
        return {}
    before = ticks()
    sleep(seconds)
    after = ticks()
    shares = {}
    for cpu in os.sched_getaffinity(0):
        (began, idle_then), (ended, idle_now) = before[f"cpu{cpu}"], after[f"cpu{cpu}"]
        shares[cpu] = 1 - (idle_now - idle_then) / max(1, ended - began)
    return shares


@contextmanager
def on_one_cpu(wanted: int | None, look: float) -> Iterator[dict[str, object]]:
    """Keep this process, and all that it starts, to the CPU wanted, or to the idlest.

    On two, the cost of waking the other one up is several times what we want to see, and comes
    and goes.  Gives the number of the CPU (None: this system cannot), and in the end how much of
    it others have used.

    Args:
        look: for how many seconds, before and after, to see what the others do.
    """
    found: dict[str, object] = {"pinned_to": None}
    busy = busy_shares(look)
    if not busy:
        yield found
        return
    # Of those that are as idle, the last: the first one usually has the interrupts.
    cpu = min(busy, key=lambda number: (busy[number], -number)) if wanted is None else wanted
    if cpu not in busy:
        raise CannotMeasure(f"there is no CPU {cpu} for us, only {sorted(busy)}")
    os.sched_setaffinity(0, {cpu})
    found["pinned_to"] = cpu
    yield found
    found["others_used"] = round(max(busy[cpu], busy_shares(look)[cpu]), 2)


def progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(text, file=sys.stderr, flush=True)


def machine() -> dict[str, Any]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()}",
        "processor": model,
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


# --------------------------------------------------------------------------------------- showing


def options_of(about: str, workloads: Sequence[str]) -> argparse.ArgumentParser:
    """The options that all the benchmarks have, and so has what runs them all."""
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=8.0, help="for each table (8)")
    parser.add_argument("--cpu", type=int, help="which one to run on (the idlest)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument(
        "--quick", action="store_true", help="only see that it works: gates are not judged"
    )
    if workloads:
        parser.add_argument(
            "--only",
            action="append",
            choices=workloads,
            metavar="WORKLOAD",
            help=f"this one, and others that are named so: {', '.join(workloads)}",
        )
    return parser


def run(
    about: str,
    measure: Callable[[float], Report] | Callable[[float, Sequence[str]], Report],
    workloads: Sequence[str] = (),
) -> NoReturn:
    """The whole program: read the options, measure, show. Ends the process.

    Status 0: no gate is missed; 1: one is, by more than TOLERANCE; 2: that cannot be told here.
    Where there was no full measurement nothing at all is shown.

    Args:
        about: what ``--help`` says.
        measure: is called with the seconds for each contest; and, if there are *workloads*, with
            those of them that are wanted.
        workloads: what can be chosen by ``--only``.
    """
    options = options_of(about, workloads).parse_args()
    arguments = (options.only or workloads,) if workloads else ()
    # By default it would end us at once, and leave a memcached behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    surroundings = machine()
    try:
        with on_one_cpu(options.cpu, look=0.05 if options.quick else 0.5) as found:
            report = measure(0.2 if options.quick else options.seconds, *arguments)
        surroundings |= found
    except CannotMeasure as error:
        progress("")
        print(f"Nothing was measured: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        progress("")
        sys.exit(130)
    except Exception:
        # Not what Python does, since its status would be that of a gate that is missed.
        progress("")
        traceback.print_exc()
        sys.exit(2)
    was_quiet = surroundings.get("others_used", 0.0) <= 0.1
    judgements: dict[Comparison, Judgement] = {}
    for gate in report.comparisons:
        if gate.at_most is not None:
            # Without a CPU for both, time on the clock is mostly that of waking up the server.
            makes_sense = gate.figure == "cpu" or surroundings["pinned_to"] is not None
            judged = makes_sense and not options.quick
            judgements[gate] = gate.judgement(was_quiet) if judged else "not judged"
    if options.json:
        print(json.dumps(as_json(report, surroundings, judgements), indent=2))
    else:
        print(", ".join(f"{name} {value}" for name, value in surroundings.items()))
        if not was_quiet:
            print("Others use this CPU: measure again when the machine is quiet.")
        print_tables(report, judgements)
    verdicts = judgements.values()
    sys.exit(1 if "missed" in verdicts else 2 if "uncertain" in verdicts else 0)


def print_tables(report: Report, judgements: Mapping[Comparison, Judgement]) -> None:
    for contest in report.contests:
        print()
        print_table(contest)
        for comparison in report.comparisons:
            if comparison.contest is contest:
                print_comparison(comparison, judgements.get(comparison))
    print()
    for note in report.notes:
        print(f"Note: {note}.")


def print_table(contest: Contest) -> None:
    base = contest.ways[0]
    width = max(map(len, contest.ways))
    leads = {way: contest.ratio(way, base, contest.lead).median for way in contest.ways}
    # Who costs more than four times as much shall not make all the others look alike.
    longest = min(max(leads.values()), 4.0)
    print(contest.title)
    print(f"{'':{width}}   cpu us  ratio   95 %          wall us  ratio   95 %")
    for way in contest.ways:
        line = f"{way:{width}}"
        for figure in FIGURES:
            middle, low, high = contest.ratio(way, base, figure)
            interval = "" if way == base else f"{low:.3f}–{high:.3f}"
            line += f"  {getattr(contest.cost(way), figure) / 1000:7.3f} {middle:6.3f}"
            line += f"   {interval:13}"
        bar = "█" * round(min(leads[way] / longest, 1) * 24)
        print(f"{line}  {bar}{'…' if leads[way] > longest else ''}")
    print(f"({contest.rounds} slices of each; the bars are {contest.lead} time)")


def print_comparison(comparison: Comparison, judgement: Judgement | None) -> None:
    middle, low, high = comparison.ratio
    line = f"-> {comparison.way} : {comparison.base} = {middle:.3f} ({low:.3f}–{high:.3f})"
    line += f" in {comparison.figure} time"
    if judgement is not None:
        line += f"; the gate of {comparison.at_most:.2f} is {judgement.upper()}"
    if not comparison.is_steady:
        line += "; unsteady, measure again when the machine is quiet"
    print(line)


def as_json(
    report: Report, surroundings: dict[str, Any], judgements: Mapping[Comparison, Judgement]
) -> dict[str, object]:
    tables = [
        {
            "title": contest.title,
            "lead": contest.lead,
            "slices": contest.rounds,
            "ways": [
                {
                    "way": way,
                    **{
                        figure: {
                            "ns": getattr(contest.cost(way), figure),
                            **contest.ratio(way, contest.ways[0], figure)._asdict(),
                        }
                        for figure in FIGURES
                    },
                }
                for way in contest.ways
            ],
        }
        for contest in report.contests
    ]
    comparisons = [
        {
            "table": comparison.contest.title,
            "way": comparison.way,
            "base": comparison.base,
            "figure": comparison.figure,
            **comparison.ratio._asdict(),
            "is_steady": comparison.is_steady,
            "at_most": comparison.at_most,
            "judgement": judgements.get(comparison),
            "workload": comparison.workload,
            "peer": comparison.peer,
        }
        for comparison in report.comparisons
    ]
    return {
        **surroundings,
        "tolerance": TOLERANCE,
        "tables": tables,
        "comparisons": comparisons,
        "notes": report.notes,
    }
