"""Recorded browsers replayed through the lab's boxes: the same verdict as for a crafted hello, from the hello a browser sent."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from dpiprobe.lab.session import Lab, available
from dpiprobe.report.hello_capture import write_hello_capture
from dpiprobe.tls import clients
from dpiprobe.tls.hello import build
from dpiprobe.tls.sending import cut, whole
from tests.conftest import require

pytestmark = pytest.mark.xdist_group("lab")


def replayed(box: str, folder: Path, *more: str) -> dict[str, dict[str, Any]]:
    """Replay Firefox's and curl's hellos through a box, for the blocked name; the name records by name."""
    if reason := available():
        require("lab", reason)
    capture = folder / "browsers.pcap"
    with capture.open("wb") as file:
        write_hello_capture(file, [
            cut(build(clients.hello_of("firefox", "recorded-once.example")), [517]),
            whole(build(clients.hello_of("curl", "recorded-then.example"))),
        ])  # fmt: skip
    with Lab(box, seed=1) as lab:
        words = ["--to", lab.server, "--control", lab.allowed_name, "--repetitions", "1", "--rate", "10", "--seed", "1", "-o", str(folder / "run"), *more]
        done = lab.run_in("client", [sys.executable, "-m", "dpiprobe", "replay", str(capture), *words, "--json"], capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return {row["server_name"]: row for row in map(json.loads, done.stdout.splitlines()) if row["kind"] == "name"}


def test_the_blocked_name_in_recorded_hellos_is_reset_and_the_device_named(tmp_path: Path) -> None:
    name = replayed("in-path-reset", tmp_path, "--all", "--name", "blocked.example")["blocked.example"]
    assert (name["verdict"], name["technique"], name["trials"]["blocked"]) == ("blocked", "rst.in-path", 2)


def test_the_recorded_names_pass_the_same_box(tmp_path: Path) -> None:
    names = replayed("in-path-reset", tmp_path, "--all")
    assert {names[name]["verdict"] for name in ("recorded-once.example", "recorded-then.example")} == {"ok"}
