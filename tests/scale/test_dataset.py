"""Parquet that grows batch by batch: interrupted anywhere, it comes to the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dpiprobe.cli import main
from tests.scale.many import DPIPROBE, KEYS, assert_same_content, captures, content, run
from tests.scale.test_pool import alive, children

FILES = ("flows", "names", "observations", "captures")


def batches(out: Path) -> dict[str, int]:
    """Batches that are done, and the inodes of what they wrote."""
    done = [path.stem for path in (out / "manifest").glob("*.json") if path.stem not in ("settings", "summary")]
    return {f"{table}/{name}": (out / table / f"{name}.parquet").stat().st_ino for name in done for table in FILES}


def interrupted(many: Path, out: Path, strike: Callable[[subprocess.Popen[bytes]], None], *options: str) -> int:
    """Start a run, strike once the first batch is done, and give its exit code."""
    process = subprocess.Popen([*DPIPROBE, "-q", "analyze", str(many), "--out", str(out), *options], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (out.exists() and batches(out)) and time.monotonic() < deadline:
        time.sleep(0.005)
    strike(process)
    return process.wait(timeout=60)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_run_that_was_killed_goes_on_where_it_was(many: Path, whole: Path, tmp_path: Path, jobs: str) -> None:
    out = tmp_path / "out"
    assert interrupted(many, out, lambda process: process.send_signal(signal.SIGKILL), "--jobs", jobs) == -signal.SIGKILL
    time.sleep(0.2)
    before = batches(out)
    assert 0 < len(before) < len(batches(whole))
    assert run(many, out, "--jobs", jobs) == 0
    assert before.items() <= batches(out).items(), "nothing is done twice"
    assert_same_content(out, whole)
    assert [path for path in out.iterdir() if path.name.startswith(".part-")] == []


def test_a_worker_that_was_killed_is_replaced(many: Path, whole: Path, tmp_path: Path) -> None:
    struck: list[int] = []

    def kill_a_worker(process: subprocess.Popen[bytes]) -> None:
        workers = [pid for pid in children(process.pid) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        os.kill(workers[0], signal.SIGKILL)
        struck.extend(workers)

    assert interrupted(many, tmp_path / "out", kill_a_worker, "--jobs", "2") == 0
    assert struck and not any(map(alive, struck))
    assert_same_content(tmp_path / "out", whole)


def test_a_second_run_does_nothing(many: Path, whole: Path) -> None:
    before = batches(whole)
    assert run(many, whole, "--jobs", "2") == 0
    assert batches(whole) == before


def test_one_job_and_two_write_the_same_files(many: Path, whole: Path, tmp_path: Path) -> None:
    assert run(many, tmp_path / "out", "--jobs", "1") == 0
    for name in batches(whole):
        assert (whole / f"{name}.parquet").read_bytes() == (tmp_path / "out" / f"{name}.parquet").read_bytes()


def test_captures_can_be_added(tmp_path: Path) -> None:
    folder = captures(tmp_path / "in", 12)
    assert run(folder / "a", tmp_path / "out") == 0
    assert run(folder, tmp_path / "out") == 0
    assert run(folder, tmp_path / "at-once") == 0
    assert_same_content(tmp_path / "out", tmp_path / "at-once")


@pytest.mark.parametrize(
    ("setting", "options"), [("controls", ["--control", "x.example"]), ("interesting", ["--interesting"]), ("signatures", []), ("tool", [])]
)
def test_other_settings_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], setting: str, options: list[str]) -> None:
    folder = captures(tmp_path / "in", 2)
    assert main.run(["-q", "analyze", str(folder), "--out", str(tmp_path / "out")]) == 0
    if not options:  # as if another version had begun it
        settings = tmp_path / "out" / "manifest" / "settings.json"
        settings.write_text(json.dumps(json.loads(settings.read_text()) | {setting: "another"}))
    before = batches(tmp_path / "out")
    assert main.run(["-q", "analyze", str(folder), "--out", str(tmp_path / "out"), *options]) == 2
    assert f"was made with {setting} " in capsys.readouterr().err and batches(tmp_path / "out") == before


def test_a_capture_that_changed_is_refused_and_one_that_was_touched_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = captures(tmp_path / "in", 2)
    command = ["-q", "analyze", str(folder), "--out", str(tmp_path / "out")]
    assert main.run(command) == 0
    one, other = sorted(path for path in folder.rglob("0*") if path.is_file())
    os.utime(one, (1, 1))
    assert main.run(command) == 0
    one.write_bytes(other.read_bytes())
    assert main.run(command) == 2
    assert "has changed since" in capsys.readouterr().err


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = captures(tmp_path / "in", 1)
    assert main.run(["analyze", str(folder), "--out", str(tmp_path / "in")]) == 2
    assert "no data set" in capsys.readouterr().err


def test_a_broken_capture_is_said_and_tried_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = captures(tmp_path / "in", 3)
    broken = tmp_path / "in" / "broken.pcap"
    broken.write_bytes(b"\xd4\xc3\xb2\xa1\x02\x00")
    command = ["-q", "analyze", str(folder), "--out", f"{tmp_path}/out/", "--json"]
    assert main.run(command) == 4
    out, err = capsys.readouterr()
    assert json.loads(out)["captures"] == 3 and [e["capture"] for e in json.loads(out)["errors"]] == [str(broken)] and "broken.pcap" in err
    broken.write_bytes(next((tmp_path / "in" / "a").glob("0*")).read_bytes())
    assert main.run(command) == 0
    assert json.loads(capsys.readouterr().out)["captures"] == 4
    assert content(tmp_path / "out", "captures", ("capture",)).num_rows == 4


def test_two_runs_cannot_write_into_one_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from dpiprobe.scale.store import alone

    folder = captures(tmp_path / "in", 1)
    with alone(str(tmp_path / "out")):
        assert main.run(["analyze", str(folder), "--out", str(tmp_path / "out")]) == 2
    assert "another dpiprobe" in capsys.readouterr().err


def test_fail_on_looks_at_the_whole_data_set(many: Path, whole: Path) -> None:
    assert run(many, whole, "--fail-on", "blocked") == 1


def test_a_typing_error_makes_no_folders(tmp_path: Path) -> None:
    folder = captures(tmp_path / "in", 1)
    assert main.run(["analyze", str(folder), "--out", str(tmp_path / "no" / "such" / "place")]) == 2
    assert not (tmp_path / "no").exists()


def test_every_table_has_the_rows_that_the_records_say(many: Path, whole: Path) -> None:
    lines = subprocess.run([*DPIPROBE, "-q", "analyze", str(many), "--json", "--jobs", "2"], capture_output=True, check=True).stdout.splitlines()
    records = [json.loads(line) for line in lines]
    wanted = {
        "flows": sum(r["kind"] == "flow" for r in records),
        "names": sum(r["kind"] == "name" for r in records),
        "captures": sum(r["kind"] == "capture" for r in records),
        "observations": sum(len(r["observations"]) for r in records if r["kind"] == "flow"),
    }
    assert {table: content(whole, table, KEYS[table]).num_rows for table in FILES} == wanted


def test_an_interruption_is_one_line_and_keeps_what_is_done(many: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(
        [*DPIPROBE, "-q", "analyze", str(many), "--out", str(out), "--jobs", "2"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 (in a background job it is ignored)
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (out.exists() and batches(out)) and time.monotonic() < deadline:
        time.sleep(0.005)
    workers = [pid for pid in children(process.pid) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.lstrip()) == (130, b"dpiprobe: interrupted; what was there is kept\n")
    assert batches(out) and not any(map(alive, workers))


def test_a_damaged_line_of_the_manifest_is_a_batch_to_do_again(tmp_path: Path) -> None:
    folder, out = captures(tmp_path / "in", 3), tmp_path / "out"
    assert run(folder, out) == 0 and run(folder, tmp_path / "sound") == 0
    for path in (out / "manifest").glob("*.json"):
        if path.stem not in ("settings", "summary"):
            path.write_bytes(path.read_bytes()[:100])
    assert run(folder, out) == 0
    assert_same_content(out, tmp_path / "sound")


def test_damaged_settings_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = captures(tmp_path / "in", 1), tmp_path / "out"
    assert run(folder, out) == 0
    (out / "manifest" / "settings.json").write_bytes(b"{")
    assert main.run(["analyze", str(folder), "--out", str(out)]) == 2
    assert "is damaged" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    """The last table is a device that is always full; nothing that pyarrow says of the others reaches the user."""
    program = f"""
import sys
from pathlib import Path
from dpiprobe.report.parquet import Tables
folder = Path({str(tmp_path)!r})
(folder / "captures.parquet").symlink_to("/dev/full")
try:
    Tables(folder)
except OSError:
    print("full")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "full\n", "")
