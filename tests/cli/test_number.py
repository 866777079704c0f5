"""A rate is a number."""

from __future__ import annotations

import pytest

from dpiprobe.cli import main


@pytest.mark.parametrize("option", ["--rate", "--timeout", "--wait"])
def test_nan_is_in_no_range(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["probe", "127.0.0.1", "--name", "a.example", "--control", "b.example", "--dry-run", option, "nan"]) == 2
    assert "not in the range" in capsys.readouterr().err
