"""`dpiprobe show` on a recorded case, with this project's signatures."""

from __future__ import annotations

import shutil

import pytest

from dpiprobe.cli import main
from tests.conftest import ROOT

CASE = str(ROOT / "pcaps" / "match" / "gfw-triple" / "test.pcap")


def test_show_draws_the_flow_with_its_evidence_marked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["show", CASE, "--flow", "2"]) == 0
    out = capsys.readouterr().out
    assert "blocked.example" in out and "blocked (high)" in out
    assert sum(line.startswith("* ") and "RST ACK" in line for line in out.splitlines()) == 3


def test_show_says_why_and_what_would_change_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["show", CASE, "--flow", "2"]) == 0
    out = capsys.readouterr().out
    for head in ("what decided:", "other explanations:", "almost matched:", "what would change this:"):
        assert head in out.splitlines()


def test_without_a_number_it_shows_the_flow_that_tells_most(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["show", CASE]) == 0
    assert capsys.readouterr().out.startswith("flow 2: ")


def test_a_flow_that_is_not_there_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["show", CASE, "--flow", "99"]) == 2
    assert "numbered 1 to 3" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_unreadable_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["show", "no-such.pcap", "--flow", "1"]) == 4
    assert capsys.readouterr().err.count("\n") == 1


def test_dissect_adds_tshark_s_view_of_the_evidence(tshark: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pyshark")
    assert main.run(["show", CASE, "--flow", "2", "--dissect"]) == 0
    out = capsys.readouterr().out
    assert "tshark's view of packets 20, 21, 22" in out and "ip.ttl=166" in out


def test_dissect_without_tshark_says_what_to_install(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pyshark")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert main.run(["show", CASE, "--flow", "2", "--dissect"]) == 3
    assert "apt install tshark" in capsys.readouterr().err


def test_several_captures_are_shown_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    other = str(ROOT / "pcaps" / "match" / "gfw-bare" / "test.pcap")
    assert main.run(["show", CASE, other, "--flow", "4"]) == 0
    assert "nothing" not in capsys.readouterr().err
    for wrong in (["--dissect"], ["--server-side", CASE]):
        assert main.run(["show", CASE, other, *wrong]) == 2
    assert main.run(["show", CASE, "-"]) == 2


def test_plot_draws_a_graph_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["show", CASE, "--flow", "2", "--plot", "time-sequence"]) == 0
    assert "server -> client: bytes of the stream" in capsys.readouterr().out
    assert main.run(["show", CASE, "--plot", "time-sequence", "--all"]) == 2
