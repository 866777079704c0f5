"""The JSON Schema for editors: all shipped files keep it, typos do not, and the file in docs is what the program says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from dpiprobe.signature.database import packaged_folder
from dpiprobe.signature.reader import signature_files
from dpiprobe.signature.schema import json_schema
from tests.conftest import ROOT
from tests.signature.test_check import WHOLE

VALIDATOR = jsonschema.Draft202012Validator(json_schema())


@pytest.mark.parametrize("path", signature_files(packaged_folder()), ids=lambda p: p.stem)
def test_a_shipped_signature_keeps_the_schema(path: Path) -> None:
    assert [e.message[:200] for e in VALIDATOR.iter_errors(yaml.safe_load(path.read_text()))] == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("title:", "titel:"), ("technique: rst.on-path", "technique: rst.onpath"), ("flags: RA", "flags: RX"), ("count: at least 3", "count: atleast 3"),
        ("from: server", "from: sever"), ("confidence: high", "confidence: certain"), ("    flags: RA", "    flgs: RA"),
    ],
)  # fmt: skip
def test_a_slip_is_seen(old: str, new: str) -> None:
    assert old in WHOLE and VALIDATOR.is_valid(yaml.safe_load(WHOLE))
    assert not VALIDATOR.is_valid(yaml.safe_load(WHOLE.replace(old, new)))


def test_the_file_in_docs_is_what_the_program_says() -> None:
    held: Any = json.loads((ROOT / "docs" / "schema" / "signature.schema.json").read_text())
    assert held == json_schema(), "`make docs` writes it anew"
