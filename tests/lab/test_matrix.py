"""The matrix: what it counts, that a run repeats itself alone, and a small one that must be right."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from dpiprobe.capture.read import read_capture
from dpiprobe.cli.matrix import matrix as command
from dpiprobe.errors import UsageError
from dpiprobe.explain import explain
from dpiprobe.lab import matrix as room
from dpiprobe.lab import tally, variants
from dpiprobe.lab.conditions import CONDITIONS
from dpiprobe.lab.matrix import Boxes, Task, View
from dpiprobe.report.matrix_page import page
from dpiprobe.signature.database import load
from dpiprobe.verdict.statistics import upper_bound


@pytest.fixture(scope="module")
def boxes() -> Boxes:
    return Boxes(load())


def test_a_small_matrix_is_right_and_accuses_nobody(boxes: Boxes) -> None:
    todo = room.tasks(boxes, list(room.QUICK_BOXES), ["plain", "loss-2", "merged"], 1, 5) + room.innocent_tasks(60, 5)
    results = [one for one in room.run_all(todo, 1) if isinstance(one, room.Result)]
    assert len(results) == len(todo)
    summary = tally.tally(results, boxes.truths, boxes.deployments)
    assert summary["up_to_2_percent"]["both"]["right"] == 1.0, summary["misses"]
    assert summary["foreign"] == summary["box_accusations"] == []
    assert summary["innocents"]["accusations"] == []
    assert summary["innocents"]["runs"] == 60


@pytest.mark.parametrize(
    ("name", "where", "seed"),
    [
        ("slow-one", "jitter", 1),  # a clock measured over 200 ms, believed for 7 s
        ("certificate-own", "bursts-2", 4),  # bad moments of one flow
        ("late-all", "loss-5", 3), ("paced-one", "loss-5", 3), ("stall-one", "loss-2", 2),  # losses that only the test flows met
        ("slow-one", "bursts-8", 2), ("stall-one", "reorder", 2),  # slow by itself, on a bad path
        ("half-one", "black-hole", 5), ("late-one-hello", "black-hole", 5),  # answers too large for the path
        ("late-one-http", "outage", 2),  # a path that was dead once
    ],
)  # fmt: skip
def test_who_was_once_accused_and_had_done_nothing(name: str, where: str, seed: int, boxes: Boxes) -> None:
    assert room.run_task(Task("innocent", name, where, seed), boxes).accused == []


def test_a_device_wins_on_its_own_box_and_a_perturbed_one_has_no_name(boxes: Boxes) -> None:
    assert room.run_task(Task("box", "packetlogic-reset", "plain", 1), boxes).client.signature == "packetlogic-reset"
    beside = room.run_task(Task("box", "ident-off-by-one", "plain", 1), boxes)
    assert (beside.client.grade, beside.foreign) == ("exact", None)


def test_each_variant_is_a_box_with_a_known_technique(boxes: Boxes) -> None:
    from dpiprobe.signature.words import TECHNIQUES

    for name in variants.VARIANTS:
        assert boxes.truths[name].techniques <= set(TECHNIQUES)


def test_a_box_that_acts_on_the_servers_packets_is_not_tried_where_it_sees_none_of_them(boxes: Boxes) -> None:
    one_way = next(c for c in CONDITIONS if c.one_way)
    assert not boxes.fits("gfw-443-triple-to-syn-ack", one_way)
    assert boxes.fits("gfw-reset-triple", one_way)


def test_kept_captures_say_the_same_as_the_run(boxes: Boxes, tmp_path: Path) -> None:
    task = Task("box", "tcpkill", "loss-2", 3)
    told = room.run_task(task, boxes, tmp_path)
    capture = read_capture(tmp_path / "client.pcapng")
    names = {line.server_name: line for line in explain(capture, database=boxes.database).names}
    line = names["blocked.example"]
    assert (line.verdict, line.lead.technique, line.lead.signature) == (told.client.verdict, told.client.technique, told.client.signature)


def test_a_run_repeats_itself_alone(boxes: Boxes) -> None:
    task = Task("box", "drop.hello", "loss-5", 2)
    assert room.run_task(task, boxes) == room.run_task(task, Boxes(load()))


@pytest.mark.parametrize(
    ("said", "verdict", "grade"),
    [("rst.on-path", "blocked", "exact"), ("rst", "blocked", "coarse"), ("rst.in-path", "blocked", "wrong"), (None, "down", "down"), (None, "ok", "ok")],
)
def test_grades(said: str | None, verdict: str, grade: str) -> None:
    assert room.grade(View(verdict, said, None, None), frozenset({"rst.on-path"})) == grade


def test_a_possibility_is_not_a_miss_and_not_a_hit() -> None:
    assert room.grade(View("down", None, None, None, could_be=["server-hung", "drop.answer"]), frozenset({"drop.answer"})) == "possible"


@pytest.mark.parametrize(("hits", "trials", "low", "high"), [(0, 10, 0.0, 0.3085), (10, 10, 0.6915, 1.0), (5, 10, 0.1871, 0.8129)])
def test_bounds_are_those_of_clopper_and_pearson(hits: int, trials: int, low: float, high: float) -> None:
    assert tally.interval(hits, trials) == pytest.approx((low, high), abs=1e-4)


def test_no_accusation_in_thirty_thousand_runs_bounds_the_rate() -> None:
    assert upper_bound(0, 30_000) == pytest.approx(1 - 0.05 ** (1 / 30_000), rel=1e-6)
    assert upper_bound(20_000, 30_000) < 0.68


def test_unknown_names_are_refused(boxes: Boxes) -> None:
    with pytest.raises(UsageError, match="no box"):
        boxes.known("nobody")
    with pytest.raises(UsageError, match="no innocent"):
        room.innocent("nobody")


def test_the_command_writes_json_and_one_page(tmp_path: Path) -> None:
    told, shown = tmp_path / "matrix.json", tmp_path / "matrix.html"
    words = ["--box", "drop-hello", "--condition", "plain", "--innocents", "2", "--json", str(told), "--html", str(shown)]
    result = CliRunner().invoke(command, words)
    assert result.exit_code == 0, result.output
    data = json.loads(told.read_text())
    assert data["format"] == "dpiprobe-matrix/1"
    assert data["summary"]["technique"]["client"] == {"drop.hello": {"drop.hello": 1}}
    assert data["results"][0]["seed"] == 1
    text = shown.read_text()
    assert text == page(data)
    assert not re.search(r'(src|href)\s*=|@import|<script', text), "the page needs nothing else"


def test_keep_is_for_few_runs() -> None:
    result = CliRunner().invoke(command, ["--full", "--keep", "out"])
    assert isinstance(result.exception, UsageError)
