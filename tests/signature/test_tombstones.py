"""Ids that were given up: told by `show`, never used again, and what is superseded leaves one."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpiprobe.cli.main import run
from dpiprobe.signature.check import check
from dpiprobe.signature.database import packaged_folder
from dpiprobe.signature.tombstones import Tombstone, read_tombstones
from tests.signature.test_check import WHOLE


def folder(tmp_path: Path, stones: str, extra: str = "") -> Path:
    (tmp_path / "triple.yaml").write_text(WHOLE + extra)
    (tmp_path / "tombstones.yml").write_text(stones)
    return tmp_path


def said(where: Path) -> list[str]:
    return [p.removeprefix(f"{where}/") for p in check(where)]


def test_a_tombstone_says_what_became_of_an_id(tmp_path: Path) -> None:
    where = folder(tmp_path, 'old-triple: {now: triple, since: "2026-11", why: Two devices were told apart.}\n')
    assert read_tombstones(where) == ({"old-triple": Tombstone("old-triple", "triple", "2026-11", "Two devices were told apart.")}, [])
    assert said(where) == []


@pytest.mark.parametrize(
    ("stones", "problem"),
    [
        ('triple: {now: none, since: "2026", why: x}\n', "'triple' has a tombstone and is a signature; an id is never used twice, so choose another"),
        ('old: {now: tripel, since: "2026", why: x}\n', "'old' became 'tripel', which is no signature, did you mean triple?; say what it is now, or none"),
        ("old: {now: triple}\n", "a tombstone takes the texts now, since, why (now: none where nothing took its place)"),
    ],
)
def test_a_wrong_one_is_refused(tmp_path: Path, stones: str, problem: str) -> None:
    (found,) = said(folder(tmp_path, stones))
    assert found.startswith("tombstones.yml:1:") and found.endswith(problem)


def test_what_is_superseded_has_a_tombstone_that_leads_here(tmp_path: Path) -> None:
    assert said(folder(tmp_path, "# none\n", "supersedes: [old-triple]\n")) == [
        "triple.yaml:24:14: 'old-triple' is no signature and has no tombstone that leads here; add it to tombstones.yml"
    ]
    assert said(folder(tmp_path, 'old-triple: {now: triple, since: "2026", why: x}\n', "supersedes: [old-triple]\n")) == []


def test_what_is_superseded_and_still_there_is_deprecated(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(WHOLE.replace("id: triple", "id: other"))
    assert said(folder(tmp_path, "# none\n", "supersedes: [other]\n")) == [
        "triple.yaml:24:14: 'other' is still there; say `status: deprecated` in it, or remove it and leave a tombstone"
    ]


def test_show_tells_where_an_id_went(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = folder(tmp_path, 'old-triple: {now: triple, since: "2026-11", why: It was renamed.}\n')
    assert run(["signatures", "show", "old-triple", "--signatures", str(where)]) == 2
    assert "was given up (2026-11: It was renamed.); it is triple now" in capsys.readouterr().err


def test_those_of_the_program_are_well_formed() -> None:
    assert read_tombstones(packaged_folder())[1] == []
