"""`dpiprobe probe` as a user meets it: the plan before anything is sent, clear refusals, a run that analyze explains alike."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dpiprobe.capture.read import read_capture
from dpiprobe.capture.ring import check_privilege
from dpiprobe.cli import main
from dpiprobe.errors import EnvironmentError_, InputError
from dpiprobe.plan.plan import read_plan
from dpiprobe.run.folder import RunFolder
from tests.conftest import ROOT
from tests.probe.servers import is_mute, serves, serving


def privileged() -> bool:
    try:
        check_privilege()
    except EnvironmentError_:
        return False
    return True


needs_privilege = pytest.mark.skipif(not privileged(), reason="needs CAP_NET_RAW; tests/run does the same in a user namespace")
NAMES = ["--name", "blocked.example", "--control", "served.example", "--repetitions", "1", "--rate", "20", "--wait", "0", "--timeout", "1"]


def no_socket(*_: object, **__: object) -> None:
    raise AssertionError("nothing may be sent")


def test_a_dry_run_prints_the_plan_and_sends_nothing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", no_socket)
    assert main.run(["probe", "192.0.2.1", *NAMES, "--seed", "7", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0] == "4 connections to 192.0.2.1:443, seed 7, at most one every 0.05 s, way: hello"
    assert [line.split()[2] for line in out.splitlines()[1:]].count("blocked.example") == 1


def test_a_dry_run_as_json_is_the_plan_and_the_seed_gives_it_again(capsys: pytest.CaptureFixture[str]) -> None:
    outs = []
    for _ in range(2):
        assert main.run(["probe", "[2001:db8::1]:8443", *NAMES, "--seed", "7", "--dry-run", "--json"]) == 0
        outs.append(capsys.readouterr().out)
    assert outs[0] == outs[1]
    plan = read_plan(outs[0])
    assert (plan.server, plan.seed, plan.pace.residual) == ("[2001:db8::1]:8443", 7, 0)


def test_without_a_seed_one_is_drawn_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["probe", "192.0.2.1", *NAMES, "--dry-run", "--json"]) == 0
    assert isinstance(read_plan(capsys.readouterr().out).seed, int)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["192.0.2.1"], "missing option '--name'"),
        (["192.0.2.1", "--name", "https://blocked.example"], "without scheme"),
        (["192.0.2.1", "--name", "a.example", "--control", "a.example"], "both tested and the control"),
        (["192.0.2.1", "--name", "a.example", "--get", "/"], "add --handshake"),
        (["192.0.2.1", "--name", "a.example", "--handshake", "--get", "index.html"], "starts with /"),
        (["192.0.2.1:http", "--name", "a.example"], "not a port"),
        (["192.0.2.1", "--name", "a.example", "--repetitions", "0"], "repetitions"),
        (["192.0.2.1", "-4", "-6", "--name", "a.example"], "-4 and -6 both say which IP version"),
        (["192.0.2.1", "--name", "a.example", "--interface", "none0"], "there is no interface 'none0'"),
        (["192.0.2.1", "--name", "a.example", "--dry-run", "--interface", "none0"], "there is no interface 'none0'"),
        (["192.0.2.1", "--name", "a.example", "--signatures", "no-such-folder"], "no-such-folder is no folder"),
        (["192.0.2.1", "-6", "--name", "a.example"], "does not resolve to IPv6"),
    ],
)
def test_what_cannot_be_meant_is_one_line_and_exit_2(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["probe", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("dpiprobe: ") and err.count("\n") == 1
    assert says in err


def test_a_name_that_does_not_resolve_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert main.run(["probe", "no-such-name.invalid", *NAMES]) == 2
    assert capsys.readouterr().err == "dpiprobe: no-such-name.invalid does not resolve; check the spelling, or give the server's address\n"


def test_without_privilege_it_says_what_helps_and_leaves_no_folder(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = socket.socket

    def unprivileged(family: int = socket.AF_INET, *rest: int, **options: object) -> socket.socket:
        if family == socket.AF_PACKET:
            raise PermissionError(1, "Operation not permitted")
        return real(family, *rest)

    monkeypatch.setattr(socket, "socket", unprivileged)
    assert main.run(["probe", "127.0.0.1", *NAMES, "-o", str(tmp_path / "run")]) == 3
    err = capsys.readouterr().err
    assert "CAP_NET_RAW" in err and "dpiprobe demo" in err and err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def dpiprobe(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "dpiprobe", *arguments], capture_output=True, text=True, check=False, cwd=ROOT)


def test_a_varied_run_says_so_and_its_plan_carries_the_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    vary = ["--vary", "record-at-midsld", "--vary", "name-pad-0-0:before=2;after=0;fill=-"]
    assert main.run(["probe", "127.0.0.1", *NAMES, *vary, "--dry-run"]) == 0
    assert "vary record-at-midsld 'name-pad-0-0:before=2;after=0;fill=-'" in capsys.readouterr().out
    assert main.run(["probe", "127.0.0.1", *NAMES, *vary, "--dry-run", "--json"]) == 0
    plan = read_plan(capsys.readouterr().out)
    assert {trial.settings["vary"] for trial in plan.trials} == {"record-at-midsld 'name-pad-0-0:before=2;after=0;fill=-'"}


@pytest.mark.parametrize(
    ("more", "says"),
    [(["--vary", "name-uper"], "did you mean"), (["--vary", "disorder-midsld"], "raw packets"), (["--vary", "cut-1", "--handshake", "--get", "/"], "--get"),
     (["--client", "no-such"], "no client"), (["--vary", "name-parent"], "no subdomain"), (["--client-certificate", "XXXX"], "--handshake")],
)  # fmt: skip
def test_a_hello_that_cannot_be_sent_is_refused_before_anything_is(more: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["probe", "127.0.0.1", *NAMES, *more]) == 2
    out, err = capsys.readouterr()
    assert out == "" and says in err and err.count("\n") == 1


@needs_privilege
def test_a_varied_run_sends_what_was_asked_for(tmp_path: Path) -> None:
    with serving(serves()) as port:
        done = dpiprobe("probe", f"127.0.0.1:{port}", *NAMES, "--vary", "record-3-segments", "-o", str(tmp_path / "run"), "--json")
    assert done.returncode == 0, done.stderr
    packets = read_capture(str(tmp_path / "run" / "capture.pcapng")).packets
    sizes = [int(n) for n, port_ in zip(packets.payload_length, packets.destination_port, strict=True) if int(port_) == port and int(n) > 0]
    assert sizes[:2] == [69, 100]  # records of 64 and 95 bytes with their headers
    assert all(json.loads(line)["verdict"] == "ok" for line in done.stdout.splitlines() if json.loads(line)["kind"] == "name")


@needs_privilege
def test_a_run_is_explained_as_analyze_explains_its_capture(tmp_path: Path) -> None:
    with serving(serves()) as port:
        done = dpiprobe("probe", f"127.0.0.1:{port}", *NAMES, "-o", str(tmp_path / "run"), "--vantage", "a test", "--contact", "me@served.example", "--json")
    assert done.returncode == 0, done.stderr
    again = dpiprobe("analyze", str(tmp_path / "run" / "capture.pcapng"), "--json")
    lines = done.stdout.splitlines()
    assert lines[:-1] == again.stdout.splitlines()
    assert (tmp_path / "run" / "records.jsonl").read_text() == again.stdout
    run = json.loads(lines[-1])
    assert (run["kind"], run["vantage"], run["contact"], run["drops"]) == ("run", "a test", "me@served.example", 0)
    assert run["signatures"] == json.loads(lines[-2])["signatures"]
    names = [json.loads(line) for line in lines if '"kind":"name"' in line]
    assert {name["verdict"] for name in names} == {"ok"}
    assert "consent" in done.stderr


@needs_privilege
def test_a_server_that_is_not_there_is_a_result_and_blames_nobody(tmp_path: Path) -> None:
    with serving(serves()) as port:
        pass
    done = dpiprobe("probe", f"127.0.0.1:{port}", *NAMES, "-o", str(tmp_path / "run"), "--json")
    assert done.returncode == 0, done.stderr
    verdicts = {json.loads(line)["verdict"] for line in done.stdout.splitlines() if '"kind":"flow"' in line}
    assert verdicts <= {"down", "insufficient"}
    assert verdicts


def frames_so_far(path: Path) -> int:
    try:
        return read_capture(str(path)).frames
    except InputError:
        return 0


@needs_privilege
def test_ctrl_c_in_a_terminal_keeps_and_explains_what_there_is(tmp_path: Path) -> None:
    with serving(is_mute) as port:
        probing = subprocess.Popen(
            [sys.executable, "-m", "dpiprobe", "probe", f"127.0.0.1:{port}", *NAMES[:-2], "-o", str(tmp_path / "run")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True,
        )  # fmt: skip
        end = time.monotonic() + 15
        while frames_so_far(tmp_path / "run" / "capture.pcapng") < 4 and time.monotonic() < end:
            time.sleep(0.1)
        os.killpg(probing.pid, signal.SIGINT)  # the whole foreground group, as a terminal does
        _, err = probing.communicate(timeout=30)
    assert probing.returncode == 130, err
    assert "Traceback" not in err
    folder = RunFolder.open(tmp_path / "run")
    assert folder.run()["interrupted"] is True
    assert [trial["interrupted"] for trial in folder.trials()] == [True]
    assert folder.records()


@needs_privilege
def test_a_folder_with_something_in_it_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("keep")
    done = dpiprobe("probe", "127.0.0.1:9", *NAMES, "-o", str(tmp_path))
    assert done.returncode == 2
    assert "not empty" in done.stderr
