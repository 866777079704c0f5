"""`dpiprobe analyze`: arguments in, records or a table out. What explains them is replaced by hand-made records."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dpiprobe.cases.certificate import certificate
from dpiprobe.cli import main
from dpiprobe.errors import InputError
from dpiprobe.scale import run, task
from dpiprobe.scale.inputs import Input
from tests.report.fixtures import OK_FLOW, capture, flow, name

RECORDS = [flow(12), flow(13, **OK_FLOW), name([12]), capture()]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What `explain_file` was asked; 'bad.pcap' cannot be read."""
    calls: list[tuple[str, dict[str, Any]]] = []

    def explain_file(given: Input, **options: Any) -> SimpleNamespace:
        path = given.name
        calls.append((path, options))
        if path.startswith("bad"):
            raise InputError(f"{path} is empty; record it again")
        records = [record | {"capture": path} for record in RECORDS]
        return SimpleNamespace(records=records, partners=0 if options.get("server_side") else None, observed=SimpleNamespace(forget=lambda: None))

    monkeypatch.setattr(task, "explain_file", explain_file)
    for module in (task, run):
        monkeypatch.setattr(module, "signatures", lambda folder, *_: SimpleNamespace(hash="f00d", folder=folder))
    return calls


def test_json_prints_the_records_and_nothing_else(asked: list[Any], capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main.run(["analyze", "a.pcap", "--json"]) == 0
    out, err = capfdbinary.readouterr()
    assert [json.loads(line)["kind"] for line in out.splitlines()] == ["flow", "flow", "name", "capture"]
    assert err == b""


def test_interesting_leaves_out_flows_that_are_ok(asked: list[Any], capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main.run(["analyze", "a.pcap", "--json", "--interesting"]) == 0
    assert [json.loads(line).get("flow") for line in capfdbinary.readouterr().out.splitlines()] == [12, None, None]


def test_without_json_it_is_a_table(asked: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["analyze", "a.pcap"]) == 0
    assert "blocked.example" in capsys.readouterr().out


def test_an_unreadable_capture_does_not_keep_the_others_from_being_judged(asked: list[Any], capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main.run(["analyze", "bad.pcap", "a.pcap", "--json"]) == 4
    out, err = capfdbinary.readouterr()
    assert len(out.splitlines()) == 4
    assert err == b"dpiprobe: bad.pcap is empty; record it again\n"


def test_fail_on_is_exit_code_1(asked: list[Any]) -> None:
    assert main.run(["analyze", "a.pcap", "--json", "--fail-on", "blocked"]) == 1
    assert main.run(["analyze", "a.pcap", "--json", "--fail-on", "down"]) == 0


def test_options_reach_the_explanation(asked: list[Any]) -> None:
    main.run(["analyze", "a.pcap", "--control", "x.example", "--control", "y.example", "--server-side", "s.pcap", "--signatures", "mine", "--json"])
    (path, options), *_ = asked
    assert path == "a.pcap" and options["database"] == SimpleNamespace(hash="f00d", folder="mine")
    assert (options["controls"], options["server_side"]) == (("x.example", "y.example"), "s.pcap")


@pytest.mark.parametrize(
    "wrong",
    [["analyze"], ["analyze", "a", "b", "--server-side", "s"], ["analyze", "-", "-"],
     ["analyze", "a", "--together", "--server-side", "s"], ["analyze", "a", "--together", "-o", "folder/"],
     ["analyze", "a", "--follow"],
     ["analyze", "a", "--fail-on", "bloked"], ["analyze", "a", "--control", " "], ["analyze", "a", "-o", "/no/such/folder/x"]],
)
def test_what_cannot_be_meant_is_a_usage_error(asked: list[Any], capsys: pytest.CaptureFixture[str], wrong: list[str]) -> None:
    assert main.run(wrong) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.strip().count("\n") == 0 and err.startswith("dpiprobe: ")


def test_an_expected_certificate_is_a_file_or_a_hash(asked: list[Any], tmp_path: Path) -> None:
    own = tmp_path / "own.der"
    own.write_bytes(certificate("odd.example", "Public CA"))
    assert main.run(["analyze", "a.pcap", "--json", "--expect-certificate", str(own), "--expect-certificate", f"b.example={'ab' * 32}"]) == 0
    (file, hashed) = asked[0][1]["expected"]
    assert file.names == ("odd.example",) and file.authorities
    assert hashed.names == ("b.example",) and not hashed.authorities
    assert main.run(["analyze", "a.pcap", "--expect-certificate", str(tmp_path / "none.pem")]) == 2


def test_out_writes_a_file(asked: list[Any], tmp_path: Path) -> None:
    assert main.run(["analyze", "a.pcap", "--json", "-o", str(tmp_path / "r.jsonl")]) == 0
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == 4
    assert main.run(["analyze", "a.pcap", "b.pcap", "-o", str(tmp_path / "r.txt")]) == 0
    assert (tmp_path / "r.txt").read_text().count("look further") == 2


def test_a_capture_is_not_written_over(asked: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    precious = tmp_path / "a.pcap"
    precious.write_bytes(b"packets")
    other = tmp_path / "again.pcap"
    other.hardlink_to(precious)
    assert main.run(["analyze", str(precious), "-o", str(other)]) == 2
    assert main.run(["analyze", "b.pcap", "--server-side", str(precious), "-o", str(precious)]) == 2
    assert precious.read_bytes() == b"packets" and asked == []
    assert "would destroy it" in capsys.readouterr().err


def test_what_had_no_effect_is_said(asked: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    main.run(["analyze", "a.pcap", "--control", "nobody.example", "--control", "blocked.example", "--server-side", "s.pcap"])
    err = capsys.readouterr().err
    assert "no flow in a.pcap asks for 'nobody.example'" in err and "blocked.example" not in err
    assert "s.pcap holds no connection of a.pcap" in err


def test_a_file_name_cannot_act_on_the_terminal(asked: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["analyze", "bad\n\x1b[31m\udcff.pcap"]) == 4
    err = capsys.readouterr().err
    assert err == "dpiprobe: bad\\x0a\\x1b[31m\\udcff.pcap is empty; record it again\n"
