"""The matrix: every box and every innocent under every condition, judged as a file would be, and only then compared with what it was.

Rules of this file:
- A trial is a (box, condition, seed); it repeats itself alone from these three. Nothing is tried twice, nothing is left out.
- The explanation sees two captures and the plan. The box's name, the block and the truth stay on this side.
- Two views are graded: the client's capture alone, and both ends'. Grades: `exact` (technique in full depth), `coarse` (a true parent of it),
  `possible` (not blamed, but named among what it could be; right for what hits every name alike), `insufficient`, `down`, `ok` (missed), `wrong`
  (blocked or contested with another technique). On innocents `blocked` or `contested`, of any name or flow, is an accusation.
"""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dpiprobe.capture.model import Capture
from dpiprobe.errors import UsageError
from dpiprobe.lab import boxes, catalogue, namespaces, topology, truth, variants, virtual
from dpiprobe.lab.conditions import CONDITIONS, INNOCENT_CONDITIONS, Condition, condition
from dpiprobe.lab.innocents import INNOCENTS, Innocent
from dpiprobe.lab.real.shelf import PROGRAMS
from dpiprobe.plan.plan import Pace, Plan

GRADES = ("exact", "coarse", "possible", "insufficient", "down", "ok", "wrong")
BLAME = ("blocked", "contested")
QUICK_BOXES = ("netfilter-reject", "gfw-reset-triple", "tcpkill", "drop.hello", "proxy.close", "throttle.shape", "data.blockpage", "residual.drop")
QUICK_CONDITIONS = ("plain", "loss-2", "jitter", "merged", "nat", "cloud")


@dataclass(frozen=True, slots=True)
class Task:
    """One run. kind: `box`, `innocent`, or `software` (a real program, in namespaces alone)."""

    kind: str
    name: str
    condition: str
    seed: int

    @property
    def random_seed(self) -> str:
        """What the run's generator starts from."""
        return f"{self.kind}/{self.name}/{self.condition}/{self.seed}"


@dataclass(slots=True)
class View:
    """What one view says of the name in question."""

    verdict: str | None
    technique: str | None
    signature: str | None
    position: str | None
    because: str | None = None
    could_be: list[str] = field(default_factory=list)
    grade: str = ""


@dataclass(slots=True)
class Result:
    """One run and its grades. accused: every blame that hits nobody's box, in words · foreign: a device's signature that won and is not this box's"""

    kind: str
    name: str
    condition: str
    seed: int
    client: View
    both: View
    accused: list[str] = field(default_factory=list)
    foreign: str | None = None
    connections: int = 0


@dataclass(frozen=True, slots=True)
class Failed:
    """A run that could not be carried out or judged, and why. It counts as what it is: no result."""

    kind: str
    name: str
    condition: str
    seed: int
    reason: str


class Boxes:
    """All boxes of the matrix, read once: the blocks of the database and the variants, with what each is."""

    def __init__(self, database: Any) -> None:
        self.database = database
        self.blocks: dict[str, Any] = {s.id: s.emulate for s in database.signatures if s.emulate is not None}
        self.deployments = {s.id for s in database.signatures if not s.generic}
        self.blocks |= {name: block for name, (_, block) in variants.VARIANTS.items()}
        self.truths = {name: truth.truth_of(block) for name, block in self.blocks.items()}
        self.twins = truth.twins(self.blocks)
        self.truths |= {entry.name: truth.truth_of_software(entry.technique) for entry in PROGRAMS}

    def known(self, name: str) -> str:
        """The name under which a box stands here (short names of the catalogue are understood). Raises UsageError."""
        for entry in catalogue.entries():
            if name == entry.name and entry.signature in self.blocks:
                return str(entry.signature)
        if name not in self.blocks:
            raise UsageError(f"there is no box {name!r} in the matrix; `dpiprobe lab list` shows those there are, and {', '.join(variants.VARIANTS)}")
        return name

    def fits(self, name: str, where: Condition) -> bool:
        """Whether the box can do its work there: one that needs the server's packets cannot where it does not see them, some need other hellos."""
        return not self.truths[name].idle and not (where.one_way and self.truths[name].both_ways)


def tasks(all_boxes: Boxes, names: Sequence[str], conditions: Sequence[str], repetitions: int, seed: int) -> list[Task]:
    """Box x condition x repetition; the seeds of a cell count up from `seed`."""
    return [
        Task("box", name, where, seed + i)
        for name in names for where in conditions if all_boxes.fits(name, condition(where)) for i in range(repetitions)
    ]  # fmt: skip


def innocent_tasks(runs: int, seed: int, names: Sequence[str] = (), conditions: Sequence[str] = ()) -> list[Task]:
    """So many runs spread evenly over innocents x conditions, in an order that any beginning covers all."""
    some = names or [innocent.name for innocent in INNOCENTS]
    places = conditions or [c.name for c in (*CONDITIONS, *INNOCENT_CONDITIONS)]
    cells = [(name, where) for name in some for where in places]
    cells.sort(key=lambda cell: hashlib.sha256("/".join(cell).encode()).digest())
    return [Task("innocent", *cells[i % len(cells)], seed + i // len(cells)) for i in range(runs)]


def innocent(name: str) -> Innocent:
    """The innocent of that name. Raises UsageError where there is none."""
    for entry in INNOCENTS:
        if entry.name == name:
            return entry
    raise UsageError(f"there is no innocent {name!r}; there are: {' '.join(entry.name for entry in INNOCENTS)}")


def carry_out(task: Task, all_boxes: Boxes, repetitions: int = 3, pace: Pace | None = None) -> virtual.VirtualRun:
    """The run of a task, without judging; `pace` is the prober's, None for its usual one."""
    where = condition(task.condition)
    if task.kind == "innocent":
        entry = innocent(task.name)
        return virtual.run(
            lambda rng: boxes.make(None, (), (), rng), where, task.random_seed,
            repetitions=repetitions, port=entry.port, body=entry.body, server=entry.server, pace=pace,
        )  # fmt: skip
    server = virtual.ServerSide(certificates="one") if "mitm" in all_boxes.truths[task.name].techniques else None
    block, what = all_boxes.blocks[task.name], all_boxes.truths[task.name]
    return virtual.run(
        lambda rng: boxes.make(block, [virtual.BLOCKED], [topology.SERVER, topology.SERVER6], rng, real_tls=False), where, task.random_seed,
        repetitions=repetitions, port=80 if what.http else 443, server=server, pace=pace,
    )  # fmt: skip


def run_task(task: Task, all_boxes: Boxes, keep: Path | None = None, pace: Pace | None = None) -> Result:
    """Carry out, explain from one end and from both, compare."""
    done = carry_out(task, all_boxes, pace=pace)
    if keep is not None:
        _keep(done, keep)
    return compare(task, done.client, done.server, done.plan, done.connections, all_boxes)


def compare(task: Task, near: Capture, far: Capture, plan: Plan | None, connections: int, all_boxes: Boxes) -> Result:
    """Explain two captures, from the client's alone and with the server's, and only then grade by what the task's box is."""
    from dpiprobe.explain import explain

    one = explain(near, database=all_boxes.database, plan=plan)
    two = explain(near, database=all_boxes.database, plan=plan, server_side=far)
    client, both = _view(one), _view(two)
    result = Result(task.kind, task.name, task.condition, task.seed, client, both, connections=connections)
    if task.kind == "innocent":
        for label, found in (("client", one), ("both", two)):
            result.accused += [_blamed(label, found, j) for j in found.judgements if j.verdict in BLAME]
        for view in (client, both):
            view.grade = "wrong" if view.verdict in BLAME else "exact"
        return result
    what = all_boxes.truths[task.name]
    for view in (client, both):
        view.grade = grade(view, what.techniques)
    for view in (client, both):
        if view.signature in all_boxes.deployments and view.signature not in all_boxes.twins.get(task.name, all_boxes.deployments):
            result.foreign = view.signature
    right = {*what.techniques, *([what.punishes] if what.punishes else [])}
    for label, found in (("client", one), ("both", two)):
        for j in found.judgements:
            if j.verdict in BLAME and not any(_true(j.technique, t) for t in right):
                result.accused.append(_blamed(label, found, j))
    return result


def grade(view: View, techniques: frozenset[str]) -> str:
    """How well a view tells what the box is."""
    if view.technique in techniques:
        return "exact"
    if view.technique is not None and any(_true(view.technique, t) for t in techniques):
        return "coarse"
    if view.verdict not in BLAME and any(_true(said, t) for said in view.could_be for t in techniques):
        return "possible"
    return "wrong" if view.verdict in BLAME else str(view.verdict or "ok")


def _true(said: str | None, technique: str) -> bool:
    return said is not None and (said == technique or technique.startswith(said + "."))


def _blamed(label: str, found: Any, judgement: Any) -> str:
    trigger = found.flows.triggers[judgement.flow]
    return f"{label}: flow {judgement.flow + 1} ({trigger.server_name if trigger else 'no name'}) {judgement.verdict} {judgement.technique}"


def _view(found: Any) -> View:
    """The name in question; where no connection came so far, the server without a name."""
    lines = {line.server_name: line for line in found.names}
    line = lines.get(virtual.BLOCKED) or lines.get(None)
    if line is None:
        return View(None, None, None, None)
    lead = line.lead
    return View(line.verdict, lead.technique, lead.signature, lead.position if lead.technique else None, lead.because, list(lead.could_be))


def _keep(done: virtual.VirtualRun, folder: Path) -> None:
    """Both captures as pcapng with the plan in the client's, and the plan beside them."""
    from dpiprobe.capture.write import PcapngWriter
    from dpiprobe.plan.comment import comments_of

    folder.mkdir(parents=True, exist_ok=True)
    for name, frames, comment in (("client", done.frames[0], comments_of(done.plan)), ("server", done.frames[1], [])):
        with (folder / f"{name}.pcapng").open("wb") as file:
            writer = PcapngWriter(file, comment)
            writer.interface(101, name)  # LINKTYPE_RAW
            for at, packet in frames:
                writer.packet(virtual.EPOCH + at, packet)
    (folder / "plan.json").write_text(done.plan.to_json(indent=1) + "\n")


_shared: list[Boxes] = []


def _prepare() -> None:
    from dpiprobe.signature.database import load

    if not _shared:
        _shared.append(Boxes(load()))


def _work(chunk: Sequence[Task], pace: Pace | None = None) -> list[Result | Failed]:
    """What a worker process does with its share; a mistake of ours in one run is told and costs that run only."""
    _prepare()
    done: list[Result | Failed] = []
    for task in chunk:
        try:
            done.append(run_task(task, _shared[0], pace=pace))
        except Exception as problem:
            done.append(Failed(task.kind, task.name, task.condition, task.seed, f"{type(problem).__name__}: {problem}"))
    return done


def _begin() -> None:
    """A worker process ends with the process that made it, also where that is killed; Ctrl-C is that process's to hear."""
    namespaces.die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _prepare()


def run_all(todo: Sequence[Task], jobs: int, chunk: int = 20, pace: Pace | None = None) -> Iterator[Result | Failed]:
    """All results, in any order; `jobs` processes. Closing the iterator stops them."""
    chunks = [todo[i : i + chunk] for i in range(0, len(todo), chunk)]
    if jobs <= 1:
        for part in chunks:
            yield from _work(part, pace)
        return
    from concurrent.futures import ProcessPoolExecutor, as_completed

    pool = ProcessPoolExecutor(jobs, initializer=_begin)
    try:
        for future in as_completed([pool.submit(_work, part, pace) for part in chunks]):
            yield from future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def plain(result: Result) -> Mapping[str, Any]:
    """A result as JSON values."""
    return asdict(result)
