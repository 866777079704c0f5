"""`dpiprobe replay` as a user meets it: plan, refusals, and a run on loopback whose hellos are the recorded ones."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dpiprobe.capture.read import read_capture
from dpiprobe.capture.ring import check_privilege
from dpiprobe.cli import main
from dpiprobe.errors import EnvironmentError_
from dpiprobe.flow.hello_segments import sent_hellos
from dpiprobe.flow.settle import settle
from dpiprobe.plan.plan import read_plan
from dpiprobe.report.hello_capture import write_hello_capture
from dpiprobe.tls import clients
from dpiprobe.tls.clients.shares import with_own_shares
from dpiprobe.tls.hello import build, parse
from dpiprobe.tls.sending import Sending, cut, whole
from tests.conftest import ROOT
from tests.probe.servers import serves, serving


def privileged() -> bool:
    try:
        check_privilege()
    except EnvironmentError_:
        return False
    return True


needs_privilege = pytest.mark.skipif(not privileged(), reason="needs CAP_NET_RAW")
FIREFOX = build(with_own_shares(clients.hello_of("firefox", "blocked.example"), b"1")[0])
CURL = build(clients.hello_of("curl", "other.example"))
QUICK = ["--repetitions", "1", "--rate", "20", "--wait", "0", "--timeout", "1"]


def capture(path: Path, *sendings: Sending) -> str:
    with path.open("wb") as file:
        write_hello_capture(file, list(sendings))
    return str(path)


@pytest.fixture
def two(tmp_path: Path) -> str:
    return capture(tmp_path / "two.pcap", cut(FIREFOX, [300, 1000], delay=0.05), whole(CURL))


def no_socket(*_: object, **__: object) -> None:
    raise AssertionError("nothing may be sent")


def test_a_dry_run_prints_the_plan_and_sends_nothing(two: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", no_socket)
    assert main.run(["replay", two, "--to", "192.0.2.1", "--all", *QUICK, "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[2] for line in lines if " test " in line] == ["blocked.example", "other.example"]
    assert "two.pcap, flow 1" in lines[1]


@pytest.mark.parametrize(
    ("options", "cuts", "delays"),
    [([], "300,1000", False), (["--spacing"], "300,1000", True), (["--whole"], "", False)],
)  # fmt: skip
def test_segmentation_and_spacing_of_the_recording_or_not(
    options: list[str], cuts: str, delays: bool, two: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["replay", two, "--to", "192.0.2.1", "--flow", "1", *options, *QUICK, "--dry-run", "--json"]) == 0
    settings = read_plan(capsys.readouterr().out).trials[0].settings
    assert settings["cuts"] == cuts
    assert [float(text) >= 0.05 for text in str(settings["delays"]).split(",") if text] == ([True, True] if delays else [])


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 2, "holds 2 ClientHellos; choose with --flow or take them --all; flows with one that can be sent: 1 (blocked.example), 2"),
        (["--flow", "7"], 2, "flow 7 of"),
        (["--flow", "1", "-4", "-6"], 2, "-4 and -6 both say"),
        (["--flow", "1", "--control", "short.example", "--interface", "none0"], 2, "there is no interface 'none0'"),
        (["--flow", "1", "--control", "short.example", "--dry-run", "--interface", "none0"], 2, "there is no interface 'none0'"),
        (["--flow", "1", "--all"], 2, "give one of them"),
        (["--flow", "1", "--whole", "--spacing"], 2, "give one of them"),
        (["--flow", "1", "--control", "blocked.example"], 2, "both tested and the control"),
        (["--flow", "1", "--name", "https://x.example"], 2, "without scheme"),
    ],
)
def test_what_cannot_be_meant_is_one_line(arguments: list[str], code: int, says: str, two: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["replay", two, "--to", "192.0.2.1", *arguments]) == code
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and says in err


def test_without_a_server_it_asks_for_one(two: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["replay", two]) == 2
    assert "--to" in capsys.readouterr().err


def test_cut_hellos_cannot_be_sent_again_and_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = capture(tmp_path / "cut.pcap", whole(FIREFOX[:700]))
    assert main.run(["replay", path, "--to", "192.0.2.1"]) == 4
    assert "that of flow 1 is not whole in the capture" in capsys.readouterr().err


def test_a_hello_alone_can_be_replayed_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "hello.bin"
    path.write_bytes(CURL)
    assert main.run(["replay", str(path), "--to", "192.0.2.1", *QUICK, "--dry-run"]) == 0
    assert "other.example" in capsys.readouterr().out


@needs_privilege
def test_what_is_sent_is_what_was_recorded_in_the_same_segments(two: str, tmp_path: Path) -> None:
    """A whole run against a server on loopback that resets connections which ask for the name."""
    with serving(serves(refuse="blocked.example")) as port:
        done = subprocess.run(
            [sys.executable, "-m", "dpiprobe", "replay", two, "--to", f"127.0.0.1:{port}", "--flow", "1", "--spacing", "--control", "served.example",
             *QUICK, "-o", str(tmp_path / "run"), "--json"],
            capture_output=True, text=True, check=False, cwd=ROOT,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    sent = {hello.server_name: one for one in sent_hellos(settle(read_capture(str(tmp_path / "run" / "capture.pcapng")).packets))
            if (hello := parse(one.stream)) is not None}  # fmt: skip
    recorded = sent["blocked.example"]  # reset at its first segment
    assert recorded.stream == FIREFOX[: len(recorded.stream)] and len(recorded.stream) >= 300
    control = sent["served.example"]
    assert len(control.stream) == len(FIREFOX) - 1
    assert control.cuts(len(control.stream)) == (299, 999)  # behind the name, which is one byte shorter
    assert min(control.delays(len(control.stream))) >= 0.045
    names = {row["server_name"]: row for row in map(json.loads, done.stdout.splitlines()) if row["kind"] == "name"}
    assert names["served.example"]["verdict"] == "ok"
    assert names["blocked.example"]["trials"]["ok"] == 0


@needs_privilege
def test_a_swapped_name_is_asked_for_in_its_place(two: str, tmp_path: Path) -> None:
    with serving(serves()) as port:
        done = subprocess.run(
            [sys.executable, "-m", "dpiprobe", "replay", two, "--to", f"127.0.0.1:{port}", "--all", "--name", "new-name.example.org", *QUICK,
             "-o", str(tmp_path / "run"), "--json"],
            capture_output=True, text=True, check=False, cwd=ROOT,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    names = {row["server_name"]: row for row in map(json.loads, done.stdout.splitlines()) if row["kind"] == "name"}
    assert names["new-name.example.org"]["trials"]["ok"] == 2
    assert "blocked.example" not in names and "other.example" not in names
