"""Worker processes: what becomes of tasks when one dies, and of workers when their parent does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

import pytest

from dpiprobe.scale.batches import batches
from dpiprobe.scale.inputs import Input
from dpiprobe.scale.pool import Died, pool
from dpiprobe.scale.sweep import sweep
from dpiprobe.scale.task import Options, Result


def work(task: Any, options: Options) -> list[Result]:
    """Says which process did it; a file called `killer` takes its process along, `second-chance` only the first."""
    for _, given in task.inputs:
        if given.name == "killer":
            os.kill(os.getpid(), signal.SIGKILL)
        if given.name == "second-chance" and not (seen := Path(options.out)).exists():
            seen.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return [Result(place, given.name, given.size, text=str(os.getpid()).encode()) for place, given in task.inputs]


def named(*names: str) -> list[Input]:
    return [Input(name, f"/{place}/{name}", 1 << 24) for place, name in enumerate(names)]  # one a batch


def results(names: list[str], out: str = "", jobs: int = 2) -> list[Result]:
    return list(sweep(named(*names), Options(out=out), lambda queue, options: pool(queue, options, jobs, work)))


def test_results_come_in_order_from_more_than_one_process() -> None:
    found = results([f"{n}" for n in range(40)])
    assert [result.name for result in found] == [f"{n}" for n in range(40)]
    assert 1 <= len({result.text for result in found}) <= 2


def test_a_file_that_kills_its_worker_costs_only_itself() -> None:
    found = results(["a", "killer", "b", "c", "d"])
    assert [result.name for result in found if result.error] == ["killer"]
    assert "killed by signal 9" in str(found[1].error)


def test_a_worker_that_dies_once_costs_nothing(tmp_path: Path) -> None:
    found = results(["a", "second-chance", "b"], out=str(tmp_path / "seen"))
    assert [result.error for result in found] == [None] * 3 and (tmp_path / "seen").exists()


def test_a_batch_is_taken_apart_to_find_the_file_that_kills() -> None:
    inputs = [Input(name, f"/{name}", 1) for name in ("a", "b", "killer", "c")]
    assert len(batches(inputs)) == 1
    found = list(sweep(inputs, Options(), lambda queue, options: pool(queue, options, 2, work)))
    assert [result.name for result in found] == ["a", "b", "killer", "c"]
    assert [result.error is None for result in found] == [True, True, False, True]


def test_what_a_worker_raises_is_raised_here() -> None:
    from dpiprobe.errors import EnvironmentError_

    with pytest.raises(EnvironmentError_, match="install the same on all machines"):
        list(pool(deque(batches(named("a"))), Options(database="other"), 1))


PARENT = """
import sys
from collections import deque
from dpiprobe.scale import pool
from dpiprobe.scale.batches import batches
from dpiprobe.scale.inputs import Input
from dpiprobe.scale.task import Options
if __name__ == "__main__":
    run = pool.pool(deque(batches([Input(str(n), f"/{n}", 1 << 24) for n in range(9)])), Options(), 2)
    next(run)
    print("there", flush=True)
    sys.stdin.read()
"""


def test_workers_end_when_their_parent_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout is not None and parent.stdout.readline() == b"there\n"
    workers = [pid for pid in children(parent.pid) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert workers
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 10
    while any(alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(alive(pid) for pid in workers)


def children(pid: int) -> list[int]:
    """Processes that this one started."""
    return [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]


def alive(pid: int) -> bool:
    """Running, and not merely unburied."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_died_says_how() -> None:
    assert str(Died("killed by signal 9")) == "killed by signal 9"
