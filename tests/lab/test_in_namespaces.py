"""The sample with real kernels: one run that fails costs that run only, and what there is stays, however the matrix ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dpiprobe.errors import EnvironmentError_
from dpiprobe.lab import in_namespaces, matrix
from dpiprobe.lab.availability import package_environment
from dpiprobe.lab.matrix import Boxes, Failed, Result, Task, View
from dpiprobe.lab.matrix_record import MatrixRecord, World, agreement
from dpiprobe.lab.tally import fisher
from dpiprobe.report.matrix_page import page
from dpiprobe.signature.database import load
from tests.lab.test_session import alive, descendants


@pytest.fixture(scope="module")
def boxes() -> Boxes:
    return Boxes(load())


def result(verdict: str, *, name: str = "tcpkill", seed: int = 1) -> Result:
    return Result("box", name, "plain", seed, View(verdict, "rst.on-path", "tcpkill", None), View("blocked", "rst.on-path", "tcpkill", None))


def test_a_run_that_fails_costs_that_run_only(boxes: Boxes, monkeypatch: pytest.MonkeyPatch) -> None:
    def carried_out(task: Task, *_: object) -> Result:
        if task.seed == 2:
            raise EnvironmentError_("the prober failed inside the lab (exit 3): no room")
        if task.seed == 3:
            raise IndexError("a mistake of ours")
        return result("blocked", seed=task.seed)

    monkeypatch.setattr(in_namespaces, "run_in_namespaces", carried_out)
    world = World()
    for one in in_namespaces.run_real(matrix.tasks(boxes, ["tcpkill"], ["plain"], 5, 1), boxes, 2):
        world.take(one)
    assert sorted(r.seed for r in world.results) == [1, 4, 5]
    told = {f.seed: f.reason for f in world.failed}
    assert told == {2: "the prober failed inside the lab (exit 3): no room", 3: "IndexError: a mistake of ours"}


def test_a_mistake_of_ours_on_the_virtual_clock_is_told_too(boxes: Boxes, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **_more: object) -> Result:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(matrix, "run_task", broken)
    assert list(matrix.run_all([Task("box", "tcpkill", "plain", 1)], 1)) == [Failed("box", "tcpkill", "plain", 1, "ZeroDivisionError: oh")]


def test_the_file_is_whole_and_says_that_more_was_to_come(boxes: Boxes, tmp_path: Path) -> None:
    record = MatrixRecord(boxes, 1, tmp_path / "m.json")
    record.virtual.asked = 3
    record.virtual.take(result("blocked"))
    record.virtual.take(Failed("box", "tcpkill", "plain", 2, "why"))
    record.save(now=True)
    data = json.loads((tmp_path / "m.json").read_text())
    assert (data["interrupted"], data["asked"], data["summary"]["runs"], data["failed"][0]["reason"]) == (True, 3, 1, "why")
    record.save(now=True, complete=True)
    assert json.loads((tmp_path / "m.json").read_text())["interrupted"] is False
    assert [file.name for file in tmp_path.iterdir()] == ["m.json"]


def test_agreement_counts_what_both_worlds_say_of_the_same_task(boxes: Boxes) -> None:
    found = agreement([result("blocked"), result("blocked", seed=2), result("ok", seed=3)], [result("blocked"), result("down", seed=2)], boxes.truths)
    assert found["box"] == {"runs": 2, "client": 1, "both": 2}
    assert [(d["seed"], d["virtual_client"][0], d["real_client"][0]) for d in found["differ"]] == [(2, "blocked", "down")]


def test_worlds_that_differ_by_more_than_chance_are_told(boxes: Boxes) -> None:
    def off(seed: int) -> Result:
        return Result("box", "tcpkill", "plain", seed, View("ok", None, None, None, grade="ok"), View("ok", None, None, None, grade="ok"))

    def right(seed: int) -> Result:
        return Result("box", "tcpkill", "plain", seed, View("blocked", "rst", None, None, grade="coarse"), View("blocked", "rst", None, None, grade="coarse"))

    good = [right(seed) for seed in range(10)]
    assert agreement(good, [*map(right, range(7)), *map(off, range(7, 10))], boxes.truths)["unlike"] == []
    assert [row["view"] for row in agreement(good, list(map(off, range(10))), boxes.truths)["unlike"]] == ["client", "both"]


@pytest.mark.parametrize(("table", "p"), [((3, 3, 0, 3), 0.1), ((8, 10, 1, 10), 0.005477), ((5, 5, 5, 5), 1.0), ((1, 10, 11, 14), 0.002759)])
def test_the_exact_test_is_fishers(table: tuple[int, int, int, int], p: float) -> None:
    assert fisher(*table) == pytest.approx(p, rel=0.01)


def test_the_page_shows_both_worlds_what_failed_and_real_software(boxes: Boxes) -> None:
    record = MatrixRecord(boxes, 1, None)
    record.virtual.take(result("blocked"))
    record.real = World(3)
    program = Result("software", "real-tcpkill", "plain", 1, View("blocked", "rst.on-path", "tcpkill", None, grade="exact"), View("ok", None, None, None))
    for one in (result("blocked"), program, Failed("box", "tcpkill", "plain", 2, "no <room>")):
        record.real.take(one)
    text = page(record.data(complete=True))
    assert "2 runs of 3" in text
    assert "no &lt;room&gt;" in text
    assert "<td>1: 1 blocked rst.on-path tcpkill</td>" in text


def test_real_software_is_judged_by_what_it_is(boxes: Boxes) -> None:
    for task in in_namespaces.software(2, 1):
        assert boxes.truths[task.name].techniques
        assert task.kind == "software"


def test_innocents_of_the_sample_fail_in_many_ways(boxes: Boxes) -> None:
    names = {t.name for t in matrix.innocent_tasks(2_000, 1) if in_namespaces.possible(t, boxes)}
    assert {"free", "free-hello", "late-one", "retry-all", "half-one", "page-unknown", "hang-then-reset-one", "windows", "plain-tcp-reset"} <= names


@pytest.mark.usefixtures("lab_here")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_matrix_that_is_ended_leaves_its_results_and_nothing_else(number: int, tmp_path: Path) -> None:
    file = tmp_path / "m.json"
    words = ["--box", "drop.hello", "--condition", "plain", "--repetitions", "2", "--namespaces", "2", "--sample-only", "--jobs", "2", "--json", str(file)]
    owner = subprocess.Popen(
        [sys.executable, "-m", "dpiprobe", "lab", "matrix", *words], env={**package_environment(), "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while len(descendants(owner.pid)) < 16 and time.monotonic() < deadline:  # two labs, each with its prober
        time.sleep(0.1)
    family = descendants(owner.pid)
    owner.send_signal(number)
    _, said = owner.communicate(timeout=30)
    while alive(family) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(family)
    if number == signal.SIGINT:
        assert owner.returncode == 130
        data = json.loads(file.read_text())
        assert (data["interrupted"], data["summary"]["runs"], data["namespaces"]["asked"]) == (True, 0, 2)
        assert "interrupted after 0 of 2 runs" in said
    assert {path.name for path in tmp_path.rglob("*")} <= {"m.json"}
