"""A lab that stays: whatever is killed, all of it goes, and nothing keeps its name from being used again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dpiprobe.errors import UsageError
from dpiprobe.lab import standing
from dpiprobe.lab.availability import package_environment
from tests.lab.test_session import descendants, gone_within

pytestmark = pytest.mark.usefixtures("lab_here")
NAME = f"test-{os.getpid()}"


def test_up_exec_down() -> None:
    told = standing.up(NAME, {"box": "none"})
    try:
        assert standing.execute(NAME, "client", ["sh", "-c", "exit 7"]) == 7
        with pytest.raises(UsageError, match="is up; take it down"):
            standing.up(NAME, {"box": "none"})
        assert standing.describe(NAME) == told
    finally:
        standing.down(NAME)
    assert standing.describe(NAME) is None
    with pytest.raises(UsageError, match="no lab named"):
        standing.execute(NAME, "client", ["true"])


@pytest.mark.parametrize("role", ["keeper", "lab-stage", "lab-init", "lab-box", "lab-server"])
def test_whoever_is_killed_takes_everything_with_him_and_leaves_no_file(role: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    keeper = int(standing.up(NAME, {"box": "none"})["pid"])
    inside = descendants(keeper)
    names = {(Path("/proc") / str(pid) / "comm").read_text().strip(): pid for pid in inside}
    os.kill({**names, "keeper": keeper}[role], signal.SIGKILL)
    if role in ("lab-box", "lab-server"):  # the lab says so to whoever uses it, and stands until it is taken down
        time.sleep(0.5)
        standing.down(NAME)
    assert gone_within(inside, 5)
    assert gone_within({keeper}, 5)
    assert standing.describe(NAME) is None
    assert list(tmp_path.iterdir()) == []


def test_a_killed_guest_ends_its_program() -> None:
    keeper = int(standing.up(NAME, {"box": "none"})["pid"])
    try:
        code = "import sys\nfrom dpiprobe.lab import standing\nstanding.execute(sys.argv[1], 'client', ['sleep', '600'])"
        before = descendants(keeper)
        guest = subprocess.Popen([sys.executable, "-c", code, NAME], env=package_environment())
        deadline = time.monotonic() + 10
        while not (program := descendants(keeper) - before) and time.monotonic() < deadline:
            time.sleep(0.05)
        guest.kill()
        guest.wait()
        assert program
        assert gone_within(program, 5)
    finally:
        standing.down(NAME)
