"""Columns on a screen that may be narrower than they are: what fits stands in line, the rest beneath, with its heading before it.

Rules of this file: the first columns are the most important ones; nothing is cut off; without a screen (`room` None) all stands in line.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from dpiprobe.report.printable import pad, width

GAP = 2
EMPTY = ("", "-")


def fit(rows: Sequence[Sequence[str]], room: int | None) -> int:
    """How many of the first columns stand in line within `room` terminal cells; at least one."""
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    if room is None:
        return len(widths)
    taken = [sum(widths[: count + 1]) + GAP * count for count in range(len(widths))]
    return max(1, sum(cells <= room for cells in taken))


def lay(rows: Sequence[Sequence[str]], room: int | None) -> list[str]:
    """All lines of a table whose first row holds the headings; cells that say nothing (`-`) are not repeated beneath."""
    count = fit(rows, room)
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)][:count]
    lines = []
    for index, row in enumerate(rows):
        lines.append((" " * GAP).join(pad(cell, cells) for cell, cells in zip(row, widths, strict=False)).rstrip())
        beneath = "; ".join(f"{head} {cell}" for head, cell in zip(rows[0][count:], row[count:], strict=True) if cell not in EMPTY)
        if index and beneath:
            lines += textwrap.wrap(beneath, max(room or 0, 40), initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)
    return lines
