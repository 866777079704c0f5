"""Tables on screens that are narrower than they are."""

from __future__ import annotations

from dpiprobe.report.columns import fit, lay

ROWS = [("name", "verdict", "packets"), ("blocked.example", "blocked", "93"), ("allowed.example", "ok", "-")]


def test_without_a_screen_all_stands_in_line() -> None:
    assert lay(ROWS, None) == ["name             verdict  packets", "blocked.example  blocked  93", "allowed.example  ok       -"]


def test_what_does_not_fit_stands_beneath_with_its_heading() -> None:
    assert lay(ROWS, 24) == ["name             verdict", "blocked.example  blocked", "    packets 93", "allowed.example  ok"]


def test_the_last_column_that_fits_to_the_cell_stays() -> None:
    assert [fit(ROWS, room) for room in (33, 32, 24, 23, 1)] == [3, 2, 2, 1, 1]


def test_nothing_is_cut_off() -> None:
    text = " ".join(" ".join(lay([("a", "why"), ("x", "word " * 40 + "end")], 50)).split())
    assert text == "a x why " + "word " * 40 + "end"
