"""`dpiprobe lab matrix`: every box under every condition, and what the verdicts say of it.

Rules of this file: arguments, progress and a summary; the runs stand in `lab.matrix`, the counting in `lab.tally`, the page in `report.matrix_page`.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dpiprobe.cli.voice import Voice, voice
from dpiprobe.errors import UsageError

if TYPE_CHECKING:
    from dpiprobe.lab.matrix import Boxes, Result, Task

_FULL_REPETITIONS = 5
_SHOWN = 20  # misses and accusations told on the terminal; all are in the JSON


@click.command("matrix")
@click.option("--full", is_flag=True, help="All boxes, all conditions, five repetitions.")
@click.option("--box", "names", multiple=True, metavar="BOX", help="Only this box (more than once for several).")
@click.option("--condition", "places", multiple=True, metavar="CONDITION", help="Only under this condition; --conditions lists them.")
@click.option("--innocents", type=click.IntRange(0), default=None, metavar="N", help="Runs without interference. [default: one a cell]")
@click.option("--innocent", "harmless", multiple=True, metavar="NAME", help="Only this innocent.")
@click.option("--repetitions", type=click.IntRange(1), default=None, help="Runs of each box under each condition. [default: 1, with --full 5]")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the first repetition; the others count up.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write everything as JSON.")
@click.option("--html", "html_file", type=click.Path(dir_okay=False, path_type=Path), help="Write one page of HTML.")
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Write the captures of the runs into this folder (at most 50 runs).")
@click.option("--namespaces", type=click.IntRange(0), default=0, metavar="N", help="N runs of boxes, 2/5 N of innocents, at random, in namespaces too.")
@click.option("--conditions", "list_conditions", is_flag=True, help="List conditions and innocents, and run nothing.")
@click.pass_context
def matrix(
    ctx: click.Context, full: bool, names: tuple[str, ...], places: tuple[str, ...], innocents: int | None, harmless: tuple[str, ...], repetitions: int | None,
    seed: int, jobs: int, json_file: Path | None, html_file: Path | None, keep: Path | None, namespaces: int, list_conditions: bool,
) -> None:  # fmt: skip
    """Try boxes under conditions on the virtual clock, judge, and count what was right.

    Without options: a few boxes under a few conditions, and the innocents under the same. Exit code 1 where an innocent was accused.

    \b
    dpiprobe lab matrix --full --json matrix.json --html matrix.html
    dpiprobe lab matrix --box tcpkill --condition loss-5 --seed 3 --repetitions 1 --keep out
    """
    from dpiprobe.lab import conditions as table
    from dpiprobe.lab import innocents as harmless_table
    from dpiprobe.lab import matrix as room
    from dpiprobe.lab import tally as counting
    from dpiprobe.signature.database import load

    if list_conditions:
        entries: list[tuple[str, str, str]] = [(c.name, "condition", c.says) for c in table.CONDITIONS]
        entries += [(c.name, "for innocents", c.says) for c in table.INNOCENT_CONDITIONS]
        entries += [(i.name, "innocent", i.says) for i in harmless_table.INNOCENTS]
        for name, kind, says in entries:
            click.echo(f"{name:<20}{kind:<15}{says}")
        return
    say = voice(ctx)
    boxes = room.Boxes(load())
    todo = _tasks(boxes, full, names, places, innocents, harmless, repetitions, seed)
    if keep is not None and len(todo) > 50:
        raise UsageError(f"--keep would write the captures of {len(todo)} runs; choose with --box, --condition and --repetitions")
    began = time.monotonic()
    results, interrupted = _run(todo, boxes, jobs, keep, say)
    data = _data(results, boxes, seed, interrupted, time.monotonic() - began)
    if namespaces and not interrupted:
        real = _run_real(todo, namespaces, boxes, jobs, seed, say)
        data["namespaces"] = {"summary": counting.tally(real, boxes.truths, boxes.deployments), "results": [room.plain(r) for r in real]}
    if json_file is not None:
        json_file.write_text(json.dumps(data, ensure_ascii=False) + "\n", encoding="utf-8")
    if html_file is not None:
        from dpiprobe.report.matrix_page import page

        html_file.write_text(page(data), encoding="utf-8")
    _tell(data["summary"], results if keep is not None or len(results) <= 5 else [])
    if "namespaces" in data:
        click.echo("\nwith real kernels, in namespaces:")
        _tell(data["namespaces"]["summary"], [])
    if interrupted:
        say.note(f"interrupted after {len(results)} of {len(todo)} runs")
        sys.exit(130)
    if data["summary"]["innocents"]["accused"] or data.get("namespaces", data)["summary"]["innocents"]["accused"]:
        sys.exit(1)


def _tasks(
    boxes: Boxes, full: bool, names: tuple[str, ...], places: tuple[str, ...], innocents: int | None, harmless: tuple[str, ...], repetitions: int | None,
    seed: int,
) -> list[Task]:  # fmt: skip
    """What is to be run: boxes, then innocents."""
    from dpiprobe.lab import conditions as table
    from dpiprobe.lab import innocents as harmless_table
    from dpiprobe.lab import matrix as room

    for place in places:
        table.condition(place)
    for name in harmless:
        room.innocent(name)
    only_innocents = (harmless or innocents is not None) and not names and not full
    chosen = [boxes.known(n) for n in names] or ([] if only_innocents else list(boxes.blocks) if full else list(room.QUICK_BOXES))
    under = list(places) or ([c.name for c in table.CONDITIONS] if full or names else list(room.QUICK_CONDITIONS))
    times = repetitions or (_FULL_REPETITIONS if full else 1)
    todo = room.tasks(boxes, chosen, under, times, seed)
    if innocents is None:
        quiet = list(harmless) or ([] if names else [entry.name for entry in harmless_table.INNOCENTS])
        count = len(quiet) * len(places or under) * (times if harmless else 1)
        return todo + room.innocent_tasks(count, seed, quiet, places or under)
    return todo + room.innocent_tasks(innocents, seed, harmless, places)


def _run(todo: list[Task], boxes: Boxes, jobs: int, keep: Path | None, say: Voice) -> tuple[list[Result], bool]:
    """Carry everything out; Ctrl-C keeps what there is."""
    from dpiprobe.lab import matrix as room

    results: list[Result] = []
    began = time.monotonic()
    try:
        if keep is not None:
            for task in todo:
                folder = keep / f"{task.name}-{task.condition}-{task.seed}" if len(todo) > 1 else keep
                results.append(room.run_task(task, boxes, folder))
        else:
            for result in room.run_all(todo, jobs):
                results.append(result)
                took = time.monotonic() - began
                left = took / len(results) * (len(todo) - len(results))
                accused = sum(bool(r.accused) for r in results if r.kind == "innocent")
                say.progress(f"{len(results)} of {len(todo)} runs, {accused} innocents accused, {_clock(left)} left")
    except KeyboardInterrupt:
        return results, True
    finally:
        say.done()
    return results, False


def _run_real(todo: list[Task], count: int, boxes: Boxes, jobs: int, seed: int, say: Voice) -> list[Result]:
    """A sample with real kernels."""
    from dpiprobe.lab import in_namespaces

    chosen = in_namespaces.sample(todo, count, boxes, seed)
    results: list[Result] = []
    began = time.monotonic()
    for result in in_namespaces.run_real(chosen, boxes, jobs):
        results.append(result)
        left = (time.monotonic() - began) / len(results) * (len(chosen) - len(results))
        say.progress(f"{len(results)} of {len(chosen)} runs in namespaces, {_clock(left)} left")
    say.done()
    return results


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


def _data(results: list[Result], boxes: Boxes, seed: int, interrupted: bool, seconds: float) -> dict[str, Any]:
    from dpiprobe import __version__
    from dpiprobe.lab import tally as counting
    from dpiprobe.lab.matrix import plain

    return {
        "format": counting.FORMAT,
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": " ".join(["dpiprobe", *sys.argv[1:]]),
        "tool": __version__,
        "signatures": boxes.database.hash,
        "seed": seed,
        "seconds": round(seconds, 1),
        "interrupted": interrupted,
        "summary": counting.tally(results, boxes.truths, boxes.deployments),
        "results": [plain(r) for r in sorted(results, key=lambda r: (r.kind, r.name, r.condition, r.seed)) if r.kind == "box" or r.accused],
    }


def _tell(summary: dict[str, Any], results: list[Result]) -> None:
    """The summary for a person."""
    click.echo(f"{summary['runs']} runs, {summary['connections']} connections")
    rows = [*summary["conditions"], summary["up_to_2_percent"], summary["at_5_percent"]] if summary["conditions"] else []
    if rows:
        click.echo(f"\n{'technique right':<20}{'runs':>6}  {'client alone':<28}{'both ends':<28}")
    for row in rows:
        if row["runs"]:
            cells = "".join(f"{100 * row[v]['right']:6.1f} % ({100 * row[v]['from']:.1f} to {100 * row[v]['to']:.1f})".ljust(28) for v in ("client", "both"))
            click.echo(f"{row['name']:<20}{row['runs']:>6}  {cells}")
    if rows:
        own, missed = summary["deployments"], summary["not_right"]
        click.echo(f"\nown signature on a device's own box: client {own['own_signature']['client']}, both ends {own['own_signature']['both']} of {own['runs']}")
        click.echo(f"a device's signature on another's box: {len(summary['foreign'])}")
        for view, says in (("client", "client alone"), ("both", "both ends")):
            one = missed[view]
            click.echo(f"not right, {says}: {one['runs']}, of these insufficient {one['insufficient']}, blamed otherwise {one['blamed']}")
    _examples("not right, both ends", "box", summary["misses"], lambda m: f"{m['truth']} -> {' '.join(str(x) for x in m['both'])}")
    _examples("another device's signature", "box", summary["foreign"], lambda m: str(m["signature"]))
    _examples("blamed for something else", "box", summary["box_accusations"], lambda m: "; ".join(m["accused"][:2]))
    quiet = summary["innocents"]
    if quiet["runs"]:
        click.echo(f"\ninnocents accused: {quiet['accused']} of {quiet['runs']} runs (upper 95 % bound {100 * quiet['upper_95']:.3g} %)")
        _examples("accused", "innocent", quiet["accusations"], lambda m: "; ".join(m["accused"][:2]))
    for r in results:
        one, two = r.client, r.both
        said = [f"{view} {v.verdict} {v.technique} {v.signature}" for view, v in (("client", one), ("both ends", two))]
        click.echo(f"{r.name} {r.condition} {r.seed}: {'; '.join(said)}")


def _examples(title: str, kind: str, entries: list[dict[str, Any]], says: Any) -> None:
    from dpiprobe.lab.tally import again

    for entry in entries[:_SHOWN]:
        click.echo(f"  {title}: {says(entry)}\n    {again(kind, entry['name'], entry['condition'], entry['seed'])}")
    if len(entries) > _SHOWN:
        click.echo(f"  ... and {len(entries) - _SHOWN} more; --json has all")
