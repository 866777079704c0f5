"""The table of the demonstration: each box, what both views say of it, and the packets to look at.

Rules of this file: plain text in columns, one line a row unless the screen is narrower; a wrong row is marked and says why, never left out.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from dpiprobe.report.columns import lay
from dpiprobe.report.printable import duration, printable, ranges

HEADS = ("box", "probed", "client's view", "both ends", "technique", "signature", "position", "named", "reaction", "RTT", "evidence packets")

LEGEND = """\
client's view      what you would have in the field, over all trials of the name
both ends          the same with what the lab recorded at the server; where one side alone cannot say, it shows what each says
reaction, RTT      from the ClientHello to the first forged packet; the smallest round trip to the server, sooner than which it cannot answer
evidence packets   numbers in the client's capture, as in Wireshark; of the first flow with that verdict
named              whether technique and signature are those of the box that stood there, which no verdict knows
contested          forged packets were seen, and the genuine answer won the race
"""


def write(runs: Sequence[Any], out: TextIO, *, shown: Path, room: int | None = None, program: str = "dpiprobe") -> None:
    """The table, the score, and how to look further.

    runs: `run.demo.BoxRun`s in order · shown: their folder, as commands name it · room: the screen's width, None for no screen ·
    program: how those commands start this program
    """
    rows = [HEADS]
    for run in runs:
        for index, row in enumerate(run.rows):
            mark = ("right" if run.right else "WRONG") if index == 0 else ""
            rows.append((
                row.box if index == 0 else "", printable(row.name), _verdict(row), row.both_ends, row.technique or "-", row.signature or "-",
                row.position if row.technique else "-", mark, *_times(row), ranges(row.evidence[:24]) or "-",
            ))  # fmt: skip
        if not run.rows:
            rows.append((run.box, "-", "-", "-", "-", "-", "-", "WRONG", "-", "-", "-"))
    out.write("\n".join(lay(rows, room)) + "\n\n")
    for run in runs:
        out.write(f"WRONG, {run.box}: {run.miss}\n" if not run.right else "")
        for row in run.rows:
            if row.because and row.verdict != row.both_ends:
                out.write(f"{run.box}: from the client's side alone {row.verdict} ({row.because}); {printable(row.reason)}\n")
    right = sum(run.right for run in runs)
    out.write(f"{right} of {len(runs)} boxes named rightly.\n\n{LEGEND}\n")
    example = next((run for run in runs if any(row.technique for row in run.rows)), None) or next(iter(runs), None)
    if example is None or not example.rows:
        return
    out.write("How to look further:\n")
    folder, flow = shlex.quote(str(shown / example.box)), example.rows[0].flow
    for command, what in (
        (f"{program} show {folder}/capture.pcapng --flow {flow}", "the ladder of that flow, evidence marked"),
        (f"{program} analyze {folder}/capture.pcapng", "the same verdicts from the file"),
        (f"{program} analyze {folder}/capture.pcapng --server-side {folder}/server.pcapng", "with what the server saw"),
        (f"tshark -r {folder}/capture.pcapng", "the packets, in Wireshark's numbers"),
        (f"{program} signatures show {example.rows[0].signature or 'gfw-reset-triple'}", "what that signature says, and what else looks like it"),
    ):
        out.write(f"  {command}\n      {what}\n")


def _verdict(row: Any) -> str:
    """`blocked x3` where all trials agree, else how many bear the name's verdict: `blocked 2 of 3`."""
    count = sum(row.trials.values())
    alike = row.trials.get(row.verdict, 0)
    return f"{row.verdict} x{count}" if alike == count else f"{row.verdict} {alike} of {count}"


def _times(row: Any) -> list[str]:
    return ["-" if ns is None else duration(ns) for ns in (row.reaction_ns, row.rtt_ns)]
