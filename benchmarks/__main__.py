"""All the benchmarks, one after the other, and one table of what came of them.

    python -m benchmarks                              # everything, in some fifteen minutes
    python -m benchmarks --only blocking              # one: the name of a file in this folder
    python -m benchmarks --only blocking/get_multi    # one workload of it
    python -m benchmarks --json >run.json             # all that was measured, for programs
    python -m benchmarks --from run.json --docs       # the page in docs/ anew, out of such a file

Each runs in a process of its own, with a memcached of its own; what is compared takes turns within
it.  Status 0: no gate is missed; 1: one is; 2: something was not measured, or cannot be told.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from _harness import options_of
from _plot import picture
from _table import as_text, renewed

FOLDER = Path(__file__).parent
NAMES = sorted(path.stem for path in FOLDER.glob("[!_]*.py"))

PAGE = FOLDER.parent / "docs" / "performance.md"
PICTURE = FOLDER.parent / "docs" / "performance.svg"


def main() -> int:
    parser = options_of(__doc__, ())
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        help=f"this one, and others that are named so: {', '.join(NAMES)}; or NAME/WORKLOAD",
    )
    parser.add_argument(
        "--from",
        dest="files",
        action="append",
        type=Path,
        metavar="FILE",
        help="measure nothing: show this run, and others that are named so",
    )
    parser.add_argument("--plot", type=Path, help="write a picture (SVG) of the table there")
    parser.add_argument("--docs", action="store_true", help="write the table and the plot to docs/")
    options = parser.parse_args()
    wanted = chosen(options.only or NAMES)
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        parser.error(f"--only: there is no benchmark {unknown[0]}, only {', '.join(NAMES)}")

    found: dict[str, Any] = {}
    if options.files:
        for file in options.files:
            found |= json.loads(file.read_text())
    else:
        passed_on = ["--seconds", str(options.seconds), *(["--quick"] if options.quick else [])]
        if options.cpu is not None:
            passed_on += ["--cpu", str(options.cpu)]
        found = {name: measured(name, passed_on, only) for name, only in wanted.items()}
    print(json.dumps(found, indent=2) if options.json else as_text(found))
    if options.plot is not None:
        options.plot.write_text(picture(found))
    if options.docs:
        PAGE.write_text(renewed(PAGE.read_text(), found))
        PICTURE.write_text(picture(found))
    return max(run["status"] for run in found.values())


def chosen(only: list[str]) -> dict[str, list[str]]:
    """The benchmarks -> the workloads of each; none named: all that it has."""
    wanted: dict[str, list[str]] = {}
    for name in only:
        benchmark, _, workload = name.partition("/")
        wanted.setdefault(benchmark, [])
        if workload:
            wanted[benchmark] += ["--only", workload]
    return wanted


def measured(name: str, options: list[str], only: list[str]) -> dict[str, Any]:
    """What one benchmark has measured. Of one that has not, no more than its status."""
    print(f"benchmarks/{name}.py", file=sys.stderr, flush=True)
    command = [sys.executable, str(FOLDER / f"{name}.py"), "--json", *options, *only]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    # (Killed, its status is negative.)
    status = done.returncode if done.returncode in (0, 1) else 2
    return {"status": status, **(json.loads(done.stdout) if done.stdout else {})}


if __name__ == "__main__":
    sys.exit(main())
