"""One job, many jobs, a cluster, a pipe: the same bytes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from dpiprobe.scale.inputs import Input
from dpiprobe.scale.task import Form, Options, explain_one, signatures
from tests.circles import left_in_circles
from tests.conftest import ROOT, require
from tests.scale.many import DPIPROBE, captures

CASE = ROOT / "pcaps" / "match" / "gfw-triple" / "test.pcap"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hundred and twenty captures, one of them damaged beyond reading."""
    made = captures(tmp_path_factory.mktemp("some"), 120)
    (made / "a" / "0050x-broken.pcap").write_bytes(b"\xd4\xc3\xb2\xa1\x02\x00")
    return made


def analyze(folder: Path, *options: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*DPIPROBE, "-q", "analyze", ".", *options], cwd=folder, capture_output=True, check=False)


@pytest.fixture(scope="module")
def alone(folder: Path) -> subprocess.CompletedProcess[bytes]:
    return analyze(folder, "--json", "--jobs", "1")


def test_a_broken_capture_is_named_and_stops_nothing(alone: subprocess.CompletedProcess[bytes]) -> None:
    assert alone.returncode == 4
    assert alone.stderr.count(b"\n") == 1 and b"0050x-broken.pcap" in alone.stderr
    kinds = [json.loads(line)["kind"] for line in alone.stdout.splitlines()]
    assert kinds.count("capture") == 120


def test_many_processes_print_what_one_prints(folder: Path, alone: subprocess.CompletedProcess[bytes]) -> None:
    many = analyze(folder, "--json", "--jobs", "3")
    assert (many.stdout, many.stderr, many.returncode) == (alone.stdout, alone.stderr, 4)


def test_a_cluster_prints_what_one_process_prints(folder: Path, alone: subprocess.CompletedProcess[bytes]) -> None:
    try:
        import distributed  # noqa: F401
    except ImportError:
        require("cluster", "distributed is not installed")
    many = analyze(folder, "--json", "--dask", "local:2")
    assert (many.stdout, many.stderr, many.returncode) == (alone.stdout, alone.stderr, 4)


def test_tables_are_the_same_too(folder: Path) -> None:
    one, two = (analyze(folder, "--jobs", jobs) for jobs in "12")
    assert one.stdout == two.stdout and one.stdout.count(b"look further:") == 120


def test_fail_on_and_interesting_hold_for_many(folder: Path) -> None:
    one, two = (analyze(folder / "b", "--json", "--interesting", "--fail-on", "blocked", "--jobs", jobs) for jobs in "12")
    assert one.stdout == two.stdout and one.returncode == two.returncode == 1
    assert all(json.loads(line).get("verdict") != "ok" for line in one.stdout.splitlines() if b'"kind":"flow"' in line)


def test_a_pipe_gives_the_records_of_the_file(folder: Path) -> None:
    path = sorted((folder / "b").iterdir())[0]
    file = subprocess.run([*DPIPROBE, "analyze", str(path), "--json"], capture_output=True, check=True).stdout
    pipe = subprocess.run([*DPIPROBE, "analyze", "-", "--json"], input=path.read_bytes(), capture_output=True, check=True).stdout
    assert pipe == file.replace(json.dumps(str(path)).encode(), b'"-"')


def test_long_lines_go_through_a_file_and_come_out_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from dpiprobe.scale import task
    from dpiprobe.scale.batches import batches
    from dpiprobe.scale.inputs import inputs_of

    (todo,) = batches(inputs_of([str(folder / "b")])[:5])
    whole = task.run_task(todo, task.Options())
    monkeypatch.setattr(task, "SPOOL", 100)
    spooled = task.run_task(todo, task.Options(spool=str(tmp_path)))
    assert [Path(str(result.spooled)).read_bytes() for result in spooled] == [result.text for result in whole]

@pytest.mark.parametrize("form", ["lines", "table"])
def test_a_capture_that_is_done_frees_itself(form: Form) -> None:
    """Thousands of captures in one process do not add up until the cyclic collector comes by."""
    given, options = Input("x.pcap", str(CASE)), Options(form, None)
    database = signatures(None)

    def once() -> None:
        assert explain_one(0, given, options, database, lambda _: None, raw=form == "table").error is None

    assert not left_in_circles(once)
