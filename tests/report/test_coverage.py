"""docs/coverage.md stays true: every signature has a line in it, and what it names is there."""

from __future__ import annotations

import re

from dpiprobe.signature.database import load
from dpiprobe.signature.words import TECHNIQUES
from tests.conftest import ROOT

NAMED = set(re.findall(r"`([a-z0-9][a-z0-9.-]+)`", (ROOT / "docs" / "coverage.md").read_text()))
IDS = set(load(ROOT / "signatures", cache=False).by_id)


def test_every_signature_has_its_line() -> None:
    assert set() == IDS - NAMED


def test_every_name_is_a_signature() -> None:
    assert set() == NAMED - IDS


def test_every_technique_has_a_signature() -> None:
    used = {s.technique for s in load(ROOT / "signatures", cache=False).signatures}
    parents = {t.rpartition(".")[0] for t in used}
    assert set(TECHNIQUES) - used - parents <= {"data", "throttle", "address", "residual", "drop", "proxy"}
