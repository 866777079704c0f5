"""What `signatures check` refuses, in its own words."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpiprobe.signature.check import check
from dpiprobe.signature.database import packaged_folder
from dpiprobe.signature.words import MECHANISMS, TECHNIQUES
from tests.signature.test_reader import GOOD

WHOLE = GOOD + "emulate: {trigger: client_hello, hello: drop}\nexamples: {match: [a], near_miss: [b]}\n"


def problems(tmp_path: Path, text: str, **options: object) -> list[str]:
    (tmp_path / "triple.yaml").write_text(text)
    return [p.removeprefix(f"{tmp_path}/") for p in check(tmp_path, **options)]  # type: ignore[arg-type]


def test_a_whole_signature_has_no_problem(tmp_path: Path) -> None:
    assert problems(tmp_path, WHOLE) == []


def test_a_deployment_needs_a_distinctive_field(tmp_path: Path) -> None:
    text = WHOLE.replace("    same: [ipid, seq, window]\n    count: at least 3\n    span: at most 5 ms\n", "")
    assert problems(tmp_path, text) == ["triple.yaml:13:3: a deployment needs a distinctive field; without one, say `generic: true`"]


@pytest.mark.parametrize("value", ["ipid: 0", "window: 0", "ipid: not 7", "window: 1 to 60000", "ttl_initial: 64", "seq_ladder: 0"])
def test_an_ordinary_value_is_not_distinctive(tmp_path: Path, value: str) -> None:
    text = WHOLE.replace("    same: [ipid, seq, window]\n    count: at least 3\n    span: at most 5 ms\n", f"    {value}\n")
    assert len(problems(tmp_path, text)) == 1


@pytest.mark.parametrize("extra", ["window: 0", "ipid: 0", "df: set", "options: none", "ack_raw: 0", "delay_over_rtt: at most 0.5"])
def test_the_bare_reset_of_linux_may_not_name_a_device(tmp_path: Path, extra: str) -> None:
    early = "delay_over_rtt: at most 0.5, " if not extra.startswith("delay") else ""
    text = WHOLE[: WHOLE.index("expect:")] + f"expect: {{resets: {{from: server, flags: R, {early}{extra}}}}}\n" + WHOLE[WHOLE.index("emulate:") :]
    assert problems(tmp_path, text) == [
        "triple.yaml:12:9: a bare no-socket reset of Linux (R, IP ID 0, window 0, DF set) would match by itself; ask for more"
    ]


def test_asking_for_more_than_the_packet_is_enough(tmp_path: Path) -> None:
    clauses = "expect: {resets: {from: server, flags: R, ipid: 0, delay_over_rtt: at most 0.5}, lost: {flow: {server_ack: none}}}\n"
    assert problems(tmp_path, WHOLE[: WHOLE.index("expect:")] + clauses + WHOLE[WHOLE.index("emulate:") :]) == []


def test_unverified_numbers_do_not_reach_high(tmp_path: Path) -> None:
    assert problems(tmp_path, WHOLE + "unverified: [resets.span]\n") == [
        "triple.yaml:6:13: numbers marked unverified cannot reach confidence high; say medium or low, or find their source"
    ]


def test_a_generic_one_is_never_high(tmp_path: Path) -> None:
    assert problems(tmp_path, WHOLE + "generic: true\n") == ["triple.yaml:6:13: a generic signature cannot claim confidence high; say medium or low"]


def test_examples_are_named_and_exist_where_somebody_can_tell(tmp_path: Path) -> None:
    assert problems(tmp_path, WHOLE.replace(", near_miss: [b]", "")) == [
        "triple.yaml:23:11: examples lack 'near_miss'; every signature carries a matching and a near-miss case"
    ]
    assert problems(tmp_path, WHOLE, case_exists=lambda name: name == "a") == ["triple.yaml:23:36: no recorded case 'b'"]


def test_an_emulate_block_is_there_and_read(tmp_path: Path) -> None:
    assert problems(tmp_path, WHOLE.replace("emulate: {trigger: client_hello, hello: drop}\n", "")) == [
        "triple.yaml:1:1: no `emulate` block; say how the lab's box behaves to be this"
    ]
    (problem,) = problems(tmp_path, WHOLE.replace("hello: drop", "hello: dorp"))
    assert problem.startswith("triple.yaml:22:33: ") or problem.startswith("triple.yaml:22:")


def test_a_draft_is_not_done_while_it_says_todo(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, WHOLE.replace("references: [", "references: [TODO, "))
    assert problem.endswith("references still says TODO; say it, or the signature helps nobody")


def test_signatures_spoken_of_exist(tmp_path: Path) -> None:
    text = WHOLE + "support: {later: {earlier: {signature: tripel, same: [client], within: 5 s}}}\n"
    assert problems(tmp_path, text) == ["triple.yaml:24:40: no signature 'tripel', did you mean triple?"]


def test_the_signatures_that_come_with_the_program_have_no_problem() -> None:
    assert check(packaged_folder()) == []


def test_word_lists_hold_all_parents() -> None:
    assert {"tls", "tls.reset", "tls.reset.sni", "http.timeout", "quic"} <= MECHANISMS
    assert all(word.rpartition(".")[0] in TECHNIQUES for word in TECHNIQUES if "." in word)
