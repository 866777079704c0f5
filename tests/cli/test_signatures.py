"""`dpiprobe signatures`: data on stdout, a line of help on stderr, exit codes as the design promises."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dpiprobe.cli.main import run
from dpiprobe.observe.vocabulary import FLOW_FEATURES, PACKET_FEATURES
from tests.conftest import ROOT


def test_list_prints_one_signature_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["signatures", "list", "--json"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"gfw-reset-triple", "netfilter-reject", "rst.on-path"} <= {r["id"] for r in records}
    assert [r["generic"] for r in records] == sorted(r["generic"] for r in records), "deployments come first"


def test_show_tells_one_in_words_and_helps_with_a_slip(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["signatures", "show", "henan-reset"]) == 0
    shown = capsys.readouterr().out
    assert "payload_bytes 01 02 03 04 05 06 07 08 09 00" in shown and "References:" in shown
    assert run(["signatures", "show", "henan-rest"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err == "dpiprobe: there is no signature 'henan-rest', did you mean henan-reset?\n"


def test_show_says_what_keeps_it_from_its_near_misses(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["signatures", "show", "iran-reset"]) == 0
    assert "What keeps it away: resets asks for df clear, packet 20 has set" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "seen"), [
    ("netfilter-reject", "everywhere"), ("gfw-reset-triple", "2022 to 2025, China"),
])  # fmt: skip
def test_show_says_when_and_where_it_was_seen(name: str, seen: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["signatures", "show", name]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("  seen "))
    assert line.split(maxsplit=1) == ["seen", seen]


def test_check_says_every_problem_and_returns_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text("id: b\ntitel: x\n")
    assert run(["signatures", "check", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert f"{tmp_path}/a.yaml:2:1: unknown key 'titel', did you mean title?" in out.splitlines()
    assert "mend what the lines above name" in err
    assert run(["signatures", "check", str(tmp_path), "--json"]) == 1
    assert {"file": f"{tmp_path}/a.yaml", "line": 2, "column": 1, "problem": "unknown key 'titel', did you mean title?"} in [
        json.loads(line) for line in capsys.readouterr().out.splitlines()
    ]


def test_check_passes_what_comes_with_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["signatures", "check"]) == 0
    assert "signatures, no problem" in capsys.readouterr().out


def test_check_of_a_folder_that_is_none_is_a_wrong_call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["signatures", "check", str(tmp_path / "nowhere")]) == 2
    assert "is no folder" in capsys.readouterr().err


def test_features_prints_the_whole_vocabulary(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["signatures", "features"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in (*PACKET_FEATURES, *FLOW_FEATURES))
    assert run(["signatures", "features", "--json"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(PACKET_FEATURES) + len(FLOW_FEATURES)


def test_check_of_somebody_elses_folder_runs_over_our_innocents_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "signatures" / "generic" / "rst.yaml").read_text().replace("id: rst\n", "id: any-reset\n")
    text = "\n".join(line for line in text.splitlines() if "delay_over_rtt" not in line and "any_of" not in line and "missing socket" not in line)
    text = text.replace("expect:\n", "expect:\n  resets: {from: server, has: [R]}\n")
    (tmp_path / "any-reset.yaml").write_text(text + "\n")
    assert run(["signatures", "check", str(tmp_path)]) == 1
    assert "fires on the clean case 'idle-timeout'" in capsys.readouterr().out


def test_a_draft_names_a_bad_or_taken_id_before_it_reads_the_capture(capsys: pytest.CaptureFixture[str]) -> None:
    for identity, says in (("My Device", "is no id of a signature"), ("gfw-reset-triple", "already")):
        assert run(["signatures", "draft", "no-such.pcap", "--flow", "1", "--id", identity]) == 2
        out, err = capsys.readouterr()
        assert out == "" and says in err and err.count("\n") == 1


def test_a_draft_of_what_is_claimed_says_which_flow_is_claimed_and_which_is_clean(capsys: pytest.CaptureFixture[str]) -> None:
    capture = str(ROOT / "pcaps" / "match" / "gfw-triple" / "test.pcap")
    assert run(["signatures", "draft", capture, "--flow", "2", "--flow", "1"]) == 2
    assert "gfw-reset-triple claims what is strange in flow 2 and nothing is strange in flow 1, so" in capsys.readouterr().err


def test_check_advises_where_a_device_has_the_near_miss_of_every_draft_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = (ROOT / "signatures" / "iran" / "iran-reset.yaml").read_text()
    body, _, _ = source.partition("examples:")
    (tmp_path / "iran-reset.yaml").write_text(f"{body}examples: {{match: [iran-reset], near_miss: [server-reset-unknown-name]}}\n")
    assert run(["signatures", "check", str(tmp_path)]) == 0
    assert "iran-reset has no near miss but the draft's own, server-reset-unknown-name; make one" in capsys.readouterr().err
