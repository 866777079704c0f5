"""The benchmark says what is missing, and calls no table a result that lacks its yardsticks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bench import page
from tests.bench.process import Run, Series, in_turn
from tests.conftest import ROOT

ROW = {"seconds": 1.0, "cpu": 1.0, "peak": 100.0, "ratio": 1.0}


def figures(**more: Any) -> dict[str, Any]:
    """Figures of a bench with one table: dpiprobe 1 s, tshark 30 s, cat 0.1 s."""
    table = {"dpiprobe analyze --json": ROW, "tshark -T fields": ROW | {"seconds": 30.0, "ratio": 30.0}, "cat": ROW | {"seconds": 0.1, "ratio": 0.1}}
    return {
        "machine": {"date": "2026-11-24", "cores": 2, "processor": "x", "versions": {"Python": "3.11"}}, "quick": False, "missing": [],
        "packets": {"big": 2_700_000}, "table": table,
    } | more


def test_ratios_are_judged_against_what_was_asked_for() -> None:
    text = page.tables(figures())
    assert "| times as fast as `tshark -T fields` | 30 | at least 25 | 80 | yes |" in text
    assert "| times the time of `cat` | 10 | at most 14 | 5 | yes |" in text
    assert "no result" not in text


@pytest.mark.parametrize("program", ["tshark -T fields", "ndpiReader -q", "cat"])
def test_a_table_without_its_yardsticks_says_that_it_is_no_result(program: str) -> None:
    assert "is no result" in page.tables(figures(missing=[program]))


def test_the_page_keeps_what_people_wrote(tmp_path: Path) -> None:
    written = (ROOT / "docs" / "performance.md").read_text()
    (tmp_path / "page.md").write_text(written)
    for _ in range(2):
        page.write(tmp_path / "page.md", page.tables(figures()))
    text = (tmp_path / "page.md").read_text()
    assert text.count("### What was asked for") == 1
    assert text.split(page.BEGIN)[0] == written.split(page.BEGIN)[0] and text.split(page.END)[1] == written.split(page.END)[1]


def test_without_the_yardsticks_nothing_is_measured_for_the_page(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--page", str(tmp_path / "page.md")], cwd=ROOT, env={"PATH": str(tmp_path)}, capture_output=True,
        text=True, check=False,
    )
    assert done.returncode == 3 and "apt-get install" in done.stderr and "is no result" in done.stderr


def test_programs_run_in_turn_and_ratios_are_taken_round_by_round() -> None:
    found = in_turn({"a": ["true"], "b": ["true"]}, 3)
    assert [len(series.runs) for series in found.values()] == [3, 3]
    fast, slow = (Series([Run(seconds, 0, 0, 0) for seconds in times]) for times in ([1, 2, 3], [2, 4, 30]))
    assert slow.over(fast) == 2


def test_what_ends_badly_is_no_measurement() -> None:
    with pytest.raises(RuntimeError, match="ended with 2"):
        in_turn({"a": ["sh", "-c", "exit 2"]}, 1)
