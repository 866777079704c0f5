"""The name under which output proposes further commands."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dpiprobe.cli.program import program


def executable(folder: Path) -> str:
    folder.mkdir(exist_ok=True)
    file = folder / "dpiprobe"
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    return str(file)


def test_what_the_shell_finds_is_called_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [executable(tmp_path), "demo"])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program() == "dpiprobe"


@pytest.mark.parametrize("on_path", [(), ("other",)], ids=["not on the path", "another is on the path"])
def test_what_the_shell_would_not_find_is_called_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_path: tuple[str, ...]) -> None:
    called = executable(tmp_path / "my venv")
    for folder in on_path:
        executable(tmp_path / folder)
    monkeypatch.setattr(sys, "argv", [called])
    monkeypatch.setenv("PATH", ":".join(str(tmp_path / folder) for folder in ("empty", *on_path)))
    assert program() == f"'{called}'"


def test_a_module_is_called_through_its_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/x/dpiprobe/__main__.py"])
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    assert program() == "/usr/bin/python3 -m dpiprobe"


def test_somebody_else_s_process_proposes_the_plain_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/pytest"])
    assert program() == "dpiprobe"
