"""Cases are read strictly: every problem of every case at once, with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpiprobe.cases.case import FAMILIES, CasesWrong, case_exists, load_cases
from dpiprobe.errors import UsageError
from tests.conftest import ROOT


def make(root: Path, where: str, expect: str) -> Path:
    folder = root / where
    folder.mkdir(parents=True)
    (folder / "expect.yaml").write_text(expect)
    (folder / "test.pcap").write_bytes(b"")
    (folder / "ORIGIN.md").write_text("made up\n")
    return folder


def test_an_expectation_is_plain_values_and_none_is_null(tmp_path: Path) -> None:
    make(tmp_path, "match/a", 'about: One.\ncontrols: [x.example]\nflows:\n  "3": {verdict: blocked, signature: none, evidence: [1, 2]}\n')
    (case,) = load_cases(tmp_path)
    assert (case.name, case.family, case.controls, case.about) == ("a", "match", ["x.example"], "One.")
    assert case.flows == {3: {"verdict": "blocked", "signature": None, "evidence": [1, 2]}}
    assert not case.accuses_nobody


@pytest.mark.parametrize(
    ("expect", "problem"),
    [
        ("about: x\nflow: {}\n", "expect.yaml:2:1: no such key 'flow', did you mean 'flows'?"),
        ('about: x\nflows:\n  "1": {verdct: ok}\n', "expect.yaml:3:9: no such key 'verdct', did you mean 'verdict'?"),
        ('about: x\nflows:\n  "0": {verdict: ok}\n', "'0' is no flow number"),
        ("about: x\nabout: y\n", "stands twice"),
        ("controls: []\n", "about is missing"),
        ("- a\n", "not a mapping"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, expect: str, problem: str) -> None:
    make(tmp_path, "clean/a", expect)
    with pytest.raises(UsageError) as wrong:
        load_cases(tmp_path)
    assert problem in str(wrong.value)


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    make(tmp_path, "clean/a", "about: x\nflow: {}\n")
    make(tmp_path, "mtach/b", "about: x\n")
    (make(tmp_path, "clean/c", "about: x\n") / "ORIGIN.md").unlink()
    with pytest.raises(CasesWrong) as wrong:
        load_cases(tmp_path)
    said = "\n".join(wrong.value.problems)
    assert "no such key" in said and "did you mean 'match'" in said and "neither make.py nor ORIGIN.md" in said
    assert str(wrong.value).startswith("3 problems in the cases, the first: ")


def test_the_project_s_own_cases_load_and_every_family_has_one() -> None:
    cases = load_cases(ROOT / "pcaps")
    assert {case.family for case in cases} == set(FAMILIES)
    assert len({case.name for case in cases}) == len(cases)


def test_signatures_can_ask_whether_a_case_is_there() -> None:
    exists = case_exists(ROOT / "pcaps")
    assert exists("gfw-triple") and not exists("no-such-case")
