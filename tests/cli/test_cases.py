"""`dpiprobe cases`: list, run, new."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from dpiprobe.cases import compare
from dpiprobe.cases.compare import Result
from dpiprobe.cli import cases as command
from dpiprobe.cli import main
from tests.conftest import ROOT


def test_list_prints_one_object_a_case(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["cases", "list", "--pcaps", str(ROOT / "pcaps"), "--json"]) == 0
    assert "gfw-triple" in {json.loads(line)["case"] for line in capsys.readouterr().out.splitlines()}


def test_run_is_exit_code_1_where_a_case_does_not_hold(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(command, "load_signatures", lambda folder: None)
    monkeypatch.setattr(compare, "run_case", lambda case, database: Result(case, ["flow 1: verdict is ok, expected blocked"]))
    assert main.run(["cases", "run", "gfw-triple", "--pcaps", str(ROOT / "pcaps")]) == 1
    out = capsys.readouterr().out
    assert "match/gfw-triple" in out and "  flow 1: verdict is ok, expected blocked" in out and "0 of 1 cases hold, 1 do not" in out
    monkeypatch.setattr(compare, "run_case", lambda case, database: Result(case, []))
    assert main.run(["cases", "run", "--pcaps", str(ROOT / "pcaps")]) == 0


def test_an_unknown_case_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["cases", "run", "no-such-case", "--pcaps", str(ROOT / "pcaps")]) == 2


def test_new_makes_a_script_that_builds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["cases", "new", "match/my-device", "--pcaps", str(tmp_path)]) == 0
    folder = Path(capsys.readouterr().out.strip())
    runpy.run_path(str(folder / "make.py"))["make"](folder)
    assert main.run(["cases", "run", "my-device", "--pcaps", str(tmp_path)]) == 0  # the scaffold is an example that holds
    assert main.run(["cases", "new", "match/my-device", "--pcaps", str(tmp_path)]) == 2


def test_new_starts_from_a_capture(tmp_path: Path) -> None:
    source = ROOT / "pcaps" / "clean" / "handshakes" / "test.pcap"
    assert main.run(["cases", "new", "clean/mine", "--from", str(source), "--pcaps", str(tmp_path)]) == 0
    assert (tmp_path / "clean" / "mine" / "test.pcap").read_bytes() == source.read_bytes()


def test_new_from_a_file_that_is_not_there_is_unreadable_input_as_of_analyze(tmp_path: Path) -> None:
    assert main.run(["cases", "new", "clean/mine", "--from", str(tmp_path / "none.pcap"), "--pcaps", str(tmp_path)]) == 4
    assert not (tmp_path / "clean").exists()


@pytest.mark.parametrize("name", ["mine", "mtach/x", "match/", "match/a/b", "match/A"])
def test_new_refuses_names_that_are_none(tmp_path: Path, name: str) -> None:
    assert main.run(["cases", "new", name, "--pcaps", str(tmp_path)]) == 2
