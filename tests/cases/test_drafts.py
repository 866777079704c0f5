"""Drafts of reactions that no device explains: each reads, keeps the schema, matches the flow it was made from, and spares the innocent."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import jsonschema
import pytest
import yaml

from dpiprobe.cases.case import load_cases
from dpiprobe.cases.signature_check import Ran, run_cases
from dpiprobe.signature.database import Database, database_of, load
from dpiprobe.signature.draft import draft
from dpiprobe.signature.emulation import parse_emulation
from dpiprobe.signature.match import first_pass
from dpiprobe.signature.reader import read_signature
from tests.conftest import ROOT

UNKNOWN = (  # boxes with one field perturbed, and reactions that have no field of their own
    "gfw-iii-other-ipid", "henan-nine-bytes", "iran-reset-df-set", "triple-other-ipids", "ladder-other-step", "pair-12504", "pair-1461",
    "packetlogic-close-other-ipid", "mirrored-page-other-window", "tajikistan-21-zeros", "ettercap-other-window", "gfw-redirect-other-ipid",
    "turkmenistan-other-ipid", "iran-page-five-zeros", "redirect-elsewhere", "bare-reset-window-0", "forged-alert", "forged-fin",
    "hello-prohibited", "hello-dropped", "answer-dropped", "syn-reset-window",
)


@cache
def database() -> Database:
    return load(ROOT / "signatures", cache=False)


@cache
def ran() -> dict[str, Ran]:
    wanted = [c for c in load_cases(ROOT / "pcaps") if c.name in UNKNOWN or (c.family == "clean" and not c.name.startswith("lab-"))]
    return {r.case.name: r for r in run_cases(wanted, database())}


@pytest.fixture(scope="module")
def schema() -> Any:
    return jsonschema.Draft202012Validator(json.loads((ROOT / "docs" / "schema" / "signature.schema.json").read_text()))


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_draft_is_one_to_build_upon(name: str, schema: Any) -> None:
    r = ran()[name]
    text = draft(r.explanation.observed, r.matches, [1])
    assert text is not None and "# " in text and "TODO" in text
    schema.validate(yaml.safe_load(text))
    signature, problems, _ = read_signature(text, "draft")
    assert problems == [] and signature is not None
    assert signature.emulate is not None and parse_emulation(signature.emulate)[1] == []
    alone = database_of([signature])
    assert [m.flow for m in first_pass(alone, r.explanation.observed)] == [1]
    innocent = {n for n, clean in ran().items() if clean.case.family == "clean" and any(not m.pending for m in first_pass(alone, clean.explanation.observed))}
    assert innocent == set()


def test_a_reset_that_carries_bytes_is_drafted_with_them() -> None:
    r = ran()["henan-nine-bytes"]
    text = draft(r.explanation.observed, r.matches, [1]) or ""
    assert 'payload_bytes: "01 02 03 04 05 06 07 08 09"' in text and "generic: false" in text


def test_a_notice_is_drafted_with_its_location() -> None:
    r = ran()["redirect-elsewhere"]
    assert 'body_contains: "Location: http://warning.or.kr.example/"' in (draft(r.explanation.observed, r.matches, [1]) or "")


def test_a_pair_is_drafted_with_its_offsets() -> None:
    r = ran()["pair-12504"]
    assert "seq_offsets: [0, 12504]" in (draft(r.explanation.observed, r.matches, [1]) or "")
