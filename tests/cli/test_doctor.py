"""`dpiprobe doctor` looks at this machine; its findings are complete and say what to do."""

from __future__ import annotations

import json
import tomllib

import pytest

from dpiprobe.cli import doctor, main
from tests.conftest import ROOT


def test_every_finding_says_what_it_is_for_and_a_lack_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["doctor", "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"python", "packages core", "tshark", "user namespaces", "packet sockets", "cache folder"} <= {f["check"] for f in found}
    for finding in found:
        assert finding["needed_for"] and finding["detail"]
        assert finding["ok"] or finding["advice"]


def test_the_extras_are_those_of_the_project() -> None:
    extras = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    assert extras - {"all", "dev", "demo"} == set(doctor.EXTRAS) - {""}


def test_a_person_gets_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["doctor"]) == 0
    assert capsys.readouterr().out.startswith("yes  python")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    assert main.run(["completion", shell]) == 0
    assert "_DPIPROBE_COMPLETE" in capsys.readouterr().out
