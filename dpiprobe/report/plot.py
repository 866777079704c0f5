"""The time-sequence graph of one flow as text: one grid for each direction, time to the right, bytes of the stream upwards.

It shows at a glance what a ladder spreads over pages: where a stream stops, how fast it goes, what was sent again. After tcptrace's graph of that name
(Shawn Ostermann's tcptrace manual), with the other side's acknowledgements as a line below the data.

Rules of this file:
- It draws what the capture and the record of the flow say; it decides nothing. Copies that the capture made are left out.
- Where several things fall into one cell, the one that tells most is shown, in the order of SIGNS.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dpiprobe.flow.flows import CLIENT, SERVER, STRAY, UNKNOWN, Flows
from dpiprobe.report.ladder import anchor, marks_of
from dpiprobe.report.printable import duration
from dpiprobe.wire.packets import FIN, RST, SYN

SIGNS = {
    "*": "evidence", "R": "reset", "F": "close", "S": "SYN", "r": "data sent again", "#": "data", "-": "acknowledged by the other side",
}  # fmt: skip
"""What a cell can hold, the most telling first."""
WIDTH, HEIGHT = 100, 20
"""Cells of the grid without a screen, and its rows."""
MARGIN = 10
"""Cells for the scale at the left."""

Mark = tuple[int, int, int, str]
"""(ns, first and last byte of the stream, sign)"""


def draw(flows: Flows, flow: int, record: Mapping[str, Any], *, room: int | None = None) -> list[str]:
    """Both graphs as lines. flow: index into `flows`, from 0 · record: that flow's record · room: the screen's width in cells"""
    zero, word = anchor(flows, flow)
    marked = marks_of(record)
    sides = {side: _points(flows, flow, side, {*marked}) for side in (SERVER, CLIENT)}
    times = [flows.time(slot) for slot in flows.slots(flow)]
    lines: list[str] = []
    for side, points in sides.items():
        name = "server -> client" if side == SERVER else "client -> server"
        if not points:
            lines += [f"{name}: nothing of this direction has a place in a stream", ""]
            continue
        lines += [f"{name}: bytes of the stream", *_grid(points, min(times), max(times), (room or WIDTH + MARGIN) - MARGIN - 1)]
        lines += [_scale(min(times) - zero, max(times) - zero, (room or WIDTH + MARGIN) - MARGIN - 1), ""]
    used = {sign for points in sides.values() for *_, sign in points}
    lines.append(f"time since the {word}; " + ", ".join(f"{sign} {what}" for sign, what in SIGNS.items() if sign in used))
    return lines


def _points(flows: Flows, flow: int, side: int, evidence: set[int]) -> list[Mark]:
    """What one side sent, and what the other acknowledged of it."""
    points: list[Mark] = []
    highest, acked = 0, 0
    for slot in flows.slots(flow):
        if flows.duplicate[slot] == 1:
            continue
        row, time = int(flows.row[slot]), flows.time(slot)
        flags = max(int(flows.packets.flags[row]), 0)
        length, offset, end = int(flows.packets.payload_length[row]), int(flows.offset[slot]), int(flows.end[slot])
        mine = int(flows.origin[slot]) == side or (side == SERVER and int(flows.origin[slot]) == STRAY)
        if not mine:
            told = int(flows.acked[slot])
            if not flags & RST and told != UNKNOWN and told > acked:
                points.append((time, told, told, "-"))
                acked = told
            continue
        number = flows.number(slot)
        if flags & RST or end == UNKNOWN:
            sign = "R" if flags & RST else "#"
            points.append((time, highest, highest, "*" if number in evidence else sign))
            continue
        sign = "S" if flags & SYN else "F" if flags & FIN else ("r" if end <= highest else "#") if length else ""
        if number in evidence:
            sign = "*"
        if sign:
            points.append((time, max(offset, 0), max(end, 0), sign))
        highest = max(highest, end)
    return points


def _grid(points: list[Mark], first: int, last: int, cells: int) -> list[str]:
    top = max(1, *(end for _, _, end, _ in points))
    rank = {sign: i for i, sign in enumerate(SIGNS)}
    rows = [[" "] * cells for _ in range(HEIGHT)]
    for time, begin, end, sign in points:
        x = (time - first) * (cells - 1) // max(last - first, 1)
        high, low = (HEIGHT - 1 - place * (HEIGHT - 1) // top for place in (end, begin))
        for y in range(high, low + 1):
            if rows[y][x] == " " or rank[sign] < rank[rows[y][x]]:
                rows[y][x] = sign
    labels = {0: f"{top:,}", HEIGHT - 1: "0", HEIGHT // 2: f"{top * (HEIGHT - 1 - HEIGHT // 2) // (HEIGHT - 1):,}"}
    return [f"{labels.get(y, ''):>{MARGIN}}|{''.join(row)}".rstrip() for y, row in enumerate(rows)]


def _scale(first: int, last: int, cells: int) -> str:
    left, right = duration(first), duration(last)
    return f"{'':>{MARGIN}}+{left}{right:>{max(cells - len(left), len(right) + 1)}}"
