"""The same run of the matrix with real kernels: the box in namespaces, the prober's own command, both captures in memory.

Rules of this file:
- What is judged and how it is graded is `matrix.compare`, as on the virtual clock; only the packets are real.
- What namespaces do not offer is left out by `possible`: HTTP probes, servers that fail in ways the lab's server does not, a full accept queue.
- A run that could not be carried out is a `Failed` with its reason, counted and told. It is never tried again, and takes no other with it.
- Nothing on disk: the prober writes into a /run of its own in memory, the server's capture lies in a descriptor. So nothing is left however it ends.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence

from dpiprobe.errors import DpiprobeError, EnvironmentError_, UsageError
from dpiprobe.lab import virtual
from dpiprobe.lab.availability import package_environment
from dpiprobe.lab.conditions import condition
from dpiprobe.lab.matrix import Boxes, Failed, Result, Task, compare, innocent
from dpiprobe.lab.real.shelf import PROGRAMS
from dpiprobe.lab.server import ANY, BEHAVIOURS
from dpiprobe.lab.session import Lab
from dpiprobe.plan.plan import Pace

BODY = 24_000
PACE = Pace(gap=0.5, residual=35.0)  # quicker than the prober's usual one; the twins on the virtual clock keep it too
_PATIENCE = 400  # seconds a run may take: ten trials, and a punishment waited out between some
_PLACE = "/run/probed"
_AND_HAND_OVER = f'"$@" > /dev/null && exec cat {_PLACE}/capture.pcapng'


def possible(task: Task, all_boxes: Boxes) -> bool:
    """Whether the run can be carried out with real kernels and the prober's command."""
    if condition(task.condition).full:
        return False
    if task.kind == "box":
        return not all_boxes.truths[task.name].http
    entry = innocent(task.name)
    server = entry.server
    plain = virtual.ServerSide(server.behaviours, ttl=server.ttl, timestamps=server.timestamps)
    return entry.port == 443 and server == plain and all(what in BEHAVIOURS for what in server.behaviours.values())


def sample(todo: Sequence[Task], count: int, innocents: int, all_boxes: Boxes, seed: int) -> list[Task]:
    """So many of the boxes' tasks and of the innocents', drawn at random among those that are possible, in a random order."""
    rng = random.Random(seed)
    chosen: list[Task] = []
    for kind, wanted in (("box", count), ("innocent", innocents)):
        fit = [task for task in todo if task.kind == kind and possible(task, all_boxes)]
        chosen += rng.sample(fit, min(wanted, len(fit)))
    rng.shuffle(chosen)
    return chosen


def software(runs: int, seed: int, names: Sequence[str] = ()) -> list[Task]:
    """So many runs of each real program (of these names, if any) that can run on this machine. Raises UsageError for a name that none has."""
    unknown = set(names) - {entry.name for entry in PROGRAMS}
    if unknown:
        raise UsageError(f"{min(unknown)} is no real program; there are: {' '.join(entry.name for entry in PROGRAMS)}")
    here = [entry for entry in PROGRAMS if entry.lacks() is None and not (entry.name == "real-squid" and os.geteuid() != 0)]
    here = [entry for entry in here if not names or entry.name in names]
    return [Task("software", entry.name, "plain", seed + i) for i in range(runs) for entry in here]


def run_in_namespaces(task: Task, all_boxes: Boxes, lab: Lab | None = None) -> Result:
    """Stand the task's lab up (or take `lab`, from `lab_for`), probe through it, explain both views, compare.

    Raises EnvironmentError_ where no lab can stand or the prober fails in it.
    """
    from dpiprobe.capture.read import read_capture
    from dpiprobe.plan.comment import plan_in

    with lab or lab_for(task, all_boxes) as standing:
        with standing.capture(None, nodes=("server",)) as taken:
            near = _probe(standing, task)
        far = taken.files["server"].read_bytes()
    client, server = read_capture("client.pcapng", data=near), read_capture("server.pcapng", data=far)
    plan = plan_in(client.comments)
    return compare(task, client, server, plan, len(plan.trials) if plan is not None else 0, all_boxes)


def lab_for(task: Task, all_boxes: Boxes) -> Lab:
    """The lab of a task, not started."""
    if task.kind == "box":
        intercepts = "mitm" in all_boxes.truths[task.name].techniques
        return Lab(all_boxes.blocks[task.name], conditions=task.condition, seed=task.seed, body=BODY, tls="1.2" if intercepts else "1.3")
    if task.kind == "software":
        shown = all_boxes.truths[task.name].techniques == {"mitm"}  # TLS 1.3 hides certificates from captures
        return Lab(task.name, conditions=task.condition, seed=task.seed, body=BODY, tls="1.2" if shown else "1.3")
    server = innocent(task.name).server
    return Lab(
        None, conditions=task.condition, seed=task.seed, body=BODY, server_ttl=server.ttl, server_timestamps=server.timestamps,
        behaviours={ANY if name is None else name: what for name, what in server.behaviours.items()},
    )  # fmt: skip


def _probe(lab: Lab, task: Task) -> bytes:
    """The prober's capture, with its plan inside; where an innocent is one of the hello alone, that is all it sends."""
    whole = task.kind != "innocent" or innocent(task.name).body is not None
    words = [
        sys.executable, "-m", "dpiprobe", "probe", lab.server, "--name", lab.blocked_name, "--control", lab.allowed_name,
        *(["--handshake", "--get", f"/bytes/{BODY}"] if whole else []),
        "--repetitions", "3", "--rate", f"{1 / PACE.gap:g}", "--wait", f"{PACE.residual:g}", "--seed", str(task.seed), "--out", _PLACE, "--json",
    ]  # fmt: skip
    out, err = (os.memfd_create(name) for name in ("capture", "said"))
    try:
        process = lab.popen(
            "client", ["sh", "-c", _AND_HAND_OVER, "sh", *words], env=package_environment(),
            stdin=subprocess.DEVNULL, stdout=out, stderr=err, own_run=True,
        )  # fmt: skip
        try:
            status = process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise EnvironmentError_(f"the prober did not end within {_PATIENCE} s inside the lab; is this machine very busy?") from None
        if status:
            last = os.pread(err, 1 << 20, 0).decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise EnvironmentError_(f"the prober failed inside the lab (exit {status}): {last}")
        with open(out, "rb", closefd=False) as file:
            file.seek(0)
            return file.read()
    finally:
        os.close(out)
        os.close(err)


class _Stopped(Exception):
    """The sample was given up before this run began."""


class _Workshop:
    """The labs that stand right now, so that giving up takes them all down."""

    def __init__(self, all_boxes: Boxes) -> None:
        self.all_boxes = all_boxes
        self.lock = threading.Lock()
        self.standing: set[Lab | None] = set()
        self.over = False

    def work(self, task: Task) -> Result | Failed:
        """One run; whatever goes wrong in it is told, not raised."""
        lab: Lab | None = None
        try:
            lab = lab_for(task, self.all_boxes)
            with self.lock:
                if self.over:
                    raise _Stopped
                self.standing.add(lab)
            return run_in_namespaces(task, self.all_boxes, lab)
        except _Stopped:
            raise
        except Exception as problem:  # one run must not take the others with it; a mistake of ours is told like any other, by its name
            said = str(problem) if isinstance(problem, DpiprobeError) else f"{type(problem).__name__}: {problem}"
            return Failed(task.kind, task.name, task.condition, task.seed, said)
        finally:
            with self.lock:
                self.standing.discard(lab)

    def stop(self) -> None:
        """No run begins any more, those under way end now; returns when no lab stands."""
        while True:
            with self.lock:
                self.over = True
                labs = [lab for lab in self.standing if lab is not None]
            if not labs:
                return
            for lab in labs:
                lab.close()  # does nothing to one that is only just being started, hence the loop
            time.sleep(0.05)


def run_real(todo: Sequence[Task], all_boxes: Boxes, jobs: int) -> Iterator[Result | Failed]:
    """All of them as they come, `jobs` labs at a time. Closing the iterator, or an exception where it is waited for, takes every lab down at once."""
    from concurrent.futures import ThreadPoolExecutor, as_completed

    workshop = _Workshop(all_boxes)
    pool = ThreadPoolExecutor(max_workers=jobs)
    try:
        for future in as_completed([pool.submit(workshop.work, task) for task in todo]):
            yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        workshop.stop()
