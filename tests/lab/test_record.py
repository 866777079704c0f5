"""`lab record`: a case that `cases run` can read and that holds."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from dpiprobe.cases.case import load_cases
from dpiprobe.cases.compare import run_case
from dpiprobe.errors import UsageError
from dpiprobe.lab.availability import package_environment
from dpiprobe.lab.record import record
from dpiprobe.signature.database import load
from tests.lab.test_session import descendants

pytestmark = pytest.mark.usefixtures("lab_here")


def test_a_recorded_box_is_a_case_that_holds(tmp_path: Path) -> None:
    folder = tmp_path / "match" / "swallowed"
    done = record("in-path-reset", folder, {"seed": 3, "body": 2000}, title="A hello is swallowed: and reset.", command="dpiprobe lab record ...")
    assert (done.verdict, done.technique) == ("blocked", "rst.in-path")
    assert sorted(path.name for path in folder.iterdir()) == ["ORIGIN.md", "expect.yaml", "server.pcap", "test.pcap"]
    assert [path.name for path in folder.parent.iterdir()] == ["swallowed"], "nothing half done beside it"
    (case,) = load_cases(tmp_path)
    assert case.about == "A hello is swallowed: and reset."
    assert run_case(case, load()).differences == []
    assert "seed: 3" in (folder / "ORIGIN.md").read_text()
    with pytest.raises(UsageError, match="is there already"):
        record("none", folder, {}, title="x", command="x")


def test_a_run_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        record("no-such-box", tmp_path / "case", {}, title="x", command="x")
    assert list(tmp_path.iterdir()) == []


def test_sigkill_while_it_records_leaves_nothing(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "dpiprobe", "lab", "record", "none", "-o", str(tmp_path / "case"), "--repetitions", "20", "-v"]
    owner = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=package_environment(), cwd=tmp_path)
    assert owner.stderr is not None
    with owner.stderr:
        deadline = time.monotonic() + 20
        while len(below := descendants(owner.pid)) < 8 and time.monotonic() < deadline:  # stage, init, box, server, taps, sh, prober
            time.sleep(0.1)
        time.sleep(0.5)
        owner.kill()
        owner.wait()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(Path("/proc", str(pid)).exists() for pid in below):
        time.sleep(0.05)
    assert not [pid for pid in below if Path("/proc", str(pid)).exists()]
    assert list(tmp_path.iterdir()) == []
