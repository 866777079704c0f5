"""Which packets a flow's claim rests on."""

from __future__ import annotations

from dpiprobe.cases.evidence import evidence_of
from tests.report.fixtures import flow


def test_evidence_is_the_winning_signature_s_held_clauses_else_the_observations() -> None:
    assert evidence_of(flow(1)) == [64, 65, 66]
    assert evidence_of(flow(1, signature=None, matches=[], observations=[{"kind": "fin", "packets": [9]}])) == [9]
