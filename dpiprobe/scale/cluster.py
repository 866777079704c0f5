"""Dask distributed does the tasks: a cluster that is there already, or workers of this machine that end with the command.

Rules of this file:
- No scheduling of our own: Dask hands tasks to workers, and gives those of a dead worker to others.
- A task that has cost more workers than the scheduler allows comes back as `Died`; the sweep then goes file by file.
- Workers need the same dpiprobe with the same signatures (checked in `task.signatures`), and must reach the captures under the same paths or URLs.
- distributed (the extra `cluster`) is imported when a cluster is asked for.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any

from dpiprobe.errors import EnvironmentError_, UsageError
from dpiprobe.scale.batches import Task
from dpiprobe.scale.pool import Died, Event, uninterrupted
from dpiprobe.scale.sweep import AHEAD, Runner
from dpiprobe.scale.task import Options, run_task

PATIENCE = 15
"""Seconds that a scheduler has to answer."""
EACH = 4
"""Tasks that lie at the scheduler for each thread of the workers, so that none waits; and an elastic cluster sees that there is work."""

LOCAL = {"distributed.scheduler.allowed-failures": 1, "distributed.worker.profile.enabled": False}
"""Settings of workers that are ours: a task that has cost two workers comes back, and nobody looks at a profile (a tenth of their time)."""


@contextmanager
def cluster(where: str, cores: int) -> Iterator[tuple[Runner, int]]:
    """Connect to `tcp://host:port` (any address that Dask knows), or start `local[:N]`, for as long as the block lasts.

    cores: workers of `local` without a number. Gives what does tasks, and how many may be started ahead of the oldest unfinished one.
    Raises EnvironmentError_ where Dask is missing or nobody answers, UsageError where `where` is neither.
    """
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError:
        raise EnvironmentError_("--dask needs Dask distributed; pip install 'dpiprobe[cluster]' here and on the workers") from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # a worker that dies is said by its result, or is no news
    with ExitStack() as stack:
        address: Any = where
        if where.partition(":")[0] == "local":
            count = _workers(where, cores)
            stack.enter_context(dask.config.set(LOCAL))
            with uninterrupted():
                local = LocalCluster(n_workers=count, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=logging.CRITICAL)
            address = stack.enter_context(local)
        elif "://" not in where:
            raise UsageError(f"--dask takes tcp://HOST:PORT, or local, or local:N, not {where!r}")
        try:
            client = stack.enter_context(Client(address, timeout=PATIENCE, set_as_default=False))
        except (OSError, ValueError) as problem:
            raise EnvironmentError_(f"no Dask scheduler answers at {where} ({problem}); start one with 'dask scheduler'") from None
        ahead = max(AHEAD, EACH * sum(client.nthreads().values()))

        def run(queue: deque[Task], options: Options) -> Iterator[Event]:
            return _run(client, queue, options, where)

        yield run, ahead


def _workers(where: str, cores: int) -> int:
    number = where.partition(":")[2] or str(cores)
    if not number.isdigit() or not int(number):
        raise UsageError(f"--dask local:N takes a number of workers, not {number!r}")
    return int(number)


def _run(client: Any, queue: deque[Task], options: Options, where: str) -> Iterator[Event]:
    from distributed import CancelledError, KilledWorker, as_completed
    from distributed.comm import CommClosedError

    going: dict[str, tuple[Task, Any]] = {}
    done = as_completed(loop=client.loop)
    try:
        while True:
            while queue:
                task = queue.popleft()
                future = client.submit(run_task, task, options, pure=False)
                going[future.key] = task, future
                done.add(future)
            if not going:
                return
            future = next(done)
            task, _ = going.pop(future.key)
            try:
                answer = future.result()
            except KilledWorker as dead:
                yield replace(task, tries=1), Died(f"Dask gave up on it: {dead.__class__.__name__}")
                continue
            except (CancelledError, CommClosedError, TimeoutError):
                raise EnvironmentError_(f"the Dask scheduler at {where} is gone; run the same again when it is back") from None
            yield task, answer
    finally:
        with suppress(Exception):
            client.cancel([future for _, future in going.values()])
