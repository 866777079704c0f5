"""What a lab's user gets back for what runs inside it: a program, a capture.

Rules of this file: handles only; each asks the lab it belongs to, and stays harmless when that lab has gone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from dpiprobe.errors import EnvironmentError_

if TYPE_CHECKING:
    from dpiprobe.lab.session import Lab


@dataclass(slots=True)
class LabProcess:
    """A program that runs inside. `stdout`/`stderr` are readable files where pipes were asked for."""

    lab: Lab
    pid: int
    argv: list[str]
    stdin: Any = None
    stdout: Any = None
    stderr: Any = None
    returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code (negative: the signal that ended it), None while it runs."""
        if self.returncode is None:
            self.returncode = self.lab._exits.get(self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; raises subprocess.TimeoutExpired."""
        with self.lab._changed:
            if not self.lab._changed.wait_for(lambda: self.pid in self.lab._exits or self.lab._gone, timeout):
                raise subprocess.TimeoutExpired(self.argv, timeout or 0.0)
        self.returncode = self.lab._exits.get(self.pid, -signal.SIGKILL)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.poll() is None:
            with contextlib.suppress(EnvironmentError_):
                self.lab._ask({"op": "signal", "pid": self.pid, "signal": int(number)})

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


@dataclass(slots=True)
class LabCapture:
    """A capture that runs at some nodes; `files` by node. `counts` after `stop`: frames and drops by node."""

    lab: Lab
    number: int
    files: dict[str, Path]
    counts: dict[str, dict[str, int]] | None = None
    memory: list[int] = field(default_factory=list)  # descriptors that keep files without a folder

    def __del__(self) -> None:
        for fd in self.memory:
            with contextlib.suppress(OSError):
                os.close(fd)
        self.memory = []

    def stop(self, settle: float = 0.0) -> dict[str, dict[str, int]]:
        """Write everything and close; waits `settle` seconds first (what is on the way takes the path's delay)."""
        if self.counts is None:
            time.sleep(settle)
            self.counts = self.lab._ask({"op": "stop", "capture": self.number})["counts"]
            self.lab._captures.discard(self.number)
        return self.counts

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(self.lab.settle)
