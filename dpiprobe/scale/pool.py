"""Worker processes on this machine: each does one task at a time, and one that dies costs its task alone.

Rules of this file:
- A process and a pipe for each worker, so that it is always known which task a dead one had (a shared queue, as in
  concurrent.futures, gives up all of them). Nothing here knows what a task means.
- Workers are started afresh (spawn), not forked: the parent's threads, locks and open files are none of theirs.
- A worker ends when its parent does, however that ends (PR_SET_PDEATHSIG), and leaves interruption to its parent.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any

from dpiprobe.scale.batches import Task
from dpiprobe.scale.task import Options, Result, run_task

PR_SET_PDEATHSIG = 1
"""prctl(2), linux/prctl.h."""
AHEAD = 2
"""Tasks that lie at a worker: the one it does, and the next, so that it never waits for the parent."""


class Died(Exception):
    """The process that had this task is gone. `how`: in words."""

    def __init__(self, how: str) -> None:
        self.how = how
        super().__init__(how)


Event = tuple[Task, list[Result] | Died]
Work = Callable[[Task, Options], list[Result]]


class _Worker:
    """One process, its pipe, and the tasks that lie there, oldest first."""

    def __init__(self, options: Options, work: Work) -> None:
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.tasks: deque[Task] = deque()
        self.process = context.Process(target=_serve, args=(theirs, options, os.getpid(), work), daemon=True)
        with uninterrupted():
            self.process.start()
        theirs.close()

    def give(self, task: Task) -> None:
        self.tasks.append(task)
        with contextlib.suppress(OSError):  # it has died; its end is reported below
            self.pipe.send(task)

    def end(self) -> None:
        self.process.terminate()
        self.process.join()
        self.pipe.close()

    def how(self) -> str:
        self.process.join(5)
        code = self.process.exitcode
        return f"killed by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"


def pool(queue: deque[Task], options: Options, jobs: int, work: Work = run_task) -> Iterator[Event]:
    """Do the tasks of `queue`, into which the caller may put more between two events, with `jobs` processes.

    work: what each of them does, a function that other processes can import
    Yields each task when it is done, or with `Died`; which of them comes first depends on luck. Raises what a worker raised.
    """
    workers: list[_Worker] = []
    try:
        while True:
            while queue and (worker := _idle(workers, jobs, lambda: _Worker(options, work))):
                worker.give(queue.popleft())
            busy = {worker.pipe: worker for worker in workers if worker.tasks}
            if not busy:
                return
            for ready in wait(list(busy)):
                worker = busy[ready]  # type: ignore[index]
                try:
                    answer: Any = worker.pipe.recv()
                except (EOFError, OSError):
                    workers.remove(worker)
                    died, *untouched = worker.tasks
                    how = worker.how()
                    worker.end()
                    queue.extendleft(reversed(untouched))
                    yield died, Died(how)
                    continue
                if isinstance(answer, Exception):
                    raise answer
                yield worker.tasks.popleft(), answer
    finally:
        for worker in workers:
            worker.end()


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold interruptions back. A process that is started meanwhile, or by a thread that is, stays deaf to them: while it is
    still importing, Ctrl-C at the terminal, which goes to all processes, would be a traceback of its own."""
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # it would let interruptions through again when it is started (bpo-33613)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _idle(workers: list[_Worker], jobs: int, start: Callable[[], _Worker]) -> _Worker | None:
    """The worker with the least to do, a new one while there are fewer than `jobs`, None where all have enough."""
    least = min(workers, key=lambda worker: len(worker.tasks), default=None)
    if least is not None and not least.tasks:
        return least
    if len(workers) < jobs:
        workers.append(start())
        return workers[-1]
    return least if least is not None and len(least.tasks) < AHEAD else None


def _serve(pipe: Connection, options: Options, parent: int, work: Work) -> None:
    """The life of a worker: a task in, its results out, until the pipe closes."""
    import ctypes

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        return
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            answer: Any = work(task, options)
        except Exception as problem:
            answer = problem
        try:
            pipe.send(answer)
        except OSError:
            return
