"""The table of the demonstration, from made-up runs."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from dpiprobe.report import demo_table


def row(box: str = "in-path-reset", **fields: Any) -> SimpleNamespace:
    return SimpleNamespace(**{
        "box": box, "name": "blocked.example", "verdict": "blocked", "both_ends": "blocked", "technique": "rst.in-path", "signature": "netfilter-reject",
        "position": "in-path", "trials": {"ok": 0, "blocked": 3}, "reaction_ns": 10_200_000, "rtt_ns": 50_100_000, "evidence": [93], "flow": 3,
        "reason": "reset 10.2 ms after the ClientHello", "because": None} | fields)  # fmt: skip


def run(*rows: SimpleNamespace, right: bool = True, miss: str = "") -> SimpleNamespace:
    return SimpleNamespace(box=rows[0].box, rows=list(rows), right=right, miss=miss)


def shown(*runs: SimpleNamespace, **options: Any) -> list[str]:
    out = io.StringIO()
    demo_table.write(runs, out, shown=Path("runs/demo-1"), **options)
    return out.getvalue().splitlines()


def test_one_line_a_box_says_all_of_it() -> None:
    assert " ".join(shown(run(row()))[1].split()) == (
        "in-path-reset blocked.example blocked x3 blocked rst.in-path netfilter-reject in-path right 10.2 ms 50.1 ms 93")


def test_trials_that_differ_are_counted() -> None:
    assert "blocked 2 of 3" in shown(run(row(trials={"blocked": 2, "insufficient": 1})))[1]


def test_what_one_side_cannot_say_is_said() -> None:
    lines = shown(run(row("proxy-close", verdict="insufficient", trials={"insufficient": 3}, because="whose-proxy", reason="round trips are split")))
    assert "proxy-close: from the client's side alone insufficient (whose-proxy); round trips are split" in lines


def test_a_miss_is_shown_as_one() -> None:
    lines = shown(run(row(), right=False, miss="technique rst, expected rst.in-path"))
    assert "WRONG" in lines[1] and "WRONG, in-path-reset: technique rst, expected rst.in-path" in lines and "0 of 1 boxes named rightly." in lines


def test_every_line_of_the_table_fits_on_the_screen() -> None:
    for room in (80, 120):
        lines = shown(run(row()), run(row("residual-drop"), row("residual-drop", name="(no name sent)")), room=room)
        assert all(len(line) <= room for line in lines[: lines.index("")])


def test_the_commands_can_be_pasted() -> None:
    lines = shown(run(row()), program=".venv/bin/dpiprobe")
    assert "  .venv/bin/dpiprobe show runs/demo-1/in-path-reset/capture.pcapng --flow 3" in lines
    assert "  .venv/bin/dpiprobe signatures show netfilter-reject" in lines
