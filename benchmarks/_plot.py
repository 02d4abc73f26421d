"""A picture of the one table: a line for each workload, a dot for each other client. As SVG.

The line at 1 is ours; a dot to its right costs so many times as much, on a scale of doublings.
"""

from __future__ import annotations

from html import escape
from math import log2

from _table import Found, peers_of, rows_of

__all__ = ["picture"]

LEFT, RIGHT, TOP, STEP = 250, 760, 54, 22
LEAST, MOST = -1.0, 6.0  # doublings
COLOURS = (
    "#1b6ca8",
    "#e07b00",
    "#2b8a3e",
    "#b02a37",
    "#7048a8",
    "#8a6d3b",
    "#d6589f",
    "#7d8597",
    "#17a2a2",
    "#a3b300",
)


def picture(found: Found) -> str:
    rows = rows_of(found)
    peers = peers_of(rows)
    colours = {peer: COLOURS[number % len(COLOURS)] for number, peer in enumerate(peers)}
    bottom = TOP + STEP * len(rows)
    height = bottom + 40 + 20 * -(-len(peers) // 4)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 {height}"'
        ' font-family="sans-serif" font-size="12">',
        f'  <rect width="800" height="{height}" rx="8" fill="#fff"/>',
        f'  <text x="{(LEFT + RIGHT) / 2:.0f}" y="20" text-anchor="middle" font-size="13"'
        ' fill="#111">CPU time of others: times what mcclient needs</text>',
    ]
    for doublings in range(int(LEAST), int(MOST) + 1):
        x = place(2.0**doublings)
        width, colour = (2, "#111") if doublings == 0 else (1, "#ddd")
        lines.append(
            f'  <path d="M{x:.0f} {TOP - 8} V{bottom}" stroke="{colour}" stroke-width="{width}"/>'
        )
        label = f"{2.0**doublings:g}"
        lines.append(
            f'  <text x="{x:.0f}" y="{TOP - 14}" text-anchor="middle" fill="#333">{label}</text>'
        )
    for number, (workload, row) in enumerate(rows.items()):
        y = TOP + STEP * number + STEP / 2
        if number % 2 == 0:
            lines.insert(
                2,
                f'  <rect x="10" y="{y - STEP / 2:.0f}" width="780" height="{STEP}"'
                ' fill="#f6f6f6"/>',
            )
        lines.append(
            f'  <text x="{LEFT - 12}" y="{y + 4:.0f}" text-anchor="end" fill="#111">'
            f"{escape(workload)}</text>"
        )
        for peer, cell in row.cells.items():
            lines.append(
                f'  <circle cx="{place(cell.cpu):.1f}" cy="{y:.0f}" r="5" fill="{colours[peer]}"'
                f' fill-opacity="0.85"><title>{escape(peer)}: {cell.cpu:.2f}</title></circle>'
            )
    for number, peer in enumerate(peers):
        x, y = 30 + 190 * (number % 4), bottom + 28 + 20 * (number // 4)
        lines.append(f'  <circle cx="{x}" cy="{y - 4}" r="5" fill="{colours[peer]}"/>')
        lines.append(f'  <text x="{x + 10}" y="{y}" fill="#111">{escape(peer)}</text>')
    return "\n".join([*lines, "</svg>", ""])


def place(ratio: float) -> float:
    """Where a ratio stands; what is beyond the ends, at them."""
    doublings = min(max(log2(ratio), LEAST), MOST)
    return LEFT + (RIGHT - LEFT) * (doublings - LEAST) / (MOST - LEAST)
