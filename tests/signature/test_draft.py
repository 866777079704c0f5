"""Drafts of signatures: they pass the reader, match what they were made from, and ask for no more than the packets share."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpiprobe.capture.read import read_capture
from dpiprobe.cases.build import Tape
from dpiprobe.cli.main import run
from dpiprobe.explain import Explanation, explain
from dpiprobe.signature.database import database_of, load, packaged_folder
from dpiprobe.signature.draft import draft
from dpiprobe.signature.match import first_pass
from dpiprobe.signature.model import Signature
from dpiprobe.signature.reader import read_signature
from tests.conftest import ROOT

NOBODY = database_of([])


def drafted(explanation: Explanation, *flows: int) -> tuple[Signature, str]:
    text = draft(explanation.observed, [m for found in explanation.matches.values() for m in found], flows, "new-device")
    assert text is not None
    signature, problems, _ = read_signature(text, "draft.yaml")
    assert problems == [] and signature is not None
    return signature, text


@pytest.mark.parametrize(
    "case",
    ["gfw-triple", "gfw-bare", "henan-reset", "iran-reset", "iran-page", "tcpkill", "packetlogic-block", "packetlogic-redirect", "reserved-bits",
     "geneva-resets", "forged-fin", "forged-alert", "forged-page", "hello-dropped", "hello-prohibited",
     "syn-prohibited", "gfw-443-syn", "surf-safely", "resets-two-acks"],
)  # fmt: skip
def test_a_draft_matches_the_flow_that_it_was_made_from(case: str) -> None:
    explanation = explain(read_capture(ROOT / "pcaps" / "match" / case / "test.pcap"), database=NOBODY)
    flow = 0 if case == "gfw-443-syn" else 1
    signature, _ = drafted(explanation, flow)
    assert flow in {m.flow for m in first_pass(database_of([signature]), explanation.observed)}


def two_resets(tmp_path: Path) -> Explanation:
    tape = Tape("draft")
    for begin, ipid, ttl in ((0, 30_001, 100), (1000, 30_001, 117)):
        talk = tape.connection(name="blocked.example", begin=begin).handshake().hello()
        talk.forged("R", after=4, ttl=ttl, ipid=ipid, window=begin + 7)
    tape.connection(name="allowed.example", begin=5000).works()
    tape.write(tmp_path / "t.pcap")
    return explain(read_capture(tmp_path / "t.pcap"), database=NOBODY)


def test_what_one_flow_shows_stands_in_a_comment_and_what_two_share_is_asked_for(tmp_path: Path) -> None:
    explanation = two_resets(tmp_path)
    one, text = drafted(explanation, 0)
    assert "# ipid: 30001     one flow" in text and one.generic
    both, text = drafted(explanation, 0, 1)
    assert "    ipid: 30001\n" in text and "    # window differs: 1007, 7\n" in text
    assert not both.generic and both.distinctive_fields == ("resets.ipid",)


def test_a_draft_asks_for_nothing_that_only_holds_at_this_distance_and_its_box_sends_what_was_seen(tmp_path: Path) -> None:
    tape = Tape("draft")
    for begin, ipid in ((0, 900), (1000, 500)):
        talk = tape.connection(name="blocked.example", begin=begin).handshake().hello()
        talk.forged("RPAU", after=4, ttl=76, ipid=7, window=31337, tos=40)
        for step in range(3):
            talk.forged("R", after=1, ttl=200, ipid=ipid - 26 * step, window=1101)
    tape.write(tmp_path / "t.pcap")
    _, text = drafted(explain(read_capture(tmp_path / "t.pcap"), database=NOBODY), 0, 1)
    assert "window: 31337" in text and "window_minus_ttl" not in text
    assert "# step: {ipid: -26}" in text
    assert "flags: RPUA," in text and "tos: 40, options" in text


def test_what_a_device_claims_is_not_drafted_again() -> None:
    explanation = explain(read_capture(ROOT / "pcaps/match/gfw-triple/test.pcap"), database=load(packaged_folder(), cache=False))
    assert draft(explanation.observed, [m for found in explanation.matches.values() for m in found], [1]) is None


def test_a_flow_that_works_gives_nothing() -> None:
    explanation = explain(read_capture(ROOT / "pcaps/clean/handshakes/test.pcap"), database=NOBODY)
    assert draft(explanation.observed, [], [0]) is None


def test_the_command_prints_a_draft_and_says_where_there_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    capture = str(ROOT / "pcaps/near_miss/triple-other-ipids/test.pcap")
    assert run(["signatures", "draft", capture, "--flow", "2", "--id", "my-device"]) == 0
    assert capsys.readouterr().out.startswith("id: my-device ")
    assert run(["signatures", "draft", capture, "--flow", "1"]) == 2
    assert "nothing is strange in flow 1" in capsys.readouterr().err
    assert run(["signatures", "draft", capture, "--flow", "99"]) == 2
    assert "there is no flow 99" in capsys.readouterr().err
