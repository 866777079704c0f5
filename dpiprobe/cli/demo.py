"""`dpiprobe demo`: the whole job on this machine, from a probe on the wire to a named technique."""

from __future__ import annotations

import click

from dpiprobe.cli.program import program
from dpiprobe.cli.voice import voice


@click.command()
@click.option("-o", "--out", metavar="DIR", help="Where the runs are kept; runs/demo-... where it is not given.")
@click.option("--repetitions", type=click.IntRange(1, 50), default=3, show_default=True, help="Trials for each name and box.")
@click.option("--box", "only", multiple=True, metavar="BOX", help="Only this box; may be repeated.")
@click.option("--jobs", type=click.IntRange(1, 16), default=4, show_default=True, help="Labs at a time; they are idle most of the time.")
@click.option("--seed", type=int, help="Decides orders and random names; drawn and recorded where it is not given.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each box instead of the table.")
@click.pass_context
def demo(ctx: click.Context, out: str | None, repetitions: int, only: tuple[str, ...], jobs: int, seed: int | None, as_json: bool) -> None:
    """Stand up a network with a box on the path for each technique, probe through it, and name what it does.

    Everything happens in network namespaces of this machine; no packet leaves it. Needs no root where unprivileged user namespaces
    are allowed; where they are not, recorded cases are explained instead and the last line says what is missing. Takes about two
    minutes. Exit codes: 0 every box named rightly, 1 one was not, 3 this machine cannot.
    """
    import secrets
    import shutil
    import sys
    import time
    from dataclasses import asdict
    from pathlib import Path

    from dpiprobe.cli.judge import load_signatures
    from dpiprobe.errors import EnvironmentError_, UsageError
    from dpiprobe.lab.session import available
    from dpiprobe.report import demo_table, jsonl
    from dpiprobe.run.demo import BOXES, run_demo

    known = {box.box: box for box in BOXES}
    for name in only:
        if name not in known:
            raise UsageError(f"the demonstration has no box {name!r}; it has: {', '.join(known)}")
    trouble = available()
    speak = voice(ctx)
    if trouble is not None:
        from dpiprobe.cases.case import default_folder
        from dpiprobe.cli.offline import explain_cases

        if default_folder().is_dir():
            speak.note("dpiprobe: no lab can be built here (the last line says why), so recorded cases are explained instead")
            explain_cases()
        else:  # an installed package
            speak.note("dpiprobe: no lab can be built here, and the recorded cases that would stand in for it come with the source alone")
        raise EnvironmentError_(trouble)
    folder = Path(out) if out is not None else Path("runs") / time.strftime("demo-%Y%m%dT%H%M%SZ", time.gmtime())
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty; give another folder with -o, a run is never overwritten")
    folder.mkdir(parents=True, exist_ok=True)
    boxes = tuple(box for box in BOXES if not only or box.box in only)
    number = secrets.randbits(31) if seed is None else seed
    runs = run_demo(folder.resolve(), load_signatures(None), repetitions=repetitions, seed=number, jobs=jobs, boxes=boxes, told=speak.progress)
    speak.done()
    if as_json:
        for run in runs:
            click.echo(jsonl.line(asdict(run)), nl=False)
    else:
        room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        demo_table.write(runs, sys.stdout, shown=folder, room=room, program=program())
    if not all(run.right for run in runs):
        ctx.exit(1)

