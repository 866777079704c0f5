"""Runs through the lab's boxes: what the engine must leave in a capture so that it can be judged, and the verdict that comes of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dpiprobe.capture.read import read_capture
from dpiprobe.lab.session import Lab, available
from dpiprobe.run.folder import RunFolder
from tests.conftest import ROOT, require

pytestmark = pytest.mark.xdist_group("lab")


def probed(box: str | dict[str, object], path: Path, *more: str, repetitions: int = 1, blocked: str = "blocked.example") -> tuple[RunFolder, dict[str, Any]]:
    """Probe through a box; the run folder and the name record of the blocked name."""
    if reason := available():
        require("lab", reason)
    with Lab(box, seed=1) as lab:
        words = ["--name", blocked, "--control", lab.allowed_name, "--repetitions", str(repetitions), "--rate", "10", "--seed", "1", "-o", str(path), *more]
        done = lab.run_in("client", [sys.executable, "-m", "dpiprobe", "probe", lab.server, *words, "--json"], capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    analyzed = subprocess.run(
        [sys.executable, "-m", "dpiprobe", "analyze", str(path / "capture.pcapng"), "--json"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert [json.loads(line) for line in analyzed.stdout.splitlines()] == records[:-1]
    (name,) = [r for r in records if r["kind"] == "name" and r["server_name"] == blocked]
    return RunFolder.open(path), name


def flow_of(folder: RunFolder, role: str) -> dict[str, Any]:
    """The flow record of the first trial with this role, found by its reserved source port."""
    clients = [trial.client for trial in folder.plan().trials if trial.role == role]
    return next(r for r in folder.records() if r["kind"] == "flow" and r["client"] == clients[0])


def test_the_free_path_is_ok(tmp_path: Path) -> None:
    folder, name = probed("none", tmp_path / "run")
    assert name["verdict"] == "ok"
    assert folder.run()["drops"] == 0


def test_an_in_path_reset_is_named_and_the_capture_goes_on_after_it(tmp_path: Path) -> None:
    folder, name = probed("in-path-reset", tmp_path / "run", repetitions=3)
    assert (name["verdict"], name["technique"]) == ("blocked", "rst.in-path")
    assert all(row["finished"] - row["ended"] >= 1e9 for row in folder.trials() if row["role"] == "test")
    assert flow_of(folder, "test")["server_name"] == "blocked.example"


def test_a_swallowed_hello_is_watched_for_three_copies_over_three_seconds(tmp_path: Path) -> None:
    folder, name = probed("drop-hello", tmp_path / "run")
    assert (name["verdict"], name["technique"]) == ("blocked", "drop.hello")
    packets = read_capture(str(folder.capture)).packets
    port = int(flow_of(folder, "test")["client"].rpartition(":")[2])
    copies = packets.time[(packets.source_port == port) & (packets.payload_length > 0)]
    assert len(copies) >= 3
    assert copies[-1] - copies[0] >= 3_000_000_000
    tests = [row for row in folder.trials() if row["role"] == "test"]
    assert all(row["hello_acknowledged"] is None and row["finished"] < 12e9 for row in tests)


def test_a_throttled_page_is_fetched_within_bounds_and_slower_than_its_control(tmp_path: Path) -> None:
    folder, _ = probed("throttle-shape", tmp_path / "run", "--handshake", "--get", "/bytes/40000")
    rows = {row["role"]: row for row in folder.trials()}
    spent = {role: row["finished"] - row["answered"] for role, row in rows.items()}
    assert rows["test"]["http_bytes"] > 40_000 and rows["control"]["http_bytes"] > 40_000
    assert spent["test"] > 3 * spent["control"]


def test_residual_punishment_is_met_by_a_control_waited_out_and_left_behind_by_the_spare(tmp_path: Path) -> None:
    punishing: dict[str, object] = {
        "trigger": "client_hello", "hello": "drop", "residual": {"what": "drop", "for": "12 s", "same": ["client", "server", "port"]},
    }  # fmt: skip
    folder, name = probed(punishing, tmp_path / "run", "--timeout", "3", "--wait", "9")
    rows = folder.trials()
    after = rows[[row["role"] for row in rows].index("test") + 1 :]
    assert [(row["role"], row["worked"]) for row in after] == [("control", False), ("control", True)]
    assert after[1]["start_ns"] - after[0]["start_ns"] >= 9e9
    assert (name["verdict"], name["technique"]) == ("blocked", "drop.hello")
