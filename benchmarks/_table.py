"""The one table: what other clients cost in terms of ours, a workload a line, a client a column.

Out of what the benchmarks have printed as JSON. Knows nothing of how it was measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

__all__ = ["Cell", "as_text", "peers_of", "renewed", "rows_of"]

# In the order of the columns; others follow.
PEERS = (
    "pylibmc",
    "libmc",
    "pymemcache",
    "python-memcached",
    "python-binary-memcached",
    "meta-memcache",
    "emcache",
    "emcache, autobatching",
    "aiomcache",
    "memcachio",
)

Found = Mapping[str, Mapping[str, Any]]


class Cell(NamedTuple):
    """How many times what we cost: in CPU time and on the clock; and what has to be reached."""

    cpu: float
    wall: float
    gate: float | None
    judgement: str | None
    is_steady: bool


class Row(NamedTuple):
    """What we cost at a workload, in microseconds, and the others in terms of that."""

    cpu: float
    wall: float
    cells: dict[str, Cell]


def rows_of(found: Found) -> dict[str, Row]:
    """By workload."""
    rows: dict[str, Row] = {}
    for run in found.values():
        for one in run.get("comparisons", ()):
            if one.get("workload") is None:
                continue
            ours, theirs = (_way(run, one["table"], one[which]) for which in ("way", "base"))
            row = rows.setdefault(
                one["workload"], Row(ours["cpu"]["ns"] / 1000, ours["wall"]["ns"] / 1000, {})
            )
            row.cells[one["peer"]] = Cell(
                1 / one["median"],
                theirs["wall"]["median"] / ours["wall"]["median"],
                None if one["at_most"] is None else 1 / one["at_most"],
                one["judgement"],
                one["is_steady"],
            )
    return rows


def _way(run: Mapping[str, Any], table: str, way: str) -> Mapping[str, Any]:
    ways = next(one["ways"] for one in run["tables"] if one["title"] == table)
    return next(one for one in ways if one["way"] == way)


def peers_of(rows: Mapping[str, Row]) -> list[str]:
    """The columns."""
    there = {peer for row in rows.values() for peer in row.cells}
    return [peer for peer in PEERS if peer in there] + sorted(there.difference(PEERS))


# ---------------------------------------------------------------------------------------- as text


def as_text(found: Found) -> str:
    """All tables side by side, what was not measured, and the gates that are not kept."""
    rows = rows_of(found)
    lines: list[str] = []
    width = max(map(len, rows), default=0)
    for group in _groups(found):
        peers = peers_of(group)
        lines.append(f"{'times what ours costs, CPU (clock)':{width}}  {'ours, us':>14}  ")
        lines[-1] += "  ".join(f"{peer[:16]:>16}" for peer in peers)
        for workload, row in group.items():
            ours = f"{row.cpu:.4g} ({row.wall:.4g})"
            cells = [_shown(row.cells.get(peer), "*") for peer in peers]
            lines.append(f"{workload:{width}}  {ours:>14}  " + "  ".join(f"{c:>16}" for c in cells))
        lines.append("")
    lines += [f"Not kept: {line}" for line in _not_kept(found)]
    lines += [
        f"Not measured: benchmarks/{name}.py" for name in found if "tables" not in found[name]
    ]
    notes = {note: True for run in found.values() for note in run.get("notes", ())}
    return "\n".join([*lines, *(f"Note: {note}." for note in notes)])


def _groups(found: Found) -> Iterator[dict[str, Row]]:
    """The lines of each benchmark that has some."""
    for name, run in found.items():
        group = rows_of({name: run})
        if group:
            yield group


def _shown(cell: Cell | None, mark: str) -> str:
    if cell is None:
        return ""
    is_missed = cell.gate is not None and cell.judgement in ("missed", "uncertain")
    return f"{_times(cell.cpu)} ({_times(cell.wall)}){mark if is_missed else ''}"


def _times(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"


def _not_kept(found: Found) -> Iterator[str]:
    for name, run in found.items():
        for one in run.get("comparisons", ()):
            if one["judgement"] in ("missed", "uncertain"):
                what = one["workload"] or one["table"]
                yield (
                    f"{what} ({name}): {one['way']} costs {one['median']:.3f} times"
                    f" {one['base']}, at most {one['at_most']:.3f} is wanted ({one['judgement']})"
                )


# ------------------------------------------------------------------------------------ as Markdown

BEGIN = "<!-- figures: written by `python -m benchmarks --docs` -->"
END = "<!-- end of figures -->"


def renewed(page: str, found: Found) -> str:
    """The page, with the figures between its two marks taken from this run."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{as_markdown(found)}\n{END}{after}"


def as_markdown(found: Found) -> str:
    lines: list[str] = []
    for group in _groups(found):
        peers = peers_of(group)
        lines.append(f"| workload | ours, µs | {' | '.join(peers)} |")
        lines.append("| --- |" + " --: |" * (len(peers) + 1))
        for workload, row in group.items():
            cells = [_marked(row.cells.get(peer)) for peer in peers]
            lines.append(f"| {workload} | {row.cpu:.3g} ({row.wall:.3g}) | {' | '.join(cells)} |")
        lines.append("")
    gates = list(_gates(found))
    lines.append(f"Of {len(gates)} gates, {sum(map(_is_kept, gates))} are kept.")
    lines.append("")
    missed = [gate for gate in gates if not _is_kept(gate)]
    if missed:
        lines.append("| gate not kept | to | ours costs | at most |")
        lines.append("| --- | --- | --: | --: |")
        for one in missed:
            what = one["workload"] or f"{one['table']}: {one['way']}"
            peer = one["peer"] or one["base"]
            lines.append(f"| {what} | {peer} | {one['median']:.3g} | {one['at_most']:.3g} |")
        lines.append("")
    lines.append(_surroundings(found))
    return "\n".join(lines)


def _marked(cell: Cell | None) -> str:
    if cell is None:
        return ""
    is_missed = cell.gate is not None and cell.judgement in ("missed", "uncertain")
    cpu = f"*{_times(cell.cpu)}*" if is_missed else _times(cell.cpu)
    return f"{cpu} ({_times(cell.wall)})"


def _gates(found: Found) -> Iterator[Mapping[str, Any]]:
    for run in found.values():
        yield from (one for one in run.get("comparisons", ()) if one["at_most"] is not None)


def _is_kept(gate: Mapping[str, Any]) -> bool:
    return str(gate["judgement"]).startswith("kept")


def _surroundings(found: Found) -> str:
    run = next((run for run in found.values() if "python" in run), None)
    if run is None:
        return ""
    busiest = max(run.get("others_used") or 0 for run in found.values())
    text = f"{run['python']}, {run['system']}, {run['processor']}, {run['cpus']} CPUs"
    notes = {note: True for one in found.values() for note in one.get("notes", ())}
    text += f"; others have used up to {busiest:.0%} of the CPU that it ran on.\n"
    return text + "".join(f"{note}.\n" for note in notes)
