"""`dpiprobe show CAPTURE --flow N`: one flow as a ladder, or as a graph."""

from __future__ import annotations

import shutil
import sys

import click

from dpiprobe.cli.judge import explain_file, load_signatures
from dpiprobe.errors import UsageError


@click.command()
@click.argument("captures", nargs=-1, required=True, metavar="CAPTURE...")
@click.option("--flow", "number", type=click.IntRange(min=1), metavar="N", help="The flow's number in the records, from 1.")
@click.option("--all", "everything", is_flag=True, help="Draw every packet of a long flow.")
@click.option("--plot", type=click.Choice(["time-sequence"]), help="Draw a graph instead: bytes of the stream over time, for both directions.")
@click.option("--dissect", is_flag=True, help="Add what tshark (through pyshark) says about the evidence packets.")
@click.option("--control", "controls", multiple=True, metavar="NAME", help="A name known to work, as for analyze; may be repeated.")
@click.option("--server-side", metavar="FILE", help="A capture of the same flows, taken at the server.")
@click.option("--signatures", "folder", metavar="DIR", help="A folder of signatures instead of those that come with dpiprobe.")
def show(
    captures: tuple[str, ...], number: int | None, everything: bool, plot: str | None, dissect: bool, controls: tuple[str, ...],
    server_side: str | None, folder: str | None,
) -> None:
    """Draw one flow as a ladder: hosts as vertical lines, packets as arrows, evidence marked with the clause it belongs to. Below it: what decided,
    what else it could be and which packets speak against that, which signatures almost matched and by which field, and what would change the verdict.
    Several captures are shown as one, as 'analyze --together' judges them.

    \b
    Examples:
      dpiprobe show capture.pcapng --flow 12 --dissect
      dpiprobe show capture.pcapng --flow 12 --plot time-sequence
    """
    if dissect and (captures == ("-",) or len(captures) > 1):
        raise UsageError("--dissect reads one file a second time; save standard input, or what belongs together, to one file first")
    if plot and (dissect or everything):
        raise UsageError("--plot draws the graph alone; leave out --dissect and --all")
    if len(captures) > 1 and (server_side is not None or "-" in captures):
        raise UsageError("several captures are shown as one where all are files and none has a server side; merge them first (mergecap -w all.pcapng ...)")
    capture = " + ".join(captures)
    database = load_signatures(folder)
    explanation = explain_file(captures[0], database=database, controls=controls, server_side=server_side, others=captures[1:])
    records = {int(r["flow"]): r for r in explanation.records if r.get("kind") == "flow"}
    if not records:
        raise UsageError(f"{capture} has no flows; 'dpiprobe analyze {capture}' says what is in it")
    if number is None:
        number = _most_telling(records)
    if number not in records:
        raise UsageError(f"there is no flow {number} in {capture}; its flows are numbered 1 to {max(records)}")
    from dpiprobe.report import ladder

    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    if plot:
        from dpiprobe.report import plot as graph

        for line in graph.draw(explanation.flows, number - 1, records[number], room=room):
            click.echo(line)
        return
    from dpiprobe.report.why import why

    lines = ladder.draw(explanation.flows, number - 1, records[number], everything=everything, room=room)
    for line in [*lines, *why(explanation, number, records[number], database.signatures)]:
        click.echo(line)
    if dissect:
        from dpiprobe.report import dissect as second

        marked = sorted(ladder.marks_of(records[number]))
        wanted = marked or [r.number for r in ladder.rungs(explanation.flows, number - 1, records[number])]
        click.echo("")
        for line in second.dissect(capture, wanted):
            click.echo(line)


def _most_telling(records: dict[int, dict[str, object]]) -> int:
    """Without --flow: the first flow that is blocked, else contested, and so on."""
    for word in ("blocked", "contested", "down", "insufficient"):
        for number, record in records.items():
            if record.get("verdict") == word:
                return number
    return min(records)
