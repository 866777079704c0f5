"""One call for any number of captures: in this process, over a pool, or over a cluster; to lines, tables or a Parquet data set.

Rules of this file: it chooses who does the work and never what is said; every way gives the same results in the same order.
"""

from __future__ import annotations

import os
import tempfile
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dpiprobe.scale.batches import Task, batches
from dpiprobe.scale.inputs import Input
from dpiprobe.scale.task import Options, Result, explain_one, run_task, signatures

if TYPE_CHECKING:
    from dpiprobe.scale.pool import Event

PAYS = 16 << 20
"""Bytes of captures from which a second process repays its start of 0.3 s (our own measurement: 20 MB/s of small captures a core)."""


@dataclass(slots=True)
class Plan:
    """Who does the work, and what of it is done.

    jobs: processes, 1 is this one, None as many as pay · dask: a cluster instead · write: takes lines at once
    skip: keys of inputs that are left out · on_done: hears of results when they are there
    """

    jobs: int | None = None
    dask: str | None = None
    write: Callable[[bytes], Any] = len
    skip: Collection[str] = ()
    on_done: Callable[[list[Result]], Any] = len


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(inputs: Sequence[Input], options: Options, plan: Plan) -> Iterator[Result]:
    """Explain all inputs; their results in order. Lines of captures that this process explains go to `plan.write` at once."""
    jobs = _jobs(inputs, plan)
    if plan.dask is None and jobs <= 1 and options.form != "parquet":
        yield from _at_once(inputs, options, plan)
        return
    from dpiprobe.scale.sweep import sweep

    if plan.dask is not None:
        from dpiprobe.scale.cluster import cluster

        with cluster(plan.dask, cores()) as (runner, enough):
            ahead = len(inputs) if options.form == "parquet" else enough
            yield from sweep(inputs, options, runner, skip=plan.skip, on_done=plan.on_done, ahead=ahead)
    elif jobs > 1:
        from dpiprobe.scale.pool import pool

        with tempfile.TemporaryDirectory(prefix="dpiprobe-", ignore_cleanup_errors=True) as spool:

            def processes(queue: deque[Task], given: Options) -> Iterator[Event]:
                return pool(queue, given, jobs)

            yield from sweep(inputs, replace(options, spool=spool), processes, skip=plan.skip, on_done=plan.on_done)
    else:
        yield from sweep(inputs, replace(options, cores=plan.jobs or cores()), _here, skip=plan.skip, on_done=plan.on_done)


def _jobs(inputs: Sequence[Input], plan: Plan) -> int:
    if any(given.key == "-" for given in inputs):  # standard input is this process's own
        return 1
    tasks = batches(inputs, plan.skip)
    if plan.jobs is not None:
        return min(plan.jobs, len(tasks))
    return min(cores(), len(tasks)) if sum(given.size for task in tasks for _, given in task.inputs) >= PAYS else 1


def _here(queue: deque[Task], options: Options) -> Iterator[Event]:
    """Tasks one after the other in this process."""
    while queue:
        task = queue.popleft()
        yield task, run_task(task, options)


def _at_once(inputs: Sequence[Input], options: Options, plan: Plan) -> Iterator[Result]:
    """Captures one after the other in this process, their lines written as they come."""
    database = signatures(options.signatures, options.database, options.tool)
    spread = plan.jobs or cores()
    alone = len(inputs) == 1
    for place, given in enumerate(inputs):
        result = explain_one(place, given, options, database, plan.write, raw=options.form == "table", bare=alone, cores=spread)
        plan.on_done([result])
        yield result

