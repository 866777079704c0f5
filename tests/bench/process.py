"""One process, measured from outside: wall time, processor time, peak memory; several of them in turn.

Rules of this file:
- The whole command counts, from its start to its end; its output goes to /dev/null.
- Programs that are compared run in turn (A B C A B C ...), so that a machine that slows down slows all of them; ratios are taken round by
  round, and the median of the rounds is what is said.
- This process stays small: a child's peak memory cannot be read below its parent's at the moment of the fork.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Run:
    """One run. Seconds; `peak`: MiB of the largest process that the command waited for; `code`: exit code."""

    seconds: float
    cpu: float
    peak: float
    code: int


@dataclass(slots=True)
class Series:
    """All runs of one command, one a round."""

    runs: list[Run] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return statistics.median(run.seconds for run in self.runs)

    @property
    def cpu(self) -> float:
        return statistics.median(run.cpu for run in self.runs)

    @property
    def peak(self) -> float:
        return statistics.median(run.peak for run in self.runs)

    def over(self, other: Series) -> float:
        """How many times as long as another, round by round."""
        return statistics.median(a.seconds / b.seconds for a, b in zip(self.runs, other.runs, strict=True))


def measure(command: Sequence[str], environment: Mapping[str, str] | None = None, timeout: float = 3600) -> Run:
    """Run a command once. Raises RuntimeError where it does not end well (its stderr says why)."""
    began = time.monotonic()
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ, **(environment or {})}
    )
    assert process.stderr is not None
    errors = process.stderr.read()[-2000:]
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    process.stderr.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {errors.decode(errors='replace')}")
    if seconds > timeout:
        raise RuntimeError(f"{' '.join(command)} took {seconds:.0f} s")
    return Run(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, process.returncode)


def in_turn(commands: Mapping[str, Sequence[str]], rounds: int, warm: Sequence[Path] = ()) -> dict[str, Series]:
    """Run all commands `rounds` times in turn, after one round that is not counted for those that cache something (see `warm_up`)."""
    found = {name: Series() for name in commands}
    for path in warm:
        measure(["cat", str(path)])
    for _ in range(rounds):
        for name, command in commands.items():
            found[name].runs.append(measure(command))
    return found
