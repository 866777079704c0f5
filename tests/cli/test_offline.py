"""Where no lab can be built, the demonstration still explains the recorded cases, and says what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpiprobe.cases import case
from dpiprobe.cli import main
from dpiprobe.lab import session


def test_demo_without_a_lab_explains_recorded_cases(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(session, "available", lambda: "user namespaces are forbidden here; run it as root")
    assert main.run(["demo"]) == 3
    out, err = capsys.readouterr()
    assert "gfw-triple" in out and "gfw-reset-triple" in out
    assert err.splitlines()[-1] == "dpiprobe: user namespaces are forbidden here; run it as root"


def test_where_the_cases_are_missing_too_the_last_line_still_says_what_the_lab_lacks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(session, "available", lambda: "the lab needs the package pyroute2; install dpiprobe[lab]")
    monkeypatch.setattr(case, "default_folder", lambda: tmp_path / "pcaps")
    assert main.run(["demo"]) == 3
    out, err = capsys.readouterr()
    assert out == "" and "come with the source alone" in err
    assert err.splitlines()[-1] == "dpiprobe: the lab needs the package pyroute2; install dpiprobe[lab]"
