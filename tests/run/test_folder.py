"""Run folders: written whole, read strictly, readable after an interrupt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dpiprobe.errors import InputError, UsageError
from dpiprobe.plan.design import design
from dpiprobe.run.folder import RunFolder


def a_run(tmp_path: Path) -> RunFolder:
    folder = RunFolder.create(tmp_path / "run")
    folder.write_run({"kind": "run"})
    return folder


def test_a_plan_comes_back_as_it_was(tmp_path: Path) -> None:
    plan = design("192.0.2.1:443", ["blocked.example"], control=None, repetitions=2, seed=1)
    folder = a_run(tmp_path)
    folder.write_plan(plan)
    assert RunFolder.open(folder.path).plan() == plan


def test_trials_are_appended_line_by_line_and_a_cut_last_line_is_left_out(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    folder.append_trial({"number": 1})
    folder.append_trial({"number": 2, "first_bytes": b"\xff"})
    with (folder.path / "trials.jsonl").open("a") as file:
        file.write('{"number": 3, "na')
    assert folder.trials() == [{"number": 1}, {"number": 2, "first_bytes": "\\xff"}]


def test_a_changed_line_in_the_middle_is_said_with_its_number(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    (folder.path / "records.jsonl").write_text('{"a": 1}\nnonsense\n')
    with pytest.raises(InputError, match=r"records\.jsonl:2"):
        folder.records()


def test_the_summary_holds_the_names_and_counts_the_flows(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    flows = [{"kind": "flow", "verdict": verdict} for verdict in ("ok", "blocked", "ok")]
    name = {"kind": "name", "server_name": "blocked.example", "verdict": "blocked"}
    folder.write_records([*flows, name, {"kind": "capture"}])
    summary = json.loads((folder.path / "summary.json").read_text())
    assert summary["names"] == [name]
    assert summary["flows"] == {"blocked": 1, "ok": 2}
    assert len(folder.records()) == 5


def test_a_folder_with_something_in_it_is_never_written_to(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="not empty"):
        RunFolder.create(tmp_path)


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be made"):
        RunFolder.create(tmp_path / "file" / "run")


def test_what_is_no_run_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run folder"):
        RunFolder.open(tmp_path)


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    with pytest.raises(TypeError):
        folder.write_run({"kind": object()})
    assert folder.run() == {"kind": "run"}
    assert [path.name for path in folder.path.iterdir()] == ["run.json"]
