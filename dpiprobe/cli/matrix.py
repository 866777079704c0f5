"""`dpiprobe lab matrix`: every box under every condition, and what the verdicts say of it.

Rules of this file: arguments, progress and a summary; the runs stand in `lab.matrix`, the counting in `lab.tally`, the page in `report.matrix_page`.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dpiprobe.cli.voice import Voice, voice
from dpiprobe.errors import EnvironmentError_, UsageError

if TYPE_CHECKING:
    from dpiprobe.lab.matrix import Boxes, Result, Task
    from dpiprobe.lab.matrix_record import MatrixRecord, World

_FULL_REPETITIONS = 5
_VIEWS = (("client", "client alone"), ("both", "both ends"))
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
@click.option("--namespaces", type=click.IntRange(0), metavar="N", help="N runs of boxes, at random, in namespaces too.")
@click.option("--namespaces-innocents", "quiet", type=click.IntRange(0), metavar="N", help="And N runs of innocents. [default: 2/5 of --namespaces]")
@click.option("--software", type=click.IntRange(1), metavar="N", help="N runs of each real program that is installed (or of --box ones), and nothing else.")
@click.option("--sample-only", is_flag=True, help="The sample for namespaces, and nothing else.")
@click.option("--conditions", "list_conditions", is_flag=True, help="List conditions and innocents, and run nothing.")
@click.pass_context
def matrix(
    ctx: click.Context, full: bool, names: tuple[str, ...], places: tuple[str, ...], innocents: int | None, harmless: tuple[str, ...], repetitions: int | None,
    seed: int, jobs: int, json_file: Path | None, html_file: Path | None, keep: Path | None, namespaces: int | None, quiet: int | None, sample_only: bool,
    software: int | None, list_conditions: bool,
) -> None:  # fmt: skip
    """Try boxes under conditions on the virtual clock, judge, and count what was right.

    Without options: a few boxes under a few conditions, and the innocents under the same. Exit code 1 where an innocent was accused
    or the worlds differ by more than chance, 3 where runs in namespaces failed, 130 where it was interrupted; the JSON then has what there is.

    \b
    dpiprobe lab matrix --full --json matrix.json --html matrix.html
    dpiprobe lab matrix --box tcpkill --condition loss-5 --seed 3 --repetitions 1 --keep out
    """
    from dpiprobe.lab import conditions as table
    from dpiprobe.lab import innocents as harmless_table
    from dpiprobe.lab import matrix as room
    from dpiprobe.lab.matrix_record import MatrixRecord
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
    todo = [] if software is not None else _tasks(boxes, full, names, places, innocents, harmless, repetitions, seed)
    chosen: list[Task] = []
    if software is None and (namespaces is not None or quiet is not None):
        from dpiprobe.lab import in_namespaces

        count = namespaces or 0
        chosen = in_namespaces.sample(todo, count, -(-count * 2 // 5) if quiet is None else quiet, boxes, seed)
    elif software is not None:
        from dpiprobe.lab import in_namespaces

        chosen, sample_only = in_namespaces.software(software, seed, names), True
        if not chosen:
            raise EnvironmentError_("none of these real programs is installed; run `make lab-real` as root on Debian, `dpiprobe lab list` shows what is there")
    elif sample_only:
        raise UsageError("--sample-only needs the size of the sample; say --namespaces N")
    if keep is not None and len(todo) > 50:
        raise UsageError(f"--keep would write the captures of {len(todo)} runs; choose with --box, --condition and --repetitions")
    record = MatrixRecord(boxes, seed, json_file)
    interrupted = False
    try:
        _run([] if sample_only else todo, record, jobs, keep, say)
        if chosen:
            _run_real(chosen, record, jobs, say)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        say.done()
        data = record.save(complete=not interrupted and sys.exc_info()[0] is None, now=True)
    assert data is not None
    if html_file is not None:
        from dpiprobe.report.matrix_page import page

        html_file.write_text(page(data), encoding="utf-8")
    if not sample_only:
        _tell(data, record.virtual.results if keep is not None or record.virtual.over <= 5 else [])
    if "namespaces" in data:
        click.echo("\nwith real kernels, in namespaces:")
        _tell(data["namespaces"], [])
        _tell_agreement(data["namespaces"]["agreement"])
    worlds = [world for world in (record.virtual, record.real) if world is not None]
    if interrupted:
        over = sum(world.over for world in worlds)
        say.note(f"interrupted after {over} of {(0 if sample_only else len(todo)) + len(chosen)} runs" + (f"; {json_file} has them" if json_file else ""))
        sys.exit(130)
    if any(world.accused for world in worlds) or data.get("namespaces", {}).get("agreement", {}).get("unlike"):
        sys.exit(1)
    if record.virtual.failed:
        sys.exit(70)
    if record.real is not None and record.real.failed:
        sys.exit(3)


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


def _run(todo: list[Task], record: MatrixRecord, jobs: int, keep: Path | None, say: Voice) -> None:
    """Carry everything out on the virtual clock."""
    from dpiprobe.lab import matrix as room

    world, began = record.virtual, time.monotonic()
    world.asked = len(todo)
    if keep is not None:
        for task in todo:
            world.take(room.run_task(task, record.boxes, keep / f"{task.name}-{task.condition}-{task.seed}" if len(todo) > 1 else keep))
    else:
        for result in room.run_all(todo, jobs):
            world.take(result)
            say.progress(f"{world.over} of {world.asked} runs, {world.accused} innocents accused{_broken(world)}, {_left(began, world)} left")
            record.save()
    record.seconds = time.monotonic() - began
    say.done()


def _run_real(chosen: list[Task], record: MatrixRecord, jobs: int, say: Voice) -> None:
    """The sample, with real kernels."""
    from dpiprobe.lab import in_namespaces
    from dpiprobe.lab.matrix import Result, run_all
    from dpiprobe.lab.matrix_record import World

    world = World(len(chosen))
    record.real = world
    for twin in run_all([task for task in chosen if task.kind != "software"], jobs, pace=in_namespaces.PACE):
        world.twins += [twin] if isinstance(twin, Result) else []
        say.progress(f"{len(world.twins)} of {world.asked} runs of the sample on the virtual clock")
    began = time.monotonic()
    for result in in_namespaces.run_real(chosen, record.boxes, jobs):
        world.take(result)
        say.progress(
            f"{world.over} of {world.asked} runs in namespaces, {world.accused} innocents accused{_broken(world)}, {_left(began, world)} left"
        )
        record.save()
    say.done()


def _broken(world: World) -> str:
    return f", {len(world.failed)} failed" if world.failed else ""


def _left(began: float, world: World) -> str:
    return _clock((time.monotonic() - began) / world.over * (world.asked - world.over))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


def _tell(world: dict[str, Any], results: list[Result]) -> None:
    """What came out of one world, for a person."""
    summary, failed = world["summary"], world["failed"]
    click.echo(f"{summary['runs']} runs, {summary['connections']} connections" + (f"; {len(failed)} more failed" if failed else ""))
    for kind in ("box", "innocent", "software"):
        _examples("failed", kind, [f for f in failed if f["kind"] == kind], lambda f: f"{f['name']} {f['condition']} {f['seed']}: {f['reason']}")
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
        for view, says in _VIEWS:
            one = missed[view]
            click.echo(f"not right, {says}: {one['runs']}, of these insufficient {one['insufficient']}, blamed otherwise {one['blamed']}")
    _examples("not right, both ends", "box", summary["misses"], lambda m: f"{m['truth']} -> {' '.join(str(x) for x in m['both'])}")
    _examples("another device's signature", "box", summary["foreign"], lambda m: str(m["signature"]))
    _examples("blamed for something else", "box", summary["box_accusations"], lambda m: "; ".join(m["accused"][:2]))
    for row in summary["software"]:
        sides = [f"{says}: {row[view]['right']} ({', '.join(f'{n} {what}' for what, n in row[view]['said'].items())})" for view, says in _VIEWS]
        click.echo(f"{row['name']:<22}{'/'.join(row['technique']):<14}{row['runs']:>4} runs, named rightly from {'; '.join(sides)}")
    quiet = summary["innocents"]
    if quiet["runs"]:
        click.echo(f"\ninnocents accused: {quiet['accused']} of {quiet['runs']} runs (upper 95 % bound {100 * quiet['upper_95']:.3g} %)")
        _examples("accused", "innocent", quiet["accusations"], lambda m: "; ".join(m["accused"][:2]))
    for r in results:
        one, two = r.client, r.both
        said = [f"{view} {v.verdict} {v.technique} {v.signature}" for view, v in (("client", one), ("both ends", two))]
        click.echo(f"{r.name} {r.condition} {r.seed}: {'; '.join(said)}")


def _tell_agreement(found: dict[str, Any]) -> None:
    """How the two worlds compare, where the same runs took place in both."""
    for kind in ("box", "innocent"):
        one = found[kind]
        if one["runs"]:
            click.echo(f"the same verdict, technique and signature in both worlds, {kind}: client {one['client']}, both ends {one['both']} of {one['runs']}")
    for row in found["unlike"]:
        click.echo(f"  the worlds differ: {row['name']}, {row['view']}: right {row['virtual']} and {row['real']} of {row['runs']}, p {row['p']:.2g}")
    for entry in found["differ"][:_SHOWN]:
        sides = [f"{view}: {_words(entry[f'virtual_{view}'])} | {_words(entry[f'real_{view}'])}" for view in ("client", "both")]
        click.echo(f"  virtual | real: {entry['name']} {entry['condition']} {entry['seed']}: {'; '.join(sides)}")
    if len(found["differ"]) > _SHOWN:
        click.echo(f"  ... and {len(found['differ']) - _SHOWN} more; --json has all")


def _words(said: list[Any]) -> str:
    return " ".join(str(word) for word in said if word is not None)


def _examples(title: str, kind: str, entries: list[dict[str, Any]], says: Any) -> None:
    from dpiprobe.lab.tally import again

    for entry in entries[:_SHOWN]:
        click.echo(f"  {title}: {says(entry)}\n    {again(kind, entry['name'], entry['condition'], entry['seed'])}")
    if len(entries) > _SHOWN:
        click.echo(f"  ... and {len(entries) - _SHOWN} more; --json has all")
