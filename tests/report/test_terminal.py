"""The table a person reads."""

from __future__ import annotations

import io

import pytest

from dpiprobe.report import terminal
from tests.report.fixtures import OK_FLOW, capture, flow, name

RECORDS = [flow(12), flow(13, **OK_FLOW), name([12]), name([13], server_name="allowed.example", verdict="ok"), capture()]


def shown(records: list[dict[str, object]], colour: bool = False) -> str:
    out = io.StringIO()
    terminal.write(records, out, colour=colour)
    return out.getvalue()


def test_names_first_then_counts_then_how_to_look_further() -> None:
    lines = shown(RECORDS).splitlines()
    assert lines[0] == "client.pcap"
    assert lines[2].split() == ["name", "server", "verdict", "technique", "signature", "position", "why"]
    assert lines[3].startswith("blocked.example  198.51.100.7:443  blocked (high)  rst.on-path  some-box   on-path   3 resets 20.6 ms")
    assert lines[3].endswith("(flow 12, packets 64-66)")
    assert "names: 1 blocked, 1 ok" in lines
    assert lines[-2:] == ["  dpiprobe show client.pcap --flow 12", "  dpiprobe analyze client.pcap --json --interesting"]


def test_no_byte_of_the_network_reaches_the_terminal_as_control() -> None:
    evil = "x\x1b]0;owned\x07.example"
    for colour in (False, True):
        text = shown([flow(1, server_name=evil, reasons=[evil]), name([1], server_name=evil), capture(damage=[evil])], colour)
        assert "\x1b]" not in text and "\x07" not in text


def test_markup_from_the_network_is_only_text() -> None:
    assert "[red]x[/red].example" in shown([flow(1), name([1], server_name="[red]x[/red].example"), capture()], colour=True).replace("\n", "")


def test_many_names_that_worked_are_counted_not_listed() -> None:
    records = [name([], server_name=f"n{i}.example", verdict="ok") for i in range(40)]
    text = shown([*records, capture()])
    assert "... and 28 more names that worked" in text and "names: 40 ok" in text


def test_a_capture_without_flows_says_so() -> None:
    assert "no flows that can be judged" in shown([capture(packets=0)])


def test_a_file_name_is_quoted_where_it_goes_into_a_command() -> None:
    text = shown([flow(1, capture="my file.pcap"), name([1], capture="my file.pcap"), capture(capture="my file.pcap")])
    assert "dpiprobe show 'my file.pcap' --flow 1" in text


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_without_colour_a_terminal_keeps_its_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "64")
    monkeypatch.setenv("TERM", "xterm")
    out = Screen()
    terminal.write(RECORDS, out, colour=False)
    lines = out.getvalue().splitlines()
    assert "\x1b" not in out.getvalue()
    assert all(len(line) <= 64 and line == line.rstrip() for line in lines[: lines.index("names: 1 blocked, 1 ok")])
    assert "  signature some-box, position on-path" in lines


def test_commands_start_the_program_as_it_was_started() -> None:
    out = io.StringIO()
    terminal.write(RECORDS, out, program=".venv/bin/dpiprobe")
    assert "  .venv/bin/dpiprobe show client.pcap --flow 12\n" in out.getvalue()


def test_one_packet_is_no_packets() -> None:
    assert shown([flow(1, matches=[], observations=[{"kind": "reset", "packets": [64]}]), name([1]), capture()]).count("(flow 1, packet 64)") == 1
