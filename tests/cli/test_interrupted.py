"""Ctrl-C at any moment: a line or nothing on stderr, and an exit code that shells call 130; never a traceback."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.conftest import ROOT

FIRST = "import os, signal, sys, time\n"


def outcome(program: str) -> tuple[int, str]:
    """Exit code (minus the signal that ended it) and stderr of a Python program."""
    done = subprocess.run([sys.executable, "-c", FIRST + program], capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)
    return done.returncode, done.stderr


def test_while_the_program_is_loaded() -> None:
    assert outcome("""
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "dpiprobe.cli.main":
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
sys.meta_path.insert(0, Slow())
from dpiprobe.__main__ import main
main()""") == (-signal.SIGINT, "")


def test_again_while_the_first_is_reported() -> None:
    assert outcome("""
import dpiprobe.cli.main
def reporting():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(1)
dpiprobe.cli.main.main = reporting
from dpiprobe.__main__ import main
main()""") == (130, "")


def test_where_they_are_ignored_they_stay_ignored() -> None:
    assert outcome("""
signal.signal(signal.SIGINT, signal.SIG_IGN)
import dpiprobe.cli.main
dpiprobe.cli.main.main = lambda: os.kill(os.getpid(), signal.SIGINT)
from dpiprobe.__main__ import main
main()""") == (0, "")


def test_while_workers_start(tmp_path: Path) -> None:
    case = next(iter(sorted(ROOT.glob("pcaps/match/*/test.pcap*"))))
    for number in range(60):  # more than one batch
        shutil.copy(case, tmp_path / f"{number}{case.suffix}")
    command = [sys.executable, "-m", "dpiprobe", "analyze", str(tmp_path), "--jobs", "2", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    until = time.monotonic() + 30
    while time.monotonic() < until and not any(b"spawn_main" in _command(child) for child in children.read_text().split()):
        time.sleep(0.005)
    time.sleep(0.08)  # it is importing
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=30)[1]
    assert "Traceback" not in said and "interrupted" in said
    assert process.returncode in (130, -signal.SIGINT)


def _command(process: str) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def test_following_ends_with_what_came() -> None:
    case = next(iter(sorted(ROOT.glob("pcaps/match/*/test.pcap"))))
    command = [sys.executable, "-m", "dpiprobe", "analyze", "--follow", "-", "--json"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as program:
        assert program.stdin and program.stdout and program.stderr
        program.stdin.write(case.read_bytes())
        program.stdin.flush()
        time.sleep(3)
        program.send_signal(signal.SIGINT)
        records, told = program.stdout.read(), program.stderr.read().decode()
        program.stdin.close()
    whole = subprocess.run([sys.executable, "-m", "dpiprobe", "analyze", "-", "--json"], input=case.read_bytes(), capture_output=True, check=True, cwd=ROOT)
    assert program.returncode == 130
    assert "Traceback" not in told
    assert b"".join(line for line in records.splitlines(True) if b'"provisional":true' not in line) == whole.stdout
