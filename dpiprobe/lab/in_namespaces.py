"""The same run of the matrix with real kernels: the box in namespaces, the prober's own command, captures on disk.

Rules of this file:
- What is judged and how it is graded is `matrix.compare`, as on the virtual clock; only the packets are real.
- What namespaces do not offer is left out by `possible`: HTTP probes, servers that fail in ways the lab's server does not, a full accept queue.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from dpiprobe.errors import EnvironmentError_
from dpiprobe.lab import virtual
from dpiprobe.lab.conditions import condition
from dpiprobe.lab.matrix import Boxes, Result, Task, compare, innocent
from dpiprobe.lab.server import BEHAVIOURS

BODY = 24_000
_PATIENCE = 400  # seconds a run may take: ten trials, and a punishment waited out between some


def possible(task: Task, all_boxes: Boxes) -> bool:
    """Whether the run can be carried out with real kernels and the prober's command."""
    if condition(task.condition).full:
        return False
    if task.kind == "box":
        return not all_boxes.truths[task.name].http
    entry = innocent(task.name)
    plain = virtual.ServerSide(entry.server.behaviours)
    return entry.port == 443 and entry.server == plain and all(n is not None and w in BEHAVIOURS for n, w in entry.server.behaviours.items())


def sample(todo: Sequence[Task], count: int, all_boxes: Boxes, seed: int) -> list[Task]:
    """So many of the boxes' tasks and two fifths as many of the innocents', drawn at random among those that are possible."""
    rng = random.Random(seed)
    chosen: list[Task] = []
    for kind, wanted in (("box", count), ("innocent", -(-count * 2 // 5))):
        fit = [task for task in todo if task.kind == kind and possible(task, all_boxes)]
        chosen += rng.sample(fit, min(wanted, len(fit)))
    return chosen


def run_in_namespaces(task: Task, all_boxes: Boxes, folder: Path) -> Result:
    """Stand the lab up, probe through it, explain both views, compare. EnvironmentError_ where no lab can stand or the prober fails in it."""
    from dpiprobe.capture.read import read_capture
    from dpiprobe.lab.session import Lab
    from dpiprobe.plan.comment import plan_in

    block = all_boxes.blocks[task.name] if task.kind == "box" else None
    behaviours = {} if block is not None else {str(name): what for name, what in innocent(task.name).server.behaviours.items()}
    intercepts = block is not None and "mitm" in all_boxes.truths[task.name].techniques
    near, far = folder / "client", folder / "server"
    with Lab(block, conditions=task.condition, seed=task.seed, body=BODY, behaviours=behaviours, tls="1.2" if intercepts else "1.3") as lab:
        with lab.capture(far, nodes=("server",)):
            words = [
                sys.executable, "-m", "dpiprobe", "probe", lab.server, "--name", lab.blocked_name, "--control", lab.allowed_name, "--handshake",
                "--get", f"/bytes/{BODY}", "--repetitions", "3", "--rate", "2", "--wait", "35", "--seed", str(task.seed), "--out", str(near), "--json",
            ]  # fmt: skip
            try:
                done = lab.run_in("client", words, capture_output=True, timeout=_PATIENCE)
            except subprocess.TimeoutExpired:
                raise EnvironmentError_(f"the prober did not end within {_PATIENCE} s inside the lab; is this machine very busy?") from None
        if done.returncode:
            last = done.stderr.strip().rpartition("\n")[2]
            raise EnvironmentError_(f"the prober failed inside the lab (exit {done.returncode}): {last}")
    client, server = read_capture(near / "capture.pcapng"), read_capture(far / "server.pcapng")
    plan = plan_in(client.comments)
    return compare(task, client, server, plan, len(plan.trials) if plan is not None else 0, all_boxes)


def run_real(todo: Sequence[Task], all_boxes: Boxes, jobs: int) -> Iterator[Result]:
    """All of them, `jobs` labs at a time; captures lie in a temporary folder while they are judged."""
    from concurrent.futures import ThreadPoolExecutor, as_completed

    with tempfile.TemporaryDirectory(prefix="dpiprobe-matrix-") as place:
        pool = ThreadPoolExecutor(max_workers=jobs)
        try:
            futures = [pool.submit(run_in_namespaces, task, all_boxes, Path(place) / str(i)) for i, task in enumerate(todo)]
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
