"""The pages that the database writes itself: all there, each with the ladder of its case, and the confusion table without a confusion."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dpiprobe.cases.case import load_cases
from dpiprobe.observe.vocabulary import FLOW_FEATURES, PACKET_FEATURES
from dpiprobe.report.signature_pages import write
from dpiprobe.signature.database import load, packaged_folder
from tests.conftest import ROOT

DATABASE = load(packaged_folder(), cache=False)


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    (folder / "schema").mkdir()
    write(folder, DATABASE, load_cases(ROOT / "pcaps"), None, "2026-01-01")
    return folder


@pytest.mark.parametrize("signature", DATABASE.signatures, ids=lambda s: s.id)
def test_a_page_tells_the_signature_and_draws_its_case(docs: Path, signature: object) -> None:
    identity = signature.id  # type: ignore[attr-defined]
    text = (docs / "signatures" / f"{identity}.md").read_text()
    assert "## In a capture" in text and "## What must not match" in text and "## References" in text
    assert re.search(r"\|-- (SYN|UDP) ", text), "the ladder of its case"


def test_the_pages_in_docs_are_those_of_the_database() -> None:
    held = {p.stem for p in (ROOT / "docs" / "signatures").glob("*.md")} - {"README"}
    assert held == set(DATABASE.by_id), "`make docs` writes them anew"


def test_the_vocabulary_has_a_page(docs: Path) -> None:
    text = (docs / "features.md").read_text()
    assert all(f"| `{name}`" in text for name in (*PACKET_FEATURES, *FLOW_FEATURES))


def test_no_signature_matches_a_near_miss_and_no_innocent_is_accused(docs: Path) -> None:
    rows = [line.split("|") for line in (docs / "confusion.md").read_text().splitlines() if line.startswith("| `")]
    assert len(rows) == len(DATABASE)
    for _, _, own, near, *_ in rows:
        hit, _, total = own.split()
        assert hit == total and near.split()[0] == "0"
    innocent = [line.split("|") for line in (docs / "confusion.md").read_text().splitlines() if line.startswith(("| near_miss |", "| clean |", "| broken |"))]
    assert [cells[-2].strip() for cells in innocent] == ["0", "0", "0"]
    assert [cells[5].strip() for cells in innocent] == ["0", "0", "0"], "no device is named in an innocent flow"


def test_counts_are_kept_where_there_is_no_corpus(tmp_path: Path) -> None:
    (tmp_path / "schema").mkdir()
    (tmp_path / "confusion.md").write_text("x\n<!-- corpus -->\nCounted by hand.\n<!-- end of corpus -->\n")
    write(tmp_path, DATABASE, load_cases(ROOT / "pcaps")[:1], None, "2026-01-01")
    assert "Counted by hand." in (tmp_path / "confusion.md").read_text()
