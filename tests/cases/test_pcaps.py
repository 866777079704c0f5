"""Every recorded case keeps its verdict, and its records keep their schema."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from dpiprobe.capture.read import read_capture
from dpiprobe.cases.case import Case, load_cases
from dpiprobe.cases.compare import run_case
from dpiprobe.explain import explain
from dpiprobe.report.jsonl import lines
from dpiprobe.signature.database import Database, load
from tests.conftest import ROOT

CASES = load_cases(ROOT / "pcaps")


@pytest.fixture(scope="session")
def database() -> Database:
    return load(ROOT / "signatures", cache=False)


@pytest.fixture(scope="session")
def schema() -> Any:
    return jsonschema.Draft202012Validator(json.loads((ROOT / "docs" / "schema" / "record.schema.json").read_text()))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.family}/{case.name}")
def test_a_case_keeps_its_verdict(case: Case, database: Database) -> None:
    assert run_case(case, database).differences == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.family}/{case.name}")
def test_records_keep_their_schema(case: Case, database: Database, schema: Any) -> None:
    for line in lines(explain(read_capture(str(case.capture)), database=database).records):
        record = json.loads(line)
        kind = record["kind"]
        branch = schema.evolve(schema=schema.schema | {"oneOf": [{"$ref": f"#/$defs/{kind}"}]})  # one branch, so that a failure names the key
        branch.validate(record)
        schema.validate(record)


def test_the_same_capture_gives_the_same_bytes(database: Database) -> None:
    capture = str(CASES[0].capture)
    first, second = (list(lines(explain(read_capture(capture), database=database).records)) for _ in range(2))
    assert first == second
