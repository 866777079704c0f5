"""A broken signature is refused with its file, its line and advice: one that its case does not bear out, that fires on near misses or on
the innocent, that another shadows, or that shares a case with another device."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dpiprobe.cases.case import DRAFT, load_cases
from dpiprobe.cases.signature_check import check_behaviour
from dpiprobe.signature.database import load, packaged_folder
from tests.conftest import ROOT

CASES = [c for c in load_cases(ROOT / "pcaps") if c.name in ("iran-reset", "iran-reset-df-set", "cloudflare-reset-zero-bytes", "handshakes", "henan-reset")]
GOOD = """\
id: six-zeros
title: Reset+ack with six zero bytes
mechanism: tls.reset.sni
technique: rst
status: tested
confidence: high
seen: {where: a test}
description: For a test.
looks_like: Nothing.
references: ["this test"]
trigger: client_hello
expect:
  resets: {from: server, flags: RA, payload_zeros: 6, df: clear}
emulate: {trigger: client_hello, hello: drop}
examples:
  match: [iran-reset]
  near_miss: [iran-reset-df-set, cloudflare-reset-zero-bytes]
"""


def problems(tmp_path: Path, *changes: tuple[str, str], more: str = "") -> list[str]:
    text = GOOD
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "six-zeros.yaml").write_text(text)
    if more:
        (tmp_path / "other.yaml").write_text(more)
    return [p.removeprefix(f"{tmp_path}/") for p in check_behaviour(tmp_path, CASES)]


def test_a_good_one_has_no_problem(tmp_path: Path) -> None:
    assert problems(tmp_path) == []


def test_a_case_that_is_not_there(tmp_path: Path) -> None:
    assert problems(tmp_path, ("match: [iran-reset]", "match: [iran-rest]")) == [
        "six-zeros.yaml:16:11: no recorded case 'iran-rest'; `dpiprobe cases new match/iran-rest` begins one"
    ]


def test_its_own_case_does_not_bear_it_out_and_the_clause_is_named(tmp_path: Path) -> None:
    assert problems(tmp_path, ("payload_zeros: 6, df: clear", "payload_zeros: 7, df: clear")) == [
        "six-zeros.yaml:16:11: does not match its case 'iran-reset'; "
        "the clause 'resets' holds in none of its flows (`dpiprobe show` draws them)"
    ]


def test_it_fires_on_its_near_miss(tmp_path: Path) -> None:
    assert problems(tmp_path, (", df: clear}", "}")) == [
        "six-zeros.yaml:17:15: matches its near miss 'iran-reset-df-set', flow 2, packets 20; ask for something that this packet lacks"
    ]


def test_it_fires_on_the_innocent(tmp_path: Path) -> None:
    loose = ("flags: RA, payload_zeros: 6, df: clear}", "payload: at least 1}")
    assert "six-zeros.yaml:13:3: fires on the clean case 'handshakes', flow 1" in "\n".join(problems(tmp_path, loose))


def test_another_one_shadows_it(tmp_path: Path) -> None:
    more = GOOD.replace("id: six-zeros", "id: other").replace("df: clear}", "df: clear, window: 0, options: none}")
    assert [p for p in problems(tmp_path, more=more) if p.startswith("six")] == [
        "six-zeros.yaml:16:11: does not match its case 'iran-reset'; other claims its packets: "
        "ask for more than that one does, or give way to it"
    ]


def test_somebody_elses_signature_competes_with_those_of_the_program(tmp_path: Path) -> None:
    (tmp_path / "six-zeros.yaml").write_text(GOOD)
    (problem,) = check_behaviour(tmp_path, CASES, also=load(packaged_folder(), cache=False).signatures)
    assert "iran-reset claims its packets" in problem


def test_an_expectation_that_nobody_has_read_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "cases" / "mine"
    folder.mkdir(parents=True)
    (folder / "expect.yaml").write_text(f"{DRAFT}\nabout: x\n")
    signatures = tmp_path / "signatures"
    signatures.mkdir()
    (signatures / "six-zeros.yaml").write_text(GOOD)
    handshakes = next(case for case in CASES if case.name == "handshakes")
    drafted = replace(handshakes, name="mine", folder=folder)
    assert check_behaviour(signatures, [*CASES, drafted]) == [
        f"{folder}/expect.yaml:1:1: still a draft; read it, correct it to what is true, and take this line out"
    ]


@pytest.mark.parametrize("also", [False, True])
def test_nothing_is_said_where_a_file_is_wrong_by_itself(tmp_path: Path, also: bool) -> None:
    (tmp_path / "bad.yaml").write_text("titel: x\n")
    assert check_behaviour(tmp_path, CASES, also=load(packaged_folder(), cache=False).signatures if also else ()) == []
