"""The table of the demonstration: each box, what both views say of it, and the packets to look at.

Rules of this file: plain text in columns, one line a row; the box's own description stands beside the verdict only so that a reader can
compare; a wrong row is marked, never left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from dpiprobe.report.printable import duration, pad, printable, ranges, width

HEADS = ("box", "probed", "client's view", "both ends", "technique", "signature", "position", "reaction / RTT", "evidence packets", "")


def write(runs: Sequence[Any], out: TextIO, *, shown: Path) -> None:
    """The table, the score, and how to look further. `runs`: `run.demo.BoxRun`s in order."""
    rows = [HEADS]
    for run in runs:
        for index, row in enumerate(run.rows):
            mark = ("right" if run.right else "WRONG: " + run.miss) if index == 0 else ""
            rows.append((
                row.box if index == 0 else "", printable(row.name), _verdict(row), row.both_ends, row.technique or "-", row.signature or "-",
                row.position if row.technique else "-", _reaction(row), ranges(row.evidence[:24]) or "-", mark,
            ))  # fmt: skip
        if not run.rows:
            rows.append((run.box, "-", "-", "-", "-", "-", "-", "-", "-", "WRONG: " + run.miss))
    widths = [max(width(row[column]) for row in rows) for column in range(len(HEADS))]
    for row in rows:
        out.write("  ".join(pad(cell, widths[column]) for column, cell in enumerate(row)).rstrip() + "\n")
    right = sum(run.right for run in runs)
    out.write(f"\n{right} of {len(runs)} boxes named rightly. The client's view is what you would have in the field; the lab also records the server's side,\n")
    out.write("and where one side alone cannot say (a proxy on the way looks like a refusing server), both ends' view stands beside it.\n")
    out.write("'contested' means that forged packets were seen and the genuine answer won the race.\n\nHow to look further:\n")
    example = next((run for run in runs if any(row.technique for row in run.rows)), None) or next(iter(runs), None)
    if example is None or not example.rows:
        return
    folder, flow = shown / example.box, example.rows[0].flow
    for command, what in (
        (f"dpiprobe show {folder}/capture.pcapng --flow {flow}", "the ladder of that flow, evidence marked"),
        (f"dpiprobe analyze {folder}/capture.pcapng", "the same verdicts from the file"),
        (f"dpiprobe analyze {folder}/capture.pcapng --server-side {folder}/server.pcapng", "with what the server saw"),
        (f"tshark -r {folder}/capture.pcapng", "the packets, in Wireshark's numbers"),
        (f"dpiprobe signatures show {example.rows[0].signature or 'gfw-reset-triple'}", "what that signature says, and what else looks like it"),
    ):
        out.write(f"  {command}\n      {what}\n")


def _verdict(row: Any) -> str:
    word: str = row.verdict
    if row.because:
        word += f" ({row.because})"
    trials = row.trials
    mixed = [f"{count} {name}" for name, count in trials.items() if count]
    return f"{word} [{', '.join(mixed)}]" if len(mixed) > 1 else f"{word} x{sum(trials.values())}"


def _reaction(row: Any) -> str:
    rtt = duration(row.rtt_ns) if row.rtt_ns else "?"
    return f"{duration(row.reaction_ns)} / {rtt}" if row.reaction_ns is not None else f"- / {rtt}"
