"""What came out against what must come out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dpiprobe.cases.case import CAPTURE_KEYS, FLOW_KEYS, NAME_KEYS, STAGES, Case
from dpiprobe.cases.compare import compare
from tests.report.fixtures import OK_FLOW, capture, flow, name


def case(family: str = "match", **expected: Any) -> Case:
    return Case("a-case", family, Path(), Path(), None, **expected)


RECORDS = [flow(1), name([1]), capture(damage=["cut"])]


def test_a_case_that_holds_has_no_differences() -> None:
    wanted = {"verdict": "blocked", "technique": "rst.on-path", "signature": "some-box", "evidence": [64, 65, 66], "because": None}
    assert compare(case(flows={1: wanted}, names={"blocked.example": {"verdict": "blocked"}}, account={"damage": 1}), RECORDS) == []


def test_differences_are_readable_and_say_their_stage_and_why() -> None:
    wanted = {"verdict": "ok", "server_name": "other.example", "signature": None, "evidence": [64], "observed": ["icmp"]}
    assert compare(case(flows={1: wanted}, account={"packets": 3}), RECORDS) == [
        "capture: capture: packets is 412, expected 3",
        "flows: flow 1: server_name is blocked.example, expected other.example",
        "observations: flow 1: observed is reset, expected icmp",
        "matches: flow 1: signature is some-box, expected none",
        "matches: flow 1: evidence is 64, 65, 66, expected 64",
        "verdicts: flow 1: verdict is blocked, expected ok (3 resets 20.6 ms after the ClientHello; smallest round trip 50.9 ms)",
    ]


def test_a_flow_or_name_that_is_not_there_is_a_difference() -> None:
    assert compare(case(flows={9: {"verdict": "ok"}}, names={"x": {"verdict": "ok"}}), RECORDS) == [
        "flows: flow 9: not there; the capture has 1 flows", "flows: name x: not there; names are blocked.example"]


def test_every_expectation_belongs_to_a_stage() -> None:
    assert {key for keys in STAGES.values() for key in keys} == {*FLOW_KEYS, *NAME_KEYS, *CAPTURE_KEYS}


def test_a_missed_signature_is_asked_why() -> None:
    found = compare(case(flows={1: {"signature": "other-box"}}), RECORDS, lambda signature, flow: f"{signature} not in flow {flow}")
    assert found == ["matches: flow 1: signature is some-box, expected other-box (other-box not in flow 1)"]


def test_an_innocent_family_accuses_nobody_though_the_expectation_is_silent() -> None:
    for family in ("near_miss", "clean", "broken"):
        assert len(compare(case(family), RECORDS)) == 2  # the flow and the name
    assert compare(case("clean"), [flow(1, **OK_FLOW), name([1], verdict="ok"), capture()]) == []


def test_an_accusation_that_the_expectation_makes_itself_is_compared_as_any_other() -> None:
    assert compare(case("near_miss", flows={1: {"verdict": "blocked"}}, names={"blocked.example": {"verdict": "blocked"}}), RECORDS) == []
