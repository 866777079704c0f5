"""What almost matched, and what keeps a signature from its near misses: the field, what is asked for, and what the packet has."""

from __future__ import annotations

from functools import cache

import pytest

from dpiprobe.cases.case import Case, load_cases
from dpiprobe.cases.signature_check import Ran, run_cases
from dpiprobe.report.near import near, nearest
from dpiprobe.signature.database import Database, load
from tests.conftest import ROOT


@cache
def database() -> Database:
    return load(ROOT / "signatures", cache=False)


@cache
def cases() -> dict[str, Case]:
    return {case.name: case for case in load_cases(ROOT / "pcaps")}


@cache
def ran(name: str) -> Ran:
    return run_cases([cases()[name]], database())[0]


def said(case: str, flow: int = 2) -> list[str]:
    matched = {m.signature for m in ran(case).explanation.matches.get(flow - 1, [])}
    return [n.text() for n in near(database().signatures, ran(case).explanation.observed, flow - 1, matched)]


@pytest.mark.parametrize(("case", "expected"), [
    ("iran-reset-df-set", "iran-reset (Iran, reset+ack with six zero bytes): resets asks for df clear, packet 20 has set"),
    ("packetlogic-other-window", "packetlogic-reset (Sandvine PacketLogic, reset+ack): resets asks for window 32120, packet 20 has 32121"),
    ("triple-other-ipids", "gfw-reset-triple (Great Firewall, three identical reset+acks): resets asks for at least 3 of them alike in ipid, seq, "
     "window within at most 5 ms; packets 20, 21, 22 differ in ipid"),
])  # fmt: skip
def test_a_device_with_one_field_perturbed_is_named_with_that_field(case: str, expected: str) -> None:
    assert expected in said(case)


def test_what_matches_is_not_among_what_almost_does() -> None:
    assert not any(text.startswith("gfw-reset-triple") for text in said("gfw-triple"))


@pytest.mark.parametrize(("signature", "case", "expected"), [
    ("iran-reset", "cloudflare-reset-zero-bytes", ("resets asks for flags RA, packet 20 has R", "resets asks for df clear, packet 20 has set")),
    ("tcpkill", "ladder-other-step", ("ladder asks for at least 2 of them; packet 20 is the only one",)),
    ("icmp", "fragmentation-needed", ("v4 (or another of any_of) asks for icmp_code 2 or 3 or 9 or 10 or 13, packet 20 has 4",)),
])  # fmt: skip
def test_each_near_miss_says_what_would_have_to_be_otherwise(signature: str, case: str, expected: tuple[str, ...]) -> None:
    assert nearest(database().by_id[signature], ran(case).explanation.observed) == expected


def test_every_near_miss_of_every_signature_can_be_told() -> None:
    """Nothing raises, and what is said is short enough to be read."""
    for signature in database().signatures:
        for case in signature.examples["near_miss"]:
            differs = nearest(signature, ran(case).explanation.observed)
            assert differs is None or all(len(text) < 300 for text in differs)
