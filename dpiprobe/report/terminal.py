"""The table that a person reads: first the names with verdict, technique, signature, position and why; then counts; then how to go on.

Rules of this file:
- On a terminal it is laid out by rich (imported here, when called), within its width; elsewhere it is plain text in columns, byte for
  byte the same for the same records.
- Colour only repeats what the words say; without it the layout is the same.
- Text from the network was made printable before it comes here, and rich is not asked to read markup in it.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from dpiprobe.report.columns import EMPTY, GAP, fit, lay
from dpiprobe.report.printable import printable, width
from dpiprobe.report.summary import MOST_OK, MOST_ROWS, Name, Summary, counts, losses, packets, summaries

COLOURS = {"blocked": "bold red", "contested": "magenta", "down": "yellow", "insufficient": "cyan", "ok": "green"}
HEADS = ("name", "server", "verdict", "technique", "signature", "position", "why")


def write(records: Iterable[Mapping[str, Any]], out: TextIO, *, colour: bool | None = None, program: str = "dpiprobe") -> None:
    """Summaries of all captures among `records`, to `out`.

    colour: None asks the stream itself; False keeps a terminal's layout · program: how the commands to go on with start this program
    """
    screen = out.isatty() or colour is True
    for index, summary in enumerate(summaries(records)):
        if index:
            out.write("\n")
        write_summary(summary, out, screen=screen, colour=colour is not False, program=program)


def write_summary(summary: Summary, out: TextIO, *, screen: bool = False, colour: bool = True, program: str = "dpiprobe") -> None:
    """One capture's table, counts, losses and next steps."""
    shown, left = _choose(summary)
    out.write(f"{summary.capture}\n\n" if summary.capture else "")
    if not summary.names:
        out.write("no flows that can be judged\n" if not summary.flows else "")
    elif screen:
        _rich_table(shown, out, colour=colour)
    else:
        _plain_table(shown, out)
    for sentence in left:
        out.write(sentence + "\n")
    out.write("\n" + "\n".join([*_counts(summary), *_next(summary, program)]) + "\n")


def _choose(summary: Summary) -> tuple[list[Name], list[str]]:
    """The rows to show, and a sentence for the rest."""
    notable = [name for name in summary.names if name.verdict != "ok"]
    fine = [name for name in summary.names if name.verdict == "ok"]
    worked = summary.unshown["ok"]
    left = []
    if more := max(len(notable) - MOST_ROWS, 0) + summary.unshown.total() - worked:
        left.append(f"... and {more} more that did not simply work; --json has them all")
    if more := max(len(fine) - MOST_OK, 0) + worked:
        left.append(f"... and {more} more names that worked")
    return notable[:MOST_ROWS] + fine[:MOST_OK], left


def _cells(name: Name) -> tuple[str, ...]:
    why = name.why
    if name.flow is not None:
        where = f"flow {name.flow}" + (f", packet{'s' * (len(name.evidence) != 1)} {packets(name.evidence)}" if name.evidence else "")
        why = f"{why} ({where})" if why else where
    verdict = name.verdict + (f" ({name.confidence})" if name.confidence else "")
    return (name.server_name, name.server, verdict, name.technique or "-", name.signature or "-", name.position or "-", why)


def _plain_table(names: list[Name], out: TextIO) -> None:
    """One line a name, so that it can be searched and cut."""
    for line in lay([HEADS, *(_cells(name) for name in names)], None):
        out.write(line + "\n")


def _rich_table(names: list[Name], out: TextIO, *, colour: bool) -> None:
    """The same on a terminal: the verdict in colour, the reason wrapped on lines of its own, since a screen is narrow."""
    from rich.console import Console
    from rich.text import Text

    console = Console(file=out, highlight=False, markup=False, emoji=False, color_system="auto" if colour else None)
    rows = [HEADS, *(_cells(name) for name in names)]
    count = fit([row[:-1] for row in rows], console.width)
    widths = [max(width(row[column]) for row in rows) for column in range(count)]
    for index, row in enumerate(rows):
        line = Text(no_wrap=False)
        for head, cell, cells in zip(HEADS, row[:count], widths, strict=False):
            style = "bold" if not index else COLOURS.get(names[index - 1].verdict, "") if head == "verdict" else ""
            line.append(cell, style=style)
            line.append(" " * (cells - width(cell) + GAP))
        line.rstrip()
        console.print(line, soft_wrap=True)
        if not index:
            continue
        beneath = [f"{head} {cell}" for head, cell in zip(HEADS[count:-1], row[count:-1], strict=True) if cell not in EMPTY]
        for text in filter(None, (", ".join(beneath), row[-1])):
            for piece in Text(text, style="dim").wrap(console, max(console.width - 2, 20)):
                piece.rstrip()
                console.print(Text("  ").append_text(piece), soft_wrap=True)


def _counts(summary: Summary) -> list[str]:
    verdicts = summary.unshown + Counter(name.verdict for name in summary.names)
    lines = [f"names: {counts(verdicts)}", f"flows: {counts(summary.flows)}"]
    if summary.record.get("packets") is not None:
        lines.append(f"packets: {summary.record['packets']}")
    lines += [f"lost: {sentence}" for sentence in losses(summary.record)]
    return lines


def _next(summary: Summary, program: str) -> list[str]:
    """How to look further: commands that can be pasted."""
    # names of captures go into commands only where the shell reads them as they stand
    named = summary.files or (str(summary.record.get("path") or summary.capture),)
    if any(not raw or raw == "-" or printable(raw) != raw for raw in named):
        return []
    capture, together = shlex.join(named), " --together" if summary.files else ""
    telling = next((name.flow for name in summary.names if name.flow is not None), None)
    lines = ["", "look further:"]
    if telling is not None:
        lines.append(f"  {program} show {capture} --flow {telling}")
    lines.append(f"  {program} analyze{together} {capture} --json{' --interesting' if telling is not None else ''}")
    return lines
