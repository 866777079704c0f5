"""Where no lab can be built, the demonstration still explains the recorded cases, and says what is missing."""

from __future__ import annotations

import pytest

from dpiprobe.cli import main
from dpiprobe.lab import session


def test_demo_without_a_lab_explains_recorded_cases(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(session, "available", lambda: "user namespaces are forbidden here; run it as root")
    assert main.run(["demo"]) == 3
    out, err = capsys.readouterr()
    assert "gfw-triple" in out and "gfw-reset-triple" in out
    assert err.splitlines()[-1] == "dpiprobe: user namespaces are forbidden here; run it as root"
