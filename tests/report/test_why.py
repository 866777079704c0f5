"""The sentences under a ladder: what decided, what else it could be, what would change it."""

from __future__ import annotations

import pytest

from dpiprobe.report.why import NEEDS, why
from dpiprobe.signature.words import BECAUSE
from tests.report.test_near import database, ran


def lines(case: str, flow: int = 2) -> str:
    explanation = ran(case).explanation
    record = next(r for r in explanation.records if r["kind"] == "flow" and r["flow"] == flow)
    return " ".join(" ".join(why(explanation, flow, record, database().signatures)).split())


def test_what_is_sufficient_alone_is_named_with_its_packets() -> None:
    text = lines("gfw-triple")
    assert "distinctive (sufficient alone, packets 20-22)" in text and "early arrival (sufficient alone, packets 20-22)" in text
    assert "each of them carries it" in text


@pytest.mark.parametrize(("case", "flow", "expected"), [
    ("gfw-triple", 2, "confidence high: gfw-reset-triple, a signature of high confidence, names what no stack of the server makes"),
    ("forged-alert", 2, "confidence high: 2 kinds of evidence agree, early arrival, timestamps missing"),
    ("generic-reset", 2, "confidence medium, not high: one kind of evidence, early arrival, and no signature of high confidence names these packets"),
    ("completing-segment-dropped", 3, "confidence low: one kind of evidence, hello unacknowledged, with something against it"),
    ("netfilter-reject", 2, "blocked (high), as analyze says: so many trials agree while a control works"),
])  # fmt: skip
def test_why_a_level_of_confidence_was_reached(case: str, flow: int, expected: str) -> None:
    assert expected in lines(case, flow)


def test_the_server_as_sender_is_weighed_with_packets() -> None:
    assert "did the server itself send packet 20? Against: it came 6.4 ms after the trigger" in lines("gfw-triple")
    assert "packet 25 answers it after it" in lines("gfw-triple")
    assert "did the server itself send packet 20? For:" in lines("server-reset-unknown-name")


def test_names_that_work_speak_against_an_outage() -> None:
    assert "Hardly: at the same address worked allowed.example, other.example (flows 1, 3)" in lines("gfw-triple")
    assert "It cannot be said: no other name was tried at this address." in lines("host-gone")
    assert "This flow sent no name to compare; at the same address worked flows 1, 5, and did not work flows 2, 4." in lines("residual-resets", 3)


def test_what_the_trials_of_a_name_say_together_is_said_where_it_differs() -> None:
    assert "all flows of the name together (2, 4, 6, 8): blocked (high), as analyze says" in lines("shaped")
    assert "all flows of the name together" not in lines("gfw-triple")


def test_a_reset_that_overtook_the_server_s_own_words_is_told_by_its_number() -> None:
    text = lines("alert-overtaken-by-reset")
    assert "its sequence number counts the 7 bytes of packet 17, as of one that left first and was overtaken" in text and "answers it after it" not in text


@pytest.mark.parametrize(("case", "expected"), [
    ("accept-queue-overflow", "its SYN/ACK came again in packets 20, 22, 24"),
    ("packet-over-the-mtu", "does the path lose large packets? Possibly"),
    ("reset-after-our-close", "Possibly: the client had closed in packet"),
])  # fmt: skip
def test_innocent_explanations_name_the_packets_that_speak_for_them(case: str, expected: str) -> None:
    text = lines(case)
    assert expected in text or "ok" in [r["verdict"] for r in ran(case).explanation.records if r.get("flow") == 2]


def test_what_cannot_be_said_says_what_is_missing() -> None:
    assert "it could be said with" in lines("reset-by-load-balancer")
    assert "--server-side FILE" in lines("reset-by-load-balancer")


def test_every_reason_word_has_its_sentence() -> None:
    assert set(BECAUSE) <= set(NEEDS)


def test_the_answer_of_a_working_name_needs_no_excuses() -> None:
    assert "other explanations" not in lines("handshakes", 1)
