"""`dpiprobe lab` as a person types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dpiprobe import __version__
from dpiprobe.lab.session import available
from tests.conftest import require


def dpiprobe(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "dpiprobe", *words], capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **env})


@pytest.fixture(scope="module")
def lab_here() -> None:
    problem = available()
    if problem is not None:
        require("lab", problem)


def test_list_names_every_box_once() -> None:
    done = dpiprobe("lab", "list", "--json")
    assert done.returncode == 0, done.stderr
    boxes = [json.loads(line) for line in done.stdout.splitlines()]
    names = [box["name"] for box in boxes]
    assert len(names) == len(set(names))
    assert {"none", "in-path-reset", "on-path-resets", "drop-hello", "proxy-close", "throttle-shape", "residual-drop"} <= set(names)
    assert all((box["emulate"] is None) == (box["name"] == "none" or box["name"].startswith("real-")) for box in boxes)


@pytest.mark.usefixtures("lab_here")
def test_run_gives_the_command_the_names_and_returns_its_code(tmp_path: Path) -> None:
    done = dpiprobe("lab", "run", "none", "--blocked", "a.example", "--capture", str(tmp_path), "--", "sh", "-c", 'echo "$DPIPROBE_LAB_BLOCKED"; exit 5')
    assert (done.returncode, done.stdout) == (5, "a.example\n")
    assert (tmp_path / "client.pcapng").stat().st_size > 0


@pytest.mark.usefixtures("lab_here")
def test_this_program_is_found_inside_also_where_its_venv_is_not_active() -> None:
    done = dpiprobe("lab", "run", "none", "--", "dpiprobe", "--version", PATH="/usr/bin:/bin")
    assert (done.returncode, done.stdout) == (0, f"dpiprobe {__version__}\n"), done.stderr


@pytest.mark.usefixtures("lab_here")
def test_a_lab_stays_up_between_commands_and_goes_down(tmp_path: Path) -> None:
    env = {"TMPDIR": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    name = ("--name", f"test-{os.getpid()}")
    assert dpiprobe("lab", "up", "none", *name, **env).returncode == 0
    try:
        again = dpiprobe("lab", "up", "none", *name, **env)
        assert (again.returncode, "is up" in again.stderr, f"`dpiprobe lab down {' '.join(name)}`" in again.stderr) == (2, True, True)
        done = dpiprobe("lab", "exec", *name, "server", "--", "sh", "-c", "cat /proc/sys/net/ipv4/ip_forward; exit 3", **env)
        assert (done.returncode, done.stdout) == (3, "0\n")
        assert dpiprobe("lab", "exec", *name, "r1", "--", "cat", "/proc/sys/net/ipv4/ip_forward", **env).stdout == "1\n"
    finally:
        assert dpiprobe("lab", "down", *name, **env).returncode == 0
    assert dpiprobe("lab", "down", *name, **env).returncode == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("words", "code", "says"), [
    (("run", "nobox", "--", "true"), 2, "no box 'nobox'"),
    (("run", "in-path-rest", "--", "true"), 2, "did you mean 'in-path-reset'?"),
    (("run", "none", "--server-does", "x.example", "dance", "--", "true"), 2, "cannot 'dance'"),
    (("exec", "client", "--name", "absent", "--", "true"), 2, "no lab named 'absent'"),
])  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(words: tuple[str, ...], code: int, says: str) -> None:
    done = dpiprobe("lab", *words)
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr
